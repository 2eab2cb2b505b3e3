// One generation of workers as the supervisor sees it: pure values, no processes.

/// Names one worker process; never used twice in a master's life.
package struct WorkerName: Hashable, Sendable, Comparable {
  package let serial: UInt32

  package init(serial: UInt32) { self.serial = serial }

  package static func < (left: WorkerName, right: WorkerName) -> Bool {
    left.serial < right.serial
  }
}

/// One worker process of a generation.
package struct Member: Equatable, Sendable {
  package enum State: Equatable, Sendable {
    /// Forked; must report ready before the deadline.
    case starting(deadline: Int64)
    /// Accepts connections.
    case ready
    /// Accepts connections until its replacement is ready.
    case retiring
    /// Told to drain.
    case draining
    /// Told to stop or to quit, or about to exit.
    case leaving

    /// As `ring3ctl status` shows it.
    package var word: String {
      switch self {
      case .starting: return "starting"
      case .ready: return "ready"
      case .retiring: return "retiring"
      case .draining: return "draining"
      case .leaving: return "leaving"
      }
    }
  }

  package let name: WorkerName
  /// 0 … workers - 1.
  package let index: Int
  package let startedAt: Int64
  package var state: State
  /// Listener slots it accepts on, or will as soon as it is ready.
  package var serves: Set<Int>
  /// When it is killed if it still lives.
  package var killAt: Int64?

  /// It accepts connections.
  package var accepts: Bool { state == .ready || state == .retiring }

  package var isStarting: Bool { if case .starting = state { true } else { false } }
}

/// All workers forked from one model.
package struct Generation: Equatable, Sendable {
  package enum Phase: Equatable, Sendable {
    /// Not all workers are ready yet.
    case starting(deadline: Int64)
    /// The one that serves.
    case serving(since: Int64)
    /// A later one serves; at the deadline (nil: none) its workers are stopped.
    case draining(deadline: Int64?)
    /// It failed; its workers are leaving.
    case withdrawn

    /// As `ring3ctl status` shows it.
    package var word: String {
      switch self {
      case .starting: return "starting"
      case .serving: return "serving"
      case .draining: return "draining"
      case .withdrawn: return "withdrawn"
      }
    }
  }

  package let number: UInt32
  package let workers: Int
  /// Listener slots when it was started; slot s is at home with worker s mod `workers`.
  package let slotCount: Int
  /// Inherited over an exec in place: its model is not known, so nothing of it is started again.
  package let isInherited: Bool
  package var phase: Phase
  /// Monotonic milliseconds when it was told to drain.
  package var drainingSince: Int64 = 0
  package var members: [Member] = []
  /// When to start a worker again, by index.
  package var respawns: [Int: Int64] = [:]
  package var backOffs: [Int: BackOff] = [:]
  /// Unexpected deaths while starting or on probation.
  package var deaths = 0
  package var lastDeath = ""

  /// Its workers hand over and end.
  package var isLeaving: Bool {
    switch phase {
    case .draining, .withdrawn: true
    case .starting, .serving: false
    }
  }

  /// The slots that are at home with a worker.
  package func homeSlots(of index: Int) -> Set<Int> {
    Set((0..<slotCount).filter { $0 % workers == index })
  }

  /// Which member accepts on which slots, while some home workers are missing: the worker at home
  /// when it accepts; else who serves the slot already; else any, spread.
  package func assignment() -> [WorkerName: Set<Int>] {
    let accepting = members.filter { $0.accepts }.sorted { $0.index < $1.index }
    var result: [WorkerName: Set<Int>] = [:]
    for member in accepting { result[member.name] = [] }
    for slot in 0..<slotCount where !accepting.isEmpty {
      let atHome = accepting.filter { $0.index == slot % workers }
      let chosen =
        atHome.first { $0.state == .ready } ?? atHome.first
        ?? accepting.first { $0.serves.contains(slot) } ?? accepting[slot % accepting.count]
      result[chosen.name, default: []].insert(slot)
    }
    return result
  }
}
