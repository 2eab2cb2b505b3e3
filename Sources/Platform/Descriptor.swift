// Owned file descriptors.

import Glibc

/// Owns one open file descriptor; the last reference closes it. For descriptors that live long
/// (listeners, logs, channels). A client's connection keeps the bare number and closes it itself.
package final class Descriptor: Sendable {
  /// The number, valid as long as this object lives.
  package let number: CInt

  /// Takes ownership of an open descriptor.
  package init(adopting number: CInt) {
    precondition(number >= 0, "not a descriptor")
    self.number = number
  }

  deinit { _ = Glibc.close(number) }

  /// close(2) of a descriptor that no object owns.
  package static func close(_ number: CInt) { _ = Glibc.close(number) }

  /// A second descriptor of the same open file, close-on-exec. fcntl(2), F_DUPFD_CLOEXEC.
  package func duplicate() throws(SystemError) -> Descriptor {
    let number = self.number
    return Descriptor(
      adopting: try systemCall("fcntl") { fcntl(number, F_DUPFD_CLOEXEC, 0) })
  }

  /// Makes this number stand for another open file, whoever else refers to it: the file it stood
  /// for is closed here for good. dup3(2) in effect; close-on-exec.
  package func become(_ other: Descriptor) throws(SystemError) {
    let number = self.number
    let source = other.number
    _ = try systemCall("dup2") { dup2(source, number) }
    try setCloseOnExec(true)
    withExtendedLifetime(other) {}
  }

  /// Sets or clears close-on-exec: cleared for what an exec in place must keep.
  package func setCloseOnExec(_ on: Bool) throws(SystemError) {
    let number = self.number
    _ = try systemCall("fcntl") { fcntl(number, F_SETFD, on ? FD_CLOEXEC : 0) }
  }
}
