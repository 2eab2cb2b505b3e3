// The segment as an object: opened, taken over, made anew, adopted after an exec in place.

import Platform

/// What a segment is to be.
private struct SegmentOrder {
  var name: String
  var byteCount: Int
  var objectBytesMax: Int
  var hugePages: HugePages

  var geometry: CacheGeometry {
    let shards = CacheGeometry.shardCount(byteCount: byteCount, objectBytesMax: objectBytesMax)
    guard let geometry = CacheGeometry(byteCount: byteCount, shardCount: shards) else {
      preconditionFailure("each rounded size has a geometry")
    }
    return geometry
  }
}

/// What has the name already.
private struct Predecessor {
  var object: SharedMemoryObject
  /// Nobody else has it, and its lock is ours.
  var isAlone: Bool
  /// nil for another layout, or no sound segment at all.
  var store: CacheStore?
}

extension CacheStore {
  /// Opens the named segment, or makes one. By the master, before its first fork.
  ///
  /// An existing object is kept with its content when its layout and size are what would be made
  /// now, and nobody else has it: its lock is inherited by all children of a master, so it is free
  /// only when all of them have ended. Otherwise a new object takes over the name, with what fits
  /// of the old one's content when the layout is the same (CacheCarryOver). The old one stays as it
  /// is for those who map it, and is among `elders`.
  ///
  /// - Parameters:
  ///   - name: in /dev/shm; one path component.
  ///   - byteCount: size of the object, at least 8 MiB, rounded down to pages; nil for a quarter of
  ///     the available memory, half of what is free in /dev/shm, or 1 GiB, whichever is least.
  ///   - objectBytesMax: the largest body that shall fit; fewer shards make room for larger ones.
  /// - Throws: when not even the least size can be reserved, the object belongs to somebody else,
  ///   or another master is making one at this moment.
  package static func open(
    name: String, byteCount: Int?, objectBytesMax: Int = 1 << 20,
    hugePages wish: HugePagesWish = .off
  ) throws(SystemError) -> CacheStore {
    // Before the name itself is locked: an interrupted start may have left it two names.
    let elders = CacheElder.all(beside: name)
    var predecessor = try Predecessor(name)
    var order = SegmentOrder(
      name: name, byteCount: rounded(byteCount ?? 0), objectBytesMax: objectBytesMax,
      hugePages: HugePages.offered(wish))
    if let found = predecessor, found.isAlone, let store = found.store {
      // An automatic size is different at each start: any size of an earlier start is kept.
      if byteCount == nil { order.byteCount = store.geometry.byteCount }
      if store.geometry == order.geometry {
        store.takeOver()
        store.opening.origin = .kept
        return store.opened(elders, order.hugePages)
      }
    }
    if byteCount == nil { order.byteCount = rounded(automaticByteCount()) }
    var replaced = predecessor?.reason
    while true {
      do throws(SystemError) {
        let store = try create(order, predecessor, elders)
        store.opening.replaced = replaced
        return store
      } catch {
        guard error.code == SystemError.noSpace else { throw error }
        let freed = try predecessor?.object.size() ?? 0
        if predecessor?.isAlone == true,
          byteCount == nil || freed + freeBytes() >= order.byteCount
        {
          SharedMemoryObject.unlink(name)
          predecessor = nil
          replaced = .noRoomForBoth
          continue
        }
        // A full tmpfs: an automatic size yields, one that was asked for does not.
        guard byteCount == nil, order.byteCount > CacheGeometry.byteCountMin else { throw error }
        order.byteCount = rounded(order.byteCount / 2)
      }
    }
  }

  /// A store without a name, for one process and its children.
  package static func anonymous(
    byteCount: Int, objectBytesMax: Int = 1 << 20, seedsOf other: CacheStore? = nil
  ) throws(SystemError) -> CacheStore {
    let order = SegmentOrder(
      name: "", byteCount: rounded(byteCount), objectBytesMax: objectBytesMax, hugePages: .off)
    return format(
      try SharedRegion(anonymous: order.byteCount), order.geometry, name: nil, seedsOf: other)
  }

  /// Maps a segment whose other users live on: after an exec in place of the master. Nothing in it
  /// is changed. Throws EINVAL when the object is no segment of this layout.
  package static func adopt(
    descriptor: Descriptor, name: String, hugePages wish: HugePagesWish = .off
  ) throws(SystemError) -> CacheStore {
    let object = SharedMemoryObject(descriptor: descriptor, name: name)
    guard let store = try mapped(object) else {
      throw SystemError(code: SystemError.invalidArgument, operation: "adopt", subject: name)
    }
    store.opening.origin = .adopted
    return store.opened(CacheElder.all(beside: name), HugePages.offered(wish))
  }

