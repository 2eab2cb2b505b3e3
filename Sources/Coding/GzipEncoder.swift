// gzip by zlib.

import CZlib
import HTTP

/// The gzip format (RFC 1952) with a window of 32 KiB; the same bytes for the same body, since the
/// head holds neither name nor time.
@safe final class GzipEncoder: LibraryEncoder {
  private let level: Int
  private let memory: LibraryMemory
  /// At a fixed address: the library's state points back at it.
  private let stream: UnsafeMutablePointer<z_stream>
  private var isOpen = false

  /// The format's window, and 16 that ask for gzip's head and trailer.
  private static let formatBits: CInt = 15 + 16
  private static let memoryLevel: CInt = 8
  /// The library counts in 32 bits.
  private static let stepBytesMax = 1 << 30

  init(level: Int) {
    self.level = level
    memory = LibraryMemory()
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
  }

  deinit {
    if isOpen { unsafe deflateEnd(stream) }
    unsafe stream.deallocate()
  }

  var memoryBytes: Int { memory.most }

  func begin(windowBits: Int) -> Bool {
    if isOpen { return unsafe deflateReset(stream) == Z_OK }
    unsafe stream.pointee.opaque = memory.opaque
    unsafe stream.pointee.zalloc = { opaque, count, size in
      let (bytes, overflow) = Int(count).multipliedReportingOverflow(by: Int(size))
      return overflow ? nil : unsafe LibraryMemory.allocate(opaque, bytes)
    }
    unsafe stream.pointee.zfree = { opaque, block in
      unsafe LibraryMemory.release(opaque, block)
    }
    isOpen =
      unsafe deflateInit2_(
        stream, CInt(level), Z_DEFLATED, GzipEncoder.formatBits, GzipEncoder.memoryLevel,
        Z_DEFAULT_STRATEGY, zlibVersion(), CInt(MemoryLayout<z_stream>.size)) == Z_OK
    return isOpen
  }

  @unsafe func advance(
    _ input: inout UnsafeRawBufferPointer, _ output: inout UnsafeMutableRawBufferPointer,
    _ goal: EncodingGoal
  ) -> EncodingStep.Outcome {
    while true {
      let given = min(input.count, GzipEncoder.stepBytesMax)
      let room = min(output.count, GzipEncoder.stepBytesMax)
      let isLast = given == input.count
      unsafe stream.pointee.next_in = UnsafeMutablePointer(
        mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
      unsafe stream.pointee.avail_in = UInt32(given)
      unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
      unsafe stream.pointee.avail_out = UInt32(room)
      let result = unsafe deflate(stream, isLast ? goal.zlibFlush : Z_NO_FLUSH)
      unsafe input.dropFirst(moved: given - Int(stream.pointee.avail_in))
      unsafe output.dropFirst(moved: room - Int(stream.pointee.avail_out))
      if result == Z_STREAM_END { return .done }
      // Z_BUF_ERROR only says that there was nothing to do.
      guard result == Z_OK || result == Z_BUF_ERROR else { return .failed }
      // A full output may hide that more is to come; asking again does no harm.
      if unsafe output.isEmpty { return .full }
      if unsafe isLast && input.isEmpty && goal != .end { return .ready }
      if result == Z_BUF_ERROR { return .failed }
    }
  }
}

extension EncodingGoal {
  fileprivate var zlibFlush: CInt {
    switch self {
    case .more: Z_NO_FLUSH
    case .flush: Z_SYNC_FLUSH
    case .end: Z_FINISH
    }
  }
}
