// What a response is made of: coding, media type, status line, fields, error page, end reasons.

@testable import HTTP
import Testing

@Suite struct NegotiationTests {
  @Test(arguments: [
    ("", "identity"), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "br"), ("gzip, zstd", "zstd"),
    ("br;q=0.5, gzip;q=0.6", "gzip"), ("br;q=0, *", "zstd"), ("*", "br"), ("*;q=0", "identity"),
    ("gzip;q=0", "identity"), ("identity", "identity"), ("identity;q=0.5, gzip;q=0.4", "identity"),
    ("identity;q=0, gzip;q=0.001", "gzip"), ("X-GZIP", "gzip"), ("GZip ; Q=1.000", "gzip"),
    ("gzip;q=1.001", "identity"), ("gzip;q=2", "identity"), ("gzip;q=0.1234", "identity"),
    ("gzip;q=", "identity"), ("gzip;x=1", "identity"), ("gzip;q=.5", "identity"),
    ("br;q=0.,gzip", "gzip"),
    ("*;q=0.1, gzip;q=0.2", "gzip"), (",,gzip,,", "gzip"), ("gzipp", "identity"),
  ])
  func `the best coding is chosen`(value: String, expected: String) {
    let coding = AcceptEncoding.negotiate(
      bytes(value).rawSpan, available: [.br, .zstd, .gzip])
    #expect("\(coding.token)" == expected)
  }

  @Test func `only what is there is chosen, and repeated fields count together`() throws {
    #expect(AcceptEncoding.negotiate(bytes("br, gzip").rawSpan, available: [.gzip]) == .gzip)
    #expect(AcceptEncoding.negotiate(bytes("br").rawSpan, available: []) == .identity)
    let message =
      "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br;q=0.1\r\nAccept-Encoding: gzip\r\n\r\n"
    let head = try #require(parsedHead(message))
    let data = bytes(message)
    #expect(
      AcceptEncoding.negotiate(head, in: data.rawSpan, available: [.br, .gzip]) == .gzip)
    let joined = head.joinedValue(of: .acceptEncoding, in: data.rawSpan)
    #expect(joined.map(text) == "br;q=0.1, gzip")
  }
}

@Suite struct MediaTypeTests {
  private var types: MediaTypes {
    var types = MediaTypes()
    _ = types.add(mimeTypes: "# c\ntext/html html htm\nimage/gif\tgif # x\napplication/x-a\n")
    types.add(encoding: "gzip", extension: ".GZ")
    types.add(charset: "utf-8", extension: "utf8")
    types.add(language: "fr", extension: "fr")
    return types
  }

  @Test func `all extensions of a name count and the last type wins`() {
    let page = types.describe(fileName: bytes("/x.gif/index.fr.HTML.utf8.gz"))
    #expect(page.type == "text/html")
    #expect(page.charset == "utf-8")
    #expect(page.languages == ["fr"])
    #expect(page.encodings == ["gzip"])
    #expect(types.describe(fileName: bytes("a.html.gif")).type == "image/gif")
    #expect(types.describe(fileName: bytes("a.gif.bak")).type == "image/gif")
    #expect(types.describe(fileName: bytes("html")).type == nil)
    #expect(types.describe(fileName: bytes(".html")).type == nil)
    #expect(types.describe(fileName: bytes("..a..html")).type == "text/html")
    #expect(types.describe(fileName: bytes("a.")).type == nil)
    #expect(types.describe(fileName: [0x61, 0x2e, 0xff]).type == nil)
  }

  @Test func `wrong lines are reported and the others read`() {
    var types = MediaTypes()
    let problems = types.add(
      mimeTypes: "text/html html\r\ntext html\n/x y\ntext/ z\ntext/css css\n")
    #expect(problems.map(\.line) == [2, 3, 4])
    #expect(types.describe(fileName: bytes("a.html")).type == "text/html")
    #expect(types.describe(fileName: bytes("a.css")).type == "text/css")
  }

  @Test func `an overlay wins`() {
    var merged = types
    var overlay = MediaTypes()
    overlay.add(type: "text/x", extension: "html")
    merged.merge(overlay)
    #expect(merged.describe(fileName: bytes("a.html")).type == "text/x")
    #expect(merged.describe(fileName: bytes("a.gif")).type == "image/gif")
    #expect(merged != types)
  }
}

@Suite struct ResponseHeadTests {
  @Test func `a head is written line by line`() {
    var out: [UInt8] = []
    ResponseHead.appendStatusLine(404, to: &out)
    ResponseHead.appendField("Content-Length", 1234, to: &out)
    ResponseHead.appendField("Date", date: 784_111_777, to: &out)
    ResponseHead.appendField("Server", "Ring3", to: &out)
    ResponseHead.appendEnd(to: &out)
    #expect(
      text(out) == "HTTP/1.1 404 Not Found\r\nContent-Length: 1234\r\n"
        + "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: Ring3\r\n\r\n")
  }

  @Test func `no value can end a line`() {
    var out: [UInt8] = []
    ResponseHead.appendField("X", bytes("\r\n a\r\nSet-Cookie: b\0\u{7f}\tc\n"), to: &out)
    #expect(text(out) == "X: a  Set-Cookie: b  \tc\r\n")
    #expect(field("X:", "a") == nil)
    #expect(field("", "a") == nil)
    #expect(field("X-Y", "z") == "X-Y: z\r\n")
  }

  private func field(_ name: String, _ value: String) -> String? {
    var out: [UInt8] = []
    let isWritten = ResponseHead.appendField(
      name: bytes(name).rawSpan, value: bytes(value).rawSpan, to: &out)
    return isWritten ? text(out) : nil
  }

  @Test func `numbers are written in full`() {
    for number: UInt64 in [0, 9, 10, 18_446_744_073_709_551_615] {
      var out: [UInt8] = []
      DecimalNumber.append(number, to: &out)
      #expect(text(out) == "\(number)")
      #expect(DecimalNumber.parse(out.rawSpan) == number)
    }
    #expect(DecimalNumber.parse(bytes("18446744073709551616").rawSpan) == nil)
  }

  @Test func `an error page escapes what it is given`() {
    let page = text(
      ErrorPage.body(status: 301, location: bytes("/\"><x>"), signature: bytes("<s>")))
    #expect(page.contains("<title>301 Moved Permanently</title>"))
    #expect(page.contains("/&quot;&gt;&lt;x&gt;"))
    #expect(page.contains("<footer>&lt;s&gt;</footer>"))
    #expect(!text(ErrorPage.body(status: 404)).contains("footer>"))
  }

  @Test func `every end has its own word and number`() {
    #expect(Set(EndReason.allCases.map(\.word)).count == EndReason.allCases.count)
    #expect(EndReason.allCases.map { Int($0.rawValue) } == Array(0..<EndReason.allCases.count))
    #expect(EndReason.invalidLineEnd.word == "Invalid_CR/LF")
  }
}
