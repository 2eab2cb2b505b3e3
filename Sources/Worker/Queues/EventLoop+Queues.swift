// Requests that wait for their application: Ring3 holds them, and gives one away for each credit.

import Configuration
import HTTP
import Platform

/// What is remembered of the queue that a request went through last: most often the next one has
/// the same.
final class LastQueue {
  let queue: QueueReference
  /// Of its socket.
  let path: [UInt8]
  /// Where a credit is probably free.
  var credit = 0

  init(queue: QueueReference, path: [UInt8]) {
    self.queue = queue
    self.path = path
  }
}

extension EventLoop {
  /// Has this process woken when it is its turn.
  func watchWakes() throws(SystemError) {
    guard let wakers = heritage.wakers else { return }
    wakers.drain(slot: slot)
    try poller.add(
      wakers.descriptor(slot: slot).number, token: Token.special(.wakes, 0), interest: .readable)
  }

  /// This process was woken: a flight is over, or a credit is free.
  func receiveWakes() {
    heritage.wakers?.drain(slot: slot)
    receiveFlights()
    queuesWithRoom.formUnion(waitingRequests.keys)
  }

  /// Whether a request may go to its application now. If not it waits, or has been answered.
  func passQueue(_ forwarding: Forwarding) -> Bool {
    guard let queue = forwarding.target.queue, forwarding.credit == nil else { return true }
    if let reason = refusal(of: forwarding, queue) {
      failQueue(forwarding, reason)
      return false
    }
    guard let board = heritage.queues else { return false }
    let isNew = forwarding.isNewToQueue
    if !isNew { giveTicket(forwarding) }
    // What has just come is behind all that waits. When it came is asked only if it must wait, too.
    let isFirst = now >= queuePauseEnd && isFirst(forwarding, queue, isNew: isNew)
    if isFirst, let credit = takeCredit(queue, forwarding) {
      forwarding.credit = credit
      forwarding.isNewToQueue = false
      return true
    }
    if isNew, board.isFull(queue.slot, adding: forwarding.request.count) {
      failQueue(forwarding, .queueFull)
      return false
    }
    beginWaiting(forwarding, queue)
    tellWaiting(queue.slot)
    // A credit may have become free, or the queue closed, before anybody could see that it waits.
    if let reason = refusal(of: forwarding, queue) {
      stopWaiting(forwarding, queue)
      failQueue(forwarding, reason)
      return false
    }
    if isFirst, let credit = takeCredit(queue, forwarding) {
      stopWaiting(forwarding, queue)
      forwarding.credit = credit
      return true
    }
    board.noteDemand(queue.slot)
    return false
  }

  /// Whether nobody waits here who came before.
  private func isFirst(_ forwarding: Forwarding, _ queue: QueueReference, isNew: Bool) -> Bool {
    waitingRequests[queue.slot]?.first.map { !isNew && $0.ticket > forwarding.ticket } ?? true
  }

  private func takeCredit(_ queue: QueueReference, _ forwarding: Forwarding) -> Int? {
    takeCredit(queue, ticket: forwarding.ticket == 0 ? .max : forwarding.ticket)
  }

  /// For a request that came at `ticket`, or just now (`.max`).
  func takeCredit(_ queue: QueueReference, ticket: UInt64) -> Int? {
    guard let last = lastQueue, last.queue == queue else {
      return heritage.queues?.takeCredit(queue, slot: slot, ticket: ticket, near: 0)
    }
    let credit = heritage.queues?.takeCredit(queue, slot: slot, ticket: ticket, near: last.credit)
    if let credit { last.credit = credit + 1 }
    return credit
  }

  private func beginWaiting(_ forwarding: Forwarding, _ queue: QueueReference) {
    giveTicket(forwarding)
    if forwarding.waitingSince == 0 {
      forwarding.waitingSince = UInt64(Clock.monotonicMicroseconds())
    }
    forwarding.phase = .queued
    forwarding.isWaiting = true
    waitingRequests[queue.slot, default: WaitingRequests()].insert(forwarding)
    guard let stream = forwarding.stream else { return }
    // It is the queue's age that ends it, not what its client is slow with.
    setDeadline(stream, .max)
    // Whoever goes away is to be noticed, though nothing is read.
    if let connection = stream as? Connection, !connection.interest.contains(.readable),
      !forwarding.isStarting
    {
      setInterest(connection, connection.interest.union(.peerClosed))
    }
  }

  /// Its turn has come: what its client may take for the rest of the body counts from here.
  private func resumeReading(_ forwarding: Forwarding) {
    guard let connection = forwarding.stream as? Connection else { return }
    setInterest(connection, connection.interest.subtracting(.peerClosed))
    guard connection.body != nil else { return }
    connection.phaseStart = now
    connection.phaseByteCount = 0
    extendReadDeadline(connection, policies[connection.site].bodyTimeout)
  }

