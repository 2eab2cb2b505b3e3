// FastCGI records, written and read, and the heads of CGI responses.

@testable import HTTP
import Testing

private func record(
  _ type: UInt8, _ content: [UInt8], id: UInt16 = 1, padding: Int = 0, version: UInt8 = 1
) -> [UInt8] {
  [
    version, type, UInt8(id >> 8), UInt8(id & 255), UInt8(content.count >> 8),
    UInt8(content.count & 255), UInt8(padding), 0,
  ] + content + [UInt8](repeating: 0xaa, count: padding)
}

private let end = record(3, [0, 0, 0, 0, 0, 0, 0, 0])
private let hello = record(6, bytes("hello"), padding: 3)

/// What came of reading records in pieces of `step` bytes: output, errors, how it ended.
private func read(_ data: [UInt8], step: Int) -> String {
  var reader = FastCGIReader()
  var output = ""
  var errors = ""
  var start = 0
  var available = 0
  while true {
    let window = Array(data[start..<available])
    switch reader.step(window.rawSpan) {
    case .needMore:
      start = available
      guard available < data.count else { return "\(output)|\(errors)|more" }
      available = min(data.count, available + step)
    case .output(let range, let count):
      output += text(range.copy(from: window.rawSpan))
      start += count
    case .error(let range, let count):
      errors += text(range.copy(from: window.rawSpan))
      start += count
    case .end(let end, let count):
      return "\(output)|\(errors)|\(end.status) \(end.applicationStatus) \(start + count)"
    case .rejected: return "\(output)|\(errors)|rejected"
    }
  }
}

private let good: [([UInt8], String)] = [
  (hello + end, "hello||complete 0 32"),
  (hello + hello + record(6, []) + end, "hellohello||complete 0 56"),
  (record(7, bytes("oh")) + hello + record(7, []) + end, "hello|oh|complete 0 50"),
  (record(3, [1, 2, 3, 4, 2, 0, 0, 0], padding: 255), "||overloaded 16909060 271"),
  (record(3, [0, 0, 0, 1, 1, 9, 9, 9]), "||cannotMultiplex 1 16"),
  (record(3, [0, 0, 0, 0, 3, 0, 0, 0]), "||unknownRole 0 16"),
  (record(11, [12, 0, 0, 0, 0, 0, 0, 0], id: 0) + hello + end, "hello||complete 0 48"),
  (record(200, bytes("abc"), id: 0, padding: 5) + end, "||complete 0 32"),
  (record(10, [], id: 0) + end, "||complete 0 24"),
]

private let bad: [[UInt8]] = [
  record(6, bytes("x"), version: 0), record(6, bytes("x"), version: 2), bytes("HTTP/1.1 200"),
  record(6, bytes("x"), id: 2), record(3, [0, 0, 0, 0, 0, 0, 0, 0], id: 257),
  record(1, bytes("x")), record(2, []), record(4, []), record(5, bytes("x")), record(8, []),
  record(9, []), record(10, []), record(11, [0, 0, 0, 0, 0, 0, 0, 0]), record(0, []),
  record(12, []), record(255, []), record(3, []), record(3, [0, 0, 0, 0, 0, 0, 0]),
  record(3, [0, 0, 0, 0, 0, 0, 0, 0, 0]), record(3, [0, 0, 0, 0, 4, 0, 0, 0]),
  record(6, []) + record(6, bytes("x")),
]

@Suite struct `FastCGI records` {
  @Test(arguments: good)
  func `records are read the same at every split`(data: [UInt8], expected: String) {
    for step in [data.count, 1, 2, 3, 7, 8, 9] {
      #expect(read(data + hello, step: step) == expected, "step \(step)")
      #expect(read(data, step: step) == expected, "step \(step)")
    }
    for count in 0..<data.count {
      #expect(read(Array(data[..<count]), step: 5).hasSuffix("|more"), "at \(count)")
    }
  }

  @Test(arguments: bad)
  func `records that no application sends are refused`(data: [UInt8]) {
    for step in [data.count, 1, 3] {
      #expect(read(data + end, step: step).hasSuffix("|rejected"))
    }
  }

