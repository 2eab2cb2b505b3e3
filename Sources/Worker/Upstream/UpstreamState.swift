// The state of one server behind this one, as the board has it: orders, failures, health, names.

import Configuration
import Platform

/// Why an attempt at a member failed. The raw value is one word on the board.
package enum UpstreamFailure: Equatable, Sendable {
  /// No connection came about: errno.
  case connect(code: Int32)
  case connectTimeout
  /// It closed or reset a fresh connection before a response began.
  case brokenBeforeResponse
  /// No response within `timeout`.
  case responseTimeout
  /// What it sent is no response.
  case badResponse
  /// A status of `failonstatus`, or one that a health check does not take for good.
  case status(Int)
  /// Its name has no address.
  case noAddress

  /// The rest of the sentence "MEMBER …".
  package var text: String {
    switch self {
    case .connect(let code): return "cannot be reached: \(SystemError.text(of: code))"
    case .connectTimeout: return "cannot be reached in time"
    case .brokenBeforeResponse: return "closed the connection instead of answering"
    case .responseTimeout: return "does not answer in time"
    case .badResponse: return "does not speak the protocol"
    case .status(let status): return "answers with status \(status)"
    case .noAddress: return "has no address"
    }
  }

  /// Never 0.
  var word: Int64 {
    switch self {
    case .connect(let code): return 1 << 32 | Int64(UInt32(bitPattern: code))
    case .connectTimeout: return 2 << 32
    case .brokenBeforeResponse: return 3 << 32
    case .responseTimeout: return 4 << 32
    case .badResponse: return 5 << 32
    case .status(let status): return 6 << 32 | Int64(status & 0xffff)
    case .noAddress: return 7 << 32
    }
  }

  init?(word: Int64) {
    let detail = Int32(truncatingIfNeeded: word)
    switch word >> 32 {
    case 1: self = .connect(code: detail)
    case 2: self = .connectTimeout
    case 3: self = .brokenBeforeResponse
    case 4: self = .responseTimeout
    case 5: self = .badResponse
    case 6: self = .status(Int(detail))
    case 7: self = .noAddress
    default: return nil
    }
  }
}

/// What active checks say.
package enum HealthState: Int64, Sendable {
  /// Not checked, or not yet.
  case unknown = 0
  case up = 1
  case down = 2

  package var word: String { "\(self)" }
}

/// Flags that an operator has taken over from the configuration.
package struct OperatorOrders: Equatable, Sendable {
  /// Which flags.
  package var mask: ProxyMemberStatus
  /// What they are; only bits of `mask`.
  package var value: ProxyMemberStatus

  package init(mask: ProxyMemberStatus, value: ProxyMemberStatus) {
    self.mask = mask
    self.value = value.intersection(mask)
  }

  package static let none = OperatorOrders(mask: [], value: [])

  package func applied(to configured: ProxyMemberStatus) -> ProxyMemberStatus {
    configured.subtracting(mask).union(value)
  }
}

extension UpstreamBoard {
  package func orders(_ place: UpstreamPlace) -> OperatorOrders {
    let word = load(place, .orders)
    return OperatorOrders(
      mask: ProxyMemberStatus(rawValue: UInt8(truncatingIfNeeded: word)),
      value: ProxyMemberStatus(rawValue: UInt8(truncatingIfNeeded: word >> 8)))
  }

  package func setOrders(_ orders: OperatorOrders, _ place: UpstreamPlace) {
    store(Int64(orders.mask.rawValue) | Int64(orders.value.rawValue) << 8, place, .orders)
  }

  // MARK: Failures

  /// Monotonic milliseconds until which it is left alone; nil: it works, as far as is known.
  package func failedUntil(_ place: UpstreamPlace) -> Int64? {
    let until = load(place, .failedUntil)
    return until == 0 ? nil : until
  }

  package func failuresInRow(_ place: UpstreamPlace) -> Int { Int(load(place, .failuresInRow)) }

