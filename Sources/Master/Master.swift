// The master's state, its loop, and where its events come from.

import Cache
import Configuration
import Platform
import TLS
import Worker

/// What the master knows of one worker process; the supervisor decides, this is what it acts on.
struct WorkerRecord {
  let name: WorkerName
  let generation: UInt32
  let index: Int
  let processSlot: Int
  /// From before an exec in place: its heartbeat is not visible.
  let isInherited: Bool
  var process: Int32
  let control: MessageSocket
  /// Of the last snapshot of the namespace that it has taken.
  var namespaceGeneration: UInt64 = 0
  /// Orders that the worker has not had room for yet.
  var outbox: [(bytes: [UInt8], descriptors: [Descriptor])] = []
}

/// What the master keeps of a generation until its last process is gone.
struct GenerationRecord {
  let model: Model
  /// What its processes may read.
  let readablePaths: [[UInt8]]
  var logs: LogFiles
  /// Listeners that start to listen when it serves.
  var fresh: [UInt32]
  /// Before an exec in place the previous model is not known: nil.
  let difference: ModelDifference?
  var epoch: UInt32
  let warnings: [String]
  /// nil: no site is encrypted.
  var certificates: CertificateSet?
  let startedAt: Int64
  var openedAt: Int64?

  var addresses: [SocketAddress] { model.listens.map { $0.address } }
}

/// What an event of the poller is about; the low bits carry a serial number.
enum Token {
  static let signals: UInt64 = 1
  static let controlListener: UInt64 = 2
  static let upgradeCheck: UInt64 = 3
  static let stapleFetcher: UInt64 = 4
  static let demand: UInt64 = 5
  static let applications: UInt64 = 6
  private static let kindShift: UInt64 = 56
  static func worker(_ name: WorkerName) -> UInt64 { 1 << kindShift | UInt64(name.serial) }
  static func client(_ serial: UInt64) -> UInt64 { 2 << kindShift | serial }
  static func kind(_ token: UInt64) -> UInt64 { token >> kindShift }
  static func serial(_ token: UInt64) -> UInt64 { token & (1 << kindShift - 1) }
}

/// The master process (DESIGN 2). One thread; nothing here reads a client's bytes.
final class Master {
  let arguments: MasterArguments
  let rooms: MasterRooms
  let startedAt = Clock.monotonicMilliseconds()
  let poller: Poller
  let signals: SignalSource
  let scoreboard: Scoreboard
  /// nil where descriptors are too few; then requests for one response are not collapsed. Not
  /// handed to the next image: what is in flight there ends there.
  let flights: CacheFlights?
  /// By which workers wake each other; nil where descriptors are too few.
  let wakers: ProcessWakers?
  /// Request queues of applications.
  var queueBoard: QueueBoard?
  var log: ErrorLog
  var cache: CacheStore?
  /// Segments of earlier masters or sizes that somebody still maps: they hear of invalidations.
  var elderCaches: [CacheElder] = []
  var eldersLookedAt: Int64 = 0
  /// From another image, until a configuration says how large it is to be.
  var inheritedCache: Descriptor?
  var isCacheSettled = false
  /// How the cache came to be, until the log is told.
  var openedCache: (opening: CacheOpening, wish: HugePagesWish)?
  /// `CachePersist` of the generation that served last.
  var persistsCache = true
  /// See CertificateWatch.
  var ticketKeys: TLSTicketKeys?
  var ticketRegion: SharedRegion?
  var certificatesLookedAt: Int64 = 0
  /// When the log was told that a certificate ends soon, by its fingerprint, and the last look.
  var expiryToldAt: [[UInt8]: Int64] = [:]
  var expiryLookedAt: Int64?
  /// By the fingerprint of the certificate; see Staples.
  var staples: [[UInt8]: Staple] = [:]
  /// What workers are forked with.
  let shownStaples = TLSStaples()
  var namedCertificates = NamedCertificates()
  /// nil until a generation wants it.
  var stapleSeat: StapleSeat?
  /// What the log was told last of a certificate that a client named, and when (monotonic
  /// milliseconds).
  var toldCertificate: (text: String, at: Int64)?
  var pidFile: LockedFile?
  var supervisor = Supervisor()
  var reload = ReloadMachine()
  /// A reload waits for the oldest generation, at the latest until then.
  var launchDelayedUntil: Int64?
  var listeners = ListenerTable()
  var helpers = HelperPool()
  /// nil until a generation wants it.
  var watcher: WatcherSeat?
  /// nil until a generation passes requests on.
  var upstreams: UpstreamSeat?
  /// What the configuration wants to be run: see Applications.
  var applications = ApplicationSeat()
  var sandbox: SandboxSeat
  /// The routing epoch of workers from before an exec in place, if they have to serve again.
  var inheritedEpoch: UInt32 = 0
  var generations: [UInt32: GenerationRecord] = [:]
  var workers: [WorkerName: WorkerRecord] = [:]
  var slotsInUse: Set<Int> = []
  /// Workers that ended a moment ago, and until when that counts.
  var endedWorkers: [(process: Int32, until: Int64)] = []
  /// nil: keep the identity the server was started with.
  var identity: Identity?
  var control: ControlServer?
  /// Who owns which URLs: see MasterNamespace.
  var namespace = NamespaceSeat()
  /// Long work for clients, by their serial numbers: see ControlJobs.
  var jobs: [UInt64: any ControlJob] = [:]
  var upgrade: UpgradeCheck?
  /// Sockets of removed addresses and when they end.
  var retiring: [(identifiers: Set<UInt32>, at: Int64)] = []
  /// Clients that wait for the end of the server.
  var stopWaiters: [UInt64] = []
  /// A daemon: children leave the terminal too, and do not hold the pipe on which the parent waits.
  var daemonPipe: Descriptor?
  var hasServed = false
  /// Orders were held up by the kernel's limit of descriptors on their way.
  var retryOrdersAt: Int64?
  var startFailure: String?
  private var isFinished = false
  private var isDispatching = false
  private var queue: [SupervisorEvent] = []
  private var heartbeats = HeartbeatClock()

