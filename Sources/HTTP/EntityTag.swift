// Entity tags and the comparisons of them (RFC 9110 §8.8.3).

/// One entity tag inside some bytes.
package struct EntityTag: Equatable, Sendable {
  /// `W/` stood before it.
  package let isWeak: Bool
  /// The opaque tag with its quotes.
  package let opaque: BufferRange

  /// The tag that is all of `text`, or nil if `text` is no entity tag.
  package static func parse(_ text: RawSpan) -> EntityTag? {
    guard let (tag, end) = parse(text, at: 0), end == text.byteCount else { return nil }
    return tag
  }

  /// The tag that starts at `start`, and where it ends.
  static func parse(_ text: RawSpan, at start: Int) -> (EntityTag, Int)? {
    var index = start
    var isWeak = false
    if index + 1 < text.byteCount, Scan.byte(text, at: index) == UInt8(ascii: "W"),
      Scan.byte(text, at: index + 1) == ASCII.slash
    {
      isWeak = true
      index += 2
    }
    guard index < text.byteCount, Scan.byte(text, at: index) == 0x22 else { return nil }
    let opaqueStart = index
    index += 1
    while index < text.byteCount {
      let byte = Scan.byte(text, at: index)
      index += 1
      if byte == 0x22 {
        return (EntityTag(isWeak: isWeak, opaque: BufferRange(opaqueStart, index)), index)
      }
      // etagc: "!", "#" to "~", obs-text.
      guard byte >= 0x21 && byte != 0x7f else { return nil }
    }
    return nil
  }

  /// Strong comparison: both strong and the same (RFC 9110 §8.8.3.2).
  package static func strongEqual(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard let first = parse(one), let second = parse(other) else { return false }
    return !first.isWeak && !second.isWeak
      && same(first.opaque.span(in: one), second.opaque.span(in: other))
  }

  /// Weak comparison: the same, whether weak or not.
  package static func weakEqual(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard let first = parse(one), let second = parse(other) else { return false }
    return same(first.opaque.span(in: one), second.opaque.span(in: other))
  }

  /// Whether `list` (the value of If-Match or If-None-Match) holds a tag equal to `tag`. An element
  /// that is no tag ends the search: what follows cannot be told apart any more.
  package static func list(_ list: RawSpan, contains tag: RawSpan, strongly: Bool) -> Bool {
    guard let wanted = parse(tag) else { return false }
    if strongly && wanted.isWeak { return false }
    let wantedBytes = wanted.opaque.span(in: tag)
    var index = 0
    while index < list.byteCount {
      let byte = Scan.byte(list, at: index)
      if ASCII.isBlank(byte) || byte == ASCII.comma {
        index += 1
        continue
      }
      guard let (element, end) = parse(list, at: index) else { return false }
      if !(strongly && element.isWeak) && same(element.opaque.span(in: list), wantedBytes) {
        return true
      }
      index = end
      while index < list.byteCount && ASCII.isBlank(Scan.byte(list, at: index)) { index += 1 }
      guard index == list.byteCount || Scan.byte(list, at: index) == ASCII.comma else {
        return false
      }
    }
    return false
  }

  private static func same(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    for index in 0..<one.byteCount
    where Scan.byte(one, at: index) != Scan.byte(other, at: index) { return false }
    return true
  }
}
