// 10: signals to the master. Stop, finish and stop, replace the program.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `10 it obeys signals` {
    @Test(arguments: [Signal.terminate, Signal.interrupt])
    func `TERM and INT stop it and leave nothing running`(signal: Int32) throws {
      let server = try TestServer()
      let workers = server.workers
      #expect(!workers.isEmpty)
      #expect(server.stop(signal) == .exited(0))
      #expect(eventually { workers.allSatisfy { !send(signal: 0, toProcess: $0) } })
      #expect(throws: SocketFailure.refused) { try ClientSocket(port: server.port) }
      try server.start()
      #expect(try server.get("/").text == "home\n")
    }

    @Test func `QUIT finishes what is in flight`() throws {
      let server = try TestServer(starts: false)
      server.directory.write([UInt8](repeating: 3, count: 20_000_000), to: "www/large")
      try server.start()
      let connection = try server.open()
      let idle = try server.open()
      _ = try idle.get("/")
      try connection.request("/large")
      pause(milliseconds: 100)
      let program = try #require(server.program)
      program.signal(Signal.quit)
      #expect(try idle.isClosedByServer())
      let response = try connection.response()
      #expect(response.body.count == 20_000_000)
      #expect(program.wait(milliseconds: 20_000) == .exited(0))
    }

    @Test func `ring3ctl stops it either way`() throws {
      for arguments in [["stop"], ["stop", "--graceful"]] {
        let server = try TestServer()
        let program = try #require(server.program)
        let outcome =
          arguments.count == 1
          ? server.control("stop") : server.control("stop", "--graceful")
        #expect(outcome.succeeded, "\(outcome.output)")
        #expect(program.wait(milliseconds: 20_000) == .exited(0))
      }
    }

    @Test func `USR2 replaces the program in place`() throws {
      let server = try TestServer("KeepAliveTimeout 120", files: ["a": "A"])
      let before = server.workers
      #expect(try server.get("/a").text == "A")
      server.program?.signal(Signal.user2)
      var failures = 0
      let isReplaced = eventually(milliseconds: 20_000) {
        if (try? server.get("/a"))?.text != "A" { failures += 1 }
        let now = server.workers
        return now.count == 2 && Set(now).isDisjoint(with: before)
      }
      #expect(isReplaced)
      #expect(failures == 0)
      #expect(server.program?.end() == nil, "the master kept its process number")
      #expect(server.control("reload").succeeded)
      #expect(try server.get("/a").text == "A")
    }

    @Test func `a server that was frozen thaws with the workers it had`() throws {
      let server = try TestServer(files: ["a": "A"])
      let before = server.workers
      // The master trusts heartbeats only when it has run for a while itself.
      pause(milliseconds: 3_500)
      let program = try #require(server.program)
      for process in before { send(signal: Signal.stop, toProcess: process) }
      program.signal(Signal.stop)
      pause(milliseconds: 6_000)
      program.signal(Signal.continue)
      pause(milliseconds: 50)
      for process in before { send(signal: Signal.continue, toProcess: process) }
      pause(milliseconds: 1_500)
      #expect(server.workers == before)
      #expect(try server.get("/a").text == "A")
    }

    @Test func `USR2 goes on with the old workers when the new program cannot launch`() throws {
      let server = try TestServer(files: ["a": "A"])
      let before = server.workers
      let connection = try server.open()
      #expect(try connection.get("/a").text == "A")
      // Nothing that a check of the configuration could tell.
      let occupied = OccupiedPort()
      server.configure("Listen 127.0.0.1:\(occupied.port)\nPidFile other.pid")
      server.program?.signal(Signal.user2)
      #expect(eventually { server.said.contains("reload refused, nothing has changed") })
      #expect(server.program?.end() == nil)
      #expect(Set(server.workers) == Set(before))
      #expect(try connection.get("/a").text == "A")
      #expect(try server.get("/a").text == "A")
      let reload = server.reload("PidFile other.pid")
      #expect(reload.succeeded, "\(reload.output)")
      #expect(Set(server.workers).isDisjoint(with: before))
      #expect(try connection.get("/a").text == "A")
      #expect(server.stop() == .exited(0))
      #expect(!server.directory.exists("ring3d.pid"), "the file that was locked is removed")
    }

    @Test func `USR2 with a configuration that is wrong changes nothing`() throws {
      let server = try TestServer(files: ["a": "A"])
      let before = server.workers
      server.configure("Nonsense")
      server.program?.signal(Signal.user2)
      pause(milliseconds: 1500)
      #expect(server.workers == before)
      #expect(try server.get("/a").text == "A")
    }
  }
}
