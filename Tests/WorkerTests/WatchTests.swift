// The file watcher's decisions on a file system that exists only here.

import HTTP
import Platform
import Testing

@testable import Worker

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Directories, files and links by path. A watch's number stands for the real path, as an inode
/// does for the kernel.
private final class FakeSystem: WatchedSystem {
  var links: [String: String] = [:]
  var files: Set<String> = []
  /// Directories that may be passed but not read.
  var unreadable: Set<String> = []
  /// Watches at most.
  var watchesMax = Int.max
  var facts = FileFacts(
    device: 1, inode: 2, size: 3, modifiedNanoseconds: 4, changedNanoseconds: 5)
  private(set) var scopes: [String: FileWatchScope] = [:]
  private(set) var given: [String: Int32] = [:]
  /// Every path that was looked at.
  private(set) var looks: [String] = []
  private var nextNumber: Int32 = 1

  func watch(_ path: [UInt8], _ scope: FileWatchScope) throws(SystemError) -> Int32 {
    let path = String(decoding: path, as: UTF8.self)
    if scope != .itself && unreadable.contains(path) {
      throw SystemError(code: SystemError.accessDenied, operation: "watch")
    }
    if scopes[path] == nil || scope == .contents { scopes[path] = scope }
    if let number = given[path] { return number }
    if given.count >= watchesMax {
      throw SystemError(code: SystemError.noSpace, operation: "watch")
    }
    given[path] = nextNumber
    nextNumber += 1
    return nextNumber - 1
  }

  func unwatch(_ watch: Int32) {
    for (path, number) in given where number == watch { given[path] = nil }
  }

  func look(_ path: [UInt8]) -> NamedEntry {
    let path = String(decoding: path, as: UTF8.self)
    looks.append(path)
    if let link = links[path] { return .symbolicLink(content: bytes(link)) }
    let exists = files.union(links.keys).contains { $0 == path || $0.hasPrefix(path + "/") }
    return exists ? .other : .missing
  }

  func facts(_ path: [UInt8]) -> FileFacts? { facts }
}

/// A watcher on a fake system, and what it told.
private final class Bench {
  let system = FakeSystem()
  let board: WatchBoard
  var watcher: FileWatcher<FakeSystem>
  var changed: [UInt32] { log.changed.sorted() }
  var allChanges: Int { log.allChanges }
  private let log = Log()

  private final class Log {
    var changed: [UInt32] = []
    var allChanges = 0
  }

  init(_ files: [String], links: [String: String] = [:], filesMax: Int = 100, watchesMax: Int = 100)
    throws
  {
    let log = log
    board = try WatchBoard()
    system.files = Set(files)
    system.links = links
    watcher = FileWatcher(
      system, board,
      FileChangeSink(
        changed: { log.changed.append($0) }, allChanged: { log.allChanges += 1 }),
      fileCountMax: filesMax, watchCountMax: watchesMax)
  }

  func note(_ stamp: UInt32, _ path: String, coding: ContentCoding = .identity) {
    note([(stamp, path)], coding: coding)
  }

  func note(_ files: [(stamp: UInt32, path: String)], coding: ContentCoding = .identity) {
    watcher.take(
      files.map {
        WatchNote(stamp: $0.stamp, path: bytes($0.path), coding: coding, facts: system.facts)
      })
  }

  /// The kernel's report about a name in a directory.
  func happens(_ names: (String, String)...) {
    watcher.take(
      names.map { FileEvent(watch: system.given[$0.0] ?? -2, kind: .name(bytes($0.1))) })
  }

  func isWatched(_ stamp: UInt32) -> Bool {
    let isKnown = watcher.table.contains(stamp)
    #expect(board.isWatched(stamp) == isKnown)
    return isKnown
  }
}

@Suite struct `the file watcher` {
  @Test func `watches every directory on the way, for content only where files are`() throws {
    let bench = try Bench(["/srv/www/a.html"])
    bench.note(1, "/srv//www/./a.html")
    #expect(bench.system.scopes == ["/": .names, "/srv": .names, "/srv/www": .contents])
    #expect(bench.isWatched(1))
    #expect(bench.changed.isEmpty)
    #expect(bench.board.value(of: .files) == 1)
    #expect(bench.board.value(of: .watches) == 3)
  }

