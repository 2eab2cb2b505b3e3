// 18: HTTP/2 while generations change and workers die. What was asked for is answered.

import Foundation
import TestSupport
import Testing

/// One HTTP/2 client that asks on and on, opens another connection when told to go away, and
/// counts what it lost.
private final class PersistentClient {
  private let server: TestServer
  private let expected: [String: [UInt8]]
  private let open: (TestServer) throws -> HTTP2Client
  private var client: HTTP2Client?
  private var waiting: [Int: String] = [:]
  private(set) var answered = 0
  private(set) var wrong = 0
  /// Requests that neither were answered nor declared unprocessed.
  private(set) var lost = 0
  private(set) var connections = 0
  private var drawn = 0

  init(
    _ server: TestServer, _ expected: [String: [UInt8]],
    open: @escaping (TestServer) throws -> HTTP2Client
  ) {
    self.server = server
    self.expected = expected
    self.open = open
  }

  /// Asks for a few more things, and takes what has come.
  func turn() throws {
    if client == nil {
      client = try open(server)
      connections += 1
    }
    guard let client else { return }
    let targets = expected.keys.sorted()
    if client.engine.goAway == nil {
      while waiting.count < 8 {
        drawn += 1
        let target = targets[drawn % targets.count]
        let stream = client.engine.request(
          HTTP2Engine.requestFields(target, scheme: client.scheme))
        waiting[stream] = target
      }
      try? client.flush()
    }
    guard
      client.channel.hasPending
        || !ready([Interest(client.channel.socket)], milliseconds: 5)
          .isEmpty
    else { return }
    let isOpen = (try? client.read()) ?? false
    collect(client)
    let last = client.engine.goAway?.lastStream ?? .max
    // What the server has not seen may be asked elsewhere (RFC 9113 §6.8).
    for stream in waiting.keys where stream > last { waiting[stream] = nil }
    if !isOpen {
      lost += waiting.count
      waiting = [:]
      self.client = nil
    } else if client.engine.goAway != nil, waiting.isEmpty {
      self.client = nil
    }
  }

  private func collect(_ client: HTTP2Client) {
    for (stream, target) in waiting {
      guard let answer = client.engine.answers[stream], answer.isOver else { continue }
      waiting[stream] = nil
      client.engine.answers[stream] = nil
      if answer.isWhole, answer.head?.status == 200, answer.body == expected[target] {
        answered += 1
      } else if answer.resetCode == .refusedStream {
        continue
      } else {
        wrong += 1
      }
    }
  }

  /// Takes what is outstanding.
  func finish() throws {
    let deadline = monotonicMilliseconds() + 10_000
    while !waiting.isEmpty, let client, monotonicMilliseconds() < deadline {
      guard try client.read() else { break }
      collect(client)
      let last = client.engine.goAway?.lastStream ?? .max
      for stream in waiting.keys where stream > last { waiting[stream] = nil }
    }
    lost += waiting.count
  }
}

extension ServerTests {
  @Suite struct `18 HTTP 2 survives` {
    private static let clearText = `18 HTTP 2 answers as HTTP 1 does`.clearText

    /// Reloads under several clients; nothing may be lost. For TLS too.
    static func storm(
      _ configuration: String, reloads: Int, open: @escaping (TestServer) throws -> HTTP2Client
    ) throws {
      let server = try TestServer(configuration, workers: 2, starts: false)
      var expected: [String: [UInt8]] = [:]
      for (number, size) in [10, 3000, 40_000, 200_000, 1_500_000].enumerated() {
        expected["/\(number)"] = variedBytes(size, seed: UInt64(number + 3))
        server.directory.write(expected["/\(number)"] ?? [], to: "www/\(number)")
        server.directory.age("www/\(number)", seconds: 100)
      }
      try server.start()
      let clients = (0..<6).map { _ in PersistentClient(server, expected, open: open) }
      for round in 0..<reloads {
        server.configure(configuration, workers: [2, 3, 1][round % 3])
        let output = server.directory.path("reload")
        let reload = try ChildProgram(
          [
            Ring3.path("ring3ctl"), "--socket", server.directory.path("ring3d.sock"), "reload",
          ], outputPath: output)
        while reload.end() == nil { for client in clients { try client.turn() } }
        #expect(reload.end() == .exited(0), "\(server.directory.read("reload"))")
        for _ in 0..<20 { for client in clients { try client.turn() } }
      }
      for client in clients { try client.finish() }
      let answered = clients.map(\.answered).reduce(0, +)
      #expect(clients.allSatisfy { $0.lost == 0 }, "\(clients.map(\.lost)) of \(answered)")
      #expect(clients.allSatisfy { $0.wrong == 0 }, "\(clients.map(\.wrong)) of \(answered)")
      #expect(answered > 100)
    }

