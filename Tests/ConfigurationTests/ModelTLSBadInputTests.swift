// What is wrong about encryption and HTTP/2 gets one clear message at the word that is wrong.

import Configuration
import Testing

@Suite struct ModelTLSBadInputTests {
  typealias Case = ModelBadInputTests.Case

  private static func host(_ text: String, port: Int = 443) -> String {
    "<VirtualHost *:\(port)>\n\(text)\n</VirtualHost>\n"
  }

  /// Behind `Listen 80`, on one line of their own each.
  static let words: [Case] = [
    Case("SSLEngine optional", "2:11", "'optional' is not implemented"),
    Case("SSLEngine yes", "2:11", "'on' or 'off' is expected"),
    Case("SSLProtocol TLSv1.1", "2:13", "broken and not offered (RFC 8996)"),
    Case("SSLProtocol all +SSLv3", "2:17", "broken and not offered (RFC 8996)"),
    Case("SSLProtocol TLSv1.2 TLSv1.3", "2:21", "write '+TLSv1.3'"),
    Case("SSLProtocol TLS1.3", "2:13", "did you mean 'TLSv1.3'?"),
    Case("SSLProtocol -all", "2:13", "no version is left"),
    Case("SSLCipherSuite TLSv1.2 HIGH", "2:16", "'SSL' or 'TLSv1.3' is expected"),
    Case("SSLCipherSuite \"\"", "2:16", "a list of ciphers"),
    Case(
      "SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA", "2:24",
      "did you mean 'TLS_AES_128_GCM_SHA256'?"),
    Case("SSLCompression on", "2:16", "CRIME"),
    Case("SSLInsecureRenegotiation on", "2:26", "RFC 5746"),
    Case("SSLOpenSSLConfCmd MinProtocol TLSv1", "2:19", "write 'SSLProtocol'"),
    Case("SSLOpenSSLConfCmd DHParameters x", "2:19", "DHE"),
    Case("SSLOpenSSLConfCmd Group X25519", "2:19", "did you mean 'Groups'?"),
    Case("SSLOpenSSLConfCmd Options Compression", "2:27", "makes connections unsafe"),
    Case("SSLOpenSSLConfCmd Groups \"\"", "2:26", "a value is expected"),
    Case("SSLOptions +FakeBasicAuth", "2:12", "SSLVerifyClient alone"),
    Case("SSLOptions +StdEnvVar", "2:12", "did you mean 'StdEnvVars'?"),
    Case("SSLVerifyClient required", "2:17", "did you mean 'require'?"),
    Case("SSLCARevocationCheck leafs", "2:22", "did you mean 'leaf'?"),
    Case("SSLCARevocationCheck leaf x", "2:27", "no_crl_for_cert_ok is expected"),
    Case("SSLStaplingForceURL https://x/", "2:21", "an http URL is expected"),
    Case("SSLCertificateKeyFile k", "2:23", "no SSLCertificateFile stands beside"),
    Case(
      "SSLCertificateFile c\nSSLCertificateKeyFile k\nSSLCertificateKeyFile l", "4:23",
      "no SSLCertificateFile goes with this key"),
    Case("Protocols h3 http/1.1", "2:11", "h2, h2c or http/1.1 is expected"),
    Case("Protocols h2 acme-tls/1 http/1.1", "2:14", "mod_md"),
    Case("Protocols h2", "2:11", "write 'Protocols h2 http/1.1'"),
    Case("H2Upgrade on", "2:11", "abolished"),
    Case("H2MaxSessionStreams 0", "2:21", "outside the range"),
    Case("H2Padding 3", "2:1", "hides the lengths"),
    Case("Sandbox maybe", "2:9", "'On', 'Off' or 'Report' is expected"),
    Case("RequestReadTimeout handshake=5-10", "2:20", "a handshake has one time"),
    Case("SSLRequire x", "2:1", "decides who may see something"),
    Case("SSLProxyEngine on", "2:1", "about passing requests on"),
    Case("SSLOCSPEnable on", "2:1", "SSLCARevocationCheck"),
    Case("SSLCertificatFile x", "2:1", "did you mean 'SSLCertificateFile'?"),
    Case("SSLRequireSSL", "2:1", "is not allowed outside all sections"),
    Case(
      "<Directory /srv>\nSSLVerifyClient require\n</Directory>", "3:1",
      "a connection is made before any path is known"),
    Case(
      host("SSLSessionTicketKeyFile x", port: 80), "3:1", "it goes outside all sections"),
  ]

