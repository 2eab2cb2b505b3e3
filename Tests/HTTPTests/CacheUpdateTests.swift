// Freshening by 304 (RFC 9111 §4.3), invalidation (§4.4, RFC 9875), tags, Cache-Status (RFC 9211).

@testable import HTTP
import Testing

@Suite struct `validating and freshening` {
  @Test(arguments: [
    ("ETag: \"a\"", ["If-None-Match: \"a\""]), ("ETag: W/\"a\"", ["If-None-Match: W/\"a\""]),
    (
      "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
      ["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"]
    ),
    (
      "ETag: \"a\"\nLast-Modified: Sun Nov  6 08:49:37 1994",
      ["If-None-Match: \"a\"", "If-Modified-Since: Sun Nov  6 08:49:37 1994"]
    ),
    ("ETag: a\nLast-Modified: yesterday", []), ("", []), ("ETag: \"a\"\nETag: \"b\"", []),
  ])
  func `RFC 9111 4.3.1 conditions are made of valid validators`(
    lines: String, expected: [String]
  ) {
    let fields = Validation.requestFields(cachingFields(lines), now: now)
    #expect(fields.map { "\(text($0.name)): \(text($0.value))" } == expected)
  }

  @Test(arguments: [
    ("ETag: \"a\"", "ETag: \"a\"", true), ("ETag: \"a\"", "ETag: \"b\"", false),
    ("ETag: W/\"a\"", "ETag: \"a\"", true), ("ETag: \"a\"", "ETag: W/\"a\"", true),
    ("ETag: \"a\"", "", true), ("", "", true), ("", "ETag: \"a\"", false),
    ("Last-Modified: @-5", "ETag: \"a\"", false), ("ETag: \"a\"", "ETag: a", false),
    ("Last-Modified: @-5", "Last-Modified: @-5", true),
    ("Last-Modified: @-5", "Last-Modified: @-4", false),
    ("ETag: \"a\"\nLast-Modified: @-5", "Last-Modified: @-4", true),
    ("ETag: \"a\"", "Last-Modified: @-4", true), ("Last-Modified: x", "Last-Modified: x", false),
    ("Date: @-5", "Last-Modified: @-4", false),
  ])
  func `RFC 9111 4.3.4 a 304 must be about what is stored`(
    stored: String, new: String, expected: Bool
  ) {
    let concerns = Freshening.concerns(
      stored: cachingFields(stored), notModified: cachingFields(new), now: now)
    #expect(concerns == expected, "\(stored) / \(new)")
  }

  @Test(arguments: [
    ("ETag: \"a\"", 5, "ETag: \"a\"", 5, Freshening.HeadComparison.same),
    ("ETag: \"a\"", 5, "ETag: W/\"a\"", -1, .same),
    ("ETag: \"a\"", 5, "ETag: \"b\"", 5, .another),
    ("ETag: \"a\"", 5, "ETag: \"a\"", 6, .another), ("X: 1", 5, "X: 1", 6, .another),
    ("X: 1", 5, "X: 1", 5, .unknown), ("ETag: \"a\"", 5, "Last-Modified: @-5", 5, .unknown),
    ("Last-Modified: @-5", 5, "Last-Modified: @-5", -1, .same),
    ("Last-Modified: @-5", 5, "Last-Modified: @-4", 5, .another),
    ("ETag: \"a\"\nLast-Modified: @-5", 5, "Last-Modified: @-4", -1, .another),
  ])
  func `RFC 9111 4.3.5 an answer to HEAD tells of what is stored`(
    stored: String, byteCount: Int, head: String, length: Int,
    expected: Freshening.HeadComparison
  ) {
    let comparison = Freshening.compare(
      stored: cachingFields(stored), byteCount: byteCount, head: cachingFields(head),
      contentLength: UInt64(exactly: length), now: now)
    #expect(comparison == expected, "\(stored) / \(head)")
  }

