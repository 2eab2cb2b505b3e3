// Applications' responses: their facts, their variants, another head for the same body.

import Platform
import Testing

@testable import Cache

/// A response that is fresh for a minute from `ticks` on.
private func response(_ number: Int, count: Int = 100, freshSeconds: UInt32 = 60) -> EntryFacts {
  var facts = EntryFacts()
  facts.fingerprint = UInt64(number)
  facts.fileIdentity = UInt64(count)
  facts.flags = .isResponse
  facts.freshTicks = freshSeconds * UInt32(EntryTime.ticksPerSecond)
  return facts
}

extension CacheStore {
  @discardableResult
  fileprivate func put(
    _ number: Int, _ facts: EntryFacts, selector: [UInt8] = [], labels: [UInt8] = [],
    validated: UInt64 = 0, asOf: UInt64? = nil
  ) -> Bool {
    let key = key(number)
    let head = head(number, version: Int(facts.checks))
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: hash(key.rawSpan), facts: facts, head: head.rawSpan,
      validated: validated, asOf: asOf ?? generation)
    entry.selector = selector.rawSpan
    entry.labels = labels.rawSpan
    let count = Int(facts.fileIdentity)
    guard let fill = beginFill(entry, bodyByteCount: count) else { return false }
    let bytes = body(number, version: Int(facts.checks), count: count)
    guard write(bytes.rawSpan, at: 0, of: fill) else {
      abandon(fill)
      return false
    }
    return publish(fill)
  }
}

@Suite struct CacheResponsesTests {
  @Test func `an entry's header ends with its facts`() {
    #expect(EntryLayout.facts + MemoryLayout<EntryFacts>.size == EntryLayout.byteTotal)
    #expect(MemoryLayout<EntryFacts>.size == MemoryLayout<EntryFacts>.stride, "no padding")
    #expect(EntryLayout.unitsMin * ArenaLayout.unitBytes >= EntryLayout.byteTotal)
  }

  @Test func `what an application's response needs is kept with it`() throws {
    let store = try CacheStore.small()
    var facts = response(1)
    facts.flags.formUnion([.mustRevalidate, .validatesAlways])
    facts.initialAgeSeconds = 5
    facts.staleWhileRevalidateSeconds = 1 << 20
    facts.staleIfErrorSeconds = .max
    store.put(1, facts)
    let hit = try #require(store.find(1))
    #expect(store.facts(hit) == facts)
    #expect(store.isRight(hit, 1))
  }

