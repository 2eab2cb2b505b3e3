// 26: bodies of any length pass through in bounded memory, whoever is the slower side.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `26 it streams in bounded memory` {
    /// How much is streamed, in bytes; RING3_STREAM_BYTES makes it more.
    private static let byteCount =
      ProcessInfo.processInfo.environment["RING3_STREAM_BYTES"].flatMap { Int($0) } ?? 96 << 20

    /// What a worker may grow by while a body passes: buffers of both sides, and some slack for the
    /// allocator.
    private static let kibibytesMax = 700

    /// An application that sends or counts so many bytes.
    private static func origin() -> Origin {
      Origin(readsBody: false) { request, peer in
        guard request.method == "GET" else {
          let isChunked = request["Content-Length"] == nil
          let end = Array("0\r\n\r\n".utf8)
          var count = request.body.count
          var last = Array(request.body.suffix(5))
          while isChunked ? last != end : count < byteCount {
            let bytes = peer.receive()
            if bytes.isEmpty { return false }
            count += bytes.count
            last = Array((last + bytes.suffix(5)).suffix(5))
          }
          return peer.send(Origin.response("\(count)"))
        }
        let isChunked = request.target == "/chunks"
        let part = [UInt8](repeating: 0x78, count: 65_536)
        let chunk = Array("10000\r\n".utf8) + part + [13, 10]
        let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(byteCount)"
        peer.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\(framing)\r\n\r\n")
        for _ in 0..<byteCount / part.count where !peer.send(isChunked ? chunk : part) {
          return false
        }
        return isChunked ? peer.send("0\r\n\r\n") : true
      }
    }

    /// Numbers, for who measures more than a test does.
    private static func tell(_ text: String) {
      if ProcessInfo.processInfo.environment["RING3_STREAM_BYTES"] != nil { print(text) }
    }

    /// The resident memory of a process, in KiB.
    private static func residentKibibytes(_ pid: Int32) -> Int {
      let line = textOfKernelFile("/proc/\(pid)/status").split(separator: "\n").first {
        $0.hasPrefix("VmRSS:")
      }
      return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// A server whose worker has passed on a little of everything, and what it then takes.
    private static func warmed(_ origin: Origin) throws -> (TestServer, Int32, Int) {
      let server = try TestServer(
        "Protocols h2c http/1.1\nProxyPass /app http://127.0.0.1:\(origin.port)", workers: 1)
      for _ in 0..<3 {
        let socket = try ClientSocket(port: server.port)
        try socket.send("GET /app/chunks HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in 0..<50 { _ = try socket.receive() }
        socket.close()
      }
      pause(milliseconds: 200)
      let worker = try #require(server.workers.first)
      return (server, worker, residentKibibytes(worker))
    }

    /// Reads so many bytes, looking at the worker's memory now and then; the most it took.
    private static func read(
      _ socket: ClientSocket, _ byteCount: Int, _ worker: Int32, isSlow: Bool
    ) throws -> (byteCount: Int, kibibytes: Int) {
      var count = 0
      var most = 0
      var turn = 0
      while count < byteCount {
        let bytes = try socket.receive()
        if bytes.isEmpty { break }
        count += bytes.count
        turn += 1
        if turn % 64 == 0 { most = max(most, residentKibibytes(worker)) }
        if isSlow, turn % 256 == 0 { pause(milliseconds: 100) }
      }
      return (count, most)
    }

    @Test(arguments: ["length", "chunks"], [false, true])
    func `a download`(_ target: String, _ isSlow: Bool) throws {
      let origin = Self.origin()
      let (server, worker, before) = try Self.warmed(origin)
      let socket = try ClientSocket(port: server.port)
      if isSlow { socket.limitReceiveBuffer(byteCount: 16_384) }
      try socket.send("GET /app/\(target) HTTP/1.1\r\nHost: x\r\n\r\n")
      if isSlow { pause(milliseconds: 500) }
      let started = monotonicMilliseconds()
      let (count, most) = try Self.read(socket, Self.byteCount, worker, isSlow: isSlow)
      #expect(count >= Self.byteCount)
      #expect(most > 0 && most - before < Self.kibibytesMax, "\(before) KiB became \(most)")
      Self.tell(
        "\(target) \(isSlow ? "slow" : "fast"): \(before) KiB, at most \(most) KiB,"
          + " \(monotonicMilliseconds() - started) ms")
    }

    @Test func `several downloads at once`() throws {
      let origin = Self.origin()
      let (server, worker, before) = try Self.warmed(origin)
      var sockets: [ClientSocket] = []
      for _ in 0..<8 {
        let socket = try ClientSocket(port: server.port)
        socket.limitReceiveBuffer(byteCount: 16_384)
        try socket.send("GET /app/chunks HTTP/1.1\r\nHost: x\r\n\r\n")
        sockets.append(socket)
      }
      pause(milliseconds: 700)
      var most = 0
      for turn in 0..<2000 {
        for socket in sockets { _ = try socket.receive() }
        if turn % 100 == 0 { most = max(most, Self.residentKibibytes(worker)) }
      }
      #expect((most - before) / 8 < Self.kibibytesMax, "\(before) KiB became \(most)")
      Self.tell("8 streams: \(before) KiB, at most \(most) KiB")
      for socket in sockets { socket.close() }
    }

    @Test(arguments: ["Content-Length", "Transfer-Encoding"])
    func `an upload`(_ framing: String) throws {
      let isChunked = framing == "Transfer-Encoding"
      let origin = Self.origin()
      let (server, worker, before) = try Self.warmed(origin)
      let connection = try server.open()
      try connection.send(
        "POST /app/ HTTP/1.1\r\nHost: x\r\n"
          + (isChunked
            ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(Self.byteCount)\r\n\r\n"))
      let part = [UInt8](repeating: 0x78, count: 65_536)
      let chunk = isChunked ? Array("10000\r\n".utf8) + part + [13, 10] : part
      var most = 0
      for turn in 0..<Self.byteCount / part.count {
        try connection.channel.send(chunk)
        if turn % 64 == 63 { most = max(most, Self.residentKibibytes(worker)) }
      }
      if isChunked { try connection.send("0\r\n\r\n") }
      #expect(try (Int(connection.response().text) ?? 0) >= Self.byteCount)
      #expect(most > 0 && most - before < Self.kibibytesMax, "\(before) KiB became \(most)")
      Self.tell("upload \(framing): \(before) KiB, at most \(most) KiB")
    }
  }
}
