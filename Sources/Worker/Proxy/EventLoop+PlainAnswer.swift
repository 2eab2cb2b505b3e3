// The plain answer of an application: received in one piece, and given to the client in one.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// An application that works on a plain request says something.
  func receivePlain(_ upstream: UpstreamConnection, _ pass: PlainPass) {
    received.removeAll()
    let result = Stream.receive(upstream.descriptor, into: received)
    switch result {
    case .received(let count): if takePlain(count, upstream, pass) { return }
    case .wouldBlock: return
    case .closed, .broken: break
    }
    took(result, received, upstream, unfold(pass))
  }

  /// Gives a plain answer to the client; false when what has come is none.
  private func takePlain(
    _ count: Int, _ upstream: UpstreamConnection, _ pass: PlainPass
  ) -> Bool {
    guard let plan = pass.plan, let connection = pass.connection else { return false }
    let parser = pools[upstream.member].parser
    let buffer = received
    let bytes = buffer.bytes
    guard case .complete = parser.parse(bytes, into: &plainAnswer.response, to: .get),
      plainAnswer.response.isPlain(
        count, keepsAlive: plan.keepsAlive, plan.route.sharedSettings.storage),
      !isKept(bytes, pass, plan)
    else {
      plans.forget(plan, plan.hash)
      return false
    }
    balancing?.noteResponse(
      plan.member, balancer: plan.proxyTarget.balancer, status: plainAnswer.response.status,
      now: now)
    let headByteCount = plainAnswer.response.headByteCount
    writeHead(
      bytes.extracting(0..<headByteCount), &plainAnswer.response, fields: nil,
      cacheStatus: plan.cacheStatus, length: UInt64(count - headByteCount),
      rare: connection.state.closesAfterResponse ? EventLoop.closeLine : [])
    sendPlain(pass, plan, connection, from: headByteCount)
    endPlain(upstream, pass, plan, received: count)
    // What comes next may be a request that is passed on by this connection.
    if connection.state.phase == .working { finishResponse(connection) }
    return true
  }

  /// Whether the cache is to keep the answer, by the rules of `takeForCache`.
  private func isKept(_ bytes: RawSpan, _ pass: PlainPass, _ plan: PlainPlan) -> Bool {
    guard let orders = plan.orders, plainAnswer.response.speaksOfCaching else { return false }
    var fields = CachingFields()
    forEachField(of: plainAnswer.response, in: bytes) { name, value, _ in
      fields.take(name: name, value: value)
    }
    var question = StorageQuestion(method: .get, status: plainAnswer.response.status)
    question.hasAuthorization = pass.hasAuthorization
    question.hasQuery = plan.hasQuery
    question.responseDelaySeconds = (now - pass.begun) / 1000
    let decision = StorageRules.decide(question, fields, orders: orders, now: prefixes.second)
    if case .store = decision { return true }
    return false
  }

  static let closeLine = Array("Connection: close\r\n".utf8)

  /// Sends head and body. What the socket does not take is the connection's to send; without any
  /// left it is `working` still.
  private func sendPlain(
    _ pass: PlainPass, _ plan: PlainPlan, _ connection: Connection, from start: Int
  ) {
    let headByteCount = relayHead.count
    let buffer = received
    let count = buffer.count - start
    gathered.removeAll()
    // Copying so little costs less than a second piece of a send.
    if count <= min(Limits.joinedBodyBytesMax, relayHead.free) {
      relayHead.append(buffer.bytes.extracting(start..<buffer.count))
      gathered.append(relayHead)
    } else {
      gathered.append(relayHead)
      gathered.append(buffer, from: start, count: count)
    }
    var sent = 0
    var isBroken = false
    switch transmit(gathered, on: connection, more: false) {
    case .sent(let count): sent = count
    case .wouldBlock: break
    case .broken: isBroken = true
    }
    scoreboard.add(sent, to: .bytesSent, slot: slot)
    let isWhole = sent == gathered.byteCount && !hasUnsent(connection)
    connection.plainPass = nil
    if isWhole, !policies[plan.site].logs {
      relayHead.removeAll()
      return countExchange(.bypassed, .completed)
    }
    // The answer to another request may be under way by now: this one's head is read again.
    let bytes = pass.head
    guard case .complete = parser.parse(bytes.bytes, into: &head) else {
      preconditionFailure("a head that was accepted is refused")
    }
    var record = makeRecord(
      connection, site: plan.site, status: UInt16(plainAnswer.response.status), head,
      bytes.bytes, headByteCount: headByteCount, outcome: .bypassed)
    record.byteCount = sent
    if isWhole {
      relayHead.removeAll()
      return finishRecord(record, reason: .completed)
    }
    let output = PendingOutput(record: record)
    let rest = gathered.byteCount - sent
    if rest > 0 {
      output.append(.bytes(gathered.copy(droppingFirst: sent), from: 0, count: rest))
    }
    relayHead.removeAll()
    connection.state.responseBegun()
    connection.output = output
    if isBroken { close(connection, .clientReset) } else { awaitRoom(connection) }
  }

  /// The application is done: its connection takes the next request.
  private func endPlain(
    _ upstream: UpstreamConnection, _ pass: PlainPass, _ plan: PlainPlan, received count: Int
  ) {
    upstream.plainPass = nil
    if let queue = plan.proxyTarget.queue {
      heritage.queues?.count(.served, queue, slot: slot)
      giveBackCredit(pass, plan)
    }
    balancing?.end(plan.member, sent: pass.requestSent, received: count)
    endFlight(pass, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
    passes.give(pass)
    guard plan.keepsAlive, !handover.isDraining else { return closeUpstream(upstream) }
    let pool = pools[plan.member]
    deadlines[Int(upstream.descriptor)] = now + pool.idleMilliseconds
    pool.putAside(upstream, turn: turn)
    takeUpQueued(plan.member)
  }
}
