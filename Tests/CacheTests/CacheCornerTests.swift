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
}