  @Test func `a request is written as the specification's records`() {
    var output: [UInt8] = []
    FastCGI.appendBegin(keepsConnection: true, to: &output)
    #expect(output == record(1, [0, 1, 1, 0, 0, 0, 0, 0]))
    output = []
    FastCGI.appendInputHeader(contentByteCount: 300, to: &output)
    #expect(output == [1, 5, 0, 1, 1, 44, 0, 0])
    output = []
    FastCGI.appendAbort(to: &output)
    #expect(output == record(2, []))
  }

  @Test func `parameters are written with short and long lengths and split into records`() {
    var pairs: [UInt8] = []
    FastCGI.appendPair(name: "A", value: bytes("b").rawSpan, to: &pairs)
    FastCGI.appendPair(name: bytes("C").rawSpan, value: bytes("").rawSpan, to: &pairs)
    let long = [UInt8](repeating: 0x78, count: 128)
    FastCGI.appendPair(name: "L", value: long.rawSpan, to: &pairs)
    #expect(pairs == [1, 1, 65, 98, 1, 0, 67, 1, 0x80, 0, 0, 128, 76] + long)
    var output: [UInt8] = []
    FastCGI.appendParameters(pairs.rawSpan, to: &output)
    #expect(output == record(4, pairs) + record(4, []))
    output = []
    let many = [UInt8](repeating: 7, count: 65_536)
    FastCGI.appendParameters(many.rawSpan, to: &output)
    #expect(output == record(4, Array(many.dropLast())) + record(4, [7]) + record(4, []))
    output = []
    FastCGI.appendParameters([UInt8]().rawSpan, to: &output)
    #expect(output == record(4, []))
  }

  @Test(arguments: [
    ("Accept-Language", "HTTP_ACCEPT_LANGUAGE"), ("x-1", "HTTP_X_1"), ("X_A", nil),
    ("Proxy", nil), ("PROXY", nil), ("Content-Length", nil), ("content-type", nil),
    ("X.A", nil), ("", nil), ("X~", nil), ("Proxy-X", "HTTP_PROXY_X"),
  ])
  func `a field becomes a variable that only it can become`(name: String, variable: String?) {
    var pairs: [UInt8] = []
    let isWritten = FastCGI.appendField(
      name: bytes(name).rawSpan, value: bytes("v").rawSpan, to: &pairs)
    #expect(isWritten == (variable != nil))
    #expect(pairs == variable.map { [UInt8($0.utf8.count), 1] + bytes($0 + "v") } ?? [])
  }
}

private func cgi(
  _ data: [UInt8], to method: HTTP.Method = .get, limits: RequestLimits = RequestLimits()
) -> String {
  var response = ReceivedResponse(fieldCapacity: 1)
  let outcome = CGIResponseParser(limits: limits).parse(data.rawSpan, into: &response, to: method)
  return show(outcome, response, data)
}

private func show(
  _ outcome: ParseOutcome, _ response: ReceivedResponse, _ data: [UInt8]
) -> String {
  switch outcome {
  case .needMore: return "more"
  case .rejected(let rejection): return "rejected \(rejection.status)"
  case .complete:
    let reason = text(response.reason.copy(from: data.rawSpan))
    var passed: [UInt8] = []
    for number in 0..<response.fieldCount {
      let field = response.field(at: number)
      guard response.isForwarded(field, in: data.rawSpan) else { continue }
      passed +=
        field.name.copy(from: data.rawSpan) + [0x3d]
        + field.value.copy(from: data.rawSpan) + [0x20]
    }
    let local = response.localRedirect.map { " local " + text($0.copy(from: data.rawSpan)) } ?? ""
    return "\(response.status) \(reason)|\(response.framing)|\(text(passed))"
      + "|\(response.headByteCount)\(local)"
  }
}

