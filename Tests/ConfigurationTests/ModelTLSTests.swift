// Which sites and addresses are encrypted, how, and who may answer on whose connection.

import Configuration
import Platform
import Testing

@Suite struct ModelTLSTests {
  static let two = """
    Listen 443 https
    SSLHonorCipherOrder on
    <VirtualHost *:443>
      ServerName a.example
      SSLCertificateFile a.pem
      SSLCertificateFile /b.pem
      SSLCertificateKeyFile a.key
      SSLProtocol -all +TLSv1.3
    </VirtualHost>
    <VirtualHost *:443>
      ServerName b.example
      SSLCertificateDirectory certs
      SSLHonorCipherOrder off
    </VirtualHost>
    <VirtualHost *:443>
      ServerNameMatch "[a-z]+\\.c\\.example"
      SSLCertificateFile c.pem
    </VirtualHost>
    """

  private func local(_ text: String = "192.0.2.1:443") throws -> SocketAddress {
    try socketAddress(text)
  }

  @Test func `values are the site's own over the server's`() throws {
    let model = try model(Self.two)
    let first = try #require(model.sites[1].tls)
    #expect(first.certificates.map(\.file.text) == ["/etc/a.pem", "/b.pem"])
    #expect(first.certificates.map { $0.key?.text } == ["/etc/a.key", nil])
    #expect(first.certificates[0].file.place == "/etc/ring3.conf:7:22")
    #expect(first.certificates[0].file.word.sourceLine == "  SSLCertificateFile a.pem")
    #expect(first.versionMin == .tls13 && first.versionMax == .tls13)
    #expect(first.honorsCipherOrder)
    let second = try #require(model.sites[2].tls)
    #expect(second.certificates.isEmpty && second.certificateDirectory?.text == "/etc/certs")
    #expect(second.versionMin == .tls12 && second.versionMax == .tls13)
    #expect(!second.honorsCipherOrder && second.usesTickets && second.stapling == nil)
    #expect(second.effectiveCipherList == SiteTLS.cipherListStandard)
    #expect(model.usesTLS)
  }

  @Test func `a site that names any certificate has none of the server's`() throws {
    let model = try model(
      """
      Listen 443
      SSLCertificateFile main.pem
      SSLCertificateKeyFile main.key
      SSLCertificateChainFile chain.pem
      <VirtualHost *:443>
        ServerName a
      </VirtualHost>
      <VirtualHost *:443>
        ServerName b
        SSLCertificateFile b.pem
      </VirtualHost>
      """)
    let inherited = try #require(model.sites[1].tls)
    #expect(inherited.certificates.first?.key?.text == "/etc/main.key")
    #expect(inherited.chainFile?.text == "/etc/chain.pem")
    let own = try #require(model.sites[2].tls)
    #expect(own.certificates.map(\.file.text) == ["/etc/b.pem"])
    #expect(own.certificates.first?.key == nil && own.chainFile == nil)
  }

  @Test func `an address is encrypted as its sites or its Listen have it`() throws {
    let model = try model(
      """
      Listen 443
      Listen 8443
      Listen 444 https
      Listen 127.0.0.1:9443 http
      SSLCertificateFile main.pem
      <VirtualHost *:8443>
        SSLEngine on
      </VirtualHost>
      <VirtualHost *:444 *:80>
        ServerName both
      </VirtualHost>
      <VirtualHost *:9443>
        ServerName plain
      </VirtualHost>
      """)
    for (address, isEncrypted) in [
      ("192.0.2.1:80", false), ("192.0.2.1:443", true), ("[2001:db8::1]:443", true),
      ("192.0.2.1:8443", true), ("[::1]:444", true), ("127.0.0.1:9443", false),
    ] {
      #expect(try model.isEncrypted(local: local(address)) == isEncrypted, "\(address)")
    }
    #expect(model.sites.map { $0.tls != nil } == [true, true, true, false])
  }

  @Test func `the server name chooses the site by the rule of requests`() throws {
    let model = try model(Self.two)
    func site(_ name: String?) throws -> Int? {
      model.handshakeSite(local: try local(), serverName: name.map { Array($0.utf8) })?.site
    }
    #expect(try site("a.example") == 1)
    #expect(try site("b.example") == 2)
    #expect(try site("x.c.example") == 3)
    #expect(try site("other.example") == 1)
    #expect(try site(nil) == 1)
    #expect(model.handshakeSite(local: try local("192.0.2.1:80"), serverName: nil) == nil)
  }

