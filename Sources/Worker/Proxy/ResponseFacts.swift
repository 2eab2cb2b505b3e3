// What an entry keeps of the rules' decision about a response, and what the rules get back of it.

import Cache
import Configuration
import HTTP

extension EntryFacts {
  /// What the rules have decided about a response that arrives now.
  mutating func take(_ plan: StoragePlan) {
    let seconds = plan.lifetimeSeconds - plan.initialAgeSeconds
    let ticks = seconds * Int64(EntryTime.ticksPerSecond)
    flags = .isResponse
    freshTicks =
      plan.isUntilInvalidated
      ? EntryFacts.freshUntilInvalidated
      : UInt32(clamping: min(ticks, Int64(EntryTime.span) / 2))
    arrivedStaleSeconds = plan.isUntilInvalidated ? 0 : UInt32(clamping: -seconds)
    initialAgeSeconds = UInt32(clamping: plan.initialAgeSeconds)
    staleWhileRevalidateSeconds = UInt32(clamping: plan.staleWhileRevalidateSeconds)
    staleIfErrorSeconds = UInt32(clamping: plan.staleIfErrorSeconds)
    if plan.mustRevalidate { flags.insert(.mustRevalidate) }
    if plan.mustValidate { flags.insert(.validatesAlways) }
    if plan.isImmutable { flags.insert(.isImmutable) }
  }

  /// The application has to be asked before each use: no request gains by waiting for the answer
  /// to another one.
  var isNeverShared: Bool {
    flags.contains(.validatesAlways)
      || freshTicks == 0 && staleWhileRevalidateSeconds <= arrivedStaleSeconds
  }
}

extension StoredFacts {
  /// Facts of a stored response as the rules want them. `ageTicks`: since the time in its moving
  /// word.
  init(_ facts: EntryFacts, ageTicks: UInt64) {
    let freshTicks = min(UInt64(facts.freshTicks), EntryTime.span)
    self.init(
      lifetimeSeconds: Int64(facts.initialAgeSeconds) - Int64(facts.arrivedStaleSeconds)
        + Int64(freshTicks / EntryTime.ticksPerSecond),
      initialAgeSeconds: Int64(facts.initialAgeSeconds),
      residentSeconds: Int64(ageTicks / EntryTime.ticksPerSecond))
    staleWhileRevalidateSeconds = Int64(facts.staleWhileRevalidateSeconds)
    staleIfErrorSeconds = Int64(facts.staleIfErrorSeconds)
    mustRevalidate = facts.flags.contains(.mustRevalidate)
    mustValidate = facts.flags.contains(.validatesAlways)
    isImmutable = facts.flags.contains(.isImmutable)
  }
}

/// How old a stored response is at the moment of its use (RFC 9111 §4.2).
struct StoredAge: Equatable {
  /// current_age, seconds.
  var seconds: Int64
  /// Whole seconds for which it stays fresh; negative: it has been stale for so many.
  var freshSeconds: Int64

  /// `ticks`: the time of now, as `ValidatedWord` counts.
  init(_ facts: EntryFacts, _ word: ValidatedWord, at ticks: UInt64) {
    let elapsed = Int64(word.age(at: ticks))
    let ticksPerSecond = Int64(EntryTime.ticksPerSecond)
    seconds = Int64(facts.initialAgeSeconds) + elapsed / ticksPerSecond
    if facts.freshTicks == EntryFacts.freshUntilInvalidated {
      // No time ends it; the number is the longest time that is counted.
      freshSeconds = max(0, Int64(EntryTime.span) / ticksPerSecond - seconds)
    } else {
      let rest =
        Int64(facts.freshTicks) - Int64(facts.arrivedStaleSeconds) * ticksPerSecond - elapsed
      // A part of a second is none, of either kind.
      freshSeconds = rest / ticksPerSecond
    }
  }
}

/// How `CacheKeyQuery` says it.
extension CacheKeyQuery {
  var rule: QueryKeyRule {
    switch self {
    case .all: .all
    case .none: .none
    case .keep(let names, let sorted): .keep(Set(names.map { Array($0.utf8) }), sorted: sorted)
    case .drop(let names, let sorted): .drop(Set(names.map { Array($0.utf8) }), sorted: sorted)
    }
  }
}

extension CacheKeys {
  /// The key of an application's response: the canonical path, and of the query what counts.
  /// `query` is what stands behind "?", nil without one.
  static func response(
    prefix: [UInt8], host: [UInt8], path: [UInt8], query: [UInt8]?, _ rule: CacheKeyQuery
  ) -> [UInt8] {
    var key = canonical(prefix: prefix, host: host, path: path)
    guard let query else { return key }
    let counted = QueryKey.apply(rule.rule, to: query)
    if !counted.isEmpty || rule == .all { key += [UInt8(ascii: "?")] + counted }
    return key
  }
}
