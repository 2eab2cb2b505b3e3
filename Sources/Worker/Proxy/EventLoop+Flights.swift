// One miss, one fetch (DESIGN 4.9): requests that wait for what another one fetches.

import Cache
import Configuration
import HTTP
import Platform

/// A request that waits, and how it goes on.
final class FlightWait {
  let target: ProxyTarget
  let caching: CachingExchange
  let ticket: FlightTicket
  /// Monotonic milliseconds: then it fetches for itself.
  let deadline: Int64

  init(
    target: ProxyTarget, caching: CachingExchange, ticket: FlightTicket, deadline: Int64
  ) {
    self.target = target
    self.caching = caching
    self.ticket = ticket
    self.deadline = deadline
  }
}

/// Who of this process waits for which flight.
struct FlightWaiters {
  struct Waiter {
    let token: UInt64
    /// It waits in this queue all the same, since then (`CachingExchange.ticket`).
    let queue: QueueReference?
    let since: UInt64
  }

  var byTicket: [FlightTicket: [Waiter]] = [:]
  /// Those that wait in a queue, by its place: for each how many, and the oldest's ticket.
  var inQueues: [Int: (count: Int, oldest: UInt64)] = [:]
}

extension EventLoop {
  /// Asks the application, unless somebody does already; true when the answer has left whole.
  func fetch(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ caching: CachingExchange
  ) -> Bool {
    if caching.request.onlyIfCached { return failUncached(exchange, stream) }
    caching.isForCache = caching.stored != nil
    let settings = exchange.settings
    // What has to be asked for by each client is of no use to others. What a condition or a range
    // is answered with may lead to what is: see `fetchWhole(instead:)`.
    let isShared =
      exchange.head.method == .get && !caching.request.noStore && !caching.request.noCache
      && caching.stored?.facts.isNeverShared != true && settings.value.caching.locks
    guard isShared, let flights, caching.waitCount < Limits.flightWaitsMax,
      !caching.followsFailure
    else {
      return forward(target, exchange, stream, caching: caching)
    }
    switch flights.begin(
      flightHash(caching, exchange),
      ageMillisecondsMax: Int(settings.value.caching.lockMilliseconds), now: bootTicks)
    {
    case .parallel: return forward(target, exchange, stream, caching: caching)
    case .mine(let token):
      // Another flight may have ended between the look-up and this one's begin.
      if caching.stored == nil, holdsFresh(caching, exchange, stream) {
        _ = flights.end(token, .stored, now: bootTicks)
        caching.waitCount += 1
        return answerStored(target, exchange, stream, caching)
      }
      caching.flight = token
      return forward(target, exchange, stream, caching: caching)
    case .others
    where now - (caching.waitingSince ?? now) >= settings.value.caching.lockMilliseconds:
      return forward(target, exchange, stream, caching: caching)
    case .others(let ticket):
      if let queue = target.queue {
        // Nobody knows yet whether there will be anything to share: no process is idle for it.
        if caching.stored == nil, heritage.queues?.hasIdleProcess(queue.slot) == true {
          return forward(target, exchange, stream, caching: caching)
        }
        if let reason = joinQueue(queue, caching, byteCount: exchange.bytes.count) {
          return forward(target, exchange, stream, caching: caching, refusal: reason)
        }
      }
      wait(for: ticket, target, exchange, stream, caching)
      return false
    }
  }

  /// Lets a request wait for the end of a flight.
  func wait(
    for ticket: FlightTicket, _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ caching: CachingExchange
  ) {
    let since = caching.waitingSince ?? now
    caching.waitingSince = since
    exchange.flightWait = FlightWait(
      target: target, caching: caching, ticket: ticket,
      deadline: since + exchange.settings.value.caching.lockMilliseconds)
    exchange.waiting = .flight
    flightWaiters.byTicket[ticket, default: []].append(
      FlightWaiters.Waiter(
        token: stream.token, queue: caching.ticket == 0 ? nil : target.queue,
        since: caching.ticket))
    setInterest(stream, [])
    setDeadline(stream, .max)
    // Over already: nobody will wake this process for it.
    if flights?.wait(for: ticket) != true { flightsOver.append(ticket) }
  }

