// Processes that programs leave behind when they end: this process inherits them.

import CLinux
import Glibc

extension ChildProcess {
  /// From now on descendants of ours whose parent ends become our children, instead of those of
  /// process 1: nobody gets out of reach by leaving. prctl(2), PR_SET_CHILD_SUBREAPER.
  package static func adoptOrphans() { _ = ring3_adopt_orphans() }

  /// Our children; none where the kernel does not tell. proc_pid_task(5), children.
  package static var children: [Int32] {
    guard let text = small("/proc/thread-self/children") else { return [] }
    return text.split(separator: UInt8(ascii: " ")).compactMap {
      Int32(String(decoding: $0, as: UTF8.self))
    }
  }

  /// Which program of ours (`ProgramStart`) a process descends from, by the environment that it
  /// was started with: nil when it has another one, or we may not look.
  package static func program(of process: Int32) -> Int32? {
    let key = Array("LISTEN_PID=".utf8)
    guard let text = small("/proc/\(process)/environ"),
      let line = text.split(separator: 0).first(where: { $0.starts(with: key) })
    else { return nil }
    return Int32(String(decoding: line.dropFirst(key.count), as: UTF8.self))
  }

  /// As whom a process runs; nil: it is gone. proc(5)
  package static func user(of process: Int32) -> UInt32? {
    guard
      let directory = try? File.open(Array("/proc/\(process)".utf8), for: [.read, .directory])
    else { return nil }
    return try? File.facts(directory).owner
  }

  /// A file of the kernel's, up to 64 KiB of it.
  private static func small(_ path: String) -> [UInt8]? {
    guard let file = try? File.open(Array(path.utf8), for: .read),
      case .bytes(let text) = UnixSocket.receive(file, byteCountMax: 65_536)
    else { return nil }
    return text
  }
}
