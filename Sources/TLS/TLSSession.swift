// One connection under TLS: its state, and the handshake that the caller drives.

import COpenSSL
import Platform

/// What a step of the handshake came to.
package enum TLSHandshakeStep: Equatable {
  /// Data may flow (`hasUnsent` may still be true).
  case done
  /// Call again when the socket is readable.
  case wantsRead
  /// Call again when the socket is writable.
  case wantsWrite
  /// The hello lies here: `choose` or `refuse`, then call again. Both may come much later.
  case helloReceived
  /// The connection is over; an alert was sent where TLS has one.
  case failed(TLSFailure)
}

/// The server's side of one connection. It pulls from and pushes to a descriptor that the caller
/// owns, never blocks, raises no SIGPIPE, and leaves OpenSSL's queue of errors empty. After a
/// failure every call says so again and does nothing.
@safe package final class TLSSession {
  enum Phase: Equatable { case handshaking, established, failed }
  enum Direction: Equatable { case open, ended, broken }
  enum Decision: Equatable { case waiting, chosen, refused(TLSAlert) }

  let ssl: OpaquePointer
  package let descriptor: CInt
  let workspace: TLSWorkspace
  /// The one that was chosen; before that, the listener's.
  package internal(set) var context: TLSContext
  private(set) var hello: ClientHello?
  private(set) var decision = Decision.waiting
  var phase = Phase.handshaking
  package internal(set) var failure: TLSFailure?

  // What the BIO tells of the socket.
  var input = Direction.open
  var output = Direction.open
  var isFirstRead = true
  var startsLikeHTTP = false
  var hasNoProgress = false
  var idleBytes: Int {
    @inline(__always) get { unsafe idleBytesStored }
    @inline(__always) _modify { yield unsafe &idleBytesStored }
  }
  @exclusivity(unchecked) private var idleBytesStored: Int = 0

  /// Records that the socket did not take, from `unsentStart` on; no memory when there are none.
  var unsent: [UInt8] = []
  var unsentStart: Int {
    @inline(__always) get { unsafe unsentStartStored }
    @inline(__always) _modify { yield unsafe &unsentStartStored }
  }
  @exclusivity(unchecked) private var unsentStartStored: Int = 0
  var sizes = RecordSizes()
  /// The socket and OpenSSL's buffer gave all they had when last asked.
  var isInputExhausted: Bool {
    @inline(__always) get { unsafe isInputExhaustedStored }
    @inline(__always) _modify { yield unsafe &isInputExhaustedStored }
  }
  @exclusivity(unchecked) private var isInputExhaustedStored: Bool = false
  /// The peer's end came behind data: the next `receive` tells it.
  var isEndUntold = false
  /// What the client takes as one record's plaintext (max_fragment_length, RFC 6066 §4).
  private(set) var recordBytesMax = RecordSizes.full
  /// Bytes of records without data since the last data.
  var idleBytesTotal = 0
  /// The kernel makes the records of what we send: plain bytes may be given to the socket, with
  /// sendfile(2) too. OpenSSL asks for it a hundred times in a handshake.
  package internal(set) var isSentByKernel: Bool {
    @inline(__always) get { unsafe isSentByKernelStored }
    @inline(__always) _modify { yield unsafe &isSentByKernelStored }
  }
  @exclusivity(unchecked) private var isSentByKernelStored = false
  /// Of the message that OpenSSL writes next, when the kernel makes its record.
  var messageType: UInt8?

  /// `descriptor`: a connected, non-blocking stream socket, which stays the caller's and must stay
  /// open as long as the session lives. `context`: the listener's; another one may be chosen once
  /// the hello is there.
  package init(
    context: TLSContext, descriptor: CInt, workspace: TLSWorkspace
  ) throws(TLSError) {
    TLSSession.forgetErrors()
    guard let ssl = unsafe SSL_new(context.handle) else {
      throw TLSError("no TLS session: \(OpenSSLErrors.take().text)")
    }
    unsafe self.ssl = unsafe ssl
    self.context = context
    self.descriptor = descriptor
    self.workspace = workspace
    guard let bio = unsafe SocketBIO.make(for: self) else {
      throw TLSError("no TLS session: \(OpenSSLErrors.take().text)")
    }
    unsafe SSL_set_bio(ssl, bio, bio)
    _ = unsafe SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    unsafe SSL_set_accept_state(ssl)
  }

  deinit { unsafe SSL_free(ssl) }

  /// Data may flow: agreed upon, and not failed.
  package var isEstablished: Bool { phase == .established }

  /// The name the client asks for (SNI), in lower case and safe as a file's name: labels of
  /// letters, digits, `-` and `_`. Nil if it named none or an impossible one. Known from
  /// `.helloReceived` on.
  package var serverName: [UInt8]? { hello?.serverName }
  /// The client sent a server name that cannot be one.
  package var hasInvalidServerName: Bool { hello?.hasInvalidServerName ?? false }
  /// The client's hello offers "h2".
  package var offersHTTP2: Bool { hello?.offersHTTP2 ?? false }

  /// Goes on with the handshake as far as the bytes at hand allow.
  package func handshake() -> TLSHandshakeStep {
    if let failure { return .failed(failure) }
    if phase == .established { return .done }
    if hasUnsent {
      switch flush() {
      case .sent: break
      case .wouldBlock: return .wantsWrite
      case .broken: return .failed(fail(.broken, "the connection is broken"))
      }
    }
    if hello != nil && decision == .waiting { return .helloReceived }
    idleBytes = 0
    TLSSession.forgetErrors()
    let result = unsafe SSL_do_handshake(ssl)
    if result == 1 {
      phase = .established
      recordBytesMax = fragmentBytesMax()
      idleBytesTotal = 0
      drain()
      return .done
    }
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return .helloReceived
    case SSL_ERROR_WANT_READ:
      drain()
      if output == .broken { return .failed(fail(.broken, "the connection is broken")) }
      return hasUnsent ? .wantsWrite : .wantsRead
    case let code: return .failed(fail(code))
    }
  }

  private func fragmentBytesMax() -> Int {
    guard let agreed = unsafe SSL_get_session(ssl) else { return RecordSizes.full }
    let code = unsafe SSL_SESSION_get_max_fragment_length(agreed)
    return (1...4).contains(code) ? 256 << Int(code) : RecordSizes.full
  }

  /// Answers `.helloReceived`: the handshake goes on with this context. Everything of it holds,
  /// nothing of the one before.
  package func choose(_ chosen: TLSContext) {
    guard failure == nil, decision == .waiting else { return }
    decision = .chosen
    if chosen !== context {
      ERR_clear_error()
      let isDone =
        unsafe SSL_set_SSL_CTX(ssl, chosen.handle) != nil
        && ring3_ssl_follow_ctx(ssl, chosen.handle) == 1
        && (chosen.groups == context.groups || ring3_ssl_set_groups(ssl, chosen.groups) == 1)
      guard isDone else {
        _ = fail(.internalError, OpenSSLErrors.take().text)
        return
      }
      context = chosen
    }
    let name = chosen.sessionContext
    _ = unsafe SSL_set_session_id_context(ssl, name, CUnsignedInt(name.count))
    unsafe SSL_set_verify(ssl, chosen.verifyMode, chosen.verifyCallback)
  }

  /// Answers `.helloReceived`: the next `handshake` sends the alert and fails.
  package func refuse(_ alert: TLSAlert) {
    guard failure == nil, decision == .waiting else { return }
    decision = .refused(alert)
  }

  /// By OpenSSL when it has read a hello (the second one after a retry, too, which then changes
  /// nothing); the alert to refuse it with, in `alert`.
  func helloArrived(_ read: @autoclosure () -> ClientHello, _ alert: inout CInt) -> CInt {
    if hello == nil { hello = read() }
    switch decision {
    case .waiting: return SSL_CLIENT_HELLO_RETRY
    case .chosen: return SSL_CLIENT_HELLO_SUCCESS
    case .refused(let reason):
      alert = CInt(reason.rawValue)
      return SSL_CLIENT_HELLO_ERROR
    }
  }
}

