// Passing a request on: choose a member, connect or take a connection, send, try again.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Begins to pass a request on, or has its queue refuse it; true when its response has left.
  func forward(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream?,
    caching: CachingExchange = CachingExchange(), refusal: EndReason? = nil
  ) -> Bool {
    if let stream {
      exchange.origin = origin(of: stream)
      let isCollected = exchange.collected != nil
      // The body was read and let go on the way here: it cannot be passed on.
      if head.body != .none, !stream.state.bodyPending, !isCollected {
        return fail(exchange, stream, 411, .lengthRequired)
      }
      if head.body != .none, !isCollected,
        balancers[target.balancer].hasFastCGI
      {
        // The protocol has no way to say that the length of a body is not known.
        if head.body == .chunked { return collectBody(exchange, stream) }
        guard invite(exchange, stream) else { return false }
      }
    }
    let forwarding = Forwarding(exchange, stream, target, caching, pool: forwardings, now: now)
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
    if let refusal { failQueue(forwarding, refusal) } else { begin(forwarding) }
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
  func begin(_ forwarding: Forwarding) {
    guard let member = chooseMember(forwarding) else {
      return failForwarding(forwarding, 503, .proxyUnavailable)
    }
    forwarding.member = member
    forwarding.keepsAlive = keepsAlive(forwarding)
    rewriteRequest(forwarding)
    connect(forwarding)
  }

  /// The head for the chosen member, in front of what is there of the body.
  func rewriteRequest(_ forwarding: Forwarding) {
    let body = forwarding.request.copy(
      forwarding.requestHeadByteCount..<forwarding.request.count)
    forwarding.request.removeAll()
    forwarding.requestSent = 0
    appendProxyHeader(forwarding)
    forwarding.isFastCGI = pools[forwarding.member].isFastCGI
    if forwarding.isFastCGI {
      writeFastCGIRequest(forwarding, model.proxyMembers[forwarding.member])
    } else {
      writeRequestHead(forwarding)
    }
    forwarding.requestHeadByteCount = forwarding.request.count
    if !body.isEmpty { forwarding.append(body) }
  }

  // MARK: Connections

  /// Takes an idle connection or opens one.
  func connect(_ forwarding: Forwarding) {
    guard passQueue(forwarding) else { return }
    if forwarding.target.handsOff { return planHandOff(forwarding) }
    let exchange = forwarding.exchange
    let mayRepeat = exchange.head.method.isIdempotent && exchange.head.body == .none
    while let upstream = pools[forwarding.member].takeIdle(turn: turn) {
      // The place of a queue may be another one's by now.
      guard upstream.queue == forwarding.target.queue, isQuiet(upstream, mayRepeat: mayRepeat)
      else {
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
      return awaitRoom(forwarding)
    }
    open(forwarding)
  }

  /// Bytes that nobody asked for must not be taken for this request's answer. epoll tells of them,
  /// and of an end, when it has been asked since the connection is idle, and has told everything;
  /// what comes while its answer is worked on is looked for only where the request could not be
  /// sent again: nothing that is asked of the kernel says what comes a moment later.
  func isQuiet(_ upstream: UpstreamConnection, mayRepeat: Bool) -> Bool {
    hasToldAll && upstream.idleTurn != turn && mayRepeat || Stream.isQuiet(upstream.descriptor)
  }

  /// Begins a connection to the member's next address.
  func open(_ forwarding: Forwarding) {
    let result: ConnectResult
    switch endpoint(of: forwarding) {
    case .unix(let path): result = Stream.connect(toUnix: path)
    case .tcp(let addresses) where forwarding.addressIndex < addresses.count:
      result = Stream.connect(to: addresses[forwarding.addressIndex])
    case .tcp, nil: return connectFailed(forwarding, .noAddress, "it has no address")
    }
    switch result {
    case .connected(let descriptor): enter(descriptor, forwarding, isConnected: true)
    case .inProgress(let descriptor): enter(descriptor, forwarding, isConnected: false)
    case .queueFull: knockLater(forwarding)
    case .refused(let error):
      guard !tryNextAddress(forwarding) else { return open(forwarding) }
      connectFailed(forwarding, .connect(code: error.code), "\(error)")
    case .exhausted(let error):
      log(of: forwarding).write(.error, "\(error)", client: forwarding.stream?.client)
      if forwarding.target.queue != nil { return pauseQueues(forwarding) }
      failForwarding(forwarding, 503, .proxyConnect)
    }
  }

  /// Whether the member has another address.
  func tryNextAddress(_ forwarding: Forwarding) -> Bool {
    guard case .tcp(let addresses) = balancing?.endpoint(forwarding.member),
      forwarding.addressIndex + 1 < addresses.count
    else { return false }
    forwarding.addressIndex += 1
    return true
  }

  /// Makes a connection to a request's member known to the loop; nil, and it is closed: that cannot
  /// be, which is logged.
  func admit(
    _ descriptor: CInt, _ forwarding: Forwarding, interest: Interest
  ) -> UpstreamConnection? {
    do throws(SystemError) {
      return try admit(
        descriptor, member: forwarding.member, queue: forwarding.target.queue, interest: interest)
    } catch {
      log(of: forwarding).write(.error, "\(error)", client: forwarding.stream?.client)
      return nil
    }
  }

  /// The same; when it throws the connection is closed.
  func admit(
    _ descriptor: CInt, member: Int, queue: QueueReference?, interest: Interest
  ) throws(SystemError) -> UpstreamConnection {
    let token =
      Token.upstreamBits | UInt64(takeSerial()) << 32 | UInt64(UInt32(bitPattern: descriptor))
    let upstream = UpstreamConnection(
      descriptor: descriptor, token: token, member: member, queue: queue, interest: interest)
    do throws(SystemError) {
      try poller.add(descriptor, token: token, interest: interest)
    } catch {
      Descriptor.close(descriptor)
      throw error
    }
    growTables(to: Int(descriptor))
    upstreams[Int(descriptor)] = upstream
    pools[member].openCount += 1
    return upstream
  }

  private func enter(_ descriptor: CInt, _ forwarding: Forwarding, isConnected: Bool) {
    let interest: Interest = isConnected ? .readable : [.readable, .writable]
    guard let upstream = admit(descriptor, forwarding, interest: interest) else {
      return failForwarding(forwarding, 503, .proxyConnect)
    }
    forwarding.knockingSince = 0
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
    forwarding.roomAwaitedSince = 0
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
    if forwarding.phase == .tunnel { return forwarding.settings.value.proxy.tunnelMilliseconds }
    return model.proxyMembers[forwarding.member].parameters.timeoutMilliseconds
      ?? forwarding.settings.value.proxy.timeoutMilliseconds
      ?? policies[forwarding.exchange.site.site].timeoutMilliseconds
  }

  /// Sends what there is of the request, and waits for room or for the answer.
  func pushRequest(_ forwarding: Forwarding) {
    guard let upstream = forwarding.upstream, upstream.isConnected else {
      return noteWaitingBytes(forwarding)
    }
    while forwarding.requestSent < forwarding.request.count, !forwarding.requestIsBroken {
      gathered.removeAll()
      gathered.append(
        forwarding.request, from: forwarding.requestSent,
        count: forwarding.request.count - forwarding.requestSent)
      switch Stream.send(upstream.descriptor, gathered) {
      case .sent(let count):
        forwarding.requestSent += count
        forwarding.sentByteCount += count
        // Who has taken a connection over has all the time in the world.
        if forwarding.phase != .handedOff {
          deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
        }
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
    assert(upstream.plainPass == nil)
    upstream.forwarding?.upstream = nil
    upstream.forwarding = nil
    if let credit = upstream.credit, let queue = upstream.queue { giveBack(queue, credit) }
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
      && forwarding.keepsAlive
      && forwarding.requestIsComplete && forwarding.requestSent == forwarding.request.count
      && !forwarding.requestIsBroken && upstream.input == nil && !handover.isDraining
    guard isClean else { return closeUpstream(upstream) }
    upstream.forwarding = nil
    forwarding.upstream = nil
    setInterest(upstream, .readable)
    deadlines[Int(upstream.descriptor)] = now + pools[upstream.member].idleMilliseconds
    pools[upstream.member].putAside(upstream, turn: turn)
    takeUpQueued(upstream.member)
  }

  func log(of forwarding: Forwarding) -> ErrorLog { siteErrorLogs[forwarding.exchange.site.site] }
}
