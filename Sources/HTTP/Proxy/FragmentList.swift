// What a response is put together from: bytes of its own, and fragments of the cache.

/// The field `Ring3-Fragments` of an application's response: a list (RFC 9651) whose strings name
/// fragments, by path or URL, and whose integers are so many of the next bytes of the message's own
/// body. Of a fragment, `;from=N;length=N` is a part.
package enum FragmentList {
  package enum Part: Hashable, Sendable {
    case bytes(Int)
    /// `length` nil: up to its end.
    case fragment(name: [UInt8], from: Int, length: Int?)
  }

  package static let partsMax = 64
  package static let nameBytesMax = 2048

  /// The parts in order; nil for what is malformed, empty, or too much.
  package static func parse(_ lines: [[UInt8]]) -> [Part]? {
    guard let members = StructuredFields.list(lines), !members.isEmpty, members.count <= partsMax
    else { return nil }
    var parts: [Part] = []
    for member in members {
      guard case .item(let item) = member else { return nil }
      switch item.value {
      case .integer(let count):
        guard let count = number(count) else { return nil }
        parts.append(.bytes(count))
      case .string(let name):
        guard !name.isEmpty, name.count <= nameBytesMax else { return nil }
        var from = 0
        var length: Int?
        for parameter in item.parameters {
          // Others may come to mean something.
          let isFrom = parameter.key == Array("from".utf8)
          guard isFrom || parameter.key == Array("length".utf8) else { continue }
          guard case .integer(let value) = parameter.value, let value = number(value) else {
            return nil
          }
          if isFrom { from = value } else { length = value }
        }
        parts.append(.fragment(name: name, from: from, length: length))
      default: return nil
      }
    }
    return parts
  }

  private static func number(_ value: Int64) -> Int? {
    (0...Int64(Int32.max)).contains(value) ? Int(value) : nil
  }
}
