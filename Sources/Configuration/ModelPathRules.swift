// Alias, Redirect, ProxyPass: paths to files, URLs or members; the first rule in order wins.

import HTTP
import Platform

/// One `Alias`, `AliasMatch`, `Redirect`, `RedirectMatch`, `ProxyPass` or `ProxyPassMatch`.
final class PathRule: Sendable {
  enum Source: Sendable {
    /// A URL path with runs of "/" collapsed; it matches at segment boundaries.
    case prefix([UInt8])
    case pattern(Pattern)
  }

  let source: Source
  /// nil for a redirect without a target (410 and the like).
  let target: Template?
  /// 0 for an alias and a proxy.
  let status: Int
  /// "file:line:column"
  let place: String
  /// The directive in canonical form.
  let line: String
  /// nil unless it is a `ProxyPass` or `ProxyPassMatch`.
  let proxy: Shared<ProxyPass>?

  init(
    source: Source, target: Template?, status: Int, place: String, line: String,
    proxy: ProxyPass? = nil
  ) {
    self.source = source
    self.target = target
    self.status = status
    self.place = place
    self.line = line
    self.proxy = proxy.map { Shared($0) }
  }

  /// What remains of the path, or the groups; nil: no match.
  func match(_ path: [UInt8], limitExceeded: inout String?) -> PathRuleMatch? {
    switch source {
    case .prefix(let prefix):
      guard PathRule.isPrefix(prefix, of: path) else { return nil }
      return PathRuleMatch(rule: self, restStart: prefix.count, groups: [])
    case .pattern(let pattern):
      switch pattern.match(path) {
      case .match(let match):
        return PathRuleMatch(rule: self, restStart: path.count, groups: match.captures)
      case .noMatch: return nil
      case .limitExceeded:
        limitExceeded = pattern.text
        return nil
      }
    }
  }

  /// "/x" holds for "/x" and "/x/y" but not "/xy"; "/x/" only for what starts with "/x/".
  static func isPrefix(_ prefix: [UInt8], of path: [UInt8]) -> Bool {
    guard path.count >= prefix.count,
      Scan.equal(path.rawSpan.extracting(first: prefix.count), prefix.rawSpan)
    else { return false }
    return path.count == prefix.count || prefix.last == slash || path[prefix.count] == slash
  }
}

let slash = UInt8(ascii: "/")

struct PathRuleMatch {
  let rule: PathRule
  /// Where the rest of the path starts, for a prefix rule.
  let restStart: Int
  let groups: [Range<Int>?]
}

/// Rules in file order with the literal prefixes indexed, so that thousands cost no more than ten.
final class PathRuleTable: Sendable {
  let rules: [PathRule]
  let fingerprint: UInt64
  /// Hash of a prefix to the first rule that has it.
  private let prefixes: HashIndex
  private let patterns: [Int]

  static let empty = PathRuleTable([])
  private static let fewCount = 4

  init(_ rules: [PathRule]) {
    self.rules = rules
    var prefixes = HashIndex(capacity: rules.count)
    var patterns: [Int] = []
    for (order, rule) in rules.enumerated() {
      switch rule.source {
      case .prefix(let prefix): prefixes.insert(RollingHash.of(prefix), order)
      case .pattern: patterns.append(order)
      }
    }
    var fingerprint = Fingerprint()
    for rule in rules { fingerprint.mix(rule.line) }
    self.fingerprint = fingerprint.value
    self.prefixes = prefixes
    self.patterns = patterns
  }

  /// The first rule in order that matches.
  func first(_ path: [UInt8], limitExceeded: inout String?) -> PathRuleMatch? {
    let best = firstPrefix(path)
    for order in patterns {
      if let best, best < order { break }
      if let match = rules[order].match(path, limitExceeded: &limitExceeded) {
        return match
      }
    }
    guard let best, case .prefix(let prefix) = rules[best].source else { return nil }
    return PathRuleMatch(rule: rules[best], restStart: prefix.count, groups: [])
  }

  /// Probes every prefix of the path that ends at a segment boundary, with and without its slash.
  private func firstPrefix(_ path: [UInt8]) -> Int? {
    guard prefixes.count > 0 else { return nil }
    // A few are compared sooner than found.
    if rules.count <= PathRuleTable.fewCount {
      return rules.firstIndex { rule in
        guard case .prefix(let prefix) = rule.source else { return false }
        return PathRule.isPrefix(prefix, of: path)
      }
    }
    var best: Int?
    var hash = RollingHash()
    func probe(_ hash: UInt64) {
      guard let order = prefixes.find(hash), order < best ?? .max,
        case .prefix(let prefix) = rules[order].source, PathRule.isPrefix(prefix, of: path)
      else { return }
      best = order
    }
    for byte in path {
      if byte == slash { probe(hash.value) }
      hash.add(byte)
      if byte == slash { probe(hash.value) }
    }
    probe(hash.value)
    return best
  }
}