  @Test func `no use is what is too stale to be sent and cannot be validated`() {
    let fresh: UInt64 = 60 * 8
    func isOfNoUse(_ age: UInt64, _ change: (inout EntryFacts) -> Void = { _ in }) -> Bool {
      var facts = response(1, count: 0)
      change(&facts)
      return facts.isOfNoUse(age: age)
    }
    #expect(!isOfNoUse(fresh))
    #expect(isOfNoUse(fresh + 1))
    #expect(!isOfNoUse(fresh + 1) { $0.flags = [] }, "a file's entry is compared with the file")
    #expect(!isOfNoUse(fresh + 1) { $0.etagCount = 3 })
    #expect(!isOfNoUse(fresh + 1) { $0.lastModifiedSeconds = 1 })
    #expect(!isOfNoUse(fresh + 80) { $0.staleIfErrorSeconds = 10 })
    #expect(!isOfNoUse(fresh + 80) { $0.staleWhileRevalidateSeconds = 10 })
    #expect(isOfNoUse(fresh + 81) { $0.staleWhileRevalidateSeconds = 10 })
    func arrivedStale(_ facts: inout EntryFacts) {
      facts.freshTicks = 0
      facts.arrivedStaleSeconds = 4
      facts.staleIfErrorSeconds = 10
    }
    #expect(!isOfNoUse(48, arrivedStale) && isOfNoUse(49, arrivedStale))
    #expect(
      isOfNoUse(fresh + 1) {
        $0.staleIfErrorSeconds = 10
        $0.flags.insert(.mustRevalidate)
      })
    #expect(!isOfNoUse(EntryTime.mask) { $0.freshTicks = EntryFacts.freshUntilInvalidated })
    #expect(!isOfNoUse(EntryTime.mask) { $0.staleIfErrorSeconds = .max })
  }

  @Test func `what is of no use leaves before what was used as often`() throws {
    let store = try CacheStore.small()
    let now = Clock.bootTicks() & EntryTime.mask
    let old = (now &- 3600 * EntryTime.ticksPerSecond) & EntryTime.mask
    for number in 0..<400 {
      store.put(
        number, response(number, count: 4000), validated: number.isMultiple(of: 2) ? old : now)
    }
    for _ in 0..<3 { for number in 0..<400 { _ = store.find(number) } }
    store.release()
    for number in 1000..<3500 { store.put(number, response(number, count: 4000), validated: now) }
    let left = (0..<400).filter { store.find($0) != nil }
    store.release()
    #expect(left.count { $0.isMultiple(of: 2) } < 20, "\(left.count)")
    #expect(left.count { !$0.isMultiple(of: 2) } > 100)
    #expect(store.settled() == [])
  }

  @Test func `a look-up by key alone finds some variant, also when all have selectors`() throws {
    let store = try CacheStore.small()
    for number in 0..<300 { store.put(number, response(number)) }
    let key = key(500)
    let hash = store.hash(key.rawSpan)
    let selectors = (1...40 as ClosedRange<UInt8>).map {
      [0xff] + Array("accept-language".utf8) + [0, $0]
    }
    for selector in selectors { store.put(500, response(500), selector: selector) }
    let found = store.lookUp(key.rawSpan, hash: hash)
    let hit = try #require(found)
    let range = store.selectorRange(hit)
    #expect(selectors.contains(store.region.copyOut(at: range.offset, count: range.count)))
    let last = selectors[39]
    #expect(store.lookUp(key.rawSpan, selector: last.rawSpan, hash: hash) != nil)
    let none: [UInt8] = []
    #expect(store.lookUp(key.rawSpan, selector: none.rawSpan, hash: hash) == nil)
    var count = 0
    store.forEachVariant(of: key.rawSpan) { _ in count += 1 }
    #expect(count == ArenaLayout.variantsMax)
  }

  @Test func `of several variants the one ranked highest is held`() throws {
    let store = try CacheStore.small()
    for number in 0..<300 { store.put(number, response(number)) }
    let key = key(500)
    let hash = store.hash(key.rawSpan)
    #expect(store.lookUpBest(key.rawSpan, hash: hash) { _ in 1 } == nil)
    for (place, time) in [30, 10, 50, 20, 40].enumerated() {
      store.put(500, response(500), selector: [UInt8(place)], validated: UInt64(time))
    }
    func best(below limit: UInt64) -> UInt64? {
      let hit = store.lookUpBest(key.rawSpan, hash: hash) { hit in
        let time = store.validated(hit)
        return time < limit ? time : nil
      }
      return hit.map(store.validated)
    }
    #expect(best(below: 100) == 50)
    #expect(best(below: 50) == 40)
    #expect(best(below: 10) == nil)
    // It is held: what replaces it leaves it whole.
    let found = store.lookUpBest(key.rawSpan, hash: hash) { store.validated($0) }
    let hit = try #require(found)
    #expect(store.approximateUses(hit) > 1)
    store.put(500, response(500), selector: [2], validated: 60)
    #expect(store.statistics.retired == 1)
    #expect(store.isRight(hit, 500))
    store.release()
    #expect(best(below: 100) == 60)
    store.release()
    #expect(store.settled() == [])
  }

  @Test func `whatever has a label is invalidated by it, and what is filled meanwhile`() throws {
    let store = try CacheStore.small()
    let labels = (0..<4).map { Array("tag-\($0)\0".utf8) }
    for number in 0..<40 {
      store.put(number, response(number), labels: labels[number % 4] + labels[(number + 1) % 4])
    }
    let before = store.generation
    store.invalidate(.label(Array("tag-1".utf8)), hard: true)
    store.invalidate(.label(Array("tag-3".utf8)), hard: false)
    store.invalidate(.label(Array("tag-".utf8)), hard: true)
    for number in 0..<40 {
      let hit = try #require(store.find(number))
      #expect(!store.isKnownGood(hit))
      let has = Set([number % 4, (number + 1) % 4])
      #expect(store.standing(hit) == (has.contains(1) ? .gone : .stale))
    }
    store.release()
    #expect(!store.put(50, response(50), labels: labels[1], asOf: before))
    #expect(store.put(51, response(51), labels: labels[2], asOf: before))
    #expect(store.put(50, response(50), labels: labels[1]))
    let hit = try #require(store.find(50))
    #expect(store.standing(hit) == .good)
  }

  @Test(arguments: [0, 1, 5000, 300_000, 900_000])
  func `an entry gets another head and keeps its body`(count: Int) throws {
    let store = try CacheStore.small()
    let old = response(1, count: count)
    store.put(1, old)
    let hit = try #require(store.find(1))
    let pin = try #require(store.pin(hit))
    store.release()
    let key = key(1)
    let newHead = Array("ETag: \"1.0\"\r\nExpires: later\r\n".utf8)
    var facts = old
    facts.freshTicks = 1
    let begun = store.beginFill(
      CacheEntryHead(
        key: key.rawSpan, hash: store.hash(key.rawSpan), facts: facts, head: newHead.rawSpan,
        validated: 9, asOf: store.generation), bodyByteCount: count)
    let fill = try #require(begun)
    var done = 0
    var steps = 0
    repeat {
      done = try #require(store.copyBody(of: pin.hit, to: fill, from: done, byteCountMax: 100_000))
      steps += 1
    } while done < count
    #expect(steps == max(1, (count + 99_999) / 100_000))
    #expect(store.publish(fill))
    #expect(store.isRight(pin.hit, 1))
    store.unpin(pin)
    let fresh = try #require(store.find(1))
    #expect(store.facts(fresh) == facts)
    let range = store.headRange(fresh)
    #expect(store.region.copyOut(at: range.offset, count: range.count) == newHead)
    #expect(store.bytes(fresh) == body(1, version: 0, count: count))
    #expect(store.verifyBody(fresh))
    store.release()
    #expect(store.settled() == [])
  }
}

