// Whether a stored response answers a request, fresh, stale or not before it is validated (RFC 9111
// §4, §4.2.4, §5.2.1).

/// What is known of a stored response whose key and variant fit; see `StoragePlan`.
package struct StoredFacts: Hashable, Sendable {
  package var lifetimeSeconds: Int64
  package var initialAgeSeconds: Int64
  /// Seconds since it was received or last validated (RFC 9111 §4.2.3).
  package var residentSeconds: Int64
  package var staleWhileRevalidateSeconds: Int64 = 0
  package var staleIfErrorSeconds: Int64 = 0
  package var mustRevalidate = false
  package var mustValidate = false
  package var isImmutable = false

  package init(lifetimeSeconds: Int64, initialAgeSeconds: Int64, residentSeconds: Int64) {
    self.lifetimeSeconds = lifetimeSeconds
    self.initialAgeSeconds = initialAgeSeconds
    self.residentSeconds = residentSeconds
  }

  package init(_ plan: StoragePlan, residentSeconds: Int64) {
    self.init(
      lifetimeSeconds: plan.lifetimeSeconds, initialAgeSeconds: plan.initialAgeSeconds,
      residentSeconds: residentSeconds)
    staleWhileRevalidateSeconds = plan.staleWhileRevalidateSeconds
    staleIfErrorSeconds = plan.staleIfErrorSeconds
    mustRevalidate = plan.mustRevalidate
    mustValidate = plan.mustValidate
    isImmutable = plan.isImmutable
  }

  /// `current_age` in seconds, for the field Age.
  package var ageSeconds: Int64 {
    min(max(initialAgeSeconds, 0).addingClamped(max(residentSeconds, 0)), DeltaSeconds.max)
  }

  /// Seconds until it becomes stale, negative afterwards: `ttl` of Cache-Status (RFC 9211 §2.3).
  package var ttlSeconds: Int64 { lifetimeSeconds - ageSeconds }
}

/// What to do with a stored response. `age` is the value of the field Age.
package enum ReuseDecision: Hashable, Sendable {
  case fresh(age: Int64)
  /// Answer with it, and fetch a newer one that no client waits for (RFC 5861 §3).
  case staleWhileRevalidate(age: Int64)
  /// Answer with it: the client accepts stale responses, or the origin failed.
  case stale(age: Int64)
  /// Forward with conditions, if there is a validator. After the origin failed: pass the error on.
  case validate
  /// 504: the client wants nothing forwarded (`only-if-cached`, RFC 9111 §5.2.1.7). The same holds
  /// if nothing is stored.
  case unsatisfiable
}

package enum ReuseRules {
  /// - Parameters:
  ///   - originFailed: forwarding this very request ended without an answer, or with 500, 502, 503
  ///     or 504 (RFC 5861 §4).
  package static func decide(
    _ stored: StoredFacts, request: RequestCacheControl, orders: CachingOrders,
    originFailed: Bool = false
  ) -> ReuseDecision {
    let age = stored.ageSeconds
    let staleness = age - stored.lifetimeSeconds
    let decision =
      originFailed
      ? afterFailure(stored, request, age, staleness)
      : before(stored, request.asFar(as: orders, stored, staleness), age, staleness)
    return decision == .validate && request.onlyIfCached ? .unsatisfiable : decision
  }

  private static func before(
    _ stored: StoredFacts, _ request: RequestCacheControl, _ age: Int64, _ staleness: Int64
  ) -> ReuseDecision {
    if stored.mustValidate || request.noCache { return .validate }
    // §5.2.1.1, §5.2.1.3
    if let maxAge = request.maxAge, age > maxAge { return .validate }
    if let minFresh = request.minFresh, -staleness < minFresh { return .validate }
    if staleness < 0 { return .fresh(age: age) }
    // A client that says how old a response may be did not ask for stale ones (§5.2.1.1).
    if request.maxAge == nil && staleness < stored.staleWhileRevalidateSeconds {
      return .staleWhileRevalidate(age: age)
    }
    return accepts(stored, request, staleness) ? .stale(age: age) : .validate
  }

  /// What was to be validated could not be: a client's wish for something newer is a wish (§5.2.1),
  /// the response's `no-cache` is an order.
  private static func afterFailure(
    _ stored: StoredFacts, _ request: RequestCacheControl, _ age: Int64, _ staleness: Int64
  ) -> ReuseDecision {
    if stored.mustValidate { return .validate }
    if staleness < 0 { return .fresh(age: age) }
    let asked = stored.mustRevalidate ? 0 : request.staleIfError ?? 0
    if staleness < max(stored.staleIfErrorSeconds, asked) { return .stale(age: age) }
    return accepts(stored, request, staleness) ? .stale(age: age) : .validate
  }

  /// `max-stale`, unless the response forbids stale use (§4.2.4, §5.2.1.2).
  private static func accepts(
    _ stored: StoredFacts, _ request: RequestCacheControl, _ staleness: Int64
  ) -> Bool {
    guard let maxStale = request.maxStale, !stored.mustRevalidate else { return false }
    return staleness <= maxStale
  }
}

extension RequestCacheControl {
  /// Without the wishes for something newer that the operator does not hear, or that cannot make a
  /// difference because the response does not change while it is fresh (RFC 8246 §2; a forced
  /// reload, `no-cache`, counts nevertheless).
  fileprivate func asFar(
    as orders: CachingOrders, _ stored: StoredFacts, _ staleness: Int64
  ) -> RequestCacheControl {
    var request = self
    if orders.ignoresRequestCacheControl {
      request.noCache = false
      request.minFresh = nil
    }
    if orders.ignoresRequestCacheControl || stored.isImmutable && staleness < 0 {
      request.maxAge = nil
    }
    return request
  }
}

extension Int64 {
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, isOver) = addingReportingOverflow(other)
    return isOver ? .max : sum
  }
}
