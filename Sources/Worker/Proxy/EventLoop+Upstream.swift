// Events of connections to applications: connected, readable, silent for too long, closed.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  func dispatchUpstream(_ token: UInt64, _ readiness: Readiness) {
    let descriptor = Int(truncatingIfNeeded: token & 0xffff_ffff)
    guard descriptor < upstreams.count, let upstream = upstreams[descriptor],
      upstream.token == token
    else { return }
    guard let forwarding = upstream.forwarding else {
      if let pass = upstream.plainPass { return receivePlain(upstream, pass) }
      return idleUpstreamSpoke(upstream)
    }
    if forwarding.phase == .handedOff { return continueHandOff(forwarding, upstream, readiness) }
    if !upstream.isConnected {
      if let error = Stream.connectError(upstream.descriptor) {
        return connectFailed(
          upstream, forwarding, .connect(code: error.code), "\(error)")
      }
      connected(upstream, forwarding)
    } else if forwarding.isPaused, !readiness.isDisjoint(with: .broken) {
      // Reported whatever is waited for: out of epoll until the client has room.
      forwarding.requestIsBroken = true
      return setInterest(upstream, [])
    } else if !readiness.isDisjoint(with: .writable), upstream.interest.contains(.writable) {
      pushRequest(forwarding)
      takeMoreOfBody(forwarding)
    }
    guard upstreams[descriptor] === upstream, upstream.forwarding === forwarding,
      !readiness.subtracting(.writable).isEmpty
    else { return }
    receive(upstream, forwarding)
  }

  /// Closes an idle connection that an event is about. All of a batch are looked through before any
  /// request of it may be given such a connection.
  func dropIfIdle(_ token: UInt64) {
    let descriptor = Int(truncatingIfNeeded: token & 0xffff_ffff)
    guard descriptor < upstreams.count, let upstream = upstreams[descriptor],
      upstream.token == token, upstream.isIdle
    else { return }
    idleUpstreamSpoke(upstream)
  }

  /// Nothing was asked: whatever it says now can belong to no request.
  private func idleUpstreamSpoke(_ upstream: UpstreamConnection) {
    if let lent = upstream.lent { return continueLent(upstream, lent) }
    pools[upstream.member].remove(upstream)
    closeUpstream(upstream)
  }

  /// It was not needed for its `ttl`; `smax` of them stay.
  private func expireIdle(_ upstream: UpstreamConnection) {
    let pool = pools[upstream.member]
    guard upstream.credit == nil, pool.idleCount <= pool.idleCountMin, upstream.isIdle else {
      return idleUpstreamSpoke(upstream)
    }
    deadlines[Int(upstream.descriptor)] = now + pool.idleMilliseconds
  }

  func expireUpstream(_ upstream: UpstreamConnection) {
    guard let forwarding = upstream.forwarding ?? upstream.plainPass.map(unfold) else {
      if let lent = upstream.lent { return expireLent(upstream, lent) }
      return expireIdle(upstream)
    }
    if upstream.isConnected {
      upstreamTimedOut(forwarding)
    } else {
      connectFailed(upstream, forwarding, .connectTimeout, "timed out")
    }
  }

  private func receive(_ upstream: UpstreamConnection, _ forwarding: Forwarding) {
    guard !forwarding.isPaused else { return }
    let buffer: ByteBuffer
    if let kept = upstream.input {
      buffer = kept
    } else {
      received.removeAll()
      buffer = received
    }
    took(Stream.receive(upstream.descriptor, into: buffer), buffer, upstream, forwarding)
  }

  /// What came of asking for more of a response.
  func took(
    _ result: ReceiveResult, _ buffer: ByteBuffer, _ upstream: UpstreamConnection,
    _ forwarding: Forwarding
  ) {
    switch result {
    case .received(let count):
      forwarding.receivedByteCount += count
      deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
      take(buffer, upstream, forwarding)
    case .wouldBlock: break
    case .closed:
      if forwarding.phase == .tunnel || isUntilClose(forwarding) {
        deliver(forwarding, buffer, [], isEnd: true)
      } else {
        upstreamLost(forwarding, "closed the connection")
      }
    case .broken: upstreamLost(forwarding, "reset the connection")
    }
  }

  private func isUntilClose(_ forwarding: Forwarding) -> Bool {
    if case .untilClose = forwarding.responseBody, !forwarding.isFastCGI {
      return forwarding.phase == .body
    }
    return false
  }

  /// Bytes of the member.
  private func take(
    _ buffer: ByteBuffer, _ upstream: UpstreamConnection, _ forwarding: Forwarding
  ) {
    if forwarding.isFastCGI { return takeFastCGI(buffer, upstream, forwarding) }
    var start = 0
    var hasHead = false
    while forwarding.phase == .head {
      let bytes = buffer.bytes.extracting(start..<buffer.count)
      let parser = pools[upstream.member].parser
      let outcome =
        upstream.input == nil
        ? parser.parse(bytes, into: &forwarding.response, to: forwarding.exchange.head.method)
        : parser.parse(
          bytes, into: &forwarding.response, to: forwarding.exchange.head.method,
          resuming: &upstream.progress)
      switch outcome {
      case .needMore:
        return keep(buffer, from: start, upstream, forwarding)
      case .rejected(let rejection):
        let name = memberName(forwarding)
        log(of: forwarding).write(
          .error, "response of \(name) refused: \(rejection.message)",
          client: forwarding.stream?.client)
        memberFailed(forwarding, .badResponse)
        noteFailed(forwarding)
        return failForwarding(forwarding, 502, .proxyBroken)
      case .complete:
        let next = start + forwarding.response.headByteCount
        takeHead(
          buffer.bytes.extracting(start..<next), forwarding, hasMore: next < buffer.count)
        start = next
        hasHead = true
      }
      guard forwarding.phase != .ended, upstream.forwarding === forwarding else { return }
      if forwarding.phase == .head && start == buffer.count {
        upstream.input = nil
        return
      }
    }
    // Also without a byte of the body: the head is on its way with what comes of it now.
    guard hasHead || start < buffer.count else { return }
    takeBody(buffer, from: start, upstream, forwarding)
  }

  /// Keeps an unfinished head.
  private func keep(
    _ buffer: ByteBuffer, from start: Int, _ upstream: UpstreamConnection,
    _ forwarding: Forwarding
  ) {
    let rest = buffer.count - start
    guard rest > 0 else {
      upstream.input = nil
      return
    }
    if upstream.input === buffer {
      buffer.removeFirst(start)
      guard buffer.free < 1024 else { return }
    }
    let kept = ByteBuffer(capacity: max(4096, rest * 2))
    kept.append(buffer.bytes.extracting(buffer === received ? start..<buffer.count : 0..<rest))
    upstream.input = kept
  }

  /// Bytes of the response's body; what stands behind its end was not asked for.
  private func takeBody(
    _ buffer: ByteBuffer, from start: Int, _ upstream: UpstreamConnection,
    _ forwarding: Forwarding
  ) {
    var parts = BodyParts()
    var isEnd = false
    var end = buffer.count
    switch forwarding.responseBody {
    case .none:
      isEnd = true
      end = start
    case .untilClose: parts.append(start..<buffer.count)
    case .length(let rest):
      let taken = Int(min(rest, UInt64(buffer.count - start)))
      end = start + taken
      parts.append(start..<end)
      forwarding.responseBody = .length(rest - UInt64(taken))
      isEnd = UInt64(taken) == rest
    case .chunked(var decoder):
      end = start
      decoding: while true {
        switch decoder.step(buffer.bytes.extracting(end..<buffer.count)) {
        case .needMore(let count):
          end += count
          break decoding
        case .body(let range, let count):
          parts.append(end + range.start..<end + range.end)
          end += count
        case .done(let count):
          end += count
          isEnd = true
          break decoding
        case .rejected:
          forwarding.responseBody = .chunked(decoder)
          return upstreamLost(forwarding, "sent a body that is not chunked as it should be")
        }
      }
      forwarding.responseBody = .chunked(decoder)
    }
    if isEnd && end < buffer.count { forwarding.requestIsBroken = true }
    upstream.input = nil
    if isEnd, buffer === received, start == forwarding.response.headByteCount {
      notePlain(forwarding, buffer.count)
    }
    deliver(forwarding, buffer, parts, isEnd: isEnd)
  }
}