  package func lastFailure(_ place: UpstreamPlace) -> UpstreamFailure? {
    UpstreamFailure(word: load(place, .lastFailure))
  }

  /// It is left alone for `retry` milliseconds from now on.
  package func fail(_ place: UpstreamPlace, _ failure: UpstreamFailure, now: Int64, retry: Int64) {
    store(failure.word, place, .lastFailure)
    add(1, place, .failuresInRow)
    store(retry, place, .retryMilliseconds)
    store(0, place, .probedUntil)
    // 0 would say that it works.
    store(max(1, now + retry), place, .failedUntil)
  }

  /// It works: true when it had failed before.
  @discardableResult
  package func recover(_ place: UpstreamPlace, now: Int64) -> Bool {
    // The usual case writes nothing: all workers read these words.
    if load(place, .failuresInRow) != 0 { store(0, place, .failuresInRow) }
    let until = load(place, .failedUntil)
    guard until != 0, exchange(place, .failedUntil, from: until, to: 0) else { return false }
    store(0, place, .probedUntil)
    store(now, place, .slowStart)
    return true
  }

  /// An attempt has failed, but it is used all the same. Whoever was finding out has not.
  func noteFailure(_ place: UpstreamPlace, _ failure: UpstreamFailure) {
    store(failure.word, place, .lastFailure)
    store(0, place, .probedUntil)
  }

  /// It is used again without having shown that it works.
  package func forgive(_ place: UpstreamPlace) {
    store(0, place, .failedUntil)
    store(0, place, .probedUntil)
  }

  /// A failed member's time is over: one request has until `limit` to find out whether it works.
  /// False: another one is at it.
  func claimProbe(_ place: UpstreamPlace, now: Int64, until limit: Int64) -> Bool {
    let probed = load(place, .probedUntil)
    return probed <= now && exchange(place, .probedUntil, from: probed, to: limit)
  }

  func probedUntil(_ place: UpstreamPlace) -> Int64 { load(place, .probedUntil) }

  /// It came to no result.
  func abandonProbe(_ place: UpstreamPlace) { store(0, place, .probedUntil) }

  // MARK: Shares

  /// Since when it serves again, monotonic milliseconds; 0: long ago.
  func slowStart(_ place: UpstreamPlace) -> Int64 { load(place, .slowStart) }

  func turn(_ place: UpstreamPlace) -> Int64 { load(place, .turn) }
  func addTurn(_ amount: Int64, _ place: UpstreamPlace) { add(amount, place, .turn) }

  func traffic(_ place: UpstreamPlace) -> Int64 { load(place, .traffic) }
  func addTraffic(_ amount: Int64, _ place: UpstreamPlace) { add(amount, place, .traffic) }
  func raiseTraffic(_ place: UpstreamPlace, from old: Int64, to new: Int64) {
    // When others have added meanwhile, the next choice raises it.
    _ = exchange(place, .traffic, from: old, to: new)
  }

  // MARK: Health

  package func health(_ place: UpstreamPlace) -> HealthState {
    HealthState(rawValue: load(place, .health)) ?? .unknown
  }

  /// Seconds since 1970 of the last change; 0: none.
  package func healthSince(_ place: UpstreamPlace) -> Int64 { load(place, .healthSince) }

  package func healthFailure(_ place: UpstreamPlace) -> UpstreamFailure? {
    UpstreamFailure(word: load(place, .healthFailure))
  }

  /// By the health checker only; by the master when nobody checks any more.
  package func setHealth(
    _ state: HealthState, _ failure: UpstreamFailure?, _ place: UpstreamPlace, now: Int64
  ) {
    store(failure?.word ?? 0, place, .healthFailure)
    let before = health(place)
    guard before != state else { return }
    store(Clock.realSeconds(), place, .healthSince)
    if before == .down, state == .up { store(now, place, .slowStart) }
    store(state.rawValue, place, .health)
  }

  // MARK: Names

