// What the store hands out: entries held, entries pinned, entries being filled, counts.

import Platform

/// An entry that a look-up found. Valid until the same process's next `lookUp`, `follow` or
/// `release`; a pin made from it lives longer.
package struct CacheHit: BitwiseCopyable, Equatable, Sendable {
  /// Bytes from the region's start.
  @usableFromInline let offset: Int

  @inlinable
  init(offset: Int) { self.offset = offset }
}

/// An entry held beyond `release`, for a send that could not finish. Ends by `unpin`, or with the
/// process.
package struct CachePin: BitwiseCopyable, Equatable, Sendable {
  /// The pinned entry: usable as a hit until `unpin`.
  package let hit: CacheHit
  /// Its place in the process's ledger.
  let ledgerIndex: Int
}

/// An entry that this process is filling: ends by `publish` or `abandon`, or with the process.
package struct CacheFill: BitwiseCopyable, Equatable, Sendable {
  /// The entry that will be: extents and facts can be read as of a hit.
  package let hit: CacheHit
  /// Its place among the process's fills.
  let recordIndex: Int
}

/// Counts for operators. Sums over shards and processes, read without a lock: each is exact for
/// some recent moment, together they may be of slightly different moments.
package struct CacheStatistics: Equatable, Sendable {
  /// Size of the shared-memory object.
  package var segmentBytes = 0
  /// Where entries can lie.
  package var arenaBytes = 0
  package var usedBytes = 0
  package var freeBytes = 0
  /// Held for unfinished sends.
  package var pinnedBytes = 0
  /// Found by look-ups now: aliases included.
  package var entries = 0
  package var aliases = 0
  /// Unlinked, but still held by a reader.
  package var retired = 0
  /// Since the segment was made:
  package var fills = 0
  package var publishes = 0
  package var evictions = 0
  package var drops = 0
  /// Fills and publishes given up because another process held the shard.
  package var refusedBusy = 0
  /// Fills refused because no room could be made in a bounded number of steps.
  package var refusedFull = 0
  package var pinsRefused = 0
  /// Shards rebuilt after a process died inside one.
  package var recoveries = 0
  /// Entries dropped at take-over or repair since their checksum or shape was wrong.
  package var damaged = 0

  package init() {}
}
