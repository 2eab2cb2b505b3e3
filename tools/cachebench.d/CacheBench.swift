// Measures the store alone, in one process: look-ups, insertion with eviction, room lost.
//
// Each figure is the median of several rounds; ratios between figures of one run mean something,
// the times themselves only on a quiet machine.

import ArgumentParser
import Cache
import Platform

@main
struct CacheBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cachebench", abstract: "Measures Ring3's store alone.")

  @Option(help: "Entries of the large store.") var entries = 1_000_000
  @Option(help: "Rounds of which the median is shown.") var rounds = 5
  @Option(help: "MiB of the store whose filling and loss are measured.") var mebibytes = 256

  @Flag(help: "Measure single operations in a store of 8 GiB with a million entries.")
  var large = false

  func run() throws {
    guard !large else { return try singleOperations() }
    try lookUps()
    try sharedEntry()
    try insertions()
    try losses()
  }

  /// The same entries of 4 KiB, little and many of them, found in random order.
  private func lookUps() throws {
    let small = try Store(byteCount: 64 << 20)
    let large = try Store(byteCount: entries * 1024 + 64 << 20)
    small.fill(count: 1000, byteCount: 600)
    large.fill(count: entries, byteCount: 600)
    var few: [Double] = []
    var many: [Double] = []
    for round in 0..<rounds {
      few.append(small.lookUpNanoseconds(keys: 1000, seed: UInt64(round)))
      many.append(large.lookUpNanoseconds(keys: entries, seed: UInt64(round)))
    }
    let found = "\(large.cache.statistics.entries) entries stored"
    print(
      "look-up: \(median(few)) ns of 1000 entries, \(median(many)) ns of \(entries); \(found)")
    print("  bytes of header, index and rounding an entry: \(large.overheadBytes(byteCount: 600))")
  }

  /// One hot entry, looked up by this process alone, and while another one does the same.
  private func sharedEntry() throws {
    let store = try Store(byteCount: 64 << 20)
    store.put(0, byteCount: 600)
    var alone: [Double] = []
    var beside: [Double] = []
    for round in 0..<rounds {
      alone.append(store.lookUpNanoseconds(keys: 1, seed: UInt64(round)))
      let child = try ChildProcess.fork()
      guard case .parent(let other) = child else {
        store.cache.attach(processSlot: 1)
        while true { _ = store.lookUpNanoseconds(keys: 1, seed: 1) }
      }
      Clock.pause(milliseconds: 50)
      beside.append(store.lookUpNanoseconds(keys: 1, seed: UInt64(round)))
      ChildProcess.signal(other, 9)
      _ = ChildProcess.wait(for: other)
      store.cache.clearProcessSlot(1)
    }
    print(
      "look-up of one entry: \(median(alone)) ns alone, \(median(beside)) ns while another process"
        + " does the same")
  }

  /// A full store; each insertion evicts.
  private func insertions() throws {
    for byteCount in [200, 4096, 65_536, 1 << 20] {
      let store = try Store(byteCount: mebibytes << 20)
      let once = (mebibytes << 20) / (byteCount + 400)
      store.fill(count: once * 2, byteCount: byteCount)
      var times: [Double] = []
      var most = 0.0
      for round in 0..<rounds {
        let count = max(64, min(20_000, once / 4))
        let (mean, longest) = store.insertNanoseconds(
          from: once * 2 + round * count, count: count, byteCount: byteCount)
        times.append(mean)
        most = max(most, longest)
      }
      print(
        "insert and evict \(byteCount) bytes: \(median(times)) ns, longest \(Int(most / 1000)) us"
          + " CPU; evictions \(store.cache.statistics.evictions),"
          + " refused \(store.cache.statistics.refusedFull)")
    }
  }

  /// Sizes from 200 bytes to 1 MiB, most of them small, popularity by Zipf: what share of the
  /// arena holds no entry's bytes when the store has long been full.
  private func losses() throws {
    for (name, sizes) in Store.mixes {
      let store = try Store(byteCount: mebibytes << 20)
      var chance = Chance(state: 0x9e37_79b9_7f4a_7c15)
      var stored = 0
      var number = 0
      while stored < (mebibytes << 20) * 4 {
        let key = chance.below(4) == 0 ? number : chance.below(max(1, number))
        if !store.find(key) {
          let size = sizes(key)
          if store.put(key, byteCount: size) { stored += size }
        }
        number += 1
      }
      let statistics = store.cache.statistics
      let exact = store.exactBytes(upTo: number, sizes: sizes)
      let lost = 1 - Double(exact) / Double(statistics.arenaBytes)
      let unused = Double(statistics.freeBytes) / Double(statistics.arenaBytes)
      print(
        "\(name): \(percent(lost)) of the arena lost, of it \(percent(unused)) free; "
          + "\(statistics.entries) entries, refused \(statistics.refusedFull)"
          + " of \(statistics.fills + statistics.refusedFull)")
    }
  }

  /// Each call that takes a mutex, alone, among a million entries; and the repair of a shard, which
  /// a take-over does for each, with the checksums of all heads besides.
  private func singleOperations() throws {
    let name = "ring3-cachebench-\(ProcessIdentity.current().pid)"
    defer { SharedMemoryObject.unlink(name) }
    var longest: [String: [Int64]] = [:]
    var shards = 0
    try {
      let store = try Store(name: name, byteCount: 8 << 30)
      store.fill(count: 1_000_000, byteCount: 6000)
      shards = store.cache.shardCount
      var chance = Chance(state: 77)
      for number in 0..<15_000 {
        let size = 200 << chance.below(13)
        store.put(1_000_000 + number, byteCount: size + chance.below(size)) { operation, time in
          longest[operation, default: []].append(time)
        }
      }
      print("8 GiB, \(store.cache.statistics.entries) entries, \(shards) shards")
      try repairs(store)
    }()
    for (operation, times) in longest.sorted(by: { $0.key < $1.key }) {
      let sorted = times.sorted().map { $0 / 1000 }
      print(
        "  \(operation): median \(sorted[sorted.count / 2]) us, of 10,000 the longest "
          + "\(sorted[sorted.count * 9999 / 10_000]) us, of all \(sorted[sorted.count - 1]) us")
    }
    let before = Clock.processNanoseconds()
    let again = try Store(name: name, byteCount: 8 << 30)
    let time = Clock.processNanoseconds() - before
    print(
      "  taken over with \(again.cache.statistics.entries) entries in \(time / 1_000_000) ms: "
        + "\(time / Int64(shards) / 1000) us a shard")
  }

  /// Somebody dies inside a shard; the next one to lock it makes it sound again.
  private func repairs(_ store: Store) throws {
    var times: [Int64] = []
    for number in 0..<40 {
      let child = try ChildProcess.fork()
      guard case .parent(let other) = child else {
        store.cache.attach(processSlot: 1)
        var left = 12
        store.cache.interruption = {
          left -= 1
          if left == 0 { ChildProcess.signal(ChildProcess.currentIdentifier, 9) }
        }
        store.put(5_000_000 + number, byteCount: 4096)
        ChildProcess.exit(0)
      }
      _ = ChildProcess.wait(for: other)
      store.cache.clearProcessSlot(1)
      let before = Clock.processNanoseconds()
      store.put(5_000_000 + number, byteCount: 4096)
      times.append(Clock.processNanoseconds() - before)
    }
    let sorted = times.sorted().map { $0 / 1000 }
    print(
      "  repair of a shard: median \(sorted[20]) us, longest \(sorted[39]) us;"
        + " \(store.cache.statistics.recoveries) of 40")
  }

  private func percent(_ value: Double) -> String {
    "\(Double(Int(value * 1000)) / 10) %"
  }

  private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return Double(Int(sorted[sorted.count / 2] * 10)) / 10
  }
}

/// Numbers that repeat from run to run.
struct Chance {
  var state: UInt64
  mutating func below(_ limit: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(truncatingIfNeeded: state >> 11) % limit
  }
}
