// The life of generations and workers as a pure state machine: event in, actions out.

import Configuration
import Worker

/// What happened.
package enum SupervisorEvent: Equatable, Sendable {
  /// Start a generation with so many workers.
  case launch(workers: Int)
  case reported(WorkerName, WorkerReport)
  /// The process is gone, or could not be forked; the text says how.
  case ended(WorkerName, String)
  /// Its heartbeat is too old.
  case stalled(WorkerName)
  /// Time has passed.
  case tick
  /// Everything ends now.
  case stop
  /// Everything ends when what is in flight is finished; 0: without a limit.
  case quit(milliseconds: Int64)
}

/// What to do about it, in this order.
package enum SupervisorAction: Equatable, Sendable {
  /// Fork a worker that accepts on these slots.
  case fork(WorkerName, generation: UInt32, index: Int, served: [Int])
  case order(WorkerName, WorkerOrder)
  case serve(WorkerName, slots: [Int])
  case leave(WorkerName, slots: [Int])
  /// Make a channel over which connections go from one to the other.
  case connect(from: WorkerName, to: WorkerName)
  case kill(WorkerName)
  /// The generation serves from now on.
  case opened(generation: UInt32)
  /// The generation will not serve (any more); the previous one goes on if there is one.
  case failed(generation: UInt32, reason: String)
  /// No process of the generation is left, and it will not come back.
  case gone(generation: UInt32)
  case note(LogLevel, String)
  /// No process is left after `stop` or `quit`.
  case finished
}

/// Keeps one generation serving (DESIGN 2). Pure: it knows the time only from its events.
package struct Supervisor: Sendable {
  package internal(set) var generations: [Generation] = []
  /// The serving generation's number; nil before the first.
  package internal(set) var current: UInt32?
  /// Until the current one's probation is over: the one that takes over again if it fails.
  package internal(set) var previous: UInt32?
  /// The number of the youngest generation so far.
  package internal(set) var lastNumber: UInt32
  /// Listener slots per address: the most workers any generation that served had.
  package internal(set) var slotCount: Int
  /// How long a generation may drain; 0: without a limit.
  package var gracefulMilliseconds: Int64 = 0
  package internal(set) var isStopping = false

  var lastSerial: UInt32
  var now: Int64 = 0
  var actions: [SupervisorAction] = []

  package init() {
    lastNumber = 0
    slotCount = 0
    lastSerial = 0
  }

  /// After an exec in place: workers of former generations that still live. The youngest serves.
  package init(
    inherited: [(name: WorkerName, generation: UInt32, index: Int)], lastNumber: UInt32,
    slotCount: Int
  ) {
    self.lastNumber = lastNumber
    self.slotCount = slotCount
    lastSerial = inherited.map { $0.name.serial }.max() ?? 0
    for number in Set(inherited.map { $0.generation }).sorted() {
      let own = inherited.filter { $0.generation == number }
      let isLast = own.count > 0 && number == inherited.map { $0.generation }.max()
      var generation = Generation(
        number: number, workers: (own.map { $0.index }.max() ?? 0) + 1, slotCount: slotCount,
        isInherited: true, phase: isLast ? .serving(since: 0) : .draining(deadline: nil))
      for worker in own {
        generation.members.append(
          Member(
            name: worker.name, index: worker.index, startedAt: 0,
            state: isLast ? .ready : .draining,
            serves: isLast ? generation.homeSlots(of: worker.index) : []))
      }
      generations.append(generation)
      if isLast { current = number }
    }
  }

  /// The living member of that name.
  package func member(_ name: WorkerName) -> (generation: Generation, member: Member)? {
    for generation in generations {
      if let member = generation.members.first(where: { $0.name == name }) {
        return (generation, member)
      }
    }
    return nil
  }

  /// There are workers that the next image would take for what they are not: those of a generation
  /// younger than the serving one, which starts or was withdrawn, for the serving ones; those of an
  /// earlier one that were not told to leave yet, for leaving ones.
  package var hasUnsettledWorkers: Bool {
    generations.contains { generation in
      generation.number > current ?? 0 && !generation.members.isEmpty
        || generation.number != current
          && generation.members.contains { $0.isStarting || $0.accepts }
    }
  }

  /// Of some generations the youngest that serves, or is about to: one that has failed may linger,
  /// and one that nothing is known of yet is about to start.
  package func youngestInFavour(of numbers: some Sequence<UInt32>) -> UInt32? {
    numbers.filter { number in
      generations.first { $0.number == number }?.phase != .withdrawn
    }.max()
  }

  /// The next moment at which `tick` has something to do; nil: none.
  package var nextDeadline: Int64? {
    var deadlines: [Int64] = []
    for generation in generations {
      deadlines += generation.respawns.values
      deadlines += generation.members.compactMap { $0.killAt }
      switch generation.phase {
      case .starting(let deadline): deadlines.append(deadline)
      case .draining(let deadline?): deadlines.append(deadline)
      case .serving(let since) where previous != nil:
        deadlines.append(since + Limits.probationMilliseconds)
      case .serving, .draining, .withdrawn: break
      }
      for member in generation.members {
        if case .starting(let deadline) = member.state { deadlines.append(deadline) }
      }
    }
    return deadlines.min()
  }

  /// The whole machine. `now`: monotonic milliseconds.
  package mutating func handle(_ event: SupervisorEvent, now: Int64) -> [SupervisorAction] {
    self.now = now
    actions = []
    switch event {
    case .launch(let workers): launch(workers)
    case .reported(let name, let report): reported(name, report)
    case .ended(let name, let how): ended(name, how)
    case .stalled(let name):
      if member(name) != nil {
        actions.append(.note(.error, "worker has been stuck for 5 s, killing it"))
        actions.append(.kill(name))
      }
    case .tick: tick()
    case .stop: leave(.stop, killAfter: Limits.stopMilliseconds)
    case .quit(let milliseconds):
      let limit = milliseconds <= 0 ? Int64(UInt32.max) : min(milliseconds, Int64(UInt32.max))
      leave(
        .quit(milliseconds: UInt32(limit)),
        killAfter: milliseconds <= 0 ? nil : milliseconds + Limits.stopMilliseconds)
    }
    dropEmptyGenerations()
    if isStopping && generations.isEmpty { actions.append(.finished) }
    return actions
  }
}

