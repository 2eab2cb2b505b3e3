// Which literal bytes every match of a pattern must contain, so that thousands of patterns can be
// ruled out without running them.

/// A careful reader of pattern text. It understands the common part of PCRE2's syntax; whatever it
/// does not understand makes it claim nothing, never something wrong.
struct PatternLiterals {
  /// Sets larger than this make no good index key.
  private static let alternativesMax = 16

  /// What a piece of pattern demands of every match.
  private struct Demand {
    /// Each set: at least one of its literals occurs.
    var sets: [[[UInt8]]] = []
    /// The piece matches exactly this string (a run that neighbours may extend); nil if not.
    var exact: [UInt8]? = []
  }

  private let bytes: [UInt8]
  private let foldsCase: Bool
  private var index = 0
  private var isUnderstood = true

  /// The sets demanded by the whole pattern; empty if nothing is known.
  static func required(by bytes: [UInt8], caseInsensitive: Bool) -> [[[UInt8]]] {
    var reader = PatternLiterals(bytes: bytes, foldsCase: caseInsensitive)
    let demand = reader.alternatives(depth: 0)
    guard reader.isUnderstood, reader.index == bytes.count else { return [] }
    return demand.sets.filter { !$0.isEmpty && $0.allSatisfy { !$0.isEmpty } }
  }

  private init(bytes: [UInt8], foldsCase: Bool) {
    self.bytes = bytes
    self.foldsCase = foldsCase
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func giveUp() -> Demand {
    isUnderstood = false
    index = bytes.count
    return Demand(sets: [], exact: nil)
  }

  /// branch ("|" branch)*
  private mutating func alternatives(depth: Int) -> Demand {
    guard depth < 50 else { return giveUp() }
    var branches = [sequence(depth: depth)]
    while next == UInt8(ascii: "|") {
      index += 1
      branches.append(sequence(depth: depth))
    }
    guard branches.count > 1 else { return branches[0] }
    // One of the branches matched: one literal of each branch's longest set occurs.
    var union: [[UInt8]] = []
    for branch in branches {
      let best = branch.sets.max { PatternLiterals.worth($0) < PatternLiterals.worth($1) }
      guard let best else { return Demand(sets: [], exact: nil) }
      union += best
    }
    guard union.count <= Self.alternativesMax else { return Demand(sets: [], exact: nil) }
    return Demand(sets: [union], exact: nil)
  }

  private static func worth(_ set: [[UInt8]]) -> Int { set.map(\.count).min() ?? 0 }

  /// Pieces in a row; exact neighbours join into one literal.
  private mutating func sequence(depth: Int) -> Demand {
    var result = Demand()
    var run: [UInt8] = []
    var isWhollyExact = true
    while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
      let piece = quantified(depth: depth)
      guard isUnderstood else { return piece }
      if let exact = piece.exact {
        run += exact
      } else {
        if !run.isEmpty { result.sets.append([run]) }
        run = []
        isWhollyExact = false
        result.sets += piece.sets
      }
    }
    if !run.isEmpty { result.sets.append([run]) }
    result.exact = isWhollyExact ? run : nil
    return result
  }

  /// An atom with its quantifier.
  private mutating func quantified(depth: Int) -> Demand {
    let piece = atom(depth: depth)
    guard isUnderstood, let quantifier = next else { return piece }
    switch quantifier {
    case UInt8(ascii: "?"), UInt8(ascii: "*"):
      index += 1
      skipQuantifierSuffix()
      return Demand(sets: [], exact: nil)
    case UInt8(ascii: "+"):
      index += 1
      skipQuantifierSuffix()
      return Demand(sets: setsOf(piece), exact: nil)
    case UInt8(ascii: "{"):
      return counted(piece)
    default: return piece
    }
  }

  private func setsOf(_ piece: Demand) -> [[[UInt8]]] {
    guard let exact = piece.exact else { return piece.sets }
    return exact.isEmpty ? [] : [[exact]]
  }

