// How processes agree on who fetches what: every memory operation of the protocol, in one place.
//
// All that must change at once about a flight is one word, its head, which only changes by compare
// and exchange. A key's flight lies at one of the few places of the key's group. Two processes may
// choose different places for one key at the same time; so a place is claimed first, then the
// others are looked at, and only then the claim becomes a flight. Of two claims the one that was
// made later sees the other: one at a higher place yields, one at a lower place takes the other's
// claim away. So no key has two flights.
//
// Who waits sets its process's bit at the flight's place, then looks again whether the flight is
// still on. Who ends a flight changes its head first, then takes the bits and wakes those
// processes: so either the waiter sees the flight over, or the other sees the bit. A bit may be
// taken on behalf of an earlier flight at the same place: whoever is woken looks again, and sets
// its bit again when its flight is still on. A process that dies has perhaps taken bits and woken
// nobody: then the master wakes all.
//
// All operations are sequentially consistent. The functions are generic over the memory, so that
// tests can run these very ones in every order, with death between any two (FlightModelTests).

import Platform

/// The operations on shared words that the protocol is made of, and waking.
protocol FlightMemory {
  /// `Never` for real memory.
  associatedtype Failure: Error

  func loadSequential64(at offset: Int) throws(Failure) -> UInt64
  func compareExchangeSequential64(
    at offset: Int, expected: UInt64, desired: UInt64
  ) throws(Failure) -> Bool
  func exchange64(_ value: UInt64, at offset: Int) throws(Failure) -> UInt64
  func setBits64(_ bits: UInt64, at offset: Int) throws(Failure)
  func clearBits64(_ bits: UInt64, at offset: Int) throws(Failure)
  func wake(processSlot: Int) throws(Failure)
}

/// A flight's head: what is at a place, whose, since when, for which key.
struct FlightHead: Equatable {
  enum Status: UInt64 {
    case empty = 0
    /// To become a flight when no other one for the key is found.
    case claimed = 1
    case flying = 2
    /// No flight for this key until then: what was fetched could not be shared.
    case parallel = 3
  }

  private static let ownerShift: UInt64 = 2
  private static let timeShift: UInt64 = 10
  private static let timeBits: UInt64 = 22
  private static let tagShift: UInt64 = 32
  private static let generationShift: UInt64 = 54
  static let tagMask: UInt64 = (1 << 22) - 1
  private static let timeMask: UInt64 = (1 << timeBits) - 1

  let raw: UInt64

  init(raw: UInt64) { self.raw = raw }

  var status: Status { Status(rawValue: raw & 3) ?? .empty }
  var owner: Int { Int(truncatingIfNeeded: raw >> FlightHead.ownerShift & 255) }
  /// Part of the key's hash. Two keys of one group that share it share flights: then some wait for
  /// what is not theirs, and begin anew after that.
  var tag: UInt64 { raw >> FlightHead.tagShift & FlightHead.tagMask }
  var isOn: Bool { status == .flying || status == .claimed }

  /// What follows at the place: its generation is raised with each claim, so that a late end by an
  /// owner that was presumed dead meets another head.
  func next(_ status: Status, owner: Int, time: UInt64, tag: UInt64) -> FlightHead {
    let generation = (raw >> FlightHead.generationShift &+ (status == .claimed ? 1 : 0)) & 1023
    return FlightHead(
      raw: status.rawValue | UInt64(owner) << FlightHead.ownerShift
        | (time & FlightHead.timeMask) << FlightHead.timeShift | tag << FlightHead.tagShift
        | generation << FlightHead.generationShift)
  }

  /// The same, with another status.
  func become(_ status: Status) -> FlightHead {
    FlightHead(raw: raw & ~3 | status.rawValue)
  }

  /// Ticks since it began, 0 when that was by a clock a little ahead.
  func age(at now: UInt64) -> UInt64 {
    let age = (now &- raw >> FlightHead.timeShift) & FlightHead.timeMask
    return age > FlightHead.timeMask >> 1 ? 0 : age
  }

  /// Of one that is parallel: whether it still says so.
  func isParallel(at now: UInt64) -> Bool {
    let rest = (raw >> FlightHead.timeShift &- now) & FlightHead.timeMask
    return status == .parallel && rest > 0 && rest <= FlightHead.parallelTicksMax
  }

  /// Times wrap after six days: what is left for long must not begin to mean something again.
  static let parallelTicksMax: UInt64 = 300 * EntryTime.ticksPerSecond
}

/// A flight of this process, to be ended.
package struct FlightToken: Hashable, Sendable {
  let place: Int
  let head: UInt64
}

/// Somebody's flight, to be waited for.
package struct FlightTicket: Hashable, Sendable {
  let place: Int
  let head: UInt64

  /// The process slot of who fetches.
  package var owner: Int { FlightHead(raw: head).owner }
}

