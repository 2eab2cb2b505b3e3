// Making a shard sound again after its mutex's owner died, or when a segment is taken over.
//
// The index is the truth. What is in use is what the index names, what living processes are
// filling, and unlinked entries that somebody still holds; all else is free. Nothing that this
// reads is changed, except that what cannot be right is removed: so dying inside it does no harm,
// the next one starts over.

import Platform

extension CacheStore {
  /// Rebuilds a shard's unit map, free lists, retired list, rings, spill counts, the policy's books
  /// and counts. Under its mutex. `verifying` also checks the checksum of every entry's head, for
  /// memory that outlived its writers.
  func rebuild(_ shard: CacheShard, verifying: Bool) {
    interrupt()
    region.fill(at: shard.map, count: (shard.unitCount + 63) / 64 * 8, with: 0)
    region.fill(
      at: shard.start + ShardLayout.entries,
      count: ShardLayout.fieldsEnd - ShardLayout.entries, with: 0)
    region.fill(
      at: shard.start + ShardLayout.freeClasses,
      count: ShardLayout.index - ShardLayout.freeClasses, with: 0)
    region.fill(
      at: shard.start + geometry.spillOffset, count: geometry.mapOffset - geometry.spillOffset,
      with: 0)
    keepFills(shard)
    interrupt()
    keepIndex(shard, verifying: verifying)
    interrupt()
    keepHeld(shard)
    interrupt()
    freeTheRest(shard)
    policyRebuilt(shard)
  }

