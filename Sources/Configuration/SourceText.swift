// Bytes of a configuration file as logical lines that remember their physical ones.

/// One file's bytes, cut into logical lines: physical lines joined by a trailing backslash. The
/// joining comes before anything else looks at the text, comments included, as in httpd
/// (server/util.c, ap_cfg_getline).
struct SourceText {
  let file: String
  private let bytes: [UInt8]
  private var position = 0
  private var lineNumber = 0

  init(file: String, bytes: [UInt8]) {
    self.file = file
    self.bytes = bytes
    // A UTF-8 byte order mark is no part of the first word.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// The next logical line; nil at the end.
  mutating func nextLine() -> LogicalLine? {
    guard position < bytes.count else { return nil }
    var line = LogicalLine(file: file)
    while position < bytes.count {
      lineNumber += 1
      let lineStart = position
      let feed = bytes[position...].firstIndex(of: UInt8(ascii: "\n"))
      var end = feed ?? bytes.count
      position = feed.map { $0 + 1 } ?? bytes.count
      if feed != nil, end > lineStart, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      let physical = bytes[lineStart..<end]
      // Only a backslash right before a line end continues; a last line has none.
      let isContinued = feed != nil && physical.last == UInt8(ascii: "\\")
      line.append(physical, number: lineNumber, dropLast: isContinued ? 1 : 0)
      if !isContinued { break }
    }
    return line
  }
}

/// Some physical lines joined, with the way back from an offset to its place.
struct LogicalLine {
  struct Part {
    /// Of its first byte in `bytes`.
    let offset: Int
    let number: Int
    /// The physical line; made once, and shared by all its words.
    let text: String
  }

  let file: String
  private(set) var bytes: [UInt8] = []
  private(set) var parts: [Part] = []

  fileprivate init(file: String) { self.file = file }

  fileprivate mutating func append(_ physical: ArraySlice<UInt8>, number: Int, dropLast: Int) {
    parts.append(
      Part(offset: bytes.count, number: number, text: String(decoding: physical, as: UTF8.self)))
    bytes.append(contentsOf: physical.dropLast(dropLast))
  }

  /// The index of the part that an offset lies in: the last one that begins at or before it.
  private func part(at offset: Int) -> Int {
    var low = 0
    var high = parts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if parts[middle].offset <= offset { low = middle } else { high = middle }
    }
    return low
  }

  /// A word made of the bytes of a range: where it is and what its line looks like. A range over
  /// several physical lines is marked as far as the first one goes.
  func word(_ text: String, _ range: Range<Int>, isQuoted: Bool, isVerbatim: Bool) -> Word {
    let index = part(at: range.lowerBound)
    let part = parts[index]
    let partEnd = index + 1 < parts.count ? parts[index + 1].offset : bytes.count
    return Word(
      text: text,
      place: SourcePlace(
        file: file, line: part.number, column: range.lowerBound - part.offset + 1),
      length: max(1, min(range.upperBound, partEnd) - range.lowerBound),
      isQuoted: isQuoted, sourceLine: part.text,
      isVerbatim: isVerbatim && range.upperBound <= partEnd)
  }
}
