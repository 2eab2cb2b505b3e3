// 16: clients that take a byte a second of a large file. Others do not notice them.

import Foundation
import TestSupport
import Testing

/// Bytes in which each place differs from its neighbours, another row for each seed.
private func pattern(_ seed: UInt64, count: Int) -> [UInt8] {
  let words = (0..<8192 as Range<UInt64>).map { ($0 &+ seed &* 8191) &* 0x9e37_79b9_7f4a_7c15 }
  let block = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + block.count)
  while bytes.count < count {
    bytes += block
    bytes[bytes.count - block.count] = UInt8(truncatingIfNeeded: bytes.count / block.count)
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}

/// Clients that ask for a file and then hardly read.
private final class SlowReaders {
  private var sockets: [ClientSocket] = []
  private(set) var byteCounts: [Int]
  private let port: UInt16

  init(_ count: Int, port: UInt16, target: (Int) -> String) throws {
    self.port = port
    byteCounts = [Int](repeating: 0, count: count)
    for number in 0..<count {
      let socket = try ClientSocket(port: port)
      socket.limitReceiveBuffer(byteCount: 4096)
      try socket.send("GET \(target(number)) HTTP/1.1\r\nHost: localhost\r\n\r\n")
      sockets.append(socket)
    }
  }

  /// Each takes one byte more, if there is one; returns how many were ended by the server.
  @discardableResult
  func takeByte() -> Int {
    var ended = 0
    for (index, socket) in sockets.enumerated() {
      var byte = [UInt8](repeating: 0, count: 1)
      do {
        switch try socket.receiveSome(into: &byte) {
        case .some(0): ended += 1
        case .some(let count): byteCounts[index] += count
        case nil: break
        }
      } catch { ended += 1 }
    }
    return ended
  }

  func close() { for socket in sockets { socket.close() } }
}

extension ServerTests {
  @Suite struct `16 slow readers harm nobody` {
    private static let mebibyte = 1 << 20
    /// The kernel keeps 2.6 MB for each that it has not sent: a thousand are for large machines.
    private static let clientCount =
      ProcessInfo.processInfo.environment["RING3_SLOW_READERS"].flatMap { Int($0) } ?? 200

    /// KiB of a process that are its own: neither files nor shared memory.
    private func ownKibibytes(_ pid: Int32) -> Int {
      for line in textOfKernelFile("/proc/\(pid)/status").split(separator: "\n")
      where line.hasPrefix("RssAnon:") {
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      }
      return 0
    }

    private func makeServer(_ configuration: String, workers: Int, openFilesMax: Int = 4096)
      throws -> TestServer
    {
      raiseOpenFileLimit()
      let server = try TestServer(
        configuration, workers: workers, openFilesMax: openFilesMax, starts: false)
      for number in 0..<40 {
        server.directory.write(pattern(UInt64(number), count: 3000), to: "www/small\(number)")
      }
      return server
    }

    /// Other files are filled, served and replaced at once and right; returns the longest time.
    private func useOthers(_ server: TestServer, round: Int) throws -> Int64 {
      var longest: Int64 = 0
      for number in 0..<40 {
        let start = monotonicMilliseconds()
        let response = try server.get("/small\(number)")
        longest = max(longest, monotonicMilliseconds() - start)
        #expect(response.body == pattern(UInt64(number), count: 3000))
      }
      let bytes = pattern(UInt64(1000 + round), count: 700_000)
      server.directory.write(bytes, to: "www/new\(round)")
      for _ in 0..<2 {
        let start = monotonicMilliseconds()
        #expect(try server.get("/new\(round)").body == bytes)
        longest = max(longest, monotonicMilliseconds() - start)
      }
      return longest
    }

    @Test func `many readers of one large file delay nobody and pin it once a worker`()
      throws
    {
      let server = try makeServer(
        "CacheSize 1G\nCacheMaxObject 64M\nTimeout 60", workers: 2)
      let bytes = pattern(7, count: 64 * Self.mebibyte)
      server.directory.write(bytes, to: "www/large")
      try server.start()
      // A file that was written a moment ago is not stored yet.
      let isStored = try eventually(milliseconds: 10_000) {
        let response = try server.get("/large")
        #expect(response.body == bytes)
        return server.status()?.number("cache.publishes") ?? 0 >= 1
      }
      #expect(isStored)
      let before = server.workers.map { ownKibibytes($0) }
      let slow = try SlowReaders(Self.clientCount, port: server.port) { _ in "/large" }
      defer { slow.close() }
      // Until each has its first bytes the workers are busy with copying to the kernel.
      let areServed = eventually(milliseconds: 20_000) {
        slow.takeByte() == 0 && slow.byteCounts.allSatisfy { $0 > 0 }
      }
      #expect(areServed)
      var longest: Int64 = 0
      for round in 0..<2 {
        #expect(slow.takeByte() == 0)
        longest = max(longest, try useOthers(server, round: round))
      }
      let pinned = try #require(server.status()?.number("cache.pinnedBytes"))
      #expect(pinned > 64 * Self.mebibyte && pinned <= 128 * Self.mebibyte)
      // Replaced under them: new readers get the new one, whole.
      let other = pattern(8, count: 64 * Self.mebibyte - 1)
      server.directory.replace("www/large", with: other)
      pause(milliseconds: 1100)
      #expect(try server.get("/large").body == other)
      #expect(slow.takeByte() == 0)
      #expect(longest < 2000, "\(longest) ms")
      for (index, pid) in server.workers.enumerated() {
        let grown = (ownKibibytes(pid) - before[index]) / 1024
        #expect(grown < 128, "\(grown) MiB")
      }
    }

    @Test func `readers of many large files pin and copy no more than is allowed`() throws {
      let server = try makeServer(
        "CacheSize 192M\nCacheMaxObject 8M\nTimeout 60", workers: 1)
      let bytes = (0..<12).map { pattern(UInt64(100 + $0), count: 8 * Self.mebibyte) }
      for (number, bytes) in bytes.enumerated() {
        server.directory.write(bytes, to: "www/large\(number)")
      }
      try server.start()
      for number in 0..<12 { #expect(try server.get("/large\(number)").body == bytes[number]) }
      let worker = try #require(server.workers.first)
      let before = ownKibibytes(worker)
      let slow = try SlowReaders(120, port: server.port) { "/large\($0 % 12)" }
      defer { slow.close() }
      let areServed = eventually(milliseconds: 20_000) {
        slow.takeByte()
        return slow.byteCounts.allSatisfy { $0 > 0 }
      }
      #expect(areServed)
      var most = 0
      for round in 0..<2 {
        slow.takeByte()
        #expect(try useOthers(server, round: round) < 2000)
        most = max(most, ownKibibytes(worker) - before)
        let pinned = try #require(server.status()?.number("cache.pinnedBytes"))
        #expect(pinned > 0 && pinned <= 24 * Self.mebibyte)
      }
      print("slow readers: \(most / 1024) MiB more, ended \(slow.takeByte())")
      #expect(most / 1024 < 96, "\(most / 1024) MiB")
      // A reader that is not slow gets all of it, whatever others do.
      for number in [0, 11] {
        #expect(try server.get("/large\(number)").body == bytes[number])
      }
    }
  }
}
