// Words of a logical line, by httpd's rules (server/util.c, ap_getword_conf).

/// A word before `${…}` is resolved: its bytes without quotes and escapes, and where it stands.
struct RawWord: Equatable {
  var bytes: [UInt8]
  /// In the logical line, quotes included.
  var range: Range<Int>
  var isQuoted: Bool
  /// Whether a backslash was taken away.
  var hasEscapes: Bool
}

/// Cuts a logical line into words. Words end at white space; one that begins with " or ' ends at
/// the next such quote, and the next word may follow directly. A backslash escapes a backslash,
/// and inside quotes the quote; before anything else it is an ordinary byte.
struct Lexer {
  enum Failure: Error, Equatable {
    /// No closing quote. httpd takes the rest of the line; here it is an error, because the rest
    /// of the line is never what was meant.
    case unterminatedQuote(Range<Int>)
  }

  private let bytes: [UInt8]
  private(set) var position: Int
  private let end: Int

  /// Reads `bytes[position..<end]`.
  init(_ bytes: [UInt8], from position: Int = 0, to end: Int? = nil) {
    self.bytes = bytes
    self.position = position
    self.end = end ?? bytes.count
    skipSpace()
  }

  /// As C's isspace: what httpd trims and splits at.
  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }

  var isAtEnd: Bool { position >= end }
  /// The next byte that is not white space.
  var peek: UInt8? { isAtEnd ? nil : bytes[position] }

  private mutating func skipSpace() {
    while position < end, Self.isSpace(bytes[position]) { position += 1 }
  }

  /// The next word; nil at the end of the line.
  mutating func next() throws(Failure) -> RawWord? {
    guard let first = peek else { return nil }
    let start = position
    let quote: UInt8? = first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") ? first : nil
    if quote != nil { position += 1 }
    var word = RawWord(bytes: [], range: start..<start, isQuoted: quote != nil, hasEscapes: false)
    while position < end {
      let byte = bytes[position]
      if let quote { if byte == quote { break } } else if Self.isSpace(byte) { break }
      if byte == UInt8(ascii: "\\"), position + 1 < end,
        bytes[position + 1] == UInt8(ascii: "\\") || bytes[position + 1] == quote
      {
        word.hasEscapes = true
        position += 1
      }
      word.bytes.append(bytes[position])
      position += 1
    }
    if quote != nil {
      guard position < end else { throw .unterminatedQuote(start..<end) }
      position += 1
    }
    word.range = start..<position
    skipSpace()
    return word
  }
}
