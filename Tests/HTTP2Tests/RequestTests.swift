// Requests: what RFC 9113 §8 demands, and the text that is made of them.

import HTTP2
import Platform
import Testing

@Suite struct `requests` {
  /// The text of a single request without a body; nil if none was told.
  private func text(_ fields: [(String, String)]) -> String? {
    let peer = Peer()
    peer.send(headersFrame(1, fields))
    #expect(peer.texts.count <= 1 && peer.parserAgrees)
    return peer.texts.first
  }

  @Test func `a request is written as HTTP 1 writes it, Host first`() {
    let fields = usual.reversed() + [("accept", "*/*"), ("x", "")]
    #expect(
      text(Array(fields)) == "GET / HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\nx: \r\n\r\n")
  }

  @Test func `cookie crumbs are joined, wherever they stood`() {
    let fields = usual + [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]
    #expect(
      text(fields)
        == "GET / HTTP/1.1\r\nhost: a.example\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n")
  }

  @Test func `Host beside the authority is left out if it names the same`() {
    #expect(
      text(usual + [("host", "A.Example")]) == "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n")
    #expect(
      text(Array(usual.prefix(3)) + [("host", "b")]) == "GET / HTTP/1.1\r\nhost: b\r\n\r\n")
  }

  @Test func `CONNECT has its authority as target, OPTIONS an asterisk`() {
    #expect(
      text([(":method", "CONNECT"), (":authority", "a:443")])
        == "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n")
    let peer = Peer()
    peer.send(requestFrame(1, [(":method", "OPTIONS"), (":path", "*")]))
    #expect(peer.texts == ["OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n"])
  }

  static let malformed: [(String, [(String, String)])] = [
    ("§8.2.1 upper case", usual + [("X-A", "b")]),
    ("§8.2.1 CR LF in a value", usual + [("x", "b\r\nc: d")]),
    ("§8.2.1 NUL in a value", usual + [("x", "b\0c")]),
    ("§8.2.1 leading white space", usual + [("x", " b")]),
    ("§8.2.1 trailing white space", usual + [("x", "b\t")]),
    ("§8.2.1 space in a name", usual + [("x y", "b")]),
    ("§8.2.1 colon in a name", usual + [("x:y", "b")]),
    ("§8.2.1 no name", usual + [("", "b")]),
    ("§8.2.2 connection", usual + [("connection", "close")]),
    ("§8.2.2 keep-alive", usual + [("keep-alive", "timeout=5")]),
    ("§8.2.2 proxy-connection", usual + [("proxy-connection", "close")]),
    ("§8.2.2 transfer-encoding", usual + [("transfer-encoding", "chunked")]),
    ("§8.2.2 upgrade", usual + [("upgrade", "websocket")]),
    ("§8.2.2 te", usual + [("te", "gzip")]),
    ("§8.3 pseudo-field behind a field", Array(usual.prefix(3)) + [("x", "y"), usual[3]]),
    ("§8.3 unknown pseudo-field", usual + [(":x", "y")]),
    ("§8.3 field of a response", usual + [(":status", "200")]),
    ("§8.3.1 no method", Array(usual.dropFirst())),
    ("§8.3.1 no scheme", [usual[0], usual[2], usual[3]]),
    ("§8.3.1 no path", [usual[0], usual[1], usual[3]]),
    ("§8.3.1 neither authority nor Host", Array(usual.prefix(3))),
    ("§8.3.1 two paths", usual + [(":path", "/b")]),
    ("§8.3.1 Host differs", usual + [("host", "b.example")]),
    ("§8.3.1 two Hosts", usual + [("host", "a.example"), ("host", "a.example")]),
    ("§8.3.1 user information", Array(usual.prefix(3)) + [(":authority", "u:p@a.example")]),
    ("§8.3.1 empty path", [usual[0], usual[1], (":path", ""), usual[3]]),
    ("§8.3.1 path without a slash", [usual[0], usual[1], (":path", "a"), usual[3]]),
    ("§8.3.1 asterisk for GET", [usual[0], usual[1], (":path", "*"), usual[3]]),
    ("§8.3.1 space in the path", [usual[0], usual[1], (":path", "/a b"), usual[3]]),
    ("§8.3.1 line in the path", [usual[0], usual[1], (":path", "/\r\nx: y"), usual[3]]),
    ("§8.3.1 space in the method", [(":method", "GET /x")] + usual.dropFirst()),
    ("§8.3.1 other scheme", [usual[0], (":scheme", "ftp"), usual[2], usual[3]]),
    ("§8.5 CONNECT with a path", [(":method", "CONNECT"), usual[2], usual[3]]),
    ("§8.5 CONNECT without authority", [(":method", "CONNECT")]),
    ("RFC 8441 not announced", [(":method", "CONNECT"), (":protocol", "websocket")] + usual[1...]),
    ("§8.1.1 length without a body", usual + [("content-length", "5")]),
    ("§8.1.1 two lengths", usual + [("content-length", "0"), ("content-length", "0")]),
    ("§8.1.1 length of no digits", usual + [("content-length", "+0")]),
  ]

  @Test(arguments: malformed)
  func `a malformed request is reset and never told`(
    _ name: String, _ fields: [(String, String)]
  ) {
    let peer = Peer()
    peer.send(headersFrame(1, fields))
    #expect(peer.requests.isEmpty && peer.session.counters.malformed == 1, "\(name)")
    let resets = peer.produce().filter { $0.type == Frame.reset }
    #expect(resets.count == 1 && resets.first?.code == 1, "\(name)")
    // The connection goes on.
    peer.send(requestFrame(3))
    #expect(peer.texts == ["GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"], "\(name)")
    #expect(peer.session.failure == nil && peer.session.openStreamCount == 1, "\(name)")
  }

  @Test func `only the transport's scheme is taken if that is wished`() {
    var settings = HTTP2Settings()
    settings.scheme = .https
    let peer = Peer(settings)
    peer.send(requestFrame(1), requestFrame(3, [(":scheme", "https")]))
    #expect(peer.requests.map(\.id) == [3])
  }

  @Test func `a body is counted and its length checked`() {
    let peer = Peer()
    peer.send(
      requestFrame(1, [("content-length", "5")], ends: false), dataFrame(1, "hel"),
      dataFrame(1, "lo", ends: true))
    #expect(peer.bodyBytes == [1: 5] && peer.ended == [1] && peer.bodyFollows == [1: true])
    #expect(peer.texts[0].contains("content-length: 5\r\n"))
    peer.send(requestFrame(3, [("content-length", "5")], ends: false), dataFrame(3, "hello!"))
    peer.send(
      requestFrame(5, [("content-length", "5")], ends: false), dataFrame(5, "x", ends: true))
    let resets = peer.produce().filter { $0.type == Frame.reset }
    #expect(resets.map(\.stream) == [3, 5] && resets.allSatisfy { $0.code == 1 })
    #expect(peer.closed.map(\.stream.id) == [3, 5] && peer.ended == [1])
    #expect(peer.closed.allSatisfy { !$0.completed && !$0.byUs })
  }

  @Test func `a body without a length is told by the event alone`() {
    let peer = Peer()
    peer.send(requestFrame(1, [(":method", "POST")], ends: false), dataFrame(1, "x"))
    #expect(peer.texts == ["POST / HTTP/1.1\r\nhost: a.example\r\n\r\n"])
    #expect(peer.bodyFollows == [1: true])
  }

  @Test func `trailers behind a body that nobody keeps are counted and dropped`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false), headersFrame(1, [("x-t", "1")]))
    #expect(peer.ended == [1] && peer.texts.count == 1 && peer.session.counters.trailers == 1)
    peer.send(requestFrame(3, ends: false), headersFrame(3, [(":path", "/")]))
    peer.send(requestFrame(5, ends: false), headersFrame(5, [("x-t", "1")], ends: false))
    #expect(peer.produce().filter { $0.type == Frame.reset }.map(\.stream) == [3, 5])
  }

  @Test func `a header list beyond the limits is told as too large`() {
    var settings = HTTP2Settings()
    settings.headerListBytesMax = 1000
    settings.fieldCountMax = 10
    let peer = Peer(settings)
    peer.send(requestFrame(1, [("x", String(repeating: "v", count: 900))]))
    peer.send(requestFrame(3, (0..<11).map { ("x\($0)", "y") }))
    peer.send(requestFrame(5, [("x", "y")]))
    #expect(peer.tooLarge.map(\.id) == [1, 3] && peer.requests.map(\.id) == [5])
    #expect(peer.parserAgrees)
    #expect(peer.respond(peer.tooLarge[0], bytes: 0, head: "HTTP/1.1 431 x\r\n\r\n"))
    #expect(peer.produce().contains { $0.type == Frame.headers && $0.stream == 1 })
  }

  @Test func `a header list far beyond the limit ends the connection`() {
    var settings = HTTP2Settings()
    settings.headerListBytesMax = 1000
    let peer = Peer(settings)
    // One entry of the table, named again and again: few bytes, a long list.
    var bytes = block(usual)
    bytes += [0x40, 1] + Array("x".utf8) + [100] + [UInt8](repeating: 0x76, count: 100)
    bytes += [UInt8](repeating: 0xbe, count: 100)
    peer.send(Frame(type: Frame.headers, flags: 5, stream: 1, payload: bytes))
    #expect(peer.session.failure == .headerListFlood && peer.requests.isEmpty)
    #expect(peer.produce().last?.code == 11 && peer.session.isDone)
  }

  @Test func `bytes may come one by one, and heads be cut anywhere`() {
    let frames = [
      settingsFrame(), requestFrame(1, [("cookie", "a"), ("x", "y"), ("cookie", "b")]),
      requestFrame(3, [(":method", "POST")], ends: false), dataFrame(3, "abc", ends: true),
    ]
    var cut = requestFrame(5, [("x", "1")])
    let rest = Array(cut.payload.dropFirst(20))
    cut.payload.removeLast(rest.count)
    cut.flags = 1
    let continued = Frame(type: Frame.continuation, flags: 4, stream: 5, payload: rest)
    let bytes = preface + (frames + [cut, continued]).flatMap(\.bytes)
    let whole = Peer(greets: false)
    whole.receive(bytes)
    let workspace = HTTP2Workspace()
    let single = Peer(workspace: workspace, greets: false)
    let other = Peer(workspace: workspace)
    for byte in bytes {
      single.receive([byte])
      // Another session uses the same room in between.
      other.send(windowFrame(0, 1))
    }
    #expect(whole.texts.count == 3 && whole.texts == single.texts && single.parserAgrees)
    #expect(single.bodyBytes == [3: 3] && single.ended == [3])
  }

  @Test func `many long heads are handed over in parts`() {
    let peer = Peer()
    let value = String(repeating: "v", count: 7000)
    peer.receive((0..<50).flatMap { requestFrame(1 + 2 * $0, [("x", value)]).bytes })
    #expect(peer.requests.count == 50 && peer.parserAgrees)
  }
}
