// What cannot become a connection ends with a reason, and leaves nothing behind.

import COpenSSL
import TLS
import Testing

@Suite struct `failures` {
  @Test func `each has its own word`() {
    #expect(Set(TLSFailureReason.words).count == TLSFailureReason.words.count)
    #expect(TLSFailureReason.words.contains(TLSFailureReason.clientAlert(40).word))
  }

  @Test func `no suite in common`() throws {
    var offer = ClientOffer(ciphers12: "AES128-SHA")
    offer.versionMax = TLS1_2_VERSION
    let pair = try TestPair(try Data.context(), offer)
    #expect(!pair.run() && pair.failure == .noSharedCipher)
    #expect(pair.session.failure?.text == "no shared cipher")
  }

  @Test func `a version that has been retired`() throws {
    var offer = ClientOffer()
    (offer.versionMin, offer.versionMax) = (TLS1_VERSION, TLS1_1_VERSION)
    offer.ciphers12 = "ALL:@SECLEVEL=0"
    let pair = try TestPair(try Data.context(), offer)
    #expect(!pair.run() && pair.failure == .protocolVersion)
  }

  @Test func `no group in common`() throws {
    let pair = try TestPair(try Data.context(), ClientOffer(groups: "P-521"))
    #expect(!pair.run() && pair.failure == .noSharedGroup)
  }

  @Test func `no application protocol in common`() throws {
    let context = try Data.context { $0.applicationProtocols = ["http/1.1"] }
    let pair = try TestPair(context, ClientOffer(protocols: ["acme-tls/1"]))
    #expect(!pair.run() && pair.failure == .noApplicationProtocol)
    #expect(pair.clientStep == .failed("tlsv1 alert no application protocol"))
  }

  @Test func `a host without a certificate`() throws {
    let pair = try TestPair(try Data.context { $0.certificates = [] })
    #expect(!pair.run())
    #expect(pair.failure == .noSharedCipher || pair.failure == .noSharedSignature)
  }

  @Test func `a hello that is refused gets the alert`() throws {
    let pair = try TestPair(try Data.context(), ClientOffer(serverName: "nobody.example"))
    _ = pair.client.handshake()
    pair.client.push()
    #expect(pair.session.handshake() == .helloReceived)
    pair.session.refuse(.unrecognizedName)
    #expect(!pair.run() && pair.failure == .refused)
    #expect(pair.clientStep == .failed("tlsv1 unrecognized name"))
  }

  @Test(arguments: ["GET / HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\n"])
  func `a request in clear text is told apart and gets no alert`(request: String) throws {
    let pair = try TestPair(try Data.context())
    pair.client.sendRaw(Array(request.utf8))
    guard case .failed(let failure) = pair.session.handshake() else {
      Issue.record("not failed")
      return
    }
    #expect(failure.reason == .httpRequest && !pair.session.hasUnsent)
    #expect(pair.client.pull() == [] && TestClient.hasNoErrors)
  }

  @Test func `a client that gives up says why`() throws {
    let pair = try TestPair(try Data.context())
    _ = pair.client.handshake()
    pair.client.push()
    _ = pair.session.handshake()
    pair.session.choose(pair.session.context)
    _ = pair.session.handshake()
    pair.client.sendRaw([21, 3, 3, 0, 2, 2, 48])
    guard case .failed(let failure) = pair.session.handshake() else {
      Issue.record("not failed")
      return
    }
    #expect(failure.reason == .clientAlert(48))
  }

  @Test func `garbage is a bad record`() throws {
    let pair = try TestPair(try Data.context())
    pair.client.sendRaw([0x16, 9, 9, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8])
    guard case .failed(let failure) = pair.session.handshake() else {
      Issue.record("not failed")
      return
    }
    #expect(failure.reason == .badRecord)
  }

  @Test func `a connection cut off is no orderly end`() throws {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    pair.client.shutdownSocket()
    let result = pair.session.receive(into: pair.buffer)
    guard case .failed(let failure) = result else {
      Issue.record("\(result)")
      return
    }
    #expect(failure.reason == .unexpectedEnd)
    #expect(pair.session.receive(into: pair.buffer) == result)
    #expect(pair.send([1]) == nil)
    pair.session.shutdown()
    #expect(pair.session.handshake() == .failed(failure) && TestClient.hasNoErrors)
  }

  @Test func `an orderly end is told as such`() throws {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    pair.client.write([1, 2, 3])
    pair.client.shutdown()
    pair.client.push()
    #expect(pair.received() == [1, 2, 3])
    #expect(pair.session.receive(into: pair.buffer) == .closed)
    #expect(pair.session.receive(into: pair.buffer) == .closed)
    #expect(pair.send([1]) == 1)
  }

  @Test func `a damaged record ends the connection`() throws {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    pair.client.sendRaw([23, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32))
    guard case .failed(let failure) = pair.session.receive(into: pair.buffer) else {
      Issue.record("accepted")
      return
    }
    #expect(failure.reason == .badRecord && TestClient.hasNoErrors)
  }

  @Test func `renegotiation is refused`() throws {
    var offer = ClientOffer()
    offer.versionMax = TLS1_2_VERSION
    let pair = try TestPair(try Data.context(), offer)
    try #require(pair.run())
    pair.client.renegotiate()
    _ = pair.client.handshake()
    pair.client.push()
    #expect(pair.received().isEmpty)
    pair.client.pull()
    #expect(pair.client.handshake() == .failed("no renegotiation"))
  }

  @Test func `random bytes at any moment do no harm`() throws {
    let context = try Data.context()
    var generator = SystemRandomNumberGenerator()
    for turn in 0..<400 {
      let pair = try TestPair(context)
      if turn % 3 == 1 {
        _ = pair.client.handshake()
        pair.client.push()
        _ = pair.session.handshake()
        pair.session.choose(context)
        _ = pair.session.handshake()
      } else if turn % 3 == 2 {
        try #require(pair.run())
      }
      var bytes = (0..<Int.random(in: 1...600)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      if turn % 2 == 0 { bytes = [UInt8.random(in: 20...24), 3, 3, 1, 0] + bytes }
      pair.client.sendRaw(bytes)
      for _ in 0..<4 {
        if case .helloReceived = pair.session.handshake() { pair.session.choose(context) }
        _ = pair.session.receive(into: pair.buffer)
        _ = pair.send([1, 2, 3])
      }
      pair.client.shutdownSocket()
      _ = pair.session.handshake()
      _ = pair.session.receive(into: pair.buffer)
      pair.session.shutdown()
      #expect(TestClient.hasNoErrors)
    }
  }
}
