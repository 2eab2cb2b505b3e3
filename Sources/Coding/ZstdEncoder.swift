// zstd by libzstd.

import CZstd

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
