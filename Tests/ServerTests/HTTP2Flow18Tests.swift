// 18: HTTP/2 obeys windows, and whoever does not open them holds up nobody else.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `18 HTTP 2 obeys windows` {
    private static let bytes = variedBytes(300_000)

    private func makeServer(_ configuration: String = "", workers: Int = 1) throws -> TestServer {
      let server = try TestServer(
        `18 HTTP 2 answers as HTTP 1 does`.clearText + configuration, workers: workers,
        files: ["a": "A"], starts: false)
      server.directory.write(Self.bytes, to: "www/cached")
      server.directory.write(Self.bytes + Self.bytes, to: "www/other")
      server.directory.age("www/cached", seconds: 100)
      server.directory.age("www/other", seconds: 100)
      try server.start()
      return server
    }

    @Test(arguments: [1, 7, 1000, 16_384, 65_535, 1_000_000])
    func `every byte comes through a window of any size`(window: Int) throws {
      let server = try makeServer("CacheMaxObject 400K\nH2MaxStreamErrors 0")
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: window))
      let range = "bytes=0-\(min(Self.bytes.count, window * 400) - 1)"
      for name in ["/cached", "/cached", "/other"] {
        // The engine throws if a window is overrun.
        let response = try client.get(name, fields: [("range", range)])
        #expect(response.body == Array(Self.bytes.prefix(response.body.count)))
        #expect(response.body.count >= min(Self.bytes.count, window * 400))
      }
    }

    @Test func `a window of nothing gets a head, and the rest when it is opened`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 0, opensWindows: false))
      for target in ["/cached", "/other", "/cached"] {
        let stream = try client.request(target, fields: [("range", "bytes=0-99999")])
        #expect(try client.read { client.engine.answers[stream]?.head != nil })
        #expect(try client.roundTrip())
        #expect(client.engine.answers[stream]?.bodyByteCount == 0)
        client.engine.openWindow(stream: stream, 10)
        try client.flush()
        #expect(try client.read { client.engine.answers[stream]?.bodyByteCount == 10 })
        client.engine.openWindow(stream: 0, 100_000)
        client.engine.openWindow(stream: stream, 200_000)
        #expect(try client.response(stream).body == Array(Self.bytes.prefix(100_000)))
      }
      // HEAD, 304 and 404 need no window, or a small one.
      #expect(try client.get("/cached", method: "HEAD").status == 200)
    }

    @Test func `a window taken back below nothing is waited for`() throws {
      let server = try makeServer()
      let engine = HTTP2Engine(initialWindow: 50_000, opensWindows: false)
      let client = try server.openHTTP2(engine)
      let stream = try client.request("/cached")
      #expect(try client.read { engine.answers[stream]?.bodyByteCount == 50_000 })
      engine.changeInitialWindow(from: 50_000, to: 0)
      engine.openWindow(stream: 0, 1_000_000)
      engine.openWindow(stream: stream, 50_000)  // now 0, not 50,000
      try client.flush()
      #expect(try client.roundTrip())
      #expect(engine.answers[stream]?.bodyByteCount == 50_000)
      engine.openWindow(stream: stream, 1)
      try client.flush()
      #expect(try client.read { engine.answers[stream]?.bodyByteCount == 50_001 })
      engine.openWindow(stream: stream, 500_000)
      #expect(try client.response(stream).body == Self.bytes)
    }

    @Test func `a stream that waits does not hold up another`() throws {
      let server = try makeServer()
      let engine = HTTP2Engine(initialWindow: 1000, opensWindows: false)
      let client = try server.openHTTP2(engine)
      engine.openWindow(stream: 0, 1_000_000)
      let waiting = try (0..<20).map { try client.request($0 % 2 == 0 ? "/cached" : "/other") }
      #expect(try client.read { waiting.allSatisfy { engine.answers[$0]?.bodyByteCount == 1000 } })
      for _ in 0..<20 { #expect(try client.get("/a").text == "A") }
      for stream in waiting {
        engine.openWindow(stream: stream, 700_000)
        let wanted = Self.bytes
        #expect(try client.response(stream).body.prefix(300_000).elementsEqual(wanted))
        engine.openWindow(stream: 0, 700_000)
      }
    }

    @Test func `a reader that takes little gets everything, and others are served`() throws {
      let server = try makeServer()
      let socket = try ClientSocket(port: server.port)
      socket.limitReceiveBuffer(byteCount: 32_768)
      let engine = HTTP2Engine(initialWindow: 1_000_000, opensWindows: false)
      engine.openWindow(stream: 0, 10_000_000)
      let client = try HTTP2Client(socket, engine: engine)
      let streams = try (0..<6).map { try client.request($0 % 2 == 0 ? "/cached" : "/other") }
      for _ in 0..<10 {
        #expect(try server.get("/a").text == "A")
        pause(milliseconds: 20)
      }
      for (index, stream) in streams.enumerated() {
        let body = try client.response(stream).body
        #expect(body == (index % 2 == 0 ? Self.bytes : Self.bytes + Self.bytes))
      }
    }

    @Test func `a peer that opens no window for long is let go`() throws {
      let server = try makeServer("Timeout 2")
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 100, opensWindows: false))
      _ = try client.request("/cached")
      _ = try client.goodbye()
      #expect(client.isAtEnd)
      #expect(try server.get("/a").text == "A")
    }

    @Test func `a stream that the client resets leaves room and no trace`() throws {
      let server = try makeServer("H2MaxSessionStreams 10\nH2MaxStreamErrors 0")
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 1000, opensWindows: false))
      client.engine.openWindow(stream: 0, 10_000_000)
      for _ in 0..<15 {
        let streams = try (0..<10).map { try client.request($0 % 2 == 0 ? "/cached" : "/other") }
        let haveBegun = try client.read {
          streams.allSatisfy { client.engine.answers[$0]?.head != nil }
        }
        #expect(haveBegun)
        for stream in streams { try client.send(.reset(stream: stream)) }
      }
      #expect(try client.get("/a").text == "A")
    }

    @Test func `bytes of a request's body are given back to the windows`() throws {
      let server = try makeServer("LimitRequestBody 0")
      let client = try server.openHTTP2()
      let engine = client.engine
      for _ in 0..<3 {
        let stream = engine.request(
          HTTP2Engine.requestFields("/a", method: "POST"), ends: false)
        // Ten windows: without updates the client could not send them.
        for _ in 0..<20 {
          try client.send(.data(stream: stream, [UInt8](repeating: 1, count: 16_384)))
          let before = engine.journal.count
          if engine.answers[stream]?.isOver == true { break }
          _ = try client.roundTrip()
          #expect(engine.journal.count > before)
        }
        try client.send(.data(stream: stream, [], ends: true))
        #expect(try client.response(stream).status == 405)
      }
      let updates = engine.journal.filter { $0.kind == HTTP2Frame.Kind.windowUpdate }
      #expect(!updates.isEmpty)
      #expect(try client.get("/a").text == "A")
    }
  }
}
