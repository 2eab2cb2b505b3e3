// Small entries with budgets of their own: aliases, other spellings of a key (DESIGN 3.5), and
// negative answers. Neither can push responses out, nor each other.

import Platform

extension CacheStore {
  /// Whether this process met the raw key before, lately; notes it. An alias, or a negative answer,
  /// is worth its room from the second use on. A small table in private memory, newest wins.
  package func seenBefore(_ rawHash: UInt64) -> Bool {
    let place = Int(truncatingIfNeeded: rawHash) & (door.count - 1)
    // Never 0, which is an empty place.
    let name = UInt32(truncatingIfNeeded: rawHash >> 32) | 1
    if door[place] == name { return true }
    door[place] = name
    return false
  }

  /// Stores a raw key's canonical key; `lookUp` of the raw key then finds an entry of kind alias,
  /// and `follow` the canonical one. False when it was not stored.
  @discardableResult
  package func insertAlias(
    rawKey: RawSpan, rawHash: UInt64, canonicalKey: RawSpan, canonicalHash: UInt64,
    facts: EntryFacts, validated: UInt64, asOf: UInt64
  ) -> Bool {
    let bytes = [UInt8](count: 8 + canonicalKey.byteCount) { bytes in
      for shift in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: canonicalHash >> UInt64(shift * 8)))
      }
      for index in 0..<canonicalKey.byteCount {
        bytes.append(KeyHash.plainByte(canonicalKey, index))
      }
    }
    var facts = facts
    facts.kind = .alias
    return insertSmall(
      CacheEntryHead(
        key: rawKey, hash: rawHash, facts: facts, head: RawSpan(), validated: validated, asOf: asOf
      ),
      body: bytes.rawSpan, .aliases)
  }

  /// Stores a small negative answer: key, head and body together at most 1 KiB. False when it was
  /// not stored.
  @discardableResult
  package func insertNegative(_ head: borrowing CacheEntryHead, body: RawSpan) -> Bool {
    precondition(head.facts.kind == .negative)
    return insertSmall(head, body: body, .negatives)
  }

  /// All of a kind together take at most 1/32 of arena and index: beyond that the oldest leaves.
  private func insertSmall(
    _ head: borrowing CacheEntryHead, body: RawSpan, _ budget: Budget
  ) -> Bool {
    let fixed =
      EntryLayout.byteTotal + head.key.byteCount + head.selector.byteCount
      + head.labels.byteCount + head.head.byteCount
    guard processSlot != nil, fixed + body.byteCount <= ArenaLayout.smallEntryBytesMax else {
      return false
    }
    let shard = geometry.shard(hash: head.hash)
    guard lock(shard) else { return false }
    defer { unlock(shard) }
    let cursor = field(shard, ShardLayout.cursors + budget.rawValue * 4) % geometry.budgetMax
    if let oldest = budgeted(shard, budget, at: cursor), unlink(shard, oldest) {
      count(.evictions)
    }
    let units = unitsNeeded(fixed + body.byteCount)
    guard let local = allocateRun(shard, units: units) else {
      count(.refusedFull)
      return false
    }
    let entry = shard.offset(local)
    writeHeader(entry, head, bodyByteCount: body.byteCount)
    let range = bodyRange(ofRun: entry)
    region.copyIn(body, at: range.offset)
    region.store(
      range.count == 0 ? 0 : addToBodyChecksum(0, range), at: entry + EntryLayout.bodyChecksum)
    region.store(headChecksum(entry), at: entry + EntryLayout.checksum)
    enterIndex(shard, entry)
    return true
  }

  /// Enters a small entry into its ring, over the oldest place.
  func noteBudgeted(_ shard: CacheShard, _ entry: Int, _ budget: Budget) {
    let field = ShardLayout.cursors + budget.rawValue * 4
    let cursor = self.field(shard, field) % geometry.budgetMax
    let name = shard.local(entryUnit(entry)) + 1
    region.store(UInt32(name), at: geometry.ringPlace(shard, budget, cursor))
    setField(shard, field, (cursor + 1) % geometry.budgetMax)
  }

  /// The small entry that a ring place names. The place may be older than what lies there now,
  /// which may be anything: only what the index names as well is an entry (`unlink` looks).
  private func budgeted(_ shard: CacheShard, _ budget: Budget, at place: Int) -> Int? {
    let name = Int(region.load(at: geometry.ringPlace(shard, budget, place), as: UInt32.self))
    guard name > 0, name < shard.unitCount, isUsed(shard, name - 1) else { return nil }
    let entry = shard.offset(name - 1)
    return state(entry) == EntryLayout.live && Budget(kind(entry)) == budget ? entry : nil
  }
}

extension [UInt8] {
  /// An array of at most `count` bytes, made without growing.
  fileprivate init(count: Int, _ fill: (inout [UInt8]) -> Void) {
    self.init()
    reserveCapacity(count)
    fill(&self)
  }
}
