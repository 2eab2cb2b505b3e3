// A body coded while it passes: bytes in, bytes out, in steps as long as the caller wants.

import HTTP
import Platform

/// What the caller wants from a step.
package enum EncodingGoal: Sendable {
  /// Take the input in; what comes out may lag behind, for the better ratio.
  case more
  /// Everything up to here must be decodable from the output: before a pause of unknown length.
  case flush
  /// The input is the body's last.
  case end
}

/// What a step came to.
package struct EncodingStep: Sendable {
  package enum Outcome: Equatable, Sendable {
    /// All input was taken, and what the goal asks for is written.
    case ready
    /// The output is full. Call again with more room, with the rest of the input (perhaps none) and
    /// the same goal.
    case full
    /// The coded body is complete.
    case done
    /// There was no memory. What was written so far is of no use any more.
    case failed
  }

  /// Bytes of the input that were taken: it begins behind them when the call is repeated.
  package var consumed: Int
  /// Bytes that were added to the output.
  package var produced: Int
  package var outcome: Outcome
}

/// One body on its way into a content coding. Nothing is called back and no input is kept by
/// reference. A step takes about as long as its input: for fairness the caller bounds that.
///
/// Memory is bounded by `memoryBytesMax`, whatever the input: see `EncoderBounds`. An encoder comes
/// from `EncoderPool` and returns there: so its memory is allocated once for many bodies.
package final class BodyEncoder {
  package let coding: ContentCoding
  package let level: Int
  /// What the pool counts for this body.
  var reservedBytes = 0
  private let library: any LibraryEncoder
  private var goalPending: EncodingGoal?
  private var isOver = false

  /// Room in the output below which a step does nothing: a flush's mark must fit as a whole.
  package static let roomBytesMin = 16

  /// nil for identity, and when there is no memory. `level` is brought into the coding's range, see
  /// `levels`. `byteCountHint`: how long the body will be, nil when that is not known: it decides
  /// the window; a wrong one only costs compression.
  package init?(_ coding: ContentCoding, level: Int, byteCountHint: Int? = nil) {
    guard let levels = BodyEncoder.levels(coding) else { return nil }
    self.coding = coding
    self.level = min(max(level, levels.lowerBound), levels.upperBound)
    switch coding {
    case .identity: return nil
    case .gzip: library = GzipEncoder(level: self.level)
    case .br: library = BrotliEncoder(quality: self.level)
    case .zstd: library = ZstdEncoder(level: self.level)
    }
    guard restart(byteCountHint: byteCountHint) else { return nil }
  }

  /// The levels of a coding, the fastest first; nil for identity. zstd's above 19 need decoders
  /// with more memory than browsers give.
  package static func levels(_ coding: ContentCoding) -> ClosedRange<Int>? {
    switch coding {
    case .identity: nil
    case .gzip: 1...9
    case .br: 0...11
    case .zstd: 1...19
    }
  }

  /// What a coded body of `byteCount` bytes, without flushes, has at most, and a little more.
  package static func outputBytesMax(_ byteCount: Int) -> Int {
    byteCount + byteCount / 64 + 1024
  }

  /// Bytes that the encoder holds now.
  package var memoryBytes: Int { library.memoryBytes }

  /// Prepares for another body; false when there is no memory.
  func restart(byteCountHint: Int?) -> Bool {
    isOver = false
    goalPending = nil
    return library.begin(
      windowBits: EncoderBounds.windowBits(coding, byteCountHint: byteCountHint))
  }

  /// Codes on. The input is taken from its front, the output is added to `output` as far as there
  /// is room, at least `roomBytesMin`. After `.full` with the goals flush or end the call is
  /// repeated with the same goal; after `.done` and `.failed` there is none.
  package func encode(
    _ input: RawSpan, into output: ByteBuffer, _ goal: EncodingGoal
  ) -> EncodingStep {
    precondition(!isOver, "the body is over")
    precondition(goalPending == nil || goalPending == goal, "the last goal is not reached yet")
    guard output.free >= BodyEncoder.roomBytesMin else {
      if goal != .more { goalPending = goal }
      return EncodingStep(consumed: 0, produced: 0, outcome: .full)
    }
    let step = library.advance(input, into: output, goal)
    isOver = step.outcome == .done || step.outcome == .failed
    goalPending = step.outcome == .full && goal != .more ? goal : nil
    return step
  }
}
