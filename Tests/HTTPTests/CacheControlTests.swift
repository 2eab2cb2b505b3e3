// Directives of requests and responses, and targeted fields (RFC 9111 §5, RFC 9213).

@testable import HTTP
import Testing

private func response(_ lines: String) -> ResponseCacheControl {
  ResponseCacheControl(cachingFields(lines))
}

@Suite struct `directives of responses` {
  @Test(
    arguments: [
      ("max-age=60", 60), ("MAX-AGE=60", 60), ("max-age=\"60\"", 60), ("max-age=0060", 60),
      (" , ,max-age=60,", 60), ("a=b, max-age=60", 60), ("a=\"b, max-age=1\", max-age=60", 60),
      ("a=\"\\\", max-age=1\", max-age=60", 60),
      // §1.2.2: what cannot be represented is 2^31.
      ("max-age=2147483648", 1 << 31), ("max-age=99999999999999999999999", 1 << 31),
      // §4.2.1: what is no number is stale.
      ("max-age", 0), ("max-age=", 0), ("max-age=-1", 0), ("max-age=1.5", 0), ("max-age=a", 0),
      ("max-age='60'", 0), ("max-age = 60", 0), ("max-age= 60", 0), ("max-age=60 s", 0),
      ("max-age=60;a", 0), ("max-age=\"60\"a", 0),
      // Of several the least.
      ("max-age=60, max-age=30", 30), ("max-age=30, max-age=60", 30), ("max-age=60, max-age=x", 0),
    ] as [(String, Int64)])
  func `RFC 9111 4.2.1 max-age`(value: String, seconds: Int64) {
    #expect(response("Cache-Control: \(value)").maxAge == seconds)
  }

  @Test func `lines are read as one list`() {
    let read = response("Cache-Control: max-age=60\nCache-Control: no-cache, s-maxage=5")
    #expect(read.maxAge == 60 && read.sharedMaxAge == 5 && read.noCache)
    #expect(read.lifetime == 5)
  }

  @Test func `RFC 9111 5.2.2 flags, with arguments too where they are orders to be careful`() {
    let names: [(String, KeyPath<ResponseCacheControl, Bool>, Bool)] = [
      ("no-store", \.noStore, true), ("no-transform", \.noTransform, true),
      ("must-revalidate", \.mustRevalidate, true), ("proxy-revalidate", \.proxyRevalidate, true),
      ("must-understand", \.mustUnderstand, true), ("public", \.isPublic, false),
      ("immutable", \.immutable, false),
    ]
    for (name, path, isCareful) in names {
      #expect(response("Cache-Control: \(name)")[keyPath: path], "\(name)")
      #expect(response("Cache-Control: \(name.uppercased()) ")[keyPath: path], "\(name)")
      #expect(response("Cache-Control: \(name)=x")[keyPath: path] == isCareful, "\(name)")
      #expect(response("Cache-Control: \(name) x")[keyPath: path] == isCareful, "\(name)")
      #expect(!response("Cache-Control: x\(name), x=\"\(name)\"")[keyPath: path], "\(name)")
    }
  }

  @Test func `RFC 9111 5.2.2.4 and 5.2.2.7 names of fields`() {
    var read = response("Cache-Control: no-cache=\"Set-Cookie, X-a\", private=x-b")
    #expect(!read.noCache && !read.isPrivate)
    #expect(read.noCacheFields == [bytes("set-cookie"), bytes("x-a")])
    #expect(read.privateFields == [bytes("x-b")])
    // What names no field means the whole response.
    for value in ["no-cache=\"\"", "no-cache=", "no-cache=\"a b\"", "no-cache=\", ,\""] {
      read = response("Cache-Control: \(value)")
      #expect(read.noCache && read.noCacheFields.isEmpty, "\(value)")
    }
    #expect(response("Cache-Control: private=\"x\", private").isPrivate)
  }

  @Test func `a quote that does not end makes all of it unknown`() {
    #expect(response("Cache-Control: a=\"b, no-store").isMalformed)
    #expect(response("Cache-Control: a=\"b\\\"").isMalformed)
    #expect(!response("Cache-Control: a=\"b\"").isMalformed)
  }

  @Test func `RFC 9111 5.4 Pragma counts where nothing else is said`() {
    #expect(response("Pragma: no-cache").noCache)
    #expect(response("Pragma: x, No-Cache").noCache)
    #expect(!response("Pragma: no-cache\nCache-Control: max-age=1").noCache)
    #expect(!response("Pragma: no-cache\nCDN-Cache-Control: max-age=1").noCache)
    #expect(!response("Pragma: x").noCache)
  }
}

