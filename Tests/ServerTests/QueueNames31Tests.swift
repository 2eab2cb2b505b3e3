// 31: names of queues are each user's own.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `31 nobody takes the name of another's queue` {
    private static func server(_ more: String = "") throws -> TestServer {
      let server = try TestServer(
        "QueueDirectory @root@/queues\nControlSocket ring3d.sock mode=0666\n" + more)
      try server.letOthersIn()
      return server
    }

    /// Somebody who has made a queue of that name before.
    private static let squatting = """
      s = session()
      print(ask(s, "queue", "q", "--length=1"))
      print("there", flush=True)
      time.sleep(60)
      """

    @Test func `a name that a stranger has taken is free for whoever may register`() throws {
      guard isRoot() else { return }
      let server = try Self.server("UrlReservation http://+:@port@/q/ user=games\n")
      let squatter = try Talk(server, user: 65533, Self.squatting)
      #expect(eventually { squatter.said.contains("x 0\n\nthere") }, "\(squatter.said)")
      let owner = try ClaimingProgram(server, "q", ["/q/"], user: 5)
      #expect(owner.isReady, "\(owner.said)")
      #expect(try eventually { try server.get("/q/x").text.contains("/q/x") })
      let shown = server.control("queue", "show", "q").output
      #expect(shown.contains("q: enabled, of user games"), "\(shown)")
      #expect(shown.contains("q: enabled, of user #65533"), "\(shown)")
      let one = server.control("queue", "show", "games/q").output
      #expect(one.contains("games") && !one.contains("65533"), "\(one)")
      // An administrator says whose is meant; an owner need not.
      let unclear = server.control("queue", "disable", "q")
      #expect(unclear.ending == .exited(2))
      #expect(unclear.output.contains("say which of #65533/q, games/q"), "\(unclear.output)")
      #expect(server.control(as: 65533, words: ["queue", "disable", "q"]).succeeded)
      #expect(try server.get("/q/x").text.contains("/q/x"))
      #expect(!server.control(as: 65533, words: ["queue", "disable", "games/q"]).succeeded)
      #expect(server.control("queue", "disable", "games/q").succeeded)
      #expect(try eventually { try server.get("/q/x").status == 503 })
      #expect(server.control("queue", "enable", "games/q").succeeded)
      #expect(try eventually { try server.get("/q/x").text.contains("/q/x") })
    }

    @Test func `who may listen nowhere has few of all queues`() throws {
      guard isRoot() else { return }
      let server = try Self.server("UrlReservation http://+:@port@/q/ user=games\n")
      let making = """
        s = session()
        print([ask(s, "queue", f"q{n}") for n in range(17)].count("x 0\\n"), flush=True)
        time.sleep(60)
        """
      let many = try ([65531, 65532, 65533] as [UInt32]).map { user -> Talk in
        let talk = try Talk(server, user: user, making)
        #expect(eventually { !talk.said.isEmpty }, "\(server.said)")
        return talk
      }
      #expect(many.map(\.said) == ["16\n", "16\n", "0\n"])
      let owner = try ClaimingProgram(server, "q", ["/q/"], user: 5)
      #expect(owner.isReady, "\(owner.said)")
    }

    @Test func `a reservation that takes a site's requests says so`() throws {
      guard isRoot() else { return }
      let server = try Self.server()
      let prefix = "http://+:\(server.port)/"
      let made = server.control("reserve", "add", prefix, "--user=games", "--handoff")
      #expect(made.succeeded)
      for text in [
        "takes all requests of the main server", "is answered with 503 until",
        "say --listen --handoff",
      ] {
        #expect(made.output.contains(text), "\(made.output)")
      }
      let better = server.control(
        "reserve", "add", prefix, "--user=games", "--listen", "--handoff", "--replace")
      #expect(better.succeeded && !better.output.contains("say --listen"), "\(better.output)")
      #expect(better.output.contains("takes all requests of the main server"))
      let quiet = server.control("reserve", "add", prefix + "q/", "--user=games")
      #expect(!quiet.output.contains("warning"), "\(quiet.output)")
      let unheard = server.control("reserve", "add", "http://+:1/q/", "--user=games")
      #expect(unheard.output.contains("warning: nothing listens on port 1 yet"))
    }

    @Test func `the example in Python takes connections over`() throws {
      let server = try Self.server()
      let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
          "etc/examples")
      let application = try Talk(
        server,
        """
        import select
        sys.path.insert(0, "\(examples.path)")
        sys.dont_write_bytecode = True
        import ring3
        claim = ring3.Claim("q", [url("/q/")], path, handoff=True)
        print("ready", flush=True)
        while True:
          select.select([claim.listener], [], [])
          connection = claim.listener.accept()[0]
          connection.setblocking(True)
          client, head = ring3.take_over(connection)
          client.setblocking(True)
          client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\ntaken\\n")
          client.close()
          connection.close()
        """)
      #expect(eventually { application.said == "ready\n" }, "\(application.said)")
      #expect(
        eventually { (try? server.get("/q/x"))?.text == "taken\n" },
        "\(application.said) \(server.said)")
    }

    @Test func `what goes on without its reservation is told, and how to end it`() throws {
      guard isRoot() else { return }
      let server = try Self.server("UrlReservation http://+:@port@/c/ user=games\n")
      #expect(
        server.control("reserve", "add", "http://+:\(server.port)/q/", "--user=games").succeeded)
      let owner = try ClaimingProgram(server, "q", ["/q/", "/c/"], user: 5)
      #expect(owner.isReady, "\(owner.said)")
      #expect(try eventually { try server.get("/q/x").text.contains("/q/x") })
      let told = "goes on: user games has registered it and could not any more; 'ring3ctl session"
      let end = " end \(owner.program.pid)' ends it"
      let given = server.control(
        "reserve", "add", "http://+:\(server.port)/q/", "--user=daemon", "--replace")
      #expect(given.output.contains(told + end), "\(given.output)")
      let deleted = server.control("reserve", "delete", "http://+:\(server.port)/q/")
      #expect(deleted.succeeded)
      #expect(deleted.output.contains(told + end), "\(deleted.output)")
      #expect(try server.get("/q/x").text.contains("/q/x"))
      let reloaded = server.reload(
        "QueueDirectory @root@/queues\nControlSocket ring3d.sock mode=0666\n")
      #expect(reloaded.output.contains("/c/' " + told + end), "\(reloaded.output)")
      #expect(server.control("session", "end", "\(owner.program.pid)").succeeded)
      #expect(try eventually { try server.get("/q/x").status == 404 })
    }

    @Test func `the namespace is a tree, and each user sees his part of it`() throws {
      guard isRoot() else { return }
      let server = try Self.server(
        """
        UrlReservation http://+:@port@/q/ user=games listen delegate
        UrlReservation http://+:@port@/other/ user=daemon
        <VirtualHost *:@port@>
          ServerName named.test
        </VirtualHost>
        """)
      let port = server.port
      let owner = try ClaimingProgram(server, "q", ["/q/in/"], user: 5)
      #expect(owner.isReady, "\(owner.said)")
      let shown = server.control("namespace").output
      for line in [
        "strong wildcard\n",
        "  http://+:\(port)/q/  reserved for games (listen, delegate), and nobody serves it\n",
        "    http://+:\(port)/q/in/  registered by games, queue 'q' (enabled, 1 process)\n",
        "  http://+:\(port)/other/  reserved for daemon (listen), and nobody serves it\n",
        "explicit host\n  http://named.test:\(port)/  site: ",
        "weak wildcard\n  http://*:\(port)/  site: ",
      ] {
        #expect(shown.contains(line), "\(shown)")
      }
      let own = server.control(as: 5, words: ["namespace"]).output
      #expect(own.contains("/q/in/  registered by games"), "\(own)")
      #expect(!own.contains("daemon") && !own.contains("site"), "\(own)")
      let json = server.control("namespace", "--json").output
      for text in [
        #""parent":"http://+:\#(port)/q/""#, #""reservedFor":"daemon (listen)""#,
        #""state":"enabled""#, #""prefix":"http://named.test:\#(port)/""#,
      ] {
        #expect(json.contains(text), "\(json)")
      }
      let url = "http://localhost:\(port)"
      #expect(server.control(as: 5, words: ["explain", url + "/q/in/x"]).succeeded)
      let foreign = server.control(as: 5, words: ["explain", url + "/other/x"])
      #expect(foreign.ending == .exited(77), "\(foreign.output)")
      #expect(foreign.output.contains("leads to no prefix of user games"), "\(foreign.output)")
      #expect(server.control(as: 5, words: ["explain", url + "/"]).ending == .exited(77))
    }
  }
}
