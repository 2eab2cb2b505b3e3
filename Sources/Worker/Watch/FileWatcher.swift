// The file watcher's decisions: what to watch, what an event means, what to forget.

import HTTP
import Platform

/// Every number that bounds the watcher.
package enum WatchLimits {
  /// About 400 bytes each: 26 MB at most. Beyond, files that were told last replace others.
  package static let fileCountMax = 65_536
  /// Each costs the kernel about 1 KiB that cannot be swapped out; and older kernels give a user
  /// no more than these by default.
  package static let watchCountMax = 8_192
  /// Files a second that may make room for others, so that a working set larger than the table does
  /// not keep the watcher busy: the rest is compared by path alone.
  package static let evictionsPerSecond = 256
  /// When files that lacked watches are let in again.
  package static let partialRetryMilliseconds: Int64 = 60_000
  /// When watches that nobody needs are given back; a replaced file needs the same ones again.
  package static let sweepMilliseconds: Int64 = 10_000
  /// After each turn: a log that grows beside cached files, or a cache that is being filled, is not
  /// to wake the watcher for each line or file. The kernel joins equal events meanwhile, and the
  /// channel holds some 270 notes.
  static let restMilliseconds: Int64 = 5
  /// Notes taken in one turn, before events get theirs.
  static let notesPerTurn = 256
  /// A watcher without master leaves after so much silence; workers need it not.
  static let orphanMilliseconds: Int64 = 5_000
}

/// Where changes are told.
package struct FileChangeSink {
  /// What depends on this stamp is to be compared with its file before its next use.
  package let changed: (UInt32) -> Void
  /// The same for everything that depends on any file.
  package let allChanged: () -> Void

  package init(changed: @escaping (UInt32) -> Void, allChanged: @escaping () -> Void) {
    self.changed = changed
    self.allChanged = allChanged
  }
}

