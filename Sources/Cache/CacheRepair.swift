// Making a shard sound again after its mutex's owner died, or when a segment is taken over.
//
// The index is the truth. What is in use is what the index names, what living processes are
// filling, and unlinked entries that somebody still holds; all else is free. Nothing that this
// reads is changed, except that what cannot be right is removed: so dying inside it does no harm,
// the next one starts over.

import Platform

extension CacheStore {
  /// Rebuilds a shard's unit map, free lists, retired list, alias ring and counts. Under its mutex.
  /// `verifying` also checks the checksum of every entry, for memory that outlived its writers.
  func rebuild(_ shard: CacheShard, verifying: Bool) {
    region.fill(at: shard.map, count: shard.unitCount, with: 0)
    region.fill(
      at: shard.start + ShardLayout.hand, count: ShardLayout.fieldsEnd - ShardLayout.hand, with: 0)
    region.fill(
      at: shard.start + ShardLayout.freeHeads, count: ArenaLayout.orderCount * 4, with: 0)
    region.fill(at: shard.ring, count: geometry.aliasesMax * 4, with: 0)
    keepFills(shard)
    keepIndex(shard, verifying: verifying)
    keepHeld(shard)
    freeTheRest(shard)
  }

  /// Fills first: their writers are at work without the mutex. A record is written after its
  /// entry's header and removed after the entry is in the index, so an open one is sound.
  private func keepFills(_ shard: CacheShard) {
    forEachRecord { processSlot, index, record in
      let word = region.loadAcquire64(at: record)
      guard isFill(word, in: shard) else { return }
      if word & SlotLayout.abandoned == 0, let entry = fillEntry(word, processSlot, index),
        hasSoundShape(shard, entry), claim(shard, entry)
      {
        return
      }
      region.storeRelease64(0, at: record)
    }
  }

  private func keepIndex(_ shard: CacheShard, verifying: Bool) {
    for place in 0..<geometry.bucketCount * ShardLayout.slotsPerBucket {
      let slot = shard.index + place * 8
      let word = region.loadRelaxed64(at: slot)
      guard word != 0 else { continue }
      if let entry = soundEntry(shard, word, slot, verifying: verifying), claim(shard, entry) {
        countIn(shard, entry)
        if isAlias(entry) { noteAlias(shard, entry) }
      } else {
        region.storeSequential64(0, at: slot)
        count(.damaged)
      }
    }
  }

  /// The entry that an index word names, if everything about it fits.
  private func soundEntry(
    _ shard: CacheShard, _ word: UInt64, _ slot: Int, verifying: Bool
  ) -> Int? {
    let unit = UInt32(truncatingIfNeeded: word)
    guard shard.contains(unit) else { return nil }
    let entry = entryOffset(unit)
    guard hasSoundShape(shard, entry), state(entry) == EntryLayout.live,
      entryHash(entry) >> 32 == word >> 32,
      geometry.bucketOffset(hash: entryHash(entry))
        == slot - slot % ShardLayout.bucketBytes,
      !verifying || isSealed(entry)
    else { return nil }
    return entry
  }

