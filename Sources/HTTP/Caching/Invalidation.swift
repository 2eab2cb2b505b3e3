// What an unsafe request makes invalid (RFC 9111 §4.4).

package enum Invalidation {
  /// The origin-form targets whose stored responses are to be invalidated after a response to an
  /// unsafe request: the request's own, and those of Location and Content-Location if they have the
  /// same origin, so that nobody can empty what is another's. Empty for safe methods, and for
  /// responses that say the request did nothing (4xx, 5xx).
  ///
  /// - Parameters:
  ///   - isSecure: the request's scheme is https.
  ///   - authority: of the request: host in lower case; ":" and port only if it is not the scheme's.
  ///   - target: path and query of the request.
  package static func targets(
    method: Method, status: Int, isSecure: Bool, authority: [UInt8], target: [UInt8],
    _ fields: CachingFields
  ) -> [[UInt8]] {
    guard !method.isSafe, (200..<400).contains(status) else { return [] }
    var targets = [target]
    for reference in [fields.location.first, fields.contentLocation.first] {
      guard let reference,
        let other = resolve(reference, isSecure: isSecure, authority: authority, target: target),
        !targets.contains(other)
      else { continue }
      targets.append(other)
    }
    return targets
  }

  /// Path and query of a URI reference on the origin and target it is relative to (RFC 3986 §5.2);
  /// nil if it leads to another origin, or is no reference. Used for Content-Location of POST too.
  package static func resolve(
    _ reference: [UInt8], isSecure: Bool, authority: [UInt8], target: [UInt8]
  ) -> [UInt8]? {
    var rest = reference.prefix { $0 != UInt8(ascii: "#") }
    guard rest.allSatisfy({ $0 > ASCII.space && $0 < 0x7f && $0 != UInt8(ascii: "\\") }) else {
      return nil
    }
    if let colon = schemeEnd(rest) {
      guard rest[..<colon].map(ASCII.lowercase).elementsEqual((isSecure ? "https" : "http").utf8)
      else { return nil }
      rest = rest[(colon + 1)...]
      guard rest.starts(with: [ASCII.slash, ASCII.slash]) else { return nil }
    }
    if rest.starts(with: [ASCII.slash, ASCII.slash]) {
      rest = rest.dropFirst(2)
      let end = rest.firstIndex { isPathOrQuery($0) } ?? rest.endIndex
      guard sameOrigin(rest[..<end], isSecure: isSecure, as: authority) else { return nil }
      rest = rest[end...]
      if rest.first != ASCII.slash { return withoutDots([ASCII.slash] + rest) }
    }
    switch rest.first {
    case ASCII.slash: return withoutDots(Array(rest))
    case nil: return target
    case UInt8(ascii: "?"): return Array(path(target) + rest)
    default:
      let base = path(target)
      guard let slash = base.lastIndex(of: ASCII.slash) else { return nil }
      return withoutDots(base[...slash] + rest)
    }
  }

  // MARK: Pieces of references

  /// The colon behind a scheme (RFC 3986 §3.1).
  private static func schemeEnd(_ reference: ArraySlice<UInt8>) -> Int? {
    guard let colon = reference.firstIndex(of: ASCII.colon), colon > reference.startIndex,
      reference[..<colon].allSatisfy({
        (ASCII.lowercase($0) &- 0x61 < 26) || ASCII.isDigit($0) || $0 == ASCII.dot
          || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
      })
    else { return nil }
    return colon
  }

  private static func isPathOrQuery(_ byte: UInt8) -> Bool {
    byte == ASCII.slash || byte == UInt8(ascii: "?")
  }

  private static func path(_ target: [UInt8]) -> ArraySlice<UInt8> {
    target.prefix { $0 != UInt8(ascii: "?") }
  }

  /// Whether an authority as it stands in a URI is the request's. User information makes it
  /// another.
  private static func sameOrigin(
    _ text: ArraySlice<UInt8>, isSecure: Bool, as authority: [UInt8]
  ) -> Bool {
    var text = text.map(ASCII.lowercase)
    let port = (isSecure ? ":443" : ":80").utf8
    if text.suffix(port.count).elementsEqual(port) {
      text.removeLast(port.count)
    } else if text.last == ASCII.colon {
      text.removeLast()
    }
    return text == authority
  }

  /// Dot segments removed from the path (RFC 3986 §5.2.4), the query kept.
  private static func withoutDots(_ target: some Collection<UInt8>) -> [UInt8] {
    let target = Array(target)
    let path = path(target)
    var segments: [ArraySlice<UInt8>] = []
    let parts = path.dropFirst().split(separator: ASCII.slash, omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      if part.elementsEqual([ASCII.dot]) {
        if isLast { segments.append([]) }
      } else if part.elementsEqual([ASCII.dot, ASCII.dot]) {
        _ = segments.popLast()
        if isLast { segments.append([]) }
      } else {
        segments.append(part)
      }
    }
    var result: [UInt8] = []
    for segment in segments {
      result.append(ASCII.slash)
      result += segment
    }
    if result.isEmpty { result.append(ASCII.slash) }
    return result + target[path.endIndex...]
  }
}
