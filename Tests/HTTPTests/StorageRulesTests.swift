// What a shared cache keeps (RFC 9111 §3), for how long (§4.2), and the operator's orders.

@testable import HTTP
import Testing

@Suite struct `storing responses` {
  @Test(arguments: [
    (Method.get, 200, "store 60"), (.get, 203, "store 60"), (.get, 204, "store 60"),
    (.get, 301, "store 60"), (.get, 302, "store 60"), (.get, 404, "store 60"),
    (.get, 500, "store 60"), (.get, 503, "store 60"), (.get, 299, "store 60"),
    (.get, 599, "store 60"), (.get, 100, "status"), (.get, 101, "status"), (.get, 103, "status"),
    (.get, 206, "status"), (.get, 304, "status"), (.get, 600, "status"), (.get, 0, "status"),
    (.get, 400, "status"), (.get, 412, "status"), (.get, 413, "status"), (.get, 416, "status"),
    (.get, 428, "status"), (.get, 429, "status"), (.get, 431, "status"), (.get, 511, "status"),
    (.get, 401, "store 60"), (.get, 403, "store 60"), (.get, 414, "store 60"),
    (.head, 200, "method"), (.put, 200, "method"), (.delete, 200, "method"),
    (.options, 200, "method"), (.patch, 200, "method"), (.other, 200, "method"),
    (.post, 200, "post-not-reusable"),
  ])
  func `RFC 9111 3 methods and status codes`(method: HTTP.Method, status: Int, expected: String) {
    #expect(Storage(method: method, status: status).word("Cache-Control: max-age=60") == expected)
  }

  @Test(arguments: [
    ("", "no-lifetime"), ("Cache-Control: public", "no-lifetime"),
    ("Last-Modified: @-1000", "no-lifetime"), ("ETag: \"a\"", "no-lifetime"),
    ("Cache-Control: no-store, max-age=60", "no-store"),
    ("Cache-Control: private, max-age=60", "private"),
    ("Cache-Control: private=\"a\", max-age=60", "store 60"),
    ("Cache-Control: a=\"b, max-age=60", "malformed-cache-control"),
    ("Cache-Control: no-cache\nETag: \"a\"", "store 0"),
    ("Cache-Control: no-cache\nLast-Modified: @-5", "store 0"),
    ("Cache-Control: no-cache, max-age=60\nETag: W/\"a\"", "store 60"),
    ("Cache-Control: no-cache, max-age=60", "no-validator"),
    ("Cache-Control: no-cache\nETag: a", "no-validator"),
    ("Cache-Control: no-cache=\"a\", max-age=60", "store 60"),
    ("Cache-Control: max-age=60\nSet-Cookie: a=b", "set-cookie"),
    ("Cache-Control: max-age=60, public\nSet-Cookie: a=b", "set-cookie"),
    ("Cache-Control: max-age=60, private=\"Set-Cookie\"\nSet-Cookie: a=b", "store 60"),
    ("Cache-Control: max-age=60, no-cache=set-cookie\nSet-Cookie: a=b", "store 60"),
    ("CDN-Cache-Control: max-age=60\nSet-Cookie: a=b", "set-cookie"),
    ("CDN-Cache-Control: max-age=60, public\nSet-Cookie: a=b", "store 60"),
    ("Cache-Control: must-understand, no-store, max-age=60", "store 60"),
    ("Pragma: no-cache\nExpires: @60", "no-validator"),
  ])
  func `RFC 9111 3 and 5.2.2 what the response says`(lines: String, expected: String) {
    #expect(Storage().word(lines) == expected, "\(lines)")
  }

  @Test func `RFC 9111 5.2.2.3 must-understand with another status code`() {
    let lines = "Cache-Control: must-understand, no-store, max-age=60"
    #expect(Storage(status: 599).word(lines) == "must-understand")
    #expect(Storage(status: 404).word(lines) == "store 60")
    #expect(Storage(status: 599).word("Cache-Control: max-age=60") == "store 60")
  }

