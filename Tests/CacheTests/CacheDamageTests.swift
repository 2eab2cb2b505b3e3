// Segments that come back damaged, cut, full or out of time: nothing crashes, nothing wrong is
// served.

import Foundation
import Platform
import Testing

@testable import Cache

extension CacheProcessTests {
  @Suite(.serialized) struct CacheDamageTests {
    /// A name of this test only, gone afterwards.
    private func withName(_ test: String, _ body: (String) throws -> Void) throws {
      let name = "ring3-test-\(TestProcess.pid)-\(test)"
      defer {
        let left = try? FileManager.default.contentsOfDirectory(
          atPath: SharedMemoryObject.directory)
        for object in left ?? [] where object.hasPrefix(name) { SharedMemoryObject.unlink(object) }
      }
      try body(name)
    }

    private func path(_ name: String) -> String { "\(SharedMemoryObject.directory)/\(name)" }

    /// Runs `body` in a process of its own, where a crash is a finding and not the end of all
    /// tests; returns what it found.
    private func apart(_ body: (_ progress: (Int) -> Void) throws -> String?) throws -> String? {
      let report = try SharedRegion(anonymous: 4096)
      let child = TestProcess.fork {
        let fault: String?
        do {
          fault = try body {
            report.storeRelaxed64(UInt64($0), at: 0)
            TestProcess.extendLife()
          }
        } catch {
          fault = "\(error)"
        }
        report.copyIn(Array((fault ?? "").utf8.prefix(4000)).rawSpan, at: 8)
      }
      let status = TestProcess.wait(child)
      let place = "at \(report.loadRelaxed64(at: 0))"
      guard status == 0 else { return "ended with status \(status) \(place)" }
      let text = report.copyOut(at: 8, count: 4000).prefix { $0 != 0 }
      return text.isEmpty ? nil : "\(String(decoding: text, as: UTF8.self)) \(place)"
    }

    @Test func `flipped bits anywhere never crash a start, and never serve a wrong byte`() throws {
      let rounds =
        ProcessInfo.processInfo.environment["RING3_DAMAGE_ROUNDS"].flatMap { Int($0) } ?? 36
      try withName("flips") { name in
        let sample = try DamageSample(name)
        let counted = try SharedRegion(anonymous: 4096)
        let fault = try apart { progress in
          for round in 0..<rounds {
            progress(round)
            var chance = Chance(state: UInt64(round) &* 0x9e37_79b9_7f4a_7c15 | 1)
            for _ in 0..<8 { _ = chance.below(2) }
            try sample.restore { region in
              let area = sample.area(round)
              for _ in 0..<1 + chance.below(64) {
                let place = area.lowerBound + chance.below(area.count)
                let old = region.load(at: place, as: UInt8.self)
                region.store(old ^ 1 << UInt8(chance.below(8)), at: place)
              }
            }
            let store = try sample.open()
            if let fault = sample.fault(of: store) { return fault }
            counted.fetchAdd64(UInt64(store.statistics.damaged), at: 0)
          }
          return nil
        }
        #expect(fault == nil)
        #expect(counted.loadRelaxed64(at: 0) > 0)
      }
    }

    @Test(arguments: [
      HeaderLayout.everything, HeaderLayout.everything + 8, HeaderLayout.epoch,
      HeaderLayout.generation, HeaderLayout.takenOverAt, HeaderLayout.slotsUsed,
    ])
    func `a word of the header that is all ones does no harm`(place: Int) throws {
      try withName("header\(place)") { name in
        let sample = try DamageSample(name)
        let fault = try apart { _ in
          try sample.restore { $0.store(UInt64.max, at: place) }
          return sample.fault(of: try sample.open())
        }
        #expect(fault == nil)
      }
    }

