// The life of an application's processes as a pure state machine: event in, actions out.

/// What happened.
package enum ProgramEvent: Equatable, Sendable {
  /// There is a session, and with it a socket to lend: perhaps the one that there was before.
  case opened(ServerAbilities, keepsSocket: Bool = false)
  case lost
  case started(Int32)
  case notStarted(String)
  /// The process is gone; the text says how, `isClean`: with code 0.
  case ended(Int32, String, isClean: Bool)
  /// A request waits, and no process accepts.
  case demand
  /// Somebody wants new processes.
  case recycle
  case statistics(QueueStatistics)
  /// Resident bytes by process.
  case memory([Int32: Int])
  case pinged(ProgramPing.Result)
  case changed(ProgramSettings)
  /// Time has passed.
  case tick
  /// The second time: at once.
  case stop
}

/// What to do about it, in this order.
package enum ProgramAction: Equatable, Sendable {
  case start
  /// SIGTERM to the process; SIGKILL to all of its group.
  case terminate(Int32)
  case kill(Int32)
  /// So many processes accept from the queue.
  case accept(Int)
  case offline
  case online
  case askStatistics
  case measureMemory
  case ping
  case giveBack
  /// The replacement that somebody asked for is done, or why it is not.
  case recycled(String?)
  case note(ProgramNote, String)
  /// No process is left after `stop`.
  case finished
}

/// The weight of what is told.
package enum ProgramNote: Equatable, Sendable { case info, notice, warn, error }

