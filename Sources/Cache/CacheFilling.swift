// Making entries: room under the mutex, bytes without it, publishing under it again.

import Platform

extension CacheStore {
  /// Reserves room for an entry and writes everything but its body. nil when it may not be stored
  /// now: too large, no room after a bounded search, 32 fills open, or the shard busy; then serve
  /// without storing. The body's bytes are written through `write`, or straight into the ranges of
  /// `extent(fill.hit, …)`; nobody reads them before `publish`.
  ///
  /// - Parameters:
  ///   - key: at most 16 KiB.
  ///   - hash: of the key.
  ///   - head: at most 32 KiB.
  ///   - bodyByteCount: at most `objectBytesMax`.
  ///   - validated: the first value of the moving word.
  package func beginFill(
    key: RawSpan, hash: UInt64, facts: EntryFacts, head: RawSpan, bodyByteCount: Int,
    validated: UInt64
  ) -> CacheFill? {
    precondition(facts.kind != .alias, "aliases are inserted, not filled")
    guard let processSlot, bodyByteCount >= 0, bodyByteCount <= objectBytesMax,
      key.byteCount <= ArenaLayout.keyBytesMax, head.byteCount <= ArenaLayout.headBytesMax
    else {
      count(.refusedFull)
      return nil
    }
    let records = CacheGeometry.slotOffset(processSlot) + SlotLayout.fills
    guard let record = freeRecord(records) else {
      count(.refusedBusy)
      return nil
    }
    let shard = geometry.shard(hash: hash)
    guard lock(shard) else { return nil }
    defer { unlock(shard) }
    let fixed = EntryLayout.byteTotal + key.byteCount + head.byteCount
    guard let entry = allocate(shard, fixed: fixed, body: bodyByteCount) else {
      count(.refusedFull)
      return nil
    }
    writeHeader(
      entry, key: key, hash: hash, facts: facts, head: head, bodyByteCount: bodyByteCount,
      validated: validated)
    region.store(fillOwner(processSlot, record), at: entry + EntryLayout.link)
    region.store(EntryLayout.filling, at: entry + EntryLayout.state)
    // Last: a record always means a sound header. Whoever dies before leaves a dead owner's mutex,
    // and the rebuild finds the space in no index and no record: free.
    region.storeRelease64(UInt64(entryUnit(entry)), at: records + record * 8)
    fillsOpen |= 1 << UInt32(record)
    count(.fills)
    return CacheFill(hit: CacheHit(offset: entry), recordIndex: record)
  }

  /// Writes all of a new entry but run length, extent table, state and body.
  func writeHeader(
    _ entry: Int, key: RawSpan, hash: UInt64, facts: EntryFacts, head: RawSpan,
    bodyByteCount: Int, validated: UInt64
  ) {
    region.storeRelaxed64(validated, at: entry + EntryLayout.validated)
    region.storeRelaxed32(0, at: entry + EntryLayout.mark)
    region.store(hash, at: entry + EntryLayout.hash)
    region.store(UInt16(key.byteCount), at: entry + EntryLayout.keyCount)
    region.store(UInt32(head.byteCount), at: entry + EntryLayout.headCount)
    region.store(UInt32(bodyByteCount), at: entry + EntryLayout.bodyCount)
    region.store(UInt64(0), at: entry + EntryLayout.bodyChecksum)
    region.store(facts, at: entry + EntryLayout.facts)
    region.copyIn(key, at: keyOffset(entry))
    region.copyIn(head, at: headOffset(entry))
  }

