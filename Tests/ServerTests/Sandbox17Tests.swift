// 17: the sandbox around the part that faces the network.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `17 it locks its processes in` {
    private static let debugger = "/usr/bin/gdb"
    private static var hasDebugger: Bool {
      #if arch(x86_64)
        isRoot() && FileManager.default.isExecutableFile(atPath: debugger)
      #else
        false
      #endif
    }

    /// Makes a process that waits in a system call make another one as soon as it is let go, as
    /// somebody would who has taken it over.
    private func make(_ process: Int32, call number: Int) throws {
      let steps = ["$rax = \(number)", "$rip = $rip - 2", "$orig_rax = -1"]
      let program = try ChildProgram(
        [Self.debugger, "-nx", "-batch", "-p", "\(process)"]
          + steps.flatMap { ["-ex", "set \($0)"] } + ["-ex", "detach"])
      #expect(program.wait(milliseconds: 30_000) != nil)
    }

    private func field(_ name: String, of process: Int32) -> String? {
      textOfKernelFile("/proc/\(process)/status").split(separator: "\n")
        .first { $0.hasPrefix(name + ":") }?.split(separator: "\t").last.map(String.init)
    }

    /// All processes of the server but the master.
    private func children(of server: TestServer) -> [Int32] {
      let helpers =
        server.control("status", "--json").output
        .firstMatch(of: /"helpers":\[([0-9,]+)\]/)?.1.split(separator: ",") ?? []
      let watcher = server.status()?.number("watcher.pid").map { Int32($0) }
      return server.workers + helpers.compactMap { Int32($0) } + [watcher].compactMap { $0 }
    }

    @Test func `every child of the master is locked in, and status says how far`() throws {
      let server = try TestServer(files: ["a": "A"])
      #expect(try server.get("/a").text == "A")
      let children = children(of: server)
      #expect(children.count >= 5, "two workers, two helpers, the file watcher: \(children)")
      for child in children {
        #expect(field("Seccomp", of: child) == "2")
        #expect(field("NoNewPrivs", of: child) == "1")
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
          #expect(field(set, of: child) == "0000000000000000")
        }
      }
      let text = server.control("status").output
      for kind in ["worker", "I/O helper", "file watcher"] {
        #expect(text.contains("sandbox of the \(kind): seccomp ("), "\(text)")
      }
      let report = try #require(server.status())
      #expect((report.number("sandbox.worker.calls") ?? 0) > 20)
      #expect(report.number("sandbox.worker.landlock") != nil)
    }

    @Test func `the master keeps what it has`() throws {
      let server = try TestServer()
      let master = try #require(server.program).pid
      #expect(field("Seccomp", of: master) == "0")
    }

    @Test(.enabled(if: hasDebugger))
    func `a worker that makes a forbidden call is stopped, named and replaced`() throws {
      let server = try TestServer(files: ["a": "A"])
      let victim = try #require(server.workers.first)
      try make(victim, call: 41)
      #expect(eventually { server.workers.count == 2 && !server.workers.contains(victim) })
      let line = try #require(
        server.said.split(separator: "\n").first { $0.contains("stopped by the sandbox") })
      #expect(line.contains("(pid \(victim)) was stopped by the sandbox: socket ("), "\(line)")
      #expect(line.contains("worker "))
      for _ in 0..<20 { #expect(try server.get("/a").text == "A") }
    }

    @Test(.enabled(if: hasDebugger))
    func `a helper that makes a forbidden call is stopped, named and replaced`() throws {
      let server = try TestServer(files: ["a": "A"])
      let before = Set(children(of: server)).subtracting(server.workers)
      let helper = try #require(
        server.control("status", "--json").output.firstMatch(of: /"helpers":\[([0-9]+)/)
          .flatMap { Int32($0.1) })
      try make(helper, call: 62)
      #expect(
        eventually {
          let now = Set(children(of: server)).subtracting(server.workers)
          return now.count == before.count && !now.contains(helper)
        })
      #expect(server.said.contains("I/O helper (pid \(helper)) was stopped by the sandbox: kill ("))
    }

    // MARK: Files

    private func move(_ server: TestServer, _ old: String, _ new: String) {
      #expect(moveOver(server.directory.path(old), server.directory.path(new)))
    }

    /// Without Landlock nothing here is refused.
    private func restrictsFiles(_ server: TestServer) -> Bool {
      (server.status()?.number("sandbox.worker.landlock") ?? 0) > 0
    }

    @Test func `a link out of the roots is refused with a reason, until it is allowed`() throws {
      let server = try TestServer(starts: false)
      server.directory.write("OUTSIDE", to: "outside/file")
      server.directory.link("www/link", to: "../outside/file")
      try server.start()
      guard restrictsFiles(server) else { return }
      #expect(try server.get("/link").status == 403)
      let line = server.said.split(separator: "\n").first { $0.contains("the sandbox forbids") }
      #expect(line?.contains("/outside/file'") == true)
      #expect(line?.contains("<Directory ") == true)
      let allowing = "<Directory \"@root@/outside\">\nRequire all granted\n</Directory>"
      #expect(server.reload(allowing).succeeded)
      #expect(try server.get("/link").text == "OUTSIDE")
      #expect(server.reload("").succeeded)
      #expect(try eventually { try server.get("/link").status == 403 })
    }

    @Test func `what only the file's own rights forbid is not blamed on the sandbox`() throws {
      let server = try TestServer(files: ["secret": "S"])
      server.directory.forbid("www/secret")
      // Root may read it: a worker of root's has no capability left, but the file is root's own.
      guard server.workers.allSatisfy({ field("Uid", of: $0) != "0" }) else { return }
      #expect(try server.get("/secret").status == 403)
      #expect(!server.said.contains("the sandbox forbids"))
    }

    @Test func `a document root that is replaced under its name is served at once`() throws {
      let server = try TestServer(files: ["a": "old"])
      #expect(try server.get("/a").text == "old")
      for round in 0..<5 {
        server.directory.write("new \(round)", to: "next/a")
        server.directory.write("fresh \(round)", to: "next/fresh-\(round)")
        move(server, "www", "www-\(round)")
        move(server, "next", "www")
        for _ in 0..<4 { #expect(try server.get("/fresh-\(round)").text == "fresh \(round)") }
        #expect(eventually { (try? server.get("/a").text) == "new \(round)" })
      }
      #expect(!server.said.contains("the sandbox forbids"))
    }

    @Test func `a document root that comes into being later is served`() throws {
      let server = try TestServer("Alias /later \"@root@/later\"\n")
      #expect(try server.get("/later/a").status == 404)
      server.directory.write("A", to: "later/a")
      #expect(try server.get("/later/a").text == "A")
    }

    @Test func `a release that a link is turned to is served`() throws {
      let server = try TestServer(
        "Alias /app \"@root@/current\"\n", starts: false)
      for number in 1...3 {
        server.directory.write("\(number)", to: "releases/\(number)/v\(number)")
      }
      server.directory.link("current", to: "releases/1")
      try server.start()
      #expect(try server.get("/app/v1").text == "1")
      for number in 2...3 {
        server.directory.link("turned", to: "releases/\(number)")
        move(server, "turned", "current")
        #expect(try server.get("/app/v\(number)").text == "\(number)")
      }
    }

    @Test func `a reload that names other files lets them be read, and the former no more`() throws
    {
      let server = try TestServer(starts: false)
      server.directory.write("ONE", to: "one/file")
      server.directory.write("TWO", to: "two/file")
      server.directory.link("two/back", to: "../one/file")
      try server.start()
      #expect(server.reload("Alias /x \"@root@/one\"").succeeded)
      #expect(try server.get("/x/file").text == "ONE")
      #expect(server.reload("Alias /x \"@root@/two\"").succeeded)
      #expect(try server.get("/x/file").text == "TWO")
      guard restrictsFiles(server) else { return }
      #expect(try eventually { try server.get("/x/back").status == 403 })
    }
  }
}
