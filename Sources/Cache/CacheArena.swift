// The allocator of one shard: buddy blocks of 128 bytes to 128 KiB, runs cut to the unit.
//
// A run of n units is cut from a block of the next power of two; the rest goes back at once, so at
// most one unit a run is lost inside. A run is remembered as the blocks of n's binary digits, high
// to low, each with its order in the unit map: so freeing merges them with free neighbours, and the
// eviction hand can step from block to block. Everything here is under the shard's mutex, and can
// be lost at any moment: `rebuild` makes it anew from the index.

import Platform

extension CacheStore {
  func tag(_ shard: CacheShard, _ local: Int) -> UInt8 {
    region.load(at: shard.map + local, as: UInt8.self)
  }
  func setTag(_ shard: CacheShard, _ local: Int, _ tag: UInt8) {
    region.store(tag, at: shard.map + local)
  }
  func field(_ shard: CacheShard, _ offset: Int) -> Int {
    Int(region.load(at: shard.start + offset, as: UInt32.self))
  }
  func setField(_ shard: CacheShard, _ offset: Int, _ value: Int) {
    region.store(UInt32(truncatingIfNeeded: value), at: shard.start + offset)
  }
  func add(_ difference: Int, to offset: Int, of shard: CacheShard) {
    setField(shard, offset, field(shard, offset) + difference)
  }

  /// Puts a block at the front of its order's free list. The links lie in the block itself.
  func pushFree(_ shard: CacheShard, _ local: Int, order: Int) {
    let headField = ShardLayout.freeHeads + order * 4
    let head = field(shard, headField)
    setTag(shard, local, UnitTag.free | UInt8(order))
    region.store(UInt32(head), at: shard.offset(local))
    region.store(UInt32(0), at: shard.offset(local) + 4)
    if head != 0 { region.store(UInt32(local + 1), at: shard.offset(head - 1) + 4) }
    setField(shard, headField, local + 1)
  }

  /// Takes a block out of its free list and makes its tag an inside one.
  func removeFree(_ shard: CacheShard, _ local: Int, order: Int) {
    let next = Int(region.load(at: shard.offset(local), as: UInt32.self))
    let previous = Int(region.load(at: shard.offset(local) + 4, as: UInt32.self))
    if next != 0 { region.store(UInt32(previous), at: shard.offset(next - 1) + 4) }
    if previous != 0 {
      region.store(UInt32(next), at: shard.offset(previous - 1))
    } else {
      setField(shard, ShardLayout.freeHeads + order * 4, next)
    }
    setTag(shard, local, 0)
  }

  /// The smallest order from `order` up that has a free block.
  func freeOrder(_ shard: CacheShard, atLeast order: Int) -> Int? {
    var order = order
    while order <= ArenaLayout.orderMax {
      if field(shard, ShardLayout.freeHeads + order * 4) != 0 { return order }
      order += 1
    }
    return nil
  }

  /// The largest order that has a free block.
  func freeOrder(_ shard: CacheShard, atMost order: Int) -> Int? {
    var order = order
    while order >= 0 {
      if field(shard, ShardLayout.freeHeads + order * 4) != 0 { return order }
      order -= 1
    }
    return nil
  }

  /// The order whose block holds this many units.
  static func order(units: Int) -> Int {
    units <= 1 ? 0 : Int.bitWidth - (units - 1).leadingZeroBitCount
  }

  /// Allocates a run, nil when no free block is large enough. `entry` marks it as an entry's start.
  func allocateRun(_ shard: CacheShard, units: Int, entry: Bool) -> Int? {
    let order = CacheStore.order(units: units)
    guard order <= ArenaLayout.orderMax, var have = freeOrder(shard, atLeast: order) else {
      return nil
    }
    let local = field(shard, ShardLayout.freeHeads + have * 4) - 1
    removeFree(shard, local, order: have)
    while have > order {
      have -= 1
      pushFree(shard, local + 1 << have, order: have)
    }
    markRun(shard, local, units: units, entry: entry)
    var rest = local + units
    while rest < local + 1 << order {
      let order = (rest - local).trailingZeroBitCount
      pushFree(shard, rest, order: order)
      rest += 1 << order
    }
    add(-units, to: ShardLayout.freeUnits, of: shard)
    return local
  }

  /// Tags a run's blocks.
  func markRun(_ shard: CacheShard, _ local: Int, units: Int, entry: Bool) {
    var position = local
    var rest = units
    while rest > 0 {
      let order = Int.bitWidth - 1 - rest.leadingZeroBitCount
      let kind = entry && position == local ? UnitTag.entry : UnitTag.more
      setTag(shard, position, kind | UInt8(order))
      position += 1 << order
      rest -= 1 << order
    }
  }

  /// Frees a run, block by block.
  func freeRun(_ shard: CacheShard, _ local: Int, units: Int) {
    var position = local
    var rest = units
    while rest > 0 {
      let order = Int.bitWidth - 1 - rest.leadingZeroBitCount
      freeBlock(shard, position, order: order)
      position += 1 << order
      rest -= 1 << order
    }
    add(units, to: ShardLayout.freeUnits, of: shard)
  }

  /// Frees a block and merges it with its free buddies.
  func freeBlock(_ shard: CacheShard, _ local: Int, order: Int) {
    var local = local
    var order = order
    setTag(shard, local, 0)
    while order < ArenaLayout.orderMax {
      let buddy = local ^ 1 << order
      guard buddy + 1 << order <= shard.unitCount,
        tag(shard, buddy) == UnitTag.free | UInt8(order)
      else { break }
      removeFree(shard, buddy, order: order)
      local = min(local, buddy)
      order += 1
    }
    pushFree(shard, local, order: order)
  }

  /// Frees the units between used ones, as the largest aligned blocks.
  func freeGap(_ shard: CacheShard, from first: Int, to end: Int) {
    var position = first
    while position < end {
      let aligned = position == 0 ? ArenaLayout.orderMax : position.trailingZeroBitCount
      let fitting = Int.bitWidth - 1 - (end - position).leadingZeroBitCount
      let order = min(aligned, fitting, ArenaLayout.orderMax)
      pushFree(shard, position, order: order)
      position += 1 << order
    }
    add(end - first, to: ShardLayout.freeUnits, of: shard)
  }
}
