// Channels between our own processes: whole packets, with descriptors beside them.

import CLinux
import Glibc

/// One end of a connected SOCK_SEQPACKET pair: non-blocking, close-on-exec. Packets arrive whole,
/// in order, and the other end's death is `closed`.
package struct MessageSocket: Sendable {
  /// The kernel's limit of descriptors in one packet (SCM_MAX_FD).
  package static let descriptorsMax = Int(RING3_MESSAGE_DESCRIPTORS_MAX)

  package let descriptor: Descriptor

  /// An end that was inherited or received.
  package init(_ descriptor: Descriptor) { self.descriptor = descriptor }

  /// What `receive` found.
  package enum Received: Sendable {
    case message([UInt8], [Descriptor])
    case wouldBlock
    /// The other end is gone, and nothing is left to read.
    case closed
  }

  /// What `receiveNumbers` found; the caller owns the numbers and closes them.
  package enum ReceivedNumbers: Sendable {
    case message([UInt8], [CInt])
    case wouldBlock
    case closed
  }

  /// Two connected ends. socketpair(2).
  package static func pair() throws(SystemError) -> (MessageSocket, MessageSocket) {
    var numbers: (CInt, CInt) = (-1, -1)
    let kind = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    _ = try systemCall("socketpair") {
      unsafe withUnsafeMutableBytes(of: &numbers) {
        unsafe socketpair(AF_UNIX, kind, 0, $0.assumingMemoryBound(to: CInt.self).baseAddress)
      }
    }
    return (
      MessageSocket(Descriptor(adopting: numbers.0)), MessageSocket(Descriptor(adopting: numbers.1))
    )
  }

  /// Sends one packet of at least one byte. False: the other end has not read enough yet
  /// (EAGAIN), nothing was sent. Throws EPIPE or ECONNRESET when the other end is gone,
  /// ETOOMANYREFS when too many descriptors are on their way. sendmsg(2), unix(7).
  package func send(
    _ bytes: [UInt8], descriptors: [Descriptor] = []
  ) throws(SystemError) -> Bool {
    let sent = try send(bytes, numbers: descriptors.map { $0.number })
    // The numbers above are valid only as long as their owners live.
    withExtendedLifetime(descriptors) {}
    return sent
  }

  /// The same with bare numbers, which stay open and the caller's.
  package func send(_ bytes: [UInt8], numbers: [CInt]) throws(SystemError) -> Bool {
    try MessageSocket.send(bytes, numbers: numbers, on: descriptor.number)
  }

  /// The same over a socket that no object owns.
  package static func send(
    _ bytes: [UInt8], numbers: [CInt], on socket: CInt
  ) throws(SystemError) -> Bool {
    precondition(!bytes.isEmpty, "an empty packet looks like the end")
    precondition(numbers.count <= Self.descriptorsMax, "too many descriptors for one packet")
    do {
      _ = try systemCall("sendmsg") {
        unsafe ring3_message_send(
          socket, bytes, bytes.count, numbers, numbers.count)
      }
      return true
    } catch {
      if error.code == EAGAIN { return false }
      throw error
    }
  }

  /// Receives one packet of at most `byteCountMax` bytes. Throws EMSGSIZE for a longer one (it is
  /// lost) and EMFILE when descriptors were lost because this process has no room for more.
  package func receive(byteCountMax: Int = 16_384) throws(SystemError) -> Received {
    switch try receiveNumbers(byteCountMax: byteCountMax) {
    case .message(let bytes, let numbers):
      return .message(bytes, numbers.map { Descriptor(adopting: $0) })
    case .wouldBlock: return .wouldBlock
    case .closed: return .closed
    }
  }

  /// As `receive`, for who must know which packet lost its descriptors: its bytes come without any
  /// of them, and `isCut`.
  package func receiveEvenIfCut(
    byteCountMax: Int = 16_384
  ) throws(SystemError) -> (packet: Received, isCut: Bool) {
    let (packet, flags) = try receiveParts(byteCountMax: byteCountMax)
    switch packet {
    case .message(let bytes, let numbers):
      let descriptors = numbers.map { Descriptor(adopting: $0) }
      if flags & 1 != 0 { throw SystemError(code: EMSGSIZE, operation: "recvmsg") }
      return (.message(bytes, flags == 0 ? descriptors : []), flags != 0)
    case .wouldBlock: return (.wouldBlock, false)
    case .closed: return (.closed, false)
    }
  }

  /// The same, for descriptors that no object is to own (connections).
  package func receiveNumbers(
    byteCountMax: Int = 16_384
  ) throws(SystemError) -> ReceivedNumbers {
    let (packet, flags) = try receiveParts(byteCountMax: byteCountMax)
    if flags != 0 {
      if case .message(_, let numbers) = packet {
        for number in numbers { Descriptor.close(number) }
      }
      throw SystemError(code: flags & 1 != 0 ? EMSGSIZE : EMFILE, operation: "recvmsg")
    }
    return packet
  }

  /// - Returns: in `flags` 1 if bytes were cut off, 2 if descriptors were lost.
  private func receiveParts(
    byteCountMax: Int
  ) throws(SystemError) -> (packet: ReceivedNumbers, flags: CInt) {
    var numbers = [CInt](repeating: -1, count: Self.descriptorsMax)
    var numberCount = 0
    var flags: CInt = 0
    var result = -1
    var code: CInt = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, count in
      repeat {
        result = unsafe ring3_message_receive(
          descriptor.number, buffer.baseAddress, byteCountMax, &numbers, &numberCount, &flags)
        code = result < 0 ? ring3_errno() : 0
      } while code == EINTR
      count = max(0, result)
    }
    let arrived = Array(numbers.prefix(numberCount))
    if result < 0 {
      switch code {
      case EAGAIN: return (.wouldBlock, 0)
      case ECONNRESET: return (.closed, 0)
      default: throw SystemError(code: code, operation: "recvmsg")
      }
    }
    return (result == 0 && flags == 0 ? .closed : .message(bytes, arrived), flags)
  }
}
