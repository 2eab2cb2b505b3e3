// Writing the head of a response: status line, fields, empty line (RFC 9112 §4, §5).

/// Appends a response head to bytes. What it is given may come from a configuration or a file name:
/// values are made safe, so that no line of ours can be ended by somebody else.
package enum ResponseHead {
  /// `HTTP/1.1 404 Not Found` and line end. The version is always the server's (RFC 9110 §6.2).
  package static func appendStatusLine(_ code: Int, to bytes: inout [UInt8]) {
    append(literal: "HTTP/1.1 ", to: &bytes)
    DecimalNumber.append(UInt64(min(max(code, 100), 999)), to: &bytes)
    bytes.append(ASCII.space)
    append(literal: Status.reason(code), to: &bytes)
    appendLineEnd(to: &bytes)
  }

  /// A field with a value of bytes.
  package static func appendField(
    _ name: StaticString, _ value: RawSpan, to bytes: inout [UInt8]
  ) {
    append(literal: name, to: &bytes)
    appendSeparator(to: &bytes)
    append(value: value, to: &bytes)
    appendLineEnd(to: &bytes)
  }

  package static func appendField(
    _ name: StaticString, _ value: [UInt8], to bytes: inout [UInt8]
  ) {
    appendField(name, value.rawSpan, to: &bytes)
  }

  package static func appendField(
    _ name: StaticString, _ value: StaticString, to bytes: inout [UInt8]
  ) {
    append(literal: name, to: &bytes)
    appendSeparator(to: &bytes)
    append(literal: value, to: &bytes)
    appendLineEnd(to: &bytes)
  }

  package static func appendField(
    _ name: StaticString, _ value: UInt64, to bytes: inout [UInt8]
  ) {
    append(literal: name, to: &bytes)
    appendSeparator(to: &bytes)
    DecimalNumber.append(value, to: &bytes)
    appendLineEnd(to: &bytes)
  }

  /// A field with a date, in seconds since 1970 UTC.
  package static func appendField(
    _ name: StaticString, date seconds: Int64, to bytes: inout [UInt8]
  ) {
    append(literal: name, to: &bytes)
    appendSeparator(to: &bytes)
    HTTPDate.append(seconds, to: &bytes)
    appendLineEnd(to: &bytes)
  }

  /// A field whose name is not known when this is compiled. Returns false, and appends nothing, if
  /// the name is no token.
  @discardableResult
  package static func appendField(
    name: RawSpan, value: RawSpan, to bytes: inout [UInt8]
  ) -> Bool {
    guard isToken(name) else { return false }
    bytes.append(copying: name)
    appendSeparator(to: &bytes)
    append(value: value, to: &bytes)
    appendLineEnd(to: &bytes)
    return true
  }

  /// The empty line.
  package static func appendEnd(to bytes: inout [UInt8]) {
    appendLineEnd(to: &bytes)
  }

  /// A value as it may be sent: CR, LF, NUL and other controls except HTAB become SP
  /// (RFC 9110 §5.5), blanks at either end are left out.
  package static func append(value: RawSpan, to bytes: inout [UInt8]) {
    var start = 0
    var end = value.byteCount
    while start < end && Scan.byte(value, at: start) <= 0x20 { start += 1 }
    while end > start && Scan.byte(value, at: end - 1) <= 0x20 { end -= 1 }
    // Nearly all values are visible text.
    let textEnd = Scan.endOfRun(value, from: start, to: end, lowest: 0x20)
    bytes.append(copying: value.extracting(start..<textEnd))
    for index in textEnd..<end {
      let byte = Scan.byte(value, at: index)
      bytes.append((byte < 0x20 && byte != ASCII.tab) || byte == 0x7f ? ASCII.space : byte)
    }
  }

  /// Whether all bytes are token characters and there is one (RFC 9110 §5.6.2).
  package static func isToken(_ text: RawSpan) -> Bool {
    guard text.byteCount > 0 else { return false }
    for index in 0..<text.byteCount
    where !ByteClass.token.contains(Scan.byte(text, at: index)) { return false }
    return true
  }

  /// Appends the bytes of a literal.
  package static func append(literal: StaticString, to bytes: inout [UInt8]) {
    Scan.append(literal, to: &bytes)
  }

  private static func appendSeparator(to bytes: inout [UInt8]) {
    Scan.append(": ", to: &bytes)
  }

  private static func appendLineEnd(to bytes: inout [UInt8]) {
    Scan.append("\r\n", to: &bytes)
  }
}
