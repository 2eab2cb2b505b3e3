// What of a request and a response is passed on, and what is said about whoever passes it.

@testable import HTTP
import Testing

private func passed(
  _ message: String, _ isKept: (String) -> Bool = { _ in true }
) -> String? {
  guard let head = parsedHead(message) else { return nil }
  let data = bytes(message)
  let options = ConnectionOptions(head, in: data.rawSpan)
  var output: [UInt8] = []
  head.appendPassedFields(in: data.rawSpan, options: options, to: &output) { line in
    isKept(text(line.name.copy(from: data.rawSpan)))
  }
  return text(output)
}

private let get = "GET / HTTP/1.1\r\nHost: a\r\n"

@Suite struct `fields that are passed on` {
  @Test func `all but those of the connection are passed on as they were sent`() {
    #expect(passed(get + "\r\n") == "Host: a\r\n")
    #expect(passed("GET / HTTP/1.0\r\n\r\n") == "")
    #expect(
      passed(get + "X:1\r\nX: \t2 \r\nY: 3\r\n\r\n") == "Host: a\r\nX:1\r\nX: \t2 \r\nY: 3\r\n")
    #expect(
      passed(
        get + "TE: trailers\r\nX: 1\r\nConnection: TE, upgrade, Y\r\nUpgrade: h2c\r\ny: 2\r\n"
          + "HTTP2-Settings: a\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nZ: 3\r\n"
          + "Proxy-Authorization: a\r\n\r\n") == "Host: a\r\nX: 1\r\nZ: 3\r\n")
    #expect(
      passed("POST / HTTP/1.1\r\nA: b\r\nTransfer-Encoding: chunked\r\nHost: c\r\n\r\nTail: x\r\n")
        == "A: b\r\nHost: c\r\n")
    #expect(
      passed(get + "X: 1\r\nY: 2\r\nZ: 3\r\n\r\n") { $0 != "Y" && $0 != "Host" }
        == "X: 1\r\nZ: 3\r\n")
    #expect(passed(get + "X: 1\r\n\r\n") { _ in false } == "")
  }

  @Test(arguments: [
    ("", false), ("TE: trailers\r\n", true), ("te:gzip;q=1 ,\tTrailers\r\n", true),
    ("TE: deflate\r\nTE: trailers\r\n", true), ("TE: trailers;q=0\r\n", false),
    ("TE: xtrailers, trailer\r\n", false), ("TX: trailers\r\n", false), ("TE:\r\n", false),
  ])
  func `trailers are taken by who says so`(_ lines: String, _ areAccepted: Bool) throws {
    let message = get + lines + "\r\n"
    let head = try #require(parsedHead(message))
    let data = bytes(message)
    let isSaid = Trailers.areAccepted(head, in: data.rawSpan)
    #expect(isSaid == areAccepted)
  }

  @Test func `fields of a response are passed on likewise`() {
    let message =
      "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: b\r\nB: 2\r\nStatus: x\r\nServer: s\r\n"
      + "Content-Length: 3\r\n\r\nabc"
    let data = bytes(message)
    var response = ReceivedResponse()
    _ = ResponseParser().parse(data.rawSpan, into: &response, to: .get)
    var output: [UInt8] = []
    response.appendPassedFields(in: data.rawSpan, leavingOut: [.server], to: &output)
    #expect(text(output) == "A: 1\r\nStatus: x\r\nContent-Length: 3\r\n")
  }

  @Test func `a Connection field with very many names is noticed`() throws {
    let names = (0..<ConnectionOptions.nameCountMax).map { "x\($0)" }.joined(separator: ",")
    for (extra, isOverflowing) in [("", false), (",y", true), (",close,te,,keep-alive", false)] {
      let message = get + "Connection: \(names)\(extra)\r\n\r\n"
      let head = try #require(parsedHead(message))
      let options = ConnectionOptions(head, in: bytes(message).rawSpan)
      #expect(options.isOverflowing == isOverflowing)
    }
  }

  @Test(arguments: [
    ("GET", "/a?b", "GET /a?b HTTP/1.1\r\n"), ("X-Y", "*", "X-Y * HTTP/1.1\r\n"),
    ("GET", "", nil), ("GET", "/a b", nil), ("GET", "/\r\nX:", nil), ("GET", "/\u{e9}", nil),
    ("GET", "/\0", nil), ("G T", "/", nil), ("", "/", nil), ("G\r\n", "/", nil),
  ])
  func `a request line cannot be ended early`(method: String, target: String, line: String?) {
    var output: [UInt8] = []
    let isWritten = RequestLine.append(
      method: bytes(method).rawSpan, target: bytes(target).rawSpan, to: &output)
    #expect(isWritten == (line != nil))
    #expect(text(output) == line ?? "")
  }

  @Test func `only what may be repeated is repeated`() {
    func allows(_ method: HTTP.Method, _ progress: RequestRetry.Progress, _ replayable: Bool)
      -> Bool
    {
      RequestRetry.isAllowed(method, progress, bodyIsReplayable: replayable)
    }
    let idempotent: Set<HTTP.Method> = [.get, .head, .put, .delete, .options, .trace]
    for method in HTTP.Method.allCases {
      #expect(allows(method, .notSent, true))
      #expect(!allows(method, .notSent, false))
      #expect(allows(method, .sent, true) == idempotent.contains(method))
      #expect(!allows(method, .sent, false))
      #expect(!allows(method, .answered, true))
    }
    #expect(HTTP.Method.allCases.filter(\.isSafe) == [.get, .head, .options, .trace])
  }

  @Test(arguments: [
    ("1.1 me", true), ("1.0 other, 1.1 ME", true), ("HTTP/1.1 me (a comment)", true),
    ("1.1 other (a, 1.1 me)", false), ("1.1 other (a (nested, 1.1 me) b, 1.1 me)", false),
    ("1.1 other (a \\) 1.1 me), 1.1 x", false), ("1.1 other (unterminated, 1.1 me", false),
    ("1.1 me.example", false), ("1.1 m", false), ("me", false), ("me 1.1", false),
    ("1.1 x me", false), ("", false), (",,  ,", false), ("1.1\tme,", true), ("1.1 me(c)", true),
  ])
  func `a circle shows in Via`(value: String, isLoop: Bool) throws {
    #expect(Via.names(bytes("me").rawSpan, in: bytes(value).rawSpan) == isLoop)
    let message = get + "Via: 1.1 x\r\nVia: \(value)\r\n\r\n"
    let head = try #require(parsedHead(message))
    #expect(Via.isLoop(head, in: bytes(message).rawSpan, pseudonym: bytes("me").rawSpan) == isLoop)
  }

  @Test(arguments: [
    (Via.ReceivedProtocol.http11, "host:80", "", "1.1 host:80"),
    (.http10, "h", "Ring3/1", "1.0 h (Ring3/1)"), (.http2, "h, x", "", "2 h__x"),
    (.http11, "h", "a)b(\\\r\n", "1.1 h (a\\)b\\(\\\\  )"),
  ])
  func `a Via element is written so that it stays one`(
    version: Via.ReceivedProtocol, name: String, comment: String, expected: String
  ) {
    var output: [UInt8] = []
    Via.appendElement(
      version, by: bytes(name).rawSpan, comment: bytes(comment), to: &output)
    #expect(text(output) == expected)
  }

  @Test(
    arguments: [
      ("192.0.2.1", nil, "for=192.0.2.1"), ("192.0.2.1", 80, "for=\"192.0.2.1:80\""),
      ("2001:db8::1", nil, "for=\"[2001:db8::1]\""), ("::1", 4711, "for=\"[::1]:4711\""),
      ("_hidden", nil, "for=_hidden"), ("_hid-x.y", 1, "for=\"_hid-x.y:1\""),
      ("", nil, "for=unknown"), ("/run/socket", nil, "for=unknown"), ("a\"b", 1, "for=unknown"),
      ("_", nil, "for=unknown"), ("192.0.2.256", nil, "for=unknown"),
    ] as [(String, UInt16?, String)])
  func `a node of Forwarded is quoted as its form asks`(
    address: String, port: UInt16?, expected: String
  ) {
    var output: [UInt8] = []
    Forwarded.appendNode(.for, address: bytes(address).rawSpan, port: port, to: &output)
    #expect(text(output) == expected)
  }

  @Test func `host and scheme of Forwarded are quoted where they must be`() {
    for (host, expected) in [
      ("example.com", ";host=example.com;proto=https"), ("a:8", ";host=\"a:8\";proto=https"),
      ("", ";proto=https"), ("a\"b\\c", ";host=\"a\\\"b\\\\c\";proto=https"),
    ] {
      var output: [UInt8] = []
      Forwarded.appendHost(bytes(host).rawSpan, scheme: "https", to: &output)
      #expect(text(output) == expected)
    }
  }

  @Test func `X-Forwarded-For is one line, behind those who are believed`() {
    for (believed, address, expected) in [
      ("10.0.0.1, 10.0.0.2", "::1", "10.0.0.1, 10.0.0.2, ::1"), ("", "192.0.2.1", "192.0.2.1"),
      ("", "", "unknown"),
    ] {
      var output: [UInt8] = []
      XForwardedFor.appendField(
        believed: bytes(believed).rawSpan, address: bytes(address).rawSpan, to: &output)
      #expect(text(output) == "X-Forwarded-For: \(expected)\r\n")
    }
  }
}
