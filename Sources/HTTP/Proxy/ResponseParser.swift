// From received bytes to an application's response head: strict (RFC 9112), in place, without
// allocation.

/// Parses response heads. A value without state: one serves all connections with the same limits.
///
/// Rejections have status 502: the response must not be passed on, nor anything that follows on its
/// connection be believed.
package struct ResponseParser: Sendable {
  /// `requestLineBytesMax` is the status line's.
  package let limits: RequestLimits

  package init(
    limits: RequestLimits = RequestLimits(fieldCountMax: 200, headerBytesMax: 131_072)
  ) {
    self.limits = limits
  }

  /// Parses all bytes received so far of one response, which answers a request with `method`.
  ///
  /// The same bytes give the same outcome however they were split on arrival, except that a limit
  /// or an error may be noticed before the head has ended.
  package func parse(
    _ bytes: RawSpan, into response: inout ReceivedResponse, to method: Method
  ) -> ParseOutcome {
    do throws(ParseStop) {
      try parseWhole(bytes, into: &response, to: method)
      return .complete
    } catch {
      return limits.responseOutcome(of: error, bytes.byteCount)
    }
  }

  /// The same, but cheap when called again with a few bytes more: the bytes are then only searched
  /// for the head's end, and parsed once it is there, a limit is exceeded, or they have doubled.
  package func parse(
    _ bytes: RawSpan, into response: inout ReceivedResponse, to method: Method,
    resuming progress: inout ParseProgress
  ) -> ParseOutcome {
    guard progress.isWorthTrying(bytes, limits) else { return .needMore }
    let outcome = parse(bytes, into: &response, to: method)
    progress.note(outcome, bytes, limits)
    return outcome
  }

  private func parseWhole(
    _ bytes: RawSpan, into response: inout ReceivedResponse, to method: Method
  ) throws(ParseStop) {
    response.reset()
    var next = try parseStatusLine(bytes, into: &response)
    while true {
      if try limits.parseFields(
        ResponseField.self, bytes, &next, &response.lines, &response.index)
      {
        break
      }
      // More lines than ever before on this head: the one place that allocates.
      response.lines += response.lines
    }
    response.headByteCount = next
    guard next <= limits.headerBytesMax else { throw .rejected(limits.tooLong(next)) }
    try settle(bytes, &response, method)
  }

  // MARK: Status line

  /// Parses `HTTP/1.d SP 3DIGIT [ SP reason ] CR LF` (RFC 9112 §4); returns where the first field
  /// starts. Nothing may come before it: what does was left over by another response.
  private func parseStatusLine(
    _ bytes: RawSpan, into response: inout ReceivedResponse
  ) throws(ParseStop) -> Int {
    try checkStart(bytes)
    response.minorVersion = Scan.byte(bytes, at: 7) == 0x30 ? 0 : 1
    response.status = 0
    for index in 9..<12 {
      response.status = response.status &* 10 &+ Int(Scan.byte(bytes, at: index) &- 0x30)
    }
    guard response.status >= 100 else {
      throw .refuse(502, .number, at: 9, "a status below 100")
    }
    guard bytes.byteCount > 13 else { throw .needMore }
    // Many leave out the space when there is no reason.
    let reasonStart = Scan.byte(bytes, at: 12) == ASCII.space ? 13 : 12
    let end = try limits.endOfValue(bytes, from: reasonStart, lineStart: 0, lineBytesMax)
    response.reason = BufferRange(reasonStart, end)
    return end &+ 2
  }

  private var lineBytesMax: Int { limits.requestLineBytesMax }

  /// Checks all up to the byte after the status, as far as it is there.
  private func checkStart(_ bytes: RawSpan) throws(ParseStop) {
    // Nearly all begin so.
    if bytes.byteCount > 12, Scan.word(bytes, at: 0) == Scan.literal("HTTP/1.1"),
      Scan.byte(bytes, at: 8) == ASCII.space, ASCII.isDigit(Scan.byte(bytes, at: 9)),
      ASCII.isDigit(Scan.byte(bytes, at: 10)), ASCII.isDigit(Scan.byte(bytes, at: 11)),
      Scan.byte(bytes, at: 12) == ASCII.space
    {
      return
    }
    let pattern: StaticString = "HTTP/1.d ddd"
    for index in 0..<min(bytes.byteCount, pattern.utf8CodeUnitCount) {
      let byte = Scan.byte(bytes, at: index)
      let wanted = Scan.literalByte(pattern, index)
      if wanted == 0x64 ? ASCII.isDigit(byte) : byte == wanted { continue }
      throw switch index {
      case 5 where ASCII.isDigit(byte):
        .refuse(502, .versionNotSupported, at: 5, "a major version other than 1")
      case ..<8: .refuse(502, .versionNotSupported, at: index, "no HTTP/1.x at the start")
      case 8: .refuse(502, .badRequest, at: index, "no space before the status")
      default: .refuse(502, .number, at: index, "a status that is not three digits")
      }
    }
    guard bytes.byteCount > 12 else { throw .needMore }
    let byte = Scan.byte(bytes, at: 12)
    guard byte == ASCII.space || byte == ASCII.carriageReturn else {
      throw byte == ASCII.lineFeed
        ? .refuse(502, .invalidLineEnd, at: 12, "a bare LF after the status")
        : .refuse(502, .number, at: 12, "a status that is not three digits")
    }
  }
}
