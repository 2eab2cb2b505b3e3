// Several processes at work in one small store while they are killed at any instruction.

import Platform
import Testing

@testable import Cache

/// What children report, in memory of their own.
private enum Report {
  static let wrong = 0
  static let hits = 8
  static let fills = 16
  static let pins = 24
}

/// One child's work: everything the store can do, at random, each body checked byte by byte.
private struct Labourer {
  let store: CacheStore
  let report: SharedRegion
  var chance: Chance
  var pins: [(pin: CachePin, number: Int)] = []
  var open: [CacheFill] = []

  /// 512 bytes that follow from key and version, repeated through a body.
  static func pattern(_ number: Int, _ version: Int) -> [UInt8] {
    var state = UInt64(number) << 32 | UInt64(version) | 1
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    for _ in 0..<64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: state >> UInt64(shift * 8))) }
    }
    return bytes
  }

  func note(_ place: Int) { report.fetchAdd64(1, at: place) }

  /// Whether an entry is wholly what its key and version say.
  func isRight(_ hit: CacheHit, _ number: Int) -> Bool {
    let facts = store.facts(hit)
    guard facts.fingerprint == UInt64(number), store.bodyByteCount(hit) == Int(facts.fileIdentity)
    else { return false }
    let pattern = Labourer.pattern(number, Int(facts.checks))
    var position = 0
    for index in 0..<store.extentCount(hit) {
      let range = store.extent(hit, index)
      var done = 0
      while done < range.count {
        let from = position % 512
        let count = min(512 - from, range.count - done)
        guard
          store.region.equal(
            at: range.offset + done, to: pattern.rawSpan.extracting(from..<from + count))
        else { return false }
        done += count
        position += count
      }
    }
    return position == Int(facts.fileIdentity)
  }

  func begin(_ number: Int, _ size: Int, _ version: Int) -> CacheFill? {
    var facts = EntryFacts()
    facts.fingerprint = UInt64(number)
    facts.fileIdentity = UInt64(size)
    facts.checks = UInt32(version)
    let key = key(number)
    let head = head(number, version: version)
    return store.beginFill(
      CacheEntryHead(
        key: key.rawSpan, hash: store.hash(key.rawSpan), facts: facts, head: head.rawSpan,
        validated: 0, asOf: store.generation), bodyByteCount: size)
  }

  func fill(_ fill: CacheFill, _ number: Int, _ version: Int, _ size: Int) -> Bool {
    let pattern = Labourer.pattern(number, version)
    var position = 0
    while position < size {
      let count = min(512, size - position)
      guard store.write(pattern.rawSpan.extracting(0..<count), at: position, of: fill) else {
        return false
      }
      position += count
    }
    return true
  }

  mutating func step() {
    let number = chance.below(300)
    if let hit = store.find(number) {
      note(Report.hits)
      if !isRight(hit, number) { note(Report.wrong) }
      switch chance.below(16) {
      case 0, 1: store.drop(hit)
      case 2:
        if let pin = store.pin(hit) {
          note(Report.pins)
          pins.append((pin, number))
        }
      default: break
      }
      if chance.below(4) > 0 { store.release() }
    } else {
      let size = chance.below(8) == 0 ? chance.below(300_000) : chance.below(20_000)
      let version = chance.below(1 << 30)
      if let fill = begin(number, size, version) {
        note(Report.fills)
        let isWhole = self.fill(fill, number, version, size)
        switch chance.below(10) {
        case _ where !isWhole: store.abandon(fill)
        case 0: store.abandon(fill)
        case 1 where open.count < 8: open.append(fill)
        default: store.publish(fill)
        }
      }
    }
    if pins.count > 3 || (!pins.isEmpty && chance.below(8) == 0) {
      let last = pins.remove(at: chance.below(pins.count))
      if !isRight(last.pin.hit, last.number) { note(Report.wrong) }
      store.unpin(last.pin)
    }
    if open.count > 4 { store.abandon(open.removeFirst()) }
    if chance.below(8) == 0 {
      let raw = key(10_000 + chance.below(500))
      let canonical = key(number)
      if let alias = store.lookUp(raw.rawSpan, hash: store.hash(raw.rawSpan)) {
        let target = store.keyNumber(ofAlias: alias)
        if let hit = store.follow(alias), !isRight(hit, target) { note(Report.wrong) }
      } else {
        store.insertAlias(
          rawKey: raw.rawSpan, rawHash: store.hash(raw.rawSpan), canonicalKey: canonical.rawSpan,
          canonicalHash: store.hash(canonical.rawSpan), facts: EntryFacts(), validated: 0,
          asOf: store.generation)
      }
    }
  }
}

