// Passing a plain request on with nothing but what is different about it; and back to the ordinary
// way, as soon as anything happens that this does not know.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

extension EventLoop {
  /// Passes the request in `head` on by what is known of its URL. False: it takes more than that,
  /// and nothing has been done.
  func passPlainly(_ connection: Connection, _ bytes: RawSpan) -> Bool {
    guard let hash = absentHash, let plan = plans[hash], plan.hash == hash,
      fits(plan, connection, bytes),
      plan.keepsAlive == (pools[plan.member].idleCount > 0), isOpen(plan)
    else { return false }
    let pass = passes.take()
    guard takeCredit(pass, plan), beginFlight(pass, plan),
      let upstream = takePlainUpstream(plan)
    else {
      giveBackCredit(pass, plan)
      endFlight(pass, .abandoned)
      passes.give(pass)
      return false
    }
    absentHash = nil
    pass.begun = now
    pass.asOf = cache?.generation ?? 0
    pass.ticks = bootTicks
    pass.hasAuthorization = head.has(.authorization)
    pass.head.append(bytes.extracting(0..<head.headByteCount))
    writePlainRequest(pass, plan, connection, bytes)
    connection.state.requestBegun(keepAlive: keepsAlive(connection, plan.site), hasBody: false)
    connection.site = plan.site
    if connection.body != nil { connection.body = nil }
    setDeadline(connection, .max)
    pass.plan = plan
    pass.connection = connection
    pass.upstream = upstream
    connection.plainPass = pass
    upstream.plainPass = pass
    upstream.requestCount += 1
    deadlines[Int(upstream.descriptor)] = now + plan.timeoutMilliseconds
    gathered.removeAll()
    gathered.append(pass.request)
    if case .sent(let count) = Stream.send(upstream.descriptor, gathered) {
      pass.requestSent = count
      if count == pass.request.count { return true }
    }
    pushRequest(unfold(pass))
    return true
  }

  /// Whether a request is what the plan is for.
  private func fits(_ plan: PlainPlan, _ connection: Connection, _ bytes: RawSpan) -> Bool {
    guard head.isPlain, plan.listener == connection.listener,
      plan.routedEpoch == routingEpoch, plan.routedTurn == claims.turn, !namespaceIsUnknown,
      !handover.isDraining
    else { return false }
    if let security = connection.security, security.admittedSite != plan.site { return false }
    let target = plan.target
    let authority = plan.authority
    return Scan.equal(head.target.span(in: bytes), target.rawSpan)
      && Scan.equal(head.authority.span(in: bytes), authority.rawSpan)
  }

  /// Whether the plan's queue, if it has one, takes a request that need not wait there.
  @inline(__always)
  private func isOpen(_ plan: PlainPlan) -> Bool {
    guard let queue = plan.proxyTarget.queue else { return true }
    return refusal(of: queue, isNew: true) == nil
      && heritage.queues?.keepsAlive(queue.slot) == plan.keepsAlive
      && waitingRequests[queue.slot] == nil && now >= queuePauseEnd
  }

  /// Whether the plan's queue, if it has one, lets the request go to its application.
  private func takeCredit(_ pass: PlainPass, _ plan: PlainPlan) -> Bool {
    guard let queue = plan.proxyTarget.queue else { return true }
    pass.credit = takeCredit(queue, ticket: .max)
    return pass.credit != nil
  }

  /// Its application is free for the next request.
  func giveBackCredit(_ pass: PlainPass, _ plan: PlainPlan) {
    guard let queue = plan.proxyTarget.queue, let credit = pass.credit else { return }
    pass.credit = nil
    giveBack(queue, credit)
  }

  /// Whether nobody fetches the same for all.
  private func beginFlight(_ pass: PlainPass, _ plan: PlainPlan) -> Bool {
    guard let hash = plan.flightHash, let flights else { return true }
    switch flights.begin(hash, ageMillisecondsMax: plan.lockMilliseconds, now: bootTicks) {
    case .parallel: return true
    // If somebody has stored it an instant ago, it is fetched once more: no look for that.
    case .mine(let token):
      pass.flight = token
      return true
    case .others: return false
    }
  }

  func endFlight(_ pass: PlainPass, _ outcome: FlightOutcome) {
    guard let flight = pass.flight else { return }
    pass.flight = nil
    _ = flights?.end(flight, outcome, now: bootTicks)
  }