@Suite struct `heads of CGI responses` {
  @Test(arguments: [
    ("Content-Type: text/plain\n\n", "200 |untilClose|Content-Type=text/plain |26"),
    ("Content-Type: text/plain\r\n\r\n", "200 |untilClose|Content-Type=text/plain |28"),
    ("A: 1\r\nB:2\n\r\n", "200 |untilClose|A=1 B=2 |12"), ("A: 1\r\n\n", "200 |untilClose|A=1 |7"),
    ("Status: 404 Not Found\nA: b\n\n", "404 Not Found|untilClose|A=b |28"),
    ("status:500\nA:\n\n", "500 |untilClose|A= |15"),
    ("Status: 201 \nA: b\n\n", "201 |untilClose|A=b |19"),
    ("Status: 304\n\n", "304 |none||13"),
    ("Status: 204\nContent-Length: 5\n\n", "204 |none|Content-Length=5 |31"),
    ("Content-Length: 5\n\nhello", "200 |length(5)|Content-Length=5 |19"),
    ("Content-Length: 0\n\n", "200 |none|Content-Length=0 |19"),
    ("Location: http://a/\n\n", "302 |untilClose|Location=http://a/ |21"),
    ("Location: //a/\n\n", "302 |untilClose|Location=//a/ |16"),
    ("Location: /a?b\n\n", "200 |untilClose|Location=/a?b |16 local /a?b"),
    ("Status: 301\nLocation: /a\n\n", "301 |untilClose|Location=/a |26"),
    ("Location:\n\n", "200 |untilClose|Location= |11"),
    ("Connection: X\nX: 1\nA: b\n\n", "200 |untilClose|X=1 A=b |25"),
    ("Set-Cookie: a\nSet-Cookie: b\n\n", "200 |untilClose|Set-Cookie=a Set-Cookie=b |29"),
  ])
  func `a head says what CGI lets it say, at every split`(message: String, expected: String) {
    let data = bytes(message)
    #expect(cgi(data) == expected)
    var response = ReceivedResponse()
    var progress = ParseProgress()
    for count in 0...data.count {
      let part = Array(data[..<count])
      let outcome = CGIResponseParser().parse(
        part.rawSpan, into: &response, to: .get, resuming: &progress)
      let shown = show(outcome, response, part)
      #expect(shown == "more" || shown == expected, "at \(count)")
      if shown != "more" { break }
    }
    #expect(cgi(data, to: .head).contains("|none|"))
  }

  @Test(arguments: [
    "\n", "\r\n\r\n", "X\n\n", " A: b\n\n", "A: b\n c\n\n", "A : b\n\n", ": b\n\n", "A: b\0\n\n",
    "A: b\rc\n\n", "A: b\r\r\n\n", "A: \u{7f}\n\n", "A\u{e9}: b\n\n",
    "HTTP/1.1 200 OK\nA: b\n\n", "Status: 99\n\n", "Status: 100\n\n", "Status: 199\n\n",
    "Status: 2x0\n\n", "Status: 2000\n\n", "Status: +200\n\n", "Status:\n\n", "Status: 200\tOK\n\n",
    "Status: 200\nStatus: 200\n\n", "Location: /a\nLocation: /b\n\n",
    "Content-Length: 5\nContent-Length: 5\n\n", "Content-Length: x\n\n", "Content-Length: -1\n\n",
    "Transfer-Encoding: chunked\n\n", "<html>\n\n",
  ])
  func `a head that can be read in two ways is refused, and accepted at no split`(
    message: String
  ) {
    let data = bytes(message)
    #expect(cgi(data) == "rejected 502")
    for count in 0..<data.count {
      #expect(["more", "rejected 502"].contains(cgi(Array(data[..<count]))))
    }
  }

  @Test func `limits of a CGI response are exact`() {
    let limits = RequestLimits(fieldCountMax: 2, fieldBytesMax: 10, headerBytesMax: 24)
    func outcome(_ message: String) -> String {
      String(cgi(bytes(message), limits: limits).prefix(8))
    }
    #expect(outcome("A: 4567890\r\n\r\n") == "200 |unt")
    #expect(outcome("A: 45678901\n\n") == "rejected")
    #expect(outcome("AAAAAAAAAAAAA") == "rejected")
    #expect(outcome("A: 1\nB: 2\nC: 3\n\n") == "rejected")
    #expect(outcome("A: 4567890\r\nB: 345678\r\n\r\n") == "rejected")
    #expect(outcome("A: 4567890\r\nB: 34567\r\n\r\n") == "200 |unt")
  }
}
