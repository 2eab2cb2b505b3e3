// Entries held and found in other ways than by their own key: pins, aliases.

import Platform
import Testing

@testable import Cache

@Suite struct CacheAliasTests {
  private func insert(_ store: CacheStore, _ raw: Int, of canonical: Int) -> Bool {
    let rawKey = key(raw)
    let canonicalKey = key(canonical)
    return store.insertAlias(
      rawKey: rawKey.rawSpan, rawHash: store.hash(rawKey.rawSpan),
      canonicalKey: canonicalKey.rawSpan, canonicalHash: store.hash(canonicalKey.rawSpan),
      facts: EntryFacts(), validated: 0, asOf: store.generation)
  }

  @Test func `an alias leads to its entry, and to nothing when that is gone`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 5000)
    #expect(insert(store, 500, of: 1))
    let alias = try #require(store.find(500))
    #expect(store.facts(alias).kind == .alias)
    let hit = try #require(store.follow(alias))
    #expect(store.isRight(hit, 1))
    store.drop(hit)
    store.release()
    let again = try #require(store.find(500))
    #expect(store.follow(again) == nil)
    #expect(store.settled() == [])
  }

  @Test func `aliases stay within their budget and push out only each other`() throws {
    let store = try CacheStore.small()
    for number in 0..<50 { store.put(number, count: 5000) }
    for number in 0..<20_000 { #expect(insert(store, 1000 + number, of: number % 50)) }
    let statistics = store.statistics
    #expect(statistics.aliases <= store.geometry.budgetMax * store.shardCount)
    #expect(statistics.aliases > store.geometry.budgetMax * store.shardCount / 2)
    #expect(statistics.usedBytes - 50 * 5376 < statistics.arenaBytes / 32)
    for number in 0..<50 { #expect(store.find(number) != nil) }
    #expect(store.find(1000 + 19_999) != nil)
    #expect(store.settled() == [])
  }

  @Test func `a raw key counts from its second use`() throws {
    let store = try CacheStore.small()
    #expect(!store.seenBefore(0x1234_5678_9abc_def0))
    #expect(store.seenBefore(0x1234_5678_9abc_def0))
    #expect(!store.seenBefore(0x1234_567a_9abc_def0))
  }
}

@Suite struct CachePinTests {
  @Test func `a pinned entry survives release, drop and pressure`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 200_000)
    let hit = try #require(store.find(1))
    let pin = try #require(store.pin(hit))
    store.release()
    store.drop(pin.hit)
    for number in 10..<2000 { store.put(number, count: 20_000) }
    #expect(store.isRight(pin.hit, 1))
    #expect(store.statistics.pinnedBytes >= 200_000)
    store.unpin(pin)
    #expect(store.statistics.pinnedBytes == 0)
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 0)
  }

  @Test func `pins end at the byte cap of all processes together`() throws {
    let store = try CacheStore.small()
    let cap = store.pinnedBytesMax
    var pins: [CachePin] = []
    for number in 0..<40 {
      store.put(number, count: 60_000)
      let hit = try #require(store.find(number))
      if let pin = store.pin(hit) { pins.append(pin) }
      store.release()
    }
    #expect(store.statistics.pinnedBytes <= cap)
    #expect(pins.count >= cap / 62_000 - 1 && pins.count < 40)
    #expect(store.statistics.pinsRefused == 40 - pins.count)
    pins.forEach(store.unpin)
    #expect(store.statistics.pinnedBytes == 0)
  }

  @Test func `a thousand pins of one entry cost it once`() throws {
    let store = try CacheStore.small()
    store.put(1, count: 500_000)
    let hit = try #require(store.find(1))
    let pins = (0..<1000).compactMap { _ in store.pin(hit) }
    store.release()
    #expect(pins.count == 1000)
    #expect(store.statistics.pinnedBytes < 510_000)
    pins.dropLast().forEach(store.unpin)
    store.drop(hit)
    #expect(store.settled() == [])
    #expect(store.statistics.retired == 1)
    store.unpin(pins[999])
    #expect(store.settled() == [])
    #expect(store.statistics.usedBytes == 0)
  }
}
