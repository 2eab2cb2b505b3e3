// The index: which entry a key means. Changes are made under the shard's mutex, by single stores
// that readers see whole.

import Platform

extension CacheStore {
  /// What an entry's header says, as plain numbers.
  func state(_ entry: Int) -> UInt8 {
    region.load(at: entry + EntryLayout.state, as: UInt8.self)
  }
  func setState(_ entry: Int, _ state: UInt8) {
    interrupt()
    region.store(state, at: entry + EntryLayout.state)
  }
  func kind(_ entry: Int) -> EntryKind { facts(CacheHit(offset: entry)).kind }
  func entryHash(_ entry: Int) -> UInt64 {
    region.load(at: entry + EntryLayout.hash, as: UInt64.self)
  }

  /// The index word that means this entry, nil when it is not in the index.
  func indexSlot(_ entry: Int) -> (slot: Int, isSpilled: Bool)? {
    let hash = entryHash(entry)
    let word = (hash >> 32) << 32 | UInt64(entryUnit(entry))
    for step in 0..<ShardLayout.bucketsPerGroup {
      let bucket = geometry.bucketOffset(hash: hash, step: step)
      for index in 0..<ShardLayout.slotsPerBucket
      where region.loadRelaxed64(at: bucket + index * 8) == word {
        return (bucket + index * 8, step > 0)
      }
    }
    return nil
  }

  /// Takes an entry out of the index and lets it go. False when it was not there.
  func unlink(_ shard: CacheShard, _ entry: Int) -> Bool {
    guard let (slot, isSpilled) = indexSlot(entry) else { return false }
    interrupt()
    region.setIndexWord(0, at: slot)
    policyForgets(shard, entry)
    left(shard, entry, isSpilled: isSpilled)
    return true
  }

  /// After an entry's word was overwritten.
  private func left(_ shard: CacheShard, _ entry: Int, isSpilled: Bool) {
    if isSpilled { noteSpill(entryHash(entry), -1) }
    countOut(shard, entry)
    if kind(entry) == .content { removeFromQueue(shard, entry) }
    retire(shard, entry)
  }

  /// Counts what is not in its home bucket. It stays at 255, which only means a longer search.
  func noteSpill(_ hash: UInt64, _ difference: Int) {
    let place = geometry.spillPlace(hash: hash)
    let count = Int(region.load(at: place, as: UInt8.self))
    guard count < 255 else { return }
    interrupt()
    region.store(UInt8(clamping: count + difference), at: place)
  }

  /// Bookkeeping of an entry that came into the index.
  func countIn(_ shard: CacheShard, _ entry: Int) {
    add(1, to: ShardLayout.entries, of: shard)
    if let budget = Budget(kind(entry)) {
      add(1, to: ShardLayout.budgeted + budget.rawValue * 4, of: shard)
    }
  }

  /// Bookkeeping of an entry that has left the index.
  private func countOut(_ shard: CacheShard, _ entry: Int) {
    add(-1, to: ShardLayout.entries, of: shard)
    if let budget = Budget(kind(entry)) {
      add(-1, to: ShardLayout.budgeted + budget.rawValue * 4, of: shard)
    }
  }

  /// Puts a complete entry into the index, in place of an older one with the same key and selector.
  func enterIndex(_ shard: CacheShard, _ entry: Int) {
    let hash = entryHash(entry)
    let word = (hash >> 32) << 32 | UInt64(entryUnit(entry))
    let place = placeForKey(shard, entry)
    // Before the index word: a rebuild believes only in live entries.
    setState(entry, EntryLayout.live)
    let old = region.loadRelaxed64(at: place.slot)
    if place.isSpilled && old == 0 { noteSpill(hash, 1) }
    interrupt()
    // One store unlinks the older entry and links the new one.
    region.setIndexWord(word, at: place.slot)
    countIn(shard, entry)
    count(.publishes)
    let other = old == 0 ? nil : entryOffset(UInt32(truncatingIfNeeded: old))
    if let budget = Budget(kind(entry)) {
      noteBudgeted(shard, entry, budget)
    } else {
      policyEntered(shard, entry, replacing: other)
    }
    if let other {
      // The new entry has the same home and the same place: what is spilled stays so.
      left(shard, other, isSpilled: false)
    }
  }

