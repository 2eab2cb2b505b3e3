// Host name to site, at a cost that does not grow with the number of sites.

import Platform

/// The names of the sites on one address, indexed. Exact names by hash, "*.example.com" by suffix,
/// patterns and other wildcards by a run of bytes that they require; the first in file order wins.
final class VirtualHostIndex: Sendable {
  struct Entry: Sendable {
    let site: Int
    let name: SiteName
  }

  struct Match {
    let entry: Entry
    /// The groups, if the entry is a pattern.
    let groups: [Range<Int>?]
  }

  /// What a look-up did, for tests and for the log.
  struct Trace {
    var patternExecutions = 0
    /// Text of a pattern that exceeded its match limit.
    var limitExceeded: String?
  }

  /// In file order: the site's order, then the order of its names.
  let entries: [Entry]
  private let names: [[UInt8]: Int]
  private let suffixes: HashIndex
  private let grams: GramIndex
  /// Entries that require nothing that could be indexed, ascending.
  private let unindexed: [Int]

  init(_ entries: [Entry]) {
    self.entries = entries
    var names: [[UInt8]: Int] = [:]
    var suffixes = HashIndex(capacity: entries.count)
    var unindexed: [Int] = []
    var requirements: [(order: Int, sets: [[[UInt8]]])] = []
    for (order, entry) in entries.enumerated() {
      switch entry.name.kind {
      case .exact(let name): if names[name] == nil { names[name] = order }
      case .wildcard(let pattern):
        if let suffix = VirtualHostIndex.suffix(of: pattern) {
          let first = suffixes.insert(RollingHash.of(suffix.reversed()), order)
          // Another suffix with the same hash: rare enough to be asked one by one.
          if case .wildcard(let other) = entries[first].name.kind, other != pattern {
            unindexed.append(order)
          }
        } else {
          let pieces = pattern.split { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
          requirements.append((order, pieces.map { [Array($0)] }))
        }
      case .pattern(let pattern): requirements.append((order, pattern.requiredLiterals))
      }
    }
    let (grams, rest) = GramIndex.build(requirements)
    self.names = names
    self.suffixes = suffixes
    self.grams = grams
    self.unindexed = (unindexed + rest).sorted()
  }

  /// The literal behind a single leading "*"; nil if the wildcard has another form.
  private static func suffix(of pattern: [UInt8]) -> [UInt8]? {
    guard pattern.first == UInt8(ascii: "*"), pattern.count > 1 else { return nil }
    let rest = pattern.dropFirst()
    return rest.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") } ? nil : Array(rest)
  }

  /// The first entry that matches a host: lower case, no port, no trailing dot.
  func lookUp(_ host: [UInt8], trace: inout Trace) -> Match? {
    var best = names[host] ?? .max
    best = min(best, firstSuffix(host))
    var candidates = grams.candidates(host, below: best)
    for order in unindexed {
      if order >= best { break }
      candidates.append(order)
    }
    if candidates.count > 1 { candidates.sort() }
    var previous = -1
    for order in candidates where order != previous {
      previous = order
      if let groups = test(entries[order].name, host, &trace) {
        return Match(entry: entries[order], groups: groups)
      }
    }
    return best == .max ? nil : Match(entry: entries[best], groups: [])
  }

  private func test(_ name: SiteName, _ host: [UInt8], _ trace: inout Trace) -> [Range<Int>?]? {
    guard case .pattern(let pattern) = name.kind else { return name.matches(host) ? [] : nil }
    trace.patternExecutions += 1
    switch pattern.match(host) {
    case .match(let match): return match.captures
    case .noMatch: return nil
    case .limitExceeded:
      trace.limitExceeded = pattern.text
      return nil
    }
  }

  /// The lowest entry of the form "*suffix" that matches; .max if none does.
  func firstSuffix(_ host: [UInt8]) -> Int {
    guard suffixes.count > 0 else { return .max }
    var best = Int.max
    var hash = RollingHash()
    for byte in host.reversed() {
      hash.add(byte)
      guard let order = suffixes.find(hash.value), order < best, entries[order].name.matches(host)
      else { continue }
      best = order
    }
    return best
  }
}

/// Runs of one to eight bytes to the entries that require them.
struct GramIndex: Sendable {
  private static let lengthMax = 8
  /// By length; the key is the run itself, packed; the value a place in `buckets`.
  private var tables: [HashIndex?] = Array(repeating: nil, count: lengthMax + 1)
  private var buckets: [[Int]] = []

