// Range requests: which bytes of a representation are wanted (RFC 9110 §14).

/// One stretch of a representation, both ends included, as in Content-Range.
package struct ByteRange: Equatable, Sendable {
  package var first: UInt64
  package var last: UInt64

  package init(first: UInt64, last: UInt64) {
    self.first = first
    self.last = last
  }

  package var byteCount: UInt64 { last - first + 1 }
}

/// What a Range field asks for.
package enum RangeRequest: Equatable, Sendable {
  /// Answer 200 with everything: the field is malformed, of another unit, or abusive.
  case ignored
  /// Answer 206 with this part.
  case single(ByteRange)
  /// Answer 206 with multipart/byteranges of these parts, in this order.
  case multiple([ByteRange])
  /// Answer 416 with `Content-Range: bytes */size`.
  case unsatisfiable
}

/// How much of a Range field is believed, as httpd's MaxRanges, MaxRangeOverlaps,
/// MaxRangeReversals.
package struct RangeLimits: Sendable {
  package var rangesMax = 200
  package var overlapsMax = 20
  package var reversalsMax = 20

  package init() {}
}

package enum ByteRanges {
  /// Reads the value of Range and resolves it against a representation of `size` bytes.
  ///
  /// A field that exceeds a limit is ignored, not refused (RFC 9110 §14.2 allows both). Ranges that
  /// lie outside are left out; if none is left, the request is unsatisfiable.
  package static func resolve(
    _ value: RawSpan, size: UInt64, limits: RangeLimits = RangeLimits()
  ) -> RangeRequest {
    let unitCount = 6
    guard value.byteCount > unitCount,
      FieldName.equal(value.extracting(0..<unitCount), "bytes=")
    else { return .ignored }
    let set = value.extracting(unitCount..<value.byteCount)
    var list = TokenList(set)
    var first: ByteRange?
    var rest: [ByteRange] = []
    var specCount = 0
    var overlapCount = 0
    var reversalCount = 0
    while let element = list.next() {
      specCount += 1
      guard specCount <= limits.rangesMax,
        let spec = parse(set.extracting(element.lowerBound..<element.upperBound))
      else { return .ignored }
      guard let range = spec.resolve(size) else { continue }
      if let previous = rest.last ?? first {
        if range.first < previous.first { reversalCount += 1 }
        if range.first <= previous.last && previous.first <= range.last { overlapCount += 1 }
        guard overlapCount <= limits.overlapsMax, reversalCount <= limits.reversalsMax else {
          return .ignored
        }
        rest.append(range)
      } else {
        first = range
      }
    }
    guard specCount > 0 else { return .ignored }
    guard let first else { return .unsatisfiable }
    return rest.isEmpty ? .single(first) : .multiple([first] + rest)
  }

  private enum Spec {
    case from(UInt64, to: UInt64?)
    case suffix(UInt64)

    func resolve(_ size: UInt64) -> ByteRange? {
      switch self {
      case .from(let first, let last):
        guard first < size else { return nil }
        return ByteRange(first: first, last: min(last ?? size - 1, size - 1))
      case .suffix(let count):
        guard count > 0, size > 0 else { return nil }
        return ByteRange(first: count >= size ? 0 : size - count, last: size - 1)
      }
    }
  }

  /// `first-`, `first-last` or `-suffix` (RFC 9110 §14.1.1); nil if it is none of them. Numbers
  /// above 2^64 - 1 mean "further than any size" and are cut to that.
  private static func parse(_ text: RawSpan) -> Spec? {
    let dash = Scan.firstIndex(of: 0x2d, in: text, from: 0, to: text.byteCount)
    guard dash < text.byteCount else { return nil }
    let before = text.extracting(0..<dash)
    let after = text.extracting(dash + 1..<text.byteCount)
    if before.byteCount == 0 {
      guard let count = number(after) else { return nil }
      return .suffix(count)
    }
    guard let first = number(before) else { return nil }
    if after.byteCount == 0 { return .from(first, to: nil) }
    guard let last = number(after), first <= last else { return nil }
    return .from(first, to: last)
  }

  private static func number(_ text: RawSpan) -> UInt64? {
    guard text.byteCount > 0 else { return nil }
    for index in 0..<text.byteCount where !ASCII.isDigit(Scan.byte(text, at: index)) {
      return nil
    }
    return DecimalNumber.parse(text) ?? .max
  }

  /// The size of the whole, as `bytes first-last/size` says it; nil: unknown, or malformed.
  package static func completeLength(_ value: RawSpan) -> UInt64? {
    let unit: StaticString = "bytes "
    guard value.byteCount > unit.utf8CodeUnitCount,
      FieldName.equal(value.extracting(0..<unit.utf8CodeUnitCount), unit)
    else { return nil }
    let slash = Scan.firstIndex(of: ASCII.slash, in: value, from: 0, to: value.byteCount)
    guard slash + 1 < value.byteCount else { return nil }
    return number(value.extracting(slash + 1..<value.byteCount))
  }

  // MARK: Writing

  /// Appends `bytes first-last/size`, the value of Content-Range.
  package static func appendContentRange(
    _ range: ByteRange, size: UInt64, to bytes: inout [UInt8]
  ) {
    bytes += "bytes ".utf8
    DecimalNumber.append(range.first, to: &bytes)
    bytes.append(0x2d)
    DecimalNumber.append(range.last, to: &bytes)
    bytes.append(ASCII.slash)
    DecimalNumber.append(size, to: &bytes)
  }

  /// Appends `bytes */size`, the value of Content-Range in a 416.
  package static func appendUnsatisfiedRange(size: UInt64, to bytes: inout [UInt8]) {
    bytes += "bytes */".utf8
    DecimalNumber.append(size, to: &bytes)
  }

  /// Appends what stands before a part of multipart/byteranges (RFC 9110 §14.6): line end,
  /// boundary, the part's fields, empty line.
  package static func appendPartHead(
    _ range: ByteRange, size: UInt64, contentType: [UInt8], boundary: [UInt8],
    to bytes: inout [UInt8]
  ) {
    bytes += "\r\n--".utf8
    bytes += boundary
    if !contentType.isEmpty {
      bytes += "\r\nContent-Type: ".utf8
      bytes += contentType
    }
    bytes += "\r\nContent-Range: ".utf8
    appendContentRange(range, size: size, to: &bytes)
    bytes += "\r\n\r\n".utf8
  }

  /// Appends what stands after the last part.
  package static func appendPartsEnd(boundary: [UInt8], to bytes: inout [UInt8]) {
    bytes += "\r\n--".utf8
    bytes += boundary
    bytes += "--\r\n".utf8
  }

  /// Content-Length of a multipart/byteranges response: part heads, parts and the end.
  package static func multipartByteCount(
    _ ranges: [ByteRange], size: UInt64, contentType: [UInt8], boundary: [UInt8]
  ) -> UInt64 {
    var framing: [UInt8] = []
    var total: UInt64 = 0
    for range in ranges {
      appendPartHead(
        range, size: size, contentType: contentType, boundary: boundary, to: &framing)
      total += range.byteCount
    }
    appendPartsEnd(boundary: boundary, to: &framing)
    return total + UInt64(framing.count)
  }
}