  /// This process has no descriptors left: others go first until the next look.
  func pauseQueues(_ forwarding: Forwarding) {
    guard let queue = forwarding.target.queue else { return }
    queuePauseEnd = now + Limits.tickMilliseconds
    leaveQueue(forwarding)
    beginWaiting(forwarding, queue)
    for place in waitingRequests.keys { tellWaiting(place) }
  }

  private func giveTicket(_ forwarding: Forwarding) {
    forwarding.isNewToQueue = false
    if forwarding.ticket == 0 { forwarding.ticket = nextTicket() }
  }

  func nextTicket() -> UInt64 {
    lastTicket = max(lastTicket + 1, UInt64(Clock.monotonicMicroseconds()))
    return lastTicket
  }

  private func refusal(of forwarding: Forwarding, _ queue: QueueReference) -> EndReason? {
    refusal(of: queue, isNew: forwarding.isNewToQueue)
  }

  /// Why a queue takes a request no more; nil: it does.
  func refusal(of queue: QueueReference, isNew: Bool) -> EndReason? {
    guard let board = heritage.queues, board.serial(queue.slot) == queue.serial else {
      return .reserved
    }
    switch board.state(queue.slot) {
    case .gone: return .reserved
    case .enabled: return nil
    case .draining: return isNew ? .disabled : nil
    case .disabled: return .disabled
    case .offline: return .applicationOffline
    }
  }

  /// Lets go whatever has a credit now. At the end of a batch, since whoever gave one back is in
  /// the middle of something.
  func takeUpQueues() {
    let queues = queuesWithRoom
    queuesWithRoom.removeAll()
    for queue in queues { advance(queue) }
  }

  private func advance(_ place: Int) {
    defer { heritage.queues?.passOn(place, slot: slot) }
    var refusedCount = 0
    while now >= queuePauseEnd, let forwarding = waitingRequests[place]?.first,
      let queue = forwarding.target.queue
    {
      if let reason = refusal(of: forwarding, queue) {
        // So many at a time, that others have their turn.
        guard refusedCount < Limits.queueEndsPerTurn else {
          queuesWithRoom.insert(place)
          return
        }
        refusedCount += 1
        stopWaiting(forwarding, queue)
        failQueue(forwarding, reason)
        continue
      }
      guard let credit = takeCredit(queue, forwarding) else { return }
      stopWaiting(forwarding, queue)
      forwarding.credit = credit
      resumeReading(forwarding)
      connect(forwarding)
    }
  }

  /// Several times a second: requests that have waited too long; and whoever was not woken.
  func tendQueues() {
    let present = UInt64(Clock.monotonicMicroseconds())
    for place in Array(waitingRequests.keys) {
      guard let board = heritage.queues else { return }
      let age = UInt64(max(0, board.ageMilliseconds(place))).multipliedReportingOverflow(by: 1000)
      let late =
        age.overflow || age.partialValue >= present
        ? [] : waitingRequests[place]?.since(present - age.partialValue) ?? []
      for forwarding in late {
        guard forwarding.isWaiting, let queue = forwarding.target.queue else { continue }
        stopWaiting(forwarding, queue)
        failQueue(forwarding, .timerRequestQueue)
      }
      tellWaiting(place)
      queuesWithRoom.insert(place)
    }
    if heritage.queues?.wakes == false, !waitingRequests.isEmpty {
      nextTick = min(nextTick, now + Limits.knockMilliseconds)
    }
  }

  /// More of the body has come while it waits.
  func noteWaitingBytes(_ forwarding: Forwarding) {
    guard forwarding.isWaiting, let queue = forwarding.target.queue else { return }
    waitingRequests[queue.slot]?.update(forwarding)
    tellWaiting(queue.slot)
  }

  private func stopWaiting(_ forwarding: Forwarding, _ queue: QueueReference) {
    forwarding.isWaiting = false
    waitingRequests[queue.slot]?.remove(forwarding)
    tellWaiting(queue.slot)
    if waitingRequests[queue.slot]?.isEmpty == true { waitingRequests[queue.slot] = nil }
  }

  private func tellWaiting(_ place: Int) {
    let waiting = waitingRequests[place]
    heritage.queues?.setWaiting(
      place, slot: slot, count: waiting?.count ?? 0, bytes: waiting?.byteCount ?? 0,
      // Nobody is to go behind a process that cannot take its turn.
      oldest: now < queuePauseEnd ? 0 : waiting?.first?.ticket ?? 0)
  }

  /// Nothing more is asked of the application for this request, or it has gone while it waited.
  func leaveQueue(_ forwarding: Forwarding) {
    guard let queue = forwarding.target.queue, let board = heritage.queues else { return }
    if forwarding.isWaiting {
      stopWaiting(forwarding, queue)
      if forwarding.stream == nil { board.count(.cancelled, queue, slot: slot) }
      // It may have been the one that a credit was kept for.
      queuesWithRoom.insert(queue.slot)
    }
    guard let credit = forwarding.credit else { return }
    forwarding.credit = nil
    giveBack(queue, credit)
  }

