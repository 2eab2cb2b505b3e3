// Repair, when what dead processes left is not what it seems.

import Platform
import Testing

@testable import Cache

@Suite struct CacheRepairTests {
  /// Units of 64 bytes that `put` takes for this entry.
  private func units(_ number: Int, _ count: Int, in store: CacheStore) throws -> Int {
    let hit = try #require(store.find(number))
    store.release()
    return store.runUnits(hit.offset)
  }

  private func repair(_ store: CacheStore) {
    store.rebuild(store.geometry.shard(0), verifying: false)
  }

  /// A writer takes an entry out of the index and dies; the next one repairs the shard.
  private func unlinkAndDie(_ store: CacheStore, _ hit: CacheHit) throws {
    store.region.setIndexWord(0, at: try #require(store.indexSlot(hit.offset)).slot)
    repair(store)
  }

  private func attached() throws -> CacheStore {
    let store = try CacheStore.small()
    for slot in [5, 4, 3] { store.attach(processSlot: slot) }
    return store
  }

  private func hazard(_ slot: Int) -> Int {
    CacheGeometry.slotOffset(slot) + SlotLayout.hazard
  }

  /// A store just repaired, with entry 3 unlinked and held by `holder`'s slot, while `late`'s has a
  /// stale hazard that names what looks like an entry and reaches into that.
  private func overlapping(
    late: Int, holder: Int
  ) throws -> (store: CacheStore, held: CacheHit) {
    let store = try attached()
    let shard = store.geometry.shard(0)
    store.put(3, count: 50)
    let needed = try units(3, 50, in: store)
    let older = try #require(store.find(3))
    store.drop(older)
    store.release()
    _ = store.settled()
    // Entry 1, and something behind it. A repair frees entry 1, and leaves its header as it was.
    // Its start goes to an extent of a fill whose bytes have not come, entry 3 gets its end.
    store.put(1, count: 550)
    store.put(2, count: 50)
    let old = try #require(store.find(1))
    store.release()
    try unlinkAndDie(store, old)
    let local = shard.local(entryUnit(old.offset))
    let length = store.freeUnits(shard, local)
    store.takeRun(shard, local, units: length - needed)
    store.put(3, count: 50)
    let held = try #require(store.find(3))
    store.release()
    try #require(held.offset == old.offset + (length - needed) * ArenaLayout.unitBytes)
    // The late one read the index word of entry 1 long ago, and publishes only now. The fill was
    // given up, and a writer dies before it has retired entry 3.
    store.region.storeSequential64(UInt64(entryUnit(held.offset)), at: hazard(holder))
    store.region.storeSequential64(UInt64(entryUnit(old.offset)), at: hazard(late))
    try unlinkAndDie(store, held)
    return (store, held)
  }

  @Test(arguments: [(late: 4, holder: 5), (late: 5, holder: 4)])
  func `a late reader's stale hazard costs another reader nothing in a repair`(
    late: Int, holder: Int
  ) throws {
    let (store, held) = try overlapping(late: late, holder: holder)
    // The late one sees that it lost. Others sweep, and use what is free.
    store.region.storeRelease64(0, at: hazard(late))
    store.tidy()
    for number in 10..<100 { store.put(number, count: 50) }
    #expect(store.isRight(held, 3))
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 1)
    store.region.storeRelease64(0, at: hazard(holder))
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 0)
  }

  @Test func `while holds overlap nothing is freed, and after that all is`() throws {
    let (store, held) = try overlapping(late: 4, holder: 5)
    for number in 10..<100 {
      store.put(number, count: 50)
      store.put(number, version: 1, count: 60)
      store.tidy()
    }
    #expect(store.isRight(held, 3))
    for slot in [4, 5] { store.region.storeRelease64(0, at: hazard(slot)) }
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 0)
    for number in [2] + Array(10..<100) {
      if let hit = store.find(number) { store.drop(hit) }
    }
    store.release()
    #expect(store.settled() == [])
    #expect(store.statistics.usedBytes == 0)
  }

  @Test func `a fill is freed whose process died between giving it up and telling its shard`()
    throws
  {
    let store = try CacheStore.small()
    let fill = try #require(store.begin(1, count: 1000))
    let record = CacheGeometry.slotOffset(3) + SlotLayout.fills + fill.recordIndex * 8
    let unit = store.region.loadAcquire64(at: record)
    store.region.storeRelease64(unit | SlotLayout.abandoned, at: record)
    store.clearProcessSlot(3)
    #expect(store.settled() == [])
    #expect(store.statistics.usedBytes == 0)
    #expect(store.region.loadAcquire64(at: record) == 0)
  }
}

