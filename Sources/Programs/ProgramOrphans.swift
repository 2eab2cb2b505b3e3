// What programs leave behind when they end is ended, too: nothing outlives its application.

import Platform

/// Processes that the supervisor has inherited and told to end (SIGTERM), until they have.
struct ProgramOrphans {
  /// When all is to end, the supervisor must not take longer for them than its own master waits.
  private static let lastPatienceMilliseconds: Int64 = 3_000

  /// As long as they may take.
  var patienceMilliseconds: Int64 = 0
  /// When each is killed.
  private var killAt: [Int32: Int64] = [:]
  /// Children from before, of a shell in whose place this process was executed, say.
  private let strangers = Set(ChildProcess.children)

  var isEmpty: Bool { killAt.isEmpty }
  var nextDeadline: Int64? { killAt.values.min() }

  /// Looks for new ones. `programs`: those of applications; what descends from one that lives is
  /// left alone. Where that cannot be seen, being of the same user is enough, or that there were
  /// children before, whose own it may be.
  mutating func look(beside programs: [Int32], isEnd: Bool) {
    let known = Set(programs)
    let patience =
      isEnd ? min(patienceMilliseconds, Self.lastPatienceMilliseconds) : patienceMilliseconds
    let due = Clock.monotonicMilliseconds() + patience
    for process in ChildProcess.children
    where !known.contains(process) && !strangers.contains(process) && killAt[process] == nil {
      if let program = ChildProcess.program(of: process) {
        if known.contains(program) { continue }
      } else if let user = ChildProcess.user(of: process),
        !strangers.isEmpty || programs.contains(where: { ChildProcess.user(of: $0) == user })
      {
        continue
      }
      killAt[process] = due
      ChildProcess.signal(process, ControlSignal.terminate.number)
    }
  }

  mutating func ended(_ process: Int32) { killAt[process] = nil }

  mutating func passTime(_ now: Int64) {
    for (process, due) in killAt where due <= now {
      killAt[process] = .max
      ChildProcess.signal(process, SignalSource.kill)
    }
  }

  /// No more time is given.
  mutating func hurry() {
    for process in killAt.keys { killAt[process] = 0 }
  }
}
