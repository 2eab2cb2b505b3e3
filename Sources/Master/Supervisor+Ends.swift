// How workers and generations end: deaths, failure, return, time running out, stopping.

import Configuration
import Worker

extension Supervisor {
  mutating func ended(_ name: WorkerName, _ how: String) {
    guard let (place, seat) = find(name) else { return }
    let member = generations[place].members.remove(at: seat)
    guard !isStopping else { return }
    switch generations[place].phase {
    case .starting:
      actions.append(.note(.error, "worker \(member.index) \(how) before it was ready"))
      died(place, member, how)
      if generations[place].deaths >= Limits.probationDeaths {
        fail(place, "its workers keep dying: \(generations[place].lastDeath)")
      }
    case .serving(let since):
      let isExpected = member.state == .draining || member.state == .leaving
      if !isExpected {
        actions.append(.note(.error, "worker \(member.index) \(how)"))
        rebalance(place)
        let isOnProbation =
          canReturn && now - since < Limits.probationMilliseconds
        died(place, member, how)
        if isOnProbation && generations[place].deaths >= Limits.probationDeaths {
          fail(place, "its workers keep dying: \(generations[place].lastDeath)")
        }
      }
    case .draining, .withdrawn: break
    }
  }

  /// Whether there is a generation that could take over again. Of one that was inherited over an
  /// exec nothing can be started, so some of its workers must still be there to be called back.
  var canReturn: Bool {
    guard let previous, let old = generations.first(where: { $0.number == previous }) else {
      return false
    }
    return !old.isInherited || old.members.contains { $0.state == .draining }
  }

  /// Counts the death and plans the next start, unless a replacement is on its way already.
  mutating func died(_ place: Int, _ member: Member, _ how: String) {
    generations[place].deaths += 1
    if generations[place].lastDeath.isEmpty || how != "exited with code 1" {
      generations[place].lastDeath = "worker \(member.index) \(how)"
    }
    plan(place, member.index, lived: now - member.startedAt)
  }

  mutating func plan(_ place: Int, _ index: Int, lived: Int64) {
    guard !generations[place].isInherited,
      !generations[place].members.contains(where: {
        $0.index == index && $0.state != .draining && $0.state != .leaving
      })
    else { return }
    var delay = generations[place].backOffs[index, default: BackOff()].delay(afterLiving: lived)
    // While nobody serves at all, patience costs more than it saves.
    if generations[place].members.allSatisfy({ $0.state == .draining || $0.state == .leaving }) {
      delay = min(delay, Limits.backOffUrgentMilliseconds)
      for index in generations[place].respawns.keys {
        generations[place].respawns[index] = min(
          generations[place].respawns[index] ?? now, now + delay)
      }
    }
    if delay == 0 { spawn(place, index) } else { generations[place].respawns[index] = now + delay }
  }

  /// The generation is given up; the previous one takes over again if it still can.
  mutating func fail(_ place: Int, _ reason: String) {
    let number = generations[place].number
    let wasServing = current == number
    generations[place].phase = .withdrawn
    generations[place].respawns = [:]
    actions.append(.failed(generation: number, reason: reason))
    if wasServing {
      current = previous
      previous = nil
    }
    if let current, let old = generations.firstIndex(where: { $0.number == current }) {
      // Those of its workers that live go on until the ones that serve, or return, can take their
      // connections: a bad generation is no reason to cut anybody off.
      let limit = now + Limits.drainPatienceMilliseconds
      generations[place].drainingSince = now
      for seat in generations[place].members.indices {
        generations[place].members[seat].killAt = min(
          generations[place].members[seat].killAt ?? limit, limit)
      }
      if wasServing { resume(old) } else { drainLeft(into: old) }
      return
    }
    stopMembers(
      place, .quit(milliseconds: UInt32(Limits.withdrawnMilliseconds)),
      killAfter: Limits.withdrawnMilliseconds)
  }

  mutating func resume(_ place: Int) {
    generations[place].phase = .serving(since: now)
    slotCount = generations[place].slotCount
    for seat in generations[place].members.indices
    where generations[place].members[seat].state == .draining {
      let member = generations[place].members[seat]
      let heir = generations[place].members.first {
        $0.index == member.index && $0.name > member.name && $0.state != .leaving
      }
      // It was being replaced: it goes on leaving, to the one that is, or will be, in its place.
      if let heir {
        if !heir.isStarting { actions.append(.connect(from: member.name, to: heir.name)) }
        continue
      }
      generations[place].members[seat].state = .ready
      generations[place].members[seat].killAt = nil
      // Whoever performs it knows the epoch.
      actions.append(.order(name(place, seat), .resume(epoch: 0)))
    }
    rebalance(place)
    drainLeft(into: place)
    guard !generations[place].isInherited else { return }
    for index in 0..<generations[place].workers
    where !generations[place].members.contains(where: {
      $0.index == index && ($0.accepts || $0.isStarting)
    }) {
      spawn(place, index)
    }
  }