/// Keeps an application's processes running. Pure: it knows the time only from its events.
package struct ProgramMachine: Sendable {
  package enum Phase: Equatable, Sendable { case running, asleep, offline, stopping, finished }

  /// So many failures within so long a time, and nothing is started any more (as IIS has it).
  package static let failuresMax = 5
  package static let failureMilliseconds: Int64 = 300_000
  /// Whatever ends within so long a time is one failure: the cause is one.
  static let incidentMilliseconds: Int64 = 1_000
  /// Between a failure and the next start: twice as long after each, up to this.
  static let retryMilliseconds: Int64 = 1_000
  static let retryMillisecondsMax: Int64 = 4_000
  /// The same while others serve, after too many failures.
  static let retryRarelyMilliseconds: Int64 = 60_000
  /// So long a new process has lived before an old one is told to end for it, so that it accepts.
  package static let overlapMilliseconds: Int64 = 2_000
  static let restMilliseconds: Int64 = 2_000
  /// Between two attempts to find such a moment.
  static let restPauseMilliseconds: Int64 = 6_000
  static let restLookMilliseconds: Int64 = 100
  static let statisticsMilliseconds: Int64 = 1_000
  static let memoryMilliseconds: Int64 = 2_000

  package internal(set) var settings: ProgramSettings
  package internal(set) var phase = Phase.running
  /// How many processes were started in all.
  package internal(set) var startCount = 0
  var members: [ProgramMember] = []
  var abilities = ServerAbilities()
  var hasSession = false
  var wasOpened = false
  /// A request waited before the first session was there.
  private var isDemanded = false
  /// Starts whose outcome is not known yet.
  var starting = 0
  var retryAt: Int64 = 0
  /// When there was a failure: an end that nobody asked for, or several at once.
  var failures: [Int64] = []
  var rest: Rest?
  /// When the next moment without requests is looked for, and from when on without an end.
  var restAt: Int64 = 0
  var restLastAt: Int64?
  /// When a request was last answered while it stops.
  var drainedAt: Int64 = 0
  /// What the server was told last.
  var accepting = 0
  /// Replaced once more when it has been.
  var recyclesAgain = false
  /// Somebody is told when it has been.
  var awaitsRecycle = false
  var lastServed: Int?
  var lastBusyAt: Int64 = 0
  var statisticsAt: Int64 = 0
  var memoryAt: Int64 = 0
  var pingAt: Int64 = 0
  var isPinging = false
  var pingFailures = 0
  var pingLook = PingLook()
  /// When a request was last answered, or somebody was free for one, as far as is known.
  var lastProgressAt: Int64 = 0
  /// How many had failed by then.
  var progressFailed = 0
  var random: UInt64
  var now: Int64 = 0
  var actions: [ProgramAction] = []

  /// `seed`: of the jitter.
  package init(_ settings: ProgramSettings, seed: UInt64) {
    self.settings = settings
    random = seed
  }

  /// The processes that are to be there or still serve.
  package var processes: [Int32] {
    members.filter { $0.standing != .retired }.map(\.process)
  }
  /// All that have not ended.
  package var allProcesses: [Int32] { members.map(\.process) }

  /// The whole machine. `now`: monotonic milliseconds.
  package mutating func handle(_ event: ProgramEvent, now: Int64) -> [ProgramAction] {
    self.now = now
    actions = []
    switch event {
    case .opened(let abilities, let keepsSocket): opened(abilities, keepsSocket)
    case .lost: lost()
    case .started(let process): started(process)
    case .notStarted(let reason):
      starting -= 1
      failed("cannot start '\(settings.command.first ?? "")': \(reason)")
    case .ended(let process, let how, let isClean): ended(process, how, isClean)
    case .demand:
      isDemanded = !wasOpened
      wake()
    case .recycle:
      awaitsRecycle = true
      recycle("asked for", hangs: false)
    case .statistics(let statistics): take(statistics)
    case .memory(let sizes): take(sizes)
    case .pinged(let result): pinged(result)
    case .changed(let settings): changed(settings)
    case .tick: break
    case .stop: stop()
    }
    passTime()
    reconcile()
    tell()
    return actions
  }

  /// The next moment at which `tick` has something to do; nil: none.
  package var nextDeadline: Int64? {
    var deadlines = members.compactMap(\.killAt)
    if let rest { deadlines += [rest.until, rest.askAt] }
    guard phase == .running, hasSession else { return deadlines.min() }
    if fresh.count + starting < settings.processes { deadlines.append(retryAt) }
    let isReplacing = members.contains { $0.standing == .stale }
    if isReplacing, restAt > now { deadlines.append(restAt) }
    for member in fresh {
      let settledAt = member.startedAt + Self.overlapMilliseconds
      if isReplacing || awaitsRecycle {
        if settledAt > now { deadlines.append(settledAt) }
      } else if let age = member.ageMax {
        deadlines.append(max(settledAt, member.startedAt + age))
      }
    }
    if wantsStatistics { deadlines.append(statisticsAt) }
    if wantsMemory { deadlines.append(memoryAt) }
    if wantsPing, !isPinging { deadlines.append(pingAt) }
    // What waits for the end of a rest is not due before.
    if let rest { return max(deadlines.min() ?? now, min(rest.askAt, rest.until)) }
    return deadlines.min()
  }

  var queueLength: Int { settings.queueLength ?? ProgramSettings.queueLengthDefault }
  var fresh: [ProgramMember] { members.filter { $0.standing == .fresh } }
  var wantsStatistics: Bool {
    abilities.tellsStatistics && rest == nil && !fresh.isEmpty
      && (settings.recycleRequests != nil || settings.idleStopMilliseconds != nil)
  }
  var wantsMemory: Bool { settings.recycleMemoryBytes != nil && rest == nil && !fresh.isEmpty }
  var wantsPing: Bool {
    settings.ping != nil && abilities.canConnect && rest == nil && !fresh.isEmpty
  }

  mutating func note(_ weight: ProgramNote, _ text: String) { actions.append(.note(weight, text)) }

  /// About one, by at most a tenth: what was started together does not end together.
  mutating func jitter() -> Double {
    random &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (random ^ (random >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    mixed ^= mixed >> 31
    return 0.9 + 0.2 * Double(mixed >> 11) / Double(1 << 53 as UInt64)
  }
}

// MARK: - The session and the processes

extension ProgramMachine {
  private mutating func opened(_ abilities: ServerAbilities, _ keepsSocket: Bool) {
    self.abilities = abilities
    hasSession = true
    accepting = 0
    lastServed = nil
    rest = nil
    restLastAt = nil
    isPinging = false
    retryAt = now
    restart()
    if wasOpened {
      // Their socket is nobody's any more.
      for place in members.indices where members[place].standing == .fresh && !keepsSocket {
        members[place].standing = .stale
      }
      if phase == .offline { actions.append(.offline) }
      return
    }
    wasOpened = true
    if settings.isOnDemand, abilities.canWatch, !isDemanded { phase = .asleep }
    let isMissed =
      !abilities.canWatch && (settings.isOnDemand || settings.idleStopMilliseconds != nil)
      || !abilities.tellsStatistics && settings.recycleRequests != nil
      || !abilities.canConnect && settings.ping != nil
    if isMissed { note(.warn, "this server is too old for some of the options; they do nothing") }
  }

  /// What is measured begins anew.
  private mutating func restart() {
    lastBusyAt = now
    statisticsAt = now + Self.statisticsMilliseconds
    memoryAt = now + Self.memoryMilliseconds
    pingAt = now + (settings.ping?.intervalMilliseconds ?? 0)
    pingFailures = 0
    pingLook = PingLook()
    lastProgressAt = now
  }

  private mutating func lost() {
    guard hasSession else { return }
    hasSession = false
    let wasStopping = phase == .stopping && rest != nil
    rest = nil
    if wasStopping { retireAll() }
  }

  private mutating func started(_ process: Int32) {
    starting -= 1
    startCount += 1
    var member = ProgramMember(process: process, startedAt: now)
    let share = jitter()
    member.requestsMax = settings.recycleRequests.map { Double($0) * share }
    member.ageMax = settings.recycleAgeMilliseconds.map { Int64(Double($0) * share) }
    member.bytesMax = settings.recycleMemoryBytes.map { Int(Double($0) * share) }
    members.append(member)
    if phase != .running { retire(members.count - 1) }
  }

  private mutating func ended(_ process: Int32, _ how: String, _ isClean: Bool) {
    guard let place = members.firstIndex(where: { $0.process == process }) else { return }
    let member = members.remove(at: place)
    guard member.standing != .retired, phase == .running else { return }
    if member.standing == .stale { return }
    if isClean, now - member.startedAt >= Self.overlapMilliseconds {
      // Programs that end by themselves after so many requests mean no harm.
      note(.info, "process \(process) \(how); another one is started")
      return
    }
    let advice = isClean ? "; a program has to stay in the foreground" : ""
    failed("process \(process) \(how)\(advice)", after: now - member.startedAt)
  }

  /// `lived`: milliseconds; 0 for one that did not start.
  private mutating func failed(_ text: String, after lived: Int64 = 0) {
    note(.error, text)
    guard phase == .running else { return }
    noteFailure(after: lived)
  }

  /// One failure more, or one more process of the last one; the last one that is borne takes the
  /// application out of service, unless some processes of it serve.
  mutating func noteFailure(after lived: Int64 = 0) {
    failures = failures.filter { now - $0 < Self.failureMilliseconds }
    let isFurther = failures.last.map { now - $0 < Self.incidentMilliseconds } ?? false
    if !isFurther { failures.append(now) }
    let pause = Self.retryMilliseconds << Int64(max(0, failures.count - 2))
    // The first time at once: a crash is no reason to let requests wait.
    let isAtOnce = failures.count == 1 && (!isFurther || lived >= Self.overlapMilliseconds)
    retryAt = now + (isAtOnce ? 0 : min(pause, Self.retryMillisecondsMax))
    guard failures.count >= Self.failuresMax else { return }
    let limit = "\(Self.failuresMax) failures within \(Self.failureMilliseconds / 60_000) minutes"
    if members.contains(where: { $0.standing == .stale && !$0.hangs }) {
      failures = []
      keepOldOnes()
      note(.error, "\(limit): the processes are not replaced, those that ran before go on")
      endRecycle("\(limit): those that ran before go on")
      return
    }
    let healthy = fresh.count {
      !$0.hangs && now - $0.startedAt >= Self.overlapMilliseconds
    }
    if healthy > 0 {
      retryAt = now + Self.retryRarelyMilliseconds
      note(
        .error,
        "\(limit): the \(healthy) of \(settings.processes) processes that serve go on, others are"
          + " started again in \(Self.retryRarelyMilliseconds / 1_000) s")
      return
    }
    failures = []
    phase = .offline
    rest = nil
    recyclesAgain = false
    retireAll()
    actions.append(.offline)
    endRecycle("\(limit): it is offline")
    note(
      .error,
      "\(limit): '\(settings.queue)' is offline, requests for it are answered with 503; when it is"
        + " mended, 'ring3ctl recycle \(settings.queue)' starts it anew")
  }

  /// Tells a process to end.
  mutating func retire(_ place: Int) {
    guard members[place].standing != .retired else { return }
    members[place].standing = .retired
    let process = members[place].process
    if members[place].hangs {
      actions.append(.kill(process))
      return
    }
    members[place].killAt = now + settings.stopMilliseconds
    actions.append(.terminate(process))
  }

  mutating func retireAll() { for place in members.indices { retire(place) } }

  private mutating func stop() {
    if phase == .finished { return }
    if phase == .stopping {
      rest = nil
      return retireAll()
    }
    phase = .stopping
    recyclesAgain = false
    endRecycle("it is stopped")
    if hasSession { actions.append(.giveBack) }
    if hasSession, abilities.tellsStatistics, members.contains(where: { $0.standing != .retired }) {
      drainedAt = now
      rest = Rest(purpose: .stop, until: now + settings.stopMilliseconds, askAt: now)
    } else {
      rest = nil
      retireAll()
    }
  }

  mutating func wake() {
    if rest?.purpose == .sleep {
      rest = nil
      lastBusyAt = now
    }
    guard phase == .asleep else { return }
    phase = .running
    retryAt = now
    restart()
    note(.info, "a request waits: it is started")
  }
}
