// Corners that only many entries, odd lengths or damaged memory lead to.

import Platform
import Testing

@testable import Cache

extension CacheStore {
  /// Publishes an empty body under a key and selector; false when refused.
  fileprivate func putVariant(_ key: [UInt8], _ selector: [UInt8]) -> Bool {
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: hash(key.rawSpan), facts: EntryFacts(), head: RawSpan(),
      validated: 0, asOf: generation)
    entry.selector = selector.rawSpan
    return beginFill(entry, bodyByteCount: 0).map { publish($0) } ?? false
  }

  /// A key whose home is `step` buckets after that of `hash`.
  fileprivate func neighbour(of hash: UInt64, step: Int, from number: inout Int) -> [UInt8] {
    while true {
      number += 1
      let name = key(number)
      let other = self.hash(name.rawSpan)
      if geometry.bucketOffset(hash: other) == geometry.bucketOffset(hash: hash, step: step) {
        return name
      }
    }
  }
}

@Suite struct CacheCornerTests {
  @Test func `one variant too many in a full group takes the place of the oldest`() throws {
    let store = try CacheStore.small()
    let first = key(1)
    let hash = store.hash(first.rawSpan)
    for number in 0..<ArenaLayout.variantsMax {
      #expect(store.putVariant(first, Array("\(number)".utf8)))
    }
    // The variants have filled four buckets; now the others.
    var number = 1
    for step in 4..<ShardLayout.bucketsPerGroup {
      for _ in 0..<ShardLayout.slotsPerBucket {
        #expect(store.putVariant(store.neighbour(of: hash, step: step, from: &number), []))
      }
    }
    #expect(store.statistics.entries == 64)
    for number in 0..<8 { #expect(store.putVariant(first, Array("more \(number)".utf8))) }
    #expect(store.statistics.entries == 64)
    #expect(store.settled() == [])
  }

  @Test func `a body of unknown length ends at the largest object's size`() throws {
    let store = try CacheStore.small()
    let name = key(1)
    let begun = store.beginFill(
      CacheEntryHead(
        key: name.rawSpan, hash: store.hash(name.rawSpan), facts: EntryFacts(), head: RawSpan(),
        validated: 0, asOf: store.generation), bodyByteCount: nil)
    let fill = try #require(begun)
    var count = 0
    while let range = store.room(for: fill, at: count) { count += range.count }
    #expect(count == store.objectBytesMax)
    store.abandon(fill)
    #expect(store.settled() == [])
  }

  @Test func `room for one entry is made in a bounded number of steps, whatever was used`() throws {
    let store = try CacheStore.small()
    let count = 5000
    for number in 0..<count { store.put(number, count: 1500) }
    for number in 0..<count where store.find(number) != nil { store.release() }
    let largeHead = [UInt8](repeating: 0x61, count: ArenaLayout.headBytesMax)
    let name = key(count)
    let evictions = store.statistics.evictions
    let begun = store.beginFill(
      CacheEntryHead(
        key: name.rawSpan, hash: store.hash(name.rawSpan), facts: EntryFacts(),
        head: largeHead.rawSpan, validated: 0, asOf: store.generation), bodyByteCount: 1 << 16)
    store.abandon(try #require(begun))
    #expect(store.statistics.evictions - evictions < 64 + 1024 / 4)
    var unmarked = 0
    var cursor: Int? = 0
    while let place = cursor {
      cursor = store.walk(from: place, bucketsMax: 64) {
        if store.mark($0.offset) == 0 { unmarked += 1 }
      }
    }
    #expect(unmarked <= QueueNumber.requeuesMax)
    #expect(store.settled() == [])
  }

  @Test(arguments: 1...2)
  func `all kinds in turmoil leave the books in order`(seed: Int) throws {
    let store = try CacheStore.small()
    var turmoil = Turmoil(store, seed: seed)
    for round in 0..<2000 {
      turmoil.step()
      guard round % 1000 == 0 else { continue }
      let faults = store.checkInvariants()
      #expect(faults == [], "round \(round)")
      if !faults.isEmpty { return }
    }
    turmoil.end()
    #expect(store.settled() == [])
    for number in 0..<500 {
      while let hit = store.find(number) { store.drop(hit) }
      store.release()
    }
    for _ in 0..<100 { _ = store.tidy() }
    #expect(store.statistics.usedBytes == 0)
    #expect(store.settled() == [])
  }
}

/// Everything that one process may do with a store, at random.
private struct Turmoil {
  private struct Filling {
    let fill: CacheFill
    let number: Int
    let size: Int
    let isKnown: Bool
    var at = 0
  }

  private let store: CacheStore
  private var chance: Chance
  private var fills: [Filling] = []
  private var pins: [(pin: CachePin, bytes: [UInt8])] = []

  init(_ store: CacheStore, seed: Int) {
    self.store = store
    chance = Chance(state: UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1)
  }

  mutating func step() {
    let number = chance.below(400)
    switch chance.below(12) {
    case 0...3: if fills.count < 12 { begin(number) }
    case 4...7: if !fills.isEmpty { goOn(chance.below(fills.count)) }
    case 8: insertNegative(number)
    case 9: insertAlias(number)
    case 10: use(number)
    default: letGo()
    }
  }

  /// Gives up whatever is open.
  mutating func end() {
    for item in fills { store.abandon(item.fill) }
    for item in pins { store.unpin(item.pin) }
    fills = []
    pins = []
  }

  private mutating func begin(_ number: Int) {
    let size = [0, 50, 900, 4000, 30_000, 65_536, 200_000, 900_000][chance.below(8)]
    let isKnown = chance.below(3) > 0
    let name = key(number)
    let selector = [UInt8](repeating: 7, count: chance.below(4))
    let head = [UInt8](repeating: 1, count: chance.below(20) == 0 ? 30_000 : 40)
    var facts = EntryFacts()
    facts.fingerprint = UInt64(number)
    var entry = CacheEntryHead(
      key: name.rawSpan, hash: store.hash(name.rawSpan), facts: facts, head: head.rawSpan,
      validated: 0, asOf: store.generation)
    entry.selector = selector.rawSpan
    guard let fill = store.beginFill(entry, bodyByteCount: isKnown ? size : nil) else { return }
    fills.append(Filling(fill: fill, number: number, size: size, isKnown: isKnown))
  }

  /// Writes on; publishes at the end, or gives up.
  private mutating func goOn(_ index: Int) {
    let item = fills[index]
    let step = min(item.size - item.at, 1 + chance.below(150_000))
    let bytes = Array(
      body(item.number, version: item.size, count: item.size)[item.at..<item.at + step])
    guard chance.below(25) > 0, store.write(bytes.rawSpan, at: item.at, of: item.fill) else {
      store.abandon(item.fill)
      fills.remove(at: index)
      return
    }
    fills[index].at += step
    guard item.at + step == item.size else { return }
    store.publish(item.fill, bodyByteCount: item.isKnown ? nil : item.size)
    fills.remove(at: index)
  }

  private mutating func insertNegative(_ number: Int) {
    let name = key(number)
    var facts = EntryFacts()
    facts.kind = .negative
    facts.fingerprint = UInt64(number)
    let entry = CacheEntryHead(
      key: name.rawSpan, hash: store.hash(name.rawSpan), facts: facts, head: RawSpan(),
      validated: 0, asOf: store.generation)
    let bytes = body(number, version: 5, count: chance.below(800))
    store.insertNegative(entry, body: bytes.rawSpan)
  }

  private mutating func insertAlias(_ number: Int) {
    let name = key(number)
    let raw = key(chance.below(500))
    store.insertAlias(
      rawKey: raw.rawSpan, rawHash: store.hash(raw.rawSpan), canonicalKey: name.rawSpan,
      canonicalHash: store.hash(name.rawSpan), facts: EntryFacts(), validated: 0,
      asOf: store.generation)
  }

  private mutating func use(_ number: Int) {
    defer { store.release() }
    guard let hit = store.find(number) else { return }
    guard store.facts(hit).kind != .alias else {
      _ = store.follow(hit)
      return
    }
    #expect(store.facts(hit).fingerprint == UInt64(number))
    #expect(store.verifyBody(hit))
    switch chance.below(4) {
    case 0: store.drop(hit)
    case 1: if let pin = store.pin(hit) { pins.append((pin, store.bytes(hit))) }
    default: break
    }
  }

  private mutating func letGo() {
    if chance.below(2) == 0, !pins.isEmpty {
      let item = pins.remove(at: chance.below(pins.count))
      #expect(store.bytes(item.pin.hit) == item.bytes)
      store.unpin(item.pin)
    }
    if chance.below(6) == 0 { store.invalidate(.host(Array("none".utf8)), hard: true) }
    _ = store.tidy()
  }
}
