// Hashes that are the same in every process and after every restart.

/// FNV-1a with a finishing step, so that all bits of the result depend on all of the input. It
/// spreads; it keeps nobody from choosing inputs that meet.
package enum BalancingHash {
  package static func of(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return mixed(hash)
  }

  /// What a member makes of a key.
  static func of(_ key: UInt64, with member: UInt64) -> UInt64 { mixed(key ^ mixed(member)) }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9e37_79b9_7f4a_7c15
    value = (value ^ value &>> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value &>> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value &>> 31
  }
}
