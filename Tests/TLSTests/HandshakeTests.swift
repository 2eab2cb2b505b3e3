// Handshakes with a real client: versions, names, protocols, certificates.

import COpenSSL
import TLS
import Testing

@Suite struct `handshakes` {
  @Test(arguments: [(TLS1_2_VERSION, TLSVersion.tls12), (TLS1_3_VERSION, .tls13)])
  func `both versions work and data flows both ways`(
    wire: CInt, version: TLSVersion
  ) throws {
    var offer = ClientOffer()
    (offer.versionMin, offer.versionMax) = (wire, wire)
    let pair = try TestPair(try Data.context(), offer)
    try #require(pair.run())
    #expect(pair.session.version == version)
    #expect(pair.session.cipherBits >= 128 && !pair.session.cipherName.isEmpty)
    #expect(!pair.session.isResumed && pair.session.applicationProtocol == nil)
    #expect(pair.client.verifyResult == 0)
    pair.client.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
    pair.client.push()
    #expect(pair.received() == Array("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(pair.send(Array("hello".utf8)) == 5)
    pair.client.pull()
    #expect(pair.client.read() == Array("hello".utf8))
    pair.session.shutdown()
    pair.client.pull()
    _ = pair.client.read()
    #expect(pair.client.hasReceivedEnd && TestClient.hasNoErrors)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `a handshake byte by byte works`(wire: CInt) throws {
    var offer = ClientOffer(serverName: "example.org")
    (offer.versionMin, offer.versionMax) = (wire, wire)
    let pair = try TestPair(try Data.context(), offer)
    #expect(pair.run(pieceMax: 1))
    pair.client.write(Array("ab".utf8))
    while pair.client.pushable > 0 {
      pair.client.push(pieceMax: 1)
      if pair.client.pushable > 0 { #expect(pair.received().isEmpty) }
    }
    #expect(pair.received() == Array("ab".utf8))
  }

  @Test func `the hello waits until a context is chosen and that one answers`() throws {
    let pair = try TestPair(
      try Data.context(),
      ClientOffer(serverName: "OTHER.Example", protocols: ["h2", "http/1.1"]))
    _ = pair.client.handshake()
    pair.client.push()
    #expect(pair.session.handshake() == .helloReceived)
    #expect(pair.session.handshake() == .helloReceived)
    #expect(pair.session.serverName == Array("other.example".utf8))
    #expect(pair.session.offersHTTP2)
    let other = try Data.context {
      $0.certificates = [Data.other]
      $0.applicationProtocols = ["http/1.1", "h2"]
      $0.versionMax = .tls12
      $0.groups = "P-384"
    }
    #expect(pair.run(choosing: other))
    #expect(pair.client.serverSubject == "/CN=other.example")
    #expect(pair.session.version == .tls12)
    #expect(pair.session.applicationProtocol == "http/1.1" && !pair.session.isHTTP2)
    #expect(pair.session.context === other)
  }

  @Test func `a context chosen late may allow what the first one forbids`() throws {
    var offer = ClientOffer(groups: "P-521")
    offer.versionMax = TLS1_2_VERSION
    let first = try Data.context { $0.versionMin = .tls13 }
    let pair = try TestPair(first, offer)
    let second = try Data.context {
      $0.certificates = [Data.rsa]
      $0.groups = "P-521"
    }
    #expect(pair.run(choosing: second))
    #expect(pair.session.version == .tls12)
  }

  @Test func `protocols are chosen in the server's order or the client's`() throws {
    let offer = ClientOffer(protocols: ["http/1.1", "h2"])
    let ours = try TestPair(
      try Data.context { $0.applicationProtocols = ["h2", "http/1.1"] }, offer)
    #expect(ours.run() && ours.session.isHTTP2)
    let theirs = try TestPair(
      try Data.context {
        $0.applicationProtocols = ["h2", "http/1.1"]
        $0.honorsProtocolOrder = false
      }, offer)
    #expect(theirs.run() && theirs.session.applicationProtocol == "http/1.1")
  }

  @Test func `of two certificates the client gets the one it can use`() throws {
    let context = try Data.context { $0.certificates = [Data.ecdsa, Data.rsa] }
    for (ciphers, kind) in [
      ("ECDHE-RSA-AES128-GCM-SHA256", "RSA"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "EC"),
    ] {
      var offer = ClientOffer(ciphers12: ciphers)
      offer.versionMax = TLS1_2_VERSION
      let pair = try TestPair(context, offer)
      #expect(pair.run())
      #expect(pair.client.serverKeyType == kind)
    }
  }

  @Test func `a staple is sent to who asks for it`() throws {
    let staples = TLSStaples()
    let context = try Data.context(staples: staples)
    func shown(_ asks: Bool) throws -> Int {
      let pair = try TestPair(context, ClientOffer(asksForStaple: asks))
      #expect(pair.run())
      return pair.client.stapleBytes
    }
    let fingerprint = try TLSCertificateFacts(pem: Data.file("ecdsa.pem")).fingerprint
    #expect(try shown(true) == -1)
    staples.show(Data.bytes("good.ocsp"), of: fingerprint)
    #expect(try shown(true) == Data.bytes("good.ocsp").count)
    #expect(try shown(false) == -1)
    staples.show([1, 2, 3], of: fingerprint)
    #expect(try shown(true) == 3)
    staples.show([], of: fingerprint)
    #expect(try shown(true) == -1)
  }

  @Test func `each certificate has its own staple`() throws {
    let staples = TLSStaples()
    let context = try Data.context(staples: staples) { $0.certificates = [Data.ecdsa, Data.rsa] }
    func shown(_ ciphers: String) throws -> Int {
      var offer = ClientOffer(ciphers12: ciphers, asksForStaple: true)
      offer.versionMax = TLS1_2_VERSION
      let pair = try TestPair(context, offer)
      #expect(pair.run())
      return pair.client.stapleBytes
    }
    let rsa = try TLSCertificateFacts(pem: Data.file("rsa.pem")).fingerprint
    staples.show([1, 2], of: rsa)
    #expect(try shown("ECDHE-RSA-AES128-GCM-SHA256") == 2)
    #expect(try shown("ECDHE-ECDSA-AES128-GCM-SHA256") == -1)
    let ecdsa = try TLSCertificateFacts(pem: Data.file("ecdsa.pem")).fingerprint
    staples.show([1, 2, 3], of: ecdsa)
    #expect(try shown("ECDHE-RSA-AES128-GCM-SHA256") == 2)
    #expect(try shown("ECDHE-ECDSA-AES128-GCM-SHA256") == 3)
    // A context that was made without does not staple.
    let plain = try TestPair(try Data.context(), ClientOffer(asksForStaple: true))
    #expect(plain.run() && plain.client.stapleBytes == -1)
  }
}