/// Failing.
extension TLSSession {
  /// Ends the session for what SSL_get_error said.
  func fail(_ code: CInt) -> TLSFailure {
    let taken = OpenSSLErrors.take()
    if hasNoProgress {
      return fail(.noProgress, "\(TLSSession.idleBytesMax) bytes of records without data")
    }
    if input == .broken || output == .broken {
      return fail(.broken, "the connection is broken")
    }
    if case .refused(let alert) = decision { return fail(.refused, "\(alert)") }
    if taken.library == ERR_LIB_SSL {
      let reason = TLSFailureReason(sslReason: taken.reason)
      if startsLikeHTTP && reason == .badRecord {
        return fail(.httpRequest, "a request in clear text")
      }
      if reason == .certificateRejected {
        let result = unsafe SSL_get_verify_result(ssl)
        let detail = unsafe X509_verify_cert_error_string(result).map { unsafe String(cString: $0) }
        return fail(reason, detail ?? taken.text)
      }
      return fail(reason, taken.text)
    }
    if input == .ended { return fail(.unexpectedEnd, "the connection ended") }
    return fail(taken.library == 0 ? .internalError : .badMessage, taken.text)
  }

  /// Ends the session; the alert that OpenSSL wrote goes out where somebody may read it.
  func fail(_ reason: TLSFailureReason, _ text: String) -> TLSFailure {
    let failure = TLSFailure(reason: reason, text: text)
    if self.failure == nil { self.failure = failure }
    phase = .failed
    switch reason {
    case .httpRequest, .unexpectedEnd, .broken: workspace.batchCount = 0
    default: drain()
    }
    if reason == .broken || reason == .unexpectedEnd {
      unsent = []
      unsentStart = 0
    }
    ERR_clear_error()
    return failure
  }
}
