// Making entries: room under the mutex, bytes without it, publishing under it again.

import Platform

/// What a process knows of a fill of its own.
struct FillProgress {
  /// Bytes the body will have, nil when that is not known yet.
  var byteCount: Int?
  /// Extents whose bytes are in `checksum`.
  var summed = 0
  var checksum: UInt32 = 0
}

extension CacheStore {
  /// Reserves room for an entry and writes everything but its body. nil when it may not be stored
  /// now: too large, no room after a bounded search, 32 fills open, or the shard busy; then serve
  /// without storing. The body's bytes are written in order through `room` or `write`; nobody reads
  /// them before `publish`.
  ///
  /// - Parameter bodyByteCount: at most `objectBytesMax`; nil when it is not known yet.
  package func beginFill(_ head: borrowing CacheEntryHead, bodyByteCount: Int?) -> CacheFill? {
    precondition(head.facts.kind == .content, "what has a budget is inserted, not filled")
    let keys = head.key.byteCount + head.selector.byteCount
    guard let processSlot, bodyByteCount ?? 0 >= 0, bodyByteCount ?? 0 <= objectBytesMax,
      keys <= ArenaLayout.keyBytesMax, head.head.byteCount <= ArenaLayout.headBytesMax,
      head.labels.byteCount <= ArenaLayout.labelBytesMax
    else {
      count(.refusedLarge)
      return nil
    }
    let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
    guard let record = freeRecord(records) else {
      count(.refusedBusy)
      return nil
    }
    let shard = geometry.shard(hash: head.hash)
    guard lock(shard) else { return nil }
    defer { unlock(shard) }
    let fixed = EntryLayout.byteTotal + keys + head.labels.byteCount + head.head.byteCount
    guard let local = allocateEntry(shard, fixed: fixed, body: bodyByteCount) else {
      count(.refusedFull)
      return nil
    }
    let entry = shard.offset(local.unit)
    writeHeader(entry, head, bodyByteCount: local.hasBody ? bodyByteCount ?? 0 : 0)
    region.store(fillOwner(processSlot, record), at: entry + EntryLayout.link)
    setState(entry, EntryLayout.filling)
    interrupt()
    // Last: a record always means a sound header. Whoever dies before leaves a dead owner's mutex,
    // and the rebuild finds the space in no index and no record: free.
    region.storeRelease64(UInt64(entryUnit(entry)), at: records + record * 8)
    fillsOpen |= 1 << UInt32(record)
    fillProgress[record] = FillProgress(byteCount: bodyByteCount)
    count(.fills)
    return CacheFill(hit: CacheHit(offset: entry), recordIndex: record)
  }

  /// Room for header, key, labels and head, and with them a body that is known to be small, when
  /// there is such a run. `steps` bound how long is searched.
  private func allocateEntry(
    _ shard: CacheShard, fixed: Int, body: Int?
  ) -> (unit: Int, hasBody: Bool)? {
    if let body, body <= ArenaLayout.runBodyBytesMax {
      let units = unitsNeeded(fixed + body)
      // What is not small may lie in pieces: that is better than to evict for one piece.
      let isSmall = units <= ArenaLayout.smallRunUnitsMax
      if isSmall || freeRun(shard, holding: units) != nil,
        let local = allocateRun(shard, units: units)
      {
        return (local, true)
      }
      guard body > ArenaLayout.extentBytesMin else { return nil }
    }
    let units = unitsNeeded(fixed)
    return allocateRun(shard, units: units).map { ($0, body == 0) }
  }

