// The store as the measurements use it: numbered keys, bodies of any bytes.

import Cache
import Platform

struct Store {
  let cache: CacheStore
  private let head: [UInt8] = Array(
    "ETag: \"1234567890abcdef\"\r\nContent-Type: text/html\r\nContent-Length: 4096\r\n\r\n".utf8)
  private let bytes = [UInt8](repeating: 0x41, count: 1 << 20)

  init(byteCount: Int) throws {
    cache = try CacheStore.anonymous(byteCount: byteCount)
    cache.attach(processSlot: 0)
  }

  /// A named segment, made or taken over.
  init(name: String, byteCount: Int) throws {
    cache = try CacheStore.open(name: name, byteCount: byteCount)
    cache.attach(processSlot: 0)
  }

  static func key(_ number: Int) -> [UInt8] {
    // As a worker's: version, scheme, port, address class, host, NUL, path.
    [1, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0] + Array("www.example.org\0/pages/\(number).html".utf8)
  }

  /// By name: the size of a key's body.
  static let mixes: [(String, @Sendable (Int) -> Int)] = [
    ("small and large, 200 bytes to 1 MiB", { spread($0, from: 200, octaves: 12) }),
    ("all of 4 KiB", { _ in 4096 }),
    ("200 bytes to 6 KiB", { spread($0, from: 200, octaves: 5) }),
    ("4 KiB to 128 KiB", { spread($0, from: 4096, octaves: 5) }),
  ]

  /// Sizes of which each octave is rarer than the one below by a third.
  private static func spread(_ key: Int, from least: Int, octaves: Int) -> Int {
    var chance = Chance(state: UInt64(key + 1) &* 0x9e37_79b9_7f4a_7c15 | 1)
    _ = chance.below(2)
    var size = least
    var octave = 1
    while octave < octaves && chance.below(3) > 0 {
      size *= 2
      octave += 1
    }
    return min(size + chance.below(size), 1 << 20)
  }

  func find(_ number: Int) -> Bool {
    let key = Store.key(number)
    let found = cache.lookUp(key.rawSpan, hash: cache.hash(key.rawSpan)) != nil
    cache.release()
    return found
  }

  /// Stores a body and tells the CPU nanoseconds of each call that takes a mutex.
  func put(_ number: Int, byteCount: Int, _ took: (String, Int64) -> Void) {
    let key = Store.key(number)
    let head = head
    let bytes = bytes
    var last = Clock.processNanoseconds()
    func lap(_ operation: String) {
      let now = Clock.processNanoseconds()
      took(operation, now - last)
      last = Clock.processNanoseconds()
    }
    guard
      let fill = cache.beginFill(
        CacheEntryHead(
          key: key.rawSpan, hash: cache.hash(key.rawSpan), facts: EntryFacts(),
          head: head.rawSpan, validated: 0, asOf: cache.generation), bodyByteCount: byteCount)
    else { return }
    lap("begin")
    var at = 0
    while at < byteCount {
      last = Clock.processNanoseconds()
      guard let room = cache.room(for: fill, at: at) else { return cache.abandon(fill) }
      lap("room")
      let count = min(room.count, byteCount - at)
      cache.region.copyIn(bytes.rawSpan.extracting(0..<count), at: room.offset)
      at += count
    }
    last = Clock.processNanoseconds()
    cache.publish(fill)
    lap("publish")
  }

  @discardableResult
  func put(_ number: Int, byteCount: Int) -> Bool {
    let key = Store.key(number)
    let head = head
    let bytes = bytes
    guard
      let fill = cache.beginFill(
        CacheEntryHead(
          key: key.rawSpan, hash: cache.hash(key.rawSpan), facts: EntryFacts(),
          head: head.rawSpan, validated: 0, asOf: cache.generation), bodyByteCount: byteCount)
    else { return false }
    guard cache.write(bytes.rawSpan.extracting(0..<byteCount), at: 0, of: fill) else {
      cache.abandon(fill)
      return false
    }
    return cache.publish(fill)
  }

  func fill(count: Int, byteCount: Int) {
    for number in 0..<count { put(number, byteCount: byteCount) }
  }

  /// CPU nanoseconds of a look-up, without the making of its key.
  func lookUpNanoseconds(keys: Int, seed: UInt64) -> Double {
    var chance = Chance(state: seed &+ 1 &* 0x9e37_79b9_7f4a_7c15 | 1)
    // One after the other in memory, as what is measured is the store's memory, not theirs.
    let count = 200_000
    var all: [UInt8] = []
    var ends: [Int] = []
    var hashes: [UInt64] = []
    for _ in 0..<count {
      let key = Store.key(chance.below(keys))
      all += key
      ends.append(all.count)
      hashes.append(cache.hash(key.rawSpan))
    }
    let start = Clock.processNanoseconds()
    var from = 0
    for index in 0..<count {
      _ = cache.lookUp(all.rawSpan.extracting(from..<ends[index]), hash: hashes[index])
      from = ends[index]
    }
    cache.release()
    return Double(Clock.processNanoseconds() - start) / Double(count)
  }

  /// CPU nanoseconds of an insertion: mean and longest.
  func insertNanoseconds(from first: Int, count: Int, byteCount: Int) -> (Double, Double) {
    let start = Clock.processNanoseconds()
    for number in first..<first + count / 2 { put(number, byteCount: byteCount) }
    let mean = Double(Clock.processNanoseconds() - start) / Double(count / 2)
    var longest: Int64 = 0
    for number in first + count / 2..<first + count {
      let before = Clock.processNanoseconds()
      put(number, byteCount: byteCount)
      longest = max(longest, Clock.processNanoseconds() - before)
    }
    return (mean, Double(longest))
  }

  /// Bytes of headers, keys, heads and bodies of what is found.
  func exactBytes(upTo count: Int, sizes: (Int) -> Int) -> Int {
    var sum = 0
    for number in 0..<count where find(number) {
      sum += 120 + sizes(number) + Store.key(number).count + head.count
    }
    return sum
  }

  /// Bytes an entry takes in the arena beyond key, head and body.
  func overheadBytes(byteCount: Int) -> Int {
    let statistics = cache.statistics
    return statistics.usedBytes / max(1, statistics.entries) - byteCount - head.count
      - Store.key(500_000).count
  }
}
