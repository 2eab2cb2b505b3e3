// What must always hold of a shard between two critical sections, as a check for tests and tools.

import Platform

extension CacheStore {
  /// Checks every shard: that the unit map's blocks tile the arena, that free lists hold exactly
  /// the free blocks, that each used block belongs to exactly one entry that is indexed, retired or
  /// being filled, that counts agree, that checksums do. Returns what is wrong, in words. Takes
  /// each mutex for milliseconds.
  package func checkInvariants() -> [String] {
    var faults: [String] = []
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      guard lock(shard, tries: 1_000_000) else {
        faults.append("shard \(number) stays locked")
        continue
      }
      faults += faultsOfShard(shard).map { "shard \(number): \($0)" }
      unlock(shard)
    }
    return faults
  }

  private func faultsOfShard(_ shard: CacheShard) -> [String] {
    var faults: [String] = []
    // What lies where: 0 unknown, 1 free, 2 used by the map, 3 claimed by an entry.
    var units = [UInt8](repeating: 0, count: shard.unitCount)
    var freeBlocks: [Int: Int] = [:]
    tile(shard, &units, &freeBlocks, &faults)
    checkFreeLists(shard, freeBlocks, &faults)
    var entries = 0
    var aliases = 0
    for place in 0..<geometry.bucketCount * ShardLayout.slotsPerBucket {
      let word = region.loadRelaxed64(at: shard.index + place * 8)
      guard word != 0 else { continue }
      let entry = entryOffset(UInt32(truncatingIfNeeded: word))
      entries += 1
      guard shard.contains(UInt32(truncatingIfNeeded: word)), hasSoundShape(shard, entry) else {
        faults.append("an index word names no entry")
        continue
      }
      if isAlias(entry) { aliases += 1 }
      if state(entry) != EntryLayout.live { faults.append("an indexed entry is not live") }
      if indexSlot(entry) == nil { faults.append("an entry is in a wrong bucket") }
      if !isSealed(entry) { faults.append("an entry's checksum is wrong") }
      if !verifyBody(CacheHit(offset: entry)) { faults.append("a body's checksum is wrong") }
      claim(shard, entry, &units, &faults)
    }
    checkRetired(shard, &units, &faults)
    forEachRecord { processSlot, index, record in
      let word = region.loadAcquire64(at: record)
      guard isFill(word, in: shard) else { return }
      if let entry = fillEntry(word, processSlot, index) {
        claim(shard, entry, &units, &faults)
      } else {
        faults.append("a fill record names no fill")
      }
    }
    if units.contains(2) { faults.append("space is lost: used, and no entry's") }
    let free = units.count { $0 == 1 }
    if free != field(shard, ShardLayout.freeUnits) { faults.append("free units miscounted") }
    if entries != field(shard, ShardLayout.entries) { faults.append("entries miscounted") }
    if aliases != field(shard, ShardLayout.aliases) { faults.append("aliases miscounted") }
    if aliases > geometry.aliasesMax { faults.append("too many aliases") }
    return faults
  }

  private func tile(
    _ shard: CacheShard, _ units: inout [UInt8], _ freeBlocks: inout [Int: Int],
    _ faults: inout [String]
  ) {
    var position = 0
    while position < shard.unitCount {
      let tag = tag(shard, position)
      let order = Int(tag & UnitTag.orderMask)
      let end = position + 1 << order
      guard tag & UnitTag.classMask != 0, order <= ArenaLayout.orderMax, end <= shard.unitCount,
        position & (1 << order - 1) == 0
      else {
        faults.append("no block starts at unit \(position)")
        return
      }
      if region.zeroCount(at: shard.map + position + 1, count: end - position - 1)
        != end - position - 1
      {
        faults.append("a block has a tag inside")
      }
      let isFree = tag & UnitTag.classMask == UnitTag.free
      if isFree { freeBlocks[position] = order }
      for unit in position..<end { units[unit] = isFree ? 1 : 2 }
      position = end
    }
  }

  private func checkFreeLists(
    _ shard: CacheShard, _ freeBlocks: [Int: Int], _ faults: inout [String]
  ) {
    var listed = 0
    for order in 0..<ArenaLayout.orderCount {
      var name = field(shard, ShardLayout.freeHeads + order * 4)
      var previous = 0
      while name != 0 {
        listed += 1
        guard freeBlocks[name - 1] == order, listed <= freeBlocks.count,
          region.load(at: shard.offset(name - 1) + 4, as: UInt32.self) == UInt32(previous)
        else {
          faults.append("a free list is wrong")
          return
        }
        let buddy = name - 1 ^ 1 << order
        if order < ArenaLayout.orderMax && freeBlocks[buddy] == order {
          faults.append("two free buddies were not merged")
        }
        previous = name
        name = Int(region.load(at: shard.offset(name - 1), as: UInt32.self))
      }
    }
    if listed != freeBlocks.count { faults.append("a free block is in no list") }
  }

  private func checkRetired(
    _ shard: CacheShard, _ units: inout [UInt8], _ faults: inout [String]
  ) {
    var name = field(shard, ShardLayout.retiredHead)
    var last = 0
    var retired = 0
    while name != 0 && retired <= shard.unitCount {
      let entry = shard.offset(name - 1)
      retired += 1
      if state(entry) != EntryLayout.retired { faults.append("a retired entry is not so") }
      claim(shard, entry, &units, &faults)
      last = name
      name = Int(region.load(at: entry + EntryLayout.link, as: UInt32.self))
    }
    if retired != field(shard, ShardLayout.retiredCount)
      || last != field(shard, ShardLayout.retiredTail)
    {
      faults.append("the retired list is wrong")
    }
  }

  private func claim(
    _ shard: CacheShard, _ entry: Int, _ units: inout [UInt8], _ faults: inout [String]
  ) {
    var runs = [(shard.local(entryUnit(entry)), runUnits(entry))]
    let extents = Int(region.load(at: entry + EntryLayout.extentCount, as: UInt16.self))
    for index in 0..<extents {
      let range = extent(CacheHit(offset: entry), index)
      runs.append((shard.local(entryUnit(range.offset)), unitsNeeded(range.count)))
    }
    for (local, count) in runs {
      for unit in local..<local + count {
        if units[unit] != 2 {
          faults.append(units[unit] == 1 ? "an entry lies in free space" : "two entries overlap")
          return
        }
        units[unit] = 3
      }
    }
  }
}