extension CacheProcessTests {
  @Suite(.serialized) struct CacheResponseAgeTests {
    @Test(arguments: [8, 16])
    func `a response is as old after a restart as it was, or older`(megabytes: Int) throws {
      let name = "ring3-test-\(TestProcess.pid)-age\(megabytes)"
      defer {
        for suffix in ["", ".new", ".elder0"] { SharedMemoryObject.unlink(name + suffix) }
      }
      let now = Clock.bootTicks() & EntryTime.mask
      let old = (now &- 100) & EntryTime.mask
      let routing: UInt64 = 0x1234 << 46
      let damaged = (now &+ 1 << 20) & EntryTime.mask
      try {
        let store = try CacheStore.open(name: name, byteCount: 8 << 20)
        store.attach(processSlot: 1)
        store.put(1, response(1), validated: routing | old)
        store.put(2, response(2), validated: damaged)
        store.put(3, count: 100, validated: routing | old)
      }()
      for _ in 0..<500 {
        if let object = try SharedMemoryObject.open(name), try object.tryLock() { break }
        TestProcess.pause(microseconds: 10_000)
      }
      let store = try CacheStore.open(name: name, byteCount: megabytes << 20)
      store.attach(processSlot: 1)
      func word(_ number: Int) throws -> UInt64 {
        store.validated(try #require(store.find(number)))
      }
      #expect(try word(1) == old)
      let age = (now &- (try word(2))) & EntryTime.mask
      #expect(age > 3000 * EntryTime.ticksPerSecond && age < 4000 * EntryTime.ticksPerSecond)
      #expect(try word(3) == 0, "a file is looked at again")
      store.release()
    }
  }
}
