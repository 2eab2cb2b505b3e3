// A stretch of the received bytes, by offset and count: what a parsed request is made of.

/// A half-open stretch `offset ..< offset + count` of the bytes given to the parser.
package struct BufferRange: Equatable, Sendable {
  /// Bytes from the start of the buffer.
  package var offset: UInt32
  /// Bytes in the range; 0 for an empty one.
  package var count: UInt32

  @inlinable @inline(__always)
  package init(offset: UInt32, count: UInt32) {
    self.offset = offset
    self.count = count
  }

  /// The range `start ..< end`; both must fit into 32 bits, which `RequestLimits` guarantees.
  @inlinable @inline(__always)
  package init(_ start: Int, _ end: Int) {
    offset = UInt32(truncatingIfNeeded: start)
    count = UInt32(truncatingIfNeeded: end &- start)
  }

  @inlinable @inline(__always)
  package var start: Int { Int(offset) }
  @inlinable @inline(__always)
  package var end: Int { Int(offset) &+ Int(count) }
  @inlinable @inline(__always)
  package var isEmpty: Bool { count == 0 }

  /// The bytes of this range; traps if the range does not lie inside `bytes`.
  @inlinable @inline(__always) @_lifetime(copy bytes)
  package func span(in bytes: RawSpan) -> RawSpan {
    bytes.extracting(start..<end)
  }

  /// A copy of the bytes of this range, for paths that may allocate.
  package func copy(from bytes: RawSpan) -> [UInt8] {
    [UInt8](copying: span(in: bytes))
  }
}
