// Signals as events of the loop: blocked, and read from a descriptor.

import CLinux
import Glibc

/// The signals that the master acts on.
package enum ControlSignal: CaseIterable, Sendable {
  case hangUp
  case user1
  case user2
  case quit
  case terminate
  case interrupt
  case child

  /// signal(7)'s number.
  package var number: Int32 {
    switch self {
    case .hangUp: return SIGHUP
    case .user1: return SIGUSR1
    case .user2: return SIGUSR2
    case .quit: return SIGQUIT
    case .terminate: return SIGTERM
    case .interrupt: return SIGINT
    case .child: return SIGCHLD
    }
  }
}

/// signalfd(2) over all of `ControlSignal`. Signals of one kind coalesce, so SIGCHLD means "reap
/// all".
package struct SignalSource: Sendable {
  package let descriptor: Descriptor

  /// SIGKILL's number, for `ChildProcess.signal`.
  package static let kill: Int32 = SIGKILL

  /// Blocks the signals in this process and its future children, and ignores SIGPIPE.
  package init() throws(SystemError) {
    let numbers = ControlSignal.allCases.map { $0.number }
    ring3_signals_ignore_pipe()
    descriptor = Descriptor(
      adopting: try systemCall("signalfd") {
        unsafe ring3_signals_open(numbers, numbers.count)
      })
  }

  /// The next signal; nil when there is none now.
  package func next() -> ControlSignal? {
    while true {
      let number = ring3_signals_read(descriptor.number)
      if number <= 0 { return nil }
      if let signal = ControlSignal.allCases.first(where: { $0.number == number }) {
        return signal
      }
    }
  }

  /// For a fresh child: default actions, nothing blocked, SIGPIPE still ignored.
  package static func resetInChild() { ring3_signals_reset() }

  /// Ignores SIGHUP, SIGINT, SIGQUIT and the user signals: a worker ends by its channel, so that
  /// Ctrl-C in a terminal reaches the master alone.
  package static func ignoreTerminalSignals() {
    for number in [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2] {
      signal(number, SIG_IGN)
    }
  }
}
