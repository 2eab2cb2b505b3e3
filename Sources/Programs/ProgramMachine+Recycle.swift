// When processes are replaced, put to rest and counted.

extension ProgramMachine {
  /// A moment without requests is waited for: meanwhile they wait in the queue, so that not even a
  /// program that ends at once loses one.
  struct Rest: Equatable, Sendable {
    enum Purpose: Equatable, Sendable { case retire, sleep, stop }
    let purpose: Purpose
    let until: Int64
    var askAt: Int64
    /// Then it is over, whatever is still at work.
    var isLast = true
  }

  // MARK: Reasons

  mutating func recycle(_ reason: String, hangs: Bool) {
    switch phase {
    case .stopping, .finished: endRecycle("it is stopped")
    case .asleep:
      note(.info, "nothing runs that could be replaced")
      endRecycle(nil)
    case .offline:
      phase = .running
      failures = []
      retryAt = now
      lastBusyAt = now
      actions.append(.online)
      note(.notice, "it is started anew")
    case .running:
      if hangs {
        for place in members.indices where members[place].standing != .retired {
          members[place].hangs = true
        }
      } else {
        failures = []
        retryAt = min(retryAt, now)
      }
      if members.contains(where: { $0.standing == .stale }) {
        recyclesAgain = !hangs
        return
      }
      note(.notice, "the processes are replaced: \(reason)")
      for place in members.indices where members[place].standing == .fresh {
        members[place].standing = .stale
      }
    }
  }

  /// Whoever asked for the replacement is told what came of it.
  mutating func endRecycle(_ problem: String?) {
    guard awaitsRecycle else { return }
    awaitsRecycle = false
    actions.append(.recycled(problem))
  }

  /// Others are there, and the old ones have ended.
  private var isRecycled: Bool {
    fresh.count == members.count && fresh.count >= settings.processes && !recyclesAgain
      && fresh.allSatisfy { now - $0.startedAt >= Self.overlapMilliseconds }
  }

  mutating func changed(_ new: ProgramSettings) {
    let old = settings
    settings = new
    if phase == .asleep, !new.isOnDemand, new.idleStopMilliseconds == nil { wake() }
    for place in members.indices {
      let share = jitter()
      members[place].requestsMax = new.recycleRequests.map { Double($0) * share }
      members[place].ageMax = new.recycleAgeMilliseconds.map { Int64(Double($0) * share) }
      members[place].bytesMax = new.recycleMemoryBytes.map { Int(Double($0) * share) }
    }
    if phase == .offline || phase == .running && !new.startsAlike(old) {
      recycle("the configuration has changed", hangs: false)
    }
  }

  mutating func take(_ statistics: QueueStatistics) {
    lookForPing(statistics)
    let delta = max(0, statistics.served - (lastServed ?? statistics.served))
    if phase == .stopping, delta > 0, drainedAt < now { drainedAt = now }
    lastServed = statistics.served
    if delta > 0 || statistics.active > 0 || statistics.waiting > 0 { lastBusyAt = now }
    let count = fresh.count
    for place in members.indices where members[place].standing == .fresh {
      members[place].served += Double(delta) / Double(max(1, count))
      if let limit = members[place].requestsMax, members[place].served >= limit {
        outlive(place, "after \(Int(members[place].served)) requests")
      }
    }
    guard let rest else {
      if let idle = settings.idleStopMilliseconds, abilities.canWatch, phase == .running,
        now - lastBusyAt >= idle, members.allSatisfy({ $0.standing != .stale })
      {
        begin(.sleep)
      }
      return
    }
    switch rest.purpose {
    case .retire where statistics.active == 0: retireStale()
    case .retire where queueLength > 0 && 2 * statistics.waiting >= queueLength:
      // Rather a request that is broken off than many that are refused.
      if rest.isLast { retireStale() } else { restLater() }
    case .sleep where statistics.active == 0 && statistics.waiting == 0: fallAsleep()
    case .sleep where statistics.waiting > 0: self.rest = nil
    case .stop where statistics.active == 0 && statistics.waiting == 0:
      self.rest = nil
      retireAll()
    case .stop where statistics.waiting > 0 && now - drainedAt >= Self.restMilliseconds:
      // Nobody gets to them in time: they are answered that it is over.
      drainedAt = .max
      actions.append(.offline)
    default: break
    }
  }

  mutating func take(_ sizes: [Int32: Int]) {
    for place in members.indices where members[place].standing == .fresh {
      guard let limit = members[place].bytesMax, let size = sizes[members[place].process],
        size >= limit
      else { continue }
      outlive(place, "at \(size >> 20) MiB")
    }
  }

  /// One process has reached a limit: another one takes its place. One after the other, and none
  /// that has just been started: however low the limit is, there is at most one beside those that
  /// are to be there.
  private mutating func outlive(_ place: Int, _ reason: String) {
    guard phase == .running, members[place].standing == .fresh,
      now - members[place].startedAt >= Self.overlapMilliseconds,
      members.allSatisfy({ $0.standing != .stale })
    else { return }
    members[place].standing = .stale
    note(.info, "process \(members[place].process) is replaced \(reason)")
  }

