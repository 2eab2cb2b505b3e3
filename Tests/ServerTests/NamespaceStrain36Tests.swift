// 36: the namespace under strain: descriptors that run out, applications that flap, users who want
// everything.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `36 the namespace holds under strain` {
    static let configuration = "QueueDirectory @root@/queues\n"

    @Test func `a worker without descriptors goes on, and learns of a claim later`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration, workers: 1, files: ["shop/index.html": "a file\n"])
      #expect(try server.get("/shop/").text == "a file\n")
      let worker = try #require(server.workers.first)
      // Not idle, so that it is not closed for the sake of a descriptor.
      let early = try server.open()
      try early.send("GET /shop/ HTTP/1.1\r\nHost: localhost\r\n")
      func limit(_ count: Int) throws {
        let program = try ChildProgram(
          ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            + ["/usr/bin/prlimit", "--pid", "\(worker)", "--nofile=\(count):"],
          outputPath: server.directory.path("prlimit"))
        #expect(program.wait(milliseconds: 5_000) == .exited(0))
      }
      // The head has been read, or it is read before the answer anyway.
      try limit(3)
      let application = try ClaimingProgram(server, "shop", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      #expect(eventually { server.said.contains("who owns which URLs could not be received") })
      // Nobody's URLs go to somebody else meanwhile, though the file is in the cache.
      try early.send("\r\n")
      #expect(try early.response().status == 503)
      try limit(1024)
      let expected = "\(application.program.pid) localhost /shop/b\n"
      #expect(eventually { (try? server.get("/shop/b").text) == expected })
      #expect(server.workers == [worker])
      #expect(!server.said.contains("master is gone"), "\(server.said)")
    }

    @Test func `a claim undoes what Redirect and ProxyPass opened`() throws {
      let origin = Origin { _, peer in peer.send(Origin.response("origin")) }
      let server = try TestServer(
        Self.configuration
          + """
          Redirect /app/closed/old http://elsewhere.test/
          ProxyPass /app/closed/pass http://127.0.0.1:\(origin.port)/
          Redirect /app/open http://elsewhere.test/
          ProxyPass /unclaimed/ http://127.0.0.1:\(origin.port)/
          <Directory @root@/www/app/closed>
            Require all denied
          </Directory>
          """)
      #expect(try server.get("/app/closed/old/x").status == 302)
      #expect(try server.get("/app/closed/pass/x").text == "origin")
      let application = try ClaimingProgram(server, "app", ["/app/"])
      #expect(application.isReady, "\(application.said)")
      let opened = "\(application.program.pid) localhost /app/open/x\n"
      #expect(eventually { (try? server.get("/app/open/x").text) == opened })
      for target in ["/app/closed/x", "/app/closed/old/x", "/app/closed/pass/x"] {
        #expect(try server.get(target).status == 403, "\(target)")
        let explained = server.control("explain", "http://localhost:\(server.port)\(target)")
        #expect(explained.output.contains("access:        denied"), "\(explained.output)")
      }
      #expect(try server.get("/unclaimed/x").text == "origin")
    }

    /// The cache's routing epoch.
    private func epoch(_ server: TestServer) -> Int {
      let text = server.control("cache", "stats", "--json").output
      let object =
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any]
      return object?["epoch"] as? Int ?? -1
    }

    @Test func `who registers and gives back all the time slows down, and nobody else`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration
          + "ControlSocket ring3d.sock mode=0666\nUser nobody\n"
          + "UrlReservation http://+:@port@/flap/ user=#65533\n"
          + "UrlReservation http://+:@port@/calm/ user=#65532\n")
      try server.letOthersIn()
      let before = epoch(server)
      #expect(before > 0)
      // What is given back at once is nobody's business.
      let cancelled = try talk(
        server, user: 65533,
        """
        s = session()
        for n in range(200):
          word = "register\\t" + url("/flap/") + "\\t--queue=f\\nunregister\\t--all\\n"
          s.sendall(word.encode())
          a = answer(s)
          if a.count("x 0") < 2: answer(s)
        print("done")
        """)
      #expect(cancelled == "done\n")
      let once = epoch(server)
      #expect(once <= before + 40, "\(before) \(once)")
      let started = monotonicMilliseconds()
      let flapping = try talk(
        server, user: 65533,
        """
        s = session()
        for n in range(150):
          a = ask(s, "register", url("/flap/"), "--queue=f")
          time.sleep(0.007)
          b = ask(s, "unregister", "--all")
          time.sleep(0.007)
        print(a + b)
        """)
      #expect(flapping.split(separator: "\n") == ["x 0", "x 0"])
      let seconds = Int(monotonicMilliseconds() - started) / 1000
      let after = epoch(server)
      // 300 changes; the first ones are told at once, then one a second.
      #expect(after - once <= 44 + 2 * seconds, "\(after - once) in \(seconds) s")
      let calm = try ClaimingProgram(server, "calm", ["/calm/"], user: 65532)
      #expect(calm.isReady, "\(calm.said)")
      #expect(eventually { (try? server.get("/calm/x").status) == 200 })
    }

    @Test func `one user takes no more than his share`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration
          + "ControlSocket ring3d.sock mode=0666\nUser nobody\n"
          + "UrlReservation http://+:@port@/greedy/ user=#65533 listen delegate\n"
          + "UrlReservation http://+:@port@/other/ user=#65532\n")
      try server.letOthersIn()
      let said = try talk(
        server, user: 65533,
        """
        held = [session() for n in range(26)]
        print(sum(not isinstance(s, str) for s in held), [s for s in held if isinstance(s, str)][0])
        s = held[0]
        made = 0
        for n in range(60):
          a = ask(s, "register", url("/greedy/q%d/" % n), "--queue=q%d" % n)
          if not a.endswith("x 0\\n"): break
          made += 1
        print(made, a)
        """)
      #expect(said.contains("24 e user #65533 has 24 sessions already"), "\(said)")
      #expect(said.contains("16 e user #65533 has 16 queues already"), "\(said)")
      let other = try ClaimingProgram(server, "other", ["/other/"], user: 65532)
      #expect(other.isReady, "\(other.said)")
      let written = try talk(
        server, user: 65533,
        """
        made = 0
        for n in range(40):
          a = ask(connection(), "reserve", "add", url("/greedy/r%d/" % n), "--user=#65533")
          if a.endswith("x 0\\n"): made += 1
          else: break
        print(made >= 20, made < 40, a)
        """)
      #expect(written.hasPrefix("True True"), "\(written)")
      #expect(written.contains("has changed many reservations just now"), "\(written)")
      #expect(server.directory.read("ring3d.state/reservations").contains(" by=65533 "))
      let administrator = server.control("reserve", "add", "http://+:\(server.port)/mine/")
      #expect(administrator.succeeded, "\(administrator.output)")
    }
  }
}
