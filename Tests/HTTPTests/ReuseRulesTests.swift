// When a stored response answers a request (RFC 9111 §4.2, §4.2.4, §5.2.1, RFC 5861, RFC 8246).

@testable import HTTP
import Testing

/// A response with a lifetime of 60 s, `age` seconds old.
private func stored(
  _ age: Int64, _ change: (inout StoredFacts) -> Void = { _ in }
) -> StoredFacts {
  var facts = StoredFacts(lifetimeSeconds: 60, initialAgeSeconds: 10, residentSeconds: age - 10)
  change(&facts)
  return facts
}

private func decide(
  _ facts: StoredFacts, _ request: String? = nil, failed: Bool = false, ignores: Bool = false
) -> ReuseDecision {
  var orders = CachingOrders()
  orders.ignoresRequestCacheControl = ignores
  return ReuseRules.decide(
    facts, request: requestDirectives(request), orders: orders, originFailed: failed)
}

@Suite struct `using stored responses` {
  @Test func `RFC 9111 4.2 fresh while younger than the lifetime`() {
    #expect(decide(stored(10)) == .fresh(age: 10))
    #expect(decide(stored(59)) == .fresh(age: 59))
    #expect(decide(stored(60)) == .validate)
    #expect(decide(stored(61)) == .validate)
    #expect(stored(59).ttlSeconds == 1 && stored(70).ttlSeconds == -10)
  }

  @Test func `RFC 9111 4.2.3 ages do not overflow`() {
    let old = StoredFacts(
      lifetimeSeconds: 60, initialAgeSeconds: .max, residentSeconds: .max)
    #expect(old.ageSeconds == 1 << 31)
    #expect(decide(old) == .validate)
    #expect(decide(old, "max-stale") == .stale(age: 1 << 31))
  }

  @Test(
    arguments: [
      (30, "max-age=30", .fresh(age: 30)), (30, "max-age=29", .validate),
      (30, "max-age=0", .validate),
      (30, "min-fresh=30", .fresh(age: 30)), (30, "min-fresh=31", .validate),
      (30, "no-cache", .validate), (30, "no-store", .fresh(age: 30)),
      (30, "only-if-cached", .fresh(age: 30)), (70, "only-if-cached", .unsatisfiable),
      (30, "only-if-cached, max-age=1", .unsatisfiable),
      (30, "only-if-cached, no-cache", .unsatisfiable),
      (70, "only-if-cached, max-stale", .stale(age: 70)),
      (70, "max-stale", .stale(age: 70)), (70, "max-stale=10", .stale(age: 70)),
      (70, "max-stale=9", .validate), (70, "max-stale=10, max-age=70", .stale(age: 70)),
      (70, "max-stale, max-age=69", .validate), (70, "max-stale, min-fresh=1", .validate),
      (70, "max-stale, no-cache", .validate),
    ] as [(Int64, String, ReuseDecision)])
  func `RFC 9111 5.2.1 what the request wants`(
    age: Int64, request: String, expected: ReuseDecision
  ) {
    #expect(decide(stored(age), request) == expected, "\(age) \(request)")
  }

  @Test func `RFC 9111 4.2.4 no stale use against the response's will`() {
    let strict = stored(70) { $0.mustRevalidate = true }
    #expect(decide(strict, "max-stale") == .validate)
    #expect(decide(strict, "max-stale", failed: true) == .validate)
    #expect(decide(strict, "stale-if-error=1000", failed: true) == .validate)
    #expect(decide(stored(30) { $0.mustRevalidate = true }) == .fresh(age: 30))
  }

  @Test func `RFC 9111 5.2.2.4 no-cache is validated before each use`() {
    let facts = stored(30) {
      $0.mustValidate = true
      $0.staleIfErrorSeconds = 100
    }
    #expect(decide(facts) == .validate)
    #expect(decide(facts, "max-stale") == .validate)
    #expect(decide(facts, failed: true) == .validate)
    #expect(decide(facts, ignores: true) == .validate)
    #expect(decide(facts, "only-if-cached") == .unsatisfiable)
  }

  @Test func `RFC 5861 3 stale while a newer one is fetched`() {
    let facts = { (age: Int64) in stored(age) { $0.staleWhileRevalidateSeconds = 10 } }
    #expect(decide(facts(59)) == .fresh(age: 59))
    #expect(decide(facts(60)) == .staleWhileRevalidate(age: 60))
    #expect(decide(facts(69)) == .staleWhileRevalidate(age: 69))
    #expect(decide(facts(70)) == .validate)
    #expect(decide(facts(65), "no-cache") == .validate)
    #expect(decide(facts(65), "max-age=100") == .validate)
    #expect(decide(facts(65), "min-fresh=1") == .validate)
    #expect(decide(facts(65), "only-if-cached") == .staleWhileRevalidate(age: 65))
    #expect(decide(facts(75), "max-stale") == .stale(age: 75))
  }

  @Test func `RFC 5861 4 stale instead of an error`() {
    let facts = { (age: Int64) in stored(age) { $0.staleIfErrorSeconds = 10 } }
    #expect(decide(facts(65)) == .validate)
    #expect(decide(facts(65), failed: true) == .stale(age: 65))
    #expect(decide(facts(69), failed: true) == .stale(age: 69))
    #expect(decide(facts(70), failed: true) == .validate)
    #expect(decide(facts(70), "stale-if-error=11", failed: true) == .stale(age: 70))
    #expect(decide(facts(70), "max-stale=10", failed: true) == .stale(age: 70))
    #expect(decide(facts(65), "no-cache", failed: true) == .stale(age: 65))
    #expect(decide(facts(30), "no-cache", failed: true) == .fresh(age: 30))
    #expect(decide(stored(65), failed: true) == .validate)
  }

  @Test func `RFC 8246 2 what does not change is not validated by reloading`() {
    let facts = { (age: Int64) in stored(age) { $0.isImmutable = true } }
    #expect(decide(facts(30), "max-age=0") == .fresh(age: 30))
    #expect(decide(facts(30), "no-cache") == .validate)
    #expect(decide(facts(70), "max-age=0") == .validate)
  }

  @Test func `CacheIgnoreCacheControl hears no wish for something newer`() {
    for request in ["no-cache", "max-age=0", "min-fresh=1000"] {
      #expect(decide(stored(30), request, ignores: true) == .fresh(age: 30), "\(request)")
      #expect(decide(stored(70), request, ignores: true) == .validate, "\(request)")
    }
    #expect(decide(stored(70), "only-if-cached", ignores: true) == .unsatisfiable)
    #expect(decide(stored(70), "max-stale", ignores: true) == .stale(age: 70))
  }
}
