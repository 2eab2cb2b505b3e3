// 18: HTTP/2 that breaks a rule. A stream's fault ends the stream, a connection's the connection.

import TestSupport
import Testing

/// A request and what is wrong with it.
struct MalformedRequest: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let fields: [HTTP2Field]

  /// The request for /a with some fields replaced (nil: left out) and others behind them.
  init(
    _ description: String, _ replaced: [String: String?] = [:], first: [(String, String)] = [],
    _ added: [(String, String)] = []
  ) {
    testDescription = description
    var fields = HTTP2Engine.requestFields("/a")
    for (name, value) in replaced {
      guard let place = fields.firstIndex(where: { $0.name == name }) else { continue }
      fields[place] = HTTP2Field(value == nil ? "" : name, value ?? "")
    }
    self.fields =
      first.map { HTTP2Field($0.0, $0.1) } + fields.filter { !$0.name.isEmpty }
      + added.map { HTTP2Field($0.0, $0.1) }
  }

  /// RFC 9113 §8.2, §8.3 and what RFC 9110 says of the values.
  static let all = [
    MalformedRequest("8.2.1: upper case in a name", [("X-Upper", "1")]),
    MalformedRequest("8.2.1: a space in a name", [("x y", "1")]),
    MalformedRequest("8.2.1: an empty name", [("", "1")]),
    MalformedRequest("8.2.1: a colon in a name", [("x:y", "1")]),
    MalformedRequest("8.2.1: NUL in a value", [("x", "a\0b")]),
    MalformedRequest("8.2.1: CR LF in a value", [("x", "a\r\nb: c")]),
    MalformedRequest("8.2.1: LF in a value", [("x", "a\nb")]),
    MalformedRequest("8.2.1: white space before a value", [("x", " a")]),
    MalformedRequest("8.2.1: white space behind a value", [("x", "a\t")]),
    MalformedRequest("8.2.2: Connection", [("connection", "close")]),
    MalformedRequest("8.2.2: Keep-Alive", [("keep-alive", "5")]),
    MalformedRequest("8.2.2: Proxy-Connection", [("proxy-connection", "close")]),
    MalformedRequest("8.2.2: Transfer-Encoding", [("transfer-encoding", "chunked")]),
    MalformedRequest("8.2.2: Upgrade", [("upgrade", "h2c")]),
    MalformedRequest("8.2.2: TE of gzip", [("te", "gzip")]),
    MalformedRequest("8.3: a pseudo-field behind a field", first: [("x", "1")]),
    MalformedRequest("8.3: an unknown pseudo-field", first: [(":version", "2")]),
    MalformedRequest("8.3: a response's pseudo-field", first: [(":status", "200")]),
    MalformedRequest("8.3: :path twice", first: [(":path", "/b")]),
    MalformedRequest("8.3: :method twice", first: [(":method", "HEAD")]),
    MalformedRequest("8.3: :authority twice", first: [(":authority", "other.test")]),
    MalformedRequest("8.3.1: no :method", [":method": nil]),
    MalformedRequest("8.3.1: no :scheme", [":scheme": nil]),
    MalformedRequest("8.3.1: no :path", [":path": nil]),
    MalformedRequest("8.3.1: an empty :path", [":path": ""]),
    MalformedRequest("8.3.1: a :path without slash", [":path": "a"]),
    MalformedRequest("8.3.1: user information", [":authority": "me@localhost"]),
    MalformedRequest("8.3.1: Host names another", [("host", "other.test")]),
    MalformedRequest("8.3.1: the wrong :scheme", [":scheme": "https"]),
    MalformedRequest("8.5: CONNECT with :path", [":method": "CONNECT"]),
    MalformedRequest("8.1.1: a length without a body", [("content-length", "5")]),
    MalformedRequest("8.1.1: a length that is no number", [("content-length", "+0")]),
    MalformedRequest(
      "8.1.1: two lengths", [("content-length", "0"), ("content-length", "1")]),
  ]

  init(_ description: String, _ added: [(String, String)]) {
    self.init(description, [:], added)
  }
}

extension ServerTests {
  @Suite struct `18 HTTP 2 that is malformed` {
    private func makeServer() throws -> TestServer {
      try TestServer(
        `18 HTTP 2 answers as HTTP 1 does`.clearText, files: ["a": "A", "b": "B"])
    }

    @Test func `a malformed request ends its stream, not the connection`() throws {
      let server = try makeServer()
      // Few on one connection: many are a reason to end it.
      for part in stride(from: 0, to: MalformedRequest.all.count, by: 5) {
        let client = try server.openHTTP2()
        for request in MalformedRequest.all.dropFirst(part).prefix(5) {
          let stream = client.engine.request(request.fields)
          try client.flush()
          _ = try client.read { client.engine.answers[stream]?.isOver ?? true }
          let answer = try #require(client.engine.answers[stream])
          // RFC 9113 §8.1.1: a stream error, before which a response may be sent.
          let isRefused = answer.resetCode == .protocolError || answer.head?.status == 400
          #expect(
            isRefused, "\(request.testDescription): \(answer.head?.status ?? 0)")
          #expect(client.engine.goAway == nil, "\(request.testDescription)")
        }
        #expect(try client.get("/a").text == "A", "after \(part)")
      }
    }

