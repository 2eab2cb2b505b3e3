// Who this process is, so that a later one can tell it from another with the same number.

import Glibc

/// A process number with its start time.
package struct ProcessIdentity: Equatable, Sendable {
  package let pid: UInt32
  /// Clock ticks after boot: field 22 of /proc/PID/stat (proc(5)); 0 where /proc is missing.
  package let startTicks: UInt64

  package init(pid: UInt32, startTicks: UInt64) {
    self.pid = pid
    self.startTicks = startTicks
  }

  /// This process. Reads /proc, so it is called once after each fork.
  package static func current() -> ProcessIdentity {
    let text = PseudoFile.read("/proc/self/stat")
    // Field 2 is the command in parentheses and may hold anything: fields count from the last ')'.
    var start: UInt64 = 0
    if let end = text.lastIndex(of: UInt8(ascii: ")")) {
      let fields = text[(end + 1)...].split(separator: UInt8(ascii: " "))
      if fields.count > 19 { start = PseudoFile.number(fields[19]) ?? 0 }
    }
    return ProcessIdentity(pid: UInt32(getpid()), startTicks: start)
  }
}

/// Small files that the kernel makes up: /proc, /sys.
enum PseudoFile {
  /// At most 64 KiB of it; empty when it cannot be read.
  static func read(_ path: String) -> [UInt8] {
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return [] }
    defer { Descriptor.close(number) }
    var bytes: [UInt8] = []
    while bytes.count < 65536 {
      let before = bytes.count
      let part = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = unsafe max(0, Glibc.read(number, buffer.baseAddress, 4096))
      }
      bytes += part
      if bytes.count == before { break }
    }
    return bytes
  }

  /// The decimal number that the bytes begin with, after spaces.
  static func number(_ bytes: some Collection<UInt8>) -> UInt64? {
    let digits = bytes.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      .prefix { (48...57).contains($0) }
    return UInt64(String(decoding: digits, as: UTF8.self))
  }
}
