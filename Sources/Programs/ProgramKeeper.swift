// One application: its session, its processes, and its machine between them.

import Platform

/// What all applications of one process have in common.
struct ProgramSurroundings {
  let socketPath: String
  /// What programs find beside what their settings say.
  let environment: [String: String]
  let poller: Poller
  /// What programs write goes to the log by us: they do not get its file, which they could cut off.
  let takesOutput: Bool
  let log: (ProgramNote, String) -> Void
  let memory = ProgramMemory()

  /// What a program finds that runs as somebody else, of an environment that is not his.
  static func isForEverybody(_ name: String) -> Bool {
    ["PATH", "LANG", "TZ"].contains(name) || name.hasPrefix("LC_")
  }
}

final class ProgramKeeper {
  /// Before a prefix is asked for again that somebody else has.
  static let claimMilliseconds: Int64 = 1_000
  /// Between attempts to find the server: at first, and at most.
  static let openMilliseconds: ClosedRange<Int64> = 20...2_000
  private static let pingMillisecondsMax: Int64 = 30_000
  /// Of a token: what it is about.
  static let sessionKind: UInt64 = 1
  static let pingKind: UInt64 = 2
  static let outputKind: UInt64 = 3

  let serial: UInt64
  let surroundings: ProgramSurroundings
  private(set) var settings: ProgramSettings
  private(set) var machine: ProgramMachine
  var session: ServerSession?
  /// One that begins: it is not known yet whether it will be.
  var opening: ServerSession?
  /// Why the first one did not begin.
  var openFailure: SessionFailure?
  /// Raised when the server is told something on which its numbers depend; and as of when they were
  /// asked for.
  var turn: UInt64 = 0
  var statisticsTurn: UInt64?
  /// The socket that processes accept from, also while there is no session.
  var listener: Descriptor?
  var ping: HealthPing?
  private var output: ProgramOutput?
  /// Prefixes that somebody else had when they were asked for; asked for again.
  var unclaimed: [String] = []
  var claimAt: Int64 = .max
  var isClaiming = false
  /// When to open a session, while there is none.
  var openAt: Int64 = .max
  var openPause = openMilliseconds.lowerBound
  /// Why there is none, as it was told.
  var toldProblem = ""
  /// Nobody waits for its session.
  var startsAlone = false
  /// What the server knows of how the application is.
  var toldPhase: ProgramMachine.Phase?
  private(set) var isLeaving = false
  private var events: [ProgramEvent] = []
  private var isBusy = false

  init(_ settings: ProgramSettings, serial: UInt64, _ surroundings: ProgramSurroundings) {
    self.serial = serial
    self.settings = settings
    self.surroundings = surroundings
    let seed = UInt64(bitPattern: Clock.monotonicMicroseconds()) &+ serial
    machine = ProgramMachine(settings, seed: seed)
  }

  /// All that have not ended.
  var processes: [Int32] { machine.allProcesses }

  var isFinished: Bool { machine.phase == .finished && session == nil }

  var nextDeadline: Int64? {
    [
      machine.nextDeadline, ping?.deadline, session == nil ? openAt : nil,
      session?.nextDeadline, opening?.nextDeadline,
      unclaimed.isEmpty ? nil : claimAt,
    ].compactMap { $0 }.min()
  }

  /// "NAME TAB QUEUE TAB PHASE TAB STARTS TAB PID,PID"
  var report: String {
    let phase = session == nil && machine.phase != .finished ? "waiting" : "\(machine.phase)"
    let processes = machine.allProcesses.map { "\($0)" }.joined(separator: ",")
    return [settings.name, settings.queue, phase, "\(machine.startCount)", processes]
      .joined(separator: "\t")
  }

  // MARK: What happens

  func passTime(_ now: Int64) {
    if session == nil, openAt <= now { openAgain() }
    if let due = (session ?? opening)?.nextDeadline, due <= now { sessionIsReady() }
    if let ping, ping.deadline <= now {
      ping.deadline = now + pingPatience
      feed(.pinged(.late))
    }
    if claimAt <= now { claim() }
    feed(.tick)
  }

  func pingIsReady() {
    guard let ping else { return }
    switch ping.advance() {
    case .passed: pingEnded(.passed)
    case .failed(let reason): pingEnded(.failed(reason))
    case .waits:
      try? surroundings.poller.modify(
        ping.socket.number, token: token(Self.pingKind), interest: ping.interest)
    }
  }

  private var pingPatience: Int64 {
    min(settings.ping?.intervalMilliseconds ?? .max, Self.pingMillisecondsMax)
  }

  func endPing() {
    guard let ping else { return }
    surroundings.poller.remove(ping.socket.number)
    self.ping = nil
  }

  private func pingEnded(_ result: ProgramPing.Result) {
    guard ping != nil else { return }
    endPing()
    feed(.pinged(result))
  }

  /// False: the process is of another application.
  func ended(_ process: Int32, _ end: ProcessEnd) -> Bool {
    guard machine.allProcesses.contains(process) else { return false }
    feed(.ended(process, "\(end)", isClean: end == .exited(0)))
    return true
  }

  func recycle() { feed(.recycle) }

  /// Gives the URLs back and ends the processes; the second time at once.
  func stop() {
    isLeaving = true
    openAt = .max
    dropOpening()
    feed(.stop)
  }

  /// Gives back what it is not to have any more: before another application asks for it, and so it
  /// is waited for.
  func yieldPrefixes(to new: ProgramSettings) {
    let gone = settings.prefixes.filter { !new.prefixes.contains($0) && !unclaimed.contains($0) }
    unclaimed.removeAll { !new.prefixes.contains($0) }
    guard let session, !gone.isEmpty else { return }
    ask(["unregister"] + gone)
    do throws(SessionFailure) {
      try session.awaitAnswers()
    } catch {
      return sessionEnded()
    }
    // What came between answers is not announced by the socket any more.
    sessionIsReady()
  }

