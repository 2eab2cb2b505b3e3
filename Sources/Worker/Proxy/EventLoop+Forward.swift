// Passing a request on: choose a member, connect or take a connection, send, try again.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Begins to pass a request on; true when its response has left whole.
  func forward(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream?,
    caching: CachingExchange = CachingExchange()
  ) -> Bool {
    if let stream {
      exchange.origin = origin(of: stream)
      let isCollected = exchange.collected != nil
      // The body was read and let go on the way here: it cannot be passed on.
      if head.body != .none, !stream.state.bodyPending, !isCollected {
        return fail(exchange, stream, 411, .lengthRequired)
      }
      if isLoop(exchange) { return fail(exchange, stream, 508, .proxyLoop) }
      if head.body != .none, !isCollected,
        model.proxyBalancers[target.balancer].members.contains(where: {
          model.proxyMembers[$0].scheme == .fcgi
        })
      {
        // The protocol has no way to say that the length of a body is not known.
        if head.body == .chunked { return collectBody(exchange, stream) }
        guard invite(exchange, stream) else { return false }
      }
    }
    let forwarding = Forwarding(exchange, stream, target, pool: forwardings, now: now)
    forwarding.caching = caching
    if let stream, policies[exchange.site.site].logsPassing { notePassing(forwarding, stream) }
    exchange.forwarding = forwarding
    exchange.waiting = .application
    if let stream {
      stream.state.relayBegun()
      setDeadline(stream, .max)
    }
    forwarding.requestIsComplete =
      stream?.state.bodyPending != true && exchange.collected == nil
    if let stream = stream as? MultiplexedStream, stream.state.bodyPending {
      _ = keepBody(of: stream)
    }
    begin(forwarding)
    if let body = exchange.collected { passCollected(body, forwarding) }
    forwarding.isStarting = false
    return forwarding.isDoneAtStart
  }

  /// An answer of our own has been given in the application's place.
  func finish(_ forwarding: Forwarding, _ stream: RequestStream, isDone: Bool) {
    if forwarding.isStarting {
      forwarding.isDoneAtStart = isDone
    } else if isDone {
      finishResponse(stream)
    }
  }

  /// Chooses a member and sends the request to it.
  private func begin(_ forwarding: Forwarding) {
    guard let member = chooseMember(forwarding) else {
      return failForwarding(forwarding, 503, .proxyUnavailable)
    }
    forwarding.member = member
    rewriteRequest(forwarding)
    connect(forwarding)
  }

  /// The head for the chosen member, in front of what is there of the body.
  private func rewriteRequest(_ forwarding: Forwarding) {
    let body = forwarding.request.copy(
      forwarding.requestHeadByteCount..<forwarding.request.count)
    forwarding.request.removeAll()
    forwarding.requestSent = 0
    appendProxyHeader(forwarding)
    forwarding.isFastCGI = model.proxyMembers[forwarding.member].scheme == .fcgi
    if forwarding.isFastCGI {
      writeFastCGIRequest(forwarding, model.proxyMembers[forwarding.member])
    } else {
      writeRequestHead(forwarding)
    }
    forwarding.requestHeadByteCount = forwarding.request.count
    if !body.isEmpty { forwarding.append(body) }
  }

  /// `proxyprotocol`: the client, in front of the one request of the connection.
  private func appendProxyHeader(_ forwarding: Forwarding) {
    guard let version = model.proxyMembers[forwarding.member].parameters.proxyProtocol else {
      return
    }
    var connection = ProxiedConnection()
    if let client = forwarding.origin.client, let local = forwarding.origin.local {
      connection = ProxiedConnection(client: client, local: local)
    }
    var header: [UInt8] = []
    switch version {
    case .v1: ProxyProtocol.appendText(connection, to: &header)
    case .v2: ProxyProtocol.appendBinary(connection, to: &header)
    }
    forwarding.append(header)
  }

  // MARK: Connections

  /// Takes an idle connection or opens one.
  func connect(_ forwarding: Forwarding) {
    while let upstream = pools[forwarding.member].idle.popLast() {
      // Bytes that nobody asked for must not be taken for this request's answer.
      guard Stream.isQuiet(upstream.descriptor) else {
        closeUpstream(upstream)
        continue
      }
      bind(upstream, forwarding)
      pushRequest(forwarding)
      if !forwarding.isStarting { takeMoreOfBody(forwarding) }
      return
    }
    if let most = model.proxyMembers[forwarding.member].parameters.connectionsMax,
      pools[forwarding.member].openCount >= most
    {
      forwarding.phase = .queued
      pools[forwarding.member].waiting.append(forwarding)
      return
    }
    open(forwarding)
  }

  /// Begins a connection to the member's next address.
  private func open(_ forwarding: Forwarding) {
    let result: ConnectResult
    switch balancing?.endpoint(forwarding.member) {
    case .unix(let path): result = Stream.connect(toUnix: path)
    case .tcp(let addresses) where forwarding.addressIndex < addresses.count:
      result = Stream.connect(to: addresses[forwarding.addressIndex])
    case .tcp, nil: return connectFailed(forwarding, .noAddress, "it has no address")
    }
    switch result {
    case .connected(let descriptor): enter(descriptor, forwarding, isConnected: true)
    case .inProgress(let descriptor): enter(descriptor, forwarding, isConnected: false)
    case .queueFull:
      forwarding.phase = .queued
      knocking.append(forwarding)
      nextTick = min(nextTick, now + Limits.knockMilliseconds)
    case .refused(let error):
      guard !tryNextAddress(forwarding) else { return open(forwarding) }
      connectFailed(forwarding, .connect(code: error.code), "\(error)")
    case .exhausted(let error):
      log(of: forwarding).write(.error, "\(error)", client: forwarding.stream?.client)
      failForwarding(forwarding, 503, .proxyConnect)
    }
  }

  /// Whether the member has another address.
  private func tryNextAddress(_ forwarding: Forwarding) -> Bool {
    guard case .tcp(let addresses) = balancing?.endpoint(forwarding.member),
      forwarding.addressIndex + 1 < addresses.count
    else { return false }
    forwarding.addressIndex += 1
    return true
  }

  private func enter(_ descriptor: CInt, _ forwarding: Forwarding, isConnected: Bool) {
    let token =
      Token.upstreamBits | UInt64(takeSerial()) << 32 | UInt64(UInt32(bitPattern: descriptor))
    let upstream = UpstreamConnection(
      descriptor: descriptor, token: token, member: forwarding.member,
      interest: isConnected ? .readable : [.readable, .writable])
    do throws(SystemError) {
      try poller.add(descriptor, token: token, interest: upstream.interest)
    } catch {
      Descriptor.close(descriptor)
      log(of: forwarding).write(.error, "\(error)", client: forwarding.stream?.client)
      return failForwarding(forwarding, 503, .proxyConnect)
    }
    growTables(to: Int(descriptor))
    upstreams[Int(descriptor)] = upstream
    pools[forwarding.member].openCount += 1
    balancing?.noteConnection(forwarding.member)
    bind(upstream, forwarding)
    if isConnected { return connected(upstream, forwarding) }
    forwarding.phase = .connecting
    let patience = model.proxyMembers[forwarding.member].parameters.connectMilliseconds
    deadlines[Int(descriptor)] = now + (patience ?? timeout(of: forwarding))
  }

  private func bind(_ upstream: UpstreamConnection, _ forwarding: Forwarding) {
    upstream.forwarding = forwarding
    upstream.requestCount += 1
    forwarding.upstream = upstream
    forwarding.phase = .head
    deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
  }

  func connected(_ upstream: UpstreamConnection, _ forwarding: Forwarding) {
    upstream.isConnected = true
    forwarding.phase = .head
    deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
    pushRequest(forwarding)
    // The client may have been stopped while there was no connection.
    if !forwarding.isStarting { takeMoreOfBody(forwarding) }
  }

  /// How long a member may be silent.
  func timeout(of forwarding: Forwarding) -> Int64 {
    model.proxyMembers[forwarding.member].parameters.timeoutMilliseconds
      ?? forwarding.exchange.route.settings.proxy.timeoutMilliseconds
      ?? policies[forwarding.exchange.site.site].timeoutMilliseconds
  }

  /// Sends what there is of the request, and waits for room or for the answer.
  func pushRequest(_ forwarding: Forwarding) {
    guard let upstream = forwarding.upstream, upstream.isConnected else { return }
    while forwarding.requestSent < forwarding.request.count, !forwarding.requestIsBroken {
      gathered.removeAll()
      gathered.append(
        forwarding.request, from: forwarding.requestSent,
        count: forwarding.request.count - forwarding.requestSent)
      switch Stream.send(upstream.descriptor, gathered) {
      case .sent(let count):
        forwarding.requestSent += count
        forwarding.sentByteCount += count
        deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
      case .wouldBlock:
        return setInterest(upstream, upstream.interest.union(.writable))
      case .broken:
        // It may have answered before it closed: that is read first.
        forwarding.requestIsBroken = true
      }
    }
    if upstream.interest.contains(.writable) {
      setInterest(upstream, upstream.interest.subtracting(.writable))
    }
    if forwarding.inputHasEnded, forwarding.phase == .tunnel {
      Stream.shutdownSending(upstream.descriptor)
    }
  }

  func setInterest(_ upstream: UpstreamConnection, _ interest: Interest) {
    guard upstream.interest != interest else { return }
    let before = upstream.interest
    upstream.interest = interest
    // epoll tells of a hang-up whatever is waited for: who wants nothing leaves it.
    guard !interest.isEmpty else { return poller.remove(upstream.descriptor) }
    do throws(SystemError) {
      if before.isEmpty {
        try poller.add(upstream.descriptor, token: upstream.token, interest: interest)
      } else {
        try poller.modify(upstream.descriptor, token: upstream.token, interest: interest)
      }
    } catch {
      errorLog.write(.error, "\(error)")
    }
  }

  func closeUpstream(_ upstream: UpstreamConnection) {
    let index = Int(upstream.descriptor)
    guard upstreams[index] === upstream else { return }
    upstream.forwarding?.upstream = nil
    upstream.forwarding = nil
    upstreams[index] = nil
    deadlines[index] = .max
    pools[upstream.member].openCount -= 1
    Descriptor.close(upstream.descriptor)
    takeUpQueued(upstream.member)
  }

  /// The response has come whole: the connection takes the next request, or is closed.
  func releaseUpstream(_ forwarding: Forwarding, isReusable: Bool) {
    endAttempt(forwarding)
    guard let upstream = forwarding.upstream else { return }
    let isClean =
      isReusable && (forwarding.response.keepAlive || forwarding.isFastCGI)
      && pools[upstream.member].reuses
      && forwarding.requestIsComplete && forwarding.requestSent == forwarding.request.count
      && !forwarding.requestIsBroken && upstream.input == nil && !handover.isDraining
    guard isClean else { return closeUpstream(upstream) }
    upstream.forwarding = nil
    forwarding.upstream = nil
    setInterest(upstream, .readable)
    deadlines[Int(upstream.descriptor)] = now + pools[upstream.member].idleMilliseconds
    pools[upstream.member].idle.append(upstream)
    takeUpQueued(upstream.member)
  }

  // MARK: Failures

  private func connectFailed(
    _ forwarding: Forwarding, _ failure: UpstreamFailure, _ why: String
  ) {
    let name = model.proxyMembers[forwarding.member].name
    log(of: forwarding).write(
      .error, "cannot connect to \(name): \(why)", client: forwarding.stream?.client)
    memberFailed(forwarding, failure)
    tryAnother(forwarding, failure == .connectTimeout ? 504 : 502, .proxyConnect)
  }

  /// A connection in progress has come to nothing.
  func connectFailed(
    _ upstream: UpstreamConnection, _ forwarding: Forwarding, _ failure: UpstreamFailure,
    _ why: String
  ) {
    closeUpstream(upstream)
    guard !tryNextAddress(forwarding) else { return open(forwarding) }
    connectFailed(forwarding, failure, why)
  }

  /// The connection broke, or closed, before the response was whole.
  func upstreamLost(_ forwarding: Forwarding, _ why: String) {
    guard let upstream = forwarding.upstream else { return }
    let wasUsedBefore = upstream.requestCount > 1
    closeUpstream(upstream)
    guard !forwarding.hasResponse else { return breakRelay(forwarding, why) }
    // A kept connection that the member closed just when the request was on its way: nothing is
    // wrong with the member (RFC 9112 §9.3.1). Only what may be done twice is sent again.
    if wasUsedBefore, forwarding.staleCount < Limits.staleConnectionsMax, mayResend(forwarding) {
      forwarding.staleCount += 1
      forwarding.passing?.retryCount += 1
      forwarding.requestSent = 0
      forwarding.requestIsBroken = false
      return connect(forwarding)
    }
    log(of: forwarding).write(
      .error, "\(model.proxyMembers[forwarding.member].name) \(why) before it answered",
      client: forwarding.stream?.client)
    memberFailed(forwarding, .brokenBeforeResponse)
    tryAnother(forwarding, 502, .proxyBroken)
  }

  func upstreamTimedOut(_ forwarding: Forwarding) {
    guard let upstream = forwarding.upstream else { return }
    closeUpstream(upstream)
    let name = model.proxyMembers[forwarding.member].name
    guard !forwarding.hasResponse else { return breakRelay(forwarding, "was silent too long") }
    log(of: forwarding).write(
      .error, "\(name) did not answer in time", client: forwarding.stream?.client)
    memberFailed(forwarding, .responseTimeout)
    failForwarding(forwarding, 504, .proxyTimeout)
  }

  /// Whether nothing can go wrong when the request is sent a second time (RFC 9110 §9.2.2).
  private func mayResend(_ forwarding: Forwarding) -> Bool {
    RequestRetry.isAllowed(
      forwarding.exchange.head.method, forwarding.requestSent == 0 ? .notSent : .sent,
      bodyIsReplayable: forwarding.isReplayable)
  }

  /// Another member, if there is one and the request may be sent again; else an error.
  private func tryAnother(_ forwarding: Forwarding, _ status: UInt16, _ reason: EndReason) {
    forwarding.tried.append(forwarding.member)
    let number = forwarding.target.balancer
    let retriesMax =
      model.proxyBalancers[number].retriesMax ?? model.proxyBalancers[number].members.count - 1
    let isLast = forwarding.tried.count > retriesMax
    guard !isLast, mayResend(forwarding), let next = chooseMember(forwarding) else {
      return failForwarding(forwarding, status, reason)
    }
    forwarding.member = next
    forwarding.addressIndex = 0
    forwarding.staleCount = 0
    forwarding.passing?.retryCount += 1
    forwarding.requestIsBroken = false
    rewriteRequest(forwarding)
    connect(forwarding)
  }

  /// Answers with an error of our own; nothing of a response has been sent.
  func failForwarding(_ forwarding: Forwarding, _ status: UInt16, _ reason: EndReason) {
    if let upstream = forwarding.upstream { closeUpstream(upstream) }
    forwarding.phase = .ended
    endAttempt(forwarding)
    if status >= 500, standInStale(forwarding) { return }
    endCaching(forwarding, .failed)
    let exchange = forwarding.exchange
    exchange.forwarding = nil
    guard let stream = forwarding.stream else { return }
    forwarding.stream = nil
    stream.state.relayFailed()
    head = exchange.head
    if let stream = stream as? MultiplexedStream, stream.keepsBody { dropBody(of: stream) }
    // Not all of its body was read, and nobody is going to.
    if stream.state.bodyPending { stream.state.closeAfterResponse() }
    finish(forwarding, stream, isDone: fail(exchange, stream, status, reason))
  }

  func log(of forwarding: Forwarding) -> ErrorLog { siteErrorLogs[forwarding.exchange.site.site] }
}
