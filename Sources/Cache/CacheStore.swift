// Responses in shared memory, one store for all workers.

import Platform
import Synchronization

/// The shared store (DESIGN 4). Made by the master before its first fork; every process has the
/// object and sees the same entries. Look-ups take no lock; what changes the store tries a shard's
/// mutex and gives up when it is busy. A process may die at any instruction of any of these
/// functions: the next one to lock the shard repairs it.
///
/// A process must be attached before it looks up, pins or fills. One process holds one entry at a
/// time (`lookUp` … `release`), any number of pinned ones up to the ledger's size, and up to 32
/// fills.
package final class CacheStore {
  /// The segment: what the ranges of entries point into.
  package let region: SharedRegion
  @usableFromInline let geometry: CacheGeometry
  @usableFromInline let seed0: UInt64
  @usableFromInline let seed1: UInt64
  /// Bodies beyond this are never stored.
  package let objectBytesMax: Int
  /// Bytes all processes together may keep pinned: an eighth of the segment unless set otherwise
  /// before the first fork.
  package var pinnedBytesMax: Int
  /// The object's name in /dev/shm, nil when it has none.
  let name: String?

  /// How it came to be.
  package internal(set) var opening = CacheOpening()
  /// Segments of earlier masters that others still live on: to be told of invalidations. For who
  /// opened this one, to take.
  package var elders: [CacheElder] = []

  /// This process's slot, nil before `attach`.
  package internal(set) var processSlot: Int?
  /// Before `attach` a place that traps: an unprotected look-up is a bug.
  /// An atomic only to spare each hit the dynamic check that a class's variable gets.
  @usableFromInline let hazardPlace = Atomic<Int>(Int.max & ~7)
  @inlinable
  var hazardOffset: Int { hazardPlace.load(ordering: .relaxed) }
  var counters = HeaderLayout.counters
  /// How many pins share each ledger place; 0 for a free one.
  var pinShares = [UInt32](repeating: 0, count: SlotLayout.pinCount)
  /// Bits of the fill records in use by this process.
  var fillsOpen: UInt32 = 0
  /// What this process knows of its fills, by record.
  var fillProgress = [FillProgress](repeating: FillProgress(), count: SlotLayout.fillCount)
  /// Hashes of raw keys seen lately, for `seenBefore`.
  var door = [UInt32](repeating: 0, count: 4096)
  /// For tests only: called before each store to a shard's books, where a process may die.
  package var interruption: (() -> Void)?
  /// For tests only: whether this process is making a shard sound again whose owner died.
  package private(set) var isRecovering = false
  /// The shard that `tidy` visits next.
  var tidyNext = 0

  /// `region` must hold a sound header of exactly this geometry.
  init(region: SharedRegion, geometry: CacheGeometry, name: String?) {
    precondition(region.byteCount == geometry.byteCount)
    self.region = region
    self.geometry = geometry
    self.name = name
    seed0 = region.load(at: HeaderLayout.seed0, as: UInt64.self)
    seed1 = region.load(at: HeaderLayout.seed1, as: UInt64.self)
    objectBytesMax = geometry.objectBytesMax
    pinnedBytesMax = geometry.byteCount / 8
  }

  /// Takes a process slot, in a fresh process, before anything else. The slot must be clear.
  package func attach(processSlot: Int) {
    let slot = CacheGeometry.slotOffset(processSlot)
    let identity = ProcessIdentity.current()
    self.processSlot = processSlot
    hazardPlace.store(slot + SlotLayout.hazard, ordering: .relaxed)
    counters = slot + SlotLayout.counters
    for index in pinShares.indices { pinShares[index] = 0 }
    fillsOpen = 0
    region.store(identity.startTicks, at: slot + SlotLayout.startTime)
    region.storeRelease32(identity.pid, at: slot + SlotLayout.pid)
    region.enterHolders(processSlot: processSlot, in: CacheGeometry.holdTable)
  }

  /// Lets go of everything a dead process held; by the master, after reaping it. Takes no lock and
  /// touches no shard's contents: unfinished fills are marked, and freed by whoever locks the shard
  /// next.
  package func clearProcessSlot(_ processSlot: Int) {
    let slot = CacheGeometry.slotOffset(processSlot)
    for index in 0..<SlotLayout.fillCount {
      markAbandoned(record: slot + SlotLayout.fills + index * 8)
    }
    region.clearHolds(
      CacheGeometry.holdTable.places(processSlot), pinCount: SlotLayout.pinCount)
    region.storeRelaxed64(0, at: slot + SlotLayout.pinnedBytes)
    region.store(UInt64(0), at: slot + SlotLayout.startTime)
    region.storeRelease32(0, at: slot + SlotLayout.pid)
  }

  /// The process in a slot, nil for a clear slot.
  package func process(inSlot processSlot: Int) -> ProcessIdentity? {
    let slot = CacheGeometry.slotOffset(processSlot)
    let pid = region.loadAcquire32(at: slot + SlotLayout.pid)
    guard pid != 0 else { return nil }
    return ProcessIdentity(
      pid: pid, startTicks: region.load(at: slot + SlotLayout.startTime, as: UInt64.self))
  }

  /// The routing epoch (DESIGN 3.7). Raised by each reload and namespace change, never lowered.
  @inlinable
  package var epoch: UInt32 { region.loadAcquire32(at: HeaderLayout.epoch) }

  /// An entry keeps so many bits of the epoch under which it was found right.
  package static let epochBits: UInt64 = 18
  /// No epoch has these bits all 0: they say that nobody has found an entry right.
  package static let epochMask: UInt32 = (1 << UInt32(epochBits)) - 1

  /// Raises the epoch and returns the new one. By the master. When the bits that entries keep begin
  /// anew, all that is stored is given up: it would be believed for an epoch of the last round.
  @discardableResult
  package func raiseEpoch() -> UInt32 {
    let epoch = region.fetchAdd32(1, at: HeaderLayout.epoch) &+ 1
    guard epoch & CacheStore.epochMask == 0 else { return epoch }
    // Before anybody is told of an epoch of the new round.
    invalidate(.everything, hard: true)
    return region.fetchAdd32(1, at: HeaderLayout.epoch) &+ 1
  }

  /// Removes the object's name, if it still means this one; the memory lasts as long as somebody
  /// maps it.
  package func unlink() {
    guard let name, let descriptor else { return }
    let object = SharedMemoryObject(descriptor: descriptor, name: name)
    if (try? object.isCurrent()) == true { SharedMemoryObject.unlink(name) }
  }
}

