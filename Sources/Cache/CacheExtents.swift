// Where bodies lie: in the entry's run, or in extents that are added as the bytes come.

import Platform

extension CacheStore {
  /// Units of an entry's run: header, key, selector, labels, head, and the body without extents.
  func runUnits(_ entry: Int) -> Int {
    let body = bodyRange(ofRun: entry)
    return unitsNeeded(body.offset - entry + (hasTable(entry) ? 0 : body.count))
  }

  func hasTable(_ entry: Int) -> Bool {
    region.load(at: entry + EntryLayout.table, as: UInt32.self) != 0
  }

  /// Units of an entry's extent table: of a fill what was reserved, else what it needs.
  func tableUnits(_ entry: Int) -> Int {
    guard hasTable(entry) else { return 0 }
    if state(entry) == EntryLayout.filling {
      return Int(region.load(at: entry + EntryLayout.backLink, as: UInt32.self))
    }
    return unitsNeeded(count16(entry, EntryLayout.extentCount) * EntryLayout.extentBytes)
  }

  /// Where to write body bytes of a fill: from `bodyOffset`, which grows, to the end of its extent,
  /// which is added when needed. nil when there is no room now: abandon the fill. Holds the mutex
  /// only to add an extent of at most 128 KiB.
  package func room(for fill: CacheFill, at bodyOffset: Int) -> RegionRange? {
    let entry = fill.hit.offset
    if bodyOffset == 0 { fillProgress[fill.recordIndex].summed = 0 }
    var start = 0
    for index in stride(from: 0, to: extentCount(fill.hit), by: 1) {
      let range = extent(fill.hit, index)
      if bodyOffset < start + range.count {
        return RegionRange(
          offset: range.offset + bodyOffset - start, count: range.count - (bodyOffset - start))
      }
      start += range.count
    }
    precondition(bodyOffset == start, "a body is written without gaps")
    let rest = fillProgress[fill.recordIndex].byteCount.map { $0 - start }
    guard rest ?? 1 > 0, start < objectBytesMax else { return nil }
    sumComplete(fill, upTo: extentCount(fill.hit))
    let shard = geometry.shard(hash: entryHash(entry))
    guard lock(shard, tries: 64) else { return nil }
    defer { unlock(shard) }
    guard isOpen(fill) else { return nil }
    return addExtent(shard, entry, soFar: start, rest: rest)
  }

  /// Writes body bytes of a fill, in order. False when there is no room: abandon the fill.
  package func write(_ bytes: RawSpan, at bodyOffset: Int, of fill: CacheFill) -> Bool {
    var done = 0
    while done < bytes.byteCount {
      guard let range = room(for: fill, at: bodyOffset + done) else { return false }
      let count = min(range.count, bytes.byteCount - done)
      region.copyIn(bytes.extracting(done..<done + count), at: range.offset)
      done += count
    }
    return true
  }

  /// Copies bytes of a held or pinned entry's body into a fill of the same process, in order: how
  /// an entry gets another head and keeps its body, which a 304 with changed fields asks for (RFC
  /// 9111 section 4.3.4). The fill has the body's length and room of its own: readers keep the old
  /// entry, whose memory is never written to, until `publish` puts the new one in its place.
  ///
  /// The old entry's `isKnownGood` or `standing` must have been asked: that looks at the checksum
  /// from before a restart, where this makes a new one.
  ///
  /// - Parameters:
  ///   - done: 0 to begin, then what the last call returned.
  ///   - byteCountMax: so much at most is copied: 1 MiB takes about a tenth of a millisecond.
  /// - Returns: bytes copied in all, the body's length at the end; nil when there is no room:
  ///   abandon the fill.
  package func copyBody(
    of hit: CacheHit, to fill: CacheFill, from done: Int, byteCountMax: Int
  ) -> Int? {
    let region = region
    var start = 0
    var done = done
    let end = min(bodyByteCount(hit), done + byteCountMax)
    for index in 0..<extentCount(hit) where done < end {
      let range = extent(hit, index)
      if done < start + range.count {
        let count = min(start + range.count, end) - done
        let bytes = region.span(at: range.offset + done - start, count: count)
        guard write(bytes, at: done, of: fill) else { return nil }
        done += count
      }
      start += range.count
    }
    return done
  }

  /// Brings the body's checksum on to the first `count` extents, which must be complete.
  func sumComplete(_ fill: CacheFill, upTo count: Int) {
    var progress = fillProgress[fill.recordIndex]
    if progress.summed == 0 { progress.checksum = 0 }
    while progress.summed < count {
      progress.checksum = addToBodyChecksum(
        progress.checksum, extent(fill.hit, progress.summed))
      progress.summed += 1
    }
    fillProgress[fill.recordIndex] = progress
  }

