// The real store behind the interface of the models: a miss fills and publishes an entry.

import Cache
import Platform

final class StoreReplay: CacheModel {
  /// A field section of common length; its bytes do not matter to the store.
  private static let head = [UInt8](repeating: UInt8(ascii: "h"), count: 160)

  private let store: CacheStore
  /// Per object.
  private let bodyBytes: [Int]
  /// What bodies are written from.
  private let source: [UInt8]

  /// A store whose entries can take about `arenaBytes`.
  init(arenaBytes: Int, bodyBytes: [Int]) throws {
    // The store refuses more than this.
    let largest = min(bodyBytes.max() ?? 0, 64 << 20)
    self.bodyBytes = bodyBytes
    source = [UInt8](repeating: UInt8(ascii: "b"), count: largest)
    var segmentBytes = arenaBytes
    var store: CacheStore
    // Index and maps take their part of the segment: approach the wanted arena from below.
    var rounds = 0
    repeat {
      store = try CacheStore.anonymous(
        byteCount: segmentBytes, objectBytesMax: max(1 << 20, largest))
      let missing = arenaBytes - store.statistics.arenaBytes
      segmentBytes = store.statistics.segmentBytes + missing
      rounds += 1
      if missing < 64 << 10 { break }
    } while rounds < 8
    store.attach(processSlot: 0)
    self.store = store
  }

  /// Bytes in which entries can lie: what the models get.
  var arenaBytes: Int { store.statistics.arenaBytes }
  /// The largest body that the store takes.
  var objectBytesMax: Int { store.objectBytesMax }

  /// What became of the entries, in a line.
  var summary: String {
    let statistics = store.statistics
    let used = Double(statistics.usedBytes) / Double(max(1, statistics.arenaBytes))
    return """
      \(store.shardCount) shards, \(NumberFormat.mebibytes(statistics.arenaBytes)) MiB for \
      entries, \(NumberFormat.ratio(used)) of it used by \(statistics.entries); \
      \(statistics.publishes) published, \(statistics.evictions) evicted, \
      \(statistics.refusedFull) refused
      """
  }

  func access(_ object: Int) -> Bool {
    let key = StoreReplay.key(object)
    let hash = store.hash(key.rawSpan)
    if let hit = store.lookUp(key.rawSpan, hash: hash) {
      precondition(
        store.bodyByteCount(hit) == bodyBytes[object], "another object's entry was found")
      store.release()
      return true
    }
    fill(object, key: key, hash: hash)
    return false
  }

  private func fill(_ object: Int, key: [UInt8], hash: UInt64) {
    let count = bodyBytes[object]
    guard count <= store.objectBytesMax else { return }
    let head = StoreReplay.head
    guard
      let fill = store.beginFill(
        CacheEntryHead(
          key: key.rawSpan, hash: hash, facts: EntryFacts(), head: head.rawSpan, validated: 0,
          asOf: store.generation), bodyByteCount: count)
    else { return }
    let source = source
    if store.write(source.rawSpan.extracting(0..<count), at: 0, of: fill) {
      store.publish(fill)
    } else {
      store.abandon(fill)
    }
  }

  /// As long as the keys of short URLs are, and as long for each object.
  private static func key(_ object: Int) -> [UInt8] {
    let digits = String(object)
    let zeroes = String(repeating: "0", count: max(0, 10 - digits.count))
    return [1, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0] + Array("trace.example\0/\(zeroes)\(digits)".utf8)
  }

  /// What an entry takes beside its body: header, key, head and rounding, by trial on the store.
  static func measuredOverheadBytes() throws -> Int {
    let bodyBytes = (0..<64).map { 1000 + 61 * $0 }
    let replay = try StoreReplay(arenaBytes: 16 << 20, bodyBytes: bodyBytes)
    let before = replay.store.statistics.usedBytes
    for object in bodyBytes.indices { _ = replay.access(object) }
    let used = replay.store.statistics.usedBytes - before
    return (used - bodyBytes.reduce(0, +)) / bodyBytes.count
  }
}