  /// Names what is fetched: the key, from whom, and the variant as far as it is known.
  func flightHash(_ caching: CachingExchange, _ exchange: Exchange) -> UInt64 {
    var key = caching.hash
    if let owner = exchange.owner { key = CacheFlights.hash(key: key, selector: owner.mark) }
    guard let stored = caching.stored, !stored.selector.isEmpty, let cache else {
      return CacheFlights.hash(key: key, selector: 0)
    }
    return CacheFlights.hash(key: key, selector: cache.hash(stored.selector.rawSpan))
  }

  private func holdsFresh(
    _ caching: CachingExchange, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    guard let cache else { return false }
    defer { cache.release() }
    var miss = CacheForward.miss
    guard let found = findResponse(caching, exchange, stream, &miss), !found.isSuspect else {
      return false
    }
    return isFresh(found.facts, ValidatedWord(raw: cache.validated(found.hit)))
      && !found.facts.flags.contains(.validatesAlways)
  }

  /// This process was woken: some flights may be over.
  func receiveFlights() {
    guard let flights else { return }
    for ticket in Array(flightWaiters.byTicket.keys) where !flights.wait(for: ticket) {
      resumeFlight(ticket)
    }
  }

  /// Flights that were over before anybody could be woken for them, and requests that have waited
  /// for as long as `CacheLockMaxAge` allows.
  func resumeFlights() {
    while let ticket = flightsOver.popLast() { resumeFlight(ticket) }
    guard !flightWaiters.byTicket.isEmpty else { return }
    for ticket in Array(flightWaiters.byTicket.keys) {
      // Those before may have begun other requests of their connections, which wait here too.
      guard let waiters = flightWaiters.byTicket[ticket] else { continue }
      var rest: [FlightWaiters.Waiter] = []
      var late: [(waiter: FlightWaiters.Waiter, reason: EndReason?)] = []
      for waiter in waiters {
        guard let wait = stream(of: waiter.token)?.exchange?.flightWait, wait.ticket == ticket
        else {
          noteCancelled(waiter)
          continue
        }
        // So many at a time, that others have their turn.
        let reason = late.count < Limits.queueEndsPerTurn ? endOfWaiting(waiter) : nil
        if reason != nil || wait.deadline <= now {
          late.append((waiter, reason))
        } else {
          rest.append(waiter)
        }
      }
      flightWaiters.byTicket[ticket] = rest.isEmpty ? nil : rest
      if rest.count < waiters.count { tellSharedWaits() }
      for (waiter, reason) in late { resume(waiter, ticket, refusal: reason) }
    }
  }

  private func resumeFlight(_ ticket: FlightTicket) {
    guard let waiters = flightWaiters.byTicket.removeValue(forKey: ticket) else { return }
    leaveShared(waiters)
    for waiter in waiters { resume(waiter, ticket, refusal: nil) }
  }

  /// `refusal`: why it may wait no longer.
  private func resume(
    _ waiter: FlightWaiters.Waiter, _ ticket: FlightTicket, refusal: EndReason?
  ) {
    guard let stream = stream(of: waiter.token), let exchange = stream.exchange,
      let wait = exchange.flightWait, wait.ticket == ticket
    else { return }
    exchange.flightWait = nil
    exchange.waiting = .nothing
    head = exchange.head
    let caching = wait.caching
    caching.waitCount += 1
    caching.followsFailure = flights?.hasFailed(ticket) == true
    let isDone: Bool
    if let refusal {
      isDone = forward(wait.target, exchange, stream, caching: caching, refusal: refusal)
    } else if exchange.routedTurn == claims.turn {
      isDone = answerStored(wait.target, exchange, stream, caching)
    } else {
      // Its URL may be somebody else's since, or its queue another one.
      exchange.flightWaitCount = caching.waitCount
      exchange.flightWaitingSince = caching.waitingSince
      isDone = follow(exchange.currentPath, exchange, stream)
    }
    if isDone { finishResponse(stream) }
  }

  /// The fetch is over, for those who wait for it.
  func endFlight(_ forwarding: Forwarding, _ outcome: FlightOutcome) {
    guard let flight = forwarding.caching.flight else { return }
    forwarding.caching.flight = nil
    _ = flights?.end(flight, outcome, now: bootTicks)
  }
}
