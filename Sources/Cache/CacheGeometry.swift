// What follows from a segment's size and shard count: where everything is.

/// All places of a segment.
@usableFromInline
struct CacheGeometry: Equatable, Sendable {
  let byteCount: Int
  let shardCount: Int
  let stampsOffset: Int
  let stampCount: Int
  @usableFromInline let shardBits: UInt64
  @usableFromInline let shardMask: UInt64
  @usableFromInline let bucketMask: UInt64
  @usableFromInline let shardsOffset: Int
  @usableFromInline let shardStride: Int
  @usableFromInline let bucketCount: Int
  /// Relative to the shard's start.
  @usableFromInline let spillOffset: Int
  let ringOffset: Int
  let ghostOffset: Int
  /// A power of two.
  let ghostBucketCount: Int
  let mapOffset: Int
  let arenaOffset: Int
  /// Places in each ring: the most aliases, and the most negative entries, of a shard.
  let budgetMax: Int
  /// Units of one shard's arena.
  let unitCount: Int

  static let byteCountMin = 8 << 20
  static let byteCountMax = 128 << 30
  static let shardCountMax = 1024

  /// `byteCount`: a multiple of 4096 within the limits above; `shardCount`: a power of two that
  /// `shardCount(byteCount:objectBytesMax:)` may give.
  init?(byteCount: Int, shardCount: Int) {
    guard byteCount & 4095 == 0,
      (CacheGeometry.byteCountMin...CacheGeometry.byteCountMax).contains(byteCount),
      (1...CacheGeometry.shardCountMax).contains(shardCount), shardCount & (shardCount - 1) == 0
    else { return nil }
    self.byteCount = byteCount
    self.shardCount = shardCount
    shardBits = UInt64(shardCount.trailingZeroBitCount)
    shardMask = UInt64(shardCount - 1)
    stampsOffset = HeaderLayout.byteTotal + SlotLayout.slotCount * SlotLayout.byteTotal
    // So many that two names seldom share one; under one hundredth of the segment.
    var stamps = 4096
    while stamps < 65536 && stamps * 2 * StampLayout.byteTotal * 128 <= byteCount { stamps *= 2 }
    stampCount = stamps
    shardsOffset = (stampsOffset + stamps * StampLayout.byteTotal + 4095) & ~4095
    shardStride = (byteCount - shardsOffset) / shardCount & ~4095
    guard shardStride >= 2 << 20 else { return nil }
    // A place for each 512 to 1024 bytes: few entries are smaller, so buckets are seldom full.
    var buckets = ShardLayout.bucketsPerGroup
    while buckets * 8192 < shardStride { buckets *= 2 }
    bucketCount = buckets
    bucketMask = UInt64(buckets - 1)
    // At most 1/32 of the index, and of the arena when each has its largest size.
    budgetMax = min(
      buckets * ShardLayout.slotsPerBucket / 32,
      shardStride / 32 / ArenaLayout.smallEntryBytesMax)
    spillOffset = ShardLayout.index + buckets * ShardLayout.bucketBytes
    ringOffset = (spillOffset + buckets + 7) & ~7
    ghostOffset = (ringOffset + Budget.allCases.count * budgetMax * 4 + 63) & ~63
    // A ghost for each 2 to 4 KiB, 1/512 to 1/1024 of the memory.
    var ghosts = 16
    while ghosts * 2 * 32768 <= shardStride { ghosts *= 2 }
    ghostBucketCount = ghosts
    mapOffset = ghostOffset + ghosts * GhostLayout.bucketBytes
    let most = (shardStride - mapOffset) * 8 / (ArenaLayout.unitBytes * 8 + 1)
    arenaOffset = (mapOffset + most / 8 + 8 + 4095) & ~4095
    unitCount = (shardStride - arenaOffset) / ArenaLayout.unitBytes
    precondition(
      mapOffset + (unitCount + 63) / 64 * 8 <= arenaOffset
        && arenaOffset + unitCount * ArenaLayout.unitBytes <= shardStride
        && FreeClass(of: unitCount).number < FreeClass.count)
  }

  /// More shards are locked less often and repaired sooner; fewer take larger objects and choose
  /// better what to keep. At least 4 MiB each, 8 MiB in large segments, and eight of the largest
  /// objects.
  static func shardCount(byteCount: Int, objectBytesMax: Int) -> Int {
    let least = max(byteCount >= 256 << 20 ? 8 << 20 : 4 << 20, objectBytesMax * 8)
    var count = 1
    while count < shardCountMax && byteCount / (count * 2) >= least { count *= 2 }
    return count
  }

