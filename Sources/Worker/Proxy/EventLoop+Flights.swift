// One miss, one fetch (DESIGN 4.9): requests that wait for what another one fetches.

import Cache
import Configuration
import HTTP
import Platform

/// A request that waits, and how it goes on.
struct FlightWait {
  let target: ProxyTarget
  var caching: CachingExchange
  let ticket: FlightTicket
  /// Monotonic milliseconds: then it fetches for itself.
  let deadline: Int64
}

extension EventLoop {
  /// Asks the application, unless somebody does already; true when the answer has left whole.
  func fetch(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ given: CachingExchange
  ) -> Bool {
    var caching = given
    if caching.request.onlyIfCached { return fail(exchange, stream, 504, .gatewayOnlyIfCached) }
    caching.isForCache = caching.stored != nil
    let settings = exchange.route.settings.caching
    // What a condition or a range may be answered with is of no use to others.
    // Nor is anything that has to be asked for by each client.
    let isShared =
      (!exchange.head.hasConditionsOrRange || caching.stored != nil)
      && exchange.head.method == .get && !caching.request.noStore && !caching.request.noCache
      && caching.stored?.facts.isNeverShared != true && settings.locks
    guard isShared, let flights, caching.waitCount < Limits.flightWaitsMax else {
      return forward(target, exchange, stream, caching: caching)
    }
    switch flights.begin(
      flightHash(caching), ageMillisecondsMax: Int(settings.lockMilliseconds), now: bootTicks)
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
    case .others(let ticket):
      exchange.flightWait = FlightWait(
        target: target, caching: caching, ticket: ticket,
        deadline: now + settings.lockMilliseconds)
      exchange.waiting = .flight
      flightWaiters[ticket, default: []].append(stream.token)
      setInterest(stream, [])
      setDeadline(stream, .max)
      // Over already: nobody will wake this process for it.
      if !flights.wait(for: ticket) { flightsOver.append(ticket) }
      return false
    }
  }

  /// Names what is fetched: the key, and the variant as far as it is known.
  func flightHash(_ caching: CachingExchange) -> UInt64 {
    guard let stored = caching.stored, !stored.selector.isEmpty, let cache else {
      return CacheFlights.hash(key: caching.hash, selector: 0)
    }
    return CacheFlights.hash(key: caching.hash, selector: cache.hash(stored.selector.rawSpan))
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

  /// Has this process woken when a flight ends that it waits for.
  func watchFlights() throws(SystemError) {
    guard let descriptor = flights?.descriptor else { return }
    try poller.add(
      descriptor.number, token: Token.special(.flights, 0), interest: .readable)
  }

  /// This process was woken: some flights are over.
  func receiveFlights() {
    guard let flights else { return }
    flights.drain()
    for ticket in Array(flightWaiters.keys) where !flights.wait(for: ticket) {
      resumeFlight(ticket)
    }
  }

  /// Flights that were over before anybody could be woken for them, and requests that have waited
  /// for as long as `CacheLockMaxAge` allows.
  func resumeFlights() {
    while let ticket = flightsOver.popLast() { resumeFlight(ticket) }
    guard !flightWaiters.isEmpty else { return }
    for (ticket, tokens) in flightWaiters {
      let late = tokens.filter { token in
        guard let wait = stream(of: token)?.exchange?.flightWait else { return true }
        return wait.ticket != ticket || wait.deadline <= now
      }
      guard !late.isEmpty else { continue }
      let rest = tokens.filter { !late.contains($0) }
      flightWaiters[ticket] = rest.isEmpty ? nil : rest
      for token in late { resume(token, ticket) }
    }
  }

  private func resumeFlight(_ ticket: FlightTicket) {
    for token in flightWaiters.removeValue(forKey: ticket) ?? [] { resume(token, ticket) }
  }

  private func resume(_ token: UInt64, _ ticket: FlightTicket) {
    guard let stream = stream(of: token), let exchange = stream.exchange,
      let wait = exchange.flightWait, wait.ticket == ticket
    else { return }
    exchange.flightWait = nil
    exchange.waiting = .nothing
    head = exchange.head
    var caching = wait.caching
    caching.waitCount += 1
    if answerStored(wait.target, exchange, stream, caching) { finishResponse(stream) }
  }

  /// The fetch is over, for those who wait for it.
  func endFlight(_ forwarding: Forwarding, _ outcome: FlightOutcome) {
    guard let flight = forwarding.caching.flight else { return }
    forwarding.caching.flight = nil
    _ = flights?.end(flight, outcome, now: bootTicks)
  }
}
