// Field names the server knows, and recognising them in request bytes without allocating.

/// Fields that the server acts on, or that clients send so often that recognising them is cheaper
/// than checking their names byte by byte.
package enum KnownField: UInt8, Sendable, CaseIterable, FieldVocabulary {
  // The parser itself reads the first five.
  case host = 0
  case connection
  case contentLength
  case transferEncoding
  case expect
  case acceptEncoding
  case ifMatch
  case ifNoneMatch
  case ifModifiedSince
  case ifUnmodifiedSince
  case range
  case ifRange
  case userAgent
  case referer
  case cookie
  case authorization
  case accept
  case acceptLanguage
  case cacheControl
  case contentType
  case origin
  case pragma
  case priority
  case upgrade
  case upgradeInsecureRequests
  case via
  case xForwardedFor
  case secFetchDest
  case secFetchMode
  case secFetchSite
  case secFetchUser
  case secChUA
  case secChUAMobile
  case secChUAPlatform
  case te

  /// A second one makes the message ambiguous.
  @inline(__always)
  var mustBeSingle: Bool {
    switch self {
    case .host, .contentLength, .transferEncoding, .expect: true
    default: false
    }
  }

  /// RFC 9112 §3.2 (Host) and §6.3 (lengths); two expectations are nobody's honest wish.
  @inline(never)
  func repeated(at start: Int) -> ParseStop {
    switch self {
    case .host: .refuse(400, .hostname, at: start, "more than one Host")
    case .contentLength: .refuse(400, .number, at: start, "more than one Content-Length")
    case .transferEncoding: .refuse(400, .header, at: start, "more than one Transfer-Encoding")
    default: .refuse(400, .header, at: start, "more than one Expect")
    }
  }

  @inlinable @inline(__always)
  var bit: UInt64 { 1 &<< UInt64(rawValue) }

  /// The field of this name, in any case of letters, or nil; `name` may hold any bytes.
  package init?(name: RawSpan) {
    var padded: [UInt8] = [UInt8](copying: name)
    let count = padded.count
    while padded.count < count + 8 { padded.append(0) }
    guard let field = KnownField(in: padded.rawSpan, at: 0, count: count) else { return nil }
    self = field
  }

  /// The field named by `count` bytes at `start`. Eight readable bytes must follow `start`, or
  /// there is no match: a short name at the very end of a buffer is left to the slow path.
  @inline(__always)
  init?(in bytes: RawSpan, at start: Int, count: Int) {
    guard start >= 0, count > 0, start &+ max(count, 8) <= bytes.byteCount else { return nil }
    let first = Scan.word(bytes, at: start)
    if count < 8 {
      guard
        let field = KnownField(short: first & ((1 &<< UInt64(count &* 8)) &- 1), count: count)
      else { return nil }
      self = field
      return
    }
    let last = Scan.word(bytes, at: start &+ count &- 8)
    guard let candidate = KnownField(first: first, last: last, count: count) else { return nil }
    if count > 16 {
      guard candidate.middleMatches(bytes, start) else { return nil }
    }
    self = candidate
  }

  /// Names of up to seven bytes, padded with NUL.
  @inline(__always)
  private init?(short word: UInt64, count: Int) {
    switch count {
    case 2 where Scan.spells(word, "te\0\0\0\0\0\0"): self = .te
    case 3 where Scan.spells(word, "via\0\0\0\0\0"): self = .via
    case 4 where Scan.spells(word, "host\0\0\0\0"): self = .host
    case 5 where Scan.spells(word, "range\0\0\0"): self = .range
    case 6 where Scan.spells(word, "accept\0\0"): self = .accept
    case 6 where Scan.spells(word, "cookie\0\0"): self = .cookie
    case 6 where Scan.spells(word, "expect\0\0"): self = .expect
    case 6 where Scan.spells(word, "origin\0\0"): self = .origin
    case 6 where Scan.spells(word, "pragma\0\0"): self = .pragma
    case 7 where Scan.spells(word, "referer\0"): self = .referer
    case 7 where Scan.spells(word, "upgrade\0"): self = .upgrade
    default: return nil
    }
  }

  /// Names of eight bytes and more: by their first and last eight, which overlap below sixteen.
  @inline(__always)
  private init?(first: UInt64, last: UInt64, count: Int) {
    func matches(_ head: StaticString, _ tail: StaticString) -> Bool {
      Scan.spells(first, head) && Scan.spells(last, tail)
    }
    switch count {
    case 8 where Scan.spells(first, "if-match"): self = .ifMatch
    case 8 where Scan.spells(first, "if-range"): self = .ifRange
    case 8 where Scan.spells(first, "priority"): self = .priority
    case 9 where matches("sec-ch-u", "ec-ch-ua"): self = .secChUA
    case 10 where matches("user-age", "er-agent"): self = .userAgent
    case 10 where matches("connecti", "nnection"): self = .connection
    case 12 where matches("content-", "ent-type"): self = .contentType
    case 13 where matches("if-none-", "ne-match"): self = .ifNoneMatch
    case 13 where matches("cache-co", "-control"): self = .cacheControl
    case 13 where matches("authoriz", "rization"): self = .authorization
    case 14 where matches("sec-fetc", "tch-dest"): self = .secFetchDest
    case 14 where matches("sec-fetc", "tch-mode"): self = .secFetchMode
    case 14 where matches("sec-fetc", "tch-site"): self = .secFetchSite
    case 14 where matches("sec-fetc", "tch-user"): self = .secFetchUser
    case 14 where matches("content-", "t-length"): self = .contentLength
    case 15 where matches("accept-e", "encoding"): self = .acceptEncoding
    case 15 where matches("accept-l", "language"): self = .acceptLanguage
    case 15 where matches("x-forwar", "rded-for"): self = .xForwardedFor
    case 16 where matches("sec-ch-u", "a-mobile"): self = .secChUAMobile
    case 17 where matches("if-modif", "ed-since"): self = .ifModifiedSince
    case 17 where matches("transfer", "encoding"): self = .transferEncoding
    case 18 where matches("sec-ch-u", "platform"): self = .secChUAPlatform
    case 19 where matches("if-unmod", "ed-since"): self = .ifUnmodifiedSince
    case 25 where matches("upgrade-", "requests"): self = .upgradeInsecureRequests
    default: return nil
    }
  }

  /// Whether the bytes from the ninth on are right too, for names of more than sixteen bytes.
  @inline(__always)
  private func middleMatches(_ bytes: RawSpan, _ start: Int) -> Bool {
    let middle = Scan.word(bytes, at: start &+ 8)
    return switch self {
    case .ifModifiedSince: Scan.spells(middle, "ied-sinc")
    case .transferEncoding: Scan.spells(middle, "-encodin")
    case .secChUAPlatform: Scan.spells(middle, "a-platfo")
    case .ifUnmodifiedSince: Scan.spells(middle, "ified-si")
    // Byte 16 lies between the second and the last word: the second word is taken one later.
    case .upgradeInsecureRequests:
      Scan.spells(middle, "insecure") && Scan.byte(bytes, at: start &+ 16) == 0x2d
    default: false
    }
  }

  /// The name as it is usually written.
  package var name: StaticString {
    switch self {
    case .host: "Host"
    case .connection: "Connection"
    case .contentLength: "Content-Length"
    case .transferEncoding: "Transfer-Encoding"
    case .expect: "Expect"
    case .acceptEncoding: "Accept-Encoding"
    case .ifMatch: "If-Match"
    case .ifNoneMatch: "If-None-Match"
    case .ifModifiedSince: "If-Modified-Since"
    case .ifUnmodifiedSince: "If-Unmodified-Since"
    case .range: "Range"
    case .ifRange: "If-Range"
    case .userAgent: "User-Agent"
    case .referer: "Referer"
    case .cookie: "Cookie"
    case .authorization: "Authorization"
    case .accept: "Accept"
    case .acceptLanguage: "Accept-Language"
    case .cacheControl: "Cache-Control"
    case .contentType: "Content-Type"
    case .origin: "Origin"
    case .pragma: "Pragma"
    case .priority: "Priority"
    case .upgrade: "Upgrade"
    case .upgradeInsecureRequests: "Upgrade-Insecure-Requests"
    case .via: "Via"
    case .xForwardedFor: "X-Forwarded-For"
    case .secFetchDest: "Sec-Fetch-Dest"
    case .secFetchMode: "Sec-Fetch-Mode"
    case .secFetchSite: "Sec-Fetch-Site"
    case .secFetchUser: "Sec-Fetch-User"
    case .secChUA: "Sec-CH-UA"
    case .secChUAMobile: "Sec-CH-UA-Mobile"
    case .secChUAPlatform: "Sec-CH-UA-Platform"
    case .te: "TE"
    }
  }
}

/// Comparing field names that are not in `KnownField`, without allocating.
package enum FieldName {
  /// Whether `name` is `wanted` in any case of letters (RFC 9110 §5.1).
  package static func equal(_ name: RawSpan, _ wanted: StaticString) -> Bool {
    guard name.byteCount == wanted.utf8CodeUnitCount else { return false }
    for index in 0..<name.byteCount
    where ASCII.lowercase(Scan.byte(name, at: index))
      != ASCII.lowercase(Scan.literalByte(wanted, index))
    {
      return false
    }
    return true
  }

  /// Whether two names or tokens are the same in any case of letters.
  package static func equal(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    for index in 0..<one.byteCount
    where ASCII.lowercase(Scan.byte(one, at: index)) != ASCII.lowercase(Scan.byte(other, at: index))
    {
      return false
    }
    return true
  }
}
