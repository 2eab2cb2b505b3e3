// The process that asks members whether they are well: many at a time, none waits for another.

import Configuration
import Platform
import Worker

/// Runs all checks of a set of members. One thread, one epoll.
final class HealthChecker {
  private enum Phase {
    /// Until the next check is due.
    case idle
    case connecting(Descriptor)
    case asking(Descriptor, sent: Int)
    case listening(Descriptor, received: [UInt8])

    var socket: Descriptor? {
      switch self {
      case .idle: return nil
      case .connecting(let socket): return socket
      case .asking(let socket, _): return socket
      case .listening(let socket, _): return socket
      }
    }
  }

  private struct Check {
    let task: HealthTask
    var tally: HealthTally
    var phase = Phase.idle
    /// Monotonic milliseconds when it begins, or when its time is over.
    var dueAt: Int64
    var startedAt: Int64 = 0
    /// Addresses that may still be tried.
    var addresses: ArraySlice<SocketAddress> = []
    /// Raised with each connection: events of an earlier one are passed over.
    var serial: UInt32 = 0
  }

  /// First checks are spread over so many milliseconds.
  private static let spreadMilliseconds = 500
  private static let lifeToken = UInt64.max

  private let board: UpstreamBoard
  private let poller: Poller
  private var checks: [Check]
  private let buffer = ByteBuffer(capacity: 4096)

  init(_ tasks: [HealthTask], _ board: UpstreamBoard, now: Int64) throws(SystemError) {
    self.board = board
    poller = try Poller(batchMax: 64)
    checks = tasks.enumerated().map { index, task in
      let spread = Int64(index * HealthChecker.spreadMilliseconds / max(1, tasks.count))
      return Check(
        task: task, tally: HealthTally(board.health(task.place)),
        dueAt: now + min(spread, task.check.intervalMilliseconds))
    }
  }

  /// Checks until the other end of `life` is closed; then it ends with 0.
  static func run(
    _ tasks: [HealthTask], board: UpstreamBoard, life: Descriptor, sandbox: SandboxPlan?
  ) -> Int32 {
    do throws(SystemError) {
      let checker = try HealthChecker(tasks, board, now: Clock.monotonicMilliseconds())
      try checker.poller.add(life.number, token: lifeToken, interest: .readable)
      if let sandbox { Sandbox.enter(sandbox) }
      while checker.turn() {}
      return 0
    } catch {
      return 1
    }
  }

  /// False: the end.
  private func turn() -> Bool {
    let now = Clock.monotonicMilliseconds()
    for index in checks.indices where checks[index].dueAt <= now { due(index, now) }
    let next = checks.map(\.dueAt).min() ?? now + 60_000
    let wait = max(0, min(next - Clock.monotonicMilliseconds(), 60_000))
    let count = poller.wait(timeoutMilliseconds: Int32(wait))
    for event in 0..<count {
      let token = poller.event(event).token
      if token == HealthChecker.lifeToken { return false }
      let index = Int(token & 0xffff_ffff)
      if checks[index].serial == UInt32(token >> 32) { advance(index) }
    }
    return true
  }

  private func due(_ index: Int, _ now: Int64) {
    switch checks[index].phase {
    case .idle:
      checks[index].startedAt = now
      checks[index].dueAt = now + checks[index].task.timeoutMilliseconds
      if checks[index].task.unixPath == nil {
        checks[index].addresses = (board.addresses(checks[index].task.place)?.list ?? [])[...]
      }
      connect(index, orElse: .noAddress)
    case .connecting: finish(index, .connectTimeout)
    case .asking, .listening: finish(index, .responseTimeout)
    }
  }

  // MARK: One check

