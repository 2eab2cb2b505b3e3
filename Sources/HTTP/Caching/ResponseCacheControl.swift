// What a response orders caches to do, from Cache-Control or a targeted field (RFC 9111 §5.2.2,
// RFC 9213, RFC 5861, RFC 8246).

/// Directives of a response. Of a repeated or contradictory one the stricter counts, and a lifetime
/// that is no number is none (RFC 9111 §4.2.1).
package struct ResponseCacheControl: Hashable, Sendable {
  package var maxAge: Int64?
  /// `s-maxage`: the lifetime in shared caches; also forbids unordered stale use (§5.2.2.10).
  package var sharedMaxAge: Int64?
  /// RFC 5861
  package var staleWhileRevalidate: Int64?
  package var staleIfError: Int64?
  package var noStore = false
  /// `no-cache` without names, and the names of those with (RFC 9111 §5.2.2.4).
  package var noCache = false
  package var noCacheFields: [[UInt8]] = []
  /// `private` without names, and the names of those with (§5.2.2.7).
  package var isPrivate = false
  package var privateFields: [[UInt8]] = []
  package var isPublic = false
  package var mustRevalidate = false
  package var proxyRevalidate = false
  package var mustUnderstand = false
  package var noTransform = false
  /// RFC 8246
  package var immutable = false
  /// `until-invalidated`, ours, in targeted fields only: fresh until the application invalidates
  /// it, where it gives no number of seconds.
  package var untilInvalidated = false
  /// A quoted argument does not end: what else was ordered cannot be known.
  package var isMalformed = false
  /// From `Ring3-Cache-Control` or `CDN-Cache-Control`.
  package var isTargeted = false

  package init() {}

  /// The directives that count for a response: of `Ring3-Cache-Control`, else of
  /// `CDN-Cache-Control`, as far as they are valid and not empty (RFC 9213 §2.2), else of
  /// Cache-Control.
  package init(_ fields: borrowing CachingFields) {
    if let targeted =
      Self.targeted(fields.ring3CacheControl) ?? Self.targeted(fields.cdnCacheControl)
    {
      self = targeted
    } else {
      self.init(cacheControl: fields.cacheControl)
      // Without a meaning in responses (RFC 9111 §5.4), but who sends it means it.
      if fields.cacheControl.isEmpty && Pragma.saysNoCache(fields.pragma) { noCache = true }
    }
  }

  /// The values of Cache-Control lines.
  package init(cacheControl: [[UInt8]]) {
    for line in cacheControl {
      var reader = CacheDirectiveReader(line)
      while let directive = reader.next() { take(directive) }
      if reader.isUnterminated { isMalformed = true }
    }
  }

  /// Whether the body must not be compressed on its way (RFC 9111 §5.2.2.6). Cache-Control says so
  /// to all intermediaries, beside a targeted field too, which replaces only what it orders caches.
  package static func forbidsTransforming(_ fields: CachingFields) -> Bool {
    Self(fields).noTransform || Self(cacheControl: fields.cacheControl).noTransform
  }

  /// Explicit freshness without Expires.
  var lifetime: Int64? { sharedMaxAge ?? maxAge }

  // MARK: Cache-Control

  private mutating func take(_ directive: CacheDirective) {
    guard let name = CacheDirectiveName(directive.name), name != .untilInvalidated else { return }
    let argument = directive.isMalformed ? nil : directive.argument
    take(
      name, seconds: directive.seconds ?? 0, names: argument,
      isPlain: !directive.isMalformed && argument == nil)
  }

  /// - Parameters:
  ///   - isPlain: it has no argument, and nothing is wrong with it. What makes caches bolder counts
  ///     only then.
  private mutating func take(
    _ name: CacheDirectiveName, seconds: Int64, names: [UInt8]?, isPlain: Bool
  ) {
    switch name {
    case .maxAge: maxAge = min(maxAge ?? .max, seconds)
    case .sharedMaxAge: sharedMaxAge = min(sharedMaxAge ?? .max, seconds)
    case .staleWhileRevalidate: staleWhileRevalidate = min(staleWhileRevalidate ?? .max, seconds)
    case .staleIfError: staleIfError = min(staleIfError ?? .max, seconds)
    case .noCache: Self.restrict(names, all: &noCache, some: &noCacheFields)
    case .isPrivate: Self.restrict(names, all: &isPrivate, some: &privateFields)
    case .noStore: noStore = true
    case .noTransform: noTransform = true
    case .mustRevalidate: mustRevalidate = true
    case .proxyRevalidate: proxyRevalidate = true
    case .mustUnderstand: mustUnderstand = true
    case .isPublic: isPublic = isPublic || isPlain
    case .immutable: immutable = immutable || isPlain
    case .untilInvalidated: untilInvalidated = isPlain
    case .minFresh, .maxStale, .onlyIfCached: break
    }
  }

  /// Names that are not names restrict the whole response.
  private static func restrict(_ list: [UInt8]?, all: inout Bool, some: inout [[UInt8]]) {
    if let list, let names = FieldNameList.parse(list), !names.isEmpty {
      some += names
    } else {
      all = true
    }
  }

  // MARK: Targeted fields

  /// The directives of a targeted field (RFC 9213 §2.1); nil if it is absent, empty or malformed.
  /// Parameters do not count, and values of another type than the directive's are not read as if
  /// they had it: a lifetime counts as absent, an order to be careful as given.
  static func targeted(_ lines: [[UInt8]]) -> ResponseCacheControl? {
    guard !lines.isEmpty, let entries = StructuredFields.dictionary(lines), !entries.isEmpty else {
      return nil
    }
    var directives = ResponseCacheControl()
    directives.isTargeted = true
    for entry in entries {
      guard let name = CacheDirectiveName(entry.key) else { continue }
      guard case .item(let item) = entry.member else {
        directives.take(targeted: name, nil)
        continue
      }
      directives.take(targeted: name, item.value)
    }
    return directives
  }

  private mutating func take(
    targeted name: CacheDirectiveName, _ value: StructuredFields.BareItem?
  ) {
    var seconds: Int64?
    var names: [UInt8]?
    switch value {
    case .boolean(false): return
    case .integer(let number): seconds = min(max(number, 0), DeltaSeconds.max)
    case .string(let text), .token(let text): names = text
    default: break
    }
    switch name {
    case .maxAge, .sharedMaxAge, .staleWhileRevalidate, .staleIfError:
      guard seconds != nil else { return }
    default: break
    }
    take(name, seconds: seconds ?? 0, names: names, isPlain: value == .boolean(true))
  }
}
