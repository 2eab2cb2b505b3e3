// What OpenSSL asks in the middle of a handshake, answered from the session's chosen context.

import COpenSSL
import Platform

enum SessionCallbacks {
  @unsafe static func install(on context: OpaquePointer, selectsProtocol: Bool) {
    unsafe SSL_CTX_set_client_hello_cb(
      context, { ssl, alert, _ in unsafe SessionCallbacks.clientHello(ssl, alert) }, nil)
    if selectsProtocol {
      unsafe SSL_CTX_set_alpn_select_cb(
        context,
        { ssl, selected, selectedCount, offered, offeredCount, _ in
          unsafe SessionCallbacks.selectProtocol(
            ssl, selected, selectedCount, offered, offeredCount)
        }, nil)
    }
    unsafe ring3_ctx_set_status_callback(context, { ssl, _ in unsafe SessionCallbacks.staple(ssl) })
    // All contexts have it: the first one's is asked, on behalf of the chosen one.
    _ = unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(
      context, { unsafe SessionCallbacks.ticketKey($0, $1, $2, $3, $4, $5) })
  }

  @unsafe private static func session(of ssl: OpaquePointer?) -> TLSSession? {
    guard let data = unsafe SSL_get_ex_data(ssl, 0) else { return nil }
    return unsafe Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
  }

  /// SSL_CTX_set_client_hello_cb(3): suspends until the caller has chosen.
  static func clientHello(
    _ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<CInt>?
  ) -> CInt {
    guard let ssl = unsafe ssl, let session = unsafe session(of: ssl), let alert = unsafe alert
    else { return SSL_CLIENT_HELLO_ERROR }
    return unsafe session.helloArrived(ClientHello(ssl), &alert.pointee)
  }

  /// SSL_CTX_set_alpn_select_cb(3). Without overlap the handshake ends with the alert that RFC 7301
  /// wants.
  static func selectProtocol(
    _ ssl: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: CUnsignedInt
  ) -> CInt {
    guard let session = unsafe session(of: ssl), let offered = unsafe offered else {
      return SSL_TLSEXT_ERR_NOACK
    }
    let list = unsafe [UInt8](UnsafeBufferPointer(start: offered, count: Int(offeredCount)))
    let names = ClientHello.names(in: list[...])
    let ours = session.context.protocols
    let choice =
      session.context.honorsProtocolOrder
      ? ours.lazy.compactMap { name in names.first { $0.elementsEqual(name) } }.first
      : names.first { name in ours.contains { $0.elementsEqual(name) } }
    guard let choice else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    // The slice's indices are offsets into the client's list, which outlives this call.
    unsafe selected?.pointee = unsafe offered + choice.startIndex
    unsafe selectedCount?.pointee = UInt8(choice.count)
    return SSL_TLSEXT_ERR_OK
  }

  /// SSL_CTX_set_tlsext_status_cb(3): the OCSP response, when the client asked and we have one.
  static func staple(_ ssl: OpaquePointer?) -> CInt {
    guard let session = unsafe session(of: ssl) else { return SSL_TLSEXT_ERR_NOACK }
    // By now OpenSSL has selected one of the context's certificates.
    guard let staples = session.context.staples, !staples.isEmpty,
      let leaf = unsafe SSL_get_certificate(ssl)
    else { return SSL_TLSEXT_ERR_NOACK }
    let staple = unsafe staples.response(of: TLSCertificateFacts.fingerprint(of: leaf))
    guard !staple.isEmpty, unsafe ring3_ssl_set_staple(ssl, staple, staple.count) == 1 else {
      return SSL_TLSEXT_ERR_NOACK
    }
    return SSL_TLSEXT_ERR_OK
  }

  /// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): the key of a new ticket (`encrypting` 1) or of one
  /// that came. -1: the handshake fails; 0: no ticket, a full handshake; 1: fine; 2: fine, and the
  /// client gets a new one.
  static func ticketKey(
    _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?,
    _ vector: UnsafeMutablePointer<UInt8>?, _ cipher: OpaquePointer?, _ mac: OpaquePointer?,
    _ encrypting: CInt
  ) -> CInt {
    guard let session = unsafe session(of: ssl), let tickets = session.context.tickets,
      let name = unsafe name, let vector = unsafe vector
    else { return 0 }
    let now = Clock.realSeconds()
    if encrypting == 1 {
      guard let key = tickets.current(nowSeconds: now), unsafe RAND_bytes(vector, 16) == 1 else {
        return 0
      }
      for index in 0..<16 { unsafe name[index] = key.name[index] }
      return unsafe use(key, vector, cipher, mac, encrypting) ? 1 : -1
    }
    let wanted = unsafe [UInt8](UnsafeBufferPointer(start: name, count: 16))
    guard let (key, isOld) = tickets.find(name: wanted, nowSeconds: now),
      unsafe use(key, vector, cipher, mac, encrypting)
    else { return 0 }
    // In TLS 1.3 a ticket is used once, so each resumption brings a new one.
    return unsafe isOld || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1
  }

  @unsafe private static func use(
    _ key: TicketKey, _ vector: UnsafePointer<UInt8>, _ cipher: OpaquePointer?,
    _ mac: OpaquePointer?, _ encrypting: CInt
  ) -> Bool {
    let algorithm =
      unsafe key.encryptionKey.count == 32 ? TicketCiphers.aes256 : TicketCiphers.aes128
    guard
      unsafe EVP_CipherInit_ex(cipher, algorithm, nil, key.encryptionKey, vector, encrypting) == 1
    else { return false }
    let authentication = key.authenticationKey
    return unsafe ring3_ticket_mac_key(mac, authentication, authentication.count) == 1
  }
}

/// Fetched once: looking an algorithm up costs more than using it.
@safe private enum TicketCiphers {
  nonisolated(unsafe) static let aes128 = unsafe EVP_CIPHER_fetch(nil, "AES-128-CBC", nil)
  nonisolated(unsafe) static let aes256 = unsafe EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)
}
