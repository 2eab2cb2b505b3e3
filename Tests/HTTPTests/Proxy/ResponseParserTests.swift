// The response parser: messages that are accepted and refused, whole and split at every byte.

@testable import HTTP
import Testing

private let ok = "HTTP/1.1 200 OK\r\n"

/// What is accepted: the request's method, the message, how its body ends, whether another request
/// may follow.
private let accepted: [(Method, String, ResponseFraming, Bool)] = [
  (.get, "\(ok)Content-Length: 5\r\n\r\nhello", .length(5), true),
  (.get, "\(ok)content-length:5\r\n\r\n", .length(5), true),
  (.get, "\(ok)Content-Length: \t 5 \t\r\n\r\n", .length(5), true),
  (.get, "\(ok)Content-Length: 0\r\n\r\n", .none, true),
  (.get, "\(ok)Content-Length: 9223372036854775807\r\n\r\n", .length(1 << 63 - 1), true),
  (.get, "\(ok)Transfer-Encoding: Chunked\r\n\r\n", .chunked, true),
  (.get, "\(ok)\r\n", .untilClose, false),
  (.get, "HTTP/1.1 200\r\n\r\n", .untilClose, false),
  (.get, "HTTP/1.1 200 \r\n\r\n", .untilClose, false),
  (.get, "HTTP/1.1 200  two  blanks \r\nX: y\r\n\r\n", .untilClose, false),
  (.get, "HTTP/1.1 404 Nicht gefunden: \u{fc}\t!\r\nContent-Length: 1\r\n\r\n", .length(1), true),
  (.get, "HTTP/1.9 200 OK\r\nContent-Length: 1\r\n\r\n", .length(1), true),
  (.get, "HTTP/1.1 999 Go away\r\nContent-Length: 1\r\n\r\n", .length(1), true),
  (.get, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", .length(1), false),
  (
    .get, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", .length(1), true
  ),
  (.get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", .untilClose, false),
  (.get, "\(ok)Content-Length: 1\r\nConnection: close\r\n\r\n", .length(1), false),
  (.get, "\(ok)Content-Length: 1\r\nConnection: x, CLOSE\r\n\r\n", .length(1), false),
  (
    .get, "\(ok)Content-Length: 1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
    .length(1), false
  ),
  (.head, "\(ok)Content-Length: 5\r\n\r\n", .none, true),
  (.head, "\(ok)Transfer-Encoding: chunked\r\n\r\n", .none, true),
  (.head, "\(ok)\r\n", .none, true),
  (.get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", .none, true),
  (.get, "HTTP/1.1 304 Not Modified\r\n\r\n", .none, true),
  (.get, "HTTP/1.1 204 No Content\r\n\r\n", .none, true),
  (.get, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", .none, true),
  (.get, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .none, false),
  (.get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", .none, false),
  (.get, "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\n", .length(5), true),
  (.get, "HTTP/1.1 100 Continue\r\n\r\n", .none, true),
  (.get, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", .none, true),
  (
    .get, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", .tunnel,
    false
  ),
  (.connect, "HTTP/1.1 200 OK\r\n\r\n", .tunnel, false),
  (.connect, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", .tunnel, false),
  (.connect, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", .length(5), true),
  (.get, "\(ok)X:\r\nY: a\tb \u{e9}\u{ff}\r\nContent-Length: 1\r\n\r\n", .length(1), true),
  (.get, "\(ok)Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 1\r\n\r\n", .length(1), true),
  (.get, "\(ok)Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,TE,close\r\n\r\n", .untilClose, false),
]

private let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"

private let refused: [String] = [
  "\r\n\(ok)\r\n", " \(ok)\r\n", "\n\(ok)\r\n", "X", "hello", "\0",
  "http/1.1 200 OK\r\n\r\n", "HTTP/0.9 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n",
  "HTTP/2 200 OK\r\n\r\n", "HTTP/1.10 200 OK\r\n\r\n", "HTTP/1.x 200 OK\r\n\r\n",
  "HTTP/11 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1\t200 OK\r\n\r\n",
  "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
  "HTTP/1.1 000 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
  "HTTP/1.1 200\tOK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1 OK\r\n\r\n",
  "HTTP/1.1 \r\n\r\n", "HTTP/1.1\r\n\r\n",
  "HTTP/1.1 200 OK\nX: y\r\n\r\n", "HTTP/1.1 200\n\r\n", "HTTP/1.1 200 O\rK\r\n\r\n",
  "HTTP/1.1 200 O\0K\r\n\r\n", "HTTP/1.1 200 \u{1}\r\n\r\n", "HTTP/1.1 200 \u{7f}\r\n\r\n",
  "\(ok) X: y\r\n\r\n", "\(ok)\tX: y\r\n\r\n", "\(ok)X: y\r\n folded\r\n\r\n",
  "\(ok)X: y\r\n\tfolded: a\r\n\r\n", "\(ok)X : y\r\n\r\n", "\(ok)X\t: y\r\n\r\n",
  "\(ok)X Y: y\r\n\r\n", "\(ok): y\r\n\r\n", "\(ok)X\r\n\r\n", "\(ok)X\r\nY: z\r\n\r\n",
  "\(ok)X(: y\r\n\r\n", "\(ok)\u{e9}: y\r\n\r\n", "\(ok)X: y\n\r\n", "\(ok)X: y\rz\r\n\r\n",
  "\(ok)X: y\r\r\n\r\n", "\(ok)X: \0\r\n\r\n", "\(ok)X: \u{1f}\r\n\r\n", "\(ok)X: \u{7f}\r\n\r\n",
  "\(ok)\n", "\(ok)\rX", "\(ok)X: y\r\n\n",
  "\(ok)\(both)\r\n", "HTTP/1.1 304 N\r\n\(both)\r\n", "HTTP/1.1 204 N\r\n\(both)\r\n",
  "\(ok)Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
  "\(ok)Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
  "\(ok)Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
  "\(ok)Content-Length: 5, 5\r\n\r\n", "\(ok)Content-Length: +5\r\n\r\n",
  "\(ok)Content-Length: -5\r\n\r\n", "\(ok)Content-Length: 0x5\r\n\r\n",
  "\(ok)Content-Length: 5 5\r\n\r\n", "\(ok)Content-Length: 5.0\r\n\r\n",
  "\(ok)Content-Length:\r\n\r\n", "\(ok)Content-Length: 5;\r\n\r\n",
  "\(ok)Content-Length: 9223372036854775808\r\n\r\n",
  "\(ok)Content-Length: 99999999999999999999999\r\n\r\n",
  "HTTP/1.1 304 N\r\nContent-Length: x\r\n\r\n",
  "\(ok)Transfer-Encoding: gzip\r\n\r\n", "\(ok)Transfer-Encoding: gzip, chunked\r\n\r\n",
  "\(ok)Transfer-Encoding: chunked, chunked\r\n\r\n", "\(ok)Transfer-Encoding: identity\r\n\r\n",
  "\(ok)Transfer-Encoding:\r\n\r\n", "\(ok)Transfer-Encoding: xchunked\r\n\r\n",
  "\(ok)Transfer-Encoding: chunked;a=b\r\n\r\n", "\(ok)Transfer-Encoding: \u{b}chunked\r\n\r\n",
  "\(ok)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
  "\(ok)Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.0 100 Continue\r\n\r\n",
  "HTTP/1.0 101 Switching\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
  "HTTP/1.1 101 Switching\r\nUpgrade: a\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n",
  "HTTP/1.1 101 Switching\r\nUpgrade: a\r\n\r\n",
  "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n",
  "\(ok)Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n",
]

/// Everything that came of parsing, as text.
private struct Outcome: Equatable, CustomStringConvertible {
  var description: String
  var isComplete: Bool { description.hasPrefix("HTTP") }
  var isRejected: Bool { description.hasPrefix("502") }
  static let needMore = Outcome(description: "need more")

  init(description: String) { self.description = description }

  init(_ outcome: ParseOutcome, _ response: ReceivedResponse, _ data: [UInt8]) {
    switch outcome {
    case .needMore: self = .needMore
    case .rejected(let rejection):
      description = "\(rejection.status) \(rejection.reason)"
    case .complete:
      func show(_ range: BufferRange) -> String { text(range.copy(from: data.rawSpan)) }
      description =
        "HTTP/1.\(response.minorVersion) \(response.status) \(show(response.reason))"
        + " \(response.headByteCount) \(response.framing) \(response.keepAlive)"
        + " \(String(describing: response.contentLength))"
        + " \(String(describing: response.keepAliveSeconds))"
      for number in 0..<response.fieldCount {
        let field = response.field(at: number)
        description +=
          "|\(show(field.name)): \(show(field.value)) \(String(describing: field.known))"
        description += " \(response.isForwarded(field, in: data.rawSpan))"
      }
      for field in ResponseField.allCases {
        if let value = response.known(field) {
          description += "|\(field) \(value) \(response.isRepeated(field))"
        }
      }
    }
  }
}

private func parseResponse(
  _ data: [UInt8], to method: Method = .get, limits: RequestLimits = RequestLimits()
) -> Outcome {
  var response = ReceivedResponse(fieldCapacity: 1)
  let outcome = ResponseParser(limits: limits).parse(data.rawSpan, into: &response, to: method)
  return Outcome(outcome, response, data)
}

private func parsed(_ message: String) -> ReceivedResponse? {
  var response = ReceivedResponse()
  let outcome = ResponseParser().parse(bytes(message).rawSpan, into: &response, to: .get)
  guard case .complete = outcome else { return nil }
  return response
}

@Suite struct ResponseParserTests {
  @Test(arguments: accepted)
  func `an honest response says how its body ends and whether another may follow`(
    method: Method, message: String, framing: ResponseFraming, keepAlive: Bool
  ) {
    var response = ReceivedResponse()
    let outcome = ResponseParser().parse(bytes(message).rawSpan, into: &response, to: method)
    guard case .complete = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(response.framing == framing)
    #expect(response.keepAlive == keepAlive)
  }

  @Test(arguments: accepted)
  func `a split at any byte of a response changes nothing`(
    method: Method, message: String, framing: ResponseFraming, keepAlive: Bool
  ) throws {
    let data = bytes(message)
    let whole = parseResponse(data, to: method)
    var response = ReceivedResponse()
    _ = ResponseParser().parse(data.rawSpan, into: &response, to: method)
    let headEnd = response.headByteCount
    var progress = ParseProgress()
    for end in 0..<headEnd {
      let part = Array(data[..<end])
      #expect(parseResponse(part, to: method) == .needMore, "at \(end)")
      let outcome = ResponseParser().parse(
        part.rawSpan, into: &response, to: method, resuming: &progress)
      #expect(Outcome(outcome, response, part) == .needMore, "at \(end)")
    }
    let outcome = ResponseParser().parse(
      data.rawSpan, into: &response, to: method, resuming: &progress)
    #expect(Outcome(outcome, response, data) == whole)
  }

  @Test(arguments: refused)
  func `an ambiguous or wrong response is refused, and accepted at no split`(message: String) {
    let data = bytes(message)
    for method in [Method.get, .head, .connect] {
      #expect(parseResponse(data, to: method).isRejected, "\(parseResponse(data, to: method))")
    }
    var response = ReceivedResponse()
    var progress = ParseProgress()
    for end in 0...data.count {
      let part = Array(data[..<end])
      #expect(!parseResponse(part).isComplete, "at \(end)")
      let outcome = Outcome(
        ResponseParser().parse(part.rawSpan, into: &response, to: .get, resuming: &progress),
        response, part)
      #expect(!outcome.isComplete, "at \(end)")
      if outcome.isRejected { break }
    }
  }

  @Test func `nothing of an earlier response shows in the next`() {
    var response = ReceivedResponse(fieldCapacity: 1)
    for first in accepted {
      for second in accepted {
        _ = ResponseParser().parse(bytes(first.1).rawSpan, into: &response, to: first.0)
        let data = bytes(second.1)
        let outcome = ResponseParser().parse(data.rawSpan, into: &response, to: second.0)
        #expect(Outcome(outcome, response, data) == parseResponse(data, to: second.0))
      }
    }
  }

  @Test func `fields that belong to the connection or are named by it are not passed on`() throws {
    let message =
      "\(ok)Connection: X-Private, close\r\nKeep-Alive: timeout=5\r\nx-private: 1\r\n"
      + "Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\nTE: a\r\n"
      + "connection: cache-control\r\nCache-Control: no-store\r\nSet-Cookie: a\r\nX-Privat: 2\r\n"
      + "HTTP2-Settings: a\r\nTrailer: X\r\n\r\n"
    let data = bytes(message)
    let response = try #require(parsed(message))
    var names: [String] = []
    for number in 0..<response.fieldCount {
      let field = response.field(at: number)
      guard response.isForwarded(field, in: data.rawSpan) else { continue }
      names.append(text(field.name.copy(from: data.rawSpan)))
    }
    #expect(names == ["Set-Cookie", "X-Privat", "Trailer"])
    // The rules of caching see it all the same.
    #expect(response.has(.cacheControl))
  }

  @Test(arguments: [
    ("timeout=5, max=100", 5), ("max=100,Timeout=65", 65), ("timeout=", nil), ("timeout=x", nil),
    ("timeout", nil), ("5", nil), ("", nil),
  ])
  func `how long the application keeps the connection is read`(value: String, seconds: UInt64?) {
    let message = "\(ok)Content-Length: 1\r\nKeep-Alive: \(value)\r\n\r\n"
    #expect(parsed(message)?.keepAliveSeconds == seconds)
  }

  @Test func `every name is recognised in any case and as nothing else`() {
    for field in ResponseField.allCases {
      let name = "\(field.name)"
      #expect(ResponseField(name: bytes(name).rawSpan) == field)
      #expect(ResponseField(name: bytes(name.uppercased()).rawSpan) == field)
      #expect(ResponseField(name: bytes(name.lowercased()).rawSpan) == field)
      #expect(ResponseField(name: bytes(name + "x").rawSpan) != field)
      #expect(ResponseField(name: bytes("y" + name.dropFirst()).rawSpan) != field)
      #expect(field.isHopByHop == HopByHop.contains(bytes(name).rawSpan))
      for position in 0..<name.utf8.count {
        var wrong = bytes(name)
        wrong[position] ^= 0x20
        let isLetter = ASCII.lowercase(wrong[position]) &- 0x61 < 26
        #expect((ResponseField(name: wrong.rawSpan) == field) == isLetter)
        wrong[position] ^= 0x21
        #expect(ResponseField(name: wrong.rawSpan) != field)
      }
    }
  }

  @Test func `limits of a response are exact and noticed early`() {
    let limits = RequestLimits(
      requestLineBytesMax: 20, fieldCountMax: 2, fieldBytesMax: 12, headerBytesMax: 60)
    func outcome(_ message: String) -> Outcome { parseResponse(bytes(message), limits: limits) }
    #expect(outcome("HTTP/1.1 200 3456789\r\n\r\n").isComplete)
    #expect(outcome("HTTP/1.1 200 34567890\r\n\r\n").isRejected)
    #expect(outcome("HTTP/1.1 200 345678901").isRejected)
    #expect(outcome("\(ok)X: 456789012\r\nY: z\r\n\r\n").isComplete)
    #expect(outcome("\(ok)X: 4567890123\r\n\r\n").isRejected)
    #expect(outcome("\(ok)X: 45678901234").isRejected)
    #expect(outcome("\(ok)XXXXXXXXXXXXXX").isRejected)
    #expect(outcome("\(ok)X: 1\r\nY: 2\r\nZ: 3\r\n").isRejected)
    let small = RequestLimits(headerBytesMax: 30)
    #expect(parseResponse(bytes("\(ok)X: 23456789\r\n\r\n"), limits: small).isRejected)
    #expect(parseResponse(bytes("\(ok)X: 23456\r\n\r\n"), limits: small).isComplete)
    #expect(parseResponse(bytes("\(ok)X: 234567890123"), limits: small).isRejected)
  }

  @Test func `random damage never makes resumed and whole parsing of a response differ`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let alphabet = bytes("\r\n \t:/,;aZ019-\0\u{7f}") + [0xff, 0x80]
    for _ in 0..<3000 {
      let sample = accepted.randomElement(using: &generator) ?? accepted[0]
      let data = damaged(bytes(sample.1), with: alphabet, using: &generator)
      let whole = parseResponse(data, to: sample.0)
      var response = ReceivedResponse()
      var progress = ParseProgress()
      var end = 0
      var last = Outcome.needMore
      while end < data.count && last == .needMore {
        end = min(data.count, end + Int.random(in: 1...9, using: &generator))
        let part = Array(data[..<end])
        last = Outcome(
          ResponseParser().parse(part.rawSpan, into: &response, to: sample.0, resuming: &progress),
          response, part)
      }
      if whole.isComplete {
        #expect(last == whole, "seed \(seed)")
      } else {
        #expect(!last.isComplete, "seed \(seed)")
      }
    }
  }
}
