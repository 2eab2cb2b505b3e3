// <Directory>, <Files> and <Location>: which of them apply to a path, in httpd's merge order.

import Platform

/// How a section names its paths.
enum SectionMatcher: Sendable {
  case literal([UInt8])
  /// With "*", "?" or "[…]".
  case wildcard([UInt8])
  case pattern(Pattern)
}

/// One section with what it says.
final class Section: Sendable {
  let matcher: SectionMatcher
  let layer: SettingsLayer
  /// <Files> and <FilesMatch> inside.
  let files: [Section]
  /// "<Directory \"/srv\">"
  let title: String
  /// "file:line:column"; empty for what is built in.
  let place: String
  /// Components of a <Directory>'s path; the root has none.
  let componentCount: Int

  init(
    matcher: SectionMatcher, layer: SettingsLayer, files: [Section] = [], title: String,
    place: String, componentCount: Int = 0
  ) {
    self.matcher = matcher
    self.layer = layer
    self.files = files
    self.title = title
    self.place = place
    self.componentCount = componentCount
  }

  func mix(into fingerprint: inout Fingerprint) {
    fingerprint.mix(title)
    fingerprint.mix(layer.fingerprint)
    for file in files { file.mix(into: &fingerprint) }
    fingerprint.mix("end")
  }

  /// Runs a pattern section and records its named groups.
  func matchesPattern(
    _ pattern: Pattern, _ subject: [UInt8], captures: inout Captures, limitExceeded: inout String?
  ) -> Bool {
    switch pattern.match(subject) {
    case .match(let match):
      for name in pattern.names where name.group < match.captures.count {
        guard let range = match.captures[name.group] else { continue }
        captures.set(Captures.environmentName(ofGroup: name.name), Array(subject[range]))
      }
      return true
    case .noMatch: return false
    case .limitExceeded:
      limitExceeded = pattern.text
      return false
    }
  }
}

/// All sections of the main server or of one virtual host.
final class SectionTable: Sendable {
  /// <Directory> without pattern: fewest components first, then file order.
  let directories: [Section]
  /// <DirectoryMatch> and <Directory ~>, file order.
  let directoryMatches: [Section]
  let files: [Section]
  let locations: [Section]
  /// No section here is about files or directories.
  let isSilentOnFiles: Bool
  /// Of all titles and contents, in order.
  let fingerprint: UInt64
  /// Hash of a literal directory path to the first of its sections; `nextEqual` leads to others.
  private let literalDirectories: HashIndex
  private let nextEqual: [Int]
  private let wildcardDirectories: [Int]

  static let empty = SectionTable(directories: [], directoryMatches: [], files: [], locations: [])

  init(
    directories: [Section], directoryMatches: [Section], files: [Section], locations: [Section]
  ) {
    let sorted = directories.enumerated().sorted {
      ($0.element.componentCount, $0.offset) < ($1.element.componentCount, $1.offset)
    }.map(\.element)
    var index = HashIndex(capacity: sorted.count)
    var next = Array(repeating: -1, count: sorted.count)
    var wildcards: [Int] = []
    // Backwards, so that each chain runs in order.
    for (order, section) in sorted.enumerated() {
      guard case .literal(let path) = section.matcher else {
        wildcards.append(order)
        continue
      }
      var last = index.insert(RollingHash.of(path), order)
      if last == order { continue }
      while next[last] >= 0 { last = next[last] }
      next[last] = order
    }
    self.directories = sorted
    self.directoryMatches = directoryMatches
    self.files = files
    self.locations = locations
    isSilentOnFiles = directories.isEmpty && directoryMatches.isEmpty && files.isEmpty
    var fingerprint = Fingerprint()
    for section in sorted + directoryMatches + files + locations { section.mix(into: &fingerprint) }
    self.fingerprint = fingerprint.value
    literalDirectories = index
    nextEqual = next
    wildcardDirectories = wildcards
  }

