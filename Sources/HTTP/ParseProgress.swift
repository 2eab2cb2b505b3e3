// How far an unfinished head has been looked at, so that few bytes more cost little.

/// How far an unfinished head has been looked at, so that one byte more does not mean parsing all
/// bytes again. Keep one a connection; it resets itself when a head is complete or rejected.
package struct ParseProgress: Sendable {
  /// Bytes present when the last full attempt was made.
  private var triedByteCount: UInt32 = 0
  private var scannedByteCount: UInt32 = 0
  private var lineStart: UInt32 = 0
  private var lineCount: UInt32 = 0

  package init() {}

  /// Whether a full attempt at `bytes` may tell more than the last one.
  @inline(__always)
  mutating func isWorthTrying(_ bytes: RawSpan, _ limits: RequestLimits) -> Bool {
    triedByteCount == 0 || isWorthParsing(bytes, limits)
  }

  /// Remembers what came of a full attempt at `bytes`.
  @inline(__always)
  mutating func note(_ outcome: ParseOutcome, _ bytes: RawSpan, _ limits: RequestLimits) {
    guard case .needMore = outcome else {
      if triedByteCount != 0 { self = ParseProgress() }
      return
    }
    _ = isWorthParsing(bytes, limits)
    triedByteCount = UInt32(truncatingIfNeeded: bytes.byteCount)
  }

  /// Looks at the bytes that are new since the last call; true if a full attempt may now tell more.
  private mutating func isWorthParsing(_ bytes: RawSpan, _ limits: RequestLimits) -> Bool {
    var index = Int(scannedByteCount)
    guard index <= bytes.byteCount else { return true }
    var isWorth = bytes.byteCount >= 2 * Int(triedByteCount)
    while true {
      index = Scan.firstIndex(of: ASCII.lineFeed, in: bytes, from: index, to: bytes.byteCount)
      guard index < bytes.byteCount else { break }
      // An empty line ends the head; a line of one byte is an error, or empty.
      if index - Int(lineStart) <= 1 { isWorth = true }
      index += 1
      lineStart = UInt32(truncatingIfNeeded: index)
      lineCount += 1
    }
    scannedByteCount = UInt32(truncatingIfNeeded: bytes.byteCount)
    // Lines before the first field: at most two empty ones and the first line of the message.
    let lineBytesMax = lineCount == 0 ? limits.requestLineBytesMax : limits.fieldBytesMax
    return isWorth || Int(lineCount) > limits.fieldCountMax + 3
      || bytes.byteCount - Int(lineStart) > lineBytesMax
      || bytes.byteCount > limits.headerBytesMax
  }
}