  /// Writes the checksums of a complete entry.
  func seal(_ entry: Int) {
    region.store(bodyChecksum(CacheHit(offset: entry)), at: entry + EntryLayout.bodyChecksum)
    region.store(headChecksum(entry), at: entry + EntryLayout.checksum)
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

  /// Room for an entry, with run length and extent table written. nil when there is none.
  private func allocate(_ shard: CacheShard, fixed: Int, body: Int) -> Int? {
    // Enough to pass over what is asked for several times; small objects get a small search.
    var steps = 256 + unitsNeeded(fixed + body)
    if body <= ArenaLayout.runBodyBytesMax {
      let units = unitsNeeded(fixed + body)
      if let local = allocateRun(shard, units: units, entry: true, steps: &steps) {
        setShape(shard, local, units: units, extents: [])
        return shard.offset(local)
      }
      guard body > ArenaLayout.extentBytesMin else { return nil }
      steps = 32
    }
    return allocateChain(shard, fixed: fixed, body: body, steps: &steps)
  }

  private func allocateRun(
    _ shard: CacheShard, units: Int, entry: Bool, steps: inout Int
  ) -> Int? {
    let order = CacheStore.order(units: units)
    guard makeRoom(shard, order: order, steps: &steps) else { return nil }
    return allocateRun(shard, units: units, entry: entry)
  }

  /// A body in pieces: 64 KiB each (128 KiB in large bodies), or what free blocks there are, but
  /// not so small that one send would need many vectors, or the table would overflow.
  private func allocateChain(
    _ shard: CacheShard, fixed: Int, body: Int, steps: inout Int
  ) -> Int? {
    let most =
      body > ArenaLayout.largeBodyBytes
      ? ArenaLayout.largeExtentBytesMax : ArenaLayout.extentBytesMax
    let least = max(
      ArenaLayout.extentBytesMin, min(body / 64, ArenaLayout.extentBytesMax),
      (body + ArenaLayout.extentsMax - 1) / ArenaLayout.extentsMax)
    let leastOrder = CacheStore.order(units: unitsNeeded(least))
    var extents: [(local: Int, bytes: Int)] = []
    var rest = body
    while rest > 0 {
      var wanted = min(rest, most)
      let wantedOrder = CacheStore.order(units: unitsNeeded(wanted))
      if freeOrder(shard, atLeast: wantedOrder) == nil {
        // Not the last piece of its size: a smaller block does as well, if not too small.
        if let order = freeOrder(shard, atMost: wantedOrder - 1), order >= leastOrder {
          wanted = min(rest, ArenaLayout.unitBytes << order)
        } else if !makeRoom(shard, order: min(wantedOrder, leastOrder), steps: &steps) {
          break
        } else {
          continue
        }
      }
      guard let local = allocateRun(shard, units: unitsNeeded(wanted), entry: false) else { break }
      extents.append((local, wanted))
      rest -= wanted
    }
    let units = unitsNeeded(fixed + extents.count * EntryLayout.extentBytes)
    if rest == 0, extents.count <= ArenaLayout.extentsMax,
      let local = allocateRun(shard, units: units, entry: true, steps: &steps)
    {
      setShape(shard, local, units: units, extents: extents)
      return shard.offset(local)
    }
    for extent in extents { freeRun(shard, extent.local, units: unitsNeeded(extent.bytes)) }
    return nil
  }

  private func setShape(
    _ shard: CacheShard, _ local: Int, units: Int, extents: [(local: Int, bytes: Int)]
  ) {
    let entry = shard.offset(local)
    region.store(UInt32(units), at: entry + EntryLayout.runUnits)
    region.store(UInt16(extents.count), at: entry + EntryLayout.extentCount)
    for (index, extent) in extents.enumerated() {
      let place = entry + EntryLayout.byteTotal + index * EntryLayout.extentBytes
      region.store(shard.unit(extent.local), at: place)
      region.store(UInt32(extent.bytes), at: place + 4)
    }
  }

  /// Writes body bytes of a fill, at any offsets in any order.
  package func write(_ bytes: RawSpan, at bodyOffset: Int, of fill: CacheFill) {
    var from = 0
    var start = 0
    for index in 0..<extentCount(fill.hit) {
      let range = extent(fill.hit, index)
      let place = bodyOffset + from - start
      if place >= 0 && place < range.count && from < bytes.byteCount {
        let count = min(range.count - place, bytes.byteCount - from)
        region.copyIn(bytes.extracting(from..<from + count), at: range.offset + place)
        from += count
      }
      start += range.count
    }
    precondition(from == bytes.byteCount, "beyond the body's end")
  }

  /// Makes a filled entry visible, in place of an older one with the same key. False when the shard
  /// stayed busy; the fill is over in either case.
  @discardableResult
  package func publish(_ fill: CacheFill) -> Bool {
    let entry = fill.hit.offset
    seal(entry)
    let shard = geometry.shard(hash: entryHash(entry))
    guard lock(shard, tries: 64) else {
      giveUp(fill)
      return false
    }
    defer { unlock(shard) }
    enterIndex(shard, entry)
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
    closeRecord(fill)
    freeEntry(shard, fill.hit.offset)
  }

  /// The checksum of all that is immutable but the body.
  func headChecksum(_ entry: Int) -> UInt32 {
    let region = region
    let start = entry + EntryLayout.immutable
    let end = bodyRange(ofRun: entry).offset
    return KeyHash.checksum(region.span(at: start, count: end - start))
  }

  /// Under the mutex: puts a complete entry into the index.
  func enterIndex(_ shard: CacheShard, _ entry: Int) {
    let hash = entryHash(entry)
    let unit = entryUnit(entry)
    let word = (hash >> 32) << 32 | UInt64(unit)
    let bucket = geometry.bucketOffset(hash: hash)
    let slot = slotForKey(bucket, entry)
    // Before the index word: a rebuild believes only in live entries.
    region.store(EntryLayout.live, at: entry + EntryLayout.state)
    let old = region.loadRelaxed64(at: slot)
    // One store unlinks the older entry and links the new one; sequentially consistent for the
    // former (see `lookUp`), and a release of the entry's bytes.
    region.storeSequential64(word, at: slot)
    countIn(shard, entry)
    count(.publishes)
    if old != 0 {
      let other = entryOffset(UInt32(truncatingIfNeeded: old))
      countOut(shard, other)
      retire(shard, other)
    }
  }

  /// Where in its bucket an entry goes: in place of its key's older entry, an empty place, or that
  /// of an entry that leaves.
  private func slotForKey(_ bucket: Int, _ entry: Int) -> Int {
    let tag = entryHash(entry) >> 32
    let keyRange = keyRange(CacheHit(offset: entry))
    let region = region
    let key = region.span(at: keyRange.offset, count: keyRange.count)
    var empty: Int?
    var cold: Int?
    for index in 0..<ShardLayout.slotsPerBucket {
      let slot = bucket + index * 8
      let word = region.loadRelaxed64(at: slot)
      if word == 0 {
        if empty == nil { empty = slot }
        continue
      }
      let other = entryOffset(UInt32(truncatingIfNeeded: word))
      if word >> 32 == tag && hasKey(other, key) { return slot }
      if cold == nil && !isMarked(other) { cold = slot }
    }
    if let empty { return empty }
    count(.evictions)
    if let cold { return cold }
    // All were read lately: they lose their marks, and the key chooses.
    for index in 0..<ShardLayout.slotsPerBucket {
      let word = region.loadRelaxed64(at: bucket + index * 8)
      let other = entryOffset(UInt32(truncatingIfNeeded: word))
      region.storeRelaxed32(0, at: other + EntryLayout.mark)
    }
    return bucket + Int(tag & UInt64(ShardLayout.slotsPerBucket - 1)) * 8
  }
}

/// The end of fills.
extension CacheStore {
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
    let unit = region.loadAcquire64(at: record)
    guard unit != 0, unit & SlotLayout.abandoned == 0 else { return }
    guard
      region.compareExchange64(
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