  /// Under the mutex: one more extent, as large as is useful, or the largest free run that is not
  /// too small: what one send needs many vectors for is not worth it, and the table must do.
  private func addExtent(
    _ shard: CacheShard, _ entry: Int, soFar: Int, rest: Int?
  ) -> RegionRange? {
    guard growTable(shard, entry, rest: rest) else { return nil }
    let total = rest.map { soFar + $0 } ?? soFar * 2
    // Never more than may be stored: a repair takes what is larger for damage.
    let wanted = min(
      rest ?? max(soFar, 4096), ArenaLayout.extentBytesMax, objectBytesMax - soFar)
    let least = min(
      wanted,
      max(
        ArenaLayout.extentBytesMin, min(total / 128, 16 << 10),
        total / (ArenaLayout.extentsMax - 20)))
    let units = unitsNeeded(wanted)
    var run = freeRun(shard, holding: units)
    if run == nil, let largest = largestFreeRun(shard, atMost: units),
      largest.units >= unitsNeeded(least)
    {
      run = largest.local
    }
    guard let local = run ?? roomyRun(shard, units: unitsNeeded(least)) else {
      self.count(.refusedFull)
      return nil
    }
    let count = min(wanted, freeUnits(shard, local) << ArenaLayout.unitShift)
    takeRun(shard, local, units: unitsNeeded(count))
    return append(shard, entry, local: local, bytes: count)
  }

  /// Enters an extent into the table. In this order each moment is sound.
  private func append(
    _ shard: CacheShard, _ entry: Int, local: Int, bytes: Int
  ) -> RegionRange {
    let extents = count16(entry, EntryLayout.extentCount)
    let place = tableOffset(entry) + extents * EntryLayout.extentBytes
    region.store(shard.unit(local), at: place)
    region.store(UInt32(bytes), at: place + 4)
    interrupt()
    region.store(UInt16(extents + 1), at: entry + EntryLayout.extentCount)
    region.store(
      UInt32(bodyByteCount(CacheHit(offset: entry)) + bytes), at: entry + EntryLayout.bodyCount)
    return RegionRange(offset: shard.offset(local), count: bytes)
  }

  /// Room for one more extent in the table, which is made or doubled when needed.
  private func growTable(_ shard: CacheShard, _ entry: Int, rest: Int?) -> Bool {
    let extents = count16(entry, EntryLayout.extentCount)
    guard extents < ArenaLayout.extentsMax else { return false }
    let old = hasTable(entry) ? tableUnits(entry) : 0
    if old << ArenaLayout.unitShift >= (extents + 1) * EntryLayout.extentBytes { return true }
    let expected = (rest ?? 0) / ArenaLayout.extentBytesMax + 1
    let units = max(old * 2, unitsNeeded(expected * EntryLayout.extentBytes))
    guard let local = allocateRun(shard, units: units) else {
      return false
    }
    if old > 0 {
      region.copyInside(
        from: tableOffset(entry), to: shard.offset(local),
        count: extents * EntryLayout.extentBytes)
    }
    let before = tableOffset(entry)
    interrupt()
    // The place first: the old length holds all there is so far. The other way round a rebuild in
    // between would take what lies behind the old table for part of it.
    region.store(shard.unit(local), at: entry + EntryLayout.table)
    interrupt()
    region.store(UInt32(units), at: entry + EntryLayout.backLink)
    if old > 0 { freeRun(shard, shard.local(entryUnit(before)), units: old) }
    return true
  }

  /// Under the mutex, at a fill's end: gives back what the body and the table do not need.
  func trim(_ shard: CacheShard, _ entry: Int, byteCount: Int) {
    guard hasTable(entry) else { return }
    var surplus = bodyByteCount(CacheHit(offset: entry)) - byteCount
    var extents = count16(entry, EntryLayout.extentCount)
    while surplus > 0 {
      let range = extent(CacheHit(offset: entry), extents - 1)
      let kept = max(0, range.count - surplus)
      surplus -= range.count - kept
      let local = shard.local(entryUnit(range.offset))
      let place = tableOffset(entry) + (extents - 1) * EntryLayout.extentBytes
      interrupt()
      region.store(UInt32(kept), at: place + 4)
      if kept == 0 {
        extents -= 1
        region.store(UInt16(extents), at: entry + EntryLayout.extentCount)
      }
      let spare = unitsNeeded(range.count) - unitsNeeded(kept)
      if spare > 0 { freeRun(shard, local + unitsNeeded(kept), units: spare) }
    }
    region.store(UInt32(byteCount), at: entry + EntryLayout.bodyCount)
    let reserved = tableUnits(entry)
    let needed = unitsNeeded(extents * EntryLayout.extentBytes)
    let local = shard.local(entryUnit(tableOffset(entry)))
    region.store(UInt32(needed), at: entry + EntryLayout.backLink)
    if needed == 0 { region.store(UInt32(0), at: entry + EntryLayout.table) }
    if reserved > needed { freeRun(shard, local + needed, units: reserved - needed) }
  }

  /// Gives back an entry's run, table and extents. Nobody may refer to it.
  func freeEntry(_ shard: CacheShard, _ entry: Int) {
    let units = runUnits(entry)
    let table = tableUnits(entry)
    setState(entry, 0)
    // The table first read, then freed: a freed run's memory is written to.
    for index in 0..<count16(entry, EntryLayout.extentCount) {
      let range = extent(CacheHit(offset: entry), index)
      freeRun(shard, shard.local(entryUnit(range.offset)), units: unitsNeeded(range.count))
    }
    if table > 0 { freeRun(shard, shard.local(entryUnit(tableOffset(entry))), units: table) }
    freeRun(shard, shard.local(entryUnit(entry)), units: units)
  }
}
