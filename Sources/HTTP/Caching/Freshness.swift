// How long a response is fresh, and how old it was when it came (RFC 9111 §4.2).

enum Freshness {
  /// The freshness lifetime (RFC 9111 §4.2.1), within the operator's bounds. 0 for a response that
  /// gives none and has to be validated before each use anyway.
  static func lifetime(
    _ question: StorageQuestion, _ directives: ResponseCacheControl, _ fields: CachingFields,
    _ orders: CachingOrders, now: Int64
  ) throws(StorageRefusal) -> Int64 {
    if let seconds = explicit(directives, fields, now: now) {
      guard !directives.isTargeted, let most = orders.secondsMax else { return seconds }
      return min(seconds, most)
    }
    if let seconds = try made(question, directives, fields, orders, now: now) {
      let least = max(seconds, orders.secondsMin ?? 0)
      return max(0, min(least, orders.secondsMax ?? .max, DeltaSeconds.max))
    }
    guard directives.noCache, isHeuristicallyCacheable(question.status) else { throw .noLifetime }
    return 0
  }

  /// What the response itself says; nil if it says nothing.
  private static func explicit(
    _ directives: ResponseCacheControl, _ fields: CachingFields, now: Int64
  ) -> Int64? {
    if let seconds = directives.lifetime { return seconds }
    if directives.untilInvalidated { return StorageRules.untilInvalidatedSeconds }
    guard !directives.isTargeted, !fields.expires.isEmpty else { return nil }
    // Something that is no date, "0" above all, is in the past (§5.3); of several the earliest.
    let date = date(fields, now: now)
    var least = DeltaSeconds.max
    for line in fields.expires {
      let expires = HTTPDate.parse(line.rawSpan, now: now)
      least = min(least, expires.map { $0 - date } ?? 0)
    }
    return max(0, least)
  }

  /// What the operator's orders make of a response without lifetime (RFC 9111 §4.2.2): a part of its
  /// age since its last modification, or a fixed time; nil if there is no such order.
  private static func made(
    _ question: StorageQuestion, _ directives: ResponseCacheControl, _ fields: CachingFields,
    _ orders: CachingOrders, now: Int64
  ) throws(StorageRefusal) -> Int64? {
    guard isHeuristicallyCacheable(question.status) || directives.isPublic else { return nil }
    let hasOrder = orders.lastModifiedPermille > 0 || orders.defaultSeconds != nil
    if hasOrder && question.hasQuery && !directives.noCache { throw .queryWithoutLifetime }
    let date = date(fields, now: now)
    if orders.lastModifiedPermille > 0, let line = fields.lastModified.first,
      let modified = HTTPDate.parse(line.rawSpan, now: now), modified <= date
    {
      return (date - modified) * Int64(orders.lastModifiedPermille) / 1000
    }
    // An error that nobody gave a lifetime goes away as soon as it is mended.
    guard question.status < 400 || question.status == 410 else { return nil }
    return orders.defaultSeconds
  }

  /// RFC 9110 §15.1, without 206.
  private static func isHeuristicallyCacheable(_ status: Int) -> Bool {
    switch status {
    case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501: true
    default: false
    }
  }

  /// `corrected_initial_age` (RFC 9111 §4.2.3).
  static func initialAge(
    _ fields: CachingFields, responseDelaySeconds: Int64, now: Int64
  ) -> Int64 {
    let apparent = max(0, now - date(fields, now: now))
    // Of a list the first value counts, and what is no number not at all (§5.1).
    let first = fields.age.first.map { $0.prefix { $0 != ASCII.comma }.trimmingBlanks() }
    let age = first.flatMap { DeltaSeconds.parse($0) } ?? 0
    return min(max(apparent, age + max(0, responseDelaySeconds)), DeltaSeconds.max)
  }

  /// When the response was generated, as it says; now, if it does not (RFC 9110 §6.6.1).
  static func date(_ fields: CachingFields, now: Int64) -> Int64 {
    fields.date.first.flatMap { HTTPDate.parse($0.rawSpan, now: now) } ?? now
  }
}
