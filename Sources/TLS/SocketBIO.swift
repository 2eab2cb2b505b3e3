// OpenSSL's way to the socket: reads go straight to it, writes end in the loop's batch.

import COpenSSL
import Glibc
import Platform

/// The BIO method of all sessions. A BIO's data is its session, unretained: the session outlives
/// it.
@safe enum SocketBIO {
  nonisolated(unsafe) private static let method: OpaquePointer? = {
    let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR
    guard let method = unsafe BIO_meth_new(type, "ring3 socket") else { return nil }
    unsafe BIO_meth_set_read_ex(method, { unsafe SocketBIO.read($0, $1, $2, $3) })
    unsafe BIO_meth_set_write_ex(method, { unsafe SocketBIO.write($0, $1, $2, $3) })
    unsafe BIO_meth_set_ctrl(method, { unsafe SocketBIO.control($0, $1, $2, $3) })
    return unsafe method
  }()

  /// Nil when memory is short.
  static func make(for session: TLSSession) -> OpaquePointer? {
    guard let method = unsafe method, let bio = unsafe BIO_new(method) else { return nil }
    unsafe BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
    unsafe BIO_set_init(bio, 1)
    return unsafe bio
  }

  /// What `body` finds for the BIO's session, which is not counted as held meanwhile: it outlives
  /// the call.
  @inline(__always)
  @unsafe private static func with<Result>(
    _ bio: OpaquePointer?, else missing: Result, _ body: (TLSSession) -> Result
  ) -> Result {
    guard let data = unsafe BIO_get_data(bio) else { return missing }
    return unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef { body($0) }
  }

  /// One recv(2), straight into OpenSSL's buffer.
  private static func read(
    _ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ room: Int,
    _ count: UnsafeMutablePointer<Int>?
  ) -> CInt {
    guard let target = unsafe target else { return 0 }
    unsafe ring3_bio_clear_retry(bio)
    let result = unsafe with(bio, else: .broken) { unsafe $0.receiveRecords(into: target, room) }
    switch result {
    case .received(let received):
      unsafe count?.pointee = received
      return 1
    case .wouldBlock: unsafe ring3_bio_retry_read(bio)
    case .closed, .broken: break
    }
    unsafe count?.pointee = 0
    return 0
  }

  /// Takes everything, so that no record is ever half written.
  private static func write(
    _ bio: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ byteCount: Int,
    _ count: UnsafeMutablePointer<Int>?
  ) -> CInt {
    guard let source = unsafe source else { return 0 }
    unsafe ring3_bio_clear_retry(bio)
    let bytes = unsafe UnsafeRawBufferPointer(start: source, count: byteCount)
    let isTaken = unsafe with(bio, else: false) {
      unsafe $0.isSentByKernel ? $0.sendMessage([UInt8](bytes)) : $0.queue(bytes)
    }
    guard isTaken else { return 0 }
    unsafe count?.pointee = byteCount
    return 1
  }

  private static func control(
    _ bio: OpaquePointer?, _ command: CInt, _ number: Int, _ pointer: UnsafeMutableRawPointer?
  ) -> Int {
    // It is asked whether the kernel sends far more often than anything else.
    if command == BIO_CTRL_GET_KTLS_SEND {
      return unsafe with(bio, else: 0) { $0.isSentByKernel ? 1 : 0 }
    }
    switch command {
    case BIO_CTRL_FLUSH: return 1
    case BIO_CTRL_EOF: return unsafe with(bio, else: 0) { $0.input == .ended ? 1 : 0 }
    case ring3_bio_set_ktls:
      // Not 0: for what is sent. What is received stays with us, and with its limits.
      guard number != 0 else { return 0 }
      return unsafe with(bio, else: 0) { unsafe $0.giveKeys(pointer) ? 1 : 0 }
    case ring3_bio_set_ktls_message:
      unsafe with(bio, else: ()) { $0.messageType = UInt8(truncatingIfNeeded: number) }
      return 0
    case ring3_bio_clear_ktls_message:
      unsafe with(bio, else: ()) { $0.messageType = nil }
      return 0
    default: return 0
    }
  }
}

/// The session's side of the BIO.
extension TLSSession {
  /// Records without any data, in bytes: more is no client's need.
  static let idleBytesMax = 1 << 20
  /// The same in one call of `receive` or `handshake`: then others have their turn.
  static let idleBytesPerTurn = 32 << 10
  /// Answers to a client that does not read them (key updates, alerts), in bytes.
  static let unsentBytesMax = 512 << 10

  @unsafe func receiveRecords(
    into target: UnsafeMutablePointer<CChar>, _ room: Int
  ) -> ReceiveResult {
    guard idleBytesTotal <= TLSSession.idleBytesMax else {
      hasNoProgress = true
      input = .broken
      return .broken
    }
    guard idleBytes <= TLSSession.idleBytesPerTurn else { return .wouldBlock }
    while true {
      let received = unsafe recv(descriptor, target, room, 0)
      if received > 0 {
        idleBytes += received
        idleBytesTotal += received
        if isFirstRead {
          isFirstRead = false
          startsLikeHTTP = unsafe PlainRequest.begins(
            UnsafeRawBufferPointer(start: target, count: received))
        }
        return .received(received)
      }
      if received == 0 {
        input = .ended
        return .closed
      }
      switch Glibc.errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default:
        input = .broken
        return .broken
      }
    }
  }

  /// Adds records to the batch; false when there is too much.
  @unsafe func queue(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return true }
    if bytes.count > workspace.batchFree { drain() }
    if bytes.count > workspace.batchFree {
      guard unsent.count - unsentStart + bytes.count <= TLSSession.unsentBytesMax else {
        return false
      }
      unsafe unsent.append(contentsOf: bytes)
      return true
    }
    unsafe memcpy(workspace.batch + workspace.batchCount, start, bytes.count)
    workspace.batchCount += bytes.count
    return true
  }

  /// Sends the batch; what the socket does not take waits in the session. Afterwards the batch is
  /// empty.
  func drain() {
    let count = workspace.batchCount
    guard count > 0 else { return }
    workspace.batchCount = 0
    var sent = 0
    if !hasUnsent {
      sent = unsafe transmit(workspace.batch, count)
      if sent == count { return }
    }
    guard output == .open else { return }
    let rest = unsafe UnsafeRawBufferPointer(start: workspace.batch + sent, count: count - sent)
    guard unsent.count - unsentStart + rest.count <= TLSSession.unsentBytesMax else {
      output = .broken
      return
    }
    unsafe unsent.append(contentsOf: rest)
  }

  /// send(2); how many bytes the socket took.
  @unsafe func transmit(_ start: UnsafeRawPointer, _ count: Int) -> Int {
    guard output == .open else { return 0 }
    while true {
      let sent = unsafe Glibc.send(descriptor, start, count, CInt(MSG_NOSIGNAL))
      if sent >= 0 { return sent }
      switch Glibc.errno {
      case EINTR: continue
      case EAGAIN: return 0
      default:
        output = .broken
        return 0
      }
    }
  }
}

/// HTTP spoken in clear text to a port for TLS.
enum PlainRequest {
  /// A method in capital letters and a space. No TLS record begins with a letter.
  @unsafe static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<min(bytes.count, 24) {
      switch unsafe bytes[index] {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): continue
      case UInt8(ascii: " "): return index > 2
      default: return false
      }
    }
    return false
  }
}