    @Test func `a flipped bit in a body is found before its first use, and counted`() throws {
      try withName("body") { name in
        let sample = try DamageSample(name)
        for number in [2, 7] {
          let place = try locate(sample, number)
          for isClaimedGood in [false, true] {
            try sample.restore { region in
              let old = region.load(at: place.body, as: UInt8.self)
              region.store(old ^ 4, at: place.body)
              // Even when the entry says that it is good for all time.
              if isClaimedGood {
                region.store(UInt64(1) << 60, at: place.entry + EntryLayout.goodAsOf)
              }
            }
            let store = try sample.open()
            let hit = try #require(store.find(number))
            #expect(!store.isKnownGood(hit))
            #expect(store.standing(hit) == .gone)
            #expect(store.statistics.damaged == 1)
            #expect(store.drop(hit))
            store.release()
            #expect(sample.fault(of: store) == nil)
          }
        }
      }
    }

    private func locate(_ sample: DamageSample, _ number: Int) throws -> (entry: Int, body: Int) {
      try sample.restore { _ in }
      let store = try sample.open()
      let hit = try #require(store.find(number))
      let last = store.extent(hit, store.extentCount(hit) - 1)
      return (hit.offset, last.offset + last.count - 1)
    }

    @Test(arguments: [0, 1, 100, 4096, 5 << 20, 8 << 20 - 4096, 8 << 20 - 1, 8 << 20 + 4096])
    func `a segment of another length than its header says is replaced`(size: Int) throws {
      try withName("cut\(size)") { name in
        let sample = try DamageSample(name)
        try sample.restore { _ in }
        let file = try #require(FileHandle(forUpdatingAtPath: path(name)))
        try file.truncate(atOffset: UInt64(size))
        try file.close()
        let fault = try apart { _ in
          let store = try sample.open()
          guard store.statistics.entries == 0 else { return "entries from nowhere" }
          return sample.fault(of: store)
        }
        #expect(fault == nil)
      }
    }

    @Test func `every byte of a segment has memory behind it, also of one that had holes`() throws {
      try withName("reserved") { name in
        let sample = try DamageSample(name)
        #expect(TestProcess.allocatedBytes(path(name)) >= 8 << 20)
        try sample.restore { _ in }
        // Cut and made long again: sound at its start, and without memory behind the rest.
        let file = try #require(FileHandle(forUpdatingAtPath: path(name)))
        try file.truncate(atOffset: 1 << 20)
        try file.truncate(atOffset: 8 << 20)
        try file.close()
        #expect(TestProcess.allocatedBytes(path(name)) < 8 << 20)
        let store = try sample.open()
        #expect(TestProcess.allocatedBytes(path(name)) >= 8 << 20)
        #expect(sample.fault(of: store) == nil)
      }
    }

    @Test func `a full file system is a refusal at the start, and never a signal later`() throws {
      try withName("full") { name in
        let fault = try apart { progress in
          // Only where this process may mount; elsewhere there is nothing to see.
          guard TestProcess.ownSharedMemory(24 << 20) else { return nil }
          progress(1)
          do throws(SystemError) {
            _ = try CacheStore.open(name: name, byteCount: 64 << 20)
            return "64 MiB in 24"
          } catch {
            guard error.code == SystemError.noSpace else { return "\(error)" }
          }
          guard TestProcess.allocatedBytes(path("\(name).new")) == 0 else { return "left over" }
          progress(2)
          let sample = try DamageSample(name)
          let filler = try #require(try SharedMemoryObject.create("filler"))
          // To the last page.
          var size = 0
          for step in [256 << 10, 4096] {
            while (try? filler.reserve(byteCount: size + step)) != nil { size += step }
          }
          progress(3)
          let another = try #require(try SharedMemoryObject.create("another"))
          guard (try? another.reserve(byteCount: 4096)) == nil else { return "not full" }
          let store = try sample.open()
          guard store.statistics.entries > 0 else { return "not kept" }
          // Every page of the arena is written to.
          for number in 400..<700 { store.put(number, count: 65_536) }
          return sample.fault(of: store)
        }
        #expect(fault == nil)
      }
    }

