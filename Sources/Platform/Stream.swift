// Connected TCP sockets, non-blocking: accept, receive, gather and send.

import CLinux
import Glibc

/// What an attempt to accept gave.
package enum AcceptResult {
  /// Non-blocking, close-on-exec; the caller owns the number.
  case accepted(CInt, client: SocketAddress)
  case wouldBlock
  /// ECONNABORTED and the like: this connection is gone, try the next one.
  case gone
  case failed(SystemError)
}

/// What an attempt to receive gave.
package enum ReceiveResult {
  case received(Int)
  case wouldBlock
  /// The peer ended its sending side.
  case closed
  /// ECONNRESET, ETIMEDOUT and the like.
  case broken
}

/// What an attempt to send gave.
package enum SendResult {
  /// Possibly less than asked for.
  case sent(Int)
  case wouldBlock
  /// EPIPE, ECONNRESET and the like.
  case broken
}

/// System calls on a connected or listening stream socket.
package enum Stream {
  /// accept4(2); TCP_NODELAY is inherited from the listener.
  package static func accept(_ listener: CInt) -> AcceptResult {
    while true {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let number = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          unsafe ring3_accept(listener, address, &length)
        }
      }
      if number >= 0 { return .accepted(number, client: socketAddress(storage)) }
      let code = ring3_errno()
      switch code {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      // accept(2): errors of the new connection are passed on as errors of accept.
      case ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
        ENETUNREACH, EPERM, ETIMEDOUT:
        return .gone
      default: return .failed(SystemError(code: code, operation: "accept4"))
      }
    }
  }

  /// getsockname(2): the address the client connected to.
  package static func localAddress(_ number: CInt) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getsockname(number, address, &length)
      }
    }
    return result == 0 ? socketAddress(storage) : nil
  }

  /// recv(2) behind the buffer's valid bytes, at most its free room (which must not be zero).
  @inline(__always)
  package static func receive(_ number: CInt, into buffer: ByteBuffer) -> ReceiveResult {
    receive(number, into: buffer, flags: 0)
  }

  @inline(__always)
  private static func receive(
    _ number: CInt, into buffer: ByteBuffer, flags: CInt
  ) -> ReceiveResult {
    precondition(buffer.free > 0)
    while true {
      let received = unsafe recv(number, buffer.base + buffer.count, buffer.free, flags)
      if received > 0 {
        buffer.noteReceived(received)
        return .received(received)
      }
      if received == 0 { return .closed }
      switch ring3_errno() {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default: return .broken
      }
    }
  }

  /// sendmsg(2) of everything gathered in `output`, or send(2), which costs the kernel less, of one
  /// piece; SIGPIPE never comes. `more`: the next bytes follow at once (MSG_MORE), so a short head
  /// need not travel alone.
  @inline(__always)
  package static func send(
    _ number: CInt, _ output: OutputVector, more: Bool = false
  ) -> SendResult {
    while true {
      let flags = Int32(MSG_NOSIGNAL | (more ? MSG_MORE : 0))
      let sent: Int
      if unsafe output.vectorCount == 1 {
        let piece = unsafe output.vectors[0]
        sent = unsafe Glibc.send(number, piece.iov_base, piece.iov_len, flags)
      } else {
        var message = unsafe msghdr()
        unsafe message.msg_iov = output.vectors
        unsafe message.msg_iovlen = output.vectorCount
        sent = unsafe sendmsg(number, &message, flags)
      }
      if sent >= 0 { return .sent(sent) }
      switch ring3_errno() {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default: return .broken
      }
    }
  }

  /// shutdown(2) of the sending side: the client sees the end, its last bytes still arrive.
  package static func shutdownSending(_ number: CInt) {
    _ = shutdown(number, Int32(SHUT_WR))
  }

  /// Makes the coming close(2) send RST at once: a response that cannot be completed must not look
  /// complete (SO_LINGER with zero seconds, socket(7)).
  package static func resetOnClose(_ number: CInt) {
    var value = linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(
      number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }

  /// Looks at what has arrived, up to the buffer's free room, and leaves it there: recv(2) with
  /// MSG_PEEK.
  package static func peek(_ number: CInt, into buffer: ByteBuffer) -> ReceiveResult {
    receive(number, into: buffer, flags: CInt(MSG_PEEK))
  }

  /// Takes `count` bytes that have arrived away; `buffer` must have room for them.
  package static func discard(_ number: CInt, count: Int, by buffer: ByteBuffer) {
    precondition(count <= buffer.free)
    _ = unsafe recv(number, buffer.base + buffer.count, count, 0)
  }

  /// Whether a connection that nothing is expected of is as it should be: not closed, and nothing
  /// received. recv(2) with MSG_PEEK.
  package static func isQuiet(_ number: CInt) -> Bool {
    var byte: UInt8 = 0
    return unsafe recv(number, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) < 0
      && ring3_errno() == EAGAIN
  }

  static func socketAddress(_ storage: sockaddr_storage) -> SocketAddress {
    let family = CInt(storage.ss_family)
    return unsafe withUnsafeBytes(of: storage) { bytes in
      let port = unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
      switch family {
      case AF_INET:
        let value = unsafe bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        return SocketAddress(IPAddress(v4: UInt32(bigEndian: value)), port: port)
      case AF_INET6:
        let high = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        let low = unsafe bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        return SocketAddress(
          IPAddress(v6High: UInt64(bigEndian: high), low: UInt64(bigEndian: low)), port: port)
      default:
        return SocketAddress(.anyV4, port: 0)
      }
    }
  }
}

