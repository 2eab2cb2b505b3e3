// Carrying over: from a segment that cannot be kept as it is into the one that replaces it.
//
// The old segment may still have users. It is read as they read it, through the hold protocol, and
// nothing in it is changed but the words of one process slot. The new one has no users yet. What is
// carried is what was worth most there, by the policy's own measure, as far as there is room: no
// entry leaves for another. It keeps all it has but the generation: the stamps of the old segment
// have their say, and the head's and the body's checksums, before anything is copied; what was
// stale there is stale here. The new segment's routing epoch is higher than the old one's, so all
// of it is routed again before use. Aliases and negative answers are not carried: they would have
// to be made anew under the new epoch in any case, and come back by themselves.

import Platform
import Synchronization

/// What was carried over.
package struct CacheCarryOver: Equatable, Sendable {
  package var entries = 0
  package var bodyBytes = 0
  /// Invalidated, or without room.
  package var left = 0
  /// Dropped, since a checksum was wrong.
  package var damaged = 0
  /// The time was up before all had their turn.
  package var isCutShort = false

  package init() {}
}

extension CacheStore {
  /// The generation of what is carried and must be compared with its origin first.
  private static let staleGeneration: UInt64 = 1

  /// A start waits no longer for this.
  static let carryOverMilliseconds: Int64 = 2_000

  /// Fills this store, which has no users yet, from another one with the same seeds, whose user
  /// this process is not.
  func carryOver(
    from old: CacheStore, milliseconds: Int64 = CacheStore.carryOverMilliseconds
  ) {
    precondition(seed0 == old.seed0 && seed1 == old.seed1, "file stamps would mean other files")
    // Also when nothing is carried: epochs only rise.
    let next = max(epoch, old.epoch &+ 1)
    region.store(
      next & CacheStore.epochMask == 0 ? next &+ 1 : next, at: HeaderLayout.epoch)
    // From above: the workers of a living generation have the lowest ones.
    let slots = (0..<SlotLayout.slotCount).reversed()
    guard let slot = slots.first(where: { old.process(inSlot: $0) == nil }) else { return }
    let startedAt = Clock.monotonicMilliseconds()
    // What was stale there is stale here: older than a stamp that all entries have.
    region.storeRelease64(
      max(generation, CacheStore.staleGeneration + 1), at: HeaderLayout.generation)
    old.attach(processSlot: slot)
    attach(processSlot: 0)
    defer {
      old.release()
      old.clearProcessSlot(slot)
      old.detach()
      clearProcessSlot(0)
      // What was counted here is no worker's doing.
      region.fill(at: counters, count: SlotLayout.counterCount * 8, with: 0)
      detach()
      for _ in 0..<opening.carriedOver.damaged { count(.damaged) }
      // Only now: publishing looks at the stamps.
      region.storeRelease64(
        CacheStore.staleGeneration, at: HeaderLayout.everything + StampLayout.soft)
    }
    let places = old.placesByWorth(deadline: startedAt + milliseconds / 4)
    opening.carriedOver.isCutShort = places.isCutShort
    for queue in places.queues.reversed() {
      for place in queue {
        guard Clock.monotonicMilliseconds() < startedAt + milliseconds else {
          opening.carriedOver.isCutShort = true
          return
        }
        carry(place, from: old)
      }
    }
  }

  /// After this process's last use of the store as one of its users.
  private func detach() {
    processSlot = nil
    hazardPlace.store(Int.max & ~7, ordering: .relaxed)
    counters = HeaderLayout.counters
  }

