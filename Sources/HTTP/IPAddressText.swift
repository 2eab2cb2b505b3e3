// IP addresses as text, read strictly, and written.

/// IPv6 addresses as text (RFC 3986 §3.2.2, IPv6address; no zone).
enum IPv6Text {
  static func isValid(_ text: RawSpan) -> Bool { parse(text) != nil }

  /// The sixteen bytes of the address, or nil.
  static func parse(_ text: RawSpan) -> InlineArray<16, UInt8>? {
    var groups = Groups()
    var value: UInt16 = 0
    var digitCount = 0
    var index = 0
    var groupStart = 0
    while index < text.byteCount {
      let byte = Scan.byte(text, at: index)
      if let digit = ASCII.hexValue(byte) {
        digitCount += 1
        guard digitCount <= 4 else { return nil }
        value = value << 4 | UInt16(digit)
      } else if byte == ASCII.colon {
        let isDouble = index + 1 < text.byteCount && Scan.byte(text, at: index + 1) == ASCII.colon
        guard isDouble || (digitCount > 0 && index + 1 < text.byteCount) else { return nil }
        if digitCount > 0 {
          guard groups.add(value) else { return nil }
        }
        if isDouble {
          guard groups.beginGap() else { return nil }
          index += 1
        }
        value = 0
        digitCount = 0
        groupStart = index + 1
      } else {
        guard byte == ASCII.dot,
          let address = IPv4Text.parse(text.extracting(groupStart..<text.byteCount)),
          groups.add(UInt16(address >> 16)), groups.add(UInt16(address & 0xffff))
        else { return nil }
        return groups.bytes
      }
      index += 1
    }
    if digitCount > 0 {
      guard groups.add(value) else { return nil }
    }
    return groups.bytes
  }

  /// Up to eight groups, and where "::" stands between them.
  private struct Groups {
    var values = InlineArray<8, UInt16>(repeating: 0)
    var count = 0
    var gap: Int?

    mutating func add(_ value: UInt16) -> Bool {
      guard count < 8 else { return false }
      values[count] = value
      count += 1
      return true
    }

    mutating func beginGap() -> Bool {
      guard gap == nil else { return false }
      gap = count
      return true
    }

    /// nil unless there are eight groups, or fewer and a gap.
    var bytes: InlineArray<16, UInt8>? {
      guard gap == nil ? count == 8 : count <= 7 else { return nil }
      var bytes = InlineArray<16, UInt8>(repeating: 0)
      for index in 0..<count {
        let place = index < (gap ?? 8) ? index : 8 - count + index
        bytes[2 * place] = UInt8(values[index] >> 8)
        bytes[2 * place + 1] = UInt8(values[index] & 0xff)
      }
      return bytes
    }
  }

  /// Appends eight groups; none is left out, so that there is one way to write an address.
  static func append(_ address: InlineArray<16, UInt8>, to output: inout [UInt8]) {
    let digits: StaticString = "0123456789abcdef"
    for group in 0..<8 {
      if group > 0 { output.append(ASCII.colon) }
      let value = Int(address[2 * group]) << 8 | Int(address[2 * group + 1])
      for shift in [12, 8, 4, 0] where value >> shift != 0 || shift == 0 {
        output.append(Scan.literalByte(digits, value >> shift & 15))
      }
    }
  }
}

/// IPv4 addresses as text: four decimal octets without leading zeros.
enum IPv4Text {
  /// The address, its first octet in the highest bits, or nil.
  static func parse(_ text: RawSpan) -> UInt32? {
    guard text.byteCount <= 15 else { return nil }
    var address: UInt32 = 0
    var octetCount = 0
    var value: UInt32 = 0
    var digitCount = 0
    for index in 0...text.byteCount {
      let byte = index < text.byteCount ? Scan.byte(text, at: index) : ASCII.dot
      if byte == ASCII.dot {
        guard digitCount > 0, octetCount < 4 else { return nil }
        address = address << 8 | value
        octetCount += 1
        value = 0
        digitCount = 0
        continue
      }
      guard ASCII.isDigit(byte), digitCount == 0 || value > 0 else { return nil }
      value = value * 10 + UInt32(byte - 0x30)
      digitCount += 1
      guard value <= 255 else { return nil }
    }
    return octetCount == 4 ? address : nil
  }

  static func append(_ address: InlineArray<16, UInt8>, to output: inout [UInt8]) {
    for octet in 0..<4 {
      if octet > 0 { output.append(ASCII.dot) }
      DecimalNumber.append(UInt64(address[octet]), to: &output)
    }
  }
}
