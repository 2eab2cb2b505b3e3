// The allocator of one shard: runs of 64-byte units, two-level segregated fit.
//
// A bit per unit says what is in use. Free runs are listed by size class; a run's links and length
// lie in its first unit, its length again at its end, so that a neighbour that becomes free finds
// it: allocating and freeing take constant time. Everything here is under the shard's mutex, and
// can be lost at any moment: `rebuild` makes it anew from the index.

import Platform

/// Offsets in a free run; the length stands once more in the last four bytes of the run.
private enum FreeRunLayout {
  static let next = 0
  static let previous = 4
  static let units = 8
  static let tailBytes = 4
}

extension CacheStore {
  func field(_ shard: CacheShard, _ offset: Int) -> Int {
    Int(region.load(at: shard.start + offset, as: UInt32.self))
  }
  func setField(_ shard: CacheShard, _ offset: Int, _ value: Int) {
    interrupt()
    region.store(UInt32(truncatingIfNeeded: value), at: shard.start + offset)
  }
  func add(_ difference: Int, to offset: Int, of shard: CacheShard) {
    setField(shard, offset, field(shard, offset) + difference)
  }

  /// A point at which tests may let this process die: before each store to a shard's books.
  @inline(__always)
  func interrupt() {
    if let interruption { interruption() }
  }

  /// Allocates a run, evicting if need be. nil when that takes too much.
  func allocateRun(_ shard: CacheShard, units: Int) -> Int? {
    guard let local = roomyRun(shard, units: units) else { return nil }
    takeRun(shard, local, units: units)
    return local
  }

  /// Allocates the start of a given free run.
  func takeRun(_ shard: CacheShard, _ local: Int, units: Int) {
    let length = freeUnits(shard, local)
    removeFree(shard, local, units: length)
    setUsed(shard, local, units: units)
    if length > units { pushFree(shard, local + units, units: length - units) }
    add(-units, to: ShardLayout.freeUnits, of: shard)
  }

  /// Gives a run back and merges it with its free neighbours.
  func freeRun(_ shard: CacheShard, _ local: Int, units: Int) {
    var start = local
    var length = units
    setFree(shard, local, units: units)
    if start > 0 && !isUsed(shard, start - 1) {
      let before = freeUnits(shard, endingAt: start)
      start -= before
      length += before
      removeFree(shard, start, units: before)
    }
    let end = local + units
    if end < shard.unitCount && !isUsed(shard, end) {
      let after = freeUnits(shard, end)
      removeFree(shard, end, units: after)
      length += after
    }
    pushFree(shard, start, units: length)
    add(units, to: ShardLayout.freeUnits, of: shard)
  }

  /// A free run of at least `units`: first among those of about this size, whose use leaves little
  /// behind, then the next larger class.
  func freeRun(_ shard: CacheShard, holding units: Int) -> Int? {
    let own = FreeClass(of: units)
    let holding = FreeClass(holding: units)
    if own != holding {
      var name = head(shard, own)
      for _ in 0..<4 where name != 0 {
        if freeUnits(shard, name - 1) >= units { return name - 1 }
        name = Int(region.load(at: shard.offset(name - 1), as: UInt32.self))
      }
    }
    guard let found = firstClass(shard, atLeast: holding) else { return nil }
    return head(shard, found) - 1
  }

  /// The largest free run, but no larger class than that of `units`.
  func largestFreeRun(_ shard: CacheShard, atMost units: Int) -> (local: Int, units: Int)? {
    let most = FreeClass(of: units)
    var level = most.level
    var steps = subclasses(shard, level) & (2 << UInt32(most.step) - 1)
    while steps == 0 {
      let levels =
        region.load(at: shard.start + ShardLayout.freeClasses, as: UInt32.self)
        & (1 << UInt32(level) - 1)
      guard levels != 0 else { return nil }
      level = 31 - levels.leadingZeroBitCount
      steps = subclasses(shard, level)
    }
    let step = 31 - steps.leadingZeroBitCount
    let local = head(shard, FreeClass(number: level << 4 | step)) - 1
    return (local, freeUnits(shard, local))
  }

  private func firstClass(_ shard: CacheShard, atLeast least: FreeClass) -> FreeClass? {
    guard least.level < FreeClass.levelCount else { return nil }
    var level = least.level
    var steps = subclasses(shard, level) & (UInt32.max << UInt32(least.step))
    if steps == 0 {
      let levels =
        region.load(at: shard.start + ShardLayout.freeClasses, as: UInt32.self)
        & (UInt32.max << UInt32(level + 1))
      guard levels != 0 else { return nil }
      level = levels.trailingZeroBitCount
      steps = subclasses(shard, level)
      guard steps != 0 else { return nil }
    }
    return FreeClass(number: level << 4 | steps.trailingZeroBitCount)
  }

  private func subclasses(_ shard: CacheShard, _ level: Int) -> UInt32 {
    region.load(at: shard.start + ShardLayout.freeSubclasses + level * 4, as: UInt32.self)
  }

  private func head(_ shard: CacheShard, _ sizeClass: FreeClass) -> Int {
    field(shard, ShardLayout.freeHeads + sizeClass.number * 4)
  }

