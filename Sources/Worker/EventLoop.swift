// The worker's one loop: wait, hand each event to its connection, look at the clock.

import Cache
import Configuration
import HTTP
import Namespace
import HTTP2
import Platform
import TLS

/// Everything a worker is. Single-threaded: no method waits for anything but `Poller.wait`.
///
/// The extensions hold one task each: +Accept, +Input (receive and parse), +Hit (answer from shared
/// memory), +Exchange (everything else), +Output (what could not be sent at once), +Handover,
/// +Orders (what the master says), +Deadlines.
final class EventLoop {
  let heritage: Heritage
  let model: Model
  let poller: Poller
  let cache: CacheStore?
  let scoreboard: Scoreboard
  let slot: Int
  let control: MessageSocket
  let files: HelperClient?
  let errorLog: ErrorLog
  /// By site: its own `ErrorLog` and `LogLevel`, or the server's.
  private(set) var siteErrorLogs: [ErrorLog] = []
  var accessLogs: AccessLogs
  let prefixes: ResponsePrefixes
  let policies: [SitePolicy]
  let fileTable: OpenFileTable
  /// Of the server's table of media types.
  let mediaFingerprint: UInt64

  /// All local addresses, in the order of the heritage.
  let listeners: [LocalListener]
  /// Whether the virtual hosts tell the local addresses of one wildcard listener apart.
  let needsLocalAddress: Bool
  /// Identifiers of the listeners that are accepted on.
  var served: Set<UInt32> = []

  /// Indexed by descriptor.
  let connections = ObjectTable<Connection>()
  /// Monotonic milliseconds, indexed by descriptor; `Int64.max` for none. Flat, so that looking at
  /// ten thousand of them is a walk over 80 KB a few times a second and setting one is a store.
  let deadlines = IntegerTable()
  var openCount = 0
  /// Connections to applications, indexed by descriptor as `connections`.
  let upstreams = ObjectTable<UpstreamConnection>()
  /// Indexed by member.
  let pools: [UpstreamPool]
  /// Indexed by balancer.
  let balancers: [BalancerTraits]
  /// Chooses members and remembers how they do; nil when there are none.
  let balancing: Upstreams?
  /// Who fetches what, over all workers.
  let flights: CacheFlights?
  /// Something may be left to do at the end of the batch, in one of the lists that set this.
  var hasWork = false
  /// Members with room for requests that wait for it.
  var membersWithRoom: [Int] = [] { didSet { hasWork = true } }
  /// Requests that wait for somebody else's fetch, by what they wait for.
  var flightWaiters = FlightWaiters()
  /// Flights that were over before anybody could be woken for them.
  var flightsOver: [FlightTicket] = [] { didSet { hasWork = true } }
  /// Requests that wait in this process for applications, by their queues' places.
  var waitingRequests: [Int: WaitingRequests] = [:]
  /// Queues that a request may be let go of.
  var queuesWithRoom: Set<Int> = [] { didSet { hasWork = true } }
  /// Requests whose connections are to be given to applications at the end of the batch.
  var handOffs: [Forwarding] = [] { didSet { hasWork = true } }
  /// Until then this process takes no credits: it has no descriptors for more connections.
  var queuePauseEnd: Int64 = 0
  var lastQueue: LastQueue?
  var lastTicket: UInt64 = 0
  /// Connections of which a part of the PROXY protocol has come.
  var awaitingHeader: [UInt64] = []
  let collections = CollectionBudget()
  /// Requests for Unix sockets whose queue was full.
  var knocking: [Forwarding] = []
  /// Over all pending outputs: see `Limits.copiedBytesMax`.
  var copiedBytes = 0
  var nextSerial: UInt32 = 1
  /// Descriptors with work left over from the last turn: bounded work a turn keeps the loop fair.
  var runnable: [UInt64] = [] { didSet { hasWork = true } }

  /// Of all HTTP/2 connections, in no order.
  var streams: ContiguousArray<MultiplexedStream?> = []
  /// Places in `streams` that are free.
  var freeStreams: ContiguousArray<Int> = []

  /// nil when nothing is encrypted.
  let certificates: CertificateStore?
  var handshakes = Handshakes()

