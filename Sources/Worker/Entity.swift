// A representation: its fields, its validators, and where its bytes are.

import Cache
import HTTP
import Platform

/// The fields of a stored or storable representation, in the two parts that responses need: 304
/// takes only the first, 206 both without the length (RFC 9110 §15.3.7, §15.4.5).
struct EntityHead {
  /// Cache-Status of a file that is sent from the cache: stored with its head, so it costs a hit
  /// nothing but its bytes. Empty: none.
  var statusLine: [UInt8] = []
  /// ETag, Last-Modified, Cache-Control, Vary and configured fields, each with its line end.
  var commonLines: [UInt8] = []
  /// Content-Type, Content-Encoding, Accept-Ranges.
  var contentLines: [UInt8] = []
  var contentType: [UInt8] = []
  var entityTag: [UInt8] = []
  /// Seconds since 1970; -1 for none.
  var lastModifiedSeconds: Int64 = -1
  /// -1 for none: Expires is this long after each access.
  var expiresAccessSeconds: Int32 = -1
  /// Of this representation, and those that there are or could be of the same file.
  var coding = ContentCoding.identity
  var variantsAvailable: ContentCodings = []

  /// Its bytes are not in a file, but made of it.
  var isMadeHere: Bool { coding != .identity && variantsAvailable.isSuperset(of: .madeHere) }

  /// The value of Content-Encoding; empty for none.
  var contentCoding: [UInt8] { EntityHead.value(of: "Content-Encoding", in: contentLines) }

  static let cacheStatusName = "Cache-Status"

  /// The value of a field among lines that were built here; empty if it is not there.
  static func value(of name: String, in lines: [UInt8]) -> [UInt8] {
    let start = Array("\(name): ".utf8)
    var rest = lines[...]
    while !rest.isEmpty {
      let line = rest.prefix { $0 != 0x0d }
      if line.starts(with: start) { return Array(line.dropFirst(start.count)) }
      rest = rest.dropFirst(line.count + 2)
    }
    return []
  }

  /// As it is stored: all lines, Content-Length, the empty line.
  func storedBytes(byteCount: Int64) -> [UInt8] {
    statusLine + commonLines + contentLines + EntityHead.lengthLine(byteCount) + [0x0d, 0x0a]
  }

  /// Where `value` stands in `lines`; nil if it does not or is empty.
  static func offset(of value: [UInt8], in lines: [UInt8]) -> Int? {
    guard !value.isEmpty, lines.count >= value.count else { return nil }
    return (0...lines.count - value.count).first { lines[$0...].starts(with: value) }
  }

  static func lengthLine(_ byteCount: Int64) -> [UInt8] {
    Array("Content-Length: \(byteCount)\r\n".utf8)
  }
}

/// A whole representation.
struct Entity {
  enum Source {
    case cached(CacheHit)
    case file(OpenFile)
    case buffer(ByteBuffer)
  }

  var head: EntityHead
  var byteCount: Int64
  var source: Source
  var status: UInt16 = 200
  var site: Int
  var outcome: CacheOutcome
  /// Date, Age and Cache-Status of an application's response; empty: it is made now.
  var ageLines: [UInt8] = []
  /// Cache-Status alone, for an error that is answered from it.
  var cacheStatus: [UInt8] = []

  init(
    head: EntityHead, byteCount: Int64, source: Source, status: UInt16 = 200, site: Int,
    outcome: CacheOutcome
  ) {
    self.head = head
    self.byteCount = byteCount
    self.source = source
    self.status = status
    self.site = site
    self.outcome = outcome
  }

  /// A cached response taken apart again: for conditional and range requests.
  init(_ chosen: ChosenEntry, in cache: CacheStore) {
    let range = cache.headRange(chosen.hit)
    let bytes = cache.region.copyOut(at: range.offset, count: range.count)
    let facts = chosen.facts
    let commonCount = min(Int(facts.commonHeadCount), bytes.count)
    let contentEnd = max(commonCount, min(Int(facts.contentHeadCount), bytes.count))
    var head = EntityHead()
    head.commonLines = Array(bytes[..<commonCount])
    head.contentLines = Array(bytes[commonCount..<contentEnd])
    head.contentType = EntityHead.value(of: "Content-Type", in: head.contentLines)
    let tagEnd = Int(facts.etagOffset) + Int(facts.etagCount)
    if tagEnd <= bytes.count { head.entityTag = Array(bytes[Int(facts.etagOffset)..<tagEnd]) }
    head.lastModifiedSeconds =
      facts.lastModifiedSeconds == 0 ? -1 : Int64(facts.lastModifiedSeconds)
    head.expiresAccessSeconds = facts.expiresAccessSeconds
    self.init(
      head: head, byteCount: Int64(cache.bodyByteCount(chosen.hit)), source: .cached(chosen.hit),
      site: chosen.site, outcome: chosen.outcome)
  }
}
