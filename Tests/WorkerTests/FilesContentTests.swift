// Copies that never mix two versions, validators, and the table of open files.

import Cache
import Foundation
import Configuration
import HTTP
import Platform
import Testing

@testable import Worker

@Suite struct FilesContentTests {
  let tree: TemporaryTree

  init() throws { tree = try TemporaryTree() }

  private func open(_ path: String) throws -> OpenFile {
    guard case .file(let file) = Resolver.helper.answer(tree.request(path)) else {
      throw SystemError(code: 2, operation: "open", subject: path)
    }
    return file
  }

  /// A moment so long after the file's last change.
  private func moment(_ file: OpenFile, milliseconds: Int64) -> Int64 {
    file.facts.changedNanoseconds + milliseconds * 1_000_000
  }

  @Test func `a file left alone is copied and may be stored`() throws {
    try tree.write("site/f", "hello")
    let file = try open("/f")
    for (age, expected): (Int64, FileCopy.Step) in [
      (0, .unsettled(retryMilliseconds: 20)), (19, .unsettled(retryMilliseconds: 20)),
      (20, .complete(storable: false)), (499, .complete(storable: false)),
      (500, .complete(storable: true)), (-600, .complete(storable: true)),
    ] {
      let buffer = ByteBuffer(capacity: 5)
      var copy = FileCopy(facts: file.facts)
      let step = copy.advance(
        from: file.descriptor, into: buffer, now: moment(file, milliseconds: age))
      #expect(step == expected, "\(age) ms")
      if case .complete = step { #expect(buffer.copy(0..<5) == Array("hello".utf8)) }
    }
  }

  @Test func `a copy lands in the extents of a region in order`() throws {
    let text = (0..<2_000).map { "line \($0)\n" }.joined()
    try tree.write("site/f", text)
    let file = try open("/f")
    let region = try SharedRegion(anonymous: 65_536)
    let size = text.utf8.count
    let extents = [
      RegionRange(offset: 40_000, count: 1_000), RegionRange(offset: 100, count: 1),
      RegionRange(offset: 8_192, count: size),
    ]
    var copy = FileCopy(facts: file.facts)
    let step = copy.advance(
      from: file.descriptor, into: region, now: moment(file, milliseconds: 1_000)
    ) { offset in
      var start = 0
      for extent in extents {
        if offset < start + extent.count {
          return RegionRange(
            offset: extent.offset + offset - start, count: extent.count - (offset - start))
        }
        start += extent.count
      }
      return nil
    }
    #expect(step == .complete(storable: true))
    let bytes =
      region.copyOut(at: 40_000, count: 1_000) + region.copyOut(at: 100, count: 1)
      + region.copyOut(at: 8_192, count: size - 1_001)
    #expect(bytes == Array(text.utf8))
  }

  @Test func `bytes on the disk are warmed by the helper, not waited for`() throws {
    let size = 300_000
    try tree.write("site/f", String(repeating: "x", count: size))
    let file = try open("/f")
    guard !File.isInMemory(file.descriptor) else { return }
    var coldCount = 0
    // The kernel drops pages when it likes, and a look at a cold page may already fetch it.
    for _ in 0..<200 where coldCount == 0 {
      // Writes the file out and drops it from memory.
      try tree.run("sh -c", "site/f", #"dd of="$0" oflag=nocache conv=notrunc,fdatasync count=0"#)
      let buffer = ByteBuffer(capacity: size)
      var copy = FileCopy(facts: try File.facts(file.descriptor))
      while case .cold(let offset, let count) = copy.advance(
        from: file.descriptor, into: buffer, now: moment(file, milliseconds: 60_000))
      {
        coldCount += 1
        _ = IOHelper.handle(.warm(file.descriptor, offset: offset, count: count))
        copy.warmed()
        #expect(File.isInMemory(file.descriptor, at: offset, count: count))
      }
      #expect(buffer.copy(0..<buffer.count) == [UInt8](repeating: 0x78, count: size))
    }
    #expect(coldCount > 0)
  }

  @Test(arguments: ["same length", "longer than before", "cut"])
  func `a change in the middle of a copy is noticed`(rest: String) throws {
    try tree.write("site/f", "same length")
    let file = try open("/f")
    let path = tree.root + "/f"
    let buffer = ByteBuffer(capacity: 11)
    var copy = FileCopy(facts: file.facts)
    // The next stamp must differ from that of the write above.
    Thread.sleep(forTimeInterval: 0.02)
    let step = copy.advance(from: file.descriptor, now: moment(file, milliseconds: 60_000)) {
      offset, _, mayWait in
      if offset == 4, let handle = FileHandle(forWritingAtPath: path) {
        try? handle.truncate(atOffset: UInt64(min(rest.utf8.count, 11)))
        try? handle.seek(toOffset: 0)
        try? handle.write(contentsOf: Data(rest.utf8))
        try? handle.close()
      }
      return File.read(
        file.descriptor, at: Int64(offset), count: 4, into: buffer, mayWait: mayWait)
    }
    guard case .changed(let facts) = step else {
      Issue.record("\(step)")
      return
    }
    #expect(facts.size == Int64(rest.utf8.count))
  }

  @Test func `a file is copied into a cache entry and back out`() throws {
    let cache = try CacheStore.anonymous(byteCount: 16 << 20)
    cache.attach(processSlot: 0)
    for size in [0, 1, 1_000, 70_000, 900_000] {
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
      try Data(bytes).write(to: URL(fileURLWithPath: tree.root + "/f"))
      let file = try open("/f")
      let key = Array("key\(size)".utf8)
      let hash = cache.hash(key.rawSpan)
      let begun = cache.beginFill(
        CacheEntryHead(
          key: key.rawSpan, hash: hash, facts: EntryFacts(), head: key.rawSpan, validated: 1,
          asOf: cache.generation), bodyByteCount: size)
      let fill = try #require(begun, "\(size) bytes")
      var copy = FileCopy(facts: file.facts)
      let step = copy.advance(
        from: file.descriptor, into: cache.region, now: moment(file, milliseconds: 1_000)
      ) { cache.room(for: fill, at: $0) }
      #expect(step == .complete(storable: true))
      let buffer = ByteBuffer(capacity: max(1, size))
      cache.copyBody(of: fill.hit, byteCount: size, into: buffer)
      #expect(buffer.copy(0..<size) == bytes)
      #expect(cache.publish(fill))
    }
  }

  @Test func `a change before the copy is told, and endless changes end it`() throws {
    try tree.write("site/f", "hello")
    let file = try open("/f")
    var copy = FileCopy(facts: file.facts)
    let buffer = ByteBuffer(capacity: 16)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: tree.root + "/f"))
    var steps = 0
    while true {
      try handle.seekToEnd()
      try handle.write(contentsOf: Data("x".utf8))
      let step = copy.advance(
        from: file.descriptor, into: buffer, now: moment(file, milliseconds: 60_000))
      steps += 1
      guard case .changed(let facts) = step else {
        #expect(step == .torn)
        break
      }
      #expect(facts.size == 5 + Int64(steps))
      copy.restart(with: facts)
    }
    #expect(steps == 8)
    try handle.close()
  }

