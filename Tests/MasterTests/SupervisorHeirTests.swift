// Who takes the connections of workers that leave, when those who were to take them are gone.

import Testing
import Worker

@testable import Master

@Suite struct `heirs of leaving workers` {
  private var supervisor = Supervisor()

  private mutating func send(_ event: SupervisorEvent, at now: Int64) -> [SupervisorAction] {
    supervisor.handle(event, now: now)
  }

  private func forks(_ actions: [SupervisorAction]) -> [WorkerName] {
    actions.compactMap { if case .fork(let name, _, _, _) = $0 { name } else { nil } }
  }

  private mutating func launch(at now: Int64) -> WorkerName {
    let name = forks(send(.launch(workers: 1), at: now))[0]
    _ = send(.reported(name, .ready), at: now)
    return name
  }

  @Test mutating func `who is started for a dead one takes what that one was to take`() {
    let former = launch(at: 0)
    let dead = launch(at: 10_000)
    let heir = forks(send(.ended(dead, "killed by signal 9"), at: 20_000))[0]
    let actions = send(.reported(heir, .ready), at: 20_001)
    #expect(actions.contains(.connect(from: former, to: heir)))
  }

  @Test mutating func `who is started for one that retires takes only what that one has`() {
    let former = launch(at: 0)
    let retiring = launch(at: 10_000)
    let next = forks(send(.reported(retiring, .retiring), at: 20_000))[0]
    let actions = send(.reported(next, .ready), at: 20_001)
    #expect(actions.contains(.connect(from: retiring, to: next)))
    #expect(!actions.contains(.connect(from: former, to: next)))
  }
}
