// Field lines of requests and responses: strict (RFC 9112 §5), in place, without allocation.

/// The names that one kind of message is searched for while its fields are parsed.
protocol FieldVocabulary: RawRepresentable<UInt8> {
  /// The field named by `count` bytes at `start`, or nil.
  init?(in bytes: RawSpan, at start: Int, count: Int)

  /// A second one makes the message ambiguous.
  var mustBeSingle: Bool { get }

  /// What is said of a second one.
  func repeated(at start: Int) -> ParseStop
}

extension RequestLimits {
  /// Parses field lines from `next` on, up to and including the empty line (RFC 9112 §5); false
  /// when `lines` is full. `next` is then where to go on, else where the head ends.
  @inline(__always)
  func parseFields<Name: FieldVocabulary>(
    _ vocabulary: Name.Type, _ bytes: RawSpan, _ next: inout Int,
    _ storage: inout [FieldLine], _ fields: inout FieldIndex
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
      let limit = min(bytes.byteCount, start &+ fieldBytesMax)
      let colon = Scan.firstIndex(of: ASCII.colon, in: bytes, from: start, to: limit)
      guard colon < limit else { throw fieldWithoutColon(bytes, start, limit) }
      let known = Name(in: bytes, at: start, count: colon &- start)
      if known == nil { try checkName(bytes, start, colon) }

      // Nearly always one space; the loop is for the rest.
      var valueStart = colon &+ 1
      if valueStart < bytes.byteCount && Scan.byte(bytes, at: valueStart) == ASCII.space {
        valueStart &+= 1
      }
      while valueStart < bytes.byteCount && ASCII.isBlank(Scan.byte(bytes, at: valueStart)) {
        valueStart &+= 1
      }
      let lineEnd = try endOfValue(bytes, from: valueStart, lineStart: start, fieldBytesMax)
      var valueEnd = lineEnd
      while valueEnd > valueStart && ASCII.isBlank(Scan.byte(bytes, at: valueEnd &- 1)) {
        valueEnd &-= 1
      }
      guard fields.count < fieldCountMax else {
        throw .refuse(431, .requestLength, at: start, "more fields than the limit")
      }
      lines[fields.count] = FieldLine(
        name: BufferRange(start, colon), value: BufferRange(valueStart, valueEnd),
        knownNumber: FieldLine.unknown)
      if let known {
        lines[fields.count].knownNumber = known.rawValue
        if !fields.note(known.rawValue), known.mustBeSingle { throw known.repeated(at: start) }
      }
      fields.count &+= 1
      next = lineEnd &+ 2
    }
  }

  /// The index of the CR LF that ends the value. Inside it, HTAB, SP, visible ASCII and obs-text
  /// are allowed (RFC 9110 §5.5), all other controls are refused. Reason phrases are the same.
  @inline(__always)
  func endOfValue(
    _ bytes: RawSpan, from valueStart: Int, lineStart: Int, _ lineBytesMax: Int
  ) throws(ParseStop) -> Int {
    var index = valueStart
    while true {
      index = Scan.endOfText(bytes, from: index)
      guard index &+ 1 < bytes.byteCount else {
        // One byte more than the limit may be the CR of a line that is just short enough.
        guard bytes.byteCount &- lineStart <= lineBytesMax &+ 1 else {
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
    guard index &- lineStart <= lineBytesMax else { throw fieldTooLong(lineStart) }
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
    return limit - start >= fieldBytesMax ? fieldTooLong(start) : .needMore
  }

  @inline(never)
  func tooLong(_ byteCount: Int) -> RequestRejection {
    RequestRejection(
      status: 431, reason: .requestLength, byteOffset: min(byteCount, headerBytesMax),
      message: "the head is longer than the limit")
  }

  /// What a parser says that had to stop: more bytes do not help when there are too many already.
  @inline(never)
  func outcome(of stop: ParseStop, _ byteCount: Int) -> ParseOutcome {
    switch stop {
    case .needMore where byteCount <= headerBytesMax: .needMore
    case .needMore: .rejected(tooLong(byteCount))
    case .rejected(let rejection): .rejected(rejection)
    }
  }

  /// The same of a response: whatever is wrong with it, the client is told 502.
  func responseOutcome(of stop: ParseStop, _ byteCount: Int) -> ParseOutcome {
    let outcome = outcome(of: stop, byteCount)
    guard case .rejected(let rejection) = outcome else { return outcome }
    return .rejected(
      RequestRejection(
        status: 502, reason: rejection.reason, byteOffset: Int(rejection.byteOffset),
        message: rejection.message))
  }
}