  @Test func `announces a replaced file once for a batch, and forgets it until it is told again`()
    throws
  {
    let bench = try Bench(["/w/a", "/w/b"])
    bench.note(1, "/w/a")
    bench.note(2, "/w/b")
    bench.happens(("/w", "a"), ("/w", "a"), ("/w", "a"))
    #expect(bench.changed == [1])
    #expect(!bench.isWatched(1))
    #expect(bench.isWatched(2))
    bench.happens(("/w", "a"))
    #expect(bench.changed == [1])
    bench.note(1, "/w/a")
    bench.happens(("/w", "a"))
    #expect(bench.changed == [1, 1])
  }

  @Test func `says nothing of names that nobody asked about`() throws {
    let bench = try Bench(["/w/a", "/w/access.log"])
    bench.note(1, "/w/a")
    bench.happens(("/w", "access.log"), ("/w", "a.html"), ("/", "tmp"), ("/nowhere", "a"))
    #expect(bench.changed.isEmpty)
    #expect(bench.isWatched(1))
  }

  @Test func `announces what lies behind a link when the link is swapped, and nothing else`() throws
  {
    let bench = try Bench(
      ["/srv/releases/41/a", "/srv/releases/42/a", "/srv/b"],
      links: ["/srv/current": "releases/41"])
    bench.note(1, "/srv/current/a")
    bench.note(2, "/srv/b")
    #expect(bench.system.scopes["/srv/releases/41"] == .contents)
    bench.happens(("/srv", "current"))
    #expect(bench.changed == [1])
    // Told again, it depends on the new way and no longer on the old one.
    bench.system.links["/srv/current"] = "releases/42"
    bench.note(1, "/srv/current/a")
    bench.happens(("/srv/releases/41", "a"))
    #expect(bench.changed == [1])
    bench.happens(("/srv/releases/42", "a"))
    #expect(bench.changed == [1, 1])
  }

  @Test func `follows a link through other links, absolute ones, and upwards`() throws {
    for (directory, name) in [
      ("/w", "site"), ("/links", "one"), ("/links", "two"), ("/", "links"), ("/", "data"),
      ("/data", "v2"), ("/data/v2", "a"),
    ] {
      let bench = try Bench(
        ["/data/v2/a"],
        links: ["/w/site": "../links/one", "/links/one": "/links/two/", "/links/two": "/data/v2"])
      bench.note(1, "/w/site/a")
      bench.happens((directory, name))
      #expect(bench.changed == [1], "\(directory) \(name)")
    }
  }

  @Test func `walks once to a directory of which several files are told`() throws {
    let bench = try Bench(
      ["/srv/v1/a", "/srv/v1/b", "/srv/v1/d/c", "/other/e"], links: ["/srv/now": "v1"])
    bench.note([
      (1, "/srv/now/a"), (2, "/srv/now/b"), (3, "/srv/now/d/c"), (4, "/other/e"), (5, "/srv/now/x"),
      (6, "/gone/a"), (7, "/gone/b"),
    ])
    #expect(bench.system.looks.filter { $0 == "/srv/now" }.count == 3)
    bench.happens(("/srv/v1", "b"))
    #expect(bench.changed == [2])
    bench.happens(("/srv", "now"))
    #expect(bench.changed == [1, 2, 3, 5])
    bench.happens(("/", "gone"))
    #expect(bench.changed == [1, 2, 3, 5, 6, 7])
    #expect(bench.isWatched(4))
  }

  @Test func `announces all that lies below a renamed directory`() throws {
    let bench = try Bench(["/srv/x/a", "/srv/x/d/b", "/srv/y/c"])
    bench.note(1, "/srv/x/a")
    bench.note(2, "/srv/x/d/b")
    bench.note(3, "/srv/y/c")
    bench.happens(("/srv", "x"))
    #expect(bench.changed == [1, 2])
    #expect(bench.isWatched(3))
    bench.happens(("/", "srv"))
    #expect(bench.changed == [1, 2, 3])
  }

