// How the variants of one response are told apart in the store (RFC 9111 §4.1).

import HTTP

/// The selector of a stored response that varies: a mark, the names that Vary gave, NUL, and the
/// selecting fields' values. Any variant of a key tells by which fields its siblings are chosen.
enum VarySelector {
  /// No coding of a file's variant is numbered like this.
  private static let mark: UInt8 = 0xff

  /// `names`: lower case, sorted, each once.
  static func bytes(
    names: [[UInt8]], _ head: borrowing RequestHead, in bytes: RawSpan
  ) -> [UInt8] {
    start(names) + VariantKey.make(names: names, head, in: bytes)
  }

  /// The same from the values of the field lines of each name.
  static func bytes(names: [[UInt8]], lines: [[[UInt8]]]) -> [UInt8] {
    start(names) + VariantKey.make(names: names, lines: lines)
  }

  private static func start(_ names: [[UInt8]]) -> [UInt8] {
    [mark] + names.joined(separator: [UInt8(ascii: ",")]) + [0]
  }

  /// The values of the selecting fields, nil where there was none; nil when it is no selector.
  static func values(in selector: [UInt8]) -> [[UInt8]?]? {
    guard let names = names(in: selector), let end = selector.firstIndex(of: 0) else { return nil }
    return VariantKey.values(in: Array(selector[(end + 1)...]), names: names)
  }

  /// The names in a stored selector; nil when it is none of these.
  static func names(in selector: [UInt8]) -> [[UInt8]]? {
    guard selector.first == mark, let end = selector.firstIndex(of: 0) else { return nil }
    return selector[1..<end].split(separator: UInt8(ascii: ",")).map { Array($0) }
  }
}