// MARK: - Starting and opening

extension Supervisor {
  mutating func launch(_ workers: Int) {
    lastNumber += 1
    guard !isStopping else {
      actions.append(.failed(generation: lastNumber, reason: "the server is stopping"))
      return
    }
    stopOldest()
    let count = max(1, workers)
    generations.append(
      Generation(
        number: lastNumber, workers: count, slotCount: max(slotCount, count), isInherited: false,
        phase: .starting(deadline: now + Limits.readyMilliseconds)))
    for index in 0..<count { spawn(generations.count - 1, index) }
  }

  /// When one more generation may start: nil for at once, else monotonic milliseconds after which
  /// it may even if the oldest one still drains. Handing ten thousand connections over takes a
  /// moment, and a reload that does not wait for it would cut them off.
  package func launchDelayedUntil(now: Int64) -> Int64? {
    let alive = generations.filter { !$0.members.isEmpty }
    guard alive.count >= Limits.generationsMax, !isStopping else { return nil }
    let oldest = alive.first { generation in
      generation.isLeaving && generation.members.contains { $0.state != .leaving }
    }
    guard let oldest else { return nil }
    let until = oldest.drainingSince + Limits.drainPatienceMilliseconds
    return until > now ? until : nil
  }

  /// Room for one more generation.
  mutating func stopOldest() {
    var alive = generations.filter { !$0.members.isEmpty }.count
    for place in generations.indices where alive >= Limits.generationsMax {
      guard generations[place].isLeaving else { continue }
      alive -= 1
      if generations[place].members.allSatisfy({ $0.state == .leaving }) { continue }
      actions.append(
        .note(
          .warn,
          "generation \(generations[place].number) is still draining, but "
            + "\(Limits.generationsMax) generations are alive: stopping it"))
      stopMembers(place, .stop, killAfter: Limits.stopMilliseconds)
    }
  }

  mutating func spawn(_ place: Int, _ index: Int) {
    lastSerial += 1
    let name = WorkerName(serial: lastSerial)
    let served = generations[place].homeSlots(of: index)
    generations[place].respawns[index] = nil
    generations[place].members.append(
      Member(
        name: name, index: index, startedAt: now,
        state: .starting(deadline: now + Limits.readyMilliseconds), serves: served))
    actions.append(
      .fork(name, generation: generations[place].number, index: index, served: served.sorted()))
  }

  mutating func reported(_ name: WorkerName, _ report: WorkerReport) {
    guard let (place, seat) = find(name) else { return }
    switch report {
    case .ready: ready(place, seat)
    // The master answers questions itself.
    case .serving, .certificateWanted, .namespaceWanted, .namespaceTaken: break
    case .drained:
      // Unasked it means nothing: the end of the process will count as a death.
      if generations[place].members[seat].state == .draining {
        generations[place].members[seat].state = .leaving
      }
    case .retiring: retire(place, seat)
    case .failed(let text):
      actions.append(.note(.error, "worker could not start: \(text)"))
      generations[place].lastDeath = text
      if case .starting = generations[place].phase { fail(place, text) }
    }
  }

