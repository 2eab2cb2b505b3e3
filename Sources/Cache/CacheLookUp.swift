// The hit path: hash, probe, hold, read. No lock, no allocation.

import Platform
import Synchronization

extension CacheStore {
  /// The hash of a key under the segment's secret seeds; `lookUp` and `beginFill` want it.
  @inlinable
  package func hash(_ key: RawSpan) -> UInt64 {
    KeyHash.hash(key, seed0: seed0, seed1: seed1)
  }

  /// Finds an entry by its whole key and holds it until `release`, `follow` or the next `lookUp`.
  /// An alias is returned as it is: its `facts.kind` says so, `follow` goes on.
  ///
  /// The protocol (DESIGN 4.2): publish the entry's unit in this process's hazard word, then read
  /// the index word again. Both are sequentially consistent, as are the writers' unlinking store
  /// and their loads of hazard words after it (`isReferenced`); so in the one order of these four
  /// either this process sees the entry unlinked and lets go, or the writer sees it held and keeps
  /// the memory. x86 lets a load pass an earlier store: without the fence both could miss.
  @inlinable
  package func lookUp(_ key: RawSpan, hash: UInt64) -> CacheHit? {
    let bucket = geometry.bucketOffset(hash: hash)
    var slot = bucket
    let end = bucket &+ ShardLayout.bucketBytes
    while slot != end {
      // Relaxed: only a hint, read again below.
      var word = region.loadRelaxed64(at: slot)
      var tries = 0
      while word &>> 32 == hash &>> 32 && word & 0xffff_ffff != 0 && tries < 4 {
        let unit = UInt32(truncatingIfNeeded: word)
        region.storeSequential64(UInt64(unit), at: hazardOffset)
        let again = region.loadSequential64(at: slot)
        if again == word {
          let entry = entryOffset(unit)
          if hasKey(entry, key) {
            // Written only when it changes, so that the line stays shared between cores.
            if region.loadRelaxed32(at: entry &+ EntryLayout.mark) == 0 {
              region.storeRelaxed32(1, at: entry &+ EntryLayout.mark)
            }
            return CacheHit(offset: entry)
          }
          break
        }
        word = again
        tries &+= 1
      }
      slot &+= 8
    }
    release()
    return nil
  }

  /// Lets go of the held entry. Release: the entry's bytes were read before.
  @inlinable
  package func release() {
    region.storeRelease64(0, at: hazardOffset)
  }

  /// From a held alias to the entry it stands for, which is then held instead; nil (and nothing
  /// held) when that is gone.
  package func follow(_ alias: CacheHit) -> CacheHit? {
    let body = bodyRange(ofRun: alias.offset)
    guard facts(alias).kind == .alias, extentCount(alias) == 1,
      body.count >= 8, body.count <= ArenaLayout.aliasBytesMax
    else {
      release()
      return nil
    }
    // The alias moves to the second hazard word before the first is overwritten; who scans reads
    // the first one first, so it meets the alias in one of them.
    let hold = hazardOffset + SlotLayout.aliasHazard - SlotLayout.hazard
    region.storeSequential64(UInt64(entryUnit(alias.offset)), at: hold)
    let hash = region.load(at: body.offset, as: UInt64.self)
    let region = region
    let key = region.span(at: body.offset + 8, count: body.count - 8)
    let hit = lookUp(key, hash: hash)
    region.storeRelease64(0, at: hold)
    return hit
  }

  /// Whether the entry at an offset has exactly this key.
  @inlinable
  func hasKey(_ entry: Int, _ key: RawSpan) -> Bool {
    region.load(at: entry &+ EntryLayout.keyCount, as: UInt16.self) == key.byteCount
      && region.equal(at: keyOffset(entry), to: key)
  }

  @inlinable @inline(__always)
  func keyOffset(_ entry: Int) -> Int {
    entry &+ EntryLayout.byteTotal
      &+ Int(region.load(at: entry &+ EntryLayout.extentCount, as: UInt16.self))
      &* EntryLayout.extentBytes
  }

  @inlinable @inline(__always)
  func headOffset(_ entry: Int) -> Int {
    keyOffset(entry) &+ Int(region.load(at: entry &+ EntryLayout.keyCount, as: UInt16.self))
  }

  @inlinable
  func bodyRange(ofRun entry: Int) -> RegionRange {
    let head = Int(region.load(at: entry &+ EntryLayout.headCount, as: UInt32.self))
    return RegionRange(
      offset: headOffset(entry) &+ head,
      count: Int(region.load(at: entry &+ EntryLayout.bodyCount, as: UInt32.self)))
  }
}

/// What a held entry says. All of it is immutable but `validated`.
extension CacheStore {
  @inlinable
  package func facts(_ hit: CacheHit) -> EntryFacts {
    region.load(at: hit.offset &+ EntryLayout.facts, as: EntryFacts.self)
  }

  package func keyRange(_ hit: CacheHit) -> RegionRange {
    RegionRange(
      offset: keyOffset(hit.offset),
      count: Int(region.load(at: hit.offset + EntryLayout.keyCount, as: UInt16.self)))
  }

  /// The prebuilt head. When the body is one extent of the entry's own run, it follows the head
  /// without a gap: both are one vector.
  @inlinable
  package func headRange(_ hit: CacheHit) -> RegionRange {
    RegionRange(
      offset: headOffset(hit.offset),
      count: Int(region.load(at: hit.offset &+ EntryLayout.headCount, as: UInt32.self)))
  }

  @inlinable
  package func bodyByteCount(_ hit: CacheHit) -> Int {
    Int(region.load(at: hit.offset &+ EntryLayout.bodyCount, as: UInt32.self))
  }