  /// What the index no longer names but a process may be reading. A hazard word may also be stale,
  /// published and not yet taken back by a look-up that lost its race; then it names memory that
  /// may be anything by now, so only a whole entry in unclaimed memory is kept. An entry that is
  /// really held is one: its memory was not reused.
  private func keepHeld(_ shard: CacheShard) {
    for index in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let slot = CacheGeometry.slotOffset(index)
      // In the order of `isReferenced`.
      keepHeld(shard, region.loadSequential64(at: slot + SlotLayout.hazard))
      keepHeld(shard, region.loadSequential64(at: slot + SlotLayout.aliasHazard))
      for place in 0..<SlotLayout.pinCount {
        keepHeld(shard, region.loadSequential64(at: slot + SlotLayout.pins + place * 8))
      }
    }
  }

  private func keepHeld(_ shard: CacheShard, _ unit: UInt64) {
    guard unit != 0, unit <= UInt64(UInt32.max), shard.contains(UInt32(unit)) else { return }
    let entry = entryOffset(UInt32(unit))
    guard tag(shard, shard.local(UInt32(unit))) == 0, hasSoundShape(shard, entry),
      state(entry) == EntryLayout.live || state(entry) == EntryLayout.retired,
      isSealed(entry), claim(shard, entry)
    else { return }
    appendRetired(shard, entry)
  }

  private func freeTheRest(_ shard: CacheShard) {
    var position = 0
    while position < shard.unitCount {
      let tag = tag(shard, position)
      if tag == 0 {
        let gap = region.zeroCount(
          at: shard.map + position, count: shard.unitCount - position)
        freeGap(shard, from: position, to: position + gap)
        position += gap
      } else {
        let units = 1 << Int(tag & UnitTag.orderMask)
        region.fill(at: shard.map + position + 1, count: units - 1, with: 0)
        position += units
      }
    }
  }

  func isSealed(_ entry: Int) -> Bool {
    region.load(at: entry + EntryLayout.checksum, as: UInt32.self) == headChecksum(entry)
  }

  /// Whether an entry's sizes agree with each other and all its places lie in the shard's arena,
  /// aligned as the allocator makes them. Safe on any bytes.
  func hasSoundShape(_ shard: CacheShard, _ entry: Int) -> Bool {
    let local = shard.local(entryUnit(entry))
    // The header is longer than one unit.
    guard local + 2 <= shard.unitCount else { return false }
    let key = Int(region.load(at: entry + EntryLayout.keyCount, as: UInt16.self))
    let head = Int(region.load(at: entry + EntryLayout.headCount, as: UInt32.self))
    let body = Int(region.load(at: entry + EntryLayout.bodyCount, as: UInt32.self))
    let extents = Int(region.load(at: entry + EntryLayout.extentCount, as: UInt16.self))
    let units = runUnits(entry)
    guard extents <= ArenaLayout.extentsMax else { return false }
    let bytes = EntryLayout.byteTotal + extents * EntryLayout.extentBytes + key + head
    guard units == unitsNeeded(bytes + (extents == 0 ? body : 0)),
      isSoundRun(shard, local, units: units)
    else { return false }
    guard extents > 0 else { return true }
    var sum = 0
    for index in 0..<extents {
      let place = entry + EntryLayout.byteTotal + index * EntryLayout.extentBytes
      let unit = region.load(at: place, as: UInt32.self)
      let count = Int(region.load(at: place + 4, as: UInt32.self))
      guard shard.contains(unit), count > 0,
        isSoundRun(shard, shard.local(unit), units: unitsNeeded(count))
      else { return false }
      sum += count
    }
    return sum == body
  }

  private func isSoundRun(_ shard: CacheShard, _ local: Int, units: Int) -> Bool {
    guard units > 0, units <= 1 << ArenaLayout.orderMax, local + units <= shard.unitCount else {
      return false
    }
    return local & (1 << CacheStore.order(units: units) - 1) == 0
  }

  /// Marks an entry's run and extents as used; false, and nothing marked, when any of it is.
  private func claim(_ shard: CacheShard, _ entry: Int) -> Bool {
    let local = shard.local(entryUnit(entry))
    let units = runUnits(entry)
    guard claimRun(shard, local, units: units, entry: true) else { return false }
    let hit = CacheHit(offset: entry)
    let extents = Int(region.load(at: entry + EntryLayout.extentCount, as: UInt16.self))
    for index in 0..<extents {
      let range = extent(hit, index)
      let place = shard.local(entryUnit(range.offset))
      if claimRun(shard, place, units: unitsNeeded(range.count), entry: false) { continue }
      for earlier in 0..<index {
        let range = extent(hit, earlier)
        let place = shard.local(entryUnit(range.offset))
        region.fill(at: shard.map + place, count: unitsNeeded(range.count), with: 0)
      }
      region.fill(at: shard.map + local, count: units, with: 0)
      return false
    }
    return true
  }

  private func claimRun(_ shard: CacheShard, _ local: Int, units: Int, entry: Bool) -> Bool {
    guard region.zeroCount(at: shard.map + local, count: units) == units else { return false }
    region.fill(at: shard.map + local, count: units, with: UnitTag.inside)
    markRun(shard, local, units: units, entry: entry)
    return true
  }
}
