// Splitting Cache-Control into directives: lenient, but never so that an order to be careful is
// lost (RFC 9111 §5.2).

/// One directive: its name in lower case, and its argument without quotes.
struct CacheDirective {
  let name: [UInt8]
  /// nil if there was no "=".
  let argument: [UInt8]?
  /// What stood there is no directive by the grammar; only its name can be trusted.
  let isMalformed: Bool

  /// The argument as seconds; nil if it is not a number.
  var seconds: Int64? {
    guard !isMalformed, let argument else { return nil }
    return DeltaSeconds.parse(argument)
  }
}

/// The directives that mean something to us, of requests and responses.
enum CacheDirectiveName {
  case maxAge, sharedMaxAge, minFresh, maxStale, staleWhileRevalidate, staleIfError
  case noCache, noStore, noTransform, onlyIfCached
  case isPrivate, isPublic, mustRevalidate, proxyRevalidate, mustUnderstand, immutable
  case untilInvalidated

  /// By its name in lower case.
  init?(_ name: [UInt8]) {
    let bytes = name.rawSpan
    func spells(_ wanted: StaticString) -> Bool { Scan.equal(bytes, wanted) }
    switch name.count {
    case 6 where spells("public"): self = .isPublic
    case 7 where spells("max-age"): self = .maxAge
    case 7 where spells("private"): self = .isPrivate
    case 8 where spells("s-maxage"): self = .sharedMaxAge
    case 8 where spells("no-cache"): self = .noCache
    case 8 where spells("no-store"): self = .noStore
    case 9 where spells("min-fresh"): self = .minFresh
    case 9 where spells("max-stale"): self = .maxStale
    case 9 where spells("immutable"): self = .immutable
    case 12 where spells("no-transform"): self = .noTransform
    case 14 where spells("only-if-cached"): self = .onlyIfCached
    case 14 where spells("stale-if-error"): self = .staleIfError
    case 15 where spells("must-revalidate"): self = .mustRevalidate
    case 15 where spells("must-understand"): self = .mustUnderstand
    case 16 where spells("proxy-revalidate"): self = .proxyRevalidate
    case 17 where spells("until-invalidated"): self = .untilInvalidated
    case 22 where spells("stale-while-revalidate"): self = .staleWhileRevalidate
    default: return nil
    }
  }
}

/// Walks through the directives of one field line.
struct CacheDirectiveReader {
  private let line: [UInt8]
  private var index = 0
  /// A quoted argument does not end: nobody can say what the rest of the line orders.
  private(set) var isUnterminated = false

  init(_ line: [UInt8]) { self.line = line }

  mutating func next() -> CacheDirective? {
    while index < line.count, ASCII.isBlank(line[index]) || line[index] == ASCII.comma {
      index += 1
    }
    guard index < line.count else { return nil }
    let name = token().map(ASCII.lowercase)
    var isMalformed = name.isEmpty
    var argument: [UInt8]?
    if index < line.count, line[index] == UInt8(ascii: "=") {
      index += 1
      if index < line.count, line[index] == UInt8(ascii: "\"") {
        argument = quoted()
      } else {
        argument = token()
        isMalformed = isMalformed || argument?.isEmpty == true
      }
    }
    // Anything else before the comma makes the argument doubtful.
    while index < line.count, line[index] != ASCII.comma {
      if line[index] == UInt8(ascii: "\"") {
        _ = quoted()
        isMalformed = true
      } else {
        isMalformed = isMalformed || !ASCII.isBlank(line[index])
        index += 1
      }
    }
    return CacheDirective(name: name, argument: argument, isMalformed: isMalformed)
  }

  private mutating func token() -> [UInt8] {
    let start = index
    while index < line.count, ByteClass.token.contains(line[index]) { index += 1 }
    return Array(line[start..<index])
  }

  private mutating func quoted() -> [UInt8] {
    index += 1
    var content: [UInt8] = []
    while index < line.count {
      let byte = line[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return content }
      if byte == UInt8(ascii: "\\"), index < line.count {
        content.append(line[index])
        index += 1
      } else {
        content.append(byte)
      }
    }
    isUnterminated = true
    return content
  }
}

/// Numbers of seconds in fields (RFC 9111 §1.2.2).
enum DeltaSeconds {
  /// What larger numbers count as.
  static let max: Int64 = 1 << 31

  /// Nil if it is not digits alone.
  static func parse(_ digits: some Collection<UInt8>) -> Int64? {
    guard !digits.isEmpty else { return nil }
    var value: Int64 = 0
    for byte in digits {
      guard ASCII.isDigit(byte) else { return nil }
      value = Swift.min(value * 10 + Int64(byte - 0x30), max)
    }
    return value
  }
}

/// Lists of field names, as in Vary and `no-cache="…"`.
enum FieldNameList {
  /// The names in lower case; nil if one of them is no field name. "*" is one.
  static func parse(_ list: [UInt8]) -> [[UInt8]]? {
    var names: [[UInt8]] = []
    var elements = TokenList(list.rawSpan)
    while let element = elements.next() {
      let name = list[element].map(ASCII.lowercase)
      guard name.allSatisfy(ByteClass.token.contains) else { return nil }
      names.append(name)
    }
    return names
  }
}
