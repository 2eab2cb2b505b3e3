// Memory that several processes map: bounds-checked loads and stores at offsets, and atomics.

import Glibc
import Synchronization

/// A place in a `SharedRegion`.
package struct RegionRange: Equatable, Sendable, BitwiseCopyable {
  /// Bytes from the region's start.
  package var offset: Int
  package var count: Int

  @inlinable
  package init(offset: Int, count: Int) {
    self.offset = offset
    self.count = count
  }
}

/// One MAP_SHARED mapping. Every access is checked against the region's end by one compare, and
/// traps beyond it. Offsets are bytes from the start, which is page-aligned; atomic words must lie
/// on a multiple of their size. Bytes that another process may change at the same time are only
/// meaningful under a protocol of the caller (locks, hazard slots); they are never unsafe to read.
@safe
package final class SharedRegion: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Bytes mapped: a positive multiple of 4096.
  package let byteCount: Int
  /// The shared-memory object, nil for an anonymous region.
  package let descriptor: Descriptor?

  /// A fresh mapping without a name, zeroed; children forked later share it.
  /// `byteCount` is rounded up to whole pages.
  package init(anonymous byteCount: Int) throws(SystemError) {
    precondition(byteCount > 0)
    let size = (byteCount + 4095) & ~4095
    unsafe base = try SharedRegion.map(size, MAP_SHARED | MAP_ANONYMOUS, -1)
    self.byteCount = size
    descriptor = nil
  }

  /// Maps a whole object, which must hold at least `byteCount` bytes, a positive multiple of 4096.
  package init(mapping descriptor: Descriptor, byteCount: Int) throws(SystemError) {
    precondition(byteCount > 0 && byteCount & 4095 == 0)
    unsafe base = try SharedRegion.map(byteCount, MAP_SHARED, descriptor.number)
    self.byteCount = byteCount
    self.descriptor = descriptor
  }

  /// The same for reading only: a store through it is SIGSEGV.
  init(showing descriptor: Descriptor, byteCount: Int) throws(SystemError) {
    precondition(byteCount > 0 && byteCount & 4095 == 0)
    unsafe base = try SharedRegion.map(byteCount, MAP_SHARED, descriptor.number, PROT_READ)
    self.byteCount = byteCount
    self.descriptor = descriptor
  }

  deinit { unsafe munmap(base, byteCount) }

  private static func map(
    _ byteCount: Int, _ flags: CInt, _ descriptor: CInt,
    _ protection: CInt = PROT_READ | PROT_WRITE
  ) throws(SystemError) -> UnsafeMutableRawPointer {
    let address = unsafe mmap(nil, byteCount, protection, flags, descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw SystemError(code: Glibc.errno, operation: "mmap")
    }
    return unsafe address
  }

  /// The address of `count` bytes at `offset`, checked; for system calls inside this room.
  @inlinable @inline(__always)
  func address(_ offset: Int, _ count: Int) -> UnsafeMutableRawPointer {
    precondition(
      count >= 0 && count <= byteCount
        && UInt(bitPattern: offset) <= UInt(bitPattern: byteCount &- count),
      "outside the shared region")
    return unsafe base + offset
  }

  /// As `address`, for a constant size below a page: one compare.
  @inlinable @inline(__always)
  func address<T>(_ offset: Int, of type: T.Type) -> UnsafeMutableRawPointer {
    precondition(
      UInt(bitPattern: offset) <= UInt(bitPattern: byteCount &- MemoryLayout<T>.size),
      "outside the shared region")
    return unsafe base + offset
  }

  /// An aligned word's address. Rotating the alignment bits to the top makes a misaligned offset a
  /// huge one, so that one compare refuses both.
  @inlinable @inline(__always)
  func word64(_ offset: Int) -> UnsafePointer<Atomic<UInt64>> {
    let bits = UInt(bitPattern: offset)
    precondition(
      bits &>> 3 | bits &<< 61 < UInt(bitPattern: byteCount) &>> 3, "outside the shared region")
    return unsafe UnsafeRawPointer(base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inlinable @inline(__always)
  func byte(_ offset: Int) -> UnsafePointer<Atomic<UInt8>> {
    precondition(
      UInt(bitPattern: offset) < UInt(bitPattern: byteCount), "outside the shared region")
    return unsafe UnsafeRawPointer(base + offset).assumingMemoryBound(to: Atomic<UInt8>.self)
  }

  @inlinable @inline(__always)
  func word32(_ offset: Int) -> UnsafePointer<Atomic<UInt32>> {
    let bits = UInt(bitPattern: offset)
    precondition(
      bits &>> 2 | bits &<< 62 < UInt(bitPattern: byteCount) &>> 2, "outside the shared region")
    return unsafe UnsafeRawPointer(base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}

/// Plain values.
extension SharedRegion {
  /// Reads a value of a type whose every bit pattern is valid (integers and structs of them).
  @inlinable @inline(__always)
  package func load<T: BitwiseCopyable>(at offset: Int, as type: T.Type) -> T {
    unsafe address(offset, of: T.self).loadUnaligned(as: T.self)
  }

  @inlinable @inline(__always)
  package func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
    unsafe address(offset, of: T.self).storeBytes(of: value, as: T.self)
  }

  /// Copies bytes into the region.
  @inlinable
  package func copyIn(_ bytes: RawSpan, at offset: Int) {
    let target = unsafe address(offset, bytes.byteCount)
    unsafe bytes.withUnsafeBytes { source in
      if let start = source.baseAddress {
        unsafe target.copyMemory(from: start, byteCount: source.count)
      }
    }
  }

  /// A copy of bytes of the region.
  package func copyOut(at offset: Int, count: Int) -> [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: address(offset, count), count: count))
  }

  /// Appends bytes of the region to an array.
  package func append(_ range: RegionRange, to bytes: inout [UInt8]) {
    unsafe bytes.append(
      contentsOf: UnsafeRawBufferPointer(
        start: address(range.offset, range.count), count: range.count))
  }

  /// Copies bytes from one place of the region to another. memmove(3).
  package func copyInside(from source: Int, to target: Int, count: Int) {
    unsafe memmove(address(target, count), address(source, count), count)
  }

  /// Sets `count` bytes to one value. memset(3).
  package func fill(at offset: Int, count: Int, with byte: UInt8) {
    unsafe memset(address(offset, count), CInt(byte), count)
  }

  /// Whether the bytes at `offset` are exactly `bytes`. memcmp(3).
  @inlinable
  package func equal(at offset: Int, to bytes: RawSpan) -> Bool {
    let count = bytes.byteCount
    let mine = unsafe address(offset, count)
    return unsafe bytes.withUnsafeBytes { other in
      guard let start = other.baseAddress else { return true }
      return unsafe memcmp(mine, start, count) == 0
    }
  }

  /// The bytes at a place; take the region into a local constant first, which the span borrows.
  /// What is read through it may change when another process writes there.
  @inlinable
  @_lifetime(borrow self)
  package func span(at offset: Int, count: Int) -> RawSpan {
    let buffer = unsafe UnsafeRawBufferPointer(start: address(offset, count), count: count)
    return unsafe _overrideLifetime(RawSpan(_unsafeBytes: buffer), borrowing: self)
  }
}

