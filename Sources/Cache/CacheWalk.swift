// Looking at everything that is stored, a few buckets at a time, without a lock.

import Platform

/// Which entries are pinned, as of one moment.
package struct CachePinTable {
  /// By unit, how many processes pin it.
  var processes: [UInt32: Int] = [:]

  /// How many processes pin an entry.
  package func processes(pinning hit: CacheHit) -> Int {
    processes[entryUnit(hit.offset)] ?? 0
  }
}

extension CacheStore {
  /// Visits the entries of some index buckets, each held by this process's hazard slot while `body`
  /// looks at it. The caller must be attached and hold nothing; `body` must not look up or follow.
  /// Marks nothing as used.
  ///
  /// An entry that stays stored during a whole walk is visited, and so is its key when it is
  /// replaced meanwhile. What comes or leaves meanwhile may or may not be; what leaves and returns
  /// may be visited twice.
  ///
  /// - Parameters:
  ///   - cursor: 0 to begin, then what the last call returned.
  ///   - bucketsMax: how many buckets, of up to eight entries each.
  /// - Returns: where to go on; nil at the end.
  package func walk(from cursor: Int, bucketsMax: Int, _ body: (CacheHit) -> Void) -> Int? {
    let total = geometry.shardCount * geometry.bucketCount
    let end = min(total, cursor + bucketsMax)
    for place in cursor..<max(cursor, end) {
      let shard = geometry.shard(place / geometry.bucketCount)
      visit(
        shard.index + place % geometry.bucketCount * ShardLayout.bucketBytes, in: shard,
        where: { _ in true }, { hit, _ in body(hit) })
    }
    release()
    return end < total ? end : nil
  }

  /// How many buckets a whole walk visits.
  package var bucketTotal: Int { geometry.shardCount * geometry.bucketCount }

  /// Holds the variant of a key that `rank` puts highest, as `lookUp` would. `rank` looks at each
  /// variant, at most 32 that last, while it is held; nil: not this one. It must not look up.
  package func lookUpBest(
    _ key: RawSpan, hash: UInt64, rank: (CacheHit) -> UInt64?
  ) -> CacheHit? {
    let shard = geometry.shard(hash: hash)
    // Again when the best one was replaced between being seen and being held.
    for _ in 0..<4 {
      var best: (rank: UInt64, place: Int, entry: Int)?
      for step in 0..<ShardLayout.bucketsPerGroup {
        let bucket = geometry.bucketOffset(hash: hash, step: step)
        visit(bucket, in: shard, where: { $0 >> 32 == hash >> 32 }) { hit, place in
          guard hasKey(hit.offset, key), let rank = rank(hit) else { return }
          if best.map({ $0.rank < rank }) ?? true { best = (rank, place, hit.offset) }
        }
        // Nothing of this key lies further on.
        if region.load(at: geometry.spillPlace(hash: hash), as: UInt8.self) == 0 { break }
      }
      guard let best else { break }
      let word = (hash >> 32) << 32 | UInt64(entryUnit(best.entry))
      if region.hold(entryUnit(best.entry), namedAt: best.place, hazard: hazardOffset) == word,
        hasKey(best.entry, key), rank(CacheHit(offset: best.entry)) != nil
      {
        noteUse(best.entry)
        return CacheHit(offset: best.entry)
      }
    }
    release()
    return nil
  }

  /// Visits all variants of a key, as `walk` does.
  package func forEachVariant(of key: RawSpan, _ body: (CacheHit) -> Void) {
    let hash = hash(key)
    let shard = geometry.shard(hash: hash)
    for step in 0..<ShardLayout.bucketsPerGroup {
      visit(
        geometry.bucketOffset(hash: hash, step: step), in: shard,
        where: { $0 >> 32 == hash >> 32 },
        { hit, _ in if hasKey(hit.offset, key) { body(hit) } })
    }
    release()
  }