  /// The last step, for a store that is not new.
  private func opened(_ elders: [CacheElder], _ hugePages: HugePages) -> CacheStore {
    opening.hugePages = CacheStore.advise(region, hugePages)
    take(elders)
    return self
  }

  private func take(_ elders: [CacheElder]) {
    for elder in elders { elder.compare(with: self) }
    self.elders = elders
  }

  /// The object's descriptor, nil for an anonymous store; what an exec in place hands on.
  package var descriptor: Descriptor? { region.descriptor }

  private static func rounded(_ byteCount: Int) -> Int {
    min(max(byteCount, CacheGeometry.byteCountMin), CacheGeometry.byteCountMax) & ~4095
  }

  private static func automaticByteCount() -> Int {
    min(
      SystemMemory.availableBytes() / 4, SystemMemory.sharedMemoryFreeBytes() / 2, 1 << 30)
  }

  /// What an object made now may have, .max when nothing is known.
  private static func freeBytes() -> Int {
    let available = SystemMemory.availableBytes()
    return min(SystemMemory.sharedMemoryFreeBytes(), available > 0 ? available : .max)
  }

  /// Maps an object if it has a sound header of this layout.
  static func mapped(_ object: SharedMemoryObject) throws(SystemError) -> CacheStore? {
    let size = try object.size()
    guard size >= CacheGeometry.byteCountMin, size & 4095 == 0,
      try object.isReserved(byteCount: size)
    else { return nil }
    let region = try SharedRegion(mapping: object.descriptor, byteCount: size)
    guard region.load(at: HeaderLayout.magic, as: UInt64.self) == HeaderLayout.magicValue,
      region.load(at: HeaderLayout.version, as: UInt32.self) == HeaderLayout.versionValue,
      region.load(at: HeaderLayout.byteCount, as: UInt64.self) == UInt64(size),
      region.load(at: HeaderLayout.checksum, as: UInt32.self) == headerChecksum(region),
      region.load(at: HeaderLayout.generation, as: UInt64.self) <= HeaderLayout.generationMax,
      let geometry = CacheGeometry(
        byteCount: size,
        shardCount: Int(region.load(at: HeaderLayout.shardCount, as: UInt32.self)))
    else { return nil }
    return CacheStore(region: region, geometry: geometry, name: object.name)
  }

  private static func headerChecksum(_ region: SharedRegion) -> UInt32 {
    KeyHash.checksum(region.span(at: 0, count: HeaderLayout.checksummedBytes))
  }

  /// A new object under a passing name, renamed over whatever has the real one when it is ready.
  private static func create(
    _ order: SegmentOrder, _ predecessor: Predecessor?, _ elders: [CacheElder]
  ) throws(SystemError) -> CacheStore {
    // Rather than fill the file system for a moment, or have the kernel end somebody for memory.
    if order.byteCount > freeBytes() {
      throw SystemError(
        code: SystemError.noSpace,
        operation: "a cache of \(order.byteCount >> 20) MiB does not fit: "
          + "\(SharedMemoryObject.directory) has "
          + "\(SystemMemory.sharedMemoryFreeBytes() >> 20) MiB free, the system "
          + "\(SystemMemory.availableBytes() >> 20) MiB of memory")
    }
    let object = try freshObject("\(order.name).new")
    do throws(SystemError) {
      try object.setSize(order.byteCount)
      let region = try SharedRegion(mapping: object.descriptor, byteCount: order.byteCount)
      let hugePages = advise(region, order.hugePages)
      // Under `huge=advise` only pages that are touched through the mapping become huge ones.
      if hugePages == .inEffect { region.populate() }
      try object.reserve(byteCount: order.byteCount)
      let old = predecessor?.store
      let store = format(region, order.geometry, name: order.name, seedsOf: old)
      if let old {
        if predecessor?.isAlone == true { old.clearSlots() }
        store.carryOver(from: old)
      }
      var elders = elders
      if let predecessor, !predecessor.isAlone,
        !elders.contains(where: { $0.isSame(as: predecessor.object) }),
        let elder = CacheElder(predecessor.object, store: old)
      {
        elder.keepName(beside: order.name)
        elders.append(elder)
      }
      _ = try object.renamed(to: order.name)
      store.opening.hugePages = hugePages
      store.take(elders)
      return store
    } catch {
      SharedMemoryObject.unlink(object.name)
      throw error
    }
  }