  /// {n}, {n,}, {n,m}; anything else after "{" is not understood.
  private mutating func counted(_ piece: Demand) -> Demand {
    guard let close = bytes[index...].firstIndex(of: UInt8(ascii: "}")) else { return giveUp() }
    let inside = bytes[(index + 1)..<close]
    let lower = inside.prefix { $0 != UInt8(ascii: ",") }
    let isNumeric = inside.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: ",") }
    guard isNumeric, !lower.isEmpty else { return giveUp() }
    index = close + 1
    skipQuantifierSuffix()
    let isZero = lower.allSatisfy { $0 == UInt8(ascii: "0") }
    return Demand(sets: isZero ? [] : setsOf(piece), exact: nil)
  }

  /// Lazy "?" or possessive "+".
  private mutating func skipQuantifierSuffix() {
    if next == UInt8(ascii: "?") || next == UInt8(ascii: "+") { index += 1 }
  }

  private mutating func atom(depth: Int) -> Demand {
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "^"), UInt8(ascii: "$"): return Demand()
    case UInt8(ascii: "."): return Demand(sets: [], exact: nil)
    case UInt8(ascii: "["): return characterClass()
    case UInt8(ascii: "("): return group(depth: depth)
    case UInt8(ascii: "\\"): return escape()
    case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"):
      return giveUp()
    default: return Demand(sets: [], exact: [folded(byte)])
    }
  }

  private func folded(_ byte: UInt8) -> UInt8 {
    foldsCase && (65...90).contains(byte) ? byte + 32 : byte
  }

  private mutating func escape() -> Demand {
    guard let byte = next else { return giveUp() }
    index += 1
    switch byte {
    case UInt8(ascii: "d"), UInt8(ascii: "D"), UInt8(ascii: "w"), UInt8(ascii: "W"),
      UInt8(ascii: "s"), UInt8(ascii: "S"), UInt8(ascii: "h"), UInt8(ascii: "H"):
      return Demand(sets: [], exact: nil)
    case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "A"), UInt8(ascii: "z"),
      UInt8(ascii: "Z"):
      return Demand()
    default:
      let isLetterOrDigit =
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
      guard !isLetterOrDigit, byte < 128 else { return giveUp() }
      return Demand(sets: [], exact: [byte])
    }
  }

  /// After "[": skips to the matching "]".
  private mutating func characterClass() -> Demand {
    if next == UInt8(ascii: "^") { index += 1 }
    if next == UInt8(ascii: "]") { index += 1 }
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\\"):
        // \Q…\E inside a class would hide a bracket.
        if next == UInt8(ascii: "Q") { return giveUp() }
        index += 1
      case UInt8(ascii: "["):
        // "[:alpha:]"; "[:" without ":]" is two characters to PCRE2.
        if next == UInt8(ascii: ":") {
          guard let close = bytes[index...].firstIndex(of: UInt8(ascii: "]")),
            bytes[close - 1] == UInt8(ascii: ":"), close - 1 > index
          else { return giveUp() }
          index = close + 1
        }
      case UInt8(ascii: "]"): return Demand(sets: [], exact: nil)
      default: break
      }
    }
    return giveUp()
  }

  /// After "(": plain, (?:…), (?<name>…), (?P<name>…), (?'name'…); others are not understood.
  private mutating func group(depth: Int) -> Demand {
    if next == UInt8(ascii: "*") { return giveUp() }
    if next == UInt8(ascii: "?") {
      index += 1
      if next == UInt8(ascii: "P") { index += 1 }
      switch next {
      case UInt8(ascii: ":"): index += 1
      case UInt8(ascii: "<"), UInt8(ascii: "'"):
        let close = next == UInt8(ascii: "<") ? UInt8(ascii: ">") : UInt8(ascii: "'")
        index += 1
        guard let first = next, first != UInt8(ascii: "="), first != UInt8(ascii: "!"),
          let end = bytes[index...].firstIndex(of: close)
        else { return giveUp() }
        index = end + 1
      default: return giveUp()
      }
    }
    let inside = alternatives(depth: depth + 1)
    guard isUnderstood, next == UInt8(ascii: ")") else { return giveUp() }
    index += 1
    return inside
  }
}
