// Who leaves: greedy-dual by size and frequency, with one queue for each power of two of credit.
//
// After Cherkasova's GDSF (HP Labs, HPL-98-69R1). An entry's credit is what it is worth: its uses,
// times a fixed cost of a miss plus one for its bytes, for each unit that it takes. It may leave
// when the shard's clock has come to the time at which it was queued plus its credit. Credits are
// rounded to powers of two, with a queue for each: then each queue is in order of expiry by
// itself, and the next to leave is the earliest of the queues' first entries. A hit only adds to
// the mark; who is found marked at the front of its queue is queued anew. The clock moves to the
// expiry of whoever is looked at, so old entries grow cheaper as new ones come. What leaves is
// remembered for a while with its uses (CacheGhosts): what returns soon starts with those, what
// is seen once goes soon. Every step takes constant time, under the shard's mutex.
//
// An application's response that is too stale to be sent, and has no validator, is not queued anew
// however often it was used. Nor is it looked for: that would need an order by time as well.

import Platform

/// Numbers of queues, and the arithmetic of credit. All in integers.
enum QueueNumber {
  static let count = 32
  static let frequencyMax = 15
  /// For one victim, at most so many entries are queued anew.
  static let visitsMax = 64
  /// And so many for all victims of one allocation; then who is first leaves, used or not.
  static let requeuesMax = 512
  /// At this many times the mean entry's size a miss costs as much for its bytes as for itself.
  private static let evenSizes = 16

  /// round(16 log2 uses): sixteenths of a power of two.
  private static let weights: [Int] = [
    0, 0, 16, 25, 32, 37, 41, 45, 48, 51, 53, 55, 57, 59, 61, 63,
  ]

  /// The queue for an entry, which is the logarithm of its credit,
  /// (uses * (1 / units + 1 / even units)) ^ 1.5, from a base that the largest entries need. The
  /// power gives uses and size more say against age; it and the rest were chosen by replaying
  /// traces (tools/cachesim).
  static func of(frequency: Int, units: Int, meanUnits: Int) -> Int {
    let even = evenSizes * max(1, meanUnits)
    let units = max(1, units)
    let sixteenths =
      weights[frequency] + logarithm(even + units) - logarithm(even) - logarithm(units)
    return min(max((27 * 16 + 8 + sixteenths + sixteenths >> 1) >> 4, 0), count - 1)
  }

  /// In sixteenths, to base 2, linear between powers of two.
  private static func logarithm(_ value: Int) -> Int {
    let exponent = Int.bitWidth - 1 - value.leadingZeroBitCount
    return 16 * exponent + ((value << 4) >> exponent) & 15
  }
}

extension CacheStore {
  func mark(_ entry: Int) -> Int { Int(region.loadRelaxed8(at: entry + EntryLayout.mark)) }

  /// Uses remembered: 1 to 15.
  func frequency(_ entry: Int) -> Int {
    let stored = Int(region.load(at: entry + EntryLayout.frequency, as: UInt8.self))
    return min(max(stored, 1), QueueNumber.frequencyMax)
  }

  private func setFrequency(_ entry: Int, _ uses: Int) {
    region.store(
      UInt8(min(uses, QueueNumber.frequencyMax)), at: entry + EntryLayout.frequency)
  }

  /// An entry of content came into the index, perhaps in place of an older one.
  func policyEntered(_ shard: CacheShard, _ entry: Int, replacing older: Int?) {
    if let older {
      setFrequency(entry, frequency(older) + mark(older))
    } else if let uses = takeGhost(shard, entryHash(entry)) {
      setFrequency(entry, max(2, uses))
    } else {
      setFrequency(entry, 1)
    }
    enqueue(shard, entry)
  }

  /// An entry leaves for good: its uses are remembered.
  func policyForgets(_ shard: CacheShard, _ entry: Int) {
    guard kind(entry) == .content else { return }
    putGhost(
      shard, entryHash(entry), min(frequency(entry) + mark(entry), QueueNumber.frequencyMax))
  }

  /// The entry that leaves next; nil when there is none. `requeues`: how many used ones may still
  /// be queued anew.
  func policyVictim(_ shard: CacheShard, requeues: inout Int) -> Int? {
    for visit in 1...QueueNumber.visitsMax {
      guard let entry = earliest(shard) else { return nil }
      setField(shard, ShardLayout.clock, Int(expiry(entry)))
      let mark = mark(entry)
      guard mark > 0, visit < QueueNumber.visitsMax, requeues > 0, !isOfNoUse(entry) else {
        return entry
      }
      requeues -= 1
      removeFromQueue(shard, entry)
      setFrequency(entry, frequency(entry) + mark)
      region.storeRelaxed8(0, at: entry + EntryLayout.mark)
      enqueue(shard, entry)
    }
    return nil
  }

  /// Whether an entry's uses are no reason to keep it: nothing can be answered with it any more.
  private func isOfNoUse(_ entry: Int) -> Bool {
    let hit = CacheHit(offset: entry)
    return facts(hit).isOfNoUse(age: (Clock.bootTicks() &- validated(hit)) & EntryTime.mask)
  }

