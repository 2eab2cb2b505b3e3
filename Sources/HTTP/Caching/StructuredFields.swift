// Structured fields (RFC 9651): the values that items, lists and dictionaries are made of.

/// Values of structured fields and reading them strictly; what is malformed in one place is
/// ignored as a whole (RFC 9651 §4.2).
package enum StructuredFields {
  /// A bare item (RFC 9651 §3.3).
  package enum BareItem: Hashable, Sendable {
    /// At most fifteen digits.
    case integer(Int64)
    /// In thousandths; at most twelve digits before the point.
    case decimal(Int64)
    /// Printable ASCII, without quotes and escapes.
    case string([UInt8])
    case token([UInt8])
    /// Decoded.
    case bytes([UInt8])
    case boolean(Bool)
    /// Seconds since 1970 UTC.
    case date(Int64)
    case displayString(String)
  }

  /// `;key=value` behind an item or an inner list; a later one replaces an earlier one.
  package struct Parameter: Hashable, Sendable {
    package var key: [UInt8]
    package var value: BareItem

    package init(key: [UInt8], value: BareItem) {
      self.key = key
      self.value = value
    }
  }

  package struct Item: Hashable, Sendable {
    package var value: BareItem
    package var parameters: [Parameter]

    package init(_ value: BareItem, _ parameters: [Parameter] = []) {
      self.value = value
      self.parameters = parameters
    }
  }

  /// What a list or dictionary holds.
  package enum Member: Hashable, Sendable {
    case item(Item)
    case innerList([Item], [Parameter])
  }

  /// `key=member` of a dictionary; keys are unique.
  package struct Entry: Hashable, Sendable {
    package var key: [UInt8]
    package var member: Member

    package init(key: [UInt8], member: Member) {
      self.key = key
      self.member = member
    }
  }

  /// The item that the lines of a field spell, or nil (RFC 9651 §4.2.3). Several lines are one
  /// value joined by commas (§4.2), so never an item.
  package static func item(_ lines: [[UInt8]]) -> Item? {
    var parser = StructuredFieldParser(lines)
    return parser.whole { try $0.item() }
  }

  /// The list; nil if it is malformed; empty if there are no members (RFC 9651 §4.2.1).
  package static func list(_ lines: [[UInt8]]) -> [Member]? {
    var parser = StructuredFieldParser(lines)
    return parser.whole { try $0.list() }
  }

  /// The dictionary in the order of its keys' first appearance; nil if it is malformed (RFC 9651
  /// §4.2.2).
  package static func dictionary(_ lines: [[UInt8]]) -> [Entry]? {
    var parser = StructuredFieldParser(lines)
    return parser.whole { try $0.dictionary() }
  }
}

extension ByteClass {
  /// lcalpha, digits, "_", "-", "." and "*": a key after its first byte (RFC 9651 §3.1.2).
  static var structuredKey: ByteClass {
    ByteClass(low: 0x03ff_6400_0000_0000, high: 0x07ff_fffe_8000_0000)
  }
}
