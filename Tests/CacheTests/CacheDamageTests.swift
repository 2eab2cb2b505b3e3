// Segments that come back damaged, cut, full or out of time: nothing crashes, nothing wrong is
// served.

import Foundation
import Platform
import Testing

@testable import Cache

/// A segment's content before it is damaged, and what it must say afterwards, if anything.
private struct Sample {
  let name: String
  /// The whole object.
  let bytes: SharedRegion
  let bodies: [[UInt8]]
  let layout: CacheGeometry

  static let aliasCount = 5
  static let sizes = [0, 1, 200, 900, 3000, 5000, 20_000, 70_000, 150_000]

  /// Makes a segment with entries of all kinds, and with what processes that were killed left.
  init(_ name: String) throws {
    self.name = name
    let store = try CacheStore.open(name: name, byteCount: 8 << 20, objectBytesMax: 512 << 10)
    store.attach(processSlot: 1)
    layout = store.geometry
    var bodies: [[UInt8]] = []
    for number in 0..<45 {
      let count = Sample.sizes[number % Sample.sizes.count]
      bodies.append(body(number, version: 0, count: count))
      store.put(number, count: count)
    }
    self.bodies = bodies
    for number in 0..<Sample.aliasCount {
      let raw = key(1000 + number)
      let canonical = key(number)
      store.insertAlias(
        rawKey: raw.rawSpan, rawHash: store.hash(raw.rawSpan), canonicalKey: canonical.rawSpan,
        canonicalHash: store.hash(canonical.rawSpan), facts: EntryFacts(), validated: 0,
        asOf: store.generation)
    }
    store.invalidate(.label(Array("nothing has this".utf8)), hard: true)
    _ = store.begin(99, count: 100_000)
    if let hit = store.find(3) { _ = store.pin(hit) }
    bytes = try SharedRegion(anonymous: store.region.byteCount)
    let all = store.region.copyOut(at: 0, count: store.region.byteCount)
    bytes.copyIn(all.rawSpan, at: 0)
  }

  /// Puts the object back as it was, with changes.
  func restore(_ change: (SharedRegion) -> Void) throws {
    SharedMemoryObject.unlink(name)
    let object = try #require(try SharedMemoryObject.create(name))
    try object.reserve(byteCount: bytes.byteCount)
    let region = try SharedRegion(mapping: object.descriptor, byteCount: bytes.byteCount)
    let all = bytes
    region.copyIn(all.span(at: 0, count: all.byteCount), at: 0)
    change(region)
  }

  func open() throws -> CacheStore {
    let store = try CacheStore.open(name: name, byteCount: 8 << 20, objectBytesMax: 512 << 10)
    store.attach(processSlot: 2)
    return store
  }

  /// The first thing that is wrong with a store that was opened from damaged bytes, nil for none;
  /// an entry may be gone, but not wrong.
  func fault(of store: CacheStore) -> String? {
    for number in bodies.indices {
      guard let hit = store.find(number) else { continue }
      guard store.standing(hit) != .gone else {
        store.drop(hit)
        continue
      }
      if !isRight(store, hit, number) { return "entry \(number) is wrong" }
    }
    for number in 0..<Sample.aliasCount {
      let raw = key(1000 + number)
      guard let alias = store.lookUp(raw.rawSpan, hash: store.hash(raw.rawSpan)) else { continue }
      guard store.standing(alias) != .gone else {
        store.drop(alias)
        continue
      }
      if let hit = store.follow(alias), !isRight(store, hit, number) { return "alias \(number)" }
    }
    store.release()
    if let fault = store.settled().first { return fault }
    return faultAtWork(store)
  }

