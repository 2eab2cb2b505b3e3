// zlib, brotli and zstd: all that meets their memory and their pointers.

import CBrotli
import CZlib
import CZstd
import Glibc
import HTTP
import Platform

/// What each library is brought to.
protocol LibraryEncoder: AnyObject {
  /// Starts a body, also after one that was not finished; false when there is no memory.
  func begin(windowBits: Int) -> Bool
  /// Codes until all input is taken and the goal is reached, or the output is full; moves both on.
  @unsafe func advance(
    _ input: inout UnsafeRawBufferPointer, _ output: inout UnsafeMutableRawBufferPointer,
    _ goal: EncodingGoal
  ) -> EncodingStep.Outcome
  var memoryBytes: Int { get }
}

extension LibraryEncoder {
  /// The same from the front of `input` to the free room of `output`.
  func advance(_ input: RawSpan, into output: ByteBuffer, _ goal: EncodingGoal) -> EncodingStep {
    var step = EncodingStep(consumed: 0, produced: 0, outcome: .full)
    step.produced = output.append(upTo: output.free) { span in
      unsafe span.withUnsafeMutableBytes { room, count in
        var source = unsafe input.withUnsafeBytes { unsafe $0 }
        var target = unsafe UnsafeMutableRawBufferPointer(rebasing: room[count...])
        let available = (source.count, target.count)
        step.outcome = unsafe advance(&source, &target, goal)
        step.consumed = available.0 - source.count
        count += available.1 - target.count
      }
    }
    return step
  }
}

extension UnsafeRawBufferPointer {
  @unsafe mutating func dropFirst(moved count: Int) {
    unsafe self = UnsafeRawBufferPointer(rebasing: self[count...])
  }
}

extension UnsafeMutableRawBufferPointer {
  @unsafe mutating func dropFirst(moved count: Int) {
    unsafe self = UnsafeMutableRawBufferPointer(rebasing: self[count...])
  }
}

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

/// Brotli (RFC 7932) in blocks of 64 KiB: larger ones would make single steps of the best qualities
/// long.
@safe final class BrotliEncoder: LibraryEncoder {
  private let quality: Int
  private let memory: LibraryMemory
  private var state: OpaquePointer?

  private static let blockBits = 16

  init(quality: Int) {
    self.quality = quality
    memory = LibraryMemory()
  }

  deinit { close() }

  private func close() {
    if let state = unsafe state { unsafe BrotliEncoderDestroyInstance(state) }
    unsafe state = nil
  }

  var memoryBytes: Int { memory.most }

  /// The library cannot start over, but the memory is kept for the next state.
  func begin(windowBits: Int) -> Bool {
    close()
    unsafe state = BrotliEncoderCreateInstance(
      { opaque, size in unsafe LibraryMemory.allocate(opaque, size) },
      { opaque, block in unsafe LibraryMemory.release(opaque, block) }, memory.opaque)
    guard unsafe state != nil else { return false }
    return set(BROTLI_PARAM_QUALITY, quality) && set(BROTLI_PARAM_LGWIN, windowBits)
      && set(BROTLI_PARAM_LGBLOCK, BrotliEncoder.blockBits)
  }

  private func set(_ parameter: BrotliEncoderParameter, _ value: Int) -> Bool {
    unsafe BrotliEncoderSetParameter(state, parameter, UInt32(clamping: value)) != BROTLI_FALSE
  }

  @unsafe func advance(
    _ input: inout UnsafeRawBufferPointer, _ output: inout UnsafeMutableRawBufferPointer,
    _ goal: EncodingGoal
  ) -> EncodingStep.Outcome {
    guard let state = unsafe state else { return .failed }
    while true {
      var given = input.count
      var room = output.count
      var source = unsafe input.baseAddress?.assumingMemoryBound(to: UInt8.self)
      var target = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
      let isFine = unsafe BrotliEncoderCompressStream(
        state, goal.brotliOperation, &given, &source, &room, &target, nil)
      let moved = (input.count - given, output.count - room)
      unsafe input.dropFirst(moved: moved.0)
      unsafe output.dropFirst(moved: moved.1)
      guard isFine != BROTLI_FALSE else { return .failed }
      if unsafe BrotliEncoderIsFinished(state) != BROTLI_FALSE { return .done }
      let hasMore = unsafe BrotliEncoderHasMoreOutput(state) != BROTLI_FALSE
      if unsafe input.isEmpty && !hasMore && goal != .end { return .ready }
      if unsafe output.isEmpty { return .full }
      // Neither input nor output moved although there is both: it would never end.
      if moved == (0, 0) { return .failed }
    }
  }
}

extension EncodingGoal {
  fileprivate var brotliOperation: BrotliEncoderOperation {
    switch self {
    case .more: BROTLI_OPERATION_PROCESS
    case .flush: BROTLI_OPERATION_FLUSH
    case .end: BROTLI_OPERATION_FINISH
    }
  }
}

