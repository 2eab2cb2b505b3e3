// What must always hold of a shard between two critical sections, as a check for tests and tools.

import Platform

extension CacheStore {
  /// Checks every shard: that free runs are listed, merged and as long as they say, that each unit
  /// in use belongs to exactly one entry that is indexed, retired or being filled, that counts and
  /// checksums agree. Returns what is wrong, in words. Takes each mutex for milliseconds.
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
    var claims = ArenaClaims(unitCount: shard.unitCount)
    let free = checkFreeRuns(shard, &claims, &faults)
    checkIndex(shard, &claims, &faults)
    checkRetired(shard, &claims, &faults)
    forEachRecord { processSlot, index, record in
      let word = region.loadAcquire64(at: record)
      guard isFill(word, in: shard) else { return }
      if let entry = fillEntry(word, processSlot, index) {
        claim(shard, entry, &claims, &faults)
      } else {
        faults.append("a fill record names no fill")
      }
    }
    if let lost = claims.firstUnclaimed { faults.append("unit \(lost) is in use, and no entry's") }
    if free != field(shard, ShardLayout.freeUnits) { faults.append("free units miscounted") }
    faults += policyFaults(shard)
    return faults
  }

  /// Claims all free runs; returns how many units they have.
  private func checkFreeRuns(
    _ shard: CacheShard, _ claims: inout ArenaClaims, _ faults: inout [String]
  ) -> Int {
    var units = 0
    var runs = 0
    var position = nextUnit(shard, from: 0, used: false)
    while position < shard.unitCount {
      let end = nextUnit(shard, from: position, used: true)
      if freeUnits(shard, position) != end - position { faults.append("a free run's length") }
      if !claims.claim(position, end - position) { faults.append("a free run overlaps") }
      units += end - position
      runs += 1
      position = nextUnit(shard, from: end, used: false)
    }
    var listed = 0
    for number in 0..<FreeClass.count {
      var name = field(shard, ShardLayout.freeHeads + number * 4)
      var previous = 0
      while name != 0 && listed <= runs {
        listed += 1
        if isUsed(shard, name - 1) || FreeClass(of: freeUnits(shard, name - 1)).number != number
          || region.load(at: shard.offset(name - 1) + 4, as: UInt32.self) != UInt32(previous)
        {
          faults.append("free list \(number) is wrong")
          break
        }
        previous = name
        name = Int(region.load(at: shard.offset(name - 1), as: UInt32.self))
      }
      let level = region.load(
        at: shard.start + ShardLayout.freeSubclasses + (number >> 4) * 4, as: UInt32.self)
      let isListed = level >> UInt32(number & 15) & 1 != 0
      if isListed != (field(shard, ShardLayout.freeHeads + number * 4) != 0) {
        faults.append("the bitmap and free list \(number) disagree")
      }
    }
    if listed != runs { faults.append("\(runs) free runs, \(listed) listed") }
    return units
  }

  private func checkIndex(
    _ shard: CacheShard, _ claims: inout ArenaClaims, _ faults: inout [String]
  ) {
    var entries = 0
    var budgeted = [Int](repeating: 0, count: Budget.allCases.count)
    var spilled = [Int](repeating: 0, count: geometry.bucketCount)
    for place in 0..<geometry.bucketCount * ShardLayout.slotsPerBucket {
      let word = region.loadRelaxed64(at: shard.index + place * 8)
      guard word != 0 else { continue }
      let entry = entryOffset(UInt32(truncatingIfNeeded: word))
      entries += 1
      guard shard.contains(UInt32(truncatingIfNeeded: word)), hasSoundShape(shard, entry) else {
        faults.append("an index word names no entry")
        continue
      }
      if let budget = Budget(kind(entry)) { budgeted[budget.rawValue] += 1 }
      if state(entry) != EntryLayout.live { faults.append("an indexed entry is not live") }
      if let found = indexSlot(entry) {
        if found.isSpilled { spilled[geometry.homeBucket(hash: entryHash(entry))] += 1 }
      } else {
        faults.append("an entry is in a wrong bucket")
      }
      if !isSealed(entry) { faults.append("an entry's checksum is wrong") }
      if !verifyBody(CacheHit(offset: entry)) { faults.append("a body's checksum is wrong") }
      claim(shard, entry, &claims, &faults)
    }
    if entries != field(shard, ShardLayout.entries) { faults.append("entries miscounted") }
    for budget in Budget.allCases {
      if budgeted[budget.rawValue] != field(shard, ShardLayout.budgeted + budget.rawValue * 4) {
        faults.append("\(budget) miscounted")
      }
      if budgeted[budget.rawValue] > geometry.budgetMax { faults.append("too many \(budget)") }
    }
    for (bucket, count) in spilled.enumerated() {
      let noted = region.load(at: shard.start + geometry.spillOffset + bucket, as: UInt8.self)
      if noted != 255 && Int(noted) != count {
        faults.append("bucket \(bucket) spilled \(count), not \(noted)")
      }
    }
  }

  private func checkRetired(
    _ shard: CacheShard, _ claims: inout ArenaClaims, _ faults: inout [String]
  ) {
    var name = field(shard, ShardLayout.retiredHead)
    var last = 0
    var retired = 0
    while name != 0 && retired <= shard.unitCount {
      let entry = shard.offset(name - 1)
      retired += 1
      if state(entry) != EntryLayout.retired { faults.append("a retired entry is not so") }
      claim(shard, entry, &claims, &faults)
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
    _ shard: CacheShard, _ entry: Int, _ claims: inout ArenaClaims, _ faults: inout [String]
  ) {
    for run in runs(shard, entry) {
      if nextUnit(shard, from: run.local, used: false) < run.local + run.units {
        faults.append("an entry lies in free space")
      }
      if !claims.claim(run.local, run.units) { faults.append("two entries overlap") }
    }
  }
}

/// Who has which unit.
private struct ArenaClaims {
  private var taken: [Bool]

  init(unitCount: Int) { taken = [Bool](repeating: false, count: unitCount) }

  /// False when any of it is taken.
  mutating func claim(_ local: Int, _ units: Int) -> Bool {
    var isFree = true
    for unit in local..<local + units {
      if taken[unit] { isFree = false }
      taken[unit] = true
    }
    return isFree
  }

  var firstUnclaimed: Int? { taken.firstIndex(of: false) }
}
