// Conditional requests: what If-Match and its relatives ask for (RFC 9110 §13).

/// What is known of the selected representation.
package struct Validators: Sendable {
  /// The entity tag as it would be sent, with quotes and `W/`; empty if there is none.
  package var entityTag: [UInt8]
  /// Last-Modified in seconds since 1970 UTC, or nil.
  package var lastModified: Int64?

  package init(entityTag: [UInt8], lastModified: Int64?) {
    self.entityTag = entityTag
    self.lastModified = lastModified
  }
}

/// What the preconditions of a request come to.
package enum PreconditionResult: Equatable, Sendable {
  /// Perform the method. `rangeAllowed` is false if If-Range says that a Range must be ignored.
  case proceed(rangeAllowed: Bool)
  /// Answer 304.
  case notModified
  /// Answer 412.
  case failed
}

/// Evaluates the preconditions of a request.
package enum Preconditions {
  /// The steps of RFC 9110 §13.2.2, in their order.
  ///
  /// - Parameters:
  ///   - validators: of the representation that exists; nil if there is none.
  ///   - now: present time, to judge two-digit years and how strong a date is.
  package static func evaluate(
    _ head: borrowing RequestHead, in bytes: RawSpan, validators: Validators?, now: Int64
  ) -> PreconditionResult {
    guard let validators else {
      return evaluate(
        head, in: bytes, entityTag: [UInt8]().rawSpan, lastModified: nil, exists: false, now: now)
    }
    return evaluate(
      head, in: bytes, entityTag: validators.entityTag.rawSpan,
      lastModified: validators.lastModified, exists: true, now: now)
  }

  /// The same without copying the entity tag.
  package static func evaluate(
    _ head: borrowing RequestHead, in bytes: RawSpan, entityTag: RawSpan, lastModified: Int64?,
    exists: Bool = true, now: Int64
  ) -> PreconditionResult {
    guard head.hasConditionsOrRange else { return .proceed(rangeAllowed: true) }
    // Step 1, else step 2.
    if head.has(.ifMatch) {
      guard
        fieldMatches(head, .ifMatch, bytes, entityTag, exists: exists, strongly: true)
      else { return .failed }
    } else if exists, let lastModified, let since = date(head, .ifUnmodifiedSince, bytes, now) {
      if lastModified > since { return .failed }
    }
    let isRetrieval = head.method.isRetrieval
    // Step 3, else step 4.
    if head.has(.ifNoneMatch) {
      if fieldMatches(head, .ifNoneMatch, bytes, entityTag, exists: exists, strongly: false) {
        return isRetrieval ? .notModified : .failed
      }
    } else if isRetrieval, exists, let lastModified,
      let since = date(head, .ifModifiedSince, bytes, now), lastModified <= since
    {
      return .notModified
    }
    // Step 5; a Range is for GET only (RFC 9110 §14.2).
    guard head.method == .get, head.has(.range), head.has(.ifRange) else {
      return .proceed(rangeAllowed: true)
    }
    return .proceed(
      rangeAllowed: ifRangeHolds(head, bytes, entityTag, lastModified: lastModified, now: now))
  }

  /// Whether "*" or one of the tags of all fields of that name matches.
  private static func fieldMatches(
    _ head: borrowing RequestHead, _ field: KnownField, _ bytes: RawSpan, _ entityTag: RawSpan,
    exists: Bool, strongly: Bool
  ) -> Bool {
    guard exists else { return false }
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      guard line.known == field else { continue }
      let value = line.value.span(in: bytes)
      if value.byteCount == 1 && Scan.byte(value, at: 0) == 0x2a { return true }
      if EntityTag.list(value, contains: entityTag, strongly: strongly) { return true }
    }
    return false
  }

  /// The date of a field, or nil if it is missing, repeated or no date: such a field is ignored
  /// (RFC 9110 §13.1.3, §13.1.4).
  private static func date(
    _ head: borrowing RequestHead, _ field: KnownField, _ bytes: RawSpan, _ now: Int64
  ) -> Int64? {
    guard let value = head.known(field), !head.isRepeated(field) else { return nil }
    return HTTPDate.parse(value.span(in: bytes), now: now)
  }

  /// If-Range (RFC 9110 §13.1.5): a strong tag that is the same, or exactly the Last-Modified date,
  /// if that is a strong validator: at least one second older than now (§8.8.2.2, which says 60
  /// seconds only for clocks that differ; both dates are of this machine's clock).
  private static func ifRangeHolds(
    _ head: borrowing RequestHead, _ bytes: RawSpan, _ entityTag: RawSpan, lastModified: Int64?,
    now: Int64
  ) -> Bool {
    guard let range = head.known(.ifRange), !head.isRepeated(.ifRange) else { return false }
    let value = range.span(in: bytes)
    if EntityTag.parse(value) != nil { return EntityTag.strongEqual(value, entityTag) }
    guard let lastModified, let date = HTTPDate.parse(value, now: now) else { return false }
    return date == lastModified && now - lastModified >= 1
  }
}
