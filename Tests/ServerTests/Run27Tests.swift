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
    private final class Run {
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
      #expect(server.control("namespace").output.contains("queue 'gunicorn'"))
      // Killed: the requests of a moment wait in the socket, or are of its orphaned workers.
      let first = try #require(Self.parent(server))
      kill(first, SIGKILL)
      #expect(eventually { Self.parent(server).map { $0 != first } ?? false }, "\(run.said)")
      #expect(run.said.contains("process \(first) killed by signal 9"))
      let second = try #require(Self.parent(server))
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

    @Test func `what cannot run is told, and given up after five ends`() throws {
      let server = try TestServer(Self.configuration)
      let url = "http://+:\(server.port)/app/"
      for (words, code, message) in [
        ([], 64, "name at least one --url"),
        (["--url", url], 64, "no command stands behind '--'"),
        (["--url", url, "--processes", "0", "--", "true"], 64, "a number from 1 to 256"),
        (["--ur", url, "--", "true"], 64, "there is no option '--ur'"),
        (["--url", "ftp://x/", "--", "true"], 2, "'ftp://x/'"),
        (["--url", url, "--", "no-such-program"], 127, "there is no program 'no-such-program'"),
        (["--url", url, "--", "false"], 1, "is not started again"),
      ] as [([String], Int32, String)] {
        let run = try Run(server, words)
        #expect(run.program.wait(milliseconds: 20_000) == .exited(code), "\(words)")
        #expect(run.said.contains(message), "\(words): \(run.said)")
      }
      #expect(server.control("namespace").output == "nothing is registered or reserved\n")
    }
  }
}