  /// Each entry under the rarest run of its most telling set of literals; returns also the entries
  /// that require nothing.
  static func build(
    _ requirements: [(order: Int, sets: [[[UInt8]]])]
  ) -> (index: GramIndex, unindexed: [Int]) {
    var counts = Array(repeating: [UInt64: Int](), count: lengthMax + 1)
    for (_, sets) in requirements {
      for literal in sets.joined() {
        forEachGram(literal) { gram, length in counts[length][gram, default: 0] += 1 }
      }
    }
    var chosen: [(gram: UInt64, length: Int, order: Int)] = []
    var unindexed: [Int] = []
    for (order, sets) in requirements {
      let best = sets.filter { !$0.isEmpty && $0.allSatisfy { !$0.isEmpty } }
        .map { set in set.map { rarest($0, counts) } }
        .min { left, right in
          let costs = (left.reduce(0) { $0 + $1.count }, right.reduce(0) { $0 + $1.count })
          if costs.0 != costs.1 { return costs.0 < costs.1 }
          return (left.map(\.length).min() ?? 0) > (right.map(\.length).min() ?? 0)
        }
      guard let best else {
        unindexed.append(order)
        continue
      }
      for gram in best { chosen.append((gram.gram, gram.length, order)) }
    }
    return (GramIndex(chosen), unindexed)
  }

  private init(_ grams: [(gram: UInt64, length: Int, order: Int)]) {
    for (gram, length, order) in grams {
      if tables[length] == nil {
        tables[length] = HashIndex(capacity: grams.count { $0.length == length })
      }
      let bucket = tables[length]?.insert(gram, buckets.count) ?? 0
      if bucket == buckets.count { buckets.append([]) }
      buckets[bucket].append(order)
    }
  }

  private static func rarest(
    _ literal: [UInt8], _ counts: [[UInt64: Int]]
  ) -> (gram: UInt64, length: Int, count: Int) {
    var best: (gram: UInt64, length: Int, count: Int) = (0, 0, .max / 64)
    forEachGram(literal) { gram, length in
      let count = counts[length][gram] ?? 0
      if count < best.count { best = (gram, length, count) }
    }
    return best
  }

  /// Every run of min(8, its length) bytes in a literal.
  private static func forEachGram(_ literal: [UInt8], _ body: (UInt64, Int) -> Void) {
    let length = min(lengthMax, literal.count)
    guard length > 0 else { return }
    for start in 0...(literal.count - length) {
      body(literal[start..<(start + length)].reduce(0) { $0 << 8 | UInt64($1) }, length)
    }
  }

  /// Entries before `limit` that the host might match; unsorted, perhaps twice.
  func candidates(_ host: [UInt8], below limit: Int) -> [Int] {
    var found: [Int] = []
    for length in 1...GramIndex.lengthMax {
      guard let table = tables[length], host.count >= length else { continue }
      let mask = length == 8 ? UInt64.max : (1 << UInt64(8 * length)) - 1
      var gram: UInt64 = 0
      for (index, byte) in host.enumerated() {
        gram = (gram << 8 | UInt64(byte)) & mask
        guard index >= length - 1, let bucket = table.find(gram) else { continue }
        for order in buckets[bucket] {
          if order >= limit { break }
          found.append(order)
        }
      }
    }
    return found
  }
}
