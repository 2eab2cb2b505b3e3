// Which generation the routing epoch is for.

import Testing
import Worker

@testable import Master

@Test func `a failed generation that lingers is not the youngest that counts`() {
  var supervisor = Supervisor()
  func names(_ actions: [SupervisorAction]) -> [WorkerName] {
    actions.compactMap { if case .fork(let name, _, _, _) = $0 { name } else { nil } }
  }
  for name in names(supervisor.handle(.launch(workers: 2), now: 0)) {
    _ = supervisor.handle(.reported(name, .ready), now: 1)
  }
  #expect(supervisor.youngestInFavour(of: [1]) == 1)
  // Known to the master before the supervisor hears of it.
  #expect(supervisor.youngestInFavour(of: [1, 2]) == 2)
  let failed = names(supervisor.handle(.launch(workers: 1), now: 2))
  #expect(supervisor.youngestInFavour(of: [1, 2]) == 2)
  for name in failed { _ = supervisor.handle(.reported(name, .failed("x")), now: 3) }
  #expect(failed.allSatisfy { supervisor.member($0) != nil })
  #expect(supervisor.youngestInFavour(of: [1, 2]) == 1)
  #expect(supervisor.youngestInFavour(of: []) == nil)
}
