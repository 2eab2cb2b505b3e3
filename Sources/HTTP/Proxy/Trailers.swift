// Fields that come after a body: which of them may be passed on, as trailers (RFC 9110 §6.5).

/// Trailer fields as a `ChunkedDecoder` keeps them.
package enum Trailers {
  /// Calls `take` with name and value of each field in `section` that may be passed on as a
  /// trailer. The section was checked when it was read: whole lines `name: value CR LF`.
  package static func forEachForwarded(
    in section: RawSpan, _ take: (_ name: RawSpan, _ value: RawSpan) -> Void
  ) {
    var start = 0
    while start < section.byteCount {
      let end = Scan.firstIndex(
        of: ASCII.lineFeed, in: section, from: start, to: section.byteCount)
      let colon = Scan.firstIndex(of: ASCII.colon, in: section, from: start, to: end)
      if colon < end {
        let name = section.extracting(start..<colon)
        let value = section.extracting((colon + 1)..<end).trimmingBlanks()
        if isForwarded(name) { take(name, value) }
      }
      start = end + 1
    }
  }

  /// Whether a request says that its sender takes trailers (RFC 9110 §10.1.4). Others get none: who
  /// does not look for them would miss them without knowing it.
  package static func areAccepted(_ head: RequestHead, in bytes: RawSpan) -> Bool {
    guard head.has(.te) else { return false }
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      guard line.known == .te else { continue }
      let value = line.value.span(in: bytes)
      var list = TokenList(value)
      while let element = list.next() {
        if FieldName.equal(value.extracting(element), "trailers") { return true }
      }
    }
    return false
  }

  /// Fields that say how to read, route or cache a message come too late in a trailer; a recipient
  /// that merged them would be told something that nobody checked (RFC 9110 §6.5.1).
  package static func isForwarded(_ name: RawSpan) -> Bool {
    if HopByHop.contains(name) { return false }
    for index in 0..<tooLate.count where FieldName.equal(name, tooLate[index]) { return false }
    return true
  }

  private static var tooLate: InlineArray<39, StaticString> {
    [
      // Framing and content
      "Content-Length", "Trailer", "Content-Encoding", "Content-Type", "Content-Range",
      "Content-Location",
      // Routing
      "Host", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
      "X-Forwarded-Server", "Via",
      // How a request is meant
      "Cache-Control", "Expect", "Max-Forwards", "Pragma", "Range", "If-Match", "If-None-Match",
      "If-Modified-Since", "If-Unmodified-Since", "If-Range",
      // Who sends it
      "Authorization", "Cookie", "Set-Cookie", "WWW-Authenticate", "Authentication-Info",
      // How a response is meant
      "Age", "Expires", "Date", "Location", "Retry-After", "Vary", "Warning",
      "CDN-Cache-Control", "Ring3-Cache-Control", "Last-Modified", "ETag",
    ]
  }
}

extension RawSpan {
  /// Without SP and HTAB (and CR, of a line cut at its LF) at either end.
  @_lifetime(copy self)
  func trimmingBlanks() -> RawSpan {
    var start = 0
    var end = byteCount
    while start < end && isBlankOrReturn(start) { start += 1 }
    while end > start && isBlankOrReturn(end - 1) { end -= 1 }
    return extracting(start..<end)
  }

  private func isBlankOrReturn(_ index: Int) -> Bool {
    let byte = Scan.byte(self, at: index)
    return ASCII.isBlank(byte) || byte == ASCII.carriageReturn
  }
}