  /// The next address; `failure` is how the last one failed.
  private func connect(_ index: Int, orElse failure: UpstreamFailure) {
    let result: ConnectResult
    if let path = checks[index].task.unixPath {
      guard failure == .noAddress else { return finish(index, failure) }
      result = Stream.connect(toUnix: path)
    } else {
      guard let address = checks[index].addresses.popFirst() else { return finish(index, failure) }
      result = Stream.connect(to: address)
    }
    switch result {
    case .connected(let number), .inProgress(let number):
      watch(index, Descriptor(adopting: number))
    case .queueFull: finish(index, .connectTimeout)
    case .refused(let error): connect(index, orElse: .connect(code: error.code))
    case .exhausted:
      // Nothing is known of the member.
      checks[index].phase = .idle
      checks[index].dueAt = checks[index].startedAt + interval(index)
    }
  }

  private func watch(_ index: Int, _ socket: Descriptor) {
    checks[index].serial &+= 1
    checks[index].phase = .connecting(socket)
    do {
      try poller.add(socket.number, token: token(index), interest: .writable)
    } catch {
      checks[index].phase = .idle
      checks[index].dueAt = checks[index].startedAt + interval(index)
    }
  }

  private func token(_ index: Int) -> UInt64 {
    UInt64(checks[index].serial) << 32 | UInt64(index)
  }

  private func advance(_ index: Int) {
    switch checks[index].phase {
    case .idle: break
    case .connecting(let socket):
      if let error = Stream.connectError(socket.number) {
        return connect(index, orElse: .connect(code: error.code))
      }
      if checks[index].task.question.isEmpty { return finish(index, nil) }
      ask(index, socket, sent: 0)
    case .asking(let socket, let sent): ask(index, socket, sent: sent)
    case .listening(let socket, let received): listen(index, socket, received)
    }
  }

  private func ask(_ index: Int, _ socket: Descriptor, sent: Int) {
    let question = checks[index].task.question
    guard let count = UnixSocket.send(socket, question[sent...]) else {
      return finish(index, .brokenBeforeResponse)
    }
    guard sent + count == question.count else {
      checks[index].phase = .asking(socket, sent: sent + count)
      return
    }
    checks[index].phase = .listening(socket, received: [])
    do {
      try poller.modify(socket.number, token: token(index), interest: .readable)
    } catch {
      finish(index, .brokenBeforeResponse)
    }
  }

  private func listen(_ index: Int, _ socket: Descriptor, _ received: [UInt8]) {
    buffer.removeAll()
    switch Stream.receive(socket.number, into: buffer) {
    case .wouldBlock: return
    case .closed, .broken: return finish(index, .brokenBeforeResponse)
    case .received: break
    }
    let rest = HealthAnswer.byteCount - received.count
    let received = received + buffer.copy(0..<min(buffer.count, rest))
    switch HealthAnswer.judge(received) {
    case .needMore: checks[index].phase = .listening(socket, received: received)
    case .passed: finish(index, nil)
    case .failed(let failure): finish(index, failure)
    }
  }

  /// `failure` nil: the member is well. The connection ends here.
  private func finish(_ index: Int, _ failure: UpstreamFailure?) {
    let task = checks[index].task
    checks[index].phase = .idle
    checks[index].addresses = []
    let now = Clock.monotonicMilliseconds()
    checks[index].dueAt = max(now, checks[index].startedAt + interval(index))
    checks[index].tally.note(passed: failure == nil, task.check)
    let state = checks[index].tally.state
    board.setHealth(state, state == .down ? failure : nil, task.place, now: now)
    if failure == nil, state == .up, refutes(task) { board.recover(task.place, now: now) }
  }

  /// Whether a check that passed shows that what requests found out holds no more: one that only
  /// connects says nothing of responses.
  private func refutes(_ task: HealthTask) -> Bool {
    switch board.lastFailure(task.place) {
    case .connect, .connectTimeout, .noAddress: return true
    case .brokenBeforeResponse, .responseTimeout, .badResponse, .status:
      return !task.question.isEmpty
    case nil: return true
    }
  }

  private func interval(_ index: Int) -> Int64 {
    max(100, checks[index].task.check.intervalMilliseconds)
  }
}
