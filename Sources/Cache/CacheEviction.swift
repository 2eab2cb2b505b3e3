// Leaving: unlinked entries are retired, swept and freed. All under the shard's mutex.

import Platform

extension CacheStore {
  /// Frees an unlinked entry, now or when its last reader has let go.
  func retire(_ shard: CacheShard, _ entry: Int) {
    if field(shard, ShardLayout.heldOverlap) != 0
      || region.isHeld(entryUnit(entry), in: CacheGeometry.holdTable)
    {
      appendRetired(shard, entry)
    } else {
      freeEntry(shard, entry)
    }
  }

  func appendRetired(_ shard: CacheShard, _ entry: Int) {
    setState(entry, EntryLayout.retired)
    region.store(UInt32(0), at: entry + EntryLayout.link)
    let name = shard.local(entryUnit(entry)) + 1
    let tail = field(shard, ShardLayout.retiredTail)
    if tail == 0 {
      setField(shard, ShardLayout.retiredHead, name)
    } else {
      region.store(UInt32(name), at: shard.offset(tail - 1) + EntryLayout.link)
    }
    setField(shard, ShardLayout.retiredTail, name)
    add(1, to: ShardLayout.retiredCount, of: shard)
  }

  /// Looks at the first few retired entries: frees them, or puts them at the end again.
  func sweepRetired(_ shard: CacheShard) {
    guard field(shard, ShardLayout.heldOverlap) == 0 else { return }
    var rest = min(8, field(shard, ShardLayout.retiredCount))
    while rest > 0 {
      rest -= 1
      let entry = shard.offset(field(shard, ShardLayout.retiredHead) - 1)
      let next = Int(region.load(at: entry + EntryLayout.link, as: UInt32.self))
      setField(shard, ShardLayout.retiredHead, next)
      if next == 0 { setField(shard, ShardLayout.retiredTail, 0) }
      add(-1, to: ShardLayout.retiredCount, of: shard)
      retire(shard, entry)
    }
  }

  /// A free run of at least `units`, made by evicting if need be; nil when it takes too much.
  ///
  /// Who leaves is chosen by use, not by place, so what comes free may lie scattered. After a few,
  /// the neighbours of the last one leave with it: they are entries like any others. The work is
  /// bounded, and so is how much more leaves than was asked for.
  func roomyRun(_ shard: CacheShard, units: Int) -> Int? {
    var rest = 64 + units / 4
    var patience = 4
    var requeues = QueueNumber.requeuesMax
    while true {
      if let local = freeRun(shard, holding: units) { return local }
      // While nothing is freed, eviction would only empty the shard.
      guard rest > 0, field(shard, ShardLayout.heldOverlap) == 0,
        let victim = policyVictim(shard, requeues: &requeues)
      else { return nil }
      rest -= 1
      patience -= 1
      let local = shard.local(entryUnit(victim))
      guard unlink(shard, victim) else { return nil }
      count(.evictions)
      if patience < 0, !isUsed(shard, local),
        let cleared = clear(
          shard, around: local, units: units, sparing: patience > -16, &rest)
      {
        return cleared
      }
    }
  }

  /// Evicts the entries behind a free unit until the free run around it has `units`. nil when
  /// something else lies there, an entry that somebody holds, or, when `sparing`, one used lately.
  private func clear(
    _ shard: CacheShard, around local: Int, units: Int, sparing: Bool, _ rest: inout Int
  ) -> Int? {
    var start = firstFree(shard, before: local)
    var end = nextUnit(shard, from: local, used: true)
    while end - start < units {
      guard rest > 0, end + EntryLayout.unitsMin <= shard.unitCount else { return nil }
      let neighbour = shard.offset(end)
      // Any bytes may lie here: an entry is what the index names.
      guard state(neighbour) == EntryLayout.live, !sparing || mark(neighbour) == 0,
        geometry.shard(hash: entryHash(neighbour)) == shard, unlink(shard, neighbour)
      else { return nil }
      rest -= 1
      count(.evictions)
      guard !isUsed(shard, end) else { return nil }
      end = nextUnit(shard, from: end, used: true)
      // An extent of who has just left may have lain in front.
      start = firstFree(shard, before: start)
    }
    return start
  }
}
