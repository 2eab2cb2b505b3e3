// What the sandbox is asked for, and for whom.

/// `Sandbox`: what happens to what the sandbox forbids.
package enum SandboxMode: UInt8, Hashable, Sendable, CaseIterable {
  /// Processes keep whatever the user they run as may do.
  case off = 0
  /// A forbidden system call ends the process, a forbidden file cannot be opened.
  case on = 1
  /// System calls that would be refused are told and done all the same. Files and the network are
  /// not restricted: the kernel has no way to tell of them only.
  case report = 2

  /// "on"
  package var word: String { "\(self)" }
}

/// A kind of process with a list of its own: what a child of the master is for.
package enum SandboxKind: UInt32, Hashable, Sendable, CaseIterable {
  case worker = 0
  case helper = 1
  case watcher = 2
  case fetcher = 3
  /// A worker that passes requests on, by TCP; with Unix sockets it is another kind, because what
  /// listens on those often trusts whoever may connect.
  case proxyWorker = 4
  case unixProxyWorker = 5
  case resolver = 6
  case checker = 7

  /// As the log and `ring3ctl status` name it.
  package var title: String {
    switch self {
    case .worker: return "worker"
    case .helper: return "I/O helper"
    case .watcher: return "file watcher"
    case .fetcher: return "OCSP fetcher"
    case .proxyWorker: return "proxying worker"
    case .unixProxyWorker: return "proxying worker with Unix sockets"
    case .resolver: return "name resolver"
    case .checker: return "health checker"
    }
  }

  var set: SandboxKinds { SandboxKinds(rawValue: 1 << rawValue) }
}

/// Some kinds of process.
package struct SandboxKinds: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let workers: SandboxKinds = [proxyWorkers, SandboxKind.worker.set]
  package static let proxyWorkers: SandboxKinds = [
    SandboxKind.proxyWorker.set, SandboxKind.unixProxyWorker.set,
  ]
  package static let helper = SandboxKind.helper.set
  package static let watcher = SandboxKind.watcher.set
  package static let fetcher = SandboxKind.fetcher.set
  package static let resolver = SandboxKind.resolver.set
  package static let checker = SandboxKind.checker.set
  package static let all: SandboxKinds = [
    .workers, .helper, .watcher, .fetcher, .resolver, .checker,
  ]
}

/// Everything that a process needs to know to lock itself in.
package struct SandboxPlan: Sendable {
  package let kind: SandboxKind
  package let mode: SandboxMode
  /// Absolute paths of directories, and of single files, that may be read with all beneath them.
  package let readablePaths: [[UInt8]]
  /// TCP ports that may be connected to.
  package let connectPorts: [UInt16]
  package let board: SandboxBoard
  /// `board.version` when `readablePaths` was made.
  package let version: UInt32

  package init(
    kind: SandboxKind, mode: SandboxMode, readablePaths: [[UInt8]] = [],
    connectPorts: [UInt16] = [], board: SandboxBoard
  ) {
    self.kind = kind
    self.mode = mode
    self.readablePaths = readablePaths
    self.connectPorts = connectPorts
    self.board = board
    version = board.version
  }
}

/// How far a process could lock itself in.
package struct SandboxLevel: Equatable, Sendable {
  package var mode = SandboxMode.off
  /// PR_SET_NO_NEW_PRIVS.
  package var hasNoNewPrivileges = false
  /// PR_SET_DUMPABLE 0.
  package var isHidden = false
  /// No capability is left.
  package var hasNoCapabilities = false
  /// System calls that are left; 0: no filter.
  package var callCount = 0
  /// Landlock's version; 0: not restricted.
  package var landlockVersion = 0
  package var restrictsFiles = false
  package var restrictsTCP = false
  package var restrictsSignals = false

  package init() {}

  init(word: UInt64) {
    mode = SandboxMode(rawValue: UInt8(truncatingIfNeeded: word)) ?? .off
    callCount = Int(word >> 8 & 0xffff)
    landlockVersion = Int(word >> 24 & 0xff)
    hasNoNewPrivileges = word >> 32 & 1 != 0
    isHidden = word >> 33 & 1 != 0
    hasNoCapabilities = word >> 34 & 1 != 0
    restrictsFiles = word >> 35 & 1 != 0
    restrictsTCP = word >> 36 & 1 != 0
    restrictsSignals = word >> 37 & 1 != 0
  }

  /// As it lies on the board; never 0 for a process that has tried.
  var word: UInt64 {
    let flags = [
      hasNoNewPrivileges, isHidden, hasNoCapabilities, restrictsFiles, restrictsTCP,
      restrictsSignals,
    ]
    var word = UInt64(mode.rawValue) | UInt64(callCount & 0xffff) << 8
    word |= UInt64(landlockVersion & 0xff) << 24
    for (index, flag) in flags.enumerated() where flag { word |= 1 << (32 + UInt64(index)) }
    return word | 1 << 63
  }

  /// What is missing, for the operator; empty: all that this server can ask for.
  package var shortcomings: [String] {
    guard mode == .on else { return [] }
    var missing: [String] = []
    if !hasNoNewPrivileges { missing.append("no_new_privs") }
    if !hasNoCapabilities { missing.append("dropping all capabilities") }
    if !isHidden { missing.append("protection from inspection") }
    if callCount == 0 { missing.append("a seccomp filter") }
    if !restrictsFiles {
      missing.append("Landlock (files, TCP, signals)")
    } else if !restrictsTCP {
      missing.append("Landlock's limits on TCP and signals (Linux 6.12)")
    } else if !restrictsSignals {
      missing.append("Landlock's limits on signals (Linux 6.12)")
    }
    return missing
  }

  /// "seccomp (63 calls), Landlock ABI 7 (files, TCP, signals)"
  package var description: String {
    if mode == .off { return "off" }
    var parts: [String] = []
    if callCount > 0 { parts.append("seccomp (\(callCount) calls)") }
    if landlockVersion > 0 {
      let what = [
        (restrictsFiles, "files"), (restrictsTCP, "TCP"), (restrictsSignals, "signals"),
      ]
      parts.append(
        "Landlock ABI \(landlockVersion) ("
          + what.filter { $0.0 }.map { $0.1 }.joined(separator: ", ") + ")")
    }
    let text = parts.isEmpty ? "nothing that this kernel has" : parts.joined(separator: ", ")
    return mode == .report ? "report only: " + text : text
  }
}
