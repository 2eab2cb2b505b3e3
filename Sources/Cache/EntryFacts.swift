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

/// The immutable facts of an entry. All bit patterns are valid, since they are read from memory
/// that outlives programs; `layoutVersion` is raised whenever a field moves.
package struct EntryFacts: BitwiseCopyable, Equatable, Sendable {
  /// Names what the response was made by: resolved site, location, owner, media types, head format.
  package var fingerprint: UInt64 = 0
  /// Names the very state of the file behind the body, see `fileIdentity`; 0 when there is none.
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
  private var spare0: UInt8 = 0
  private var spare1: UInt16 = 0

  package init() {}

  /// An unknown code counts as content: the key decides what an entry answers, never its kind.
  @inlinable
  package var kind: EntryKind {
    get { EntryKind(rawValue: kindCode) ?? .content }
    set { kindCode = newValue.rawValue }
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
