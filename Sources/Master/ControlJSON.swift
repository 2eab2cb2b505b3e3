// The control socket's other spelling: a request is a line of JSON (RFC 8259), an array of its
// words, and each answer and each event is one, too.

extension ControlRequest {
  /// Whether a line is meant as JSON. No verb begins so.
  static func isJSON(_ line: some Collection<UInt8>) -> Bool { line.first == UInt8(ascii: "[") }

  /// The words of `["register", "http://+:80/shop/"]`; nil if the line is anything but one array of
  /// strings, or if one of these holds what cannot be said in the other spelling.
  static func jsonWords(_ line: some Collection<UInt8>) -> [String]? {
    var reader = JSONWordReader(bytes: Array(line))
    guard let words = reader.words() else { return nil }
    let areClean = words.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } }
    return areClean ? words : nil
  }
}

extension ControlAnswer {
  /// One line of JSON: `{"output":["…"],"error":[],"code":0}`; a part of an answer has no code.
  func jsonBytes(isWhole: Bool) -> [UInt8] {
    var members: [(name: String, value: JSON)] = [
      ("output", .strings(ControlAnswer.lines(output).map(String.init))),
      ("error", .strings(ControlAnswer.lines(error).map(String.init))),
    ]
    if isWhole { members.append(("code", .number(Int64(exitCode)))) }
    return Array((JSON.object(members).text + "\n").utf8)
  }
}

/// Reads an array of strings, and nothing else: whoever may connect may send it.
private struct JSONWordReader {
  let bytes: [UInt8]
  private var place = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func words() -> [String]? {
    guard take("[") else { return nil }
    var words: [String] = []
    if take("]") { return isAtEnd ? words : nil }
    repeat {
      guard let word = string() else { return nil }
      words.append(word)
    } while take(",")
    return take("]") && isAtEnd ? words : nil
  }

  private var isAtEnd: Bool {
    bytes[place...].allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
  }

  /// A byte behind white space.
  private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
    while place < bytes.count,
      bytes[place] == UInt8(ascii: " ") || bytes[place] == UInt8(ascii: "\t")
    {
      place += 1
    }
    guard place < bytes.count, bytes[place] == UInt8(ascii: wanted) else { return false }
    place += 1
    return true
  }

  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    var text: [UInt8] = []
    while place < bytes.count {
      let byte = bytes[place]
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let scalar = escape() else { return nil }
        text += String(Character(scalar)).utf8
      default: text.append(byte)
      }
    }
    return nil
  }

  /// What stands behind a backslash.
  private mutating func escape() -> Unicode.Scalar? {
    guard place < bytes.count else { return nil }
    let byte = bytes[place]
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: return nil
    }
    guard let first = unit() else { return nil }
    guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) }
    // A pair, as UTF-16 has it.
    guard place + 1 < bytes.count, bytes[place] == UInt8(ascii: "\\"),
      bytes[place + 1] == UInt8(ascii: "u")
    else { return nil }
    place += 2
    guard let second = unit(), (0xdc00..<0xe000).contains(second) else { return nil }
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
  }

  private mutating func unit() -> UInt32? {
    guard place + 4 <= bytes.count else { return nil }
    var value: UInt32 = 0
    for byte in bytes[place..<place + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
    }
    place += 4
    return value
  }
}
