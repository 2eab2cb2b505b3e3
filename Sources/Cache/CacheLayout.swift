// The segment's layout: every offset in one place.
//
// A segment is a header page, 256 process slots, and shards. A shard is a header (mutex, counts,
// allocator heads), an index of 64-byte buckets, a ring of aliases, one byte per unit of the arena
// (the unit map), and the arena, in which entries lie. All places are offsets from the segment's
// start; an entry is named by its unit, its offset divided by 128.

/// Offsets in the header page. What is below `checksummedBytes` never changes after creation.
@usableFromInline
enum HeaderLayout {
  static let magic = 0
  static let version = 8
  static let shardCount = 12
  static let byteCount = 16
  static let seed0 = 24
  static let seed1 = 32
  static let checksummedBytes = 40
  static let checksum = 40
  /// The routing epoch, on a cache line of its own: read on each hit, written by reloads.
  @usableFromInline static let epoch = 128
  /// One more than the highest process slot ever attached: bounds the scan for readers.
  static let slotsUsed = 192
  /// Counters of what happens before a process is attached.
  static let counters = 256
  static let byteTotal = 4096

  /// "Ring3\0\0\1" as a little-endian word.
  static let magicValue: UInt64 = 0x0100_0033_676e_6952
  /// Raised with every change of any layout in this file or of `EntryFacts`.
  static let versionValue: UInt32 = 1
}

/// Offsets in a process slot. Only the slot's owner writes it while it lives, except that lock
/// holders clear fill records; the master clears it after the owner's death.
@usableFromInline
enum SlotLayout {
  /// The unit of the entry held by the current look-up, 0 for none. Written on each hit, so these
  /// two words share a pair of cache lines with nothing else.
  @usableFromInline static let hazard = 0
  /// The unit of the alias that is being followed. Scanned after `hazard`: see `isReferenced`.
  @usableFromInline static let aliasHazard = 8
  static let pid = 128
  /// One more than the highest ledger place in use.
  static let pinsHigh = 132
  static let startTime = 136
  static let pinnedBytes = 144
  static let counters = 192
  static let fills = 384
  static let pins = 640
  static let byteTotal = 1152

  static let fillCount = 32
  static let pinCount = 64
  @usableFromInline static let slotCount = 256
  /// In a fill record, beside the unit: its filler gave up or is dead, whoever locks may free it.
  static let abandoned: UInt64 = 1 << 63
}

/// Offsets in a shard's header.
@usableFromInline
enum ShardLayout {
  static let mutex = 0
  static let hand = 64
  static let entries = 68
  static let aliases = 72
  static let retiredCount = 76
  static let retiredHead = 80
  static let retiredTail = 84
  static let freeUnits = 88
  /// The oldest place of the alias ring.
  static let aliasCursor = 92
  static let fieldsEnd = 96
  /// Not zero: some fill record of this shard is marked abandoned. Written without the lock.
  static let abandonedFills = 128
  /// A free-list head for each order: local unit + 1.
  static let freeHeads = 192
  @usableFromInline static let index = 256

  @usableFromInline static let bucketBytes = 64
  @usableFromInline static let slotsPerBucket = 8
}

/// Offsets in an entry. From `immutable` to the end of the head nothing changes after publishing,
/// and the checksum covers it.
@usableFromInline
enum EntryLayout {
  @usableFromInline static let validated = 0
  @usableFromInline static let mark = 8
  static let state = 12
  /// Retired: the next retired entry's local unit + 1. Filling: who fills it.
  static let link = 16
  static let checksum = 20
  static let immutable = 24
  static let hash = 24
  @usableFromInline static let keyCount = 32
  @usableFromInline static let extentCount = 34
  @usableFromInline static let headCount = 36
  @usableFromInline static let bodyCount = 40
  static let runUnits = 44
  static let bodyChecksum = 48
  @usableFromInline static let facts = 56
  /// Where the extent table starts; key, head and (without extents) body follow.
  @usableFromInline static let byteTotal = 136
  /// Per extent: unit, bytes.
  @usableFromInline static let extentBytes = 8

  static let filling: UInt32 = 0x6c6c_6966
  static let live: UInt32 = 0x6576_696c
  static let retired: UInt32 = 0x6572_6974
}

/// Sizes of what is allocated.
@usableFromInline
enum ArenaLayout {
  @usableFromInline static let unitShift = 7
  static let unitBytes = 1 << unitShift
  /// The largest block: 128 KiB, so that header, key, head and a body of 64 KiB fit in one run.
  static let orderMax = 10
  static let orderCount = orderMax + 1
  /// Bodies up to this lie in the entry's own run.
  static let runBodyBytesMax = 64 << 10
  static let extentBytesMax = 64 << 10
  static let extentBytesMin = 4 << 10
  /// In bodies beyond this, extents are as large as blocks get.
  static let largeBodyBytes = 4 << 20
  static let largeExtentBytesMax = 128 << 10
  static let objectBytesMax = 64 << 20
  /// One less than IOV_MAX, for the head.
  static let extentsMax = 1020
  static let aliasBytesMax = 1024
  static let keyBytesMax = 16 << 10
  static let headBytesMax = 32 << 10
}