  /// Received bytes of the connection at hand; empty between events.
  let scratch = ByteBuffer(capacity: Limits.receiveBytes)
  /// The key being looked up.
  let key = ByteBuffer(capacity: Limits.keyBytesMax)
  /// Of the key under which nothing was found for the request at hand.
  var absentHash: UInt64?
  /// Small per-request pieces of a head.
  let extra = ByteBuffer(capacity: Limits.extraHeadBytesMax)
  let gathered = OutputVector()
  /// Frames of HTTP/2, between the session and the socket.
  let frames = ByteBuffer(capacity: Limits.framesBytes)
  /// What sessions of TLS need only while they are worked on.
  lazy var tlsWorkspace = TLSWorkspace()
  /// What sessions of HTTP/2 need only while they are worked on.
  lazy var workspace = HTTP2Workspace(responseHeadBytesMax: Limits.responseHeadBytesMax)
  var parser: RequestParser
  let headSlot = RequestHeadSlot()
  var lastHost: RequestedHost?
  var routes = RouteMemory()
  /// A URL gets one with its second plain answer.
  var plans = RecurringTable<PlainPlan>(placeCount: PlainPlan.countMax)
  let passes = PlainPassPool()
  let plainAnswer = ReceivedResponseSlot()
  /// Bytes of the application at hand; empty between events.
  let received = ByteBuffer(capacity: Limits.receiveBytes)
  let forwardings = ForwardingPool()
  var wayTexts = WayTexts()
  /// Of what applications put into the cache.
  let responseParser = ResponseParser()
  let cacheStatusLines = CacheStatusLines()
  /// The head of the response being relayed, until it has left.
  var relayHead = ByteBuffer(capacity: Limits.relayHeadBytesMax)
  let lineEnd = ByteBuffer(holding: [0x0d, 0x0a])
  let lastChunk = ByteBuffer(holding: Array("0\r\n\r\n".utf8))
  let dates = DateTexts()

  /// Counts the batches of events.
  private(set) var turn: UInt64 = 0
  /// Whether the present batch holds everything that there was.
  private(set) var hasToldAll = true
  /// Monotonic milliseconds of the present batch.
  var now: Int64 = 0
  /// CLOCK_BOOTTIME of the present batch, as `ValidatedWord` counts.
  var bootTicks: UInt64 = 0
  /// `CacheStaticRevalidate`, as `ValidatedWord` counts.
  let revalidateTicks: UInt64
  /// The routing epoch of this process's model, and the same as `ValidatedWord` holds it.
  private(set) var routingEpoch: UInt32
  /// nil: nothing is reserved or registered.
  var namespace: NamespaceSnapshot?
  var namespaceIsUnknown = false
  let claims = ClaimMemory()
  var missedOrders = MissedOrders()
  private(set) var ownEpoch: UInt64
  var nextTick: Int64 = 0
  var nextFlush: Int64 = 0
  var acceptedCount: UInt64 = 0
  /// Left while no descriptors are to be had.
  var pausedListeners: [UInt32] = []
  /// Connections get descriptors below this number; the rest is for files and channels.
  let descriptorMax = max(
    64, Int(clamping: Privileges.raiseDescriptorLimit()) - Limits.reservedDescriptors)
  /// Accepting is suspended until then because descriptors ran out.
  var acceptResumesAt: Int64 = 0
  let handover = HandoverState()
  /// Who waits for which request to the helpers.
  var helperWaiters: [UInt64: UInt64] = [:]
  var helperInterest: Interest = .readable
  /// Connections whose file changed an instant ago.
  var settling: [UInt64] = []
  lazy var compressions = CompressionLedger()
  /// `MaxConnectionsPerChild` was reported.
  var retiring = false
  var exitCode: Int32?

