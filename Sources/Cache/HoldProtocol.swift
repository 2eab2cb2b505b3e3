// How readers hold entries without a lock: every memory operation of the protocol, in one place.
//
// A reader publishes the unit it wants, then looks again whether the index still names it. Who
// takes an entry out of the index looks, after that, whether any reader has published it. Of the
// four operations the two stores come first on their sides, and all four are sequentially
// consistent: so either the reader sees the entry gone and lets go, or the other sees it held and
// keeps its memory. x86 lets a load pass an earlier store: without the fence both could miss.
//
// A hold then moves, and only in one direction: from the hazard word to the alias's word or to the
// ledger. It is in its new place before it leaves the old one, and who looks for holds reads the
// places in the same direction; so a hold on the move is met at its old place or at its new one.
//
// The functions are generic over the memory, so that tests can run these very ones one operation
// at a time, in every order that x86 allows and with death between any two (ProtocolModelTests).

import Platform

/// The operations on shared words that the protocol is made of; orderings as in Synchronization.
@usableFromInline
protocol HoldMemory {
  /// `Never` for real memory: then no call needs a `try`, and nothing is left of the throwing.
  associatedtype Failure: Error

  func loadRelaxed32(at offset: Int) throws(Failure) -> UInt32
  func loadAcquire32(at offset: Int) throws(Failure) -> UInt32
  func loadSequential32(at offset: Int) throws(Failure) -> UInt32
  func loadSequential64(at offset: Int) throws(Failure) -> UInt64
  func storeRelease32(_ value: UInt32, at offset: Int) throws(Failure)
  func storeRelease64(_ value: UInt64, at offset: Int) throws(Failure)
  func storeSequential64(_ value: UInt64, at offset: Int) throws(Failure)
  func compareExchange32(
    at offset: Int, expected: UInt32, desired: UInt32
  ) throws(Failure) -> Bool
}

extension SharedRegion: HoldMemory {
  @usableFromInline typealias Failure = Never
}

/// Where one process's holds lie, as offsets: each a unit of the arena, or 0.
@usableFromInline
struct HoldPlaces: Equatable, Sendable {
  /// The entry of the current look-up. 64 bits, as all but `pinsHigh`.
  @usableFromInline var hazard: Int
  /// The alias that is being followed.
  @usableFromInline var aliasHazard: Int
  /// 32 bits: no ledger place from this one on is in use.
  @usableFromInline var pinsHigh: Int
  /// The ledger: words in a row.
  @usableFromInline var pins: Int

  @usableFromInline
  init(hazard: Int, aliasHazard: Int, pinsHigh: Int, pins: Int) {
    self.hazard = hazard
    self.aliasHazard = aliasHazard
    self.pinsHigh = pinsHigh
    self.pins = pins
  }

  @inlinable
  func pin(_ place: Int) -> Int { pins &+ place &* 8 }
}

/// Where the holds of all processes lie.
@usableFromInline
struct HoldTable: Equatable, Sendable {
  /// The offset of a 32-bit word: no process slot from this one on was ever in use.
  @usableFromInline var slotsUsed: Int
  /// The places of process slot 0; each next slot's lie `stride` bytes further on.
  @usableFromInline var first: HoldPlaces
  @usableFromInline var stride: Int
  /// Places in a ledger.
  @usableFromInline var pinCount: Int

  @usableFromInline
  init(slotsUsed: Int, first: HoldPlaces, stride: Int, pinCount: Int) {
    self.slotsUsed = slotsUsed
    self.first = first
    self.stride = stride
    self.pinCount = pinCount
  }

  @inlinable
  func places(_ processSlot: Int) -> HoldPlaces {
    let distance = processSlot &* stride
    return HoldPlaces(
      hazard: first.hazard &+ distance, aliasHazard: first.aliasHazard &+ distance,
      pinsHigh: first.pinsHigh &+ distance, pins: first.pins &+ distance)
  }
}

/// The reader's side. One process at a time uses a slot's places.
extension HoldMemory {
  /// Makes a process slot one that is looked at, before its first hold.
  @inlinable
  func enterHolders(processSlot: Int, in table: HoldTable) throws(Failure) {
    let used = UInt32(processSlot + 1)
    while true {
      let old = try loadAcquire32(at: table.slotsUsed)
      if old >= used { return }
      // An exchange, a fence on x86: in memory before anything that this process publishes.
      if try compareExchange32(at: table.slotsUsed, expected: old, desired: used) { return }
    }
  }

