// The Via field: who passed a message on, and whether it comes in a circle (RFC 9110 §7.6.3).

/// Via elements.
package enum Via {
  /// The protocol in which the message that is passed on was received.
  package enum ReceivedProtocol: Sendable {
    case http10, http11, http2

    package init(minorVersion: UInt8) { self = minorVersion == 0 ? .http10 : .http11 }

    var text: StaticString {
      switch self {
      case .http10: "1.0"
      case .http11: "1.1"
      case .http2: "2"
      }
    }
  }

  /// Appends `1.1 pseudonym (comment)`; no comment if it is empty. In the pseudonym, a host with or
  /// without port, bytes that end an element become "_".
  package static func appendElement(
    _ version: ReceivedProtocol, by pseudonym: RawSpan, comment: [UInt8] = [],
    to output: inout [UInt8]
  ) {
    let comment = comment.rawSpan
    ResponseHead.append(literal: version.text, to: &output)
    output.append(ASCII.space)
    for index in 0..<pseudonym.byteCount {
      let byte = Scan.byte(pseudonym, at: index)
      output.append(isPartOfName(byte) ? byte : 0x5f)
    }
    guard comment.byteCount > 0 else { return }
    output += " (".utf8
    for index in 0..<comment.byteCount {
      let byte = Scan.byte(comment, at: index)
      if byte == 0x28 || byte == 0x29 || byte == 0x5c { output.append(0x5c) }
      output.append(byte < 0x20 || byte == 0x7f ? ASCII.space : byte)
    }
    output.append(0x29)
  }

  private static func isPartOfName(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7f && byte != ASCII.comma && byte != 0x28 && byte != 0x29
  }

  /// Whether a request was already passed on by `pseudonym`, so that it comes in a circle: answer
  /// 508 (Loop Detected).
  package static func isLoop(
    _ head: RequestHead, in bytes: RawSpan, pseudonym: RawSpan
  ) -> Bool {
    guard head.has(.via) else { return false }
    for number in 0..<head.fieldCount where head.lines[number].known == .via {
      if names(pseudonym, in: head.lines[number].value.span(in: bytes)) { return true }
    }
    return false
  }

  /// Whether one element of a Via value was written by `pseudonym`, in any case of letters.
  package static func names(_ pseudonym: RawSpan, in value: RawSpan) -> Bool {
    !forEachName(in: value) { !FieldName.equal(value.extracting($0), pseudonym) }
  }

  /// The names in a Via value, in their order.
  package static func names(in value: RawSpan) -> [BufferRange] {
    var found: [BufferRange] = []
    _ = forEachName(in: value) {
      found.append(BufferRange($0.lowerBound, $0.upperBound))
      return true
    }
    return found
  }

  /// Visits names until one is refused, and then is false. Comments, which may nest and hold
  /// commas, are no part of names.
  private static func forEachName(in value: RawSpan, _ visit: (Range<Int>) -> Bool) -> Bool {
    // Which word of its element a word is: the protocol is 0, the name 1.
    var word = 0
    var index = 0
    while index < value.byteCount {
      let byte = Scan.byte(value, at: index)
      switch byte {
      case ASCII.comma:
        word = 0
        index += 1
      case 0x28: index = endOfComment(value, index)
      case ASCII.space, ASCII.tab: index += 1
      default:
        let start = index
        while index < value.byteCount {
          let next = Scan.byte(value, at: index)
          if ASCII.isBlank(next) || next == ASCII.comma || next == 0x28 { break }
          index += 1
        }
        if word == 1, !visit(start..<index) { return false }
        word += 1
      }
    }
    return true
  }

  /// Where the comment that begins at `start` ends; the end of the value if it does not.
  private static func endOfComment(_ value: RawSpan, _ start: Int) -> Int {
    var depth = 0
    var index = start
    while index < value.byteCount {
      switch Scan.byte(value, at: index) {
      case 0x5c: index += 1
      case 0x28: depth += 1
      case 0x29: depth -= 1
      default: break
      }
      index += 1
      if depth == 0 { return index }
    }
    return value.byteCount
  }
}
