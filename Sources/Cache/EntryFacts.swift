// What an entry says about its response beside head and body.

/// What an entry is.
package enum EntryKind: UInt8, Sendable {
  /// A response: head and body.
  case content = 0
  /// Another spelling of a key; its body is the canonical key (DESIGN 3.5).
  case alias = 1
  /// A response that says that there is nothing (404 and the like).
  case negative = 2
}

/// The immutable facts of an entry. All bit patterns are valid, since they are read from memory
/// that outlives programs; `layoutVersion` is raised whenever a field moves.
package struct EntryFacts: BitwiseCopyable, Equatable, Sendable {
  /// Names what the response was made by: resolved site, location, owner, media types, head format.
  package var fingerprint: UInt64 = 0
  /// st_dev, st_ino and st_size of the file behind the body; 0 when there is none.
  package var fileDevice: UInt64 = 0
  package var fileInode: UInt64 = 0
  package var fileSize: UInt64 = 0
  /// st_mtim and st_ctim, nanoseconds since 1970.
  package var fileModifiedNanoseconds: Int64 = 0
  package var fileChangedNanoseconds: Int64 = 0
  /// The Last-Modified date, seconds since 1970; -1 without one.
  package var lastModifiedSeconds: Int64 = -1
  /// For the caller: what must be checked before the entry may answer (bits of its own).
  package var checks: UInt32 = 0
  /// Expires is this many seconds after the access; -1 without it.
  package var expiresAccessSeconds: Int32 = -1
  /// Where the head holds the entity tag with its quotes; count 0 without one.
  package var etagOffset: UInt16 = 0
  package var etagCount: UInt16 = 0
  package var status: UInt16 = 200
  /// A content coding, the caller's numbering; 0 is identity.
  package var coding: UInt8 = 0
  /// Codings that exist beside this one, a bit each.
  package var variantsAvailable: UInt8 = 0
  /// `EntryKind.rawValue`.
  package var kindCode: UInt8 = 0
  private var spare0: UInt8 = 0
  private var spare1: UInt16 = 0
  /// Bytes of the head's first part: the fields that a 304 repeats.
  package var commonHeadCount: UInt16 = 0
  /// Bytes of the head up to Content-Length: what a 206 repeats.
  package var contentHeadCount: UInt16 = 0

  package init() {}

  /// An unknown code counts as content: the key decides what an entry answers, never its kind.
  @inlinable
  package var kind: EntryKind {
    get { EntryKind(rawValue: kindCode) ?? .content }
    set { kindCode = newValue.rawValue }
  }
}
