// Pairs of connected Unix stream sockets, for who is to be lent one end.

import CLinux
import Glibc

extension UnixSocket {
  /// Two connected ends, close-on-exec: ours is non-blocking, theirs is not. socketpair(2).
  package static func pair() throws(SystemError) -> (ours: Descriptor, theirs: Descriptor) {
    var numbers: (CInt, CInt) = (-1, -1)
    let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    _ = try systemCall("socketpair") {
      unsafe withUnsafeMutableBytes(of: &numbers) {
        unsafe socketpair(AF_UNIX, kind, 0, $0.assumingMemoryBound(to: CInt.self).baseAddress)
      }
    }
    let ours = Descriptor(adopting: numbers.0)
    let theirs = Descriptor(adopting: numbers.1)
    _ = try systemCall("fcntl") { fcntl(ours.number, F_SETFL, O_NONBLOCK) }
    return (ours, theirs)
  }
}
