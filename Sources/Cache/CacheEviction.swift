// Leaving the index: unlink, retire, free; and choosing who leaves. All under the shard's mutex.
//
// The hand sweeps the arena in address order (CLOCK): an entry that was read since the last visit
// loses its mark and stays, another one leaves. Neighbours leave together, so space comes free in
// large pieces. A step is one block, and each caller takes a bounded number of them.

import Platform

extension CacheStore {
  /// What an entry's header says, as plain numbers.
  func state(_ entry: Int) -> UInt32 {
    region.load(at: entry + EntryLayout.state, as: UInt32.self)
  }
  func isMarked(_ entry: Int) -> Bool {
    region.loadRelaxed32(at: entry + EntryLayout.mark) != 0
  }
  func isAlias(_ entry: Int) -> Bool { facts(CacheHit(offset: entry)).kind == .alias }
  func runUnits(_ entry: Int) -> Int {
    Int(region.load(at: entry + EntryLayout.runUnits, as: UInt32.self))
  }
  func entryHash(_ entry: Int) -> UInt64 {
    region.load(at: entry + EntryLayout.hash, as: UInt64.self)
  }

  /// The index word that means this entry, nil when it is not in the index.
  func indexSlot(_ entry: Int) -> Int? {
    let hash = entryHash(entry)
    let word = (hash >> 32) << 32 | UInt64(entryUnit(entry))
    let bucket = geometry.bucketOffset(hash: hash)
    for index in 0..<ShardLayout.slotsPerBucket
    where region.loadRelaxed64(at: bucket + index * 8) == word {
      return bucket + index * 8
    }
    return nil
  }

  /// Takes an entry out of the index and lets it go. False when it was not there.
  func unlink(_ shard: CacheShard, _ entry: Int) -> Bool {
    guard let slot = indexSlot(entry) else { return false }
    // Sequentially consistent: before the loads of hazard words that follow (see `lookUp`).
    region.storeSequential64(0, at: slot)
    countOut(shard, entry)
    retire(shard, entry)
    return true
  }

  /// Bookkeeping of an entry that came into the index.
  func countIn(_ shard: CacheShard, _ entry: Int) {
    add(1, to: ShardLayout.entries, of: shard)
    if isAlias(entry) { add(1, to: ShardLayout.aliases, of: shard) }
  }

  /// Bookkeeping of an entry that has left the index.
  func countOut(_ shard: CacheShard, _ entry: Int) {
    add(-1, to: ShardLayout.entries, of: shard)
    if isAlias(entry) { add(-1, to: ShardLayout.aliases, of: shard) }
  }

  /// Frees an unlinked entry, now or when its last reader has let go.
  func retire(_ shard: CacheShard, _ entry: Int) {
    if isReferenced(entryUnit(entry)) {
      appendRetired(shard, entry)
    } else {
      freeEntry(shard, entry)
    }
  }

  /// Whether any process may be reading an unlinked entry. For each process the hazard word comes
  /// first, then the alias's, then the ledger: holds move only in that direction, so a hold on the
  /// move is seen at its old place or its new one.
  func isReferenced(_ unit: UInt32) -> Bool {
    let unit = UInt64(unit)
    for index in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let slot = CacheGeometry.slotOffset(index)
      if region.loadSequential64(at: slot + SlotLayout.hazard) == unit { return true }
      if region.loadSequential64(at: slot + SlotLayout.aliasHazard) == unit { return true }
      let high = min(
        Int(region.loadAcquire32(at: slot + SlotLayout.pinsHigh)), SlotLayout.pinCount)
      for place in 0..<high
      where region.loadSequential64(at: slot + SlotLayout.pins + place * 8) == unit {
        return true
      }
    }
    return false
  }

  func appendRetired(_ shard: CacheShard, _ entry: Int) {
    region.store(EntryLayout.retired, at: entry + EntryLayout.state)
    region.store(UInt32(0), at: entry + EntryLayout.link)
    let name = shard.local(entryUnit(entry)) + 1
    let tail = field(shard, ShardLayout.retiredTail)
    if tail == 0 {
      setField(shard, ShardLayout.retiredHead, name)
    } else {
      region.store(UInt32(name), at: shard.offset(tail - 1) + EntryLayout.link)
    }
    setField(shard, ShardLayout.retiredTail, name)
    add(1, to: ShardLayout.retiredCount, of: shard)
  }

  /// Looks at the first few retired entries: frees them, or puts them at the end again.
  func sweepRetired(_ shard: CacheShard) {
    var rest = min(8, field(shard, ShardLayout.retiredCount))
    while rest > 0 {
      rest -= 1
      let entry = shard.offset(field(shard, ShardLayout.retiredHead) - 1)
      let next = Int(region.load(at: entry + EntryLayout.link, as: UInt32.self))
      setField(shard, ShardLayout.retiredHead, next)
      if next == 0 { setField(shard, ShardLayout.retiredTail, 0) }
      add(-1, to: ShardLayout.retiredCount, of: shard)
      retire(shard, entry)
    }
  }

  /// Gives an entry's run and extents back. Nobody may refer to it.
  func freeEntry(_ shard: CacheShard, _ entry: Int) {
    region.store(UInt32(0), at: entry + EntryLayout.state)
    // The table lies in the run: read each extent before the run's memory is reused.
    let hit = CacheHit(offset: entry)
    let extents = Int(region.load(at: entry + EntryLayout.extentCount, as: UInt16.self))
    for index in 0..<extents {
      let range = extent(hit, index)
      freeRun(shard, shard.local(entryUnit(range.offset)), units: unitsNeeded(range.count))
    }
    let units = runUnits(entry)
    freeRun(shard, shard.local(entryUnit(entry)), units: units)
  }

  /// Moves the hand on until a free block of `order` exists or `steps` are used up.
  func makeRoom(_ shard: CacheShard, order: Int, steps: inout Int) -> Bool {
    var hand = field(shard, ShardLayout.hand)
    defer { setField(shard, ShardLayout.hand, hand) }
    while freeOrder(shard, atLeast: order) == nil {
      guard steps > 0 else { return false }
      steps -= 1
      if hand >= shard.unitCount { hand = 0 }
      let tag = tag(shard, hand)
      if tag == 0 {
        // A merge swallowed the hand's place: on to the end of the block it is in.
        hand = blockEnd(shard, inside: hand)
        continue
      }
      let local = hand
      hand += 1 << Int(tag & UnitTag.orderMask)
      guard tag & UnitTag.classMask == UnitTag.entry else { continue }
      let entry = shard.offset(local)
      guard state(entry) == EntryLayout.live else { continue }
      if isMarked(entry) {
        region.storeRelaxed32(0, at: entry + EntryLayout.mark)
      } else if unlink(shard, entry) {
        count(.evictions)
      }
    }
    return true
  }

  /// The end of the block that a unit lies inside of.
  private func blockEnd(_ shard: CacheShard, inside local: Int) -> Int {
    for order in 1...ArenaLayout.orderMax {
      let start = (local >> order) << order
      let tag = tag(shard, start)
      if tag != 0 && Int(tag & UnitTag.orderMask) >= order {
        return start + 1 << Int(tag & UnitTag.orderMask)
      }
    }
    return local + 1
  }

  /// Takes a held entry out of the index, for instance because its file has changed. False when
  /// another process held the shard, or the entry had left the index already.
  @discardableResult
  package func drop(_ hit: CacheHit) -> Bool {
    let shard = geometry.shard(hash: entryHash(hit.offset))
    guard lock(shard) else { return false }
    defer { unlock(shard) }
    guard unlink(shard, hit.offset) else { return false }
    count(.drops)
    return true
  }
}