  /// Makes the words that no checksum covers fit each other, in memory that outlived its writers.
  /// Nobody else may have the segment, whose process slots are clear.
  func mendHeader() {
    // A stamp of a later day would hold back for ever what it names.
    let now = generation
    func lower(_ place: Int) {
      if region.loadRelaxed64(at: place) > now { region.storeRelaxed64(now, at: place) }
    }
    lower(HeaderLayout.everything + StampLayout.soft)
    lower(HeaderLayout.everything + StampLayout.hard)
    lower(HeaderLayout.files + StampLayout.soft)
    lower(HeaderLayout.files + StampLayout.hard)
    lower(HeaderLayout.fillFloor)
    for stamp in 0..<geometry.stampCount {
      let place = geometry.stampsOffset + stamp * StampLayout.byteTotal
      lower(place + StampLayout.soft)
      lower(place + StampLayout.hard)
    }
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
      if let (entry, isSpilled) = soundEntry(shard, word, slot, verifying: verifying),
        claim(shard, entry)
      {
        if verifying { mendMoving(entry) }
        countIn(shard, entry)
        if isSpilled { noteSpill(entryHash(entry), 1) }
        if let budget = Budget(kind(entry)) { noteBudgeted(shard, entry, budget) }
      } else {
        region.setIndexWord(0, at: slot)
        count(.damaged)
      }
    }
  }

  /// The words of an entry that no checksum covers, in memory that outlived its writers.
  private func mendMoving(_ entry: Int) {
    // An entry from the future would never show its body's checksum.
    let good = entry + EntryLayout.goodAsOf
    if region.loadRelaxed64(at: good) > generation { region.storeRelaxed64(generation, at: good) }
    region.storeRelaxed64(movingWordToKeep(entry), at: entry + EntryLayout.validated)
  }

  /// What of an entry's moving word outlives those who wrote it. Nobody has found it right under
  /// the epoch that begins now, whatever the word says; but an application's response is as old as
  /// it was. A time before it was made, or to come, is damage: then it is as old as it can be.
  func movingWordToKeep(_ entry: Int) -> UInt64 {
    let hit = CacheHit(offset: entry)
    guard facts(hit).flags.contains(.isResponse) else { return 0 }
    let made = UInt64(createdSeconds(hit)) * EntryTime.ticksPerSecond
    let time = validated(hit) & EntryTime.mask
    // The response may have begun to come a while before the entry was made.
    let earliest = made &- CacheStore.fillTicksMax
    let possible = Clock.bootTicks() &- earliest
    return (time &- earliest) & EntryTime.mask <= possible & EntryTime.mask
      ? time : earliest & EntryTime.mask
  }

  /// An entry is made at most so long after the time that it counts its age from.
  private static let fillTicksMax = 3600 * EntryTime.ticksPerSecond

  /// The entry that an index word names, if everything about it fits.
  func soundEntry(
    _ shard: CacheShard, _ word: UInt64, _ slot: Int, verifying: Bool
  ) -> (Int, isSpilled: Bool)? {
    let unit = UInt32(truncatingIfNeeded: word)
    guard shard.contains(unit) else { return nil }
    let entry = entryOffset(unit)
    guard hasSoundShape(shard, entry), state(entry) == EntryLayout.live,
      entryHash(entry) >> 32 == word >> 32,
      geometry.shard(hash: entryHash(entry)) == shard
    else { return nil }
    let bucket = (slot - shard.index) / ShardLayout.bucketBytes
    let step =
      (bucket - geometry.homeBucket(hash: entryHash(entry))) & (geometry.bucketCount - 1)
    guard step < ShardLayout.bucketsPerGroup, !verifying || isSealed(entry) else { return nil }
    return (entry, step > 0)
  }

  /// What the index no longer names but a process may be reading. A hazard word may also be stale,
  /// published and not yet taken back by a look-up that lost its race; then it names memory that
  /// may be anything by now, so only whole entries in unclaimed memory are kept. An entry that is
  /// really held is one: its memory was not reused.
  ///
  /// What a stale word names may look whole as well, in free memory or inside a held entry's body,
  /// and reach into what is really held. Which of two that overlap is the real one cannot be told:
  /// then all of them stay used, nothing retired is freed, and `tidy` repairs the shard again.
  private func keepHeld(_ shard: CacheShard) {
    var entries: [Int] = []
    _ = region.anyHold(in: CacheGeometry.holdTable) { unit in
      if let entry = heldEntry(shard, unit), !entries.contains(entry) { entries.append(entry) }
      return false
    }
    var overlap = false
    for entry in entries where !claim(shard, entry) {
      overlap = true
      for run in runs(shard, entry) { setUsed(shard, run.local, units: run.units) }
    }
    if overlap {
      setField(shard, ShardLayout.heldOverlap, 1)
    } else {
      // Only now: this writes into the entries.
      for entry in entries { appendRetired(shard, entry) }
    }
  }

  /// The whole entry in memory unclaimed by index and fills that a hold names.
  private func heldEntry(_ shard: CacheShard, _ unit: UInt64) -> Int? {
    guard unit != 0, unit <= UInt64(UInt32.max), shard.contains(UInt32(unit)) else { return nil }
    let entry = entryOffset(UInt32(unit))
    guard hasRoomForHeader(shard, entry),
      state(entry) == EntryLayout.live || state(entry) == EntryLayout.retired,
      hasSoundShape(shard, entry), isSealed(entry),
      runs(shard, entry).allSatisfy({ isAllFree(shard, $0.local, units: $0.units) })
    else { return nil }
    return entry
  }

  private func freeTheRest(_ shard: CacheShard) {
    var position = nextUnit(shard, from: 0, used: false)
    while position < shard.unitCount {
      let end = nextUnit(shard, from: position, used: true)
      pushFree(shard, position, units: end - position)
      add(end - position, to: ShardLayout.freeUnits, of: shard)
      position = nextUnit(shard, from: end, used: false)
    }
  }

  func isSealed(_ entry: Int) -> Bool {
    region.load(at: entry + EntryLayout.checksum, as: UInt32.self) == headChecksum(entry)
  }

  private func hasRoomForHeader(_ shard: CacheShard, _ entry: Int) -> Bool {
    shard.local(entryUnit(entry)) + EntryLayout.unitsMin <= shard.unitCount
  }

  /// Whether an entry's sizes agree with each other and all its places lie in the shard's arena.
  /// Safe on any bytes.
  func hasSoundShape(_ shard: CacheShard, _ entry: Int) -> Bool {
    let local = shard.local(entryUnit(entry))
    guard hasRoomForHeader(shard, entry) else { return false }
    let extents = count16(entry, EntryLayout.extentCount)
    let body = bodyByteCount(CacheHit(offset: entry))
    guard extents <= ArenaLayout.extentsMax, body <= ArenaLayout.objectBytesMax,
      local + runUnits(entry) <= shard.unitCount
    else { return false }
    guard hasTable(entry) else { return extents == 0 }
    let table = region.load(at: entry + EntryLayout.table, as: UInt32.self)
    let reserved = tableUnits(entry)
    guard shard.contains(table), reserved <= shard.unitCount - shard.local(table),
      reserved >= unitsNeeded(extents * EntryLayout.extentBytes)
    else { return false }
    var sum = 0
    for index in 0..<extents {
      let place = entryOffset(table) + index * EntryLayout.extentBytes
      let unit = region.load(at: place, as: UInt32.self)
      let count = Int(region.load(at: place + 4, as: UInt32.self))
      guard shard.contains(unit), count > 0,
        shard.local(unit) + unitsNeeded(count) <= shard.unitCount
      else { return false }
      sum += count
    }
    return sum == body
  }

  /// Marks an entry's run, table and extents as used; false, and nothing marked, when any of it is.
  private func claim(_ shard: CacheShard, _ entry: Int) -> Bool {
    let runs = runs(shard, entry)
    for (index, run) in runs.enumerated() {
      guard isAllFree(shard, run.local, units: run.units) else {
        for earlier in runs[..<index] { setFree(shard, earlier.local, units: earlier.units) }
        return false
      }
      setUsed(shard, run.local, units: run.units)
    }
    return true
  }

  /// All that an entry of sound shape occupies.
  func runs(_ shard: CacheShard, _ entry: Int) -> [(local: Int, units: Int)] {
    var runs = [(local: shard.local(entryUnit(entry)), units: runUnits(entry))]
    if hasTable(entry) {
      runs.append((shard.local(entryUnit(tableOffset(entry))), tableUnits(entry)))
    }
    for index in 0..<count16(entry, EntryLayout.extentCount) {
      let range = extent(CacheHit(offset: entry), index)
      runs.append((shard.local(entryUnit(range.offset)), unitsNeeded(range.count)))
    }
    return runs
  }
}
