// Files on the floor: limits of resolution, reading without waiting, sending, names.

import Foundation
import Testing

@testable import Platform

@Suite final class FileTests {
  let directory: String

  init() throws {
    directory = NSTemporaryDirectory() + "ring3-file-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  private func write(_ name: String, _ content: String) throws -> [UInt8] {
    let path = directory + "/" + name
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    return Array(path.utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func code(_ body: () throws(SystemError) -> Descriptor) -> CInt {
    do {
      _ = try body()
      return 0
    } catch {
      return error.code
    }
  }

  @Test(.enabled(if: File.canLimitResolution))
  func `limits of resolution are kept by the kernel`() throws {
    _ = try write("plain", "x")
    try FileManager.default.createSymbolicLink(
      atPath: directory + "/link", withDestinationPath: "plain")
    try FileManager.default.createSymbolicLink(
      atPath: directory + "/out", withDestinationPath: "../..")
    let start = try File.open(Array(directory.utf8), for: [.locate, .directory])
    func open(_ name: String, _ limits: ResolveLimits) -> CInt {
      code { () throws(SystemError) in
        try File.open(Array(name.utf8), in: start, for: .read, limits: limits)
      }
    }
    #expect(open("plain", [.beneath, .noSymbolicLinks]) == 0)
    #expect(open("link", .beneath) == 0)
    #expect(open("link", .noSymbolicLinks) == SystemError.symbolicLinkLoop)
    #expect(open("out", .beneath) == SystemError.crossDevice)
    #expect(open("..", .beneath) == SystemError.crossDevice)
    #expect(open("plain\u{0}", []) == SystemError.notFound)
  }

  @Test func `facts tell types and changes apart`() throws {
    let path = try write("plain", "12345")
    let file = try File.open(path, for: .read)
    let facts = try File.facts(file)
    #expect(facts.isRegularFile && !facts.isDirectory && facts.size == 5)
    #expect(try File.facts(File.open(Array(directory.utf8), for: .locate)).isDirectory)
    #expect(File.isUnchanged(file, facts))
    // A removed name leaves the bytes.
    try FileManager.default.removeItem(atPath: directory + "/plain")
    #expect(File.isUnchanged(file, facts))
    #expect(try !File.facts(file).isUnchanged(since: facts))
  }

  @Test func `what was just written is read without waiting`() throws {
    let text = String(repeating: "0123456789", count: 30_000)
    let file = try File.open(try write("big", text), for: .read)
    let buffer = ByteBuffer(capacity: 300_001)
    File.warm(file, at: 0, count: 300_000)
    if case .cold = File.residency(file, at: 0, count: 300_000) { Issue.record("cold") }
    while case .read(let count) = File.read(
      file, at: Int64(buffer.count), count: .max, into: buffer, mayWait: true), count > 0
    {}
    #expect(buffer.copy(0..<buffer.count) == Array(text.utf8))
    let again = ByteBuffer(capacity: 10)
    #expect(File.read(file, at: 299_999, count: 10, into: again, mayWait: false) == .read(1))
    #expect(File.read(file, at: 300_000, count: 10, into: again, mayWait: false) == .end)
  }

  @Test func `sending says how far it came, and that a file was cut`() throws {
    let file = try File.open(try write("f", "hello"), for: .read)
    let (near, far) = try MessageSocket.pair()
    #expect(File.send(file, at: 1, count: 3, to: near.descriptor.number) == .sent(3))
    guard case .message(let bytes, _) = try far.receive() else {
      Issue.record("nothing came")
      return
    }
    #expect(bytes == Array("ell".utf8))
    #expect(File.send(file, at: 5, count: 1, to: near.descriptor.number) == .truncated)
    while case .sent = File.send(file, at: 0, count: 5, to: near.descriptor.number) {}
    #expect(File.send(file, at: 0, count: 5, to: near.descriptor.number) == .wouldBlock)
  }

  @Test func `memory files hold what was given`() throws {
    let file = try File.inMemory(Array("listing".utf8))
    #expect(File.isInMemory(file))
    #expect(try File.facts(file).size == 7)
    let buffer = ByteBuffer(capacity: 7)
    #expect(File.read(file, at: 0, count: 7, into: buffer, mayWait: false) == .read(7))
    #expect(buffer.copy(0..<7) == Array("listing".utf8))
  }

  @Test func `names are filtered and bounded`() throws {
    for name in ["a", "b", "c", ".hidden"] { _ = try write(name, "") }
    let open = try File.open(Array(directory.utf8), for: [.read, .directory])
    let all = try DirectoryReader.names(in: open, countMax: 10) { $0.first != 0x2e }
    #expect(all.isComplete && Set(all.names) == Set([[0x61], [0x62], [0x63]]))
    // The same descriptor may be read again from the start.
    let some = try DirectoryReader.names(in: open, countMax: 2) { _ in true }
    #expect(!some.isComplete && some.names.count == 2)
  }
}
