// One process and one anonymous segment: what is stored is found, whole, until it leaves.

import Platform
import Testing

@testable import Cache

@Suite struct CacheStoreTests {
  @Test func `an entry is found with every byte, whatever its size`() throws {
    let store = try CacheStore.small(megabytes: 32)
    let sizes = [
      0, 1, 7, 128, 200, 4095, 4096, 65_535, 65_536, 65_537, 70_000, 131_072, 300_001, 1 << 20,
    ]
    for (number, size) in sizes.enumerated() { #expect(store.put(number, count: size)) }
    for (number, size) in sizes.enumerated() {
      let hit = try #require(store.find(number))
      #expect(store.isRight(hit, number))
      #expect(store.bodyByteCount(hit) == size)
      if size <= 65_536 { #expect(store.extentCount(hit) <= 1) }
      #expect(store.verifyBody(hit))
      store.release()
    }
    #expect(store.find(99) == nil)
    #expect(store.settled() == [])
  }

  @Test func `a body in one run follows its head without a gap`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 1000)
    let hit = try #require(store.find(1))
    let head = store.headRange(hit)
    #expect(store.extent(hit, 0).offset == head.offset + head.count)
  }

  @Test func `publishing a key again replaces its entry and frees the old one`() throws {
    let store = try CacheStore.small()
    store.put(1, version: 0, count: 5000)
    let used = store.statistics.usedBytes
    for version in 1...1000 { #expect(store.put(1, version: version, count: 5000)) }
    let hit = try #require(store.find(1))
    #expect(store.facts(hit).checks == 1000)
    #expect(store.isRight(hit, 1))
    store.release()
    #expect(store.settled() == [])
    #expect(store.statistics.entries == 1)
    #expect(store.statistics.usedBytes == used)
  }

  @Test func `a held entry keeps its bytes while it is replaced over and over`() throws {
    let store = try CacheStore.small()
    store.put(1, version: 0, count: 300_000)
    let hit = try #require(store.find(1))
    for version in 1...200 { #expect(store.put(1, version: version, count: 300_000)) }
    #expect(store.facts(hit).checks == 0)
    #expect(store.isRight(hit, 1))
    #expect(store.statistics.retired == 1)
    store.release()
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 0)
    #expect(store.statistics.entries == 1)
  }

  @Test(arguments: [1, 2, 3, 4]) func `under pressure the store evicts and never mixes bodies`(
    seed: UInt64
  ) throws {
    let store = try CacheStore.small(megabytes: 8)
    var chance = Chance(state: seed &* 0x9e37_79b9_7f4a_7c15)
    var found = 0
    for round in 0..<6000 {
      let number = chance.below(900)
      if let hit = store.find(number) {
        found += 1
        #expect(store.isRight(hit, number))
        if chance.below(20) == 0 { store.drop(hit) }
        store.release()
      } else {
        let size = chance.below(40) == 0 ? chance.below(600_000) : chance.below(20_000)
        store.put(number, version: round, count: size)
      }
    }
    #expect(found > 600)
    #expect(store.statistics.evictions > 100)
    #expect(store.settled() == [])
  }

  @Test(arguments: [5, 6, 7]) func `bodies of all sizes share the arena and stay whole`(
    seed: UInt64
  ) throws {
    let store = try CacheStore.small(megabytes: 16)
    var chance = Chance(state: seed &* 0x9e37_79b9_7f4a_7c15)
    for round in 0..<3000 {
      let number = chance.below(600)
      if let hit = store.find(number) {
        #expect(store.isRight(hit, number))
        store.release()
      } else {
        let size = 200 << chance.below(13)
        store.put(number, version: round, count: size + chance.below(size))
      }
      if round % 500 == 0 { #expect(store.settled() == []) }
    }
    #expect(store.statistics.evictions > 100)
    #expect(store.statistics.refusedFull < 30)
    #expect(store.settled() == [])
  }

  @Test func `a store full of small entries still takes large ones`() throws {
    let store = try CacheStore.small(megabytes: 8)
    for number in 0..<20_000 { store.put(number, count: 300) }
    for number in 0..<20_000 { if store.find(number) != nil { store.release() } }
    var stored = 0
    for number in 30_000..<30_050 { stored += store.put(number, count: 500_000) ? 1 : 0 }
    #expect(stored >= 45)
    #expect(store.settled() == [])
  }

  @Test func `entries read lately outlive a scan`() throws {
    let store = try CacheStore.small(megabytes: 8)
    for number in 0..<100 { store.put(number, count: 8000) }
    for number in 1000..<3000 {
      store.put(number, count: 8000)
      for hot in 0..<100 where store.find(hot) != nil { store.release() }
    }
    let hot = (0..<100).count { store.find($0) != nil }
    #expect(hot >= 98)
  }

  @Test func `what a bucket cannot take is found in the next ones, until they are full`() throws {
    let store = try CacheStore.small()
    // Keys of one bucket: same low bits of the hash.
    let mask = store.geometry.bucketMask << store.geometry.shardBits | store.geometry.shardMask
    let first = key(0)
    let wanted = store.hash(first.rawSpan) & mask
    var numbers: [Int] = []
    var number = 0
    while numbers.count < 80 {
      if store.hash(key(number).rawSpan) & mask == wanted { numbers.append(number) }
      number += 1
    }
    for number in numbers {
      #expect(store.put(number, count: 100))
      let hit = try #require(store.find(number))
      #expect(store.isRight(hit, number))
      store.release()
    }
    #expect(store.statistics.entries == 64)
    #expect(store.statistics.evictions == 16)
    #expect(numbers.count { store.find($0) != nil } == 64)
    for number in numbers where store.find(number).map({ store.drop($0) }) == false {
      Issue.record("not dropped")
    }
    #expect(store.statistics.entries == 0)
    #expect(store.settled() == [])
  }

  @Test func `variants lie under one key, 32 at most, and are found by their selector`() throws {
    let store = try CacheStore.small()
    let key = key(1)
    let hash = store.hash(key.rawSpan)
    for number in 0..<40 {
      let selector = Array("variant \(number)".utf8)
      let head = Array("H\(number)".utf8)
      var entry = CacheEntryHead(
        key: key.rawSpan, hash: hash, facts: EntryFacts(), head: head.rawSpan, validated: 0,
        asOf: store.generation)
      entry.selector = selector.rawSpan
      let begun = store.beginFill(entry, bodyByteCount: 0)
      #expect(store.publish(try #require(begun)))
    }
    #expect(store.statistics.entries == 32)
    var found = 0
    for number in 0..<40 {
      let selector = Array("variant \(number)".utf8)
      guard let hit = store.lookUp(key.rawSpan, selector: selector.rawSpan, hash: hash) else {
        continue
      }
      found += 1
      let range = store.headRange(hit)
      #expect(
        store.region.copyOut(at: range.offset, count: range.count) == Array("H\(number)".utf8))
    }
    #expect(found == 32)
    let any = store.lookUp(key.rawSpan, hash: hash)
    #expect(any != nil)
    store.release()
    #expect(store.settled() == [])
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 60_000, 131_072, 1_000_000])
  func `a body of unknown length grows as it comes`(size: Int) throws {
    let store = try CacheStore.small()
    let key = key(1)
    let head = Array("H".utf8)
    let bytes = body(1, version: 0, count: size)
    let begun = store.beginFill(
      CacheEntryHead(
        key: key.rawSpan, hash: store.hash(key.rawSpan), facts: EntryFacts(),
        head: head.rawSpan, validated: 0, asOf: store.generation), bodyByteCount: nil)
    let fill = try #require(begun)
    var at = 0
    while at < size {
      let count = min(777, size - at)
      let isWritten = store.write(Array(bytes[at..<at + count]).rawSpan, at: at, of: fill)
      #expect(isWritten)
      at += count
    }
    #expect(store.checkInvariants() == [])
    #expect(store.publish(fill, bodyByteCount: size))
    let hit = try #require(store.find(1))
    #expect(store.bytes(hit) == bytes)
    #expect(store.verifyBody(hit))
    store.drop(hit)
    store.release()
    #expect(store.settled() == [])
    #expect(store.statistics.usedBytes == 0)
  }

