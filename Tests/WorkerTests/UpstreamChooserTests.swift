// Which member of a balancer takes a request: the decisions alone.

import Configuration
import Testing

@testable import Worker

private func candidate(
  _ status: ProxyMemberStatus = [], _ condition: UpstreamCandidate.Condition = .usable,
  set: Int = 0
) -> UpstreamCandidate {
  var candidate = UpstreamCandidate()
  candidate.status = status
  candidate.condition = condition
  candidate.set = set
  return candidate
}

private func eligible(_ candidates: [UpstreamCandidate]) -> [Int] {
  var found = [9]
  UpstreamChooser.findEligible(candidates, &found)
  return found
}

@Suite struct `the choice among members` {
  @Test func `usable members of the lowest set come first`() {
    #expect(eligible([]) == [])
    #expect(eligible([candidate(), candidate()]) == [0, 1])
    #expect(eligible([candidate(set: 2), candidate(set: 1), candidate(set: 1)]) == [1, 2])
    #expect(eligible([candidate(set: 2), candidate([], .failed, set: 1)]) == [0])
    for condition in [UpstreamCandidate.Condition.failed, .down, .unresolved, .tried] {
      #expect(eligible([candidate([], condition), candidate()]) == [1])
      #expect(eligible([candidate([], condition)]) == [])
    }
    for status in [ProxyMemberStatus.disabled, .stopped, .draining] {
      #expect(eligible([candidate(status), candidate()]) == [1])
      #expect(eligible([candidate(status)]) == [])
    }
  }

