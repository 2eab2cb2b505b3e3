// What `Header edit` looks for in a field's value, and how it is replaced.

import Platform

/// A pattern that is searched in field values.
package struct HeaderPattern: Hashable, Sendable, CustomStringConvertible {
  private let compiled: Pattern

  private static let valueBytesMax = 65_536
  /// Each of them copies what is behind it, and has a limit of work of its own.
  private static let matchesMax = 200

  init(_ compiled: Pattern) { self.compiled = compiled }

  package var description: String { compiled.text }

  package static func == (one: HeaderPattern, other: HeaderPattern) -> Bool {
    one.compiled.text == other.compiled.text
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(compiled.text) }

  /// A value with its first match replaced, or all of them: each is looked for in what is behind
  /// the last one, as in a value of its own (mod_headers). nil: it cannot be told what the value
  /// should be, because it has more than 200 matches, or grows beyond 65,536 bytes, or makes the
  /// pattern work too hard.
  package func replacing(
    in value: [UInt8], everywhere: Bool,
    _ replacement: (_ subject: [UInt8], _ match: [Range<Int>?]) -> [UInt8]
  ) -> [UInt8]? {
    var result: [UInt8] = []
    var rest = value
    var matchCount = 0
    search: while true {
      switch compiled.match(rest) {
      case .limitExceeded: return nil
      case .noMatch: break search
      case .match(let match):
        guard let whole = match.captures[0] else { break search }
        matchCount += 1
        guard matchCount <= HeaderPattern.matchesMax else { return nil }
        result += rest[..<whole.lowerBound]
        result += replacement(rest, match.captures)
        var end = whole.upperBound
        // Behind a match of nothing the search goes on a byte later.
        if whole.isEmpty, end < rest.count {
          result.append(rest[end])
          end += 1
        }
        rest = Array(rest[end...])
        guard result.count <= HeaderPattern.valueBytesMax else { return nil }
        guard everywhere, !rest.isEmpty else { break search }
      }
    }
    result += rest
    return result.count <= HeaderPattern.valueBytesMax ? result : nil
  }
}
