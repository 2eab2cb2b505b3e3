// Percent-encoding of paths for links and Location (RFC 3986 §2.1).

/// Writing bytes so that they can stand in a URI.
package enum PercentEncoding {
  /// Appends a path: "/" and all that stands for itself in a path stays, every other byte becomes
  /// `%XX`. The apostrophe and "&" stay: escape the result where it stands in HTML.
  package static func append(path: RawSpan, to bytes: inout [UInt8]) {
    // Most paths are text that stands for itself: copied in one piece.
    var start = 0
    for index in 0..<path.byteCount {
      let byte = Scan.byte(path, at: index)
      if ByteClass.path.contains(byte) { continue }
      bytes.append(copying: path.extracting(start..<index))
      append(escaped: byte, to: &bytes)
      start = index + 1
    }
    bytes.append(copying: path.extracting(start..<path.byteCount))
  }

  /// Whether a path would be written as it is.
  package static func isPlain(path: RawSpan) -> Bool {
    for index in 0..<path.byteCount
    where !ByteClass.path.contains(Scan.byte(path, at: index)) { return false }
    return true
  }

  /// A relative reference to one name in the same directory: like a path, and safe from being taken
  /// for a scheme ("a:b") or for another directory (RFC 3986 §4.2).
  package static func append(name: RawSpan, to bytes: inout [UInt8]) {
    for index in 0..<name.byteCount {
      let byte = Scan.byte(name, at: index)
      if ByteClass.path.contains(byte) && byte != ASCII.colon && byte != ASCII.slash {
        bytes.append(byte)
      } else {
        append(escaped: byte, to: &bytes)
      }
    }
  }

  static func append(escaped byte: UInt8, to bytes: inout [UInt8]) {
    let digits: StaticString = "0123456789ABCDEF"
    bytes.append(0x25)
    bytes.append(Scan.literalByte(digits, Int(byte >> 4)))
    bytes.append(Scan.literalByte(digits, Int(byte & 15)))
  }
}

/// Writing bytes so that they can stand in HTML text or in a quoted attribute.
package enum HTMLEscape {
  /// Appends `text` with & < > " ' as character references. Controls other than HTAB, LF and CR
  /// become "?", since no reference to them is allowed.
  package static func append(_ text: RawSpan, to bytes: inout [UInt8]) {
    for index in 0..<text.byteCount {
      let byte = Scan.byte(text, at: index)
      switch byte {
      case 0x26: bytes += "&amp;".utf8
      case 0x3c: bytes += "&lt;".utf8
      case 0x3e: bytes += "&gt;".utf8
      case 0x22: bytes += "&quot;".utf8
      case 0x27: bytes += "&#39;".utf8
      case 0x09, 0x0a, 0x0d: bytes.append(byte)
      case 0..<0x20, 0x7f: bytes.append(0x3f)
      default: bytes.append(byte)
      }
    }
  }
}