  func giveBack(_ queue: QueueReference, _ credit: Int) {
    guard let board = heritage.queues else { return }
    if let last = lastQueue, last.queue == queue { last.credit = credit }
    if board.giveBack(queue, credit, slot: slot) { queuesWithRoom.insert(queue.slot) }
  }

  /// Nobody waits for the answer any more, but the application is still at work on it, and free for
  /// the next request only when it answers, or closes. It is told by the end of our sending.
  func settle(_ upstream: UpstreamConnection, _ forwarding: Forwarding) {
    guard let credit = forwarding.credit, let queue = forwarding.target.queue,
      upstream.isConnected, heritage.queues?.serial(queue.slot) == queue.serial
    else { return closeUpstream(upstream) }
    upstream.credit = credit
    upstream.forwarding = nil
    forwarding.credit = nil
    forwarding.upstream = nil
    Stream.shutdownSending(upstream.descriptor)
    setInterest(upstream, .readable)
    deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
  }

  /// Where a request's member, or the application of its queue, is.
  func endpoint(of forwarding: Forwarding) -> UpstreamEndpoint? {
    guard let queue = forwarding.target.queue, let path = path(of: queue) else {
      return balancing?.endpoint(forwarding.member)
    }
    return .unix(path)
  }

  /// Where a queue's application accepts.
  func path(of queue: QueueReference) -> [UInt8]? {
    if let last = lastQueue, last.queue == queue { return last.path }
    guard let directory = model.server.queueDirectory else { return nil }
    let path = Array(Model.queuePath(directory, queue).utf8)
    lastQueue = LastQueue(queue: queue, path: path)
    return path
  }

  /// Whether connections to a request's member carry more than one.
  func keepsAlive(_ forwarding: Forwarding) -> Bool {
    guard let queue = forwarding.target.queue else { return pools[forwarding.member].reuses }
    return heritage.queues?.keepsAlive(queue.slot) ?? false
  }

  /// The application broke off before it answered: another process of it gets the request, if that
  /// may be sent again. Not for ever: it may be the request that kills them.
  func abandoned(_ forwarding: Forwarding, mayResend: Bool) {
    guard let queue = forwarding.target.queue else { return }
    guard mayResend, forwarding.attemptCount < Limits.queueAttemptsMax else {
      noteFailed(forwarding)
      return failForwarding(forwarding, 502, .abandonedByRequestQueue)
    }
    forwarding.attemptCount += 1
    forwarding.waitingSince = 0
    // It came before all that have had to wait since.
    if forwarding.ticket == 0 { forwarding.ticket = UInt64(max(1, forwarding.begun)) * 1000 }
    heritage.queues?.count(.retried, queue, slot: slot)
    forwarding.passing?.retryCount += 1
    forwarding.requestSent = 0
    forwarding.requestIsBroken = false
    endAttempt(forwarding)
    forwarding.isCounted = true
    balancing?.begin(forwarding.member)
    connect(forwarding)
  }

  /// The application has answered.
  func noteServed(_ forwarding: Forwarding) {
    guard let queue = forwarding.target.queue else { return }
    heritage.queues?.count(.served, queue, slot: slot)
  }

  /// What came of the application was no whole answer.
  func noteFailed(_ forwarding: Forwarding) {
    guard let queue = forwarding.target.queue else { return }
    heritage.queues?.count(.failed, queue, slot: slot)
  }

  /// Answers a request that its queue refuses, as that queue wants it.
  func failQueue(_ forwarding: Forwarding, _ reason: EndReason) {
    let exchange = forwarding.exchange
    guard let queue = forwarding.target.queue else { return }
    heritage.queues?.count(
      reason == .timerRequestQueue ? .expired : .refused, queue, slot: slot)
    noteRefusal(reason, queue, forwarding.stream)
    switch reason == .reserved ? .limited : heritage.queues?.verbosity(queue.slot) ?? .limited {
    case .full: exchange.errorDetail = reason.word
    case .limited: break
    case .basic:
      guard let stream = forwarding.stream else { break }
      forwarding.phase = .ended
      endAttempt(forwarding)
      endCaching(forwarding, .failed)
      exchange.forwarding = nil
      forwarding.stream = nil
      let bytes = exchange.bytes
      let record = makeRecord(
        stream, site: exchange.site.site, status: 503, exchange.head, bytes.rawSpan)
      finishRecord(record, reason: reason)
      // RFC 9113 §8.7: whoever was told so may send it again, whatever its method.
      if let stream = stream as? MultiplexedStream, forwarding.attemptCount == 0,
        forwarding.delegationCount == 0
      {
        return refuse(stream)
      }
      if let connection = stream as? Connection { resetOnClose(connection) }
      return close(stream, .connectionClose)
    }
    failForwarding(forwarding, 503, reason)
  }
}
