// Invalidation without a search: generations, stamps, and what an entry is named by.
//
// Every name by which an entry can be invalidated (everything, its host, each directory of its
// path, its URL, its labels, its file) hashes to a stamp in a table. An invalidation writes the
// segment's generation into one stamp and raises the generation: constant time, whatever is stored.
// An entry keeps the generation as of which it is known to be good. A hit compares this with the
// segment's generation, one load; only when they differ, which is once per entry and invalidation
// of anything, are the entry's own stamps looked at. Two names may share a stamp: then an entry is
// looked at, or lost, without need.

import Platform

/// The form of a key, as far as the store must know it to find an entry's names in it: a version,
/// the scheme, the port (two bytes, big-endian), eight bytes of address class, the host, NUL, and
/// the target.
package enum KeyShape {
  /// Scheme and port.
  package static let authorityOffset = 1
  package static let authorityCount = 3
  package static let hostOffset = 12
}

/// What can be invalidated at once.
package enum CacheTarget: Equatable, Sendable {
  case everything
  /// All of a host, lower case, with any scheme and port.
  case host([UInt8])
  /// One resource with all its variants: canonical target, with its query if there is one.
  case resource(authority: [UInt8], host: [UInt8], target: [UInt8])
  /// All below a directory: its path ends with "/".
  case subtree(authority: [UInt8], host: [UInt8], path: [UInt8])
  /// Whatever has this label.
  case label([UInt8])
  /// Whatever was made from this file: `fileStamp` of its path.
  case file(UInt32)
  /// Whatever was made from any file.
  case files
}

/// What the stamps say of an entry.
package enum CacheStanding: Equatable, Sendable {
  case good
  /// Must be compared with its origin before use; may still be useful.
  case stale
  /// Invalid, or damaged: drop it.
  case gone
}

/// A hash over bytes one by one, so that each prefix of a path costs nothing extra. FNV-1a
/// (http://www.isthe.com/chongo/tech/comp/fnv/), finished by a multiplication.
private struct NameHash {
  private var state: UInt64

  init(_ kind: UInt8) { state = 0xcbf2_9ce4_8422_2325 ^ UInt64(kind) }

  mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x100_0000_01b3
  }
  mutating func add(_ bytes: [UInt8]) { for byte in bytes { add(byte) } }

  var value: UInt64 { KeyHash.fold(state ^ KeyHash.odd0, KeyHash.odd1) }

  static let host: UInt8 = 1
  static let directory: UInt8 = 2
  static let resource: UInt8 = 3
  static let label: UInt8 = 4
  static let file: UInt8 = 5
}

extension CacheStore {
  /// The segment's generation: raised by each invalidation. Acquire: stamps read after it are at
  /// least as new.
  @inlinable
  package var generation: UInt64 { region.loadAcquire64(at: HeaderLayout.generation) }

  /// The generation as of which a held entry is known to be good.
  func goodAsOf(_ hit: CacheHit) -> UInt64 {
    region.loadRelaxed64(at: hit.offset + EntryLayout.goodAsOf)
  }

  /// Whether an entry is known to be good now: the hit's one compare.
  @inlinable @inline(__always)
  package func isKnownGood(_ hit: CacheHit) -> Bool {
    region.loadRelaxed64(at: hit.offset &+ EntryLayout.goodAsOf) == generation
  }

  /// Looks at all stamps of a held entry, and notes it when they say good. Reads the body the first
  /// time after the segment was taken over, to check its sum. Takes time linear in the key.
  package func standing(_ hit: CacheHit) -> CacheStanding {
    let place = hit.offset + EntryLayout.goodAsOf
    // Acquire: the generation read after it is at least as new, unless memory was damaged.
    let good = region.loadAcquire64(at: place)
    let now = generation
    if good == now { return .good }
    if good > now {
      count(.damaged)
      return .gone
    }
    if good < region.load(at: HeaderLayout.takenOverAt, as: UInt64.self), !verifyBody(hit) {
      count(.damaged)
      return .gone
    }
    let (soft, hard) = newestStamps(hit.offset)
    if hard >= good { return .gone }
    if soft >= good { return .stale }
    // Only up: another process may have looked at a later generation.
    if now > good { _ = region.compareExchange64(at: place, expected: good, desired: now) }
    return .good
  }

  /// Notes that a held entry was compared with its origin and found right. `asOf`: the generation
  /// before that look.
  package func confirm(_ hit: CacheHit, asOf: UInt64) {
    let place = hit.offset + EntryLayout.goodAsOf
    let good = region.loadRelaxed64(at: place)
    if asOf > good { _ = region.compareExchange64(at: place, expected: good, desired: asOf) }
  }

  /// Invalidates what a name stands for. Effective for every process's next look-up when this
  /// returns; what is being filled from before will not be published. Needs no slot and no lock.
  ///
  /// - Parameter hard: never use it again. Otherwise it is stale: compared with its origin first.
  package func invalidate(_ target: CacheTarget, hard: Bool) {
    raiseStamp(place(of: target) + (hard ? StampLayout.hard : StampLayout.soft))
  }

