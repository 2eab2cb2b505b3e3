// A parsed response head of an application: offsets into the received bytes, reusable without
// allocation.

/// How a response's body is delimited (RFC 9112 §6.3).
package enum ResponseFraming: Equatable, Sendable {
  /// No body follows, whatever the fields say, or one of 0 bytes.
  case none
  /// Exactly this many bytes; never 0.
  case length(UInt64)
  case chunked
  /// Everything until the connection is closed.
  case untilClose
  /// The connection now speaks another protocol: after 101, and 2xx to CONNECT.
  case tunnel
}

/// One field line of a response.
package struct ReceivedField: Equatable, Sendable {
  package var name: BufferRange
  /// Without blanks around it.
  package var value: BufferRange
  package var known: ResponseField?

  @inline(__always)
  init(_ line: FieldLine) {
    name = line.name
    value = line.value
    known = ResponseField(rawValue: line.knownNumber)
  }
}

/// One response's head. Keep one and parse into it again and again: after the first few responses
/// nothing is allocated. All ranges are offsets into the bytes that were given to the parser.
///
/// Contents mean something only after `ResponseParser.parse` returned `.complete`.
package struct ReceivedResponse: Sendable {
  /// 100 … 999.
  package internal(set) var status = 0
  /// 0 for HTTP/1.0, 1 for HTTP/1.1 and anything later in version 1.
  package internal(set) var minorVersion: UInt8 = 1
  /// The reason phrase; often empty. May hold obs-text.
  package internal(set) var reason = BufferRange(offset: 0, count: 0)
  /// The same where it is worth passing on: of a status that is not registered.
  package var ownReason: BufferRange? {
    reason.isEmpty || Status.registeredReason(status) != nil ? nil : reason
  }
  /// Bytes up to and including the empty line; the body, or the next response, starts here.
  package internal(set) var headByteCount = 0
  package internal(set) var framing = ResponseFraming.none
  /// What Content-Length says, also where no body follows it: to HEAD, and 304.
  package internal(set) var contentLength: UInt64?
  /// Another request may be sent on this connection once the body has ended.
  package internal(set) var keepAlive = true
  /// `Keep-Alive: timeout=`: after so many idle seconds the application closes the connection.
  package internal(set) var keepAliveSeconds: UInt64?
  /// Of a CGI response: a path, with or without query, whose content is to be sent instead of this
  /// (RFC 3875 §6.2.2).
  package internal(set) var localRedirect: BufferRange?
  /// Status is then part of the gateway's language, not a field.
  var isCGI = false
  /// What Connection says.
  package internal(set) var connection = ConnectionOptions()

  var lines: [FieldLine]
  var index = FieldIndex()

  /// A head with room for `fieldCapacity` field lines; it grows when a response has more.
  package init(fieldCapacity: Int = 64) {
    lines = [FieldLine](repeating: .empty, count: max(fieldCapacity, 1))
  }

  /// 1xx but 101: the final response follows.
  package var isInterim: Bool { status < 200 && status != 101 }

  /// Field lines in the response.
  package var fieldCount: Int { index.count }

  /// Field line `number`, in the order received; traps at `fieldCount`.
  @inline(__always)
  package func field(at number: Int) -> ReceivedField {
    precondition(number < index.count)
    return ReceivedField(lines[number])
  }

  @inline(__always)
  package func has(_ field: ResponseField) -> Bool { index.present & field.bit != 0 }

  /// Whether a field was sent more than once; then `joinedValue(of:in:)` has all of it.
  @inline(__always)
  package func isRepeated(_ field: ResponseField) -> Bool { index.repeated & field.bit != 0 }

  /// Whether any field gives a lifetime or orders something of caches.
  package var speaksOfCaching: Bool {
    let fields: UInt64 =
      ResponseField.cacheControl.bit | ResponseField.cdnCacheControl.bit
      | ResponseField.ring3CacheControl.bit | ResponseField.expires.bit
      | ResponseField.pragma.bit
    return index.present & fields != 0
  }

  /// Whether a field names a place as the application knows it.
  package var hasLocations: Bool {
    let fields: UInt64 =
      ResponseField.location.bit | ResponseField.contentLocation.bit | ResponseField.uri.bit
    return index.present & fields != 0
  }

  /// The value of the first field of that name.
  @inline(__always)
  package func known(_ field: ResponseField) -> BufferRange? {
    guard has(field) else { return nil }
    return lines[Int(index.firstLine[Int(field.rawValue)])].value
  }

  /// All values of a field joined with ", " (RFC 9110 §5.3); nil if it is not there. Allocates. Not
  /// for Set-Cookie, whose values hold commas of their own.
  package func joinedValue(of field: ResponseField, in bytes: RawSpan) -> [UInt8]? {
    guard has(field) else { return nil }
    return index.joinedValue(of: field.rawValue, lines, in: bytes)
  }

  /// The value of the first field whose name is `name` in any case of letters.
  package func value(named name: StaticString, in bytes: RawSpan) -> BufferRange? {
    index.value(named: name, lines, in: bytes)
  }

  /// Whether a field is end-to-end: not of this connection, and not named by Connection. `bytes`
  /// are those that were parsed. Rules of caching look at all fields, forwarded or not.
  @inline(__always)
  package func isForwarded(_ field: ReceivedField, in bytes: RawSpan) -> Bool {
    if let known = field.known {
      return !known.isHopByHop && !(isCGI && known == .status)
        && !connection.names(field.name.span(in: bytes), in: bytes)
    }
    return connection.allowsForwarding(field.name.span(in: bytes), in: bytes)
  }

  /// Its body is another one from here on, of so many bytes; not sent to HEAD.
  package mutating func replaceBody(byteCount: Int, isSent: Bool) {
    contentLength = UInt64(byteCount)
    framing = isSent && byteCount > 0 ? .length(UInt64(byteCount)) : .none
  }

  /// Forgets the response before, so that nothing of it can show in the next.
  package mutating func reset() {
    index.reset()
    status = 0
    headByteCount = 0
    framing = .none
    contentLength = nil
    keepAlive = false
    keepAliveSeconds = nil
    localRedirect = nil
    isCGI = false
    connection.reset()
  }
}
