// How much memory a shared-memory object may take on this machine.

import Glibc

package enum SystemMemory {
  /// Bytes that can be had without swapping: MemAvailable of /proc/meminfo, or what the cgroup
  /// still allows if that is less. 0 when /proc is missing.
  package static func availableBytes() -> Int {
    var available = 0
    for line in PseudoFile.read("/proc/meminfo").split(separator: UInt8(ascii: "\n")) {
      let name = Array("MemAvailable:".utf8)
      if line.starts(with: name), let kibibytes = PseudoFile.number(line.dropFirst(name.count)) {
        available = Int(clamping: kibibytes) << 10
      }
    }
    for (limit, used) in [
      ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
      (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes"
      ),
    ] {
      guard let limit = PseudoFile.number(PseudoFile.read(limit)), limit < 1 << 60 else { continue }
      let used = PseudoFile.number(PseudoFile.read(used)) ?? 0
      available = min(available, Int(limit) - Int(clamping: min(used, limit)))
    }
    return available
  }

  /// Free bytes of /dev/shm. statvfs(3); 0 when there is none.
  package static func sharedMemoryFreeBytes() -> Int {
    var facts = statvfs()
    guard unsafe statvfs(SharedMemoryObject.directory, &facts) == 0 else { return 0 }
    return Int(
      clamping: UInt64(facts.f_bavail).multipliedReportingOverflow(
        by: UInt64(facts.f_frsize)
      ).partialValue)
  }
}
