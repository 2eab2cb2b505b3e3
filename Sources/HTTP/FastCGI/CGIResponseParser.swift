// The head of a CGI response (RFC 3875 §6), as FastCGI applications send it.

/// Parses heads of CGI responses into the same shape as those of HTTP.
///
/// Lines may end with LF alone, there is no status line, and Status and Location say what the status
/// is. Framing is what the fields say; the body really ends where the output does, and a length that
/// does not agree is a broken response. Rejections have status 502.
package struct CGIResponseParser: Sendable {
  /// `requestLineBytesMax` is of no use here.
  package let limits: RequestLimits

  package init(
    limits: RequestLimits = RequestLimits(fieldCountMax: 200, headerBytesMax: 131_072)
  ) {
    self.limits = limits
  }

  /// Parses all bytes of output so far, of a response to a request with `method`.
  package func parse(
    _ bytes: RawSpan, into response: inout ReceivedResponse, to method: Method,
    resuming progress: inout ParseProgress
  ) -> ParseOutcome {
    guard progress.isWorthTrying(bytes, limits) else { return .needMore }
    let outcome = parse(bytes, into: &response, to: method)
    progress.note(outcome, bytes, limits)
    return outcome
  }

  /// The same without memory of an earlier attempt.
  package func parse(
    _ bytes: RawSpan, into response: inout ReceivedResponse, to method: Method
  ) -> ParseOutcome {
    do throws(ParseStop) {
      response.reset()
      response.status = 0
      response.minorVersion = 1
      response.reason = BufferRange(offset: 0, count: 0)
      response.isCGI = true
      response.headByteCount = try parseLines(bytes, &response)
      try settle(bytes, &response, method)
      return .complete
    } catch {
      return limits.responseOutcome(of: error, bytes.byteCount)
    }
  }

  /// Up to and including the empty line; returns where the body starts.
  private func parseLines(
    _ bytes: RawSpan, _ response: inout ReceivedResponse
  ) throws(ParseStop) -> Int {
    var start = 0
    while true {
      let limit = min(bytes.byteCount, start + limits.fieldBytesMax + 2)
      let lineFeed = Scan.firstIndex(of: ASCII.lineFeed, in: bytes, from: start, to: limit)
      guard lineFeed < limit else {
        guard limit == bytes.byteCount else {
          throw .refuse(502, .fieldLength, at: start, "a field line is longer than the limit")
        }
        throw .needMore
      }
      var end = lineFeed
      if end > start && Scan.byte(bytes, at: end - 1) == ASCII.carriageReturn { end -= 1 }
      guard end > start else {
        guard response.index.count > 0 else {
          throw .refuse(502, .header, at: start, "a CGI response without fields")
        }
        guard lineFeed < limits.headerBytesMax else {
          throw .rejected(limits.tooLong(lineFeed + 1))
        }
        return lineFeed + 1
      }
      guard end - start <= limits.fieldBytesMax else {
        throw .refuse(502, .fieldLength, at: start, "a field line is longer than the limit")
      }
      try parseField(bytes, start, end, &response)
      start = lineFeed + 1
    }
  }

  private func parseField(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ response: inout ReceivedResponse
  ) throws(ParseStop) {
    let colon = Scan.firstIndex(of: ASCII.colon, in: bytes, from: start, to: end)
    guard colon < end, ResponseHead.isToken(bytes.extracting(start..<colon)) else {
      throw .refuse(502, .header, at: start, "a line that is no field in a CGI response")
    }
    var valueStart = colon + 1
    var valueEnd = end
    while valueStart < valueEnd && ASCII.isBlank(Scan.byte(bytes, at: valueStart)) {
      valueStart += 1
    }
    while valueEnd > valueStart && ASCII.isBlank(Scan.byte(bytes, at: valueEnd - 1)) {
      valueEnd -= 1
    }
    for index in valueStart..<valueEnd {
      let byte = Scan.byte(bytes, at: index)
      guard byte >= 0x20 && byte != 0x7f || byte == ASCII.tab else {
        throw .refuse(502, .header, at: index, "a control character in a field value")
      }
    }
    guard response.index.count < limits.fieldCountMax else {
      throw .refuse(502, .requestLength, at: start, "more fields than the limit")
    }
    if response.index.count == response.lines.count { response.lines += response.lines }
    let known = ResponseField(in: bytes, at: start, count: colon - start)
    response.lines[response.index.count] = FieldLine(
      name: BufferRange(start, colon), value: BufferRange(valueStart, valueEnd),
      knownNumber: known?.rawValue ?? FieldLine.unknown)
    if let known, !response.index.note(known.rawValue) {
      if known.mustBeSingle { throw known.repeated(at: start) }
      guard known != .status, known != .location else {
        throw .refuse(502, .header, at: start, "more than one Status or Location")
      }
    }
    response.index.count += 1
  }

  private func settle(
    _ bytes: RawSpan, _ response: inout ReceivedResponse, _ method: Method
  ) throws(ParseStop) {
    response.keepAlive = true
    if let coding = response.known(.transferEncoding) {
      throw .refuse(502, .header, at: coding.start, "Transfer-Encoding in a CGI response")
    }
    try settleStatus(bytes, &response)
    if let value = response.known(.contentLength) {
      response.contentLength = try DecimalNumber.contentLength(bytes, value)
    }
    if method == .head || Status.forbidsContent(response.status) {
      response.framing = .none
    } else if let length = response.contentLength {
      response.framing = length == 0 ? .none : .length(length)
    } else {
      response.framing = .untilClose
    }
  }

  /// Status, or what Location means without it (RFC 3875 §6.2.2, §6.2.3): a path is to be answered
  /// by this server itself, any other address is a redirect of the client.
  private func settleStatus(
    _ bytes: RawSpan, _ response: inout ReceivedResponse
  ) throws(ParseStop) {
    response.status = 200
    if let value = response.known(.status) {
      let text = value.span(in: bytes)
      guard text.byteCount >= 3, let code = DecimalNumber.parse(text.extracting(0..<3)),
        code >= 200, text.byteCount == 3 || Scan.byte(text, at: 3) == ASCII.space
      else { throw .refuse(502, .number, at: value.start, "a Status that is not 200 to 999") }
      response.status = Int(code)
      if text.byteCount > 4 { response.reason = BufferRange(value.start + 4, value.end) }
      return
    }
    guard let location = response.known(.location), !location.isEmpty else { return }
    // "//" begins a reference to another host (RFC 3986 §4.2), whatever CGI says of slashes.
    let text = location.span(in: bytes)
    let isPath =
      Scan.byte(text, at: 0) == ASCII.slash
      && (text.byteCount == 1 || Scan.byte(text, at: 1) != ASCII.slash)
    if isPath { response.localRedirect = location } else { response.status = 302 }
  }
}