  @Test func `another policy is misdirected, another certificate is not`() throws {
    let model = try model(
      """
      Listen 443
      SSLCertificateFile x
      SSLCACertificateFile ca
      <VirtualHost *:443>
        ServerName a
      </VirtualHost>
      <VirtualHost *:443>
        ServerName other-certificate
        SSLCertificateFile y
        SSLHonorCipherOrder on
      </VirtualHost>
      <VirtualHost *:443>
        ServerName clients
        SSLVerifyClient require
      </VirtualHost>
      <VirtualHost *:443>
        ServerName other-clients
        SSLVerifyClient require
        SSLCACertificateFile ca2
      </VirtualHost>
      <VirtualHost *:443>
        ServerName modern
        SSLProtocol TLSv1.3
      </VirtualHost>
      <VirtualHost *:443>
        ServerName old-http
        Protocols http/1.1
      </VirtualHost>
      <VirtualHost *:443>
        ServerName strict
        SSLStrictSNIVHostCheck on
      </VirtualHost>
      """)
    func ask(_ site: Int, _ made: Int, named: Bool = true, http2: Bool = false)
      -> ConnectionAdmission
    {
      model.admission(of: site, handshakeSite: made, hasServerName: named, isHTTP2: http2)
    }
    #expect(ask(1, 1) == .allowed && ask(2, 1) == .allowed)
    #expect(ask(3, 1) == .misdirected && ask(1, 3) == .misdirected && ask(3, 3) == .allowed)
    #expect(ask(4, 3) == .misdirected && ask(5, 1) == .misdirected)
    #expect(ask(3, 1, named: false) == .misdirected)
    #expect(ask(6, 1) == .allowed && ask(6, 1, http2: true) == .misdirected)
    #expect(ask(7, 1) == .allowed && ask(7, 1, named: false) == .serverNameRequired)
    #expect(ask(1, 1, named: false) == .allowed)
  }

