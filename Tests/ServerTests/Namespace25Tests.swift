// 25: applications claim URLs while the server runs, and lose them when they end.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `25 it lets applications register URLs` {
    static let configuration = "QueueDirectory @root@/queues\n"

    @Test func `requests go to who has registered, and back to the site when it ends`() throws {
      let server = try TestServer(Self.configuration, files: ["shop/index.html": "a file\n"])
      #expect(try server.get("/shop/").text == "a file\n")
      let application = try ClaimingProgram(server, "shop", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      // Also on a connection that was there before, and though the file was cached.
      let expected = "\(application.program.pid) shop.test:81 /shop/a?b=%2F\n"
      #expect(
        eventually {
          (try? server.get("/shop/a?b=%2F", host: "shop.test:81").text) == expected
        })
      for target in ["/shop", "/shop/", "/shop/index.html", "/x/../shop/%61"] {
        let text = try server.get(target).text
        #expect(text.hasPrefix("\(application.program.pid) localhost /shop"), "\(target): \(text)")
      }
      #expect(try server.get("/").text == "home\n")
      #expect(try server.get("/shopping").status == 404)
      let shown = server.control("namespace").output
      #expect(shown.contains("/shop/  registered by "), "\(shown)")
      let explained = server.control("explain", "http://x:\(server.port)/shop/y").output
      #expect(explained.contains("through queue 'shop'"), "\(explained)")
      application.end()
      #expect(eventually { (try? server.get("/shop/").text) == "a file\n" })
      #expect(
        eventually { !FileManager.default.fileExists(atPath: server.directory.path("queues/0")) })
    }

    @Test func `what is reserved and not registered is answered with 503`() throws {
      let server = try TestServer(
        Self.configuration + "UrlReservation http://+:@port@/kept/ user=root\n",
        files: ["kept/index.html": "a file\n"])
      func reserved(_ target: String) throws -> Bool { try server.get(target).status == 503 }
      #expect(try reserved("/kept/"))
      #expect(try reserved("/kept"))
      let explained = server.control("explain", "http://x:\(server.port)/kept/y").output
      #expect(explained.contains("refuse with 503 (Reserved)"), "\(explained)")
      #expect(try server.get("/").text == "home\n")
      #expect(server.control("status", "--json").output.contains("\"Reserved\""))
      // Added while it runs: at once, and over what is registered above it.
      let application = try ClaimingProgram(server, "all", ["/"])
      #expect(application.isReady)
      #expect(settled { (try? server.get("/team/x").text.contains("/team/x")) == true })
      #expect(server.control("reserve", "add", "http://+:\(server.port)/team/").succeeded)
      #expect(try eventually { try reserved("/team/x") })
      #expect(try server.get("/tea").text.contains("/tea"))
      #expect(server.control("reserve", "delete", "http://+:\(server.port)/team/").succeeded)
      #expect(try eventually { try !reserved("/team/x") })
    }

    @Test func `virtual hosts keep their place between the wildcards`() throws {
      let server = try TestServer(
        Self.configuration
          + """
          <VirtualHost *:@port@>
            ServerName first.test
            DocumentRoot @root@/www/first
          </VirtualHost>
          <VirtualHost *:@port@>
            ServerName named.test
            DocumentRoot @root@/www/named
          </VirtualHost>
          """,
        files: ["first/index.html": "first\n", "named/index.html": "named\n"])
      let port = server.port
      let application = try ClaimingProgram(
        server, "q",
        [
          "http://named.test:\(port)/", "http://named.test:\(port)/app/",
          "http://other.test:\(port)/", "http://*:\(port)/", "http://*:\(port)/weak/",
          "http://127.0.0.1:\(port)/bound/", "/strong/",
        ])
      #expect(application.isReady, "\(application.said)")
      func text(_ host: String, _ target: String) throws -> String {
        let text = try server.get(target, host: host).text
        return text.hasPrefix("\(application.program.pid) ") ? "application" : text
      }
      #expect(try eventually { try text("named.test", "/app/x") == "application" })
      #expect(try text("named.test", "/") == "named\n")
      #expect(try text("named.test", "/strong/") == "application")
      #expect(try text("named.test", "/weak/") != "application")
      #expect(try text("named.test", "/bound/") != "application")
      #expect(try text("other.test", "/") == "application")
      #expect(try text("unknown.test", "/") == "first\n")
      #expect(try text("unknown.test", "/weak/") == "application")
      #expect(try text("unknown.test", "/bound/") == "application")
    }

    @Test func `nobody registers what is not his own`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration
          + "ControlSocket ring3d.sock mode=0666\nUser nobody\n"
          + "UrlReservation http://+:@port@/team/ user=#65533\n")
      try server.letOthersIn()
      let own = try ClaimingProgram(server, "team", ["/team/app/"], user: 65533)
      #expect(own.isReady, "\(own.said)")
      #expect(
        eventually { (try? server.get("/team/app/x").text.contains("/team/app/x")) == true })
      #expect(try server.get("/team/").status == 503)
      for (queue, prefix, message) in [
        ("team", "/team/app/", "is registered already"),
        ("other", "/else/", "belongs to the administrator"),
        ("other", "/", "belongs to the administrator"),
        ("no name", "/team/x/", "no name of a queue"),
        ("other", "/team", "ends in '/'"),
      ] {
        let refused = try ClaimingProgram(server, queue, [prefix], user: 65533)
        #expect(
          !refused.isReady && refused.said.contains(message), "\(prefix): \(refused.said)")
      }
      let stranger = try ClaimingProgram(server, "team", ["/team/y/"], user: 65532)
      #expect(!stranger.isReady && stranger.said.contains("not yours"), "\(stranger.said)")
      // A queue of the same name is another one: nobody's URLs end with somebody else unseen.
      let administrator = try ClaimingProgram(server, "team", ["/ours/"])
      #expect(administrator.isReady, "\(administrator.said)")
      #expect(settled { (try? server.get("/ours/x").text.contains("/ours/x")) == true })
      own.end()
      #expect(try eventually { try server.get("/team/app/x").status == 503 })
      #expect(try server.get("/ours/x").text.contains("/ours/x"))
    }

    @Test func `what was routed before a claim is not kept in front of it`() throws {
      let claimed = Flag()
      let origin = Origin { request, peer in
        _ = eventually { claimed.isSet }
        return peer.send(Origin.response("old", fields: ["Cache-Control: max-age=600"]))
      }
      let server = try TestServer(
        Self.configuration + "ProxyPass /shop http://127.0.0.1:\(origin.port)\n")
      let early = try server.open()
      try early.send("GET /shop/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(eventually { origin.requests.count == 1 })
      let application = try ClaimingProgram(server, "shop", ["/shop/"])
      #expect(application.isReady)
      #expect(settled { (try? server.get("/shop/b").text.contains("/shop/b")) == true })
      claimed.set()
      #expect(try early.response().text == "old")
      for _ in 0..<20 { #expect(try server.get("/shop/a").text.contains("/shop/a")) }
    }

    @Test func `a session that never reads its answers keeps nobody waiting`() throws {
      let server = try TestServer(Self.configuration)
      let path = server.directory.path("ring3d.sock")
      let hostile = try ChildProgram(
        [
          "/usr/bin/python3", "-c",
          """
          import socket, sys, time
          s = socket.socket(socket.AF_UNIX)
          s.connect(sys.argv[1])
          s.sendall(b"session\t1\n")
          s.settimeout(5)
          try:
            for _ in range(100): s.sendall(b"a\n" * 30000)
          except OSError: pass
          time.sleep(30)
          """, path,
        ], outputPath: server.directory.path("hostile"))
      defer { hostile.signal(SIGKILL) }
      for _ in 0..<20 { #expect(server.control("status").succeeded) }
      #expect(server.control("namespace").output == "nothing is registered or reserved\n")
    }

    @Test func `whoever is told that a prefix is registered can ask for it`() throws {
      let server = try TestServer("Workers 4\n" + Self.configuration)
      let text = try talk(
        server,
        """
        import http.client
        def statuses():
          found = set()
          for _ in range(12):
            c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
            c.request("GET", "/claimed/x")
            found.add(c.getresponse().status)
            c.close()
          return found
        s = session()
        ask(s, "register", url("/other/"), "--queue=shop")
        print(ask(s, "offline", "shop"), end="")
        for turn in range(8):
          ask(s, "register", url("/claimed/"), "--queue=shop")
          claimed = statuses()
          ask(s, "unregister", url("/claimed/"))
          if claimed != {503} or statuses() != {404}: print("turn", turn, claimed)
        print("end")
        """)
      #expect(text == "x 0\nend\n")
    }

    @Test func `who waits for a worker that is stopped keeps nobody else waiting`() throws {
      let server = try TestServer("Workers 2\n" + Self.configuration)
      let worker = try #require(server.workers.first)
      kill(worker, SIGSTOP)
      defer { kill(worker, SIGCONT) }
      let program = try Talk(
        server,
        """
        s = session()
        s.setblocking(False)
        def put(data):
          try: return s.send(data)
          except BlockingIOError: time.sleep(0.01); return 0
        put(("register\\t" + url("/x/") + "\\t--queue=x\\n").encode())
        time.sleep(0.1)
        # As much as is taken: nothing of it is looked at before the first answer.
        rest, end = b"nonsense\\n" * 1000000, time.monotonic() + 0.5
        taken = 0
        while taken < len(rest) and time.monotonic() < end: taken += put(rest[taken:])
        print("sent", taken < len(rest), flush=True)
        s.setblocking(True)
        print(s.recv(4), flush=True)
        s.shutdown(socket.SHUT_WR)
        time.sleep(60)
        """)
      #expect(eventually { program.said.hasPrefix("sent") })
      #expect(program.said.hasPrefix("sent True"), "\(program.said)")
      #expect(server.control("queue", "show").succeeded)
      kill(worker, SIGCONT)
      #expect(eventually { program.said.contains("b'x 0") }, "\(program.said)")
      #expect(server.control("queue", "show").succeeded)
    }

    @Test func `ten thousand prefixes come, and go with their owner`() throws {
      let server = try TestServer(Self.configuration)
      let application = try ClaimingProgram(
        server, "many", (0..<10_000).map { "/many/\($0)/" })
      #expect(application.isReady, "\(application.said)")
      #expect(eventually { (try? server.get("/many/9999/x").status) == 200 })
      #expect(try server.get("/many/10000/x").status == 404)
      #expect(try server.get("/many/0/").status == 200)
      application.end()
      #expect(eventually { (try? server.get("/many/9999/x").status) == 404 })
    }

    @Test func `registrations outlive reloads and workers`() throws {
      let server = try TestServer(Self.configuration)
      let application = try ClaimingProgram(server, "q", ["/app/"])
      #expect(application.isReady)
      #expect(eventually { (try? server.get("/app/").status) == 200 })
      #expect(server.reload(Self.configuration + "Timeout 50").succeeded)
      for _ in 0..<20 { #expect(try server.get("/app/").status == 200) }
      for worker in server.workers { kill(worker, SIGKILL) }
      #expect(eventually { (try? server.get("/app/").status) == 200 })
      for _ in 0..<20 { #expect(try server.get("/app/").status == 200) }
      let refused = server.reload("QueueDirectory @root@/others")
      #expect(refused.output.contains("cannot change"), "\(refused.output)")
    }

    @Test func `a session is told what it does wrong, and may stall without harm`() throws {
      let server = try TestServer(Self.configuration)
      func talk(_ text: String) throws -> String {
        let socket = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
        try socket.send(text)
        socket.finishSending()
        return String(decoding: try socket.receiveToEnd(), as: UTF8.self)
      }
      #expect(
        try talk("session\t1\n")
          == "o 1 register unregister attach owner queue processes offline online watch statistics"
          + " connect invalidate put get put-fragment get-fragment delete-fragment tell\nx 0\n")
      #expect(try talk("session\t9\n").contains("speaks version 1"))
      let answers = try talk(
        "session\t1\nregister\thttp://+:80/\nnonsense\nunregister\thttp://+:80/\n"
          + "register\thttp://+:80/a/\thttp://+:80/a/\t--queue=q\nattach\tq\nunregister\t--all\n")
      #expect(answers.contains("there is no queue 'q'"), "\(answers)")
      #expect(answers.contains("usage: register"), "\(answers)")
      #expect(answers.contains("nothing a session can ask for"), "\(answers)")
      #expect(answers.contains("is not registered by you"), "\(answers)")
      #expect(answers.contains("is registered already"), "\(answers)")
      #expect(answers.hasSuffix("x 0\n"), "\(answers)")
      // The same in JSON, to the letter; what is no JSON ends it.
      let inJSON = try talk(
        #"["session","1"]"# + "\n" + #"["register","http://+:\#(server.port)/j/","--queue=j"]"#
          + "\n"
          + #"["queue","j","--length=5"]"# + "\n" + #"["attach","nobodys"]"# + "\n[1]\n"
      )
      .split(separator: "\n")
      #expect(inJSON.count == 5 && inJSON[0].hasPrefix(#"{"output":["1 register"#), "\(inJSON)")
      #expect(inJSON[1...2].allSatisfy { $0 == #"{"output":[],"error":[],"code":0}"# }, "\(inJSON)")
      #expect(inJSON[3].contains("no queue 'nobodys'") && inJSON[3].hasSuffix(#""code":1}"#))
      #expect(inJSON[4].contains("array of strings") && inJSON[4].hasSuffix(#""code":2}"#))
      let watcher = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
      try watcher.send(
        #"["session","1"]"# + "\n" + #"["register","http://+:\#(server.port)/k/","--queue=k"]"#
          + "\n" + #"["watch"]"# + "\n")
      #expect(eventually { server.control("namespace").output.contains("/k/") })
      let waiting = try server.open()
      try waiting.send("GET /k/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
      var told = ""
      while !told.contains("event"), let bytes = try? watcher.receive(), !bytes.isEmpty {
        told += String(decoding: bytes, as: UTF8.self)
      }
      #expect(told.hasSuffix(#"{"event":"demand","queue":"k"}"# + "\n"), "\(told)")
      // The first of two was not kept when the second was refused.
      let stalled = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
      try stalled.send("session\t1\nregis")
      #expect(server.control("status").succeeded)
      let without = try TestServer()
      #expect(without.control("session", "1").output.contains("QueueDirectory"))
    }
  }
}