  /// The store takes, finds, invalidates and evicts as any other.
  private func faultAtWork(_ store: CacheStore) -> String? {
    for number in 200..<260 {
      guard store.put(number, count: number * 100) else { return "\(number) is not taken" }
      guard let hit = store.find(number), store.standing(hit) == .good else {
        return "\(number) is not good"
      }
    }
    store.invalidate(.everything, hard: true)
    if let hit = store.find(259), store.standing(hit) != .gone { return "not invalidated" }
    guard store.put(300, count: 500), let hit = store.find(300), store.standing(hit) == .good else {
      return "nothing is good after an invalidation"
    }
    store.release()
    return store.settled().first
  }

  private func isRight(_ store: CacheStore, _ hit: CacheHit, _ number: Int) -> Bool {
    let range = store.keyRange(hit)
    guard store.region.equal(at: range.offset, to: key(number).rawSpan),
      store.bodyByteCount(hit) == bodies[number].count
    else { return false }
    var done = 0
    for index in 0..<store.extentCount(hit) {
      let part = store.extent(hit, index)
      let expected = bodies[number]
      guard done + part.count <= expected.count,
        store.region.equal(
          at: part.offset, to: expected.rawSpan.extracting(done..<done + part.count))
      else { return false }
      done += part.count
    }
    return done == bodies[number].count
  }

  /// Where flips go in a round: each part of the segment in turn.
  func area(_ round: Int) -> Range<Int> {
    let shard = layout.shard(round / 9 % layout.shardCount)
    switch round % 9 {
    case 0: return 0..<HeaderLayout.byteTotal
    case 1: return HeaderLayout.everything..<HeaderLayout.counters
    case 2: return HeaderLayout.byteTotal..<layout.stampsOffset
    case 3: return layout.stampsOffset..<layout.shardsOffset
    case 4: return shard.start..<shard.index
    case 5: return shard.index..<shard.start + layout.spillOffset
    case 6: return shard.start + layout.spillOffset..<shard.arena
    case 7: return shard.arena..<shard.arena + (1 << 20)
    default: return 0..<layout.byteCount
    }
  }
}

extension CacheProcessTests {
  @Suite(.serialized) struct CacheDamageTests {
    /// A name of this test only, gone afterwards.
    private func withName(_ test: String, _ body: (String) throws -> Void) throws {
      let name = "ring3-test-\(TestProcess.pid)-\(test)"
      defer {
        SharedMemoryObject.unlink(name)
        SharedMemoryObject.unlink("\(name).new")
      }
      try body(name)
    }

    private func path(_ name: String) -> String { "\(SharedMemoryObject.directory)/\(name)" }

    /// Runs `body` in a process of its own, where a crash is a finding and not the end of all
    /// tests; returns what it found.
    private func apart(_ body: (_ progress: (Int) -> Void) throws -> String?) throws -> String? {
      let report = try SharedRegion(anonymous: 4096)
      let child = TestProcess.fork {
        let fault: String?
        do {
          fault = try body { report.storeRelaxed64(UInt64($0), at: 0) }
        } catch {
          fault = "\(error)"
        }
        report.copyIn(Array((fault ?? "").utf8.prefix(4000)).rawSpan, at: 8)
      }
      let status = TestProcess.wait(child)
      let place = "at \(report.loadRelaxed64(at: 0))"
      guard status == 0 else { return "ended with status \(status) \(place)" }
      let text = report.copyOut(at: 8, count: 4000).prefix { $0 != 0 }
      return text.isEmpty ? nil : "\(String(decoding: text, as: UTF8.self)) \(place)"
    }

    @Test func `flipped bits anywhere never crash a start, and never serve a wrong byte`() throws {
      let rounds =
        ProcessInfo.processInfo.environment["RING3_DAMAGE_ROUNDS"].flatMap { Int($0) } ?? 54
      try withName("flips") { name in
        let sample = try Sample(name)
        let counted = try SharedRegion(anonymous: 4096)
        let fault = try apart { progress in
          for round in 0..<rounds {
            progress(round)
            var chance = Chance(state: UInt64(round) &* 0x9e37_79b9_7f4a_7c15 | 1)
            for _ in 0..<8 { _ = chance.below(2) }
            try sample.restore { region in
              let area = sample.area(round)
              for _ in 0..<1 + chance.below(64) {
                let place = area.lowerBound + chance.below(area.count)
                let old = region.load(at: place, as: UInt8.self)
                region.store(old ^ 1 << UInt8(chance.below(8)), at: place)
              }
            }
            let store = try sample.open()
            if let fault = sample.fault(of: store) { return fault }
            counted.fetchAdd64(UInt64(store.statistics.damaged), at: 0)
          }
          return nil
        }
        #expect(fault == nil)
        #expect(counted.loadRelaxed64(at: 0) > 0)
      }
    }