/// What to do about a response that is not stored.
package enum FlightBeginning: Equatable, Sendable {
  /// Look it up once more: an earlier flight may have just stored it. Then fetch it, and end this
  /// in any case.
  case mine(FlightToken)
  /// Somebody fetches it: wait for that.
  case others(FlightTicket)
  /// Fetch it without telling anybody: it was not to be shared lately, or there is no place.
  case parallel
}

/// How a flight ended.
package enum FlightOutcome: Equatable, Sendable {
  /// Who waits finds it stored.
  case stored
  /// Who waits fetches for itself, and whoever asks so soon after: at most five minutes.
  case notStorable(parallelMilliseconds: Int)
  /// It came to nothing: one of those who wait tries again, the others wait for that one.
  case abandoned
  /// The application did not answer: each of those who wait goes on alone, and none is kept waiting
  /// for what has failed already. Who asks later begins anew.
  case failed
}

/// Where flights lie: groups of places. A group is its places' heads, then their waiters' bits.
struct FlightTable: Equatable, Sendable {
  /// The offset of the words of process slots that are attached: a bit each.
  var attached: Int
  /// The offset of the first group.
  var first: Int
  /// A power of two.
  var groupCount: Int
  var placesPerGroup: Int
  /// For each 64 process slots one.
  var maskWords: Int

  var groupBytes: Int { placesPerGroup * 8 * (1 + maskWords) }
  var byteCount: Int { first + groupCount * groupBytes }
  var placeCount: Int { groupCount * placesPerGroup }

  func head(_ place: Int) -> Int {
    first + place / placesPerGroup * groupBytes + place % placesPerGroup * 8
  }
  func waiters(_ place: Int, word: Int) -> Int {
    first + place / placesPerGroup * groupBytes
      + (placesPerGroup + place % placesPerGroup * maskWords + word) * 8
  }

  private static let triesMax = 8

  /// Joins or begins the flight of a key.
  ///
  /// - Parameters:
  ///   - now: ticks of CLOCK_BOOTTIME.
  ///   - ageTicksMax: a flight older than this is taken over.
  func begin<Memory: FlightMemory>(
    _ hash: UInt64, owner: Int, now: UInt64, ageTicksMax: UInt64, in memory: Memory
  ) throws(Memory.Failure) -> FlightBeginning {
    let tag = hash >> 32 & FlightHead.tagMask
    let group = Int(truncatingIfNeeded: hash) & (groupCount - 1)
    let places = group * placesPerGroup..<(group + 1) * placesPerGroup
    attempt: for _ in 0..<FlightTable.triesMax {
      var free: (place: Int, rank: Int, head: FlightHead)?
      for place in places {
        let head = FlightHead(raw: try memory.loadSequential64(at: head(place)))
        let isParallel = head.isParallel(at: now)
        if head.tag == tag && head.isOn {
          if head.age(at: now) <= ageTicksMax {
            return .others(FlightTicket(place: place, head: head.raw))
          }
          guard let token = try takeOver(place, head, owner: owner, now: now, in: memory) else {
            continue attempt
          }
          return .mine(token)
        }
        if head.tag == tag && isParallel { return .parallel }
        // What says "parallel" gives way to a flight, if it must.
        let rank = isParallel ? 1 : 0
        if !head.isOn, rank < free?.rank ?? 2 { free = (place, rank, head) }
      }
      guard let free else { return .parallel }
      let claim = free.head.next(.claimed, owner: owner, time: now, tag: tag)
      guard
        try memory.compareExchangeSequential64(
          at: head(free.place), expected: free.head.raw, desired: claim.raw)
      else { continue }
      if let beginning = try settle(free.place, claim, among: places, now: now, in: memory) {
        return beginning
      }
    }
    return .parallel
  }

  /// Takes an old flight over, as it is. An old claim is only taken away: whether there is another
  /// flight of its key was not looked at yet.
  private func takeOver<Memory: FlightMemory>(
    _ place: Int, _ old: FlightHead, owner: Int, now: UInt64, in memory: Memory
  ) throws(Memory.Failure) -> FlightToken? {
    guard old.status == .flying else {
      try empty(place, old, in: memory)
      return nil
    }
    // Raises the generation.
    let mine = old.next(.claimed, owner: owner, time: now, tag: old.tag).become(.flying)
    guard
      try memory.compareExchangeSequential64(
        at: head(place), expected: old.raw, desired: mine.raw)
    else { return nil }
    return FlightToken(place: place, head: mine.raw)
  }

