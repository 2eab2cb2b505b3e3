// What the fields say about the message itself: host, body length, connection, expectation.

extension RequestParser {
  /// Decides what depends on the whole head.
  @inline(__always)
  func settle(_ bytes: RawSpan, _ head: inout RequestHead) throws(ParseStop) {
    if let value = head.known(.host) {
      let field = try parseAuthority(
        bytes, value.start, value.end, emptyHostAllowed: head.targetForm != .absolute)
      if head.hasAuthority {
        if head.targetForm == .absolute { try checkHostAgrees(bytes, field, head) }
      } else {
        head.setAuthority(field)
      }
    } else if head.minorVersion >= 1 {
      throw .refuse(400, .hostname, at: head.headByteCount, "HTTP/1.1 without Host")
    }
    head.keepAlive = head.minorVersion >= 1
    if head.has(.connection) { settleConnection(bytes, &head) }
    let framing = KnownField.contentLength.bit | KnownField.transferEncoding.bit
    if head.index.present & (framing | KnownField.expect.bit) != 0 { try settleBody(bytes, &head) }
  }

  /// Connection options (RFC 9110 §7.6.1, RFC 9112 §9.3): "close" wins over "keep-alive".
  @inline(never)
  private func settleConnection(_ bytes: RawSpan, _ head: inout RequestHead) {
    if !head.isRepeated(.connection), let value = head.known(.connection), value.count == 10,
      Scan.spells(Scan.word(bytes, at: value.start), "keep-ali"),
      Scan.spells(Scan.word(bytes, at: value.start &+ 2), "ep-alive")
    {
      head.keepAlive = true
      return
    }
    let options = ConnectionOptions(head, in: bytes)
    head.connectionUpgrade = options.saysUpgrade
    head.keepAlive = !options.saysClose && (head.minorVersion >= 1 || options.saysKeepAlive)
  }

  /// Message body length (RFC 9112 §6.1 to §6.3), stricter than it must be: whatever two servers
  /// could read differently is refused.
  @inline(never)
  private func settleBody(_ bytes: RawSpan, _ head: inout RequestHead) throws(ParseStop) {
    if let coding = head.known(.transferEncoding) {
      guard !head.has(.contentLength) else {
        throw .refuse(
          400, .header, at: coding.start, "both Content-Length and Transfer-Encoding")
      }
      guard head.minorVersion >= 1 else {
        throw .refuse(400, .header, at: coding.start, "Transfer-Encoding in HTTP/1.0")
      }
      guard FieldName.equal(coding.span(in: bytes), "chunked") else {
        throw .refuse(
          501, .notImplemented, at: coding.start, "a transfer coding other than chunked")
      }
      head.body = .chunked
    } else if let length = head.known(.contentLength) {
      let byteCount = try DecimalNumber.contentLength(bytes, length)
      head.body = byteCount == 0 ? .none : .length(byteCount)
    }
    // A server must ignore Expect from HTTP/1.0 (RFC 9110 §10.1.1).
    guard let expectation = head.known(.expect), head.minorVersion >= 1 else { return }
    if FieldName.equal(expectation.span(in: bytes), "100-continue") {
      head.expectsContinue = head.body != .none
    } else {
      head.unknownExpectation = true
    }
  }
}

/// Unsigned decimal numbers in fields.
package enum DecimalNumber {
  /// `1*DIGIT` that fits into 64 bits, or nil.
  package static func parse(_ text: RawSpan) -> UInt64? {
    guard text.byteCount > 0 else { return nil }
    var number: UInt64 = 0
    for index in 0..<text.byteCount {
      let byte = Scan.byte(text, at: index)
      guard ASCII.isDigit(byte) else { return nil }
      let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, isTooLargeToo) = product.addingReportingOverflow(UInt64(byte &- 0x30))
      guard !isTooLarge, !isTooLargeToo else { return nil }
      number = sum
    }
    return number
  }

  /// A Content-Length: `1*DIGIT`, nothing else: no sign, no list, nothing above 2^63 - 1
  /// (RFC 9110 §8.6).
  static func contentLength(
    _ bytes: RawSpan, _ value: BufferRange
  ) throws(ParseStop) -> UInt64 {
    guard let number = parse(value.span(in: bytes)), number <= UInt64(Int64.max) else {
      throw .refuse(400, .number, at: value.start, "a Content-Length that is not a number")
    }
    return number
  }

  /// Appends `number` in decimal.
  package static func append(_ number: UInt64, to bytes: inout [UInt8]) {
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var rest = number
    var first = 20
    repeat {
      first -= 1
      digits[first] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    for index in first..<20 { bytes.append(digits[index]) }
  }
}

/// The elements of a comma-separated list, blanks around them removed, empty ones left out
/// (RFC 9110 §5.6.1.2). Does not know quoted strings.
package struct TokenList: ~Escapable {
  private let bytes: RawSpan
  private var index = 0

  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) {
    self.bytes = bytes
  }

  /// The next element's range in the bytes, or nil at the end.
  package mutating func next() -> Range<Int>? {
    while index < bytes.byteCount {
      var end = Scan.firstIndex(of: ASCII.comma, in: bytes, from: index, to: bytes.byteCount)
      var start = index
      index = min(end + 1, bytes.byteCount)
      while start < end && ASCII.isBlank(Scan.byte(bytes, at: start)) { start += 1 }
      while end > start && ASCII.isBlank(Scan.byte(bytes, at: end - 1)) { end -= 1 }
      if start < end { return start..<end }
    }
    return nil
  }
}

extension Range<Int> {
  /// Same names as `BufferRange`.
  var start: Int { lowerBound }
  var end: Int { upperBound }
}
