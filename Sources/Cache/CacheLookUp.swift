// The hit path: hash, probe, hold, read. No lock, no allocation.

import Platform
import Synchronization

extension CacheStore {
  /// The hash of a key under the segment's secret seeds; `lookUp` and `beginFill` want it.
  @inlinable
  package func hash(_ key: RawSpan) -> UInt64 {
    KeyHash.hash(key, seed0: seed0, seed1: seed1)
  }

  /// Finds an entry by its whole key, any of its variants whatever their selectors are, and holds
  /// it until `release`, `follow` or the next look-up. An alias is returned as it is: its
  /// `facts.kind` says so, `follow` goes on.
  ///
  /// How it holds it without a lock (DESIGN 4.2) is in HoldProtocol.swift.
  @inlinable
  package func lookUp(_ key: RawSpan, hash: UInt64) -> CacheHit? {
    if let hit = probe(geometry.bucketOffset(hash: hash), key, hash) { return hit }
    return lookUpSpilled(key, RawSpan?.none, hash)
  }

  /// Finds the variant with this selector.
  @inlinable
  package func lookUp(_ key: RawSpan, selector: RawSpan, hash: UInt64) -> CacheHit? {
    if let hit = probe(geometry.bucketOffset(hash: hash), key, selector, hash) { return hit }
    return lookUpSpilled(key, selector, hash)
  }

  /// One bucket.
  @inlinable @inline(__always)
  func probe(_ bucket: Int, _ key: RawSpan, _ hash: UInt64) -> CacheHit? {
    probe(bucket, hash) { hasKey($0, key) }
  }
  @inlinable
  func probe(_ bucket: Int, _ key: RawSpan, _ selector: RawSpan, _ hash: UInt64) -> CacheHit? {
    probe(bucket, hash) { hasKey($0, key) && hasSelector($0, selector) }
  }

  @inlinable @inline(__always)
  func probe(_ bucket: Int, _ hash: UInt64, matches: (Int) -> Bool) -> CacheHit? {
    var slot = bucket
    let end = bucket &+ ShardLayout.bucketBytes
    while slot != end {
      // Relaxed: only a hint, read again below.
      var word = region.loadRelaxed64(at: slot)
      var tries = 0
      while word &>> 32 == hash &>> 32 && word & 0xffff_ffff != 0 && tries < 4 {
        let unit = UInt32(truncatingIfNeeded: word)
        let again = region.hold(unit, namedAt: slot, hazard: hazardOffset)
        if again == word {
          let entry = entryOffset(unit)
          if matches(entry) {
            noteUse(entry)
            return CacheHit(offset: entry)
          }
          break
        }
        word = again
        tries &+= 1
      }
      slot &+= 8
    }
    return nil
  }

  /// The access mark: a small count since the eviction last looked. Written only while it changes,
  /// so that the line stays shared between cores. Relaxed: a lost step does no harm.
  @inlinable @inline(__always)
  func noteUse(_ entry: Int) {
    let mark = region.loadRelaxed8(at: entry &+ EntryLayout.mark)
    if mark < EntryMark.most { region.storeRelaxed8(mark &+ 1, at: entry &+ EntryLayout.mark) }
  }

  /// What the home bucket could not take is in one of the next buckets.
  @usableFromInline
  func lookUpSpilled(_ key: RawSpan, _ selector: RawSpan?, _ hash: UInt64) -> CacheHit? {
    if region.load(at: geometry.spillPlace(hash: hash), as: UInt8.self) != 0 {
      for step in 1..<ShardLayout.bucketsPerGroup {
        let bucket = geometry.bucketOffset(hash: hash, step: step)
        let hit =
          if let selector { probe(bucket, key, selector, hash) } else { probe(bucket, key, hash) }
        if let hit { return hit }
      }
    }
    release()
    return nil
  }

  /// Lets go of the held entry.
  @inlinable
  package func release() {
    region.letGo(hazard: hazardOffset)
  }

  /// From a held alias to the entry it stands for, which is then held instead; nil (and nothing
  /// held) when that is gone.
  package func follow(_ alias: CacheHit) -> CacheHit? {
    let body = bodyRange(ofRun: alias.offset)
    guard facts(alias).kind == .alias, extentCount(alias) == 1,
      body.count >= 8, body.count <= ArenaLayout.smallEntryBytesMax
    else {
      release()
      return nil
    }
    let aliasHazard = hazardOffset + SlotLayout.aliasHazard - SlotLayout.hazard
    region.moveHold(ofAlias: entryUnit(alias.offset), to: aliasHazard)
    let hash = region.load(at: body.offset, as: UInt64.self)
    let region = region
    let key = region.span(at: body.offset + 8, count: body.count - 8)
    let hit = lookUp(key, hash: hash)
    region.letGo(hazard: aliasHazard)
    return hit
  }

  /// Whether the entry at an offset has exactly this key.
  @inlinable
  func hasKey(_ entry: Int, _ key: RawSpan) -> Bool {
    region.load(at: entry &+ EntryLayout.keyCount, as: UInt16.self) == key.byteCount
      && region.equal(at: keyOffset(entry), to: key)
  }

