// 24: URLs are set aside for users and groups, over restarts and crashes, by whoever may do so.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `24 it keeps reservations` {
    private struct Report: Decodable {
      struct Reservation: Decodable {
        let prefix: String
        let configured: Bool
      }
      let reservations: [Reservation]
    }

    private func prefixes(_ server: TestServer) -> [String] {
      let text = server.control("reserve", "show", "--json").output
      let report = try? JSONDecoder().decode(Report.self, from: Data(text.utf8))
      return report?.reservations.map(\.prefix) ?? ["no report: \(text)"]
    }

    @Test func `what is added is shown, survives a restart, and can be deleted`() throws {
      let server = try TestServer(
        "UrlReservation http://+:@port@/fixed/ user=root listen delegate")
      #expect(prefixes(server) == ["http://+:\(server.port)/fixed/"])
      let added = server.control(
        "reserve", "add", "http://+:\(server.port)/shop/", "--user", "nobody", "--user=root",
        "--delegate")
      #expect(added.succeeded, "\(added.output)")
      let all = ["http://+:\(server.port)/fixed/", "http://+:\(server.port)/shop/"]
      #expect(prefixes(server) == all)
      server.stop()
      try server.start()
      #expect(prefixes(server) == all)
      let shown = server.control("reserve", "show").output
      #expect(shown.contains("/shop/ user=nobody:delegate user=root:delegate"), "\(shown)")
      #expect(shown.contains("/fixed/ user=root:listen,delegate (configuration)"), "\(shown)")
      let again = server.control("reserve", "add", all[1])
      #expect(again.ending == .exited(1) && again.output.contains("is reserved already"))
      #expect(server.control("reserve", "add", all[1], "--replace").succeeded)
      #expect(server.control("reserve", "delete", all[1]).succeeded)
      #expect(prefixes(server) == [all[0]])
      let fixed = server.control("reserve", "delete", all[0])
      #expect(fixed.output.contains("configuration file"), "\(fixed.output)")
      #expect(server.reload("").succeeded)
      #expect(prefixes(server).isEmpty)
    }

    @Test func `mistakes are told where they are`() throws {
      let server = try TestServer()
      let prefix = server.control("reserve", "add", "http://+:80/shop")
      #expect(prefix.ending == .exited(2))
      #expect(prefix.output.contains("ends in '/'"), "\(prefix.output)")
      let user = server.control("reserve", "add", "http://+:80/", "--user", "no-such-user")
      #expect(user.output.contains("there is no user 'no-such-user'"), "\(user.output)")
      let scheme = server.control("reserve", "add", "https://+:\(server.port)/")
      #expect(scheme.output.contains("speaks http already"), "\(scheme.output)")
      let none = server.control("reserve", "delete", "http://+:80/x/")
      #expect(none.output.contains("is not reserved"), "\(none.output)")
      server.configure("UrlReservation http://+:@port@/x/ user=no-such-user")
      let refused = server.control("reload")
      #expect(refused.output.contains("ring3.conf:12:"), "\(refused.output)")
      #expect(refused.output.contains("there is no user 'no-such-user'"), "\(refused.output)")
    }

    @Test func `damage is put aside, and a directory that cannot be written changes nothing`()
      throws
    {
      let server = try TestServer()
      let prefix = "http://+:\(server.port)/a/"
      #expect(server.control("reserve", "add", prefix).succeeded)
      let file = "ring3d.state/reservations"
      let whole = server.directory.read(file)
      // Nothing can be created where a directory stands in the way.
      let blocker = server.directory.path(file + ".new")
      try FileManager.default.createDirectory(
        atPath: blocker + "/x", withIntermediateDirectories: true)
      let failed = server.control("reserve", "add", "http://+:\(server.port)/b/")
      #expect(!failed.succeeded && failed.output.contains("nothing has changed"))
      #expect(server.directory.read(file) == whole)
      #expect(prefixes(server) == [prefix])
      try FileManager.default.removeItem(atPath: blocker)
      server.stop()
      server.directory.replace(file, with: Array(whole.replacing("/a/", with: "/c/").utf8))
      try server.start()
      #expect(prefixes(server).isEmpty)
      #expect(server.said.contains("are damaged: its bytes have changed"), "\(server.said)")
      let names = try FileManager.default.contentsOfDirectory(
        atPath: server.directory.path("ring3d.state"))
      let kept = names.filter { $0 != "lock" }
      #expect(kept.count == 1 && kept[0].hasPrefix("reservations.damaged-"), "\(names)")
      #expect(server.control("reserve", "add", prefix).succeeded)
    }

    @Test func `a server that is killed while it adds loses nothing that it has promised`() throws {
      let server = try TestServer()
      var promised: Set<String> = []
      for round in 0..<6 {
        let command = (0..<40).map { "http://+:\(server.port)/r\(round)/\($0)/" }
        let killer = server.program
        for (number, prefix) in command.enumerated() {
          if number == 5 + 6 * round { killer?.signal(SIGKILL) }
          guard server.control("reserve", "add", prefix).succeeded else { break }
          promised.insert(prefix)
        }
        server.stop(SIGKILL)
        try server.start()
        let kept = Set(prefixes(server))
        #expect(kept.isSuperset(of: promised), "round \(round)")
        // One may have been written without its answer.
        #expect(kept.count <= promised.count + 1, "round \(round)")
        promised = kept
        #expect(!server.said.contains("damaged"))
      }
    }

    @Test func `others may do what reservations let them, and nothing else`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        "ControlSocket ring3d.sock mode=0666\n"
          + "UrlReservation http://+:@port@/team/ user=nobody delegate")
      func asNobody(_ words: String...) -> Outcome {
        server.control(as: 65534, words: words)
      }
      try server.letOthersIn()
      let below = "http://+:\(server.port)/team/one/"
      let made = asNobody("reserve", "add", below, "--user", "nobody")
      #expect(made.succeeded, "\(made.output)")
      for prefix in ["/team/", "/other/", "/"] {
        let refused = asNobody("reserve", "add", "http://+:\(server.port)\(prefix)")
        #expect(!refused.succeeded, "\(prefix): \(refused.output)")
      }
      let outside = asNobody("reserve", "add", "http://+:\(server.port)/other/")
      #expect(outside.ending == .exited(77), "\(outside.output)")
      #expect(outside.output.contains("belongs to the administrator"), "\(outside.output)")
      for command in ["stop", "reload", "status", "explain"] {
        let refused = asNobody(command)
        #expect(refused.ending == .exited(77), "\(command): \(refused.output)")
      }
      #expect(asNobody("reserve", "show").output.contains(below))
      #expect(asNobody("reserve", "delete", below).succeeded)
    }
  }
}