  @Test(.timeLimit(.minutes(1)))
  func `no mixture of two versions is ever storable`() throws {
    let size = 262_144
    try tree.write("site/f", String(repeating: "a", count: size))
    let path = tree.root + "/f"
    let stop = Flag()
    let writer = Thread {
      guard let handle = FileHandle(forUpdatingAtPath: path) else { return }
      var version: UInt8 = 0
      var pause: UInt32 = 1
      while !stop.isSet {
        version &+= 1
        try? handle.seek(toOffset: 0)
        try? handle.write(contentsOf: Data(repeating: version, count: size))
        // From none to longer than a file must rest to be stored.
        pause = pause &* 1_103_515_245 &+ 12_345
        Thread.sleep(forTimeInterval: pause % 4 == 0 ? 0.6 : Double(pause >> 16 % 30) / 1_000_000)
      }
    }
    writer.start()
    defer { stop.set() }
    let buffer = ByteBuffer(capacity: size)
    let (end, lastEnd) = (Date().addingTimeInterval(4), Date().addingTimeInterval(30))
    var storable = 0
    while Date() < end || storable == 0 && Date() < lastEnd {
      let file = try open("/f")
      var copy = FileCopy(facts: file.facts)
      guard file.facts.size == Int64(size),
        copy.advance(from: file.descriptor, into: buffer) == .complete(storable: true)
      else { continue }
      storable += 1
      let bytes = buffer.copy(0..<size)
      #expect(bytes.allSatisfy { $0 == bytes[0] })
    }
    #expect(storable > 0)
  }