  init(_ heritage: Heritage) throws(SystemError) {
    self.heritage = heritage
    model = heritage.model
    poller = try Poller()
    cache = heritage.cache
    scoreboard = heritage.scoreboard
    slot = heritage.processSlot
    control = MessageSocket(heritage.control)
    files = heritage.fileHelper.map { HelperClient(MessageSocket($0)) }
    errorLog = ErrorLog(descriptor: heritage.errorLog, level: heritage.model.sites[0].logLevel)
    accessLogs = AccessLogs(heritage.model, heritage.logs)
    prefixes = ResponsePrefixes(server: heritage.model.serverField)
    policies = heritage.model.sites.map(SitePolicy.init)
    fileTable = OpenFileTable(
      capacity: Limits.openFilesMax,
      revalidateMilliseconds: heritage.model.server.cacheStaticRevalidateMilliseconds)
    mediaFingerprint = heritage.model.mediaFingerprint
    let model = heritage.model
    listeners = heritage.listeners.map { listener in
      LocalListener(
        identifier: listener.identifier, address: listener.address,
        descriptor: listener.descriptor,
        keyPrefix: CacheKeys.prefix(local: listener.address, model: model),
        takesClearTextHTTP2: model.takesClearTextHTTP2(local: listener.address),
        isEncrypted: model.isEncrypted(local: listener.address),
        remoteIP: model.remoteIP(local: listener.address))
    }
    needsLocalAddress = model.tellsLocalAddressesApart
    balancing = heritage.upstreams.map {
      Upstreams(model, $0, processSlot: heritage.processSlot)
    }
    flights = heritage.flights
    pools = model.proxyMembers.map(UpstreamPool.init)
    balancers = model.proxyBalancers.map { BalancerTraits($0, model.proxyMembers) }
    certificates = heritage.tls.map { CertificateStore($0, heritage.model) }
    parser = RequestParser(limits: RequestLimits(of: heritage.model.sites[0]))
    revalidateTicks = UInt64(
      max(
        0,
        heritage.model.server.cacheStaticRevalidateMilliseconds
          / ValidatedWord.millisecondsPerTick))
    routingEpoch = heritage.routingEpoch
    ownEpoch = UInt64(heritage.routingEpoch) & ValidatedWord.epochMask
    siteErrorLogs = siteLogs()
    if let file = heritage.namespace { takeNamespace(file) }
    readClocks()
  }

  /// The error log of the connection's site: its last request's, or the server's before one.
  func log(of stream: RequestStream) -> ErrorLog { siteErrorLogs[stream.site] }

  private func siteLogs() -> [ErrorLog] {
    model.sites.map { site in
      let own = heritage.logs.first { $0.path == site.errorLog }
      return ErrorLog(
        descriptor: own?.descriptor ?? errorLog.descriptor, level: site.logLevel)
    }
  }

  /// After rotation: the error log, then one for each of `Heritage.logs`. The numbers stay and
  /// stand for the new files, so nothing in this process keeps an old one, and its blocks, alive.
  func reopenLogs(_ descriptors: [Descriptor]) {
    let own = [heritage.errorLog] + heritage.logs.map(\.descriptor)
    guard descriptors.count == own.count else { return }
    accessLogs.flush()
    for (old, new) in zip(own, descriptors) {
      do throws(SystemError) {
        try old.become(new)
      } catch {
        errorLog.write(.error, "reopening a log: \(error)")
      }
    }
  }

  private func readClocks() {
    let before = now
    now = Clock.monotonicMilliseconds()
    // The other two count in larger steps, and under load many batches have the same millisecond.
    guard now != before else { return }
    bootTicks = UInt64(Clock.bootMilliseconds() / ValidatedWord.millisecondsPerTick)
    prefixes.advance(to: Clock.realSeconds())
  }

  /// A reload failed and the master raised the epoch for our routing. The segment may be ahead of
  /// it already, of another generation: its epoch is not ours to take.
  /// Nothing that is stored is believed without being routed again, by a process that may not say
  /// so in the cache: it is of a generation that others have followed.
  func distrustCache() { ownEpoch = .max }

  func adopt(epoch: UInt32) {
    guard cache != nil else { return }
    routingEpoch = epoch
    ownEpoch = UInt64(routingEpoch) & ValidatedWord.epochMask
  }

  /// Serves until told to leave; returns the exit code.
  func run() -> Int32 {
    scoreboard.beat(slot: slot, now: now)
    while exitCode == nil {
      let count = poller.wait(timeoutMilliseconds: timeout())
      turn &+= 1
      hasToldAll = count < poller.batchMax
      readClocks()
      if !pools.isEmpty {
        for index in 0..<count {
          let token = poller.event(index).token
          if token & Token.upstreamBits == Token.upstreamBits { dropIfIdle(token) }
        }
      }
      for index in 0..<count where exitCode == nil {
        let (token, readiness) = poller.event(index)
        dispatch(token, readiness)
      }
      if hasWork { finishBatch() }
      if now >= nextTick { tick() }
    }
    accessLogs.flush()
    return exitCode ?? 0
  }

