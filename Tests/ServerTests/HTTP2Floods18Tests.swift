// 18: HTTP/2 abused. Each flood ends with GOAWAY and a word; others are served meanwhile.

import TestSupport
import Testing

/// Frames without end.
struct Flood: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// One of these words is in the error log.
  let words: [String]
  /// The next frames of the flood.
  let next: @Sendable (HTTP2Engine) -> Void

  /// What GOAWAY may say.
  var codes: [HTTP2Code] {
    words.contains("H2_Protocol") ? [.enhanceYourCalm, .protocolError] : [.enhanceYourCalm]
  }

  init(_ description: String, _ words: String..., next: @escaping @Sendable (HTTP2Engine) -> Void) {
    testDescription = description
    self.words = words
    self.next = next
  }

  static let all = [
    Flood("rapid reset", "H2_Rapid_Reset") { engine in
      let stream = engine.request(HTTP2Engine.requestFields("/large"))
      engine.send(.reset(stream: stream))
    },
    // One that runs ahead of our resets has too many streams open, and then its header blocks open
    // nothing: which budget is spent first is a matter of who is scheduled when.
    Flood(
      "resets that the client makes us send", "H2_Rapid_Reset", "H2_Protocol",
      "H2_EmptyFrame_Flood"
    ) { engine in
      let stream = engine.request(HTTP2Engine.requestFields("/large"))
      engine.send(.windowUpdate(stream: stream, 0x7fff_ffff))  // FLOW_CONTROL_ERROR of the stream
    },
    Flood("malformed requests", "H2_EmptyFrame_Flood", "H2_Rapid_Reset") { engine in
      engine.request(HTTP2Engine.requestFields("/a") + [HTTP2Field("connection", "close")])
    },
    Flood("SETTINGS", "H2_Settings_Flood") { $0.send(.settings([(3, 100)])) },
    Flood("empty SETTINGS", "H2_Settings_Flood") { $0.send(.settings()) },
    Flood("PING", "H2_Ping_Flood") { $0.send(.ping(1)) },
    Flood("empty DATA", "H2_EmptyFrame_Flood") { engine in
      if engine.nextStream == 1 {
        engine.request(HTTP2Engine.requestFields("/a", method: "POST"), ends: false)
      }
      engine.send(.data(stream: 1, []))
    },
    Flood("DATA of padding", "H2_EmptyFrame_Flood") { engine in
      if engine.nextStream == 1 {
        engine.request(HTTP2Engine.requestFields("/a", method: "POST"), ends: false)
      }
      engine.send(
        HTTP2Frame(HTTP2Frame.Kind.data, flags: HTTP2Frame.Flags.padded, stream: 1, [0]))
    },
    Flood("WINDOW_UPDATE", "H2_WindowUpdate_Flood") { $0.send(.windowUpdate(stream: 0, 1)) },
    Flood("PRIORITY", "H2_Priority_Flood") { $0.send(HTTP2Frame(2, stream: 1, [0, 0, 0, 0, 9])) },
    Flood("PRIORITY_UPDATE", "H2_Priority_Flood") {
      $0.send(HTTP2Frame(16, HTTP2Frame.word(1) + Array("u=1".utf8)))
    },
    Flood("frames of an unknown type", "H2_UnknownFrame_Flood") { $0.send(HTTP2Frame(0xbe, [1])) },
    Flood("CONTINUATION", "H2_Continuation_Flood") { engine in
      if engine.nextStream == 1 {
        engine.send(
          HTTP2Frame(
            HTTP2Frame.Kind.headers, stream: engine.enter(),
            HPACKEncoder.block(HTTP2Engine.requestFields("/a"))))
      }
      engine.send(HTTP2Frame(HTTP2Frame.Kind.continuation, stream: 1))
    },
    Flood("a header list without end", "H2_HeaderList_Flood", "H2_Continuation_Flood") { engine in
      if engine.nextStream == 1 {
        engine.send(
          HTTP2Frame(
            HTTP2Frame.Kind.headers, stream: engine.enter(),
            HPACKEncoder.block(HTTP2Engine.requestFields("/a"))))
      }
      let field = HTTP2Field("x", String(repeating: "v", count: 16_000))
      engine.send(
        HTTP2Frame(HTTP2Frame.Kind.continuation, stream: 1, HPACKEncoder.block([field])))
    },
  ]
}

extension ServerTests {
  @Suite struct `18 HTTP 2 that is abused` {
    private func makeServer(_ configuration: String = "", workers: Int = 1) throws -> TestServer {
      let server = try TestServer(
        `18 HTTP 2 answers as HTTP 1 does`.clearText + configuration, workers: workers,
        files: ["a": "A"], starts: false)
      server.directory.write(variedBytes(3_000_000), to: "www/large")
      try server.start()
      return server
    }

