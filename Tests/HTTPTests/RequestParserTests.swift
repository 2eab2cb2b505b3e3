// The request parser: messages that are accepted and refused, whole and split at every byte.

@testable import HTTP
import Testing

private let h = "Host: a\r\n"

private let accepted: [String] = [
  "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "GET / HTTP/1.1\r\nhost:example.com:8080\r\n\r\n",
  "GET / HTTP/1.1\r\nHOST: \t example.com \t \r\n\r\n",
  "GET / HTTP/1.0\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
  "\r\nGET / HTTP/1.1\r\n\(h)\r\n",
  "\r\n\r\nGET / HTTP/1.1\r\n\(h)\r\n",
  "HEAD /a/b?c=d?e HTTP/1.1\r\n\(h)\r\n",
  "GET /? HTTP/1.1\r\n\(h)\r\n",
  "GET /%41\"<>\\^`{|} HTTP/1.1\r\n\(h)\r\n",
  "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
  "GET / HTTP/1.1\r\nHost:\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: [2001:db8::ffff:192.0.2.1]\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a_b.*-~!$&'()+,;=%20\r\n\r\n",
  "GET http://example.com HTTP/1.1\r\nHost: EXAMPLE.com:80\r\n\r\n",
  "GET http://example.com?q HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "GET HTTPS://example.com:443/a?b HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "GET http://example.com/ HTTP/1.0\r\n\r\n",
  "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
  "M-SEARCH / HTTP/1.1\r\n\(h)\r\n",
  "PUT / HTTP/1.1\r\n\(h)Content-Length: 5\r\n\r\nhello",
  "POST / HTTP/1.1\r\n\(h)Content-Length: 0\r\n\r\n",
  "POST / HTTP/1.1\r\n\(h)Content-Length: 9223372036854775807\r\n\r\n",
  "POST / HTTP/1.1\r\n\(h)Transfer-Encoding: CHUNKED\r\n\r\n",
  "POST / HTTP/1.1\r\n\(h)Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n",
  "POST / HTTP/1.1\r\n\(h)Content-Length: 5\r\nExpect: a-miracle\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)X:\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)X-Y_z!#$%&'*+.^`|~09: a\tb \u{e9}\u{ff}\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)Connection: a, close ,upgrade\r\nConnection: ,,\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\nTE: trailers\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)Upgrade-Insecure-Requests: 1\r\nsec-ch-ua-platform: \"x\"\r\n\r\n",
  "GET / HTTP/1.1\r\n\(h)TE:\r\n\r\n",
]

