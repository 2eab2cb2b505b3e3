// 27: `ring3ctl run` claims URLs for programs that know nothing of Ring3, and keeps them running.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `27 it runs programs for URLs` {
    static let configuration = "QueueDirectory @root@/queues\n"

    private static let application = """
      import os
      def answer(environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return [("%d %s\\n" % (os.getppid(), environ["PATH_INFO"])).encode()]
      """

    /// A running `ring3ctl run`; it and what it started end with the test.
    final class Run {
      let program: ChildProgram
      private let directory: TemporaryDirectory
      private let output = "run-\(UUID().uuidString)"

      init(_ server: TestServer, _ words: [String]) throws {
        directory = server.directory
        program = try ChildProgram(
          [Ring3.path("ring3ctl"), "--socket", server.directory.path("ring3d.sock"), "run"] + words,
          outputPath: server.directory.path(output),
          environment: [
            "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin",
          ])
      }

      var said: String { directory.read(output) }

      func end() -> Ending? {
        program.signal(Signal.terminate)
        return program.wait(milliseconds: 10_000)
      }

      deinit {
        if end() == nil { program.signal(SIGKILL) }
      }
    }

    private static func gunicorn(_ server: TestServer, _ more: [String] = []) throws -> Run {
      let path = try #require(Program.path("gunicorn"), "apt-get install gunicorn")
      server.directory.write(application, to: "app.py")
      return try Run(
        server,
        ["--url", "http://+:\(server.port)/app/"] + more + ["--", path] + [
          "--workers", "2", "--graceful-timeout", "5", "--chdir", server.directory.path,
          "--worker-tmp-dir", server.directory.path, "app:answer",
        ])
    }

    private static func parent(_ server: TestServer) -> Int32? {
      guard let text = try? server.get("/app/x").text, text.hasSuffix(" /app/x\n") else {
        return nil
      }
      return text.split(separator: " ").first.flatMap { Int32($0) }
    }

    @Test func `gunicorn serves, is started again, and is replaced without losing a request`()
      throws
    {
      let server = try TestServer(Self.configuration)
      let run = try Self.gunicorn(server)
      #expect(eventually { Self.parent(server) != nil }, "\(run.said)")
      #expect(server.control("namespace").output.contains("queue 'app'"))
      // Killed: the requests of a moment wait in the socket, or are of its orphaned workers.
      let first = try #require(Self.parent(server))
      kill(first, SIGKILL)
      #expect(eventually { run.said.contains("process \(first) killed by signal 9") })
      // Not an orphan that ends: its parent is whoever takes orphans.
      func isOurs(_ process: Int32) -> Bool {
        textOfKernelFile("/proc/\(process)/status").contains("PPid:\t\(run.program.pid)\n")
      }
      var second = first
      #expect(
        eventually {
          second = Self.parent(server) ?? first
          return isOurs(second)
        }, "\(run.said)")
      #expect(second != first)
      var failures = 0
      var parents: Set<Int32> = [second]
      run.program.signal(Signal.hangUp)
      #expect(
        eventually {
          for _ in 0..<20 {
            if let parent = Self.parent(server) { parents.insert(parent) } else { failures += 1 }
          }
          return parents.count > 1 && kill(second, 0) != 0
        }, "\(run.said)")
      #expect(failures == 0)
      #expect(run.end() == .exited(0), "\(run.said)")
      #expect(try server.get("/app/x").status == 404)
    }

    @Test func `the URLs are claimed again when the server is started anew`() throws {
      let server = try TestServer(Self.configuration)
      let run = try Self.gunicorn(server, ["--queue", "web"])
      #expect(eventually { Self.parent(server) != nil }, "\(run.said)")
      #expect(server.control("upgrade").succeeded)
      #expect(eventually { run.said.contains("claimed again") }, "\(run.said)")
      #expect(eventually { Self.parent(server) != nil }, "\(run.said)")
      #expect(server.control("namespace").output.contains("queue 'web'"))
    }

    /// Requests without end in a thread: those that were answered, but not by the application.
    private final class Asking: @unchecked Sendable {
      private let lock = NSLock()
      private var isOver = false
      private var others: [String] = []
      private var servedCount = 0

      init(_ server: TestServer, isRight: @escaping @Sendable (Response) -> Bool) {
        let port = server.port
        Thread.detachNewThread {
          while !self.lock.withLock({ self.isOver }) {
            // Where nobody listens there is nobody to answer.
            guard let socket = try? ClientSocket(port: port),
              let response = try? Conversation(socket).get("/app/x")
            else {
              pause(milliseconds: 2)
              continue
            }
            self.lock.withLock {
              self.servedCount += isRight(response) ? 1 : 0
              if !isRight(response) { self.others.append("\(response.status) \(response.text)") }
            }
          }
        }
      }

      var served: Int { lock.withLock { servedCount } }

      func end() -> [String] {
        lock.withLock {
          isOver = true
          return others
        }
      }
    }

    @Test func `requests wait over a kill of the server, whether the URL is reserved or not`()
      throws
    {
      let server = try TestServer(Self.configuration, files: ["app/x": "a file\n"])
      let run = try Self.gunicorn(server)
      #expect(eventually { Self.parent(server) != nil }, "\(run.said)")
      for isReserved in [false, true] {
        if isReserved {
          let url = "http://+:\(server.port)/app/"
          #expect(server.control("reserve", "add", url, "--user", "root").succeeded)
        }
        let asking = Asking(server) { $0.status == 200 && $0.text.hasSuffix(" /app/x\n") }
        #expect(eventually { asking.served > 20 })
        server.stop(SIGKILL)
        try server.start()
        let before = asking.served
        #expect(eventually { asking.served > before + 20 })
        #expect(asking.end() == [])
        #expect(eventually { !server.control("namespace").output.contains("awaited") })
      }
    }

    @Test func `what cannot run is told`() throws {
      let server = try TestServer(Self.configuration)
      let url = "http://+:\(server.port)/app/"
      for (words, code, message) in [
        ([], 64, "name at least one --url"),
        (["--url", url], 64, "no command stands behind '--'"),
        (["--url", url, "--processes", "0", "--", "true"], 64, "a number from 1 to 256"),
        (["--url", url, "--recycle-age", "x", "--", "true"], 64, "--recycle-age is a number"),
        (["--url", url, "--concurrency", "2000", "--", "true"], 64, "from 1 to 1024"),
        (["--url", url, "--verbosity", "loud", "--", "true"], 64, "basic, limited or full"),
        (["--url", url, "--environment", "X", "--", "true"], 64, "NAME=VALUE"),
        (["--url", url, "--ping-failures", "2", "--", "true"], 64, "go with --ping PATH"),
        (["--url", url, "--ping-busy", "2", "--", "true"], 64, "go with --ping PATH"),
        (["--url", url, "--ping", "x", "--", "true"], 64, "a path such as /"),
        (["--url", url, "--on-demand=yes", "--", "true"], 64, "takes no value"),
        (["--ur", url, "--", "true"], 64, "there is no option '--ur'"),
        (["--url", "ftp://x/", "--", "true"], 2, "'ftp://x/'"),
        (["--url", url, "--", "no-such-program"], 127, "there is no program 'no-such-program'"),
      ] as [([String], Int32, String)] {
        let run = try Run(server, words)
        #expect(run.program.wait(milliseconds: 20_000) == .exited(code), "\(words)")
        #expect(run.said.contains(message), "\(words): \(run.said)")
      }
      #expect(server.control("namespace").output == "nothing is registered or reserved\n")
    }

    @Test func `two programs of one name do not answer for each other`() throws {
      let server = try TestServer(Self.configuration)
      func run(_ path: String, _ label: String, _ more: [String] = []) throws -> Run {
        try Run(
          server,
          ["--url", "http://+:\(server.port)\(path)", "--environment", "LABEL=\(label)"] + more
            + ["--"] + PlainApplication.command)
      }
      let first = try run("/aa/", "a")
      let second = try run("/bb/", "b")
      #expect(eventually { server.application("/aa/x")?.label == "a" }, "\(first.said)")
      #expect(eventually { server.application("/bb/x")?.label == "b" }, "\(second.said)")
      for _ in 0..<20 { #expect(server.application("/aa/x")?.label == "a") }
      #expect(server.control("recycle", "aa").succeeded)
      // A queue that is there is shared only by who names it.
      let third = try run("/aa/b/", "c")
      #expect(eventually { server.application("/aa/b/x")?.label == "c" }, "\(third.said)")
      let fourth = try run("/aa-b/", "d")
      #expect(fourth.program.wait(milliseconds: 20_000) == .exited(1), "\(fourth.said)")
      #expect(fourth.said.contains("there is a queue 'aa-b' already"), "\(fourth.said)")
      let fifth = try run("/aa-b/", "d", ["--queue", "aa-b"])
      #expect(
        eventually { server.control("queue", "show", "aa-b").output.contains("2 processes") },
        "\(fifth.said)")
    }

    @Test func `it tells what the server warns of, as a log does`() throws {
      let server = try TestServer(Self.configuration)
      let run = try Run(server, ["--url", "http://+:1/x/", "--"] + PlainApplication.command)
      #expect(
        eventually { run.said.contains("[queue x] warning: nothing listens on port 1 yet") },
        "\(run.said)")
      #expect(run.said.contains("runs as root") == isRoot(), "\(run.said)")
      for words in [["run", "--help"], ["run", "--url", "x", "--help"], ["--help"]] {
        let help = server.control(words: words)
        #expect(help.succeeded && help.output.lowercased().contains("usage"), "\(help.output)")
      }
    }

    @Test func `too many connections are told so`() throws {
      let server = try TestServer(Self.configuration)
      let idle = try (0..<64).map { _ in
        try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
      }
      let refused = server.control("status")
      #expect(refused.ending == .exited(1))
      #expect(refused.output.contains("64 connections already"), "\(refused.output)")
      for socket in idle { socket.close() }
      #expect(eventually { server.control("status").succeeded })
    }

    /// The program that ends at the first signal, with options before it.
    static func plain(_ server: TestServer, _ more: [String] = []) throws -> Run {
      try Run(
        server,
        ["--url", "http://+:\(server.port)/app/", "--queue", "app"] + more + ["--"]
          + PlainApplication.command)
    }

    @Test func `it becomes another user, who starts elsewhere`() throws {
      guard isRoot() else { return }
      let server = try TestServer(Self.configuration)
      let run = try Self.plain(
        server, ["--user", "nobody", "--directory", "/tmp", "--environment", "LABEL=b"])
      #expect(eventually { server.application() != nil }, "\(run.said)")
      let answer = try #require(server.firstAnswer())
      #expect(answer.user == 65534 && answer.directory == "/tmp" && answer.label == "b")
      let groups = textOfKernelFile("/proc/\(answer.process)/status").split(separator: "\n")
        .first { $0.hasPrefix("Groups:") }
      #expect(groups?.contains(" 0 ") == false)
      #expect(run.end() == .exited(0))
      let url = "http://+:\(server.port)/app/"
      let unknown = server.control(words: ["run", "--url", url, "--user", "no-one", "--", "true"])
      #expect(unknown.ending == .exited(67) && unknown.output.contains("no user 'no-one'"))
      let other = server.control(
        as: 65534, words: ["run", "--url", url, "--user", "root", "--", "true"])
      #expect(other.ending == .exited(77), "\(other)")
      #expect(other.output.contains("only root can become 'root'"))
    }

    @Test func `what a program leaves behind is killed when its time is over`() throws {
      let server = try TestServer(Self.configuration)
      let children = server.directory.path("children")
      // It ends at SIGTERM; what it has started does not.
      let script = """
        trap '' TERM
        sleep 1000 & echo $! >> "\(children)"
        trap 'exit 0' TERM
        exec 3<&-
        while :; do sleep 0.05; done
        """
      func begun(_ count: Int) -> [Int32] {
        var all: [Int32] = []
        _ = eventually {
          all = server.directory.read("children").split(separator: "\n").compactMap { Int32($0) }
          return all.count >= count
        }
        return all
      }
      let run = try Run(
        server,
        ["--url", "http://+:\(server.port)/app/", "--queue", "app", "--stop-timeout", "1", "--"]
          + ["/bin/sh", "-c", script])
      let first = try #require(begun(1).first)
      #expect(server.control("recycle", "app").succeeded)
      let second = try #require(begun(2).last)
      #expect(second != first)
      #expect(eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(run.said)")
      #expect(kill(second, 0) == 0)
      #expect(run.end() == .exited(0), "\(run.said)")
      #expect(eventually { kill(second, 0) != 0 })
    }

    @Test func `processes are looked after while the server is busy`() throws {
      let server = try TestServer(Self.configuration)
      // It asks the server for its numbers once a second.
      let run = try Self.plain(server, ["--recycle-requests", "1000000"])
      #expect(eventually { server.application() != nil }, "\(run.said)")
      let first = try #require(server.firstAnswer()).process
      let master = try #require(server.program?.pid)
      kill(master, SIGSTOP)
      defer { kill(master, SIGCONT) }
      // By now it waits for an answer.
      pause(milliseconds: 1_500)
      kill(first, SIGKILL)
      let end = "process \(first) killed by signal 9"
      #expect(eventually { run.said.contains(end) }, "\(run.said)")
      // It did not give the server up before.
      let before = run.said.components(separatedBy: end)[0]
      #expect(!before.contains("ended the session"), "\(run.said)")
      kill(master, SIGCONT)
      #expect(eventually { server.application().map { $0.process != first } ?? false })
    }

    @Test func `programs do not outlive who runs them`() throws {
      let server = try TestServer(Self.configuration)
      let run = try Self.plain(server)
      #expect(eventually { server.application() != nil }, "\(run.said)")
      let process = try #require(server.firstAnswer()).process
      run.program.signal(Signal.kill)
      #expect(eventually { kill(process, 0) != 0 })
      #expect(eventually { (try? server.get("/app/x"))?.status == 404 })
    }
  }
}
