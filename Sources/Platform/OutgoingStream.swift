// Stream sockets to other servers, TCP and Unix: connecting without ever waiting.

import CLinux
import Glibc

/// What the start of a connection gave. The caller owns the number: non-blocking, close-on-exec.
package enum ConnectResult {
  case connected(CInt)
  /// Reported as writable when it is decided; `Stream.connectError` then tells how.
  case inProgress(CInt)
  /// EAGAIN of a Unix socket: there is a server, but its queue of waiting connections is full. To
  /// be tried again in a moment, since nothing reports when there is room (unix(7)).
  case queueFull
  /// The target, or the way to it, is the reason.
  case refused(SystemError)
  /// This process or machine is the reason: no descriptor, port or memory is left. The target is
  /// not to be blamed.
  case exhausted(SystemError)
}

extension Stream {
  /// Begins a connection by TCP, with TCP_NODELAY. connect(2).
  package static func connect(to address: SocketAddress) -> ConnectResult {
    let family = address.address.family == .v4 ? AF_INET : AF_INET6
    let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let number = socket(family, kind, 0)
    guard number >= 0 else { return failure(ring3_errno(), "socket", address.description) }
    var on: CInt = 1
    _ = unsafe setsockopt(number, CInt(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    var (storage, size) = address.socketAddress
    let result = unsafe withUnsafeBytes(of: &storage) {
      unsafe Glibc.connect(number, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, size)
    }
    if result == 0 { return .connected(number) }
    let code = ring3_errno()
    // A signal leaves the connection on its way as well.
    if code == EINPROGRESS || code == EINTR { return .inProgress(number) }
    Descriptor.close(number)
    return failure(code, "connect", address.description)
  }

  /// Connects to a Unix socket, which succeeds or fails at once. `path`: without a zero byte, at
  /// most 107 bytes; one that begins with '@' is in the abstract namespace. The other end can send
  /// no descriptors (SO_PASSRIGHTS), where the kernel knows how to forbid it.
  package static func connect(toUnix path: [UInt8]) -> ConnectResult {
    var terminated = path.map { CChar(bitPattern: $0) }
    terminated.append(0)
    let number = unsafe ring3_unix_connect_barred(terminated)
    if number >= 0 { return .connected(number) }
    let code = ring3_errno()
    if code == EAGAIN { return .queueFull }
    return failure(code, "connect", String(decoding: path, as: UTF8.self))
  }

  /// How a connection in progress ended, once it is reported as writable or broken; nil: it is
  /// there. SO_ERROR, which this clears.
  package static func connectError(_ number: CInt) -> SystemError? {
    var code: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    guard unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else {
      return SystemError(code: ring3_errno(), operation: "getsockopt")
    }
    return code == 0 ? nil : SystemError(code: code, operation: "connect")
  }

  private static func failure(
    _ code: CInt, _ operation: String, _ subject: String
  ) -> ConnectResult {
    let error = SystemError(code: code, operation: operation, subject: subject)
    switch code {
    // EADDRNOTAVAIL and EAGAIN of TCP: all local ports to that address are in use.
    case EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EAGAIN: return .exhausted(error)
    default: return .refused(error)
    }
  }
}