  /// Makes a claim a flight when no other one of its key is in the group. nil: begin anew.
  private func settle<Memory: FlightMemory>(
    _ place: Int, _ claim: FlightHead, among places: Range<Int>, now: UInt64, in memory: Memory
  ) throws(Memory.Failure) -> FlightBeginning? {
    for other in places where other != place {
      while true {
        let head = FlightHead(raw: try memory.loadSequential64(at: head(other)))
        guard head.tag == claim.tag else { break }
        if head.isParallel(at: now) {
          try empty(place, claim, in: memory)
          return .parallel
        }
        guard head.isOn else { break }
        if head.status == .flying || other < place {
          try empty(place, claim, in: memory)
          return .others(FlightTicket(place: other, head: head.raw))
        }
        // It may become a flight just now: then look again.
        if try empty(other, head, in: memory) { break }
      }
    }
    let flight = claim.become(.flying)
    guard
      try memory.compareExchangeSequential64(
        at: head(place), expected: claim.raw, desired: flight.raw)
    else { return nil }
    return .mine(FlightToken(place: place, head: flight.raw))
  }

  /// Empties a place if its head still is this one, and wakes who waits there.
  @discardableResult
  private func empty<Memory: FlightMemory>(
    _ place: Int, _ head: FlightHead, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    try leave(
      place, head, as: head.next(.empty, owner: 0, time: 0, tag: 0), in: memory)
  }

  private func leave<Memory: FlightMemory>(
    _ place: Int, _ head: FlightHead, as next: FlightHead, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    guard
      try memory.compareExchangeSequential64(
        at: self.head(place), expected: head.raw, desired: next.raw)
    else { return false }
    for word in 0..<maskWords {
      let place = waiters(place, word: word)
      // A load first: mostly there is nobody, and the line stays shared.
      guard try memory.loadSequential64(at: place) != 0 else { continue }
      try wake(try memory.exchange64(0, at: place), word: word, in: memory)
    }
    return true
  }

  private func wake<Memory: FlightMemory>(
    _ bits: UInt64, word: Int, in memory: Memory
  ) throws(Memory.Failure) {
    var bits = bits
    while bits != 0 {
      try memory.wake(processSlot: word * 64 + bits.trailingZeroBitCount)
      bits &= bits - 1
    }
  }

  /// What a failed flight leaves at its place: empty, but still of its key, with a mark.
  private func failure(of head: FlightHead) -> FlightHead {
    head.next(.empty, owner: 1, time: 0, tag: head.tag)
  }

  /// Whether a flight that is over had failed, as far as that is still known: it is forgotten when
  /// another one takes the place.
  func hasFailed<Memory: FlightMemory>(
    _ ticket: FlightTicket, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    try memory.loadSequential64(at: head(ticket.place))
      == failure(of: FlightHead(raw: ticket.head)).raw
  }

  /// Ends a flight and wakes who waits for it. False when it was not this process's any more.
  func end<Memory: FlightMemory>(
    _ token: FlightToken, _ outcome: FlightOutcome, now: UInt64, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    let head = FlightHead(raw: token.head)
    if outcome == .failed {
      return try leave(token.place, head, as: failure(of: head), in: memory)
    }
    guard case .notStorable(let milliseconds) = outcome, milliseconds > 0 else {
      return try empty(token.place, head, in: memory)
    }
    let ticks = min(
      (UInt64(milliseconds) * EntryTime.ticksPerSecond + 999) / 1000, FlightHead.parallelTicksMax)
    return try leave(
      token.place, head,
      as: head.next(.parallel, owner: 0, time: now &+ ticks, tag: head.tag), in: memory)
  }

  /// Whether a flight is still on; then this process will be woken when it ends, and perhaps
  /// earlier.
  func wait<Memory: FlightMemory>(
    for ticket: FlightTicket, processSlot: Int, in memory: Memory
  ) throws(Memory.Failure) -> Bool {
    let head = head(ticket.place)
    guard try memory.loadSequential64(at: head) == ticket.head else { return false }
    try memory.setBits64(
      1 << UInt64(processSlot & 63), at: waiters(ticket.place, word: processSlot / 64))
    return try memory.loadSequential64(at: head) == ticket.head
  }

  /// Makes a process slot one that is woken when a process has died.
  func attach<Memory: FlightMemory>(
    processSlot: Int, in memory: Memory
  ) throws(Memory.Failure) {
    try memory.setBits64(1 << UInt64(processSlot & 63), at: attached + processSlot / 64 * 8)
  }

  /// Ends all flights of a dead process, and wakes everybody. By the master, after reaping it.
  func clear<Memory: FlightMemory>(
    processSlot: Int, in memory: Memory
  ) throws(Memory.Failure) {
    try memory.clearBits64(1 << UInt64(processSlot & 63), at: attached + processSlot / 64 * 8)
    for place in 0..<placeCount {
      let head = FlightHead(raw: try memory.loadSequential64(at: head(place)))
      // When it fails, somebody has taken it over or away.
      if head.isOn && head.owner == processSlot { try empty(place, head, in: memory) }
    }
    for word in 0..<maskWords {
      try wake(try memory.loadSequential64(at: attached + word * 8), word: word, in: memory)
    }
  }
}
