// Which part of a query names a response: CacheKeyQuery and CacheIgnoreQueryString.

/// What of a query belongs to the key. Names are in their decoded form.
package enum QueryKeyRule: Hashable, Sendable {
  /// All of it, as sent.
  case all
  case none
  /// Only these parameters, or all but these; sorted by name if wished.
  case keep(Set<[UInt8]>, sorted: Bool)
  case drop(Set<[UInt8]>, sorted: Bool)
}

package enum QueryKey {
  /// The part of a query that belongs to the key.
  ///
  /// Parameters are told apart by "&" and compared by their decoded names, as applications do it: a
  /// name spelled with escapes must not slip past `keep`, or two different pages would share a key.
  /// What is kept is kept as sent. Parameters of the same name stay in their order when sorted.
  package static func apply(_ rule: QueryKeyRule, to query: [UInt8]) -> [UInt8] {
    let names: Set<[UInt8]>
    let keeps: Bool
    let sorts: Bool
    switch rule {
    case .all: return query
    case .none: return []
    case .keep(let list, let sorted): (names, keeps, sorts) = (list, true, sorted)
    case .drop(let list, let sorted): (names, keeps, sorts) = (list, false, sorted)
    }
    var parameters: [(name: [UInt8], place: Int, text: ArraySlice<UInt8>)] = []
    for text in query.split(separator: UInt8(ascii: "&")) {
      let name = decoded(text.prefix { $0 != UInt8(ascii: "=") })
      if names.contains(name) == keeps { parameters.append((name, parameters.count, text)) }
    }
    if sorts {
      parameters.sort { one, other in
        one.name == other.name
          ? one.place < other.place : one.name.lexicographicallyPrecedes(other.name)
      }
    }
    return Array(parameters.map(\.text).joined(separator: [UInt8(ascii: "&")]))
  }

  /// As forms are decoded: "+" is a space, and an escape that is none stands for itself.
  private static func decoded(_ name: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var index = name.startIndex
    while index < name.endIndex {
      let byte = name[index]
      if byte == UInt8(ascii: "%"), index + 2 < name.endIndex,
        let high = ASCII.hexValue(name[index + 1]), let low = ASCII.hexValue(name[index + 2])
      {
        result.append(high << 4 | low)
        index += 3
        continue
      }
      result.append(byte == UInt8(ascii: "+") ? ASCII.space : byte)
      index += 1
    }
    return result
  }
}