  /// Lets no response be published that was begun before: for who is about to look through the
  /// entries one by one, which those would escape that come in behind the walk. They are served
  /// without being stored.
  package func refuseOlderFills() { raiseStamp(HeaderLayout.fillFloor) }

  private func raiseStamp(_ stamp: Int) {
    // An entry is affected when its generation is at most the stamp's. The exchange proves that the
    // generation was `now` from before the stamp was written until it was: so whoever missed the
    // stamp noted `now` or less, and looks again since the generation differs; whoever comes later
    // notes more. Dying before the exchange leaves a stamp that is at worst too new for some.
    var now: UInt64
    repeat {
      now = generation
      raise(stamp, to: now)
    } while !region.compareExchange64(
      at: HeaderLayout.generation, expected: now, desired: now + 1)
  }

  private func raise(_ place: Int, to value: UInt64) {
    var old = region.loadAcquire64(at: place)
    while old < value && !region.compareExchange64(at: place, expected: old, desired: value) {
      old = region.loadAcquire64(at: place)
    }
  }

  /// A name for a file's absolute path; never 0.
  package func fileStamp(_ path: RawSpan) -> UInt32 {
    let hash = hash(path)
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32) | 1
  }

  private func stampPlace(_ hash: UInt64) -> Int {
    geometry.stampsOffset + Int(truncatingIfNeeded: hash & UInt64(geometry.stampCount - 1))
      * StampLayout.byteTotal
  }

  private func place(of target: CacheTarget) -> Int {
    var hash: NameHash
    switch target {
    case .everything:
      return HeaderLayout.everything
    case .host(let host):
      hash = NameHash(NameHash.host)
      hash.add(host)
    case .resource(let authority, let host, let target):
      hash = NameHash(NameHash.resource)
      hash.add(authority + host + [0] + target)
    case .subtree(let authority, let host, let path):
      hash = NameHash(NameHash.directory)
      hash.add(authority + host + [0] + path)
    case .label(let label):
      hash = NameHash(NameHash.label)
      hash.add(label)
    case .file(let stamp):
      return filePlace(stamp)
    case .files:
      return HeaderLayout.files
    }
    return stampPlace(hash.value)
  }

  private func filePlace(_ stamp: UInt32) -> Int {
    stampPlace(KeyHash.fold(UInt64(stamp) ^ KeyHash.odd0, UInt64(NameHash.file) ^ KeyHash.odd1))
  }

  /// The newest of an entry's stamps.
  func newestStamps(_ entry: Int) -> (soft: UInt64, hard: UInt64) {
    let region = region
    var newest: (soft: UInt64, hard: UInt64) = (0, 0)
    func look(_ place: Int) {
      newest.soft = max(newest.soft, region.loadAcquire64(at: place + StampLayout.soft))
      newest.hard = max(newest.hard, region.loadAcquire64(at: place + StampLayout.hard))
    }
    look(HeaderLayout.everything)
    let fileStamp = facts(CacheHit(offset: entry)).fileStamp
    if fileStamp != 0 {
      look(HeaderLayout.files)
      look(filePlace(fileStamp))
    }
    let keyCount = Int(region.load(at: entry + EntryLayout.keyCount, as: UInt16.self))
    forEachName(in: region.span(at: keyOffset(entry), count: keyCount)) { look(stampPlace($0)) }
    let labels = labelRange(CacheHit(offset: entry))
    if labels.count > 0 {
      forEachLabel(in: region.span(at: labels.offset, count: labels.count)) {
        look(stampPlace($0))
      }
    }
    return newest
  }

  /// Hashes of host, directories and resource of a key.
  private func forEachName(in key: RawSpan, _ body: (UInt64) -> Void) {
    guard key.byteCount > KeyShape.hostOffset else { return }
    var host = NameHash(NameHash.host)
    var directory = NameHash(NameHash.directory)
    var resource = NameHash(NameHash.resource)
    for index in 0..<KeyShape.authorityCount {
      let byte = KeyHash.plainByte(key, KeyShape.authorityOffset + index)
      directory.add(byte)
      resource.add(byte)
    }
    var isInHost = true
    var isInPath = false
    for index in KeyShape.hostOffset..<key.byteCount {
      let byte = KeyHash.plainByte(key, index)
      directory.add(byte)
      resource.add(byte)
      if isInHost {
        guard byte == 0 else {
          host.add(byte)
          continue
        }
        body(host.value)
        isInHost = false
        isInPath = true
      } else if byte == UInt8(ascii: "?") {
        isInPath = false
      } else if isInPath && byte == UInt8(ascii: "/") {
        body(directory.value)
      }
    }
    body(resource.value)
  }

  private func forEachLabel(in labels: RawSpan, _ body: (UInt64) -> Void) {
    var hash = NameHash(NameHash.label)
    for index in 0..<labels.byteCount {
      let byte = KeyHash.plainByte(labels, index)
      if byte == 0 {
        body(hash.value)
        hash = NameHash(NameHash.label)
      } else {
        hash.add(byte)
      }
    }
  }
}
