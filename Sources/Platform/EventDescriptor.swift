// A descriptor by which one process wakes another one that waits in its loop.

import CLinux
import Glibc

/// One eventfd(2): non-blocking, close-on-exec. Made before a fork, every process that has it may
/// signal; who waits polls it for reading. Signals before a `drain` are one.
package struct EventDescriptor: Sendable {
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    let flags = CInt(EFD_NONBLOCK | EFD_CLOEXEC)
    descriptor = Descriptor(adopting: try systemCall("eventfd") { eventfd(0, flags) })
  }

  /// One that an exec in place has kept.
  package init(adopting descriptor: Descriptor) { self.descriptor = descriptor }

  /// Wakes who waits for it.
  package func signal() {
    var one: UInt64 = 1
    let number = descriptor.number
    // It can only fail when it was signalled very often: then it is readable already.
    _ = try? systemCall("write") { unsafe write(number, &one, MemoryLayout<UInt64>.size) }
  }

  /// Takes the signals so far; false when there were none. To be called before looking at what they
  /// are about: what changes after that signals again.
  @discardableResult
  package func drain() -> Bool {
    var count: UInt64 = 0
    let number = descriptor.number
    let taken = try? systemCall("read") {
      unsafe read(number, &count, MemoryLayout<UInt64>.size)
    }
    return taken != nil
  }
}