  @Test func `counts a compressed neighbour, new or replaced, as a change of the plain name`()
    throws
  {
    for suffix in ["gz", "br", "zst"] {
      let bench = try Bench(["/w/a.css", "/w/a.css.gz"])
      bench.note(1, "/w/a.css")
      bench.happens(("/w", "a.css.\(suffix)"))
      #expect(bench.changed == [1], "\(suffix)")
    }
    let bench = try Bench(["/w/a.css", "/z/a.gz"], links: ["/w/a.css.gz": "/z/a.gz"])
    bench.note(1, "/w/a.css")
    bench.happens(("/w", "a.css.map"), ("/w", ".gz"))
    #expect(bench.changed.isEmpty)
    bench.happens(("/z", "a.gz"))
    #expect(bench.changed == [1])
  }

  @Test func `announces at once what was replaced before it was watched`() throws {
    let bench = try Bench(["/w/a"])
    let old = bench.system.facts
    bench.system.facts.inode += 1
    bench.watcher.take([WatchNote(stamp: 1, path: bytes("/w/a"), coding: .identity, facts: old)])
    #expect(bench.changed == [1])
    #expect(!bench.isWatched(1))
  }

  @Test func `trusts nothing after lost events`() throws {
    let bench = try Bench(["/w/a", "/w/b"])
    #expect(bench.allChanges == 1, "an earlier watcher may have missed changes")
    bench.note(1, "/w/a")
    bench.note(2, "/w/b")
    bench.watcher.take([
      FileEvent(watch: bench.system.given["/w"] ?? 0, kind: .name(bytes("a"))),
      FileEvent(watch: -1, kind: .overflow),
    ])
    #expect(bench.allChanges == 2)
    #expect(!bench.isWatched(1) && !bench.isWatched(2))
    bench.note(1, "/w/a")
    bench.happens(("/w", "a"))
    #expect(bench.changed == [1])
  }

  @Test func `announces all files of a directory that is gone, and makes a new watch later`() throws
  {
    let bench = try Bench(["/w/a", "/v/b"])
    bench.note(1, "/w/a")
    bench.note(2, "/v/b")
    let watch = try #require(bench.system.given["/w"])
    bench.watcher.take([FileEvent(watch: watch, kind: .itself)])
    #expect(bench.changed == [1])
    bench.note(1, "/w/a")
    bench.watcher.take([FileEvent(watch: watch, kind: .ended)])
    #expect(bench.changed == [1, 1])
    #expect(!bench.watcher.table.knows(watch: watch))
    bench.system.unwatch(watch)
    bench.note(1, "/w/a")
    #expect(bench.system.given["/w"] != watch)
    bench.happens(("/w", "a"))
    #expect(bench.changed == [1, 1, 1])
  }

  @Test func `gives back watches that nobody needs, after a while`() throws {
    let bench = try Bench(["/w/a", "/v/b"])
    bench.watcher.tick(now: 1)
    bench.note(1, "/w/a")
    bench.note(2, "/v/b")
    bench.happens(("/w", "a"))
    bench.watcher.tick(now: 2)
    #expect(bench.system.given["/w"] != nil, "it is needed again in a moment")
    bench.watcher.tick(now: 1 + WatchLimits.sweepMilliseconds)
    #expect(bench.system.given["/w"] == nil)
    #expect(bench.system.given["/v"] != nil)
    #expect(bench.watcher.table.watchCount == 2)
  }
}

@Suite struct `the file watcher's bounds` {
  @Test func `a full table lets the oldest go, so many a second`() throws {
    let names = (0..<1_000).map { "/w/\($0)" }
    let bench = try Bench(names, filesMax: 4)
    bench.watcher.tick(now: 1)
    for stamp in 1...6 { bench.note(UInt32(stamp), "/w/\(stamp)") }
    #expect(bench.watcher.table.fileCount == 4)
    #expect(!bench.isWatched(1) && !bench.isWatched(2))
    #expect(bench.isWatched(3) && bench.isWatched(6))
    #expect(bench.board.trouble == .fileLimit)
    for stamp in 7...600 { bench.note(UInt32(stamp), "/w/\(stamp)") }
    let last = UInt32(4 + WatchLimits.evictionsPerSecond)
    #expect(bench.isWatched(last) && !bench.isWatched(last + 1))
    bench.watcher.tick(now: 2_000)
    bench.note(700, "/w/700")
    #expect(bench.isWatched(700))
    #expect(bench.changed.isEmpty, "whoever leaves has not changed")
  }

