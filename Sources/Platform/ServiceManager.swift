// What a service manager (systemd) gives us and wants to hear: sd_listen_fds(3), sd_notify(3).

import CLinux
import Glibc

package enum ServiceManager {
  /// Sockets that were opened for us. LISTEN_PID must name this process. The variables are removed,
  /// so that no child believes that they are for it.
  package static func takeSockets() -> [Descriptor] {
    defer {
      for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
    }
    guard let process = variable("LISTEN_PID"), Int32(process) == getpid(),
      let text = variable("LISTEN_FDS"), let count = Int32(text), count > 0, count <= 1024
    else { return [] }
    return (3..<3 + count).compactMap { number in
      fcntl(number, F_GETFD, 0) >= 0 ? Descriptor(adopting: number) : nil
    }
  }

  /// Whether anybody listens to `notify`.
  package static var isPresent: Bool { variable("NOTIFY_SOCKET") != nil }

  /// The master serves. `process` is the main one.
  package static func ready(process: Int32, status: String) {
    notify("READY=1\nMAINPID=\(process)\nSTATUS=\(status)")
  }

  /// A reload began; `ready` ends it. systemd wants the time to match it with its own request.
  package static func reloading() {
    notify("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonicMicroseconds())")
  }

  package static func stopping() { notify("STOPPING=1") }

  /// Lines of sd_notify(3). A manager that does not listen is no error.
  package static func notify(_ text: String) {
    guard let path = variable("NOTIFY_SOCKET") else { return }
    let bytes = Array(text.utf8)
    _ = unsafe ring3_unix_datagram(path, bytes, bytes.count)
  }

  private static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}
