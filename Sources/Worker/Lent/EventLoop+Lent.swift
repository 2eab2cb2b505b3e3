// Puts and gets of applications: they begin with an order of the master, and end with one line of
// JSON to the application.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// The master has allowed it; the other end of the connection is the application's.
  func beginLent(_ order: CacheOrder, _ descriptor: Descriptor) {
    // Whoever has opened so many without an end sees that of the next one.
    guard claims.lent.all.count < Limits.lentConnectionsMax else { return }
    let lent = LentExchange(order, descriptor, deadline: now + Limits.lentMilliseconds)
    let index = Int(descriptor.number)
    let token =
      Token.upstreamBits | UInt64(takeSerial()) << 32 | UInt64(UInt32(index))
    let upstream = UpstreamConnection(
      descriptor: descriptor.number, token: token, member: -1, queue: nil, interest: .readable)
    do throws(SystemError) {
      try poller.add(descriptor.number, token: token, interest: .readable)
    } catch {
      return errorLog.write(.error, "\(error)")
    }
    upstream.isConnected = true
    upstream.lent = lent
    growTables(to: index)
    upstreams[index] = upstream
    let isTaken = claims.lent.takes(lent)
    claims.lent.all[token] = lent
    extend(upstream, lent)
    nextTick = min(nextTick, now + Limits.tickMilliseconds)
    guard isTaken else { return refuse(upstream, lent, .busy) }
    do throws(LentRefusal) {
      try start(upstream, lent)
    } catch {
      refuse(upstream, lent, error)
    }
  }

  private func start(_ upstream: UpstreamConnection, _ lent: LentExchange) throws(LentRefusal) {
    guard cache != nil else { throw LentRefusal(.disabled) }
    if handover.isDraining { throw .superseded }
    switch lent.order.kind {
    case .put: try startPut(lent)
    case .get: try startGet(lent)
    case .putFragment: try startPutFragment(lent)
    case .getFragment: try startGetFragment(lent)
    }
    switch lent.phase {
    case .sending: continueSending(upstream, lent)
    default: if lent.rest == 0 { finishLent(upstream, lent) }
    }
  }

  /// Readable, writable, or broken.
  func continueLent(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    switch lent.phase {
    case .receiving: receiveLent(upstream, lent)
    case .catchingUp: break
    case .sending: continueSending(upstream, lent)
    case .lingering: linger(upstream, lent)
    }
  }

  /// Its time is over, or it may try again.
  func expireLent(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    switch lent.phase {
    case .catchingUp where now < lent.deadline:
      guard isUpToDate(upstream, lent) else { return }
      lent.phase = .receiving
      setInterest(upstream, .readable)
      extend(upstream, lent)
      if lent.rest == 0 { finishLent(upstream, lent) }
    case .receiving, .catchingUp: refuse(upstream, lent, .late)
    case .sending, .lingering: closeLent(upstream, lent)
    }
  }

  /// It has so long for its next byte.
  func extend(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    deadlines[Int(upstream.descriptor)] = min(
      lent.deadline, now + Limits.lentSilenceMilliseconds)
  }

  // MARK: Bytes that come

  private func receiveLent(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    guard isUpToDate(upstream, lent) else { return }
    received.removeAll()
    defer { received.removeAll() }
    switch Stream.receive(upstream.descriptor, into: received) {
    case .wouldBlock: return
    case .broken: return closeLent(upstream, lent)
    // It may still read.
    case .closed: return refuse(upstream, lent, .length)
    case .received(let count):
      guard count <= lent.rest else { return refuse(upstream, lent, .length) }
      lent.rest -= count
      extend(upstream, lent)
      do throws(LentRefusal) {
        if lent.order.kind == .put {
          try takePut(lent, received)
        } else {
          try takeFragment(lent, received)
        }
      } catch {
        return refuse(upstream, lent, error)
      }
      if lent.rest == 0 { finishLent(upstream, lent) }
    }
  }

  /// All has come: it is published, and the application told.
  private func finishLent(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    guard isUpToDate(upstream, lent) else { return }
    do throws(LentRefusal) {
      if lent.order.kind == .put {
        try publishPut(lent)
      } else {
        try publishFragment(lent)
      }
    } catch {
      return refuse(upstream, lent, error)
    }
    reply("{\"result\":\"stored\"}\n", upstream, lent)
  }

  /// Whether this process may publish. If the namespace has changed it is about to be told how, and
  /// looks again with the next tick; if it has a successor, that is to be asked.
  private func isUpToDate(_ upstream: UpstreamConnection, _ lent: LentExchange) -> Bool {
    if handover.isDraining {
      refuse(upstream, lent, .superseded)
      return false
    }
    if isCurrent && !namespaceIsUnknown { return true }
    lent.phase = .catchingUp
    setInterest(upstream, [])
    deadlines[Int(upstream.descriptor)] = now + 1
    return false
  }

  // MARK: Ends

  private func refuse(
    _ upstream: UpstreamConnection, _ lent: LentExchange, _ refusal: LentRefusal
  ) {
    let result = lent.order.kind.isPut ? "refused" : "absent"
    reply("{\"result\":\"\(result)\",\"reason\":\"\(refusal.reason)\"}\n", upstream, lent)
  }

  private func reply(_ line: String, _ upstream: UpstreamConnection, _ lent: LentExchange) {
    letGo(lent)
    lent.output = ByteBuffer(holding: Array(line.utf8))
    lent.outputSent = 0
    lent.body = 0..<0
    lent.phase = .sending
    extend(upstream, lent)
    continueSending(upstream, lent)
  }

  /// Sends what there is, as far as the socket takes it.
  private func continueSending(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    var turnRest = Limits.fileBytesPerTurn
    while turnRest > 0 {
      gathered.removeAll()
      gathered.append(
        lent.output, from: lent.outputSent, count: lent.output.count - lent.outputSent)
      if let pin = lent.pin, let cache {
        let region = cache.region
        cache.forEachPart(
          of: pin.hit, from: lent.body.lowerBound, count: min(lent.body.count, turnRest)
        ) { part in
          gathered.append(region, offset: part.offset, count: part.count)
          return true
        }
      }
      guard gathered.byteCount > 0 else { return beginLingering(upstream, lent) }
      switch Stream.send(upstream.descriptor, gathered) {
      case .sent(let count):
        let ofOutput = min(count, lent.output.count - lent.outputSent)
        lent.outputSent += ofOutput
        lent.body = lent.body.lowerBound + count - ofOutput..<lent.body.upperBound
        turnRest -= count
        extend(upstream, lent)
      case .wouldBlock: return setInterest(upstream, .writable)
      case .broken: return closeLent(upstream, lent)
      }
    }
    setInterest(upstream, .writable)
  }

  private func beginLingering(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    letGo(lent)
    lent.phase = .lingering
    Stream.shutdownSending(upstream.descriptor)
    setInterest(upstream, .readable)
    deadlines[Int(upstream.descriptor)] = now + Limits.lingerMilliseconds
    linger(upstream, lent)
  }

  private func linger(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    received.removeAll()
    defer { received.removeAll() }
    switch Stream.receive(upstream.descriptor, into: received) {
    case .received, .wouldBlock: break
    case .closed, .broken: closeLent(upstream, lent)
    }
  }

  /// Nothing more is kept for it in the cache.
  private func letGo(_ lent: LentExchange) {
    if let forwarding = lent.forwarding { endCaching(forwarding, .abandoned) }
    lent.forwarding = nil
    lent.head = nil
    if let fill = lent.fill { cache?.abandon(fill) }
    lent.fill = nil
    if let pin = lent.pin { cache?.unpin(pin) }
    lent.pin = nil
  }

  private func closeLent(_ upstream: UpstreamConnection, _ lent: LentExchange) {
    letGo(lent)
    let index = Int(upstream.descriptor)
    upstreams[index] = nil
    deadlines[index] = .max
    claims.lent.all[upstream.token] = nil
    upstream.lent = nil
    poller.remove(upstream.descriptor)
  }
}
