// A policy's rules and certificates put into an SSL_CTX.

import COpenSSL

/// Fills one SSL_CTX; whoever owns that frees it when a step fails.
@safe final class ContextBuilder {
  let handle: OpaquePointer
  let nowSeconds: Int64
  private(set) var warnings: [String] = []

  init(handle: OpaquePointer, nowSeconds: Int64) {
    unsafe self.handle = unsafe handle
    self.nowSeconds = nowSeconds
  }

  /// Sessions live as long as the key of their ticket is accepted, less the time in which that key
  /// may already have been in use.
  static let sessionSeconds = TLSTicketKeys.acceptedSeconds - TLSTicketKeys.rotationSeconds

  private func check(_ isDone: Bool, _ sentence: @autoclosure () -> String) throws(TLSError) {
    if isDone { return }
    throw TLSError("\(sentence()): \(OpenSSLErrors.take().text)")
  }

  func setRules(_ policy: TLSPolicy, groups: String, hasTickets: Bool) throws(TLSError) {
    unsafe ring3_ctx_set_basics(handle)
    if !policy.honorsCipherOrder { unsafe ring3_ctx_follow_client_order(handle) }
    if !hasTickets { unsafe ring3_ctx_refuse_tickets(handle) }
    unsafe SSL_CTX_set_security_level(handle, 2)
    _ = unsafe SSL_CTX_set_max_early_data(handle, 0)
    _ = unsafe SSL_CTX_set_num_tickets(handle, hasTickets ? max(1, min(policy.ticketCount, 16)) : 0)
    _ = unsafe SSL_CTX_set_timeout(handle, ContextBuilder.sessionSeconds)
    guard policy.versionMin <= policy.versionMax else {
      throw TLSError("no version of TLS is left to speak")
    }
    try check(
      unsafe ring3_ctx_set_versions(
        handle, policy.versionMin.wireNumber, policy.versionMax.wireNumber) == 1,
      "cannot limit the versions of TLS")
    let suites12 = policy.cipherSuites12 ?? TLSPolicy.defaultCipherSuites12
    try check(
      unsafe SSL_CTX_set_cipher_list(handle, suites12) == 1,
      "'\(suites12)' names no cipher suite")
    let suites13 = policy.cipherSuites13 ?? TLSPolicy.defaultCipherSuites13
    try check(
      unsafe SSL_CTX_set_ciphersuites(handle, suites13) == 1,
      "'\(suites13)' is no list of TLS 1.3 cipher suites")
    try check(
      unsafe ring3_ctx_set_groups(handle, groups) == 1, "'\(groups)' is no list of groups")
  }

  func setSessionContext(_ bytes: [UInt8]) throws(TLSError) {
    try check(
      unsafe SSL_CTX_set_session_id_context(handle, bytes, CUnsignedInt(bytes.count)) == 1,
      "cannot name the session context")
  }

  func run(_ commands: [(name: String, value: String)]) throws(TLSError) {
    guard !commands.isEmpty else { return }
    guard let configuration = unsafe SSL_CONF_CTX_new() else { throw TLSError("out of memory") }
    defer { unsafe SSL_CONF_CTX_free(configuration) }
    let flags = SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_SHOW_ERRORS
    _ = unsafe SSL_CONF_CTX_set_flags(
      configuration, CUnsignedInt(flags) | CUnsignedInt(SSL_CONF_FLAG_CERTIFICATE))
    unsafe SSL_CONF_CTX_set_ssl_ctx(configuration, handle)
    for command in commands {
      guard command.name.lowercased() != "verifymode" else {
        throw TLSError("'\(command.name)' has no effect here; write SSLVerifyClient")
      }
      let result = unsafe SSL_CONF_cmd(configuration, command.name, command.value)
      if result == -2 { throw TLSError("OpenSSL knows no command '\(command.name)'") }
      try check(result > 0, "OpenSSL's command '\(command.name)' refuses '\(command.value)'")
    }
    try check(
      unsafe SSL_CONF_CTX_finish(configuration) == 1, "OpenSSL's commands do not go together")
  }
}

