// 19: TLS while generations change. No request is lost, no session forgotten.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `19 TLS survives` {
    @Test func `a storm of reloads loses no request of HTTP 2 over TLS`() throws {
      let probe = try TestServer.encrypted()  // copies of certificates that outlive its end
      let configuration = TestServer.encryption.replacing(
        "tls/", with: probe.directory.path("tls") + "/")
      var offer = probe.offer("www.example.org", "h2")
      offer.authorityPath = probe.directory.path("tls/root.pem")
      let fixed = offer
      try `18 HTTP 2 survives`.storm(configuration, reloads: 8) { server in
        try HTTP2Client(TLSChannel(port: server.port, offer: fixed), scheme: "https")
      }
    }

    @Test func `an idle connection over a reload is answered once more and told to close`()
      throws
    {
      let configuration = TestServer.encryption + "KeepAliveTimeout 60"
      let server = try TestServer.encrypted(configuration)
      let connections = try (0..<20).map { _ in try server.openSecure() }
      for connection in connections { #expect(try connection.get("/a").text == "A") }
      #expect(server.reload(configuration).succeeded)
      for connection in connections {
        let response = try connection.get("/a")
        #expect(response.text == "A" && response.head.closes)
        #expect(try connection.channel.receive().isEmpty)
      }
      #expect(eventually { server.status()?.workerPids.count == 2 })
      #expect(try server.openSecure().get("/a").text == "A")
    }

    @Test func `a storm of reloads loses no request of HTTP 1 over TLS`() throws {
      let configuration = TestServer.encryption + "KeepAliveTimeout 60"
      let server = try TestServer.encrypted(configuration)
      let bytes = variedBytes(400_000)
      server.directory.write(bytes, to: "www/b")
      var connections = try (0..<12).map { _ in try server.openSecure() }
      var answered = 0
      for round in 0..<8 {
        server.configure(configuration, workers: [2, 3, 1][round % 3])
        let reload = try ChildProgram(
          [
            Ring3.path("ring3ctl"), "--socket", server.directory.path("ring3d.sock"), "reload",
          ], outputPath: server.directory.path("reload"))
        repeat {
          for index in connections.indices {
            let response = try connections[index].get(answered % 3 == 0 ? "/b" : "/a")
            #expect(response.body == (answered % 3 == 0 ? bytes : [65]))
            answered += 1
            if response.head.closes { connections[index] = try server.openSecure() }
          }
        } while reload.end() == nil
        #expect(reload.end() == .exited(0), "\(server.directory.read("reload"))")
      }
      #expect(answered > 50)
    }

    @Test func `a response under way is finished by the old generation`() throws {
      let server = try TestServer.encrypted()
      let bytes = variedBytes(8_000_000)
      server.directory.write(bytes, to: "www/large")
      let channel = try server.openTLS()
      channel.socket.limitReceiveBuffer(byteCount: 65_536)
      let connection = Conversation(channel)
      try connection.request("/large")
      _ = ready([Interest(channel.socket)], milliseconds: 5000)
      #expect(server.reload(TestServer.encryption).succeeded)
      #expect(try connection.response().body == bytes)
    }

    @Test func `handshakes under way are finished over a reload`() throws {
      let server = try TestServer.encrypted()
      // Connected before, and saying hello after: whoever accepted them must serve them.
      let sockets = try (0..<10).map { _ in try ClientSocket(port: server.port) }
      pause(milliseconds: 100)
      #expect(server.reload(TestServer.encryption).succeeded)
      for socket in sockets { #expect(try socket.receiveSomeNow() != 0) }
      #expect(try server.openSecure().get("/a").text == "A")
    }

    @Test func `a certificate swapped under load fails no request`() throws {
      let configuration = """
        SSLEngine On
        SSLCertificateFile tls/now.pem
        KeepAliveTimeout 60
        """
      let server = try TestServer.encrypted(configuration) { server in
        server.directory.write(
          server.bytes("tls/ecdsa.chain.pem") + server.bytes("tls/ecdsa.key"), to: "tls/now.pem")
      }
      let kept = try (0..<10).map { _ in try server.openSecure() }
      var serials: Set<String> = []
      let names = ["other", "rsa", "ecdsa"]
      for name in names {
        server.directory.replace(
          "tls/now.pem",
          with: server.bytes("tls/\(name).chain.pem") + server.bytes("tls/\(name).key"))
        let end = monotonicMilliseconds() + 3500
        while monotonicMilliseconds() < end {
          let channel = try server.openTLS(TLSOffer(serverName: "www.example.org"))
          serials.insert(channel.serverSerial)
          #expect(try Conversation(channel).get("/a").text == "A")
          for connection in kept { #expect(try connection.get("/a").text == "A") }
        }
      }
      #expect(serials == ["1001", "1002", "1003"])
    }
  }
}

extension ClientSocket {
  /// What is there at once: a count, 0 at the end, nil for nothing.
  fileprivate func receiveSomeNow() throws -> Int? {
    var buffer = [UInt8](repeating: 0, count: 100)
    return try receiveSome(into: &buffer)
  }
}
