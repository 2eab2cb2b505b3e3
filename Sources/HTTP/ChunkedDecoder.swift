// The chunked transfer coding (RFC 9112 §7.1), decoded in place: a strict machine that is fed
// bytes.

/// What came of one step of a `ChunkedDecoder`.
package enum ChunkedStep: Sendable {
  /// Nothing more can be told before more bytes arrive; `consumedByteCount` of those given are
  /// done.
  case needMore(consumedByteCount: Int)
  /// `body` is decoded content, as a range of the bytes given; continue after `consumedByteCount`.
  case body(BufferRange, consumedByteCount: Int)
  /// The body and its trailer section have ended; the next request starts after
  /// `consumedByteCount`.
  case done(consumedByteCount: Int)
  /// The bytes are not a chunked body, or exceed a limit; `byteOffset` counts from the bytes given.
  case rejected(RequestRejection)
}

/// Decodes one chunked body.
///
/// Feed it what has arrived; drop the bytes it consumed and feed it again. It keeps no bytes but
/// trailers, if they are wanted: every byte given is consumed at once, except after a body range,
/// when `step` should be called again with the rest. Content is limited by whoever takes it (413); framing is limited here.
package struct ChunkedDecoder: Sendable {
  /// Bytes of chunk extensions in one body; more is refused. Nobody needs them, attackers like
  /// them.
  package static let extensionBytesMax = 4096

  private enum State: UInt8 {
    case sizeStart, size, blankAfterSize, extensionText, extensionQuoted, extensionEscape
    case sizeLineFeed, data, dataReturn, dataLineFeed
    case trailerStart, trailerName, trailerValue, trailerLineFeed, endLineFeed, done
  }

  private var state = State.sizeStart
  /// Of the chunk's size while it is read, then of its bytes still to come.
  private var remaining: UInt64 = 0
  private var sizeDigitCount = 0
  private var extensionByteCount = 0
  private var trailerByteCount = 0
  private var trailerLineByteCount = 0
  private var trailerLineCount = 0
  /// Content bytes handed out so far.
  package private(set) var bodyByteCount: UInt64 = 0
  /// The trailer fields so far, each line with its CR LF, if they are kept; whole once the body is
  /// done. `Trailers.forEachForwarded` reads them.
  package private(set) var trailers: [UInt8] = []
  private let keepsTrailers: Bool
  private let limits: RequestLimits

  /// Trailers are held to the limits of field sections, whether they are kept or not.
  package init(limits: RequestLimits = RequestLimits(), keepsTrailers: Bool = false) {
    self.limits = limits
    self.keepsTrailers = keepsTrailers
  }

  /// The body has ended.
  package var isDone: Bool { state == .done }

  /// Takes the next step over `bytes`.
  package mutating func step(_ bytes: RawSpan) -> ChunkedStep {
    var index = 0
    while index < bytes.byteCount {
      switch state {
      case .data:
        let count = Int(min(remaining, UInt64(bytes.byteCount - index)))
        remaining -= UInt64(count)
        bodyByteCount += UInt64(count)
        if remaining == 0 { state = .dataReturn }
        return .body(BufferRange(index, index + count), consumedByteCount: index + count)
      case .done:
        return .done(consumedByteCount: index)
      default:
        if let message = take(Scan.byte(bytes, at: index)) {
          return .rejected(
            RequestRejection(
              status: message.status, reason: message.reason, byteOffset: index,
              message: message.text))
        }
        index += 1
      }
    }
    return state == .done ? .done(consumedByteCount: index) : .needMore(consumedByteCount: index)
  }

  private struct Refusal {
    var status: UInt16 = 400
    var reason = EndReason.badRequest
    var text: StaticString
  }

  /// Moves on by one byte that is not content; says why it must not be there.
  private mutating func take(_ byte: UInt8) -> Refusal? {
    switch state {
    case .sizeStart, .size, .blankAfterSize, .sizeLineFeed: takeSize(byte)
    case .extensionText, .extensionQuoted, .extensionEscape: takeExtension(byte)
    case .dataReturn: expect(byte, ASCII.carriageReturn, then: .dataLineFeed)
    case .dataLineFeed: expect(byte, ASCII.lineFeed, then: .sizeStart)
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed: takeTrailer(byte)
    case .endLineFeed: expect(byte, ASCII.lineFeed, then: .done)
    case .data, .done: nil
    }
  }

  private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then next: State) -> Refusal? {
    guard byte == wanted else {
      return Refusal(reason: .invalidLineEnd, text: "CR LF is missing in a chunked body")
    }
    state = next
    return nil
  }

  /// `1*HEXDIG`: no sign, no "0x", no overflow; leading zeros are bounded by sixteen digits.
  private mutating func takeSize(_ byte: UInt8) -> Refusal? {
    switch state {
    case .sizeStart:
      guard let digit = ASCII.hexValue(byte) else {
        return Refusal(reason: .number, text: "a chunk size that is not hexadecimal")
      }
      remaining = UInt64(digit)
      sizeDigitCount = 1
      state = .size
    case .size:
      if let digit = ASCII.hexValue(byte) {
        sizeDigitCount += 1
        guard sizeDigitCount <= 16, remaining <= UInt64(Int64.max) >> 4 else {
          return Refusal(reason: .number, text: "a chunk size that is too large")
        }
        remaining = remaining << 4 | UInt64(digit)
        return nil
      }
      return endSize(byte)
    case .blankAfterSize:
      // BWS before ";" (RFC 9112 §7.1.1) is tolerated only if an extension follows.
      guard byte == 0x3b || ASCII.isBlank(byte) else {
        return Refusal(text: "blanks after a chunk size")
      }
      if byte == 0x3b { state = .extensionText }
      return countExtensionByte()
    case .sizeLineFeed:
      guard byte == ASCII.lineFeed else {
        return Refusal(reason: .invalidLineEnd, text: "a bare CR after a chunk size")
      }
      state = remaining > 0 ? .data : .trailerStart
    default: break
    }
    return nil
  }

  private mutating func endSize(_ byte: UInt8) -> Refusal? {
    switch byte {
    case ASCII.carriageReturn:
      state = .sizeLineFeed
      return nil
    case 0x3b:
      state = .extensionText
      return countExtensionByte()
    case ASCII.space, ASCII.tab:
      state = .blankAfterSize
      return countExtensionByte()
    case ASCII.lineFeed:
      return Refusal(reason: .invalidLineEnd, text: "a bare LF after a chunk size")
    default:
      return Refusal(reason: .number, text: "a chunk size that is not hexadecimal")
    }
  }

  private mutating func countExtensionByte() -> Refusal? {
    extensionByteCount += 1
    return extensionByteCount <= ChunkedDecoder.extensionBytesMax
      ? nil : Refusal(status: 413, reason: .entityTooLarge, text: "too many chunk extensions")
  }

  /// Extensions are skipped, but a line end inside a quoted string, or a bare one, is how two
  /// servers come to see different chunks (RFC 9112 §7.1.1).
  private mutating func takeExtension(_ byte: UInt8) -> Refusal? {
    let isControl = (byte < 0x20 && byte != ASCII.tab) || byte == 0x7f
    switch state {
    case .extensionText:
      if byte == ASCII.carriageReturn {
        state = .sizeLineFeed
        return nil
      }
      guard
        ByteClass.token.contains(byte) || byte == 0x3b || byte == 0x3d || byte == 0x22
          || ASCII.isBlank(byte)
      else {
        return byte == ASCII.lineFeed
          ? Refusal(reason: .invalidLineEnd, text: "a bare LF in a chunk extension")
          : Refusal(text: "a byte that is not allowed in a chunk extension")
      }
      if byte == 0x22 { state = .extensionQuoted }
    default:
      guard !isControl else {
        return Refusal(reason: .invalidLineEnd, text: "a control character in a chunk extension")
      }
      if state == .extensionEscape {
        state = .extensionQuoted
      } else if byte == 0x5c {
        state = .extensionEscape
      } else if byte == 0x22 {
        state = .extensionText
      }
    }
    return countExtensionByte()
  }

  /// Trailer fields are read as strictly as fields, and dropped or kept apart (RFC 9110 §6.5.1).
  private mutating func takeTrailer(_ byte: UInt8) -> Refusal? {
    trailerByteCount += 1
    trailerLineByteCount += 1
    // The CR does not count as part of the line.
    guard trailerByteCount <= limits.headerBytesMax,
      trailerLineByteCount <= limits.fieldBytesMax || byte == ASCII.carriageReturn
        || state == .trailerLineFeed
    else { return Refusal(status: 431, reason: .fieldLength, text: "trailers exceed a limit") }
    switch state {
    case .trailerStart:
      if byte == ASCII.carriageReturn {
        state = .endLineFeed
        return nil
      }
      trailerLineByteCount = 1
      trailerLineCount += 1
      guard trailerLineCount <= limits.fieldCountMax else {
        return Refusal(status: 431, reason: .requestLength, text: "more trailers than the limit")
      }
      guard ByteClass.token.contains(byte) else { return Refusal(reason: .header, text: badName) }
      state = .trailerName
    case .trailerName:
      if byte == ASCII.colon {
        state = .trailerValue
      } else if !ByteClass.token.contains(byte) {
        return Refusal(reason: .header, text: badName)
      }
    case .trailerValue:
      if byte == ASCII.carriageReturn {
        state = .trailerLineFeed
      } else if (byte < 0x20 && byte != ASCII.tab) || byte == 0x7f {
        return byte == ASCII.lineFeed
          ? Refusal(reason: .invalidLineEnd, text: "a bare LF in a trailer")
          : Refusal(reason: .header, text: "a control character in a trailer")
      }
    default:
      guard byte == ASCII.lineFeed else { return expect(byte, ASCII.lineFeed, then: state) }
      state = .trailerStart
    }
    if keepsTrailers { trailers.append(byte) }
    return nil
  }

  private var badName: StaticString { "a byte that is not allowed in a trailer's name" }
}