/// Turns notes and events into changes. A file whose name or way has changed is told to the sink
/// and forgotten, since its way may be another one now; whoever compares the entry with the file
/// tells it again. So the table never holds more than what is known to be right.
package struct FileWatcher<System: WatchedSystem> {
  private let system: System
  private let board: WatchBoard
  private let sink: FileChangeSink
  private let watchCountMax: Int
  package private(set) var table: WatchTable
  private var evictionsLeft = WatchLimits.evictionsPerSecond
  private var secondEndsAt: Int64 = 0
  private var sweepAt: Int64 = 0
  private var retryAt: Int64 = 0

  package init(
    _ system: System, _ board: WatchBoard, _ sink: FileChangeSink,
    fileCountMax: Int = WatchLimits.fileCountMax, watchCountMax: Int = WatchLimits.watchCountMax
  ) {
    self.system = system
    self.board = board
    self.sink = sink
    self.watchCountMax = watchCountMax
    table = WatchTable(fileCountMax: fileCountMax)
    // Nothing that an earlier watcher promised holds any more.
    board.clearAll()
    sink.allChanged()
  }

  /// Workers have stored, or compared, these files. No event may be read from the kernel and not
  /// be taken before.
  package mutating func take(_ notes: [WatchNote]) {
    var way: Way?
    for note in notes { take(note, &way) }
    showCounts()
  }

  /// The way to a directory. It holds for the next file too as long as no events are taken:
  /// whatever changes it meanwhile is in the queue, and will be found to concern both.
  private struct Way {
    let path: ArraySlice<UInt8>
    let walk: WatchWalk
  }

  private mutating func take(_ note: WatchNote, _ way: inout Way?) {
    guard !table.contains(note.stamp) else {
      // It shares its place on the board with another one.
      board.setWatched(note.stamp)
      return
    }
    if table.isFull {
      board.note(.fileLimit)
      guard evictionsLeft > 0, let oldest = table.nextToLeave() else { return }
      evictionsLeft -= 1
      forget(oldest)
    }
    let walk = walk(to: note.path, &way)
    table.insert(note.stamp, walk.names, isPartial: walk.lacksWatches)
    board.setWatched(note.stamp)
    // Between the worker's look and the first watch it may have been replaced.
    let facts = system.facts(note.path + note.coding.suffix)
    if facts?.isUnchanged(since: note.facts) != true { announce([note.stamp]) }
  }

  /// The way to a file, and to those of its compressed neighbours that are links; the others have
  /// names beside its own.
  private func walk(to path: [UInt8], _ way: inout Way?) -> WatchWalk {
    let nameStart = (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
    let name = Array(path[nameStart...])
    func go(
      _ walk: inout WatchWalk, _ path: [UInt8], from start: [UInt8] = [],
      to destination: WatchWalk.Destination
    ) {
      walk.go(path, from: start, to: destination, system) { watch in
        if table.knows(watch: watch) || table.watchCount < watchCountMax { return true }
        board.note(.ownLimit)
        return false
      }
    }
    var walk = WatchWalk()
    if let way, way.path == path[..<nameStart] {
      walk = way.walk
    } else {
      go(&walk, Array(path[..<nameStart]), to: .directory)
      way = Way(path: path[..<nameStart], walk: walk)
    }
    if let directory = walk.end {
      go(&walk, name, from: directory, to: .file)
      for coding in ContentCoding.allCases where coding != .identity {
        let neighbour = name + coding.suffix
        if case .symbolicLink = system.look(directory + [UInt8(ascii: "/")] + neighbour) {
          go(&walk, neighbour, from: directory, to: .file)
        }
      }
    }
    if walk.isKernelShort { board.note(.kernelLimit) }
    return walk
  }

  /// What the kernel says has happened.
  package mutating func take(_ events: [FileEvent]) {
    var changed: Set<UInt32> = []
    var ended: [Int32] = []
    var hasLostEvents = false
    for event in events {
      switch event.kind {
      case .overflow: hasLostEvents = true
      case .itself: table.collect(watch: event.watch, into: &changed)
      case .ended:
        table.collect(watch: event.watch, into: &changed)
        ended.append(event.watch)
      case .name(let name):
        table.collect(WatchedName(watch: event.watch, name: name), into: &changed)
        // A neighbour decides what is sent for the plain name, also one that is new.
        if let plain = FileWatcher.nameWithoutCoding(name) {
          table.collect(WatchedName(watch: event.watch, name: plain), into: &changed)
        }
      }
    }
    board.add(events.count, to: .events)
    if hasLostEvents { loseTrack() } else { announce(changed) }
    for watch in ended { table.ended(watch: watch) }
    showCounts()
  }

  /// Nothing that is known can be relied on any more.
  package mutating func loseTrack() {
    for stamp in table.removeAll() { board.clearWatched(stamp) }
    sink.allChanged()
  }

  /// Time has passed. `now`: monotonic milliseconds.
  package mutating func tick(now: Int64) {
    if now >= secondEndsAt {
      secondEndsAt = now + 1_000
      evictionsLeft = WatchLimits.evictionsPerSecond
    }
    if now >= sweepAt {
      sweepAt = now + WatchLimits.sweepMilliseconds
      for watch in table.takeUnusedWatches() { system.unwatch(watch) }
    }
    if now >= retryAt {
      retryAt = now + WatchLimits.partialRetryMilliseconds
      // Nothing has happened to them: they are told again when they are compared next.
      for stamp in table.partialFiles { forget(stamp) }
    }
    showCounts()
  }

  /// Forgets files and tells that they may have changed.
  private mutating func announce(_ stamps: Set<UInt32>) {
    for stamp in stamps {
      forget(stamp)
      sink.changed(stamp)
    }
    board.add(stamps.count, to: .changes)
  }

  private mutating func forget(_ stamp: UInt32) {
    table.remove(stamp)
    board.clearWatched(stamp)
  }

  private func showCounts() {
    board.set(table.fileCount, .files)
    board.set(table.watchCount, .watches)
    board.set(table.partialFiles.count, .partialFiles)
  }

  /// "a.css" for "a.css.gz"; nil for a name with no coding's suffix.
  private static func nameWithoutCoding(_ name: [UInt8]) -> [UInt8]? {
    for coding in ContentCoding.allCases where coding != .identity {
      let suffix = coding.suffix
      if name.count > suffix.count && name.suffix(suffix.count) == suffix[...] {
        return Array(name.dropLast(suffix.count))
      }
    }
    return nil
  }
}
