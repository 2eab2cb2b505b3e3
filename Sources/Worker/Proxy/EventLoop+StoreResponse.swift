// An application's response on its way into the cache: whether, as what, and what it replaces.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// A head has come. Decides what the cache does with it; false: the client was answered from the
  /// cache, and the response is over.
  func takeForCache(_ bytes: RawSpan, _ forwarding: Forwarding, hasMore: Bool) -> Bool {
    let status = forwarding.response.status
    var fields = CachingFields()
    forEachField(of: forwarding.response, in: bytes) { name, value, _ in
      fields.take(name: name, value: value)
    }
    if forwarding.codingVaries { fields.vary.append(Array("Accept-Encoding".utf8)) }
    if !forwarding.exchange.head.method.isSafe { invalidate(after: forwarding, fields) }
    guard !forwarding.caching.key.isEmpty else { return true }
    if status == 304, forwarding.caching.stored != nil {
      return freshen(bytes, fields, forwarding, hasMore: hasMore)
    }
    if [500, 502, 503, 504].contains(status), standInStale(forwarding) { return false }
    switch decide(fields, forwarding) {
    case .refuse(let refusal):
      forwarding.caching.refusal = refusal
      endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
    case .store(let plan):
      if !beginStoring(plan, bytes, forwarding) {
        forwarding.caching.refusal = .noRoom
        endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
      }
    }
    return true
  }

  private func decide(
    _ fields: CachingFields, _ forwarding: Forwarding
  ) -> StorageDecision {
    let exchange = forwarding.exchange
    // These answer the conditions or the range of this request alone.
    if [412, 416].contains(forwarding.response.status) { return .refuse(.status) }
    var question = StorageQuestion(
      method: exchange.head.method, status: forwarding.response.status)
    question.hasAuthorization = exchange.head.has(.authorization)
    question.requestDirectives = forwarding.caching.request
    question.hasQuery = exchange.head.query != nil
    question.responseDelaySeconds = (now - forwarding.begun) / 1000
    return StorageRules.decide(
      question, fields, orders: CachingOrders(exchange.route.settings.caching),
      now: prefixes.second)
  }

  /// What an unsafe request has changed (RFC 9111 §4.4), and what the application says of groups
  /// (RFC 9875).
  private func invalidate(after forwarding: Forwarding, _ fields: CachingFields) {
    guard let cache, let stream = forwarding.stream else { return }
    let exchange = forwarding.exchange
    let isSecure = forwarding.origin.isEncrypted
    var authority = exchange.host
    if let port = exchange.head.hostPort, port != (isSecure ? 443 : 80) {
      authority += Array(":\(port)".utf8)
    }
    let targets = Invalidation.targets(
      method: exchange.head.method, status: forwarding.response.status, isSecure: isSecure,
      authority: authority, target: exchange.copy(exchange.head.target), fields)
    for target in targets {
      guard let key = resourceKey(of: target, exchange, stream) else { continue }
      cache.invalidate(CacheTarget(resourceOfKey: key), hard: false)
    }
    for group in CacheTags.invalidatedGroups(fields, method: exchange.head.method) {
      let label = label(group, exchange, forwarding.origin)
      cache.invalidate(.label(label), hard: false)
    }
  }

  /// Tags and groups as the store has them.
  func labels(_ plan: StoragePlan, _ exchange: Exchange, _ origin: RequestOrigin) -> [UInt8] {
    plan.tags.reduce(into: []) { $0 += label($1, exchange, origin) + [0] }
  }

  /// Groups are those of one origin (RFC 9875 §2): no application can empty another's. Tags are for
  /// the operator, over all sites.
  private func label(
    _ tag: [UInt8], _ exchange: Exchange, _ origin: RequestOrigin
  ) -> [UInt8] {
    guard tag.starts(with: Array("g:".utf8)) else { return tag }
    let port = origin.local.map { "\($0.port)" } ?? ""
    return tag + Array(" \(origin.isEncrypted ? "https" : "http") \(port) ".utf8) + exchange.host
  }

  /// The canonical key of a target on the same host.
  private func resourceKey(
    of target: [UInt8], _ exchange: Exchange, _ stream: RequestStream
  ) -> [UInt8]? {
    let path = Array(target.prefix { $0 != UInt8(ascii: "?") })
    let slashes = model.sites[exchange.site.site].allowEncodedSlashes
    guard
      case .success(let decoded) = RequestTarget.decodePath(
        path.rawSpan, encodedSlashes: slashes)
    else { return nil }
    let key = CacheKeys.canonical(prefix: stream.keyPrefix, host: exchange.host, path: decoded)
    return key + target.dropFirst(path.count)
  }

  /// Makes room and writes the head; false when it cannot be stored now.
  private func beginStoring(
    _ plan: StoragePlan, _ bytes: RawSpan, _ forwarding: Forwarding
  ) -> Bool {
    guard let cache, isCurrent, forwarding.exchange.head.method == .get else { return false }
    var byteCount: Int?
    switch forwarding.response.framing {
    case _ where forwarding.coding != nil: break
    case .length(let count):
      guard count <= UInt64(objectBytesMax) else { return false }
      byteCount = Int(count)
    case .none: byteCount = 0
    default: break
    }
    let status = forwarding.response.status
    let entity = storedHead(plan, relayedFields(of: bytes, forwarding), status: status)
    let facts = responseFacts(plan, entity, forwarding.exchange, status: UInt16(status))
    let selector = selector(plan, forwarding)
    let caching = forwarding.caching
    let head = entity.commonLines + entity.contentLines + [0x0d, 0x0a]
    let validated = ValidatedWord(
      epoch: routingEpoch, site: forwarding.exchange.site.site, ticks: bootTicks)
    var entry = CacheEntryHead(
      key: caching.key.rawSpan, hash: caching.hash, facts: facts, head: head.rawSpan,
      validated: validated.raw, asOf: forwarding.exchange.asOf)
    entry.selector = selector.rawSpan
    let labels = labels(plan, forwarding.exchange, forwarding.origin)
    entry.labels = labels.rawSpan
    guard let fill = cache.beginFill(entry, bodyByteCount: byteCount) else { return false }
    forwarding.storing = StoringResponse(fill: fill)
    return true
  }

  private func selector(_ plan: StoragePlan, _ forwarding: Forwarding) -> [UInt8] {
    guard !plan.varyNames.isEmpty else { return [] }
    let bytes = forwarding.exchange.bytes
    return VarySelector.bytes(
      names: plan.varyNames, forwarding.exchange.head, in: bytes.rawSpan)
  }

  /// The head as it is stored: without what is said anew with each use (Date, Age, length), and
  /// without what must not be kept.
  func storedHead(
    _ plan: StoragePlan, _ given: ResponseFields, status: Int
  ) -> EntityHead {
    var fields = given
    for name in plan.omittedFields { fields.remove(String(decoding: name, as: UTF8.self)) }
    for name in ["Date", "Age"] { fields.remove(name) }
    var entity = EntityHead()
    entity.entityTag = fields.value(of: "ETag") ?? []
    if let modified = fields.value(of: "Last-Modified"),
      let seconds = HTTPDate.parse(modified.rawSpan, now: prefixes.second)
    {
      entity.lastModifiedSeconds = seconds
    }
    var content = ResponseFields()
    for name in ["Content-Type", "Content-Encoding", "Content-Language"] {
      if let value = fields.value(of: name) { content.add(name, value) }
      fields.remove(name)
    }
    if status == 200, fields.value(of: "Accept-Ranges") == nil {
      content.add("Accept-Ranges", "bytes")
    }
    entity.commonLines = fields.lines()
    entity.contentLines = content.lines()
    return entity
  }

  func responseFacts(
    _ plan: StoragePlan, _ entity: EntityHead, _ exchange: Exchange, status: UInt16
  ) -> EntryFacts {
    var facts = EntryFacts()
    facts.fingerprint = responseFingerprint(exchange)
    facts.status = status
    facts.lastModifiedSeconds = UInt32(exactly: entity.lastModifiedSeconds) ?? 0
    facts.commonHeadCount = UInt16(clamping: entity.commonLines.count)
    facts.contentHeadCount = UInt16(
      clamping: entity.commonLines.count + entity.contentLines.count)
    if let offset = EntityHead.offset(of: entity.entityTag, in: entity.commonLines) {
      facts.etagOffset = UInt16(clamping: offset)
      facts.etagCount = UInt16(clamping: entity.entityTag.count)
    }
    facts.take(plan)
    let settings = exchange.route.settings.caching
    if !settings.ignoresRequestCacheControl { facts.checks |= EntryChecks.requestDirectives }
    if !settings.sendsCacheStatus { facts.checks |= EntryChecks.hidesStatus }
    if exchange.accessDependsOnClient || exchange.route.dependencies.contains(.clientAddress) {
      facts.checks |= EntryChecks.clientAddress
    }
    return facts
  }

  /// Bytes of the body, while they pass.
  func store(_ forwarding: Forwarding, _ buffer: ByteBuffer, _ ranges: [Range<Int>]) {
    guard let cache, var storing = forwarding.storing else { return }
    for range in ranges where range.count > 0 {
      let bytes = buffer.bytes.extracting(range)
      guard storing.byteCount + range.count <= objectBytesMax,
        cache.write(bytes, at: storing.byteCount, of: storing.fill)
      else {
        cache.abandon(storing.fill)
        forwarding.storing = nil
        endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
        return
      }
      storing.byteCount += range.count
    }
    forwarding.storing = storing
  }

  /// The response is over, in whatever way.
  func endCaching(_ forwarding: Forwarding, _ end: CachingEnd) {
    if let storing = forwarding.storing {
      forwarding.storing = nil
      if end == .whole, isCurrent {
        if cache?.publish(storing.fill, bodyByteCount: storing.byteCount) == true {
          scoreboard.add(to: .cacheFills, slot: slot)
          return endFlight(forwarding, .stored)
        }
      } else {
        cache?.abandon(storing.fill)
      }
    }
    endFlight(forwarding, .failed)
  }
  // MARK: Instead of the application

  /// A stale response stands in for an error (RFC 5861 §4, RFC 9111 §4.2.4); true: it did.
  func standInStale(_ forwarding: Forwarding) -> Bool {
    guard let stored = forwarding.caching.stored, let cache, let stream = forwarding.stream,
      let hit = cache.lookUp(
        forwarding.caching.key.rawSpan, selector: stored.selector.rawSpan,
        hash: forwarding.caching.hash)
    else { return false }
    let facts = cache.facts(hit)
    let word = ValidatedWord(raw: cache.validated(hit))
    let use = ReuseRules.decide(
      storedFacts(facts, word), request: forwarding.caching.request,
      orders: CachingOrders(forwarding.exchange.route.settings.caching), originFailed: true)
    guard facts.flags.contains(.isResponse), use.isUse, cache.standing(hit) != .gone
    else {
      cache.release()
      return false
    }
    let chosen = ChosenEntry(
      hit: hit, facts: facts, site: forwarding.exchange.site.site, outcome: .hit)
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

  /// Sends a stored response to the client of a request that was passed on.
  func sendInstead(
    _ chosen: ChosenEntry, _ forwarding: Forwarding, _ stream: RequestStream
  ) {
    let exchange = forwarding.exchange
    forwarding.stream = nil
    stream.state.relayFailed()
    stream.exchange = nil
    head = exchange.head
    let bytes = exchange.bytes
    finish(forwarding, stream, isDone: send(chosen, on: stream, bytes.rawSpan))
  }
}

extension ReuseDecision {
  /// It answers the request.
  var isUse: Bool {
    switch self {
    case .fresh, .stale, .staleWhileRevalidate: true
    case .validate, .unsatisfiable: false
    }
  }
}

extension EntryFacts {
  /// What the rules have decided about a response.
  mutating func take(_ plan: StoragePlan) {
    let ticks = (plan.lifetimeSeconds - plan.initialAgeSeconds) * Int64(EntryTime.ticksPerSecond)
    freshTicks =
      plan.isUntilInvalidated
      ? EntryFacts.freshUntilInvalidated
      : UInt32(clamping: min(ticks, Int64(EntryTime.span) / 2))
    initialAgeSeconds = UInt32(clamping: plan.initialAgeSeconds)
    staleWhileRevalidateSeconds = UInt32(clamping: plan.staleWhileRevalidateSeconds)
    staleIfErrorSeconds = UInt32(clamping: plan.staleIfErrorSeconds)
    flags = .isResponse
    if plan.mustRevalidate { flags.insert(.mustRevalidate) }
    if plan.mustValidate { flags.insert(.validatesAlways) }
  }
}
