// The field Cache-Status: how the cache dealt with a request (RFC 9211).

/// Why a request went forward to the application (RFC 9211 §2.2).
package enum CacheForward: Hashable, Sendable, CaseIterable {
  /// The cache is not used here.
  case bypass
  /// The method's semantics require it.
  case method
  /// Nothing is stored for this URI.
  case uriMiss
  /// Something is, but not for these selecting fields.
  case varyMiss
  /// Nothing fits, and it is not known which of the two.
  case miss
  /// A fresh response is stored, but the request's Cache-Control asks for another.
  case request
  case stale
  /// A range that the stored response does not hold.
  case partial

  /// As it is written.
  package var token: StaticString {
    switch self {
    case .bypass: "bypass"
    case .method: "method"
    case .uriMiss: "uri-miss"
    case .varyMiss: "vary-miss"
    case .miss: "miss"
    case .request: "request"
    case .stale: "stale"
    case .partial: "partial"
    }
  }
}

/// One member of Cache-Status. Either `isHit` or `forward` says how the response came about; it is
/// `stored` and `collapsed` only where something went forward.
package struct CacheStatus: Hashable, Sendable {
  package var isHit = false
  package var forward: CacheForward?
  /// What the application answered; only needed where the client got something else.
  package var forwardStatus: Int?
  /// Seconds of freshness left, negative for stale responses.
  package var ttlSeconds: Int64?
  package var stored = false
  package var collapsed = false
  /// The key, for people. Written within `keyBytesMax`; bytes that a string cannot hold become
  /// `%XX`.
  package var key: [UInt8]?
  /// A word such as `StorageRefusal.rawValue`.
  package var detail: String?

  package static let keyBytesMax = 512

  package init(detail: String? = nil) { self.detail = detail }

  /// See `append`.
  package var text: [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return bytes
  }

  /// Appends `Ring3; hit; ttl=376`, with a space before each parameter as in the RFC's examples. A
  /// value of an earlier cache goes before it, with ", " between them: the list is ordered from the
  /// application to the client (RFC 9211 §2).
  package func append(to bytes: inout [UInt8]) {
    func add(_ literal: StaticString) { ResponseHead.append(literal: literal, to: &bytes) }
    add("Ring3")
    if isHit { add("; hit") }
    if let forward {
      add("; fwd=")
      add(forward.token)
    }
    if let forwardStatus {
      add("; fwd-status=")
      DecimalNumber.append(UInt64(forwardStatus), to: &bytes)
    }
    if let ttlSeconds {
      add(ttlSeconds < 0 ? "; ttl=-" : "; ttl=")
      DecimalNumber.append(min(ttlSeconds.magnitude, UInt64(DeltaSeconds.max)), to: &bytes)
    }
    if stored { add("; stored") }
    if collapsed { add("; collapsed") }
    if let key { append("; key=", .string(Self.printable(key)), to: &bytes) }
    if let detail, !detail.isEmpty {
      let text = [UInt8](detail.utf8)
      let isToken =
        ASCII.lowercase(text[0]) &- 0x61 < 26 && text.allSatisfy(ByteClass.token.contains)
      append("; detail=", isToken ? .token(text) : .string(Self.printable(text)), to: &bytes)
    }
  }

  private func append(
    _ name: StaticString, _ value: StructuredFields.BareItem, to bytes: inout [UInt8]
  ) {
    var writer = StructuredFieldWriter()
    writer.append(value)
    guard let text = writer.result else { return }
    ResponseHead.append(literal: name, to: &bytes)
    bytes += text
  }

  private static func printable(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for byte in text {
      let isPrintable = byte >= 0x20 && byte < 0x7f
      guard result.count + (isPrintable ? 1 : 3) <= keyBytesMax else { break }
      if isPrintable {
        result.append(byte)
      } else {
        PercentEncoding.append(escaped: byte, to: &result)
      }
    }
    return result
  }
}
