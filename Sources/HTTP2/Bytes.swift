// Small comparisons of bytes with literals and with each other.

import Glibc
import Platform

enum Bytes {
  @inline(__always)
  static func equal(_ bytes: RawSpan, _ literal: StaticString) -> Bool {
    guard bytes.byteCount == literal.utf8CodeUnitCount else { return false }
    return unsafe bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return true }
      return unsafe memcmp(start, literal.utf8Start, bytes.count) == 0
    }
  }

  @inline(__always)
  static func equal(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    return unsafe one.withUnsafeBytes { one in
      unsafe other.withUnsafeBytes { other in
        guard let left = one.baseAddress, let right = other.baseAddress else { return true }
        return unsafe memcmp(left, right, one.count) == 0
      }
    }
  }

  @inline(__always)
  static func equalIgnoringCase(_ bytes: RawSpan, _ literal: StaticString) -> Bool {
    equalIgnoringCase(
      bytes,
      unsafe RawSpan(
        _unsafeStart: UnsafeRawPointer(literal.utf8Start), byteCount: literal.utf8CodeUnitCount))
  }

  static func equalIgnoringCase(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    for index in 0..<one.byteCount {
      let left = unsafe one.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      let right = unsafe other.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      guard lower(left) == lower(right) else { return false }
    }
    return true
  }

  static func contains(_ bytes: RawSpan, _ wanted: UInt8) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return false }
      return unsafe memchr(start, CInt(wanted), bytes.count) != nil
    }
  }

  @inline(__always)
  static func append(_ literal: StaticString, to buffer: ByteBuffer) {
    unsafe buffer.append(
      RawSpan(
        _unsafeStart: UnsafeRawPointer(literal.utf8Start), byteCount: literal.utf8CodeUnitCount))
  }

  @inline(__always)
  private static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
