// From the path as sent to the path that is looked up: decoded, without dot segments, without "//".

/// What to do with an encoded slash in a path (AllowEncodedSlashes).
package enum EncodedSlashes: UInt8, Sendable {
  /// Refuse with 404.
  case off
  /// Decode like any other escape.
  case on
  /// Keep as `%2F`, so that it can be told from a separator.
  case noDecode
}

/// Paths of request targets.
package enum RequestTarget {
  /// A path decoded, or why it is refused.
  package typealias Decoded = Result<[UInt8], RequestRejection>

  /// Decodes and normalises `path` (RFC 3986 §2.1, §5.2.4), as httpd does with MergeSlashes on:
  /// escapes are decoded once, then `//` becomes `/`, then `.` and `..` segments are resolved
  /// lexically. The result starts with "/"; a final "/" stays.
  ///
  /// Refused: an incomplete or non-hexadecimal escape (400), `%00` (404), `%2F` where it is not
  /// allowed (404), `..` above the root (400), a path that does not start with "/" (400).
  /// An empty path means "/" (RFC 9110 §4.2.3).
  package static func decodePath(_ path: RawSpan, encodedSlashes: EncodedSlashes) -> Decoded {
    if path.byteCount == 0 { return .success([ASCII.slash]) }
    guard Scan.byte(path, at: 0) == ASCII.slash else {
      return refuse(400, 0, "a path that does not start with a slash")
    }
    if isCanonical(path) { return .success([UInt8](copying: path)) }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(path.byteCount)
    var index = 0
    while index < path.byteCount {
      let byte = Scan.byte(path, at: index)
      if byte == 0 { return refuse(404, index, "a NUL in the path") }
      guard byte == 0x25 else {
        decoded.append(byte)
        index += 1
        continue
      }
      guard index + 2 < path.byteCount,
        let high = ASCII.hexValue(Scan.byte(path, at: index + 1)),
        let low = ASCII.hexValue(Scan.byte(path, at: index + 2))
      else { return refuse(400, index, "a bad escape in the path") }
      let value = high << 4 | low
      if value == 0 { return refuse(404, index, "%00 in the path") }
      if value == ASCII.slash && encodedSlashes == .off {
        return refuse(404, index, "%2F in the path (AllowEncodedSlashes)")
      }
      if value == ASCII.slash && encodedSlashes == .noDecode {
        decoded += [0x25, 0x32, 0x46]
      } else {
        decoded.append(value)
      }
      index += 3
    }
    guard normalise(&decoded) else { return refuse(400, 0, "a path that leaves the root") }
    return .success(decoded)
  }

  private static func refuse(_ status: UInt16, _ offset: Int, _ message: StaticString) -> Decoded {
    .failure(
      RequestRejection(status: status, reason: .url, byteOffset: offset, message: message))
  }

  /// Merges slashes and resolves dot segments in place; false if ".." would leave the root.
  private static func normalise(_ path: inout [UInt8]) -> Bool {
    var output = 0
    var input = 0
    let count = path.count
    // `path[..<output]` is normal and ends in "/" whenever a segment is about to be read.
    while input < count {
      if path[input] == ASCII.slash {
        if output == 0 || path[output - 1] != ASCII.slash {
          path[output] = ASCII.slash
          output += 1
        }
        input += 1
        continue
      }
      var end = input
      while end < count && path[end] != ASCII.slash { end += 1 }
      let isDot = end - input == 1 && path[input] == ASCII.dot
      let isDotDot = end - input == 2 && path[input] == ASCII.dot && path[input + 1] == ASCII.dot
      if isDotDot {
        guard output > 1 else { return false }
        output -= 1
        while output > 0 && path[output - 1] != ASCII.slash { output -= 1 }
      } else if !isDot {
        for from in input..<end {
          path[output] = path[from]
          output += 1
        }
      }
      input = end
    }
    path.removeLast(count - output)
    return true
  }

  /// Whether `decodePath` would return exactly these bytes: no escape, no "//", no dot segment.
  /// Segments that merely start with a dot count as not canonical, which costs only time.
  package static func isCanonical(_ path: RawSpan) -> Bool {
    path.byteCount > 0 && Scan.byte(path, at: 0) == ASCII.slash && Scan.isPlainPath(path)
  }
}
