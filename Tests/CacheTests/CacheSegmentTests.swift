// Segments as objects in /dev/shm: kept, replaced, refused.

import Platform
import Testing

@testable import Cache

extension CacheProcessTests {
  @Suite(.serialized) struct CacheSegmentTests {
    /// A name of this test only, gone afterwards.
    private func withName(_ test: String, _ body: (String) throws -> Void) throws {
      let name = "ring3-test-\(TestProcess.pid)-\(test)"
      defer {
        SharedMemoryObject.unlink(name)
        for suffix in ["new"] + (0..<16).map({ "elder\($0)" }) {
          SharedMemoryObject.unlink("\(name).\(suffix)")
        }
      }
      try body(name)
    }

    private func open(_ name: String, megabytes: Int = 8) throws -> CacheStore {
      let store = try CacheStore.open(name: name, byteCount: megabytes << 20)
      store.attach(processSlot: 1)
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

    @Test func `content outlives its processes`() throws {
      try withName("kept") { name in
        var seed: UInt64 = 0
        var epoch: UInt32 = 0
        try {
          let store = try open(name)
          for number in 0..<50 { store.put(number, count: 1000 + number * 2000, validated: 5) }
          // What a process that is killed leaves: a fill, a hold, a pin.
          _ = store.begin(99, count: 100_000)
          let hit = try #require(store.find(3))
          _ = store.pin(hit)
          seed = store.seed0
          epoch = store.epoch
        }()
        try awaitUnlocked(name)
        let store = try open(name)
        #expect(store.seed0 == seed)
        #expect(store.epoch > epoch)
        for number in 0..<50 {
          let hit = try #require(store.find(number))
          #expect(store.isRight(hit, number))
          // Not found right yet in this life.
          #expect(store.validated(hit) == 0)
        }
        store.release()
        #expect(store.find(99) == nil)
        #expect(store.statistics.pinnedBytes == 0)
        #expect(store.settled() == [])
      }
    }

    @Test func `another size or layout makes a new object and leaves the old one whole`() throws {
      try withName("layout") { name in
        let old = try open(name)
        old.put(1, count: 5000)
        try {
          let other = try open(name, megabytes: 16)
          #expect(other.find(1) != nil)
          other.release()
          other.put(2, count: 10)
          other.region.store(UInt32(77), at: HeaderLayout.version)
        }()
        let hit = try #require(old.find(1))
        #expect(old.isRight(hit, 1))
        let third = try open(name, megabytes: 16)
        #expect(third.find(2) == nil)
        #expect(third.put(2, count: 10))
      }
    }

    @Test func `while somebody holds a segment, another master gets its own`() throws {
      try withName("locked") { name in
        let first = try open(name)
        first.put(1, count: 5000)
        let second = try open(name)
        #expect(second.find(1) != nil)
        second.release()
        second.put(1, version: 2, count: 70)
        let hit = try #require(first.find(1))
        #expect(first.isRight(hit, 1))
        #expect(first.facts(hit).checks == 0)
      }
    }

    @Test func `orphans of a dead master keep their segment, and a restart does not wait for them`()
      throws
    {
      try withName("orphans") { name in
        var store: CacheStore? = try open(name)
        store?.put(1, count: 5000)
        let kept = try #require(store?.descriptor).number
        let orphan = TestProcess.fork(keeping: kept) {
          TestProcess.pause(microseconds: 20_000_000)
        }
        defer {
          TestProcess.kill(orphan)
          // 9: it lived until now.
          #expect(TestProcess.wait(orphan) == 9)
        }
        // Alive until here whatever the optimizer thinks: the orphan inherits the lock from it.
        #expect(store?.find(1) != nil)
        store = nil
        let restarted = try open(name)
        #expect(restarted.find(1) != nil)
        #expect(restarted.opening.replaced == .inUse)
      }
    }

    @Test func `damaged entries are dropped at the start, the others kept`() throws {
      try withName("damaged") { name in
        try {
          let store = try open(name)
          for number in 0..<20 { store.put(number, count: 3000) }
          for number in 0..<5 {
            let hit = try #require(store.find(number))
            let head = store.headRange(hit)
            store.region.store(UInt8(0), at: head.offset + number)
          }
          for number in 5..<8 {
            let hit = try #require(store.find(number))
            store.region.store(
              UInt32(0xffff_fff0) &+ UInt32(number),
              at: hit.offset + (number == 5 ? EntryLayout.headCount : EntryLayout.bodyCount))
          }
          // Words that name no entry at all.
          for place in 0..<64 {
            store.region.store(
              UInt64(place) &* 0x9e37_79b9_7f4a_7c15,
              at: store.geometry.shard(0).index + place * 512)
          }
        }()
        try awaitUnlocked(name)
        let store = try open(name)
        #expect((0..<8).allSatisfy { store.find($0) == nil })
        for number in 8..<20 {
          if let hit = store.find(number) { #expect(store.isRight(hit, number)) }
        }
        #expect(store.statistics.damaged >= 8)
        #expect(store.settled() == [])
      }
    }

    @Test(arguments: [0, 100, 4096, 8 << 20, 9 << 20]) func `a foreign object is replaced`(
      size: Int
    ) throws {
      try withName("foreign\(size)") { name in
        try {
          let object = try #require(try SharedMemoryObject.create(name))
          if size > 0 { try object.reserve(byteCount: size) }
        }()
        let store = try open(name)
        #expect(store.put(1, count: 100))
      }
    }

    @Test(arguments: ["", ".", "..", "a/b", "../x", "x\0y"]) func `a name is one path component`(
      name: String
    ) {
      #expect(throws: SystemError.self) {
        _ = try CacheStore.open(name: name, byteCount: 8 << 20)
      }
    }

    @Test func `a size that does not fit is a clear error and leaves nothing behind`() throws {
      try withName("full") { name in
        let tooMuch = SystemMemory.sharedMemoryFreeBytes() + 1 << 30
        // Only where the file system is small: reserving it takes what it has for a moment.
        guard tooMuch < 2 << 30 else { return }
        #expect(throws: SystemError.self) {
          _ = try CacheStore.open(name: name, byteCount: tooMuch)
        }
        let left = try SharedMemoryObject.open("\(name).new")
        #expect(left == nil)
      }
    }

    @Test func `an automatic size is found and kept over a restart`() throws {
      try withName("automatic") { name in
        // A segment of an earlier start with another automatic size.
        try {
          let store = try open(name, megabytes: 12)
          store.put(1, count: 100)
        }()
        try awaitUnlocked(name)
        let store = try CacheStore.open(name: name, byteCount: nil)
        store.attach(processSlot: 0)
        #expect(store.region.byteCount == 12 << 20)
        #expect(store.find(1) != nil)
      }
    }

    @Test func `a segment is adopted by its descriptor, with readers at work`() throws {
      try withName("adopted") { name in
        let store = try open(name)
        store.put(1, count: 5000)
        let fill = try #require(store.begin(2, count: 5000))
        let descriptor = try #require(store.descriptor)
        let again = try CacheStore.adopt(descriptor: descriptor.duplicate(), name: name)
        again.attach(processSlot: 7)
        let hit = try #require(again.find(1))
        #expect(again.isRight(hit, 1))
        let isWritten = store.write(body(2, version: 0, count: 5000).rawSpan, at: 0, of: fill)
        #expect(isWritten)
        #expect(store.publish(fill))
        #expect(again.find(2) != nil)
        #expect(again.epoch == store.epoch)
      }
    }
  }
}