  /// A connection to the plan's member, which is to have the request. nil: none, or the choice is
  /// not as simple.
  private func takePlainUpstream(_ plan: PlainPlan) -> UpstreamConnection? {
    guard let balancing, let upstream = plan.keepsAlive ? takeIdle(plan) : openPlainly(plan)
    else { return nil }
    guard balancing.takeOnlyMember(of: plan.proxyTarget.balancer) == plan.member else {
      if plan.keepsAlive {
        pools[plan.member].putAside(upstream, turn: turn)
      } else {
        closeUpstream(upstream)
      }
      return nil
    }
    balancing.begin(plan.member)
    return upstream
  }

  private func takeIdle(_ plan: PlainPlan) -> UpstreamConnection? {
    guard let upstream = pools[plan.member].takeIdle(turn: turn) else { return nil }
    // The place of a queue may be another one's by now.
    guard upstream.queue == plan.proxyTarget.queue, isQuiet(upstream, mayRepeat: true) else {
      closeUpstream(upstream)
      return nil
    }
    return upstream
  }

  /// A connection for one request through a queue; nil if that takes more than connect(2).
  private func openPlainly(_ plan: PlainPlan) -> UpstreamConnection? {
    guard let queue = plan.proxyTarget.queue, let path = path(of: queue) else { return nil }
    switch Stream.connect(toUnix: path) {
    case .connected(let descriptor):
      guard
        let upstream = try? admit(
          descriptor, member: plan.member, queue: queue, interest: .readable)
      else { return nil }
      upstream.isConnected = true
      balancing?.noteConnection(plan.member)
      return upstream
    case .inProgress(let descriptor):
      Descriptor.close(descriptor)
      return nil
    case .queueFull, .refused, .exhausted: return nil
    }
  }

  /// The same bytes as `writeRequestHead` writes.
  private func writePlainRequest(
    _ pass: PlainPass, _ plan: PlainPlan, _ connection: Connection, _ bytes: RawSpan
  ) {
    let output = pass.request
    output.append(plan.requestStart)
    EventLoop.appendPassedFields(of: head, bytes, to: output)
    output.append(wayTexts.clients.line(connection.client.address))
    output.append(plan.requestEnd)
  }

  @inline(__always)
  private static func appendPassedFields(
    of head: borrowing RequestHead, _ bytes: RawSpan, to output: ByteBuffer
  ) {
    head.forEachPassedRun(
      in: bytes, options: ConnectionOptions(head, in: bytes),
      where: { isPassed($0, in: bytes, .plain) }
    ) { output.append($0) }
  }

  // MARK: Back to the ordinary way

  /// Makes of a plain pass what it would be if it had gone the ordinary way up to here.
  @discardableResult
  func unfold(_ pass: PlainPass) -> Forwarding {
    guard let plan = pass.plan, let connection = pass.connection, let upstream = pass.upstream
    else { preconditionFailure("a pass that is over is unfolded") }
    let slot = RequestHeadSlot()
    let bytes = pass.head.copy(0..<pass.head.count)
    guard case .complete = parser.parse(bytes.rawSpan, into: &slot.head) else {
      preconditionFailure("a head that was accepted is refused")
    }
    let exchange = Exchange(
      head: slot.head.kept, bytes: bytes,
      receivedMicroseconds: Clock.realNanoseconds() / 1000 - (now - pass.begun) * 1000,
      requestedHost: plan.requestedHost, settings: plan.route.sharedSettings, asOf: pass.asOf,
      ticks: pass.ticks)
    exchange.path = plan.path
    exchange.currentPath = plan.path
    exchange.routedEpoch = plan.routedEpoch
    exchange.routedTurn = plan.routedTurn
    exchange.route = plan.route
    exchange.owner = plan.owner
    exchange.origin = origin(of: connection)
    let caching = CachingExchange()
    if plan.orders != nil, mayKeep(plan.proxyTarget, exchange, connection) {
      exchange.absentHash = plan.hash
      _ = nameResponse(caching, exchange, connection)
      exchange.absentHash = nil
      caching.forward = .uriMiss
    }
    caching.flight = pass.flight
    let forwarding = Forwarding(
      exchange, connection, plan.proxyTarget, caching, pool: forwardings, now: pass.begun)
    bind(pass, plan, upstream, to: forwarding)
    connection.plainPass = nil
    connection.exchange = exchange
    connection.state.relayBegun()
    exchange.forwarding = forwarding
    exchange.waiting = .application
    passes.give(pass)
    return forwarding
  }