  private func timeout() -> Int32 {
    hasWork ? 0 : Int32(clamping: max(0, nextTick - now))
  }

  private func finishBatch() {
    resumeRunnable()
    if !flightsOver.isEmpty { resumeFlights() }
    if !membersWithRoom.isEmpty { takeUpQueued() }
    if !queuesWithRoom.isEmpty { takeUpQueues() }
    if !handOffs.isEmpty { performHandOffs() }
    hasWork =
      !(runnable.isEmpty && flightsOver.isEmpty && membersWithRoom.isEmpty
      && queuesWithRoom.isEmpty && handOffs.isEmpty)
  }

  private func dispatch(_ token: UInt64, _ readiness: Readiness) {
    guard token & Token.specialBit == 0 else {
      if token & Token.streamBit != 0 { return dispatchUpstream(token, readiness) }
      return dispatchSpecial(token, readiness)
    }
    let descriptor = Int(truncatingIfNeeded: token & 0xffff_ffff)
    guard descriptor < connections.count, let connection = connections[descriptor],
      connection.token == token
    else { return }  // closed earlier in this batch
    // Out of epoll: it waits to be handed over, and a token left from before must not wake it.
    guard !connection.isLeaving else { return }
    connection.security?.isQueued = false
    if let pass = connection.plainPass { unfold(pass) }
    guard !connection.awaitsProxyHeader || takeProxyHeader(connection) else { return }
    switch connection.state.phase {
    case .handshake:
      // It waits for a certificate; only a broken connection needs no more waiting.
      if connection.interest.isEmpty {
        if !readiness.isDisjoint(with: .broken) {
          perform(connection.state.broken(), on: connection)
        }
        return
      }
      continueHandshake(connection)
    case .multiplexed: continueHTTP2(connection, readiness)
    case .relaying: continueRelay(connection, readiness)
    case .sending:
      if let exchange = connection.exchange, case .output = exchange.waiting {
        // A helper is busy for it; only a broken connection needs no more waiting.
        if !readiness.isDisjoint(with: .broken) {
          perform(connection.state.broken(), on: connection)
        }
        return
      }
      continueOutput(connection)
    case .lingering where connection.interest == .writable: continueDeparture(connection)
    default:
      receive(connection)
    }
  }

  private func dispatchSpecial(_ token: UInt64, _ readiness: Readiness) {
    let index = Int(truncatingIfNeeded: token & 0xffff_ffff)
    switch Token.kind(of: token) {
    case .listener: takeConnections(listener: index)
    case .control: receiveOrders()
    case .fileHelper: receiveHelperReplies()
    case .successor: receiveAcknowledgements(index)
    case .predecessor: takeOver(index)
    case .wakes: receiveWakes()
    }
  }

  /// Work that was cut short to let others run.
  private func resumeRunnable() {
    guard !runnable.isEmpty else { return }
    let tokens = runnable
    runnable.removeAll(keepingCapacity: true)
    for token in tokens { dispatch(token, []) }
  }

  /// Several times a second: heartbeat, deadlines, logs.
  private func tick() {
    nextTick = now + (openCount > 0 ? Limits.tickMilliseconds : Limits.idleTickMilliseconds)
    scoreboard.beat(slot: slot, now: now)
    scoreboard.setOpenConnections(openCount, slot: slot)
    expireDeadlines()
    expireHelperRequests()
    resumeSettling()
    knockAgain()
    expireQueued()
    if !waitingRequests.isEmpty { tendQueues() }
    resumeAwaitingHeader()
    resumeFlights()
    advanceHandover()
    tendMissed()
    if now >= nextFlush {
      accessLogs.flush()
      // Whatever dead processes or slow readers left in the cache is freed, a shard at a time.
      cache?.tidy()
      tickHTTP2()
      nextFlush = now + Limits.logFlushMilliseconds
    }
    if acceptResumesAt != 0 && now >= acceptResumesAt { resumeAccepting() }
  }
}
