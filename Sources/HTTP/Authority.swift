// Host and port, as in Host and in absolute-form targets (RFC 3986 §3.2, RFC 9110 §7.2).

/// Where host and port of an authority are.
struct Authority {
  var whole: BufferRange
  var host: BufferRange
  var port: UInt16?
}

extension RequestHead {
  mutating func setAuthority(_ found: Authority) {
    hasAuthority = true
    authority = found.whole
    host = found.host
    hostPort = found.port
  }
}

extension RequestParser {
  /// Parses `uri-host [ ":" port ]`. Userinfo is refused (RFC 9110 §4.2.4).
  func parseAuthority(
    _ bytes: RawSpan, _ start: Int, _ end: Int, emptyHostAllowed: Bool
  ) throws(ParseStop) -> Authority {
    var hostEnd = start
    if start < end && Scan.byte(bytes, at: start) == 0x5b {
      hostEnd = Scan.firstIndex(of: 0x5d, in: bytes, from: start, to: end)
      guard hostEnd < end, IPv6Text.isValid(bytes.extracting(start + 1..<hostEnd)) else {
        throw .refuse(400, .hostname, at: start, "a bracketed host that is no IPv6 address")
      }
      hostEnd += 1
    } else {
      hostEnd = try endOfRegName(bytes, start, end)
    }
    var authority = Authority(
      whole: BufferRange(start, end), host: BufferRange(start, hostEnd), port: nil)
    if hostEnd < end {
      guard Scan.byte(bytes, at: hostEnd) == ASCII.colon else {
        throw .refuse(400, .hostname, at: hostEnd, "a byte that is not allowed in a host")
      }
      authority.port = try parsePort(bytes, hostEnd + 1, end)
    }
    guard hostEnd > start || (emptyHostAllowed && end == start) else {
      throw .refuse(400, .hostname, at: start, "an empty host")
    }
    return authority
  }

  @inline(__always)
  private func endOfRegName(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(ParseStop) -> Int {
    var index = Scan.endOfHostRun(bytes, from: start, to: end)
    while index < end {
      let byte = Scan.byte(bytes, at: index)
      if ByteClass.regName.contains(byte) {
        index &+= 1
      } else if byte == ASCII.colon {
        break
      } else if byte == 0x25, index &+ 2 < end, isHexDigit(bytes, index &+ 1),
        isHexDigit(bytes, index &+ 2)
      {
        index &+= 3
      } else {
        throw .refuse(400, .hostname, at: index, "a byte that is not allowed in a host")
      }
    }
    return index
  }

  private func isHexDigit(_ bytes: RawSpan, _ index: Int) -> Bool {
    ASCII.hexValue(Scan.byte(bytes, at: index)) != nil
  }

  /// `*DIGIT` up to 65535; nothing after the colon means no port (RFC 3986 §3.2.3).
  private func parsePort(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(ParseStop) -> UInt16? {
    var port = 0
    var index = start
    while index < end {
      let byte = Scan.byte(bytes, at: index)
      guard ASCII.isDigit(byte) else {
        throw .refuse(400, .hostname, at: index, "a port that is not a number")
      }
      port = port &* 10 &+ Int(byte &- 0x30)
      guard port <= 65_535 else {
        throw .refuse(400, .hostname, at: start, "a port above 65535")
      }
      index &+= 1
    }
    return start < end ? UInt16(truncatingIfNeeded: port) : nil
  }

  /// A Host that says something else than an absolute-form target is refused: two servers on the
  /// way might each believe another one. (RFC 9112 §3.2.2 would let us ignore it.)
  func checkHostAgrees(
    _ bytes: RawSpan, _ field: Authority, _ head: RequestHead
  ) throws(ParseStop) {
    let ordinaryPort: UInt16 = head.targetSchemeIsSecure ? 443 : 80
    guard FieldName.equal(field.host.span(in: bytes), head.host.span(in: bytes)),
      (field.port ?? ordinaryPort) == (head.hostPort ?? ordinaryPort)
    else {
      throw .refuse(400, .hostname, at: field.whole.start, "Host and target name different hosts")
    }
  }
}
