// Paths: decoding, merging of slashes, dot segments, encoded slashes; and writing them back.

@testable import HTTP
import Testing

private func decode(_ path: String, _ slashes: EncodedSlashes = .off) -> String {
  switch RequestTarget.decodePath(bytes(path).rawSpan, encodedSlashes: slashes) {
  case .success(let decoded): text(decoded)
  case .failure(let rejection): "\(rejection.status)"
  }
}

@Suite struct RequestTargetTests {
  @Test(arguments: [
    ("", "/"), ("/", "/"), ("/a", "/a"), ("/a/", "/a/"), ("//", "/"), ("//a///b//", "/a/b/"),
    ("/.", "/"), ("/./", "/"), ("/a/.", "/a/"), ("/a/./b", "/a/b"), ("/a/..", "/"), ("/a/../", "/"),
    ("/a/b/../c", "/a/c"), ("/a/b/..", "/a/"), ("/a//../b", "/b"), ("/..", "400"), ("/../a", "400"),
    ("/a/../..", "400"), ("/a/../../b", "400"), ("/...", "/..."), ("/.a/..b/c..", "/.a/..b/c.."),
    ("/%61", "/a"), ("/%2e%2E/a", "400"), ("/a/%2e%2e/b", "/b"), ("/a/.%2e", "/"),
    ("/%2561", "/%61"),
    ("/%", "400"), ("/%4", "400"), ("/%4g", "400"), ("/%g4", "400"), ("/a%00b", "404"),
    ("/a\0", "404"),
    ("/a%2fb", "404"), ("/a%2Fb", "404"), ("a", "400"), ("/a b", "/a b"), ("/%C3%A9", "/é"),
  ])
  func `a path is decoded once and normalised lexically`(path: String, expected: String) {
    #expect(decode(path) == expected)
  }

  @Test func `encoded slashes follow AllowEncodedSlashes`() {
    #expect(decode("/a%2fb", .on) == "/a/b")
    #expect(decode("/a%2f%2e%2e%2fb", .on) == "/b")
    #expect(decode("/%2f..", .on) == "400")
    #expect(decode("/a%2fb", .noDecode) == "/a%2Fb")
    #expect(decode("/a%2f..", .noDecode) == "/a%2F..")
  }

  @Test func `a canonical path is returned as it is, and nothing else is called canonical`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    for _ in 0..<5000 {
      let length = Int.random(in: 0...9, using: &generator)
      let letters = Array("//..a%2eF0")
      let path =
        "/"
        + String((0..<length).map { _ in letters.randomElement(using: &generator) ?? "/" })
      let decoded = decode(path, .on)
      let isCanonical = RequestTarget.isCanonical(bytes(path).rawSpan)
      if isCanonical {
        #expect(decoded == path, "seed \(seed)")
      }
      guard decoded.hasPrefix("/") else { continue }
      #expect(!decoded.contains("//") && !decoded.contains("/./"), "seed \(seed)")
      #expect(!"\(decoded)/".contains("/../"), "seed \(seed)")
    }
  }

  @Test(arguments: ["//", "/.", "%", "\0", "./", ".", "/", "a/"])
  func `what is not canonical is seen wherever it stands`(piece: String) {
    for before in 0..<20 {
      for behind in 0..<20 {
        let path =
          "/" + String(repeating: "a", count: before) + piece
          + String(repeating: "b", count: behind)
        let isCanonical = !["%", "\0", "//", "/."].contains { path.contains($0) }
        #expect(RequestTarget.isCanonical(bytes(path).rawSpan) == isCanonical, "\(path)")
      }
    }
  }

  @Test func `every file name survives a link`() {
    let name = (UInt8(1)...255).filter { $0 != 0x2f }
    var link: [UInt8] = [0x2f]
    PercentEncoding.append(name: name.rawSpan, to: &link)
    #expect(decode(text(link)) == "/" + text(name))
    #expect(!link.contains(0x3a))
    var path: [UInt8] = []
    PercentEncoding.append(path: bytes("/a b/<é>?#%:").rawSpan, to: &path)
    #expect(text(path) == "/a%20b/%3C%C3%A9%3E%3F%23%25:")
    var html: [UInt8] = []
    HTMLEscape.append(bytes("<a href=\"x\">'&\u{1}").rawSpan, to: &html)
    #expect(text(html) == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;?")
  }
}
