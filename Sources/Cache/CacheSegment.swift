// The segment as an object: opened, taken over, made anew, adopted after an exec in place.

import Platform

extension CacheStore {
  /// Opens the named segment, or makes one. By the master, before its first fork.
  ///
  /// An existing object is kept with its content when its layout and size are what would be made
  /// now, and nobody else has it: its lock is inherited by all children of a master, so it is free
  /// only when all of them have ended. Otherwise a new object takes over the name; the old one
  /// stays as it is for those who map it.
  ///
  /// - Parameters:
  ///   - name: in /dev/shm; one path component.
  ///   - byteCount: size of the object, at least 8 MiB, rounded down to pages; nil for a quarter of
  ///     the available memory, half of what is free in /dev/shm, or 1 GiB, whichever is least.
  ///   - objectBytesMax: the largest body that shall fit; fewer shards make room for larger ones.
  /// - Throws: when not even the least size can be reserved, the object belongs to somebody else,
  /// or
  ///   another master is making one at this moment.
  package static func open(
    name: String, byteCount: Int?, objectBytesMax: Int = 1 << 20
  ) throws(SystemError) -> CacheStore {
    if let object = try unusedObject(name),
      let store = try takenOver(object, byteCount: byteCount, objectBytesMax: objectBytesMax)
    {
      return store
    }
    var size = rounded(byteCount ?? automaticByteCount())
    while true {
      do throws(SystemError) {
        return try create(name: name, byteCount: size, objectBytesMax: objectBytesMax)
      } catch {
        // A full tmpfs: an automatic size yields, one that was asked for does not.
        guard byteCount == nil, error.code == SystemError.noSpace,
          size > CacheGeometry.byteCountMin
        else { throw error }
        size = rounded(size / 2)
      }
    }
  }

  /// A store without a name, for one process and its children.
  package static func anonymous(
    byteCount: Int, objectBytesMax: Int = 1 << 20
  ) throws(SystemError) -> CacheStore {
    let size = rounded(byteCount)
    return format(
      try SharedRegion(anonymous: size), geometry(size, objectBytesMax), name: nil)
  }

  /// Maps a segment whose other users live on: after an exec in place of the master. Nothing in it
  /// is changed. Throws EINVAL when the object is no segment of this layout.
  package static func adopt(
    descriptor: Descriptor, name: String
  ) throws(SystemError) -> CacheStore {
    let object = SharedMemoryObject(descriptor: descriptor, name: name)
    guard let store = try mapped(object) else {
      throw SystemError(code: SystemError.invalidArgument, operation: "adopt", subject: name)
    }
    return store
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

  private static func geometry(_ byteCount: Int, _ objectBytesMax: Int) -> CacheGeometry {
    let shards = CacheGeometry.shardCount(byteCount: byteCount, objectBytesMax: objectBytesMax)
    guard let geometry = CacheGeometry(byteCount: byteCount, shardCount: shards) else {
      preconditionFailure("each rounded size has a geometry")
    }
    return geometry
  }

  /// The existing object, locked; nil when there is none, or others hold it.
  private static func unusedObject(_ name: String) throws(SystemError) -> SharedMemoryObject? {
    // Again when it was replaced between opening and locking.
    for _ in 0..<16 {
      guard let object = try SharedMemoryObject.open(name), try object.tryLock() else {
        return nil
      }
      if try object.isCurrent() { return object }
    }
    return nil
  }

  /// The store in a locked object, its leftovers cleared; nil when it is not what would be made.
  private static func takenOver(
    _ object: SharedMemoryObject, byteCount: Int?, objectBytesMax: Int
  ) throws(SystemError) -> CacheStore? {
    guard let store = try mapped(object) else { return nil }
    // An automatic size is different at each start: any size of an earlier start is kept.
    let size = byteCount.map(rounded) ?? store.geometry.byteCount
    guard store.geometry == geometry(size, objectBytesMax) else { return nil }
    store.takeOver()
    return store
  }

  /// Maps an object if it has a sound header of this layout.
  private static func mapped(_ object: SharedMemoryObject) throws(SystemError) -> CacheStore? {
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
    name: String, byteCount: Int, objectBytesMax: Int
  ) throws(SystemError) -> CacheStore {
    let geometry = geometry(byteCount, objectBytesMax)
    let object = try freshObject("\(name).new")
    do throws(SystemError) {
      try object.reserve(byteCount: byteCount)
      let region = try SharedRegion(mapping: object.descriptor, byteCount: byteCount)
      let store = format(region, geometry, name: name)
      _ = try object.renamed(to: name)
      return store
    } catch {
      SharedMemoryObject.unlink(object.name)
      throw error
    }
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
    _ region: SharedRegion, _ geometry: CacheGeometry, name: String?
  ) -> CacheStore {
    region.store(HeaderLayout.versionValue, at: HeaderLayout.version)
    region.store(UInt32(geometry.shardCount), at: HeaderLayout.shardCount)
    region.store(UInt64(geometry.byteCount), at: HeaderLayout.byteCount)
    region.store(UInt64.random(in: 1...UInt64.max), at: HeaderLayout.seed0)
    region.store(UInt64.random(in: 1...UInt64.max), at: HeaderLayout.seed1)
    region.store(HeaderLayout.magicValue, at: HeaderLayout.magic)
    region.store(headerChecksum(region), at: HeaderLayout.checksum)
    let store = CacheStore(region: region, geometry: geometry, name: name)
    store.takeOver()
    return store
  }

  /// Clears what processes left that are all dead, keeps the sound entries, and raises the epoch.
  /// Nobody else may have the segment.
  private func takeOver() {
    for index in 0..<SlotLayout.slotCount {
      let slot = CacheGeometry.slotOffset(index)
      region.fill(at: slot, count: SlotLayout.counters, with: 0)
      region.fill(
        at: slot + SlotLayout.fills, count: SlotLayout.byteTotal - SlotLayout.fills, with: 0)
    }
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
}
