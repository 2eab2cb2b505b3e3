// Putting the server's own addresses into what an application says about itself: `ProxyPassReverse`
// and its two neighbours for cookies.

/// One rule at a time; of a list, the first that says true acts.
package enum ReverseRewrite {
  /// An attribute of Set-Cookie.
  package enum CookieAttribute: Sendable {
    case path, domain

    var name: StaticString { self == .path ? "path" : "domain" }
  }

  /// If a Location, Content-Location or URI begins with `from`, appends it with `to` in its place.
  ///
  /// `from` ends at the border of a path segment, so that `/app` does not fit `/application`. Scheme
  /// and host are compared in any case of letters. Two slashes where both meet become one, and a
  /// result that a client would take for another host (`//host/`) is written as the path it is.
  package static func appendLocation(
    _ value: RawSpan, from: [UInt8], to: [UInt8], into output: inout [UInt8]
  ) -> Bool {
    let prefix = from.rawSpan
    guard prefix.byteCount > 0, prefix.byteCount <= value.byteCount else { return false }
    let authorityEnd = endOfAuthority(prefix)
    guard
      FieldName.equal(value.extracting(0..<authorityEnd), prefix.extracting(0..<authorityEnd))
    else { return false }
    for index in authorityEnd..<prefix.byteCount
    where Scan.byte(value, at: index) != Scan.byte(prefix, at: index) { return false }
    var rest = value.extracting(prefix.byteCount..<value.byteCount)
    if Scan.byte(prefix, at: prefix.byteCount - 1) != ASCII.slash, rest.byteCount > 0 {
      let next = Scan.byte(rest, at: 0)
      guard next == ASCII.slash || next == 0x3f || next == 0x23 else { return false }
      if next == ASCII.slash && to.last == ASCII.slash {
        rest = rest.extracting(1..<rest.byteCount)
      }
    }
    let start = output.count
    output += to
    output.append(copying: rest)
    if output.count == start { output.append(ASCII.slash) }
    // RFC 3986 §4.2: a reference with "//" in front names a host.
    let isNetworkPath = startsWithTwoSlashes(output.rawSpan, start)
    if isNetworkPath && !startsWithTwoSlashes(to.rawSpan, 0) {
      output.insert(contentsOf: [ASCII.slash, ASCII.dot], at: start)
    }
    return true
  }

  /// Where the authority of `scheme://authority` ends; 0 of anything else.
  private static func endOfAuthority(_ url: RawSpan) -> Int {
    let colon = Scan.firstIndex(of: ASCII.colon, in: url, from: 0, to: url.byteCount)
    guard colon > 0, colon + 2 < url.byteCount, startsWithTwoSlashes(url, colon + 1) else {
      return 0
    }
    return Scan.firstIndex(of: ASCII.slash, in: url, from: colon + 3, to: url.byteCount)
  }

  /// Clients take "\" for "/".
  private static func startsWithTwoSlashes(_ text: RawSpan, _ start: Int) -> Bool {
    guard start + 1 < text.byteCount else { return false }
    for index in start...(start + 1) {
      let byte = Scan.byte(text, at: index)
      guard byte == ASCII.slash || byte == 0x5c else { return false }
    }
    return true
  }

  /// If a Set-Cookie value has the attribute and it fits `from`, appends the value with `to` as the
  /// attribute's. As in Apache: a path fits if it begins with `from`, and all of it is replaced; a
  /// domain fits if it is `from`, in any case of letters and with or without a dot in front.
  package static func appendCookie(
    _ value: RawSpan, _ attribute: CookieAttribute, from: [UInt8], to: [UInt8],
    into output: inout [UInt8]
  ) -> Bool {
    var fits = false
    var copied = 0
    let start = output.count
    // The first part is the cookie itself.
    var partEnd = Scan.firstIndex(of: 0x3b, in: value, from: 0, to: value.byteCount)
    while partEnd < value.byteCount {
      let partStart = partEnd + 1
      partEnd = Scan.firstIndex(of: 0x3b, in: value, from: partStart, to: value.byteCount)
      let equals = Scan.firstIndex(of: 0x3d, in: value, from: partStart, to: partEnd)
      guard equals < partEnd,
        FieldName.equal(
          value.extracting(partStart..<equals).trimmingBlanks(), attribute.name),
        isFitting(
          value.extracting((equals + 1)..<partEnd).trimmingBlanks(), attribute, from.rawSpan)
      else { continue }
      // The last of several counts (RFC 6265 §5.3), so all are replaced.
      output.append(copying: value.extracting(copied..<(equals + 1)))
      output += to
      copied = partEnd
      fits = true
    }
    guard fits else {
      output.removeSubrange(start...)
      return false
    }
    output.append(copying: value.extracting(copied..<value.byteCount))
    return true
  }

  private static func isFitting(
    _ value: RawSpan, _ attribute: CookieAttribute, _ from: RawSpan
  ) -> Bool {
    switch attribute {
    case .path:
      guard value.byteCount >= from.byteCount else { return false }
      for index in 0..<from.byteCount
      where Scan.byte(value, at: index) != Scan.byte(from, at: index) { return false }
      return true
    case .domain: return FieldName.equal(withoutDot(value), withoutDot(from))
    }
  }

  @_lifetime(copy domain)
  private static func withoutDot(_ domain: RawSpan) -> RawSpan {
    guard domain.byteCount > 0, Scan.byte(domain, at: 0) == ASCII.dot else { return domain }
    return domain.extracting(1..<domain.byteCount)
  }
}
