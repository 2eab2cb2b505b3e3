// Chunked bodies: accepted and refused ones, whole and at every split.

@testable import HTTP
import Testing

/// Feeds `data` in pieces that end at `cuts`; the body, and where the body ended or the status.
private func decode(
  _ data: [UInt8], cuts: [Int] = [], limits: RequestLimits = RequestLimits()
) -> (body: String, end: Int?, status: Int?) {
  var decoder = ChunkedDecoder(limits: limits)
  var body: [UInt8] = []
  var consumed = 0
  for end in cuts + [data.count] {
    piece: while true {
      let window = Array(data[consumed..<end])
      switch decoder.step(window.rawSpan) {
      case .needMore(let count):
        #expect(count == window.count)
        consumed += count
        break piece
      case .body(let range, let count):
        body += range.copy(from: window.rawSpan)
        consumed += count
      case .done(let count): return (text(body), consumed + count, nil)
      case .rejected(let rejection): return (text(body), nil, Int(rejection.status))
      }
    }
  }
  return (text(body), nil, nil)
}

private let good: [(String, String)] = [
  ("0\r\n\r\n", ""),
  ("5\r\nhello\r\n0\r\n\r\n", "hello"),
  ("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world"),
  ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
  ("3;x\r\nabc\r\n0;y=z\r\n\r\n", "abc"),
  ("3 ; x = \"a;\\\"b\" ;c\r\nabc\r\n0\r\n\r\n", "abc"),
  ("3\r\na\r\r\r\n0\r\n\r\n", "a\r\r"),
  ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
  ("1\r\na\r\n0\r\nX: y\r\nZ:\t w \r\n\r\n", "a"),
  ("0000000000000001\r\na\r\n0\r\n\r\n", "a"),
]

private let bad: [String] = [
  "\r\n", "g\r\n", " 5\r\n", "5 \r\nhello", "+5\r\n", "-5\r\n", "0x5\r\n", "5,\r\n", "\n",
  "5\nhello",
  "5\rhello", "5\r\nhello0\r\n", "5\r\nhello\n0\r\n", "5\r\nhello\r0\r\n", "5\r\nhello!\r\n",
  "FFFFFFFFFFFFFFFF\r\n", "8000000000000000\r\n", "00000000000000001\r\n", "5;a\nb\r\n",
  "5;a\rb\r\n",
  "5;a\0\r\n", "5;\"a\r\n", "5;\"a\n\"\r\n", "5;\"\\\r\n", "5;a\u{7f}\r\n", "5;(\r\n",
  "0\r\n X: y\r\n\r\n",
  "0\r\nX : y\r\n\r\n", "0\r\n: y\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: a\rb\r\n\r\n",
  "0\r\nX: a\0\r\n\r\n", "0\r\nX: a\r\n b\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n\rX", "0\r\n\n",
]

@Suite struct ChunkedDecoderTests {
  @Test(arguments: good)
  func `a chunked body is decoded the same at every split`(encoded: String, body: String) {
    let data = bytes(encoded)
    let following = data + bytes("GET")
    #expect(decode(following) == (body, data.count, nil))
    for cut in 0...data.count {
      #expect(decode(following, cuts: [cut]) == (body, data.count, nil), "cut at \(cut)")
    }
    #expect(decode(following, cuts: Array(0...data.count)) == (body, data.count, nil))
    for end in 0..<data.count {
      let part = decode(Array(data[..<end]))
      #expect(part.end == nil && part.status == nil, "at \(end)")
    }
  }

  @Test(arguments: bad)
  func `a body that two servers could read differently is refused`(encoded: String) {
    let data = bytes(encoded)
    #expect(decode(data).status == 400)
    #expect(decode(data, cuts: Array(0..<data.count)).status == 400)
  }

  @Test func `extensions and trailers are bounded`() {
    let ext = "1;" + String(repeating: "x", count: ChunkedDecoder.extensionBytesMax)
    #expect(decode(bytes(ext)).status == 413)
    let limits = RequestLimits(fieldCountMax: 2, fieldBytesMax: 10, headerBytesMax: 40)
    #expect(decode(bytes("0\r\nX: 4567890\r\n\r\n"), limits: limits).end == 17)
    #expect(decode(bytes("0\r\nX: 45678901\r\n\r\n"), limits: limits).status == 431)
    #expect(decode(bytes("0\r\nX: 1\r\nX: 2\r\nX: 3\r\n\r\n"), limits: limits).status == 431)
  }

  @Test func `trailers are kept if wanted, and those that come too late are not passed on`() {
    let section =
      "Server-Timing: a\r\nX:\t b c \r\nHost: x\r\ncontent-length: 5\r\nSet-Cookie: a=b\r\nY:\r\n"
    let data = bytes("1\r\na\r\n0\r\n\(section)\r\nGET")
    for step in [1, 7, data.count] {
      var decoder = ChunkedDecoder(keepsTrailers: true)
      var start = 0
      while !decoder.isDone {
        let window = Array(data[start..<min(start + step, data.count)])
        switch decoder.step(window.rawSpan) {
        case .needMore(let count), .body(_, let count), .done(let count): start += count
        case .rejected: Issue.record("refused"); return
        }
      }
      #expect(start == data.count - 3)
      #expect(text(decoder.trailers) == section)
      var found: [String] = []
      Trailers.forEachForwarded(in: decoder.trailers.rawSpan) { name, value in
        found.append(text([UInt8](copying: name)) + "=" + text([UInt8](copying: value)))
      }
      #expect(found == ["Server-Timing=a", "X=b c", "Y="])
    }
    var indifferent = ChunkedDecoder()
    _ = indifferent.step(bytes("0\r\nX: y\r\n\r\n").rawSpan)
    #expect(indifferent.isDone && indifferent.trailers.isEmpty)
  }
}
