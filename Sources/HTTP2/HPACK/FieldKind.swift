// What a field of a request is, found out once for as long as a table remembers the field.

import HTTP

/// A field by its name, if name and value are such as RFC 9113 §8.2 and §8.3.1 allow. What can be
/// said without looking at the other fields is said here.
enum FieldKind: UInt8 {
  case ordinary
  case method
  case scheme
  case authority
  case path
  case host
  case cookie
  /// Digits alone.
  case contentLength
  case priority
  /// No field of a request: bytes that do not belong, a name in upper case, a pseudo-field that
  /// requests do not have, anything that is about the connection (RFC 9113 §8.2.2).
  case malformed

  /// Of a line `name: value CR LF`.
  init(_ line: RawSpan, _ nameBytes: Int) {
    let name = line.extracting(0..<nameBytes)
    let value = line.extracting(
      nameBytes + FieldLine.separatorBytes..<line.byteCount - FieldLine.frameBytes
        + FieldLine.separatorBytes)
    guard nameBytes > 0, FieldKind.isValue(value) else {
      self = .malformed
      return
    }
    if Scan.byte(name, at: 0) == ASCII.colon {
      self = FieldKind.pseudo(name, value)
    } else {
      self = FieldKind.isName(name) ? FieldKind.field(name, value) : .malformed
    }
  }

  private static func pseudo(_ name: RawSpan, _ value: RawSpan) -> FieldKind {
    guard value.byteCount > 0 else { return .malformed }
    switch name.byteCount {
    case 5 where Scan.equal(name, ":path"):
      // Whether an asterisk belongs is the method's affair.
      let first = Scan.byte(value, at: 0)
      let isAsterisk = value.byteCount == 1 && first == 0x2a
      return (first == ASCII.slash || isAsterisk) && isVisible(value) ? .path : .malformed
    case 7 where Scan.equal(name, ":method"): return isToken(value) ? .method : .malformed
    case 7 where Scan.equal(name, ":scheme"): return isToken(value) ? .scheme : .malformed
    case 10 where Scan.equal(name, ":authority"):
      // RFC 9113 §8.3.1: no user information.
      let hasUser = Scan.firstIndex(of: 0x40, in: value, from: 0, to: value.byteCount)
      return hasUser == value.byteCount && isVisible(value) ? .authority : .malformed
    default: return .malformed
    }
  }

  private static func field(_ name: RawSpan, _ value: RawSpan) -> FieldKind {
    switch name.byteCount {
    case 2 where Scan.equal(name, "te"):
      return FieldName.equal(value, "trailers") ? .ordinary : .malformed
    case 4 where Scan.equal(name, "host"): return isVisible(value) ? .host : .malformed
    case 6 where Scan.equal(name, "cookie"): return .cookie
    case 7 where Scan.equal(name, "upgrade"): return .malformed
    case 8 where Scan.equal(name, "priority"): return .priority
    case 10 where Scan.equal(name, "connection") || Scan.equal(name, "keep-alive"):
      return .malformed
    case 14 where Scan.equal(name, "content-length"):
      return isNumber(value) ? .contentLength : .malformed
    case 16 where Scan.equal(name, "proxy-connection"): return .malformed
    case 17 where Scan.equal(name, "transfer-encoding"): return .malformed
    default: return .ordinary
    }
  }

  /// A token without upper case (RFC 9113 §8.2.1).
  private static func isName(_ bytes: RawSpan) -> Bool {
    for index in 0..<bytes.byteCount {
      let byte = Scan.byte(bytes, at: index)
      guard ByteClass.token.contains(byte), byte &- 0x41 >= 26 else { return false }
    }
    return true
  }

  private static func isToken(_ bytes: RawSpan) -> Bool {
    for index in 0..<bytes.byteCount {
      guard ByteClass.token.contains(Scan.byte(bytes, at: index)) else { return false }
    }
    return true
  }

  /// No control characters, no white space at the ends (RFC 9113 §8.2.1).
  private static func isValue(_ bytes: RawSpan) -> Bool {
    let count = bytes.byteCount
    guard count > 0 else { return true }
    guard !ASCII.isBlank(Scan.byte(bytes, at: 0)), !ASCII.isBlank(Scan.byte(bytes, at: count - 1))
    else { return false }
    for index in 0..<count {
      let byte = Scan.byte(bytes, at: index)
      guard byte >= 0x20 && byte != 0x7f || byte == ASCII.tab else { return false }
    }
    return true
  }

  private static func isVisible(_ bytes: RawSpan) -> Bool {
    for index in 0..<bytes.byteCount {
      let byte = Scan.byte(bytes, at: index)
      guard byte > 0x20, byte != 0x7f else { return false }
    }
    return true
  }

  private static func isNumber(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount > 0, bytes.byteCount <= 18 else { return false }
    for index in 0..<bytes.byteCount {
      guard ASCII.isDigit(Scan.byte(bytes, at: index)) else { return false }
    }
    return true
  }
}