  /// Takes other settings for the same queue.
  func change(_ new: ProgramSettings) {
    let old = settings
    settings = new
    if opening != nil {
      // It asks for what is not wanted any more.
      dropOpening()
      openSoon()
    }
    if let session, old.queueWords != new.queueWords, session.abilities.hasQueueSettings {
      ask(["queue", new.queue] + new.queueWords)
    }
    unclaimed += new.prefixes.filter { !old.prefixes.contains($0) && !unclaimed.contains($0) }
    claim()
    feed(.changed(new))
  }

  func outputIsReady() {
    guard let output else { return }
    output.read { text in surroundings.log(.notice, "\(settings.name): \(text)") }
  }

  /// Where processes write to; nil: where we do.
  private func outputEnd() throws(SystemError) -> Descriptor? {
    guard surroundings.takesOutput else { return nil }
    if let output { return output.writeEnd }
    let fresh = try ProgramOutput()
    try surroundings.poller.add(
      fresh.readEnd.number, token: token(Self.outputKind), interest: .readable)
    output = fresh
    return fresh.writeEnd
  }

  // MARK: What is done

  /// Events that arise from doing something wait for their turn.
  func feed(_ event: ProgramEvent) {
    events.append(event)
    if isBusy { return }
    isBusy = true
    while !events.isEmpty {
      let event = events.removeFirst()
      for action in machine.handle(event, now: Clock.monotonicMilliseconds()) { perform(action) }
    }
    isBusy = false
    tellPhase()
  }

  /// Who asks the server for other processes learns what there is to be replaced.
  private func tellPhase() {
    guard let session, session.abilities.canBeTold, machine.phase != toldPhase,
      machine.phase != .finished
    else { return }
    toldPhase = machine.phase
    ask(["tell", settings.queue, "\(machine.phase)"])
  }

  private func perform(_ action: ProgramAction) {
    switch action {
    case .start: start()
    case .terminate(let process):
      ChildProcess.signal(process, ControlSignal.terminate.number)
    case .kill(let process): ChildProcess.signalGroup(process, SignalSource.kill)
    case .accept(let count):
      turn += 1
      if session?.abilities.countsProcesses == true {
        ask(["processes", settings.queue, "\(count)"])
      }
    case .offline: if session?.abilities.canBeOffline == true { ask(["offline", settings.queue]) }
    case .online: if session?.abilities.canBeOffline == true { ask(["online", settings.queue]) }
    case .askStatistics: askStatistics()
    case .measureMemory:
      feed(.memory(surroundings.memory.sizes(now: Clock.monotonicMilliseconds())))
    case .ping: startPing()
    case .giveBack:
      turn += 1
      ask(["unregister", "--all"])
    case .recycled(let problem):
      guard session?.abilities.canBeTold == true else { break }
      ask(["tell", settings.queue] + (problem.map { ["failed", $0] } ?? ["recycled"]))
    case .note(let weight, let text): log(weight, text)
    case .finished:
      closeWhenDone()
      outputIsReady()
      if let output { surroundings.poller.remove(output.readEnd.number) }
      output = nil
    }
  }

  private func start() {
    guard session != nil, let listener else {
      return feed(.notStarted("there is no socket to lend"))
    }
    do {
      feed(.started(try program().start(lending: listener)))
    } catch {
      feed(.notStarted("\(error)"))
    }
  }

  private func program() throws -> ProgramStart {
    var variables = surroundings.environment
    let identity = try settings.user.map {
      (user) throws(Privileges.UnknownName) in
      try Privileges.identity(user: user, group: settings.group)
    }
    if let identity {
      variables = variables.filter { ProgramSurroundings.isForEverybody($0.key) }
      variables["USER"] = identity.userName
      variables["LOGNAME"] = identity.userName
      variables["HOME"] = Privileges.home(ofUser: identity.user)
    }
    variables.merge(settings.environment) { $1 }
    let word = settings.command[0]
    guard let path = Executable.find(word, among: variables["PATH"]) else {
      throw SystemError(code: SystemError.notFound, operation: "run", subject: word)
    }
    var program = ProgramStart(
      path: path, arguments: Array(settings.command.dropFirst()), environment: variables)
    program.directory = settings.directory
    program.identity = identity
    program.output = try outputEnd()
    return program
  }

  private func startPing() {
    // One that was given up.
    endPing()
    session?.send(["connect", settings.queue]) { [self] outcome in
      guard case .success(let answer) = outcome, let socket = answer.descriptor else {
        return feed(.pinged(.unanswered("the server connects to no process")))
      }
      startPing(over: socket)
    }
  }

  private func startPing(over socket: Descriptor) {
    guard let settings = settings.ping else { return feed(.pinged(.passed)) }
    let ping = HealthPing(
      socket, path: settings.path, deadline: Clock.monotonicMilliseconds() + pingPatience)
    self.ping = ping
    do throws(SystemError) {
      try surroundings.poller.add(
        socket.number, token: token(Self.pingKind), interest: ping.interest)
    } catch {
      pingEnded(.unanswered("\(error)"))
    }
  }

  func token(_ kind: UInt64) -> UInt64 { serial << 8 | kind }

  func log(_ weight: ProgramNote, _ text: String) {
    surroundings.log(
      weight, settings.name.isEmpty ? text : "application '\(settings.name)': \(text)")
  }
}