extension CacheProcessTests {
  @Suite(.serialized) struct CacheGrowthTests {
    /// A fill of unknown length with eight extents, so that its table of one unit is full, which
    /// lies right before what `neighbour` makes; and how many bytes it has.
    private func filling(
      _ store: CacheStore, before neighbour: () throws -> Void
    ) throws -> (fill: CacheFill, byteCount: Int) {
      func begin() throws -> CacheFill {
        let key = key(7)
        let fill = store.beginFill(
          CacheEntryHead(
            key: key.rawSpan, hash: store.hash(key.rawSpan), facts: EntryFacts(), head: RawSpan(),
            validated: 0, asOf: store.generation), bodyByteCount: nil)
        return try #require(fill)
      }
      let shard = store.geometry.shard(0)
      let trial = try begin()
      let units = store.runUnits(trial.hit.offset) + 1
      store.abandon(trial)
      let local = try #require(store.allocateRun(shard, units: units))
      try neighbour()
      store.freeRun(shard, local, units: units)
      let fill = try begin()
      var byteCount = 0
      for _ in 0..<8 { byteCount += try #require(store.room(for: fill, at: byteCount)).count }
      try #require(store.tableOffset(fill.hit.offset) == shard.offset(local + units - 1))
      try #require(store.extentCount(fill.hit) == 8)
      return (fill, byteCount)
    }

    /// The fill gets one more extent, and with it a longer table, in a process that dies before its
    /// `place`-th store to the shard's books. False when it made fewer.
    private func growAndDie(
      _ store: CacheStore, _ fill: CacheFill, at byteCount: Int, place: Int
    ) -> Bool {
      let child = TestProcess.fork {
        var rest = place
        store.interruption = {
          if rest == 0 { TestProcess.kill(TestProcess.pid) }
          rest -= 1
        }
        _ = store.room(for: fill, at: byteCount)
      }
      return TestProcess.wait(child) != 0
    }

    @Test func `dying anywhere in making a fill's table longer costs a neighbour nothing`() throws {
      var place = 0
      while true {
        let store = try CacheStore.small()
        for slot in [5, 4, 3] { store.attach(processSlot: slot) }
        var neighbour: CacheHit?
        let (fill, byteCount) = try filling(store) {
          store.put(2, count: 500)
          neighbour = store.find(2)
          store.release()
        }
        let held = try #require(neighbour)
        let hazard = CacheGeometry.slotOffset(5) + SlotLayout.hazard
        store.region.storeSequential64(UInt64(entryUnit(held.offset)), at: hazard)
        guard growAndDie(store, fill, at: byteCount, place: place) else { break }
        // The next one repairs the shard before the master has cleared the dead one's slot.
        store.attach(processSlot: 4)
        for number in 10..<100 { store.put(number, count: 50) }
        #expect(store.find(2) == held, "\(place)")
        store.release()
        #expect(store.isRight(held, 2), "\(place)")
        store.region.storeRelease64(0, at: hazard)
        store.clearProcessSlot(3)
        #expect(store.settled() == [], "\(place)")
        #expect(store.statistics.damaged == 0, "\(place)")
        #expect(store.statistics.recoveries == 1, "\(place)")
        place += 1
      }
      #expect(place > 5)
    }

    @Test func `nor a neighbour that is being filled`() throws {
      var place = 0
      while true {
        let store = try CacheStore.small()
        store.attach(processSlot: 5)
        var neighbour: CacheFill?
        store.attach(processSlot: 3)
        let (fill, byteCount) = try filling(store) {
          store.attach(processSlot: 5)
          neighbour = store.begin(2, count: 500)
          store.attach(processSlot: 3)
        }
        let living = try #require(neighbour)
        guard growAndDie(store, fill, at: byteCount, place: place) else { break }
        store.attach(processSlot: 4)
        for number in 10..<100 { store.put(number, count: 50) }
        let record = CacheGeometry.slotOffset(5) + SlotLayout.fills + living.recordIndex * 8
        #expect(
          store.region.loadAcquire64(at: record) == UInt64(entryUnit(living.hit.offset)),
          "\(place)")
        store.clearProcessSlot(3)
        #expect(store.settled() == [], "\(place)")
        place += 1
      }
      #expect(place > 5)
    }
  }
}