  init(arguments: MasterArguments, rooms: MasterRooms) throws(SystemError) {
    self.arguments = arguments
    self.rooms = rooms
    poller = try Poller()
    signals = try SignalSource()
    scoreboard = try Scoreboard()
    wakers =
      Privileges.raiseDescriptorLimit() < UInt64(Limits.descriptorsForFlights)
      ? nil : try? ProcessWakers(slotCount: Limits.processSlots)
    flights = wakers.flatMap { try? CacheFlights(wakers: $0) }
    queueBoard = try? QueueBoard(wakers: wakers)
    sandbox = try SandboxSeat()
    log = ErrorLog(descriptor: try Descriptor.duplicate(of: 2), level: .notice)
    try poller.add(signals.descriptor.number, token: Token.signals, interest: .readable)
    if let demand = queueBoard?.masterDescriptor {
      try poller.add(demand.number, token: Token.demand, interest: .readable)
    }
  }

  /// The serving generation's record.
  var currentRecord: GenerationRecord? { supervisor.current.flatMap { generations[$0] } }
  /// The serving generation's model; nil only before the first and after an exec in place.
  var currentModel: Model? { currentRecord?.model }

  /// Runs until no process is left; returns the exit code.
  func run() -> Int32 {
    reapChildren()
    while !isFinished {
      let count = poller.wait(timeoutMilliseconds: timeout())
      for index in 0..<count {
        let event = poller.event(index)
        handle(event.token, event.readiness)
      }
      passTime()
      workOnJobs()
    }
    finish()
    return startFailure == nil ? 0 : 1
  }

  private func timeout() -> Int32 {
    if hasReadyJobs { return 0 }
    let now = Clock.monotonicMilliseconds()
    var deadlines = retiring.map { $0.at } + helpers.blocks.compactMap { $0.respawnAt }
    if let deadline = supervisor.nextDeadline { deadlines.append(deadline) }
    if let deadline = namespaceDeadline { deadlines.append(deadline) }
    if let deadline = launchDelayedUntil { deadlines.append(deadline) }
    if let deadline = watcher?.respawnAt { deadlines.append(deadline) }
    if let deadline = applications.killAt { deadlines.append(deadline) }
    if let deadline = upstreams?.tendAt { deadlines.append(deadline) }
    if let deadline = retryOrdersAt { deadlines.append(deadline) }
    if let deadline = control?.nextDeadline { deadlines.append(deadline) }
    // Heartbeats are looked at once a second.
    return Int32(max(0, min((deadlines.min() ?? now + 1_000) - now, 1_000)))
  }

  private func handle(_ token: UInt64, _ readiness: Readiness) {
    switch (token, Token.kind(token)) {
    case (Token.signals, _): readSignals()
    case (Token.controlListener, _): acceptClients()
    case (Token.upgradeCheck, _): readUpgradeCheck()
    case (Token.stapleFetcher, _): readStaples()
    case (Token.demand, _): takeDemands()
    case (Token.applications, _): readApplications()
    case (_, 1):
      let name = WorkerName(serial: UInt32(Token.serial(token)))
      if readiness.contains(.writable) { flushOrders(name) }
      readReports(name)
    case (_, 2): serveClient(Token.serial(token))
    default: break
    }
  }