  /// Writes all of a new entry but state, link and body.
  func writeHeader(_ entry: Int, _ head: borrowing CacheEntryHead, bodyByteCount: Int) {
    region.storeRelaxed64(head.validated, at: entry + EntryLayout.validated)
    region.storeRelaxed64(head.asOf, at: entry + EntryLayout.goodAsOf)
    // Mark, frequency, queue and state at once.
    region.store(UInt32(0), at: entry + EntryLayout.mark)
    region.store(UInt32(0), at: entry + EntryLayout.expiry)
    region.store(UInt32(0), at: entry + EntryLayout.backLink)
    region.store(UInt32(0), at: entry + EntryLayout.bodyChecksum)
    region.store(head.hash, at: entry + EntryLayout.hash)
    region.store(UInt32(bodyByteCount), at: entry + EntryLayout.bodyCount)
    region.store(UInt32(0), at: entry + EntryLayout.table)
    region.store(UInt16(0), at: entry + EntryLayout.extentCount)
    region.store(UInt16(head.key.byteCount), at: entry + EntryLayout.keyCount)
    region.store(UInt16(head.selector.byteCount), at: entry + EntryLayout.selectorCount)
    region.store(UInt16(head.labels.byteCount), at: entry + EntryLayout.labelCount)
    region.store(UInt16(head.head.byteCount), at: entry + EntryLayout.headCount)
    region.store(UInt16(0), at: entry + EntryLayout.headCount + 2)
    region.store(Clock.bootSeconds(), at: entry + EntryLayout.created)
    region.store(head.facts, at: entry + EntryLayout.facts)
    var place = keyOffset(entry)
    for part in 0..<4 {
      let bytes =
        switch part {
        case 0: head.key
        case 1: head.selector
        case 2: head.labels
        default: head.head
        }
      region.copyIn(bytes, at: place)
      place += bytes.byteCount
    }
  }

  func fillOwner(_ processSlot: Int, _ record: Int) -> UInt32 {
    UInt32(processSlot << 8 | record) + 1
  }

  /// A place among this process's records: not in use, and cleared of an earlier owner's leftovers.
  private func freeRecord(_ records: Int) -> Int? {
    for index in 0..<SlotLayout.fillCount
    where fillsOpen & 1 << UInt32(index) == 0
      && region.loadAcquire64(at: records + index * 8) == 0
    {
      return index
    }
    return nil
  }

  /// Makes a filled entry visible, in place of an older one with the same key and selector. False
  /// when the shard stayed busy, or when something it depends on was invalidated since the fill's
  /// `asOf`; the fill is over in either case.
  ///
  /// - Parameter bodyByteCount: how long the body has become, when that was not known.
  @discardableResult
  package func publish(_ fill: CacheFill, bodyByteCount: Int? = nil) -> Bool {
    let entry = fill.hit.offset
    let progress = fillProgress[fill.recordIndex]
    guard let byteCount = progress.byteCount ?? bodyByteCount,
      byteCount <= self.bodyByteCount(fill.hit)
    else {
      abandon(fill)
      return false
    }
    // Without the lock: all but the last extent is as it will be.
    sumComplete(fill, upTo: extentCount(fill.hit) - 1)
    if fillProgress[fill.recordIndex].summed == 0 && byteCount == self.bodyByteCount(fill.hit) {
      sumComplete(fill, upTo: extentCount(fill.hit))
    }
    let shard = geometry.shard(hash: entryHash(entry))
    guard lock(shard, tries: 64) else {
      giveUp(fill)
      return false
    }
    defer { unlock(shard) }
    // What is not in its record any more was taken for lost, and its memory with it.
    guard isOpen(fill) else {
      fillsOpen &= ~(1 << UInt32(fill.recordIndex))
      return false
    }
    trim(shard, entry, byteCount: byteCount)
    sumComplete(fill, upTo: extentCount(fill.hit))
    region.store(
      fillProgress[fill.recordIndex].checksum, at: entry + EntryLayout.bodyChecksum)
    region.store(headChecksum(entry), at: entry + EntryLayout.checksum)
    let good = region.loadRelaxed64(at: entry + EntryLayout.goodAsOf)
    if good != generation {
      let stamps = newestStamps(entry)
      let floor = region.loadSequential64(at: HeaderLayout.fillFloor)
      if max(stamps.soft, stamps.hard, floor) >= good {
        count(.refusedInvalidated)
        closeRecord(fill)
        freeEntry(shard, entry)
        return false
      }
    }
    enterIndex(shard, entry)
    interrupt()
    closeRecord(fill)
    return true
  }

  /// Ends a fill without an entry.
  package func abandon(_ fill: CacheFill) {
    let shard = geometry.shard(hash: entryHash(fill.hit.offset))
    guard lock(shard) else {
      giveUp(fill)
      return
    }
    defer { unlock(shard) }
    let isOpen = isOpen(fill)
    closeRecord(fill)
    if isOpen { freeEntry(shard, fill.hit.offset) }
  }

