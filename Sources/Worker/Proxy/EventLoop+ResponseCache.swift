// An application's response is asked of the cache first: fresh, stale, to be validated, or missing.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Answers from the cache, or by the application; true when the answer has left whole.
  func passOn(_ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    if isPurge(exchange) { return purge(exchange, stream) }
    let bytes = exchange.bytes
    // Whoever it was for is this server (RFC 9110 §7.6.2).
    if EventLoop.hopsLeft(exchange.head, in: bytes.rawSpan) == 0 {
      return respondOptions(exchange, stream)
    }
    // Before it could wait for itself.
    if isLoop(exchange, target) { return fail(exchange, stream, 508, .proxyLoop) }
    let caching = CachingExchange()
    caching.waitCount = exchange.flightWaitCount
    caching.waitingSince = exchange.flightWaitingSince
    guard head.method.isRetrieval, head.body == .none else {
      caching.forward = .method
      return forward(target, exchange, stream, caching: caching)
    }
    guard mayKeep(target, exchange, stream),
      nameResponse(caching, exchange, stream)
    else {
      exchange.plainHash = exchange.absentHash
      return forward(target, exchange, stream, caching: caching)
    }
    if head.hasOriginConditions {
      return passConditions(target, exchange, stream, caching.request)
    }
    return answerStored(target, exchange, stream, caching)
  }

  /// If-Match and If-Unmodified-Since ask about what the application has now: nothing stored can
  /// answer, and no answer to them is for others (RFC 9111 §4.3.2).
  private func passConditions(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ request: RequestCacheControl
  ) -> Bool {
    if request.onlyIfCached { return failUncached(exchange, stream) }
    return forward(target, exchange, stream)
  }

  /// Whether what answers this request may be kept for others with the same key.
  func mayKeep(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    guard exchange.settings.value.caching.isEnabled, !exchange.head.connectionUpgrade,
      exchange.path.count > 0, !target.handsOff, !stream.told.contains(.unlike)
    else { return false }
    exchange.namesPort = namesPort(exchange.head, stream)
    exchange.told = stream.told
    // The application sees Host as it was sent, and the key is without port, in lower case. What
    // is kept for all was asked for with the true port, or with none, and the plain name.
    let port = exchange.head.hostPort
    return (port == nil || exchange.namesPort && port == localAddress(of: stream).port)
      && exchange.spells(exchange.head.host, exchange.host)
      && (!seesRawTarget(target) || isCanonical(exchange))
  }

  /// Notes what the response is called and what the request says of caches; false: it has no name.
  func nameResponse(
    _ caching: CachingExchange, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    guard let cache else { return false }
    let settings = exchange.settings
    let byteCount = stream.keyPrefix.count + exchange.host.count + exchange.path.count + 1
    if let hash = exchange.absentHash, exchange.head.target == exchange.head.path,
      byteCount <= Limits.keyBytesMax / 2, isCanonical(exchange)
    {
      // What the first look was for is the key.
      caching.name(
        prefix: stream.keyPrefix, host: exchange.host, path: exchange.path, hash: hash)
    } else {
      let key = responseKey(exchange, stream)
      guard key.count <= Limits.keyBytesMax / 2 else { return false }
      caching.name(key, hash: cache.hash(key.rawSpan))
    }
    let bytes = exchange.bytes
    if !settings.value.caching.ignoresRequestCacheControl {
      caching.request = RequestCacheControl(exchange.head, in: bytes.rawSpan)
    }
    return true
  }

  /// Whether the application is told the target as the client spelled it.
  private func seesRawTarget(_ target: ProxyTarget) -> Bool {
    target.rawPrefixByteCount != nil || balancers[target.balancer].hasFastCGI
  }

  /// Whether the client spelled the target as the key does.
  private func isCanonical(_ exchange: Exchange) -> Bool {
    guard exchange.head.targetForm == .origin else { return false }
    let path = exchange.path
    if PercentEncoding.isPlain(path: path.rawSpan) {
      return exchange.spells(exchange.head.path, path)
    }
    var encoded: [UInt8] = []
    PercentEncoding.append(path: path.rawSpan, to: &encoded)
    return exchange.spells(exchange.head.path, encoded)
  }

  /// The key of an application's response: the canonical path, and of the query what counts.
  func responseKey(_ exchange: Exchange, _ stream: RequestStream) -> [UInt8] {
    guard exchange.head.hasQuery else {
      return CacheKeys.canonical(
        prefix: stream.keyPrefix, host: exchange.host, path: exchange.path)
    }
    return CacheKeys.response(
      prefix: stream.keyPrefix, host: exchange.host, path: exchange.path,
      query: exchange.head.query.map(exchange.copy), exchange.settings.value.caching.keyQuery)
  }

  /// Looks for a stored response and does what the rules say of it (RFC 9111 §4).
  func answerStored(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ caching: CachingExchange
  ) -> Bool {
    guard let cache else { preconditionFailure("no cache to look into") }
    var miss = CacheForward.uriMiss
    // Most requests spell their target as the key does, which was looked for just now.
    if let absent = exchange.absentHash {
      exchange.absentHash = nil
      if absent == caching.hash {
        exchange.plainHash = absent
        caching.forward = miss
        return fetch(target, exchange, stream, caching)
      }
    }
    guard let found = findResponse(caching, exchange, stream, &miss) else {
      caching.forward = miss
      cache.release()
      return fetch(target, exchange, stream, caching)
    }
    let (hit, facts, isSuspect) = found
    let word = ValidatedWord(raw: cache.validated(hit))
    let use = ReuseRules.decide(
      StoredFacts(facts, ageTicks: word.age(at: bootTicks)), request: caching.request,
      orders: CachingOrders(exchange.settings.value.caching),
      originFailed: caching.followsFailure && !isSuspect)
    if policies[exchange.site.site].logsPassing { noteStale(use, stream) }
    switch isSuspect ? ReuseDecision.validate : use {
    case .fresh, .stale:
      var status: CacheStatus?
      if caching.followsFailure {
        status = CacheStatus()
        status?.forward = .stale
        status?.collapsed = true
        status?.ttlSeconds = StoredAge(facts, word, at: bootTicks).freshSeconds
      }
      return serveStored(hit, facts, exchange, stream, caching, status: status?.text)
    case .staleWhileRevalidate:
      let stored = storedResponse(hit, facts, cache)
      refresh(target, exchange, stream, caching, stored)
      // The hazard slot holds one entry, and a refresh may have looked at others.
      guard let again = findResponse(caching, exchange, stream, &miss) else {
        cache.release()
        return fetch(target, exchange, stream, caching)
      }
      return serveStored(again.hit, again.facts, exchange, stream, caching, status: nil)
    case .validate:
      caching.stored = storedResponse(hit, facts, cache)
      caching.forward = isFresh(facts, word) && !isSuspect ? .request : .stale
      cache.release()
      return fetch(target, exchange, stream, caching)
    case .unsatisfiable:
      cache.release()
      return failUncached(exchange, stream)
    }
  }

  /// The stored response for a request, held. Suspect: it was invalidated softly, or its validity
  /// must be asked for in any case. nil: `miss` becomes `varyMiss` if other variants are stored.
  func findResponse(
    _ caching: CachingExchange, _ exchange: Exchange, _ stream: RequestStream,
    _ miss: inout CacheForward
  ) -> (hit: CacheHit, facts: EntryFacts, isSuspect: Bool)? {
    let key = caching.key
    guard let cache, var hit = cache.lookUp(key.rawSpan, hash: caching.hash) else {
      return nil
    }
    if cache.selectorRange(hit).count > 0, cache.facts(hit).flags.contains(.isResponse) {
      let bytes = exchange.bytes
      guard let variant = chooseResponse(cache, hit, exchange.head, bytes.rawSpan) else {
        miss = .varyMiss
        return nil
      }
      hit = variant
    }
    let facts = cache.facts(hit)
    guard facts.flags.contains(.isResponse), facts.kind == .content,
      facts.fingerprint == responseFingerprint(exchange), isMade(hit, for: exchange.owner)
    else {
      // Also what was said before somebody claimed the URL; an alias is another's.
      if isCurrent, facts.kind != .alias { _ = cache.drop(hit) }
      return nil
    }
    guard
      (facts.checks & EntryChecks.namesPort != 0) == exchange.namesPort
        || facts.checks & EntryChecks.anyPort != 0,
      facts.checks & EntryChecks.told == EntryChecks.told(exchange.told)
    else { return nil }
    switch cache.standing(hit) {
    case .good: return (hit, facts, false)
    case .stale: return (hit, facts, true)
    case .gone:
      if isCurrent { _ = cache.drop(hit) }
      return nil
    }
  }

  /// Of everything that the configuration says about this response.
  func responseFingerprint(_ exchange: Exchange) -> UInt64 {
    var mark = Fingerprint()
    mark.mix(model.sites[exchange.site.site].fingerprint)
    mark.mix(exchange.settings.value.fingerprint)
    if case .proxy(let target) = exchange.route.action {
      if let owner = exchange.owner {
        // Not the queue's place, which is another one after a restart.
        mark.mix("claimed")
        mark.mix(owner.mark)
      } else {
        mark.mix(model.proxyBalancers[target.balancer].name)
      }
      mark.mix(Array(target.path.prefix { $0 != UInt8(ascii: "?") }))
    }
    return mark.value
  }

  /// Sends a stored response, and notes that routing still leads to it.
  private func serveStored(
    _ hit: CacheHit, _ facts: EntryFacts, _ exchange: Exchange, _ stream: RequestStream,
    _ caching: CachingExchange, status: [UInt8]?
  ) -> Bool {
    guard let cache else { preconditionFailure("a hit without a cache") }
    let word = ValidatedWord(raw: cache.validated(hit))
    let routed = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site,
      ticks: word.raw & ValidatedWord.timeMask)
    if isCurrent {
      if routed != word { _ = cache.setValidated(hit, from: word.raw, to: routed.raw) }
      noteSpelling(exchange, stream, base: caching.key, facts: facts, routed)
    }
    // The alias may have been looked up: hold the entry itself.
    let chosen = ChosenEntry(
      hit: hit, facts: facts, site: exchange.site.site, outcome: .hit, status: status)
    stream.exchange = nil
    head = exchange.head
    let bytes = exchange.bytes
    return send(chosen, on: stream, bytes.rawSpan)
  }

  // MARK: Fetching

  /// Fetches a newer response for nobody in particular, unless somebody does already. Only what
  /// answers a GET whose client lets it be kept can be such a response.
  private func refresh(
    _ target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream,
    _ given: CachingExchange, _ stored: StoredResponse
  ) {
    guard exchange.head.method == .get, !given.request.noStore else { return }
    let caching = given.copy()
    caching.stored = stored
    caching.isForCache = true
    caching.forward = .stale
    if let flights {
      let age = Int(exchange.settings.value.caching.lockMilliseconds)
      guard
        case .mine(let token) = flights.begin(
          flightHash(caching, exchange), ageMillisecondsMax: age, now: bootTicks)
      else { return }
      caching.flight = token
    }
    exchange.origin = origin(of: stream)
    _ = forward(target, repeated(exchange), nil, caching: caching)
  }

  func origin(of stream: RequestStream) -> RequestOrigin {
    RequestOrigin(
      client: stream.client, peer: carrier(of: stream).peer, local: localAddress(of: stream),
      listener: stream.listener, isEncrypted: listeners[stream.listener].isEncrypted,
      isBelieved: stream.isBelieved)
  }

  private func storedResponse(
    _ hit: CacheHit, _ facts: EntryFacts, _ cache: CacheStore
  ) -> StoredResponse {
    let range = cache.selectorRange(hit)
    var lines: [UInt8] = []
    if facts.etagCount > 0 {
      let headRange = cache.headRange(hit)
      let tag = cache.region.copyOut(
        at: headRange.offset + Int(facts.etagOffset), count: Int(facts.etagCount))
      var tags: [UInt8] = []
      EntityTag.list(tag.rawSpan, addingUncodedTo: &tags)
      ResponseHead.appendField("If-None-Match", tags, to: &lines)
    }
    if facts.lastModifiedSeconds > 0 {
      ResponseHead.appendField(
        "If-Modified-Since", date: Int64(facts.lastModifiedSeconds), to: &lines)
    }
    return StoredResponse(
      facts: facts, selector: cache.region.copyOut(at: range.offset, count: range.count),
      edition: cache.edition(hit), conditionLines: lines)
  }
}

extension CachingOrders {
  /// What the configuration says of a path.
  init(_ settings: CachingSettings) {
    self.init()
    isEnabled = settings.isEnabled
    defaultSeconds = settings.defaultSeconds
    lastModifiedPermille = settings.lastModifiedPermille
    secondsMax = settings.secondsMax
    secondsMin = settings.secondsMin
    ignoredFields = settings.ignoredFields.map { Array($0.utf8) }
    ignoresRequestCacheControl = settings.ignoresRequestCacheControl
    storesExpired = settings.storesExpired
    storesNoStore = settings.storesNoStore
    storesPrivate = settings.storesPrivate
    storesVaryUserAgent = settings.storesVaryUserAgent
    storesVaryCookie = settings.storesVaryCookie
    staleOnErrorSeconds = settings.staleOnErrorSeconds
    staleWhileRevalidateSeconds = settings.staleWhileRevalidateSeconds
  }
}
