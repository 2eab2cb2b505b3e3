// The request line: method, target in its four forms, version (RFC 9112 §3).

extension RequestParser {
  /// Parses `method SP target SP HTTP/d.d CR LF`; returns where the next line starts.
  @inline(__always)
  func parseRequestLine(
    _ bytes: RawSpan, from start: Int, into head: inout RequestHead
  ) throws(ParseStop) -> Int {
    let targetStart = try parseMethod(bytes, from: start, into: &head)
    let limit = min(bytes.byteCount, start &+ limits.requestLineBytesMax)
    guard targetStart <= limit else { throw requestLineTooLong(limit) }
    let targetEnd = Scan.endOfRun(bytes, from: targetStart, to: limit, lowest: 0x21)
    guard targetEnd < limit else {
      guard bytes.byteCount &- start < limits.requestLineBytesMax else {
        throw requestLineTooLong(limit)
      }
      throw .needMore
    }
    guard Scan.byte(bytes, at: targetEnd) == ASCII.space, targetEnd > targetStart else {
      throw badTargetByte(bytes, targetStart, targetEnd)
    }
    head.target = BufferRange(targetStart, targetEnd)
    let lineEnd = try parseVersion(bytes, from: targetEnd &+ 1, into: &head)
    guard lineEnd &- start <= limits.requestLineBytesMax else { throw requestLineTooLong(limit) }
    head.requestLine = BufferRange(start, lineEnd)
    try splitTarget(bytes, targetStart, targetEnd, &head)
    return lineEnd &+ 2
  }

  @inline(__always)
  private func parseMethod(
    _ bytes: RawSpan, from start: Int, into head: inout RequestHead
  ) throws(ParseStop) -> Int {
    if start &+ 8 <= bytes.byteCount {
      let word = Scan.word(bytes, at: start)
      if word & 0xffff_ffff == Scan.literal("GET \0\0\0\0") {
        head.method = .get
        head.methodRange = BufferRange(start, start &+ 3)
        return start &+ 4
      }
    }
    return try parseMethodSlowly(bytes, from: start, into: &head)
  }

  @inline(never)
  private func parseMethodSlowly(
    _ bytes: RawSpan, from start: Int, into head: inout RequestHead
  ) throws(ParseStop) -> Int {
    let limit = min(bytes.byteCount, start + limits.requestLineBytesMax)
    var index = start
    while index < limit {
      let byte = Scan.byte(bytes, at: index)
      if byte == ASCII.space { break }
      guard ByteClass.token.contains(byte) else {
        throw byte == ASCII.carriageReturn || byte == ASCII.lineFeed
          ? .refuse(400, .invalidLineEnd, at: index, "a line end in the method")
          : .refuse(400, .verb, at: index, "a byte that is not allowed in a method")
      }
      index += 1
    }
    guard index < limit else {
      throw index - start < limits.requestLineBytesMax ? .needMore : requestLineTooLong(limit)
    }
    guard index > start else { throw .refuse(400, .verb, at: index, "no method") }
    head.methodRange = BufferRange(start, index)
    head.method = Method(head.methodRange.span(in: bytes))
    return index + 1
  }

  @inline(never)
  private func requestLineTooLong(_ offset: Int) -> ParseStop {
    .refuse(414, .urlLength, at: offset, "the request line is longer than the limit")
  }

  @inline(never)
  private func badTargetByte(_ bytes: RawSpan, _ start: Int, _ index: Int) -> ParseStop {
    switch Scan.byte(bytes, at: index) {
    case ASCII.space: .refuse(400, .url, at: index, "no target, or more than one space before it")
    case ASCII.carriageReturn where index > start:
      .refuse(400, .versionNotSupported, at: index, "no version: HTTP/0.9 is not spoken here")
    case ASCII.carriageReturn, ASCII.lineFeed:
      .refuse(400, .invalidLineEnd, at: index, "a line end where the target or version belongs")
    default: .refuse(400, .url, at: index, "a byte that is not allowed in a target")
    }
  }

  // MARK: Version

  /// Parses `HTTP/1.x CR LF`; returns the index of the CR.
  @inline(__always)
  private func parseVersion(
    _ bytes: RawSpan, from start: Int, into head: inout RequestHead
  ) throws(ParseStop) -> Int {
    if start &+ 10 <= bytes.byteCount, Scan.word(bytes, at: start) == Scan.literal("HTTP/1.1"),
      Scan.byte(bytes, at: start &+ 8) == ASCII.carriageReturn,
      Scan.byte(bytes, at: start &+ 9) == ASCII.lineFeed
    {
      head.minorVersion = 1
      return start &+ 8
    }
    return try parseVersionSlowly(bytes, from: start, into: &head)
  }

