// A segment with all kinds of entries, kept aside to be damaged again and again.

import Platform
import Testing

@testable import Cache

/// A segment's content before it is damaged, and what it must say afterwards, if anything.
struct DamageSample {
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
      let count = DamageSample.sizes[number % DamageSample.sizes.count]
      bodies.append(body(number, version: 0, count: count))
      store.put(number, count: count)
    }
    self.bodies = bodies
    for number in 0..<DamageSample.aliasCount {
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
    for number in 0..<DamageSample.aliasCount {
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