  /// The addresses of a member and under which version; nil: they are being changed at this moment
  /// again and again, which only a writer gone wild does.
  package func addresses(_ place: UpstreamPlace) -> (list: [SocketAddress], version: UInt64)? {
    for _ in 0..<4 {
      let version = addressVersion(place)
      let first = UpstreamBoard.listWords[Int(version & 1)]
      var list: [SocketAddress] = []
      for index in 0..<UpstreamBoard.addressCountMax {
        let kind = region.loadAcquire64(at: offset(place, first + index * 3))
        let high = region.loadAcquire64(at: offset(place, first + index * 3 + 1))
        let low = region.loadAcquire64(at: offset(place, first + index * 3 + 2))
        guard let address = UpstreamBoard.address(kind, high, low) else { break }
        list.append(address)
      }
      // Read behind all of the list: a writer that has come round to this list meanwhile shows.
      if addressVersion(place) == version { return (list, version) }
    }
    return nil
  }

  /// What has been read under a version holds as long as it is the same.
  @inline(__always)
  func addressVersion(_ place: UpstreamPlace) -> UInt64 {
    // Acquires what its writer has stored before.
    region.loadAcquire64(at: offset(place, Word.addressVersion.rawValue))
  }

  /// By the process that resolves names only, and by the master for literals: at most
  /// `addressCountMax`, the rest is left out. Killed in the middle it leaves the old list.
  package func setAddresses(_ list: [SocketAddress], _ place: UpstreamPlace, now: Int64) {
    let version = addressVersion(place)
    let first = UpstreamBoard.listWords[Int((version &+ 1) & 1)]
    for index in 0..<UpstreamBoard.addressCountMax {
      let words =
        index < list.count
        ? UpstreamBoard.words(of: list[index]) : (kind: UInt64(0), high: UInt64(0), low: UInt64(0))
      // Not before the present version is seen, under which this list is not looked at.
      region.storeRelease64(words.kind, at: offset(place, first + index * 3))
      region.storeRelease64(words.high, at: offset(place, first + index * 3 + 1))
      region.storeRelease64(words.low, at: offset(place, first + index * 3 + 2))
    }
    region.storeRelease64(version &+ 1, at: offset(place, Word.addressVersion.rawValue))
    store(now, place, .resolvedAt)
    store(0, place, .resolveProblem)
  }

  /// A name has been looked up. Nothing is written anew that has not changed.
  package func noteResolved(_ list: [SocketAddress], _ place: UpstreamPlace, now: Int64) {
    guard addresses(place)?.list == list else { return setAddresses(list, place, now: now) }
    store(now, place, .resolvedAt)
    store(0, place, .resolveProblem)
  }

  /// It has no (new) address: what was known before goes on.
  package func noteUnresolved(_ place: UpstreamPlace, problem: Int32, now: Int64) {
    store(now, place, .resolvedAt)
    store(Int64(problem), place, .resolveProblem)
  }

  /// Whether a name has been looked up, with or without success.
  package func isLookedUp(_ place: UpstreamPlace) -> Bool { load(place, .resolvedAt) != 0 }

  /// Of getaddrinfo(3); 0: none.
  package func resolveProblem(_ place: UpstreamPlace) -> Int32 {
    Int32(truncatingIfNeeded: load(place, .resolveProblem))
  }

  private static func words(
    of address: SocketAddress
  ) -> (kind: UInt64, high: UInt64, low: UInt64) {
    let kind = UInt64(address.address.family.rawValue) | UInt64(address.port) << 8
    return (kind, address.address.high, address.address.low)
  }

  private static func address(_ kind: UInt64, _ high: UInt64, _ low: UInt64) -> SocketAddress? {
    let port = UInt16(truncatingIfNeeded: kind >> 8)
    switch IPAddress.Family(rawValue: UInt8(truncatingIfNeeded: kind)) {
    case .v4: return SocketAddress(IPAddress(v4: UInt32(truncatingIfNeeded: low)), port: port)
    case .v6: return SocketAddress(IPAddress(v6High: high, low: low), port: port)
    case nil: return nil
    }
  }
}