  @inline(never)
  private func parseVersionSlowly(
    _ bytes: RawSpan, from start: Int, into head: inout RequestHead
  ) throws(ParseStop) -> Int {
    let pattern: StaticString = "HTTP/d.d\r\n"
    for position in 0..<pattern.utf8CodeUnitCount {
      let index = start + position
      guard index < bytes.byteCount else { throw .needMore }
      let byte = Scan.byte(bytes, at: index)
      if position == 5 || position == 7 {
        guard ASCII.isDigit(byte) else {
          throw .refuse(400, .versionNotSupported, at: index, "a version that is not digit.digit")
        }
      } else if byte != Scan.literalByte(pattern, position) {
        throw position >= 8
          ? .refuse(400, .invalidLineEnd, at: index, "something other than CR LF after the version")
          : .refuse(400, .versionNotSupported, at: index, "a version that is not HTTP/digit.digit")
      }
    }
    let major = Scan.byte(bytes, at: start + 5)
    // A sender of a later minor version expects to be answered as by 1.1 (RFC 9110 §2.5).
    head.minorVersion = Scan.byte(bytes, at: start + 7) == 0x30 ? 0 : 1
    guard major == 0x31 else {
      throw major == 0x30
        ? .refuse(400, .versionNotSupported, at: start, "HTTP/0.x is not spoken here")
        : .refuse(505, .versionNotSupported, at: start, "a major version other than 1")
    }
    return start + 8
  }

  // MARK: Target

  /// Divides the target into authority, path and query according to its form (RFC 9112 §3.2).
  @inline(__always)
  private func splitTarget(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ head: inout RequestHead
  ) throws(ParseStop) {
    if Scan.byte(bytes, at: start) == ASCII.slash && head.method != .connect {
      try splitPath(bytes, start, end, &head)
    } else {
      try splitOtherForms(bytes, start, end, &head)
    }
  }

  /// A fragment is never part of a target: "#" is refused (RFC 9112 §3.2.1).
  @inline(__always)
  private func splitPath(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ head: inout RequestHead
  ) throws(ParseStop) {
    let pathEnd = Scan.endOfPath(bytes, from: start, to: end)
    head.path = BufferRange(start, pathEnd)
    guard pathEnd < end else { return }
    head.hasQuery = true
    head.queryRange = BufferRange(pathEnd &+ 1, end)
    let fragment = Scan.firstIndex(of: 0x23, in: bytes, from: pathEnd, to: end)
    guard fragment == end else {
      throw .refuse(400, .url, at: fragment, "a fragment in the target")
    }
  }

  @inline(never)
  private func splitOtherForms(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ head: inout RequestHead
  ) throws(ParseStop) {
    head.path = BufferRange(end, end)
    if head.method == .connect {
      head.targetForm = .authority
      let authority = try parseAuthority(bytes, start, end, emptyHostAllowed: false)
      guard authority.port != nil else {
        throw .refuse(400, .url, at: start, "CONNECT needs host:port")
      }
      head.setAuthority(authority)
      return
    }
    if end - start == 1 && Scan.byte(bytes, at: start) == 0x2a {
      guard head.method == .options else {
        throw .refuse(400, .url, at: start, "\"*\" is a target for OPTIONS only")
      }
      head.targetForm = .asterisk
      head.path = head.target
      return
    }
    var authorityStart = start + 7
    if !startsWith(bytes, start, end, "http://") {
      guard startsWith(bytes, start, end, "https://") else {
        throw .refuse(400, .url, at: start, "a target that is neither a path nor an http URI")
      }
      authorityStart += 1
      head.targetSchemeIsSecure = true
    }
    head.targetForm = .absolute
    var authorityEnd = authorityStart
    while authorityEnd < end {
      let byte = Scan.byte(bytes, at: authorityEnd)
      if byte == ASCII.slash || byte == 0x3f { break }
      authorityEnd += 1
    }
    // An http URI with an empty host is invalid (RFC 9110 §4.2.1).
    head.setAuthority(
      try parseAuthority(bytes, authorityStart, authorityEnd, emptyHostAllowed: false))
    try splitPath(bytes, authorityEnd, end, &head)
  }

  /// Schemes are compared without regard to case (RFC 3986 §3.1).
  private func startsWith(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ prefix: StaticString
  ) -> Bool {
    let prefixEnd = start + prefix.utf8CodeUnitCount
    return prefixEnd <= end && FieldName.equal(bytes.extracting(start..<prefixEnd), prefix)
  }
}
