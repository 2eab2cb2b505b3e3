// From received bytes to a request head: strict (RFC 9112), in place, without allocation.

/// What the head of a request, or of an application's response, may cost. Bytes that exceed a limit are refused before they are complete.
package struct RequestLimits: Equatable, Sendable {
  /// The request line without its line end (LimitRequestLine); more is 414.
  package var requestLineBytesMax: Int
  /// Field lines (LimitRequestFields), at most 65,535; 0 means that. More is 431.
  package var fieldCountMax: Int
  /// One field line without its line end (LimitRequestFieldSize); more is 431.
  package var fieldBytesMax: Int
  /// The whole head, with all line ends, below 4 GiB; more is 431.
  package var headerBytesMax: Int

  package init(
    requestLineBytesMax: Int = 8190, fieldCountMax: Int = 100, fieldBytesMax: Int = 8190,
    headerBytesMax: Int = 65_536
  ) {
    self.requestLineBytesMax = requestLineBytesMax
    self.fieldCountMax = fieldCountMax > 0 ? min(fieldCountMax, 65_535) : 65_535
    self.fieldBytesMax = fieldBytesMax
    self.headerBytesMax = min(headerBytesMax, Int(UInt32.max))
  }
}

/// Why a request is refused, and what to answer before the connection is closed; or why a response
/// of an application is not passed on.
package struct RequestRejection: Error, Sendable {
  /// 400, 414, 431, 501 or 505 from the parser; 404 from `RequestTarget`; 502 for any response.
  package let status: UInt16
  package let reason: EndReason
  /// Where in the bytes given to the parser the trouble was noticed.
  package let byteOffset: UInt32
  /// A sentence for the error log; never holds bytes of the request.
  package let message: StaticString

  package init(status: UInt16, reason: EndReason, byteOffset: Int, message: StaticString) {
    self.status = status
    self.reason = reason
    self.byteOffset = UInt32(truncatingIfNeeded: byteOffset)
    self.message = message
  }
}

/// What came of parsing the bytes received so far.
package enum ParseOutcome: Sendable {
  /// The head is whole; see `RequestHead.headByteCount`.
  case complete
  /// Nothing wrong so far, but the head has not ended.
  case needMore
  case rejected(RequestRejection)
}

/// Why parsing stopped before the end of the head.
enum ParseStop: Error {
  case needMore
  case rejected(RequestRejection)

  @inline(never)
  static func refuse(
    _ status: UInt16, _ reason: EndReason, at offset: Int, _ message: StaticString
  ) -> ParseStop {
    .rejected(
      RequestRejection(status: status, reason: reason, byteOffset: offset, message: message))
  }
}

/// Parses request heads. A value without state: one serves all connections with the same limits.
package struct RequestParser: Sendable {
  package let limits: RequestLimits

  package init(limits: RequestLimits = RequestLimits()) {
    self.limits = limits
  }

  /// Parses all bytes received so far of one request (pipelined ones may follow).
  ///
  /// The same bytes give the same outcome however they were split on arrival, except that a limit
  /// or an error may be noticed before the head has ended.
  package func parse(_ bytes: RawSpan, into head: inout RequestHead) -> ParseOutcome {
    do throws(ParseStop) {
      try parseWhole(bytes, into: &head)
      return .complete
    } catch {
      return limits.outcome(of: error, bytes.byteCount)
    }
  }

  /// The same, but cheap when called again with a few bytes more: the bytes are then only searched
  /// for the head's end, and parsed once it is there, a limit is exceeded, or they have doubled.
  package func parse(
    _ bytes: RawSpan, into head: inout RequestHead, resuming progress: inout ParseProgress
  ) -> ParseOutcome {
    guard progress.isWorthTrying(bytes, limits) else { return .needMore }
    let outcome = parse(bytes, into: &head)
    progress.note(outcome, bytes, limits)
    return outcome
  }

  @inline(__always)
  private func parseWhole(
    _ bytes: RawSpan, into head: inout RequestHead
  ) throws(ParseStop) {
    head.reset()
    let lineStart = try skipEmptyLines(bytes)
    var next = try parseRequestLine(bytes, from: lineStart, into: &head)
    while true {
      if try limits.parseFields(KnownField.self, bytes, &next, &head.lines, &head.index) { break }
      // More lines than ever before on this head: the one place that allocates.
      head.lines += head.lines
    }
    head.headByteCount = next
    guard head.headByteCount <= limits.headerBytesMax else {
      throw .rejected(limits.tooLong(head.headByteCount))
    }
    try settle(bytes, &head)
  }

  /// A server should ignore at least one empty line before a request line (RFC 9112 §2.2): two are.
  @inline(__always)
  private func skipEmptyLines(_ bytes: RawSpan) throws(ParseStop) -> Int {
    guard bytes.byteCount > 0 else { throw .needMore }
    guard Scan.byte(bytes, at: 0) <= ASCII.carriageReturn else { return 0 }
    return try skipEmptyLinesSlowly(bytes)
  }

  @inline(never)
  private func skipEmptyLinesSlowly(_ bytes: RawSpan) throws(ParseStop) -> Int {
    var index = 0
    while index < bytes.byteCount {
      let byte = Scan.byte(bytes, at: index)
      guard byte == ASCII.carriageReturn || byte == ASCII.lineFeed else { return index }
      guard byte == ASCII.carriageReturn, index < 4 else {
        throw .refuse(400, .invalidLineEnd, at: index, "line ends before the request line")
      }
      guard index + 1 < bytes.byteCount else { break }
      guard Scan.byte(bytes, at: index + 1) == ASCII.lineFeed else {
        throw .refuse(400, .invalidLineEnd, at: index, "a bare CR")
      }
      index += 2
    }
    throw .needMore
  }
}
