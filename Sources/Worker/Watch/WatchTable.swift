// Which files depend on which names in which watched directories: a value, without the kernel.

/// A name in a watched directory; an empty name is the watched thing itself.
package struct WatchedName: Hashable, Sendable {
  package let watch: Int32
  package let name: [UInt8]

  package init(watch: Int32, name: [UInt8]) {
    self.watch = watch
    self.name = name
  }
}

/// The files that are watched, each known by its stamp, with every name that was looked up on the
/// way to it: a file named by `/srv/current/index.html`, where `current` is a link to
/// `releases/42`, depends on `srv` in `/`, `current`, `releases` in `/srv`, and so on. Whatever
/// happens to one of these names may change what the path leads to; no other name matters.
package struct WatchTable: Sendable {
  private struct File {
    let names: [WatchedName]
    /// Its place in `ring`.
    let place: Int
  }

  private var files: [UInt32: File] = [:]
  /// By watch, by name: who depends on it.
  private var dependents: [Int32: [[UInt8]: Set<UInt32>]] = [:]
  /// The files in the order in which room is made, 0 for a free place.
  private var ring: [UInt32] = []
  private var freePlaces: [Int] = []
  private var hand = 0
  /// Files of which not every name is watched.
  package private(set) var partialFiles: Set<UInt32> = []
  /// Files at most.
  package let fileCountMax: Int

  package init(fileCountMax: Int) {
    precondition(fileCountMax > 0)
    self.fileCountMax = fileCountMax
  }

  package var fileCount: Int { files.count }
  /// Watches that are in use, or were until a moment ago.
  package var watchCount: Int { dependents.count }
  package var isFull: Bool { files.count >= fileCountMax }

  package func contains(_ stamp: UInt32) -> Bool { files[stamp] != nil }
  package func knows(watch: Int32) -> Bool { dependents[watch] != nil }

  /// Adds a file that is not there; the table must not be full. `isPartial`: some name could not be
  /// watched for want of watches.
  package mutating func insert(_ stamp: UInt32, _ names: [WatchedName], isPartial: Bool) {
    precondition(files[stamp] == nil && !isFull && stamp != 0)
    let place: Int
    if let free = freePlaces.popLast() {
      place = free
      ring[place] = stamp
    } else {
      place = ring.count
      ring.append(stamp)
    }
    let kept = names.map { name in
      dependents[name.watch, default: [:]][name.name, default: []].insert(stamp)
      return shared(name)
    }
    files[stamp] = File(names: kept, place: place)
    if isPartial { partialFiles.insert(stamp) }
  }

  /// The same name, as the table holds it already: names on the way are many files' own.
  private func shared(_ name: WatchedName) -> WatchedName {
    guard let names = dependents[name.watch], let index = names.index(forKey: name.name) else {
      return name
    }
    return WatchedName(watch: name.watch, name: names.keys[index])
  }

  /// Forgets a file. The watches it used stay until `takeUnusedWatches`.
  package mutating func remove(_ stamp: UInt32) {
    guard let file = files.removeValue(forKey: stamp) else { return }
    ring[file.place] = 0
    freePlaces.append(file.place)
    partialFiles.remove(stamp)
    for name in file.names {
      dependents[name.watch]?[name.name]?.remove(stamp)
      if dependents[name.watch]?[name.name]?.isEmpty == true {
        dependents[name.watch]?[name.name] = nil
      }
    }
  }

  /// Forgets all files, not the watches; returns what was forgotten.
  package mutating func removeAll() -> [UInt32] {
    let stamps = Array(files.keys)
    files.removeAll()
    partialFiles.removeAll()
    ring.removeAll()
    freePlaces.removeAll()
    hand = 0
    for watch in dependents.keys { dependents[watch] = [:] }
    return stamps
  }

  /// The file that makes room next: about the one that was added longest ago.
  package mutating func nextToLeave() -> UInt32? {
    for _ in ring.indices {
      if hand >= ring.count { hand = 0 }
      let stamp = ring[hand]
      hand += 1
      if stamp != 0 { return stamp }
    }
    return nil
  }

  /// Adds the files that depend on a name to `stamps`.
  package func collect(_ name: WatchedName, into stamps: inout Set<UInt32>) {
    guard let names = dependents[name.watch], let found = names[name.name] else { return }
    stamps.formUnion(found)
  }

  /// Adds the files that depend on any name of a watch to `stamps`.
  package func collect(watch: Int32, into stamps: inout Set<UInt32>) {
    for found in (dependents[watch] ?? [:]).values { stamps.formUnion(found) }
  }

  /// Forgets a watch that is over; the files that depended on it must have been removed.
  package mutating func ended(watch: Int32) { dependents[watch] = nil }

  /// Forgets and returns the watches on which nothing depends.
  package mutating func takeUnusedWatches() -> [Int32] {
    let unused = dependents.filter { $0.value.isEmpty }.map { $0.key }
    for watch in unused { dependents[watch] = nil }
    return unused
  }
}
