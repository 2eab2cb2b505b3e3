// What `Header edit` looks for in a field's value, and how it is replaced.

import Platform

/// A pattern that is searched in field values.
package struct HeaderPattern: Hashable, Sendable, CustomStringConvertible {
  private let compiled: Pattern

  /// Longer values stay as they were.
  private static let valueBytesMax = 65_536

  init(_ compiled: Pattern) { self.compiled = compiled }

  package var description: String { compiled.text }

  package static func == (one: HeaderPattern, other: HeaderPattern) -> Bool {
    one.compiled.text == other.compiled.text
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(compiled.text) }

  /// A value with its first match replaced, or all of them: each is looked for in what is behind
  /// the last one, as in a value of its own (mod_headers). A pattern that finds too much to do has
  /// matched nothing.
  package func replacing(
    in value: [UInt8], everywhere: Bool,
    _ replacement: (_ subject: [UInt8], _ match: [Range<Int>?]) -> [UInt8]
  ) -> [UInt8] {
    var result: [UInt8] = []
    var rest = value
    while case .match(let match) = compiled.match(rest), let whole = match.captures[0] {
      result += rest[..<whole.lowerBound]
      result += replacement(rest, match.captures)
      var end = whole.upperBound
      // Behind a match of nothing the search goes on a byte later.
      if whole.isEmpty, end < rest.count {
        result.append(rest[end])
        end += 1
      }
      rest = Array(rest[end...])
      guard everywhere, !rest.isEmpty, result.count <= HeaderPattern.valueBytesMax else { break }
    }
    result += rest
    return result.count <= HeaderPattern.valueBytesMax ? result : value
  }
}
