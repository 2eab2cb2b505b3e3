// 27: the life of programs that run for URLs: replaced, killed, asleep, offline, hanging.

import Foundation
import TestSupport
import Testing

extension ServerTests.`27 it runs programs for URLs` {
  @Test func `a program that ends at once is replaced under load without a failed request`()
    throws
  {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--processes", "2", "--environment", "LABEL=a"])
    #expect(eventually { server.application()?.label == "a" }, "\(run.said)")
    let load = RequestLoop(server)
    #expect(eventually { load.counts.count == 2 }, "\(run.said)")
    let old = Set(load.counts.keys)
    run.program.signal(Signal.hangUp)
    #expect(
      eventually(milliseconds: 20_000) { old.allSatisfy { kill($0, 0) != 0 } }, "\(run.said)")
    let served = load.counts.values.reduce(0, +)
    #expect(eventually { load.counts.values.reduce(0, +) > served + 50 })
    #expect(load.stop() == [])
    #expect(Set(load.counts.keys).subtracting(old).count == 2)
  }

  /// Requests that are not sent a second time, for so many seconds each.
  private static func ask(_ server: TestServer, _ seconds: Int) throws -> Conversation {
    let client = try server.open()
    client.socket.timeoutMilliseconds = 60_000
    try client.send("POST /app/sleep/\(seconds) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    return client
  }

  @Test func `a long request is answered by a process that is replaced meanwhile`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server)
    let old = try #require(server.firstAnswer()).process
    let client = try Self.ask(server, 8)
    #expect(eventually { server.control("queue", "show").output.contains(" 1 of 1 at work") })
    #expect(server.control("recycle", "app").succeeded)
    #expect(PlainApplication.Answer(try client.response())?.process == old, "\(run.said)")
    #expect(eventually(milliseconds: 30_000) { kill(old, 0) != 0 }, "\(run.said)")
    #expect(server.application() != nil)
  }

  @Test func `who is stopped answers what has come, as long as it gets on`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--verbosity", "full"])
    #expect(server.firstAnswer() != nil, "\(run.said)")
    let clients = try (0..<6).map { _ in try Self.ask(server, 1) }
    #expect(eventually { server.control("queue", "show").output.contains(", 5 of 1000 wait") })
    #expect(run.end() == .exited(0))
    for client in clients { #expect(try client.response().status == 200) }
  }

  @Test func `who is stopped answers what it works on, and the others are told`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--verbosity", "full"])
    #expect(server.firstAnswer() != nil, "\(run.said)")
    let first = try Self.ask(server, 7)
    #expect(eventually { server.control("queue", "show").output.contains(" 1 of 1 at work") })
    let second = try Self.ask(server, 0)
    #expect(eventually { server.control("queue", "show").output.contains(", 1 of 1000 wait") })
    run.program.signal(Signal.terminate)
    let refusal = try second.response()
    #expect(refusal.status == 503 && refusal.text.contains("AppOffline"), "\(refusal.text)")
    #expect(try first.response().status == 200, "\(run.said)")
    #expect(run.end() == .exited(0))
  }

  @Test func `who waits for other processes finds them, and none of the old ones`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--processes", "2"])
    #expect(eventually { server.application() != nil }, "\(run.said)")
    let load = RequestLoop(server, clients: 2)
    #expect(eventually { load.counts.count == 2 }, "\(run.said)")
    let old = Set(load.counts.keys)
    let waiting = server.control("recycle", "app", "--wait")
    #expect(waiting.output == "the processes of 'app' were replaced\n", "\(waiting)")
    #expect(old.allSatisfy { kill($0, 0) != 0 })
    #expect(load.stop() == [])
    let process = try #require(server.application()).process
    #expect(!old.contains(process))
  }

  @Test func `a process that is killed takes no request with it`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--processes", "2"])
    #expect(eventually { server.application() != nil }, "\(run.said)")
    let load = RequestLoop(server)
    #expect(eventually { load.counts.count == 2 }, "\(run.said)")
    let victim = try #require(load.counts.keys.first)
    kill(victim, SIGKILL)
    #expect(eventually { load.counts.count == 3 }, "\(run.said)")
    #expect(load.stop() == [])
    #expect(run.said.contains("process \(victim) killed by signal 9"))
  }

  @Test func `many that are killed at once are started anew, and the others go on`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--processes", "6"])
    #expect(eventually { server.application() != nil }, "\(run.said)")
    let load = RequestLoop(server, clients: 8)
    #expect(eventually { load.counts.count == 6 }, "\(run.said)")
    let old = load.counts.keys.sorted()
    for process in old.dropLast() { kill(process, SIGKILL) }
    #expect(eventually { load.counts.count == 11 }, "\(run.said)")
    #expect(load.stop() == [])
    #expect(kill(try #require(old.last), 0) == 0)
  }

  @Test func `the first request starts it, and without one it ends`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(server, ["--on-demand", "--idle-stop", "1"])
    #expect(eventually { server.control("namespace").output.contains("queue 'app'") })
    let first = try #require(server.firstAnswer())
    #expect(run.said.contains("a request waits"))
    #expect(eventually { kill(first.process, 0) != 0 }, "\(run.said)")
    let second = try #require(server.firstAnswer())
    #expect(second.process != first.process)
  }

  @Test func `after five failures it is offline, and starts anew when it is told to`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Run(
      server,
      ["--url", "http://+:\(server.port)/app/", "--queue", "app", "--verbosity", "full", "--"]
        + ["/bin/sh", "-c", "exit 3"])
    #expect(
      eventually(milliseconds: 20_000) { run.said.contains("'app' is offline") }, "\(run.said)")
    let response = try server.get("/app/x")
    #expect(response.status == 503)
    #expect(response.text.contains("AppOffline"), "\(response.text)")
    #expect(server.control("queue", "show").output.contains("offline"))
    let said = run.said
    #expect(server.control("recycle", "app").output.contains("being started anew"))
    #expect(
      eventually { run.said.dropFirst(said.count).contains("started anew") }, "\(run.said)")
    let waiting = server.control("recycle", "app", "--wait")
    #expect(!waiting.succeeded && waiting.output.contains("it is offline"), "\(waiting)")
    #expect(run.end() == .exited(0))
    #expect(try server.get("/app/x").status == 404)
  }

  @Test func `processes are replaced after requests, an age, and at a size`() throws {
    let server = try TestServer(Self.configuration)
    for (options, path, reason) in [
      (["--recycle-requests", "20"], "/app/x", "requests"),
      (["--recycle-age", "2"], "/app/x", "is replaced after "),
      (["--recycle-memory", "64"], "/app/grow", " MiB"),
    ] {
      let run = try Self.plain(server, options)
      #expect(eventually { server.application() != nil }, "\(run.said)")
      let first = try #require(server.firstAnswer()).process
      if path != "/app/x" { #expect(server.application(path) != nil) }
      let load = RequestLoop(server, clients: 1)
      #expect(
        eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(options) \(run.said)")
      #expect(load.stop() == [])
      #expect(run.said.contains(reason), "\(run.said)")
      #expect(run.end() == .exited(0))
    }
  }

  @Test func `a process that hangs is killed, and another one answers`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(
      server, ["--ping", "/health", "--ping-interval", "1", "--ping-failures", "2"])
    #expect(eventually { server.application() != nil }, "\(run.said)")
    let first = try #require(server.firstAnswer()).process
    kill(first, SIGSTOP)
    #expect(eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(run.said)")
    #expect(server.application() != nil)
    #expect(run.said.contains("no answer in time (process \(first))"), "\(run.said)")
    #expect(run.said.contains("it does not answer"))
  }

  @Test func `a process that is at work is not taken for one that hangs`() throws {
    let server = try TestServer(Self.configuration)
    let run = try Self.plain(
      server, ["--ping", "/health", "--ping-interval", "1", "--ping-failures", "2"])
    let first = try #require(server.firstAnswer()).process
    #expect(server.application("/app/sleep/4")?.process == first, "\(run.said)")
    #expect(server.application()?.process == first, "\(run.said)")
    #expect(!run.said.contains("do not answer"), "\(run.said)")
  }

  @Test func `one whose requests get no answer in time hangs, too`() throws {
    let server = try TestServer(Self.configuration + "ProxyTimeout 1\n")
    let run = try Self.plain(
      server, ["--ping", "/health", "--ping-interval", "1", "--ping-failures", "2"])
    let first = try #require(server.firstAnswer()).process
    #expect(try server.get("/app/sleep/60").status == 504)
    #expect(eventually(milliseconds: 20_000) { kill(first, 0) != 0 }, "\(run.said)")
    #expect(server.application() != nil, "\(run.said)")
  }

  @Test func `one that answers no ping, however often it is replaced, is offline`() throws {
    let server = try TestServer(Self.configuration)
    let deaf = "import time\nwhile True: time.sleep(9)"
    let run = try Run(
      server,
      ["--url", "http://+:\(server.port)/app/", "--queue", "app", "--verbosity", "full"] + [
        "--ping", "/", "--ping-interval", "1", "--ping-failures", "1", "--",
        PlainApplication.python, "-c", deaf,
      ])
    #expect(
      eventually(milliseconds: 60_000) { run.said.contains("'app' is offline") }, "\(run.said)")
    #expect(try server.get("/app/x").text.contains("AppOffline"))
  }
}
