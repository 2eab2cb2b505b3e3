// A TLS client on a socket: OpenSSL encrypts in memory, the bytes are moved here, in pieces if
// wanted.

import COpenSSL
import Glibc

/// What a TLS client offers and expects.
package struct TLSOffer: Sendable {
  package enum Version: Int32, Sendable {
    case tls12 = 0x303
    case tls13 = 0x304
  }

  package var versionMin = Version.tls12
  package var versionMax = Version.tls13
  package var serverName: String?
  /// ALPN.
  package var protocols: [String] = []
  package var ciphers12: String?
  /// Authorities to be trusted; nil: the server's certificate is not looked at.
  package var authorityPath: String?
  /// Certificate and key of the client.
  package var certificatePath: String?
  package var keyPath: String?
  /// A session of a connection before.
  package var session: TLSClientSession?
  /// Bytes of the handshake go in pieces of this many, a moment apart.
  package var pieceBytes: Int?
  /// To be shared by many connections; nil: each makes its own.
  package var context: TLSClientContext?

  package init(serverName: String? = nil, protocols: [String] = []) {
    self.serverName = serverName
    self.protocols = protocols
  }
}

/// What connections have in common: the authorities they trust.
@safe package final class TLSClientContext: @unchecked Sendable {
  let handle: OpaquePointer

  /// nil: none are trusted.
  package init(authorityPath: String? = nil) throws(SocketFailure) {
    unsafe handle = SSL_CTX_new(TLS_client_method())
    _ = unsafe SSL_CTX_ctrl(handle, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
    guard let path = authorityPath else { return }
    guard unsafe SSL_CTX_load_verify_locations(handle, path, nil) == 1 else {
      throw .secure("cannot read \(path)")
    }
  }

  deinit { unsafe SSL_CTX_free(handle) }
}

/// A session that a later connection may offer.
@safe package final class TLSClientSession: @unchecked Sendable {
  let handle: OpaquePointer

  init?(_ handle: OpaquePointer?) {
    guard let handle = unsafe handle else { return nil }
    unsafe self.handle = unsafe handle
  }

  deinit { unsafe SSL_SESSION_free(handle) }
}

@safe package final class TLSChannel: ByteChannel {
  package let socket: ClientSocket
  private let context: TLSClientContext
  private let ssl: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer
  /// Encrypted, and not yet taken by the socket.
  private var unsent: [UInt8] = []
  private var hasEnded = false

  /// Connects and shakes hands.
  package init(
    to address: String = "127.0.0.1", port: UInt16, offer: TLSOffer = TLSOffer(),
    timeoutMilliseconds: Int = 15_000
  ) throws(SocketFailure) {
    socket = try ClientSocket(
      to: address, port: port, timeoutMilliseconds: timeoutMilliseconds)
    if let shared = offer.context {
      context = shared
    } else {
      context = try TLSClientContext(authorityPath: offer.authorityPath)
    }
    unsafe ssl = SSL_new(context.handle)
    unsafe input = BIO_new(BIO_s_mem())
    unsafe output = BIO_new(BIO_s_mem())
    unsafe SSL_set_bio(ssl, input, output)
    unsafe SSL_set_connect_state(ssl)
    try prepare(offer)
    try shakeHands(pieceBytes: offer.pieceBytes)
  }

  deinit { unsafe SSL_free(ssl) }

  private func prepare(_ offer: TLSOffer) throws(SocketFailure) {
    var isGood =
      unsafe SSL_ctrl(
        ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(offer.versionMin.rawValue), nil) == 1
    isGood =
      unsafe SSL_ctrl(
        ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(offer.versionMax.rawValue), nil) == 1 && isGood
    if let ciphers = offer.ciphers12 {
      isGood = unsafe SSL_set_cipher_list(ssl, ciphers) == 1 && isGood
    }
    if let name = offer.serverName {
      unsafe name.withCString { bytes in
        isGood =
          unsafe SSL_ctrl(
            ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
            UnsafeMutableRawPointer(mutating: bytes)) == 1 && isGood
      }
    }
    if !offer.protocols.isEmpty {
      let list = offer.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
      isGood = unsafe SSL_set_alpn_protos(ssl, list, CUnsignedInt(list.count)) == 0 && isGood
    }
    if offer.authorityPath != nil {
      unsafe SSL_set_verify(ssl, SSL_VERIFY_PEER, nil)
      if let name = offer.serverName {
        isGood = unsafe SSL_set1_host(ssl, name) == 1 && isGood
      }
    }
    if let certificate = offer.certificatePath, let key = offer.keyPath {
      isGood = unsafe SSL_use_certificate_file(ssl, certificate, SSL_FILETYPE_PEM) == 1 && isGood
      isGood = unsafe SSL_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1 && isGood
    }
    if let session = offer.session {
      isGood = unsafe SSL_set_session(ssl, session.handle) == 1 && isGood
    }
    guard isGood else { throw lastFailure() }
  }

  private func lastFailure(_ otherwise: String = "TLS") -> SocketFailure {
    let code = ERR_peek_error()
    ERR_clear_error()
    guard code != 0, let reason = unsafe ERR_reason_error_string(code) else {
      return .secure(otherwise)
    }
    return unsafe .secure(String(cString: reason))
  }

  private func shakeHands(pieceBytes: Int?) throws(SocketFailure) {
    while true {
      let result = unsafe SSL_do_handshake(ssl)
      let code = unsafe SSL_get_error(ssl, result)
      let failure = result == 1 || code == SSL_ERROR_WANT_READ ? nil : lastFailure()
      collect()
      try push(pieceBytes: pieceBytes)
      if let failure { throw failure }
      if result == 1 { return }
      try socket.waitForInput()
      if try pull() == 0 { throw .truncated }
    }
  }

  private func push(pieceBytes: Int?) throws(SocketFailure) {
    guard let pieceBytes else {
      try socket.send(unsent)
      unsent = []
      return
    }
    while !unsent.isEmpty {
      try socket.send(Array(unsent.prefix(pieceBytes)))
      unsent.removeFirst(min(pieceBytes, unsent.count))
      pause(milliseconds: 1)
    }
  }

  /// What OpenSSL wants to be sent.
  private func collect() {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe BIO_read(output, &buffer, CInt(buffer.count))
      guard count > 0 else { break }
      unsent += buffer[..<Int(count)]
    }
    ERR_clear_error()
  }

  /// Sends what is encrypted, as far as the socket takes it; false if some is left.
  @discardableResult
  package func flush() throws(SocketFailure) -> Bool {
    while !unsent.isEmpty {
      guard let sent = try socket.sendSome(unsent[...]) else { return false }
      unsent.removeFirst(sent)
    }
    return true
  }

  /// Gives OpenSSL what has come: its count, 0 at the end, nil when there is nothing.
  private func pull() throws(SocketFailure) -> Int? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    guard let count = try socket.receiveSome(into: &buffer) else { return nil }
    if count > 0 { _ = unsafe BIO_write(input, buffer, CInt(count)) }
    return count
  }

  // MARK: Bytes

  package var hasPending: Bool {
    unsafe !unsent.isEmpty || SSL_pending(ssl) > 0 || BIO_ctrl_pending(input) > 0
  }

  package func sendSome(_ bytes: ArraySlice<UInt8>) throws(SocketFailure) -> Int? {
    guard try flush() else { return nil }
    let piece = Array(bytes.prefix(16_384))
    guard !piece.isEmpty else { return 0 }
    let count = unsafe SSL_write(ssl, piece, CInt(piece.count))
    guard count > 0 else { throw lastFailure() }
    collect()
    try flush()
    return Int(count)
  }

  package func receiveSome(into buffer: inout [UInt8]) throws(SocketFailure) -> Int? {
    try flush()
    var total = 0
    while total < buffer.count {
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[total...])
        return unsafe SSL_read(ssl, rest.baseAddress, CInt(rest.count))
      }
      if count > 0 {
        total += Int(count)
        continue
      }
      let code = unsafe SSL_get_error(ssl, count)
      if code == SSL_ERROR_ZERO_RETURN { return total }
      guard code == SSL_ERROR_WANT_READ else {
        if total > 0 { break }
        throw lastFailure()
      }
      ERR_clear_error()
      collect()
      if hasEnded {
        if total > 0 { break }
        throw .truncated
      }
      switch try pull() {
      case 0: hasEnded = true
      case nil: return total > 0 ? total : nil
      default: break
      }
    }
    return total
  }

  /// Says close_notify, and ends the socket's sending side if wanted.
  package func finish(shutsSocket: Bool = false) throws(SocketFailure) {
    _ = unsafe SSL_shutdown(ssl)
    collect()
    try push(pieceBytes: nil)
    if shutsSocket { socket.finishSending() }
  }

  /// New keys for both directions, with the next bytes sent (TLS 1.3).
  package func updateKeys() { _ = unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) }

  // MARK: Facts

  /// ALPN's choice, empty if there was none.
  package var applicationProtocol: String {
    var bytes: UnsafePointer<UInt8>?
    var count: CUnsignedInt = 0
    unsafe SSL_get0_alpn_selected(ssl, &bytes, &count)
    return unsafe String(
      decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
  }

  package var version: String { unsafe String(cString: SSL_get_version(ssl)) }
  package var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }
  /// The session that the server gave a ticket for; complete when something was received.
  package var session: TLSClientSession? { unsafe TLSClientSession(SSL_get1_session(ssl)) }
  /// Key types: "EC" or "RSA".
  package var serverKeyType: String {
    guard let certificate = unsafe SSL_get0_peer_certificate(ssl) else { return "" }
    return unsafe String(cString: EVP_PKEY_get0_type_name(X509_get0_pubkey(certificate)))
  }

  /// The server's certificate: the hexadecimal digits of its serial number.
  package var serverSerial: String {
    guard let certificate = unsafe SSL_get0_peer_certificate(ssl),
      let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil)
    else { return "" }
    defer { unsafe BN_free(number) }
    guard let text = unsafe BN_bn2hex(number) else { return "" }
    defer { unsafe ring3_free(text) }
    return unsafe String(cString: text)
  }
}
