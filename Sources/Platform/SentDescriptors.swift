// Descriptors that strangers send: whoever drops the last reference to a file may have to wait for
// it as long as its maker likes (a TCP socket that lingers, a file system in user space), and that
// is also who receives bytes beside which they lie, or closes a socket in whose queue they are.

import CLinux
import Glibc

extension UnixSocket {
  /// Whether descriptors may be sent to a socket, and to what is accepted from it. False: this
  /// kernel cannot forbid it (older than Linux 6.16). SO_PASSRIGHTS.
  @discardableResult
  package static func passDescriptors(_ socket: Descriptor, _ may: Bool) -> Bool {
    ring3_pass_descriptors(socket.number, may ? 1 : 0) == 0
  }

  /// What a receive would bring now, without taking anything: how many bytes, and whether
  /// descriptors lie beside them. A receive of just so many bytes brings no others. 0: the other
  /// end is gone; nil: nothing has come.
  package static func peek(
    _ socket: Descriptor, byteCountMax: Int
  ) -> (byteCount: Int, hasDescriptors: Bool)? {
    var hasSome: CInt = 0
    var count = 0
    _ = unsafe [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, used in
      count = unsafe ring3_peek_for_descriptors(
        socket.number, buffer.baseAddress, byteCountMax, &hasSome)
      used = max(0, count)
    }
    if count < 0 { return ring3_errno() == EAGAIN ? nil : (0, false) }
    return (count, hasSome != 0)
  }

  /// A child has what is looked at, so that nobody here is the last to let it go; it ends, and
  /// waits if it must, when this is dropped.
  package struct Hold: Sendable {
    fileprivate let end: MessageSocket

    /// No other child must have it.
    package var number: CInt { end.descriptor.number }
  }

  /// Holds the descriptors beside the next bytes. `areListeners`: all of them are listening sockets
  /// in a directory. nil: nobody can be had to look.
  package static func holdDescriptors(
    _ socket: Descriptor, byteCount: Int, directory: String
  ) -> (areListeners: Bool, hold: Hold)? {
    guard
      let hold = holding(
        socket, { peekedAreListeners(socket, byteCount, directory) ? 1 : 0 }),
      let poller = try? Poller(batchMax: 1),
      (try? poller.add(hold.end.descriptor.number, token: 0, interest: .readable)) != nil,
      poller.wait(timeoutMilliseconds: 1_000) > 0,
      case .message(let bytes, _)? = try? hold.end.receive(byteCountMax: 1)
    else { return nil }
    return (bytes == [1], hold)
  }

  /// Holds a connection that is to be closed, if descriptors may lie in its queue. nil: nothing
  /// lies there, or nobody can be had to hold it.
  package static func holdUnread(_ socket: Descriptor) -> Hold? {
    // Nothing more comes.
    _ = shutdown(socket.number, CInt(SHUT_RD))
    guard ring3_unread_bytes(socket.number) > 0 else { return nil }
    return holding(socket) { 1 }
  }

  /// A child with nothing but a socket, which says something and waits for the end.
  private static func holding(_ socket: Descriptor, _ verdict: () -> UInt8) -> Hold? {
    guard let (mine, theirs) = try? MessageSocket.pair(), let side = try? ChildProcess.fork() else {
      return nil
    }
    guard side == .child else { return Hold(end: mine) }
    ChildProcess.closeDescriptors(except: [socket.number, theirs.descriptor.number])
    _ = try? theirs.send([verdict()])
    while case .wouldBlock? = try? theirs.receive(byteCountMax: 1) {
      var entry = pollfd(fd: theirs.descriptor.number, events: Int16(POLLIN), revents: 0)
      _ = unsafe poll(&entry, 1, -1)
    }
    // A process that ends waits for no socket that lingers.
    ChildProcess.exit(0)
  }

  /// The copies stay open in this process.
  private static func peekedAreListeners(
    _ socket: Descriptor, _ byteCount: Int, _ directory: String
  ) -> Bool {
    var numbers = [CInt](repeating: -1, count: MessageSocket.descriptorsMax)
    var numberCount = 0
    var flags: CInt = 0
    var count = 0
    _ = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, used in
      count = unsafe ring3_message_peek(
        socket.number, buffer.baseAddress, byteCount, &numbers, &numberCount, &flags)
      used = max(0, count)
    }
    guard count == byteCount, flags == 0, numberCount > 0 else { return false }
    return numbers.prefix(numberCount).allSatisfy {
      listeningPath(ofNumber: $0)?.hasPrefix(directory + "/") == true
    }
  }
}
