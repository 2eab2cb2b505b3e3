// The sandbox as the master sees it: plans for children, why one was stopped, what was achieved.

import Configuration
import Platform
import Worker

/// What the master keeps of the sandbox, which outlives the processes in it.
struct SandboxSeat {
  let board: SandboxBoard
  /// What helpers may read: what any living generation serves.
  var helperPaths: [[UInt8]] = []
  /// How helpers and the file watcher are locked in: as the youngest generation wants it that
  /// serves or is about to.
  var mode = SandboxMode.on
  /// `board.reportedCount` when the log was last told.
  var reportedCount: UInt32 = 0
  /// What the log has been told: each call once for each kind.
  var toldCalls: [SandboxKind: Set<Int32>] = [:]
  var hasToldLevel = false

  init() throws(SystemError) { board = try SandboxBoard() }
}

extension Master {
  /// `Sandbox` of a configuration.
  static func sandboxMode(of model: Model) -> SandboxMode {
    switch model.server.sandbox {
    case .on: .on
    case .off: .off
    case .report: .report
    }
  }

  func workerPlan(_ model: Model, _ paths: [[UInt8]]) -> SandboxPlan {
    SandboxPlan(
      kind: Master.workerKind(of: model), mode: Master.sandboxMode(of: model),
      readablePaths: paths, connectPorts: Master.connectPorts(model.proxyMembers),
      board: sandbox.board)
  }

  /// Who passes no requests on can open no connection.
  static func workerKind(of model: Model) -> SandboxKind {
    if model.proxyMembers.isEmpty { return .worker }
    let isUnix = model.proxyMembers.contains {
      if case .unix = $0.address { true } else { false }
    }
    return isUnix ? .unixProxyWorker : .proxyWorker
  }

  var helperPlan: SandboxPlan {
    SandboxPlan(
      kind: .helper, mode: sandbox.mode, readablePaths: sandbox.helperPaths, board: sandbox.board)
  }

  /// It looks at names and facts, which Landlock leaves alone; it reads no file.
  var watcherPlan: SandboxPlan {
    SandboxPlan(kind: .watcher, mode: sandbox.mode, board: sandbox.board)
  }

  /// It reads how names are resolved, and asks DNS by UDP or, for long answers, by TCP.
  func fetcherPlan(_ responderPorts: [UInt16]) -> SandboxPlan {
    SandboxPlan(
      kind: .fetcher, mode: sandbox.mode, readablePaths: NameResolver.paths,
      connectPorts: Set(responderPorts + [53]).sorted(), board: sandbox.board)
  }

  /// Generations have come or gone: helpers that may read too little or too much are replaced, each
  /// when it has finished what it does.
  func renewHelperPaths() {
    let paths = Set(generations.values.flatMap { $0.readablePaths })
      .sorted { $0.lexicographicallyPrecedes($1) }
    let youngest = supervisor.youngestInFavour(of: generations.keys).flatMap {
      generations[$0]?.model
    }
    let mode = youngest.map(Master.sandboxMode(of:)) ?? sandbox.mode
    guard paths != sandbox.helperPaths || mode != sandbox.mode else { return }
    sandbox.helperPaths = paths
    sandbox.mode = mode
    sandbox.board.raiseVersion()
  }

  // MARK: The log

  /// How a child ended, with the system call that a filter stopped it for.
  func words(for process: Int32, _ end: ProcessEnd) -> String {
    guard end.isRefusedCall else { return end.description }
    guard let call = sandbox.board.refusal(of: process) else {
      return "was stopped by a filter of system calls (signal SIGSYS)"
    }
    return "was stopped by the sandbox: \(call.description)"
  }

  /// `Sandbox report`: calls that would have been refused, each once.
  func tellReportedCalls() {
    let count = sandbox.board.reportedCount
    guard count != sandbox.reportedCount else { return }
    sandbox.reportedCount = count
    for kind in SandboxKind.allCases where sandbox.board.level(kind)?.mode == .report {
      for call in sandbox.board.reported(kind)
      where sandbox.toldCalls[kind, default: []].insert(call.number).inserted {
        log.write(.warn, "sandbox: would refuse \(call.name) to the \(kind.title)")
      }
    }
  }

  /// Once, when the first worker is locked in: what this kernel cannot do.
  func tellSandboxLevel() {
    let levels = [SandboxKind.worker, .proxyWorker, .unixProxyWorker].lazy
      .compactMap { self.sandbox.board.level($0) }
    guard !sandbox.hasToldLevel, let level = levels.first else { return }
    sandbox.hasToldLevel = true
    let missing = level.shortcomings
    guard !missing.isEmpty else { return }
    log.write(.notice, "sandbox: this system lacks " + missing.joined(separator: ", "))
  }

  // MARK: `ring3ctl status`

  var sandboxLines: [String] {
    SandboxKind.allCases.compactMap { kind in
      sandbox.board.level(kind).map { "sandbox of the \(kind.title): \($0.description)" }
    }
  }

  var sandboxJSON: JSON {
    .object(
      SandboxKind.allCases.compactMap { kind in
        sandbox.board.level(kind).map { ("\(kind)", SandboxSeat.json($0)) }
      })
  }
}

extension SandboxSeat {
  fileprivate static func json(_ level: SandboxLevel) -> JSON {
    .object([
      ("mode", .string(level.mode.word)), ("level", .string(level.description)),
      ("calls", .number(Int64(level.callCount))),
      ("landlock", .number(Int64(level.landlockVersion))),
      ("files", .bool(level.restrictsFiles)), ("tcp", .bool(level.restrictsTCP)),
      ("signals", .bool(level.restrictsSignals)),
      ("noNewPrivileges", .bool(level.hasNoNewPrivileges)),
      ("noCapabilities", .bool(level.hasNoCapabilities)), ("hidden", .bool(level.isHidden)),
      ("missing", .strings(level.shortcomings)),
    ])
  }
}
