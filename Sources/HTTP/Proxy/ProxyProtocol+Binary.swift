// Version 2 of the PROXY protocol, and writing both versions.

extension ProxyProtocol {
  static var signature: StaticString { "\r\n\r\n\0\r\nQUIT\n" }

  static func parseBinary(
    _ bytes: RawSpan, _ connection: inout ProxiedConnection
  ) throws(ParseStop) {
    try expect(signature, bytes, "no PROXY header")
    guard bytes.byteCount >= 13 else { throw .needMore }
    let versionAndCommand = Scan.byte(bytes, at: 12)
    guard versionAndCommand == 0x20 || versionAndCommand == 0x21 else {
      throw refuse(12, "a version or command of the PROXY protocol that is not known")
    }
    guard bytes.byteCount >= 14 else { throw .needMore }
    // High four bits: family, low ones: transport.
    let protocols = Scan.byte(bytes, at: 13)
    let addressBytes =
      switch protocols {
      case 0x00: 0
      case 0x11: 12
      case 0x21: 36
      case 0x31: 216
      default: throw refuse(13, "a PROXY header of something other than TCP or a Unix socket")
      }
    guard bytes.byteCount >= 16 else { throw .needMore }
    let end = 16 + Int(bigEndian(bytes, 14))
    guard end <= binaryBytesMax else { throw refuse(14, "a PROXY header that is too long") }
    let isLocal = versionAndCommand == 0x20
    guard isLocal || end >= 16 + addressBytes else {
      throw refuse(14, "a PROXY header that is shorter than its addresses")
    }
    guard bytes.byteCount >= end else { throw .needMore }
    connection.byteCount = end
    // What follows is to be skipped: the proxy speaks for itself, or of what it does not know.
    guard !isLocal, protocols != 0 else { return }
    try checkExtras(bytes, from: 16 + addressBytes, to: end)
    let width = protocols == 0x11 ? 4 : 16
    connection.family = protocols == 0x11 ? .ipv4 : protocols == 0x21 ? .ipv6 : .unix
    guard connection.family != .unix else { return }
    for index in 0..<width {
      connection.source[index] = Scan.byte(bytes, at: 16 + index)
      connection.destination[index] = Scan.byte(bytes, at: 16 + width + index)
    }
    connection.sourcePort = bigEndian(bytes, 16 + 2 * width)
    connection.destinationPort = bigEndian(bytes, 18 + 2 * width)
  }

  private static func bigEndian(_ bytes: RawSpan, _ index: Int) -> UInt16 {
    UInt16(Scan.byte(bytes, at: index)) << 8 | UInt16(Scan.byte(bytes, at: index + 1))
  }

  /// Type-length-value vectors: each must be whole; a checksum must be right, the rest is skipped.
  private static func checkExtras(
    _ bytes: RawSpan, from start: Int, to end: Int
  ) throws(ParseStop) {
    var index = start
    while index < end {
      guard index + 3 <= end else { throw refuse(index, "a cut extra in a PROXY header") }
      let valueEnd = index + 3 + Int(bigEndian(bytes, index + 1))
      guard valueEnd <= end else { throw refuse(index, "a cut extra in a PROXY header") }
      if Scan.byte(bytes, at: index) == 0x03 {
        guard valueEnd == index + 7 else {
          throw refuse(index, "a checksum that is not four bytes in a PROXY header")
        }
        let stated =
          UInt32(bigEndian(bytes, index + 3)) << 16 | UInt32(bigEndian(bytes, index + 5))
        guard stated == checksum(bytes, end, without: (index + 3)..<valueEnd) else {
          throw refuse(index, "a wrong checksum in a PROXY header")
        }
      }
      index = valueEnd
    }
  }

  /// CRC-32C of the header, with zeros where the checksum itself is.
  static func checksum(_ bytes: RawSpan, _ end: Int, without hole: Range<Int>) -> UInt32 {
    var sum: UInt32 = ~0
    for index in 0..<end {
      sum ^= hole.contains(index) ? 0 : UInt32(Scan.byte(bytes, at: index))
      for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1) &* 0x82f6_3b78 }
    }
    return ~sum
  }

  // MARK: Writing

  /// Appends version 1. What is no IPv4 or IPv6 connection is UNKNOWN.
  package static func appendText(_ connection: ProxiedConnection, to output: inout [UInt8]) {
    guard connection.family == .ipv4 || connection.family == .ipv6 else {
      output += "PROXY UNKNOWN\r\n".utf8
      return
    }
    let isIPv6 = connection.family == .ipv6
    output += (isIPv6 ? "PROXY TCP6 " : "PROXY TCP4 ").utf8
    for address in [connection.source, connection.destination] {
      if isIPv6 {
        IPv6Text.append(address, to: &output)
      } else {
        IPv4Text.append(address, to: &output)
      }
      output.append(ASCII.space)
    }
    DecimalNumber.append(UInt64(connection.sourcePort), to: &output)
    output.append(ASCII.space)
    DecimalNumber.append(UInt64(connection.destinationPort), to: &output)
    output += "\r\n".utf8
  }

  /// Appends version 2: PROXY for IPv4 and IPv6, LOCAL for anything else, and for what the server
  /// asks on its own behalf, a health check.
  package static func appendBinary(_ connection: ProxiedConnection, to output: inout [UInt8]) {
    ResponseHead.append(literal: signature, to: &output)
    let width =
      switch connection.family {
      case .ipv4: 4
      case .ipv6: 16
      case .none, .unix: 0
      }
    output += [
      width > 0 ? 0x21 : 0x20, width == 4 ? 0x11 : width == 16 ? 0x21 : 0,
      0, width > 0 ? UInt8(2 * width + 4) : 0,
    ]
    guard width > 0 else { return }
    for index in 0..<width { output.append(connection.source[index]) }
    for index in 0..<width { output.append(connection.destination[index]) }
    for port in [connection.sourcePort, connection.destinationPort] {
      output.append(UInt8(port >> 8))
      output.append(UInt8(port & 0xff))
    }
  }
}
