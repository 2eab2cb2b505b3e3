// Counting, and reading the counts.

import Platform

/// Counters of one process; their order is part of the layout.
enum CacheCounter: Int, CaseIterable {
  case fills, publishes, evictions, drops, refusedBusy, refusedFull, refusedLarge,
    refusedInvalidated, refusedAdmission, pinsRefused, recoveries, damaged
}

/// Counts for operators. Sums over shards and processes, read without a lock: each is exact for
/// some recent moment, together they may be of slightly different moments.
package struct CacheStatistics: Equatable, Sendable {
  /// Size of the shared-memory object.
  package var segmentBytes = 0
  /// Where entries can lie.
  package var arenaBytes = 0
  package var usedBytes = 0
  package var freeBytes = 0
  /// Free, but outside the longest free run of its shard: scattered, so that a large entry has to
  /// lie in pieces or to push others out. The longest runs are known to one sixteenth.
  package var scatteredBytes = 0
  /// Held for unfinished sends.
  package var pinnedBytes = 0
  /// Found by look-ups now: aliases and negative entries included.
  package var entries = 0
  package var aliases = 0
  package var negatives = 0
  /// Unlinked, but still held by a reader.
  package var retired = 0
  /// Since the segment was made:
  package var fills = 0
  package var publishes = 0
  package var evictions = 0
  package var drops = 0
  /// Fills and publishes given up because another process held the shard.
  package var refusedBusy = 0
  /// Fills refused because no room could be made in a bounded number of steps.
  package var refusedFull = 0
  /// Fills of bodies beyond `objectBytesMax`, or with a key or head beyond bounds.
  package var refusedLarge = 0
  /// Fills not published since what they depend on was invalidated meanwhile.
  package var refusedInvalidated = 0
  /// Fills refused by the admission policy.
  package var refusedAdmission = 0
  package var pinsRefused = 0
  /// Shards rebuilt after a process died inside one.
  package var recoveries = 0
  /// Entries dropped at take-over, at repair or before their first use after a restart, since
  /// their checksum or shape was wrong.
  package var damaged = 0
  /// Raised by each invalidation.
  package var generation: UInt64 = 0
  /// The routing epoch: raised by each reload.
  package var epoch: UInt32 = 0
  /// By shard: how often somebody found it locked.
  package var contention: [Int] = []

  package init() {}
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

  /// About how long a shard's longest free run is: the first one listed in its largest class.
  private func longFreeUnits(_ shard: CacheShard) -> Int {
    let levels = region.load(at: shard.start + ShardLayout.freeClasses, as: UInt32.self)
    guard levels != 0 else { return 0 }
    let level = 31 - levels.leadingZeroBitCount
    let steps = region.load(
      at: shard.start + ShardLayout.freeSubclasses + level * 4, as: UInt32.self)
    // Without the mutex nothing need fit together: neither the two maps, nor list and run.
    guard steps != 0, level < FreeClass.levelCount else { return 0 }
    let number = level << 4 | (31 - steps.leadingZeroBitCount)
    let local = field(shard, ShardLayout.freeHeads + number * 4) - 1
    guard (0..<shard.unitCount).contains(local) else { return 0 }
    let bounds = FreeClass(number: number).leastUnits...FreeClass(number: number + 1).leastUnits
    return min(max(freeUnits(shard, local), bounds.lowerBound), bounds.upperBound)
  }

  /// Reads all counts, without locks.
  package var statistics: CacheStatistics {
    var result = CacheStatistics()
    result.segmentBytes = geometry.byteCount
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      result.arenaBytes += shard.unitCount << ArenaLayout.unitShift
      let free = field(shard, ShardLayout.freeUnits)
      result.freeBytes += free << ArenaLayout.unitShift
      result.scatteredBytes +=
        max(0, free - longFreeUnits(shard)) << ArenaLayout.unitShift
      result.entries += field(shard, ShardLayout.entries)
      result.aliases += field(shard, ShardLayout.budgeted + Budget.aliases.rawValue * 4)
      result.negatives += field(shard, ShardLayout.budgeted + Budget.negatives.rawValue * 4)
      result.retired += field(shard, ShardLayout.retiredCount)
      result.contention.append(field(shard, ShardLayout.contention))
    }
    result.usedBytes = result.arenaBytes - result.freeBytes
    result.pinnedBytes = pinnedBytes
    result.fills = sum(.fills)
    result.publishes = sum(.publishes)
    result.evictions = sum(.evictions)
    result.drops = sum(.drops)
    result.refusedBusy = sum(.refusedBusy)
    result.refusedFull = sum(.refusedFull)
    result.refusedLarge = sum(.refusedLarge)
    result.refusedInvalidated = sum(.refusedInvalidated)
    result.refusedAdmission = sum(.refusedAdmission)
    result.pinsRefused = sum(.pinsRefused)
    result.recoveries = sum(.recoveries)
    result.damaged = sum(.damaged)
    result.generation = generation
    result.epoch = epoch
    return result
  }
}

extension FreeClass {
  /// The shortest run of this class, in units.
  var leastUnits: Int { level == 0 ? step : (16 + step) << (level - 1) }
}
