// Open files that were served lately: large ones are sent from these descriptors.

import HTTP
import Platform

/// A small table per worker, least recently used out first. A file that is being sent stays open
/// through its own reference, whatever happens to its entry here.
package final class OpenFileTable {
  /// What an entry answers for: every field of the request that decides on the file.
  private struct Key: Hashable {
    let path: [UInt8]
    let root: [UInt8]
    let policy: UInt8
    let codings: [ContentCoding]

    init(_ request: FileRequest) {
      path = request.path
      root = request.root
      policy =
        request.links.rawValue | (request.isConfined ? 4 : 0)
        | (request.precompressedAllowed ? 8 : 0)
        | (request.urlPath.last == UInt8(ascii: "/") ? 16 : 0)
      codings = request.acceptedCodings
    }
  }

  private struct Entry {
    var file: OpenFile
    var checkedMilliseconds: Int64
    var usedSerial: UInt64
  }

  private let capacity: Int
  private let revalidateMilliseconds: Int64
  private var entries: [Key: Entry] = [:]
  private var serial: UInt64 = 0

  /// `revalidateMilliseconds`: `CacheStaticRevalidate`.
  package init(capacity: Int = 256, revalidateMilliseconds: Int64) {
    precondition(capacity > 0)
    self.capacity = capacity
    self.revalidateMilliseconds = revalidateMilliseconds
  }

  package var count: Int { entries.count }

  /// The file, if the path was resolved recently enough or still leads to the same bytes now;
  /// otherwise resolve the request anew. `now`: milliseconds of CLOCK_MONOTONIC.
  package func lookUp(_ request: FileRequest, now: Int64) -> OpenFile? {
    let key = Key(request)
    guard var entry = entries[key] else { return nil }
    // Rewritten or truncated in place: seen before the head is sent, not only in the middle.
    guard File.isUnchanged(entry.file.descriptor, entry.file.facts) else {
      entries[key] = nil
      return nil
    }
    if now - entry.checkedMilliseconds >= revalidateMilliseconds {
      let file = entry.file
      let validity = FileResolver.revalidate(
        request, facts: file.facts, coding: file.coding, variantsAvailable: file.variantsAvailable)
      guard validity == .unchanged else {
        if validity == .changed { entries[key] = nil }
        return nil
      }
      entry.checkedMilliseconds = now
    }
    serial += 1
    entry.usedSerial = serial
    entries[key] = entry
    return entry.file
  }

  /// Keeps a file that a resolution just gave.
  package func insert(_ file: OpenFile, for request: FileRequest, now: Int64) {
    let key = Key(request)
    if entries[key] == nil && entries.count >= capacity { evictOne() }
    serial += 1
    entries[key] = Entry(file: file, checkedMilliseconds: now, usedSerial: serial)
  }

  /// Forgets a file that turned out to be changed while it was sent.
  package func remove(_ request: FileRequest) { entries[Key(request)] = nil }

  /// Closes up to `count` files that are not being sent: when descriptors run out.
  package func evict(_ count: Int) {
    for _ in 0..<min(count, entries.count) { evictOne() }
  }

  private func evictOne() {
    guard let oldest = entries.min(by: { $0.value.usedSerial < $1.value.usedSerial }) else {
      return
    }
    entries[oldest.key] = nil
  }
}
