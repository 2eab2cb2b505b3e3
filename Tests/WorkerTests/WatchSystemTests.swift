// The file watcher on the real file system, with the real inotify.

import Foundation
import HTTP
import Platform
import Testing

@testable import Worker

/// A watcher of a temporary tree; events are taken when a test asks for them.
private final class RealBench {
  let tree: TemporaryTree
  var watcher: FileWatcher<FileSystemWatch>
  private let watch: FileWatch
  private let log = Log()

  private final class Log {
    var changed: Set<UInt32> = []
    var allChanges = 0
  }

  init(_ files: [String]) throws {
    tree = try TemporaryTree()
    for file in files { try tree.write(file) }
    watch = try FileWatch()
    let log = log
    watcher = FileWatcher(
      FileSystemWatch(watch), try WatchBoard(),
      FileChangeSink(changed: { log.changed.insert($0) }, allChanged: { log.allChanges += 1 }))
  }

  var allChanges: Int { log.allChanges }

  func path(_ name: String) -> [UInt8] { Array((tree.top + "/" + name).utf8) }

  /// As a worker does that has just opened the file.
  func note(_ stamp: UInt32, _ name: String) throws {
    watcher.take([try makeNote(stamp, name)])
  }

  func makeNote(_ stamp: UInt32, _ name: String) throws -> WatchNote {
    let file = try File.open(path(name), for: .read)
    return WatchNote(
      stamp: stamp, path: path(name), coding: .identity, facts: try File.facts(file))
  }

  /// What was announced for what has been done; events are in the queue when the call that caused
  /// them returns.
  func changes() throws -> Set<UInt32> {
    while case let events = try watch.read(), !events.isEmpty { watcher.take(events) }
    defer { log.changed = [] }
    return log.changed
  }

  /// rename(2), over what is there.
  func rename(_ old: String, _ new: String) throws {
    try tree.run("mv -T \(tree.top)/\(old)", new)
  }
}

@Suite struct `the file watcher on a real file system` {
  @Test func `sees a file that is written to, renamed over, removed, or made unreadable`() throws {
    let bench = try RealBench(["site/a", "site/b"])
    try bench.note(1, "site/a")
    try bench.note(2, "site/b")
    #expect(try bench.changes() == [])
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: bench.tree.top + "/site/a"))
    file.write(Data("x".utf8))
    #expect(try bench.changes() == [1], "before it is closed")
    try file.close()
    try bench.note(1, "site/a")
    _ = try bench.changes()
    try bench.note(1, "site/a")
    try bench.tree.write("site/new")
    #expect(try bench.changes() == [])
    try bench.rename("site/new", "site/a")
    #expect(try bench.changes() == [1])
    try bench.note(1, "site/a")
    try bench.tree.run("chmod 000", "site/a")
    #expect(try bench.changes() == [1])
    try bench.tree.run("rm -f", "site/b")
    #expect(try bench.changes() == [2])
  }

  @Test func `sees a link that is swapped by rename`() throws {
    let bench = try RealBench(["releases/41/a", "releases/42/a"])
    try bench.tree.link("current", to: "releases/41")
    try bench.note(1, "current/a")
    try bench.tree.link("next", to: "releases/42")
    #expect(try bench.changes() == [])
    try bench.rename("next", "current")
    #expect(try bench.changes() == [1])
    try bench.note(1, "current/a")
    try bench.tree.write("releases/41/a", "not this one any more")
    #expect(try bench.changes() == [])
    try bench.tree.write("releases/42/a", "this one")
    #expect(try bench.changes() == [1])
  }

  @Test func `sees an ancestor that is renamed or replaced, also when it comes back`() throws {
    let bench = try RealBench(["site/x/y/a", "other/y/a"])
    try bench.note(1, "site/x/y/a")
    try bench.rename("site/x", "site/old")
    #expect(try bench.changes() == [1])
    try bench.rename("other", "site/x")
    try bench.note(1, "site/x/y/a")
    _ = try bench.changes()
    try bench.note(1, "site/x/y/a")
    try bench.tree.run("rm -rf", "site/x")
    #expect(try bench.changes() == [1])
    try bench.tree.write("site/x/y/a", "again")
    try bench.note(1, "site/x/y/a")
    _ = try bench.changes()
    try bench.note(1, "site/x/y/a")
    try bench.tree.write("site/x/y/a", "and again")
    #expect(try bench.changes() == [1])
  }

  @Test func `is not moved by a log that grows beside the file`() throws {
    let bench = try RealBench(["site/a", "site/log"])
    try bench.note(1, "site/a")
    let log = try FileHandle(forWritingTo: URL(fileURLWithPath: bench.tree.top + "/site/log"))
    for _ in 0..<100 { log.write(Data("line\n".utf8)) }
    try log.close()
    #expect(try bench.changes() == [])
    #expect(bench.watcher.table.contains(1))
  }

  @Test func `trusts nothing when the kernel's queue was too short`() throws {
    let limit = try String(
      contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
    let count = try #require(Int(limit.trimmingCharacters(in: .whitespacesAndNewlines)))
    guard count <= 50_000 else { return }
    let bench = try RealBench(["site/a", "site/b", "site/c"])
    try bench.note(1, "site/a")
    // Two names in turn, for equal events in a row are joined.
    let path = bench.tree.top + "/site/"
    for index in 0...count {
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o644], ofItemAtPath: path + (index % 2 == 0 ? "b" : "c"))
    }
    _ = try bench.changes()
    #expect(bench.allChanges == 2)
    #expect(!bench.watcher.table.contains(1))
  }

  @Test func `keeps to what a real path needs`() throws {
    let bench = try RealBench(["site/a", "site/d/b"])
    try bench.note(1, "site/a")
    let count = bench.watcher.table.watchCount
    try bench.note(2, "site/d/b")
    #expect(bench.watcher.table.watchCount == count + 1)
  }
}