  @Test func `RFC 9111 3.2 fields of the 304 replace those of their names`() {
    let stored = """
      Content-Type: text/html
      Content-Length: 5
      Content-Encoding: gzip
      ETag: "a"
      Age: 30
      Date: yesterday
      X-Twice: 1
      x-twice: 2
      X-Kept: 1
      Cache-Control: max-age=1
      """
    let new = """
      Content-Type: text/plain
      content-length: 0
      Content-Encoding: br
      Content-Range: bytes 0-1/2
      Transfer-Encoding: chunked
      Connection: x-hop
      Keep-Alive: 5
      X-Hop: 1
      ETag: W/"a"
      DATE: today
      X-TWICE: 3
      Cache-Control: max-age=60
      X-New: 1
      X-New: 2
      """
    let merged = Freshening.merge(
      stored: ownedFields(stored), notModified: ownedFields(new),
      connectionOptions: [bytes("x-hop")])
    #expect(
      merged.map { "\(text($0.name)): \(text($0.value))" } == [
        "Content-Type: text/html", "Content-Length: 5", "Content-Encoding: gzip", "ETag: \"a\"",
        "X-Kept: 1", "DATE: today", "X-TWICE: 3", "Cache-Control: max-age=60", "X-New: 1",
        "X-New: 2",
      ])
    let bare = Freshening.merge(stored: ownedFields("A: 1\nAge: 5\nDate: x"), notModified: [])
    #expect(bare == ownedFields("A: 1"))
    let tagged = Freshening.merge(stored: [], notModified: ownedFields("ETag: \"a\""))
    #expect(tagged == ownedFields("ETag: \"a\""))
  }

  @Test(arguments: [
    ("Vary: Accept-Encoding", "Vary: Origin", "Vary: Origin\nVary: Accept-Encoding"),
    ("Vary: origin, accept-encoding", "vary: a", "vary: a\nVary: Accept-Encoding"),
    ("Vary: a\nVary: Accept-Encoding", "A: 1", "Vary: a\nVary: Accept-Encoding\nA: 1"),
    ("Vary: Accept-Encoding", "Vary: ACCEPT-ENCODING, b", "Vary: ACCEPT-ENCODING, b"),
    ("Vary: Accept-Encoding", "Vary: *", "Vary: *"), ("Vary: a", "Vary: b", "Vary: b"),
    ("A: 1", "Vary: b", "A: 1\nVary: b"),
  ])
  func `RFC 9111 3.2 a 304 does not take Accept-Encoding out of Vary`(
    stored: String, new: String, expected: String
  ) {
    let merged = Freshening.merge(stored: ownedFields(stored), notModified: ownedFields(new))
    #expect(merged == ownedFields(expected), "\(stored) / \(new)")
  }
}

@Suite struct `invalidating` {
  private func targets(
    _ method: HTTP.Method, _ status: Int, _ lines: String = ""
  ) -> [String] {
    Invalidation.targets(
      method: method, status: status, isSecure: true, authority: bytes("a.example"),
      target: bytes("/d/e?f"), cachingFields(lines)
    ).map(text)
  }

  @Test func `RFC 9111 4.4 after unsafe methods that did something`() {
    for method in [HTTP.Method.post, .put, .delete, .patch, .other] {
      #expect(targets(method, 200) == ["/d/e?f"], "\(method)")
      #expect(targets(method, 303) == ["/d/e?f"], "\(method)")
      #expect(targets(method, 404).isEmpty && targets(method, 500).isEmpty, "\(method)")
    }
    for method in [HTTP.Method.get, .head, .options, .trace] {
      #expect(targets(method, 200, "Location: /x").isEmpty, "\(method)")
    }
  }

  @Test func `RFC 9111 4.4 Location and Content-Location of the same origin`() {
    #expect(targets(.post, 201, "Location: /x\nContent-Location: y") == ["/d/e?f", "/x", "/d/y"])
    #expect(targets(.post, 201, "Location: https://a.example/x") == ["/d/e?f", "/x"])
    #expect(targets(.post, 201, "Location: https://b.example/x") == ["/d/e?f"])
    #expect(targets(.post, 201, "Location: /d/e?f\nContent-Location: /d/e?f") == ["/d/e?f"])
  }

  @Test(arguments: [
    ("/x?y", "/x?y"), ("x", "/d/x"), ("./x", "/d/x"), ("../x", "/x"), ("../../x", "/x"),
    ("..", "/"), (".", "/d/"), ("?z", "/d/e?z"), ("", "/d/e?f"), ("#g", "/d/e?f"), ("x#g", "/d/x"),
    ("/a/./b/../c/..?/../q", "/a/?/../q"), ("/a:b", "/a:b"), ("x/a:b", "/d/x/a:b"),
    ("//a.example/x", "/x"), ("//A.EXAMPLE:443", "/"), ("https://a.example?q", "/?q"),
    ("HTTPS://a.example:443/x", "/x"), ("https://a.example:/x", "/x"),
    ("http://a.example/x", nil), ("https://a.example:80/x", nil), ("https://u@a.example/x", nil),
    ("https://a.example.b/x", nil), ("https:/x", nil), ("https:x", nil), ("a:b", nil),
    ("//b/x", nil), ("/a b", nil), ("/\\b", nil), ("/é", nil), ("/\u{7f}", nil),
  ])
  func `RFC 3986 5.2 references on their own origin`(reference: String, expected: String?) {
    let target = Invalidation.resolve(
      bytes(reference), isSecure: true, authority: bytes("a.example"), target: bytes("/d/e?f"))
    #expect(target.map(text) == expected, "\(reference)")
  }

