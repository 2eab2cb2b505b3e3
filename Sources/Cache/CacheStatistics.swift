// Counting, and reading the counts.

import Platform

/// Counters of one process; their order is part of the layout.
enum CacheCounter: Int, CaseIterable {
  case fills, publishes, evictions, drops, refusedBusy, refusedFull, pinsRefused, recoveries,
    damaged
}

extension CacheStore {
  /// Adds one to a counter of this process, which nobody else writes: a plain addition will do.
  func count(_ counter: CacheCounter) {
    let place = counters + counter.rawValue * 8
    region.storeRelaxed64(region.loadRelaxed64(at: place) &+ 1, at: place)
  }

  private func sum(_ counter: CacheCounter) -> Int {
    var sum = region.loadRelaxed64(at: HeaderLayout.counters + counter.rawValue * 8)
    for index in 0..<SlotLayout.slotCount {
      let slot = CacheGeometry.slotOffset(index)
      sum &+= region.loadRelaxed64(at: slot + SlotLayout.counters + counter.rawValue * 8)
    }
    return Int(clamping: sum)
  }

  /// Reads all counts, without locks.
  package var statistics: CacheStatistics {
    var result = CacheStatistics()
    result.segmentBytes = geometry.byteCount
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      result.arenaBytes += shard.unitCount << ArenaLayout.unitShift
      result.freeBytes += field(shard, ShardLayout.freeUnits) << ArenaLayout.unitShift
      result.entries += field(shard, ShardLayout.entries)
      result.aliases += field(shard, ShardLayout.aliases)
      result.retired += field(shard, ShardLayout.retiredCount)
    }
    result.usedBytes = result.arenaBytes - result.freeBytes
    result.pinnedBytes = pinnedBytes
    result.fills = sum(.fills)
    result.publishes = sum(.publishes)
    result.evictions = sum(.evictions)
    result.drops = sum(.drops)
    result.refusedBusy = sum(.refusedBusy)
    result.refusedFull = sum(.refusedFull)
    result.pinsRefused = sum(.pinsRefused)
    result.recoveries = sum(.recoveries)
    result.damaged = sum(.damaged)
    return result
  }
}
