// Sessions that go on from a ticket, across contexts, processes' memory and rotations.

import COpenSSL
import Platform
import TLS
import Testing

@Suite struct `resumption` {
  static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

  /// A full handshake under one context, then one that offers its session under another.
  func resume(
    _ wire: CInt, from first: TLSContext, to second: TLSContext, certificate: String? = nil,
    between: () throws -> Void = {}
  ) throws -> TestPair {
    var offer = ClientOffer(certificate: certificate)
    (offer.versionMin, offer.versionMax) = (wire, wire)
    let one = try TestPair(first, offer)
    try #require(one.run(), "\(one.last) \(one.clientStep)")
    // Tickets of TLS 1.3 come with the first data.
    #expect(one.send([1]) == 1)
    one.client.pull()
    _ = one.client.read()
    offer.session = one.client.session
    try between()
    let two = try TestPair(second, offer)
    try #require(two.run())
    #expect(two.session.isResumed == two.client.isResumed)
    return two
  }

  @Test(arguments: versions)
  func `a ticket works under another context with the same keys`(wire: CInt) throws {
    let keys = try TLSTicketKeys()
    let (first, second) = (try Data.context(tickets: keys), try Data.context(tickets: keys))
    #expect(try resume(wire, from: first, to: second).session.isResumed)
  }

  @Test(arguments: versions)
  func `tickets of rotated keys work until those are too old`(wire: CInt) throws {
    let now = Clock.realSeconds()
    let keys = try TLSTicketKeys(nowSeconds: now)
    let context = try Data.context(tickets: keys)
    let twoLater = try resume(wire, from: context, to: context) {
      for _ in 0..<2 { try keys.rotate(nowSeconds: now, isForced: true) }
    }
    #expect(twoLater.session.isResumed)
    let manyLater = try resume(wire, from: context, to: context) {
      for _ in 0..<8 { try keys.rotate(nowSeconds: now, isForced: true) }
    }
    #expect(!manyLater.session.isResumed)
    let old = try TLSTicketKeys(nowSeconds: now - 86_401)
    let stale = try Data.context(tickets: old)
    #expect(try !resume(wire, from: stale, to: stale).session.isResumed)
  }

  @Test(arguments: versions)
  func `another policy's ticket, other keys and no keys mean a full handshake`(
    wire: CInt
  ) throws {
    let keys = try TLSTicketKeys()
    let first = try Data.context(tickets: keys)
    let renamed = try Data.context(tickets: keys) { $0.sessionContext = Array("other".utf8) }
    #expect(try !resume(wire, from: first, to: renamed).session.isResumed)
    let stricter = try Data.context(tickets: keys) {
      $0.client.verification = .optional
      $0.client.authorities = [Data.file("root.pem")]
    }
    #expect(try !resume(wire, from: first, to: stricter).session.isResumed)
    let strangers = try Data.context(tickets: try TLSTicketKeys())
    #expect(try !resume(wire, from: first, to: strangers).session.isResumed)
    let without = try Data.context(tickets: nil)
    #expect(try !resume(wire, from: without, to: without).session.isResumed)
    let refusing = try Data.context(tickets: keys) { $0.sessionTickets = false }
    #expect(try !resume(wire, from: first, to: refusing).session.isResumed)
  }

  @Test(arguments: versions)
  func `a resumed session still knows the client's certificate`(wire: CInt) throws {
    let keys = try TLSTicketKeys()
    let context = try Data.context(tickets: keys) {
      $0.client.verification = .require
      $0.client.authorities = [Data.file("root.pem")]
    }
    let pair = try resume(wire, from: context, to: context, certificate: "client")
    #expect(pair.session.isResumed)
    let client = pair.session.clientCertificate()
    #expect(client?.verdict == .verified && client?.facts.commonName == "Alice")
  }

  @Test(arguments: [48, 80])
  func `keys from files encrypt with the first and accept the others`(size: Int) throws {
    let old = TLSNamedBytes(name: "old", bytes: (0..<UInt8(size)).map { $0 })
    let new = TLSNamedBytes(name: "new", bytes: (0..<UInt8(size)).map { $0 ^ 0xFF })
    let before = try Data.context(tickets: try TLSTicketKeys(files: [old]))
    let after = try Data.context(tickets: try TLSTicketKeys(files: [new, old]))
    for wire in Self.versions {
      #expect(try resume(wire, from: before, to: after).session.isResumed)
      #expect(try !resume(wire, from: after, to: before).session.isResumed)
    }
    #expect(throws: TLSError.self) {
      try TLSTicketKeys(files: [TLSNamedBytes(name: "short", bytes: [1, 2, 3])])
    }
  }

  @Test func `a region that already holds keys goes on with them`() throws {
    let region = try SharedRegion(anonymous: TLSTicketKeys.regionBytes)
    let now = Clock.realSeconds()
    let first = try Data.context(tickets: try TLSTicketKeys(region: region, nowSeconds: now))
    let keys = try TLSTicketKeys(region: region, nowSeconds: now + 100)
    #expect(keys.secondsUntilRotation(nowSeconds: now + 100) == 28_700)
    #expect(try !keys.rotate(nowSeconds: now + 100))
    let second = try Data.context(tickets: keys)
    #expect(try resume(TLS1_3_VERSION, from: first, to: second).session.isResumed)
  }

  @Test func `a master that died while it wrote a key leaves the ring usable`() throws {
    let region = try SharedRegion(anonymous: TLSTicketKeys.regionBytes)
    let now = Clock.realSeconds()
    let keys = try TLSTicketKeys(region: region, nowSeconds: now)
    let context = try Data.context(tickets: keys)
    // The second key's slot, as it is before the key's number is written.
    region.fill(at: 64 + 2 * 128, count: 128, with: 0)
    region.store(now, at: 64 + 2 * 128 + 8)
    #expect(try resume(TLS1_3_VERSION, from: context, to: context).session.isResumed)
    #expect(try keys.rotate(nowSeconds: now, isForced: true))
    #expect(try resume(TLS1_3_VERSION, from: context, to: context).session.isResumed)
  }
}
