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
    var chance = Chance(state: UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1)
    var fills: [(fill: CacheFill, number: Int, at: Int, size: Int, known: Bool)] = []
    var pins: [(pin: CachePin, number: Int, bytes: [UInt8])] = []
    for round in 0..<2000 {
      let number = chance.below(400)
      let name = key(number)
      let hash = store.hash(name.rawSpan)
      switch chance.below(12) {
      case 0...3:
        let size = [0, 50, 900, 4000, 30_000, 65_536, 200_000, 900_000][chance.below(8)]
        let known = chance.below(3) > 0
        guard fills.count < 12 else { break }
        var facts = EntryFacts()
        facts.fingerprint = UInt64(number)
        let selector = [UInt8](repeating: 7, count: chance.below(4))
        let head = [UInt8](repeating: 1, count: chance.below(20) == 0 ? 30_000 : 40)
        var entry = CacheEntryHead(
          key: name.rawSpan, hash: hash, facts: facts, head: head.rawSpan, validated: 0,
          asOf: store.generation)
        entry.selector = selector.rawSpan
        if let fill = store.beginFill(entry, bodyByteCount: known ? size : nil) {
          fills.append((fill, number, 0, size, known))
        }
      case 4, 5, 6, 7:
        guard !fills.isEmpty else { break }
        let index = chance.below(fills.count)
        var item = fills[index]
        let bytes = body(item.number, version: item.size, count: item.size)
        let step = min(item.size - item.at, 1 + chance.below(150_000))
        if chance.below(25) == 0
          || step > 0
            && !store.write(
              Array(bytes[item.at..<item.at + step]).rawSpan, at: item.at, of: item.fill)
        {
          store.abandon(item.fill)
          fills.remove(at: index)
          break
        }
        item.at += step
        fills[index] = item
        if item.at == item.size {
          store.publish(item.fill, bodyByteCount: item.known ? nil : item.size)
          fills.remove(at: index)
        }
      case 8:
        var facts = EntryFacts()
        facts.kind = .negative
        facts.fingerprint = UInt64(number)
        let entry = CacheEntryHead(
          key: name.rawSpan, hash: hash, facts: facts, head: RawSpan(), validated: 0,
          asOf: store.generation)
        let bytes = body(number, version: 5, count: chance.below(800))
        store.insertNegative(entry, body: bytes.rawSpan)
      case 9:
        let other = key(chance.below(500))
        store.insertAlias(
          rawKey: other.rawSpan, rawHash: store.hash(other.rawSpan), canonicalKey: name.rawSpan,
          canonicalHash: hash, facts: EntryFacts(), validated: 0, asOf: store.generation)
      case 10:
        guard let hit = store.find(number) else { break }
        let facts = store.facts(hit)
        if facts.kind == .alias {
          _ = store.follow(hit)
        } else {
          #expect(facts.fingerprint == UInt64(number))
          #expect(store.verifyBody(hit))
          switch chance.below(4) {
          case 0: store.drop(hit)
          case 1: if let pin = store.pin(hit) { pins.append((pin, number, store.bytes(hit))) }
          default: break
          }
        }
        store.release()
      default:
        if chance.below(2) == 0, !pins.isEmpty {
          let item = pins.remove(at: chance.below(pins.count))
          #expect(store.bytes(item.pin.hit) == item.bytes)
          store.unpin(item.pin)
        }
        if chance.below(6) == 0 { store.invalidate(.host(Array("none".utf8)), hard: true) }
        _ = store.tidy()
      }
      if round % 1000 == 0 {
        let faults = store.checkInvariants()
        #expect(faults == [], "round \(round)")
        if !faults.isEmpty { return }
      }
    }
    for item in fills { store.abandon(item.fill) }
    for item in pins { store.unpin(item.pin) }
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
