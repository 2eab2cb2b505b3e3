// Internet addresses as plain values: parse, print, compare, match networks.

import Glibc

/// An IPv4 or IPv6 address. IPv4 is kept in the low 32 bits of `low`, host byte order.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  package enum Family: UInt8, Sendable { case v4 = 4, v6 = 6 }
  package let family: Family
  package let high: UInt64
  package let low: UInt64

  package init(v4 value: UInt32) {
    family = .v4
    high = 0
    low = UInt64(value)
  }
  package init(v6High high: UInt64, low: UInt64) {
    family = .v6
    self.high = high
    self.low = low
  }

  package static let anyV4 = IPAddress(v4: 0)
  package static let anyV6 = IPAddress(v6High: 0, low: 0)
  package var isAny: Bool { high == 0 && low == 0 }
  package var bitCount: Int { family == .v4 ? 32 : 128 }
  /// 127.0.0.0/8, ::1, and ::ffff:127.0.0.0/104.
  package var isLoopback: Bool {
    switch unmapped.family {
    case .v4: return unmapped.low >> 24 == 127
    case .v6: return high == 0 && low == 1
    }
  }
  /// Of a network without a name on the internet: RFC 1918, loopback, link-local, RFC 4193.
  package var isPrivate: Bool {
    let plain = unmapped
    guard plain.family == .v4 else {
      return isLoopback || high >> 57 == 0xfc >> 1 || high >> 54 == 0xfe80 >> 6
    }
    let value = plain.low
    return value >> 24 == 10 || value >> 24 == 127 || value >> 20 == 0xac1
      || value >> 16 == 0xc0a8 || value >> 16 == 0xa9fe
  }

  /// Four or sixteen bytes in network order.
  package var networkBytes: [UInt8] {
    func bytes(_ word: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64((count - 1 - $0) * 8)) }
    }
    return family == .v4 ? bytes(low, 4) : bytes(high, 8) + bytes(low, 8)
  }

  /// ::ffff:a.b.c.d as the IPv4 address it stands for (RFC 4291 §2.5.5.2).
  package var unmapped: IPAddress {
    guard family == .v6, high == 0, low >> 32 == 0xffff else { return self }
    return IPAddress(v4: UInt32(truncatingIfNeeded: low))
  }

  /// Parses "192.0.2.1" or "2001:db8::1" (no brackets, no zone); nil if it is neither.
  /// inet_pton(3).
  package init?(_ text: some StringProtocol) {
    let text = String(text)
    var v4 = in_addr()
    if unsafe inet_pton(AF_INET, text, &v4) == 1 {
      self.init(v4: UInt32(bigEndian: v4.s_addr))
      return
    }
    var words: (UInt64, UInt64) = (0, 0)
    guard unsafe inet_pton(AF_INET6, text, &words) == 1 else { return nil }
    self.init(v6High: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
  }

  /// Adds `description` to bytes.
  package func append(to bytes: inout [UInt8]) {
    guard family == .v4 else {
      bytes += description.utf8
      return
    }
    for shift: UInt64 in [24, 16, 8, 0] {
      let octet = UInt8(low >> shift & 255)
      if octet >= 100 { bytes.append(0x30 + octet / 100) }
      if octet >= 10 { bytes.append(0x30 + octet / 10 % 10) }
      bytes.append(0x30 + octet % 10)
      if shift > 0 { bytes.append(0x2e) }
    }
  }

  /// Without brackets. inet_ntop(3).
  package var description: String {
    switch family {
    case .v4:
      return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
    case .v6:
      var words = (high.bigEndian, low.bigEndian)
      var text = [CChar](repeating: 0, count: 64)
      guard unsafe inet_ntop(AF_INET6, &words, &text, 64) != nil else { return "::" }
      return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }
}

/// An address with a prefix length: "192.0.2.0/24".
package struct IPNetwork: Hashable, Sendable {
  package let address: IPAddress
  /// 0 … 32 or 0 … 128.
  package let prefixBits: Int

  package init(_ address: IPAddress, prefixBits: Int) {
    precondition((0...address.bitCount).contains(prefixBits))
    self.address = address
    self.prefixBits = prefixBits
  }

  /// IPv4-mapped IPv6 clients match IPv4 networks.
  package func contains(_ other: IPAddress) -> Bool {
    let other = address.family == .v4 ? other.unmapped : other
    guard other.family == address.family else { return false }
    if address.family == .v4 {
      return prefixBits == 0 || (other.low ^ address.low) >> UInt64(32 - prefixBits) == 0
    }
    if prefixBits == 0 { return true }
    if prefixBits <= 64 { return (other.high ^ address.high) >> UInt64(64 - prefixBits) == 0 }
    return other.high == address.high
      && (prefixBits == 128
        ? other.low == address.low
        : (other.low ^ address.low) >> UInt64(128 - prefixBits) == 0)
  }
}

/// An address and a TCP port.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  package let address: IPAddress
  package let port: UInt16

  package init(_ address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// "192.0.2.1:80", "[2001:db8::1]:80"
  package var description: String {
    address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}
