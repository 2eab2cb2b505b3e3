// Configured text with holes: "%{env:MATCH_NAME}" and, in the Match directives, "$1".

/// Values captured from the host name or the path, by environment name ("MATCH_TENANT").
package struct Captures: Hashable, Sendable {
  package struct Value: Hashable, Sendable {
    package let name: String
    package let bytes: [UInt8]
  }

  package private(set) var values: [Value] = []

  package init() {}

  /// The value of a name; the last one set wins.
  package func value(of name: String) -> [UInt8]? { values.last { $0.name == name }?.bytes }

  /// Records a group, or another value, under its environment name.
  package mutating func set(_ name: String, _ bytes: [UInt8]) {
    values.append(Value(name: name, bytes: bytes))
  }

  /// Forgets a value.
  package mutating func remove(_ name: String) { values.removeAll { $0.name == name } }

  /// "MATCH_" and the group's name in upper case, as httpd 2.4.8 names it.
  static func environmentName(ofGroup name: String) -> String { "MATCH_" + name.asciiUppercased }
}

/// A checked text with holes.
package struct Template: Hashable, Sendable, CustomStringConvertible {
  package enum Part: Hashable, Sendable {
    case literal([UInt8])
    /// A captured value by environment name.
    case environment(String)
    /// A group of the directive's own pattern; 0 is the whole match.
    case group(Int)
  }

  /// Why a text is no template.
  struct Failure: Error { let message: String, byteOffset: Int }

  package let parts: [Part]
  /// The text as configured.
  package let description: String

  /// A text without holes.
  package init(literal text: String) {
    parts = text.isEmpty ? [] : [.literal(Array(text.utf8))]
    description = text
  }

  /// Reads "%{env:NAME}" and, if `groups` is a number of groups, "$0" … "$9" and "\$".
  init(_ text: String, groups: Int? = nil) throws(Failure) {
    description = text
    let bytes = Array(text.utf8)
    var parts: [Part] = []
    var literal: [UInt8] = []
    var index = 0
    func flushed() -> [Part] { literal.isEmpty ? [] : [.literal(literal)] }
    while index < bytes.count {
      let following = index + 1 < bytes.count ? bytes[index + 1] : 0
      if bytes[index] == UInt8(ascii: "%"), following == UInt8(ascii: "{") {
        let (name, end) = try Template.hole(bytes, at: index)
        parts += flushed()
        parts.append(.environment(name))
        literal = []
        index = end
      } else if let groups, bytes[index] == UInt8(ascii: "$"), (48...57).contains(following) {
        let number = Int(following) - 48
        guard number <= groups else {
          throw Failure(message: "the pattern has no group \(number)", byteOffset: index)
        }
        parts += flushed()
        parts.append(.group(number))
        literal = []
        index += 2
      } else {
        if groups != nil, bytes[index] == UInt8(ascii: "\\"), following != 0 { index += 1 }
        literal.append(bytes[index])
        index += 1
      }
    }
    self.parts = parts + flushed()
  }

  /// Reads the hole that starts at "%{"; returns its name and the index behind it.
  private static func hole(_ bytes: [UInt8], at start: Int) throws(Failure) -> (String, Int) {
    guard let close = bytes[start...].firstIndex(of: UInt8(ascii: "}")) else {
      throw Failure(message: "'%{' without '}'", byteOffset: start)
    }
    let inside = String(decoding: bytes[(start + 2)..<close], as: UTF8.self)
    guard inside.hasPrefix("env:MATCH_") else {
      throw Failure(
        message: "'%{\(inside)}' is not known here; only %{env:MATCH_NAME}, where NAME is a named"
          + " group of a pattern, is", byteOffset: start)
    }
    return (String(inside.dropFirst(4)), close + 1)
  }

  package var isLiteral: Bool {
    parts.allSatisfy { if case .literal = $0 { true } else { false } }
  }

  /// Names of the captured values it needs.
  var environmentNames: [String] {
    parts.compactMap { if case .environment(let name) = $0 { name } else { nil } }
  }

  /// The bytes before the first hole.
  var literalPrefix: [UInt8] {
    guard case .literal(let bytes) = parts.first else { return [] }
    return bytes
  }

  /// Filled in for a file path. nil, to be answered with 404: a captured value is missing, empty,
  /// ".", "..", or has "/" or NUL in it, or the pieces together make a "." or ".." segment.
  package func path(
    _ captures: Captures, subject: [UInt8] = [], match: [Range<Int>?] = []
  ) -> [UInt8]? {
    if parts.count == 1, case .literal(let bytes) = parts[0] { return bytes }
    var result: [UInt8] = []
    for part in parts {
      switch part {
      case .literal(let bytes): result += bytes
      case .environment(let name):
        guard let value = captures.value(of: name), Template.isSafeSegment(value) else {
          return nil
        }
        result += value
      case .group(let number):
        guard number < match.count, let range = match[number] else { continue }
        result += subject[range]
      }
    }
    return Template.hasDotSegment(result) || result.contains(0) ? nil : result
  }

  /// Filled in for a URL: what was captured is percent-encoded.
  package func url(
    _ captures: Captures, subject: [UInt8] = [], match: [Range<Int>?] = []
  ) -> [UInt8] {
    var result: [UInt8] = []
    append(url: captures, subject: subject, match: match, to: &result)
    return result
  }

  /// The same, behind what is there.
  func append(
    url captures: Captures, subject: [UInt8] = [], match: [Range<Int>?] = [],
    to result: inout [UInt8]
  ) {
    for part in parts {
      switch part {
      case .literal(let bytes): result += bytes
      case .environment(let name):
        URLEscape.append(captures.value(of: name) ?? [], to: &result)
      case .group(let number):
        guard number < match.count, let range = match[number] else { continue }
        URLEscape.append(subject[range], to: &result)
      }
    }
  }

  /// Filled in for a header field or a message: bytes that could end a line become "?".
  package func text(_ captures: Captures) -> [UInt8] {
    var result: [UInt8] = []
    for part in parts {
      switch part {
      case .literal(let bytes): result += bytes
      case .environment(let name):
        result += (captures.value(of: name) ?? []).map {
          $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0
        }
      case .group: break
      }
    }
    return result
  }

  private static func isSafeSegment(_ value: [UInt8]) -> Bool {
    if value.isEmpty || value == [46] || value == [46, 46] { return false }
    return !value.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }

  static func hasDotSegment(_ path: [UInt8]) -> Bool {
    path.split(separator: UInt8(ascii: "/")).contains { $0 == [46] || $0 == [46, 46] }
  }
}

/// Percent-encoding of what is put into a Location field (httpd's ap_os_escape_path).
enum URLEscape {
  /// Unreserved and the characters a path segment may hold as they are (RFC 3986 §3.3), and "/".
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: return true
    default: return "-._~!$&'()*+,;=:@/".utf8.contains(byte)
    }
  }

  static func append(_ bytes: some Sequence<UInt8>, to result: inout [UInt8]) {
    let digits = Array("0123456789ABCDEF".utf8)
    for byte in bytes {
      if isPlain(byte) {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
  }
}

extension String {
  var asciiUppercased: String {
    String(decoding: utf8.map { (97...122).contains($0) ? $0 - 32 : $0 }, as: UTF8.self)
  }
  var asciiLowercased: String {
    String(decoding: utf8.map { (65...90).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
  }
}
