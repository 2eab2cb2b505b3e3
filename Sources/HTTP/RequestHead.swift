// A parsed request line and field section: offsets into the received bytes, reusable without
// allocation.

/// How the target was written (RFC 9112 §3.2).
package enum TargetForm: UInt8, Sendable {
  /// `/path?query`
  case origin
  /// `http://host/path?query`
  case absolute
  /// `host:port`, CONNECT only
  case authority
  /// `*`, OPTIONS only
  case asterisk
}

/// How the request's body is delimited (RFC 9112 §6.3).
package enum BodyFraming: Equatable, Sendable {
  case none
  /// Exactly this many bytes; never 0.
  case length(UInt64)
  case chunked
}

/// One field line: where its name and its value (without surrounding blanks) are.
package struct FieldLine: Equatable, Sendable {
  package var name: BufferRange
  package var value: BufferRange
  /// Raw value of the `KnownField` (in a response, of the `ResponseField`), or `unknown`.
  @usableFromInline var knownNumber: UInt8

  /// The number of no field.
  @usableFromInline static var unknown: UInt8 { 0xff }

  @inlinable
  package var known: KnownField? { KnownField(rawValue: knownNumber) }

  @inline(__always)
  init(name: BufferRange, value: BufferRange, knownNumber: UInt8) {
    self.name = name
    self.value = value
    self.knownNumber = knownNumber
  }

  /// Room for a line.
  static var empty: FieldLine {
    let nowhere = BufferRange(offset: 0, count: 0)
    return FieldLine(name: nowhere, value: nowhere, knownNumber: unknown)
  }
}

/// Which known fields a request has, and where; apart from the lines so that the parser can write
/// to both without asking for each line whether the array is shared.
@usableFromInline
struct FieldIndex: Sendable {
  @usableFromInline var count = 0
  /// One bit a `KnownField`, or a `ResponseField`.
  @usableFromInline var present: UInt64 = 0
  @usableFromInline var repeated: UInt64 = 0
  /// Line number of the first field of that kind, meaningful where its bit is set.
  @usableFromInline var firstLine = InlineArray<64, UInt16>(repeating: 0)

  /// Remembers that line `count` is the field of that number; false if there was one before.
  @inline(__always)
  mutating func note(_ number: UInt8) -> Bool {
    let bit: UInt64 = 1 &<< UInt64(number)
    guard present & bit == 0 else {
      repeated |= bit
      return false
    }
    present |= bit
    firstLine[Int(number)] = UInt16(truncatingIfNeeded: count)
    return true
  }

  /// All values of a field in `lines`, joined with ", ".
  func joinedValue(of number: UInt8, _ lines: [FieldLine], in bytes: RawSpan) -> [UInt8] {
    var joined: [UInt8] = []
    var isFirst = true
    for line in 0..<count where lines[line].knownNumber == number {
      if !isFirst { joined += [ASCII.comma, ASCII.space] }
      joined.append(copying: lines[line].value.span(in: bytes))
      isFirst = false
    }
    return joined
  }

  /// The first value in `lines` of a field called `name`.
  func value(
    named name: StaticString, _ lines: [FieldLine], in bytes: RawSpan
  ) -> BufferRange? {
    for line in 0..<count where FieldName.equal(lines[line].name.span(in: bytes), name) {
      return lines[line].value
    }
    return nil
  }

  /// Forgets all fields.
  @inline(__always)
  mutating func reset() {
    count = 0
    present = 0
    repeated = 0
  }
}

