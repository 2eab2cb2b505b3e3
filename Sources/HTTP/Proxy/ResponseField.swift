// Names of the response fields that a proxy and a cache look at.

/// Fields of an application's response that are acted on.
package enum ResponseField: UInt8, Sendable, CaseIterable, FieldVocabulary {
  // The parser itself reads the first five.
  case connection = 0
  case contentLength
  case transferEncoding
  case keepAlive
  case upgrade
  case te
  case trailer
  case proxyConnection
  case proxyAuthenticate
  case proxyAuthenticationInfo
  case contentType
  case contentEncoding
  case contentRange
  case contentLocation
  case cacheControl
  case cdnCacheControl
  case ring3CacheControl
  case ring3Delegate
  case ring3Fragments
  case expires
  case date
  case age
  case pragma
  case vary
  case etag
  case lastModified
  case location
  case setCookie
  case warning
  case via
  case server
  case surrogateKey
  case cacheTag
  case cacheGroups
  case cacheGroupInvalidation
  case cacheStatus
  case acceptRanges
  case wwwAuthenticate
  /// Not registered; rewritten like Location where applications still send it.
  case uri
  /// CGI (RFC 3875 §6.3.3); of no meaning in HTTP.
  case status

  /// Two lengths are two messages.
  @inline(__always)
  var mustBeSingle: Bool { self == .contentLength || self == .transferEncoding }

  @inline(never)
  func repeated(at start: Int) -> ParseStop {
    self == .contentLength
      ? .refuse(502, .number, at: start, "more than one Content-Length")
      : .refuse(502, .header, at: start, "more than one Transfer-Encoding")
  }

  @inlinable @inline(__always)
  var bit: UInt64 { 1 &<< UInt64(rawValue) }

  /// Of one connection, not passed on (RFC 9110 §7.6.1, §11.7).
  @inline(__always)
  var isHopByHop: Bool { ResponseField.hopByHopBits & bit != 0 }

  static var hopByHopBits: UInt64 {
    connection.bit | transferEncoding.bit | keepAlive.bit | upgrade.bit | te.bit
      | proxyConnection.bit | proxyAuthenticate.bit | proxyAuthenticationInfo.bit
  }

  /// The field of this name, in any case of letters, or nil; `name` may hold any bytes.
  package init?(name: RawSpan) {
    self.init(in: name, at: 0, count: name.byteCount)
  }

  @inline(__always)
  init?(in bytes: RawSpan, at start: Int, count: Int) {
    guard start >= 0, count > 0, start &+ count <= bytes.byteCount else { return nil }
    let field =
      count < 13
      ? ResponseField.short(bytes, start, count) : ResponseField.long(bytes, start, count)
    guard let field else { return nil }
    self = field
  }

  private static func short(_ bytes: RawSpan, _ start: Int, _ count: Int) -> ResponseField? {
    @inline(__always) func spells(_ name: StaticString) -> Bool {
      Scan.spells(bytes, at: start, name)
    }
    return switch count {
    case 2 where spells("te"): .te
    case 3 where spells("via"): .via
    case 3 where spells("age"): .age
    case 3 where spells("uri"): .uri
    case 4 where spells("date"): .date
    case 4 where spells("etag"): .etag
    case 4 where spells("vary"): .vary
    case 6 where spells("server"): .server
    case 6 where spells("pragma"): .pragma
    case 6 where spells("status"): .status
    case 7 where spells("expires"): .expires
    case 7 where spells("upgrade"): .upgrade
    case 7 where spells("trailer"): .trailer
    case 7 where spells("warning"): .warning
    case 8 where spells("location"): .location
    case 9 where spells("cache-tag"): .cacheTag
    case 10 where spells("connection"): .connection
    case 10 where spells("set-cookie"): .setCookie
    case 10 where spells("keep-alive"): .keepAlive
    case 12 where spells("content-type"): .contentType
    case 12 where spells("cache-groups"): .cacheGroups
    case 12 where spells("cache-status"): .cacheStatus
    default: nil
    }
  }

  private static func long(_ bytes: RawSpan, _ start: Int, _ count: Int) -> ResponseField? {
    @inline(__always) func spells(_ name: StaticString) -> Bool {
      Scan.spells(bytes, at: start, name)
    }
    return switch count {
    case 13 where spells("cache-control"): .cacheControl
    case 13 where spells("last-modified"): .lastModified
    case 13 where spells("accept-ranges"): .acceptRanges
    case 13 where spells("content-range"): .contentRange
    case 13 where spells("surrogate-key"): .surrogateKey
    case 14 where spells("content-length"): .contentLength
    case 14 where spells("ring3-delegate"): .ring3Delegate
    case 15 where spells("ring3-fragments"): .ring3Fragments
    case 16 where spells("content-encoding"): .contentEncoding
    case 16 where spells("content-location"): .contentLocation
    case 16 where spells("www-authenticate"): .wwwAuthenticate
    case 16 where spells("proxy-connection"): .proxyConnection
    case 17 where spells("transfer-encoding"): .transferEncoding
    case 17 where spells("cdn-cache-control"): .cdnCacheControl
    case 18 where spells("proxy-authenticate"): .proxyAuthenticate
    case 19 where spells("ring3-cache-control"): .ring3CacheControl
    case 24 where spells("cache-group-invalidation"): .cacheGroupInvalidation
    case 25 where spells("proxy-authentication-info"): .proxyAuthenticationInfo
    default: nil
    }
  }

  /// The name as it is usually written.
  package var name: StaticString {
    switch self {
    case .connection: "Connection"
    case .contentLength: "Content-Length"
    case .transferEncoding: "Transfer-Encoding"
    case .keepAlive: "Keep-Alive"
    case .upgrade: "Upgrade"
    case .te: "TE"
    case .trailer: "Trailer"
    case .proxyConnection: "Proxy-Connection"
    case .proxyAuthenticate: "Proxy-Authenticate"
    case .proxyAuthenticationInfo: "Proxy-Authentication-Info"
    case .contentType: "Content-Type"
    case .contentEncoding: "Content-Encoding"
    case .contentRange: "Content-Range"
    case .contentLocation: "Content-Location"
    case .cacheControl: "Cache-Control"
    case .cdnCacheControl: "CDN-Cache-Control"
    case .ring3CacheControl: "Ring3-Cache-Control"
    case .ring3Delegate: "Ring3-Delegate"
    case .ring3Fragments: "Ring3-Fragments"
    case .expires: "Expires"
    case .date: "Date"
    case .age: "Age"
    case .pragma: "Pragma"
    case .vary: "Vary"
    case .etag: "ETag"
    case .lastModified: "Last-Modified"
    case .location: "Location"
    case .setCookie: "Set-Cookie"
    case .warning: "Warning"
    case .via: "Via"
    case .server: "Server"
    case .surrogateKey: "Surrogate-Key"
    case .cacheTag: "Cache-Tag"
    case .cacheGroups: "Cache-Groups"
    case .cacheGroupInvalidation: "Cache-Group-Invalidation"
    case .cacheStatus: "Cache-Status"
    case .acceptRanges: "Accept-Ranges"
    case .wwwAuthenticate: "WWW-Authenticate"
    case .uri: "URI"
    case .status: "Status"
    }
  }
}

/// Some of the fields.
package struct ResponseFieldSet: ExpressibleByArrayLiteral, Sendable {
  /// One each.
  let bits: UInt64

  package init(arrayLiteral fields: ResponseField...) {
    bits = fields.reduce(0) { $0 | $1.bit }
  }

  package func contains(_ field: ResponseField) -> Bool { bits & field.bit != 0 }
}