  private func readSignals() {
    while let signal = signals.next() {
      switch signal {
      case .child: reapChildren()
      case .hangUp: request(reloadFor: .signal)
      case .user1: reopenLogs()
      case .user2:
        if let problem = startUpgrade(client: nil) {
          log.write(.error, "cannot upgrade: \(problem)")
        }
      case .quit: stop(graceful: true)
      case .terminate, .interrupt: stop(graceful: false)
      }
    }
  }

  private func passTime() {
    let now = Clock.monotonicMilliseconds()
    dispatch(.tick)
    if heartbeats.mayJudge(now: now) { checkHeartbeats(now) }
    for due in retiring where due.at <= now { listeners.end(due.identifiers) }
    retiring.removeAll { $0.at <= now }
    for place in helpers.blocks.indices {
      if let due = helpers.blocks[place].respawnAt, due <= now { startHelpers(place) }
    }
    tendWatcher()
    tendApplications(now)
    if applications.killAt != nil { allProcessesEnded() }
    tendCertificates(now)
    if let due = upstreams?.tendAt, due <= now { tendUpstreams(now) }
    tellReportedCalls()
    if let due = retryOrdersAt, due <= now {
      retryOrdersAt = nil
      for name in workers.keys { flushOrders(name) }
    }
    expireClients(now)
    endSessions()
    sampleQueues(now)
    tendAwaited(now)
    publishNamespace()
    answerTold(now)
    sendCacheOrders(now)
    keepQueues(now)
    dropEndedElders(now)
    if launchDelayedUntil != nil {
      if reload.isReloading { loadWhenThereIsRoom() } else { launchDelayedUntil = nil }
    }
  }

  private func checkHeartbeats(_ now: Int64) {
    for record in workers.values where !record.isInherited {
      let beat = scoreboard.heartbeat(slot: record.processSlot)
      guard beat > 0, now - beat > Limits.heartbeatMilliseconds,
        let member = supervisor.member(record.name)?.member
      else { continue }
      if case .starting = member.state { continue }
      log.write(.error, "worker \(record.index) (pid \(record.process)) shows no sign of life")
      dispatch(.stalled(record.name))
    }
  }

  /// Feeds an event to the supervisor and does what it says. Events that arise from doing it wait
  /// for their turn.
  func dispatch(_ event: SupervisorEvent) {
    queue.append(event)
    if isDispatching { return }
    isDispatching = true
    while !queue.isEmpty {
      let event = queue.removeFirst()
      for action in supervisor.handle(event, now: Clock.monotonicMilliseconds()) {
        perform(action)
      }
    }
    isDispatching = false
  }

  /// Ends everything. A second request that is less patient wins.
  func stop(graceful: Bool) {
    if !supervisor.isStopping {
      ServiceManager.stopping()
      log.write(.notice, graceful ? "graceful stop" : "stop")
      answer(reload.abandoned("the server is stopping"))
      // Nobody accepts any more: clients are to be refused, not to wait.
      let all = Set(listeners.entries.map { $0.identifier })
      retiring.append((all, Clock.monotonicMilliseconds() + Limits.retireMilliseconds))
    }
    let milliseconds = currentModel?.server.gracefulShutdownTimeoutMilliseconds ?? 0
    dispatch(graceful ? .quit(milliseconds: milliseconds) : .stop)
  }

  /// No worker is left; the applications end behind them.
  func allProcessesEnded() { isFinished = endApplications(Clock.monotonicMilliseconds()) }

  private func finish() {
    // Not waited for: one that waits for a disk would keep us, and the pid file, for as long.
    for process in helpers.blocks.flatMap({ $0.processes })
      + [watcher?.process, stapleSeat?.process].compactMap({ $0 })
      + (upstreams?.processes ?? [])
    {
      ChildProcess.signal(process, SignalSource.kill)
    }
    let outcome = startFailure.map { ControlAnswer.failure($0) } ?? .success("stopped\n")
    for client in stopWaiters { control?.answer(client, outcome) }
    forgetAllKept()
    closeCache()
    wipeTicketKeys()
    control?.removeSocketFile()
    pidFile?.remove()
    for lock in namespace.locks.values { lock.remove() }
    if hasServed { log.write(.notice, "stopped") }
  }
}
