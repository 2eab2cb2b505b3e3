// What processes do to themselves and ask of the kernel; the one unsafe file of this tool.

import Glibc

enum OwnProcess {
  /// Dies at once, as by the kernel's or an operator's hand: nothing is cleaned up.
  static func die() -> Never {
    _ = kill(getpid(), SIGKILL)
    _exit(99)
  }

  /// Stops until somebody sends SIGCONT.
  static func stop() { _ = kill(getpid(), SIGSTOP) }

  static var parent: Int32 { getppid() }

  static func pause(microseconds: Int) { usleep(UInt32(microseconds)) }

  /// Microseconds that this process was ready to run and others ran: field 2 of
  /// /proc/self/schedstat.
  static func queuedMicroseconds() -> UInt64 {
    let file = unsafe open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    let text = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      count = unsafe max(0, read(file, buffer.baseAddress, 256))
    }
    let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? (UInt64(fields[1]) ?? 0) / 1000 : 0
  }
}