  /// Publishes a unit and reads the index word again that named it. It is held when that still
  /// does; the published word stays in either case, until the next `hold` or `letGo`.
  ///
  /// It is enough that the word is the same, also if the unit was freed and used again meanwhile:
  /// then the entry that it names now was put into the index by somebody, and whoever takes it out
  /// does so after the unit was published.
  @inlinable @inline(__always)
  func hold(_ unit: UInt32, namedAt indexWord: Int, hazard: Int) throws(Failure) -> UInt64 {
    // Sequential, both: the store is visible to all before the load happens.
    try storeSequential64(UInt64(unit), at: hazard)
    return try loadSequential64(at: indexWord)
  }

  /// Ends a hold.
  @inlinable @inline(__always)
  func letGo(hazard: Int) throws(Failure) {
    // Release: the entry's bytes were read before.
    try storeRelease64(0, at: hazard)
  }

  /// Holds an alias, held in the hazard word till now, in the alias's own word; the hazard word is
  /// free for the next `hold` after that.
  @inlinable @inline(__always)
  func moveHold(ofAlias unit: UInt32, to aliasHazard: Int) throws(Failure) {
    // Release is enough: the next store to the hazard word comes later and releases this one, and
    // whoever sees that, or anything after it, sees this.
    try storeRelease64(UInt64(unit), at: aliasHazard)
  }

  /// Holds an entry, held in the hazard word till now, in a free place of the ledger too.
  @inlinable
  func pinHeld(_ unit: UInt32, place: Int, in places: HoldPlaces) throws(Failure) {
    // Relaxed: no other process writes it.
    if try loadRelaxed32(at: places.pinsHigh) <= UInt32(place) {
      try storeRelease32(UInt32(place + 1), at: places.pinsHigh)
    }
    // Release, both: as in `moveHold`, the hazard word's next store comes later.
    try storeRelease64(UInt64(unit), at: places.pin(place))
  }

  /// Frees a place of the ledger. `high`: one more than the highest that stays in use.
  @inlinable
  func unpin(place: Int, high: Int, in places: HoldPlaces) throws(Failure) {
    // Release: the entry's bytes were read before.
    try storeRelease64(0, at: places.pin(place))
    // Release: never below a place that is in use, for whoever reads the two in any order.
    try storeRelease32(UInt32(high), at: places.pinsHigh)
  }
}

/// The side of who changes the index, under the mutex that guards it.
extension HoldMemory {
  /// Changes an index word: links an entry, unlinks one, or both at once.
  @inlinable
  func setIndexWord(_ word: UInt64, at indexWord: Int) throws(Failure) {
    // Sequential: before the loads of holds that follow (`anyHold`), and a release of the bytes
    // of the entry that is linked.
    try storeSequential64(word, at: indexWord)
  }

  /// Whether any process may be reading an entry that no index word names any more.
  @inlinable
  func isHeld(_ unit: UInt32, in table: HoldTable) throws(Failure) -> Bool {
    try anyHold(in: table) { $0 == UInt64(unit) }
  }

  /// Whether `matches` is true of any hold, asked until it is. A word may also be stale: published
  /// by a look-up that lost its race and has not taken it back yet.
  @inlinable
  func anyHold(
    in table: HoldTable, _ matches: (UInt64) -> Bool
  ) throws(Failure) -> Bool {
    // Sequential, after the unlinking store: a slot that this misses publishes only later.
    for processSlot in 0..<Int(try loadSequential32(at: table.slotsUsed)) {
      let places = table.places(processSlot)
      // Sequential: after the unlinking store. In this order, in which holds move.
      if matches(try loadSequential64(at: places.hazard)) { return true }
      if matches(try loadSequential64(at: places.aliasHazard)) { return true }
      // Acquire: it was raised before its place was written, and both before the hazard word let
      // go, which was read above.
      let high = try loadAcquire32(at: places.pinsHigh)
      for place in 0..<min(Int(high), table.pinCount) {
        if matches(try loadSequential64(at: places.pin(place))) { return true }
      }
    }
    return false
  }

  /// Takes back all holds of a dead process: by the master, after reaping it, when all that it
  /// wrote has reached memory.
  @inlinable
  func clearHolds(_ places: HoldPlaces, pinCount: Int) throws(Failure) {
    // Release, each: nobody reads for the dead, so the order among them does not matter; but the
    // slot's next owner's come later.
    try storeRelease64(0, at: places.hazard)
    try storeRelease64(0, at: places.aliasHazard)
    for place in 0..<pinCount { try storeRelease64(0, at: places.pin(place)) }
    try storeRelease32(0, at: places.pinsHigh)
  }
}
