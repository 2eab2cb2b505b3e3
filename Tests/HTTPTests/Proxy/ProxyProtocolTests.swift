// The PROXY protocol, both versions: accepted and refused headers, whole and at every split.

@testable import HTTP
import Testing

private let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
private let ipv4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb]

private func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil)
  -> [UInt8]
{
  let count = length ?? rest.count
  return signature + [command, family, UInt8(count >> 8), UInt8(count & 255)] + rest
}

/// A header with a checksum that is right, moved by `error`.
private func checked(error: UInt32) -> [UInt8] {
  let extra: [UInt8] = [0x04, 0, 2, 9, 9, 0x03, 0, 4, 0, 0, 0, 0, 0x20, 0, 0]
  var header = binary(0x21, 0x11, ipv4 + extra)
  let hole = 36..<40
  let sum = ProxyProtocol.checksum(header.rawSpan, header.count, without: hole) &+ error
  for index in 0..<4 { header[hole.lowerBound + index] = UInt8(sum >> (24 - 8 * index) & 255) }
  return header
}

private let wholeLine = "PROXY TCP6 " + String(repeating: "ffff:", count: 7) + "ffff "
private let longestLine =
  wholeLine + String(repeating: "ffff:", count: 7) + "ffff 65535 65535\r\n"

private let accepted: [(String, [UInt8])] = [
  ("192.0.2.1:12345>198.51.100.2:443", bytes("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n")),
  ("1:0:0:0:0:0:0:2:0>0:0:0:0:0:0:0:0:65535", bytes("PROXY TCP6 1::2 :: 0 65535\r\n")),
  ("none", bytes("PROXY UNKNOWN\r\n")), ("none", bytes("PROXY UNKNOWN a  b \0\r\n")),
  (
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535>ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535",
    bytes(longestLine)
  ),
  ("192.0.2.1:12345>198.51.100.2:443", binary(0x21, 0x11, ipv4)),
  ("192.0.2.1:12345>198.51.100.2:443", binary(0x21, 0x11, ipv4 + [0xee, 0, 1, 7])),
  ("192.0.2.1:12345>198.51.100.2:443", checked(error: 0)),
  ("none", binary(0x20, 0x11, ipv4)), ("none", binary(0x20, 0, [])),
  ("none", binary(0x20, 0x21, [1, 2, 3])), ("none", binary(0x21, 0, [])),
  ("none", binary(0x21, 0, [1, 2, 3])),
  ("unix", binary(0x21, 0x31, [UInt8](repeating: 1, count: 216))),
  (
    "1:0:0:0:0:0:0:2:1>0:0:0:0:0:0:0:0:256",
    binary(
      0x21, 0x21,
      [0, 1] + [UInt8](repeating: 0, count: 13) + [2]
        + [UInt8](repeating: 0, count: 16) + [0, 1, 1, 0])
  ),
]

private let refused: [[UInt8]] =
  [
    "GET / HTTP/1.1\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY\r\n", "PROXY \r\n",
    "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
    "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.04 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
    "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx\n", "PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n",
    "PROXY UNKNOWN\n", "PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n",
    "PROXY TCP4 " + String(repeating: "x", count: 100), "\n", "\r\n\r\n\r\n",
    "PROXY UNKNOWNX\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n",
  ].map(bytes) + [
    binary(0x22, 0x11, ipv4), binary(0x11, 0x11, ipv4), binary(0x31, 0x11, ipv4),
    binary(0x21, 0x12, ipv4), binary(0x21, 0x41, ipv4), binary(0x21, 0x10, ipv4),
    binary(0x21, 0x11, Array(ipv4.dropLast())), binary(0x21, 0x21, ipv4),
    binary(0x21, 0x31, ipv4), binary(0x21, 0x11, ipv4 + [1]), binary(0x21, 0x11, ipv4 + [1, 0]),
    binary(0x21, 0x11, ipv4 + [1, 0, 1]), binary(0x21, 0x11, ipv4 + [3, 0, 3, 0, 0, 0]),
    binary(0x21, 0x11, ipv4, length: 4081), checked(error: 1),
  ]

private func show(_ connection: ProxiedConnection) -> String {
  guard connection.family == .ipv4 || connection.family == .ipv6 else {
    return "\(connection.family)"
  }
  func show(_ address: InlineArray<16, UInt8>, _ port: UInt16) -> String {
    var output: [UInt8] = []
    if connection.family == .ipv4 {
      IPv4Text.append(address, to: &output)
    } else {
      IPv6Text.append(address, to: &output)
    }
    return "\(text(output)):\(port)"
  }
  return show(connection.source, connection.sourcePort) + ">"
    + show(connection.destination, connection.destinationPort)
}

@Suite struct `the PROXY protocol` {
  @Test(arguments: accepted)
  func `a header is read the same at every split`(expected: String, header: [UInt8]) {
    var connection = ProxiedConnection()
    for end in 0..<header.count {
      let part = Array(header[..<end])
      guard case .needMore = ProxyProtocol.parse(part.rawSpan, into: &connection) else {
        Issue.record("at \(end)")
        return
      }
    }
    let following = header + bytes("GET / HTTP/1.1\r\n")
    guard case .complete = ProxyProtocol.parse(following.rawSpan, into: &connection) else {
      Issue.record("refused")
      return
    }
    #expect(show(connection) == expected)
    #expect(connection.byteCount == header.count)
  }

  @Test(arguments: refused)
  func `anything else is refused, and accepted at no split`(header: [UInt8]) {
    var isRefused = false
    for end in 0...header.count {
      let part = Array(header[..<end])
      var connection = ProxiedConnection()
      switch ProxyProtocol.parse(part.rawSpan, into: &connection) {
      case .complete: Issue.record("accepted at \(end)")
      case .needMore: #expect(!isRefused, "at \(end)")
      case .rejected(let rejection):
        isRefused = true
        #expect(rejection.byteOffset <= end)
      }
    }
    #expect(isRefused)
  }

  @Test func `what is written is read`() {
    var connections = [ProxiedConnection()]
    for (_, header) in accepted {
      var connection = ProxiedConnection()
      _ = ProxyProtocol.parse(header.rawSpan, into: &connection)
      if connection.family != .unix { connections.append(connection) }
    }
    for var connection in connections {
      for isText in [true, false] {
        var header: [UInt8] = []
        if isText {
          ProxyProtocol.appendText(connection, to: &header)
          #expect(header.count <= ProxyProtocol.textBytesMax)
        } else {
          ProxyProtocol.appendBinary(connection, to: &header)
        }
        var read = ProxiedConnection()
        guard case .complete = ProxyProtocol.parse(header.rawSpan, into: &read) else {
          Issue.record("refused: \(header)")
          continue
        }
        #expect(read.byteCount == header.count)
        connection.byteCount = header.count
        #expect(read == connection)
      }
    }
  }

  @Test func `the checksum is CRC-32C`() {
    #expect(ProxyProtocol.checksum(bytes("123456789").rawSpan, 9, without: 0..<0) == 0xe306_9283)
  }
}
