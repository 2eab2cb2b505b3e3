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
    var copied = 0
    cache.forEachPart(of: hit, from: offset, count: count) { part in
      buffer.append(region.span(at: part.offset, count: part.count))
      copied += part.count
      return true
    }
    return copied == count
  }

  /// Sends body bytes of an entry that is held for this one send; nil when the entry has left.
  func sendUnpinned(
    _ output: PendingOutput, offset: Int, count: Int, _ connection: Connection
  ) -> SendResult? {
    guard let cache, let entry = output.unpinned else { return nil }
    defer { cache.release() }
    guard let hit = find(entry, in: cache) else { return nil }
    gathered.removeAll()
    cache.forEachPart(of: hit, from: offset, count: count) { part in
      gathered.append(cache.region, offset: part.offset, count: part.count)
      return !gathered.isFull
    }
    return transmit(gathered, on: connection, more: false)
  }
}
