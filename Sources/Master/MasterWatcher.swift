// The file watcher: one process that tells the cache of changed files, shared by all workers.

import Configuration
import Platform
import Worker

/// The watcher's channel and board, which outlive its processes, and the process at present.
struct WatcherSeat {
  /// What the watcher holds.
  let watcherEnd: Descriptor
  /// What all workers hold.
  let workerEnd: Descriptor
  let board: WatchBoard
  var process: Int32?
  /// Who it runs as.
  var identity: Identity?
  /// How it is locked in.
  var mode = SandboxMode.off
  var backOff = BackOff()
  var lastStartAt: Int64 = 0
  /// When one that died is started again.
  var respawnAt: Int64?
  /// What has been told: each trouble once.
  var toldTrouble: WatchTrouble = []

  var ends: [Descriptor] { [watcherEnd, workerEnd] }

  init() throws(SystemError) {
    let (watcher, worker) = try MessageSocket.pair()
    watcherEnd = watcher.descriptor
    workerEnd = worker.descriptor
    board = try WatchBoard()
  }
}

extension Master {
  private var wantsWatcher: Bool {
    cache != nil && rooms.watcherMain != nil
      && generations.values.contains { $0.model.server.cacheWatchFiles }
  }

  /// What a worker of this model gets of the watcher.
  func watchLink(_ model: Model) -> WatchLink? {
    guard model.server.cacheWatchFiles, let watcher else { return nil }
    return WatchLink(channel: watcher.workerEnd, board: watcher.board)
  }

  /// Starts the watcher when it is wanted and due, ends it when no generation wants it any more,
  /// and tells of its troubles. Called before each launch and at each turn.
  func tendWatcher() {
    if supervisor.isStopping { return }
    guard wantsWatcher else {
      if let process = watcher?.process { ChildProcess.signal(process, SignalSource.kill) }
      return
    }
    if watcher == nil {
      do {
        watcher = try WatcherSeat()
      } catch {
        log.write(.error, "cannot make the file watcher's channel: \(error)")
        return
      }
    }
    guard let seat = watcher else { return }
    tellTrouble(seat)
    if let process = seat.process {
      // What it may not read it cannot watch: it has to be who the workers are.
      if seat.identity != identity || seat.mode != sandbox.mode {
        ChildProcess.signal(process, SignalSource.kill)
      }
    } else if seat.respawnAt ?? 0 <= Clock.monotonicMilliseconds() {
      startWatcher(seat)
    }
  }

  private func startWatcher(_ seat: WatcherSeat) {
    guard let main = rooms.watcherMain, let cache else { return }
    let heritage = WatcherHeritage(
      channel: seat.watcherEnd, board: seat.board, cache: cache, sandbox: watcherPlan)
    let now = Clock.monotonicMilliseconds()
    watcher?.identity = identity
    watcher?.mode = sandbox.mode
    watcher?.lastStartAt = now
    watcher?.respawnAt = nil
    do {
      switch try ChildProcess.fork() {
      case .child: becomeWatcher(heritage, main)
      case .parent(let process): watcher?.process = process
      }
    } catch {
      log.write(.error, "cannot start the file watcher: \(error)")
      watcher?.respawnAt = now + Limits.backOffMaxMilliseconds
    }
  }

  private func becomeWatcher(
    _ heritage: WatcherHeritage, _ main: (WatcherHeritage) -> Int32
  ) -> Never {
    becomeHelperProcess(keeping: [heritage.channel])
    ChildProcess.exit(main(heritage))
  }

  /// Its promises have ended with it: until the next one has been told of a file again, the file is
  /// compared by path.
  func watcherEnded(_ process: Int32, _ end: ProcessEnd) {
    guard let seat = watcher else { return }
    watcher?.process = nil
    if supervisor.isStopping { return }
    if !wantsWatcher || seat.identity != identity || seat.mode != sandbox.mode {
      watcher?.respawnAt = nil
      return
    }
    log.write(.error, "file watcher (pid \(process)) \(words(for: process, end))")
    let now = Clock.monotonicMilliseconds()
    let delay = watcher?.backOff.delay(afterLiving: now - seat.lastStartAt) ?? 0
    watcher?.respawnAt = now + delay
  }

  private func tellTrouble(_ seat: WatcherSeat) {
    let trouble = seat.board.trouble.subtracting(seat.toldTrouble)
    guard !trouble.isEmpty else { return }
    watcher?.toldTrouble.formUnion(trouble)
    for text in WatcherSeat.warnings(trouble) {
      log.write(.warn, "\(text); what is not watched is seen after CacheStaticRevalidate")
    }
  }
}

extension WatcherSeat {
  static func warnings(_ trouble: WatchTrouble) -> [String] {
    var texts: [String] = []
    if trouble.contains(.kernelLimit) {
      texts.append("no watches are left for cached files: raise sysctl fs.inotify.max_user_watches")
    }
    if trouble.contains(.ownLimit) {
      texts.append(
        "cached files lie in more than \(WatchLimits.watchCountMax) directories, the rest of which "
          + "is not watched")
    }
    if trouble.contains(.fileLimit) {
      texts.append("more than \(WatchLimits.fileCountMax) cached files are not all watched")
    }
    if trouble.contains(.unavailable) {
      texts.append("no file can be watched: raise sysctl fs.inotify.max_user_instances")
    }
    return texts
  }
}

/// For `ring3ctl status`.
extension Master {
  private var watcherCounts: [(name: String, value: UInt64)] {
    guard let board = watcher?.board else { return [] }
    return WatchCount.allCases.map { ($0.name, board.value(of: $0)) }
  }

  var watcherLine: String {
    guard let process = watcher?.process else { return "file watcher off" }
    return "file watcher pid \(process) "
      + watcherCounts.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
  }

  var watcherJSON: JSON {
    guard let process = watcher?.process else { return .null }
    return .object(
      [("pid", .number(Int64(process)))]
        + watcherCounts.map { ($0.name, .number(Int64(clamping: $0.value))) })
  }
}