/// Zstandard (RFC 8878), with tables that fit the window: the levels' own are meant for windows of
/// many MiB.
@safe final class ZstdEncoder: LibraryEncoder {
  private let level: Int
  private var context: OpaquePointer?

  /// Below, the tables are small by themselves.
  private static let tablesLevelMin = 4
  /// From here on the chain is a tree, which needs two words a place.
  private static let treeLevelMin = 13

  init(level: Int) {
    self.level = level
    unsafe context = ZSTD_createCCtx()
  }

  deinit { unsafe ZSTD_freeCCtx(context) }

  var memoryBytes: Int { unsafe context == nil ? 0 : ZSTD_sizeof_CCtx(context) }

  func begin(windowBits: Int) -> Bool {
    guard unsafe context != nil,
      unsafe ZSTD_isError(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)) == 0,
      set(ZSTD_c_compressionLevel, level), set(ZSTD_c_windowLog, windowBits)
    else { return false }
    guard level >= ZstdEncoder.tablesLevelMin else { return true }
    return set(ZSTD_c_hashLog, windowBits - 1)
      && set(ZSTD_c_chainLog, level < ZstdEncoder.treeLevelMin ? windowBits - 1 : windowBits)
  }

  private func set(_ parameter: ZSTD_cParameter, _ value: Int) -> Bool {
    unsafe ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, CInt(value))) == 0
  }

  @unsafe func advance(
    _ input: inout UnsafeRawBufferPointer, _ output: inout UnsafeMutableRawBufferPointer,
    _ goal: EncodingGoal
  ) -> EncodingStep.Outcome {
    while true {
      var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
      var target = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
      let left = unsafe ZSTD_compressStream2(context, &target, &source, goal.zstdDirective)
      let moved = unsafe (source.pos, target.pos)
      unsafe input.dropFirst(moved: moved.0)
      unsafe output.dropFirst(moved: moved.1)
      guard ZSTD_isError(left) == 0 else { return .failed }
      if unsafe input.isEmpty {
        switch goal {
        case .more: return .ready
        case .flush: if left == 0 { return .ready }
        case .end: if left == 0 { return .done }
        }
      }
      if unsafe output.isEmpty { return .full }
      // Neither input nor output moved although there is both: it would never end.
      if moved == (0, 0) { return .failed }
    }
  }
}

extension EncodingGoal {
  fileprivate var zstdDirective: ZSTD_EndDirective {
    switch self {
    case .more: ZSTD_e_continue
    case .flush: ZSTD_e_flush
    case .end: ZSTD_e_end
    }
  }
}

/// Allocates for a library, and keeps large blocks that are given back, since blocks of the same
/// size are wanted for the next body: new memory of the kernel would cost a fault a page. There is
/// no cap, because libbrotlienc ends the process when it gets no memory: what a library takes is
/// bounded by its parameters.
@safe final class LibraryMemory {
  private var keptBytes = 0
  /// Bytes allocated, kept blocks among them.
  private(set) var bytes = 0 {
    didSet { most = max(most, bytes) }
  }
  private(set) var most = 0
  private var kept: [UnsafeMutableRawPointer] = unsafe []

  private static let keptBytesMin = 4096

  deinit {
    while let block = unsafe kept.popLast() { unsafe free(block) }
  }

  /// What the library gives back to its functions as `opaque`. Valid as long as this object.
  @unsafe var opaque: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(self).toOpaque() }

  @unsafe static func allocate(_ opaque: UnsafeMutableRawPointer?, _ size: Int)
    -> UnsafeMutableRawPointer?
  {
    guard let opaque = unsafe opaque else { return nil }
    return unsafe Unmanaged<LibraryMemory>.fromOpaque(opaque).takeUnretainedValue().allocate(size)
  }

  @unsafe static func release(
    _ opaque: UnsafeMutableRawPointer?, _ block: UnsafeMutableRawPointer?
  ) {
    guard let opaque = unsafe opaque, let block = unsafe block else { return }
    unsafe Unmanaged<LibraryMemory>.fromOpaque(opaque).takeUnretainedValue().release(block)
  }

  private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    // Not one that is much larger, or a small table would take the window's place.
    if size >= LibraryMemory.keptBytesMin,
      let index = unsafe kept.firstIndex(where: { block in
        let usable = unsafe malloc_usable_size(block)
        return usable >= size && usable - size <= size / 2
      })
    {
      let block = unsafe kept.remove(at: index)
      keptBytes -= unsafe malloc_usable_size(block)
      return unsafe block
    }
    guard size >= 0, let block = unsafe malloc(size) else { return nil }
    bytes += unsafe malloc_usable_size(block)
    return unsafe block
  }

  private func release(_ block: UnsafeMutableRawPointer) {
    let usable = unsafe malloc_usable_size(block)
    if usable >= LibraryMemory.keptBytesMin && usable <= most / 2 - keptBytes {
      unsafe kept.append(block)
      keptBytes += usable
    } else {
      bytes -= usable
      unsafe free(block)
    }
  }
}
