// 28: <Application>s, which the server itself starts, keeps running, and changes at a reload.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `28 it runs applications of its configuration` {
    /// `user`: nil, none is named; as root each needs one.
    private static func application(
      _ more: String = "", name: String = "app", path: String = "/app/",
      user: String? = isRoot() ? "daemon" : nil
    ) -> String {
      """
      <Application \(name)>
        Command /usr/bin/python3 -u "@root@/app.py"
        Url http://+:@port@\(path)
        \(user.map { "User \($0)" } ?? "")
        \(more)
      </Application>

      """
    }

    private static func configuration(_ applications: String...) -> String {
      "QueueDirectory @root@/queues\n" + applications.joined()
    }

    private static func server(_ applications: String) throws -> TestServer {
      try TestServer(
        configuration(applications), files: ["../app.py": PlainApplication.source])
    }

    /// The process that runs the applications.
    private static func supervisor(_ server: TestServer) -> Int32? {
      let line = server.control("status").output.split(separator: "\n")
        .first { $0.hasPrefix("supervisor of applications pid ") }
      return line.flatMap { $0.split(separator: " ").last }.flatMap { Int32($0) }
    }

    @Test func `it is started, shown, and ends with the server`() throws {
      let server = try Self.server(Self.application("Environment LABEL=one\nProcesses 2"))
      #expect(eventually { server.application()?.label == "one" }, "\(server.said)")
      let answer = try #require(server.firstAnswer())
      #expect(answer.directory == "/")
      #expect(answer.user == (isRoot() ? 1 : Int(geteuid())))
      #expect(
        eventually {
          server.control("status").output.contains(
            "application app running, queue app, processes")
        })
      #expect(server.control("status", "--json").output.contains(#""name":"app""#))
      #expect(server.control("namespace").output.contains("queue 'app'"))
      #expect(server.stop() == .exited(0), "\(server.said)")
      #expect(kill(answer.process, 0) != 0)
    }

    @Test func `requests wait for an application that a start or a reload names`() throws {
      let server = try Self.server(Self.application())
      // The server serves: that is all that anybody has to know.
      #expect(try server.get("/app/x").status == 200, "\(server.said)")
      for number in 1...5 {
        let outcome = server.reload(
          Self.configuration(
            Self.application(),
            Self.application("OnDemand On", name: "a\(number)", path: "/a\(number)/")))
        #expect(outcome.succeeded, "\(outcome.output)")
        let answer = try server.get("/a\(number)/x")
        #expect(answer.status == 200, "\(answer.text) \(server.said)")
      }
      #expect(!server.said.contains("nobody has come"))
    }

    @Test func `a reload touches what has changed, without a failed request`() throws {
      let other = Self.application("Environment LABEL=other", name: "other", path: "/other/")
      let server = try Self.server(Self.application("Environment LABEL=one") + other)
      #expect(eventually { server.application() != nil }, "\(server.said)")
      #expect(eventually { server.application("/other/x") != nil }, "\(server.said)")
      let first = try #require(server.firstAnswer()).process
      let kept = try #require(server.application("/other/x")).process
      let load = RequestLoop(server, clients: 2)
      let same = server.reload(
        Self.configuration(Self.application("Environment LABEL=one"), other))
      #expect(same.succeeded, "\(same.output)")
      #expect(server.application()?.process == first)
      let changed = server.reload(
        Self.configuration(Self.application("Environment LABEL=two"), other))
      #expect(changed.succeeded, "\(changed.output)")
      #expect(eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(server.said)")
      #expect(server.application()?.label == "two")
      #expect(load.stop() == [])
      #expect(server.application("/other/x")?.process == kept)
      // Gone: its URLs too.
      #expect(server.reload(Self.configuration(other)).succeeded)
      #expect(eventually { (try? server.get("/app/x"))?.status == 404 }, "\(server.said)")
      #expect(server.application("/other/x")?.process == kept)
      #expect(server.reload(Self.configuration()).succeeded)
      #expect(eventually { kill(kept, 0) != 0 && Self.supervisor(server) == nil })
      #expect(server.reload(Self.configuration(Self.application())).succeeded)
      #expect(eventually { server.application()?.label == "None" }, "\(server.said)")
    }

    @Test func `other URLs of an application need no other process`() throws {
      let server = try Self.server(Self.application())
      #expect(eventually { server.application() != nil }, "\(server.said)")
      let process = try #require(server.firstAnswer()).process
      #expect(server.reload(Self.configuration(Self.application(path: "/new/"))).succeeded)
      #expect(eventually { server.application("/new/x")?.process == process }, "\(server.said)")
      #expect(eventually { (try? server.get("/app/x"))?.status == 404 })
    }

    @Test func `when the supervisor is killed nothing is left, and all starts anew`() throws {
      let server = try Self.server(Self.application("Processes 2"))
      #expect(eventually { server.application() != nil }, "\(server.said)")
      let process = try #require(server.firstAnswer()).process
      let supervisor = try #require(Self.supervisor(server))
      // Its URLs fall to nobody else meanwhile.
      let load = RequestLoop(server, clients: 1)
      kill(supervisor, SIGKILL)
      #expect(eventually { kill(process, 0) != 0 })
      #expect(
        eventually {
          guard let answer = server.application() else { return false }
          return answer.process != process
        }, "\(server.said)")
      #expect(load.stop().allSatisfy { $0.hasPrefix("50") })
      #expect(Self.supervisor(server) != supervisor)
      #expect(server.said.contains("supervisor of applications (pid \(supervisor)) killed"))
    }

    @Test func `the supervisor keeps of root what it needs`() throws {
      guard isRoot() else { return }
      let server = try Self.server(Self.application())
      #expect(eventually { server.application() != nil }, "\(server.said)")
      #expect(server.application()?.user == 1)
      let supervisor = try #require(Self.supervisor(server))
      let effective = textOfKernelFile("/proc/\(supervisor)/status").split(separator: "\n")
        .first { $0.hasPrefix("CapEff:") }?.split(separator: "\t").last
      // DAC_OVERRIDE, DAC_READ_SEARCH, KILL, SETGID, SETUID.
      #expect(effective.flatMap { UInt64($0, radix: 16) } == 0b1110_0110, "\(effective ?? "")")
      let process = try #require(server.firstAnswer()).process
      let rights = textOfKernelFile("/proc/\(process)/status").split(separator: "\n")
        .first { $0.hasPrefix("CapEff:") }?.split(separator: "\t").last
      #expect(rights.flatMap { UInt64($0, radix: 16) } == 0)
    }

    /// Answers with who it is, and where TARGET says so has another queue answer.
    private static let delegating = """
      import os, socket
      listener = socket.socket(fileno=3)
      listener.setblocking(True)
      while True:
        connection = listener.accept()[0]
        connection.recv(65536)
        target = os.environ.get("TARGET")
        order = f"Ring3-Delegate: {target}\\r\\n" if target else ""
        body = "" if target else f"user {os.geteuid()}\\n"
        head = f"HTTP/1.1 200 OK\\r\\n{order}Cache-Control: max-age=60\\r\\n"
        head += f"Connection: close\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        connection.sendall((head + body).encode())
        connection.close()
      """

    private static func delegation(_ target: String, _ more: String) -> String {
      configuration(
        application(
          "User daemon\nEnvironment \"TARGET=\(target)\"", name: "front", path: "/front/"),
        application("User games\n" + more, name: "back", path: "/back/"))
    }

    @Test func `its queue is its user's, and others delegate to it only if they may`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.delegation("games/back", ""), files: ["../app.py": Self.delegating])
      #expect(
        try eventually { try server.get("/back/x").text == "user 5\n" }, "\(server.said)")
      let shown = server.control("queue", "show").output
      #expect(shown.contains("back: enabled, of user games"), "\(shown)")
      #expect(shown.contains("front: enabled, of user daemon"), "\(shown)")
      let namespace = server.control("namespace").output
      #expect(namespace.contains("registered by games, queue 'back'"), "\(namespace)")
      #expect(server.control("session", "show").output.contains("user daemon"))
      #expect(try eventually { try server.get("/front/x").status == 502 })
      // The cache keeps it as that user's.
      let kept = server.control("cache", "explain", "http://localhost:\(server.port)/back/x")
      #expect(!kept.output.contains("root"), "\(kept.output)")
      let told = server.reload(
        Self.delegation("games/back", "Delegators daemon\nQueueBytes 1M\nQueueGroup mail"))
      #expect(told.succeeded, "\(told.output)")
      #expect(
        try eventually { try server.get("/front/y").text == "user 5\n" }, "\(server.said)")
      #expect(
        server.control("queue", "show", "back", "--json").output.contains(#""bytesMax":1048576"#))
      // What is not written any more holds no more.
      #expect(server.reload(Self.delegation("games/back", "")).succeeded)
      #expect(try eventually { try server.get("/front/z").status == 502 }, "\(server.said)")
      for wrong in ["Delegators no-such-user", "QueueGroup no-such-group"] {
        let refused = server.reload(Self.delegation("games/back", wrong))
        #expect(refused.output.contains("there is no"), "\(refused.output)")
      }
    }

    @Test func `only root acts for others, and only before it has anything`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration() + "ControlSocket ring3d.sock mode=0666\n")
      let session = try ControlSession(server)
      #expect(try session.ask("owner", "no-such-user").code == 2)
      #expect(try session.ask("owner", "games").code == 0)
      let url = "http://+:\(server.port)/x/"
      #expect(try session.ask("register", url, "--queue=x").code == 0)
      #expect(try session.ask("owner", "root").code == 1)
      #expect(server.control("namespace").output.contains("registered by games, queue 'x'"))
      try server.letOthersIn()
      let said = try talk(
        server, user: 5,
        """
        print(ask(connection(), "queue\\tdisable", "x"))
        s = session()
        print(ask(s, "owner", "root"))
        print(ask(s, "owner", "games"))
        """)
      #expect(said.contains("queue 'x' is disabled\nx 0"), "\(said)")
      #expect(said.contains("only root acts for another user\nx 77"), "\(said)")
      #expect(said.hasSuffix("x 0\n\n"), "\(said)")
      #expect(server.control("session", "end", "games").succeeded)
    }

    @Test func `a server that is not root runs them as itself`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration(Self.application(user: nil)),
        files: ["../app.py": PlainApplication.source], unprivileged: true)
      #expect(eventually { server.application()?.user == 65534 }, "\(server.said)")
      let refused = server.reload(Self.configuration(Self.application(user: "root")))
      #expect(refused.output.contains("only a server that is started as root"), "\(refused)")
    }

    @Test func `as root it runs none as the user of its workers`() throws {
      guard isRoot() else { return }
      let server = try Self.server(Self.application())
      #expect(eventually { server.application() != nil }, "\(server.said)")
      let process = try #require(server.firstAnswer()).process
      let line = TestServer.preambleLineCount + 2
      let missing = server.reload(Self.configuration(Self.application(user: nil)))
      #expect(!missing.succeeded)
      #expect(
        missing.output.contains(
          "ring3.conf:\(line):14: error: application 'app' would run as the workers' user"),
        "\(missing.output)")
      #expect(missing.output.contains("give it a User of its own"))
      for user in ["nobody", "#65534"] {
        let same = server.reload(Self.configuration(Self.application(user: user)))
        #expect(same.output.contains("ring3.conf:\(line + 3):8: error"), "\(same.output)")
      }
      let workers = server.reload("User www-data\n" + Self.configuration(Self.application()))
      #expect(workers.succeeded, "\(workers.output)")
      let taken = server.reload(
        "User www-data\n" + Self.configuration(Self.application(user: "www-data")))
      #expect(!taken.succeeded, "\(taken.output)")
      #expect(server.application()?.process == process)
    }

    @Test func `what cannot be is said before it is tried`() throws {
      let server = try Self.server("")
      let unknown = server.reload(Self.configuration(Self.application(user: "no-such-user")))
      #expect(unknown.output.contains("there is no user 'no-such-user'"), "\(unknown)")
      #expect(!unknown.succeeded)
      let missing = Self.application().replacing("/usr/bin/python3", with: "/no/program")
      #expect(server.reload(Self.configuration(missing)).succeeded)
      #expect(
        eventually { server.said.contains("application 'app': cannot start '/no/program'") },
        "\(server.said)")
      #expect(
        eventually(milliseconds: 20_000) { server.said.contains("'app' is offline") },
        "\(server.said)")
      #expect(server.reload(Self.configuration(Self.application())).succeeded)
      #expect(eventually { server.application() != nil }, "\(server.said)")
    }

    @Test func `it starts with the first request, and an operator replaces it`() throws {
      let server = try Self.server(Self.application("OnDemand On\nIdleStop 2s"))
      #expect(eventually { server.control("namespace").output.contains("queue 'app'") })
      #expect(
        eventually { server.control("recycle", "app").output.contains("'app' sleeps") })
      #expect(server.control("recycle", "app", "--wait").succeeded)
      let first = try #require(server.firstAnswer()).process
      let load = RequestLoop(server, clients: 2)
      #expect(server.control("recycle", "app").succeeded)
      #expect(eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(server.said)")
      #expect(load.stop() == [])
      let second = try #require(server.firstAnswer()).process
      #expect(second != first)
      #expect(eventually(milliseconds: 20_000) { kill(second, 0) != 0 }, "\(server.said)")
      #expect(server.application() != nil)
    }

    @Test func `it goes on over an exec in place, and can be changed afterwards`() throws {
      let server = try Self.server(Self.application())
      #expect(eventually { server.application() != nil }, "\(server.said)")
      let process = try #require(server.firstAnswer()).process
      let supervisor = Self.supervisor(server)
      #expect(server.control("upgrade").succeeded)
      #expect(
        eventually(milliseconds: 20_000) { server.said.contains("brought back queue 'app'") },
        "\(server.said)")
      #expect(eventually { server.application()?.process == process }, "\(server.said)")
      #expect(eventually { Self.supervisor(server) == supervisor })
      let changed = server.reload(Self.configuration(Self.application("Environment LABEL=new")))
      #expect(changed.succeeded, "\(changed.output)")
      #expect(
        eventually(milliseconds: 20_000) { server.application()?.label == "new" },
        "\(server.said)")
      #expect(server.stop() == .exited(0))
      #expect(supervisor.map { kill($0, 0) } != 0)
    }
  }
}
