// 06: reload. Nothing is lost, nothing is stale, and a mistake changes nothing.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `06 it reloads` {
    typealias Hosts = `04 it tells sites apart`

    @Test func `a configuration with mistakes is refused and nothing changes`() throws {
      let server = try TestServer(files: ["a": "A"])
      let workers = server.workers
      let connection = try server.open()
      #expect(try connection.get("/a").text == "A")
      let refused = server.reload("DocumentRot \"/x\"\nKeepAlive maybe")
      #expect(refused.ending == .exited(1))
      let line = TestServer.preambleLineCount + 1
      #expect(refused.output.contains("ring3.conf:\(line):1"), "\(refused.output)")
      #expect(refused.output.contains("did you mean 'DocumentRoot'"), "\(refused.output)")
      #expect(refused.output.contains("ring3.conf:\(line + 1):"), "\(refused.output)")
      #expect(server.workers == workers)
      #expect(try connection.get("/a").text == "A")
      #expect(try server.get("/a").text == "A")
      #expect(server.reload("").succeeded)
    }

    @Test func `what a reload cannot change is said`() throws {
      let server = try TestServer()
      let outcome = server.reload("CacheSize 32M")
      #expect(outcome.succeeded)
      #expect(outcome.output.contains("'CacheSize' has changed"), "\(outcome.output)")
      #expect(!server.reload("CacheSize 32M").output.contains("'CacheSize' has changed"))
    }

    @Test func `a site inserted before another takes its requests at once`() throws {
      let old = Hosts.site("ServerName b.test\nServerAlias *.b.test", root: "old")
      let server = try TestServer(old, files: ["old/x": "old", "new/x": "new"])
      let connections = try (0..<8).map { _ in try server.open() }
      for connection in connections {
        for _ in 0..<3 { #expect(try connection.get("/x", host: "b.test").text == "old") }
        #expect(try connection.get("/x?1", host: "a.b.test").text == "old")
      }
      let outcome = server.reload(Hosts.site("ServerName b.test", root: "new") + old)
      #expect(outcome.succeeded, "\(outcome.output)")
      for connection in connections + [try server.open(), try server.open()] {
        #expect(try connection.get("/x", host: "b.test").text == "new")
        #expect(try connection.get("/x?1", host: "a.b.test").text == "old")
      }
      #expect(server.reload(old).succeeded)
      for connection in connections {
        #expect(try connection.get("/x", host: "b.test").text == "old")
      }
    }

    @Test func `idle connections survive ten reloads`() throws {
      let server = try TestServer("KeepAliveTimeout 300", files: ["a": "A"])
      let connections = try (0..<100).map { _ in try server.open() }
      for connection in connections { #expect(try connection.get("/a").text == "A") }
      for round in 0..<10 {
        let outcome = server.reload("KeepAliveTimeout 300", workers: [1, 3, 2][round % 3])
        #expect(outcome.succeeded, "\(outcome.output)")
        for connection in connections where (round + Int(connection.socket.number)) % 3 == 0 {
          #expect(try connection.get("/a").text == "A", "round \(round)")
        }
      }
      for connection in connections { #expect(try connection.get("/a").text == "A") }
    }

    @Test func `ten thousand idle connections survive ten reloads without root`() throws {
      // Half of ours for the client, all of the server's for it.
      guard raiseOpenFileLimit() > 11_000 else { return }
      let server = try TestServer(
        "KeepAliveTimeout 600", files: ["a": "A"], unprivileged: true)
      var connections: [Conversation] = []
      for _ in 0..<10_000 {
        let connection = try server.open()
        #expect(try connection.get("/a").status == 200)
        connections.append(connection)
      }
      for _ in 0..<10 {
        let outcome = server.control("reload")
        #expect(outcome.succeeded, "\(outcome.output)")
      }
      let ended = ready(connections.map { Interest($0.socket) }, milliseconds: 0)
      #expect(ended.isEmpty, "\(ended.count) connections were ended")
      for connection in connections { #expect(try connection.get("/a").text == "A") }
    }

    @Test func `the number of workers follows the configuration`() throws {
      let server = try TestServer(workers: 1, files: ["a": "A"])
      #expect(server.workers.count == 1)
      let connections = try (0..<20).map { _ in try server.open() }
      for count in [3, 1, 2] {
        #expect(server.reload("", workers: count).succeeded)
        #expect(eventually { server.workers.count == count })
        for connection in connections { #expect(try connection.get("/a").text == "A") }
        for _ in 0..<20 { #expect(try server.get("/a").text == "A") }
      }
    }

    @Test func `addresses come and go`() throws {
      let server = try TestServer(files: ["a": "A"])
      let other = freePort()
      #expect(throws: SocketFailure.refused) { try ClientSocket(port: other) }
      #expect(server.reload("Listen 127.0.0.1:\(other)").succeeded)
      let kept = try server.open()
      #expect(try Conversation(port: other).get("/a").text == "A")
      #expect(server.reload("").succeeded)
      #expect(eventually { (try? ClientSocket(port: other)) == nil })
      #expect(try kept.get("/a").text == "A")
      // The port is free for others now.
      #expect(server.reload("Listen 127.0.0.1:\(other)").succeeded)
      #expect(try Conversation(port: other).get("/a").text == "A")
    }

    @Test func `an address that somebody else holds refuses the reload`() throws {
      let server = try TestServer(files: ["a": "A"])
      let occupied = OccupiedPort()
      let outcome = server.reload("Listen 127.0.0.1:\(occupied.port)")
      #expect(outcome.ending == .exited(1))
      #expect(outcome.output.contains("\(occupied.port)"), "\(outcome.output)")
      #expect(try server.get("/a").text == "A")
    }

    @Test func `a response on its way is finished by the old workers`() throws {
      let server = try TestServer(starts: false)
      server.directory.write([UInt8](repeating: 7, count: 20_000_000), to: "www/large")
      try server.start()
      let connection = try server.open()
      try connection.request("/large")
      pause(milliseconds: 100)
      #expect(server.reload("").succeeded)
      let response = try connection.response()
      #expect(response.body.count == 20_000_000)
      #expect(response.body.consists(of: 7))
      #expect(try connection.get("/").status == 200)
    }

    @Test func `a connection finds its way although those who were to take it died`() throws {
      let server = try TestServer(starts: false)
      server.directory.write([UInt8](repeating: 7, count: 20_000_000), to: "www/large")
      try server.start()
      let former = server.workers
      let busy = try (0..<2).map { _ in try server.open() }
      for connection in busy { try connection.request("/large") }
      pause(milliseconds: 100)
      #expect(server.reload("").succeeded)
      // Their responses have said that the connections stay; now nobody is there to take them.
      let successors = server.workers.filter { !former.contains($0) }
      for worker in successors { send(signal: Signal.kill, toProcess: worker) }
      #expect(try busy[0].response().body.count == 20_000_000)
      #expect(try busy[0].get("/").status == 200)
      // Others were started: they take what has stayed, and the former ones can leave.
      let isReplaced = eventually {
        server.workers.contains { !former.contains($0) && !successors.contains($0) }
      }
      #expect(isReplaced)
      #expect(try busy[1].response().body.count == 20_000_000)
      #expect(try busy[1].get("/").status == 200)
      #expect(eventually { former.allSatisfy { !server.workers.contains($0) } })
      #expect(try busy[1].get("/").status == 200)
    }

    @Test func `half a request is completed after the reload`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      #expect(try connection.get("/a").text == "A")
      try connection.send("GET /a HTTP/1.1\r\nHo")
      pause(milliseconds: 100)
      #expect(server.reload("").succeeded)
      try connection.send("st: localhost\r\n\r\n")
      #expect(try connection.response().text == "A")
    }

    @Test func `a dry run tells the difference and changes nothing`() throws {
      let server = try TestServer(files: ["b/x": "b"])
      let workers = server.workers
      server.configure(Hosts.site("ServerName b.test", root: "b"))
      let dry = server.control("reload", "--dry-run")
      #expect(dry.succeeded, "\(dry.output)")
      #expect(dry.output.contains("b.test"), "\(dry.output)")
      #expect(server.workers == workers)
      #expect(try server.get("/x", host: "b.test").status == 404)
      let real = server.control("reload")
      #expect(real.succeeded)
      #expect(real.output.contains("b.test"), "\(real.output)")
      #expect(try server.get("/x", host: "b.test").text == "b")
    }

    @Test func `HUP reloads as well`() throws {
      let server = try TestServer(files: ["b/x": "b"])
      server.configure(Hosts.site("ServerName b.test", root: "b"))
      server.program?.signal(Signal.hangUp)
      #expect(try eventually { try server.get("/x", host: "b.test").text == "b" })
    }
  }
}
