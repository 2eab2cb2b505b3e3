// What has left lately: fingerprints of keys, and how often each was used.

import Platform

/// A bucket: 16 words of 28 bits of fingerprint and 4 bits of uses, newest first; 0 is empty.
enum GhostLayout {
  static let bucketBytes = 64
  static let wordCount = 16
  static let usesMask: UInt32 = 15
}

extension CacheStore {
  private func ghostBucket(_ shard: CacheShard, _ hash: UInt64) -> Int {
    let number =
      Int(truncatingIfNeeded: hash >> geometry.shardBits) & (geometry.ghostBucketCount - 1)
    return shard.start + geometry.ghostOffset + number * GhostLayout.bucketBytes
  }

  /// The hash's upper 28 bits: what chooses shard and bucket are lower ones.
  private func fingerprint(_ hash: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: hash >> 32) & ~GhostLayout.usesMask
  }

  private func ghost(_ bucket: Int, _ index: Int) -> UInt32 {
    region.load(at: bucket + index * 4, as: UInt32.self)
  }

  /// Remembers a key, 1 to 15 uses, as the newest of its bucket; the oldest is forgotten.
  func putGhost(_ shard: CacheShard, _ hash: UInt64, _ uses: Int) {
    let bucket = ghostBucket(shard, hash)
    let name = fingerprint(hash)
    var carried = name | UInt32(uses)
    for index in 0..<GhostLayout.wordCount {
      let found = ghost(bucket, index)
      region.store(carried, at: bucket + index * 4)
      if found == 0 || found & ~GhostLayout.usesMask == name { return }
      carried = found
    }
  }

  /// The uses of a remembered key, which is forgotten; nil for any other.
  func takeGhost(_ shard: CacheShard, _ hash: UInt64) -> Int? {
    let bucket = ghostBucket(shard, hash)
    let name = fingerprint(hash)
    for index in 0..<GhostLayout.wordCount {
      let found = ghost(bucket, index)
      if found == 0 { return nil }
      guard found & ~GhostLayout.usesMask == name else { continue }
      for later in index..<GhostLayout.wordCount - 1 {
        region.store(ghost(bucket, later + 1), at: bucket + later * 4)
      }
      region.store(UInt32(0), at: bucket + (GhostLayout.wordCount - 1) * 4)
      return Int(found & GhostLayout.usesMask)
    }
    return nil
  }
}
