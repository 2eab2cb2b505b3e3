// Validation by the application (304), and purges by request.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// 304: the stored response is good again, with what the new head says of it (RFC 9111 §4.3.4).
  /// Always false: the client is answered from the cache, or the request is passed on anew.
  func freshen(
    _ bytes: RawSpan, _ fields: CachingFields, _ forwarding: Forwarding, hasMore: Bool
  ) -> Bool {
    guard let cache, let stored = forwarding.caching.stored else { return true }
    let hit = cache.lookUp(
      forwarding.caching.key.rawSpan, selector: stored.selector.rawSpan,
      hash: forwarding.caching.hash)
    guard let hit, cache.edition(hit) == stored.edition, cache.standing(hit) != .gone else {
      cache.release()
      return fetchWhole(forwarding, hasMore: hasMore)
    }
    let current = update(hit, stored, bytes, fields, forwarding)
    let exchange = forwarding.exchange
    guard let current else {
      cache.release()
      return fetchWhole(forwarding, hasMore: hasMore)
    }
    let isKept = forwarding.caching.refusal == nil
    endFlight(
      forwarding,
      EventLoop.outcome(isShared: isKept && !cache.facts(current).isNeverShared))
    endForwarding(forwarding, .failed, isReusable: !hasMore && !forwarding.isFastCGI)
    guard let stream = forwarding.stream else {
      cache.release()
      return false
    }
    var status = CacheStatus()
    status.forward = forwarding.caching.forward
    status.forwardStatus = 304
    status.stored = isKept
    status.collapsed = forwarding.caching.waitCount > 0
    var text: [UInt8] = []
    status.append(to: &text)
    let chosen = ChosenEntry(
      hit: current, facts: cache.facts(current), site: exchange.site.site,
      outcome: .revalidated, status: text)
    scoreboard.add(to: .cacheRevalidations, slot: slot)
    sendInstead(chosen, forwarding, stream)
    return false
  }

  /// The entry as the 304 leaves it, held: the same one when nothing but time has changed.
  private func update(
    _ hit: CacheHit, _ stored: StoredResponse, _ bytes: RawSpan, _ fields: CachingFields,
    _ forwarding: Forwarding
  ) -> CacheHit? {
    guard let cache else { return nil }
    let range = cache.headRange(hit)
    let storedLines = cache.region.copyOut(at: range.offset, count: range.count)
    let old = OwnedField.fields(in: storedLines)
    var fields = fields
    // The stored tag may be that of a compressed variant, which the application does not know.
    let tags = CachingFields(old).entityTag
    if let tag = fields.entityTag.first, let storedTag = tags.first,
      ContentCoding.allCases.contains(where: { EntityTag.adding($0, to: tag) == storedTag })
    {
      fields.entityTag = tags
    }
    let new = relayedFields(of: bytes, forwarding).fields.map {
      OwnedField(name: Array($0.name.utf8), value: $0.value)
    }
    guard
      Freshening.concerns(
        stored: CachingFields(old), notModified: fields, now: prefixes.second)
    else { return nil }
    let merged = Freshening.merge(stored: old, notModified: new)
    let exchange = forwarding.exchange
    var question = StorageQuestion(method: .get, status: Int(stored.facts.status))
    question.hasAuthorization = exchange.head.has(.authorization)
    question.requestDirectives = forwarding.caching.request
    question.hasQuery = exchange.head.query != nil
    // Age and Date are those of the 304; they are not among the fields that are kept.
    var rules = CachingFields(merged)
    rules.age = fields.age
    rules.date = fields.date
    let decision = StorageRules.decide(
      question, rules, orders: CachingOrders(exchange.route.settings.caching),
      now: prefixes.second)
    let plan: StoragePlan
    switch decision {
    case .store(let kept): plan = kept
    case .refuse(let refusal):
      // Good for this once, as the application says; not to be kept, unless only this request is
      // against it.
      let isOfRequest = refusal == .requestNoStore || refusal == .authorization
      if isCurrent && !isOfRequest { _ = cache.drop(hit) }
      forwarding.caching.refusal = refusal
      return hit
    }
    guard isCurrent else { return hit }
    var kept = ResponseFields()
    for field in merged { kept.add(String(decoding: field.name, as: UTF8.self), field.value) }
    let entity = storedHead(plan, kept, status: Int(stored.facts.status))
    let facts = responseFacts(plan, entity, exchange, status: stored.facts.status)
    let head = entity.commonLines + entity.contentLines + [0x0d, 0x0a]
    let validated = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site, ticks: bootTicks)
    if head == storedLines && facts == stored.facts {
      _ = cache.setValidated(hit, from: cache.validated(hit), to: validated.raw)
      cache.confirm(hit, asOf: exchange.asOf)
      return hit
    }
    return rewrite(hit, stored, plan, head, facts, validated, forwarding)
  }

  /// Stores the same body under the new head.
  private func rewrite(
    _ hit: CacheHit, _ stored: StoredResponse, _ plan: StoragePlan, _ head: [UInt8],
    _ facts: EntryFacts, _ validated: ValidatedWord, _ forwarding: Forwarding
  ) -> CacheHit? {
    guard let cache else { return nil }
    let caching = forwarding.caching
    var entry = CacheEntryHead(
      key: caching.key.rawSpan, hash: caching.hash, facts: facts, head: head.rawSpan,
      validated: validated.raw, asOf: forwarding.exchange.asOf)
    // What it is selected by may be another thing from now on (RFC 9111 §3.2).
    let isSelectedSo = VarySelector.names(in: stored.selector) ?? [] == plan.varyNames
    let selector = isSelectedSo ? stored.selector : self.selector(plan, forwarding)
    entry.selector = selector.rawSpan
    let labels = labels(plan, forwarding.exchange, forwarding.origin)
    entry.labels = labels.rawSpan
    let byteCount = cache.bodyByteCount(hit)
    guard let fill = cache.beginFill(entry, bodyByteCount: byteCount) else { return hit }
    let copied = cache.copyBody(of: hit, to: fill, from: 0, byteCountMax: byteCount)
    guard copied == byteCount else {
      cache.abandon(fill)
      return hit
    }
    guard cache.publish(fill) else { return hit }
    dropOtherwiseSelected(caching.key, than: plan.varyNames)
    return cache.lookUp(
      caching.key.rawSpan, selector: selector.rawSpan, hash: caching.hash)
  }

  /// The stored response has left meanwhile: the application is asked once more, for all of it.
  private func fetchWhole(_ forwarding: Forwarding, hasMore: Bool) -> Bool {
    let exchange = forwarding.exchange
    let stream = forwarding.stream
    var caching = forwarding.caching
    caching.stored = nil
    caching.forward = .uriMiss
    endForwarding(forwarding, .failed, isReusable: !hasMore && !forwarding.isFastCGI)
    forwarding.stream = nil
    guard let stream else { return false }
    stream.state.relayFailed()
    head = exchange.head
    caching.flight = nil
    finish(
      forwarding, stream,
      isDone: forward(forwarding.target, exchange, stream, caching: caching))
    return false
  }

  // MARK: Purge

  private static let purgeMethod = Array("PURGE".utf8)

  /// PURGE, where `CachePurgeFrom` allows it to anybody.
  func isPurge(_ exchange: Exchange) -> Bool {
    exchange.head.method == .other
      && exchange.copy(exchange.head.methodRange) == EventLoop.purgeMethod
      && exchange.route.settings.caching.purgeFrom != nil
  }

  /// Forgets the response of this URL, in all its variants.
  func purge(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let settings = exchange.route.settings.caching
    guard let rule = settings.purgeFrom, rule.evaluate(client: stream.client.address) else {
      return fail(exchange, stream, 403, .forbidden)
    }
    let key = responseKey(exchange, stream, settings)
    cache?.invalidate(CacheTarget(resourceOfKey: key), hard: true)
    return respond(
      exchange, stream, 204, ResponseFields(), type: [], body: [], reason: .completed)
  }
}

extension CacheTarget {
  /// The resource that a canonical key names.
  init(resourceOfKey key: [UInt8]) {
    let authority = Array(key[KeyShape.authorityOffset..<KeyShape.hostOffset])
    let rest = key[KeyShape.hostOffset...]
    let host = rest.prefix { $0 != 0 }
    self = .resource(
      authority: Array(authority.prefix(KeyShape.authorityCount)), host: Array(host),
      target: Array(rest.dropFirst(host.count + 1)))
  }
}

extension OwnedField {
  /// Field lines that were built here, up to the empty line.
  static func fields(in lines: [UInt8]) -> [OwnedField] {
    var fields: [OwnedField] = []
    var rest = lines[...]
    while true {
      let line = rest.prefix { $0 != 0x0d }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return fields }
      fields.append(
        OwnedField(name: Array(line[..<colon]), value: Array(line[(colon + 1)...].dropFirst())))
      rest = rest.dropFirst(line.count + 2)
    }
  }
}

extension CachingFields {
  init(_ fields: [OwnedField]) {
    self.init()
    for field in fields { take(name: field.name.rawSpan, value: field.value.rawSpan) }
  }
}
