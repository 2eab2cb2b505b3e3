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
    var selector = [mark]
    selector += names.joined(separator: [UInt8(ascii: ",")])
    selector.append(0)
    selector += VariantKey.make(names: names, head, in: bytes)
    return selector
  }

  /// The names in a stored selector; nil when it is none of these.
  static func names(in selector: [UInt8]) -> [[UInt8]]? {
    guard selector.first == mark, let end = selector.firstIndex(of: 0) else { return nil }
    return selector[1..<end].split(separator: UInt8(ascii: ",")).map { Array($0) }
  }
}