    @Test(arguments: Flood.all)
    func `a flood is ended while others are served`(flood: Flood) throws {
      let server = try makeServer("H2MaxStreamErrors 0")
      let worker = server.workers
      let other = try server.openHTTP2()
      #expect(try other.get("/a").text == "A")
      let client = try server.openHTTP2()
      var sent = 0
      // In bursts: whoever is cut off cannot send them all.
      flooding: while sent < 100_000 {
        for _ in 0..<20 { flood.next(client.engine) }
        sent += 20
        do { try client.flush() } catch { break flooding }
        if sent % 1000 == 0 { #expect(try other.get("/a").text == "A") }
        while !ready([Interest(client.channel.socket)], milliseconds: 0).isEmpty {
          guard try client.read() else { break flooding }
        }
        if client.engine.goAway != nil { break }
      }
      #expect(sent < 100_000, "it was borne for ever")
      #expect(try other.get("/a").text == "A")
      let isNoted = eventually { flood.words.contains { server.said.contains($0) } }
      #expect(isNoted, "\(flood.words) are not in the log: \(server.said)")
      #expect(server.workers == worker)
      // A reset may overtake the GOAWAY when the flood goes on; where it came, it says why.
      if let goodbye = try client.goodbye() {
        #expect(goodbye.code.map { flood.codes.contains($0) } == true, "\(goodbye)")
      }
    }

    @Test func `GOAWAY says why when the client listens`() throws {
      let server = try makeServer("H2MaxStreamErrors 0")
      for flood in Flood.all {
        let client = try server.openHTTP2()
        #expect(try client.roundTrip())
        // Few at a time, so that nothing is left unread when the server ends the connection.
        for _ in 0..<20_000 where client.engine.goAway == nil {
          flood.next(client.engine)
          guard (try? client.flush()) != nil else { break }
          while !ready([Interest(client.channel.socket)], milliseconds: 0).isEmpty {
            guard try client.read() else { break }
          }
          if client.isAtEnd { break }
        }
        let goodbye = try client.goodbye()
        #expect(
          goodbye?.code.map { flood.codes.contains($0) } == true,
          "\(flood.testDescription): \(goodbye as Any)")
      }
    }

    @Test func `an honest client that resets now and then is served for ever`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      for round in 0..<400 {
        if round % 2 == 0 {
          let stream = try client.request("/large")
          try client.send(.reset(stream: stream))
        }
        #expect(try client.get("/a").text == "A")
        #expect(try round % 10 > 0 || client.roundTrip())
      }
      #expect(client.engine.goAway == nil)
    }

    @Test func `a client whose requests are malformed again and again is let go`() throws {
      let server = try makeServer("H2MaxStreamErrors 8")
      let client = try server.openHTTP2()
      for _ in 0..<9 where client.engine.goAway == nil {
        client.engine.request(HTTP2Engine.requestFields("/a") + [HTTP2Field("upgrade", "h2c")])
        _ = try client.roundTrip()
      }
      #expect(try client.goodbye()?.code == .enhanceYourCalm)
      #expect(client.engine.answers.count >= 8)
    }

    @Test func `no more streams than announced`() throws {
      let server = try makeServer("H2MaxSessionStreams 5")
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 10, opensWindows: false))
      // Before the limit is known: refused, so that the client may ask again (RFC 9113 §5.1.2).
      for _ in 0..<8 { client.engine.request(HTTP2Engine.requestFields("/large")) }
      let streams = [1, 3, 5, 7, 9, 11, 13, 15]
      let areRefused = try client.read {
        streams.suffix(3).allSatisfy { client.engine.answers[$0]?.isOver ?? false }
      }
      #expect(areRefused)
      #expect(client.engine.settings[3] == 5)
      for stream in streams.suffix(3) {
        #expect(client.engine.answers[stream]?.resetCode == .refusedStream)
      }
      for stream in streams.prefix(5) {
        #expect(client.engine.answers[stream]?.resetCode == nil)
        try client.send(.reset(stream: stream))
      }
      client.engine.openWindow(stream: 0, 100)
      #expect(try client.get("/a").text == "A")
      // Whoever knows it and goes on may lose the connection, but not harm others.
      for _ in 0..<8 { client.engine.request(HTTP2Engine.requestFields("/large")) }
      _ = try client.roundTrip()
      let last = client.engine.answers[client.engine.nextStream - 2]?.resetCode
      #expect(last == .refusedStream || client.engine.goAway?.code == .protocolError)
      #expect(try server.openHTTP2().get("/a").text == "A")
    }

    @Test func `a connection that does nothing is ended in peace`() throws {
      let server = try makeServer("KeepAliveTimeout 1")
      let client = try server.openHTTP2()
      #expect(try client.get("/a").text == "A")
      let goodbye = try client.goodbye()
      #expect(goodbye == HTTP2GoAway(lastStream: 1, code: .noError))
    }

    @Test func `MaxKeepAliveRequests ends a connection in peace, every request answered`() throws {
      let server = try makeServer("MaxKeepAliveRequests 10")
      let client = try server.openHTTP2()
      var answered = 0
      while client.engine.goAway == nil, answered < 50 {
        #expect(try client.get("/a").text == "A")
        answered += 1
        _ = try client.roundTrip()
      }
      #expect(answered >= 10 && answered < 50)
      #expect(client.engine.goAway?.code == .noError)
      let goodbye = try client.goodbye()
      #expect(goodbye?.code == .noError && goodbye?.lastStream ?? 0 >= 2 * answered - 1)
    }
  }
}
