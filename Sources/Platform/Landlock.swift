// Landlock: which files this process may read, and that it may reach nothing else.

import CLinux
import Glibc
import Synchronization

/// What Landlock has been made to forbid.
struct LandlockLimits: Equatable {
  let version: Int
  let restrictsTCP: Bool
  let restrictsSignals: Bool
}

enum Landlock {
  /// Set once this process may read only some files.
  static let isEnforced = Atomic<Bool>(false)

  /// The version of the kernel's interface; 0: none.
  static var version: Int { Int(ring3_landlock_version()) }

  /// Forbids this process all files but reading these and what is beneath them, all TCP but
  /// connecting to these ports, and signals to processes outside, as far as the kernel can; returns
  /// nil when it cannot at all. Paths that lead nowhere are passed over. Needs no_new_privs.
  static func enforce(
    readable paths: [[UInt8]], connectPorts: [UInt16]
  ) throws(SystemError) -> LandlockLimits? {
    let version = ring3_landlock_version()
    guard version > 0 else { return nil }
    var governed: CInt = 0
    let rules = Descriptor(
      adopting: try systemCall("landlock_create_ruleset") {
        unsafe ring3_landlock_create(version, &governed)
      })
    for path in paths { try allow(path, rules) }
    let restrictsTCP = governed & CInt(RING3_LANDLOCK_TCP) != 0
    if restrictsTCP {
      for port in connectPorts {
        _ = try systemCall("landlock_add_rule") {
          ring3_landlock_allow_connecting(rules.number, port)
        }
      }
    }
    _ = try systemCall("landlock_restrict_self") { ring3_landlock_enforce(rules.number) }
    isEnforced.store(true, ordering: .relaxed)
    return LandlockLimits(
      version: Int(version), restrictsTCP: restrictsTCP,
      restrictsSignals: governed & CInt(RING3_LANDLOCK_SCOPES) != 0)
  }

  private static func allow(_ path: [UInt8], _ rules: Descriptor) throws(SystemError) {
    guard let file = try? File.open(path, for: .locate), let facts = try? File.facts(file) else {
      return
    }
    _ = try systemCall("landlock_add_rule") {
      ring3_landlock_allow_reading(rules.number, file.number, facts.isDirectory ? 1 : 0)
    }
  }
}

/// The paths that a process was allowed to read, with what they led to then. Landlock's rules hold
/// for the directories themselves, whatever they are called: when a path leads elsewhere later (a
/// site was replaced by another under its name) the new one cannot be read until a process has
/// locked itself in anew.
package struct ReadablePaths: Sendable {
  private struct Identity: Equatable {
    let device: UInt64
    let inode: UInt64
  }

  /// nil: it led nowhere.
  private let identities: [[UInt8]: Identity?]

  package init(_ paths: [[UInt8]]) {
    identities = Dictionary(
      paths.map { ($0, ReadablePaths.identity(of: $0)) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether a path on the way to this one leads elsewhere than it did.
  package func hasChanged(onTheWayTo path: [UInt8]) -> Bool {
    let slash = UInt8(ascii: "/")
    let ends = path.indices.filter { $0 > 0 && path[$0] == slash } + [path.count]
    return ends.contains { end in
      guard let known = identities[Array(path[..<end])] else { return false }
      return known != ReadablePaths.identity(of: Array(path[..<end]))
    }
  }

  private static func identity(of path: [UInt8]) -> Identity? {
    guard let file = try? File.open(path, for: .locate), let facts = try? File.facts(file) else {
      return nil
    }
    return Identity(device: facts.device, inode: facts.inode)
  }
}

extension File {
  /// The path without links to which a path leads now, or to which an open file belongs; nil if
  /// there is none or /proc is not mounted. readlink(2) of /proc/self/fd.
  package static func finalPath(_ path: [UInt8]) -> [UInt8]? {
    guard let file = try? File.open(path, for: .locate) else { return nil }
    var content = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink("/proc/self/fd/\(file.number)", &content, content.count)
    return count > 0 ? content.prefix(count).map { UInt8(bitPattern: $0) } : nil
  }

  /// Whether EACCES for opening a file to read it was the sandbox's doing: nothing else forbids it.
  static func isRefusedBySandbox(
    _ terminatedPath: [UInt8], in start: CInt, for purpose: OpenPurpose
  ) -> Bool {
    guard Landlock.isEnforced.load(ordering: .relaxed), purpose.contains(.read) else {
      return false
    }
    return unsafe ring3_sandbox_may_read(
      start, terminatedPath, purpose.contains(.noFollow) ? 0 : 1) != 0
  }
}

extension SystemError {
  /// No errno: a file that only the sandbox forbids to read.
  package static var sandboxed: CInt { -1 }
}
