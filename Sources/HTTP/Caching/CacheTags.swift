// The names under which an application can invalidate what it sent: tags and groups.

/// Tags of `Surrogate-Key` and `Cache-Tag`, and groups of Cache-Groups (RFC 9875). A tag begins
/// with "t:", a group with "g:", so that neither can be taken for the other; case counts. Tags are
/// the site's, groups are the origin's: whoever keeps them adds site or origin.
package enum CacheTags {
  /// A response with more is not stored: it could not be invalidated by those left out.
  package static let countMax = 1000
  package static let byteCountMax = 1024
  package static let totalBytesMax = 32 * 1024

  /// All of a response, sorted, each once; nil if they are too many or too long.
  package static func all(_ fields: CachingFields) -> [[UInt8]]? {
    var collector = Collector()
    for line in fields.surrogateKey {
      for tag in line.split(whereSeparator: ASCII.isBlank) { collector.add("t:", tag) }
    }
    for line in fields.cacheTag {
      for tag in line.split(separator: ASCII.comma) { collector.add("t:", tag.trimmingBlanks()) }
    }
    for group in strings(fields.cacheGroups) { collector.add("g:", group[...]) }
    return collector.result()
  }

  /// The groups of Cache-Group-Invalidation in the form of `all`; empty for a safe method (RFC 9875
  /// §3: it must be ignored there).
  package static func invalidatedGroups(_ fields: CachingFields, method: Method) -> [[UInt8]] {
    guard !method.isSafe else { return [] }
    var collector = Collector()
    for group in strings(fields.cacheGroupInvalidation) { collector.add("g:", group[...]) }
    // Too many: those that fit; the caller may not refuse a response that is already made.
    return collector.result() ?? collector.sorted()
  }

  /// A tag as people and purging requests write it, in the form of `all`.
  package static func tag(_ name: [UInt8]) -> [UInt8] { [UInt8]("t:".utf8) + name }

  /// A list of strings (RFC 9875 §2); a malformed list, or one with anything else in it, is empty.
  private static func strings(_ lines: [[UInt8]]) -> [[UInt8]] {
    guard !lines.isEmpty, let members = StructuredFields.list(lines) else { return [] }
    var strings: [[UInt8]] = []
    for member in members {
      guard case .item(let item) = member, case .string(let text) = item.value else { return [] }
      strings.append(text)
    }
    return strings
  }

  private struct Collector {
    private var tags: [[UInt8]] = []
    private var totalBytes = 0
    private var isOver = false

    mutating func add(_ space: String, _ name: ArraySlice<UInt8>) {
      guard !name.isEmpty else { return }
      totalBytes += name.count
      guard name.count <= byteCountMax, totalBytes <= totalBytesMax, tags.count < countMax else {
        isOver = true
        return
      }
      tags.append([UInt8](space.utf8) + name)
    }

    func result() -> [[UInt8]]? { isOver ? nil : sorted() }

    func sorted() -> [[UInt8]] { tags.sortedAndUnique() }
  }
}

extension ArraySlice<UInt8> {
  /// Without blanks at both ends.
  func trimmingBlanks() -> ArraySlice<UInt8> {
    var slice = self
    while let first = slice.first, ASCII.isBlank(first) { slice.removeFirst() }
    while let last = slice.last, ASCII.isBlank(last) { slice.removeLast() }
    return slice
  }
}

extension [[UInt8]] {
  /// Bytewise order, each once.
  func sortedAndUnique() -> [[UInt8]] {
    var result: [[UInt8]] = []
    for element in sorted(by: { $0.lexicographicallyPrecedes($1) }) where element != result.last {
      result.append(element)
    }
    return result
  }
}
