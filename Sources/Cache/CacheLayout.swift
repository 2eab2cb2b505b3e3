// The segment's layout: every offset in one place.
//
// A segment is a header page, 256 process slots, a table of invalidation stamps, and shards. A
// shard is a header (mutex, counts, allocator heads), an index of 64-byte buckets, a byte per
// bucket that counts what spilled over, two rings of small entries, a memory of what has left, a
// bit per unit of the arena, and the arena, in which entries lie. All places are offsets from
// the segment's start; an entry is named by its unit, its offset divided by 64.

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
  /// The stamp that every entry has: "everything". Here in all layouts, as is `generation`, so
  /// that a segment of another layout that still has users can be told of an invalidation too.
  static let everything = 64
  /// The stamp that every entry made from a file has.
  static let files = 80
  /// What began to be filled at this generation or before is not published: see `refuseOlderFills`.
  static let fillFloor = 96
  /// The routing epoch and the generation share a cache line of their own: read on each hit,
  /// written by reloads and invalidations.
  @usableFromInline static let epoch = 128
  @usableFromInline static let generation = 136
  /// More invalidations than there can ever have been: a higher one is damage.
  static let generationMax: UInt64 = 1 << 62
  /// The generation when the segment was last taken over: what an older process stored is trusted
  /// only after its checksums were looked at.
  static let takenOverAt = 144
  /// One more than the highest process slot ever attached: bounds the scan for readers.
  static let slotsUsed = 192
  /// Counters of what happens before a process is attached.
  static let counters = 256
  static let byteTotal = 4096

  /// "Ring3\0\0\1" as a little-endian word.
  static let magicValue: UInt64 = 0x0100_0033_676e_6952
  /// Raised with every change of any layout in this file or of `EntryFacts`.
  static let versionValue: UInt32 = 3
}

/// Offsets in a process slot. Only the slot's owner writes it while it lives, except that lock
/// holders clear fill records; the master clears it after the owner's death.
@usableFromInline
enum SlotLayout {
  /// The unit of the entry held by the current look-up, 0 for none. Written on each hit, so these
  /// two words share a pair of cache lines with nothing else.
  @usableFromInline static let hazard = 0
  /// The unit of the alias that is being followed. Read after `hazard`: see `anyHold`.
  @usableFromInline static let aliasHazard = 8
  static let pid = 128
  /// One more than the highest ledger place in use.
  static let pinsHigh = 132
  static let startTime = 136
  static let pinnedBytes = 144
  static let counters = 192
  static let counterCount = 32
  static let fills = counters + counterCount * 8
  static let fillCount = 32
  static let pins = fills + fillCount * 8
  static let pinCount = 64
  static let byteTotal = pins + pinCount * 8

  @usableFromInline static let slotCount = 256
  /// In a fill record, beside the unit: its filler gave up or is dead, whoever locks may free it.
  static let abandoned: UInt64 = 1 << 63
}

/// A stamp: the generation of the latest invalidation of what hashes to it. See CacheStamps.
enum StampLayout {
  /// What is older must be looked at again before it is used.
  static let soft = 0
  /// What is older is gone.
  static let hard = 8
  static let byteTotal = 16
}

/// Offsets in a shard's header.
@usableFromInline
enum ShardLayout {
  static let mutex = 0
  static let entries = 64
  /// By `Budget`: small entries of a kind that has a ring.
  static let budgeted = 68
  /// By `Budget`: the oldest place of the ring.
  static let cursors = 76
  static let retiredCount = 84
  static let retiredHead = 88
  static let retiredTail = 92
  static let freeUnits = 96
  /// The policy's clock, and of each queue its first entry's expiry, its first and its last entry:
  /// see CachePolicy.
  static let clock = 100
  /// Not zero: holds overlap, see `keepHeld`. Nothing retired is freed meanwhile.
  static let heldOverlap = 104
  static let queueExpiries = 128
  static let queueHeads = queueExpiries + QueueNumber.count * 4
  static let queueTails = queueHeads + QueueNumber.count * 4
  static let fieldsEnd = queueTails + QueueNumber.count * 4
  /// Not zero: some fill record of this shard is marked abandoned. Written without the lock.
  static let abandonedFills = 512
  /// How often somebody found the shard locked. Written without the lock.
  static let contention = 516
  /// First-level bitmap, second-level bitmaps, then a list head for each class: local unit + 1.
  static let freeClasses = 576
  static let freeSubclasses = 580
  static let freeHeads = freeSubclasses + FreeClass.levelCount * 4
  @usableFromInline static let index = (freeHeads + FreeClass.count * 4 + 63) & ~63

  @usableFromInline static let bucketBytes = 64
  @usableFromInline static let slotsPerBucket = 8
  /// A key's home bucket and the next ones, into which it may spill over: 64 places.
  @usableFromInline static let bucketsPerGroup = 8
}