/// The pieces of one `sendmsg`, gathered without copying. What was appended must stay in place
/// until the send: buffers by their owner, cached bytes by a hazard slot or a pin.
@safe package final class OutputVector {
  /// UIO_MAXIOV, the kernel's limit.
  package static let pieceCountMax = 1024
  @usableFromInline let vectors: UnsafeMutablePointer<iovec>
  /// Pieces gathered. As `ByteBuffer.filled`: integers of one thread, touched in single steps.
  @exclusivity(unchecked) @usableFromInline var vectorCount = 0
  /// Bytes gathered.
  @inlinable
  package var byteCount: Int {
    @inline(__always) get { unsafe gatheredByteCount }
  }
  @exclusivity(unchecked) @usableFromInline var gatheredByteCount = 0

  package init() { unsafe vectors = .allocate(capacity: OutputVector.pieceCountMax) }
  deinit { unsafe vectors.deallocate() }

  @inlinable
  package var isFull: Bool { unsafe vectorCount == OutputVector.pieceCountMax }

  @inlinable @inline(__always)
  package func removeAll() {
    unsafe vectorCount = 0
    unsafe gatheredByteCount = 0
  }

  /// Adds bytes of a buffer.
  @inlinable @inline(__always)
  package func append(_ buffer: ByteBuffer, from offset: Int, count: Int) {
    precondition(offset >= 0 && count >= 0 && offset <= buffer.count - count)
    unsafe add(buffer.base + offset, count)
  }

  /// Adds all valid bytes of a buffer.
  @inlinable @inline(__always)
  package func append(_ buffer: ByteBuffer) { unsafe add(buffer.base, buffer.count) }

  /// Adds bytes of a shared region.
  @inline(__always)
  package func append(_ region: SharedRegion, offset: Int, count: Int) {
    unsafe add(region.address(offset, count), count)
  }

  @inlinable
  package var pieceCount: Int { unsafe vectorCount }

  /// One of the gathered pieces, 0 … `pieceCount` - 1; valid as long as what was gathered.
  @inline(__always)
  @_lifetime(borrow self)
  package func piece(_ index: Int) -> RawSpan {
    unsafe precondition(index >= 0 && index < vectorCount)
    let piece = unsafe vectors[index]
    let bytes = unsafe UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len)
    return unsafe _overrideLifetime(RawSpan(_unsafeBytes: bytes), borrowing: self)
  }

  /// A copy of the gathered bytes behind the first `droppedCount`.
  package func copy(droppingFirst droppedCount: Int) -> ByteBuffer {
    copy(from: droppedCount, count: byteCount - droppedCount)
  }

  /// A copy of some of the gathered bytes; `count` is at least 1.
  package func copy(from start: Int, count: Int) -> ByteBuffer {
    precondition(start >= 0 && count > 0 && start <= byteCount - count)
    let copy = ByteBuffer(capacity: count)
    var skipped = start
    for index in unsafe 0..<vectorCount where copy.free > 0 {
      let piece = unsafe vectors[index]
      let length = unsafe piece.iov_len
      let dropped = min(skipped, length)
      skipped -= dropped
      guard length > dropped, let base = unsafe piece.iov_base else { continue }
      let rest = unsafe UnsafeRawBufferPointer(
        start: base + dropped, count: min(length - dropped, copy.free))
      unsafe copy.append(RawSpan(_unsafeBytes: rest))
    }
    return copy
  }

  @inlinable @inline(__always)
  @unsafe func add(_ start: UnsafeMutableRawPointer, _ count: Int) {
    guard count > 0 else { return }
    unsafe precondition(vectorCount < OutputVector.pieceCountMax)
    unsafe vectors[vectorCount] = iovec(iov_base: start, iov_len: count)
    unsafe vectorCount += 1
    unsafe gatheredByteCount += count
  }
}
