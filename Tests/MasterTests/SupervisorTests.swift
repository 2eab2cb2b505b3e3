// The supervisor's decisions, without processes.

import Testing
import Worker

@testable import Master

/// Drives a supervisor and keeps what it wanted.
struct SupervisorDriver {
  var supervisor = Supervisor()
  var now: Int64 = 1_000_000
  var last: [SupervisorAction] = []

  @discardableResult
  mutating func send(_ event: SupervisorEvent, after milliseconds: Int64 = 0)
    -> [SupervisorAction]
  {
    now += milliseconds
    last = supervisor.handle(event, now: now)
    return last
  }

  /// Launches a generation and lets all of its workers become ready.
  mutating func launchReady(_ workers: Int) -> [WorkerName] {
    let names = forks(send(.launch(workers: workers)))
    for name in names { send(.reported(name, .ready)) }
    return names
  }

  /// A generation's first worker dies, and those that are started in its place.
  mutating func dieThrice(generation: UInt32) {
    for death in 1...3 {
      let members = supervisor.generations.first { $0.number == generation }?.members
      guard let name = members?.first?.name else { return }
      send(.ended(name, "killed by signal 6"), after: 10)
      if death < 3 { send(.tick, after: 500) }
    }
  }

  func forks(_ actions: [SupervisorAction]) -> [WorkerName] {
    actions.compactMap { if case .fork(let name, _, _, _) = $0 { name } else { nil } }
  }
}

func orders(_ actions: [SupervisorAction]) -> [WorkerName: [WorkerOrder]] {
  var result: [WorkerName: [WorkerOrder]] = [:]
  for case .order(let name, let order) in actions { result[name, default: []].append(order) }
  return result
}

func failures(_ actions: [SupervisorAction]) -> [String] {
  actions.compactMap { if case .failed(_, let reason) = $0 { reason } else { nil } }
}

@Test func `a generation opens when its last worker is ready, not before`() {
  var driver = SupervisorDriver()
  let names = driver.forks(driver.send(.launch(workers: 3)))
  #expect(names.count == 3)
  #expect(driver.send(.reported(names[2], .ready)).isEmpty)
  #expect(driver.send(.reported(names[0], .ready)).isEmpty)
  // A worker that says so twice is not counted twice.
  #expect(driver.send(.reported(names[0], .ready)).isEmpty)
  #expect(driver.send(.reported(names[1], .ready)) == [.opened(generation: 1)])
  #expect(driver.supervisor.current == 1)
}

@Test func `every slot is at home with exactly one worker`() {
  for workers in 1...5 {
    var driver = SupervisorDriver()
    _ = driver.launchReady(5)
    driver.send(.launch(workers: workers))
    var seen: [Int] = []
    for case .fork(_, _, let index, let served) in driver.last {
      #expect(served.allSatisfy { $0 % workers == index })
      seen += served
    }
    #expect(seen.sorted() == [0, 1, 2, 3, 4])
  }
}

@Test func `the old generation gets its successors before it is told to drain`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(2)
  let new = driver.forks(driver.send(.launch(workers: 2)))
  driver.send(.reported(new[0], .ready))
  #expect(
    driver.send(.reported(new[1], .ready)) == [
      .connect(from: old[0], to: new[0]), .connect(from: old[0], to: new[1]),
      .order(old[0], .drain(ending: [])),
      .connect(from: old[1], to: new[0]), .connect(from: old[1], to: new[1]),
      .order(old[1], .drain(ending: [])),
      // Only now: who is told so finds nobody who would still answer as before.
      .opened(generation: 2),
    ])
  driver.send(.reported(old[0], .drained))
  driver.send(.ended(old[0], "exited with code 0"))
  driver.send(.ended(old[1], "exited with code 0"))
  // Kept until the probation of the new one is over, in case it must take over again.
  #expect(driver.supervisor.previous == 1)
  #expect(driver.send(.tick, after: 5_000) == [.gone(generation: 1)])
}

@Test func `a generation that is not ready in time fails and the old one goes on`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  let new = driver.forks(driver.send(.launch(workers: 2)))
  driver.send(.reported(new[1], .ready))
  driver.send(.tick, after: 9_999)
  #expect(failures(driver.last).isEmpty)
  driver.send(.tick, after: 1)
  #expect(failures(driver.last) == ["not ready within 10 s (waiting for worker 0)"])
  #expect(driver.supervisor.current == 1)
  #expect(orders(driver.last)[old[0]] == nil)
  #expect(driver.last.contains(.kill(new[0])))
  // Since it is ready it may have taken connections.
  #expect(driver.last.contains(.connect(from: new[1], to: old[0])))
  #expect(orders(driver.last)[new[1]] == [.drain(ending: [])])
  #expect(!driver.last.contains(.kill(new[1])))
  driver.send(.tick, after: 10_000)
  #expect(driver.last.contains(.kill(new[1])))
  driver.send(.ended(new[0], "was killed"))
  #expect(driver.send(.ended(new[1], "was killed")) == [.gone(generation: 2)])
}

