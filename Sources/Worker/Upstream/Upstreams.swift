// A worker's view of the servers behind it: chooses one for a request, remembers how that went.

import Configuration
import Platform

/// Where to connect to.
package enum UpstreamEndpoint: Equatable, Sendable {
  /// To be tried in this order; empty: its name is not known (any more).
  case tcp([SocketAddress])
  case unix([UInt8])
}

/// What a choice came to.
package enum UpstreamOutcome: Equatable, Sendable {
  /// Index into `Model.proxyMembers`. `isProbe`: it had failed, and this request finds out whether
  /// it works: `noteResponse`, `noteFailure` or `abandon` must follow.
  case member(Int, isProbe: Bool)
  /// 503. nil: nobody will come back by itself, no Retry-After.
  case none(retryAfterSeconds: Int?)
}

/// One in each worker. Times are monotonic milliseconds; members and balancers are named by their
/// indices in the model.
///
/// Whose turn it is (`byrequests`) and how much each has had (`bytraffic`) is shared by all workers
/// through atomics: each worker for itself would begin with the same member. Two that choose in the
/// same instant may take the same member; the turns make up for it.
package final class Upstreams {
  private final class Member {
    let place: UpstreamPlace?
    let parameters: ProxyParameters
    let unixPath: [UInt8]?
    let route: [UInt8]
    let key: UInt64
    /// Requests of this process that are under way.
    var busy = 0
    var addresses: [SocketAddress] = []
    var addressVersion: UInt64?
    /// A balancer by traffic has it.
    var countsTraffic = false

    init(
      place: UpstreamPlace?, parameters: ProxyParameters, unixPath: [UInt8]?, route: [UInt8],
      key: UInt64
    ) {
      self.place = place
      self.parameters = parameters
      self.unixPath = unixPath
      self.route = route
      self.key = key
    }
  }

  private let board: UpstreamBoard
  private let slot: Int
  private let balancers: SharedArray<ProxyBalancer>
  /// By balancer, for those with one member.
  private let only: [Int?]
  private let separators: [[UInt8]]
  private let routes: [[[UInt8]]]
  private let members: [Member]
  // Kept, so that a choice allocates nothing.
  private var candidates: [UpstreamCandidate] = []
  private var eligible: [Int] = []

  /// How long a request that finds out whether a member works keeps others away, unless it has
  /// found out before.
  private static let probeMilliseconds: Int64 = 30_000
  /// When a client may ask again whose member's name is not known yet.
  private static let unresolvedMilliseconds: Int64 = 1_000

  package init(_ model: Model, _ board: UpstreamBoard, processSlot: Int) {
    self.board = board
    slot = processSlot
    balancers = SharedArray(model.proxyBalancers)
    only = balancers.map { $0.members.count == 1 ? $0.members[0] : nil }
    separators = balancers.map { Array($0.stickySeparator.utf8) }
    let keys = UpstreamBoard.keys(of: model.proxyMembers)
    let places = board.places(of: model.proxyMembers)
    members = model.proxyMembers.indices.map { index in
      let member = model.proxyMembers[index]
      var path: [UInt8]?
      if case .unix(let text) = member.address { path = Array(text.utf8) }
      return Member(
        place: places[index], parameters: member.parameters, unixPath: path,
        route: Array((member.parameters.route ?? "").utf8), key: keys[index])
    }
    let all = members
    routes = balancers.map { balancer in balancer.members.map { all[$0].route } }
    for balancer in balancers where balancer.method == .byTraffic {
      for member in balancer.members { members[member].countsTraffic = true }
    }
  }

  // MARK: Choosing

  /// The member for a request. `session`: the value of its `stickysession` cookie or parameter.
  /// `key`: `BalancingHash.of` what `lbmethod=hash` hashes. `tried`: members that have failed it.
  package func choose(
    balancer number: Int, session: [UInt8]? = nil, key: UInt64 = 0, tried: [Int] = [], now: Int64
  ) -> UpstreamOutcome {
    // Most balancers are one server: there is nobody to compare it with.
    if tried.isEmpty, let member = takeOnlyMember(of: number) {
      return .member(member, isProbe: false)
    }
    return choose(balancers.shared(number).storage.value, number, session, key, tried, now)
  }

  private func choose(
    _ balancer: borrowing ProxyBalancer, _ number: Int, _ session: [UInt8]?, _ key: UInt64,
    _ tried: [Int], _ now: Int64
  ) -> UpstreamOutcome {
    lookAtMembers(balancer, key, tried, now)
    if let most = balancer.retriesMax, tried.count > most { return none(balancer, now) }
    if let session,
      let owner = UpstreamChooser.owner(
        ofSession: session, routes: routes[number], separator: separators[number])
    {
      if candidates[owner].isUsable, let outcome = take(owner, balancer, tried, now) {
        return outcome
      }
      if balancer.noFailover { return none(balancer, now) }
    }
    if balancer.forcesRecovery, UpstreamChooser.mayForceRecovery(candidates) {
      for (index, candidate) in candidates.enumerated() where candidate.condition == .failed {
        if let place = members[balancer.members[index]].place { board.forgive(place) }
        candidates[index].condition = .usable
      }
    }
    // Each turn takes one out at least.
    for _ in candidates.indices {
      UpstreamChooser.findEligible(candidates, &eligible)
      if balancer.method == .byTraffic { catchUp(balancer) }
      guard let best = UpstreamChooser.best(of: eligible, candidates, balancer.method) else {
        break
      }
      if let outcome = take(best, balancer, tried, now) {
        passTurn(balancer, to: best)
        return outcome
      }
    }
    return none(balancer, now)
  }

  /// The one member of a balancer, chosen, if it simply works; nil, and nothing has been done: all
  /// that is known of it must be weighed, by `choose`.
  package func takeOnlyMember(of balancer: Int) -> Int? {
    guard let member = only[balancer] else { return nil }
    let known = members[member]
    guard let place = known.place, board.failedUntil(place) == nil, board.health(place) != .down,
      board.orders(place).applied(to: known.parameters.status).isEmpty,
      known.unixPath != nil || !addresses(member).isEmpty
    else { return nil }
    board.count(.elected, place, slot: slot)
    return member
  }

  private func lookAtMembers(
    _ balancer: borrowing ProxyBalancer, _ key: UInt64, _ tried: [Int], _ now: Int64
  ) {
    candidates.removeAll(keepingCapacity: true)
    for member in balancer.members {
      candidates.append(candidate(member, balancer.method, key, tried, now))
    }
  }

  private func candidate(
    _ index: Int, _ method: BalancingMethod, _ key: UInt64, _ tried: [Int], _ now: Int64
  ) -> UpstreamCandidate {
    var candidate = UpstreamCandidate()
    candidate.set = members[index].parameters.set
    let loadFactor = members[index].parameters.loadFactor
    candidate.loadFactor = loadFactor
    guard let place = members[index].place else {
      candidate.condition = .unresolved
      return candidate
    }
    candidate.status = board.orders(place).applied(to: members[index].parameters.status)
    if members[index].parameters.slowStartMilliseconds > 0 {
      candidate.loadFactor = UpstreamChooser.loadFactor(
        loadFactor, since: board.slowStart(place),
        over: members[index].parameters.slowStartMilliseconds, now: now)
    }
    candidate.turn = board.turn(place)
    switch method {
    case .byRequests: break
    case .byBusyness: candidate.busy = board.busy(place)
    case .byTraffic:
      candidate.traffic = board.traffic(place)
      candidate.busy = board.busy(place)
    case .hash:
      // Keys are not to move for a while only.
      candidate.loadFactor = loadFactor
      candidate.hash = BalancingHash.of(key, with: members[index].key)
    }
    if tried.contains(index) {
      candidate.condition = .tried
    } else if board.health(place) == .down {
      candidate.condition = .down
    } else if members[index].unixPath == nil, addresses(index).isEmpty {
      candidate.condition = .unresolved
    } else if let until = board.failedUntil(place), !candidate.status.contains(.ignoresErrors) {
      if until > now || board.probedUntil(place) > now {
        candidate.condition = .failed
      } else {
        candidate.needsProbe = true
      }
    }
    return candidate
  }

  /// nil: somebody else finds out at this moment whether it works.
  private func take(
    _ index: Int, _ balancer: borrowing ProxyBalancer, _ tried: [Int], _ now: Int64
  ) -> UpstreamOutcome? {
    let member = balancer.members[index]
    guard let place = members[member].place else { return nil }
    let isProbe = candidates[index].needsProbe
    if isProbe,
      !board.claimProbe(place, now: now, until: now + Upstreams.probeMilliseconds)
    {
      candidates[index].condition = .failed
      return nil
    }
    board.count(.elected, place, slot: slot)
    if !tried.isEmpty { board.count(.retries, place, slot: slot) }
    return .member(member, isProbe: isProbe)
  }

  /// mod_lbmethod_byrequests: everybody's turn grows by its share; who has it pays for all.
  private func passTurn(_ balancer: borrowing ProxyBalancer, to chosen: Int) {
    if case .hash = balancer.method { return }
    guard eligible.count > 1 else { return }
    var total: Int64 = 0
    for index in eligible {
      let share = Int64(candidates[index].loadFactor)
      total += share
      guard index != chosen, let place = members[balancer.members[index]].place else { continue }
      board.addTurn(share, place)
    }
    guard let place = members[balancer.members[chosen]].place else { return }
    board.addTurn(Int64(candidates[chosen].loadFactor) - total, place)
  }

  private func catchUp(_ balancer: borrowing ProxyBalancer) {
    guard let most = eligible.lazy.map({ self.candidates[$0].traffic }).max() else { return }
    let least = most - UpstreamChooser.trafficBehindMax
    for index in eligible where candidates[index].traffic < least {
      guard let place = members[balancer.members[index]].place else { continue }
      board.raiseTraffic(place, from: candidates[index].traffic, to: least)
      candidates[index].traffic = least
    }
  }

  private func none(_ balancer: borrowing ProxyBalancer, _ now: Int64) -> UpstreamOutcome {
    var waits: [Int64] = []
    for (index, candidate) in candidates.enumerated()
    where candidate.status.isDisjoint(with: [.disabled, .stopped, .draining]) {
      let member = members[balancer.members[index]]
      guard let place = member.place else { continue }
      switch candidate.condition {
      case .usable: break
      case .failed, .tried: waits.append((board.failedUntil(place) ?? now) - now)
      case .down:
        waits.append(member.parameters.healthCheck?.intervalMilliseconds ?? 0)
      case .unresolved: waits.append(Upstreams.unresolvedMilliseconds)
      }
    }
    return .none(retryAfterSeconds: UpstreamChooser.retryAfterSeconds(waits))
  }

  // MARK: Connecting

  /// Where a chosen member is now.
  package func endpoint(_ member: Int) -> UpstreamEndpoint {
    if let path = members[member].unixPath { return .unix(path) }
    return .tcp(addresses(member))
  }

  private func addresses(_ member: Int) -> [SocketAddress] {
    guard let place = members[member].place else { return [] }
    if members[member].addressVersion != board.addressVersion(place),
      let (list, version) = board.addresses(place)
    {
      members[member].addresses = list
      members[member].addressVersion = version
    }
    return members[member].addresses
  }

  // MARK: What became of it

  /// A connection has been opened to a member.
  package func noteConnection(_ member: Int) {
    if let place = members[member].place { board.count(.connections, place, slot: slot) }
  }

  /// A request begins at a member; `end` must follow.
  package func begin(_ member: Int) { changeBusy(member, by: 1) }

  /// It has ended, however; `sent` and `received`: bytes that passed.
  package func end(_ member: Int, sent: Int, received: Int) {
    changeBusy(member, by: -1)
    guard let place = members[member].place else { return }
    if sent > 0 { board.count(.bytesSent, by: sent, place, slot: slot) }
    if received > 0 { board.count(.bytesReceived, by: received, place, slot: slot) }
    if members[member].countsTraffic {
      let share = max(1, members[member].parameters.loadFactor)
      board.addTraffic(Int64(clamping: sent + received) * 100 / Int64(share), place)
    }
  }

  private func changeBusy(_ member: Int, by amount: Int) {
    members[member].busy = max(0, members[member].busy + amount)
    if let place = members[member].place {
      board.setBusy(members[member].busy, place, slot: slot)
    }
  }

  /// A response has begun. True: its status is none of `failonstatus`, and the member works.
  @discardableResult
  package func noteResponse(_ member: Int, balancer: Int, status: Int, now: Int64) -> Bool {
    if balancers[balancer].failOnStatus.contains(status) {
      noteFailure(member, balancer: balancer, .status(status), now: now)
      return false
    }
    if let place = members[member].place { board.recover(place, now: now) }
    return true
  }

  /// An attempt has failed; whether that puts the member aside the balancer says.
  package func noteFailure(
    _ member: Int, balancer: Int, _ failure: UpstreamFailure, now: Int64
  ) {
    guard let place = members[member].place else { return }
    board.count(.failures, place, slot: slot)
    let parameters = members[member].parameters
    let status = board.orders(place).applied(to: parameters.status)
    if UpstreamChooser.counts(failure, balancers[balancer]), parameters.retryMilliseconds > 0,
      !status.contains(.ignoresErrors)
    {
      board.fail(place, failure, now: now, retry: parameters.retryMilliseconds)
    } else {
      board.noteFailure(place, failure)
    }
  }

  /// A request that was to find out whether a member works ended before it did: the next one may.
  package func abandon(_ member: Int) {
    if let place = members[member].place { board.abandonProbe(place) }
  }
}