  /// How many pieces the body lies in: 0 for an empty one, nearly always 1 up to 64 KiB.
  @inlinable
  package func extentCount(_ hit: CacheHit) -> Int {
    let count = Int(region.load(at: hit.offset &+ EntryLayout.extentCount, as: UInt16.self))
    if count > 0 { return count }
    return bodyByteCount(hit) == 0 ? 0 : 1
  }

  /// One piece of the body; `index` below `extentCount`.
  @inlinable
  package func extent(_ hit: CacheHit, _ index: Int) -> RegionRange {
    let count = Int(region.load(at: hit.offset &+ EntryLayout.extentCount, as: UInt16.self))
    if count == 0 {
      precondition(index == 0)
      return bodyRange(ofRun: hit.offset)
    }
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    let place = hit.offset &+ EntryLayout.byteTotal &+ index &* EntryLayout.extentBytes
    return RegionRange(
      offset: entryOffset(region.load(at: place, as: UInt32.self)),
      count: Int(region.load(at: place &+ 4, as: UInt32.self)))
  }

  /// The entry's one moving word, the caller's meaning. Relaxed: it guards no other bytes.
  @inlinable
  package func validated(_ hit: CacheHit) -> UInt64 {
    region.loadRelaxed64(at: hit.offset &+ EntryLayout.validated)
  }

  /// Sets the moving word if it still is `old`; false when another process was faster.
  @discardableResult
  package func setValidated(_ hit: CacheHit, from old: UInt64, to new: UInt64) -> Bool {
    region.compareExchange64(
      at: hit.offset + EntryLayout.validated, expected: old, desired: new)
  }

  /// Whether the body is as it was published, by its checksum. Reads all of it.
  package func verifyBody(_ hit: CacheHit) -> Bool {
    bodyChecksum(hit) == region.load(at: hit.offset + EntryLayout.bodyChecksum, as: UInt32.self)
  }

  func bodyChecksum(_ hit: CacheHit) -> UInt32 {
    let region = region
    var sum: UInt32 = 0
    for index in 0..<extentCount(hit) {
      let range = extent(hit, index)
      sum =
        (sum << 5 | sum >> 27)
        ^ KeyHash.checksum(region.span(at: range.offset, count: range.count))
    }
    return sum
  }
}

/// Pins: holding an entry while a slow client takes it.
extension CacheStore {
  /// Keeps a held entry beyond `release`. nil when the ledger is full or all processes together
  /// would exceed `pinnedBytesMax`: copy the rest of the body instead. Pins of one entry share one
  /// place, so a thousand slow readers of one body cost it once.
  package func pin(_ hit: CacheHit) -> CachePin? {
    guard let processSlot else { return nil }
    let slot = CacheGeometry.slotOffset(processSlot)
    let unit = UInt64(entryUnit(hit.offset))
    var free: Int?
    for index in 0..<SlotLayout.pinCount {
      if pinShares[index] == 0 {
        if free == nil { free = index }
      } else if region.loadRelaxed64(at: slot + SlotLayout.pins + index * 8) == unit {
        pinShares[index] += 1
        return CachePin(hit: hit, ledgerIndex: index)
      }
    }
    let bytes = heldBytes(hit.offset)
    guard let free, pinnedBytes + bytes <= pinnedBytesMax else {
      count(.pinsRefused)
      return nil
    }
    let mine = region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes)
    region.storeRelaxed64(mine + UInt64(bytes), at: slot + SlotLayout.pinnedBytes)
    if region.loadRelaxed32(at: slot + SlotLayout.pinsHigh) <= UInt32(free) {
      region.storeRelease32(UInt32(free + 1), at: slot + SlotLayout.pinsHigh)
    }
    // Before the hazard word lets go (a release store), which who scans reads before the ledger.
    region.storeSequential64(unit, at: slot + SlotLayout.pins + free * 8)
    pinShares[free] = 1
    return CachePin(hit: hit, ledgerIndex: free)
  }

  /// Ends a pin; once for each.
  package func unpin(_ pin: CachePin) {
    guard let processSlot else { return }
    let slot = CacheGeometry.slotOffset(processSlot)
    precondition(pinShares[pin.ledgerIndex] > 0, "unpinned twice")
    pinShares[pin.ledgerIndex] -= 1
    guard pinShares[pin.ledgerIndex] == 0 else { return }
    let mine = region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes)
    let bytes = UInt64(heldBytes(pin.hit.offset))
    region.storeRelaxed64(mine - min(mine, bytes), at: slot + SlotLayout.pinnedBytes)
    // Release: the entry's bytes were read before.
    region.storeRelease64(0, at: slot + SlotLayout.pins + pin.ledgerIndex * 8)
    var high = SlotLayout.pinCount
    while high > 0 && pinShares[high - 1] == 0 { high -= 1 }
    region.storeRelease32(UInt32(high), at: slot + SlotLayout.pinsHigh)
  }

  /// Bytes pinned by all processes now.
  var pinnedBytes: Int {
    var sum = 0
    for index in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let slot = CacheGeometry.slotOffset(index)
      sum += Int(clamping: region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes))
    }
    return sum
  }

  /// Arena bytes of an entry's run and extents.
  func heldBytes(_ entry: Int) -> Int {
    let run = Int(region.load(at: entry + EntryLayout.runUnits, as: UInt32.self))
    var units = run
    let extents = Int(region.load(at: entry + EntryLayout.extentCount, as: UInt16.self))
    for index in 0..<extents { units += unitsNeeded(extent(CacheHit(offset: entry), index).count) }
    return units << ArenaLayout.unitShift
  }
}
