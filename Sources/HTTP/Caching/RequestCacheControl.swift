// What a request wants of caches: its Cache-Control and Pragma (RFC 9111 §5.2.1, §5.4).

/// Directives of a request. Of a repeated one the stricter counts; unknown ones do not.
package struct RequestCacheControl: Hashable, Sendable {
  /// Seconds that a stored response may be old at most.
  package var maxAge: Int64?
  /// Seconds that a stored response must remain fresh at least.
  package var minFresh: Int64?
  /// Seconds past its lifetime that are acceptable; `Int64.max` for any number.
  package var maxStale: Int64?
  /// RFC 5861 §4: the same if there is an error otherwise.
  package var staleIfError: Int64?
  package var noCache = false
  package var noStore = false
  package var noTransform = false
  package var onlyIfCached = false

  package init() {}

  /// - Parameters:
  ///   - cacheControl: values of the Cache-Control lines.
  ///   - pragma: values of the Pragma lines; they count where there is no Cache-Control.
  package init(cacheControl: [[UInt8]], pragma: [[UInt8]]) {
    for line in cacheControl {
      var reader = CacheDirectiveReader(line)
      while let directive = reader.next() { take(directive) }
      if reader.isUnterminated {
        noCache = true
        noStore = true
      }
    }
    guard cacheControl.isEmpty else { return }
    noCache = Pragma.saysNoCache(pragma)
  }

  /// The same of a parsed request.
  package init(_ head: borrowing RequestHead, in bytes: RawSpan) {
    self.init()
    guard head.has(.cacheControl) || head.has(.pragma) else { return }
    var cacheControl: [[UInt8]] = []
    var pragma: [[UInt8]] = []
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      if line.known == .cacheControl { cacheControl.append(line.value.copy(from: bytes)) }
      if line.known == .pragma { pragma.append(line.value.copy(from: bytes)) }
    }
    self = Self(cacheControl: cacheControl, pragma: pragma)
  }

  private mutating func take(_ directive: CacheDirective) {
    switch CacheDirectiveName(directive.name) {
    case .noCache: noCache = true
    case .noStore: noStore = true
    case .noTransform: noTransform = true
    case .onlyIfCached: onlyIfCached = true
    // A number that is none: the client wants something new, we do not know how new.
    case .maxAge: maxAge = min(maxAge ?? .max, directive.seconds ?? 0)
    case .minFresh: minFresh = max(minFresh ?? 0, directive.seconds ?? DeltaSeconds.max)
    case .maxStale:
      let isAny = directive.argument == nil && !directive.isMalformed
      maxStale = min(maxStale ?? .max, isAny ? .max : directive.seconds ?? 0)
    case .staleIfError: staleIfError = min(staleIfError ?? .max, directive.seconds ?? 0)
    default: break
    }
  }
}

/// The field of HTTP/1.0 caches (RFC 9111 §5.4).
enum Pragma {
  static func saysNoCache(_ lines: [[UInt8]]) -> Bool {
    for line in lines {
      var reader = CacheDirectiveReader(line)
      while let directive = reader.next() {
        if CacheDirectiveName(directive.name) == .noCache { return true }
      }
    }
    return false
  }
}
