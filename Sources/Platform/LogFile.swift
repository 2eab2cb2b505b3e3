// Log files: whole lines appended, and the local time that stands in them.

import Glibc

package enum LogFile {
  /// Opens for appending, created with mode 0640 if missing. Nobody waits for a log, neither here
  /// nor when it is written: a pipe with a name that nobody reads is refused (ENXIO), and what one
  /// has no room for is lost. A path through a symbolic link is followed, as the operator made it.
  package static func open(_ path: String) throws(SystemError) -> Descriptor {
    do {
      let number = try systemCall("open") {
        unsafe Glibc.open(
          path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o640)
      }
      return Descriptor(adopting: number)
    } catch {
      throw error.on(path)
    }
  }

  /// write(2) of whole lines; what cannot be written (disk full) is lost, never waited for.
  package static func append(_ bytes: [UInt8], to descriptor: Descriptor) {
    var start = 0
    while start < bytes.count {
      let written = unsafe bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return 0 }
        return unsafe write(descriptor.number, base + start, buffer.count - start)
      }
      if written > 0 {
        start += written
      } else if written < 0 && errno == EINTR {
        continue
      } else {
        return
      }
    }
  }
}

package enum ProcessNumber {
  /// getpid(2).
  package static var current: CInt { getpid() }
  /// getppid(2).
  package static var parent: CInt { getppid() }
}

/// The local time as logs spell it.
package enum LogTime {
  /// "Mon Nov 23 12:34:56.123456 2026"
  package static func errorLogNow() -> String {
    let nanoseconds = Clock.realNanoseconds()
    let seconds = nanoseconds / 1_000_000_000
    let micros = String(nanoseconds / 1000 % 1_000_000)
    let padded = String(repeating: "0", count: 6 - micros.utf8.count) + micros
    return format(seconds, "%a %b %e %H:%M:%S.") + padded + format(seconds, " %Y")
  }

  /// "[23/Nov/2026:12:34:56 +0000]", %t of Apache's log formats.
  package static func accessLog(_ seconds: Int64) -> String {
    format(seconds, "[%d/%b/%Y:%H:%M:%S %z]")
  }

  private static func format(_ seconds: Int64, _ pattern: String) -> String {
    var time = time_t(seconds)
    var parts = unsafe tm()
    unsafe localtime_r(&time, &parts)
    return unsafe String(unsafeUninitializedCapacity: 64) { buffer in
      unsafe buffer.withMemoryRebound(to: CChar.self) { text in
        guard let base = text.baseAddress else { return 0 }
        return unsafe strftime(base, 64, pattern, &parts)
      }
    }
  }
}
