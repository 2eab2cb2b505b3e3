// What `SSL…` directives say about one site: plain values; no file of them has been opened.

/// A value with the word that gave it, so that whoever opens the file or hands the text to a
/// library can report a failure where it was written: `Diagnostic.error(message, at: value.word)`.
package final class ConfiguredText: Sendable, Hashable, CustomStringConvertible {
  /// A file's or directory's path is absolute if `ServerRoot` is.
  package let text: String
  package let word: Word

  package init(_ text: String, _ word: Word) {
    self.text = text
    self.word = word
  }

  /// "file:line:column"
  package var place: String { "\(word.place)" }
  package var description: String { text }

  /// By what is said, not where.
  package static func == (left: ConfiguredText, right: ConfiguredText) -> Bool {
    left.text == right.text
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

/// Everything that makes a site's encrypted connections. A site has it if it speaks TLS at some
/// address; which addresses do is `Model.isEncrypted`.
package struct SiteTLS: Sendable, Hashable {
  /// Versions of the protocol, oldest first; older ones are not offered (RFC 8996).
  package enum Version: String, Sendable, Hashable, Comparable, CaseIterable {
    case tls12 = "TLSv1.2"
    case tls13 = "TLSv1.3"

    package static func < (left: Version, right: Version) -> Bool {
      left == .tls12 && right == .tls13
    }
  }

  /// `SSLCertificateFile` and the `SSLCertificateKeyFile` that goes with it.
  package struct Certificate: Sendable, Hashable {
    /// PEM: the site's certificate, intermediate ones behind it, perhaps its key.
    package var file: ConfiguredText
    /// PEM; nil: the key is in `file`.
    package var key: ConfiguredText?
  }

  /// `SSLOpenSSLConfCmd`, for SSL_CONF_cmd(3).
  package struct Command: Sendable, Hashable {
    package var name: String
    package var value: String
    /// The name's; a failure is reported here.
    package var word: Word

    package static func == (left: Command, right: Command) -> Bool {
      left.name == right.name && left.value == right.value
    }

    package func hash(into hasher: inout Hasher) {
      hasher.combine(name)
      hasher.combine(value)
    }
  }

  /// `SSLVerifyClient`.
  package enum Verification: String, Sendable, Hashable, CaseIterable {
    case none
    /// A client may have a certificate; one that does not verify ends the handshake.
    case optional
    /// A client must have one that verifies.
    case require
    /// A client may have a certificate, by whomever issued.
    case optionalNoCA = "optional_no_ca"
  }

  /// `SSLCARevocationCheck`.
  package struct Revocation: Sendable, Hashable {
    package enum Extent: String, Sendable, Hashable, CaseIterable { case none, leaf, chain }
    package var extent = Extent.none
    /// `no_crl_for_cert_ok`: a certificate whose issuer has no list passes.
    package var toleratesMissingList = false

    package init() {}
  }

  /// Whose certificates clients may show.
  package struct Clients: Sendable, Hashable {
    package var verification = Verification.none
    /// How many issuers a client's certificate may have above it, the trusted one included.
    package var chainDepthMax = 1
    /// PEM files of trusted issuers (`SSLCACertificateFile`).
    package var issuersFile: ConfiguredText?
    /// A directory of them under names by hash (`SSLCACertificatePath`).
    package var issuersDirectory: ConfiguredText?
    /// The issuers to name to clients instead (`SSLCADNRequestFile`, `…Path`).
    package var requestedIssuersFile: ConfiguredText?
    package var requestedIssuersDirectory: ConfiguredText?
    /// `SSLCARevocationFile`, `…Path`
    package var revocationFile: ConfiguredText?
    package var revocationDirectory: ConfiguredText?
    package var revocation = Revocation()

    package init() {}
  }

  /// `SSLUseStapling` and what limits it; seconds and milliseconds as named.
  package struct Stapling: Sendable, Hashable {
    package var responderTimeoutMilliseconds: Int64 = 10_000
    /// How far the responder's clock may be off.
    package var timeSkewSeconds: Int64 = 300
    /// nil: as long as the response says.
    package var responseAgeSecondsMax: Int64?
    /// How long a good response is used before a newer one is asked for.
    package var refreshSeconds: Int64 = 3_600
    /// How long after a failure the responder is asked again.
    package var retrySeconds: Int64 = 600
    /// "http://…" instead of what certificates name.
    package var responderURL: ConfiguredText?

    package init() {}
  }

  /// The best for their key type is chosen by the library; the first is the one for all else.
  package var certificates: [Certificate] = []
  /// Intermediate certificates in a file of their own (`SSLCertificateChainFile`).
  package var chainFile: ConfiguredText?
  /// `SSLCertificateDirectory`: asked first, by the client's server name.
  package var certificateDirectory: ConfiguredText?
  package var versionMin = Version.tls12
  package var versionMax = Version.tls13
  /// For TLS 1.2, in OpenSSL's language; nil: `cipherListStandard`.
  package var cipherList: ConfiguredText?
  /// For TLS 1.3; nil: the library's.
  package var cipherSuites: ConfiguredText?
  package var honorsCipherOrder = false
  /// In order; the main server's first.
  package var commands: [Command] = []
  package var usesTickets = true
  /// nil: off.
  package var stapling: Stapling?
  package var clients = Clients()
  /// `SSLStrictSNIVHostCheck`; see `Model.admission`.
  package var requiresServerName = false
  /// Equal for sites that may answer on each other's connections: a hash of whatever the handshake
  /// decides about who the client is and how well the connection is protected. The certificate is
  /// no part of it: a client sends a request only where the certificate that it was shown covers
  /// the name (RFC 9110 §4.3.3, RFC 9113 §9.1.1), and what a site shows to others protects nobody.
  /// It also names the sessions that may be resumed. Equal in every process, after every reload.
  package var policyIdentity: UInt64 = 0

  package init() {}

  /// Forward secrecy and authenticated encryption only; the client's preference counts, because
  /// all are strong and it knows its processor.
  package static let cipherListStandard =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    + ":ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

  /// As given or by default. Without authentication or encryption nothing is ever offered.
  package var effectiveCipherList: String {
    cipherList.map { "!aNULL:!eNULL:!EXP:" + $0.text } ?? SiteTLS.cipherListStandard
  }

  /// Whether there is any certificate to show.
  package var hasCertificates: Bool { !certificates.isEmpty || certificateDirectory != nil }
}
