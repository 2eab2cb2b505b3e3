// What the store hands out: entries held, entries pinned, entries being filled.

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

/// All that a new entry has but its body.
package struct CacheEntryHead: ~Escapable {
  /// The key: at most 16 KiB; see `KeyShape` for its form.
  package var key: RawSpan
  /// `CacheStore.hash` of the key.
  package var hash: UInt64
  /// What tells this variant from others under the same key; part of the 16 KiB.
  package var selector: RawSpan
  /// Words by which the entry can be invalidated, each ended by a NUL; at most 4 KiB.
  package var labels: RawSpan
  package var facts: EntryFacts
  /// The prebuilt head: at most 32 KiB.
  package var head: RawSpan
  /// The first value of the moving word.
  package var validated: UInt64
  /// `CacheStore.generation` as it was before anything that the response depends on was looked at.
  package var asOf: UInt64

  @_lifetime(copy key, copy head)
  package init(
    key: RawSpan, hash: UInt64, facts: EntryFacts, head: RawSpan, validated: UInt64, asOf: UInt64
  ) {
    self.key = key
    self.hash = hash
    self.selector = RawSpan()
    self.labels = RawSpan()
    self.facts = facts
    self.head = head
    self.validated = validated
    self.asOf = asOf
  }
}
