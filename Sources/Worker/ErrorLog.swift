// The error log: one line an event, in Apache's form, from master and workers alike.

import Configuration
import Platform

/// Writes whole lines to a descriptor opened with O_APPEND.
package struct ErrorLog {
  package let descriptor: Descriptor
  /// Lines of less weight are not written.
  package let level: LogLevel
  private let processIdentifier = ProcessNumber.current

  package init(descriptor: Descriptor, level: LogLevel) {
    self.descriptor = descriptor
    self.level = level
  }

  /// Writes "[date] [level] [pid N] [client A] message"; control characters in the message, which
  /// may stem from a client, are escaped.
  package func write(
    _ level: LogLevel, _ message: @autoclosure () -> String, client: SocketAddress? = nil
  ) {
    guard level <= self.level else { return }
    let from = client.map { " [client \($0)]" } ?? ""
    let line =
      "[\(LogTime.errorLogNow())] [\(level)] [pid \(processIdentifier)]\(from) "
      + ErrorLog.escape(message()) + "\n"
    LogFile.append(Array(line.utf8), to: descriptor)
  }

  /// Control characters as \xHH, so that nobody can forge a line.
  static func escape(_ message: String) -> String {
    guard message.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return message }
    var text = ""
    for scalar in message.unicodeScalars {
      if scalar.value < 0x20 || scalar.value == 0x7f {
        text +=
          scalar == "\t"
          ? " "
          : "\\x" + (scalar.value < 16 ? "0" : "")
            + String(scalar.value, radix: 16)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
