// Clients that show certificates, good and bad ones.

import COpenSSL
import TLS
import Testing

@Suite struct `client certificates` {
  func context(
    _ verification: TLSVerification, _ change: (inout TLSClientPolicy) -> Void = { _ in }
  ) throws -> TLSContext {
    try Data.context {
      $0.client.verification = verification
      $0.client.authorities = [Data.file("root.pem")]
      change(&$0.client)
    }
  }

  func pair(_ context: TLSContext, _ certificate: String?, _ wire: CInt) throws -> TestPair {
    var offer = ClientOffer(certificate: certificate)
    (offer.versionMin, offer.versionMax) = (wire, wire)
    // A listener's context that asks nobody: everything comes from the chosen one.
    let pair = try TestPair(try Data.context(), offer)
    pair.run(choosing: context)
    return pair
  }

  static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

  @Test(arguments: versions)
  func `a good one is known by its subject`(wire: CInt) throws {
    let pair = try pair(try context(.require), "client", wire)
    #expect(pair.last == .done && pair.client.authorityNameCount == 1)
    let client = try #require(pair.session.clientCertificate())
    #expect(client.verdict == .verified)
    #expect(client.facts.subject == "CN=Alice,O=Ring3 tests")
    #expect(client.facts.issuer == "CN=Test root,O=Ring3 tests")
    #expect(client.facts.serial == "2001")
    #expect(client.pem == Data.bytes("client.pem"))
  }

  @Test(arguments: versions)
  func `none is refused where one is required and only there`(wire: CInt) throws {
    let required = try pair(try context(.require), nil, wire)
    #expect(required.failure == .wantedClientCertificate)
    let optional = try pair(try context(.optional), nil, wire)
    #expect(optional.last == .done && optional.session.clientCertificate() == nil)
    let unasked = try pair(try Data.context(), "client", wire)
    #expect(unasked.last == .done && unasked.session.clientCertificate() == nil)
  }

  @Test(arguments: versions)
  func `a stranger's is refused unless the authority does not matter`(wire: CInt) throws {
    for verification in [TLSVerification.require, .optional] {
      let refused = try pair(try context(verification), "unknown", wire)
      #expect(refused.failure == .certificateRejected)
      #expect(refused.session.failure?.text == "unable to get local issuer certificate")
    }
    let accepted = try pair(try context(.optionalNoCA), "unknown", wire)
    #expect(accepted.last == .done)
    let client = try #require(accepted.session.clientCertificate())
    #expect(client.verdict != .verified && client.facts.commonName == "Eve")
  }

  @Test(arguments: versions)
  func `a revoked one is refused when the list is asked`(wire: CInt) throws {
    let listed = try context(.require) {
      $0.revocationLists = [Data.file("root.crl")]
      $0.revocationCheck = .leaf
    }
    let revoked = try pair(listed, "revoked", wire)
    #expect(revoked.failure == .certificateRejected)
    #expect(revoked.session.failure?.text == "certificate revoked")
    #expect(try pair(listed, "client", wire).last == .done)
    #expect(try pair(try context(.require), "revoked", wire).last == .done)
  }

  @Test(arguments: versions)
  func `without a list of its issuer one passes only where that is tolerated`(wire: CInt) throws {
    for tolerates in [false, true] {
      let unlisted = try context(.require) {
        $0.revocationCheck = .leaf
        $0.toleratesMissingList = tolerates
      }
      let pair = try pair(unlisted, "client", wire)
      #expect(pair.failure == (tolerates ? nil : .certificateRejected))
      #expect((pair.session.clientCertificate()?.verdict == .verified) == tolerates)
      #expect(try self.pair(unlisted, "unknown", wire).failure == .certificateRejected)
    }
    let listed = try context(.require) {
      $0.revocationLists = [Data.file("root.crl")]
      $0.revocationCheck = .leaf
      $0.toleratesMissingList = true
    }
    #expect(try pair(listed, "revoked", wire).failure == .certificateRejected)
    let generous = try context(.optionalNoCA) {
      $0.revocationCheck = .leaf
      $0.toleratesMissingList = true
    }
    let stranger = try pair(generous, "unknown", wire)
    #expect(stranger.last == .done)
    #expect(stranger.session.clientCertificate()?.verdict != .verified)
  }
}
