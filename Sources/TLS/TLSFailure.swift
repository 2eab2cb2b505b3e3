// Why a connection failed, in words for logs and counters.

import COpenSSL

/// One reason of the few that matter to an operator.
package enum TLSFailureReason: Equatable, Sendable {
  /// The client and this host have no cipher suite in common.
  case noSharedCipher
  /// No version, or no group for the key exchange.
  case protocolVersion
  case noSharedGroup
  case noSharedSignature
  /// ALPN: none of the client's protocols is spoken here.
  case noApplicationProtocol
  /// A plain HTTP request came: answer it in clear text, nothing has been sent.
  case httpRequest
  /// The client gave up with this alert (RFC 8446, section 6).
  case clientAlert(UInt8)
  /// We did, as `refuse` was told.
  case refused
  /// Bytes that are no TLS, or do not decrypt.
  case badRecord
  /// A message that is not allowed there, or that makes no sense.
  case badMessage
  case certificateRejected
  case wantedClientCertificate
  /// The connection ended without a close_notify.
  case unexpectedEnd
  /// The connection is broken (ECONNRESET and the like).
  case broken
  /// The client asked to negotiate anew.
  case renegotiation
  /// Records without end, and no data in them.
  case noProgress
  /// The host has no certificate that the client can use.
  case noCertificate
  case internalError

  /// As logs and counters show it.
  package var word: String {
    switch self {
    case .noSharedCipher: "no-shared-cipher"
    case .protocolVersion: "protocol-version"
    case .noSharedGroup: "no-shared-group"
    case .noSharedSignature: "no-shared-signature"
    case .noApplicationProtocol: "no-application-protocol"
    case .httpRequest: "http-request"
    case .clientAlert: "client-alert"
    case .refused: "refused"
    case .badRecord: "bad-record"
    case .badMessage: "bad-message"
    case .certificateRejected: "certificate-rejected"
    case .wantedClientCertificate: "wanted-client-certificate"
    case .unexpectedEnd: "unexpected-end"
    case .broken: "broken"
    case .renegotiation: "renegotiation"
    case .noProgress: "no-progress"
    case .noCertificate: "no-certificate"
    case .internalError: "internal-error"
    }
  }

  /// Every word, in a fixed order: for tables of counters.
  package static let words = [
    "no-shared-cipher", "protocol-version", "no-shared-group", "no-shared-signature",
    "no-application-protocol", "http-request", "client-alert", "refused", "bad-record",
    "bad-message", "certificate-rejected", "wanted-client-certificate", "unexpected-end", "broken",
    "renegotiation", "no-progress", "no-certificate", "internal-error",
  ]

  /// Of an error of the SSL part of OpenSSL.
  init(sslReason reason: CInt) {
    switch reason {
    case SSL_R_NO_SHARED_CIPHER: self = .noSharedCipher
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE,
      SSL_R_INAPPROPRIATE_FALLBACK, SSL_R_UNSUPPORTED_SSL_VERSION, SSL_R_UNKNOWN_PROTOCOL:
      self = .protocolVersion
    case SSL_R_NO_SHARED_GROUPS, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SUITABLE_GROUPS:
      self = .noSharedGroup
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      self = .noSharedSignature
    case SSL_R_NO_APPLICATION_PROTOCOL: self = .noApplicationProtocol
    case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: self = .httpRequest
    case SSL_R_CERTIFICATE_VERIFY_FAILED: self = .certificateRejected
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: self = .wantedClientCertificate
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: self = .unexpectedEnd
    case SSL_R_NO_RENEGOTIATION, SSL_R_RENEGOTIATION_MISMATCH,
      SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
      self = .renegotiation
    case SSL_R_NO_CERTIFICATE_ASSIGNED, SSL_R_NO_CERTIFICATE_SET, SSL_R_NO_PRIVATE_KEY_ASSIGNED:
      self = .noCertificate
    case SSL_R_CALLBACK_FAILED: self = .internalError
    case SSL_R_WRONG_VERSION_NUMBER, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
      SSL_R_ENCRYPTED_LENGTH_TOO_LONG, SSL_R_DATA_LENGTH_TOO_LONG, SSL_R_PACKET_LENGTH_TOO_LONG,
      SSL_R_BAD_RECORD_TYPE, SSL_R_RECORD_TOO_SMALL, SSL_R_DECRYPTION_FAILED,
      SSL_R_BLOCK_CIPHER_PAD_IS_WRONG, SSL_R_LENGTH_MISMATCH, SSL_R_WRONG_SSL_VERSION:
      self = .badRecord
    case CInt(ERR_R_INTERNAL_ERROR), CInt(ERR_R_MALLOC_FAILURE): self = .internalError
    // SSL_R_SSLV3_ALERT_CLOSE_NOTIFY and up: SSL_AD_REASON_OFFSET plus the alert's number.
    case SSL_AD_REASON_OFFSET..<SSL_AD_REASON_OFFSET + 256:
      self = .clientAlert(UInt8(reason - SSL_AD_REASON_OFFSET))
    default: self = .badMessage
    }
  }
}

/// A failure that ended a session, for good.
package struct TLSFailure: Error, Equatable, Sendable, CustomStringConvertible {
  package let reason: TLSFailureReason
  /// OpenSSL's words, for logs.
  package let text: String

  package var description: String { "\(reason.word): \(text)" }
}

/// Alerts that a caller may refuse a hello with (RFC 8446, section 6.2).
package enum TLSAlert: UInt8, Sendable {
  case handshakeFailure = 40
  case accessDenied = 49
  case internalError = 80
  case unrecognizedName = 112
}
