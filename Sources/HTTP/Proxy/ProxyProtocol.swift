// The PROXY protocol, versions 1 and 2: what a proxy says of a connection before its first byte.
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

/// Who is at either end of a connection, as a proxy says.
package struct ProxiedConnection: Equatable, Sendable {
  package enum Family: UInt8, Sendable {
    /// Nothing is said (LOCAL, UNKNOWN, UNSPEC): the connection's own ends are meant.
    case none
    case ipv4
    case ipv6
    /// A Unix-domain socket; its paths are not kept.
    case unix
  }

  package var family = Family.none
  /// Addresses in network order; the first four bytes of an IPv4 one.
  package var source = InlineArray<16, UInt8>(repeating: 0)
  package var destination = InlineArray<16, UInt8>(repeating: 0)
  package var sourcePort: UInt16 = 0
  package var destinationPort: UInt16 = 0
  /// Bytes up to the first one of the connection proper.
  package var byteCount = 0

  package init() {}

  package static func == (one: Self, other: Self) -> Bool {
    for index in 0..<16
    where one.source[index] != other.source[index]
      || one.destination[index] != other.destination[index]
    { return false }
    return one.family == other.family && one.sourcePort == other.sourcePort
      && one.destinationPort == other.destinationPort && one.byteCount == other.byteCount
  }
}

/// Reads and writes both versions.
package enum ProxyProtocol {
  /// The longest header of version 1, with its line end.
  package static let textBytesMax = 107
  /// The longest header of version 2 that is accepted: what follows the addresses may hold a
  /// certificate.
  package static let binaryBytesMax = 4096

  /// Reads the header at the start of all bytes received so far. Either version is taken; which one
  /// shows in the first bytes. A connection without a header is rejected: nobody may choose whether
  /// to be believed.
  package static func parse(
    _ bytes: RawSpan, into connection: inout ProxiedConnection
  ) -> ParseOutcome {
    connection = ProxiedConnection()
    do throws(ParseStop) {
      guard bytes.byteCount > 0 else { return .needMore }
      if Scan.byte(bytes, at: 0) == ASCII.carriageReturn {
        try parseBinary(bytes, &connection)
      } else {
        try parseText(bytes, &connection)
      }
      return .complete
    } catch {
      return switch error {
      case .needMore: .needMore
      case .rejected(let rejection): .rejected(rejection)
      }
    }
  }

  static func refuse(_ offset: Int, _ message: StaticString) -> ParseStop {
    .refuse(400, .badRequest, at: offset, message)
  }

  static func expect(
    _ pattern: StaticString, _ bytes: RawSpan, _ message: StaticString
  ) throws(ParseStop) {
    for index in 0..<min(bytes.byteCount, pattern.utf8CodeUnitCount)
    where Scan.byte(bytes, at: index) != Scan.literalByte(pattern, index) {
      throw refuse(index, message)
    }
    guard bytes.byteCount >= pattern.utf8CodeUnitCount else { throw .needMore }
  }

  // MARK: Version 1

  private static func parseText(
    _ bytes: RawSpan, _ connection: inout ProxiedConnection
  ) throws(ParseStop) {
    try expect("PROXY ", bytes, "no PROXY header")
    let limit = min(bytes.byteCount, textBytesMax)
    let lineFeed = Scan.firstIndex(of: ASCII.lineFeed, in: bytes, from: 6, to: limit)
    guard lineFeed < limit else {
      guard limit < textBytesMax else {
        throw refuse(limit, "a PROXY line that is longer than 107 bytes")
      }
      throw .needMore
    }
    let end = lineFeed - 1
    guard end >= 6, Scan.byte(bytes, at: end) == ASCII.carriageReturn else {
      throw refuse(lineFeed, "a PROXY line that does not end with CR LF")
    }
    connection.byteCount = lineFeed + 1
    var words = Words(bytes: bytes, index: 6, end: end)
    let family = try words.next("no protocol in a PROXY line")
    let name = bytes.extracting(family)
    // Whatever else the line says is to be ignored.
    if Scan.equal(name, "UNKNOWN") { return }
    let isIPv6 = Scan.equal(name, "TCP6")
    guard isIPv6 || Scan.equal(name, "TCP4") else {
      throw refuse(family.start, "a protocol other than TCP4, TCP6 and UNKNOWN")
    }
    connection.family = isIPv6 ? .ipv6 : .ipv4
    connection.source = try address(bytes, &words, isIPv6)
    connection.destination = try address(bytes, &words, isIPv6)
    connection.sourcePort = try port(bytes, &words)
    connection.destinationPort = try port(bytes, &words)
    guard words.index > end else { throw refuse(words.index, "more words in a PROXY line") }
  }

  /// Words with exactly one space between them.
  private struct Words: ~Escapable {
    let bytes: RawSpan
    var index: Int
    let end: Int

    @_lifetime(copy bytes)
    init(bytes: RawSpan, index: Int, end: Int) {
      self.bytes = bytes
      self.index = index
      self.end = end
    }

    mutating func next(_ message: StaticString) throws(ParseStop) -> Range<Int> {
      guard index < end else { throw refuse(end, message) }
      let start = index
      let stop = Scan.firstIndex(of: ASCII.space, in: bytes, from: start, to: end)
      guard stop > start else { throw refuse(start, message) }
      // A space must be followed by a word; that is seen when it is asked for.
      index = stop + 1
      return start..<stop
    }
  }

  private static func address(
    _ bytes: RawSpan, _ words: inout Words, _ isIPv6: Bool
  ) throws(ParseStop) -> InlineArray<16, UInt8> {
    let range = try words.next("an address is missing in a PROXY line")
    let text = bytes.extracting(range)
    if isIPv6 {
      guard let address = IPv6Text.parse(text) else {
        throw refuse(range.start, "no IPv6 address where one belongs in a PROXY line")
      }
      return address
    }
    guard let number = IPv4Text.parse(text) else {
      throw refuse(range.start, "no IPv4 address where one belongs in a PROXY line")
    }
    var address = InlineArray<16, UInt8>(repeating: 0)
    for octet in 0..<4 {
      address[octet] = UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * octet))
    }
    return address
  }

  private static func port(_ bytes: RawSpan, _ words: inout Words) throws(ParseStop) -> UInt16 {
    let range = try words.next("a port is missing in a PROXY line")
    let text = bytes.extracting(range)
    guard let number = DecimalNumber.parse(text), number <= 65_535,
      text.byteCount == 1 || Scan.byte(text, at: 0) != 0x30
    else { throw refuse(range.start, "no port where one belongs in a PROXY line") }
    return UInt16(number)
  }
}
