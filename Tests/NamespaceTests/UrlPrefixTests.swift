// URL prefixes as text: what is read, as what, and what is refused where.

import Testing

@testable import Namespace

@Suite struct `a URL prefix` {
  @Test(arguments: [
    ("http://+:80/", "http://+:80/"),
    ("https://*:443/", "https://*:443/"),
    ("http://+:8080/shop/", "http://+:8080/shop/"),
    ("http://Shop.Example.COM:80/", "http://shop.example.com:80/"),
    ("http://shop.example.com.:80/", "http://shop.example.com:80/"),
    ("http://*.Example.com.:80/a/", "http://*.example.com:80/a/"),
    ("http://192.0.2.1:80/", "http://192.0.2.1:80/"),
    ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]:80/"),
    ("http://[::ffff:192.0.2.1]:80/", "http://192.0.2.1:80/"),
    ("http://bücher.example:80/", "http://xn--bcher-kva.example:80/"),
    ("http://XN--bcher-KVA.example:80/", "http://xn--bcher-kva.example:80/"),
    ("http://*.straße.example:80/", "http://*.xn--strae-oqa.example:80/"),
    ("http://bücher。example:80/", "http://xn--bcher-kva.example:80/"),
    ("http://a_b.example:65535/", "http://a_b.example:65535/"),
    ("http://localhost:1/", "http://localhost:1/"),
    ("http://+:80/%61%62/", "http://+:80/ab/"),
    ("http://+:80/A/", "http://+:80/A/"),
    ("http://+:80/é/", "http://+:80/%C3%A9/"),
    ("http://+:80/a%20b%3F%25/", "http://+:80/a%20b%3F%25/"),
    ("http://+:80/%ff/", "http://+:80/%FF/"),
  ])
  func `has one canonical text`(text: String, canonical: String) throws {
    let prefix = try UrlPrefix(text)
    #expect(prefix.description == canonical)
    #expect(try UrlPrefix(canonical) == prefix)
  }

  /// The text before the mark "‖" is where the mistake stands.
  @Test(arguments: [
    ("‖", "http://HOST:PORT/PATH/"),
    ("‖shop", "a prefix is expected"),
    ("‖HTTP://+:80/", "lower case: 'http://'"),
    ("‖Https://+:80/", "lower case: 'https://'"),
    ("‖ftp://+:80/", "'http' or 'https', not 'ftp'"),
    ("http://‖:80/", "a host is expected"),
    ("http://‖/", "a host is expected"),
    ("http://+‖/", "a port is expected behind the host, also the usual one: ':80'"),
    ("https://+‖", "':443'"),
    ("http://+:‖/", "from 1 to 65535"),
    ("http://+:‖*/", "never a wildcard"),
    ("http://+:‖080/", "without zeros"),
    ("http://+:‖0/", "without zeros"),
    ("http://+:‖65536/", "at most 65535"),
    ("http://+:8‖x/", "a number"),
    ("http://+:‖-1/", "a number"),
    ("http://+:80‖", "ends in '/'"),
    ("http://+:80/shop‖", "whole subtree"),
    ("http://+:80/shop/‖?a", "no query"),
    ("http://+:80/‖#a", "no fragment"),
    ("http://+:80‖?a/", "no query"),
    ("http://+:80/‖%/", "escape"),
    ("http://+:80/a‖%4g/", "escape"),
    ("http://+:80/a‖%2Fb/", "encoded slash"),
    ("http://+:80/a‖%2fb/", "encoded slash"),
    ("http://+:80/‖%00/", "%00"),
    ("http://+:80‖/a//b/", "write '/a/b/'"),
    ("http://+:80‖/a/../b/", "write '/b/'"),
    ("http://+:80‖/a/%2e%2E/b/", "write '/b/'"),
    ("http://+:80‖/./", "write '/'"),
    ("http://+:80‖/../", "leaves the root"),
    ("http://+:80/a‖ b/", "the byte 32"),
    ("http://+:80/a‖\tb/", "the byte 9"),
    ("http://user‖@a.example:80/", "no user name"),
    ("http://‖[::1:80/", "']' is missing"),
    ("http://[‖::g]:80/", "no IPv6 address"),
    ("http://[‖192.0.2.1]:80/", "no IPv6 address"),
    ("http://[::1]‖/", "a port is expected"),
    ("http://‖2001:db8::1:80/", "in brackets"),
    ("http://‖256.1.1.1:80/", "neither a name nor an IPv4 address"),
    ("http://‖1.2.3:80/", "neither a name nor an IPv4 address"),
    ("http://‖1.2.3.04:80/", "neither a name nor an IPv4 address"),
    ("http://‖a.0x7f:80/", "neither a name nor an IPv4 address"),
    ("http://service.‖*.example.com:80/", "left-most"),
    ("http://‖*a.example.com:80/", "left-most"),
    ("http://*.‖*.example.com:80/", "left-most"),
    ("http://*.‖192.0.2.1:80/", "neither a name"),
    ("http://*.‖:80/", "label is missing"),
    ("http://a.‖+:80/", "not '+'"),
    ("http://a.‖.example:80/", "label is missing"),
    ("http://‖.example:80/", "label is missing"),
    ("http://a.example.‖.:80/", "label is missing"),
    ("http://‖-a.example:80/", "begins nor ends with '-'"),
    ("http://a‖-.example:80/", "begins nor ends with '-'"),
    ("http://a‖%41.example:80/", "not '%'"),
    ("http://a‖,b.example:80/", "not ','"),
    ("http://‖xn--zzzzzzzz999999.example:80/", "international name"),
    ("http://‖１２７.0.0.1:80/", "neither a name nor an IPv4 address"),
  ])
  func `is refused at the mistake, with what to write`(marked: String, message: String) {
    let parts = marked.split(separator: "‖", omittingEmptySubsequences: false)
    #expect(throws: UrlPrefixError.self) {
      do throws(UrlPrefixError) {
        _ = try UrlPrefix(parts.joined())
      } catch {
        #expect(error.byteOffset == parts[0].utf8.count, "\(error)")
        #expect(error.message.contains(message), "\(error)")
        throw error
      }
    }
  }

  @Test func `has bounds`() throws {
    let label = String(repeating: "a", count: 63)
    _ = try UrlPrefix("http://\(label).example:80/")
    #expect(throws: UrlPrefixError.self) { try UrlPrefix("http://\(label)a.example:80/") }
    let name = Array(repeating: label, count: 4).joined(separator: ".")
    #expect(throws: UrlPrefixError.self) { try UrlPrefix("http://\(name):80/") }
    let path = String(repeating: "a", count: UrlPrefix.byteCountMax)
    #expect(throws: UrlPrefixError.self) { try UrlPrefix("http://+:80/\(path)/") }
    let accents = String(repeating: "é", count: UrlPrefix.byteCountMax / 4)
    #expect(throws: UrlPrefixError.self) { try UrlPrefix("http://+:80/\(accents)/") }
  }

  @Test func `never traps, and what it reads it reads again`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let pieces = [
      "http://", "https://", "+", "*", "*.", "a", "example.com", "192.0.2.1", "[::1]", "[", "]",
      ":80", ":", "0", "/", "/a/", "//", "..", "%41", "%2F", "%", "é", "xn--", ".", "-", "?", "@",
    ]
    for _ in 0..<5000 {
      let count = Int.random(in: 1...6, using: &generator)
      let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
      let prefix = try? UrlPrefix(generator.next() % 2 == 0 ? "http://" + text + ":80/" : text)
      guard let prefix else { continue }
      #expect((try? UrlPrefix(prefix.description)) == prefix, "seed \(seed)")
    }
  }
}

/// xorshift64*, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(state: UInt64) { self.state = state | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }
}