  @Test func `RFC 9111 5.2.1.5 no-store in the request`() {
    let storage = Storage(request: "no-store")
    #expect(storage.word("Cache-Control: max-age=60") == "request-no-store")
    #expect(storage.word("CDN-Cache-Control: max-age=60") == "request-no-store")
    #expect(
      storage.ordering { $0.storesNoStore = true }.word("Cache-Control: max-age=60") == "store 60")
  }

  @Test(arguments: [
    ("max-age=60", "authorization"), ("max-age=60, public", "store 60"),
    ("s-maxage=60", "store 60"), ("max-age=60, must-revalidate", "store 60"),
    ("max-age=60, proxy-revalidate", "authorization"),
    ("max-age=60, private=\"a\"", "authorization"), ("max-age=60, public, private", "private"),
    ("no-cache", "authorization"),
  ])
  func `RFC 9111 3.5 requests with Authorization`(value: String, expected: String) {
    let storage = Storage(authorization: true)
    #expect(storage.word("ETag: \"a\"\nCache-Control: \(value)") == expected)
    #expect(storage.word("ETag: \"a\"\nCDN-Cache-Control: \(value)") == expected)
    #expect(
      storage.word("Cache-Control: public\nExpires: @60\nCDN-Cache-Control: until-invalidated")
        == "authorization")
  }

  @Test(arguments: [
    ("Cache-Control: max-age=60", "store 60"), ("Expires: @60", "store 60"),
    ("CDN-Cache-Control: until-invalidated", "store 15552000"),
    ("Last-Modified: @-1000", "post-not-reusable"), ("", "post-not-reusable"),
    ("Expires: @60\nCDN-Cache-Control: public", "post-not-reusable"),
  ])
  func `RFC 9110 9.3.3 POST with a lifetime and the target as Content-Location`(
    lines: String, expected: String
  ) {
    let storage = Storage(method: .post, sameLocation: true).ordering {
      $0.lastModifiedPermille = 100
      $0.defaultSeconds = 10
    }
    #expect(storage.word(lines) == expected, "\(lines)")
    #expect(Storage(method: .post).word(lines) == "post-not-reusable")
    #expect(
      Storage(method: .post, status: 201, sameLocation: true).word(lines) == "post-not-reusable")
  }

  @Test(arguments: [
    ("accept-encoding", "store 60"), ("Accept-Encoding, ACCEPT, accept", "store 60"),
    ("X-Forwarded-For", "vary-client"), ("accept, FORWARDED", "vary-client"),
    ("*", "vary-any"), ("accept, *", "vary-any"), ("Cookie", "vary-cookie"),
    ("accept,User-Agent", "vary-user-agent"), ("a b", "malformed-vary"), ("a:b", "malformed-vary"),
    ("", "store 60"), (", ,", "store 60"),
    ((0..<17).map { "x\($0)" }.joined(separator: ","), "too-many-vary-names"),
    ((0..<16).map { "x\($0)" }.joined(separator: ","), "store 60"),
  ])
  func `RFC 9111 4.1 Vary`(value: String, expected: String) {
    #expect(Storage().word("Cache-Control: max-age=60\nVary: \(value)") == expected)
  }

  @Test func `RFC 9111 4.1 names of Vary are sorted, each once`() {
    let plan = Storage().plan("Cache-Control: max-age=60\nVary: X-b, accept\nvary: ACCEPT,a")
    #expect(plan?.varyNames == [bytes("a"), bytes("accept"), bytes("x-b")])
    let open = Storage().ordering {
      $0.storesVaryCookie = true
      $0.storesVaryUserAgent = true
    }
    #expect(open.word("Cache-Control: max-age=60\nVary: Cookie, user-agent") == "store 60")
    #expect(open.word("Cache-Control: max-age=60\nVary: Cookie, *") == "vary-any")
  }

  @Test func `fields that are not kept`() {
    let storage = Storage().ordering { $0.ignoredFields = [bytes("set-cookie"), bytes("x")] }
    let plan = storage.plan(
      "Cache-Control: max-age=60, private=\"x, B\", no-cache=c\nSet-Cookie: a=b")
    #expect(plan?.omittedFields == [bytes("b"), bytes("c"), bytes("set-cookie"), bytes("x")])
    #expect(plan?.mustValidate == false)
  }
}