@Test func `three deaths before readiness fail a generation with the reason`() {
  var driver = SupervisorDriver()
  _ = driver.launchReady(1)
  var name = driver.forks(driver.send(.launch(workers: 1)))[0]
  for death in 1...2 {
    driver.send(.ended(name, "killed by signal 11"))
    driver.send(.tick, after: 200)
    #expect(failures(driver.last).isEmpty, "death \(death)")
    name = driver.supervisor.generations[1].members[0].name
  }
  driver.send(.ended(name, "killed by signal 11"))
  #expect(
    failures(driver.last) == ["its workers keep dying: worker 0 killed by signal 11"])
  #expect(driver.supervisor.current == 1)
}

@Test func `a worker that reports why it cannot start fails its generation at once`() {
  var driver = SupervisorDriver()
  _ = driver.launchReady(1)
  let new = driver.forks(driver.send(.launch(workers: 2)))
  driver.send(.reported(new[0], .failed("no cache")))
  #expect(failures(driver.last) == ["no cache"])
}

@Test func `a dead worker's slots are served at once and given back when it is replaced`() {
  var driver = SupervisorDriver()
  let names = driver.launchReady(2)
  driver.send(.ended(names[0], "killed by signal 9"), after: 60_000)
  let replacement = driver.forks(driver.last)[0]
  #expect(driver.last.contains(.serve(names[1], slots: [0])))
  #expect(driver.send(.reported(replacement, .ready)) == [.leave(names[1], slots: [0])])
}

@Test func `a cover that dies too passes all slots on`() {
  var driver = SupervisorDriver()
  let names = driver.launchReady(3)
  driver.send(.tick, after: 60_000)
  driver.send(.ended(names[0], "killed by signal 9"))
  driver.send(.ended(names[1], "killed by signal 9"))
  var served: Set<Int> = [2]
  for event in driver.supervisor.generations[0].members where event.name == names[2] {
    served = event.serves
  }
  #expect(served == [0, 1, 2])
}

@Test func `the only generation is never given up, however often its workers die`() {
  var driver = SupervisorDriver()
  var name = driver.launchReady(1)[0]
  for _ in 1...20 {
    driver.send(.ended(name, "killed by signal 9"))
    #expect(failures(driver.last).isEmpty)
    driver.send(.tick, after: 10_000)
    name = driver.supervisor.generations[0].members[0].name
    driver.send(.reported(name, .ready))
  }
  #expect(driver.supervisor.current == 1)
}

@Test func `a retiring worker serves until its replacement is ready, then hands over`() {
  var driver = SupervisorDriver()
  let names = driver.launchReady(2)
  driver.send(.reported(names[0], .retiring))
  let replacement = driver.forks(driver.last)[0]
  // Asking twice starts one replacement.
  #expect(driver.send(.reported(names[0], .retiring)).isEmpty)
  #expect(
    driver.send(.reported(replacement, .ready)) == [
      .connect(from: names[0], to: replacement), .order(names[0], .drain(ending: [])),
    ])
  #expect(driver.send(.ended(names[0], "exited with code 0")).isEmpty)
}

@Test func `a retiring worker that dies before its replacement is ready is covered`() {
  var driver = SupervisorDriver()
  let names = driver.launchReady(2)
  driver.send(.tick, after: 60_000)
  driver.send(.reported(names[0], .retiring))
  let replacement = driver.forks(driver.last)[0]
  driver.send(.ended(names[0], "killed by signal 9"))
  #expect(driver.last.contains(.serve(names[1], slots: [0])))
  #expect(driver.forks(driver.last).isEmpty, "one replacement is on its way already")
  #expect(driver.send(.reported(replacement, .ready)) == [.leave(names[1], slots: [0])])
}

@Test func `draining is bounded by GracefulShutdownTimeout, then stop, then SIGKILL`() {
  var driver = SupervisorDriver()
  driver.supervisor.gracefulMilliseconds = 3_000
  let old = driver.launchReady(1)
  _ = driver.launchReady(1)
  driver.send(.tick, after: 2_999)
  #expect(orders(driver.last)[old[0]] == nil)
  driver.send(.tick, after: 1)
  #expect(orders(driver.last)[old[0]] == [.stop])
  #expect(driver.send(.tick, after: 2_000).contains(.kill(old[0])))
}

@Test func `a fifth generation stops the oldest one`() {
  var driver = SupervisorDriver()
  let first = driver.launchReady(1)
  for _ in 2...4 { _ = driver.launchReady(1) }
  driver.send(.launch(workers: 1))
  #expect(orders(driver.last)[first[0]] == [.stop])
}