  /// Holds one after the other what the words of a bucket name, if `isWanted` of the word. `body`
  /// gets the word's place too.
  private func visit(
    _ bucket: Int, in shard: CacheShard, where isWanted: (UInt64) -> Bool,
    _ body: (_ hit: CacheHit, _ place: Int) -> Void
  ) {
    for slot in 0..<ShardLayout.slotsPerBucket {
      let place = bucket + slot * 8
      // Relaxed: only a hint, read again by `hold`.
      var word = region.loadRelaxed64(at: place)
      // A word that changes all the time belongs to entries that come and go meanwhile.
      for _ in 0..<4 {
        let unit = UInt32(truncatingIfNeeded: word)
        guard shard.contains(unit), isWanted(word) else { break }
        let again = region.hold(unit, namedAt: place, hazard: hazardOffset)
        if again == word {
          body(CacheHit(offset: entryOffset(unit)), place)
          break
        }
        word = again
      }
    }
  }

  /// What the stamps say of a held entry. Unlike `standing` it notes nothing and reads no body.
  package func peekStanding(_ hit: CacheHit) -> CacheStanding {
    let good = region.loadRelaxed64(at: hit.offset + EntryLayout.goodAsOf)
    let (soft, hard) = newestStamps(hit.offset)
    return hard >= good ? .gone : soft >= good ? .stale : .good
  }

  /// About how often a held entry was used since it was stored, as far as the eviction remembers:
  /// at most 18.
  package func approximateUses(_ hit: CacheHit) -> Int { frequency(hit.offset) + mark(hit.offset) }

  /// Bytes that a held entry takes: header, key, labels, head and body, rounded up to units.
  package func storedByteCount(_ hit: CacheHit) -> Int { heldBytes(hit.offset) }

  /// The key that a held alias stands for; nil for another entry.
  package func aliasTarget(_ hit: CacheHit) -> [UInt8]? {
    let body = bodyRange(ofRun: hit.offset)
    guard facts(hit).kind == .alias, extentCount(hit) == 1,
      body.count >= 8, body.count <= ArenaLayout.smallEntryBytesMax
    else { return nil }
    return region.copyOut(at: body.offset + 8, count: body.count - 8)
  }

  /// Who pins what, read without a lock from all ledgers.
  package func pinTable() -> CachePinTable {
    var table = CachePinTable()
    for processSlot in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let places = CacheGeometry.holdTable.places(processSlot)
      // Acquire: as in `anyHold`, but what is missed here is only not shown.
      let high = Int(region.loadAcquire32(at: places.pinsHigh))
      for place in 0..<min(high, SlotLayout.pinCount) {
        let unit = region.loadRelaxed64(at: places.pin(place))
        if unit != 0 { table.processes[UInt32(truncatingIfNeeded: unit), default: 0] += 1 }
      }
    }
    return table
  }

  /// Keys of all entries that are being filled now; nil when some shard stayed busy. Takes each
  /// shard's mutex in which something is being filled, for microseconds.
  package func openFillKeys() -> [[UInt8]]? {
    var keys: [[UInt8]] = []
    var isComplete = true
    forEachRecord { processSlot, index, record in
      let seen = region.loadAcquire64(at: record)
      guard seen != 0, isComplete, let shard = geometry.shard(unit: seen & ~SlotLayout.abandoned)
      else { return }
      guard lock(shard, tries: 64) else {
        isComplete = false
        return
      }
      defer { unlock(shard) }
      // Again: without the mutex, the entry may have been published, or freed and used anew.
      let word = region.loadAcquire64(at: record)
      guard isFill(word, in: shard), let entry = fillEntry(word, processSlot, index) else {
        return
      }
      let range = keyRange(CacheHit(offset: entry))
      keys.append(region.copyOut(at: range.offset, count: range.count))
    }
    return isComplete ? keys : nil
  }

  /// A process slot that no living process of this segment has, below `limit`; nil: none is free.
  /// For a process that is attached only for a moment and clears the slot afterwards.
  package func vacantProcessSlot(below limit: Int, except taken: Set<Int>) -> Int? {
    (0..<min(limit, SlotLayout.slotCount)).first {
      !taken.contains($0) && process(inSlot: $0) == nil
    }
  }
}
