// What operators get wrong is told in a sentence that names the file; what certificates say is
// read right.

import COpenSSL
import TLS
import Testing

@Suite struct `policies and certificates` {
  func message(_ change: @escaping (inout TLSPolicy) -> Void) -> String {
    do throws(TLSError) {
      _ = try TLSContext(Data.policy(change), tickets: nil)
      return "accepted"
    } catch { return error.message }
  }

  @Test func `each mistake with certificates has its sentence`() {
    let mistakes: [(String, String, String)] = [
      ("ecdsa.chain.pem", "other.key", "the private key in 'other.key' does not belong to"),
      ("ecdsa.chain.pem", "encrypted.key", "the private key in 'encrypted.key' is encrypted"),
      ("ecdsa.key", "ecdsa.key", "'ecdsa.key' holds no certificate in PEM"),
      ("ecdsa.pem", "ecdsa.pem", "'ecdsa.pem' holds no private key in PEM"),
      ("nothing", "ecdsa.key", "'nothing' holds no certificate: it is empty"),
      ("make.sh", "ecdsa.key", "'make.sh' holds no certificate in PEM"),
    ]
    for (chain, key, sentence) in mistakes {
      let text = message { $0.certificates = [Data.source(chain, key)] }
      #expect(text.hasPrefix(sentence), "\(text)")
    }
    var damaged = Data.ecdsa
    damaged.chain[100] = UInt8(ascii: "*")
    let text = message { $0.certificates = [damaged] }
    #expect(text.hasPrefix("'ecdsa.chain.pem' holds a damaged certificate"), "\(text)")
    #expect(message { $0.certificates = [Data.ecdsa, Data.other] }.contains("one of each"))
    #expect(TestClient.hasNoErrors)
  }

  @Test func `each mistake with rules has its sentence`() {
    #expect(message { $0.cipherSuites12 = "nonsense" }.hasPrefix("'nonsense' names no cipher"))
    #expect(
      message { $0.cipherSuites13 = "nonsense" }.hasPrefix("'nonsense' is no list of TLS 1.3"))
    #expect(message { $0.groups = "nonsense" }.hasPrefix("'nonsense' is no list of groups"))
    #expect(message { ($0.versionMin, $0.versionMax) = (.tls13, .tls12) }.contains("no version"))
    #expect(
      message { $0.configurationCommands = [("Nonsense", "1")] }
        == "OpenSSL knows no command 'Nonsense'")
    #expect(
      message { $0.configurationCommands = [("Groups", "nonsense")] }.contains("nonsense"))
    #expect(message { $0.configurationCommands = [("Curves", "P-384")] } == "accepted")
    #expect(
      message {
        $0.client.verification = .require
        $0.client.authorities = [Data.file("root.crl")]
      }.hasPrefix("'root.crl' holds no certificate"))
    #expect(TestClient.hasNoErrors)
  }

  @Test func `a certificate out of date or a chain out of order is a warning`() throws {
    #expect(try Data.context().warnings.isEmpty)
    let expired = try Data.context { $0.certificates = [Data.source("expired.pem", "expired.key")] }
    #expect(expired.warnings == ["the certificate in 'expired.pem' has expired"])
    let early = try TLSContext(Data.policy(), tickets: nil, nowSeconds: 1_000_000_000)
    #expect(early.warnings == ["the certificate in 'ecdsa.chain.pem' is not valid yet"])
    var wrong = Data.source("ecdsa.pem", "ecdsa.key")
    wrong.intermediates = Data.file("stranger.pem")
    let disordered = try Data.context { $0.certificates = [wrong] }
    #expect(disordered.warnings.count == 1 && disordered.warnings[0].contains("stranger.pem"))
  }

  @Test func `a certificate's facts are read`() throws {
    let facts = try TLSCertificateFacts(pem: Data.file("ecdsa.chain.pem"))
    #expect(facts.subject == "CN=example.org" && facts.commonName == "example.org")
    #expect(facts.issuer == "CN=Test intermediate,O=Ring3 tests")
    #expect(facts.hostNames == ["example.org", "*.example.org"])
    #expect(facts.addresses == [[127, 0, 0, 1]])
    #expect(facts.notBeforeSeconds == 1_577_836_800 && facts.notAfterSeconds == 4_733_510_400)
    #expect(facts.serial == "1001" && facts.keyType == "EC" && facts.keyBits == 256)
    #expect(facts.ocspURL == "http://ocsp.example.org/" && !facts.mustStaple)
    #expect(try TLSCertificateFacts(pem: Data.file("rsa.pem")).keyType == "RSA")
  }

  @Test func `a responder is asked and its answer checked`() throws {
    let request = try TLSStapleRequest(Data.ecdsa)
    #expect(request.url == "http://ocsp.example.org/" && request.bytes.count > 40)
    #expect(try TLSStapleRequest(Data.other).url == nil)
    #expect(throws: TLSError.self) { try TLSStapleRequest(Data.source("ecdsa.pem", "ecdsa.key")) }

    let now: Int64 = 1_800_000_000
    func check(_ bytes: [UInt8], _ source: TLSCertificateSource, _ time: Int64) throws
      -> TLSStapleAnswer.Status
    {
      try TLSStapleAnswer(checking: bytes, for: source, nowSeconds: time).status
    }
    #expect(try check(Data.bytes("good.ocsp"), Data.ecdsa, now) == .good)
    #expect(try check(Data.bytes("revoked.ocsp"), Data.ecdsa, now) == .revoked)
    #expect(throws: TLSError.self) { try check(Data.bytes("good.ocsp"), Data.rsa, now) }
    #expect(throws: TLSError.self) { try check(Data.bytes("good.ocsp"), Data.ecdsa, 1_600_000_000) }
    #expect(throws: TLSError.self) { try check([1, 2, 3], Data.ecdsa, now) }
    var forged = Data.bytes("good.ocsp")
    forged[forged.count - 600] ^= 1
    #expect(throws: TLSError.self) { try check(forged, Data.ecdsa, now) }
    #expect(TestClient.hasNoErrors)
  }

  @Test func `the library starts and tells its version`() throws {
    try TLSLibrary.initialise()
    #expect(TLSLibrary.versionText.hasPrefix("OpenSSL 3."))
  }
}
