// What a response's fields say about the message itself: body length and connection.

extension ResponseParser {
  /// Message body length (RFC 9112 §6.3) and persistence (§9.3), stricter than they must be:
  /// whatever two parsers could read differently is refused.
  func settle(
    _ bytes: RawSpan, _ response: inout ReceivedResponse, _ method: Method
  ) throws(ParseStop) {
    try settleConnection(bytes, &response)
    let isChunked = try parseLengths(bytes, &response)
    let status = response.status
    if status < 200 {
      try settleInterim(bytes, &response)
    } else if method == .connect && status < 300 {
      response.framing = .tunnel
      response.keepAlive = false
    } else if method == .head || status == 304 {
      response.framing = .none
    } else if status == 204 {
      // A body that must not be is not read; it may lie in the connection as somebody's response.
      if isChunked || (response.contentLength ?? 0) > 0 { response.keepAlive = false }
    } else if isChunked {
      response.framing = .chunked
    } else if let length = response.contentLength {
      response.framing = length == 0 ? .none : .length(length)
    } else {
      response.framing = .untilClose
      response.keepAlive = false
    }
  }

  private func settleConnection(
    _ bytes: RawSpan, _ response: inout ReceivedResponse
  ) throws(ParseStop) {
    response.keepAlive = response.minorVersion >= 1
    if let first = response.known(.connection) {
      for line in 0..<response.fieldCount
      where response.lines[line].knownNumber == ResponseField.connection.rawValue {
        response.connection.add(response.lines[line].value, in: bytes)
      }
      let options = response.connection
      guard !options.isOverflowing else {
        throw .refuse(502, .header, at: first.start, "Connection names too many fields")
      }
      response.keepAlive =
        !options.saysClose && (response.minorVersion >= 1 || options.saysKeepAlive)
    }
    if response.keepAlive, let value = response.known(.keepAlive) {
      response.keepAliveSeconds = idleSeconds(value.span(in: bytes))
    }
  }

  /// The number in `timeout=5, max=100`.
  private func idleSeconds(_ value: RawSpan) -> UInt64? {
    var list = TokenList(value)
    while let token = list.next() {
      let parameter = value.extracting(token)
      guard Scan.spells(parameter, at: 0, "timeout"), parameter.byteCount > 8,
        Scan.byte(parameter, at: 7) == 0x3d
      else { continue }
      return DecimalNumber.parse(parameter.extracting(8..<parameter.byteCount))
    }
    return nil
  }

  /// Reads Content-Length, and says whether Transfer-Encoding makes the body chunked. Neither may
  /// be there twice; the parser of the fields saw to that.
  private func parseLengths(
    _ bytes: RawSpan, _ response: inout ReceivedResponse
  ) throws(ParseStop) -> Bool {
    if let coding = response.known(.transferEncoding) {
      guard !response.has(.contentLength) else {
        throw .refuse(502, .header, at: coding.start, "both Content-Length and Transfer-Encoding")
      }
      guard response.minorVersion >= 1 else {
        throw .refuse(502, .header, at: coding.start, "Transfer-Encoding in HTTP/1.0")
      }
      guard FieldName.equal(coding.span(in: bytes), "chunked") else {
        throw .refuse(
          502, .notImplemented, at: coding.start, "a transfer coding other than chunked")
      }
      return true
    }
    guard let value = response.known(.contentLength) else { return false }
    response.contentLength = try DecimalNumber.contentLength(bytes, value)
    return false
  }

  /// 1xx has no body and no length (RFC 9110 §8.6, RFC 9112 §6.1); where there is one, what follows
  /// could be its body or the final response. 1.0 does not know 1xx (RFC 9110 §15.2).
  private func settleInterim(
    _ bytes: RawSpan, _ response: inout ReceivedResponse
  ) throws(ParseStop) {
    guard response.minorVersion >= 1 else {
      throw .refuse(502, .versionNotSupported, at: 0, "a status below 200 in HTTP/1.0")
    }
    guard !response.has(.transferEncoding), (response.contentLength ?? 0) == 0 else {
      throw .refuse(502, .header, at: 0, "a body announced with a status below 200")
    }
    guard response.status == 101 else { return }
    guard response.has(.upgrade), response.connection.saysUpgrade else {
      throw .refuse(502, .header, at: 0, "101 without Upgrade, or Connection does not name it")
    }
    response.framing = .tunnel
    response.keepAlive = false
  }
}
