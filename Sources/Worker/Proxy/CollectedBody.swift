// A request's body that is read before anything is done with it, in memory of a bounded size.

import HTTP
import Platform

/// What all bodies take together that one process has collected.
final class CollectionBudget {
  var byteCount = 0
}

/// Why a body is not collected any further.
enum CollectionRefusal: Error {
  /// It is longer than any body may be that is collected.
  case tooLong
  /// Others have taken the room.
  case noRoom

  var rejection: RequestRejection {
    switch self {
    case .tooLong:
      RequestRejection(
        status: 413, reason: .entityTooLarge, byteOffset: 0,
        message: "longer than a body may be that has to be kept before it is passed on")
    case .noRoom:
      RequestRejection(
        status: 503, reason: .queueFull, byteOffset: 0,
        message: "no room to keep it before it is passed on: other requests have taken that")
    }
  }
}

/// A body that an application cannot get as it comes: FastCGI wants its length first, and whoever
/// asks for a directory may mean a script in it. Memory is given back as it is taken.
final class CollectedBody {
  private let budget: CollectionBudget
  private var parts: [ByteBuffer] = []
  /// Bytes of the first part that were taken.
  private var start = 0
  /// Of all parts that are left.
  private var reservedByteCount = 0
  /// All that came, taken or not.
  private(set) var byteCount: UInt64 = 0

  init(_ budget: CollectionBudget) { self.budget = budget }

  deinit { budget.byteCount -= reservedByteCount }

  /// Nothing waits to be taken.
  var isEmpty: Bool { parts.isEmpty }

  /// Adds what `fill` appends to a buffer with room for one byte at least; how much it was.
  @discardableResult
  func add(_ fill: (ByteBuffer) -> Int) throws(CollectionRefusal) -> Int {
    let part = try partWithRoom()
    let count = fill(part)
    byteCount += UInt64(count)
    return count
  }

  func append(_ bytes: RawSpan) throws(CollectionRefusal) {
    var offset = 0
    while offset < bytes.byteCount {
      offset += try add { part in
        let end = offset + min(part.free, bytes.byteCount - offset)
        part.append(bytes.extracting(offset..<end))
        return end - offset
      }
    }
  }

  private func partWithRoom() throws(CollectionRefusal) -> ByteBuffer {
    if let last = parts.last, last.free > 0 { return last }
    let capacity = parts.isEmpty ? Limits.collectedPartBytesMin : Limits.collectedPartBytesMax
    guard byteCount < UInt64(Limits.collectedBodyBytesMax) else { throw .tooLong }
    guard budget.byteCount + capacity <= Limits.collectedBytesMax else { throw .noRoom }
    let part = ByteBuffer(capacity: capacity)
    parts.append(part)
    reservedByteCount += capacity
    budget.byteCount += capacity
    return part
  }

  /// Hands out the next bytes, at most so many, and forgets them.
  func take(upTo byteCountMax: Int, _ take: (RawSpan) -> Void) {
    guard let part = parts.first else { return }
    let end = min(part.count, start + byteCountMax)
    take(part.bytes.extracting(start..<end))
    start = end
    guard start == part.count else { return }
    start = 0
    parts.removeFirst()
    reservedByteCount -= part.capacity
    budget.byteCount -= part.capacity
  }
}