/// Random numbers that are the same in each run.
private struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}

/// Paths through directories and links of a tree that is turned upside down all the time.
private struct Turmoil {
  static let places = ["a", "b", "d/a", "d/b", "d/e/a", "f/a", "f/d"]
  /// What a path may lead through: names that are now a file, now a directory, now a link.
  static let paths = places + ["l/a", "l/b", "l/e/a", "d/l/a", "m", "d/m", "l/l/a"]
  static let links = ["l", "d/l", "m", "d/m", "f"]
  static let targets = ["d", "../f", "d/e", "f", "a", "../b", "l", ".", "../site/d", "gone"]
  var dice: Dice
  let root: String

  mutating func step() {
    let files = FileManager.default
    let place = root + (Turmoil.places.randomElement(using: &dice) ?? "a")
    let other = root + ((Turmoil.places + ["d", "f", "d/e"]).randomElement(using: &dice) ?? "b")
    switch Int.random(in: 0..<8, using: &dice) {
    case 0, 1:
      try? files.createDirectory(
        atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try? Data("\(dice.next())".utf8).write(to: URL(fileURLWithPath: place))
    case 2:
      guard let file = FileHandle(forUpdatingAtPath: place) else { return }
      file.write(Data("x".utf8))
      file.closeFile()
    case 3, 4:
      let link = root + (Turmoil.links.randomElement(using: &dice) ?? "l")
      try? files.removeItem(atPath: link)
      try? files.createSymbolicLink(
        atPath: link, withDestinationPath: Turmoil.targets.randomElement(using: &dice) ?? "d")
    case 5: try? files.removeItem(atPath: other)
    default: try? files.moveItem(atPath: other, toPath: place)
    }
  }
}

@Suite struct `the file watcher in turmoil` {
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `announces whatever changes what a path leads to`(seed: UInt64) throws {
    let bench = try RealBench(["site/a", "site/d/e/a", "site/f/a"])
    let system = FileSystemWatch(try FileWatch())
    var turmoil = Turmoil(dice: Dice(state: seed), root: bench.tree.top + "/site/")
    var known: [UInt32: FileFacts] = [:]
    var noteCount = 0
    for step in 0..<2_000 {
      var notes: [WatchNote] = []
      for (index, path) in Turmoil.paths.enumerated() {
        let stamp = UInt32(index + 1)
        guard known[stamp] == nil, let facts = system.facts(bench.path("site/" + path)),
          facts.isRegularFile, let note = try? bench.makeNote(stamp, "site/" + path)
        else { continue }
        notes.append(note)
        known[stamp] = facts
        noteCount += 1
      }
      bench.watcher.take(notes)
      turmoil.step()
      for stamp in try bench.changes() { known[stamp] = nil }
      if step % 100 == 0 { bench.watcher.tick(now: Int64(step) * 1_000) }
      for (stamp, facts) in known {
        let path = Turmoil.paths[Int(stamp) - 1]
        let now = system.facts(bench.path("site/" + path))
        #expect(now?.isUnchanged(since: facts) == true, "step \(step), \(path)")
        if now?.isUnchanged(since: facts) != true { known[stamp] = nil }
      }
    }
    #expect(noteCount > 500, "enough was watched")
  }
}