  @Test func `a port that is not the scheme's belongs to the origin`() {
    func resolve(_ reference: String) -> String? {
      Invalidation.resolve(
        bytes(reference), isSecure: false, authority: bytes("a:8080"), target: bytes("/")
      ).map(text)
    }
    #expect(resolve("http://a:8080/x") == "/x")
    #expect(resolve("http://a/x") == nil)
    #expect(resolve("http://a:80/x") == nil)
  }

  @Test func `RFC 9875 3 groups count after unsafe methods only`() {
    let fields = cachingFields("Cache-Group-Invalidation: \"b\", \"a\";x=1\nCache-Groups: \"c\"")
    #expect(
      CacheTags.invalidatedGroups(fields, method: .post).map(text) == ["g:a", "g:b"])
    #expect(CacheTags.invalidatedGroups(fields, method: .get).isEmpty)
    #expect(CacheTags.invalidatedGroups(fields, method: .options).isEmpty)
  }
}

@Suite struct `tags and groups` {
  @Test(arguments: [
    ("Surrogate-Key: a  b\tc", ["t:a", "t:b", "t:c"]),
    ("Cache-Tag: a , b c,,d", ["t:a", "t:b c", "t:d"]),
    ("Cache-Tag: b\nSurrogate-Key: a b\nCache-Tag: A", ["t:A", "t:a", "t:b"]),
    ("Cache-Groups: \"a\", \"b,c\";x", ["g:a", "g:b,c"]),
    ("Cache-Groups: \"a\"\nCache-Groups: \"a\", \"b\"\nSurrogate-Key: a", ["g:a", "g:b", "t:a"]),
    ("Cache-Groups: \"a\", b", []), ("Cache-Groups: \"a\",", []), ("Cache-Groups: (\"a\")", []),
    ("Cache-Groups: \"\"", []), ("Surrogate-Key: \nCache-Tag:,", []), ("", []),
  ])
  func `they are read by their fields' rules`(lines: String, expected: [String]) {
    #expect(CacheTags.all(cachingFields(lines))?.map(text) == expected, "\(lines)")
  }

  @Test func `RFC 9875 2 128 groups of 128 bytes are read`() {
    let groups = (0..<128).map { "\"" + String(repeating: "g", count: 125) + "\(100 + $0)\"" }
    let fields = cachingFields("Cache-Groups: \(groups.joined(separator: ", "))")
    #expect(CacheTags.all(fields)?.count == 128)
  }

  @Test func `with too many of them nothing is stored`() {
    func refused(_ tags: [String]) -> Bool {
      let lines = "Cache-Control: max-age=60\nSurrogate-Key: \(tags.joined(separator: " "))"
      return Storage().word(lines) == "too-many-tags"
    }
    #expect(!refused((0..<1000).map { "\($0)" }))
    #expect(refused((0...1000).map { "\($0)" }))
    #expect(!refused([String(repeating: "a", count: 1024)]))
    #expect(refused([String(repeating: "a", count: 1025)]))
    #expect(refused((0..<64).map { "\($0)" + String(repeating: "a", count: 600) }))
    #expect(CacheTags.tag(bytes("a")) == bytes("t:a"))
  }
}

@Suite struct `Cache-Status of RFC 9211` {
  private func written(_ change: (inout CacheStatus) -> Void) -> String {
    var status = CacheStatus()
    change(&status)
    var out: [UInt8] = []
    status.append(to: &out)
    return text(out)
  }

  @Test func `2 members and parameters`() {
    #expect(written { _ in } == "Ring3")
    #expect(
      written {
        $0.isHit = true
        $0.ttlSeconds = 376
      } == "Ring3; hit; ttl=376")
    #expect(
      written {
        $0.forward = .uriMiss
        $0.forwardStatus = 200
        $0.stored = true
        $0.collapsed = true
        $0.key = bytes("http://a/\"b\\\u{e9}")
        $0.detail = "no-store"
      } == "Ring3; fwd=uri-miss; fwd-status=200; stored; collapsed; "
        + "key=\"http://a/\\\"b\\\\%C3%A9\"; detail=no-store")
    #expect(written { $0.ttlSeconds = .min } == "Ring3; ttl=-2147483648")
    #expect(written { $0.detail = "two words" } == "Ring3; detail=\"two words\"")
    #expect(written { $0.detail = "" } == "Ring3")
  }

  @Test func `keys are cut, never in an escape`() {
    let long = written { $0.key = [UInt8](repeating: 0xe9, count: 1000) }
    #expect(long == "Ring3; key=\"" + String(repeating: "%E9", count: 170) + "\"")
  }

  @Test func `each reason and each forward is a token`() {
    for refusal in StorageRefusal.allCases {
      #expect(written { $0.detail = refusal.rawValue } == "Ring3; detail=\(refusal.rawValue)")
    }
    for forward in CacheForward.allCases {
      #expect(written { $0.forward = forward } == "Ring3; fwd=\(forward.token)")
    }
  }
}