  /// The places in the index of what may be carried, by the number of the queue that it would be
  /// in now: the logarithm of its worth.
  private func placesByWorth(deadline: Int64) -> (queues: [[Int]], isCutShort: Bool) {
    var queues = [[Int]](repeating: [], count: QueueNumber.count)
    let meanUnits = meanUnits
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      guard Clock.monotonicMilliseconds() < deadline else { return (queues, true) }
      for index in 0..<geometry.bucketCount * ShardLayout.slotsPerBucket {
        let place = shard.index + index * 8
        guard region.loadRelaxed64(at: place) != 0 else { continue }
        withHeld(place, in: shard) { entry, _ in
          guard kind(entry) == .content else { return }
          let units = heldBytes(entry) >> ArenaLayout.unitShift
          let queue = QueueNumber.of(
            frequency: uses(entry), units: units, meanUnits: meanUnits)
          queues[queue].append(place)
        }
      }
    }
    return (queues, false)
  }

  /// Of an entry, by counts that may be anything when the segment is unsound.
  private var meanUnits: Int {
    var (units, entries) = (0, 0)
    for number in 0..<geometry.shardCount {
      let shard = geometry.shard(number)
      units += shard.unitCount - min(shard.unitCount, field(shard, ShardLayout.freeUnits))
      entries += field(shard, ShardLayout.entries)
    }
    return max(1, units / max(1, entries))
  }

  private func uses(_ entry: Int) -> Int {
    min(frequency(entry) + mark(entry), QueueNumber.frequencyMax)
  }

  /// Holds what an index word names, while `body` looks at it, if it may be an entry.
  private func withHeld(
    _ place: Int, in shard: CacheShard, _ body: (_ entry: Int, _ word: UInt64) -> Void
  ) {
    let word = region.loadRelaxed64(at: place)
    let unit = UInt32(truncatingIfNeeded: word)
    guard shard.contains(unit),
      region.hold(unit, namedAt: place, hazard: hazardOffset) == word
    else { return }
    // Safe on any bytes; the rest is only after it.
    if hasSoundShape(shard, entryOffset(unit)) { body(entryOffset(unit), word) }
  }

  private func carry(_ place: Int, from old: CacheStore) {
    let number = (place - old.geometry.shardsOffset) / old.geometry.shardStride
    let shard = old.geometry.shard(number)
    old.withHeld(place, in: shard) { entry, word in
      guard old.soundEntry(shard, word, place, verifying: true) != nil else {
        // One that has just been taken out is retired, not damaged.
        if old.state(entry) == EntryLayout.live { opening.carriedOver.damaged += 1 }
        return
      }
      // The old segment's users go on: since the place was chosen it may have become another's.
      guard old.kind(entry) == .content else { return }
      guard let asOf = generation(for: entry, of: old) else {
        opening.carriedOver.left += 1
        return
      }
      guard old.verifyBody(CacheHit(offset: entry)) else {
        opening.carriedOver.damaged += 1
        return
      }
      if copy(entry, from: old, asOf: asOf) {
        opening.carriedOver.entries += 1
        opening.carriedOver.bodyBytes += old.bodyByteCount(CacheHit(offset: entry))
      } else {
        opening.carriedOver.left += 1
      }
    }
  }

  /// The generation that an entry gets here: this store's own, or an older one when it is stale;
  /// nil when it is gone.
  private func generation(for entry: Int, of old: CacheStore) -> UInt64? {
    let hit = CacheHit(offset: entry)
    guard old.goodAsOf(hit) <= old.generation else { return nil }
    switch old.peekStanding(hit) {
    case .good: return generation
    case .stale: return CacheStore.staleGeneration
    case .gone: return nil
    }
  }

  /// Makes an equal entry here; false when there is no room without another one's leaving.
  private func copy(_ entry: Int, from old: CacheStore, asOf: UInt64) -> Bool {
    let hit = CacheHit(offset: entry)
    let hash = old.entryHash(entry)
    let shard = geometry.shard(hash: hash)
    // A little more than it took there: its pieces may be others here.
    let units = old.heldBytes(entry) >> ArenaLayout.unitShift
    guard field(shard, ShardLayout.freeUnits) >= units + units / 32 + 4 else { return false }
    let source = old.region
    let (key, selector, labels, head) = (
      old.keyRange(hit), old.selectorRange(hit), old.labelRange(hit), old.headRange(hit)
    )
    var entryHead = CacheEntryHead(
      key: source.span(at: key.offset, count: key.count), hash: hash, facts: old.facts(hit),
      head: source.span(at: head.offset, count: head.count),
      validated: old.movingWordToKeep(entry), asOf: asOf)
    entryHead.selector = source.span(at: selector.offset, count: selector.count)
    entryHead.labels = source.span(at: labels.offset, count: labels.count)
    guard let fill = beginFill(entryHead, bodyByteCount: old.bodyByteCount(hit)) else {
      return false
    }
    region.store(old.createdSeconds(hit), at: fill.hit.offset + EntryLayout.created)
    var done = 0
    for index in 0..<old.extentCount(hit) {
      let range = old.extent(hit, index)
      guard write(source.span(at: range.offset, count: range.count), at: done, of: fill) else {
        abandon(fill)
        return false
      }
      done += range.count
    }
    // Its uses come with it as those of one that returns.
    let uses = old.uses(entry)
    if uses > 1 { putGhost(shard, hash, uses) }
    return publish(fill)
  }
}
