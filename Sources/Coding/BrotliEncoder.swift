// br by libbrotlienc.

import CBrotli
import HTTP

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
