// 19: TLS. Who is let in, with which certificate, and what the others are told.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `19 TLS shakes hands` {
    /// Sites by name, by wildcard, by pattern, each with a certificate of its own.
    private static let sites = """
      SSLEngine On
      <VirtualHost *:@port@>
        ServerName first.test
        DocumentRoot "@root@/www/first"
        SSLCertificateFile tls/ecdsa.chain.pem
        SSLCertificateKeyFile tls/ecdsa.key
      </VirtualHost>
      <VirtualHost *:@port@>
        ServerName other.example
        DocumentRoot "@root@/www/other"
        SSLCertificateFile tls/other.chain.pem
        SSLCertificateKeyFile tls/other.key
      </VirtualHost>
      <VirtualHost *:@port@>
        ServerName wild.example.org
        ServerAlias *.example.org
        DocumentRoot "@root@/www/wild"
        SSLCertificateFile tls/rsa.chain.pem
        SSLCertificateKeyFile tls/rsa.key
      </VirtualHost>
      <VirtualHost *:@port@>
        ServerNameMatch "^(?<tenant>[a-z]+)\\.tenants\\.test$"
        DocumentRoot "@root@/www/tenants"
        SSLCertificateFile tls/other.chain.pem
        SSLCertificateKeyFile tls/other.key
      </VirtualHost>

      """
    private static let files = [
      "first/x": "first", "other/x": "other", "wild/x": "wild", "tenants/x": "tenants",
    ]
    /// Serial numbers of the certificates.
    private static let ecdsa = "1001"
    private static let rsa = "1002"
    private static let other = "1003"

    @Test(arguments: [
      ("other.example", other, "other"), ("OTHER.example", other, "other"),
      ("wild.example.org", rsa, "wild"), ("any.example.org", rsa, "wild"),
      ("red.tenants.test", other, "tenants"), ("first.test", ecdsa, "first"),
      ("unknown.test", ecdsa, "first"),
    ])
    func `the name decides certificate and site`(name: String, serial: String, body: String)
      throws
    {
      let server = try TestServer.encrypted(Self.sites, files: Self.files)
      for version in [TLSOffer.Version.tls12, .tls13] {
        var offer = TLSOffer(serverName: name)
        offer.versionMax = version
        let channel = try server.openTLS(offer)
        #expect(channel.serverSerial == serial)
        let response = try Conversation(channel).get("/x", host: name)
        #expect(response.text == body)
      }
    }

    @Test func `no name gets the first site, and the name may be checked`() throws {
      let server = try TestServer.encrypted(Self.sites, files: Self.files)
      let channel = try server.openTLS(TLSOffer())
      #expect(channel.serverSerial == Self.ecdsa)
      #expect(try Conversation(channel).get("/x", host: "first.test").text == "first")
      #expect(server.failure(of: server.offer("any.example.org")) == nil)
      // Our own client must notice a wrong name, else these tests prove nothing.
      #expect(server.failure(of: server.offer("red.tenants.test")) != nil)
    }

    @Test func `strict SNI answers 403 to whoever names no server`() throws {
      let server = try TestServer.encrypted(
        Self.sites.replacing(
          "ServerName first.test", with: "ServerName first.test\nSSLStrictSNIVHostCheck On"),
        files: Self.files)
      for host in ["first.test", "wild.example.org"] {
        #expect(try server.openSecure(TLSOffer()).get("/x", host: host).status == 403)
        #expect(
          try server.openSecure(TLSOffer(serverName: host)).get("/x", host: host).status == 200)
      }
    }

    @Test func `one certificate of each kind, for whoever knows which`() throws {
      let server = try TestServer.encrypted()
      for (ciphers, kind) in [("ECDHE-RSA-AES128-GCM-SHA256", "RSA"), ("ECDHE+ECDSA", "EC")] {
        var offer = server.offer()
        offer.versionMax = .tls12
        offer.ciphers12 = ciphers
        let channel = try server.openTLS(offer)
        #expect(channel.serverKeyType == kind)
        #expect(try Conversation(channel).get("/a").text == "A")
      }
    }

    @Test func `versions are as configured`() throws {
      let server = try TestServer.encrypted(TestServer.encryption + "SSLProtocol TLSv1.2")
      #expect(try server.openTLS().version == "TLSv1.2")
      var offer = server.offer()
      offer.versionMin = .tls13
      #expect(server.failure(of: offer) != nil)
      #expect(server.reload(TestServer.encryption + "SSLProtocol TLSv1.3").succeeded)
      #expect(try server.openTLS().version == "TLSv1.3")
      offer = server.offer()
      offer.versionMax = .tls12
      #expect(server.failure(of: offer) != nil)
      let isNoted = eventually { server.said.contains("protocol-version") }
      #expect(isNoted)
    }

    @Test(arguments: ["-tls1", "-tls1_1"])
    func `versions before 1,2 are refused`(version: String) throws {
      guard Program.areInstalled("openssl") else { return }
      let server = try TestServer.encrypted()
      let address = ["-connect", "127.0.0.1:\(server.port)", "-servername", "www.example.org"]
      let old = server.runProgram(
        "openssl", ["s_client", version, "-cipher", "ALL:@SECLEVEL=0"] + address)
      #expect(old.output.contains("alert protocol version"), "\(old.output)")
      for version in ["-tls1_2", "-tls1_3"] {
        let new = server.runProgram(
          "openssl",
          ["s_client", version, "-CAfile", server.directory.path("tls/root.pem")] + address)
        #expect(new.output.contains("Verify return code: 0 (ok)"), "\(new.output)")
        #expect(new.output.contains("Compression: NONE"))
      }
    }

    @Test func `ALPN chooses by the server's order, none is HTTP 1, and nothing in common ends it`()
      throws
    {
      let server = try TestServer.encrypted()
      #expect(
        try server.openTLS(server.offer("www.example.org", "http/1.1", "h2"))
          .applicationProtocol == "h2")
      #expect(
        try server.openTLS(server.offer("www.example.org", "http/1.1")).applicationProtocol
          == "http/1.1")
      #expect(try server.openTLS().applicationProtocol == "")
      #expect(server.failure(of: server.offer("www.example.org", "spdy/1")) != nil)
      let configuration = TestServer.encryption + "Protocols http/1.1"
      #expect(server.reload(configuration).succeeded)
      #expect(
        try server.openTLS(server.offer("www.example.org", "h2", "http/1.1"))
          .applicationProtocol == "http/1.1")
    }

    @Test func `a client certificate that is required is looked at`() throws {
      let configuration =
        TestServer.encryption + """
          SSLVerifyClient require
          SSLCACertificateFile tls/root.pem
          SSLCARevocationFile tls/root.crl
          SSLCARevocationCheck leaf
          """
      let server = try TestServer.encrypted(configuration)
      for version in [TLSOffer.Version.tls12, .tls13] {
        for (name, isGood) in [
          ("client", true), ("revoked", false), ("unknown", false), (nil, false),
        ] as [(String?, Bool)] {
          var offer = server.offer()
          offer.versionMax = version
          offer.certificatePath = name.map { server.directory.path("tls/\($0).pem") }
          offer.keyPath = name.map { server.directory.path("tls/\($0).key") }
          #expect((server.failure(of: offer) == nil) == isGood, "\(name ?? "none"), \(version)")
        }
      }
      #expect(server.reload(configuration.replacing("require", with: "optional")).succeeded)
      #expect(server.failure(of: server.offer()) == nil)
    }

    @Test func `a host whose site has another policy is misdirected`() throws {
      let server = try TestServer.encrypted(
        """
        SSLEngine On
        SSLCertificateFile tls/ecdsa.chain.pem
        SSLCertificateKeyFile tls/ecdsa.key
        <VirtualHost *:@port@>
          ServerName www.example.org
          DocumentRoot "@root@/www"
        </VirtualHost>
        <VirtualHost *:@port@>
          ServerName same.example.org
          DocumentRoot "@root@/www"
        </VirtualHost>
        <VirtualHost *:@port@>
          ServerName staff.example.org
          DocumentRoot "@root@/www"
          SSLVerifyClient require
          SSLCACertificateFile tls/root.pem
        </VirtualHost>
        """)
      let connection = try server.openSecure()
      #expect(try connection.get("/a", host: "same.example.org").text == "A")
      #expect(try connection.get("/a", host: "staff.example.org").status == 421)
      #expect(try server.openSecure().get("/a", host: "www.example.org").text == "A")
      let client = try server.openSecureHTTP2()
      #expect(try client.get("/a", authority: "staff.example.org").status == 421)
      #expect(try client.get("/a", authority: "same.example.org").text == "A")
      #expect(try client.get("/a", authority: "www.example.org").text == "A")
    }

    @Test func `every second handshake resumes, over workers and reloads`() throws {
      let server = try TestServer.encrypted(workers: 4)
      for version in [TLSOffer.Version.tls12, .tls13] {
        var offer = server.offer()
        offer.versionMax = version
        var resumed = 0
        for round in 0..<60 {
          if round == 30 { #expect(server.reload(TestServer.encryption, workers: 4).succeeded) }
          let channel = try server.openTLS(offer)
          #expect(try Conversation(channel).get("/a").text == "A")
          if channel.isResumed { resumed += 1 }
          offer.session = channel.session
          try channel.finish()
        }
        #expect(resumed == 59, "\(version)")
      }
    }

    @Test func `a session of one policy does not resume under another`() throws {
      let server = try TestServer.encrypted(
        Self.sites + """
          <VirtualHost *:@port@>
            ServerName staff.test
            DocumentRoot "@root@/www/other"
            SSLCertificateFile tls/other.chain.pem
            SSLCertificateKeyFile tls/other.key
            SSLVerifyClient optional
            SSLCACertificateFile tls/root.pem
          </VirtualHost>
          """, files: Self.files)
      for version in [TLSOffer.Version.tls12, .tls13] {
        var offer = TLSOffer(serverName: "other.example")
        offer.versionMax = version
        let first = try server.openTLS(offer)
        #expect(try Conversation(first).get("/x", host: "other.example").text == "other")
        offer.session = first.session
        let same = try server.openTLS(offer)
        #expect(same.isResumed)
        offer.serverName = "staff.test"
        // It may go on anew or not at all, but the session counts for nothing.
        if let second = try? server.openTLS(offer) { #expect(!second.isResumed, "\(version)") }
      }
    }

    @Test func `without tickets nothing resumes`() throws {
      let server = try TestServer.encrypted(TestServer.encryption + "SSLSessionTickets Off")
      var offer = server.offer()
      for _ in 0..<5 {
        let channel = try server.openTLS(offer)
        #expect(try Conversation(channel).get("/a").text == "A")
        #expect(!channel.isResumed)
        offer.session = channel.session
      }
    }

    @Test func `a certificate that changes is used without a reload, a bad one is not`() throws {
      let server = try TestServer.encrypted(
        """
        SSLEngine On
        SSLCertificateFile tls/now.pem
        """
      ) { server in
        server.directory.write(
          server.bytes("tls/ecdsa.chain.pem") + server.bytes("tls/ecdsa.key"), to: "tls/now.pem")
      }
      let kept = try server.openSecure()
      #expect(try kept.get("/a").text == "A")
      let other = server.bytes("tls/other.chain.pem") + server.bytes("tls/other.key")
      server.directory.replace("tls/now.pem", with: other)
      let name = TLSOffer(serverName: "www.example.org")
      #expect(try eventually { try server.openTLS(name).serverSerial == Self.other })
      #expect(try kept.get("/a").text == "A")
      server.directory.replace("tls/now.pem", with: Array("nonsense".utf8))
      #expect(eventually(milliseconds: 30_000) { server.said.contains("now.pem") })
      for _ in 0..<5 { #expect(try server.openTLS(name).serverSerial == Self.other) }
    }

    @Test func `a directory of certificates serves names as they come`() throws {
      let server = try TestServer.encrypted(
        """
        SSLEngine On
        SSLCertificateFile tls/ecdsa.chain.pem
        SSLCertificateKeyFile tls/ecdsa.key
        SSLCertificateDirectory certificates
        """
      ) { server in
        server.directory.write(
          server.bytes("tls/other.chain.pem") + server.bytes("tls/other.key"),
          to: "certificates/other.example.pem")
        server.directory.write(
          server.bytes("tls/rsa.chain.pem") + server.bytes("tls/rsa.key"),
          to: "certificates/*.example.org.pem")
      }
      for _ in 0..<3 {
        for (name, serial) in [
          ("other.example", Self.other), ("a.example.org", Self.rsa), ("b.example.org", Self.rsa),
          ("example.org", Self.ecdsa), ("..%2fother.example", Self.ecdsa),
        ] {
          let channel = try server.openTLS(TLSOffer(serverName: name))
          #expect(channel.serverSerial == serial, "\(name)")
          #expect(try Conversation(channel).get("/a").text == "A")
        }
      }
    }
  }
}
