// Data through a session: received into a buffer, sent from where it lies.

import COpenSSL
import Platform

/// What an attempt to receive gave.
package enum TLSReceiveResult: Equatable {
  /// Bytes of plaintext behind the buffer's valid ones.
  case received(Int)
  case wouldBlock
  /// The peer said that nothing more comes (close_notify).
  case closed
  /// Cut off, broken or hostile: what came may not be all.
  case failed(TLSFailure)
}

extension TLSSession {
  /// Decrypts what the socket has behind the buffer's valid bytes, at most its free room (which
  /// must not be zero). One call makes at most one recv(2) more than its data needs.
  package func receive(into buffer: ByteBuffer) -> TLSReceiveResult {
    precondition(buffer.free > 0)
    if let failure { return .failed(failure) }
    guard phase == .established else { return .wouldBlock }
    if isEndUntold {
      isEndUntold = false
      return .closed
    }
    // A client that asks (key updates) and does not read our answers waits.
    if hasUnsent && unsent.count - unsentStart > TLSSession.unreadBytesMax {
      if case .broken = flush() { return .failed(fail(.broken, "the connection is broken")) }
      if hasUnsent { return .wouldBlock }
    }
    isInputExhausted = false
    var total = 0
    var code = SSL_ERROR_NONE
    repeat {
      idleBytes = 0
      TLSSession.forgetErrors()
      var result: CInt = 0
      let count = buffer.append(upTo: buffer.free) { span in
        unsafe span.withUnsafeMutableBytes { bytes, filled in
          result = unsafe SSL_read_ex(
            ssl, bytes.baseAddress.map { unsafe $0 + filled }, bytes.count - filled, &filled)
        }
      }
      total += count
      if count > 0 { idleBytesTotal = 0 }
      if result != 1 {
        code = unsafe SSL_get_error(ssl, result)
        break
      }
    } while unsafe buffer.free > 0 && SSL_has_pending(ssl) == 1
    // The client wants us to change our keys (RFC 8446 §4.6.3), and the kernel would go on with
    // those it has.
    if unsafe isSentByKernel && SSL_get_key_update_type(ssl) != SSL_KEY_UPDATE_NONE {
      isInputExhausted = true
      let failure = fail(.renegotiation, "new keys are asked for, which the kernel cannot take")
      return total > 0 ? .received(total) : .failed(failure)
    }
    switch code {
    case SSL_ERROR_NONE: drain()
    case SSL_ERROR_WANT_READ:
      isInputExhausted = true
      drain()
    case SSL_ERROR_ZERO_RETURN:
      isInputExhausted = true
      ERR_clear_error()
      drain()
      if total == 0 { return .closed }
      isEndUntold = true
    default:
      isInputExhausted = true
      let failure = fail(code)
      if total == 0 { return .failed(failure) }
    }
    return total > 0 ? .received(total) : .wouldBlock
  }

  /// There is more than `receive` returned, already read from the socket: call it again, whatever
  /// the poller says.
  package var hasBufferedInput: Bool {
    unsafe phase == .established
      && (isEndUntold || !isInputExhausted && SSL_has_pending(ssl) == 1)
  }

  /// Encrypts and sends as much of the gathered bytes as fits into one send(2); returns how many
  /// plaintext bytes were taken, which the caller may forget: records that the socket did not take
  /// wait in the session (`hasUnsent`) and go before anything else. `.wouldBlock` when they still
  /// wait. `now`: monotonic milliseconds.
  package func send(_ output: OutputVector, now: Int64) -> SendResult {
    guard phase == .established else { return failure == nil ? .wouldBlock : .broken }
    if hasUnsent {
      switch flush() {
      case .sent: break
      case .wouldBlock: return .wouldBlock
      case .broken: return .broken
      }
    }
    if isSentByKernel {
      return self.output == .open ? workspace.kernel.send(descriptor, output) : .broken
    }
    sizes.begin(byteCount: output.byteCount, now: now)
    let limit = min(output.byteCount, sizes.batchBytes)
    var cursor = OutputCursor()
    var taken = 0
    while taken < limit && workspace.batchFree > RecordSizes.full + 1_024 {
      let size = min(sizes.next, limit - taken, recordBytesMax)
      var result: CInt = 0
      var written = 0
      var offered = 0
      TLSSession.forgetErrors()
      unsafe cursor.withRecord(of: output, upTo: size, workspace) { bytes in
        offered = bytes.count
        result = unsafe SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written)
      }
      // The cursor has passed all that was offered.
      guard result == 1, written == offered else {
        _ = unsafe fail(SSL_get_error(ssl, result))
        return .broken
      }
      taken += written
      sizes.note(written)
    }
    drain()
    sizes.noteTaken(unsent.count)
    if self.output == .broken {
      _ = fail(.broken, "the connection is broken")
      return .broken
    }
    return taken > 0 ? .sent(taken) : .wouldBlock
  }

  /// Records wait for the socket to become writable.
  package var hasUnsent: Bool {
    @inline(__always) get { unsentStart < unsent.count }
  }

  /// Sends records that wait: `.sent` when none is left (the bytes that went now, maybe 0).
  package func flush() -> SendResult {
    if output == .broken { return .broken }
    let waiting = unsent.count - unsentStart
    guard waiting > 0 else { return .sent(0) }
    let sent = unsafe unsent.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return 0 }
      return unsafe transmit(start + unsentStart, waiting)
    }
    unsentStart += sent
    if output == .broken {
      unsent = []
      unsentStart = 0
      return .broken
    }
    if sent < waiting { return .wouldBlock }
    unsent = []
    unsentStart = 0
    return .sent(sent)
  }

  /// Says that nothing more comes (close_notify), as far as the socket takes it at once: best
  /// effort, once. The caller closes the descriptor.
  package func shutdown() {
    guard phase == .established, output == .open,
      unsafe SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0
    else { return }
    if case .broken = flush() { return }
    TLSSession.forgetErrors()
    _ = unsafe SSL_shutdown(ssl)
    drain()
    TLSSession.forgetErrors()
  }

  /// Before a call whose error is asked for: the queue is empty nearly always, and to see that is
  /// far cheaper than to clear all of it.
  @inline(__always)
  static func forgetErrors() {
    if ERR_peek_error() != 0 { ERR_clear_error() }
  }

  /// Answers that may wait for a client that does not read while its own bytes are still taken.
  static let unreadBytesMax = 128 << 10

  /// So many answers wait that nothing more is received before the socket takes some: wait until it
  /// is writable, not readable.
  package var isClogged: Bool {
    hasUnsent && unsent.count - unsentStart > TLSSession.unreadBytesMax
  }
}
