// Aliases: other spellings of a key, small and few (DESIGN 3.5).

import Platform

extension CacheStore {
  /// Whether this process met the raw key before, lately; notes it. An alias is worth its room from
  /// the second use on. A small table in private memory, newest wins.
  package func aliasSeenBefore(_ rawHash: UInt64) -> Bool {
    let place = Int(truncatingIfNeeded: rawHash) & (aliasDoor.count - 1)
    // Never 0, which is an empty place.
    let name = UInt32(truncatingIfNeeded: rawHash >> 32) | 1
    if aliasDoor[place] == name { return true }
    aliasDoor[place] = name
    return false
  }

  /// Stores a raw key's canonical key; `lookUp` of the raw key then finds an entry of kind alias,
  /// and `follow` the canonical one. At most 1 KiB each, and all together at most 1/32 of arena and
  /// index: beyond that the oldest alias leaves. False when it was not stored.
  @discardableResult
  package func insertAlias(
    rawKey: RawSpan, rawHash: UInt64, canonicalKey: RawSpan, canonicalHash: UInt64,
    facts: EntryFacts, validated: UInt64
  ) -> Bool {
    let body = 8 + canonicalKey.byteCount
    let bytes = EntryLayout.byteTotal + rawKey.byteCount + body
    guard processSlot != nil, bytes <= ArenaLayout.aliasBytesMax else { return false }
    let shard = geometry.shard(hash: rawHash)
    guard lock(shard) else { return false }
    defer { unlock(shard) }
    let cursor = field(shard, ShardLayout.aliasCursor) % geometry.aliasesMax
    if let oldest = alias(shard, atRing: cursor), unlink(shard, oldest) { count(.evictions) }
    var steps = 64
    let units = unitsNeeded(bytes)
    guard makeRoom(shard, order: CacheStore.order(units: units), steps: &steps),
      let local = allocateRun(shard, units: units, entry: true)
    else {
      count(.refusedFull)
      return false
    }
    let entry = shard.offset(local)
    region.store(UInt32(units), at: entry + EntryLayout.runUnits)
    region.store(UInt16(0), at: entry + EntryLayout.extentCount)
    var facts = facts
    facts.kind = .alias
    writeHeader(
      entry, key: rawKey, hash: rawHash, facts: facts, head: RawSpan(), bodyByteCount: body,
      validated: validated)
    let place = bodyRange(ofRun: entry).offset
    region.store(canonicalHash, at: place)
    region.copyIn(canonicalKey, at: place + 8)
    seal(entry)
    enterIndex(shard, entry)
    noteAlias(shard, entry)
    return true
  }

  /// Enters an alias into the ring, over its oldest place.
  func noteAlias(_ shard: CacheShard, _ entry: Int) {
    let cursor = field(shard, ShardLayout.aliasCursor) % geometry.aliasesMax
    let local = shard.local(entryUnit(entry))
    region.store(UInt32(local + 1), at: shard.ring + cursor * 4)
    setField(shard, ShardLayout.aliasCursor, (cursor + 1) % geometry.aliasesMax)
  }

  /// The alias that a ring place names. The place may be older than what lies there now: then it is
  /// no alias, or a younger one, which leaves a little early.
  private func alias(_ shard: CacheShard, atRing place: Int) -> Int? {
    let name = Int(region.load(at: shard.ring + place * 4, as: UInt32.self))
    guard name > 0, name <= shard.unitCount,
      tag(shard, name - 1) & UnitTag.classMask == UnitTag.entry
    else { return nil }
    let entry = shard.offset(name - 1)
    return state(entry) == EntryLayout.live && isAlias(entry) ? entry : nil
  }
}
