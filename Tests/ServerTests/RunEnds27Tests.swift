// 27: nothing that a program has started outlives the application that it belongs to.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `27 nothing is left of a program that has ended` {
    private typealias Programs = `27 it runs programs for URLs`

    /// It notes its number, and stays although it is told to end.
    private static let stubborn = """
      import os, signal, sys, time
      def stay(path, ready=None):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(path, "a") as file: file.write("%d\\n" % os.getpid())
        if ready: os.write(ready, b"x")
        while True: time.sleep(9)
      path = sys.argv[1]

      """

    private static func run(
      _ server: TestServer, _ options: [String], _ source: String
    ) throws -> Programs.Run {
      try Programs.Run(
        server,
        ["--url", "http://+:\(server.port)/app/", "--queue", "app", "--verbosity", "full"] + options
          + ["--", PlainApplication.python, "-c", stubborn + source, server.directory.path("left")])
    }

    private static func left(_ server: TestServer) -> [Int32] {
      server.directory.read("left").split(separator: "\n").compactMap { Int32($0) }
    }

    @Test func `one that goes into the background is told not to, and none of it stays`() throws {
      let server = try TestServer(Programs.configuration)
      let run = try Self.run(
        server, ["--stop-timeout", "1"],
        """
        end, ready = os.pipe()
        if os.fork(): os._exit(len(os.read(end, 1)) - 1)
        os.setsid()
        if os.fork(): os._exit(0)
        stay(path, ready)
        """)
      #expect(eventually { run.said.contains("exited with code 0; a program has to stay") })
      #expect(
        eventually(milliseconds: 90_000) { run.said.contains("'app' is offline") }, "\(run.said)")
      #expect(try server.get("/app/x").text.contains("AppOffline"))
      let left = Self.left(server)
      #expect(left.count >= 5)
      #expect(eventually { left.allSatisfy { kill($0, 0) != 0 } }, "\(left)")
      #expect(run.end() == .exited(0))
    }

    @Test func `what left its group ends with the application, and not before`() throws {
      let server = try TestServer(Programs.configuration)
      let run = try Self.run(
        server, ["--processes", "2", "--stop-timeout", "1"],
        """
        if os.fork() == 0:
          os.setsid()
          if os.fork(): os._exit(0)
          stay(path)
        while True: time.sleep(9)
        """)
      #expect(eventually { Self.left(server).count == 2 }, "\(run.said)")
      let left = Self.left(server)
      #expect(run.end() == .exited(0), "\(run.said)")
      #expect(left.allSatisfy { kill($0, 0) != 0 }, "\(left)")
    }

    @Test func `what others started before is nobody's`() throws {
      let server = try TestServer(Programs.configuration)
      // A shell that becomes `ring3ctl run`, and had a child.
      let output = server.directory.path("output")
      let program = try ChildProgram(
        [
          "/bin/sh", "-c", "sleep 60 & echo $!; exec \"$0\" \"$@\"", Ring3.path("ring3ctl"),
          "--socket", server.directory.path("ring3d.sock"), "run", "--url",
          "http://+:\(server.port)/app/", "--queue", "app", "--",
        ] + PlainApplication.command, outputPath: output)
      #expect(server.firstAnswer() != nil)
      let stranger = try #require(
        server.directory.read("output").split(separator: "\n").first.flatMap { Int32($0) })
      defer { kill(stranger, SIGKILL) }
      let process = try #require(server.application()).process
      kill(process, SIGKILL)
      #expect(eventually { server.application().map { $0.process != process } ?? false })
      program.signal(Signal.terminate)
      #expect(program.wait(milliseconds: 10_000) == .exited(0))
      #expect(kill(stranger, 0) == 0)
    }
  }
}