  /// Those that were to be replaced go on; whatever came up of the new ones beside them ends.
  mutating func keepOldOnes() {
    for place in members.indices where members[place].standing == .stale {
      members[place].standing = .fresh
      members[place].startedAt = now
      members[place].served = 0
    }
    let surplus = fresh.count - settings.processes
    for place in members.indices.filter({ members[$0].standing == .fresh }).suffix(max(0, surplus))
    {
      members[place].standing = .stale
    }
    recyclesAgain = false
  }

  // MARK: Rest

  private mutating func begin(_ purpose: Rest.Purpose) {
    rest = Rest(purpose: purpose, until: now + Self.restMilliseconds, askAt: now)
    guard purpose == .retire else { return }
    // For a long request others are not held up at once: it is tried again and again before.
    let lastAt = restLastAt ?? now + settings.stopMilliseconds
    restLastAt = lastAt
    let isLast = lastAt <= now || !pausesQueue
    rest?.isLast = isLast
    if isLast {
      rest = Rest(purpose: purpose, until: now + settings.stopMilliseconds, askAt: now)
    }
  }

  /// Requests can wait for it; else the moment is only watched for.
  private var pausesQueue: Bool { queueLength > 0 }

  /// There was no such moment.
  private mutating func restLater() {
    rest = nil
    restAt = now + Self.restPauseMilliseconds
  }

  private mutating func retireStale() {
    rest = nil
    restLastAt = nil
    for place in members.indices where members[place].standing == .stale { retire(place) }
    guard recyclesAgain else { return }
    recyclesAgain = false
    recycle("asked for", hangs: false)
  }

  private mutating func fallAsleep() {
    rest = nil
    phase = .asleep
    endRecycle(nil)
    note(.info, "without a request for long enough: the processes end until one waits")
    retireAll()
  }

  // MARK: At each event

  mutating func passTime() {
    for place in members.indices {
      if let due = members[place].killAt, due <= now {
        members[place].killAt = nil
        actions.append(.kill(members[place].process))
        note(.warn, "process \(members[place].process) did not end in time and is killed")
      }
      if let age = members[place].ageMax, now - members[place].startedAt >= age, rest == nil {
        outlive(place, "after \(age / 1_000) s")
      }
    }
    guard let rest, rest.until <= now else { return }
    switch rest.purpose {
    case .retire: if rest.isLast { retireStale() } else { restLater() }
    case .sleep: self.rest = nil
    case .stop:
      self.rest = nil
      retireAll()
    }
  }

  /// As many processes as there are to be, and no old ones beside them.
  mutating func reconcile() {
    if phase == .stopping, members.isEmpty, starting == 0 {
      phase = .finished
      actions.append(.finished)
    }
    guard phase == .running, hasSession else { return }
    // What was to take the place of others has gone: those stay until it is there again.
    if rest?.purpose == .retire, fresh.count < settings.processes { rest = nil }
    let missing = settings.processes - fresh.count - starting
    if missing > 0, retryAt <= now {
      for _ in 0..<missing {
        starting += 1
        actions.append(.start)
      }
    } else if missing < 0 {
      var surplus = -missing
      for place in members.indices where surplus > 0 && members[place].standing == .fresh {
        members[place].standing = .stale
        surplus -= 1
      }
    }
    if awaitsRecycle, isRecycled { endRecycle(nil) }
    let stale = members.filter { $0.standing == .stale }
    if stale.isEmpty { restLastAt = nil }
    guard !stale.isEmpty, rest == nil, restAt <= now, fresh.count >= settings.processes,
      fresh.allSatisfy({ now - $0.startedAt >= Self.overlapMilliseconds })
    else { return }
    if !abilities.canRest || stale.allSatisfy(\.hangs) {
      retireStale()
    } else {
      begin(.retire)
    }
  }

  /// What the server is to hear, and what is to be measured, at the end of each turn.
  mutating func tell() {
    guard hasSession else { return }
    let alive = members.count { $0.standing != .retired }
    let isResting = rest.map { $0.purpose != .stop && pausesQueue } ?? false
    let count = isResting ? 0 : min(alive, settings.processes)
    if count != accepting {
      accepting = count
      actions.append(.accept(count))
    }
    if let due = rest?.askAt, due <= now {
      rest?.askAt = now + Self.restLookMilliseconds
      actions.append(.askStatistics)
    }
    guard phase == .running else { return }
    if wantsStatistics, statisticsAt <= now {
      statisticsAt = now + Self.statisticsMilliseconds
      actions.append(.askStatistics)
    }
    if wantsMemory, memoryAt <= now {
      memoryAt = now + Self.memoryMilliseconds
      actions.append(.measureMemory)
    }
    if wantsPing, !isPinging, pingAt <= now {
      isPinging = true
      pingLook = PingLook()
      if abilities.tellsStatistics { actions.append(.askStatistics) }
      actions.append(.ping)
    }
  }
}