@Test func `stop ends every generation and finishes when the last process is gone`() {
  var driver = SupervisorDriver()
  let old = driver.launchReady(1)
  let new = driver.launchReady(1)
  let starting = driver.forks(driver.send(.launch(workers: 1)))
  driver.send(.stop)
  for name in old + new + starting { #expect(orders(driver.last)[name] == [.stop]) }
  driver.send(.tick, after: 2_000)
  for name in old + new + starting { #expect(driver.last.contains(.kill(name))) }
  driver.send(.ended(old[0], ""))
  driver.send(.ended(new[0], ""))
  #expect(!driver.last.contains(.finished))
  #expect(driver.send(.ended(starting[0], "")).contains(.finished))
  #expect(failures(driver.send(.launch(workers: 1))) == ["the server is stopping"])
}

@Test(arguments: [0, 500] as [Int64])
func `a graceful stop passes its limit on`(limit: Int64) {
  var driver = SupervisorDriver()
  let names = driver.launchReady(1)
  driver.send(.quit(milliseconds: limit))
  let expected = limit == 0 ? UInt32.max : 500
  #expect(orders(driver.last)[names[0]] == [.quit(milliseconds: expected)])
  driver.send(.tick, after: 60_000)
  #expect(driver.last.contains(.kill(names[0])) == (limit != 0))
  #expect(orders(driver.send(.stop))[names[0]] == [.stop], "a second signal is impatient")
}

@Test func `reports and deaths of unknown workers change nothing`() {
  var driver = SupervisorDriver()
  _ = driver.launchReady(1)
  let before = driver.supervisor.generations
  let stranger = WorkerName(serial: 99)
  for event: SupervisorEvent in [
    .reported(stranger, .ready), .reported(stranger, .drained), .reported(stranger, .retiring),
    .reported(stranger, .failed("x")), .ended(stranger, "x"), .stalled(stranger),
  ] {
    #expect(driver.send(event).isEmpty)
  }
  #expect(driver.supervisor.generations == before)
}

@Test func `workers inherited over an exec drain to the new generation and are not respawned`() {
  let inherited = [0, 1].map {
    (name: WorkerName(serial: $0 + 1), generation: UInt32(7), index: Int($0))
  }
  var driver = SupervisorDriver()
  driver.supervisor = Supervisor(inherited: inherited, lastNumber: 7, slotCount: 2)
  driver.send(.ended(inherited[0].name, "killed by signal 9"))
  #expect(driver.forks(driver.last).isEmpty)
  #expect(driver.last.contains(.serve(inherited[1].name, slots: [0])))
  let new = driver.launchReady(2)
  #expect(orders(driver.last)[inherited[1].name] == [.drain(ending: [])])
  #expect(new.allSatisfy { $0.serial > 2 })
  #expect(driver.supervisor.current == 8)
}

/// What must hold after every event, whatever came before; nil when it does.
private func violation(_ supervisor: Supervisor) -> String? {
  let serving = supervisor.generations.filter {
    if case .serving = $0.phase { true } else { false }
  }
  guard serving.count == 1, serving[0].number == supervisor.current else {
    return "\(serving.count) generations serve"
  }
  for generation in supervisor.generations {
    for index in 0..<generation.workers {
      let active = generation.members.filter {
        $0.index == index && ($0.state == .ready || $0.state.word == "starting")
      }
      if active.count > 1 { return "worker \(index) of \(generation.number) runs twice" }
    }
  }
  let accepting = serving[0].members.filter { $0.accepts }
  let served = accepting.reduce(into: Set<Int>()) { $0.formUnion($1.serves) }
  if !accepting.isEmpty && served.count < serving[0].slotCount {
    return "orphaned slots in \(serving[0])"
  }
  return nil
}

/// A small generator with a seed, so that a failure can be repeated (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Test(arguments: 1...200 as ClosedRange<UInt64>)
func `any order of events keeps one generation serving and no slot orphaned`(seed: UInt64) {
  var random = SeededGenerator(state: seed)
  var driver = SupervisorDriver()
  _ = driver.launchReady(2)
  for step in 0..<150 {
    let alive = driver.supervisor.generations.flatMap { $0.members.map { $0.name } }
    let event: SupervisorEvent
    switch (Int.random(in: 0..<10, using: &random), alive.randomElement(using: &random)) {
    case (0, _): event = .launch(workers: Int.random(in: 1...3, using: &random))
    case (1...4, let name?): event = .reported(name, .ready)
    case (5, let name?): event = .reported(name, .retiring)
    case (6, let name?): event = .reported(name, .drained)
    case (7, let name?): event = .ended(name, "x")
    default: event = .tick
    }
    driver.send(event, after: Int64.random(in: 0...3_000, using: &random))
    if let violation = violation(driver.supervisor) {
      Issue.record("step \(step) after \(event): \(violation)")
      return
    }
  }
}
