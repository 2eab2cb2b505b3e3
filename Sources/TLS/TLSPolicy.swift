// Everything a context is made from, as plain values.

/// A certificate with its key, as their files were read.
package struct TLSCertificateSource: Sendable, Equatable {
  /// PEM: the certificate, then the ones that lead to its root.
  package var chain: [UInt8]
  /// Where it was read from, for messages.
  package var chainName: String
  /// PEM, not encrypted. May be the same bytes as `chain`.
  package var key: [UInt8]
  package var keyName: String
  /// PEM: more certificates of the chain, from a file of their own.
  package var intermediates: TLSNamedBytes?

  package init(
    chain: [UInt8], chainName: String, key: [UInt8], keyName: String,
    intermediates: TLSNamedBytes? = nil
  ) {
    self.chain = chain
    self.chainName = chainName
    self.key = key
    self.keyName = keyName
    self.intermediates = intermediates
  }
}

/// A file's bytes and where they were read from, for messages.
package struct TLSNamedBytes: Sendable, Equatable {
  package var name: String
  package var bytes: [UInt8]

  package init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}

/// What is asked of the client's certificate, as in `SSLVerifyClient`.
package enum TLSVerification: UInt8, Sendable {
  case none
  /// May be absent; if present, it must be valid.
  case optional
  case require
  /// May be absent, and its issuer unknown.
  case optionalNoCA
}

/// How far revocation lists are asked, as in `SSLCARevocationCheck`.
package enum TLSRevocationCheck: UInt8, Sendable {
  case none
  case leaf
  case chain
}

/// How clients are verified. Directories of authorities are read by the caller: a sandboxed worker
/// opens nothing.
package struct TLSClientPolicy: Sendable, Equatable {
  package var verification = TLSVerification.none
  /// Certificates between the client's and its root, 0 … 100.
  package var depth = 1
  /// PEM files of the authorities that are trusted; their names are sent to the client.
  package var authorities: [TLSNamedBytes] = []
  /// PEM files of the authorities whose names are sent instead of those.
  package var namedAuthorities: [TLSNamedBytes] = []
  /// PEM files of revocation lists.
  package var revocationLists: [TLSNamedBytes] = []
  package var revocationCheck = TLSRevocationCheck.none
  /// Whether a certificate passes whose issuer has no revocation list.
  package var toleratesMissingList = false

  package init() {}
}

/// What one virtual host wants of TLS. The initial values are those of a careful operator in 2026:
/// TLS 1.2 and 1.3, ephemeral elliptic curves, authenticated encryption only.
package struct TLSPolicy: Sendable {
  /// At most one for each kind of key (RSA, ECDSA, Ed25519).
  package var certificates: [TLSCertificateSource] = []
  package var versionMin = TLSVersion.tls12
  package var versionMax = TLSVersion.tls13
  /// OpenSSL's cipher string for TLS 1.2; nil for `defaultCipherSuites12`.
  package var cipherSuites12: String?
  /// The same for TLS 1.3, names separated by colons.
  package var cipherSuites13: String?
  /// Whether our order of ciphers decides, not the client's.
  package var honorsCipherOrder = false
  /// Groups for the key exchange in order; nil for `defaultGroups`.
  package var groups: String?
  /// `SSLOpenSSLConfCmd` in order: names and values of SSL_CONF_cmd(3).
  package var configurationCommands: [(name: String, value: String)] = []
  package var sessionTickets = true
  /// Tickets after a full handshake in TLS 1.3, 1 … 16: clients that use a ticket once may open so
  /// many connections at a time.
  package var ticketCount = 2
  /// ALPN names ("h2", "http/1.1") in the server's order; none: the extension is not answered.
  package var applicationProtocols: [String] = []
  /// Whether our order of protocols decides, not the client's.
  package var honorsProtocolOrder = true
  package var client = TLSClientPolicy()
  /// Names the policy: a session made under one never continues under another. Everything about
  /// the verification of clients is mixed in, so a host's name is enough.
  package var sessionContext: [UInt8] = []

  package init() {}

  /// Mozilla's "intermediate" without finite-field Diffie-Hellman.
  package static let defaultCipherSuites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    + "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    + "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
  package static let defaultCipherSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
  package static let defaultGroups = "X25519:P-256:P-384"
}
