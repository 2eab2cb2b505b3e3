// How much memory an encoder needs at most, and the windows that decide it.

import HTTP

/// Windows are as long as the body, up to a bound; of bodies of unknown length there may be many at
/// a time, slow ones among them, so their windows are shorter. gzip's is always 32 KiB.
package enum EncoderBounds {
  /// The window's length as a power of two. br: 256 KiB, or 64 KiB when the length is not known.
  /// zstd: 512 KiB, or 128 KiB; far below the 8 MiB that every decoder has (RFC 9659).
  static func windowBits(_ coding: ContentCoding, byteCountHint: Int?) -> Int {
    guard let byteCountHint else { return coding == .br ? 16 : 17 }
    let bits = Int.bitWidth - (max(2, byteCountHint) - 1).leadingZeroBitCount
    return min(max(bits, 10), coding == .br ? 18 : 19)
  }

  /// What an encoder allocates at most, in bytes. As measured, with some room to spare.
  package static func memoryBytesMax(
    _ coding: ContentCoding, level: Int, byteCountHint: Int? = nil
  ) -> Int {
    let bits = windowBits(coding, byteCountHint: byteCountHint)
    let quarterMiB =
      switch coding {
      case .identity: 0
      case .gzip: 2
      case .br: brotli(level, isLong: bits > 16)
      case .zstd: zstd(level, isLong: bits > 17)
      }
    return quarterMiB << 18
  }

  private static func brotli(_ quality: Int, isLong: Bool) -> Int {
    switch quality {
    case ...1: 4
    case ...3: isLong ? 12 : 6
    case ...5: isLong ? 21 : 11
    case 6: isLong ? 26 : 11
    case 7: isLong ? 52 : 11
    case 8: isLong ? 88 : 11
    case 9: isLong ? 160 : 14
    default: isLong ? 64 : 48
    }
  }

  private static func zstd(_ level: Int, isLong: Bool) -> Int {
    switch level {
    case ...3: isLong ? 9 : 7
    case ...12: isLong ? 14 : 7
    default: isLong ? 22 : 11
    }
  }
}
