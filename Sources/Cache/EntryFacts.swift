// What an entry says about its response beside head and body.

import Platform

/// What an entry is.
package enum EntryKind: UInt8, Sendable {
  /// A response: head and body.
  case content = 0
  /// Another spelling of a key; its body is the canonical key (DESIGN 3.5).
  case alias = 1
  /// A small response that says that there is nothing here (404, 301 and the like).
  case negative = 2
}

/// What is particular to an application's response.
package struct ResponseFlags: OptionSet, BitwiseCopyable, Sendable {
  package let rawValue: UInt16

  @inlinable
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Made by an application: how long it is fresh is in its facts. Without it: made from a file.
  package static let isResponse = ResponseFlags(rawValue: 1)
  /// Never sent when it is stale, whatever is said elsewhere: must-revalidate, proxy-revalidate
  /// and s-maxage of RFC 9111 section 5.2.2.
  package static let mustRevalidate = ResponseFlags(rawValue: 2)
  /// Validated before each use: no-cache of RFC 9111 section 5.2.2.4.
  package static let validatesAlways = ResponseFlags(rawValue: 4)
  /// A client's reload does not make it be validated while it is fresh: RFC 8246.
  package static let isImmutable = ResponseFlags(rawValue: 8)
}

/// How moving words and facts count time. The store knows as much of a moving word as this: when
/// its process is gone, what it says of routing means nothing, but an application's response is as
/// old as it was.
package enum EntryTime {
  /// A tick is an eighth of a second of CLOCK_BOOTTIME.
  package static let ticksPerSecond: UInt64 = 8
  /// Times are counted modulo this: a year.
  package static let span: UInt64 = 1 << 28
  /// The bits of a moving word that say when.
  package static let mask = span - 1
}

/// The immutable facts of an entry. All bit patterns are valid, since they are read from memory
/// that outlives programs; `layoutVersion` is raised whenever a field moves.
package struct EntryFacts: BitwiseCopyable, Equatable, Sendable {
  /// Names what the response was made by: resolved site, location, owner, media types, head format.
  package var fingerprint: UInt64 = 0
  /// Names the very state of the file behind the body, see `fileIdentity`; 0 when there is none.
  /// Of an application's response: `arrivedStaleSeconds`.
  package var fileIdentity: UInt64 = 0
  /// The Last-Modified date, seconds since 1970, 0 without one: dates before 1970 and after 2106
  /// are sent, but not compared with.
  package var lastModifiedSeconds: UInt32 = 0
  /// For the caller: what must be checked before the entry may answer (bits of its own).
  package var checks: UInt32 = 0
  /// Expires is this many seconds after the access; -1 without it.
  package var expiresAccessSeconds: Int32 = -1
  /// Names the path of the file behind the body, see `CacheStore.fileStamp`; 0 when there is none.
  package var fileStamp: UInt32 = 0
  /// Where the head holds the entity tag with its quotes; count 0 without one.
  package var etagOffset: UInt16 = 0
  package var etagCount: UInt16 = 0
  package var status: UInt16 = 200
  /// A content coding, the caller's numbering; 0 is identity.
  package var coding: UInt8 = 0
  /// Codings that exist beside this one, a bit each.
  package var variantsAvailable: UInt8 = 0
  /// Bytes of the head's first part: the fields that a 304 repeats.
  package var commonHeadCount: UInt16 = 0
  /// Bytes of the head up to Content-Length: what a 206 repeats.
  package var contentHeadCount: UInt16 = 0
  /// `EntryKind.rawValue`.
  package var kindCode: UInt8 = 0
  private var spare: UInt8 = 0
  /// `ResponseFlags.rawValue`.
  package var flagBits: UInt16 = 0
  /// Of an application's response: for how many ticks (`EntryTime`) after the time in its moving
  /// word it is fresh, the age that it came with already subtracted; 0: stale at once. From
  /// `EntryTime.span` on, and so with `freshUntilInvalidated`, time does not end it.
  package var freshTicks: UInt32 = 0
  /// How old it was at the time in its moving word: what its `Age` starts at. RFC 9111 section
  /// 4.2.3, corrected_initial_age.
  package var initialAgeSeconds: UInt32 = 0
  /// How long it may be sent after that while it is fetched anew, and when that fails: RFC 5861,
  /// or the operator's orders.
  package var staleWhileRevalidateSeconds: UInt32 = 0
  package var staleIfErrorSeconds: UInt32 = 0

  package init() {}

  /// An unknown code counts as content: the key decides what an entry answers, never its kind.
  @inlinable
  package var kind: EntryKind {
    get { EntryKind(rawValue: kindCode) ?? .content }
    set { kindCode = newValue.rawValue }
  }

  /// Unknown bits mean nothing.
  @inlinable
  package var flags: ResponseFlags {
    get { ResponseFlags(rawValue: flagBits) }
    set { flagBits = newValue.rawValue }
  }

  /// Of an application's response: for how many seconds it had been stale at the time in its moving
  /// word; the times for which it may be sent stale began as much earlier. 0: it was fresh.
  @inlinable
  package var arrivedStaleSeconds: UInt32 {
    get { flags.contains(.isResponse) ? UInt32(clamping: fileIdentity) : 0 }
    set { fileIdentity = UInt64(newValue) }
  }

  /// Of `freshTicks`.
  package static let freshUntilInvalidated = UInt32.max

  /// Whether nothing can be answered with it any more: an application's response that is too stale
  /// to be sent and that nothing can be validated by. `age`: ticks since the time in its moving
  /// word.
  func isOfNoUse(age: @autoclosure () -> UInt64) -> Bool {
    guard flags.contains(.isResponse), etagCount == 0, lastModifiedSeconds == 0,
      freshTicks < EntryTime.span
    else { return false }
    let windowSeconds =
      flags.contains(.mustRevalidate) ? 0 : max(staleWhileRevalidateSeconds, staleIfErrorSeconds)
    let staleSeconds = UInt64(windowSeconds - min(windowSeconds, arrivedStaleSeconds))
    return age() > UInt64(freshTicks) + staleSeconds * EntryTime.ticksPerSecond
  }

  /// A name for a file's state: st_dev, st_ino, st_size, st_mtim and st_ctim in nanoseconds. Never
  /// 0; two states share one with a chance of 2^-64.
  package static func fileIdentity(
    device: UInt64, inode: UInt64, size: UInt64, modified: Int64, changed: Int64
  ) -> UInt64 {
    var name = KeyHash.fold(device ^ KeyHash.odd0, inode ^ KeyHash.odd1)
    name = KeyHash.fold(name ^ size, UInt64(bitPattern: modified) ^ KeyHash.odd0)
    name = KeyHash.fold(name ^ UInt64(bitPattern: changed), KeyHash.odd1)
    return name | 1
  }
}
