// A segment that cannot be kept as it is: what is carried into the next one, and who still hears.

import Foundation
import Platform
import Testing

@testable import Cache

extension CacheProcessTests {
  @Suite(.serialized) struct CacheCarryOverTests {
    /// A name of this test only, gone afterwards.
    private func withName(_ test: String, _ body: (String) throws -> Void) throws {
      let name = "ring3-test-\(TestProcess.pid)-\(test)"
      defer {
        for suffix in ["", ".new"] + (0..<CacheElder.countMax).map({ ".elder\($0)" }) {
          SharedMemoryObject.unlink(name + suffix)
        }
      }
      try body(name)
    }

    private func open(
      _ name: String, megabytes: Int, objectBytesMax: Int = 1 << 20, attached: Bool = true
    ) throws -> CacheStore {
      let store = try CacheStore.open(
        name: name, byteCount: megabytes << 20, objectBytesMax: objectBytesMax)
      if attached { store.attach(processSlot: 1) }
      return store
    }

    /// Waits until no process holds the segment: a child that some test has just forked has our
    /// descriptors, and with them the lock, until it closes them.
    private func awaitUnlocked(_ name: String) throws {
      for _ in 0..<500 {
        if let object = try SharedMemoryObject.open(name), try object.tryLock() { return }
        TestProcess.pause(microseconds: 10_000)
      }
    }

    private func put(
      _ store: CacheStore, _ number: Int, selector: [UInt8], labels: [UInt8], count: Int
    ) throws {
      let key = key(number)
      let head = head(number, version: 0)
      var facts = EntryFacts()
      facts.fingerprint = UInt64(number)
      facts.fileIdentity = UInt64(count)
      facts.fileStamp = store.fileStamp(Array("/www/\(number)".utf8).rawSpan)
      var entry = CacheEntryHead(
        key: key.rawSpan, hash: store.hash(key.rawSpan), facts: facts, head: head.rawSpan,
        validated: 77, asOf: store.generation)
      entry.selector = selector.rawSpan
      entry.labels = labels.rawSpan
      let begun = store.beginFill(entry, bodyByteCount: count)
      let fill = try #require(begun)
      let isWritten = store.write(body(number, version: 0, count: count).rawSpan, at: 0, of: fill)
      #expect(isWritten)
      #expect(store.publish(fill))
    }

    private func find(_ store: CacheStore, _ number: Int, selector: [UInt8]) -> CacheHit? {
      let key = key(number)
      return store.lookUp(key.rawSpan, selector: selector.rawSpan, hash: store.hash(key.rawSpan))
    }

    @Test func `another size keeps what fits, with all that belongs to it`() throws {
      try withName("resized") { name in
        var epoch: UInt32 = 0
        var created: UInt32 = 0
        try {
          let store = try open(name, megabytes: 8)
          for number in 0..<40 { store.put(number, count: 100 + number * 7000, validated: 5) }
          try put(store, 100, selector: [1], labels: Array("red\0blue\0".utf8), count: 300_000)
          try put(store, 100, selector: [2], labels: [], count: 0)
          let hit = try #require(find(store, 100, selector: [1]))
          for _ in 0..<3 { _ = find(store, 100, selector: [1]) }
          // Sealed anew: it was made long ago.
          created = store.createdSeconds(hit) &- 1000
          store.region.store(created, at: hit.offset + EntryLayout.created)
          store.region.store(
            store.headChecksum(hit.offset), at: hit.offset + EntryLayout.checksum)
          store.release()
          store.raiseEpoch()
          epoch = store.epoch
        }()
        try awaitUnlocked(name)
        let store = try open(name, megabytes: 32, objectBytesMax: 2 << 20)
        #expect(store.opening.replaced == .otherSize)
        #expect(store.opening.carriedOver.entries == 42)
        #expect(store.opening.carriedOver.left == 0)
        #expect(store.elders.isEmpty)
        #expect(store.epoch > epoch)
        for number in 0..<40 {
          let hit = try #require(store.find(number))
          #expect(store.isRight(hit, number))
          #expect(store.validated(hit) == 0, "routed again before use")
          #expect(store.isKnownGood(hit))
        }
        let hit = try #require(find(store, 100, selector: [1]))
        #expect(store.isRight(hit, 100))
        #expect(store.createdSeconds(hit) == created)
        #expect(store.frequency(hit.offset) >= 4)
        let labels = store.labelRange(hit)
        #expect(
          store.region.copyOut(at: labels.offset, count: labels.count) == Array("red\0blue\0".utf8))
        let other = try #require(find(store, 100, selector: [2]))
        #expect(store.bodyByteCount(other) == 0)
        store.release()
        #expect(store.settled() == [])
        #expect(store.statistics.fills == 0, "a worker's counters are its own")
        // A stamp of a file is the same as in the old segment.
        store.invalidate(.file(store.fileStamp(Array("/www/100".utf8).rawSpan)), hard: true)
        let again = try #require(find(store, 100, selector: [1]))
        #expect(store.standing(again) == .gone)
      }
    }