@Suite struct `lifetimes and ages` {
  @Test(arguments: [
    ("Cache-Control: s-maxage=5, max-age=60\nExpires: @600", "store 5"),
    ("Cache-Control: s-maxage=60, max-age=0", "store 60"),
    ("Cache-Control: max-age=60\nExpires: @600", "store 60"),
    ("Cache-Control: max-age=60\nExpires: @-600", "store 60"),
    ("Expires: @600", "store 600"), ("Date: @-100\nExpires: @500", "store 600"),
    ("Date: @100\nExpires: @600", "store 500"), ("Date: x\nExpires: @600", "store 600"),
    ("Expires: @0", "expired"), ("Expires: 0", "expired"), ("Expires: -1", "expired"),
    ("Expires:", "expired"), ("Expires: @600\nExpires: @60", "store 60"),
    ("Expires: @600\nExpires: 0", "expired"),
    ("Cache-Control: public\nExpires: @600", "store 600"),
    ("Cache-Control: max-age=0", "expired"), ("Cache-Control: max-age=x", "expired"),
    ("Cache-Control: max-age=60\nAge: 59", "store 60"),
    ("Cache-Control: max-age=60\nAge: 60", "expired"),
    ("Cache-Control: max-age=60\nDate: @-60", "expired"),
    ("CDN-Cache-Control: max-age=0\nCache-Control: max-age=60", "expired"),
    ("CDN-Cache-Control: no-store\nCache-Control: max-age=60", "no-store"),
    ("CDN-Cache-Control: max-age=5\nCache-Control: no-store", "store 5"),
    ("CDN-Cache-Control: public\nCache-Control: max-age=60\nExpires: @600", "no-lifetime"),
    ("Ring3-Cache-Control: until-invalidated\nCache-Control: no-store", "store 15552000"),
    ("Ring3-Cache-Control: until-invalidated, max-age=5", "store 5"),
    ("Cache-Control: max-age=99999999999", "store 2147483648"),
  ])
  func `RFC 9111 4.2.1 the lifetime`(lines: String, expected: String) {
    #expect(Storage().word(lines) == expected, "\(lines)")
  }

  @Test(
    arguments: [
      ("", 0, 0), ("Age: 7", 0, 7), ("Age: 7", 3, 10), ("Age: 7, 9", 0, 7),
      ("Age: 7\nAge: 9", 0, 7),
      ("Age: -1", 0, 0), ("Age: x", 2, 2), ("Age: 1.5", 0, 0), ("Age: \"7\"", 0, 0),
      ("Date: @-20\nAge: 7", 3, 20), ("Date: @-5\nAge: 7", 3, 10), ("Date: @50", 0, 0),
      ("Date: x", 4, 4), ("Date: @-5\nDate: @-9", 0, 5), ("Age: 99999999999999999999", 5, 1 << 31),
      ("Age: 7", -9, 7),
    ] as [(String, Int64, Int64)])
  func `RFC 9111 4.2.3 the age on arrival`(lines: String, delay: Int64, expected: Int64) {
    let plan = Storage(delay: delay).plan(
      "Cache-Control: max-age=2147483648, stale-if-error=9\n" + lines)
    #expect(plan?.initialAgeSeconds == expected, "\(lines)")
  }

  @Test(arguments: [
    (200, "Last-Modified: @-1000", "store 100"), (404, "Last-Modified: @-1000", "store 100"),
    (302, "Last-Modified: @-1000", "no-lifetime"), (403, "Last-Modified: @-1000", "no-lifetime"),
    (200, "Last-Modified: @1000", "no-lifetime"), (200, "Last-Modified: x", "no-lifetime"),
    (200, "", "no-lifetime"), (200, "Last-Modified: @-1000\nDate: @-500", "expired"),
    (200, "Last-Modified: @-1000\nExpires: @5", "store 5"),
    (200, "Last-Modified: @-1000\nExpires: 0", "expired"),
    (302, "Last-Modified: @-1000\nCache-Control: public", "store 100"),
    (200, "Last-Modified: @-1000\nCache-Control: no-store", "no-store"),
    (200, "Last-Modified: @-1000\nCache-Control: private", "private"),
    (200, "Last-Modified: @-1000\nCDN-Cache-Control: must-revalidate", "store 100"),
  ])
  func `RFC 9111 4.2.2 heuristics where the operator wants them`(
    status: Int, lines: String, expected: String
  ) {
    let storage = Storage(status: status).ordering { $0.lastModifiedPermille = 100 }
    #expect(storage.word(lines) == expected, "\(status) \(lines)")
    var query = storage
    query.query = true
    #expect(
      query.word("Last-Modified: @-1000")
        == (status == 302 || status == 403
          ? "no-lifetime" : "query-without-lifetime"))
    #expect(query.word("Cache-Control: max-age=60") == "store 60")
  }
}