  /// Units of the free run that starts here.
  func freeUnits(_ shard: CacheShard, _ local: Int) -> Int {
    Int(region.load(at: shard.offset(local) + FreeRunLayout.units, as: UInt32.self))
  }

  /// Units of the free run that ends before this unit.
  func freeUnits(_ shard: CacheShard, endingAt local: Int) -> Int {
    Int(region.load(at: shard.offset(local) - FreeRunLayout.tailBytes, as: UInt32.self))
  }

  /// Lists a run as free; its bits are clear already.
  func pushFree(_ shard: CacheShard, _ local: Int, units: Int) {
    let sizeClass = FreeClass(of: units)
    let first = head(shard, sizeClass)
    let place = shard.offset(local)
    region.store(UInt32(first), at: place + FreeRunLayout.next)
    region.store(UInt32(0), at: place + FreeRunLayout.previous)
    region.store(UInt32(units), at: place + FreeRunLayout.units)
    region.store(
      UInt32(units), at: shard.offset(local + units) - FreeRunLayout.tailBytes)
    if first != 0 {
      region.store(UInt32(local + 1), at: shard.offset(first - 1) + FreeRunLayout.previous)
    } else {
      let level = sizeClass.level
      setField(
        shard, ShardLayout.freeSubclasses + level * 4,
        Int(subclasses(shard, level) | 1 << UInt32(sizeClass.step)))
      setField(shard, ShardLayout.freeClasses, field(shard, ShardLayout.freeClasses) | 1 << level)
    }
    setField(shard, ShardLayout.freeHeads + sizeClass.number * 4, local + 1)
  }

  private func removeFree(_ shard: CacheShard, _ local: Int, units: Int) {
    let sizeClass = FreeClass(of: units)
    let place = shard.offset(local)
    let next = Int(region.load(at: place + FreeRunLayout.next, as: UInt32.self))
    let previous = Int(region.load(at: place + FreeRunLayout.previous, as: UInt32.self))
    if next != 0 {
      region.store(UInt32(previous), at: shard.offset(next - 1) + FreeRunLayout.previous)
    }
    guard previous == 0 else {
      region.store(UInt32(next), at: shard.offset(previous - 1) + FreeRunLayout.next)
      return
    }
    setField(shard, ShardLayout.freeHeads + sizeClass.number * 4, next)
    guard next == 0 else { return }
    let level = sizeClass.level
    let steps = subclasses(shard, level) & ~(1 << UInt32(sizeClass.step))
    setField(shard, ShardLayout.freeSubclasses + level * 4, Int(steps))
    if steps == 0 {
      setField(
        shard, ShardLayout.freeClasses, field(shard, ShardLayout.freeClasses) & ~(1 << level))
    }
  }
}

/// The unit map: a bit for each unit in use.
extension CacheStore {
  func isUsed(_ shard: CacheShard, _ local: Int) -> Bool {
    mapWord(shard, local >> 6) >> UInt64(local & 63) & 1 != 0
  }

  func setUsed(_ shard: CacheShard, _ local: Int, units: Int) {
    forEachWord(local, units) { word, bits in
      region.store(mapWord(shard, word) | bits, at: shard.map + word * 8)
    }
  }

  func setFree(_ shard: CacheShard, _ local: Int, units: Int) {
    forEachWord(local, units) { word, bits in
      region.store(mapWord(shard, word) & ~bits, at: shard.map + word * 8)
    }
  }

  /// Whether none of these units is in use.
  func isAllFree(_ shard: CacheShard, _ local: Int, units: Int) -> Bool {
    var used: UInt64 = 0
    forEachWord(local, units) { word, bits in used |= mapWord(shard, word) & bits }
    return used == 0
  }

  /// The next unit from `local` on that is in use (or is not), the arena's end without one.
  func nextUnit(_ shard: CacheShard, from local: Int, used: Bool) -> Int {
    var position = local
    while position < shard.unitCount {
      let word = mapWord(shard, position >> 6)
      let bits = (used ? word : ~word) >> UInt64(position & 63)
      if bits != 0 { return min(position + bits.trailingZeroBitCount, shard.unitCount) }
      position = (position | 63) + 1
    }
    return shard.unitCount
  }

  /// The first unit of the free run that a free unit lies in.
  func firstFree(_ shard: CacheShard, before local: Int) -> Int {
    var position = local
    while true {
      // The bits below `position` in its word, moved to the top: the last used one before it.
      let below = mapWord(shard, position >> 6) << UInt64(63 - position & 63)
      if below != 0 { return position - below.leadingZeroBitCount + 1 }
      guard position >= 64 else { return 0 }
      position = (position & ~63) - 1
    }
  }

  private func mapWord(_ shard: CacheShard, _ word: Int) -> UInt64 {
    region.load(at: shard.map + word * 8, as: UInt64.self)
  }

  @inline(__always)
  private func forEachWord(_ local: Int, _ units: Int, _ body: (Int, UInt64) -> Void) {
    var position = local
    let end = local + units
    while position < end {
      let count = min(64 - position & 63, end - position)
      let bits = (count == 64 ? UInt64.max : 1 << UInt64(count) - 1) << UInt64(position & 63)
      body(position >> 6, bits)
      position += count
    }
  }
}
