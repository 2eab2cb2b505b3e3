// Which session a request belongs to: a cookie's value, or a parameter of its path.

/// `stickysession=NAME`: what tells to which member a client is bound.
package enum UpstreamSession {
  /// The value of a cookie in a Cookie field (RFC 6265 §4.2.1); the first of several. Quotes around
  /// it are dropped.
  package static func value(ofCookie name: [UInt8], in field: [UInt8]) -> [UInt8]? {
    for pair in field.split(separator: UInt8(ascii: ";")) {
      let pair = pair.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      guard let equals = pair.firstIndex(of: UInt8(ascii: "=")), pair[..<equals] == name[...]
      else { continue }
      var value = pair[pair.index(after: equals)...]
      while let last = value.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") {
        value = value.dropLast()
      }
      let quote = UInt8(ascii: "\"")
      if value.count >= 2, value.first == quote, value.last == quote {
        value = value.dropFirst().dropLast()
      }
      return Array(value)
    }
    return nil
  }

  /// The value of a parameter of a request's target, of its path ("/a;jsessionid=1.node1") or its
  /// query; the first of several. Names are compared as they are spelled.
  package static func value(ofParameter name: [UInt8], in target: [UInt8]) -> [UInt8]? {
    if name.isEmpty { return nil }
    var rest = target[...]
    while let start = rest.firstIndex(where: { isSeparator($0) }) {
      rest = rest[(start + 1)...]
      let part = rest.prefix { !isSeparator($0) && $0 != UInt8(ascii: "/") }
      guard part.count > name.count, part.starts(with: name),
        part[part.startIndex + name.count] == UInt8(ascii: "=")
      else { continue }
      return Array(part.dropFirst(name.count + 1))
    }
    return nil
  }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ";") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "&")
  }
}