@Suite struct `targeted fields of RFC 9213` {
  @Test(
    arguments: [
      ("CDN-Cache-Control: max-age=60", 60), ("CDN-Cache-Control: max-age=60;a=1", 60),
      ("CDN-Cache-Control: max-age=1, max-age=60", 60), ("CDN-Cache-Control: max-age=-60", 0),
      ("CDN-Cache-Control: max-age=999999999999999", 1 << 31),
      ("Ring3-Cache-Control: max-age=60\nCDN-Cache-Control: max-age=1", 60),
      ("CDN-Cache-Control: no-transform\nCDN-Cache-Control: max-age=60", 60),
      // Malformed or empty: as if it were not there.
      ("CDN-Cache-Control: max-age=60, &", 1), ("CDN-Cache-Control: Max-Age=60", 1),
      ("CDN-Cache-Control:", 1), ("CDN-Cache-Control: max-age=60,", 1),
      ("CDN-Cache-Control: max-age=1000000000000000", 1),
      ("Ring3-Cache-Control: max-age=60&\nCDN-Cache-Control: max-age=2", 2),
      ("Ring3-Cache-Control:\nCDN-Cache-Control: max-age=2", 2),
      ("Ring3-Cache-Control: max-age=\"60\", &", 1),
    ] as [(String, Int64)])
  func `2.2 valid and not empty ones come before Cache-Control`(lines: String, seconds: Int64) {
    #expect(response(lines + "\nCache-Control: max-age=1").maxAge == seconds, "\(lines)")
  }

  @Test(arguments: ["max-age=1.5", "max-age=\"60\"", "max-age=sixty", "max-age", "max-age=(60)"])
  func `2.1 a lifetime of another type is none`(value: String) {
    let read = response("CDN-Cache-Control: \(value)\nCache-Control: max-age=1")
    #expect(read.isTargeted && read.maxAge == nil)
  }

  @Test func `2.1 flags are Booleans, and orders to be careful count whatever their value is`() {
    #expect(response("CDN-Cache-Control: no-store").noStore)
    #expect(response("CDN-Cache-Control: no-store=1").noStore)
    #expect(!response("CDN-Cache-Control: no-store=?0").noStore)
    #expect(response("CDN-Cache-Control: private=(a b)").isPrivate)
    #expect(!response("CDN-Cache-Control: public=1").isPublic)
    let read = response("CDN-Cache-Control: no-cache=\"a, B\", private=x")
    #expect(read.noCacheFields == [bytes("a"), bytes("b")] && read.privateFields == [bytes("x")])
  }

  @Test func `until-invalidated is an order of targeted fields only`() {
    #expect(response("Ring3-Cache-Control: until-invalidated").untilInvalidated)
    #expect(response("CDN-Cache-Control: until-invalidated").untilInvalidated)
    #expect(!response("Ring3-Cache-Control: until-invalidated=1").untilInvalidated)
    #expect(!response("Ring3-Cache-Control: until-invalidated=?0").untilInvalidated)
    #expect(!response("Cache-Control: until-invalidated").untilInvalidated)
  }
}

@Suite struct `directives of requests` {
  @Test func `RFC 9111 5.2.1 all of them`() {
    let read = requestDirectives(
      "max-age=5, min-fresh=6, max-stale=7, stale-if-error=8, no-cache, no-store, no-transform,"
        + "only-if-cached, unknown=\"x, y\"")
    #expect(read.maxAge == 5 && read.minFresh == 6 && read.maxStale == 7)
    #expect(read.staleIfError == 8 && read.noCache && read.noStore && read.noTransform)
    #expect(read.onlyIfCached)
    #expect(requestDirectives("unknown") == RequestCacheControl())
  }

  @Test func `of several and of malformed ones the strictest counts`() {
    #expect(requestDirectives("max-age=5, max-age=3").maxAge == 3)
    #expect(requestDirectives("max-age=x").maxAge == 0)
    #expect(requestDirectives("min-fresh=5, min-fresh=9").minFresh == 9)
    #expect(requestDirectives("min-fresh").minFresh == 1 << 31)
    #expect(requestDirectives("max-stale").maxStale == .max)
    #expect(requestDirectives("max-stale, max-stale=3").maxStale == 3)
    #expect(requestDirectives("max-stale=x").maxStale == 0)
    #expect(requestDirectives("max-stale x").maxStale == 0)
    let unknown = requestDirectives("a=\"b, max-stale")
    #expect(unknown.noCache && unknown.noStore)
  }

  @Test func `RFC 9111 5.4 Pragma counts without Cache-Control`() {
    #expect(requestDirectives(nil, pragma: "no-cache").noCache)
    #expect(requestDirectives(nil, pragma: "a=\"b\", NO-CACHE").noCache)
    #expect(!requestDirectives("max-age=5", pragma: "no-cache").noCache)
    #expect(!requestDirectives("", pragma: "no-cache").noCache)
  }

  @Test func `they are found in a parsed head`() throws {
    func read(_ fields: String) throws -> RequestCacheControl {
      let message = "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
      let head = try #require(parsedHead(message))
      return RequestCacheControl(head, in: bytes(message).rawSpan)
    }
    #expect(try read("") == RequestCacheControl())
    let two = try read("Cache-Control: max-age=0\r\nPragma: x\r\ncache-control: no-store\r\n")
    #expect(two.maxAge == 0 && two.noStore && !two.noCache)
    #expect(try read("Pragma: no-cache\r\n").noCache)
  }
}
