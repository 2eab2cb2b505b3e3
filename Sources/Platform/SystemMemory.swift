// How much memory a shared-memory object may take on this machine.

import Glibc

package enum SystemMemory {
  /// Bytes that can be had without swapping: MemAvailable of /proc/meminfo, or what the control
  /// groups of this process still allow if that is less. 0 when /proc is missing.
  package static func availableBytes() -> Int { availableBytes(readFile: PseudoFile.read) }

  static func availableBytes(readFile: (_ path: String) -> [UInt8]) -> Int {
    let available = value("MemAvailable:", in: readFile("/proc/meminfo")).map {
      Int(clamping: $0) << 10
    }
    return groups(readFile("/proc/self/cgroup")).reduce(available ?? 0) {
      min($0, $1.allowedBytes(readFile) ?? .max)
    }
  }

  /// The number behind a name at the start of a line.
  private static func value(_ name: String, in text: [UInt8]) -> UInt64? {
    let name = Array(name.utf8)
    for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: name) {
      return PseudoFile.number(line.dropFirst(name.count))
    }
    return nil
  }

  /// A control group's directory and the names of its files, which differ between the versions of
  /// control groups.
  private struct Group {
    let directory: String
    let isUnified: Bool

    /// What its limits leave; nil when it has none. File pages that are not in use are as good as
    /// free.
    func allowedBytes(_ readFile: (_ path: String) -> [UInt8]) -> Int? {
      let limits = (isUnified ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"])
        .compactMap { PseudoFile.number(readFile("\(directory)/\($0)")) }
      // Version 1 writes a huge number for none.
      guard let limit = limits.min(), limit < 1 << 60 else { return nil }
      let usage = isUnified ? "memory.current" : "memory.usage_in_bytes"
      let used = PseudoFile.number(readFile("\(directory)/\(usage)")) ?? 0
      let unused = value(
        isUnified ? "inactive_file " : "total_inactive_file ",
        in: readFile("\(directory)/memory.stat"))
      return Int(limit) - Int(min(used - min(unused ?? 0, used), limit))
    }
  }

  /// The groups of this process from the innermost outwards: any of them may have the least limit.
  /// In a container the path may be the host's, and only the root of the mount is to be seen.
  private static func groups(_ membership: [UInt8]) -> [Group] {
    var groups: [Group] = []
    for line in String(decoding: membership, as: UTF8.self).split(separator: "\n") {
      // "0::/system.slice/ring3d.service", "9:memory:/docker/…"
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isUnified = fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
      let mount = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
      var path = fields[2].split(separator: "/")
      while !path.isEmpty {
        groups.append(
          Group(directory: "\(mount)/\(path.joined(separator: "/"))", isUnified: isUnified))
        path.removeLast()
      }
    }
    groups.append(Group(directory: "/sys/fs/cgroup", isUnified: true))
    groups.append(Group(directory: "/sys/fs/cgroup/memory", isUnified: false))
    return groups
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