/// The unit map: what starts at a unit. 0 is the inside of a block.
enum UnitTag {
  static let free: UInt8 = 0x40
  static let entry: UInt8 = 0x80
  /// More of an entry's run, or an extent.
  static let more: UInt8 = 0xc0
  static let classMask: UInt8 = 0xc0
  static let orderMask: UInt8 = 0x0f
  /// Only during a rebuild: the inside of what is in use.
  static let inside: UInt8 = 0x01
}

/// What follows from a segment's size and shard count.
@usableFromInline
struct CacheGeometry: Equatable, Sendable {
  let byteCount: Int
  let shardCount: Int
  @usableFromInline let shardBits: UInt64
  @usableFromInline let shardMask: UInt64
  @usableFromInline let bucketMask: UInt64
  @usableFromInline let shardsOffset: Int
  @usableFromInline let shardStride: Int
  /// Relative to the shard's start.
  let ringOffset: Int
  let mapOffset: Int
  let arenaOffset: Int
  let bucketCount: Int
  let aliasesMax: Int
  /// Units of one shard's arena.
  let unitCount: Int

  static let byteCountMin = 8 << 20
  static let byteCountMax = 256 << 30
  static let shardCountMax = 64

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
    shardsOffset = HeaderLayout.byteTotal + SlotLayout.slotCount * SlotLayout.byteTotal
    shardStride = (byteCount - shardsOffset) / shardCount & ~4095
    guard shardStride >= 2 << 20 else { return nil }
    // A slot for about each 512 bytes: entries are seldom smaller, so buckets are half full.
    var buckets = 1
    while buckets * 4096 < shardStride { buckets *= 2 }
    bucketCount = buckets
    bucketMask = UInt64(buckets - 1)
    // At most 1/32 of the index, and of the arena when each alias has its largest size.
    aliasesMax = min(
      buckets * ShardLayout.slotsPerBucket / 32,
      shardStride / 32 / ArenaLayout.aliasBytesMax)
    ringOffset = ShardLayout.index + buckets * ShardLayout.bucketBytes
    mapOffset = ringOffset + (aliasesMax * 4 + 63 & ~63)
    let most = (shardStride - mapOffset) / (ArenaLayout.unitBytes + 1)
    arenaOffset = (mapOffset + most + 4095) & ~4095
    unitCount = (shardStride - arenaOffset) / ArenaLayout.unitBytes
    precondition(
      shardsOffset & 4095 == 0 && mapOffset + unitCount <= arenaOffset
        && arenaOffset + unitCount * ArenaLayout.unitBytes <= shardStride)
  }

  /// As many shards as allow an object of `objectBytesMax` to be a quarter of one, at most 64.
  static func shardCount(byteCount: Int, objectBytesMax: Int) -> Int {
    // A fifth more than the quarter needs, for what a shard holds beside its arena.
    let least = max(4 << 20, objectBytesMax * 5)
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
      number: number, start: start, index: start + ShardLayout.index, ring: start + ringOffset,
      map: start + mapOffset, arena: start + arenaOffset,
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

  @inlinable @inline(__always)
  func bucketOffset(hash: UInt64) -> Int {
    shardsOffset &+ Int(truncatingIfNeeded: hash & shardMask) &* shardStride &+ ShardLayout.index
      &+ Int(truncatingIfNeeded: (hash &>> shardBits) & bucketMask) &* ShardLayout.bucketBytes
  }

  static func slotOffset(_ processSlot: Int) -> Int {
    precondition((0..<SlotLayout.slotCount).contains(processSlot), "no such process slot")
    return HeaderLayout.byteTotal + processSlot * SlotLayout.byteTotal
  }
}

/// One shard's places, as offsets in the segment.
struct CacheShard: Equatable, Sendable {
  let number: Int
  let start: Int
  let index: Int
  let ring: Int
  let map: Int
  let arena: Int
  let firstUnit: UInt32
  let unitCount: Int

  func contains(_ unit: UInt32) -> Bool {
    unit >= firstUnit && Int(unit - firstUnit) < unitCount
  }
  /// A unit counted from the arena's start; block alignment is relative to that.
  func local(_ unit: UInt32) -> Int { Int(unit) - Int(firstUnit) }
  func unit(_ local: Int) -> UInt32 { firstUnit + UInt32(local) }
  func offset(_ local: Int) -> Int { arena + local << ArenaLayout.unitShift }
}

@inlinable @inline(__always)
func entryOffset(_ unit: UInt32) -> Int { Int(unit) &<< ArenaLayout.unitShift }
func entryUnit(_ offset: Int) -> UInt32 { UInt32(offset >> ArenaLayout.unitShift) }
func unitsNeeded(_ bytes: Int) -> Int {
  (bytes + ArenaLayout.unitBytes - 1) >> ArenaLayout.unitShift
}
