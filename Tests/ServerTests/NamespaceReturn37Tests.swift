// 37: what becomes of URLs and queues when the server is killed and started anew.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `37 after a kill it waits for those who had URLs` {
    private static let configuration =
      "QueueDirectory @root@/queues\nStateDirectory @root@/state\n"
      + "ControlSocket ring3d.sock mode=0666\n"

    /// A server with a queue "q" for /q/, made by a session.
    private func begin(_ options: String...) throws -> (TestServer, ControlSession) {
      let server = try TestServer(Self.configuration)
      let session = try claim(server)
      for option in options { #expect(try session.ask("queue", "q", option).code == 0) }
      return (server, session)
    }

    private func claim(_ server: TestServer) throws -> ControlSession {
      let session = try ControlSession(server)
      server.companions.append(session)
      #expect(try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      return session
    }

    private func kept(_ server: TestServer) -> [String] {
      let names = try? FileManager.default.contentsOfDirectory(
        atPath: server.directory.path("queues"))
      return names?.filter { $0.contains(".urls") } ?? []
    }

    private func killAndStart(_ server: TestServer) throws {
      #expect(eventually { kept(server).count == 1 })
      // What was said last is written within an instant.
      pause(milliseconds: 100)
      server.stop(SIGKILL)
      try server.start()
    }

    private func ask(_ server: TestServer, _ target: String) throws -> Conversation {
      let client = try server.open()
      try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
      return client
    }

    @Test func `who comes back without the socket gets what has waited`() throws {
      let (server, _) = try begin("--length=7")
      try killAndStart(server)
      let client = try ask(server, "/q/a")
      let shown = server.control("namespace").output
      #expect(shown.contains("queue 'q' (enabled, 0 processes), and awaited"), "\(shown)")
      // Nobody else gets it meanwhile.
      if isRoot() {
        try server.letOthersIn()
        let url = "http://+:\(server.port)/q/"
        #expect(server.control("reserve", "add", url, "--user", "nobody").succeeded)
        let answer = try talk(
          server, user: 65534,
          "s = session()\nprint(ask(s, 'register', url('/q/'), '--queue=other'))\n"
            + "print(ask(s, 'register', url('/q/other/'), '--queue=q'))")
        #expect(answer.contains("is registered already"), "\(answer)")
        // Not by the queue's name either, which is another one's with another user.
        #expect(answer.hasSuffix("\nx 0\n\n"), "\(answer)")
      }
      let session = try claim(server)
      // What the queue allows was kept, too.
      #expect(eventually { server.control("queue", "show").output.contains("1 of 7 wait") })
      let application = try QueueApplication(server, "q")
      #expect(try client.response().text.contains(" /q/a "))
      #expect(!server.control("namespace").output.contains("awaited"))
      withExtendedLifetime((session, application)) {}
    }

    @Test(.enabled(if: isRoot()))
    func `queues of one name are kept for each of their users`() throws {
      let (server, _) = try begin()
      func claimForAnother() throws -> ControlSession {
        let session = try ControlSession(server)
        server.companions.append(session)
        #expect(try session.ask("owner", "nobody").code == 0)
        #expect(try session.ask("register", "http://+:\(server.port)/n/", "--queue=q").code == 0)
        return session
      }
      _ = try claimForAnother()
      #expect(eventually { kept(server).count == 2 })
      pause(milliseconds: 100)
      server.stop(SIGKILL)
      try server.start()
      let session = try claimForAnother()
      let lines = server.control("namespace").output.split(separator: "\n")
      for (path, user, isAwaited) in [("/n/", "nobody", false), ("/q/", "root", true)] {
        let line = lines.first { $0.contains("\(path)  registered by \(user), queue 'q'") }
        #expect(line?.contains("awaited") == isAwaited, "\(lines)")
      }
      withExtendedLifetime(session) {}
    }

    @Test func `when nobody comes they are told, and the URLs are free`() throws {
      let (server, _) = try begin("--verbosity=full")
      try killAndStart(server)
      let start = monotonicMilliseconds()
      let client = try ask(server, "/q/a")
      let response = try client.response()
      #expect(response.status == 503)
      #expect(response.text.contains("AppOffline"))
      #expect(monotonicMilliseconds() - start > 2_000)
      #expect(eventually { (try? server.get("/q/a").status) == 404 })
      #expect(kept(server).isEmpty)
      #expect(server.control("namespace").output == "nothing is registered or reserved\n")
      // Its name is free after a moment.
      #expect(
        eventually {
          (try? ControlSession(server).ask("queue", "q", "--length=3").code) == 0
        })
    }

    @Test func `an orderly end leaves nothing, and what is damaged is put aside`() throws {
      let (server, session) = try begin()
      #expect(eventually { kept(server).count == 1 })
      server.stop()
      #expect(kept(server).isEmpty)
      try server.start()
      #expect(try server.get("/q/a").status == 404)
      withExtendedLifetime(session) {}
      let second = try claim(server)
      #expect(eventually { kept(server).count == 1 })
      pause(milliseconds: 100)
      server.stop(SIGKILL)
      let name = try #require(kept(server).first)
      let text = server.directory.read("queues/\(name)")
      server.directory.write(text.replacing("/q/", with: "/r/"), to: "queues/\(name)")
      try server.start()
      #expect(try server.get("/q/a").status == 404)
      #expect(server.said.contains("is damaged: its bytes have changed"), "\(server.said)")
      #expect(kept(server).allSatisfy { $0.contains(".damaged-") })
      withExtendedLifetime(second) {}
    }

    @Test func `what was said of a queue holds until somebody says otherwise`() throws {
      let (server, _) = try begin()
      #expect(server.control("queue", "disable", "q").succeeded)
      try killAndStart(server)
      #expect(try server.get("/q/a").status == 503)
      // Nobody has it back yet: it is shown, and more can be said of it.
      #expect(server.control("queue", "show", "q").output.contains(", awaited, 0 processes"))
      #expect(server.control("queue", "enable", "q").succeeded)
      let waiting = try server.open()
      try waiting.send("GET /q/b HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(eventually { server.control("queue", "show", "q").output.contains("1 of") })
      #expect(server.control("queue", "disable", "q").succeeded)
      #expect(try waiting.response().status == 503)
      var session = try claim(server)
      #expect(server.control("queue", "show").output.contains("q: disabled"))
      server.stop()
      try server.start()
      session = try claim(server)
      #expect(server.control("queue", "show").output.contains("q: disabled"))
      #expect(server.control("queue", "enable", "q").succeeded)
      server.stop()
      try server.start()
      session = try claim(server)
      #expect(server.control("queue", "show").output.contains("q: enabled"))
      // Of a queue that nobody has, too.
      #expect(server.control("queue", "drain", "q").succeeded)
      server.stop()
      try server.start()
      #expect(server.control("queue", "enable", "q").succeeded)
      #expect(!server.control("queue", "enable", "q").succeeded)
      session = try claim(server)
      #expect(server.control("queue", "show").output.contains("q: enabled"))
      withExtendedLifetime(session) {}
    }
  }
}