/// One request's head. Keep one and parse into it again and again: after the first few requests
/// nothing is allocated. All ranges are offsets into the bytes that were given to the parser.
///
/// Contents mean something only after `RequestParser.parse` returned `.complete`.
package struct RequestHead: Sendable {
  package internal(set) var method = Method.get
  package internal(set) var methodRange = BufferRange(offset: 0, count: 0)
  /// 0 for HTTP/1.0, 1 for HTTP/1.1 and anything later in version 1.
  package internal(set) var minorVersion: UInt8 = 1
  package internal(set) var targetForm = TargetForm.origin
  /// The scheme of an absolute-form target is https.
  package internal(set) var targetSchemeIsSecure = false
  /// The whole target as sent.
  package internal(set) var target = BufferRange(offset: 0, count: 0)
  /// The path, escapes not decoded. Empty for `http://host` and `http://host?query` (it then means
  /// "/", or "*" for OPTIONS) and for authority-form.
  package internal(set) var path = BufferRange(offset: 0, count: 0)
  package internal(set) var hasQuery = false
  @usableFromInline var queryRange = BufferRange(offset: 0, count: 0)
  /// The request line without its line end.
  package internal(set) var requestLine = BufferRange(offset: 0, count: 0)
  /// A Host field or a target with an authority was there.
  package internal(set) var hasAuthority = false
  /// Host and port as sent, from the target if it has them, else from Host; may be empty.
  package internal(set) var authority = BufferRange(offset: 0, count: 0)
  /// The host without port; IPv6 literals with their brackets. Letters may be in either case.
  package internal(set) var host = BufferRange(offset: 0, count: 0)
  /// The port after the host, or nil if there is none (or nothing after the colon).
  package internal(set) var hostPort: UInt16?
  /// Bytes up to and including the empty line; the body, or the next request, starts here.
  package internal(set) var headByteCount = 0
  /// The client wants the connection to stay open after the response (RFC 9112 §9.3).
  package internal(set) var keepAlive = true
  /// Connection: upgrade was sent.
  package internal(set) var connectionUpgrade = false
  package internal(set) var body = BodyFraming.none
  /// The client waits for 100 (Continue) before it sends the body there is (RFC 9110 §10.1.1).
  package internal(set) var expectsContinue = false
  /// An expectation other than 100-continue: answer 417.
  package internal(set) var unknownExpectation = false

  /// Only the first `index.count` are of this request.
  @usableFromInline var lines: [FieldLine]
  @usableFromInline var index = FieldIndex()

  /// Field lines in the request.
  @inlinable
  package var fieldCount: Int { index.count }

  /// A body follows whose end other framing tells, HTTP/2's: without a Content-Length nothing in
  /// the head says so.
  package mutating func noteFramedBody() {
    if body == .none { body = .chunked }
  }

  /// A head with room for `fieldCapacity` field lines; it grows when a request has more.
  package init(fieldCapacity: Int = 64) {
    lines = [FieldLine](repeating: .empty, count: max(fieldCapacity, 1))
  }

  /// A copy that keeps no more lines than the request has: for who holds on to it while the next
  /// request is parsed into this one.
  package var kept: RequestHead {
    var copy = self
    copy.lines = fieldCount > 0 ? Array(lines[..<fieldCount]) : [.empty]
    return copy
  }

  /// The query without its "?", or nil if there is no "?".
  @inlinable
  package var query: BufferRange? { hasQuery ? queryRange : nil }

  /// The value of the first field of that name.
  @inlinable @inline(__always)
  package func known(_ field: KnownField) -> BufferRange? {
    guard has(field) else { return nil }
    return lines[Int(index.firstLine[Int(field.rawValue)])].value
  }

  @inlinable @inline(__always)
  package func has(_ field: KnownField) -> Bool { index.present & field.bit != 0 }

  /// Whether a field was sent more than once; then `joinedValue(of:in:)` has all of it.
  @inlinable @inline(__always)
  package func isRepeated(_ field: KnownField) -> Bool { index.repeated & field.bit != 0 }

  /// Whether any of the fields that make a GET more than "the whole thing, please" is there:
  /// preconditions and ranges. One test on the hit path.
  @inlinable
  package var hasConditionsOrRange: Bool {
    let conditions: UInt64 =
      KnownField.ifMatch.bit | KnownField.ifNoneMatch.bit | KnownField.ifModifiedSince.bit
      | KnownField.ifUnmodifiedSince.bit | KnownField.range.bit | KnownField.ifRange.bit
    return index.present & conditions != 0
  }

  /// Whether a condition is there that only an origin can evaluate (RFC 9111 §4.3.2).
  @inlinable
  package var hasOriginConditions: Bool {
    index.present & (KnownField.ifMatch.bit | KnownField.ifUnmodifiedSince.bit) != 0
  }

  /// Field line `number`, in the order received; traps at `fieldCount`.
  @inlinable
  package func field(at number: Int) -> FieldLine {
    precondition(number < fieldCount)
    return lines[number]
  }

  /// All values of a field joined with ", " (RFC 9110 §5.3); nil if it is not there. Allocates.
  package func joinedValue(of field: KnownField, in bytes: RawSpan) -> [UInt8]? {
    guard has(field) else { return nil }
    return index.joinedValue(of: field.rawValue, lines, in: bytes)
  }

  /// The value of the first field whose name is `name` in any case of letters.
  package func value(named name: StaticString, in bytes: RawSpan) -> BufferRange? {
    index.value(named: name, lines, in: bytes)
  }

  /// Forgets the request before, so that nothing of it can show in the next.
  @inline(__always)
  mutating func reset() {
    index.reset()
    hasQuery = false
    hasAuthority = false
    targetSchemeIsSecure = false
    targetForm = .origin
    hostPort = nil
    let empty = BufferRange(offset: 0, count: 0)
    queryRange = empty
    authority = empty
    host = empty
    headByteCount = 0
    connectionUpgrade = false
    body = .none
    expectsContinue = false
    unknownExpectation = false
  }
}
