// What is wrong with a configuration, where, and how it is shown.

/// One finding about a configuration. Findings are collected, not thrown one at a time, so that an
/// operator sees all of them in one run.
package struct Diagnostic: Sendable, Error, Equatable {
  package enum Severity: String, Sendable {
    case error, warning
  }

  package var severity: Severity
  /// nil: about the configuration as a whole.
  package var place: SourcePlace?
  /// Bytes to mark from the place on.
  package var length: Int
  package var message: String
  /// The physical line of the place.
  package var sourceLine: String?

  package init(
    severity: Severity, place: SourcePlace?, length: Int = 1, message: String,
    sourceLine: String? = nil
  ) {
    self.severity = severity
    self.place = place
    self.length = length
    self.message = message
    self.sourceLine = sourceLine
  }

  /// An error at a word.
  package static func error(_ message: String, at word: Word) -> Diagnostic {
    Diagnostic(.error, message, word)
  }

  /// A warning at a word.
  package static func warning(_ message: String, at word: Word) -> Diagnostic {
    Diagnostic(.warning, message, word)
  }

  /// An error at a byte of a word's text, for example where a regular expression is wrong. Marks
  /// the whole word when the text is not what was written (escapes, `${…}`).
  package static func error(_ message: String, at word: Word, textOffset: Int) -> Diagnostic {
    var diagnostic = Diagnostic(.error, message, word)
    let quote = word.isQuoted ? 1 : 0
    if word.isVerbatim, textOffset >= 0, textOffset + quote < word.length {
      diagnostic.place?.column += textOffset + quote
      diagnostic.length = 1
    }
    return diagnostic
  }

  /// An error about no place in particular.
  package static func error(_ message: String) -> Diagnostic {
    Diagnostic(severity: .error, place: nil, message: message)
  }

  private init(_ severity: Severity, _ message: String, _ word: Word) {
    self.init(
      severity: severity, place: word.place, length: word.length, message: message,
      sourceLine: word.sourceLine)
  }

  /// As compilers write it, without a line end:
  ///
  ///     ring3.conf:3:1: error: unknown directive 'DocumentRot'; did you mean 'DocumentRoot'?
  ///         DocumentRot /srv
  ///         ^~~~~~~~~~~
  package var rendered: String {
    guard let place else { return "\(severity.rawValue): \(message)" }
    let headline = "\(place): \(severity.rawValue): \(message)"
    guard let sourceLine, !sourceLine.isEmpty else { return headline }
    let line = Array(sourceLine.utf8)
    let start = min(max(0, place.column - 1), line.count)
    let window = Self.window(of: line, around: start)
    let end = min(start + max(1, length), window.upperBound)
    return headline + "\n    " + Self.printable(line[window])
      + "\n    " + Self.marker(before: line[window.lowerBound..<start], under: line[start..<end])
  }

  /// The part of a line that is shown: all of it, or what is near the place in one that no screen
  /// holds. Begins and ends between characters.
  private static func window(of line: [UInt8], around start: Int) -> Range<Int> {
    guard line.count > 240 else { return 0..<line.count }
    var low = max(0, start - 60)
    while low > 0, line[low] & 0xC0 == 0x80 { low -= 1 }
    var high = min(line.count, low + 200)
    while high < line.count, line[high] & 0xC0 == 0x80 { high += 1 }
    return low..<high
  }

  /// Spaces up to the place (tabs stay tabs, so that the mark stands under the word), then ^~~~.
  private static func marker(
    before: ArraySlice<UInt8>, under: ArraySlice<UInt8>
  ) -> String {
    var text = ""
    for byte in before where byte & 0xC0 != 0x80 { text += byte == 9 ? "\t" : " " }
    let characters = under.count { $0 & 0xC0 != 0x80 }
    return text + "^" + String(repeating: "~", count: max(0, characters - 1))
  }

  /// The line with control bytes replaced: a diagnostic ends up on terminals.
  private static func printable(_ bytes: ArraySlice<UInt8>) -> String {
    String(
      decoding: bytes.map { $0 < 0x20 && $0 != 9 || $0 == 0x7F ? UInt8(ascii: "?") : $0 },
      as: UTF8.self)
  }
}
