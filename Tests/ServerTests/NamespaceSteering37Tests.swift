// 37: what operators see and decide of the namespace, and what a server does about others.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `37 operators steer the namespace` {
    static let configuration = "QueueDirectory @root@/queues\n"

    @Test func `sessions are shown, and ended by process or user`() throws {
      let server = try TestServer(Self.configuration)
      #expect(server.control("session", "show").output == "no application is connected\n")
      let application = try ClaimingProgram(server, "shop", ["/shop/", "/other/"])
      let second = try ClaimingProgram(server, "team", ["/team/"])
      #expect(application.isReady && second.isReady)
      let shown = server.control("session", "show").output
      #expect(shown.contains("pid \(application.program.pid), user "), "\(shown)")
      #expect(shown.contains(" s: 2 registrations, queue 'shop'\n"), "\(shown)")
      let json = server.control("session", "show", "--json").output
      #expect(json.contains("\"pid\":\(second.program.pid)"), "\(json)")
      #expect(json.contains("\"queues\":[\"team\"]"), "\(json)")
      #expect(try eventually { try server.get("/shop/").status == 200 })
      // It would connect again at once.
      application.program.signal(SIGSTOP)
      let ended = server.control("session", "end", "\(application.program.pid)")
      #expect(ended.output == "1 session ended\n", "\(ended.output)")
      #expect(try eventually { try server.get("/shop/").status == 404 })
      #expect(try server.get("/team/").status == 200)
      let again = server.control("session", "end", "\(application.program.pid)")
      #expect(again.ending == .exited(1) && again.output.contains("has no session"))
      let unknown = server.control("session", "end", "no-such-user")
      #expect(unknown.ending == .exited(2), "\(unknown.output)")
      second.program.signal(SIGSTOP)
      #expect(server.control("session", "end", "#\(getuid())").succeeded)
      #expect(try eventually { try server.get("/team/").status == 404 })
      #expect(server.control("session", "show").output == "no application is connected\n")
    }

    @Test func `a line without an end, and sockets that nobody takes, are not waited for`() throws {
      let server = try TestServer(Self.configuration)
      let said = try talk(
        server,
        """
        s = session()
        print(ask(s, "register", url("/a/"), "--queue=q"), end="")
        words = b"attach\\tq\\n" * 30
        s.sendall(words)
        time.sleep(1)
        text = b""
        while text.count(b"x ") < 30: text += s.recv(65536)
        print(text.count(b"x 0"), b"were sent and not taken yet" in text)
        print(ask(s, "attach", "q"), end="")
        s.sendall(b"unregister\\t")
        s.settimeout(60)
        print(s.recv(100))
        """)
      #expect(said == "x 0\n8 True\nx 0\nb''\n", "\(said)")
      #expect(server.control("session", "show").output == "no application is connected\n")
    }

    @Test func `two servers do not share a directory`() throws {
      let first = try TestServer(
        Self.configuration + "StateDirectory @root@/state\n")
      #expect(first.control("reserve", "add", "http://+:\(first.port)/a/").succeeded)
      let root = first.directory.path
      for (line, name) in [
        ("QueueDirectory \(root)/queues", "QueueDirectory"),
        ("StateDirectory \(root)/state", "StateDirectory"),
      ] {
        let second = try TestServer(line, starts: false)
        do {
          try second.start()
          Issue.record("it started with \(line)")
        } catch {
          let pid = first.program?.pid ?? 0
          #expect("\(error)".contains("another ring3d (pid \(pid)) uses "), "\(error)")
          #expect("\(error)".contains("give each server a \(name) of its own"), "\(error)")
        }
      }
      let third = try TestServer()
      let refused = third.reload("QueueDirectory \(root)/queues")
      #expect(refused.output.contains("another ring3d"), "\(refused.output)")
      #expect(third.reload("").succeeded)
      // It is free when the first one has ended, however that was.
      first.stop(SIGKILL)
      #expect(third.reload("QueueDirectory \(root)/queues").succeeded)
      // Its own name does not stand in a server's way when it takes another binary.
      #expect(third.control("upgrade").succeeded)
      #expect(eventually { third.control("reload").succeeded })
    }

    @Test func `queues belong to the workers of another user after a reload`() throws {
      guard isRoot() else { return }
      let server = try TestServer(Self.configuration + "User nobody\n")
      try server.letOthersIn()
      let application = try ClaimingProgram(server, "app", ["/app/"])
      #expect(application.isReady, "\(application.said)")
      #expect(try eventually { try server.get("/app/").status == 200 })
      let reloaded = server.reload(Self.configuration + "User #65531\nGroup #65531\n")
      #expect(reloaded.succeeded, "\(reloaded.output)")
      for _ in 0..<10 { #expect(try server.get("/app/").status == 200) }
      let names = try FileManager.default.contentsOfDirectory(
        atPath: server.directory.path("queues"))
      let name = try #require(names.first { $0 != "lock" && !$0.hasSuffix(".urls") })
      let facts = try FileManager.default.attributesOfItem(
        atPath: server.directory.path("queues/" + name))
      #expect(facts[.ownerAccountID] as? Int == 65531, "\(facts)")
      #expect(facts[.groupOwnerAccountID] as? Int == 65531, "\(facts)")
    }

    @Test func `conflicts with virtual hosts are told where they are`() throws {
      let server = try TestServer(
        Self.configuration
          + """
          UrlReservation http://+:@port@/shop/ user=root
          UrlReservation http://named.test:@port@/ user=root
          UrlReservation http://*:@port@/ user=root
          UrlReservation http://+:@port@/quiet/ user=root
          UrlReservation http://+:9/elsewhere/ user=root
          <VirtualHost *:@port@>
            ServerName named.test
            DocumentRoot @root@/www
            Redirect /shop/old http://elsewhere.test/
            Alias /live/files @root@/www
            <Location /shop/settings>
              Require all granted
            </Location>
          </VirtualHost>
          """)
      let port = server.port
      let checked = server.daemon("--check").output
      // One line behind QueueDirectory, behind the preamble.
      let first = TestServer.preambleLineCount + 2
      for text in [
        "ring3.conf:\(first):16: warning: 'http://+:\(port)/shop/' comes before 'Redirect",
        "at \(server.directory.path("ring3.conf")):\(first + 8):",
        "ring3.conf:\(first + 1):16: warning: 'http://named.test:\(port)/' never gets a request",
        "ring3.conf:\(first + 2):16: warning: 'http://*:\(port)/' never gets a request",
      ] {
        #expect(checked.contains(text), "\(text) in \(checked)")
      }
      #expect(!checked.contains("/quiet/") && !checked.contains("elsewhere/'"), "\(checked)")
      #expect(!checked.contains("/shop/settings"), "\(checked)")
      let application = try ClaimingProgram(server, "live", ["/live/"])
      #expect(application.isReady)
      let reloaded = server.control("reload").output
      #expect(
        reloaded.contains("warning: the registered prefix 'http://+:\(port)/live/' comes before"),
        "\(reloaded)")
      let taken = server.control("explain", "http://named.test:\(port)/live/files/x").output
      #expect(taken.contains("namespace:     http://+:\(port)/live/"), "\(taken)")
      #expect(taken.contains("instead of:    file \(server.directory.path("www/x")), by Alias"))
      let kept = server.control("explain", "http://named.test:\(port)/").output
      #expect(kept.contains("instead of:    http://named.test:\(port)/"), "\(kept)")
      #expect(kept.contains("the site comes before it"), "\(kept)")
    }

    @Test func `a port that nobody listens on is told of, and taken up by a reload`() throws {
      let server = try TestServer(Self.configuration)
      let other = freePort()
      let said = try talk(
        server,
        """
        s = session()
        print(ask(s, "register", url("/a/"), "--queue=q"), end="")
        print(ask(s, "register", "http://+:\(other)/a/", "--queue=q"), end="")
        print(ask(s, "register", "https://+:\(other)/b/", "--queue=q"), end="")
        """)
      let lines = said.split(separator: "\n")
      #expect(lines.first == "x 0", "\(said)")
      #expect(
        lines.dropFirst().first == "o warning: nothing listens on port \(other) yet (Listen)")
      #expect(said.contains("speaks http already"), "\(said)")
      let application = try ClaimingProgram(server, "q", ["http://+:\(other)/a/"])
      #expect(application.isReady, "\(application.said)")
      #expect(server.reload(Self.configuration + "Listen 127.0.0.1:\(other)").succeeded)
      let response = try Conversation(to: "127.0.0.1", port: other).get("/a/x")
      #expect(response.status == 200)
    }
  }
}