extension CacheStore {
  /// The number in an alias's canonical key.
  fileprivate func keyNumber(ofAlias hit: CacheHit) -> Int {
    let range = extent(hit, 0)
    let bytes = region.copyOut(at: range.offset + 8, count: range.count - 8)
    return bytes.reversed().prefix { $0 != UInt8(ascii: "/") }.reversed().reduce(0) {
      $0 * 10 + Int($1) - 48
    }
  }
}

extension CacheProcessTests {
  @Suite(.serialized) struct CacheTortureTests {
    @Test func `killing processes at any instruction spoils, blocks and leaks nothing`() throws {
      let store = try CacheStore.anonymous(byteCount: 8 << 20)
      let report = try SharedRegion(anonymous: 4096)
      var chance = Chance(state: 0x1234_5678_9abc_def1)
      let slots = 6

      func start(_ slot: Int) -> Int32 {
        let seed = UInt64(chance.below(1 << 40)) | 1
        return TestProcess.fork {
          store.attach(processSlot: slot)
          var labourer = Labourer(store: store, report: report, chance: Chance(state: seed))
          while true { labourer.step() }
        }
      }

      // The same code once here, so that children find the runtime's tables made.
      try {
        let warm = try CacheStore.anonymous(byteCount: 8 << 20)
        warm.attach(processSlot: 0)
        var labourer = Labourer(store: warm, report: report, chance: Chance(state: 77))
        for _ in 0..<500 { labourer.step() }
      }()

      var children = (0..<slots).map(start)
      let end = Clock.monotonicMilliseconds() + 8000
      var kills = 0
      while Clock.monotonicMilliseconds() < end {
        TestProcess.pause(microseconds: UInt32(500 + chance.below(4000)))
        let victim = chance.below(slots)
        if chance.below(10) == 0 {
          // Stopped inside whatever it does: the others must go on.
          TestProcess.stop(children[victim])
          TestProcess.pause(microseconds: 3000)
          TestProcess.resume(children[victim])
          continue
        }
        TestProcess.kill(children[victim])
        TestProcess.wait(children[victim])
        store.clearProcessSlot(victim)
        kills += 1
        children[victim] = start(victim)
      }
      for (slot, child) in children.enumerated() {
        TestProcess.kill(child)
        TestProcess.wait(child)
        store.clearProcessSlot(slot)
      }

      store.attach(processSlot: 20)
      #expect(store.settled() == [])
      let statistics = store.statistics
      let counts = [Report.hits, Report.fills, Report.pins].map { report.loadRelaxed64(at: $0) }
      print(
        "torture: \(kills) kills, \(statistics.recoveries) recoveries; hits, fills, pins \(counts)")
      #expect(report.loadRelaxed64(at: Report.wrong) == 0)
      #expect(statistics.damaged == 0)
      #expect(statistics.retired == 0)
      #expect(statistics.pinnedBytes == 0)
      #expect(kills > 30)
      #expect(counts[0] > 1000 && counts[1] > 1000)
      // All that is used belongs to entries in the index; without them the arena is whole.
      for number in 0..<20_000 {
        if let hit = store.find(number) { store.drop(hit) }
      }
      store.release()
      #expect(store.settled() == [])
      #expect(store.statistics.usedBytes == 0)
      #expect(store.put(1, count: 100_000))
    }
  }
}
