// Writing structured fields in their one canonical form (RFC 9651 §4.1).

extension StructuredFields {
  /// The item as a field value; nil if a part of it cannot be said: a number too large, a byte that
  /// strings cannot hold (RFC 9651 §4.1).
  package static func serialize(_ item: Item) -> [UInt8]? {
    var writer = StructuredFieldWriter()
    writer.append(item)
    return writer.result
  }

  /// The list; empty (leave the field out) if it has no members.
  package static func serialize(_ list: [Member]) -> [UInt8]? {
    var writer = StructuredFieldWriter()
    for (index, member) in list.enumerated() {
      if index > 0 { writer.append(", ") }
      writer.append(member)
    }
    return writer.result
  }

  /// The dictionary; empty (leave the field out) if it has no entries.
  package static func serialize(_ dictionary: [Entry]) -> [UInt8]? {
    var writer = StructuredFieldWriter()
    for (index, entry) in dictionary.enumerated() {
      if index > 0 { writer.append(", ") }
      writer.append(key: entry.key)
      if case .item(let item) = entry.member, item.value == .boolean(true) {
        writer.append(item.parameters)
      } else {
        writer.append("=")
        writer.append(entry.member)
      }
    }
    return writer.result
  }
}

/// Collects the text, and whether all of it could be written.
struct StructuredFieldWriter {
  private var text: [UInt8] = []
  private var isWhole = true

  var result: [UInt8]? { isWhole ? text : nil }

  mutating func append(_ literal: StaticString) {
    Scan.append(literal, to: &text)
  }

  mutating func append(_ member: StructuredFields.Member) {
    switch member {
    case .item(let item): append(item)
    case .innerList(let items, let parameters):
      append("(")
      for (index, item) in items.enumerated() {
        if index > 0 { append(" ") }
        append(item)
      }
      append(")")
      append(parameters)
    }
  }

  mutating func append(_ item: StructuredFields.Item) {
    append(item.value)
    append(item.parameters)
  }

  mutating func append(_ parameters: [StructuredFields.Parameter]) {
    for parameter in parameters {
      append(";")
      append(key: parameter.key)
      guard parameter.value != .boolean(true) else { continue }
      append("=")
      append(parameter.value)
    }
  }

  mutating func append(key: [UInt8]) {
    let first = key.first ?? 0
    isWhole =
      isWhole && (first == UInt8(ascii: "*") || first &- 0x61 < 26)
      && key.allSatisfy { ByteClass.structuredKey.contains($0) }
    text += key
  }

  mutating func append(_ value: StructuredFields.BareItem) {
    switch value {
    case .integer(let number): append(integer: number)
    case .decimal(let thousandths): append(decimal: thousandths)
    case .string(let content): append(string: content)
    case .token(let token): append(token: token)
    case .bytes(let content):
      append(":")
      Base64.append(content, to: &text)
      append(":")
    case .boolean(let flag): append(flag ? "?1" : "?0")
    case .date(let seconds):
      append("@")
      append(integer: seconds)
    case .displayString(let content): append(display: content)
    }
  }

  private mutating func append(integer number: Int64) {
    isWhole = isWhole && number.magnitude <= 999_999_999_999_999
    text += String(number).utf8
  }

  /// At least one digit after the point and no zero behind it (RFC 9651 §4.1.5).
  private mutating func append(decimal thousandths: Int64) {
    let magnitude = thousandths.magnitude
    isWhole = isWhole && magnitude <= 999_999_999_999_999
    if thousandths < 0 { append("-") }
    text += String(magnitude / 1000).utf8
    append(".")
    var rest = magnitude % 1000
    var scale: UInt64 = 100
    repeat {
      text.append(0x30 + UInt8(truncatingIfNeeded: rest / scale))
      rest %= scale
      scale /= 10
    } while rest > 0
  }

  private mutating func append(string content: [UInt8]) {
    append("\"")
    for byte in content {
      isWhole = isWhole && byte >= 0x20 && byte < 0x7f
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { append("\\") }
      text.append(byte)
    }
    append("\"")
  }

  private mutating func append(token: [UInt8]) {
    let first = token.first ?? 0
    isWhole =
      isWhole && (first == UInt8(ascii: "*") || (first | 0x20) &- 0x61 < 26)
      && token.allSatisfy {
        ByteClass.token.contains($0) || $0 == ASCII.colon || $0 == ASCII.slash
      }
    text += token
  }

  private mutating func append(display content: String) {
    append("%\"")
    for byte in content.utf8 {
      if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\"") || byte < 0x20 || byte > 0x7e {
        append("%")
        for digit in [byte >> 4, byte & 15] {
          text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
      } else {
        text.append(byte)
      }
    }
    append("\"")
  }
}
