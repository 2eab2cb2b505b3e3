// What a 304 makes of a stored response (RFC 9111 §3.2, §4.3.4).

package enum Freshening {
  /// Whether a 304, received for conditions made of a stored response, is about that response
  /// (RFC 9111 §4.3.4). If not, the stored response must neither be used nor updated.
  ///
  /// A 304 without validators is: only one response was asked about. Tags are compared weakly,
  /// because many servers and filters mark one as weak in the 200 and not in the 304.
  package static func concerns(
    stored: CachingFields, notModified new: CachingFields, now: Int64
  ) -> Bool {
    if !new.entityTag.isEmpty {
      guard let old = Validation.entityTag(stored), let tag = Validation.entityTag(new) else {
        return false
      }
      return EntityTag.weakEqual(old.rawSpan, tag.rawSpan)
    }
    guard let modified = new.lastModified.first else { return true }
    // A stored tag was in the conditions, and weighs more than a date (RFC 9110 §13.2.2).
    if Validation.entityTag(stored) != nil { return true }
    guard let old = stored.lastModified.first else { return false }
    let oldDate = HTTPDate.parse(old.rawSpan, now: now)
    return oldDate != nil && oldDate == HTTPDate.parse(modified.rawSpan, now: now)
  }

  /// What an answer to HEAD says of a stored response to GET.
  package enum HeadComparison: Equatable, Sendable {
    /// It is of the same representation.
    case same
    /// Of another one, or of one with another length.
    case another
    /// Neither of them has a validator that the other one has, too.
    case unknown
  }

  /// Compares a 200 to HEAD with a stored response (RFC 9111 §4.3.5): by what both have of ETag,
  /// Last-Modified and the length.
  package static func compare(
    stored: CachingFields, byteCount: Int, head new: CachingFields, contentLength: UInt64?,
    now: Int64
  ) -> HeadComparison {
    if let contentLength, contentLength != UInt64(byteCount) { return .another }
    if let old = Validation.entityTag(stored), let tag = Validation.entityTag(new) {
      return EntityTag.weakEqual(old.rawSpan, tag.rawSpan) ? .same : .another
    }
    guard let old = Validation.lastModified(stored, now: now),
      let modified = Validation.lastModified(new, now: now)
    else { return .unknown }
    return HTTPDate.parse(old.rawSpan, now: now) == HTTPDate.parse(modified.rawSpan, now: now)
      ? .same : .another
  }

  /// The fields of the stored response after a 304 (RFC 9111 §3.2): each field of the 304 replaces
  /// all stored lines of its name, except for those that describe the stored body or a connection.
  /// Age and Date of the stored response go in any case: they told when the old one was made. Where
  /// Vary named Accept-Encoding it still does: it may be there because of codings that were made on
  /// the way, of which who sent the 304 knows nothing.
  ///
  /// - Parameters:
  ///   - stored, new: field lines in their order; names in any case of letters.
  ///   - connectionOptions: names that the 304's Connection field lists, lower case.
  package static func merge(
    stored: [OwnedField], notModified new: [OwnedField], connectionOptions: [[UInt8]] = []
  ) -> [OwnedField] {
    let connection = Set(connectionOptions)
    var replaced: Set<[UInt8]> = [[UInt8]("age".utf8), [UInt8]("date".utf8)]
    var added: [OwnedField] = []
    let storedNames = Set(stored.map { $0.name.map(ASCII.lowercase) })
    for line in new {
      let name = line.name.map(ASCII.lowercase)
      guard !isKept(name), !connection.contains(name) else { continue }
      // The tag stays as strong as the body it was stored with.
      if Scan.equal(name.rawSpan, "etag") && storedNames.contains(name) { continue }
      replaced.insert(name)
      added.append(line)
    }
    let kept = stored.filter { !replaced.contains($0.name.map(ASCII.lowercase)) }
    if variesByCoding(stored) && !variesByCoding(kept + added) {
      added.append(OwnedField("Vary", "Accept-Encoding"))
    }
    return kept + added
  }

  /// Whether Vary names Accept-Encoding, or everything.
  private static func variesByCoding(_ lines: [OwnedField]) -> Bool {
    lines.contains { line in
      line.name.map(ASCII.lowercase) == [UInt8]("vary".utf8)
        && CodedResponse.varies(line.value.rawSpan)
    }
  }

  /// Fields that a 304 does not change: those that say what the stored body is, because compressed
  /// variants were made by them and some applications send a default type with every 304, and those
  /// that are for one connection only (RFC 9111 §3.1, §3.2; RFC 9110 §7.6.1).
  private static func isKept(_ name: [UInt8]) -> Bool {
    let name = name.rawSpan
    func isNamed(_ wanted: StaticString) -> Bool { Scan.equal(name, wanted) }
    return switch name.byteCount {
    case 2: isNamed("te")
    case 7: isNamed("trailer") || isNamed("upgrade")
    case 10: isNamed("connection") || isNamed("keep-alive")
    case 12: isNamed("content-type")
    case 13: isNamed("content-range")
    case 14: isNamed("content-length")
    case 16: isNamed("content-encoding") || isNamed("proxy-connection")
    case 17: isNamed("transfer-encoding")
    case 18: isNamed("proxy-authenticate")
    case 19: isNamed("proxy-authorization")
    case 25: isNamed("proxy-authentication-info")
    default: false
    }
  }
}