  /// The first entry of the queue that is due first.
  private func earliest(_ shard: CacheShard) -> Int? {
    let clock = UInt32(truncatingIfNeeded: field(shard, ShardLayout.clock))
    var least = UInt32.max
    var chosen = 0
    for queue in 0..<QueueNumber.count {
      let head = field(shard, ShardLayout.queueHeads + queue * 4)
      guard head != 0 else { continue }
      let expiry = region.load(
        at: shard.start + ShardLayout.queueExpiries + queue * 4, as: UInt32.self)
      if chosen == 0 || expiry &- clock < least {
        least = expiry &- clock
        chosen = head
      }
    }
    return chosen == 0 ? nil : shard.offset(chosen - 1)
  }

  private func expiry(_ entry: Int) -> UInt32 {
    region.load(at: entry + EntryLayout.expiry, as: UInt32.self)
  }
  private func next(_ entry: Int) -> Int {
    Int(region.load(at: entry + EntryLayout.link, as: UInt32.self))
  }
  private func previous(_ entry: Int) -> Int {
    Int(region.load(at: entry + EntryLayout.backLink, as: UInt32.self))
  }
  private func setExpiry(_ shard: CacheShard, ofQueue queue: Int, head: Int) {
    region.store(
      head == 0 ? 0 : expiry(shard.offset(head - 1)),
      at: shard.start + ShardLayout.queueExpiries + queue * 4)
  }

  /// Puts an entry at the end of the queue for its credit.
  private func enqueue(_ shard: CacheShard, _ entry: Int) {
    let units = heldBytes(entry) >> ArenaLayout.unitShift
    let used = shard.unitCount - field(shard, ShardLayout.freeUnits)
    let queue = QueueNumber.of(
      frequency: frequency(entry), units: units,
      meanUnits: used / max(1, field(shard, ShardLayout.entries)))
    let clock = UInt32(truncatingIfNeeded: field(shard, ShardLayout.clock))
    let tailField = ShardLayout.queueTails + queue * 4
    let tail = field(shard, tailField)
    let name = shard.local(entryUnit(entry)) + 1
    region.store(UInt8(queue), at: entry + EntryLayout.queue)
    region.store(clock &+ 1 << UInt32(queue), at: entry + EntryLayout.expiry)
    region.store(UInt32(0), at: entry + EntryLayout.link)
    region.store(UInt32(tail), at: entry + EntryLayout.backLink)
    if tail == 0 {
      setField(shard, ShardLayout.queueHeads + queue * 4, name)
      setExpiry(shard, ofQueue: queue, head: name)
    } else {
      region.store(UInt32(name), at: shard.offset(tail - 1) + EntryLayout.link)
    }
    setField(shard, tailField, name)
  }

  /// Takes an entry out of its queue.
  func removeFromQueue(_ shard: CacheShard, _ entry: Int) {
    let queue = Int(region.load(at: entry + EntryLayout.queue, as: UInt8.self))
    let next = next(entry)
    let previous = previous(entry)
    if next != 0 {
      region.store(UInt32(previous), at: shard.offset(next - 1) + EntryLayout.backLink)
    } else {
      setField(shard, ShardLayout.queueTails + queue * 4, previous)
    }
    if previous != 0 {
      region.store(UInt32(next), at: shard.offset(previous - 1) + EntryLayout.link)
    } else {
      setField(shard, ShardLayout.queueHeads + queue * 4, next)
      setExpiry(shard, ofQueue: queue, head: next)
    }
  }

  /// Queues a shard's entries anew, after the queues were lost; uses and marks are the entries'
  /// own. Under the mutex, the shard's fields zeroed.
  func policyRebuilt(_ shard: CacheShard) {
    for place in 0..<geometry.bucketCount * ShardLayout.slotsPerBucket {
      let word = region.loadRelaxed64(at: shard.index + place * 8)
      guard word != 0 else { continue }
      let entry = entryOffset(UInt32(truncatingIfNeeded: word))
      if kind(entry) == .content { enqueue(shard, entry) }
    }
  }

  /// What is wrong with the queues, in words.
  func policyFaults(_ shard: CacheShard) -> [String] {
    var faults: [String] = []
    var queued = 0
    let clock = UInt32(truncatingIfNeeded: field(shard, ShardLayout.clock))
    let contents =
      field(shard, ShardLayout.entries)
      - Budget.allCases.reduce(0) { $0 + field(shard, ShardLayout.budgeted + $1.rawValue * 4) }
    for queue in 0..<QueueNumber.count {
      var name = field(shard, ShardLayout.queueHeads + queue * 4)
      var last = 0
      var due: UInt32 = 0
      while name != 0 && queued <= contents {
        let entry = shard.offset(name - 1)
        queued += 1
        if state(entry) != EntryLayout.live || previous(entry) != last
          || region.load(at: entry + EntryLayout.queue, as: UInt8.self) != UInt8(queue)
        {
          faults.append("queue \(queue) is wrong")
          return faults
        }
        if expiry(entry) &- clock < due || expiry(entry) &- clock > 1 << UInt32(queue) {
          faults.append("queue \(queue) is out of order")
        }
        due = expiry(entry) &- clock
        last = name
        name = next(entry)
      }
      if last != field(shard, ShardLayout.queueTails + queue * 4) {
        faults.append("queue \(queue)'s end is wrong")
      }
    }
    if queued != contents { faults.append("\(contents) entries, \(queued) queued") }
    return faults
  }
}
