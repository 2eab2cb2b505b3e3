// Huge pages under shared-memory objects: whether the system offers them, and asking for them.

import CLinux
import Glibc

/// What the operator wants.
package enum HugePagesWish: String, Sendable, CaseIterable {
  /// Where the system offers them.
  case auto
  /// As `auto`, and a warning where it does not.
  case on
  case off
}

/// What came of it.
package enum HugePages: Equatable, Sendable {
  case off
  /// The mapping may lie in huge pages: what is new is made of them as far as memory allows, the
  /// rest the kernel gathers by and by.
  case inEffect
  /// One line for the operator: why not, and what would change it.
  case refused(String)

  private static let switchPath = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

  /// Whether objects in /dev/shm may have huge pages; `.off` when `wish` says so.
  package static func offered(_ wish: HugePagesWish) -> HugePages {
    offered(wish, readFile: PseudoFile.read)
  }

  /// A file system of its own, /dev/shm has a mount option `huge`; the switch in sysfs is for
  /// memory without a file, and only its values `deny` and `force` stand above all mounts
  /// (Documentation/admin-guide/mm/transhuge.rst of the kernel).
  static func offered(
    _ wish: HugePagesWish, readFile: (_ path: String) -> [UInt8]
  ) -> HugePages {
    guard wish != .off else { return .off }
    let words = readFile(switchPath).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
    guard !words.isEmpty else {
      return .refused("the kernel has no huge pages for shared memory: \(switchPath) is missing")
    }
    let chosen = words.first { $0.first == UInt8(ascii: "[") }.map {
      String(decoding: $0.dropFirst().dropLast(), as: UTF8.self)
    }
    switch chosen {
    case "force": return .inEffect
    case "deny":
      return .refused("the kernel denies huge pages for shared memory: see \(switchPath)")
    default: break
    }
    let option = mountOption(readFile("/proc/self/mountinfo"))
    guard option == "never" else { return .inEffect }
    let directory = SharedMemoryObject.directory
    return .refused(
      "\(directory) is mounted without huge pages: 'mount -o remount,huge=advise \(directory)' "
        + "lets it have them")
  }

  /// The value of `huge=` of /dev/shm: "never" is not shown by the kernel.
  private static func mountOption(_ mounts: [UInt8]) -> String {
    var found = "never"
    for line in String(decoding: mounts, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 6, fields[4] == SharedMemoryObject.directory else { continue }
      // The last mount at a place covers the others.
      let options = fields.last?.split(separator: ",") ?? []
      let value = options.first { $0.hasPrefix("huge=") }?.dropFirst("huge=".count)
      found = value.map(String.init) ?? "never"
    }
    return found
  }
}

extension SharedRegion {
  /// Asks for huge pages under this mapping, or for none. All children of this process have the
  /// advice too. Returns errno, 0 for success. madvise(2).
  package func advise(hugePages: Bool) -> CInt {
    let advice: CInt = hugePages ? 14 : 15  // MADV_HUGEPAGE, MADV_NOHUGEPAGE
    return unsafe madvise(base, byteCount, advice) == 0 ? 0 : ring3_errno()
  }

  /// Makes all pages present and writable in this process, without changing a byte, until
  /// `deadlineMilliseconds` of CLOCK_MONOTONIC. In an object whose memory is not reserved yet,
  /// memory is reserved, in huge pages where advised. False when not all could be. Linux 5.14.
  @discardableResult
  package func populate(deadlineMilliseconds: Int64 = .max) -> Bool {
    let piece = 64 << 20
    var done = 0
    while done < byteCount {
      guard Clock.monotonicMilliseconds() < deadlineMilliseconds else { return false }
      let count = min(piece, byteCount - done)
      let populateWrite: CInt = 23
      if unsafe madvise(base + done, count, populateWrite) != 0 {
        let code = ring3_errno()
        if code == EINTR || code == EAGAIN { continue }
        return false
      }
      done += count
    }
    return true
  }
}
