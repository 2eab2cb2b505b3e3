// Bytes at a fixed address: what is received into and sent from.

import Glibc

/// A block of memory that never moves, so that the kernel may read and write it while the rest of
/// the program holds only offsets. Filled from the front: `count` bytes are valid.
@safe package final class ByteBuffer {
  /// Valid for `capacity` bytes as long as the object lives.
  @usableFromInline let base: UnsafeMutableRawPointer
  package let capacity: Int
  /// 0 … capacity.
  @inlinable
  package var count: Int {
    @inline(__always) get { unsafe filled }
  }
  /// A plain integer that one thread reads and writes in single steps: no access of it can overlap
  /// another, so the run-time check of that, several times a request, would only cost.
  @exclusivity(unchecked) @usableFromInline var filled = 0

  package init(capacity: Int) {
    precondition(capacity > 0)
    self.capacity = capacity
    unsafe base = .allocate(byteCount: capacity, alignment: 16)
  }

  /// A copy of some bytes; at least one.
  package convenience init(holding bytes: [UInt8]) {
    self.init(capacity: bytes.count)
    append(bytes)
  }

  deinit { unsafe base.deallocate() }

  @inlinable
  package var free: Int { capacity - count }

  @inlinable
  package func removeAll() { unsafe filled = 0 }

  /// Forgets the bytes behind the first `newCount`.
  @inlinable
  package func truncate(to newCount: Int) {
    precondition(newCount >= 0 && newCount <= count)
    unsafe filled = newCount
  }

  /// The valid bytes. They must not be written while the span lives: the loop that owns a buffer
  /// is the only one to touch it.
  @inlinable
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    @inline(__always) get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  @inlinable @inline(__always)
  package subscript(_ offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < count)
    return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
  }

  /// Adds one byte; the capacity must suffice.
  @inlinable @inline(__always)
  package func append(_ byte: UInt8) {
    precondition(count < capacity)
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    unsafe filled += 1
  }

  /// Adds bytes; the capacity must suffice.
  @inlinable @inline(__always)
  package func append(_ span: RawSpan) {
    let added = span.byteCount
    precondition(added <= capacity - count)
    guard added > 0 else { return }
    unsafe span.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      unsafe (base + count).copyMemory(from: source, byteCount: added)
    }
    unsafe filled += added
  }

  @inlinable @inline(__always)
  package func append(_ array: [UInt8]) { append(array.rawSpan) }

  /// Adds the bytes of a literal: inlined, so that they become a few stores.
  @inlinable @inline(__always)
  package func append(_ text: StaticString) {
    let added = text.utf8CodeUnitCount
    precondition(added <= capacity - count)
    guard added > 0 else { return }
    unsafe (base + count).copyMemory(from: text.utf8Start, byteCount: added)
    unsafe filled += added
  }

  /// Adds a number in decimal, as text.
  package func append(decimal number: Int64) {
    if number < 0 { append(0x2d) }
    append(decimal: number.magnitude)
  }

  private func append(decimal number: UInt64) {
    // Up to eight digits are put together in one word, the first in its lowest byte.
    var rest = number
    var word: UInt64 = 0
    var count = 0
    while count < 8, rest > 0 || count == 0 {
      word = word << 8 | 0x30 | rest % 10
      rest /= 10
      count += 1
    }
    if rest > 0 { append(decimal: rest) }
    precondition(count <= capacity - self.count)
    unsafe withUnsafeBytes(of: word.littleEndian) { bytes in
      guard let source = bytes.baseAddress else { return }
      unsafe (base + self.count).copyMemory(from: source, byteCount: count)
    }
    unsafe filled += count
  }

  /// Puts other bytes in place of valid ones.
  @inlinable @inline(__always)
  package func overwrite(at offset: Int, with span: RawSpan) {
    precondition(offset >= 0 && offset <= count - span.byteCount)
    unsafe span.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      unsafe (base + offset).copyMemory(from: source, byteCount: bytes.count)
    }
  }

  /// Adds an integer's bytes as they lie in memory; for keys, never for the wire.
  @inlinable @inline(__always)
  package func append(word: UInt64) {
    precondition(capacity - count >= 8)
    unsafe base.storeBytes(of: word, toByteOffset: count, as: UInt64.self)
    unsafe filled += 8
  }

  /// Adds a number, its highest byte first.
  @inlinable @inline(__always)
  package func append<Number: FixedWidthInteger & BitwiseCopyable>(bigEndian number: Number) {
    precondition(capacity - count >= MemoryLayout<Number>.size)
    unsafe base.storeBytes(of: number.bigEndian, toByteOffset: count, as: Number.self)
    unsafe filled += MemoryLayout<Number>.size
  }

  /// Puts a number, its highest byte first, in place of eight valid bytes.
  @inlinable @inline(__always)
  package func overwrite(at offset: Int, bigEndian number: UInt64) {
    precondition(offset >= 0 && offset <= count - 8)
    unsafe base.storeBytes(of: number.bigEndian, toByteOffset: offset, as: UInt64.self)
  }

  /// Adds bytes with A … Z turned into a … z.
  @inlinable @inline(__always)
  package func append(lowercasing span: RawSpan) {
    let added = span.byteCount
    precondition(added <= capacity - count)
    unsafe span.withUnsafeBytes { source in
      for index in 0..<added {
        let byte = unsafe source[index]
        let isUpper = byte &- 0x41 < 26
        unsafe base.storeBytes(
          of: isUpper ? byte | 0x20 : byte, toByteOffset: count &+ index, as: UInt8.self)
      }
    }
    unsafe filled += added
  }

  /// Removes the first `removed` bytes and moves the rest to the front.
  package func removeFirst(_ removed: Int) {
    precondition(removed >= 0 && removed <= count)
    unsafe filled -= removed
    if removed > 0 && count > 0 { unsafe memmove(base, base + removed, count) }
  }

  /// A copy of some of the bytes.
  package func copy(_ range: Range<Int>) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return unsafe [UInt8](
      UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
  }

  /// Adds what `body` writes into at most `countMax` bytes of free room; returns how many it wrote.
  @inlinable @inline(__always)
  package func append(upTo countMax: Int, _ body: (inout OutputRawSpan) -> Void) -> Int {
    let room = min(countMax, free)
    let target = unsafe UnsafeMutableRawBufferPointer(start: base + count, count: room)
    var span = unsafe OutputRawSpan(buffer: target, initializedCount: 0)
    body(&span)
    let added = unsafe span.finalize(for: target)
    unsafe filled += added
    return added
  }

  /// Where the kernel may write next; `received` then tells how much it wrote.
  func noteReceived(_ received: Int) {
    precondition(received >= 0 && received <= capacity - count)
    unsafe filled += received
  }
}
