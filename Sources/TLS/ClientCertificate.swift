// What a finished handshake settled, and who the client is.

import COpenSSL

/// How far the client's certificate is to be trusted.
package enum TLSClientVerdict: Equatable, Sendable {
  /// Its chain leads to an authority of the policy.
  case verified
  /// Accepted without that (`optionalNoCA`); OpenSSL's words for what is missing.
  case unverified(String)
}

/// The client's certificate and what became of it.
package struct TLSClientCertificate: Sendable {
  package let verdict: TLSClientVerdict
  package let facts: TLSCertificateFacts
  package let pem: [UInt8]
}

extension TLSContext {
  /// Only `optionalNoCA` and `toleratesMissingList` need a say in the verification.
  var verifyCallback: (@convention(c) (CInt, OpaquePointer?) -> CInt)? {
    switch (verification == .optionalNoCA, toleratesMissingList) {
    case (false, false): return nil
    case (true, false):
      return { isFine, state in unsafe TLSContext.isUnknownIssuer(state) ? 1 : isFine }
    case (false, true):
      return { isFine, state in
        guard unsafe TLSContext.isMissingList(state) else { return isFine }
        // The certificate counts as verified: no other error was passed over before this one.
        unsafe X509_STORE_CTX_set_error(state, X509_V_OK)
        return 1
      }
    case (true, true):
      // The error stays, and with it `unverified`: it may have taken an unknown issuer's place.
      return { isFine, state in
        unsafe TLSContext.isMissingList(state) || TLSContext.isUnknownIssuer(state) ? 1 : isFine
      }
    }
  }

  /// As in httpd (ssl_verify_error_is_optional): an unknown issuer is no obstacle, a signature that
  /// is wrong or a date that has passed is.
  @unsafe private static func isUnknownIssuer(_ state: OpaquePointer?) -> Bool {
    switch unsafe X509_STORE_CTX_get_error(state) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_CERT_UNTRUSTED:
      true
    default: false
    }
  }

  @unsafe private static func isMissingList(_ state: OpaquePointer?) -> Bool {
    unsafe X509_STORE_CTX_get_error(state) == X509_V_ERR_UNABLE_TO_GET_CRL
  }
}

extension TLSSession {
  /// Nil before the end of the handshake.
  package var version: TLSVersion? {
    switch unsafe SSL_version(ssl) {
    case TLS1_2_VERSION where phase != .handshaking: .tls12
    case TLS1_3_VERSION where phase != .handshaking: .tls13
    default: nil
    }
  }

  /// OpenSSL's name ("TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"); empty before the end
  /// of the handshake.
  package var cipherName: String {
    guard let cipher = unsafe SSL_get_current_cipher(ssl) else { return "" }
    return unsafe SSL_CIPHER_get_name(cipher).map { unsafe String(cString: $0) } ?? ""
  }

  /// Bits of the cipher's key.
  package var cipherBits: Int {
    guard let cipher = unsafe SSL_get_current_cipher(ssl) else { return 0 }
    return unsafe Int(SSL_CIPHER_get_bits(cipher, nil))
  }

  /// The session goes on from a ticket.
  package var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

  /// The protocol that ALPN settled ("h2", "http/1.1"); nil without ALPN.
  package var applicationProtocol: String? {
    var start: UnsafePointer<UInt8>?
    var count: CUnsignedInt = 0
    unsafe SSL_get0_alpn_selected(ssl, &start, &count)
    guard count > 0 else { return nil }
    return unsafe String(
      decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
  }

  /// ALPN settled on HTTP/2.
  package var isHTTP2: Bool {
    var start: UnsafePointer<UInt8>?
    var count: CUnsignedInt = 0
    unsafe SSL_get0_alpn_selected(ssl, &start, &count)
    guard count == 2, let start = unsafe start else { return false }
    return unsafe start[0] == UInt8(ascii: "h") && start[1] == UInt8(ascii: "2")
  }

  /// The client's certificate, of this handshake or of the one that it resumes; nil if it sent
  /// none. Reads the certificate anew with each call.
  package func clientCertificate() -> TLSClientCertificate? {
    guard phase != .handshaking, context.verification != .none,
      let certificate = unsafe SSL_get0_peer_certificate(ssl)
    else { return nil }
    defer { ERR_clear_error() }
    guard let facts = unsafe TLSCertificateFacts(certificate: certificate),
      let pem = unsafe TLSCertificateFacts.pem(of: certificate)
    else { return nil }
    let result = unsafe SSL_get_verify_result(ssl)
    let text = unsafe X509_verify_cert_error_string(result).map { unsafe String(cString: $0) }
    let verdict =
      result == Int(X509_V_OK)
      ? TLSClientVerdict.verified : .unverified(text ?? "error \(result)")
    return TLSClientCertificate(verdict: verdict, facts: facts, pem: pem)
  }
}
