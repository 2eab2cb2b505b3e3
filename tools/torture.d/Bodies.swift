// What the labourers store: keys, and bodies of which each byte says whose it is.

import Cache
import Platform

/// Numbers that repeat from run to run.
struct Chance {
  var state: UInt64

  /// Any seed will do.
  init(seed: UInt64) {
    state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    for _ in 0..<8 { _ = below(2) }
  }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_f491_4f6c_dd1d
  }

  mutating func below(_ limit: Int) -> Int { Int(truncatingIfNeeded: next() >> 33) % limit }

  /// Between `least` and `most`, each power of two as likely as the next.
  mutating func spread(_ least: Int, _ most: Int) -> Int {
    var octaves = 1
    while least << octaves < most { octaves += 1 }
    let start = least << below(octaves)
    return min(start + below(start), most)
  }
}

/// What a key may be, and by which names it can be invalidated.
struct Page: Equatable {
  let number: Int

  static let count = 1500
  /// A few that are asked for most.
  static let hotCount = 48
  /// The page with more variants than a key may have.
  static let manyVariants = 5
  static let hostCount = 4
  static let directoryCount = 12
  static let labelCount = 7
  static let fileCount = 64
  static let authority: [UInt8] = [1, 0, 80]

  var host: [UInt8] { Page.hostName(number % Page.hostCount) }
  var directory: Int { number % Page.directoryCount }
  var label: Int { number % Page.labelCount }
  var file: Int { number % Page.fileCount }
  var variantCount: Int { number == Page.manyVariants ? 40 : number % 3 == 0 ? 3 : 1 }
  var path: [UInt8] { Page.directoryPath(directory) + Array("page\(number).html".utf8) }
  /// As a worker's: version, scheme, port, address class, host, NUL, path.
  var key: [UInt8] { Page.keyPrefix + host + [0] + path }
  var labels: [UInt8] { number % 2 == 0 ? [] : Page.labelName(label) + [0] + Array("odd\0".utf8) }

  static let keyPrefix: [UInt8] = [1, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0]
  static func hostName(_ index: Int) -> [UInt8] { Array("h\(index).example".utf8) }
  static func directoryPath(_ index: Int) -> [UInt8] { Array("/all/d\(index)/".utf8) }
  static func labelName(_ index: Int) -> [UInt8] { Array("label\(index)".utf8) }
  static func filePath(_ index: Int) -> [UInt8] { Array("/srv/file\(index)".utf8) }

  /// What tells a variant from others of the page; the first has none.
  static func selector(_ variant: Int) -> [UInt8] { variant == 0 ? [] : [UInt8(variant)] }

  /// Another spelling of the key; there are `spellingCount` for each page.
  func spelling(_ index: Int) -> [UInt8] {
    Page.keyPrefix + host + [0] + Array("/x\(index)/..".utf8) + path
  }
  static let spellingCount = 3

  /// The key under which there is nothing.
  var absentKey: [UInt8] { Page.keyPrefix + host + [0] + path + Array("/none".utf8) }
}

/// What an entry of a page is to consist of.
struct Edition: Equatable {
  var number: Int
  var variant: Int
  /// Drawn from one counter for all processes: newer is higher.
  var version: UInt32
  var byteCount: Int

  static let blockBytes = 512

  var head: [UInt8] { Array("ETag: \"\(number).\(variant).\(version)\"\r\n".utf8) }

  /// All that a body's blocks have in common: bytes that follow from page, variant, version and
  /// length. Each block begins with its own number, so that none can stand in another's place.
  var block: [UInt8] {
    var state =
      UInt64(version) << 32 ^ UInt64(number) << 48 ^ UInt64(variant) << 56 ^ UInt64(byteCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Edition.blockBytes)
    for _ in 0..<Edition.blockBytes / 8 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let word = state ^ state >> 29
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift * 8))) }
    }
    let says = [UInt32(number), UInt32(variant), version, UInt32(byteCount)]
    for (index, word) in says.enumerated() {
      for shift in 0..<4 {
        bytes[4 + index * 4 + shift] = UInt8(truncatingIfNeeded: word >> UInt32(shift * 8))
      }
    }
    return bytes
  }

  /// Writes a block's number into it.
  static func number(_ block: inout [UInt8], _ index: Int) {
    for shift in 0..<4 { block[shift] = UInt8(truncatingIfNeeded: index >> (shift * 8)) }
  }
}

extension CacheStore {
  /// Whether a held entry is wholly what its facts, and its key, say: each byte is looked at.
  func isRight(_ hit: CacheHit, _ page: Page) -> Bool {
    let edition = claimedEdition(hit)
    guard edition.number == page.number, edition.variant < page.variantCount else { return false }
    let selector = Page.selector(edition.variant)
    return equal(keyRange(hit), page.key) && equal(selectorRange(hit), selector)
      && equal(labelRange(hit), page.labels) && equal(headRange(hit), edition.head)
      && hasBody(hit, edition)
  }

  /// What an entry's facts say that it is.
  func claimedEdition(_ hit: CacheHit) -> Edition {
    let facts = facts(hit)
    return Edition(
      number: Int(facts.fingerprint & 0xffff_ffff), variant: Int(facts.fingerprint >> 32),
      version: facts.checks, byteCount: bodyByteCount(hit))
  }

  private func equal(_ range: RegionRange, _ bytes: [UInt8]) -> Bool {
    range.count == bytes.count && region.equal(at: range.offset, to: bytes.rawSpan)
  }

  private func hasBody(_ hit: CacheHit, _ edition: Edition) -> Bool {
    var block = edition.block
    var position = 0
    for index in 0..<extentCount(hit) {
      let range = extent(hit, index)
      var done = 0
      while done < range.count {
        let from = position % Edition.blockBytes
        let count = min(Edition.blockBytes - from, range.count - done)
        Edition.number(&block, position / Edition.blockBytes)
        guard
          region.equal(
            at: range.offset + done, to: block.rawSpan.extracting(from..<from + count))
        else { return false }
        done += count
        position += count
      }
    }
    return position == edition.byteCount
  }
}
