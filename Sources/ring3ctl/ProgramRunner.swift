// `ring3ctl run`: claims URLs for a program that knows nothing of Ring3, and keeps it running.

import Platform

/// Starts a command with the queue's listening socket as descriptor 3, as systemd's socket
/// activation has it (LISTEN_FDS, LISTEN_PID; sd_listen_fds(3)), and starts it again when it ends.
/// HUP replaces the processes: new ones accept before old ones are told to end. TERM and INT give
/// the URLs back and end the processes.
final class ProgramRunner {
  /// So many ends within so long a time, and nothing is started any more (as IIS has it).
  private static let failuresMax = 5
  private static let failureMilliseconds: Int64 = 300_000
  private static let retryMilliseconds: Int64 = 1_000
  private static let sessionToken: UInt64 = 1
  private static let signalToken: UInt64 = 2

  private let arguments: RunArguments
  private let program: String
  private let socketPath: String
  private let signals: SignalSource
  private let poller: Poller
  private var session: RunSession?
  private var running: Set<Int32> = []
  /// Told to end, because others have taken their place.
  private var retired: Set<Int32> = []
  /// Monotonic milliseconds of ends that nobody asked for.
  private var failures: [Int64] = []
  private var retryAt: Int64 = .max
  private var exitCode: Int32?

  private init(_ arguments: RunArguments, program: String, socketPath: String) throws(SystemError) {
    self.arguments = arguments
    self.program = program
    self.socketPath = socketPath
    signals = try SignalSource()
    poller = try Poller(batchMax: 8)
    try poller.add(signals.descriptor.number, token: Self.signalToken, interest: .readable)
  }

  /// Runs until the programs have ended; returns the exit code.
  static func run(words: [String], socketPath: String) -> Int32 {
    do {
      let arguments = try RunArguments(words)
      guard let program = Executable.find(arguments.command[0]) else {
        Console.error("ring3ctl run: there is no program '\(arguments.command[0])'")
        return 127
      }
      let runner = try ProgramRunner(arguments, program: program, socketPath: socketPath)
      return runner.run()
    } catch let mistake as RunArguments.Mistake {
      Console.error("ring3ctl run: \(mistake.message)\n\(RunArguments.usage)")
      return 64
    } catch {
      Console.error("ring3ctl run: \(error)")
      return 71
    }
  }

  private func run() -> Int32 {
    do throws(SessionFailure) {
      try open()
    } catch {
      Console.error("ring3ctl run: \(error.message)")
      return error.code
    }
    startAll()
    while true {
      if let exitCode, running.isEmpty, retired.isEmpty { return exitCode }
      let now = Clock.monotonicMilliseconds()
      let wait = retryAt == .max ? -1 : Int32(clamping: max(0, retryAt - now))
      let count = poller.wait(timeoutMilliseconds: wait)
      for index in 0..<count {
        switch poller.event(index).token {
        case Self.sessionToken: sessionEnded()
        default: takeSignals()
        }
      }
      if retryAt <= Clock.monotonicMilliseconds() { retry() }
    }
  }

  // MARK: The session

  private func open() throws(SessionFailure) {
    let session = try RunSession(
      path: socketPath, prefixes: arguments.prefixes, queue: arguments.queue)
    self.session = session
    do throws(SystemError) {
      try poller.add(session.connection.number, token: Self.sessionToken, interest: .readable)
    } catch {
      throw SessionFailure(message: "\(error)", code: 71, isPassing: false)
    }
  }

  /// The server has gone, or begins anew: its queue and our socket are no more.
  private func sessionEnded() {
    guard let ended = session else { return }
    poller.remove(ended.connection.number)
    session = nil
    guard exitCode == nil else { return }
    Console.error("ring3ctl run: the server ended the session; trying to claim the URLs again")
    retryAt = Clock.monotonicMilliseconds()
  }

  private func retry() {
    retryAt = .max
    guard exitCode == nil else { return }
    guard session == nil else { return fill() }
    do throws(SessionFailure) {
      try open()
      Console.error("ring3ctl run: the URLs are claimed again")
      replaceAll()
    } catch {
      retryAt = Clock.monotonicMilliseconds() + Self.retryMilliseconds
    }
  }

  // MARK: Processes

  private func startAll() { for _ in 0..<arguments.processes { start() } }

  private func start() {
    guard let session, exitCode == nil else { return }
    do throws(SystemError) {
      running.insert(
        try ChildProcess.start(
          program, Array(arguments.command.dropFirst()), lending: session.listener))
    } catch {
      Console.error("ring3ctl run: cannot start '\(program)': \(error)")
      retryAt = Clock.monotonicMilliseconds() + Self.retryMilliseconds
    }
  }

  /// As many as there are to be.
  private func fill() { while exitCode == nil, running.count < arguments.processes { start() } }

  /// New ones accept before the old ones are told to end.
  private func replaceAll() {
    let old = running
    running = []
    startAll()
    retired.formUnion(old)
    for process in old { ChildProcess.signal(process, ControlSignal.terminate.number) }
  }

  private func takeSignals() {
    while let signal = signals.next() {
      switch signal {
      case .child: reap()
      case .hangUp: if exitCode == nil { replaceAll() }
      case .terminate, .interrupt, .quit: end(0)
      case .user1, .user2: break
      }
    }
  }

  private func end(_ code: Int32) {
    if exitCode == nil { session?.giveBack() }
    exitCode = exitCode ?? code
    retryAt = .max
    for process in running.union(retired) {
      ChildProcess.signal(process, ControlSignal.terminate.number)
    }
  }

  private func reap() {
    while let (process, end) = ChildProcess.reap() {
      if retired.remove(process) != nil || running.remove(process) == nil || exitCode != nil {
        continue
      }
      let now = Clock.monotonicMilliseconds()
      failures = failures.filter { now - $0 < Self.failureMilliseconds } + [now]
      Console.error("ring3ctl run: process \(process) \(end)")
      guard failures.count < Self.failuresMax else {
        Console.error(
          "ring3ctl run: \(Self.failuresMax) ends within"
            + " \(Self.failureMilliseconds / 60_000) minutes: '\(program)' is not started again")
        return self.end(1)
      }
      // The first time at once: a crash is no reason to let requests wait.
      retryAt = failures.count == 1 ? now : now + Self.retryMilliseconds
    }
  }
}
