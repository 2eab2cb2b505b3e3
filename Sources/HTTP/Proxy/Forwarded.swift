// Saying who the client is: elements of Forwarded (RFC 7239) and X-Forwarded-For.

/// Writes Forwarded elements.
package enum Forwarded {
  /// Which address a node is.
  package enum Parameter: Sendable {
    case `for`, by

    var text: StaticString { self == .for ? "for=" : "by=" }
  }

  /// Appends `for=192.0.2.1`, `for="192.0.2.1:80"`, `for="[2001:db8::1]:80"`, `for=_name` or
  /// `for=unknown` (RFC 7239 §6). `address` is an IP address as text without brackets, or an
  /// obfuscated name that begins with "_"; anything else, as of a Unix-domain peer, is "unknown".
  package static func appendNode(
    _ parameter: Parameter, address: RawSpan, port: UInt16?, to output: inout [UInt8]
  ) {
    ResponseHead.append(literal: parameter.text, to: &output)
    let isIPv6 = IPv6Text.isValid(address)
    guard isIPv6 || IPv4Text.parse(address) != nil || isObfuscated(address) else {
      output += "unknown".utf8
      return
    }
    // Colons and brackets are not of a token.
    let isQuoted = isIPv6 || port != nil
    if isQuoted { output.append(0x22) }
    if isIPv6 { output.append(0x5b) }
    output.append(copying: address)
    if isIPv6 { output.append(0x5d) }
    if let port {
      output.append(ASCII.colon)
      DecimalNumber.append(UInt64(port), to: &output)
    }
    if isQuoted { output.append(0x22) }
  }

  /// Appends `;host=` and `;proto=` to an element; an empty host is left out.
  package static func appendHost(
    _ host: RawSpan, scheme: StaticString, to output: inout [UInt8]
  ) {
    if host.byteCount > 0 {
      output += ";host=".utf8
      appendValue(host, to: &output)
    }
    output += ";proto=".utf8
    ResponseHead.append(literal: scheme, to: &output)
  }

  /// A token as it is, anything else as a quoted string (RFC 9110 §5.6.4).
  static func appendValue(_ value: RawSpan, to output: inout [UInt8]) {
    if ResponseHead.isToken(value) {
      output.append(copying: value)
      return
    }
    output.append(0x22)
    for index in 0..<value.byteCount {
      let byte = Scan.byte(value, at: index)
      if byte == 0x22 || byte == 0x5c { output.append(0x5c) }
      output.append(byte < 0x20 || byte == 0x7f ? ASCII.space : byte)
    }
    output.append(0x22)
  }

  /// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )` (RFC 7239 §6.3)
  static func isObfuscated(_ text: RawSpan) -> Bool {
    guard text.byteCount > 1, Scan.byte(text, at: 0) == 0x5f else { return false }
    for index in 1..<text.byteCount {
      let byte = Scan.byte(text, at: index)
      guard
        ASCII.isDigit(byte) || ASCII.lowercase(byte) &- 0x61 < 26 || byte == ASCII.dot
          || byte == 0x5f || byte == 0x2d
      else { return false }
    }
    return true
  }
}

/// Writes X-Forwarded-For, the older way to say who the client is.
package enum XForwardedFor {
  /// Appends the field line: what is believed of that which was received, then `address`, an IP
  /// address as text without brackets. Many applications read one line only, so it is one. A client
  /// without an address is "unknown".
  package static func appendField(
    believed: RawSpan, address: RawSpan, to output: inout [UInt8]
  ) {
    Scan.append("X-Forwarded-For: ", to: &output)
    if believed.byteCount > 0 {
      ResponseHead.append(value: believed, to: &output)
      Scan.append(", ", to: &output)
    }
    if address.byteCount > 0 {
      ResponseHead.append(value: address, to: &output)
    } else {
      Scan.append("unknown", to: &output)
    }
    Scan.append("\r\n", to: &output)
  }
}
