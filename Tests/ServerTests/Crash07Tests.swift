// 07: crashes. Of a worker, of all workers, of the master, and of workers that never start.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `07 it survives` {
    @Test func `a killed worker takes only its own connections with it`() throws {
      let server = try TestServer(files: ["a": "A"])
      let before = server.workers
      let connections = try (0..<40).map { _ in try server.open() }
      for connection in connections { #expect(try connection.get("/a").text == "A") }
      let victim = try #require(before.first)
      #expect(send(signal: Signal.kill, toProcess: victim))
      for _ in 0..<50 { #expect(try server.get("/a").text == "A") }
      var alive = 0
      for connection in connections where (try? connection.get("/a").text) == "A" { alive += 1 }
      #expect(alive < connections.count)
      #expect(alive > 0, "with two workers some connections are the other's")
      #expect(eventually { server.workers.count == 2 && !server.workers.contains(victim) })
    }

    @Test func `all workers may die at once`() throws {
      let server = try TestServer(files: ["a": "A"])
      for _ in 0..<3 {
        for worker in server.workers { send(signal: Signal.kill, toProcess: worker) }
        #expect(eventually { (try? server.get("/a"))?.text == "A" })
        #expect(eventually { server.workers.count == 2 })
      }
    }

    @Test func `a generation that dies gives back what came by sockets of its own`() throws {
      let server = try TestServer(workers: 1, files: ["a": "A"])
      #expect(server.reload("", workers: 4).succeeded)
      let first = server.workers
      #expect(first.count == 4)
      let connections = try (0..<40).map { _ in try server.open() }
      for connection in connections { #expect(try connection.get("/a").text == "A") }
      // Whose it is does not answer while one of them is stopped.
      let victim = try #require(first.first)
      #expect(send(signal: Signal.stop, toProcess: victim))
      for connection in connections { try connection.request("/a") }
      pause(milliseconds: 500)
      let answered = ready(connections.map { Interest($0.socket) }, milliseconds: 0)
      #expect(!answered.isEmpty && answered.count < connections.count)
      for index in answered { #expect(try connections[index].response().text == "A") }
      send(signal: Signal.kill, toProcess: victim)
      // Whoever is started in its place: until the generation before serves again.
      let hasReturned = eventually(milliseconds: 20_000) {
        for worker in server.workers where !first.contains(worker) {
          guard server.status()?.number("generation") == 2 else { break }
          send(signal: Signal.kill, toProcess: worker)
        }
        return server.status()?.number("generation") == 1
      }
      #expect(hasReturned)
      pause(milliseconds: 500)
      for index in answered { #expect(try connections[index].get("/a").text == "A") }
    }

    @Test func `a worker that hangs is replaced`() throws {
      let server = try TestServer(files: ["a": "A"])
      let victim = try #require(server.workers.first)
      send(signal: Signal.stop, toProcess: victim)
      let isReplaced = eventually(milliseconds: 30_000) {
        let workers = server.workers
        return workers.count == 2 && !workers.contains(victim)
      }
      if !isReplaced { send(signal: Signal.continue, toProcess: victim) }
      #expect(isReplaced)
      for _ in 0..<20 { #expect(try server.get("/a").text == "A") }
    }

    @Test func `a worker that dies whenever it starts keeps no connection waiting`() throws {
      let server = try TestServer(files: ["a": "A"])
      let survivor = try #require(server.workers.last)
      let end = monotonicMilliseconds() + 4000
      var slowest: Int64 = 0
      while monotonicMilliseconds() < end {
        for worker in server.workers where worker != survivor {
          send(signal: Signal.kill, toProcess: worker)
        }
        for _ in 0..<10 {
          let started = monotonicMilliseconds()
          // A connection that a dying worker had accepted may break; none may wait.
          _ = try? server.get("/a")
          slowest = max(slowest, monotonicMilliseconds() - started)
        }
      }
      #expect(slowest < 2000, "a connection waited \(slowest) ms")
      #expect(eventually { server.workers.count == 2 })
    }

    @Test func `after the master was killed a new one starts over what is left`() throws {
      let server = try TestServer(files: ["a": "A"])
      #expect(try server.get("/a").text == "A")
      server.stop(Signal.kill)
      #expect(server.directory.exists("ring3d.sock"))
      // Workers without a master drain and leave; until then the address may be theirs.
      #expect(eventually(milliseconds: 30_000) { (try? server.start()) != nil })
      #expect(try server.get("/a").text == "A")
      #expect(server.control("reload").succeeded)
    }

    @Test func `a second server on the same address says so and leaves`() throws {
      let first = try TestServer(files: ["a": "A"])
      let second = try TestServer(starts: false)
      second.directory.replace(
        "ring3.conf",
        with: Array(
          second.directory.read("ring3.conf").replacing(
            "127.0.0.1:\(second.port)", with: "127.0.0.1:\(first.port)"
          ).utf8))
      let outcome = second.daemon("--foreground")
      #expect(outcome.ending != nil && !outcome.succeeded)
      let said = outcome.output + second.directory.read("error.log")
      #expect(said.contains("127.0.0.1:\(first.port)"), "\(said)")
      #expect(said.lowercased().contains("in use"), "\(said)")
      for _ in 0..<20 { #expect(try first.get("/a").text == "A") }
    }

    @Test func `a second server with the same files says so and leaves`() throws {
      let server = try TestServer(files: ["a": "A"])
      let outcome = server.daemon("--foreground")
      #expect(outcome.ending != nil && !outcome.succeeded)
      #expect(try server.get("/a").text == "A")
      #expect(server.control("status").succeeded)
    }

    @Test func `the address of another program is a clear error`() throws {
      let occupied = OccupiedPort()
      let server = try TestServer("Listen 127.0.0.1:\(occupied.port)", starts: false)
      let outcome = server.daemon("--foreground")
      #expect(outcome.ending != nil && !outcome.succeeded)
      let said = outcome.output + server.directory.read("error.log")
      #expect(said.contains("\(occupied.port)"), "\(said)")
    }

    @Test func `files of a dead server are no obstacle`() throws {
      let server = try TestServer(files: ["a": "A"], starts: false)
      server.directory.write("999999\n", to: "ring3d.pid")
      server.directory.write("", to: "ring3d.sock")
      // A plain file in the socket's place is not ours to remove; a dead socket is.
      server.directory.remove("ring3d.sock")
      try server.start()
      server.stop(Signal.kill)
      #expect(eventually(milliseconds: 30_000) { (try? server.start()) != nil })
      #expect(try server.get("/a").text == "A")
    }

    @Test func `workers are replaced after their share of connections`() throws {
      let server = try TestServer("MaxConnectionsPerChild 20", workers: 1, files: ["a": "A"])
      let first = server.workers
      for _ in 0..<80 { #expect(try server.get("/a").text == "A") }
      #expect(eventually { !server.workers.isEmpty && server.workers != first })
    }
  }
}
