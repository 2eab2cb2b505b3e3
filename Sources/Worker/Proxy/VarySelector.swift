// How the variants of one response are told apart in the store (RFC 9111 §4.1).

import HTTP

/// The selector of a stored response that varies: a mark, the names that Vary gave, NUL, and the
/// selecting fields' values. Any variant of a key tells by which fields its siblings are chosen.
enum VarySelector {
  /// No coding of a file's variant is numbered like this.
  private static let mark: UInt8 = 0xff

  /// `names`: lower case, sorted, each once; among them perhaps that of a `CodingSelector`, whose
  /// value is `coding`, nil: what the request is to get.
  static func bytes(
    names: [[UInt8]], _ head: borrowing RequestHead, in bytes: RawSpan,
    coding: ContentCoding? = nil
  ) -> [UInt8] {
    var lines = VariantKey.lines(names: names, head, in: bytes)
    for (index, name) in names.enumerated() {
      guard let offered = CodingSelector.offered(name) else { continue }
      lines[index] = [
        CodingSelector.value(coding ?? CodingSelector.coding(offered, head, in: bytes))
      ]
    }
    return self.bytes(names: names, lines: lines)
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

/// The coding that a response was compressed with here tells it apart from the others under its
/// key, not the many ways in which clients can ask for it. In a selector it stands under a name
/// that no field can have, which holds the codings that the response is offered in.
enum CodingSelector {
  static func name(_ offered: ContentCodings) -> [UInt8] {
    [UInt8(ascii: ":")] + Array(String(offered.rawValue, radix: 16).utf8)
  }

  /// nil: it is the name of a field.
  static func offered(_ name: [UInt8]) -> ContentCodings? {
    guard name.first == UInt8(ascii: ":") else { return nil }
    return UInt8(String(decoding: name.dropFirst(), as: UTF8.self), radix: 16).map {
      ContentCodings(rawValue: $0)
    }
  }

  static func value(_ coding: ContentCoding) -> [UInt8] { Array("\(coding.token)".utf8) }

  /// What a request is to get. A part is one of the uncompressed response, and who says
  /// no-transform wants it as it is (RFC 9111 §5.2.1.6).
  static func coding(
    _ offered: ContentCodings, _ head: borrowing RequestHead, in bytes: RawSpan
  ) -> ContentCoding {
    guard head.has(.acceptEncoding), !(head.method == .get && head.has(.range)),
      !(head.has(.cacheControl) && RequestCacheControl(head, in: bytes).noTransform)
    else { return .identity }
    return AcceptEncoding.negotiate(head, in: bytes, available: offered)
  }
}
