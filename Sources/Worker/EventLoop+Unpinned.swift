// Large rests of cached bodies beyond what may be pinned or copied: looked up again for each send.

import Cache
import Platform

/// A cached entry by name. What was sent of it and what is found later are pieces of one whole as
/// long as the edition is the same.
struct UnpinnedEntry {
  let key: [UInt8]
  let selector: [UInt8]
  let hash: UInt64
  let edition: UInt64

  init(_ hit: CacheHit, in cache: CacheStore) {
    let keyRange = cache.keyRange(hit)
    let selectorRange = cache.selectorRange(hit)
    let key = cache.region.copyOut(at: keyRange.offset, count: keyRange.count)
    self.key = key
    selector = cache.region.copyOut(at: selectorRange.offset, count: selectorRange.count)
    hash = cache.hash(key.rawSpan)
    edition = cache.edition(hit)
  }
}

extension EventLoop {
  /// Whether a rest that was not pinned is copied: then it is sure to be completed, whatever
  /// becomes of its entry. A large copy would keep everybody else waiting.
  func mayCopy(_ count: Int) -> Bool {
    (count <= Limits.copiedRestBytesMax && copiedBytes <= Limits.copiedBytesMax)
      || (count <= Limits.copiedObjectBytesMax && copiedBytes + count <= Limits.copiedBytesMax)
  }

  /// Held until `release`; nil when the entry has left.
  private func find(_ entry: UnpinnedEntry, in cache: CacheStore) -> CacheHit? {
    let hit = cache.lookUp(
      entry.key.rawSpan, selector: entry.selector.rawSpan, hash: entry.hash)
    guard let hit, cache.edition(hit) == entry.edition else { return nil }
    return hit
  }

  /// Copies body bytes of such an entry; false when it has left.
  func copyUnpinned(
    _ output: PendingOutput, offset: Int, count: Int, into buffer: ByteBuffer
  ) -> Bool {
    guard let cache, let entry = output.unpinned else { return false }
    defer { cache.release() }
    guard let hit = find(entry, in: cache) else { return false }
    let region = cache.region
    var skipped = offset
    var rest = count
    for index in 0..<cache.extentCount(hit) where rest > 0 {
      let extent = cache.extent(hit, index)
      let dropped = min(skipped, extent.count)
      skipped -= dropped
      let taken = min(extent.count - dropped, rest)
      guard taken > 0 else { continue }
      rest -= taken
      buffer.append(region.span(at: extent.offset + dropped, count: taken))
    }
    return rest == 0
  }

  /// Sends body bytes of an entry that is held for this one send; nil when the entry has left.
  func sendUnpinned(
    _ output: PendingOutput, offset: Int, count: Int, _ connection: Connection
  ) -> SendResult? {
    guard let cache, let entry = output.unpinned else { return nil }
    defer { cache.release() }
    guard let hit = find(entry, in: cache) else { return nil }
    gathered.removeAll()
    var skipped = offset
    var rest = count
    for index in 0..<cache.extentCount(hit) where rest > 0 && !gathered.isFull {
      let extent = cache.extent(hit, index)
      let dropped = min(skipped, extent.count)
      skipped -= dropped
      let taken = min(extent.count - dropped, rest)
      guard taken > 0 else { continue }
      rest -= taken
      gathered.append(cache.region, offset: extent.offset + dropped, count: taken)
    }
    return transmit(gathered, on: connection, more: false)
  }
}