    @Test func `a body of another length than announced ends its stream`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      for (announced, sent) in [(5, 3), (2, 3), (0, 1)] {
        let stream = client.engine.request(
          HTTP2Engine.requestFields(
            "/a", method: "POST", [("content-length", "\(announced)")]), ends: false)
        try client.send(.data(stream: stream, [UInt8](repeating: 1, count: sent), ends: true))
        _ = try client.read { client.engine.answers[stream]?.resetCode != nil }
        #expect(client.engine.answers[stream]?.resetCode == .protocolError, "\(announced)")
      }
      #expect(try client.get("/a").text == "A")
    }

    @Test func `trailers must end the stream and hold no pseudo-fields`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      for (fields, ends) in [([HTTP2Field(":path", "/b")], true), ([HTTP2Field("x", "1")], false)] {
        let stream = client.engine.request(
          HTTP2Engine.requestFields("/a", method: "POST"), ends: false)
        try client.send(
          .data(stream: stream, [1]), .headers(stream: stream, fields, ends: ends))
        _ = try client.read { client.engine.answers[stream]?.resetCode != nil }
        #expect(client.engine.answers[stream]?.resetCode == .protocolError)
      }
      #expect(try client.get("/a").text == "A")
    }

    @Test func `a field list that is too long is 431, and the connection stays`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      let limit = try #require(
        try client.roundTrip() ? client.engine.settings[6] : nil, "no MAX_HEADER_LIST_SIZE")
      let value = String(repeating: "v", count: 10_000)
      let many = (0...(limit / 10_000)).map { HTTP2Field("x-\($0)", value) }
      let block = HPACKEncoder.block(HTTP2Engine.requestFields("/a") + many)
      for _ in 0..<3 {
        let stream = client.engine.enter()
        var rest = block[...]
        client.engine.send(
          HTTP2Frame(
            HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flags.endStream, stream: stream,
            Array(rest.prefix(16_384))))
        rest = rest.dropFirst(16_384)
        while !rest.isEmpty {
          client.engine.send(
            HTTP2Frame(
              HTTP2Frame.Kind.continuation,
              flags: rest.count <= 16_384 ? HTTP2Frame.Flags.endHeaders : 0, stream: stream,
              Array(rest.prefix(16_384))))
          rest = rest.dropFirst(16_384)
        }
        try client.flush()
        #expect(try client.response(stream).status == 431)
      }
      let fields = (0..<101).map { ("x-\($0)", "v") }
      #expect(try client.get("/a", fields: fields).status == 431)
      #expect(try client.get("/a").text == "A")
    }

    @Test func `a target too long is 414, one that climbs is 400`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      let plain = try server.get("/" + String(repeating: "a", count: 9000))
      #expect(
        try client.get("/" + String(repeating: "a", count: 9000)).status == plain.status)
      #expect(
        try client.get("/../../etc/passwd").status == server.get("/../../etc/passwd").status)
      #expect(try client.get("/%00").status == server.get("/%00").status)
      #expect(try client.get("/a").text == "A")
    }

    @Test func `the preface may come byte by byte`() throws {
      let server = try makeServer()
      let socket = try ClientSocket(port: server.port)
      let engine = HTTP2Engine()
      let bytes = engine.output
      engine.output = []
      for byte in bytes {
        try socket.send([byte])
        pause(milliseconds: 2)
      }
      let client = try HTTP2Client(socket, engine: engine)
      #expect(try client.get("/a").text == "A")
    }

    @Test func `every frame may come byte by byte`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      let stream = client.engine.request(HTTP2Engine.requestFields("/a"))
      for byte in client.engine.output {
        try client.channel.send([byte])
        pause(milliseconds: 1)
      }
      client.engine.output = []
      #expect(try client.response(stream).text == "A")
    }

    @Test func `without h2c the preface is a bad request`() throws {
      let server = try TestServer("Protocols http/1.1", files: ["a": "A"])
      let answer = try server.exchange(String(decoding: HTTP2Engine.preface, as: UTF8.self))
      #expect(answer.hasPrefix("HTTP/1.1 ") && !answer.contains("200 OK"), "\(answer)")
      #expect(try server.get("/a").text == "A")
    }

    /// Frames that end a connection, with the error that RFC 9113 names.
    private static let fatal: [(String, [HTTP2Frame], [HTTP2Code])] = [
      ("6.1: DATA on stream 0", [.data(stream: 0, [1])], [.protocolError]),
      ("6.1: DATA on an idle stream", [.data(stream: 9, [1])], [.protocolError]),
      (
        "6.1: padding longer than the frame",
        [
          .headers(stream: 1, HTTP2Engine.requestFields("/a", method: "POST"), ends: false),
          HTTP2Frame(HTTP2Frame.Kind.data, flags: HTTP2Frame.Flags.padded, stream: 1, [200, 1]),
        ], [.protocolError]
      ),
      (
        "6.2: HEADERS on stream 0", [.headers(stream: 0, HTTP2Engine.requestFields("/a"))],
        [.protocolError]
      ),
      (
        "5.1.1: HEADERS on an even stream",
        [.headers(stream: 2, HTTP2Engine.requestFields("/a"))], [.protocolError]
      ),
      (
        "6.2: a frame inside a header block",
        [
          HTTP2Frame(
            HTTP2Frame.Kind.headers, stream: 1,
            HPACKEncoder.block(HTTP2Engine.requestFields("/a"))), .ping(),
        ], [.protocolError]
      ),
      ("6.3: PRIORITY on stream 0", [HTTP2Frame(2, stream: 0, [0, 0, 0, 1, 1])], [.protocolError]),
      ("6.4: RST_STREAM on stream 0", [.reset(stream: 0)], [.protocolError]),
      ("6.4: RST_STREAM on an idle stream", [.reset(stream: 7)], [.protocolError]),
      ("6.4: RST_STREAM of 3 bytes", [HTTP2Frame(3, stream: 1, [0, 0, 0])], [.frameSizeError]),
      ("6.5: SETTINGS of 5 bytes", [HTTP2Frame(4, [0, 0, 0, 0, 0])], [.frameSizeError]),
      ("6.5: SETTINGS on a stream", [HTTP2Frame(4, stream: 1)], [.protocolError]),
      (
        "6.5: an ACK with content", [HTTP2Frame(4, flags: 1, [0, 1, 0, 0, 0, 1])], [.frameSizeError]
      ),
      ("6.5.2: ENABLE_PUSH of 2", [.settings([(2, 2)])], [.protocolError]),
      ("6.5.2: a window of 2^31", [.settings([(4, 1 << 31)])], [.flowControlError]),
      ("6.5.2: frames of 1000 bytes", [.settings([(5, 1000)])], [.protocolError]),
      ("6.6: PUSH_PROMISE", [HTTP2Frame(5, flags: 4, stream: 1, [0, 0, 0, 2])], [.protocolError]),
      ("6.7: PING of 7 bytes", [HTTP2Frame(6, [0, 0, 0, 0, 0, 0, 0])], [.frameSizeError]),
      (
        "6.7: PING on a stream", [HTTP2Frame(6, stream: 1, .init(repeating: 0, count: 8))],
        [.protocolError]
      ),
      (
        "6.8: GOAWAY on a stream", [HTTP2Frame(7, stream: 1, .init(repeating: 0, count: 8))],
        [.protocolError]
      ),
      ("6.9: WINDOW_UPDATE of nothing", [.windowUpdate(stream: 0, 0)], [.protocolError]),
      ("6.9: WINDOW_UPDATE on an idle stream", [.windowUpdate(stream: 5, 1)], [.protocolError]),
      (
        "6.9.1: a window beyond 2^31 - 1", [.windowUpdate(stream: 0, 0x7fff_ffff)],
        [.flowControlError]
      ),
      ("6.10: CONTINUATION out of place", [HTTP2Frame(9, flags: 4, stream: 1)], [.protocolError]),
      (
        "4.2: a frame of 16,385 bytes", [.init(6, .init(repeating: 0, count: 16_385))],
        [.frameSizeError]
      ),
      (
        "4.3: HPACK that cannot be read",
        [HTTP2Frame(1, flags: 5, stream: 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
        [.compressionError]
      ),
      (
        "RFC 7541 4.2: a table larger than announced",
        [HTTP2Frame(1, flags: 5, stream: 1, [0x3f, 0xff, 0xff, 0x03])], [.compressionError]
      ),
    ]

    @Test func `a fault of the connection ends it with the right error`() throws {
      let server = try makeServer()
      for (what, frames, codes) in Self.fatal {
        let client = try server.openHTTP2()
        #expect(try client.roundTrip())
        _ = client.engine.enter()
        for frame in frames { client.engine.send(frame) }
        try? client.flush()
        client.channel.socket.timeoutMilliseconds = 3000
        let goodbye = try? client.goodbye()
        #expect(goodbye?.code.map { codes.contains($0) } == true, "\(what): \(goodbye as Any)")
      }
      let other = try server.openHTTP2()
      #expect(try other.get("/a").text == "A")
      #expect(server.status()?.workerPids.count == 2)
    }

    @Test func `noise behind the preface ends the connection`() throws {
      let server = try makeServer()
      for seed in 1...20 as ClosedRange<UInt64> {
        let socket = try ClientSocket(port: server.port)
        try? socket.send(HTTP2Engine.preface + variedBytes(4000, seed: seed))
        socket.finishSending()
        let answer = try socket.receiveToEnd()
        #expect(!answer.isEmpty, "\(seed)")
      }
      #expect(try server.get("/a").text == "A")
    }
  }
}
