// Stored responses in the application's place: when it fails, or says that nothing has changed.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// A stale response stands in for an error (RFC 5861 §4, RFC 9111 §4.2.4); true: it did.
  func standInStale(_ forwarding: Forwarding) -> Bool {
    let key = forwarding.caching.key
    guard let stored = forwarding.caching.stored, let cache, let stream = forwarding.stream,
      leadsStill(forwarding.exchange, forwarding.origin),
      let hit = cache.lookUp(
        key.rawSpan, selector: stored.selector.rawSpan, hash: forwarding.caching.hash)
    else { return false }
    let facts = cache.facts(hit)
    let word = ValidatedWord(raw: cache.validated(hit))
    let use = ReuseRules.decide(
      StoredFacts(facts, ageTicks: word.age(at: bootTicks)), request: forwarding.caching.request,
      orders: CachingOrders(forwarding.settings.value.caching), originFailed: true)
    // What was invalidated must be validated first, whatever happens (RFC 9111 §4.4).
    guard facts.flags.contains(.isResponse), use.isUse, cache.standing(hit) == .good,
      facts.fingerprint == responseFingerprint(forwarding.exchange),
      isMade(hit, for: forwarding.exchange.owner)
    else {
      cache.release()
      return false
    }
    var status = CacheStatus()
    status.forward = forwarding.caching.forward
    if forwarding.hasResponse { status.forwardStatus = forwarding.response.status }
    status.ttlSeconds = StoredAge(facts, word, at: bootTicks).freshSeconds
    status.collapsed = forwarding.caching.waitCount > 0
    let chosen = ChosenEntry(
      hit: hit, facts: facts, site: forwarding.exchange.site.site, outcome: .hit,
      status: status.text)
    endForwarding(forwarding, .failed, isReusable: false)
    forwarding.passing?.cacheWord = "stale"
    sendInstead(chosen, forwarding, stream)
    return true
  }

  /// The application's part is over: its connection, the fill, those who wait for it.
  func endForwarding(_ forwarding: Forwarding, _ end: CachingEnd, isReusable: Bool) {
    forwarding.phase = .ended
    releaseUpstream(forwarding, isReusable: isReusable)
    endCaching(forwarding, end)
    forwarding.exchange.forwarding = nil
  }

  /// Sends a stored response to the client of a request that was passed on; `entity`: the same with
  /// other fields than are stored.
  func sendInstead(
    _ chosen: ChosenEntry, as entity: Entity? = nil, _ forwarding: Forwarding,
    _ stream: RequestStream
  ) {
    let exchange = forwarding.exchange
    forwarding.stream = nil
    stream.state.relayFailed()
    stream.exchange = nil
    head = exchange.head
    let bytes = exchange.bytes
    let isDone =
      entity.map { sendEntity($0, exchange, stream) } ?? send(chosen, on: stream, bytes.rawSpan)
    finish(forwarding, stream, isDone: isDone)
  }
}