  @Test func `a standby serves when nobody else of its set does`() {
    #expect(eligible([candidate(), candidate(.hotStandby)]) == [0])
    #expect(eligible([candidate([], .failed), candidate(.hotStandby)]) == [1])
    // The standby of a set comes before the next set.
    #expect(
      eligible([candidate([], .down), candidate(.hotStandby), candidate(set: 1)]) == [1])
    #expect(
      eligible([candidate(.disabled), candidate([.hotStandby, .stopped]), candidate(set: 1)])
        == [2])
  }

  @Test func `each missing member lets one spare of its set in`() {
    let spare = candidate(.hotSpare)
    #expect(eligible([candidate(), candidate(), spare, spare]) == [0, 1])
    #expect(eligible([candidate([], .failed), candidate(), spare, spare]) == [1, 2])
    #expect(eligible([candidate(.draining), candidate([], .down), spare, spare]) == [2, 3])
    #expect(eligible([candidate([], .failed), candidate(.hotSpare, set: 1)]) == [])
  }

  /// Runs a method as `Upstreams` does and counts who was chosen.
  private func shares(
    _ factors: [Int], _ rounds: Int, _ method: BalancingMethod,
    _ done: (inout UpstreamCandidate) -> Void
  ) -> [Int] {
    var candidates = factors.map { factor in
      var candidate = UpstreamCandidate()
      candidate.loadFactor = factor
      return candidate
    }
    var counts = factors.map { _ in 0 }
    for _ in 0..<rounds {
      guard
        let best = UpstreamChooser.best(of: Array(factors.indices), candidates, method)
      else { return counts }
      counts[best] += 1
      for index in factors.indices { candidates[index].turn += Int64(factors[index]) }
      candidates[best].turn -= Int64(factors.reduce(0, +))
      done(&candidates[best])
    }
    return counts
  }

  @Test func `by requests each has its share, one after the other`() {
    #expect(shares([100, 100, 100], 9, .byRequests) { _ in } == [3, 3, 3])
    #expect(shares([400, 100], 10, .byRequests) { _ in } == [8, 2])
    #expect(shares([150, 100, 50], 600, .byRequests) { _ in } == [300, 200, 100])
    // mod_lbmethod_byrequests' example: a b c d with factor 25 each.
    #expect(shares([100, 100, 100, 100], 4, .byRequests) { _ in } == [1, 1, 1, 1])
  }

  @Test func `by traffic the one with the fewest bytes of its share is next`() {
    var number = 0
    let counts = shares([200, 100], 300, .byTraffic) { candidate in
      number += 1
      candidate.traffic += Int64(1_000 * 100 / candidate.loadFactor)
    }
    #expect(counts == [200, 100])
  }

  @Test func `by busyness the one with the most room is next, and turns decide between equals`() {
    var busy = UpstreamCandidate()
    busy.busy = 3
    var free = UpstreamCandidate()
    free.busy = 1
    #expect(UpstreamChooser.best(of: [0, 1], [busy, free], .byBusyness) == 1)
    busy.loadFactor = 400
    #expect(UpstreamChooser.best(of: [0, 1], [busy, free], .byBusyness) == 0)
    #expect(shares([100, 100], 10, .byBusyness) { _ in } == [5, 5])
    #expect(shares([300, 100], 8, .byBusyness) { $0.busy += 1 } == [6, 2])
  }

  /// The member of each of many keys.
  private func owners(_ factors: [Int], _ members: [UInt64]) -> [UInt64] {
    (UInt64(0)..<4_000).map { key in
      let candidates = zip(factors, members).map { factor, member in
        var candidate = UpstreamCandidate()
        candidate.loadFactor = factor
        candidate.hash = BalancingHash.of(BalancingHash.of("key\(key)".utf8), with: member)
        return candidate
      }
      let all = Array(members.indices)
      let best = UpstreamChooser.best(
        of: all, candidates, .hash(.url))
      return best.map { members[$0] } ?? 0
    }
  }

  @Test func `by hash shares fit, and only the keys of who leaves move`() {
    let before = owners([100, 100, 200], [11, 12, 13])
    let counts = [11, 12, 13].map { member in before.count { $0 == member } }
    #expect((900...1_100).contains(counts[0]) && (900...1_100).contains(counts[1]))
    #expect((1_850...2_150).contains(counts[2]))
    let after = owners([100, 200], [11, 13])
    for (old, new) in zip(before, after) where old != 12 { #expect(old == new) }
    let moved = zip(before, after).filter { $0.0 == 12 }.map { $0.1 }
    #expect(Set(moved) == [11, 13])
  }

  @Test func `logarithms are close enough to weigh by`() {
    let known: [(Double, Double)] = [
      (1, 0), (2, 0.693147180559945), (0.5, -0.693147180559945), (1e-16, -36.841361487904734),
      (0.999, -0.0010005003335835344), (10, 2.302585092994046),
    ]
    for (value, logarithm) in known {
      #expect(abs(UpstreamChooser.logarithm(value) - logarithm) < 1e-9, "\(value)")
    }
  }

  @Test func `a member that comes back begins with a tenth`() {
    func factor(_ passed: Int64) -> Int {
      UpstreamChooser.loadFactor(200, since: 1_000, over: 10_000, now: 1_000 + passed)
    }
    #expect(factor(0) == 20 && factor(500) == 20 && factor(5_000) == 100)
    #expect(factor(9_999) == 199 && factor(10_000) == 200 && factor(-5) == 20)
    #expect(UpstreamChooser.loadFactor(200, since: 0, over: 10_000, now: 5) == 200)
    #expect(UpstreamChooser.loadFactor(200, since: 5, over: 0, now: 5) == 200)
  }

  @Test func `a session belongs to the member whose route it ends with`() {
    func owner(_ value: String, _ routes: [String], _ separator: String = ".") -> Int? {
      UpstreamChooser.owner(
        ofSession: Array(value.utf8), routes: routes.map { Array($0.utf8) },
        separator: Array(separator.utf8))
    }
    #expect(owner("8f3a.node1", ["node1", "node2"]) == 0)
    #expect(owner("8f3a.node2", ["node1", "node2"]) == 1)
    #expect(owner(".node2", ["node1", "node2"]) == 1)
    #expect(owner("8f3anode1", ["node1"]) == nil)
    #expect(owner("node1", ["node1"]) == nil)
    #expect(owner("a.b.c", ["c", "b.c"]) == 1)
    #expect(owner("a.b.c", ["b.c", "c"]) == 0)
    #expect(owner("a:n", ["n"], ":") == 0)
    #expect(owner("8f3a.", ["", "x"]) == nil)
    #expect(owner("", ["x"]) == nil)
  }

  @Test func `what counts as a failure the balancer says`() {
    var balancer = ProxyBalancer(name: "b", members: [])
    for failure in [
      UpstreamFailure.connect(code: 111), .connectTimeout, .brokenBeforeResponse, .noAddress,
    ] { #expect(UpstreamChooser.counts(failure, balancer)) }
    for failure in [UpstreamFailure.responseTimeout, .status(503), .badResponse] {
      #expect(!UpstreamChooser.counts(failure, balancer))
    }
    balancer.failsOnTimeout = true
    balancer.failOnStatus = [500, 503]
    #expect(UpstreamChooser.counts(.responseTimeout, balancer))
    #expect(UpstreamChooser.counts(.status(503), balancer))
    #expect(!UpstreamChooser.counts(.status(502), balancer))
  }

  @Test func `all are forgiven only when nobody is usable`() {
    let failed = candidate([], .failed)
    #expect(UpstreamChooser.mayForceRecovery([failed, failed]))
    #expect(UpstreamChooser.mayForceRecovery([failed, candidate([], .down)]))
    #expect(UpstreamChooser.mayForceRecovery([failed, candidate([], .tried)]))
    #expect(UpstreamChooser.mayForceRecovery([failed, candidate(.disabled)]))
    #expect(!UpstreamChooser.mayForceRecovery([failed, candidate()]))
    #expect(!UpstreamChooser.mayForceRecovery([candidate([], .tried)]))
    #expect(!UpstreamChooser.mayForceRecovery([candidate(.disabled, .failed)]))
    #expect(!UpstreamChooser.mayForceRecovery([]))
  }

  @Test func `a client is told when to come back`() {
    #expect(UpstreamChooser.retryAfterSeconds([]) == nil)
    #expect(UpstreamChooser.retryAfterSeconds([5_001, 60_000]) == 6)
    #expect(UpstreamChooser.retryAfterSeconds([-3]) == 1)
    #expect(UpstreamChooser.retryAfterSeconds([1_000]) == 1)
    #expect(UpstreamChooser.retryAfterSeconds([.max / 2]) == 3_600)
  }

  @Test func `failures survive the way through shared memory`() {
    let all: [UpstreamFailure] = [
      .connect(code: 111), .connect(code: -1), .connectTimeout, .brokenBeforeResponse,
      .responseTimeout, .badResponse, .status(503), .noAddress,
    ]
    for failure in all {
      #expect(UpstreamFailure(word: failure.word) == failure)
      #expect(failure.word != 0 && !failure.text.isEmpty)
    }
    #expect(UpstreamFailure(word: 0) == nil && UpstreamFailure(word: -1) == nil)
  }
}

@Suite struct `the session of a request` {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func `is the value of a cookie`() {
    let table: [(String, String?)] = [
      ("S=a.1", "a.1"), ("x=1; S=a.1", "a.1"), ("x=1;S=a.1;y=2", "a.1"), ("XS=a; S=b", "b"),
      ("S=\"a.1\"; y", "a.1"), ("S=a=b", "a=b"), ("S=", ""), ("S", nil), ("", nil), (";;=;", nil),
      ("s=a", nil), ("S=a ; S=b", "a"), ("S=\"", "\""), ("\tS=q", "q"),
    ]
    for (field, value) in table {
      #expect(
        UpstreamSession.value(ofCookie: bytes("S"), in: bytes(field)) == value.map(bytes),
        "\(field)")
    }
  }

  @Test func `is a parameter of the path or the query`() {
    let table: [(String, String?)] = [
      ("/a;sid=1.n", "1.n"), ("/a;sid=1.n/b", "1.n"), ("/a;x=2;sid=1.n?q", "1.n"),
      ("/a?sid=1.n", "1.n"), ("/a?x&sid=1.n&y", "1.n"), ("/a;sid", nil), ("/a;sid=", ""),
      ("/sid=1", nil), ("", nil), ("/a;sidx=1", nil), ("/;?&sid=z", "z"),
    ]
    for (target, value) in table {
      #expect(
        UpstreamSession.value(ofParameter: bytes("sid"), in: bytes(target)) == value.map(bytes),
        "\(target)")
    }
    #expect(UpstreamSession.value(ofParameter: [], in: bytes("/;=1")) == nil)
  }
}