/// Locking.
extension CacheStore {
  /// Tries a shard's mutex up to `tries` times, never waiting. After true the shard is sound, also
  /// when its last owner died, and must be unlocked.
  func lock(_ shard: CacheShard, tries: Int = 1) -> Bool {
    for _ in 0..<tries {
      switch region.tryLock(at: shard.start + ShardLayout.mutex) {
      case .busy: continue
      case .locked: break
      case .ownerDied:
        isRecovering = true
        rebuild(shard, verifying: false)
        isRecovering = false
        region.markConsistent(at: shard.start + ShardLayout.mutex)
        count(.recoveries)
      }
      if region.exchange32(0, at: shard.start + ShardLayout.abandonedFills) != 0 {
        freeAbandonedFills(shard)
      }
      sweepRetired(shard)
      return true
    }
    count(.refusedBusy)
    _ = region.fetchAdd32(1, at: shard.start + ShardLayout.contention)
    return false
  }

  func unlock(_ shard: CacheShard) {
    region.unlock(at: shard.start + ShardLayout.mutex)
  }

  /// Sweeps one shard, another one each time: frees what dead processes left and what readers let
  /// go. Writers do the same as they pass; this is for a worker's idle moments. False when another
  /// process held the shard.
  @discardableResult
  package func tidy() -> Bool {
    let shard = geometry.shard(tidyNext)
    tidyNext = (tidyNext + 1) % geometry.shardCount
    guard lock(shard) else { return false }
    if field(shard, ShardLayout.heldOverlap) != 0 { rebuild(shard, verifying: false) }
    unlock(shard)
    return true
  }

  /// Shards of this segment.
  package var shardCount: Int { geometry.shardCount }
}
