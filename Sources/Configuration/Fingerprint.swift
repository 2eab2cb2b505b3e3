// Stable 64-bit hashes of configuration: equal in every process, after every restart.

/// FNV-1a over canonical text, with a final mix. Not for hostile keys: only configuration goes in.
package struct Fingerprint: Sendable {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  /// Adds bytes and an end mark, so that "a","bc" differs from "ab","c".
  package mutating func mix(_ text: String) {
    for byte in text.utf8 { mixByte(byte) }
    mixByte(0xff)
  }

  package mutating func mix(_ bytes: [UInt8]) {
    for byte in bytes { mixByte(byte) }
    mixByte(0xff)
  }

  package mutating func mix(_ value: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      mixByte(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  private mutating func mixByte(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x100_0000_01b3
  }

  /// The hash of everything mixed in so far.
  package var value: UInt64 { Fingerprint.scramble(state) }

  /// The hash of some texts.
  package static func of(_ texts: String...) -> UInt64 {
    var fingerprint = Fingerprint()
    for text in texts { fingerprint.mix(text) }
    return fingerprint.value
  }

  /// Spreads every input bit over the output (the finalizer of splitmix64).
  static func scramble(_ value: UInt64) -> UInt64 {
    var value = value
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// A hash table from 64-bit keys to small numbers, flat and without Swift's seeded hashing: the
/// key is a hash already, or eight bytes of text.
struct HashIndex: Sendable {
  private var keys: [UInt64]
  /// -1: free.
  private var values: [Int32]
  private let mask: Int
  private(set) var count = 0

  /// Room for `capacity` keys.
  init(capacity: Int) {
    var size = 8
    while size < capacity * 2 { size *= 2 }
    keys = Array(repeating: 0, count: size)
    values = Array(repeating: -1, count: size)
    mask = size - 1
  }

  func find(_ key: UInt64) -> Int? {
    var slot = Int(truncatingIfNeeded: Fingerprint.scramble(key)) & mask
    while values[slot] >= 0 {
      if keys[slot] == key { return Int(values[slot]) }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Adds the key unless it is there; returns the number it stands for.
  @discardableResult
  mutating func insert(_ key: UInt64, _ value: Int) -> Int {
    precondition(count * 2 <= mask, "index is full")
    var slot = Int(truncatingIfNeeded: Fingerprint.scramble(key)) & mask
    while values[slot] >= 0 {
      if keys[slot] == key { return Int(values[slot]) }
      slot = (slot + 1) & mask
    }
    keys[slot] = key
    values[slot] = Int32(value)
    count += 1
    return value
  }
}

/// FNV-1a one byte at a time, for keys that are prefixes or suffixes of one string.
struct RollingHash {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

  static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var hash = RollingHash()
    for byte in bytes { hash.add(byte) }
    return hash.value
  }
}