    @Test func `a smaller one keeps the most valuable, and nothing leaves for another`() throws {
      try withName("smaller") { name in
        try {
          let store = try open(name, megabytes: 32)
          for number in 0..<400 { store.put(number, count: 50_000) }
          for _ in 0..<3 {
            for number in 300..<400 { _ = store.find(number) }
          }
          store.release()
        }()
        try awaitUnlocked(name)
        let store = try open(name, megabytes: 8)
        let carried = store.opening.carriedOver
        #expect(carried.entries + carried.left == 400)
        #expect(carried.entries > 110 && carried.entries < 160)
        for number in 300..<400 {
          let hit = try #require(store.find(number), "\(number) was used most")
          #expect(store.isRight(hit, number))
        }
        store.release()
        #expect(store.statistics.evictions == 0)
        #expect(store.settled() == [])
      }
    }

    @Test func `small entries with a budget do not come from a larger store`() throws {
      try withName("negatives") { name in
        try {
          let store = try open(name, megabytes: 32)
          for number in 0..<2000 {
            let name = key(number)
            var facts = EntryFacts()
            facts.kind = .negative
            let entry = CacheEntryHead(
              key: name.rawSpan, hash: store.hash(name.rawSpan), facts: facts, head: RawSpan(),
              validated: 0, asOf: store.generation)
            store.insertNegative(entry, body: name.rawSpan)
          }
          #expect(store.statistics.entries > 500)
        }()
        try awaitUnlocked(name)
        let store = try open(name, megabytes: 8)
        #expect(store.opening.replaced == .otherSize)
        #expect(store.settled() == [])
        #expect(store.statistics.entries == 0)
      }
    }

