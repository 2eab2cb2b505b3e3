// The way to a file as the kernel walks it; each directory is watched before it is looked at.

import Platform

/// The file system and its notices, as the watcher needs them. May wait for disks.
package protocol WatchedSystem {
  /// See `FileWatch.add`.
  func watch(_ path: [UInt8], _ scope: FileWatchScope) throws(SystemError) -> Int32
  func unwatch(_ watch: Int32)
  /// Looks at the last component without following it.
  func look(_ path: [UInt8]) -> NamedEntry
  /// The facts of what the path leads to, links followed; nil if there is nothing.
  func facts(_ path: [UInt8]) -> FileFacts?
}

/// One walk. A directory is watched before a name in it is looked at: what changes after the look
/// is in the queue of events, and what changed before it was seen.
package struct WatchWalk {
  /// As many as Linux follows (MAXSYMLINKS).
  private static let linkCountMax = 40
  /// PATH_MAX.
  private static let pathBytesMax = 4096
  private static let slash = UInt8(ascii: "/")

  /// What a path is expected to lead to.
  package enum Destination: Equatable, Sendable {
    case file
    /// More will be looked up in it.
    case directory
  }

  /// Every name that was looked up, in order.
  package private(set) var names: [WatchedName] = []
  /// A watch was refused, by the kernel or by `mayUse`, for want of watches; the others are there.
  package private(set) var lacksWatches = false
  /// It was the kernel.
  package private(set) var isKernelShort = false
  /// Where the last walk ended: a path without links, so that ".." is its last component's removal;
  /// empty for the root. nil: it led nowhere.
  package private(set) var end: [UInt8]? = []

  package init() {}

  /// Walks a path from a directory where an earlier walk ended. Stops quietly where nothing is: the
  /// name that is missing is watched, if its directory is. `mayUse` is asked whether a watch that
  /// the system gave may be kept.
  package mutating func go(
    _ path: [UInt8], from start: [UInt8] = [], to destination: Destination,
    _ system: some WatchedSystem, mayUse: (Int32) -> Bool
  ) {
    var pending = WatchWalk.components(path)
    var directory = start
    var linkCount = 0
    end = nil
    while let name = pending.popLast() {
      if name == [UInt8(ascii: ".")] { continue }
      if name == [UInt8(ascii: "."), UInt8(ascii: ".")] {
        let end = directory.lastIndex(of: WatchWalk.slash) ?? 0
        directory.removeSubrange(end...)
        continue
      }
      let place = directory + [WatchWalk.slash] + name
      guard place.count < WatchWalk.pathBytesMax else { return }
      let isFile = pending.isEmpty && destination == .file
      watch(name, in: directory, at: place, isFile ? .contents : .names, system, mayUse)
      switch system.look(place) {
      case .missing: return
      case .other: directory = place
      case .symbolicLink(let content):
        linkCount += 1
        guard linkCount <= WatchWalk.linkCountMax else { return }
        if content.first == WatchWalk.slash { directory = [] }
        pending += WatchWalk.components(content)
      }
    }
    end = directory
  }

  /// In reverse.
  private static func components(_ path: [UInt8]) -> [[UInt8]] {
    path.split(separator: slash).reversed().map { Array($0) }
  }

  private mutating func watch(
    _ name: [UInt8], in directory: [UInt8], at place: [UInt8], _ scope: FileWatchScope,
    _ system: some WatchedSystem, _ mayUse: (Int32) -> Bool
  ) {
    do {
      let directory = directory.isEmpty ? [WatchWalk.slash] : directory
      use(try system.watch(directory, scope), name, system, mayUse)
    } catch {
      guard error.code == SystemError.accessDenied else { return note(error) }
      // A directory that may be passed but not read: its entry can still be watched itself, until
      // it is replaced, and that is what we want to know.
      do {
        use(try system.watch(place, .itself), [], system, mayUse)
      } catch {
        note(error)
      }
    }
  }

  private mutating func use(
    _ watch: Int32, _ name: [UInt8], _ system: some WatchedSystem, _ mayUse: (Int32) -> Bool
  ) {
    guard mayUse(watch) else {
      system.unwatch(watch)
      lacksWatches = true
      return
    }
    names.append(WatchedName(watch: watch, name: name))
  }

  /// What is gone or forbidden by now is no want of watches.
  private mutating func note(_ error: SystemError) {
    let gone = [SystemError.notFound, SystemError.notDirectory, SystemError.accessDenied]
    guard !gone.contains(error.code) else { return }
    lacksWatches = true
    isKernelShort = true
  }
}
