// What an entry keeps of the rules' decision, and whether the rules get the same back (RFC 9111).

import Cache
import Configuration
import HTTP
import Platform
import Testing

@testable import Worker

private let now: Int64 = 1_700_000_000

private func plan(_ lines: [(StaticString, String)]) throws -> StoragePlan {
  var fields = CachingFields()
  for (name, value) in lines {
    let name = Array("\(name)".utf8)
    fields.take(name: name.rawSpan, value: Array(value.utf8).rawSpan)
  }
  let decision = StorageRules.decide(
    StorageQuestion(method: .get, status: 200), fields, orders: CachingOrders(), now: now)
  guard case .store(let plan) = decision else {
    throw Refused(decision: decision)
  }
  return plan
}

private struct Refused: Error { let decision: StorageDecision }

private func facts(_ cacheControl: String, age: Int = 0) throws -> EntryFacts {
  var facts = EntryFacts()
  facts.take(
    try plan([
      ("Cache-Control", cacheControl), ("Age", "\(age)"), ("ETag", "\"a\""),
    ]))
  return facts
}

private func use(
  _ facts: EntryFacts, after seconds: Int, _ request: String = "", failed: Bool = false
) -> ReuseDecision {
  ReuseRules.decide(
    StoredFacts(facts, ageTicks: UInt64(seconds) * EntryTime.ticksPerSecond),
    request: RequestCacheControl(cacheControl: [Array(request.utf8)], pragma: []),
    orders: CachingOrders(), originFailed: failed)
}

@Suite struct `what an entry keeps of a response's plan` {
  @Test func `RFC 9111 4.2.4 stale on arrival is stale since it became so`() throws {
    let old = try facts("max-age=5, stale-while-revalidate=20, stale-if-error=40", age: 15)
    #expect(old.arrivedStaleSeconds == 10 && old.freshTicks == 0)
    #expect(use(old, after: 0) == .staleWhileRevalidate(age: 15))
    #expect(use(old, after: 9) == .staleWhileRevalidate(age: 24))
    #expect(use(old, after: 10) == .validate)
    #expect(use(old, after: 29, failed: true) == .stale(age: 44))
    #expect(use(old, after: 30, failed: true) == .validate)
    #expect(use(old, after: 10, "max-stale=19") == .validate)
    #expect(use(old, after: 10, "max-stale=20") == .stale(age: 25))
    let word = ValidatedWord(epoch: 1, site: 0, ticks: 80)
    #expect(StoredAge(old, word, at: 80).freshSeconds == -10)
    #expect(StoredAge(old, word, at: 96).freshSeconds == -12)
    #expect(StoredAge(old, word, at: 96).seconds == 17)
    #expect(StoredAge(old, word, at: 95).freshSeconds == -11, "not twelve yet")
    var lasting = EntryFacts()
    lasting.flags = .isResponse
    lasting.freshTicks = EntryFacts.freshUntilInvalidated
    lasting.initialAgeSeconds = 3
    let first = StoredAge(lasting, word, at: 80).freshSeconds
    #expect(StoredAge(lasting, word, at: 160).freshSeconds == first - 10)
  }

  @Test func `RFC 9111 4.2 fresh on arrival is fresh for the rest of its lifetime`() throws {
    let young = try facts("max-age=60, stale-while-revalidate=5", age: 50)
    #expect(young.arrivedStaleSeconds == 0 && young.freshTicks == 80)
    #expect(use(young, after: 9) == .fresh(age: 59))
    #expect(use(young, after: 10) == .staleWhileRevalidate(age: 60))
    #expect(use(young, after: 15) == .validate)
    let forever = try facts("max-age=99999999999", age: 0)
    #expect(use(forever, after: 86_400 * 180) == .fresh(age: 86_400 * 180))
  }

  @Test func `RFC 8246 2 immutable is kept, and heard while it is fresh`() throws {
    let fixed = try facts("max-age=60, immutable")
    #expect(use(fixed, after: 30, "max-age=0") == .fresh(age: 30))
    #expect(use(fixed, after: 30, "no-cache") == .validate)
    #expect(use(fixed, after: 60, "max-age=0") == .validate)
    #expect(use(try facts("max-age=60"), after: 30, "max-age=0") == .validate)
  }

  @Test(arguments: [
    ("max-age=60", 0, false), ("no-cache", 0, true), ("max-age=60, no-cache", 0, true),
    ("max-age=0, stale-while-revalidate=9", 0, false),
    ("max-age=0, stale-while-revalidate=9, stale-if-error=60", 9, true),
    ("max-age=0, stale-if-error=9", 0, true), ("max-age=5, stale-if-error=60", 6, true),
  ])
  func `what each client has to ask for is known`(
    value: String, age: Int, expected: Bool
  ) throws {
    #expect(try facts(value, age: age).isNeverShared == expected, "\(value)")
  }
}

@Suite struct `keys of applications' responses` {
  @Test(
    arguments: [
      (.all, nil, "/a"), (.all, "", "/a?"), (.all, "b=1&a", "/a?b=1&a"), (.none, "b=1", "/a"),
      (.none, "", "/a"), (.drop(["utm"], sorted: false), "utm=1", "/a"),
      (.drop(["utm"], sorted: false), "utm=2&b=1", "/a?b=1"),
      (.drop(["utm"], sorted: true), "c=2&u%74m=2&b=1", "/a?b=1&c=2"),
      (.keep(["b"], sorted: false), "utm=2&b=1", "/a?b=1"),
    ] as [(CacheKeyQuery, String?, String)])
  func `hold what counts of the query`(rule: CacheKeyQuery, query: String?, expected: String) {
    let key = CacheKeys.response(
      prefix: [1], host: [0x68], path: [0x2f, 0x61], query: query.map { Array($0.utf8) }, rule)
    #expect(key == [1, 0x68, 0] + Array(expected.utf8))
  }
}

@Suite struct `ages between processes` {
  @Test func `a word from a tick ahead is of now, one from long ago is not`() {
    let word = ValidatedWord(epoch: 3, site: 4, ticks: 10_000)
    #expect(word.age(at: 10_000) == 0 && word.age(at: 10_009) == 9)
    #expect(word.age(at: 9999) == 0 && word.age(at: 6000) == 0)
    #expect(word.age(at: 10_000 + ValidatedWord.timeMask - 4096) == ValidatedWord.timeMask - 4096)
    var fresh = EntryFacts()
    fresh.flags = .isResponse
    fresh.freshTicks = 8
    #expect(StoredAge(fresh, word, at: 9999) == StoredAge(fresh, word, at: 10_000))
    #expect(StoredAge(fresh, word, at: 9999).freshSeconds == 1)
    // The time wraps within the word.
    let last = ValidatedWord(epoch: 3, site: 4, ticks: ValidatedWord.timeMask)
    #expect(last.age(at: 1) == 2 && last.age(at: ValidatedWord.timeMask - 1) == 0)
  }
}