/// Kinds of small entries that have a budget of their own; `rawValue` is the place of its ring.
enum Budget: Int, CaseIterable {
  case aliases, negatives

  init?(_ kind: EntryKind) {
    switch kind {
    case .content: return nil
    case .alias: self = .aliases
    case .negative: self = .negatives
    }
  }
}

/// Offsets in an entry. The moving part comes first. From `immutable` to the end of the head
/// nothing changes after publishing, and the checksum covers it and the extent table.
///
/// Behind the header follow key, selector, labels, head and (without extents) the body.
@usableFromInline
enum EntryLayout {
  @usableFromInline static let validated = 0
  /// The generation as of which the entry is known to be good: see CacheStamps.
  @usableFromInline static let goodAsOf = 8
  /// A byte: uses since the policy last looked. All that a hit writes.
  @usableFromInline static let mark = 16
  /// Bytes: uses remembered, the number of the queue, the state.
  static let frequency = 17
  static let queue = 18
  static let state = 19
  /// The policy's time at which it may leave.
  static let expiry = 20
  /// Live: the next and previous entry of its queue, local unit + 1. Retired: the next retired
  /// entry. Filling: who fills it, and units of the extent table.
  static let link = 24
  static let backLink = 28
  static let checksum = 32
  static let bodyChecksum = 36
  @usableFromInline static let hash = 40
  @usableFromInline static let bodyCount = 48
  /// The unit of the extent table, 0 when the body lies in the entry's own run.
  @usableFromInline static let table = 52
  @usableFromInline static let extentCount = 56
  @usableFromInline static let keyCount = 58
  @usableFromInline static let selectorCount = 60
  @usableFromInline static let labelCount = 62
  @usableFromInline static let headCount = 64
  /// When it was made: seconds of CLOCK_BOOTTIME.
  static let created = 68
  @usableFromInline static let facts = 72
  @usableFromInline static let byteTotal = 136
  /// No entry takes less.
  static let unitsMin = (byteTotal + 63) / 64
  /// Where that part of the header starts.
  static let immutable = 40
  /// Per extent, in the table: unit, bytes.
  @usableFromInline static let extentBytes = 8

  static let filling: UInt8 = 0xf1
  static let live: UInt8 = 0x11
  static let retired: UInt8 = 0x4e
}

/// Sizes of what is allocated.
@usableFromInline
enum ArenaLayout {
  @usableFromInline static let unitShift = 6
  static let unitBytes = 1 << unitShift
  /// Bodies up to this lie in the entry's own run, if there is room in one piece.
  static let runBodyBytesMax = 64 << 10
  /// Runs up to this (with a body of 4 KiB) are made room for in one piece.
  static let smallRunUnitsMax = 80
  /// Extents: as large as this, and never tiny.
  static let extentBytesMax = 128 << 10
  static let extentBytesMin = 1 << 10
  static let objectBytesMax = 64 << 20
  /// One less than IOV_MAX, for the head.
  static let extentsMax = 1020
  static let smallEntryBytesMax = 1024
  static let keyBytesMax = 16 << 10
  static let headBytesMax = 32 << 10
  static let labelBytesMax = 4 << 10
  static let runBytesMax =
    EntryLayout.byteTotal + keyBytesMax + labelBytesMax + headBytesMax + runBodyBytesMax
  /// Variants under one key.
  static let variantsMax = 32
}

/// A class of free runs by size: 16 steps for each power of two (two-level segregated fit, Masmano
/// et al. 2004, https://doi.org/10.1109/EMRTS.2004.1311009).
struct FreeClass: Equatable {
  static let levelCount = 24
  static let count = levelCount * 16

  /// The number in order of size.
  let number: Int

  /// The class that a free run of this many units is listed in.
  init(of units: Int) {
    if units < 16 {
      number = units
    } else {
      let log = Int.bitWidth - 1 - units.leadingZeroBitCount
      number = (log - 3) << 4 | (units >> (log - 4)) & 15
    }
  }

  /// The least class all of whose runs hold this many units.
  init(holding units: Int) {
    let log = Int.bitWidth - 1 - units.leadingZeroBitCount
    self.init(of: units < 16 ? units : units + 1 << (log - 4) - 1)
  }

  init(number: Int) { self.number = number }

  var level: Int { number >> 4 }
  var step: Int { number & 15 }
}

@inlinable @inline(__always)
func entryOffset(_ unit: UInt32) -> Int { Int(unit) &<< ArenaLayout.unitShift }
func entryUnit(_ offset: Int) -> UInt32 { UInt32(offset >> ArenaLayout.unitShift) }
func unitsNeeded(_ bytes: Int) -> Int {
  (bytes + ArenaLayout.unitBytes - 1) >> ArenaLayout.unitShift
}
