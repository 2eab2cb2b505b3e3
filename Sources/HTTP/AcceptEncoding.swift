// Choosing a content coding by Accept-Encoding (RFC 9110 §12.5.3).

/// Content codings the server can have; raw values are kept in cache entries.
package enum ContentCoding: UInt8, Sendable, CaseIterable {
  case identity = 0
  case gzip = 1
  case zstd = 2
  case br = 3

  /// The token of Content-Encoding.
  package var token: StaticString {
    switch self {
    case .identity: "identity"
    case .gzip: "gzip"
    case .zstd: "zstd"
    case .br: "br"
    }
  }

  /// What a precompressed neighbour's name ends in.
  package var fileExtension: StaticString {
    switch self {
    case .identity: ""
    case .gzip: ".gz"
    case .zstd: ".zst"
    case .br: ".br"
    }
  }
}

/// A set of content codings, one bit each.
package struct ContentCodings: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  @inlinable
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let gzip = ContentCodings(rawValue: 1 << ContentCoding.gzip.rawValue)
  package static let zstd = ContentCodings(rawValue: 1 << ContentCoding.zstd.rawValue)
  package static let br = ContentCodings(rawValue: 1 << ContentCoding.br.rawValue)
  /// Beside others: they are made here when they are asked for, so the cheapest goes first.
  package static let madeHere = ContentCodings(rawValue: 1)

  /// The set of one coding; empty for identity, which is always there.
  package init(_ coding: ContentCoding) {
    rawValue = coding == .identity ? 0 : 1 << coding.rawValue
  }

  package func contains(_ coding: ContentCoding) -> Bool {
    coding == .identity || rawValue & (1 << coding.rawValue) != 0
  }
}

package enum AcceptEncoding {
  /// Weights in thousandths of br, zstd, gzip, identity, as far as the client gave them.
  private struct Weights {
    var br = -1
    var zstd = -1
    var gzip = -1
    var identity = -1
    var any = -1

    mutating func take(_ coding: RawSpan, _ weight: Int) {
      if FieldName.equal(coding, "gzip") || FieldName.equal(coding, "x-gzip") {
        gzip = weight
      } else if FieldName.equal(coding, "br") {
        br = weight
      } else if FieldName.equal(coding, "zstd") {
        zstd = weight
      } else if FieldName.equal(coding, "identity") {
        identity = weight
      } else if FieldName.equal(coding, "*") {
        any = weight
      }
    }

    func weight(_ coding: ContentCoding) -> Int {
      switch coding {
      case .br: br >= 0 ? br : max(any, 0)
      case .zstd: zstd >= 0 ? zstd : max(any, 0)
      case .gzip: gzip >= 0 ? gzip : max(any, 0)
      // Identity is acceptable unless it is excluded, but only just (RFC 9110 §12.5.3).
      case .identity: identity >= 0 ? identity : (any == 0 ? 0 : 1)
      }
    }
  }

  /// The best of identity and the `available` codings for this client. Equal weights: br, then
  /// zstd, then gzip, then identity, since br is the shortest of ready-made files; of what is made
  /// here zstd comes before br, since it is about as short for a third of the time. A client that
  /// excludes everything gets identity: a 406 would help nobody (RFC 9110 §12.5.3 allows to
  /// disregard the field).
  package static func negotiate(
    _ head: borrowing RequestHead, in bytes: RawSpan, available: ContentCodings
  ) -> ContentCoding {
    guard !available.isEmpty, head.has(.acceptEncoding) else { return .identity }
    var weights = Weights()
    if !head.isRepeated(.acceptEncoding), let value = head.known(.acceptEncoding) {
      read(value.span(in: bytes), into: &weights)
    } else {
      for number in 0..<head.fieldCount {
        let line = head.field(at: number)
        if line.known == .acceptEncoding { read(line.value.span(in: bytes), into: &weights) }
      }
    }
    return best(weights, available)
  }

  /// The same for one field value.
  package static func negotiate(_ value: RawSpan, available: ContentCodings) -> ContentCoding {
    var weights = Weights()
    read(value, into: &weights)
    return best(weights, available)
  }

  private static func best(_ weights: Weights, _ available: ContentCodings) -> ContentCoding {
    var chosen = ContentCoding.identity
    var chosenWeight = 0
    func consider(_ coding: ContentCoding) {
      let weight = weights.weight(coding)
      if available.contains(coding) && weight > chosenWeight {
        chosen = coding
        chosenWeight = weight
      }
    }
    // The first wins.
    let isMadeHere = available.isSuperset(of: .madeHere)
    consider(isMadeHere ? .zstd : .br)
    consider(isMadeHere ? .br : .zstd)
    consider(.gzip)
    consider(.identity)
    return chosen
  }

  private static func read(_ value: RawSpan, into weights: inout Weights) {
    var list = TokenList(value)
    while let element = list.next() {
      let text = value.extracting(element.lowerBound..<element.upperBound)
      let semicolon = Scan.firstIndex(of: 0x3b, in: text, from: 0, to: text.byteCount)
      var codingEnd = semicolon
      while codingEnd > 0 && ASCII.isBlank(Scan.byte(text, at: codingEnd - 1)) { codingEnd -= 1 }
      guard let weight = weight(text, from: semicolon) else { continue }
      weights.take(text.extracting(0..<codingEnd), weight)
    }
  }

  /// `OWS ";" OWS "q=" qvalue` in thousandths (RFC 9110 §12.4.2); 1000 if there is none, nil if it
  /// is malformed: such an element is not counted.
  private static func weight(_ text: RawSpan, from semicolon: Int) -> Int? {
    guard semicolon < text.byteCount else { return 1000 }
    var index = semicolon + 1
    while index < text.byteCount && ASCII.isBlank(Scan.byte(text, at: index)) { index += 1 }
    guard index + 3 <= text.byteCount,
      ASCII.lowercase(Scan.byte(text, at: index)) == UInt8(ascii: "q"),
      Scan.byte(text, at: index + 1) == 0x3d
    else { return nil }
    let whole = Scan.byte(text, at: index + 2)
    guard whole == 0x30 || whole == 0x31 else { return nil }
    var weight = whole == 0x31 ? 1000 : 0
    index += 3
    guard index < text.byteCount else { return weight }
    guard Scan.byte(text, at: index) == ASCII.dot, text.byteCount - index <= 4 else { return nil }
    var scale = 100
    for position in index + 1..<text.byteCount {
      let digit = Scan.byte(text, at: position)
      guard ASCII.isDigit(digit) else { return nil }
      weight += Int(digit - 0x30) * scale
      scale /= 10
    }
    return weight <= 1000 ? weight : nil
  }
}
