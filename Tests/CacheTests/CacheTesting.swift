// Bodies that say whose they are, so that every read can be checked.

import Platform
import Testing

@testable import Cache

/// Tests one after the other: those that fork give their children, for a moment, every descriptor
/// of this process, and with them the locks that segment tests take and leave.
@Suite(.serialized) enum CacheProcessTests {}

func key(_ number: Int) -> [UInt8] {
  [1, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0] + Array("example.org\0/page/\(number)".utf8)
}

/// Bytes that follow from the key's number, a version and the length.
func body(_ number: Int, version: Int, count: Int) -> [UInt8] {
  var state = UInt64(truncatingIfNeeded: number &* 2_654_435_761 &+ version &* 97 &+ 1)
  var bytes = [UInt8](repeating: 0, count: count)
  for index in bytes.indices {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
  }
  return bytes
}

func head(_ number: Int, version: Int) -> [UInt8] {
  Array("ETag: \"\(number).\(version)\"\r\n".utf8)
}

extension CacheStore {
  /// Fills and publishes a body; false when refused.
  @discardableResult
  func put(_ number: Int, version: Int = 0, count: Int, validated: UInt64 = 0) -> Bool {
    var facts = EntryFacts()
    facts.fingerprint = UInt64(number)
    facts.fileIdentity = UInt64(count)
    facts.checks = UInt32(version)
    guard let fill = begin(number, facts: facts, count: count, validated: validated) else {
      return false
    }
    guard write(body(number, version: version, count: count).rawSpan, at: 0, of: fill) else {
      abandon(fill)
      return false
    }
    return publish(fill)
  }

  func begin(
    _ number: Int, facts: EntryFacts = EntryFacts(), count: Int, validated: UInt64 = 0
  ) -> CacheFill? {
    let key = key(number)
    let head = head(number, version: Int(facts.checks))
    return beginFill(
      CacheEntryHead(
        key: key.rawSpan, hash: hash(key.rawSpan), facts: facts, head: head.rawSpan,
        validated: validated, asOf: generation), bodyByteCount: count)
  }

  func find(_ number: Int) -> CacheHit? {
    let key = key(number)
    return lookUp(key.rawSpan, hash: hash(key.rawSpan))
  }

  func bytes(_ hit: CacheHit) -> [UInt8] {
    (0..<extentCount(hit)).flatMap { index in
      let range = extent(hit, index)
      return region.copyOut(at: range.offset, count: range.count)
    }
  }

  /// Whether a hit's key, facts, head and every byte of its body belong to each other.
  func isRight(_ hit: CacheHit, _ number: Int) -> Bool {
    let facts = facts(hit)
    let keyRange = keyRange(hit)
    let headRange = headRange(hit)
    let version = Int(facts.checks)
    return facts.fingerprint == UInt64(number) && bodyByteCount(hit) == Int(facts.fileIdentity)
      && region.copyOut(at: keyRange.offset, count: keyRange.count) == key(number)
      && region.copyOut(at: headRange.offset, count: headRange.count)
        == head(number, version: version)
      && bytes(hit) == body(number, version: version, count: Int(facts.fileIdentity))
  }

  /// Lets every shard sweep, then says what is wrong.
  func settled() -> [String] {
    for _ in 0..<shardCount * 4 { _ = tidy() }
    return checkInvariants()
  }

  static func small(megabytes: Int = 8, attached: Int = 3) throws -> CacheStore {
    let store = try CacheStore.anonymous(byteCount: megabytes << 20)
    store.attach(processSlot: attached)
    return store
  }
}

/// Numbers that repeat from run to run.
struct Chance {
  var state: UInt64
  mutating func below(_ limit: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(truncatingIfNeeded: state >> 11) % limit
  }
}
