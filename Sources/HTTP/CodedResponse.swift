// Which responses may be compressed on the way, and how their fields change when they are.

/// Why a response goes as it is.
package enum CodingRefusal: Equatable, Sendable {
  /// A status without a body, or with a part of one.
  case status
  /// It has a content coding already.
  case coded
  /// `Cache-Control: no-transform` (RFC 9111 §5.2.2.6, RFC 9110 §7.7).
  case noTransform
  /// Content-Range: a part cannot be coded as if it were the whole.
  case partial
  /// A part is asked for: parts are of the body as it is.
  case range
  /// Shorter than coding pays for.
  case small
}

/// What the head of a response says about whether its body may be coded. Filled field by field, in
/// any order; for bodies of unknown length too.
package struct CodedResponse: Equatable, Sendable {
  package let status: UInt16
  /// The media type without parameters, lower case; empty without one.
  package private(set) var mediaType: [UInt8] = []
  /// nil: unknown, as it is in a stream.
  package var byteCount: Int64?
  private var isCoded = false
  private var isPartial = false
  private var forbidsTransform = false

  package init(status: UInt16, byteCount: Int64? = nil) {
    self.status = status
    self.byteCount = byteCount
  }

  /// Takes a field line in. Content-Length is not looked at: framing is the caller's, see
  /// `byteCount`.
  package mutating func note(name: RawSpan, value: RawSpan) {
    if FieldName.equal(name, "content-type") {
      mediaType = CodedResponse.essence(value)
    } else if FieldName.equal(name, "content-encoding") {
      var list = TokenList(value)
      while let element = list.next() {
        let coding = value.extracting(element.lowerBound..<element.upperBound)
        // RFC 9110 §8.4: identity should not be sent, and says nothing.
        if !FieldName.equal(coding, "identity") { isCoded = true }
      }
    } else if FieldName.equal(name, "content-range") {
      isPartial = true
    } else if FieldName.equal(name, "cache-control") {
      // Inside a quoted string it would forbid more than was meant, which does no harm.
      var list = TokenList(value)
      while let element = list.next() {
        let directive = value.extracting(element.lowerBound..<element.upperBound)
        if FieldName.equal(directive, "no-transform") { forbidsTransform = true }
      }
    }
  }

  /// Why the body must not be coded, or nil. Whether its media type is listed, and what the client
  /// accepts, is beside that: this refuses the coding for every client, but for `range`.
  ///
  /// - Parameters:
  ///   - byteCountMin: known lengths below are not worth it.
  ///   - asksForRange: the request has a Range that may be satisfied.
  package func refusal(byteCountMin: Int, asksForRange: Bool) -> CodingRefusal? {
    switch status {
    // RFC 9110 §15: no content, or a part of it.
    case 100..<200, 204, 205, 206, 304: return .status
    default: break
    }
    if isCoded { return .coded }
    if forbidsTransform { return .noTransform }
    if isPartial { return .partial }
    if let byteCount, byteCount < Int64(byteCountMin) || byteCount == 0 { return .small }
    return asksForRange ? .range : nil
  }

  /// `text/html` of `Text/HTML; charset=utf-8`.
  package static func essence(_ value: RawSpan) -> [UInt8] {
    var end = Scan.firstIndex(of: 0x3b, in: value, from: 0, to: value.byteCount)
    var start = 0
    while start < end && ASCII.isBlank(Scan.byte(value, at: start)) { start += 1 }
    while end > start && ASCII.isBlank(Scan.byte(value, at: end - 1)) { end -= 1 }
    var essence: [UInt8] = []
    essence.reserveCapacity(end - start)
    for index in start..<end { essence.append(ASCII.lowercase(Scan.byte(value, at: index))) }
    return essence
  }

  /// Fields that are about the bytes as they were, and are not sent with a coded body: its length,
  /// ranges of it (§14.3; those are served of the body as it is), and digests of it (RFC 9530).
  package static func drops(_ name: RawSpan) -> Bool {
    FieldName.equal(name, "content-length") || FieldName.equal(name, "accept-ranges")
      || FieldName.equal(name, "content-md5") || FieldName.equal(name, "digest")
      || FieldName.equal(name, "content-digest") || FieldName.equal(name, "repr-digest")
  }

  /// Whether a value of Vary holds Accept-Encoding or `*`: each response that might have been coded
  /// needs one that does, also when it is not (RFC 9110 §12.5.5). "Vary: Accept-Encoding" as a line
  /// of its own completes any other.
  package static func varies(_ value: RawSpan) -> Bool {
    var list = TokenList(value)
    while let element = list.next() {
      let name = value.extracting(element.lowerBound..<element.upperBound)
      if FieldName.equal(name, "accept-encoding") || FieldName.equal(name, "*") { return true }
    }
    return false
  }
}

extension EntityTag {
  /// The tag of the coded variant: `"a"` becomes `W/"a-gzip"`. Representations that differ have
  /// tags that differ (RFC 9110 §8.8.3.3), hence the suffix; and it is weak, because the same text
  /// can become other bytes with another level or release of an encoder (§8.8.1). What is no tag
  /// stays as it is.
  package static func adding(_ coding: ContentCoding, to tag: [UInt8]) -> [UInt8] {
    guard coding != .identity, let parsed = parse(tag.rawSpan) else { return tag }
    return (parsed.isWeak ? [] : Array("W/".utf8)) + tag.dropLast() + suffix(coding) + [0x22]
  }

  /// The tag without the suffix of any coding, or nil if it has none.
  static func removingCoding(_ tag: [UInt8]) -> [UInt8]? {
    for coding in ContentCoding.allCases where coding != .identity {
      let end = suffix(coding) + [0x22]
      if tag.count > end.count, tag.suffix(end.count).elementsEqual(end) {
        return tag.dropLast(end.count) + [0x22]
      }
    }
    return nil
  }

  /// What If-None-Match must say to an application whose responses are coded here: beside each tag
  /// with a coding's suffix also the one that the application knows, strong and, as the coded one
  /// is, weak. All of them, since the suffix may be the application's own. `*` and what is
  /// malformed stay as they are.
  package static func list(_ list: RawSpan, addingUncodedTo value: inout [UInt8]) {
    var index = 0
    var added: [UInt8] = []
    for position in 0..<list.byteCount { value.append(Scan.byte(list, at: position)) }
    while index < list.byteCount {
      let byte = Scan.byte(list, at: index)
      if ASCII.isBlank(byte) || byte == ASCII.comma {
        index += 1
        continue
      }
      guard let (parsed, end) = parse(list, at: index) else { return }
      var tag: [UInt8] = []
      for position in index..<end { tag.append(Scan.byte(list, at: position)) }
      if let uncoded = removingCoding(tag) {
        if parsed.isWeak { added += [ASCII.comma, 0x20] + uncoded.dropFirst(2) }
        added += [ASCII.comma, 0x20] + uncoded
      }
      index = end
    }
    value += added
  }

  private static func suffix(_ coding: ContentCoding) -> [UInt8] {
    switch coding {
    case .identity: []
    case .gzip: Array("-gzip".utf8)
    case .zstd: Array("-zstd".utf8)
    case .br: Array("-br".utf8)
    }
  }
}