  /// Places in `directories` of the sections that hold for a file path or a directory above it,
  /// ascending.
  func directories(above path: [UInt8]) -> [Int] {
    if directories.isEmpty { return [] }
    var found: [Int] = []
    var hash = RollingHash()
    func collect(_ end: Int, _ hash: UInt64) {
      var place = literalDirectories.find(hash) ?? -1
      while place >= 0 {
        if case .literal(let directory) = directories[place].matcher,
          path[..<end].elementsEqual(directory)
        {
          found.append(place)
        }
        place = nextEqual[place]
      }
    }
    for (index, byte) in path.enumerated() {
      if byte == slash, index > 0 { collect(index, hash.value) }
      hash.add(byte)
      if index == 0 { collect(1, hash.value) }
    }
    if path.count > 1, path.last != slash { collect(path.count, hash.value) }
    for place in wildcardDirectories {
      guard case .wildcard(let pattern) = directories[place].matcher,
        let end = SectionTable.end(ofComponents: directories[place].componentCount, in: path),
        Wildcard.matches(pattern, path[..<end], separatesSegments: true)
      else { continue }
      found.append(place)
    }
    return wildcardDirectories.isEmpty ? found : found.sorted()
  }

  /// Where the n-th component of an absolute path ends; nil if it has fewer.
  private static func end(ofComponents count: Int, in path: [UInt8]) -> Int? {
    var seen = 0
    for index in path.indices.dropFirst() where path[index] == slash || index == path.count - 1 {
      let isEnd = path[index] != slash
      seen += 1
      if seen == count { return isEnd ? index + 1 : index }
    }
    return nil
  }
}

/// Shell wildcards as apr_fnmatch(3) reads them.
enum Wildcard {
  static func isWildcard(_ text: String) -> Bool {
    text.utf8.contains { $0 == 42 || $0 == 63 || $0 == 91 }
  }

  /// `separatesSegments`: no wildcard matches "/" (APR_FNM_PATHNAME). `knowsSets`: "[a-z]" and
  /// backslash are special; host names know only "*" and "?".
  static func matches(
    _ pattern: [UInt8], _ text: ArraySlice<UInt8>, separatesSegments: Bool, knowsSets: Bool = true
  ) -> Bool {
    var patternIndex = 0
    var textIndex = text.startIndex
    // Where to go on after the last star took one byte more. Earlier stars need no second chance:
    // a star never crosses a segment, and within one the last star is enough.
    var star: (pattern: Int, text: Int)?
    while textIndex < text.endIndex {
      let byte = text[textIndex]
      if patternIndex < pattern.count, pattern[patternIndex] == UInt8(ascii: "*") {
        patternIndex += 1
        star = (patternIndex, textIndex)
        continue
      }
      if let next = one(
        pattern, patternIndex, byte, separatesSegments: separatesSegments, knowsSets: knowsSets)
      {
        patternIndex = next
        textIndex += 1
        continue
      }
      guard let last = star, !(separatesSegments && text[last.text] == slash) else { return false }
      star = (last.pattern, last.text + 1)
      patternIndex = last.pattern
      textIndex = last.text + 1
    }
    return pattern[patternIndex...].allSatisfy { $0 == UInt8(ascii: "*") }
  }

  /// The index behind one pattern element if it matches the byte.
  private static func one(
    _ pattern: [UInt8], _ index: Int, _ byte: UInt8, separatesSegments: Bool, knowsSets: Bool
  ) -> Int? {
    guard index < pattern.count else { return nil }
    let isSlash = separatesSegments && byte == slash
    switch pattern[index] {
    case UInt8(ascii: "?"): return isSlash ? nil : index + 1
    case UInt8(ascii: "\\") where knowsSets && index + 1 < pattern.count:
      return pattern[index + 1] == byte ? index + 2 : nil
    case UInt8(ascii: "[") where knowsSets:
      guard let (isMember, end) = set(pattern, index, byte) else {
        return byte == UInt8(ascii: "[") ? index + 1 : nil
      }
      return isMember && !isSlash ? end : nil
    default: return pattern[index] == byte ? index + 1 : nil
    }
  }

  /// Reads "[a-z]" or "[!a-z]"; nil if it is not closed.
  private static func set(
    _ pattern: [UInt8], _ start: Int, _ byte: UInt8
  ) -> (isMember: Bool, end: Int)? {
    var index = start + 1
    var isNegated = false
    if index < pattern.count, pattern[index] == 33 || pattern[index] == 94 {
      isNegated = true
      index += 1
    }
    var isMember = false
    var isFirst = true
    while index < pattern.count {
      let low = pattern[index]
      if low == UInt8(ascii: "]"), !isFirst { return (isMember != isNegated, index + 1) }
      isFirst = false
      if index + 2 < pattern.count, pattern[index + 1] == UInt8(ascii: "-"),
        pattern[index + 2] != UInt8(ascii: "]")
      {
        if low <= byte, byte <= pattern[index + 2] { isMember = true }
        index += 3
      } else {
        if low == byte { isMember = true }
        index += 1
      }
    }
    return nil
  }
}
