// What the supervisor does when a generation is given up, or ends before its last worker is ready.

import Testing
import Worker

@testable import Master

@Test func `when a new generation keeps dying on probation the old one resumes`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(2)
  var new = driver.launchReady(2)
  driver.send(.ended(old[1], "exited with code 0"))
  for death in 1...3 {
    driver.send(.ended(new[0], "killed by signal 11"), after: 100)
    if death < 3 {
      driver.send(.tick, after: 1_000)
      new = driver.supervisor.generations.first { $0.number == 2 }!.members.map { $0.name }
      driver.send(.reported(new[new.count - 1], .ready))
      new = [new[new.count - 1]]
    }
  }
  #expect(failures(driver.last).count == 1)
  #expect(driver.supervisor.current == 1)
  #expect(orders(driver.last)[old[0]] == [.resume(epoch: 0)])
  // The slot of the one that had left already is served at once and its worker started again.
  #expect(driver.last.contains(.serve(old[0], slots: [1])))
  #expect(driver.forks(driver.last).count == 1)
}

@Test func `who is ready when its generation serves no more hands over all the same`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  driver.send(.ended(old[0], "killed by signal 9"), after: 60_000)
  let late = driver.forks(driver.last)[0]
  // The next generation opens before the death's replacement has said that it is ready.
  let new = driver.launchReady(1)
  #expect(orders(driver.last)[late] == nil && !driver.last.contains(.kill(late)))
  #expect(
    driver.send(.reported(late, .ready)) == [
      .connect(from: late, to: new[0]), .order(late, .drain(ending: [])),
    ])
  // And of one that is given up: it waits for the first worker that returns.
  driver.dieThrice(generation: 2)
  #expect(driver.supervisor.current == 1)
}

@Test func `a replacement that is ready after its generation was given up waits for heirs`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  let new = driver.launchReady(2)
  driver.send(.ended(old[0], "exited with code 0"))
  driver.send(.ended(new[0], "killed by signal 9"), after: 10)
  let late = driver.forks(driver.last)[0]
  driver.send(.ended(new[1], "killed by signal 9"), after: 10)
  let third = driver.forks(driver.last)[0]
  driver.send(.ended(third, "killed by signal 9"), after: 10)
  #expect(driver.supervisor.current == 1)
  let heir = driver.forks(driver.last)[0]
  #expect(driver.send(.reported(late, .ready)).isEmpty)
  let actions = driver.send(.reported(heir, .ready))
  #expect(actions.contains(.connect(from: late, to: heir)))
  #expect(orders(actions)[late] == [.drain(ending: [])])
}

@Test func `when the old generation is gone its model is started again`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  _ = driver.launchReady(1)
  driver.send(.ended(old[0], "exited with code 0"))
  driver.dieThrice(generation: 2)
  #expect(driver.supervisor.current == 1)
  #expect(
    driver.last.contains {
      if case .fork(_, 1, 0, [0]) = $0 { true } else { false }
    })
}

@Test func `a generation never returns to an inherited one that has left`() {
  let inherited = [(name: WorkerName(serial: 1), generation: UInt32(7), index: 0)]
  for isThere in [true, false] {
    var driver = SupervisorDriver()
    driver.supervisor = Supervisor(inherited: inherited, lastNumber: 7, slotCount: 1)
    var name = driver.launchReady(1)[0]
    if !isThere { driver.send(.ended(inherited[0].name, "exited with code 0")) }
    for _ in 1...3 {
      driver.send(.ended(name, "killed by signal 11"), after: 10)
      driver.send(.tick, after: 400)
      name = driver.supervisor.generations.last!.members.last?.name ?? name
    }
    #expect(driver.supervisor.current == (isThere ? 7 : 8))
    #expect(driver.supervisor.generations.contains { !$0.members.isEmpty })
  }
}

@Test func `a withdrawn generation's workers are known to be younger than the serving ones`() {
  var driver = SupervisorDriver()
  _ = driver.launchReady(1)
  #expect(!driver.supervisor.hasUnsettledWorkers)
  let failed = driver.forks(driver.send(.launch(workers: 1)))[0]
  driver.send(.reported(failed, .failed("x")))
  #expect(driver.supervisor.hasUnsettledWorkers)
  driver.send(.ended(failed, "exited with code 1"))
  #expect(!driver.supervisor.hasUnsettledWorkers)
}

@Test func `who was being replaced is not called back beside its replacement`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  driver.send(.reported(old[0], .retiring), after: 60_000)
  let heir = driver.forks(driver.last)[0]
  _ = driver.launchReady(1)
  // An upgrade would take the heir for one that leaves already.
  #expect(driver.supervisor.hasUnsettledWorkers)
  driver.dieThrice(generation: 2)
  #expect(driver.supervisor.current == 1)
  #expect(orders(driver.last)[old[0]] == nil)
  #expect(driver.forks(driver.last).isEmpty)
  let actions = driver.send(.reported(heir, .ready))
  #expect(actions.contains(.connect(from: old[0], to: heir)))
  let serving = driver.supervisor.generations.first { $0.number == 1 }!
  #expect(serving.members.filter { $0.accepts }.map(\.name) == [heir])
}

@Test func `who is ready while nobody serves is told to leave by the next who does`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  driver.send(.ended(old[0], "killed by signal 9"), after: 60_000)
  let late = driver.forks(driver.last)[0]
  let new = driver.launchReady(1)
  driver.send(.ended(new[0], "killed by signal 9"))
  let heir = driver.forks(driver.last)[0]
  #expect(driver.send(.reported(late, .ready)).isEmpty)
  let actions = driver.send(.reported(heir, .ready))
  #expect(actions.contains(.connect(from: late, to: heir)))
  #expect(orders(actions)[late] == [.drain(ending: [])])
}
