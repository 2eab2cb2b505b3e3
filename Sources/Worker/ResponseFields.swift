// A response's fields while the configuration still edits them.

import Configuration
import HTTP
import Platform

/// Fields in order; names are compared without case.
struct ResponseFields {
  private(set) var fields: [(name: String, value: [UInt8])] = []

  func value(of name: String) -> [UInt8]? { fields.first { ASCIICase.same($0.name, name) }?.value }

  mutating func add(_ name: String, _ value: [UInt8]) { fields.append((name, value)) }

  mutating func add(_ name: String, _ value: String) { add(name, Array(value.utf8)) }

  mutating func set(_ name: String, _ value: [UInt8]) {
    remove(name)
    add(name, value)
  }

  mutating func remove(_ name: String) { fields.removeAll { ASCIICase.same($0.name, name) } }

  /// Performs `Header` directives in order (mod_headers).
  mutating func apply(
    _ edits: [HeaderEdit], captures: Captures, receivedMicroseconds: Int64, nowMicroseconds: Int64
  ) {
    for edit in edits {
      if let condition = edit.condition, captures.value(of: condition) == nil { continue }
      func expanded(_ subject: [UInt8] = [], _ match: [Range<Int>?] = []) -> [UInt8] {
        edit.value?.expanded(
          captures, receivedMicroseconds: receivedMicroseconds,
          durationMicroseconds: nowMicroseconds - receivedMicroseconds, subject: subject,
          match: match) ?? []
      }
      guard let pattern = edit.pattern else {
        apply(edit, expanded())
        continue
      }
      // A line that cannot be edited is left out: as it is it may be what must not pass.
      fields = fields.compactMap { field in
        guard ASCIICase.same(field.name, edit.name) else { return field }
        return pattern.replacing(
          in: field.value, everywhere: edit.action == .editAll, expanded
        ).map { (field.name, $0) }
      }
    }
  }

  private mutating func apply(_ edit: HeaderEdit, _ value: [UInt8]) {
    let comma = Array(", ".utf8)
    switch edit.action {
    case .set: set(edit.name, value)
    case .add: add(edit.name, value)
    case .unset: remove(edit.name)
    // They have a pattern.
    case .edit, .editAll: break
    case .setifempty: if self.value(of: edit.name) == nil { add(edit.name, value) }
    case .append, .merge:
      guard let index = fields.firstIndex(where: { ASCIICase.same($0.name, edit.name) }) else {
        add(edit.name, value)
        return
      }
      if edit.action == .merge, ResponseFields.list(fields[index].value, contains: value) { return }
      fields[index].value += comma + value
    }
  }

  /// Whether a comma-separated list has exactly this element.
  private static func list(_ list: [UInt8], contains element: [UInt8]) -> Bool {
    list.split(separator: UInt8(ascii: ",")).contains { part in
      let start = part.drop { $0 == 0x20 }
      return start.elementsEqual(element)
    }
  }

  /// All fields as lines.
  func lines() -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      let name = Array(field.name.utf8)
      // A name that is no token was refused with the configuration; values lose their line ends.
      _ = ResponseHead.appendField(
        name: name.rawSpan, value: field.value.rawSpan, to: &bytes)
    }
    return bytes
  }
}

/// Letters of ASCII without case.
enum ASCIICase {
  static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  static func same(_ one: String, _ other: String) -> Bool {
    one.utf8.count == other.utf8.count
      && zip(one.utf8, other.utf8).allSatisfy { lower($0) == lower($1) }
  }
}