  /// Tells the kernel what the mapping is to have.
  private static func advise(_ region: SharedRegion, _ hugePages: HugePages) -> HugePages {
    if case .refused = hugePages { return hugePages }
    let code = region.advise(hugePages: hugePages == .inEffect)
    guard hugePages == .inEffect, code != 0 else { return hugePages }
    return .refused("madvise: \(SystemError.text(of: code))")
  }

  /// Maps the whole segment in this process before its first use, when it lies in huge pages: one
  /// step for each 2 MiB. Otherwise it would cost each worker a page table, so it is left to use.
  package func prefault() {
    guard opening.hugePages == .inEffect else { return }
    // Pages that are still small ones take longer; a worker's start does not wait for them.
    region.populate(deadlineMilliseconds: Clock.monotonicMilliseconds() + 100)
  }

  /// An empty, locked object. One left by a master that died while making it is removed.
  private static func freshObject(_ name: String) throws(SystemError) -> SharedMemoryObject {
    for _ in 0..<16 {
      if let object = try SharedMemoryObject.create(name) {
        if try object.tryLock(), try object.isCurrent() { return object }
      } else if let left = try SharedMemoryObject.open(name) {
        guard try left.tryLock() else { break }
        if try left.isCurrent() { SharedMemoryObject.unlink(name) }
      }
    }
    throw SystemError(code: SystemError.busy, operation: "lock", subject: name)
  }

  /// Writes header and shards into zeroed memory.
  private static func format(
    _ region: SharedRegion, _ geometry: CacheGeometry, name: String?, seedsOf old: CacheStore?
  ) -> CacheStore {
    // What is carried over has file stamps under the old one's seeds.
    let seeds = (
      old?.seed0 ?? .random(in: 1...UInt64.max), old?.seed1 ?? .random(in: 1...UInt64.max)
    )
    region.store(HeaderLayout.versionValue, at: HeaderLayout.version)
    region.store(UInt32(geometry.shardCount), at: HeaderLayout.shardCount)
    region.store(UInt64(geometry.byteCount), at: HeaderLayout.byteCount)
    region.store(seeds.0, at: HeaderLayout.seed0)
    region.store(seeds.1, at: HeaderLayout.seed1)
    region.store(HeaderLayout.magicValue, at: HeaderLayout.magic)
    region.store(headerChecksum(region), at: HeaderLayout.checksum)
    let store = CacheStore(region: region, geometry: geometry, name: name)
    store.takeOver()
    return store
  }

  /// Clears what processes left that are all dead, keeps the sound entries, and raises the epoch.
  /// Nobody else may have the segment.
  private func takeOver() {
    clearSlots()
    mendHeader()
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      region.initializeMutex(at: shard.start + ShardLayout.mutex)
      region.storeRelaxed32(0, at: shard.start + ShardLayout.abandonedFills)
      rebuild(shard, verifying: true)
    }
    raiseEpoch()
    // From here on what was stored before must show its checksums first; see `standing`.
    let next = region.load(at: HeaderLayout.generation, as: UInt64.self) + 1
    region.store(next, at: HeaderLayout.takenOverAt)
    region.storeRelease64(next, at: HeaderLayout.generation)
  }

  /// Lets go of everything that processes held. Nobody else may have the segment.
  private func clearSlots() {
    region.store(UInt32(0), at: HeaderLayout.slotsUsed)
    for index in 0..<SlotLayout.slotCount {
      let slot = CacheGeometry.slotOffset(index)
      region.fill(at: slot, count: SlotLayout.counters, with: 0)
      region.fill(
        at: slot + SlotLayout.fills, count: SlotLayout.byteTotal - SlotLayout.fills, with: 0)
    }
  }
}

extension Predecessor {
  /// Processes that have just been killed take a moment to end; orphans are not waited for.
  private static let lockMilliseconds: Int64 = 100

  /// The object that has the name, locked if it can be; nil when there is none.
  fileprivate init?(_ name: String) throws(SystemError) {
    let deadline = Clock.monotonicMilliseconds() + Predecessor.lockMilliseconds
    // Again when it was replaced between opening and locking.
    for _ in 0..<16 {
      guard let object = try SharedMemoryObject.open(name) else { return nil }
      var isAlone = try object.tryLock()
      while !isAlone && Clock.monotonicMilliseconds() < deadline {
        Clock.pause(milliseconds: 5)
        isAlone = try object.tryLock()
      }
      guard try object.isCurrent() else { continue }
      self.init(object: object, isAlone: isAlone, store: try CacheStore.mapped(object))
      return
    }
    return nil
  }

  /// Why it is not kept.
  fileprivate var reason: CacheOpening.Replaced {
    if store == nil { return .otherLayout }
    return isAlone ? .otherSize : .inUse
  }
}
