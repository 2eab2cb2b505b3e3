// Hashing of keys and checksums of entries: sixteen bytes a step, by full-width multiplication.
//
// The construction is that of wyhash (https://github.com/wangyi-fudan/wyhash): fold two words into
// one by xoring both halves of their 128-bit product. The seeds are random and secret, so clients
// cannot choose keys that collide. The one unsafe file of this room: unaligned loads from a span.

@usableFromInline
enum KeyHash {
  @usableFromInline static let odd0: UInt64 = 0xa076_1d64_78bd_642f
  @usableFromInline static let odd1: UInt64 = 0xe703_7ed1_a0b4_28db

  @inlinable @inline(__always)
  static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// The hash of all bytes.
  @inlinable
  static func hash(_ bytes: RawSpan, seed0: UInt64, seed1: UInt64) -> UInt64 {
    let count = bytes.byteCount
    var state = seed0 ^ odd0
    var index = 0
    while index &+ 16 < count {
      state = fold(word(bytes, index) ^ seed1, word(bytes, index &+ 8) ^ state)
      index &+= 16
    }
    // The last 1 to 16 bytes; overlapping loads, so that each length takes one path.
    var a: UInt64 = 0
    var b: UInt64 = 0
    if count >= 16 {
      a = word(bytes, count &- 16)
      b = word(bytes, count &- 8)
    } else if count >= 8 {
      a = word(bytes, 0)
      b = word(bytes, count &- 8)
    } else if count >= 4 {
      a = halfWord(bytes, 0)
      b = halfWord(bytes, count &- 4)
    } else if count > 0 {
      a =
        UInt64(byte(bytes, 0)) << 16 | UInt64(byte(bytes, count >> 1)) << 8
        | UInt64(byte(bytes, count &- 1))
    }
    let last = fold(a ^ seed1 ^ odd1, b ^ state)
    return fold(last ^ odd0, UInt64(truncatingIfNeeded: count) ^ odd1 ^ seed0)
  }

  /// 32 bits of a hash under fixed seeds, for the segment's own header: finds damage, not malice.
  static func checksum(_ bytes: RawSpan) -> UInt32 {
    let hash = hash(bytes, seed0: odd1, seed1: odd0)
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
  }

  @inlinable @inline(__always)
  static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe UInt64(
      littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
  @inlinable @inline(__always)
  static func halfWord(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe UInt64(
      UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }
  @inlinable @inline(__always)
  static func byte(_ bytes: RawSpan, _ offset: Int) -> UInt8 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }

  /// One byte, bounds checked.
  @inlinable @inline(__always)
  static func plainByte(_ bytes: RawSpan, _ offset: Int) -> UInt8 {
    precondition(UInt(bitPattern: offset) < UInt(bitPattern: bytes.byteCount))
    return byte(bytes, offset)
  }
}
