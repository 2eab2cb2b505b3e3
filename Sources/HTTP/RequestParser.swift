// From received bytes to a request head: strict (RFC 9112), in place, without allocation.

/// What a request head may cost. Bytes that exceed a limit are refused before they are complete.
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

/// Why a request is refused, and what to answer before the connection is closed.
package struct RequestRejection: Error, Sendable {
  /// 400, 414, 431, 501 or 505 from the parser; 404 from `RequestTarget`.
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

/// How far an unfinished head has been looked at, so that one byte more does not mean parsing all
/// bytes again. Keep one a connection; it resets itself when a head is complete or rejected.
package struct ParseProgress: Sendable {
  /// Bytes present when the last full attempt was made.
  var triedByteCount: UInt32 = 0
  var scannedByteCount: UInt32 = 0
  var lineStart: UInt32 = 0
  var lineCount: UInt32 = 0

  package init() {}
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
      switch error {
      case .needMore:
        guard bytes.byteCount <= limits.headerBytesMax else {
          return .rejected(tooLong(bytes.byteCount))
        }
        return .needMore
      case .rejected(let rejection):
        return .rejected(rejection)
      }
    }
  }

  /// The same, but cheap when called again with a few bytes more: the bytes are then only searched
  /// for the head's end, and parsed once it is there, a limit is exceeded, or they have doubled.
  package func parse(
    _ bytes: RawSpan, into head: inout RequestHead, resuming progress: inout ParseProgress
  ) -> ParseOutcome {
    if progress.triedByteCount != 0 && !isWorthParsing(bytes, &progress) { return .needMore }
    let outcome = parse(bytes, into: &head)
    guard case .needMore = outcome else {
      if progress.triedByteCount != 0 { progress = ParseProgress() }
      return outcome
    }
    _ = isWorthParsing(bytes, &progress)
    progress.triedByteCount = UInt32(truncatingIfNeeded: bytes.byteCount)
    return outcome
  }

  /// Looks at the bytes that are new since the last call; true if a full attempt may now tell more.
  private func isWorthParsing(_ bytes: RawSpan, _ progress: inout ParseProgress) -> Bool {
    var index = Int(progress.scannedByteCount)
    guard index <= bytes.byteCount else { return true }
    var isWorth = bytes.byteCount >= 2 * Int(progress.triedByteCount)
    while true {
      index = Scan.firstIndex(of: ASCII.lineFeed, in: bytes, from: index, to: bytes.byteCount)
      guard index < bytes.byteCount else { break }
      // An empty line ends the head; a line of one byte is an error, or empty.
      if index - Int(progress.lineStart) <= 1 { isWorth = true }
      index += 1
      progress.lineStart = UInt32(truncatingIfNeeded: index)
      progress.lineCount += 1
    }
    progress.scannedByteCount = UInt32(truncatingIfNeeded: bytes.byteCount)
    // Lines before the first field: at most two empty ones and the request line.
    let lineBytesMax = progress.lineCount == 0 ? limits.requestLineBytesMax : limits.fieldBytesMax
    return isWorth || Int(progress.lineCount) > limits.fieldCountMax + 3
      || bytes.byteCount - Int(progress.lineStart) > lineBytesMax
      || bytes.byteCount > limits.headerBytesMax
  }

  @inline(__always)
  private func parseWhole(
    _ bytes: RawSpan, into head: inout RequestHead
  ) throws(ParseStop) {
    head.reset()
    let lineStart = try skipEmptyLines(bytes)
    var next = try parseRequestLine(bytes, from: lineStart, into: &head)
    while true {
      if try parseFields(bytes, &next, &head.lines, &head.index) { break }
      // More lines than ever before on this head: the one place that allocates.
      head.lines += head.lines
    }
    head.headByteCount = next
    guard head.headByteCount <= limits.headerBytesMax else {
      throw .rejected(tooLong(head.headByteCount))
    }
    try settle(bytes, &head)
  }

  @inline(never)
  private func tooLong(_ byteCount: Int) -> RequestRejection {
    RequestRejection(
      status: 431, reason: .requestLength, byteOffset: min(byteCount, limits.headerBytesMax),
      message: "the request head is longer than the limit")
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

  // MARK: Field lines

  /// Parses field lines from `next` on, up to and including the empty line (RFC 9112 §5); false
  /// when `lines` is full. `next` is then where to go on, else where the head ends.
  private func parseFields(
    _ bytes: RawSpan, _ next: inout Int, _ storage: inout [FieldLine],
    _ fields: inout FieldIndex
  ) throws(ParseStop) -> Bool {
    var lines = storage.mutableSpan
    while true {
      let start = next
      guard start &+ 1 < bytes.byteCount else {
        if start < bytes.byteCount, Scan.byte(bytes, at: start) != ASCII.carriageReturn {
          try checkName(bytes, start, bytes.byteCount)
        }
        throw .needMore
      }
      if Scan.byte(bytes, at: start) == ASCII.carriageReturn {
        guard Scan.byte(bytes, at: start &+ 1) == ASCII.lineFeed else {
          throw .refuse(400, .invalidLineEnd, at: start, "a bare CR")
        }
        next = start &+ 2
        return true
      }
      guard fields.count < lines.count else { return false }
      let limit = min(bytes.byteCount, start &+ limits.fieldBytesMax)
      let colon = Scan.firstIndex(of: ASCII.colon, in: bytes, from: start, to: limit)
      guard colon < limit else { throw fieldWithoutColon(bytes, start, limit) }
      let known = KnownField(in: bytes, at: start, count: colon &- start)
      if known == nil { try checkName(bytes, start, colon) }

      // Nearly always one space; the loop is for the rest.
      var valueStart = colon &+ 1
      if valueStart < bytes.byteCount && Scan.byte(bytes, at: valueStart) == ASCII.space {
        valueStart &+= 1
      }
      while valueStart < bytes.byteCount && ASCII.isBlank(Scan.byte(bytes, at: valueStart)) {
        valueStart &+= 1
      }
      let lineEnd = try endOfValue(bytes, from: valueStart, lineStart: start)
      var valueEnd = lineEnd
      while valueEnd > valueStart && ASCII.isBlank(Scan.byte(bytes, at: valueEnd &- 1)) {
        valueEnd &-= 1
      }
      guard fields.count < limits.fieldCountMax else {
        throw .refuse(431, .requestLength, at: start, "more fields than the limit")
      }
      lines[fields.count] = FieldLine(
        name: BufferRange(start, colon), value: BufferRange(valueStart, valueEnd), known: known)
      if let known, !fields.note(known), known.mustBeSingle { throw repeated(known, at: start) }
      fields.count &+= 1
      next = lineEnd &+ 2
    }
  }

  /// The index of the CR LF that ends the value. Inside it, HTAB, SP, visible ASCII and obs-text
  /// are allowed (RFC 9110 §5.5), all other controls are refused.
  @inline(__always)
  private func endOfValue(
    _ bytes: RawSpan, from valueStart: Int, lineStart: Int
  ) throws(ParseStop) -> Int {
    var index = valueStart
    while true {
      index = Scan.endOfText(bytes, from: index)
      guard index &+ 1 < bytes.byteCount else {
        // One byte more than the limit may be the CR of a line that is just short enough.
        guard bytes.byteCount &- lineStart <= limits.fieldBytesMax &+ 1 else {
          throw fieldTooLong(lineStart)
        }
        throw .needMore
      }
      let byte = Scan.byte(bytes, at: index)
      if byte == ASCII.carriageReturn { break }
      guard byte >= 0x80 || byte == ASCII.tab else { throw badByteInValue(byte, at: index) }
      index &+= 1
    }
    guard Scan.byte(bytes, at: index &+ 1) == ASCII.lineFeed else {
      throw .refuse(400, .invalidLineEnd, at: index, "a bare CR in a field")
    }
    guard index &- lineStart <= limits.fieldBytesMax else { throw fieldTooLong(lineStart) }
    return index
  }

  @inline(never)
  private func fieldTooLong(_ lineStart: Int) -> ParseStop {
    .refuse(431, .fieldLength, at: lineStart, "a field line is longer than the limit")
  }

  @inline(never)
  private func badByteInValue(_ byte: UInt8, at index: Int) -> ParseStop {
    byte == ASCII.lineFeed
      ? .refuse(400, .invalidLineEnd, at: index, "a bare LF in a field")
      : .refuse(400, .header, at: index, "a control character in a field value")
  }

  /// No whitespace is allowed between name and colon, lines must not be folded (RFC 9112 §5.1,
  /// §5.2).
  @inline(never)
  private func checkName(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(ParseStop) {
    guard start < end else { throw .refuse(400, .header, at: start, "a field without a name") }
    for index in start..<end {
      let byte = Scan.byte(bytes, at: index)
      if ByteClass.token.contains(byte) { continue }
      if byte == ASCII.carriageReturn || byte == ASCII.lineFeed {
        throw .refuse(400, .invalidLineEnd, at: index, "a line end in a field name")
      }
      guard ASCII.isBlank(byte) else {
        throw .refuse(400, .header, at: index, "a byte that is not allowed in a field name")
      }
      throw index == start
        ? .refuse(400, .header, at: index, "a folded field line")
        : .refuse(400, .header, at: index, "a blank in or after a field name")
    }
  }

  @inline(never)
  private func fieldWithoutColon(_ bytes: RawSpan, _ start: Int, _ limit: Int) -> ParseStop {
    do throws(ParseStop) {
      if start < limit { try checkName(bytes, start, limit) }
    } catch {
      return error
    }
    return limit - start >= limits.fieldBytesMax ? fieldTooLong(start) : .needMore
  }
}
