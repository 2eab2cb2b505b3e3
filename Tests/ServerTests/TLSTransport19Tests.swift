// 19: HTTP over TLS. Records cut anywhere, large bodies, slow ends, and clients that mean harm.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `19 TLS carries HTTP` {
    private static let large = variedBytes(5_000_000)

    private func makeServer(_ configuration: String = "", workers: Int = 1) throws -> TestServer {
      try TestServer.encrypted(TestServer.encryption + configuration, workers: workers) {
        $0.directory.write(Self.large, to: "www/large")
        $0.directory.write(Array(Self.large.prefix(300_000)), to: "www/cached")
        $0.directory.age("www/cached", seconds: 100)
      }
    }

    @Test func `every byte comes over both versions of TLS and of HTTP`() throws {
      let server = try makeServer()
      for version in [TLSOffer.Version.tls12, .tls13] {
        var offer = server.offer("www.example.org", "http/1.1")
        offer.versionMin = version
        offer.versionMax = version
        let connection = try server.openSecure(offer)
        for _ in 0..<3 {
          #expect(try connection.get("/cached").body == Array(Self.large.prefix(300_000)))
          #expect(try connection.get("/large").body == Self.large)
          #expect(try connection.get("/large", method: "HEAD").status == 200)
        }
        offer.protocols = ["h2"]
        let client = try HTTP2Client(server.openTLS(offer), scheme: "https")
        for _ in 0..<3 {
          #expect(try client.get("/cached").body == Array(Self.large.prefix(300_000)))
          #expect(try client.get("/large").body == Self.large)
        }
      }
    }

    @Test func `curl is content with both versions of HTTP`() throws {
      guard Program.areInstalled("curl") else { return }
      let server = try makeServer()
      for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for target in ["large", "cached", "cached"] {
          let outcome = server.runProgram(
            "curl",
            [
              "-sS", "--fail", option, "--cacert", server.directory.path("tls/root.pem"),
              "--resolve", "www.example.org:\(server.port):127.0.0.1", "-w", "%{http_version}",
              "-o", server.directory.path("got"),
              "https://www.example.org:\(server.port)/\(target)",
            ])
          #expect(outcome.output == version, "\(outcome.output)")
          #expect(server.bytes("got") == server.bytes("www/\(target)"))
        }
      }
    }

    @Test func `h2load has no failure`() throws {
      guard Program.areInstalled("h2load") else { return }
      let server = try makeServer(workers: 2)
      for arguments in [
        ["-n", "10000", "-c", "8", "-m", "100", "a"], ["-n", "100", "-c", "4", "-m", "5", "large"],
        ["-n", "2000", "-c", "8", "--npn-list=http/1.1", "a"],
      ] {
        let target = "https://127.0.0.1:\(server.port)/\(arguments.last ?? "")"
        let outcome = server.runProgram(
          "h2load", arguments.dropLast() + [target], milliseconds: 60_000)
        #expect(
          outcome.output.contains("\(arguments[1]) succeeded, 0 failed, 0 errored, 0 timeout"),
          "\(outcome.output)")
      }
    }

    @Test func `a slow reader gets everything while others are served`() throws {
      let server = try makeServer()
      let slow = try server.openTLS()
      slow.socket.limitReceiveBuffer(byteCount: 65_536)
      let connection = Conversation(slow)
      try connection.request("/large")
      for _ in 0..<20 {
        #expect(try server.openSecure().get("/a").text == "A")
        #expect(try !slow.receive(atMost: 1).isEmpty)
      }
      // What was taken was the beginning of the head.
      let rest = try slow.receive(atMost: 6_000_000)
      var all = rest
      while all.count < Self.large.count { all += try slow.receive() }
      #expect(all.suffix(Self.large.count).elementsEqual(Self.large))
    }

    @Test func `pipelined requests, and a request of several records, are answered in order`()
      throws
    {
      let server = try makeServer("LimitRequestFieldSize 60000\nLimitRequestLine 8190")
      let connection = try server.openSecure()
      let field = "X-Long: " + String(repeating: "v", count: 30_000)
      try connection.send(
        "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"
          + "GET /cached HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\n"
          + "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try connection.response().text == "A")
      #expect(try connection.response().status == 404)
      #expect(try connection.response().body.count == 300_000)
      #expect(try connection.response().text == "A")
      let many = String(repeating: "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 500)
      try connection.send(many)
      for _ in 0..<500 { #expect(try connection.response().text == "A") }
    }

    @Test func `each byte of a request may be a record`() throws {
      let server = try makeServer()
      let connection = try server.openSecure()
      for byte in "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8 {
        try connection.channel.send([byte])
      }
      #expect(try connection.response().text == "A")
    }

    @Test func `a handshake may come byte by byte, and keys may be renewed`() throws {
      let server = try makeServer()
      for version in [TLSOffer.Version.tls12, .tls13] {
        var offer = server.offer()
        offer.versionMax = version
        offer.pieceBytes = 1
        let channel = try server.openTLS(offer)
        let connection = Conversation(channel)
        for _ in 0..<3 {
          #expect(try connection.get("/cached").body.count == 300_000)
          if version == .tls13 { channel.updateKeys() }
        }
      }
    }

    @Test func `whoever speaks HTTP in clear text is told so in clear text`() throws {
      let server = try makeServer()
      let answer = try server.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
      #expect(answer.contains("Connection: close"))
      for seed in 1...10 as ClosedRange<UInt64> {
        let socket = try ClientSocket(port: server.port)
        try socket.send([0x80] + variedBytes(600, seed: seed))
        socket.finishSending()
        #expect(try socket.receiveToEnd().count < 100)
      }
      #expect(try server.openSecure().get("/a").text == "A")
    }

    @Test func `a handshake that does not go on is ended`() throws {
      let server = try makeServer("RequestReadTimeout handshake=1 header=20 body=20")
      let silent = try (0..<50).map { _ in try ClientSocket(port: server.port) }
      let half = try (0..<50).map { _ in
        let socket = try ClientSocket(port: server.port)
        try socket.send([0x16, 3, 1, 2, 0, 1])
        return socket
      }
      #expect(try server.openSecure().get("/a").text == "A")
      for socket in silent + half { #expect(try socket.receiveToEnd().count < 100) }
      #expect(try server.openSecure().get("/a").text == "A")
    }

    @Test func `no more handshakes at a time than allowed, and the others wait`() throws {
      let server = try makeServer(
        "SSLHandshakesMax 10\nRequestReadTimeout handshake=2 header=20 body=20")
      let kept = try server.openSecure()
      #expect(try kept.get("/a").text == "A")
      let silent = try (0..<60).map { _ in try ClientSocket(port: server.port) }
      #expect(try kept.get("/a").text == "A")
      // Its turn comes when the silent ones have been ended.
      #expect(try server.openSecure().get("/a").text == "A")
      #expect(silent.count == 60)
    }

    @Test func `an end is said`() throws {
      let server = try makeServer()
      let connection = try server.openSecure()
      let closing = try connection.get("/a", fields: ["Connection: close"])
      #expect(closing.text == "A" && closing.head.closes)
      // Without close_notify the channel would throw.
      #expect(try connection.channel.receive().isEmpty)
    }

    @Test func `a client that has said its end still gets its answer`() throws {
      let server = try makeServer()
      let channel = try server.openTLS()
      let other = Conversation(channel)
      try other.request("/large")
      try channel.finish()  // we send no more, and still read (RFC 8446 §6.1)
      #expect(try other.response().body == Self.large)
      #expect(try channel.receive().isEmpty)
    }

    @Test func `half-closed sockets are answered`() throws {
      let server = try makeServer()
      let channel = try server.openTLS()
      let connection = Conversation(channel)
      try connection.request("/cached")
      try channel.finish(shutsSocket: true)
      #expect(try connection.response().body.count == 300_000)
    }

    @Test func `errors of one connection do not leak into another`() throws {
      let server = try makeServer()
      let kept = try (0..<10).map { _ in try server.openSecure() }
      for round in 0..<30 {
        let socket = try ClientSocket(port: server.port)
        try socket.send([0x16, 3, 1, 0, UInt8(round)] + variedBytes(Int(round)))
        socket.finishSending()
        var bad = server.offer("www.example.org", "nonsense")
        bad.versionMax = round % 2 == 0 ? .tls12 : .tls13
        #expect(server.failure(of: bad) != nil)
        #expect(try kept[round % 10].get("/a").text == "A")
        _ = try socket.receiveToEnd()
      }
      for connection in kept { #expect(try connection.get("/cached").body.count == 300_000) }
    }

    @Test func `sslyze finds nothing to complain about`() throws {
      guard Program.areInstalled("sslyze") else { return }
      // Mozilla's profile wants a certificate that lasts 90 days: one of those is made here.
      let server = try TestServer.encrypted(
        """
        SSLEngine On
        SSLProtocol TLSv1.3
        SSLCertificateFile fresh.pem
        SSLCertificateKeyFile fresh.key
        """
      ) { server in
        _ = server.runProgram(
          "openssl",
          [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "80", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", server.directory.path("fresh.key"), "-out",
            server.directory.path("fresh.pem"),
          ])
      }
      let outcome = server.runProgram(
        "sslyze", ["--mozilla_config=modern", "127.0.0.1:\(server.port)"], milliseconds: 60_000)
      // Nobody trusts a certificate of our own; nothing else may be wrong.
      let complaints = outcome.output.split(separator: "\n").filter { $0.hasPrefix("        * ") }
      #expect(outcome.output.contains("configuration"), "\(outcome.output)")
      #expect(
        complaints.count <= 1 && complaints.allSatisfy { $0.contains("path_validation") },
        "\(complaints)")
    }
  }
}