  /// 32 bits of a hash under the segment's secret seeds: no body can pretend to be a header.
  func checksum(_ bytes: RawSpan) -> UInt32 {
    let hash = KeyHash.hash(bytes, seed0: seed1, seed1: seed0)
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
  }

  /// The checksum of all that is immutable but the body.
  func headChecksum(_ entry: Int) -> UInt32 {
    let region = region
    let start = entry + EntryLayout.immutable
    let end = bodyRange(ofRun: entry).offset
    let sum = checksum(region.span(at: start, count: end - start))
    let extents = count16(entry, EntryLayout.extentCount)
    guard extents > 0 else { return sum }
    return (sum << 7 | sum >> 25)
      ^ checksum(
        region.span(at: tableOffset(entry), count: extents * EntryLayout.extentBytes))
  }
}

/// The end of fills.
extension CacheStore {
  /// Whether a fill's record still names its entry.
  func isOpen(_ fill: CacheFill) -> Bool {
    guard let processSlot else { return false }
    let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
    return region.loadAcquire64(at: records + fill.recordIndex * 8)
      == UInt64(entryUnit(fill.hit.offset))
  }

  private func closeRecord(_ fill: CacheFill) {
    guard let processSlot else { return }
    let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
    region.storeRelease64(0, at: records + fill.recordIndex * 8)
    fillsOpen &= ~(1 << UInt32(fill.recordIndex))
  }

  /// Leaves a fill to whoever locks its shard next.
  private func giveUp(_ fill: CacheFill) {
    guard let processSlot else { return }
    let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
    fillsOpen &= ~(1 << UInt32(fill.recordIndex))
    markAbandoned(record: records + fill.recordIndex * 8)
  }

  /// Marks a record, if it is open, and tells its shard. Compare and exchange, since a lock holder
  /// may clear it at the same time.
  func markAbandoned(record: Int) {
    let word = region.loadAcquire64(at: record)
    guard word != 0 else { return }
    let unit = word & ~SlotLayout.abandoned
    // One that is marked already may have lost its process before its shard was told.
    guard
      word != unit
        || region.compareExchange64(
          at: record, expected: unit, desired: unit | SlotLayout.abandoned)
    else { return }
    guard let shard = geometry.shard(unit: unit) else { return }
    // After the mark: who takes the flag finds the mark.
    _ = region.exchange32(1, at: shard.start + ShardLayout.abandonedFills)
  }

  /// Under the mutex: frees the marked fills of a shard.
  func freeAbandonedFills(_ shard: CacheShard) {
    forEachRecord { processSlot, index, record in
      let word = region.loadAcquire64(at: record)
      guard word & SlotLayout.abandoned != 0, isFill(word, in: shard) else { return }
      let entry = fillEntry(word, processSlot, index)
      interrupt()
      // The record first: dying between the two leaves the space to the rebuild.
      region.storeRelease64(0, at: record)
      if let entry { freeEntry(shard, entry) }
    }
  }

  /// Visits all fill records of all processes.
  func forEachRecord(_ body: (_ processSlot: Int, _ index: Int, _ record: Int) -> Void) {
    for processSlot in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
      for index in 0..<SlotLayout.fillCount { body(processSlot, index, records + index * 8) }
    }
  }

  /// Whether a record's word names a unit of this shard.
  func isFill(_ word: UInt64, in shard: CacheShard) -> Bool {
    let unit = word & ~SlotLayout.abandoned
    return unit != 0 && unit <= UInt64(UInt32.max) && shard.contains(UInt32(unit))
  }

  /// The entry that a record's word means, nil if that is no longer being filled under this record.
  func fillEntry(_ word: UInt64, _ processSlot: Int, _ index: Int) -> Int? {
    let entry = entryOffset(UInt32(truncatingIfNeeded: word))
    guard state(entry) == EntryLayout.filling,
      region.load(at: entry + EntryLayout.link, as: UInt32.self) == fillOwner(processSlot, index)
    else { return nil }
    return entry
  }
}