    @Test(arguments: [
      HeaderLayout.everything, HeaderLayout.everything + 8, HeaderLayout.epoch,
      HeaderLayout.generation, HeaderLayout.takenOverAt, HeaderLayout.slotsUsed,
    ])
    func `a word of the header that is all ones does no harm`(place: Int) throws {
      try withName("header\(place)") { name in
        let sample = try Sample(name)
        let fault = try apart { _ in
          try sample.restore { $0.store(UInt64.max, at: place) }
          return sample.fault(of: try sample.open())
        }
        #expect(fault == nil)
      }
    }

    @Test func `a flipped bit in a body is found before its first use, and counted`() throws {
      try withName("body") { name in
        let sample = try Sample(name)
        for number in [2, 7] {
          let place = try locate(sample, number)
          for isClaimedGood in [false, true] {
            try sample.restore { region in
              let old = region.load(at: place.body, as: UInt8.self)
              region.store(old ^ 4, at: place.body)
              // Even when the entry says that it is good for all time.
              if isClaimedGood {
                region.store(UInt64(1) << 60, at: place.entry + EntryLayout.goodAsOf)
              }
            }
            let store = try sample.open()
            let hit = try #require(store.find(number))
            #expect(!store.isKnownGood(hit))
            #expect(store.standing(hit) == .gone)
            #expect(store.statistics.damaged == 1)
            #expect(store.drop(hit))
            store.release()
            #expect(sample.fault(of: store) == nil)
          }
        }
      }
    }

    private func locate(_ sample: Sample, _ number: Int) throws -> (entry: Int, body: Int) {
      try sample.restore { _ in }
      let store = try sample.open()
      let hit = try #require(store.find(number))
      let last = store.extent(hit, store.extentCount(hit) - 1)
      return (hit.offset, last.offset + last.count - 1)
    }

    @Test(arguments: [0, 1, 100, 4096, 5 << 20, 8 << 20 - 4096, 8 << 20 - 1, 8 << 20 + 4096])
    func `a segment of another length than its header says is replaced`(size: Int) throws {
      try withName("cut\(size)") { name in
        let sample = try Sample(name)
        try sample.restore { _ in }
        let file = try #require(FileHandle(forUpdatingAtPath: path(name)))
        try file.truncate(atOffset: UInt64(size))
        try file.close()
        let fault = try apart { _ in
          let store = try sample.open()
          guard store.statistics.entries == 0 else { return "entries from nowhere" }
          return sample.fault(of: store)
        }
        #expect(fault == nil)
      }
    }

    @Test func `every byte of a segment has memory behind it, also of one that had holes`() throws {
      try withName("reserved") { name in
        let sample = try Sample(name)
        #expect(TestProcess.allocatedBytes(path(name)) >= 8 << 20)
        try sample.restore { _ in }
        // Cut and made long again: sound at its start, and without memory behind the rest.
        let file = try #require(FileHandle(forUpdatingAtPath: path(name)))
        try file.truncate(atOffset: 1 << 20)
        try file.truncate(atOffset: 8 << 20)
        try file.close()
        #expect(TestProcess.allocatedBytes(path(name)) < 8 << 20)
        let store = try sample.open()
        #expect(TestProcess.allocatedBytes(path(name)) >= 8 << 20)
        #expect(sample.fault(of: store) == nil)
      }
    }
  }
}