  @Test func `without more watches what can be watched is, and the rest is tried again`() throws {
    for isOwn in [false, true] {
      let bench = try Bench(["/w/a", "/v/b"], watchesMax: isOwn ? 2 : 100)
      if !isOwn { bench.system.watchesMax = 2 }
      bench.watcher.tick(now: 1)
      bench.note(1, "/w/a")
      #expect(bench.board.trouble.isEmpty)
      bench.note(2, "/v/b")
      #expect(bench.board.trouble == (isOwn ? .ownLimit : .kernelLimit))
      #expect(bench.board.value(of: .partialFiles) == 1)
      #expect(bench.system.given.count == 2)
      // Not told again at each comparison.
      #expect(bench.isWatched(2))
      bench.happens(("/w", "a"))
      #expect(bench.changed == [1])
      bench.happens(("/", "v"))
      #expect(bench.changed == [1, 2])
      bench.note(2, "/v/b")
      bench.watcher.tick(now: 1 + WatchLimits.partialRetryMilliseconds)
      #expect(!bench.isWatched(2))
      #expect(bench.changed == [1, 2])
    }
  }

  @Test func `in a directory that may not be read the entry itself is watched`() throws {
    let bench = try Bench(["/home/me/www/a"], links: ["/home/me/now": "www"])
    bench.system.unreadable = ["/home/me"]
    bench.note(1, "/home/me/now/a")
    #expect(bench.system.scopes["/home/me/now"] == .itself)
    #expect(bench.board.trouble.isEmpty)
    let link = try #require(bench.system.given["/home/me/now"])
    bench.watcher.take([FileEvent(watch: link, kind: .itself)])
    #expect(bench.changed == [1])
  }

  @Test func `a loop of links and an endless path come to an end`() throws {
    let loop = try Bench([], links: ["/a": "b", "/b": "a"])
    loop.note(1, "/a/x")
    loop.happens(("/", "b"))
    #expect(loop.changed == [1])
    let deep = try Bench([], links: ["/a": "a/" + String(repeating: "x/", count: 2_000)])
    deep.note(1, "/a/x")
    #expect(deep.isWatched(1))
  }

  @Test func `a note keeps its meaning on the way, and bytes that are none are refused`() throws {
    let facts = FileFacts(
      device: .max, inode: 2, size: .max, modifiedNanoseconds: .min, changedNanoseconds: -1)
    let note = WatchNote(stamp: 7, path: bytes("/w/ä b"), coding: .br, facts: facts)
    let packet = try #require(note.bytes)
    #expect(WatchNote(bytes: packet) == note)
    for count in packet.indices { #expect(WatchNote(bytes: Array(packet[..<count])) == nil) }
    #expect(WatchNote(bytes: packet + [0]) == nil)
    for path in ["relative", "", "/a\0b"] {
      let bad = WatchNote(stamp: 7, path: bytes(path), coding: .br, facts: facts)
      #expect(WatchNote(bytes: try #require(bad.bytes)) == nil)
    }
    let long = WatchNote(
      stamp: 7, path: bytes("/" + String(repeating: "x", count: 5_000)), coding: .br, facts: facts)
    #expect(long.bytes == nil)
  }

  @Test func `two files that share a place on the board are both known to the watcher`() throws {
    let bench = try Bench(["/w/a", "/w/b"])
    let other = UInt32(1 + 2 * WatchLimits.fileCountMax)
    bench.note(1, "/w/a")
    bench.note(other, "/w/b")
    #expect(!bench.board.isWatched(1) && bench.board.isWatched(other))
    bench.note(1, "/w/a")
    #expect(bench.board.isWatched(1))
    #expect(bench.watcher.table.fileCount == 2)
  }
}