  /// What has been done at the member for it.
  private func bind(
    _ pass: PlainPass, _ plan: PlainPlan, _ upstream: UpstreamConnection, to forwarding: Forwarding
  ) {
    forwarding.isStarting = false
    forwarding.isNewToQueue = false
    forwarding.credit = pass.credit
    forwarding.requestIsComplete = true
    forwarding.member = plan.member
    forwarding.isCounted = true
    forwarding.keepsAlive = plan.keepsAlive
    let request = pass.request
    forwarding.append(request.bytes)
    forwarding.requestHeadByteCount = request.count
    forwarding.requestSent = pass.requestSent
    forwarding.sentByteCount = pass.requestSent
    forwarding.phase = .head
    upstream.plainPass = nil
    upstream.forwarding = forwarding
    forwarding.upstream = upstream
  }

  // MARK: Plans

  /// An answer has come in one piece, on the ordinary way. Notes what is needed to pass the next
  /// request for its URL on plainly, if that is all there is about it.
  func notePlain(_ forwarding: Forwarding, _ byteCount: Int) {
    let exchange = forwarding.exchange
    guard let hash = exchange.plainHash, let connection = forwarding.stream as? Connection,
      !(plans[hash]?.isFor(
        exchange, listener: connection.listener, keepsAlive: forwarding.keepsAlive) ?? false),
      forwarding.response.isPlain(
        byteCount, keepsAlive: forwarding.keepsAlive, forwarding.settings),
      mayBePlanned(forwarding, exchange, connection), plans.recurs(hash)
    else { return }
    var flightHash: UInt64?
    if forwarding.caching.isNamed, forwarding.settings.value.caching.locks {
      flightHash = self.flightHash(forwarding.caching, exchange)
    }
    let bytes = exchange.bytes
    noteSite(exchange, forwarding.origin, bytes.rawSpan)
    noteVia(forwarding)
    let start = ByteBuffer(capacity: forwarding.requestHeadByteCount)
    writeRequestStart(forwarding, bytes.rawSpan, target: nil, to: start)
    let end =
      wayTexts.site.lines + wayTexts.via.line
      + (forwarding.keepsAlive ? [] : EventLoop.closeLine) + [0x0d, 0x0a]
    guard start.count + end.count <= PlainPass.requestBytesMax / 4 else { return }
    let plan = PlainPlan(
      forwarding, hash: hash, listener: connection.listener,
      timeoutMilliseconds: timeout(of: forwarding), flightHash: flightHash,
      requestStart: start.copy(0..<start.count), requestEnd: end,
      cacheStatus: forwarding.settings.value.caching.sendsCacheStatus
        ? cacheStatusLines.line(forwarding.caching.forward, isStored: false) : [])
    plans.keep(plan, hash)
  }

  /// Whether the configuration has nothing to say about how a request is passed on and its response
  /// given back, and nothing about the request itself has led it another way.
  private func mayBePlanned(
    _ forwarding: Forwarding, _ exchange: Exchange, _ connection: Connection
  ) -> Bool {
    let target = forwarding.target
    let settings = forwarding.settings
    guard exchange.head.isPlain, forwarding.delegationCount == 0,
      !forwarding.doesWithoutFragments, !target.handsOff, target.scriptPath.isEmpty,
      target.rawPrefixByteCount == nil,
      exchange.path == exchange.currentPath, exchange.pathInfoByteCount == 0,
      exchange.internalRedirectCount == 0, exchange.errorStatus == nil,
      exchange.collected == nil, exchange.site.captures.values.isEmpty,
      exchange.route.dependencies.isEmpty, exchange.route.limitExceeded == nil,
      exchange.site.limitExceeded == nil, exchange.head.target.count <= PlainPlan.targetBytesMax,
      forwarding.passing == nil, forwarding.tried.isEmpty, forwarding.storing == nil,
      forwarding.caching.stored == nil, forwarding.caching.waitCount == 0,
      connection.local == nil,
      exchange.owner == nil || namespace?.tellsAddressesApart == false,
      listeners[connection.listener].remoteIP == nil
    else { return false }
    let pool = pools[forwarding.member]
    guard forwarding.keepsAlive || target.queue != nil, !pool.isFastCGI,
      (pool.path.first ?? target.path.first) == ASCII.slash,
      !balancers[target.balancer].looksAtRequests,
      model.proxyMembers[forwarding.member].parameters.route == nil
    else { return false }
    let proxy = settings.value.proxy
    let caching = settings.value.caching
    return proxy.addsForwardedFields && !proxy.addsForwarded && proxy.via.isOff
      && proxy.requestHeaderEdits.isEmpty && settings.value.headerEditsAlways.isEmpty
      && settings.value.headerEditsOnSuccess.isEmpty
      && settings.value.compression.codings.isEmpty && !settings.value.access.dependsOnClient
      && !caching.debugs && caching.defaultSeconds == nil && caching.lastModifiedPermille == 0
  }
}