/// Certificates and their keys.
extension ContextBuilder {
  func setCertificates(_ sources: [TLSCertificateSource]) throws(TLSError) {
    var kinds: [CInt: String] = [:]
    for source in sources {
      let file = TLSNamedBytes(name: source.chainName, bytes: source.chain)
      var chain = try PEM.certificates(in: file)
      if let more = source.intermediates { chain += try PEM.certificates(in: more) }
      let key = try PEM.key(in: TLSNamedBytes(name: source.keyName, bytes: source.key))
      let leaf = chain.removeFirst()
      let kind = unsafe EVP_PKEY_get_base_id(key.handle)
      if let other = kinds[kind] {
        throw TLSError(
          "'\(source.chainName)' and '\(other)' hold certificates for the same kind of key; "
            + "a host takes one of each")
      }
      kinds[kind] = source.chainName
      try unsafe use(leaf.handle, key.handle, chain, source)
      unsafe warn(about: leaf.handle, chain, source)
    }
  }

  private func use(
    _ leaf: OpaquePointer, _ key: OpaquePointer, _ chain: [Owned], _ source: TLSCertificateSource
  ) throws(TLSError) {
    guard let stack = unsafe ring3_x509s_new() else { throw TLSError("out of memory") }
    defer { unsafe ring3_x509s_free(stack) }
    for certificate in chain where unsafe ring3_x509s_add(stack, certificate.handle) != 1 {
      throw TLSError("out of memory")
    }
    guard unsafe X509_check_private_key(leaf, key) == 1 else {
      throw TLSError(
        "the private key in '\(source.keyName)' does not belong to the certificate in "
          + "'\(source.chainName)'")
    }
    try check(
      unsafe SSL_CTX_use_cert_and_key(handle, leaf, key, stack, 1) == 1,
      "the certificate in '\(source.chainName)' cannot be used")
  }

  private func warn(
    about leaf: OpaquePointer, _ chain: [Owned], _ source: TLSCertificateSource
  ) {
    let name = source.chainName
    if let facts = unsafe TLSCertificateFacts(certificate: leaf) {
      if facts.notAfterSeconds < nowSeconds {
        warnings.append("the certificate in '\(name)' has expired")
      } else if facts.notBeforeSeconds > nowSeconds {
        warnings.append("the certificate in '\(name)' is not valid yet")
      }
    }
    var subject = unsafe leaf
    for issuer in chain {
      if unsafe X509_check_issued(issuer.handle, subject) != X509_V_OK {
        warnings.append(
          "the chain in '\(source.intermediates?.name ?? name)' is not in order: each certificate "
            + "must be followed by its issuer's")
        return
      }
      unsafe subject = unsafe issuer.handle
    }
  }
}

/// The verification of clients.
extension ContextBuilder {
  func setClients(_ policy: TLSClientPolicy) throws(TLSError) {
    guard policy.verification != .none else { return }
    guard let store = unsafe SSL_CTX_get_cert_store(handle) else {
      throw TLSError("out of memory")
    }
    for file in policy.authorities {
      for certificate in try PEM.certificates(in: file) {
        try check(
          unsafe X509_STORE_add_cert(store, certificate.handle) == 1,
          "an authority in '\(file.name)' cannot be used")
      }
    }
    for file in policy.revocationLists {
      for list in try PEM.revocationLists(in: file) {
        try check(
          unsafe X509_STORE_add_crl(store, list.handle) == 1,
          "a revocation list in '\(file.name)' cannot be used")
      }
    }
    switch policy.revocationCheck {
    case .none: break
    case .leaf: _ = unsafe X509_STORE_set_flags(store, CUnsignedLong(X509_V_FLAG_CRL_CHECK))
    case .chain:
      _ = unsafe X509_STORE_set_flags(
        store, CUnsignedLong(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }
    unsafe SSL_CTX_set_verify_depth(handle, CInt(max(0, min(policy.depth, 100))))
    let named = policy.namedAuthorities.isEmpty ? policy.authorities : policy.namedAuthorities
    guard let names = unsafe ring3_names_new() else { throw TLSError("out of memory") }
    for file in named {
      for certificate in try PEM.certificates(in: file) {
        _ = unsafe ring3_names_add(names, certificate.handle)
      }
    }
    // The context owns the list.
    unsafe SSL_CTX_set_client_CA_list(handle, names)
  }
}