  @inlinable
  func hasSelector(_ entry: Int, _ selector: RawSpan) -> Bool {
    let range = selectorRange(CacheHit(offset: entry))
    return range.count == selector.byteCount && region.equal(at: range.offset, to: selector)
  }

  @inlinable @inline(__always)
  func keyOffset(_ entry: Int) -> Int { entry &+ EntryLayout.byteTotal }

  @inlinable @inline(__always)
  func count16(_ entry: Int, _ field: Int) -> Int {
    Int(region.load(at: entry &+ field, as: UInt16.self))
  }

  @inlinable @inline(__always)
  func headOffset(_ entry: Int) -> Int {
    keyOffset(entry) &+ count16(entry, EntryLayout.keyCount)
      &+ count16(entry, EntryLayout.selectorCount) &+ count16(entry, EntryLayout.labelCount)
  }

  /// Where the body is when it lies in the entry's run.
  @inlinable
  func bodyRange(ofRun entry: Int) -> RegionRange {
    RegionRange(
      offset: headOffset(entry) &+ count16(entry, EntryLayout.headCount),
      count: Int(region.load(at: entry &+ EntryLayout.bodyCount, as: UInt32.self)))
  }

  /// Where the extent table is, 0 without one.
  @inlinable @inline(__always)
  func tableOffset(_ entry: Int) -> Int {
    entryOffset(region.load(at: entry &+ EntryLayout.table, as: UInt32.self))
  }
}

/// The access mark's range.
@usableFromInline
enum EntryMark {
  @usableFromInline static let most: UInt8 = 3
}

/// What a held entry says. All of it is immutable but `validated` and the generation.
extension CacheStore {
  @inlinable
  package func facts(_ hit: CacheHit) -> EntryFacts {
    region.load(at: hit.offset &+ EntryLayout.facts, as: EntryFacts.self)
  }

  package func keyRange(_ hit: CacheHit) -> RegionRange {
    RegionRange(offset: keyOffset(hit.offset), count: count16(hit.offset, EntryLayout.keyCount))
  }

  @inlinable
  package func selectorRange(_ hit: CacheHit) -> RegionRange {
    RegionRange(
      offset: keyOffset(hit.offset) &+ count16(hit.offset, EntryLayout.keyCount),
      count: count16(hit.offset, EntryLayout.selectorCount))
  }

  /// The entry's labels, each ended by a NUL.
  package func labelRange(_ hit: CacheHit) -> RegionRange {
    let selector = selectorRange(hit)
    return RegionRange(
      offset: selector.offset + selector.count, count: count16(hit.offset, EntryLayout.labelCount))
  }

  /// The prebuilt head. When the body is one extent of the entry's own run, it follows the head
  /// without a gap: both are one vector.
  @inlinable
  package func headRange(_ hit: CacheHit) -> RegionRange {
    RegionRange(
      offset: headOffset(hit.offset), count: count16(hit.offset, EntryLayout.headCount))
  }

  @inlinable
  package func bodyByteCount(_ hit: CacheHit) -> Int {
    Int(region.load(at: hit.offset &+ EntryLayout.bodyCount, as: UInt32.self))
  }

  /// Names what an entry consists of, by its checksums: under one key and selector, two of the same
  /// edition have the same bytes.
  package func edition(_ hit: CacheHit) -> UInt64 {
    region.load(at: hit.offset + EntryLayout.checksum, as: UInt64.self)
  }

  /// When it was made: seconds of CLOCK_BOOTTIME.
  package func createdSeconds(_ hit: CacheHit) -> UInt32 {
    region.load(at: hit.offset + EntryLayout.created, as: UInt32.self)
  }

  /// How many pieces the body lies in: 0 for an empty one, nearly always 1 up to 64 KiB.
  @inlinable
  package func extentCount(_ hit: CacheHit) -> Int {
    let count = count16(hit.offset, EntryLayout.extentCount)
    if count > 0 { return count }
    return bodyByteCount(hit) == 0 ? 0 : 1
  }

  /// One piece of the body; `index` below `extentCount`.
  @inlinable
  package func extent(_ hit: CacheHit, _ index: Int) -> RegionRange {
    let count = count16(hit.offset, EntryLayout.extentCount)
    if count == 0 {
      precondition(index == 0)
      return bodyRange(ofRun: hit.offset)
    }
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    let place = tableOffset(hit.offset) &+ index &* EntryLayout.extentBytes
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
    var sum: UInt32 = 0
    for index in 0..<extentCount(hit) { sum = addToBodyChecksum(sum, extent(hit, index)) }
    return sum == region.load(at: hit.offset + EntryLayout.bodyChecksum, as: UInt32.self)
  }

  /// The checksum of a body so far and one more of its pieces.
  func addToBodyChecksum(_ sum: UInt32, _ range: RegionRange) -> UInt32 {
    let region = region
    return (sum << 5 | sum >> 27)
      ^ checksum(region.span(at: range.offset, count: range.count))
  }
}