@Suite struct `the operator's orders` {
  @Test func `CacheDisable refuses all`() {
    #expect(
      Storage().ordering { $0.isEnabled = false }.word("CDN-Cache-Control: max-age=60")
        == "cache-disabled")
  }

  @Test func `CacheDefaultExpire gives a lifetime where there is none, but not to errors`() {
    func word(_ status: Int, _ lines: String) -> String {
      Storage(status: status).ordering { $0.defaultSeconds = 30 }.word(lines)
    }
    #expect(word(200, "") == "store 30")
    #expect(word(410, "") == "store 30")
    #expect(word(404, "") == "no-lifetime")
    #expect(word(302, "") == "no-lifetime")
    #expect(word(302, "Cache-Control: public") == "store 30")
    #expect(word(200, "Cache-Control: max-age=5") == "store 5")
    #expect(word(200, "Expires: 0") == "expired")
    #expect(word(200, "Cache-Control: no-store") == "no-store")
  }

  @Test func `CacheMaxExpire bounds every lifetime, CacheMinExpire those that were made up`() {
    let storage = Storage().ordering {
      $0.secondsMax = 100
      $0.secondsMin = 50
      $0.lastModifiedPermille = 100
      $0.defaultSeconds = 3600
    }
    #expect(storage.word("Cache-Control: max-age=1000") == "store 100")
    #expect(storage.word("Cache-Control: max-age=10") == "store 10")
    #expect(storage.word("Expires: @1000") == "store 100")
    #expect(storage.word("") == "store 100")
    #expect(storage.word("Last-Modified: @-10") == "store 50")
    #expect(storage.word("Last-Modified: @-700") == "store 70")
    #expect(storage.word("CDN-Cache-Control: max-age=1000") == "store 1000")
    #expect(storage.word("CDN-Cache-Control: until-invalidated") == "store 15552000")
  }

  @Test func `CacheStoreNoStore, CacheStorePrivate and CacheStoreExpired`() {
    let storage = Storage().ordering {
      $0.storesNoStore = true
      $0.storesPrivate = true
    }
    #expect(storage.word("Cache-Control: no-store, private, max-age=60") == "store 60")
    #expect(storage.word("Cache-Control: no-store") == "no-lifetime")
    #expect(storage.word("CDN-Cache-Control: no-store, max-age=60") == "no-store")
    #expect(storage.word("CDN-Cache-Control: private, max-age=60") == "private")
    let expired = Storage().ordering { $0.storesExpired = true }
    #expect(expired.word("Expires: 0\nETag: \"a\"") == "store 0")
    #expect(expired.word("Expires: 0") == "expired")
    #expect(expired.word("CDN-Cache-Control: max-age=0\nETag: \"a\"") == "expired")
  }

  @Test(
    arguments: [
      ("max-age=60", 5, 7), ("max-age=60, stale-while-revalidate=1, stale-if-error=2", 1, 2),
      ("max-age=60, stale-while-revalidate=0", 0, 7), ("max-age=60, stale-if-error=x", 5, 0),
      ("max-age=60, must-revalidate, stale-if-error=2", 0, 0),
      ("max-age=60, proxy-revalidate, stale-while-revalidate=2", 0, 0),
      ("max-age=60, no-cache, stale-if-error=2", 0, 0), ("s-maxage=60", 0, 0),
      ("s-maxage=60, stale-while-revalidate=1, stale-if-error=2", 1, 2),
    ] as [(String, Int64, Int64)])
  func `RFC 5861 stale use, by the response or else by order`(
    value: String, whileRevalidate: Int64, ifError: Int64
  ) {
    let storage = Storage().ordering {
      $0.staleWhileRevalidateSeconds = 5
      $0.staleOnErrorSeconds = 7
    }
    for field in ["Cache-Control", "Ring3-Cache-Control"] where !value.contains("=x") {
      let plan = storage.plan("ETag: \"a\"\n\(field): \(value)")
      #expect(plan?.staleWhileRevalidateSeconds == whileRevalidate, "\(value)")
      #expect(plan?.staleIfErrorSeconds == ifError, "\(value)")
    }
  }

  @Test func `what is stale at once is kept if it may be used stale`() {
    #expect(Storage().word("Cache-Control: max-age=0, stale-while-revalidate=9") == "store 0")
    #expect(Storage().word("Cache-Control: max-age=0, stale-if-error=9\nAge: 8") == "store 0")
    #expect(Storage().word("Cache-Control: max-age=0, stale-if-error=9\nAge: 9") == "expired")
  }

  @Test func `the plan repeats what later uses must know`() throws {
    var plan = try #require(Storage().plan("Cache-Control: max-age=60, immutable"))
    #expect(plan.isImmutable && !plan.mustRevalidate && !plan.mustValidate)
    for value in ["s-maxage=60", "max-age=60, must-revalidate", "max-age=60, proxy-revalidate"] {
      plan = try #require(Storage().plan("Cache-Control: \(value)"))
      #expect(plan.mustRevalidate, "\(value)")
    }
    plan = try #require(Storage().plan("Cache-Control: max-age=60, no-cache\nETag: \"a\""))
    #expect(plan.mustValidate)
    plan = try #require(Storage().plan("CDN-Cache-Control: until-invalidated"))
    #expect(plan.isUntilInvalidated)
  }
}
