// Which member of a balancer takes a request: pure decisions, as mod_proxy_balancer makes them.

import Configuration

/// One member of a balancer as a choice sees it.
package struct UpstreamCandidate: Equatable, Sendable {
  package enum Condition: Equatable, Sendable {
    case usable
    /// It has failed and is left alone.
    case failed
    /// Its health checks fail.
    case down
    /// Its name has no address (yet).
    case unresolved
    /// This request has been there already.
    case tried
  }

  package var condition = Condition.usable
  /// Failed, but its time is over: usable for one request that finds out.
  package var needsProbe = false
  /// Configured, with what an operator has said since.
  package var status: ProxyMemberStatus = []
  package var set = 0
  /// In hundredths, less while it starts slowly.
  package var loadFactor = 100
  /// `UpstreamBoard.Word.turn` and `.traffic`.
  package var turn: Int64 = 0
  package var traffic: Int64 = 0
  /// Requests under way.
  package var busy = 0
  /// What it makes of the request's key; of `lbmethod=hash` only.
  package var hash: UInt64 = 0

  package init() {}

  /// For new requests and those of its sessions.
  var isUsable: Bool {
    condition == .usable && status.isDisjoint(with: [.disabled, .stopped])
  }
}

package enum UpstreamChooser {
  /// How far a member may be behind the most used one, in bytes by its share: one that is new, or
  /// was away, does not have to take everything until it has caught up.
  package static let trafficBehindMax: Int64 = 16 << 20

  /// Those among which the balancing method chooses: of the lowest set that has any the usable
  /// ones, or else its standbys. For each unusable one a usable spare joins them. `found` is
  /// emptied first.
  package static func findEligible(_ candidates: [UpstreamCandidate], _ found: inout [Int]) {
    found.removeAll(keepingCapacity: true)
    var lowest = Int.min
    while let set = candidates.lazy.map(\.set).filter({ $0 > lowest }).min() {
      lowest = set
      for isStandby in [false, true] {
        var missing = 0
        for (index, candidate) in candidates.enumerated()
        where candidate.set == set && candidate.status.contains(.hotStandby) == isStandby
          && !candidate.status.contains(.hotSpare)
        {
          if candidate.isUsable && !candidate.status.contains(.draining) {
            found.append(index)
          } else {
            missing += 1
          }
        }
        for (index, candidate) in candidates.enumerated()
        where missing > 0 && candidate.set == set
          && candidate.status.contains(.hotStandby) == isStandby
          && candidate.status.contains(.hotSpare) && candidate.isUsable
          && !candidate.status.contains(.draining)
        {
          found.append(index)
          missing -= 1
        }
        if !found.isEmpty { return }
      }
    }
  }

  /// The one that the method chooses of the eligible ones; nil only if there are none.
  package static func best(
    of eligible: [Int], _ candidates: [UpstreamCandidate], _ method: BalancingMethod
  ) -> Int? {
    // The first of equal ones.
    var best: Int?
    for index in eligible {
      guard let other = best else {
        best = index
        continue
      }
      if isBetter(candidates[index], candidates[other], method) { best = index }
    }
    return best
  }

  private static func isBetter(
    _ one: UpstreamCandidate, _ other: UpstreamCandidate, _ method: BalancingMethod
  ) -> Bool {
    switch method {
    case .byRequests: return hasTurn(one, other)
    case .byBusyness: return isFreer(one, other) ?? hasTurn(one, other)
    case .byTraffic:
      if one.traffic != other.traffic { return one.traffic < other.traffic }
      return isFreer(one, other) ?? hasTurn(one, other)
    case .hash: return weight(one) > weight(other)
    }
  }

  /// Each request adds its share to everybody's turn before it is given to the highest.
  private static func hasTurn(_ one: UpstreamCandidate, _ other: UpstreamCandidate) -> Bool {
    one.turn &+ Int64(one.loadFactor) > other.turn &+ Int64(other.loadFactor)
  }

  /// With one request more; nil: both alike.
  private static func isFreer(_ one: UpstreamCandidate, _ other: UpstreamCandidate) -> Bool? {
    let mine = (one.busy + 1) * other.loadFactor
    let theirs = (other.busy + 1) * one.loadFactor
    return mine == theirs ? nil : mine < theirs
  }

  /// Weighted rendezvous: each key has an order of members of its own, in which members are first
  /// as often as their share says. Whoever leaves takes only its own keys along.
  private static func weight(_ candidate: UpstreamCandidate) -> Double {
    // In (0, 1): 53 bits and a half.
    let share = (Double(candidate.hash >> 11) + 0.5) * 0x1p-53
    return Double(candidate.loadFactor) / -logarithm(share)
  }

  /// The natural one, of a positive number.
  static func logarithm(_ value: Double) -> Double {
    // ln m = 2 artanh((m - 1) / (m + 1)), with m in [1, 2): eleven terms are exact to 1e-12.
    let part = (value.significand - 1) / (value.significand + 1)
    let square = part * part
    var sum = 0.0
    for power in stride(from: 21, through: 1, by: -2) { sum = sum * square + 1 / Double(power) }
    return 2 * part * sum + Double(value.exponent) * 0.693_147_180_559_945_3
  }

  /// A member's share while it begins to serve again: a tenth at first, its own after `over`
  /// milliseconds. `since` 0: long ago.
  package static func loadFactor(
    _ factor: Int, since: Int64, over: Int64, now: Int64
  ) -> Int {
    guard over > 0, since > 0, now - since < over else { return factor }
    let passed = max(0, now - since)
    return max(1, factor / 10, Int(Int64(factor) * passed / over))
  }

  // MARK: Sessions

  /// Whose session a value like "8f3a.node1" names: the member whose route it ends with, behind the
  /// separator; of several the one with the longest route.
  package static func owner(
    ofSession value: [UInt8], routes: [[UInt8]], separator: [UInt8]
  ) -> Int? {
    var found: Int?
    for (index, route) in routes.enumerated() where !route.isEmpty {
      guard value.count >= route.count + separator.count, value.suffix(route.count) == route[...],
        value.dropLast(route.count).suffix(separator.count) == separator[...]
      else { continue }
      if let other = found, routes[other].count >= route.count { continue }
      found = index
    }
    return found
  }

  // MARK: Failures

  /// Whether a failure puts its member aside. A response that is none does not: it may be one path
  /// of an application that is otherwise well.
  package static func counts(_ failure: UpstreamFailure, _ balancer: ProxyBalancer) -> Bool {
    switch failure {
    case .connect, .connectTimeout, .brokenBeforeResponse, .noAddress: return true
    case .responseTimeout: return balancer.failsOnTimeout
    case .badResponse: return false
    case .status(let status): return balancer.failOnStatus.contains(status)
    }
  }

  /// `forcerecovery`: whether nobody is left who has not failed, and somebody is left alone to whom
  /// this request has not been.
  package static func mayForceRecovery(_ candidates: [UpstreamCandidate]) -> Bool {
    let present = candidates.filter { $0.status.isDisjoint(with: [.disabled, .stopped]) }
    return present.contains { $0.condition == .failed }
      && present.allSatisfy { $0.condition != .usable }
  }

  /// Seconds after which a request may find somebody: of all waiting times (milliseconds) the
  /// shortest, at most an hour; nil: nobody will come back by itself.
  package static func retryAfterSeconds(_ waits: [Int64]) -> Int? {
    guard let shortest = waits.min() else { return nil }
    return Int(min(3_600, max(1, (shortest + 999) / 1_000)))
  }
}
