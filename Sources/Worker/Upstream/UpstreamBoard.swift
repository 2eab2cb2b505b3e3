// What all processes know together of the servers behind this one: failures, health, load, names.

import Configuration
import Platform

/// Who of the servers is meant on the board: 0 … `UpstreamBoard.memberCountMax` - 1. The same in
/// all generations that name the member.
package typealias UpstreamPlace = Int

/// What is counted of one member. Each process writes only its own slot.
package enum UpstreamCounter: Int, CaseIterable, Sendable {
  /// Requests that it was chosen for.
  case elected = 1
  /// Attempts that counted as its failures.
  case failures = 2
  /// Bytes to and from it.
  case bytesSent = 3
  case bytesReceived = 4
  /// Connections that were opened to it.
  case connections = 5
  /// Of `elected`: after another member had failed for the same request.
  case retries = 6

  /// As shown by `ring3ctl proxy`.
  package var name: String { "\(self)" }
}

/// A table of 1,024 members and, for each of 256 process slots and one for those that are gone, a
/// line of counts for every member; in an anonymous shared mapping made by the master, which alone
/// says which member has which place. Workers use atomics only: nobody waits for anybody, and
/// whoever is killed in the middle of something leaves nothing locked. What they write is a hint to
/// others and cannot be more than that: a worker that was taken over may write anything.
package final class UpstreamBoard: Sendable {
  package static let memberCountMax = ProxyMember.countMax
  static let slotCount = Scoreboard.slotCount
  private static let departed = slotCount
  private static let recordBytes = 512
  private static let lineBytes = 64
  private static let tableOffset = 4096
  private static let linesOffset = tableOffset + memberCountMax * recordBytes

  let region: SharedRegion
  /// Names this server among all others: the same in all its processes, and until it is started
  /// anew.
  package let identity = UInt64.random(in: 0...UInt64.max)

  package init() throws(SystemError) {
    region = try SharedRegion(
      anonymous: UpstreamBoard.linesOffset
        + (UpstreamBoard.slotCount + 1) * UpstreamBoard.memberCountMax * UpstreamBoard.lineBytes)
  }

  // MARK: Places

  /// Words of a member's record.
  enum Word: Int {
    /// Of the member's name; 0: the place is free.
    case key = 0
    /// What an operator said: bits 0 … 7 which flags, bits 8 … 15 what they are.
    case orders
    /// Monotonic milliseconds until which it is left alone after failing; 0: it has not failed.
    case failedUntil
    /// How long that was, milliseconds.
    case retryMilliseconds
    /// Until when one request has the right to find out whether it works again.
    case probedUntil
    /// Failures in a row.
    case failuresInRow
    /// What the last failure was: see `UpstreamFailure`.
    case lastFailure
    /// `HealthState`, and since when: seconds since 1970.
    case health
    case healthSince
    case healthFailure
    /// Monotonic milliseconds when it began to serve again; 0: long ago.
    case slowStart
    /// `lbmethod=byrequests`: whose turn it is.
    case turn
    /// `lbmethod=bytraffic`: bytes so far, by its share.
    case traffic
    /// Which of both lists of addresses holds (lowest bit), and how often that has changed.
    case addressVersion
    /// When its name was looked up last, monotonic milliseconds, and what came of it: 0 or -EAI_….
    case resolvedAt
    case resolveProblem
  }

  /// Of the two lists of addresses, three words for each address.
  static let listWords = [16, 40]
  package static let addressCountMax = 8

  @inline(__always)
  func offset(_ place: UpstreamPlace, _ word: Int) -> Int {
    precondition(place >= 0 && place < UpstreamBoard.memberCountMax)
    return UpstreamBoard.tableOffset &+ place &* UpstreamBoard.recordBytes &+ word &* 8
  }

  @inline(__always)
  func load(_ place: UpstreamPlace, _ word: Word) -> Int64 {
    Int64(bitPattern: region.loadRelaxed64(at: offset(place, word.rawValue)))
  }

  @inline(__always)
  func store(_ value: Int64, _ place: UpstreamPlace, _ word: Word) {
    region.storeRelaxed64(UInt64(bitPattern: value), at: offset(place, word.rawValue))
  }

  @inline(__always)
  func add(_ value: Int64, _ place: UpstreamPlace, _ word: Word) {
    region.fetchAdd64(UInt64(bitPattern: value), at: offset(place, word.rawValue))
  }

  func exchange(
    _ place: UpstreamPlace, _ word: Word, from expected: Int64, to desired: Int64
  ) -> Bool {
    region.compareExchange64(
      at: offset(place, word.rawValue), expected: UInt64(bitPattern: expected),
      desired: UInt64(bitPattern: desired))
  }

  /// What a member is found by, over reloads: its name, and how many of that name come before it
  /// (with other parameters).
  static func keys(of members: [ProxyMember]) -> [UInt64] {
    var occurrences: [String: Int] = [:]
    return members.map { member in
      let number = occurrences[member.name, default: 0]
      occurrences[member.name] = number + 1
      let text = number == 0 ? member.name : "\(member.name) \(number)"
      // 0 stands for a free place.
      return max(1, BalancingHash.of(Array(text.utf8)))
    }
  }

  /// Where the members of a model stand, by their index; nil for one that has no place.
  package func places(of members: [ProxyMember]) -> [UpstreamPlace?] {
    var byKey: [UInt64: UpstreamPlace] = [:]
    for place in 0..<UpstreamBoard.memberCountMax {
      let key = UInt64(bitPattern: load(place, .key))
      if key != 0 { byKey[key] = place }
    }
    return UpstreamBoard.keys(of: members).map { byKey[$0] }
  }

  /// Gives all members a place; those that had one keep it and all that is known of them. False,
  /// and nothing has changed, when there are not enough. By the master only.
  package func attach(_ members: [ProxyMember], now: Int64) -> Bool {
    let found = places(of: members)
    let free = (0..<UpstreamBoard.memberCountMax).filter { load($0, .key) == 0 }
    guard found.count(where: { $0 == nil }) <= free.count else { return false }
    var next = free.makeIterator()
    for (member, key) in zip(members.indices, UpstreamBoard.keys(of: members)) {
      if let place = found[member] {
        attachAddress(members[member], place, now)
      } else if let place = next.next() {
        clearRecord(place)
        attachAddress(members[member], place, now)
        let parameters = members[member].parameters
        if parameters.status.contains(.failed) {
          store(parameters.retryMilliseconds, place, .retryMilliseconds)
          store(now + parameters.retryMilliseconds, place, .failedUntil)
        }
        store(Int64(bitPattern: key), place, .key)
      }
    }
    return true
  }

  /// A literal needs nobody to look it up.
  private func attachAddress(_ member: ProxyMember, _ place: UpstreamPlace, _ now: Int64) {
    guard case .host(let name, let port) = member.address, let literal = IPAddress(name) else {
      return
    }
    let address = SocketAddress(literal, port: port)
    if addresses(place)?.list != [address] { setAddresses([address], place, now: now) }
  }

  /// Frees the places of all members but those at `kept`. By the master only.
  package func release(keeping kept: Set<UpstreamPlace>) {
    for place in 0..<UpstreamBoard.memberCountMax
    where load(place, .key) != 0 && !kept.contains(place) {
      store(0, place, .key)
      clearRecord(place)
      for slot in 0...UpstreamBoard.departed { clearLine(slot, place) }
    }
  }

  private func clearRecord(_ place: UpstreamPlace) {
    for word in 0..<UpstreamBoard.recordBytes / 8 {
      // The version goes on: who remembers what it read under an old one must not take it for new.
      if word == Word.addressVersion.rawValue { continue }
      region.storeRelaxed64(0, at: offset(place, word))
    }
    setAddresses([], place, now: 0)
  }

  // MARK: Counts

  @inline(__always)
  private func line(_ slot: Int, _ place: UpstreamPlace, _ word: Int) -> Int {
    precondition(slot >= 0 && slot <= UpstreamBoard.departed)
    precondition(place >= 0 && place < UpstreamBoard.memberCountMax)
    return UpstreamBoard.linesOffset
      &+ (slot &* UpstreamBoard.memberCountMax &+ place) &* UpstreamBoard.lineBytes &+ word &* 8
  }

  @inline(__always)
  package func count(
    _ counter: UpstreamCounter, by amount: Int = 1, _ place: UpstreamPlace, slot: Int
  ) {
    let offset = line(slot, place, counter.rawValue)
    region.storeRelaxed64(region.loadRelaxed64(at: offset) &+ UInt64(amount), at: offset)
  }

  /// The sum over all processes, living and gone.
  package func total(_ counter: UpstreamCounter, _ place: UpstreamPlace) -> UInt64 {
    var sum = region.loadRelaxed64(at: line(UpstreamBoard.departed, place, counter.rawValue))
    for slot in 0..<slotsUsed {
      sum &+= region.loadRelaxed64(at: line(slot, place, counter.rawValue))
    }
    return sum
  }

  /// Requests that a process has under way at a member: it says how many, whatever was before.
  @inline(__always)
  func setBusy(_ count: Int, _ place: UpstreamPlace, slot: Int) {
    region.storeRelaxed64(UInt64(max(0, count)), at: line(slot, place, 0))
  }

  /// Requests under way at a member, of all living processes.
  package func busy(_ place: UpstreamPlace) -> Int {
    var sum: UInt64 = 0
    for slot in 0..<slotsUsed { sum &+= region.loadRelaxed64(at: line(slot, place, 0)) }
    return Int(clamping: sum)
  }

  /// Slots that anybody has ever had: usually few, and only they are looked at.
  private var slotsUsed: Int {
    min(UpstreamBoard.slotCount, Int(clamping: region.loadRelaxed64(at: 0)))
  }

  /// A process begins to use a slot. By the master, before it is forked.
  package func open(slot: Int) {
    region.storeRelaxed64(max(region.loadRelaxed64(at: 0), UInt64(slot + 1)), at: 0)
  }

  /// The process of a slot has been reaped: its counts are kept, what it was busy with has ended.
  /// By the master only.
  package func clear(slot: Int) {
    for place in 0..<UpstreamBoard.memberCountMax where load(place, .key) != 0 {
      for counter in UpstreamCounter.allCases {
        let count = region.loadRelaxed64(at: line(slot, place, counter.rawValue))
        let sum = line(UpstreamBoard.departed, place, counter.rawValue)
        if count != 0 { region.storeRelaxed64(region.loadRelaxed64(at: sum) &+ count, at: sum) }
      }
      clearLine(slot, place)
    }
  }

  private func clearLine(_ slot: Int, _ place: UpstreamPlace) {
    guard slot < slotsUsed || slot == UpstreamBoard.departed else { return }
    for word in 0..<UpstreamBoard.lineBytes / 8 {
      let offset = line(slot, place, word)
      if region.loadRelaxed64(at: offset) != 0 { region.storeRelaxed64(0, at: offset) }
    }
  }
}