  @Test func `the moving word changes only from the value it was read as`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 10, validated: 7)
    let hit = try #require(store.find(1))
    #expect(store.validated(hit) == 7)
    #expect(!store.setValidated(hit, from: 8, to: 9))
    #expect(store.setValidated(hit, from: 7, to: 9))
    #expect(store.validated(hit) == 9)
    #expect(store.isSealed(hit.offset))
  }

  @Test func `a dropped entry is not found, and dropping it again is refused`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 10)
    let hit = try #require(store.find(1))
    #expect(store.drop(hit))
    #expect(!store.drop(hit))
    #expect(store.isRight(hit, 1))
    #expect(store.find(1) == nil)
    #expect(store.settled() == [])
    #expect(store.statistics.usedBytes == 0)
  }

  @Test func `a fill is invisible until it is published, and gone when abandoned`() throws {
    let store = try CacheStore.small()
    let fill = try #require(store.begin(1, count: 100_000))
    #expect(store.find(1) == nil)
    #expect(store.checkInvariants() == [])
    store.abandon(fill)
    #expect(store.find(1) == nil)
    #expect(store.statistics.usedBytes == 0)
    #expect(store.settled() == [])
  }

  @Test func `at most 32 fills are open, and what is too large is refused`() throws {
    let store = try CacheStore.small()
    let fills = (0..<32).compactMap { store.begin($0, count: 100) }
    #expect(fills.count == 32)
    #expect(store.begin(40, count: 100) == nil)
    fills.forEach(store.abandon)
    #expect(store.begin(40, count: store.objectBytesMax + 1) == nil)
    #expect(store.begin(40, count: store.objectBytesMax) != nil)
  }

  @Test func `an object of 64 MiB fits when the store was made for it`() throws {
    let store = try CacheStore.anonymous(byteCount: 288 << 20, objectBytesMax: 64 << 20)
    store.attach(processSlot: 0)
    #expect(store.objectBytesMax >= 64 << 20)
    let fill = try #require(store.begin(1, count: 64 << 20))
    var at = 0
    while at < 64 << 20 {
      let room = try #require(store.room(for: fill, at: at))
      store.region.fill(
        at: room.offset, count: room.count, with: UInt8(truncatingIfNeeded: at >> 20))
      at += room.count
    }
    #expect(at == 64 << 20)
    #expect(store.extentCount(fill.hit) <= 1020)
    #expect(store.publish(fill))
    let hit = try #require(store.find(1))
    #expect(store.bodyByteCount(hit) == 64 << 20)
    #expect(store.verifyBody(hit))
    #expect(store.settled() == [])
  }

  @Test func `fills written in pieces are the same as fills written at once`() throws {
    let store = try CacheStore.small()
    let bytes = body(1, version: 0, count: 200_003)
    let fill = try #require(store.begin(1, count: bytes.count))
    var at = 0
    while at < bytes.count {
      let count = min(7001, bytes.count - at)
      let isWritten = store.write(Array(bytes[at..<at + count]).rawSpan, at: at, of: fill)
      #expect(isWritten)
      at += count
    }
    #expect(store.publish(fill))
    let hit = try #require(store.find(1))
    #expect(store.bytes(hit) == bytes)
  }

  @Test func `the epoch only rises`() throws {
    let store = try CacheStore.small()
    let old = store.epoch
    #expect(store.raiseEpoch() == old + 1)
    #expect(store.epoch == old + 1)
  }

  @Test func `nothing is believed for an epoch of the last round`() throws {
    let store = try CacheStore.small()
    let bits = CacheStore.epochMask
    store.region.store(bits - 1, at: HeaderLayout.epoch)
    // Found right in this round's first epoch.
    store.put(1, count: 100, validated: 1 << 46)
    let kept = try #require(store.find(1))
    #expect(store.standing(kept) == .good)
    store.release()
    #expect(store.raiseEpoch() == bits)
    let still = try #require(store.find(1))
    #expect(store.standing(still) == .good)
    store.release()
    // The epoch whose bits are all 0 is nobody's.
    #expect(store.raiseEpoch() == bits + 2)
    #expect(store.epoch & bits == 1)
    if let hit = store.find(1) { #expect(store.standing(hit) == .gone) }
    store.release()
    store.put(2, count: 100, validated: 1 << 46)
    let new = try #require(store.find(2))
    #expect(store.standing(new) == .good)
  }
}
