// Selecting keys (RFC 9111 §4.1) and the part of a query that belongs to a key.

@testable import HTTP
import Testing

private func normalized(_ name: String, _ lines: String...) -> String {
  text(VariantKey.normalized(lines.map(bytes), of: bytes(name)))
}

private func key(_ names: [String], _ fields: String) throws -> [UInt8] {
  let message = "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
  let head = try #require(parsedHead(message))
  return VariantKey.make(names: names.map(bytes), head, in: bytes(message).rawSpan)
}

@Suite struct `keys of variants` {
  @Test(arguments: [
    ("gzip, br", "br, gzip"), ("br,gzip", "br, gzip"), ("GZIP , Br", "br, gzip"),
    ("gzip;q=1.0, br;q=1", "br, gzip"), ("gzip;q=0.5, br", "br, gzip;q=0.5"),
    ("br ; q=0.500,gzip", "gzip, br;q=0.5"), ("*;q=0, gzip", "gzip, *;q=0"),
    ("gzip, gzip", "gzip"), ("", ""), (", ,", ""), ("gzip;q=x, br", "br, gzip;q=x"),
    ("gzip;q=0.001", "gzip;q=0.001"), ("gzip;Q=0.10", "gzip;q=0.1"), (";q=0.5", ";q=0.5"),
  ])
  func `Accept-Encoding is sorted by weight and name`(value: String, expected: String) {
    #expect(normalized("accept-encoding", value) == expected)
  }

  @Test func `Accept-Language keeps the order of equally welcome ones`() {
    #expect(normalized("accept-language", "en, DE") == "en, de")
    #expect(normalized("accept-language", "en;q=0.5, de , fr;q=0.5") == "de, en;q=0.5, fr;q=0.5")
    #expect(normalized("accept-language", "en;q=0.5", "de") == "de, en;q=0.5")
  }

  @Test func `other fields lose nothing but blanks`() {
    #expect(normalized("x", "  a \t b ") == "a b")
    #expect(normalized("x", "a", "b") == "a, b")
    #expect(normalized("x", "a,b") == "a,b")
    #expect(normalized("x", "A \"b  c\"  d") == "A \"b  c\" d")
    #expect(normalized("x", "\"a\\\"  b\"  c") == "\"a\\\"  b\" c")
    #expect(normalized("x", "\"a  b") == "\"a  b")
  }

  @Test func `what a key holds is read back, and nothing of what is none`() throws {
    let names = ["accept", "origin", "x"]
    let made = try key(names, "Accept: a,  b\r\nX:\r\n")
    let values = VariantKey.values(in: made, names: names.map { bytes($0) })
    #expect(values == [bytes("a, b"), nil, []])
    #expect(VariantKey.values(in: [], names: []) == [])
    for end in 0..<made.count {
      #expect(VariantKey.values(in: Array(made[..<end]), names: names.map { bytes($0) }) == nil)
    }
    #expect(VariantKey.values(in: made + [0], names: names.map { bytes($0) }) == nil)
    #expect(VariantKey.values(in: made, names: [bytes("accept")]) == nil)
    #expect(VariantKey.values(in: bytes("a\u{2}"), names: [bytes("a")]) == nil)
  }

  @Test func `keys are equal exactly for equal fields`() throws {
    let names = ["accept-encoding", "x-a", "x-b"]
    let one = try key(names, "X-A: 1\r\naccept-encoding: gzip, br\r\n")
    #expect(one == (try key(names, "Accept-Encoding: br,gzip\r\nx-a:  1\r\nX-C: 2\r\n")))
    var seen: Set<[UInt8]> = [one]
    for fields in [
      "", "X-A: 1\r\n", "X-A:\r\n", "X-B:\r\n", "X-A:\r\nX-B:\r\n", "X-A: 1\r\nX-B: 1\r\n",
      "X-B: 1\r\n", "X-A: 1\r\nX-A: 1\r\n", "X-A: 1x-b\r\n", "Accept-Encoding: gzip\r\n",
      "X-A: 1\r\nAccept-Encoding:\r\n",
    ] {
      #expect(seen.insert(try key(names, fields)).inserted, "\(fields)")
    }
    #expect(try key([], "X-A: 1\r\n") == [])
    // Nor are those of two lists of names ever the same.
    #expect(try key(["a", "b"], "") != key(["ab"], ""))
  }
}

@Suite struct `keys of queries` {
  private let names: Set<[UInt8]> = [bytes("a"), bytes("b c"), bytes("utm_source")]

  @Test(arguments: [
    ("", "", ""), ("a=1", "a=1", ""), ("a=1&x=2", "a=1", "x=2"), ("x", "", "x"),
    ("a", "a", ""), ("a=1&a=2", "a=1&a=2", ""), ("b+c=1&b%20c=2", "b+c=1&b%20c=2", ""),
    ("%61=1&x=2", "%61=1", "x=2"), ("utm%5Fsource=1&x", "utm%5Fsource=1", "x"),
    ("A=1", "", "A=1"), ("&&x=1&&a=2&", "a=2", "x=1"), ("=a&x", "", "=a&x"),
    ("a%=1&a%4=2&a%zz=3", "", "a%=1&a%4=2&a%zz=3"), ("x=a=1", "", "x=a=1"),
  ])
  func `named parameters are kept or dropped`(query: String, kept: String, rest: String) {
    #expect(text(QueryKey.apply(.keep(names, sorted: false), to: bytes(query))) == kept)
    #expect(text(QueryKey.apply(.drop(names, sorted: false), to: bytes(query))) == rest)
    #expect(text(QueryKey.apply(.all, to: bytes(query))) == query)
    #expect(QueryKey.apply(.none, to: bytes(query)).isEmpty)
  }

  @Test func `sorting is by name and keeps the order of equal ones`() {
    let query = bytes("b=2&%61=2&c&a=1&b=1")
    #expect(text(QueryKey.apply(.drop([], sorted: true), to: query)) == "%61=2&a=1&b=2&b=1&c")
    #expect(
      text(QueryKey.apply(.keep([bytes("b"), bytes("a")], sorted: true), to: query))
        == "%61=2&a=1&b=2&b=1")
  }
}
