// Sockets that the server lends to this process.

import Glibc

/// A socket that the server has lent: a queue's listening socket, or a connection to one.
///
/// It is closed with the last reference to this object. The open socket is shared with the server
/// and with every other process of the queue: it is non-blocking and has to stay so, and
/// `shutdown(2)` would end it for all of them.
///
/// Whoever wants to close the number himself, as SwiftNIO does, takes one by ``duplicate()``.
public final class LentSocket: Sendable {
  /// The number, valid as long as this object lives.
  public let descriptor: CInt

  /// Takes ownership.
  init(adopting descriptor: CInt) { self.descriptor = descriptor }

  deinit { _ = close(descriptor) }

  /// A second number for the same socket, close-on-exec, which belongs to the caller.
  public func duplicate() throws(ControlError) -> CInt {
    let number = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard number >= 0 else {
      throw ControlError(.local, "the socket cannot be duplicated: \(System.failure)")
    }
    return number
  }

  /// The listening socket that `ring3ctl run` or systemd has given to this program, as
  /// sd_listen_fds(3) has it; nil if there is none. Asked once: the number is this object's
  /// afterwards.
  public static func inherited() -> LentSocket? {
    guard System.environment("LISTEN_FDS").flatMap({ Int($0) }) ?? 0 > 0,
      System.environment("LISTEN_PID").flatMap({ Int32($0) }) == getpid(),
      fcntl(firstInherited, F_SETFD, FD_CLOEXEC) == 0
    else { return nil }
    return LentSocket(adopting: firstInherited)
  }

  /// SD_LISTEN_FDS_START.
  private static let firstInherited: CInt = 3
}