  /// A worker of the serving generation accepts: those of the others that were not told to leave
  /// yet, for want of somebody to take their connections, hand over and leave.
  mutating func drainLeft(into place: Int) {
    let successors = generations[place].members.filter { $0.accepts }
    guard !successors.isEmpty else { return }
    for other in generations.indices where generations[other].isLeaving {
      for seat in generations[other].members.indices where generations[other].members[seat].accepts
      {
        handOver(other, seat, to: successors)
      }
    }
  }

  /// Tells workers of a serving generation to take the slots of missing siblings, or to give them
  /// back; first who takes, then who leaves.
  mutating func rebalance(_ place: Int) {
    guard case .serving = generations[place].phase else { return }
    let assignment = generations[place].assignment()
    var leaves: [SupervisorAction] = []
    for seat in generations[place].members.indices {
      let member = generations[place].members[seat]
      guard let wanted = assignment[member.name] else { continue }
      let more = wanted.subtracting(member.serves).sorted()
      // A retiring worker goes on accepting until it is told to drain.
      let less = member.state == .retiring ? [] : member.serves.subtracting(wanted).sorted()
      if !more.isEmpty { actions.append(.serve(member.name, slots: more)) }
      if !less.isEmpty { leaves.append(.leave(member.name, slots: less)) }
      generations[place].members[seat].serves = wanted
    }
    actions += leaves
  }
}

extension Supervisor {
  mutating func tick() {
    for place in generations.indices {
      switch generations[place].phase {
      case .starting(let deadline) where now >= deadline:
        let late = generations[place].members.filter { !$0.accepts }.map { "\($0.index)" }
        fail(
          place,
          "not ready within \(Limits.readyMilliseconds / 1000) s "
            + "(waiting for worker \(late.sorted().joined(separator: ", ")))")
      case .draining(let deadline?) where now >= deadline:
        generations[place].phase = .draining(deadline: nil)
        actions.append(
          .note(.notice, "generation \(generations[place].number) has not drained in time"))
        stopMembers(place, .stop, killAfter: Limits.stopMilliseconds)
      case .serving(let since)
      where generations[place].number == current
        && now - since >= Limits.probationMilliseconds:
        previous = nil
        generations[place].deaths = 0
      case .starting, .draining, .serving, .withdrawn: break
      }
      killLate(place)
      for (index, due) in generations[place].respawns.sorted(by: { $0.key < $1.key })
      where due <= now { spawn(place, index) }
    }
  }

  mutating func killLate(_ place: Int) {
    for seat in generations[place].members.indices {
      if case .starting(let deadline) = generations[place].members[seat].state, now >= deadline {
        // Its end is reported by the kernel; until then it is not killed again.
        generations[place].members[seat].state = .starting(
          deadline: now + Limits.readyMilliseconds)
        actions.append(.note(.error, "worker is not ready in time, killing it"))
        actions.append(.kill(name(place, seat)))
      }
      if let killAt = generations[place].members[seat].killAt, now >= killAt {
        generations[place].members[seat].killAt = now + Limits.stopMilliseconds
        actions.append(.kill(name(place, seat)))
      }
    }
  }

  mutating func leave(_ order: WorkerOrder, killAfter: Int64?) {
    isStopping = true
    for place in generations.indices {
      generations[place].respawns = [:]
      stopMembers(place, order, killAfter: killAfter)
    }
  }

  mutating func stopMembers(_ place: Int, _ order: WorkerOrder, killAfter: Int64?) {
    for seat in generations[place].members.indices {
      generations[place].members[seat].state = .leaving
      if let killAfter {
        let killAt = now + killAfter
        generations[place].members[seat].killAt = min(
          generations[place].members[seat].killAt ?? killAt, killAt)
      }
      actions.append(.order(name(place, seat), order))
    }
  }

  mutating func dropEmptyGenerations() {
    for generation in generations where generation.members.isEmpty {
      let isKept: Bool
      switch generation.phase {
      case .draining: isKept = generation.number == previous && !isStopping
      case .starting, .serving: isKept = !isStopping
      case .withdrawn: isKept = false
      }
      if isKept { continue }
      generations.removeAll { $0.number == generation.number }
      actions.append(.gone(generation: generation.number))
    }
  }

  func find(_ name: WorkerName) -> (place: Int, seat: Int)? {
    for place in generations.indices {
      if let seat = generations[place].members.firstIndex(where: { $0.name == name }) {
        return (place, seat)
      }
    }
    return nil
  }

  func name(_ place: Int, _ seat: Int) -> WorkerName {
    generations[place].members[seat].name
  }
}
