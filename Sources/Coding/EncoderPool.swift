// Encoders that wait for their next body, and how many bodies may be coded at a time.

import HTTP

/// The encoders of one event loop. Those that are out are bounded by what they may allocate, those
/// that wait by the same bound: beyond it there is none, and the body goes as it is.
package final class EncoderPool {
  private let memoryBytesMax: Int
  /// What the encoders that are out, and those that wait, may allocate.
  private var outBytes = 0
  private var waitingBytes = 0
  /// Those used last at the end: their memory is still in the processor's caches.
  private var waiting: [BodyEncoder] = []

  /// `memoryBytesMax`: for encoders at work; as much again, at most, for those that wait.
  package init(memoryBytesMax: Int) { self.memoryBytesMax = memoryBytesMax }

  /// An encoder at the start of a body; it must come back by `give`. nil for identity, without
  /// memory, and when too many are out.
  package func take(
    _ coding: ContentCoding, level: Int, byteCountHint: Int? = nil
  ) -> BodyEncoder? {
    guard let levels = BodyEncoder.levels(coding) else { return nil }
    let level = min(max(level, levels.lowerBound), levels.upperBound)
    let bytes = EncoderBounds.memoryBytesMax(coding, level: level, byteCountHint: byteCountHint)
    guard bytes <= memoryBytesMax - outBytes else { return nil }
    let encoder: BodyEncoder
    if let index = waiting.lastIndex(where: { $0.coding == coding && $0.level == level }) {
      encoder = waiting.remove(at: index)
      waitingBytes -= encoder.memoryBytes
      guard encoder.restart(byteCountHint: byteCountHint) else { return nil }
    } else {
      guard let made = BodyEncoder(coding, level: level, byteCountHint: byteCountHint) else {
        return nil
      }
      encoder = made
    }
    encoder.reservedBytes = bytes
    outBytes += bytes
    return encoder
  }

  /// Takes back an encoder that `take` gave, whatever became of its body.
  package func give(_ encoder: BodyEncoder) {
    outBytes -= encoder.reservedBytes
    encoder.reservedBytes = 0
    waiting.append(encoder)
    waitingBytes += encoder.memoryBytes
    while waitingBytes > memoryBytesMax || waiting.count > EncoderPool.waitingCountMax {
      waitingBytes -= waiting.removeFirst().memoryBytes
    }
  }

  /// Few are enough: a worker codes one body at a time, but for slow streams.
  private static let waitingCountMax = 8
}