  /// The largest object a shard takes: a quarter of its arena, and at most 64 MiB.
  var objectBytesMax: Int {
    min(unitCount * ArenaLayout.unitBytes / 4, ArenaLayout.objectBytesMax)
  }

  func shard(_ number: Int) -> CacheShard {
    let start = shardsOffset + number * shardStride
    return CacheShard(
      number: number, start: start, map: start + mapOffset, arena: start + arenaOffset,
      firstUnit: UInt32((start + arenaOffset) >> ArenaLayout.unitShift), unitCount: unitCount)
  }

  func shard(hash: UInt64) -> CacheShard { shard(Int(hash & shardMask)) }

  /// The shard in whose arena a unit lies, nil for a unit in no arena.
  func shard(unit: UInt64) -> CacheShard? {
    guard unit < UInt64(byteCount >> ArenaLayout.unitShift) else { return nil }
    let offset = Int(unit) << ArenaLayout.unitShift
    guard offset >= shardsOffset, (offset - shardsOffset) / shardStride < shardCount else {
      return nil
    }
    let shard = shard((offset - shardsOffset) / shardStride)
    return shard.contains(UInt32(unit)) ? shard : nil
  }

  /// The start of a hash's shard.
  @inlinable @inline(__always)
  func shardOffset(hash: UInt64) -> Int {
    shardsOffset &+ Int(truncatingIfNeeded: hash & shardMask) &* shardStride
  }

  /// The number of a hash's home bucket in its shard.
  @inlinable @inline(__always)
  func homeBucket(hash: UInt64) -> Int {
    Int(truncatingIfNeeded: (hash &>> shardBits) & bucketMask)
  }

  @inlinable @inline(__always)
  func bucketOffset(hash: UInt64) -> Int {
    shardOffset(hash: hash) &+ ShardLayout.index &+ homeBucket(hash: hash)
      &* ShardLayout.bucketBytes
  }

  /// The bucket `step` places after a hash's home, which wraps at the shard's end.
  @inlinable
  func bucketOffset(hash: UInt64, step: Int) -> Int {
    shardOffset(hash: hash) &+ ShardLayout.index
      &+ (homeBucket(hash: hash) &+ step) & Int(truncatingIfNeeded: bucketMask)
      &* ShardLayout.bucketBytes
  }

  /// The count of what a hash's home bucket could not take.
  @inlinable @inline(__always)
  func spillPlace(hash: UInt64) -> Int {
    shardOffset(hash: hash) &+ spillOffset &+ homeBucket(hash: hash)
  }

  func ringPlace(_ shard: CacheShard, _ budget: Budget, _ place: Int) -> Int {
    shard.start + ringOffset + (budget.rawValue * budgetMax + place) * 4
  }

  /// Where processes' holds lie.
  static let holdTable = HoldTable(
    slotsUsed: HeaderLayout.slotsUsed,
    first: HoldPlaces(
      hazard: HeaderLayout.byteTotal + SlotLayout.hazard,
      aliasHazard: HeaderLayout.byteTotal + SlotLayout.aliasHazard,
      pinsHigh: HeaderLayout.byteTotal + SlotLayout.pinsHigh,
      pins: HeaderLayout.byteTotal + SlotLayout.pins),
    stride: SlotLayout.byteTotal, pinCount: SlotLayout.pinCount)

  static func slotOffset(_ processSlot: Int) -> Int {
    precondition((0..<SlotLayout.slotCount).contains(processSlot), "no such process slot")
    return HeaderLayout.byteTotal + processSlot * SlotLayout.byteTotal
  }
}

/// One shard's places, as offsets in the segment.
struct CacheShard: Equatable, Sendable {
  let number: Int
  let start: Int
  let map: Int
  let arena: Int
  let firstUnit: UInt32
  let unitCount: Int

  var index: Int { start + ShardLayout.index }

  func contains(_ unit: UInt32) -> Bool {
    unit >= firstUnit && Int(unit - firstUnit) < unitCount
  }
  /// A unit counted from the arena's start.
  func local(_ unit: UInt32) -> Int { Int(unit) - Int(firstUnit) }
  func unit(_ local: Int) -> UInt32 { firstUnit + UInt32(local) }
  func offset(_ local: Int) -> Int { arena + local << ArenaLayout.unitShift }
}