  /// Where an entry goes: in place of its key's older entry, or an empty place near its home. There
  /// is always one: when a group is full, or a key has too many variants, somebody leaves first.
  private func placeForKey(_ shard: CacheShard, _ entry: Int) -> (slot: Int, isSpilled: Bool) {
    let hash = entryHash(entry)
    let hit = CacheHit(offset: entry)
    let keyRange = keyRange(hit)
    let selectorRange = selectorRange(hit)
    let region = region
    let key = region.span(at: keyRange.offset, count: keyRange.count)
    let selector = region.span(at: selectorRange.offset, count: selectorRange.count)
    var empty: (slot: Int, isSpilled: Bool)?
    var variants = 0
    var oldest: (entry: Int, slot: Int, isSpilled: Bool)?
    for step in 0..<ShardLayout.bucketsPerGroup {
      let bucket = geometry.bucketOffset(hash: hash, step: step)
      for index in 0..<ShardLayout.slotsPerBucket {
        let slot = bucket + index * 8
        let word = region.loadRelaxed64(at: slot)
        if word == 0 {
          if empty == nil { empty = (slot, step > 0) }
          continue
        }
        let other = entryOffset(UInt32(truncatingIfNeeded: word))
        guard word >> 32 == hash >> 32, hasKey(other, key) else { continue }
        if hasSelector(other, selector) { return (slot, step > 0) }
        variants += 1
        if oldest.map({ isOlder(other, than: $0.entry) }) ?? true {
          oldest = (other, slot, step > 0)
        }
      }
      // Nothing of this key lies further on.
      if step == 0 && region.load(at: geometry.spillPlace(hash: hash), as: UInt8.self) == 0
        && empty != nil
      {
        break
      }
    }
    if let oldest, variants >= ArenaLayout.variantsMax, unlink(shard, oldest.entry) {
      count(.evictions)
      // Its place is free now. `emptied` must not see it: each place it looks at names an entry.
      return empty ?? (oldest.slot, oldest.isSpilled)
    }
    return empty ?? emptied(shard, hash)
  }

  private func isOlder(_ one: Int, than other: Int) -> Bool {
    let now = Clock.bootSeconds()
    return now &- createdSeconds(CacheHit(offset: one))
      > now &- createdSeconds(CacheHit(offset: other))
  }

  /// A place in a full home bucket, whose least used entry leaves.
  private func emptied(_ shard: CacheShard, _ hash: UInt64) -> (slot: Int, isSpilled: Bool) {
    let bucket = geometry.bucketOffset(hash: hash)
    var chosen = bucket
    var least = Int.max
    for index in 0..<ShardLayout.slotsPerBucket {
      let slot = bucket + index * 8
      let other = entryOffset(UInt32(truncatingIfNeeded: region.loadRelaxed64(at: slot)))
      let uses = frequency(other) + mark(other)
      if uses < least {
        least = uses
        chosen = slot
      }
    }
    let other = entryOffset(UInt32(truncatingIfNeeded: region.loadRelaxed64(at: chosen)))
    if unlink(shard, other) { count(.evictions) }
    return (chosen, false)
  }

  /// Takes a held entry out of the index, for instance because its file has changed. False when
  /// another process held the shard, or the entry had left the index already.
  @discardableResult
  package func drop(_ hit: CacheHit) -> Bool {
    let shard = geometry.shard(hash: entryHash(hit.offset))
    guard lock(shard) else { return false }
    defer { unlock(shard) }
    guard unlink(shard, hit.offset) else { return false }
    count(.drops)
    return true
  }
}