/// Atomic words. The orderings are those of Swift's Synchronization module; each caller says at its
/// use why the one it takes is enough.
extension SharedRegion {
  @inlinable @inline(__always)
  package func loadRelaxed64(at offset: Int) -> UInt64 {
    unsafe word64(offset).pointee.load(ordering: .relaxed)
  }
  @inlinable @inline(__always)
  package func loadAcquire64(at offset: Int) -> UInt64 {
    unsafe word64(offset).pointee.load(ordering: .acquiring)
  }
  @inlinable @inline(__always)
  package func loadSequential64(at offset: Int) -> UInt64 {
    unsafe word64(offset).pointee.load(ordering: .sequentiallyConsistent)
  }
  @inlinable @inline(__always)
  package func storeRelaxed64(_ value: UInt64, at offset: Int) {
    unsafe word64(offset).pointee.store(value, ordering: .relaxed)
  }
  @inlinable @inline(__always)
  package func storeRelease64(_ value: UInt64, at offset: Int) {
    unsafe word64(offset).pointee.store(value, ordering: .releasing)
  }
  @inlinable @inline(__always)
  package func storeSequential64(_ value: UInt64, at offset: Int) {
    unsafe word64(offset).pointee.store(value, ordering: .sequentiallyConsistent)
  }
  /// Adds and returns the old value; relaxed: for counters.
  @inlinable @inline(__always) @discardableResult
  package func fetchAdd64(_ value: UInt64, at offset: Int) -> UInt64 {
    unsafe word64(offset).pointee.wrappingAdd(value, ordering: .relaxed).oldValue
  }
  /// True when the word was `expected` and is now `desired`. Acquires and releases.
  @inlinable @inline(__always)
  package func compareExchange64(
    at offset: Int, expected: UInt64, desired: UInt64
  ) -> Bool {
    unsafe word64(offset).pointee.compareExchange(
      expected: expected, desired: desired, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// As `compareExchange64`, sequentially consistent.
  @inlinable @inline(__always)
  package func compareExchangeSequential64(
    at offset: Int, expected: UInt64, desired: UInt64
  ) -> Bool {
    unsafe word64(offset).pointee.compareExchange(
      expected: expected, desired: desired, ordering: .sequentiallyConsistent
    ).exchanged
  }
  /// Replaces the word and returns the old value, sequentially consistent.
  @inlinable @inline(__always)
  package func exchange64(_ value: UInt64, at offset: Int) -> UInt64 {
    unsafe word64(offset).pointee.exchange(value, ordering: .sequentiallyConsistent)
  }
  /// Sets bits, sequentially consistent.
  @inlinable @inline(__always)
  package func setBits64(_ bits: UInt64, at offset: Int) {
    unsafe _ = word64(offset).pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent)
  }
  /// Clears bits, sequentially consistent.
  @inlinable @inline(__always)
  package func clearBits64(_ bits: UInt64, at offset: Int) {
    unsafe _ = word64(offset).pointee.bitwiseAnd(~bits, ordering: .sequentiallyConsistent)
  }

  @inlinable @inline(__always)
  package func loadRelaxed8(at offset: Int) -> UInt8 {
    unsafe byte(offset).pointee.load(ordering: .relaxed)
  }
  @inlinable @inline(__always)
  package func storeRelaxed8(_ value: UInt8, at offset: Int) {
    unsafe byte(offset).pointee.store(value, ordering: .relaxed)
  }

  @inlinable @inline(__always)
  package func loadRelaxed32(at offset: Int) -> UInt32 {
    unsafe word32(offset).pointee.load(ordering: .relaxed)
  }
  @inlinable @inline(__always)
  package func loadAcquire32(at offset: Int) -> UInt32 {
    unsafe word32(offset).pointee.load(ordering: .acquiring)
  }
  @inlinable @inline(__always)
  package func loadSequential32(at offset: Int) -> UInt32 {
    unsafe word32(offset).pointee.load(ordering: .sequentiallyConsistent)
  }
  @inlinable @inline(__always)
  package func storeRelaxed32(_ value: UInt32, at offset: Int) {
    unsafe word32(offset).pointee.store(value, ordering: .relaxed)
  }
  @inlinable @inline(__always)
  package func storeRelease32(_ value: UInt32, at offset: Int) {
    unsafe word32(offset).pointee.store(value, ordering: .releasing)
  }
  /// Replaces the word and returns the old value, sequentially consistent.
  @inlinable @inline(__always)
  package func exchange32(_ value: UInt32, at offset: Int) -> UInt32 {
    unsafe word32(offset).pointee.exchange(value, ordering: .sequentiallyConsistent)
  }
  /// Adds and returns the old value; acquires and releases.
  @inlinable @inline(__always) @discardableResult
  package func fetchAdd32(_ value: UInt32, at offset: Int) -> UInt32 {
    unsafe word32(offset).pointee.wrappingAdd(value, ordering: .acquiringAndReleasing).oldValue
  }
  /// True when the word was `expected` and is now `desired`. Acquires and releases.
  @inlinable @inline(__always)
  package func compareExchange32(
    at offset: Int, expected: UInt32, desired: UInt32
  ) -> Bool {
    unsafe word32(offset).pointee.compareExchange(
      expected: expected, desired: desired, ordering: .acquiringAndReleasing
    ).exchanged
  }
}