  /// Whole configurations: what directives must be to each other.
  static let relations: [Case] = [
    Case("Listen 443", "1:8", "nothing there has a certificate"),
    Case("Listen 81 https", "1:8", "nothing there has a certificate"),
    Case("Listen 443 htps", "1:12", "'http' or 'https' is expected"),
    Case("Listen 443\n" + host("ServerName a"), "2:1|2:2", "is encrypted and has no certificate"),
    Case("Listen 80\n" + host("SSLEngine on", port: 80), "3:11", "has no certificate"),
    Case(
      "Listen 443\n" + host("ServerName a\nSSLCertificateFile a")
        + host("ServerName b\nSSLEngine off"), "8:11",
      "'b' at /etc/ring3.conf:6:1 is not encrypted on *:443, and 'a' at /etc/ring3.conf:2:1 is"),
    Case(
      "Listen 81\n" + host("ServerName a", port: 81)
        + host("ServerName b\nSSLEngine on\nSSLCertificateFile b", port: 81), "7:11",
      "is encrypted on *:81"),
    Case(
      "Listen 81 https\n" + host("SSLEngine off", port: 81), "3:11",
      "'Listen 81 https' at /etc/ring3.conf:1:1: one of them is wrong"),
    Case(
      "Listen 81 http\n" + host("SSLEngine on\nSSLCertificateFile x", port: 81), "3:11",
      "one of them is wrong"),
    Case(
      "Listen 443\nSSLCertificateFile x\nSSLVerifyClient require", "3:17", "no issuer is trusted"),
    Case(
      "Listen 443\nSSLCertificateFile x\nSSLVerifyClient require\n" + host("ServerName a")
        + host("ServerName b"), "3:17", "no issuer is trusted"),
    Case(
      "Listen 443\nSSLCertificateFile x\nSSLCARevocationCheck leaf", "3:22", "no list to look in"),
  ]

  @Test(arguments: words.map { Case("Listen 80\n" + $0.text, $0.place, $0.message) } + relations)
  func `a wrong value or relation is refused at its word`(_ test: Case) throws {
    try ModelBadInputTests().`a wrong value is refused at its word`(test)
  }

  static let warnings: [Case] = [
    Case("SSLCertificateFile x", "2:20", "this certificate is not used"),
    Case(host("SSLCertificateFile x", port: 80), "3:20", "write 'https' behind its Listen"),
    Case("SSLSessionCache shmcb:x(512)", "2:1", "sessions are resumed by tickets"),
    Case("SSLRandomSeed startup builtin", "2:1", "randomness from the kernel"),
    Case("SSLPassPhraseDialog exec:/x", "2:1", "keys with a passphrase are refused"),
    Case("H2Push on", "2:1", "browsers have given up"),
    Case("Protocols h2 h2 http/1.1", "2:14", "named twice"),
    Case(
      "Listen 443\n<VirtualHost 192.0.2.1:443>\nSSLCertificateFile x\n</VirtualHost>", "2:8",
      "connections to addresses that no <VirtualHost> names are refused on port 443"),
  ]

  @Test(arguments: warnings)
  func `what may be meant is a warning and loads`(_ test: Case) throws {
    try ModelBadInputTests().`what may be meant is a warning and loads`(test)
  }

  @Test(arguments: [
    "SSLProtocol all -SSLv2 -SSLv3 -TLSv1 -TLSv1.1", "SSLProtocol -all +TLSv1.2 +TLSv1.3",
    "SSLCompression off", "SSLInsecureRenegotiation off", "H2Upgrade off",
    "SSLOptions +StdEnvVars -FakeBasicAuth",
    "<FilesMatch \"\\.php$\">\nSSLOptions +StdEnvVars\n</FilesMatch>",
    "SSLCipherSuite HIGH:!aNULL", "SSLCipherSuite SSL HIGH", "SSLEngine off",
    "SSLOpenSSLConfCmd Options -SessionTicket", "SSLStaplingResponseMaxAge -1",
  ])
  func `what is common elsewhere loads without a word`(_ text: String) {
    let result = load("Listen 80\nDocumentRoot /srv/www\n" + text)
    #expect(result.model != nil)
    #expect(result.diagnostics.map(\.rendered) == [])
  }
}
