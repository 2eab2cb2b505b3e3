// 19: Records made by the kernel, where it makes any: tools/kerneltest runs these in one that does.
// Where it does not, only that nothing is lost by asking for them is seen.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `19 the kernel makes records` {
    private static let large = variedBytes(3_000_000)
    private static let lengths = (0..<8).map { 900_000 + $0 * 270_001 }

    /// How many connections' records this kernel has made; nil: it makes none.
    private static var kernelConnectionCount: Int? {
      guard let text = try? String(contentsOfFile: "/proc/net/tls_stat", encoding: .utf8),
        let line = text.split(separator: "\n").first(where: { $0.hasPrefix("TlsTxSw") })
      else { return nil }
      return line.split(whereSeparator: { " \t".contains($0) }).last.flatMap { Int($0) }
    }

    private func makeServer(_ configuration: String = "") throws -> TestServer {
      try TestServer.encrypted(
        TestServer.encryption + "SSLOpenSSLConfCmd Options KTLS\n" + configuration, workers: 1
      ) {
        $0.directory.write(Self.large, to: "www/large")
        $0.directory.write(Array(Self.large.prefix(100_000)), to: "www/cached")
        $0.directory.age("www/cached", seconds: 100)
      }
    }

    private func connect(_ server: TestServer, _ version: TLSOffer.Version) throws -> TLSChannel {
      var offer = server.offer("www.example.org", "http/1.1")
      offer.versionMin = version
      offer.versionMax = version
      return try server.openTLS(offer)
    }

    /// All that comes until the server says its end.
    private func readAll(_ channel: TLSChannel) throws -> [UInt8] {
      var all: [UInt8] = []
      while true {
        let part = try channel.receive()
        if part.isEmpty { return all }
        all += part
      }
    }

    @Test(arguments: [TLSOffer.Version.tls12, .tls13])
    func `every byte comes over both versions of HTTP`(_ version: TLSOffer.Version) throws {
      let before = Self.kernelConnectionCount
      let server = try makeServer()
      var offer = server.offer("www.example.org", "h2")
      offer.versionMin = version
      offer.versionMax = version
      let client = try HTTP2Client(server.openTLS(offer), scheme: "https")
      for _ in 0..<3 {
        #expect(try client.get("/cached").body == Array(Self.large.prefix(100_000)))
        #expect(try client.get("/large").body == Self.large)
      }
      let connection = Conversation(try connect(server, version))
      for _ in 0..<3 {
        #expect(try connection.get("/cached").body == Array(Self.large.prefix(100_000)))
        #expect(try connection.get("/large").body == Self.large)
        #expect(try connection.get("/large", method: "HEAD").status == 200)
      }
      let closing = try connection.get("/a", fields: ["Connection: close"])
      #expect(closing.text == "A" && closing.head.closes)
      // Without close_notify the channel would throw.
      #expect(try connection.channel.receive().isEmpty)
      if let before { #expect(Self.kernelConnectionCount == before + 2) }
    }

    /// So many that some of them end within the record that fills a socket.
    private static let manyLengths = (1...60).map { $0 * 47_003 }

    /// Connections on which files of these lengths have been asked for, and of which nothing is
    /// read yet.
    private func ask(
      _ server: TestServer, _ lengths: [Int], _ version: TLSOffer.Version = .tls13,
      fields: String = ""
    ) throws -> [TLSChannel] {
      try lengths.map { length in
        server.directory.write(Array(Self.large.prefix(length)), to: "www/\(length)")
        let channel = try connect(server, version)
        channel.socket.limitReceiveBuffer(byteCount: 65_536)
        try channel.send(
          "GET /\(length) HTTP/1.1\r\nHost: www.example.org\r\n\(fields)\r\n")
        return channel
      }
    }

    private func isWhole(_ answer: [UInt8], _ length: Int) -> Bool {
      answer.suffix(length).elementsEqual(Self.large.prefix(length))
    }

    @Test(.enabled(if: kernelConnectionCount != nil), arguments: [TLSOffer.Version.tls12, .tls13])
    func `whoever reads late gets the end too when it is the connection's`(
      _ version: TLSOffer.Version
    ) throws {
      let server = try makeServer()
      let channels = try ask(server, Self.manyLengths, version, fields: "Connection: close\r\n")
      pause(milliseconds: 3_000)
      for (length, channel) in zip(Self.manyLengths, channels) {
        #expect(isWhole((try? readAll(channel)) ?? [], length), "\(length)")
      }
    }

    @Test(.enabled(if: kernelConnectionCount != nil))
    func `whoever reads nothing for longer than a connection is kept gets all of it`() throws {
      let server = try makeServer("KeepAliveTimeout 1\n")
      let channels = try ask(server, Self.lengths)
      // All that the sockets take is in them; what does not fit waits.
      pause(milliseconds: 2_500)
      for (length, channel) in zip(Self.lengths, channels) {
        #expect(try isWhole(readAll(channel), length), "\(length)")
      }
    }

    @Test(.enabled(if: kernelConnectionCount != nil))
    func `whoever reads nothing for too long is not left with what looks whole`() throws {
      let server = try makeServer("Timeout 1\n")
      let channels = try ask(server, Self.manyLengths, fields: "Connection: close\r\n")
      pause(milliseconds: 6_000)
      for (length, channel) in zip(Self.manyLengths, channels) {
        if let all = try? readAll(channel) { #expect(isWhole(all, length), "\(length)") }
      }
    }

    @Test(.enabled(if: kernelConnectionCount != nil))
    func `a process that leaves leaves nothing behind`() throws {
      let server = try makeServer()
      let channels = try ask(server, Self.lengths)
      pause(milliseconds: 200)
      #expect(server.control("reload").succeeded)
      for (length, channel) in zip(Self.lengths, channels) {
        #expect(try isWhole(readAll(channel), length), "\(length)")
      }
    }

    @Test(.enabled(if: kernelConnectionCount != nil))
    func `a file that changes while it is sent does not look whole`() throws {
      let server = try makeServer()
      server.directory.write(Array(repeatElement(Self.large, count: 10).joined()), to: "www/huge")
      let channel = try connect(server, .tls13)
      channel.socket.limitReceiveBuffer(byteCount: 131_072)
      try channel.send("GET /huge HTTP/1.1\r\nHost: www.example.org\r\n\r\n")
      #expect(try !channel.receive().isEmpty)
      let file = try #require(FileHandle(forWritingAtPath: server.directory.path("www/huge")))
      try file.write(contentsOf: [0])
      #expect(throws: SocketFailure.self) { _ = try readAll(channel) }
    }
  }
}