  @Test func `an entity tag names size, time, inode and coding as asked`() {
    let facts = FileFacts(
      device: 1, inode: 0xab, size: 0x10, modifiedNanoseconds: 0x1234, changedNanoseconds: 0x1234)
    func tag(_ parts: FileETag, _ coding: ContentCoding = .identity, now: Int64) -> String {
      var bytes: [UInt8] = []
      facts.appendEntityTag(to: &bytes, parts: parts, coding: coding, now: now)
      return String(decoding: bytes, as: UTF8.self)
    }
    let later: Int64 = 1_000_000_000
    #expect(tag(.standard, now: later) == "\"10-1234\"")
    #expect(tag([.inode, .size, .modificationTime], now: later) == "\"ab-10-1234\"")
    #expect(tag(.standard, .br, now: later) == "\"10-1234-br\"")
    #expect(tag(.size, .gzip, now: later) == "\"10-gz\"")
    #expect(tag([], now: later) == "")
    #expect(tag(.standard, now: 0x1234 + 19_999_999) == "W/\"10-1234\"")
    #expect(tag(.standard, now: 0x1234 + 20_000_000) == "\"10-1234\"")
  }

  @Test func `Last-Modified is in whole seconds and never in the future`() {
    func seconds(_ nanoseconds: Int64) -> Int64 {
      FileFacts(
        device: 0, inode: 0, size: 0, modifiedNanoseconds: nanoseconds, changedNanoseconds: 0
      ).lastModifiedSeconds(nowSeconds: 1_000)
    }
    #expect(seconds(999_999_999_999) == 999)
    #expect(seconds(5_000_000_000_000) == 1_000)
    #expect(seconds(-1) == -1)
    #expect(seconds(.max) == 1_000)
  }

  @Test func `the table revalidates, evicts the oldest, and never closes a file in use`() throws {
    for name in ["a", "b", "c"] { try tree.write("site/" + name, name, age: 10) }
    let table = OpenFileTable(capacity: 2, revalidateMilliseconds: 1_000)
    for name in ["a", "b"] {
      table.insert(try open("/" + name), for: tree.request("/" + name), now: 0)
    }
    let kept = try #require(table.lookUp(tree.request("/a"), now: 999))
    table.insert(try open("/c"), for: tree.request("/c"), now: 999)
    #expect(table.lookUp(tree.request("/b"), now: 999)?.facts == nil)
    #expect(table.lookUp(tree.request("/a"), now: 1_500)?.facts != nil)
    // Another policy is another question.
    var strict = tree.request("/a")
    strict.links = .none
    #expect(table.lookUp(strict, now: 1_500)?.facts == nil)
    try FileManager.default.removeItem(atPath: tree.root + "/a")
    #expect(table.lookUp(tree.request("/a"), now: 2_000)?.facts != nil)
    #expect(table.lookUp(tree.request("/a"), now: 2_600)?.facts == nil)
    table.evict(5)
    #expect(table.count == 0)
    #expect(content(kept) == "a")
    #expect(File.isUnchanged(kept.descriptor, kept.facts))
  }
}
