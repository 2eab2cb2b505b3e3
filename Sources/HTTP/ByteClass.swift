// Sets of ASCII bytes as two 64-bit words: token characters, host characters and the like.

/// A set of bytes below 0x80; membership is a shift and a mask.
package struct ByteClass: Sendable {
  @usableFromInline let low: UInt64
  @usableFromInline let high: UInt64

  @usableFromInline
  init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  @inlinable @inline(__always)
  package func contains(_ byte: UInt8) -> Bool {
    let half = byte < 0x40 ? low : (byte < 0x80 ? high : 0)
    return (half &>> UInt64(byte & 0x3f)) & 1 != 0
  }

  /// tchar (RFC 9110 §5.6.2): letters, digits and ! # $ % & ' * + - . ^ _ ` | ~
  @inlinable @inline(__always)
  package static var token: ByteClass {
    ByteClass(low: 0x03ff_6cfa_0000_0000, high: 0x57ff_ffff_c7ff_fffe)
  }
  /// unreserved and sub-delims (RFC 3986 §2.3, §2.2): what a registered name holds besides "%".
  @inlinable @inline(__always)
  package static var regName: ByteClass {
    ByteClass(low: 0x2bff_7fd2_0000_0000, high: 0x47ff_fffe_87ff_fffe)
  }
  /// pchar without "%", and "/" (RFC 3986 §3.3): what stands for itself in a path.
  @inlinable @inline(__always)
  package static var path: ByteClass {
    ByteClass(low: 0x2fff_ffd2_0000_0000, high: 0x47ff_fffe_87ff_ffff)
  }
}

/// Small questions about single bytes.
package enum ASCII {
  package static let tab: UInt8 = 0x09
  package static let lineFeed: UInt8 = 0x0a
  package static let carriageReturn: UInt8 = 0x0d
  package static let space: UInt8 = 0x20
  package static let comma: UInt8 = 0x2c
  package static let colon: UInt8 = 0x3a
  package static let slash: UInt8 = 0x2f
  package static let dot: UInt8 = 0x2e

  @inlinable @inline(__always)
  package static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  /// SP or HTAB (OWS, RFC 9110 §5.6.3).
  @inlinable @inline(__always)
  package static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// The value of a hexadecimal digit, or nil.
  @inlinable @inline(__always)
  package static func hexValue(_ byte: UInt8) -> UInt8? {
    if byte &- 0x30 < 10 { return byte &- 0x30 }
    let folded = byte | 0x20
    return folded &- 0x61 < 6 ? folded &- 0x61 &+ 10 : nil
  }

  /// A to Z as a to z, every other byte as it is.
  @inlinable @inline(__always)
  package static func lowercase(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }
}
