// A client of OpenSSL's own, whose bytes the test moves: as many at a time as it likes.

import COpenSSL
import Glibc

/// What a client offers.
struct ClientOffer {
  var versionMin = TLS1_2_VERSION
  var versionMax = TLS1_3_VERSION
  var serverName: String?
  var protocols: [String] = []
  var ciphers12: String?
  var groups: String?
  /// Names of files in Data.
  var certificate: String?
  var asksForStaple = false
  /// A session of a client before.
  var session: ClientSession?
}

/// A session that a later client may offer.
@safe final class ClientSession {
  let handle: OpaquePointer
  init?(_ handle: OpaquePointer?) {
    guard let handle = unsafe handle else { return nil }
    unsafe self.handle = unsafe handle
  }
  deinit { unsafe SSL_SESSION_free(handle) }
}

@safe final class TestClient {
  enum Step: Equatable { case done, wants, failed(String) }

  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer
  let descriptor: CInt

  private static func made(_ object: OpaquePointer?) -> OpaquePointer {
    guard let object = unsafe object else { fatalError("out of memory") }
    return unsafe object
  }

  init(_ descriptor: CInt, _ offer: ClientOffer) {
    self.descriptor = descriptor
    unsafe context = Self.made(SSL_CTX_new(TLS_client_method()))
    _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(offer.versionMin), nil)
    _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(offer.versionMax), nil)
    unsafe SSL_CTX_set_security_level(context, 0)
    if let ciphers = offer.ciphers12 { _ = unsafe SSL_CTX_set_cipher_list(context, ciphers) }
    if let groups = offer.groups { _ = unsafe ring3_ctx_set_groups(context, groups) }
    _ = unsafe SSL_CTX_load_verify_locations(context, Data.path("root.pem"), nil)
    if let name = offer.certificate {
      _ = unsafe SSL_CTX_use_certificate_file(context, Data.path(name + ".pem"), SSL_FILETYPE_PEM)
      _ = unsafe SSL_CTX_use_PrivateKey_file(context, Data.path(name + ".key"), SSL_FILETYPE_PEM)
    }
    unsafe ssl = Self.made(SSL_new(context))
    unsafe input = Self.made(BIO_new(BIO_s_mem()))
    unsafe output = Self.made(BIO_new(BIO_s_mem()))
    unsafe SSL_set_bio(ssl, input, output)
    unsafe SSL_set_connect_state(ssl)
    if let name = offer.serverName {
      _ = unsafe name.withCString { bytes in
        unsafe SSL_ctrl(
          ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
          UnsafeMutableRawPointer(mutating: bytes))
      }
    }
    if !offer.protocols.isEmpty {
      let list = offer.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
      _ = unsafe SSL_set_alpn_protos(ssl, list, CUnsignedInt(list.count))
    }
    if offer.asksForStaple {
      _ = unsafe SSL_ctrl(
        ssl, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, Int(TLSEXT_STATUSTYPE_ocsp), nil)
    }
    if let session = offer.session { _ = unsafe SSL_set_session(ssl, session.handle) }
  }

  deinit {
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(context)
    close(descriptor)
  }

  /// Sends what OpenSSL wrote, in pieces of `pieceMax`; false when the peer is gone.
  @discardableResult
  func push(pieceMax: Int = .max) -> Bool {
    var buffer = [UInt8](repeating: 0, count: min(pieceMax, 65_536))
    while true {
      let count = unsafe BIO_read(output, &buffer, CInt(buffer.count))
      if count <= 0 { return true }
      if !sendRaw(Array(buffer[..<Int(count)])) { return false }
      if pieceMax < .max { return true }
    }
  }

  /// Bytes that wait to be pushed.
  var pushable: Int { unsafe BIO_ctrl_pending(output) }

  @discardableResult
  func sendRaw(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let rest = Array(bytes[sent...])
      let count = unsafe Glibc.send(
        descriptor, rest, rest.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
      if count < 0 { return false }
      sent += count
    }
    return true
  }

  /// Receives what is there; nil at the end.
  @discardableResult
  func pull() -> [UInt8]? {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
      if count == 0 { return all.isEmpty ? nil : all }
      if count < 0 { return all }
      all += buffer[..<count]
      _ = unsafe BIO_write(input, buffer, CInt(count))
    }
  }

  private func step(_ result: CInt) -> Step {
    defer { ERR_clear_error() }
    if result == 1 { return .done }
    let code = unsafe SSL_get_error(ssl, result)
    if code == SSL_ERROR_WANT_READ { return .wants }
    let reason = unsafe ERR_reason_error_string(ERR_peek_error())
    return unsafe .failed(reason.map { unsafe String(cString: $0) } ?? "error \(code)")
  }

  func handshake() -> Step { unsafe step(SSL_do_handshake(ssl)) }

  /// Encrypts; `push` sends.
  @discardableResult
  func write(_ bytes: [UInt8]) -> Bool {
    unsafe SSL_write(ssl, bytes, CInt(bytes.count)) == bytes.count
  }

  /// Plaintext that has arrived.
  func read() -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe SSL_read(ssl, &buffer, CInt(buffer.count))
      ERR_clear_error()
      if count <= 0 { return all }
      all += buffer[..<Int(count)]
    }
  }

  /// The socket's sending side ends, without a word of TLS.
  func shutdownSocket() { _ = Glibc.shutdown(descriptor, CInt(SHUT_WR)) }
  func updateKeys() { _ = unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) }
  func renegotiate() { _ = unsafe SSL_renegotiate(ssl) }
  func shutdown() { _ = unsafe SSL_shutdown(ssl) }
  var hasReceivedEnd: Bool { unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }
  var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }
  var session: ClientSession? { unsafe ClientSession(SSL_get1_session(ssl)) }
  var verifyResult: Int { unsafe SSL_get_verify_result(ssl) }

  /// "RSA" or "EC".
  var serverKeyType: String {
    guard let certificate = unsafe SSL_get0_peer_certificate(ssl) else { return "" }
    return unsafe String(cString: EVP_PKEY_get0_type_name(X509_get0_pubkey(certificate)))
  }

  var serverSubject: String {
    guard let certificate = unsafe SSL_get0_peer_certificate(ssl) else { return "" }
    guard let text = unsafe X509_NAME_oneline(X509_get_subject_name(certificate), nil, 0) else {
      return ""
    }
    defer { unsafe ring3_free(text) }
    return unsafe String(cString: text)
  }

  /// The stapled response's size, -1 for none.
  var stapleBytes: Int {
    var start: UnsafeMutablePointer<UInt8>?
    return unsafe SSL_ctrl(ssl, SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP, 0, &start)
  }

  /// Names of authorities that the server sent.
  var authorityNameCount: Int {
    guard let names = unsafe SSL_get0_peer_CA_list(ssl) else { return 0 }
    return unsafe Int(OPENSSL_sk_num(names))
  }

  /// The queue of this thread is empty.
  static var hasNoErrors: Bool { ERR_peek_error() == 0 }
}
