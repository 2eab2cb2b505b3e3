// Looking at everything that is stored: complete, in steps of any size, and without a trace.

import Platform
import Testing

@testable import Cache

@Suite struct CacheWalkTests {
  /// The numbers of all keys that a walk meets.
  private func walk(_ store: CacheStore, bucketsMax: Int, _ between: () -> Void = {}) -> [Int] {
    var numbers: [Int] = []
    var cursor: Int? = 0
    while let place = cursor {
      cursor = store.walk(from: place, bucketsMax: bucketsMax) { hit in
        numbers.append(Int(store.facts(hit).fingerprint))
        #expect(store.isRight(hit, Int(store.facts(hit).fingerprint)))
      }
      between()
    }
    return numbers
  }

  @Test(arguments: [1, 7, 64, 1 << 20])
  func `a walk visits each entry once`(bucketsMax: Int) throws {
    let store = try CacheStore.small()
    #expect(walk(store, bucketsMax: bucketsMax) == [])
    for number in 0..<2000 { store.put(number, count: number % 300) }
    let numbers = walk(store, bucketsMax: bucketsMax)
    #expect(numbers.count == store.statistics.entries)
    #expect(Set(numbers).count == numbers.count)
    #expect(store.settled() == [])
  }

  @Test func `a walk marks nothing as used and holds nothing afterwards`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 100)
    _ = walk(store, bucketsMax: 64)
    let hit = try #require(store.find(1))
    #expect(store.approximateUses(hit) == 2)
    store.release()
    _ = walk(store, bucketsMax: 64)
    let key = key(1)
    var uses = 0
    store.forEachVariant(of: key.rawSpan) { uses = store.approximateUses($0) }
    #expect(uses == 2)
    store.put(1, version: 1, count: 100)
    #expect(store.statistics.retired == 0)
  }

  @Test func `what stays during a walk is met, whatever comes, goes and is replaced`() throws {
    let store = try CacheStore.small()
    for number in 0..<500 { store.put(number, count: 100) }
    var next = 1000
    let numbers = walk(store, bucketsMax: 32) {
      store.put(next, count: 100)
      store.put(next % 500, version: next, count: 150)
      if let hit = store.find(next - 1) {
        store.drop(hit)
        store.release()
      }
      next += 1
    }
    #expect(Set(numbers).isSuperset(of: 0..<500))
    #expect(store.settled() == [])
  }

  @Test func `a visited entry is held until the next one`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 5000)
    _ = store.walk(from: 0, bucketsMax: .max >> 1) { hit in
      store.put(1, version: 1, count: 5000)
      #expect(store.statistics.retired == 1)
      #expect(store.isRight(hit, 1))
      #expect(store.facts(hit).checks == 0)
    }
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 0)
  }

  @Test func `all variants of a key are found, and no other key`() throws {
    let store = try CacheStore.small()
    for number in 0..<200 { store.put(number, count: 10) }
    let one = key(1)
    for selector in 1...5 as ClosedRange<UInt8> {
      let bytes = [selector]
      var entry = CacheEntryHead(
        key: one.rawSpan, hash: store.hash(one.rawSpan), facts: EntryFacts(), head: one.rawSpan,
        validated: 0, asOf: store.generation)
      entry.selector = bytes.rawSpan
      let filled = store.beginFill(entry, bodyByteCount: 0)
      let fill = try #require(filled)
      #expect(store.publish(fill))
    }
    var selectors: Set<[UInt8]> = []
    store.forEachVariant(of: one.rawSpan) { hit in
      let range = store.selectorRange(hit)
      selectors.insert(store.region.copyOut(at: range.offset, count: range.count))
    }
    #expect(selectors == [[], [1], [2], [3], [4], [5]])
    var strangers = 0
    let unknown = key(999)
    store.forEachVariant(of: unknown.rawSpan) { _ in strangers += 1 }
    #expect(strangers == 0)
  }

  @Test func `pins are counted by process`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 100)
    store.put(2, count: 100)
    let hit = try #require(store.find(1))
    let first = try #require(store.pin(hit))
    let second = try #require(store.pin(hit))
    #expect(store.pinTable().processes(pinning: hit) == 1)
    let other = try #require(store.find(2))
    #expect(store.pinTable().processes(pinning: other) == 0)
    store.release()
    store.unpin(first)
    store.unpin(second)
    #expect(store.pinTable().processes(pinning: hit) == 0)
  }

  @Test func `what is being filled can be named`() throws {
    let store = try CacheStore.small()
    #expect(store.openFillKeys() == [])
    let fills = (0..<3).compactMap { store.begin($0, count: 100) }
    let keys = try #require(store.openFillKeys())
    #expect(Set(keys) == Set((0..<3).map(key)))
    fills.forEach(store.abandon)
    #expect(store.openFillKeys() == [])
  }

  @Test func `scattered space is what lies outside the longest free runs`() throws {
    let store = try CacheStore.small()
    #expect(store.statistics.scatteredBytes == 0)
    for number in 0..<400 { store.put(number, count: 4000) }
    for number in stride(from: 0, to: 400, by: 2) {
      let hit = try #require(store.find(number))
      store.drop(hit)
    }
    store.release()
    _ = store.settled()
    let scattered = store.statistics.scatteredBytes
    #expect(scattered > 150 * 4096 && scattered < 220 * 4608, "\(scattered)")
  }
}