    @Test func `a limit on the size of files is an error at the start`() throws {
      try withName("limited") { name in
        let fault = try apart { _ -> String? in
          TestProcess.limitFileBytes(4 << 20)
          do throws(SystemError) {
            _ = try CacheStore.open(name: name, byteCount: 8 << 20)
            return "8 MiB in 4"
          } catch {
            return error.code == EFBIG ? nil : "\(error)"
          }
        }
        #expect(fault == nil)
        #expect(TestProcess.allocatedBytes(path("\(name).new")) == 0)
        #expect(TestProcess.allocatedBytes(path(name)) == 0)
      }
    }

    @Test func `an entry from the future, by a clock that was set back, is one like others`()
      throws
    {
      let store = try CacheStore.small()
      let key = key(1)
      let hash = store.hash(key.rawSpan)
      func variant(_ number: Int) -> Bool {
        let selector = [UInt8(number)]
        let head = Array("H\(number)".utf8)
        var entry = CacheEntryHead(
          key: key.rawSpan, hash: hash, facts: EntryFacts(), head: head.rawSpan, validated: 0,
          asOf: store.generation)
        entry.selector = selector.rawSpan
        guard let fill = store.beginFill(entry, bodyByteCount: 0) else { return false }
        return store.publish(fill)
      }
      let now = Clock.bootSeconds()
      for number in 0..<ArenaLayout.variantsMax {
        #expect(variant(number))
        let selector = [UInt8(number)]
        let found = store.lookUp(key.rawSpan, selector: selector.rawSpan, hash: hash)
        let hit = try #require(found)
        // Days ahead, a little ahead, now, at the start of the clock.
        let created = [now &+ 1_000_000, now &+ 1, now, 0, UInt32.max][number % 5]
        store.region.store(created, at: hit.offset + EntryLayout.created)
        store.region.store(
          store.headChecksum(hit.offset), at: hit.offset + EntryLayout.checksum)
        #expect(store.standing(hit) == .good)
      }
      for number in 100..<200 { #expect(variant(number)) }
      #expect(store.statistics.entries == ArenaLayout.variantsMax)
      store.release()
      #expect(store.settled() == [])
    }

    @Test func `an orphan of a killed master keeps its segment, whatever a new master does`()
      throws
    {
      try withName("orphan") { name in
        // Words: the orphan's process, it may look, what it saw.
        let words = try SharedRegion(anonymous: 4096)
        func wait(for place: Int) -> UInt64 {
          for _ in 0..<2000 where words.loadRelaxed64(at: place) == 0 {
            TestProcess.pause(microseconds: 5000)
          }
          return words.loadRelaxed64(at: place)
        }
        let master = TestProcess.fork {
          guard let store = try? CacheStore.open(name: name, byteCount: 8 << 20) else { return }
          store.attach(processSlot: 1)
          for number in 0..<20 { store.put(number, count: 5000) }
          let kept = store.descriptor?.number ?? -1
          let orphan = TestProcess.fork(keeping: kept) {
            store.attach(processSlot: 2)
            _ = wait(for: 8)
            let isWhole = (0..<20).allSatisfy { number in
              store.find(number).map { store.isRight($0, number) } ?? false
            }
            let works = store.put(21, count: 70_000)
            words.storeRelease64(isWhole && works ? 1 : 2, at: 16)
          }
          words.storeRelease64(UInt64(orphan), at: 0)
          while true { TestProcess.pause(microseconds: 100_000) }
        }
        let orphan = Int32(wait(for: 0))
        defer { if orphan > 0 { TestProcess.kill(orphan) } }
        TestProcess.kill(master)
        TestProcess.wait(master)
        #expect(orphan > 0)
        for size in [8 << 20, 12 << 20] {
          let restarted = try CacheStore.open(name: name, byteCount: size)
          restarted.attach(processSlot: 1)
          for number in 0..<20 { #expect(restarted.put(number, version: 9, count: 3000)) }
          restarted.invalidate(.label(Array("none".utf8)), hard: true)
          #expect(restarted.settled() == [])
        }
        words.storeRelease64(1, at: 8)
        #expect(wait(for: 16) == 1)
      }
    }
  }
}