  mutating func ready(_ place: Int, _ seat: Int) {
    guard case .starting = generations[place].members[seat].state else { return }
    let member = generations[place].members[seat]
    switch generations[place].phase {
    case .starting:
      generations[place].members[seat].state = .ready
      let ready = Set(generations[place].members.filter { $0.accepts }.map { $0.index })
      if ready.count == generations[place].workers { open(place) }
    case .serving:
      generations[place].members[seat].state = .ready
      let handOver = replaceRetiring(place, with: member)
      if handOver.isEmpty { connectLeaving(to: member) }
      rebalance(place)
      actions += handOver
      drainLeft(into: place)
    case .draining, .withdrawn: readyTooLate(place, seat)
    }
  }

  /// Its generation serves no more. It accepts since it is ready, which is a while ago: what has
  /// come to it goes to the one that serves.
  private mutating func readyTooLate(_ place: Int, _ seat: Int) {
    generations[place].members[seat].state = .ready
    if generations[place].phase == .withdrawn {
      generations[place].members[seat].killAt = now + Limits.drainPatienceMilliseconds
    } else if gracefulMilliseconds > 0 {
      generations[place].members[seat].killAt = now + gracefulMilliseconds
    }
    let serving = generations.first { $0.number == current }
    let successors = serving?.members.filter { $0.accepts } ?? []
    // Then it waits for the first worker of that generation (`drainLeft`).
    if successors.isEmpty, serving != nil { return }
    handOver(place, seat, to: successors)
  }

  /// Tells a worker to leave, and to give its connections to others.
  mutating func handOver(_ place: Int, _ seat: Int, to successors: [Member]) {
    for successor in successors {
      actions.append(.connect(from: name(place, seat), to: successor.name))
    }
    generations[place].members[seat].state = .draining
    actions.append(.order(name(place, seat), .drain(ending: [])))
  }

  /// All workers are ready: this generation serves, the one before hands over and drains.
  mutating func open(_ place: Int) {
    let number = generations[place].number
    let former = current
    // A generation still on probation is given up with the one before it: only one is kept.
    generations[place].phase = .serving(since: now)
    generations[place].deaths = 0
    slotCount = generations[place].slotCount
    current = number
    previous = former
    // Ordered to hand over before anybody is told that this generation serves: a request that is
    // sent after that finds the order in front of it, also on a connection that the old one has.
    if let former, let old = generations.firstIndex(where: { $0.number == former }) {
      drain(old, successors: generations[place].members.filter { $0.accepts })
    }
    drainLeft(into: place)
    actions.append(.opened(generation: number))
  }

  mutating func drain(_ place: Int, successors: [Member]) {
    generations[place].respawns = [:]
    generations[place].drainingSince = now
    generations[place].phase = .draining(
      deadline: gracefulMilliseconds > 0 ? now + gracefulMilliseconds : nil)
    for seat in generations[place].members.indices {
      switch generations[place].members[seat].state {
      case .ready, .retiring: handOver(place, seat, to: successors)
      // It may have taken connections already: see `readyTooLate`.
      case .starting, .draining, .leaving: break
      }
    }
  }

  mutating func retire(_ place: Int, _ seat: Int) {
    guard case .serving = generations[place].phase, !generations[place].isInherited,
      generations[place].members[seat].state == .ready
    else { return }
    generations[place].members[seat].state = .retiring
    spawn(place, generations[place].members[seat].index)
  }

  /// A worker was started in the place of one that died: who was handing over to that one goes on
  /// with it.
  mutating func connectLeaving(to successor: Member) {
    for leaver in generations.flatMap(\.members) where leaver.state == .draining {
      actions.append(.connect(from: leaver.name, to: successor.name))
    }
  }

  mutating func replaceRetiring(
    _ place: Int, with successor: Member
  ) -> [SupervisorAction] {
    var handOver: [SupervisorAction] = []
    for seat in generations[place].members.indices
    where generations[place].members[seat].index == successor.index
      && generations[place].members[seat].state == .retiring
    {
      handOver.append(.connect(from: name(place, seat), to: successor.name))
      generations[place].members[seat].state = .draining
      if gracefulMilliseconds > 0 {
        generations[place].members[seat].killAt = now + gracefulMilliseconds
      }
      handOver.append(.order(name(place, seat), .drain(ending: [])))
    }
    return handOver
  }
}