    @Test func `what is gone, damaged or an alias is not carried, and what is stale stays so`()
      throws
    {
      try withName("standing") { name in
        try {
          let store = try open(name, megabytes: 8)
          for number in 0..<30 { store.put(number, count: 3000) }
          for (number, hard) in [(0, true), (1, false)] {
            store.invalidate(
              .resource(
                authority: [1, 0, 80], host: Array("example.org".utf8),
                target: Array("/page/\(number)".utf8)), hard: hard)
          }
          let damagedBody = try #require(store.find(2))
          store.region.store(
            UInt64(0), at: store.extent(damagedBody, 0).offset + 100)
          let damagedHead = try #require(store.find(3))
          store.region.store(UInt8(0), at: store.headRange(damagedHead).offset)
          // A generation that no entry can have.
          let wrong = try #require(store.find(4))
          store.region.storeRelaxed64(1 << 60, at: wrong.offset + EntryLayout.goodAsOf)
          store.release()
          var facts = EntryFacts()
          facts.kind = .alias
          let alias = key(900)
          let canonical = key(5)
          _ = store.insertAlias(
            rawKey: alias.rawSpan, rawHash: store.hash(alias.rawSpan),
            canonicalKey: canonical.rawSpan, canonicalHash: store.hash(canonical.rawSpan),
            facts: facts, validated: 0, asOf: store.generation)
        }()
        try awaitUnlocked(name)
        let store = try open(name, megabytes: 16)
        #expect(store.opening.carriedOver.entries == 26)
        #expect(store.opening.carriedOver.left == 2)
        #expect(store.opening.carriedOver.damaged == 2)
        #expect(store.statistics.damaged == 2)
        #expect(store.statistics.aliases == 0)
        for number in [0, 2, 3, 4] { #expect(store.find(number) == nil) }
        for number in [1] + (5..<30) {
          let hit = try #require(store.find(number))
          #expect(store.isRight(hit, number))
          #expect(store.standing(hit) == (number == 1 ? .stale : .good))
        }
        store.put(1, count: 3000)
        let fresh = try #require(store.find(1))
        #expect(store.standing(fresh) == .good)
        store.release()
        #expect(store.settled() == [])
      }
    }

    @Test func `an index of random words yields nothing and harms nothing`() throws {
      try withName("random") { name in
        var chance = Chance(state: 4711)
        try {
          let store = try open(name, megabytes: 8)
          for number in 0..<100 { store.put(number, count: 9000) }
          let index = store.geometry.shard(0).index
          for place in 0..<4096 {
            let unit = chance.below(2 << 20)
            store.region.store(
              UInt64(chance.below(1 << 30)) << 32 | UInt64(unit), at: index + place * 8)
          }
          store.region.store(UInt32.max, at: HeaderLayout.slotsUsed)
          for _ in 0..<4096 {
            let place = store.geometry.shard(0).arena + chance.below(4 << 20)
            store.region.store(UInt32(truncatingIfNeeded: chance.below(.max)), at: place)
          }
        }()
        try awaitUnlocked(name)
        let store = try open(name, megabytes: 16)
        for number in 0..<100 {
          if let hit = store.find(number) { #expect(store.isRight(hit, number)) }
        }
        store.release()
        #expect(store.settled() == [])
      }
    }

    @Test func `the time for carrying over is bounded`() throws {
      let old = try CacheStore.small(megabytes: 64, attached: 1)
      for number in 0..<5000 { old.put(number, count: 8000) }
      old.release()
      let fresh = try CacheStore.anonymous(byteCount: 64 << 20, seedsOf: old)
      let startedAt = Clock.monotonicMilliseconds()
      fresh.carryOver(from: old, milliseconds: 8)
      #expect(Clock.monotonicMilliseconds() - startedAt < 200)
      #expect(fresh.opening.carriedOver.isCutShort)
      #expect(fresh.settled() == [])
    }

    @Test func `a living segment is read while its users work, and left as it is`() throws {
      try withName("living") { name in
        let old = try open(name, megabytes: 8, attached: false)
        let descriptor = try #require(old.descriptor).number
        let worker = TestProcess.fork(keeping: descriptor) {
          old.attach(processSlot: 1)
          var chance = Chance(state: 99)
          while true {
            let number = chance.below(300)
            old.put(number, count: 1000 + number * 100)
            if let hit = old.find(chance.below(300)) { _ = old.bodyByteCount(hit) }
            old.release()
          }
        }
        defer {
          TestProcess.kill(worker)
          #expect(TestProcess.wait(worker) == 9)
        }
        for _ in 0..<1000 where old.statistics.entries < 50 {
          TestProcess.pause(microseconds: 1000)
        }
        for round in 0..<20 {
          let store = try open(name, megabytes: 16 + round % 2 * 8)
          #expect(store.opening.carriedOver.damaged == 0)
          if round == 0 { #expect(store.opening.carriedOver.entries > 0) }
          for number in 0..<300 {
            if let hit = store.find(number) { #expect(store.isRight(hit, number)) }
          }
          store.release()
          #expect(store.settled() == [])
          // The next one is to carry from the worker's segment again.
          SharedMemoryObject.unlink(name)
          let object = SharedMemoryObject(
            descriptor: try #require(old.descriptor), name: "\(name).elder0")
          #expect(try object.isCurrent())
          #expect(try object.linked(as: name))
        }
        #expect(old.process(inSlot: 255) == nil)
      }
    }

    @Test func `who lives on in an older segment hears of invalidations`() throws {
      try withName("elders") { name in
        let first = try open(name, megabytes: 8)
        first.put(1, count: 500)
        first.put(2, count: 500)
        let second = try open(name, megabytes: 16)
        #expect(second.elders.count == 1)
        // The next master finds both, though only one has the name.
        let third = try open(name, megabytes: 24)
        #expect(third.elders.count == 2)
        let target = CacheTarget.resource(
          authority: [1, 0, 80], host: Array("example.org".utf8), target: Array("/page/1".utf8))
        third.invalidate(target, hard: true)
        for elder in third.elders { elder.invalidate(target, hard: true) }
        for store in [first, second, third] {
          let gone = try #require(store.find(1))
          #expect(store.standing(gone) == .gone)
          let good = try #require(store.find(2))
          #expect(store.standing(good) == .good)
          store.release()
        }
        #expect(third.elders.allSatisfy { !$0.hasEnded() })
      }
    }

    @Test func `an elder of another layout loses everything, one without users its name`() throws {
      try withName("layouts") { name in
        let elder = try {
          let first = try open(name, megabytes: 8)
          first.put(1, count: 500)
          first.region.store(UInt32(77), at: HeaderLayout.version)
          let second = try open(name, megabytes: 8)
          #expect(second.opening.replaced == .otherLayout)
          #expect(second.find(1) == nil)
          let elder = try #require(second.elders.first)
          #expect(elder.store == nil)
          elder.invalidate(.file(5), hard: false)
          let gone = try #require(first.find(1))
          #expect(first.standing(gone) == .gone)
          #expect(!elder.hasEnded())
          return elder
        }()
        for _ in 0..<500 where !elder.hasEnded() { TestProcess.pause(microseconds: 10_000) }
        #expect(elder.hasEnded())
        #expect(try SharedMemoryObject.open("\(name).elder0") == nil)
      }
    }

    @Test func `a segment under two names, from an interrupted start, is nobody's elder`() throws {
      try withName("twice") { name in
        try {
          let store = try open(name, megabytes: 8)
          store.put(1, count: 500)
          let object = SharedMemoryObject(
            descriptor: try #require(store.descriptor), name: name)
          #expect(try object.linked(as: "\(name).elder0"))
          let next = try open(name, megabytes: 16)
          #expect(next.elders.count == 1)
        }()
        try awaitUnlocked(name)
        let again = try open(name, megabytes: 16)
        #expect(again.opening.origin == .kept)
        #expect(again.elders.isEmpty)
        #expect(again.find(1) != nil)
      }
    }

    @Test func `links, wrong modes and directories are refused, and stay as they are`() throws {
      try withName("foreign") { name in
        let elsewhere = "\(name).new"
        #expect(try SharedMemoryObject.create(elsewhere) != nil)
        try FileManager.default.createSymbolicLink(
          atPath: "/dev/shm/\(name)", withDestinationPath: "/dev/shm/\(elsewhere)")
        let linked = #expect(throws: SystemError.self) { _ = try open(name, megabytes: 8) }
        #expect(linked?.code == SystemError.symbolicLinkLoop)
        #expect(try SharedMemoryObject.open(elsewhere)?.size() == 0)
        SharedMemoryObject.unlink(name)
        #expect(try SharedMemoryObject.create(name) != nil)
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o640], ofItemAtPath: "/dev/shm/\(name)")
        let shared = #expect(throws: SystemError.self) { _ = try open(name, megabytes: 8) }
        #expect(shared?.code == SystemError.accessDenied)
      }
    }
  }
}
