// 29: three applications in three languages share one port with a site, each under its own user.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `29 applications stand side by side` {
    /// Users that every Debian has; any number would do.
    static let daemon: UInt32 = 1
    static let games: UInt32 = 5
    static let wwwData: UInt32 = 33

    static let configuration = """
      QueueDirectory @root@/queues
      ControlSocket ring3d.sock mode=0666
      User nobody
      UrlReservation http://+:@port@/orders/ user=#\(daemon)
      UrlReservation http://+:@port@/notes/ user=#\(games)
      UrlReservation http://+:@port@/shop/ user=#\(wwwData)
      """

    static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()

    /// The Hummingbird application, as tools/test builds it.
    static let shop = top.appendingPathComponent(".build/examples/debug/shop").path
    static var isShopBuilt: Bool { FileManager.default.isExecutableFile(atPath: shop) }

    /// A program under a user of its own; it ends with the test.
    private final class Guest {
      let program: ChildProgram
      private let server: TestServer
      private let output = "guest-\(UUID().uuidString)"

      init(_ server: TestServer, as user: UInt32, _ words: [String]) throws {
        self.server = server
        program = try ChildProgram(
          ["/usr/bin/setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups"] + words,
          outputPath: server.directory.path(output),
          environment: [
            "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/",
            "RING3_SOCKET": server.directory.path("ring3d.sock"),
          ])
      }

      var said: String { server.directory.read(output) }

      func end() -> Ending? {
        program.signal(Signal.terminate)
        return program.wait(milliseconds: 15_000)
      }

      deinit {
        if end() == nil { program.signal(SIGKILL) }
      }
    }

    /// A server whose directory others may enter, with copies of the programs that they may run.
    private static func makeServer() throws -> TestServer {
      let server = try TestServer(configuration, files: ["files/a.txt": "a file\n"])
      let files = FileManager.default
      try server.letOthersIn()
      for name in ["ring3.py", "register.py", "gunicorn_app.py", "node-app.js"] {
        try files.copyItem(
          atPath: top.appendingPathComponent("etc/examples/\(name)").path,
          toPath: server.directory.path(name))
      }
      try files.copyItem(atPath: Ring3.path("ring3ctl"), toPath: server.directory.path("ring3ctl"))
      if isShopBuilt { try files.copyItem(atPath: shop, toPath: server.directory.path("shop")) }
      return server
    }

    private static func run(
      _ server: TestServer, as user: UInt32, _ path: String, processes: Int,
      _ command: [String]
    ) throws -> Guest {
      try Guest(
        server, as: user,
        [server.directory.path("ring3ctl"), "run", "--url", "http://+:\(server.port)\(path)"]
          + ["--processes", "\(processes)", "--"] + command)
    }

    private static func gunicorn(_ server: TestServer) throws -> Guest {
      try run(
        server, as: daemon, "/orders/", processes: 1,
        [
          try #require(Program.path("gunicorn"), "apt-get install gunicorn"), "--workers", "2",
          "--graceful-timeout", "5", "--chdir", server.directory.path, "--worker-tmp-dir", "/tmp",
          "gunicorn_app:answer",
        ])
    }

    private static func node(_ server: TestServer) throws -> Guest {
      try run(
        server, as: games, "/notes/", processes: 2,
        [
          try #require(Program.path("node"), "apt-get install nodejs"),
          server.directory.path("node-app.js"),
        ])
    }

    private static func swift(_ server: TestServer) throws -> Guest {
      try Guest(
        server, as: wwwData,
        [server.directory.path("shop"), "shop", "http://+:\(server.port)/shop/"])
    }

    /// The process that answered, if it was answered as it should be.
    private static func process(_ server: TestServer, _ target: String) -> Int32? {
      guard let response = try? server.get(target), response.status == 200,
        response.text.hasSuffix(" \(target)\n")
      else { return nil }
      return response.text.split(separator: " ").first.flatMap { Int32($0) }
    }

    /// Asks for targets in turn from several threads at once, and counts what is not answered.
    private final class Load: @unchecked Sendable {
      private let lock = NSLock()
      private var isEnding = false
      private var running = 0
      private var sent = 0
      private var failed: [String] = []
      private var seen: [String: Set<Int32>] = [:]

      init(_ server: TestServer, _ targets: [String], threads: Int = 4) {
        running = threads
        let port = server.port
        for thread in 0..<threads {
          Thread.detachNewThread {
            var number = thread
            while !self.isOver {
              self.ask(port, targets[number % targets.count])
              number += 1
            }
            self.lock.withLock { self.running -= 1 }
          }
        }
      }

      private var isOver: Bool { lock.withLock { isEnding } }

      private func ask(_ port: UInt16, _ target: String) {
        let text: String
        var process: Int32?
        do {
          let response = try Conversation(to: "127.0.0.1", port: port).get(target)
          text = "\(response.status) \(response.text)"
          if response.status == 200 {
            process = response.text.split(separator: " ").first.flatMap { Int32($0) } ?? 0
          }
        } catch {
          text = "\(error)"
        }
        lock.withLock {
          sent += 1
          if let process {
            seen[target, default: []].insert(process)
          } else {
            failed.append("\(target): \(text)")
          }
        }
      }

      var count: Int { lock.withLock { sent } }

      func processes(_ target: String) -> Set<Int32> { lock.withLock { seen[target] ?? [] } }

      /// Ends it; how many requests there were, and what went wrong.
      func end() -> (sent: Int, failed: [String]) {
        lock.withLock { isEnding = true }
        _ = eventually(milliseconds: 30_000) { lock.withLock { running == 0 } }
        return lock.withLock { (sent, failed) }
      }
    }

    @Test(.enabled(if: isRoot()))
    func `in three languages, replaced and killed under load without a failed request`() throws {
      let server = try Self.makeServer()
      #expect(try server.get("/orders/x").status == 503)
      let gunicorn = try Self.gunicorn(server)
      let node = try Self.node(server)
      let swift = Self.isShopBuilt ? try Self.swift(server) : nil
      if swift == nil { print("skipped: the Swift example is not built; tools/test builds it") }
      let targets = ["/orders/x", "/notes/x"] + (swift == nil ? [] : ["/shop/x"])
      for (target, guest) in zip(targets, [gunicorn, node, swift]) {
        #expect(eventually { Self.process(server, target) != nil }, "\(guest?.said ?? "")")
      }
      let shown = server.control("namespace").output
      for (prefix, user) in [("/orders/", "daemon"), ("/notes/", "games")] {
        #expect(shown.split(separator: "\n").contains { $0.contains(prefix) && $0.contains(user) })
      }
      let load = Load(server, targets + ["/files/a.txt"])
      // Replaced: the new ones answer before the old ones are told to end.
      #expect(eventually { load.processes("/orders/x").count >= 1 })
      let before = load.processes("/orders/x")
      gunicorn.program.signal(Signal.hangUp)
      #expect(
        eventually(milliseconds: 20_000) {
          !load.processes("/orders/x").subtracting(before).isEmpty
        })
      // Killed: the other one answers, and soon there are two again.
      #expect(eventually { load.processes("/notes/x").count == 2 }, "\(node.said)")
      let victim = try #require(load.processes("/notes/x").first)
      #expect(send(signal: Signal.kill, toProcess: victim))
      #expect(eventually { load.processes("/notes/x").count == 3 }, "\(node.said)")
      #expect(eventually(milliseconds: 60_000) { load.count > 200 })
      let (sent, failed) = load.end()
      #expect(failed.isEmpty, "of \(sent): \(failed.prefix(5))")
      #expect(try server.get("/files/a.txt").text == "a file\n")
      for guest in [gunicorn, node, swift] { #expect(guest?.end() ?? .exited(0) == .exited(0)) }
      #expect(eventually { (try? server.get("/orders/x").status) == 503 })
    }

    @Test(.enabled(if: isRoot() && isShopBuilt))
    func `Hummingbird serves, is found again after an upgrade, and drains`() throws {
      let server = try Self.makeServer()
      let swift = try Self.swift(server)
      #expect(eventually { Self.process(server, "/shop/a") == swift.program.pid }, "\(swift.said)")
      let body = String(repeating: "x", count: 200_000)
      let conversation = try server.open()
      try conversation.send(
        "POST /shop/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
          + body)
      #expect(
        try conversation.response().text == "\(swift.program.pid) 200000 bytes\n")
      #expect(server.control("upgrade").succeeded)
      #expect(eventually { swift.said.contains("no session") }, "\(swift.said)")
      #expect(eventually { Self.process(server, "/shop/a") == swift.program.pid }, "\(swift.said)")
      let load = Load(server, ["/shop/x"])
      #expect(eventually { !load.processes("/shop/x").isEmpty })
      #expect(swift.end() == .exited(0), "\(swift.said)")
      let (sent, failed) = load.end()
      // Given back first: from then on the reservation answers, and nothing else ever does.
      #expect(failed.allSatisfy { $0.contains(": 503 ") }, "of \(sent): \(failed.prefix(5))")
    }

    @Test(.enabled(if: isRoot() && isShopBuilt))
    func `Hummingbird is replaced under load, again and again, without a failed request`() throws {
      let server = try Self.makeServer()
      let swift = try Self.swift(server)
      #expect(eventually { Self.process(server, "/shop/a") == swift.program.pid }, "\(swift.said)")
      let load = Load(server, ["/shop/x"])
      #expect(eventually { !load.processes("/shop/x").isEmpty })
      for count in 2...3 {
        #expect(server.control("recycle", "shop").succeeded)
        #expect(eventually { load.processes("/shop/x").count == count }, "\(swift.said)")
      }
      let successors = load.processes("/shop/x").subtracting([swift.program.pid])
      // The one in the middle ends; requests go on being answered by the last.
      #expect(eventually { successors.count { kill($0, 0) == 0 } == 1 }, "\(swift.said)")
      #expect(Self.process(server, "/shop/a").map(successors.contains) == true)
      let (sent, failed) = load.end()
      #expect(failed.isEmpty, "of \(sent): \(failed.prefix(5))")
      #expect(swift.end() == .exited(0), "\(swift.said)")
      #expect(eventually { successors.allSatisfy { kill($0, 0) != 0 } })
      #expect(try server.get("/shop/a").status == 503)
    }

    @Test func `a program that has registered by itself replaces itself, if it wants`() throws {
      let server = try TestServer("QueueDirectory @root@/queues")
      let program = try ClaimingProgram(server, "shop", ["/shop/"])
      #expect(program.isReady, "\(program.said)")
      #expect(eventually { Self.process(server, "/shop/x") != nil })
      let load = Load(server, ["/shop/a", "/shop/b"])
      let answer = server.control("recycle", "shop")
      #expect(answer.output.hasPrefix("the application of 'shop' was told"), "\(answer)")
      #expect(eventually { program.said == "ready\nready\n" }, "\(program.said)")
      #expect(server.control("recycle", "shop").succeeded)
      #expect(eventually { program.said == "ready\nready\nready\n" }, "\(program.said)")
      let (_, failed) = load.end()
      #expect(failed == [])
      // Nobody says when it is done.
      let waiting = server.control("recycle", "shop", "--wait")
      #expect(!waiting.succeeded && waiting.output.contains("without --wait"), "\(waiting)")
      // It still is the one that claims again.
      #expect(server.control("upgrade").succeeded)
      #expect(eventually { Self.process(server, "/shop/x") != nil }, "\(program.said)")
    }

    @Test func `the Python client claims again when the server is started anew`() throws {
      let server = try TestServer("QueueDirectory @root@/queues")
      let program = try ChildProgram(
        [
          "/usr/bin/python3", Self.top.appendingPathComponent("etc/examples/register.py").path,
          server.directory.path("ring3d.sock"), "shop", "http://+:\(server.port)/shop/",
        ], outputPath: server.directory.path("python"),
        environment: ["PYTHONDONTWRITEBYTECODE": "1"])
      defer { program.signal(SIGKILL) }
      func isServed() -> Bool { eventually { (try? server.get("/shop/x").status) == 200 } }
      #expect(isServed(), "\(server.directory.read("python"))")
      #expect(server.control("upgrade").succeeded)
      #expect(isServed(), "\(server.directory.read("python"))")
      server.stop(SIGKILL)
      try server.start()
      #expect(isServed(), "\(server.directory.read("python"))")
      #expect(server.control("namespace").output.contains("queue 'shop'"))
    }
  }
}
