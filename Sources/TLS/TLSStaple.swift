// OCSP (RFC 6960) for stapling: requests made, answers checked, for the helper that fetches them.

import COpenSSL
import Platform

/// What to ask of whom.
package struct TLSStapleRequest: Equatable, Sendable {
  /// The responder that the certificate names; nil if it names none.
  package let url: String?
  /// DER, for a POST of type application/ocsp-request. Without a nonce: responders answer from
  /// what they have prepared.
  package let bytes: [UInt8]

  /// For the first certificate of a chain, whose issuer must be in the chain.
  package init(_ source: TLSCertificateSource) throws(TLSError) {
    defer { ERR_clear_error() }
    let parties = try StapleParties(source)
    url = unsafe TLSCertificateFacts(certificate: parties.leaf.handle)?.ocspURL
    guard let request = unsafe OCSP_REQUEST_new(), let name = unsafe parties.identity() else {
      throw TLSError("no OCSP request for '\(source.chainName)'")
    }
    defer { unsafe OCSP_REQUEST_free(request) }
    guard unsafe OCSP_request_add0_id(request, name) != nil else {
      unsafe OCSP_CERTID_free(name)
      throw TLSError("no OCSP request for '\(source.chainName)'")
    }
    var start: UnsafeMutablePointer<UInt8>?
    let count = unsafe i2d_OCSP_REQUEST(request, &start)
    guard count > 0, let start = unsafe start else {
      throw TLSError("no OCSP request for '\(source.chainName)'")
    }
    defer { unsafe ring3_free(start) }
    bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: Int(count)))
  }
}

/// What a responder said of a certificate.
package struct TLSStapleAnswer: Equatable, Sendable {
  package enum Status: Sendable { case good, revoked, unknown }

  package let status: Status
  /// Seconds since 1970-01-01 UTC.
  package let thisUpdateSeconds: Int64
  /// Nil: newer information is always to be had.
  package let nextUpdateSeconds: Int64?

  /// Checks an answer's form, signature, signer, certificate and times; only what passes may be
  /// stapled, and only if `status` is good. Clocks may differ by `skewSeconds`.
  package init(
    checking response: [UInt8], for source: TLSCertificateSource, nowSeconds: Int64,
    skewSeconds: Int64 = 300
  ) throws(TLSError) {
    defer { ERR_clear_error() }
    ERR_clear_error()
    let parties = try StapleParties(source)
    let parsed = unsafe response.withUnsafeBufferPointer { bytes in
      var start = bytes.baseAddress
      return unsafe d2i_OCSP_RESPONSE(nil, &start, bytes.count)
    }
    guard let parsed = unsafe parsed else { throw TLSError("the responder's answer is no OCSP") }
    defer { unsafe OCSP_RESPONSE_free(parsed) }
    let state = unsafe OCSP_response_status(parsed)
    guard state == OCSP_RESPONSE_STATUS_SUCCESSFUL else {
      let word = unsafe OCSP_response_status_str(Int(state)).map { unsafe String(cString: $0) }
      throw TLSError("the responder refuses to answer: \(word ?? "\(state)")")
    }
    guard let basic = unsafe OCSP_response_get1_basic(parsed) else {
      throw TLSError("the responder's answer has an unknown form")
    }
    defer { unsafe OCSP_BASICRESP_free(basic) }
    try unsafe parties.verify(basic, nowSeconds)

    guard let name = unsafe parties.identity() else { throw TLSError("out of memory") }
    defer { unsafe OCSP_CERTID_free(name) }
    var (status, reason): (CInt, CInt) = (-1, -1)
    var this: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
    var next: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
    guard
      unsafe OCSP_resp_find_status(basic, name, &status, &reason, nil, &this, &next) == 1,
      let thisUpdate = unsafe TLSCertificateFacts.seconds(UnsafePointer(this))
    else { throw TLSError("the responder's answer is about another certificate") }
    let nextUpdate = unsafe TLSCertificateFacts.seconds(UnsafePointer(next))
    guard thisUpdate <= nowSeconds + skewSeconds, nextUpdate ?? .max >= nowSeconds - skewSeconds
    else { throw TLSError("the responder's answer is out of date, or of a future one") }
    switch status {
    case V_OCSP_CERTSTATUS_GOOD: self.status = .good
    case V_OCSP_CERTSTATUS_REVOKED: self.status = .revoked
    default: self.status = .unknown
    }
    thisUpdateSeconds = thisUpdate
    nextUpdateSeconds = nextUpdate
  }
}

/// The certificate that is asked about and its issuer.
@safe private struct StapleParties {
  let leaf: Owned
  let issuer: Owned

  init(_ source: TLSCertificateSource) throws(TLSError) {
    ERR_clear_error()
    let file = TLSNamedBytes(name: source.chainName, bytes: source.chain)
    var chain = try PEM.certificates(in: file)
    if let more = source.intermediates { chain += try PEM.certificates(in: more) }
    leaf = chain[0]
    let leafHandle = unsafe leaf.handle
    guard
      let issuer = chain.dropFirst().first(where: {
        unsafe X509_check_issued($0.handle, leafHandle) == X509_V_OK
      })
    else {
      throw TLSError(
        "'\(source.chainName)' holds no certificate of the issuer, which OCSP needs")
    }
    self.issuer = issuer
  }

  /// With SHA-1, as all responders understand it (RFC 5019); the caller frees it.
  func identity() -> OpaquePointer? {
    unsafe OCSP_cert_to_id(EVP_sha1(), leaf.handle, issuer.handle)
  }

  /// The answer must be signed by the issuer or by a responder that the issuer appointed.
  func verify(_ basic: OpaquePointer, _ nowSeconds: Int64) throws(TLSError) {
    guard let store = unsafe X509_STORE_new(), let others = unsafe ring3_x509s_new() else {
      throw TLSError("out of memory")
    }
    defer {
      unsafe X509_STORE_free(store)
      unsafe ring3_x509s_free(others)
    }
    // The issuer is trusted as it is: its own root need not be in the chain.
    _ = unsafe X509_STORE_add_cert(store, issuer.handle)
    _ = unsafe X509_STORE_set_flags(store, CUnsignedLong(X509_V_FLAG_PARTIAL_CHAIN))
    unsafe X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), time_t(nowSeconds))
    _ = unsafe ring3_x509s_add(others, issuer.handle)
    guard unsafe OCSP_basic_verify(basic, others, store, 0) == 1 else {
      throw TLSError(
        "the responder's answer is not signed by the issuer: \(OpenSSLErrors.take().text)")
    }
  }
}