    @Test func `a storm of reloads loses no request`() throws {
      try Self.storm(Self.clearText, reloads: 10) { try $0.openHTTP2() }
    }

    @Test func `streams under way finish in the old generation, then GOAWAY`() throws {
      let server = try TestServer(Self.clearText, files: ["a": "A"], starts: false)
      let bytes = variedBytes(3_000_000)
      server.directory.write(bytes, to: "www/large")
      try server.start()
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 1000, opensWindows: false))
      let stream = try client.request("/large")
      #expect(try client.read { client.engine.answers[stream]?.bodyByteCount == 1000 })
      #expect(server.reload(Self.clearText).succeeded)
      #expect(try client.read { client.engine.goAway != nil })
      #expect(client.engine.goAway?.code == .noError)
      #expect(client.engine.goAway?.lastStream ?? 0 >= stream)
      client.engine.openWindow(stream: 0, 4_000_000)
      client.engine.openWindow(stream: stream, 4_000_000)
      #expect(try client.response(stream).body == bytes)
      let goodbye = try client.goodbye()
      #expect(goodbye == HTTP2GoAway(lastStream: stream, code: .noError))
      #expect(try server.openHTTP2().get("/a").text == "A")
    }

    @Test func `an idle connection is answered once more after a reload`() throws {
      let configuration = Self.clearText + "KeepAliveTimeout 60"
      let server = try TestServer(configuration, files: ["a": "A"])
      let clients = try (0..<10).map { _ in try server.openHTTP2() }
      for client in clients { #expect(try client.get("/a").text == "A") }
      #expect(server.reload(configuration).succeeded)
      for client in clients { #expect(try client.get("/a").text == "A") }
      for client in clients { #expect(try client.goodbye()?.code == .noError) }
    }

    @Test func `a stop answers what is under way`() throws {
      let server = try TestServer(Self.clearText, files: ["a": "A"], starts: false)
      let bytes = variedBytes(2_000_000)
      server.directory.write(bytes, to: "www/large")
      try server.start()
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 1000, opensWindows: false))
      let stream = try client.request("/large")
      #expect(try client.read { client.engine.answers[stream]?.bodyByteCount == 1000 })
      let idle = try server.openHTTP2()
      #expect(try idle.get("/a").text == "A")
      server.program?.signal(Signal.quit)
      #expect(try idle.goodbye()?.code == .noError)
      client.engine.openWindow(stream: 0, 4_000_000)
      client.engine.openWindow(stream: stream, 4_000_000)
      #expect(try client.response(stream).body == bytes)
      #expect(server.program?.wait(milliseconds: 10_000) == .exited(0))
    }

    @Test func `a killed worker takes only its own connections with it`() throws {
      let server = try TestServer(Self.clearText, files: ["a": "A"])
      let victim = try #require(server.workers.first)
      let clients = try (0..<30).map { _ in try server.openHTTP2() }
      for client in clients { #expect(try client.get("/a").text == "A") }
      #expect(send(signal: Signal.kill, toProcess: victim))
      var alive = 0
      for client in clients where (try? client.get("/a").text) == "A" { alive += 1 }
      #expect(alive > 0 && alive < clients.count, "\(alive)")
      for _ in 0..<30 { #expect(try server.openHTTP2().get("/a").text == "A") }
      #expect(eventually { server.workers.count == 2 && !server.workers.contains(victim) })
    }
  }
}
