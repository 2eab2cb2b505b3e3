// What the file watcher shows of itself, in memory that workers and the master can read.

import Platform

/// Why not all is watched that should be: each is told once.
package struct WatchTrouble: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The kernel gives this user no more watches.
  package static let kernelLimit = WatchTrouble(rawValue: 1)
  /// `WatchLimits.watchCountMax` is reached.
  package static let ownLimit = WatchTrouble(rawValue: 2)
  /// `WatchLimits.fileCountMax` is reached.
  package static let fileLimit = WatchTrouble(rawValue: 4)
  /// There is no inotify instance to be had.
  package static let unavailable = WatchTrouble(rawValue: 8)
}

/// What the watcher counts.
package enum WatchCount: Int, CaseIterable, Sendable {
  /// Files that are watched now.
  case files = 0
  /// Watches that are in use now.
  case watches = 1
  /// Files that are watched only in part now, for want of watches.
  case partialFiles = 2
  /// Since the master started:
  case events = 3
  /// Files of which the cache was told that they may have changed.
  case changes = 4

  /// As shown by `ring3ctl status`.
  package var name: String { "\(self)" }
}

/// One anonymous shared mapping, made by the master and written by the watcher alone.
package final class WatchBoard: Sendable {
  /// Twice as many as files, so that few share a place.
  private static let placeCount = 2 * WatchLimits.fileCountMax
  private static let troubleOffset = 128
  private static let placesOffset = 4096

  private let region: SharedRegion

  package init() throws(SystemError) {
    region = try SharedRegion(anonymous: WatchBoard.placesOffset + WatchBoard.placeCount * 4)
  }

  private func offset(_ stamp: UInt32) -> Int {
    WatchBoard.placesOffset + Int(stamp) % WatchBoard.placeCount * 4
  }

  /// Whether the watcher knows the file. False although it does when another stamp shares its
  /// place; true a moment longer than it does. Relaxed: only a hint, both ways.
  package func isWatched(_ stamp: UInt32) -> Bool {
    region.loadRelaxed32(at: offset(stamp)) == stamp
  }

  func setWatched(_ stamp: UInt32) { region.storeRelaxed32(stamp, at: offset(stamp)) }

  /// Before the cache is told of a change: who compares the entry then must find that the file is
  /// to be told again. Release keeps that order, with the acquiring reads of the cache.
  func clearWatched(_ stamp: UInt32) {
    if isWatched(stamp) { region.storeRelease32(0, at: offset(stamp)) }
  }

  /// A new watcher knows nothing.
  func clearAll() {
    region.fill(
      at: WatchBoard.placesOffset, count: WatchBoard.placeCount * 4, with: 0)
    for count in [WatchCount.files, .watches, .partialFiles] { set(0, count) }
  }

  package func value(of count: WatchCount) -> UInt64 {
    region.loadRelaxed64(at: count.rawValue * 8)
  }

  func set(_ value: Int, _ count: WatchCount) {
    region.storeRelaxed64(UInt64(value), at: count.rawValue * 8)
  }

  func add(_ amount: Int, to count: WatchCount) {
    region.storeRelaxed64(value(of: count) &+ UInt64(amount), at: count.rawValue * 8)
  }

  /// Troubles since the master started.
  package var trouble: WatchTrouble {
    WatchTrouble(rawValue: region.loadRelaxed32(at: WatchBoard.troubleOffset))
  }

  func note(_ trouble: WatchTrouble) {
    region.storeRelaxed32(self.trouble.union(trouble).rawValue, at: WatchBoard.troubleOffset)
  }
}
