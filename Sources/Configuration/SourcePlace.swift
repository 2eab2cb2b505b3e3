// Where something stands in a configuration: a position, and a word with its position.

/// A position in a configuration file, as editors count: 1-based line and byte column of the
/// physical line (a continued line keeps the places of its parts).
package struct SourcePlace: Hashable, Sendable, CustomStringConvertible {
  package var file: String
  package var line: Int
  package var column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// "file:line:column"
  package var description: String { "\(file):\(line):\(column)" }
}

/// One word of a directive: its value after quotes, escapes and `${…}` are resolved, and where it
/// was written.
package struct Word: Sendable, Equatable {
  package var text: String
  package var place: SourcePlace
  /// Bytes it takes in its physical line, quotes included; at least 1.
  package var length: Int
  package var isQuoted: Bool
  /// The physical line it starts on, without its line end.
  package var sourceLine: String
  /// Whether `text` is the written bytes themselves, so that an offset in it is an offset in the
  /// line: false after an escape or a `${…}`.
  package var isVerbatim: Bool

  package init(
    text: String, place: SourcePlace, length: Int, isQuoted: Bool = false,
    sourceLine: String = "", isVerbatim: Bool = true
  ) {
    self.text = text
    self.place = place
    self.length = length
    self.isQuoted = isQuoted
    self.sourceLine = sourceLine
    self.isVerbatim = isVerbatim
  }
}