  @Test func `a strict first site holds for all of its address`() throws {
    let model = try model(
      """
      Listen 443
      SSLCertificateFile x
      <VirtualHost *:443>
        ServerName a
        SSLStrictSNIVHostCheck on
      </VirtualHost>
      <VirtualHost *:443>
        ServerName b
      </VirtualHost>
      """)
    for site in 1...2 {
      #expect(
        model.admission(of: site, handshakeSite: 1, hasServerName: false, isHTTP2: false)
          == .serverNameRequired)
    }
  }

  @Test func `encryption changes a site's definition and no response's fingerprint`() throws {
    let text = "Listen 443 https\n<VirtualHost *:443>\nServerName a\nSSLCertificateFile x\n"
    let before = try model(text + "</VirtualHost>")
    let after = try model(
      text + "SSLProtocol TLSv1.3\nProtocols http/1.1\nSSLOptions +StdEnvVars\n"
        + "SSLUseStapling on\n</VirtualHost>")
    #expect(before.sites[1].fingerprint == after.sites[1].fingerprint)
    #expect(ModelDifference(from: before, to: after).sitesChanged == ["a (*:443)"])
    let same = try model("\n\n" + text + "</VirtualHost>")
    #expect(ModelDifference(from: before, to: same).isEmpty)
    let required = try model(text + "<Location />\nSSLRequireSSL\n</Location>\n</VirtualHost>")
    #expect(required.sites[1].fingerprint != before.sites[1].fingerprint)
    #expect(before.sites[1].tls?.policyIdentity != after.sites[1].tls?.policyIdentity)
    #expect(before.sites[1].tls?.policyIdentity == required.sites[1].tls?.policyIdentity)
  }

  @Test func `a Listen that becomes https is removed and added`() throws {
    let before = try model("Listen 127.0.0.1:81\nSSLCertificateFile x")
    let after = try model("Listen 127.0.0.1:81 https\nSSLCertificateFile x")
    let difference = ModelDifference(from: before, to: after)
    #expect(difference.listensAdded == ["127.0.0.1:81 https"])
    #expect(difference.listensRemoved == ["127.0.0.1:81"])
  }

  @Test func `client certificates and stapling are read whole`() throws {
    let model = try model(
      """
      Listen 443
      SSLCertificateFile x
      SSLVerifyClient optional
      SSLVerifyDepth 3
      SSLCACertificatePath cas
      SSLCADNRequestFile names
      SSLCARevocationCheck chain no_crl_for_cert_ok
      SSLCARevocationFile crl
      SSLUseStapling on
      SSLStaplingResponderTimeout 4
      SSLStaplingResponseMaxAge 60
      SSLStaplingErrorCacheTimeout 30
      SSLStaplingForceURL http://ocsp.example/
      SSLOpenSSLConfCmd groups X25519
      SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
      SSLCipherSuite HIGH
      """)
    let tls = try #require(model.sites[0].tls)
    #expect(tls.clients.verification == .optional && tls.clients.chainDepthMax == 3)
    #expect(tls.clients.issuersDirectory?.text == "/etc/cas")
    #expect(tls.clients.requestedIssuersFile?.text == "/etc/names")
    #expect(tls.clients.revocation.extent == .chain)
    #expect(tls.clients.revocation.toleratesMissingList)
    #expect(tls.stapling?.responderTimeoutMilliseconds == 4000)
    #expect(tls.stapling?.responseAgeSecondsMax == 60)
    #expect(tls.stapling?.retrySeconds == 30 && tls.stapling?.refreshSeconds == 3600)
    #expect(tls.stapling?.responderURL?.text == "http://ocsp.example/")
    #expect(tls.commands.map(\.name) == ["Groups"])
    #expect(tls.cipherSuites?.text == "TLS_AES_128_GCM_SHA256")
    #expect(tls.effectiveCipherList == "!aNULL:!eNULL:!EXP:HIGH")
  }

  @Test func `protocols and HTTP/2 are inherited one by one`() throws {
    let model = try model(
      """
      Protocols h2c h2 http/1.1
      H2MaxSessionStreams 50
      H2StreamTimeout 7
      RequestReadTimeout handshake=3
      <VirtualHost *:80>
        H2WindowSize 1M
        H2ModernTLSOnly off
      </VirtualHost>
      <VirtualHost *:80>
        ServerName b
        Protocols http/1.1
        ProtocolsHonorOrder off
      </VirtualHost>
      """)
    #expect(model.sites[1].protocols == [.http2ClearText, .http2, .http1])
    #expect(model.sites[1].http2.streamsMax == 50)
    #expect(model.sites[1].http2.windowBytes == 1 << 20)
    #expect(!model.sites[1].http2.modernTLSOnly && model.sites[0].http2.modernTLSOnly)
    #expect(model.sites[1].http2.streamTimeoutMilliseconds == 7000)
    #expect(model.sites[1].requestReadTimeout.handshakeMilliseconds == 3000)
    #expect(model.sites[2].protocols == [.http1] && !model.sites[2].protocolsHonorOrder)
    #expect(Site().protocols == [.http2, .http1] && Site().protocolsHonorOrder)
  }

  @Test func `the sandbox and the limits of the server are read`() throws {
    let standard = try model("")
    #expect(standard.server.sandbox == .on && standard.server.handshakesMax == 256)
    #expect(!standard.usesTLS)
    let model = try model(
      "Sandbox Report\nSSLHandshakesMax 0\nSSLSessionTicketKeyFile a\nSSLSessionTicketKeyFile /b")
    #expect(model.server.sandbox == .report && model.server.handshakesMax == 0)
    #expect(model.server.ticketKeyFiles.map(\.text) == ["/etc/a", "/b"])
  }

  @Test func `SSLRequireSSL denies http and its explanation says so`() throws {
    let model = try model(
      """
      Listen 443
      SSLCertificateFile x.pem
      <Directory /srv/www>
        Require all granted
        SSLRequireSSL
      </Directory>
      """)
    #expect(try model.route("/a").settings.requiresTLS)
    let clear = try model.explain(url: "http://h/a").get()
    #expect(clear.access == "denied by SSLRequireSSL" && clear.encryption == "http")
    let encrypted = try model.explain(url: "https://h/a").get()
    #expect(encrypted.access == "granted" && encrypted.local.port == 443)
    #expect(encrypted.text.contains("encryption:    https, /etc/x.pem"))
    #expect(encrypted.listen?.hasSuffix(":443 https") == true)
    let wrong = try model.explain(url: "http://h:443/a").get()
    #expect(wrong.refusal == "127.0.0.1:443 is encrypted: write https://")
  }

  @Test func `an origin has the connection's scheme unless ServerName has one`() throws {
    let model = try model(
      "ServerName www.example:8443\n<VirtualHost *:80>\nServerName https://x:443\n</VirtualHost>")
    #expect(model.sites[0].canonicalOrigin(isEncrypted: true) == "https://www.example:8443")
    #expect(model.sites[0].canonicalOrigin(isEncrypted: false) == "http://www.example:8443")
    #expect(model.sites[1].canonicalOrigin(isEncrypted: false) == "https://x")
    #expect(Site().canonicalOrigin(isEncrypted: true) == nil)
  }

  @Test func `the list of virtual hosts says what is encrypted`() throws {
    let report = VirtualHostReport(try model(Self.two))
    #expect(report.text.contains("*:443 https"))
    #expect(report.listens.contains("[::]:443 https"))
    #expect(report.groups.map(\.scheme) == ["https"])
  }

  @Test func `IfModule finds ssl and http2`() throws {
    let model = try model(
      "<IfModule mod_ssl.c>\n<IfModule http2_module>\nKeepAlive Off\n</IfModule>\n</IfModule>")
    #expect(!model.sites[0].keepAlive)
  }
}
