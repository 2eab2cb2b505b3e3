// The bytes of requests' bodies that somebody wants, kept until they are taken.

import Platform

/// The waiting bytes of one body, in the order in which they came.
struct KeptBody {
  private var parts: [ByteBuffer] = []
  /// Bytes of the first part that were taken already.
  private var start = 0
  private(set) var byteCount = 0

  private static let firstPartBytes = 4096
  private static let partBytesMax = 16_384

  /// Memory that stands behind the bytes.
  var reservedBytes: Int { parts.reduce(0) { $0 + $1.capacity } }

  /// However small the pieces are that the bytes come in, they lie close together.
  mutating func append(_ bytes: RawSpan) {
    var offset = 0
    while offset < bytes.byteCount {
      let part = partWithRoom(for: bytes.byteCount - offset)
      let end = offset + min(part.free, bytes.byteCount - offset)
      part.append(bytes.extracting(offset..<end))
      offset = end
    }
    byteCount += offset
  }

  private mutating func partWithRoom(for wanted: Int) -> ByteBuffer {
    if let last = parts.last, last.free > 0 { return last }
    let least = parts.isEmpty ? KeptBody.firstPartBytes : KeptBody.partBytesMax
    let part = ByteBuffer(capacity: max(least, min(wanted, KeptBody.partBytesMax)))
    parts.append(part)
    return part
  }

  /// Moves the first bytes to the end of a buffer, as many as wait, are wanted and fit; how many.
  mutating func take(into buffer: ByteBuffer, upTo byteCountMax: Int) -> Int {
    let wanted = min(byteCountMax, byteCount, buffer.free)
    var left = wanted
    while left > 0 {
      let part = parts[0]
      let end = start + min(left, part.count - start)
      buffer.append(part.bytes.extracting(start..<end))
      left -= end - start
      start = end
      if start == part.count {
        parts.removeFirst()
        start = 0
      }
    }
    byteCount -= wanted
    return wanted
  }
}

/// All bodies that one session keeps, and how much of the connection's window is held back for
/// them.
struct KeptBodies {
  /// By slot; a body of which nothing waits has no entry.
  private var bodies: [Int: KeptBody] = [:]
  private(set) var byteCount = 0
  private var withheldBytes = 0

  var reservedBytes: Int { bodies.values.reduce(0) { $0 + $1.reservedBytes } }

  func byteCount(of slot: Int) -> Int { bodies[slot]?.byteCount ?? 0 }

  mutating func append(_ bytes: RawSpan, to slot: Int) {
    byteCount += bytes.byteCount
    bodies[slot, default: KeptBody()].append(bytes)
  }

  mutating func take(of slot: Int, into buffer: ByteBuffer, upTo byteCountMax: Int) -> Int {
    guard let count = bodies[slot]?.take(into: buffer, upTo: byteCountMax) else { return 0 }
    byteCount -= count
    if byteCount(of: slot) == 0 { bodies[slot] = nil }
    return count
  }

  /// Lets go what waits of one body; how much that was.
  mutating func drop(_ slot: Int) -> Int {
    let count = bodies.removeValue(forKey: slot)?.byteCount ?? 0
    byteCount -= count
    return count
  }

  /// What of the connection's window is to be given back after `arrived` bytes came or some were
  /// taken: everything, but as much as is kept beyond `byteCountMax`.
  mutating func connectionCredit(arrived: Int, byteCountMax: Int) -> Int {
    let held = max(0, byteCount - byteCountMax)
    defer { withheldBytes = held }
    return arrived + withheldBytes - held
  }
}