private let refused: [(Int, String)] = [
  (400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
  (400, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)\n"),
  (400, "GET / HTTP/1.1\r\n\(h)\rX"),
  (400, "GET / HTTP/1.1\r\n\(h) folded: x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)\tfolded\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n folded: x\r\n\(h)\r\n"),
  (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHo st: a\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h): empty\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)no colon\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)nocolon\r\nX: y\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)a(b): x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)\u{e9}: x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)accept\rencoding: x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)X: a\0b\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)X: a\u{1f}b\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)X: a\u{7f}\r\n\r\n"),
  (400, "GET  / HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /  HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET / HTTP/1.1 \r\n\(h)\r\n"),
  (400, " GET / HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET\t/ HTTP/1.1\r\n\(h)\r\n"),
  (400, "G(T / HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /\u{e9} HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /a\u{1} HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /a#b HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /a?b#c HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET a HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET * HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET ftp://a/ HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET http:///a HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET http://u@a/ HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET http://b/ HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET http://a:81/ HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET http://a/ HTTP/1.1\r\n\r\n"),
  (400, "CONNECT a HTTP/1.1\r\n\(h)\r\n"),
  (400, "CONNECT /a HTTP/1.1\r\n\(h)\r\n"),
  (400, "GET /\r\n"),
  (400, "GET / HTTP/0.9\r\n\(h)\r\n"),
  (400, "GET / http/1.1\r\n\(h)\r\n"),
  (400, "GET / HTTP/1.x\r\n\(h)\r\n"),
  (400, "GET / HTTP/11\r\n\(h)\r\n"),
  (400, "GET / HTTP/1.10\r\n\(h)\r\n"),
  (505, "GET / HTTP/2.0\r\n\(h)\r\n"),
  (505, "GET / HTTP/3.1\r\n\(h)\r\n"),
  (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\n\(h)\(h)\r\n"),
  (400, "GET / HTTP/1.0\r\n\(h)Host: b\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a,\u{e9}\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [::1%25eth0]\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7]\r\n\r\n"),
  (400, "GET / HTTP/1.1\r\nHost: [::300.1.1.1]\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 5, 5\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: +5\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: -5\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 0x5\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length:\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 9223372036854775808\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 99999999999999999999999\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"),
  (400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
  (501, "POST / HTTP/1.1\r\n\(h)Transfer-Encoding: gzip, chunked\r\n\r\n"),
  (501, "POST / HTTP/1.1\r\n\(h)Transfer-Encoding: identity\r\n\r\n"),
  (400, "POST / HTTP/1.1\r\n\(h)Transfer-Encoding: \u{b}chunked\r\n\r\n"),
  (400, "\r\n\r\n\r\nGET / HTTP/1.1\r\n\(h)\r\n"),
  (400, "\nGET / HTTP/1.1\r\n\(h)\r\n"),
  (400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}"),
]

@Suite struct RequestParserTests {
  @Test(arguments: accepted)
  func `an honest request is accepted`(message: String) {
    #expect(parse(bytes(message)).isComplete)
  }

  @Test(arguments: accepted)
  func `a split at any byte changes nothing`(message: String) {
    let data = bytes(message)
    let whole = parse(data)
    guard case .complete(let summary) = whole else { return }
    let headEnd = Int(summary.parts[11]) ?? 0
    for end in 0..<headEnd { #expect(parse(Array(data[..<end])) == .needMore, "at \(end)") }
    // One byte at a time, with progress kept, by the same parser and head.
    var head = RequestHead()
    var progress = ParseProgress()
    for end in 0..<headEnd {
      let part = Array(data[..<end])
      let outcome = RequestParser().parse(part.rawSpan, into: &head, resuming: &progress)
      #expect(Parsed(outcome, head, part) == .needMore, "at \(end)")
    }
    let outcome = RequestParser().parse(data.rawSpan, into: &head, resuming: &progress)
    #expect(Parsed(outcome, head, data) == whole)
  }

  @Test(arguments: refused)
  func `an ambiguous or wrong request is refused`(status: Int, message: String) {
    #expect(parse(bytes(message)) == .rejected(status))
  }

  @Test(arguments: refused)
  func `a refused request is accepted at no split`(status: Int, message: String) {
    let data = bytes(message)
    var head = RequestHead()
    var progress = ParseProgress()
    for end in 0...data.count {
      let part = Array(data[..<end])
      #expect(!parse(part).isComplete, "at \(end)")
      let outcome = RequestParser().parse(part.rawSpan, into: &head, resuming: &progress)
      #expect(!Parsed(outcome, head, part).isComplete, "at \(end)")
      if Parsed(outcome, head, part).isRejected { break }
    }
  }

  @Test func `nothing of an earlier request shows in the next`() {
    var head = RequestHead(fieldCapacity: 1)
    for first in accepted {
      for second in accepted {
        _ = RequestParser().parse(bytes(first).rawSpan, into: &head)
        let data = bytes(second)
        let outcome = RequestParser().parse(data.rawSpan, into: &head)
        #expect(Parsed(outcome, head, data) == parse(data))
      }
    }
  }

  @Test func `ranges say where everything is`() throws {
    let message =
      "POST http://Example.com:81/a/b?c HTTP/1.1\r\nHost: example.COM:81\r\nX: 1\r\n"
      + "User-Agent: me\r\nx: 2\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
    let head = try #require(parsedHead(message))
    let data = bytes(message)
    func show(_ range: BufferRange?) -> String? { range.map { text($0.copy(from: data.rawSpan)) } }
    #expect(head.method == .post)
    #expect(show(head.target) == "http://Example.com:81/a/b?c")
    #expect(show(head.path) == "/a/b")
    #expect(show(head.query) == "c")
    #expect(show(head.host) == "Example.com")
    #expect(head.hostPort == 81)
    #expect(show(head.known(.userAgent)) == "me")
    #expect(head.known(.cookie) == nil)
    #expect(show(head.value(named: "X", in: data.rawSpan)) == "1")
    #expect(head.body == .length(12))
    #expect(head.expectsContinue)
    #expect(head.keepAlive)
    #expect(head.headByteCount == data.count)
    #expect(head.fieldCount == 6)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true),
    ("GET / HTTP/1.0\r\n\r\n", false),
    ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ("GET / HTTP/1.0\r\nConnection: x\r\nConnection: keep-alive\r\n\r\n", true),
    ("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false),
  ])
  func `the connection stays open when both want it`(message: String, keepAlive: Bool) {
    #expect(parsedHead(message)?.keepAlive == keepAlive)
  }

  @Test func `expectations are told apart`() throws {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: "
    #expect(parsedHead(post + "100-continue\r\n\r\n")?.expectsContinue == true)
    #expect(parsedHead(post + "x\r\n\r\n")?.unknownExpectation == true)
    let bare = try #require(parsedHead("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"))
    #expect(!bare.expectsContinue && !bare.unknownExpectation)
    let old = try #require(
      parsedHead("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"))
    #expect(!old.expectsContinue && !old.unknownExpectation)
  }

  @Test func `every known name is recognised in any case and at any distance from the end`() {
    for field in KnownField.allCases {
      let name = "\(field.name)"
      #expect(KnownField(name: bytes(name).rawSpan) == field)
      #expect(KnownField(name: bytes(name.uppercased()).rawSpan) == field)
      #expect(KnownField(name: bytes(name + "x").rawSpan) != field)
      #expect(KnownField(name: bytes("y" + name.dropFirst()).rawSpan) != field)
      for position in 0..<name.utf8.count {
        var wrong = bytes(name)
        wrong[position] ^= 0x20
        let isLetter = ASCII.lowercase(wrong[position]) &- 0x61 < 26
        #expect((KnownField(name: wrong.rawSpan) == field) == isLetter)
      }
    }
  }

  @Test func `limits are exact and noticed early`() {
    let limits = RequestLimits(
      requestLineBytesMax: 20, fieldCountMax: 2, fieldBytesMax: 12, headerBytesMax: 60)
    func status(_ message: String) -> Parsed { parse(bytes(message), limits: limits) }
    #expect(status("GET /234567 HTTP/1.1\r\nHost: a\r\n\r\n").isComplete)
    #expect(status("GET /2345678 HTTP/1.1\r\nHost: a\r\n\r\n") == .rejected(414))
    #expect(status("GET /234567890123456789") == .rejected(414))
    #expect(status("GETTTTTTTTTTTTTTTTTTTTTTTT") == .rejected(414))
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: 456789012\r\n\r\n").isComplete)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: 4567890123\r\n\r\n") == .rejected(431))
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: 45678901234") == .rejected(431))
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nXXXXXXXXXXXXXX") == .rejected(431))
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n") == .rejected(431))
    #expect(
      status("GET /234567 HTTP/1.1\r\nHost: a\r\nX: 456789012\r\nY: 456789012345") == .rejected(431)
    )
    let wide = RequestLimits(fieldCountMax: 0)
    let many = String(repeating: "X: y\r\n", count: 5000)
    #expect(parse(bytes("GET / HTTP/1.1\r\nHost: a\r\n\(many)\r\n"), limits: wide).isComplete)
  }

  @Test func `random damage never makes resumed and whole parsing differ`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let alphabet = bytes("\r\n \t:/?#%aZ09-\0\u{7f}") + [0xff, 0x80]
    for _ in 0..<3000 {
      let sample = bytes(accepted.randomElement(using: &generator) ?? "")
      let data = damaged(sample, with: alphabet, using: &generator)
      let whole = parse(data)
      var head = RequestHead()
      var progress = ParseProgress()
      var end = 0
      var last = Parsed.needMore
      while end < data.count && last == .needMore {
        end = min(data.count, end + Int.random(in: 1...9, using: &generator))
        let part = Array(data[..<end])
        let outcome = RequestParser().parse(part.rawSpan, into: &head, resuming: &progress)
        last = Parsed(outcome, head, part)
      }
      if whole.isComplete {
        #expect(last == whole, "seed \(seed)")
      } else {
        #expect(!last.isComplete, "seed \(seed)")
      }
    }
  }
}
