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
    guard let hit = findAgain(stored, forwarding.caching), cache.standing(hit) != .gone,
      leadsStill(forwarding.exchange, forwarding.origin)
    else {
      cache.release()
      return fetchWhole(forwarding, hasMore: hasMore)
    }
    let freshened = update(hit, stored, bytes, fields, forwarding)
    let exchange = forwarding.exchange
    guard let freshened else {
      cache.release()
      return fetchWhole(forwarding, hasMore: hasMore)
    }
    let current = freshened.hit
    let isKept = forwarding.caching.refusal == nil && freshened.head == nil
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
    let chosen = ChosenEntry(
      hit: current, facts: cache.facts(current), site: exchange.site.site,
      outcome: .revalidated, status: status.text)
    scoreboard.add(to: .cacheRevalidations, slot: slot)
    var answer: Entity?
    if let head = freshened.head {
      var merged = entity(of: chosen, in: cache)
      merged.head = head
      merged.ageLines = ageLines(fields, exchange, status.text)
      answer = merged
    }
    sendInstead(chosen, as: answer, forwarding, stream)
    return false
  }

  /// The stored response that was found for a request, held, if it is still there; the caller lets
  /// it go in any case.
  func findAgain(_ stored: StoredResponse, _ caching: CachingExchange) -> CacheHit? {
    let key = caching.key
    guard let cache,
      let hit = cache.lookUp(
        key.rawSpan, selector: stored.selector.rawSpan, hash: caching.hash),
      cache.edition(hit) == stored.edition
    else { return nil }
    return hit
  }

  /// A response's fields as they would be stored.
  func ownedFields(of bytes: RawSpan, _ forwarding: Forwarding) -> [OwnedField] {
    storedFields(of: bytes, forwarding).fields.map {
      OwnedField(name: Array($0.name.utf8), value: $0.value)
    }
  }

  /// Date and Age as a 304 has them, for a response that is sent with its fields.
  private func ageLines(
    _ fields: CachingFields, _ exchange: Exchange, _ status: [UInt8]
  ) -> [UInt8] {
    var lines: [UInt8] = []
    ResponseHead.appendField("Date", fields.date.first ?? prefixes.date, to: &lines)
    if let age = fields.age.first { ResponseHead.appendField("Age", age, to: &lines) }
    if exchange.settings.value.caching.sendsCacheStatus {
      ResponseHead.appendField("Cache-Status", status, to: &lines)
    }
    return lines
  }

  /// A stored response after a 304.
  struct Freshened {
    /// Held.
    let hit: CacheHit
    /// Its fields, if they are not stored so.
    var head: EntityHead?
  }

  /// The entry as the 304 leaves it: the same one when nothing but time has changed.
  func update(
    _ hit: CacheHit, _ stored: StoredResponse, _ bytes: RawSpan, _ fields: CachingFields,
    _ forwarding: Forwarding
  ) -> Freshened? {
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
    let new = ownedFields(of: bytes, forwarding)
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
      question, rules, orders: CachingOrders(exchange.settings.value.caching),
      now: prefixes.second)
    let plan: StoragePlan
    switch decision {
    case .store(let kept): plan = kept
    case .refuse(let refusal):
      // Good for this once, as the application says; not to be kept, unless only this request is
      // against it.
      if isCurrent && !refusal.isOfRequest { _ = cache.drop(hit) }
      forwarding.caching.refusal = refusal
      return Freshened(
        hit: hit, head: storedHead(ResponseFields(merged), status: Int(stored.facts.status)))
    }
    let entity = storedHead(
      ResponseFields(merged), without: plan.omittedFields, status: Int(stored.facts.status))
    guard isCurrent else { return Freshened(hit: hit, head: entity) }
    let facts = responseFacts(plan, entity, exchange, status: stored.facts.status)
    let head = entity.commonLines + entity.contentLines + [0x0d, 0x0a]
    let validated = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site, ticks: bootTicks)
    if head == storedLines && facts == stored.facts {
      _ = cache.setValidated(hit, from: cache.validated(hit), to: validated.raw)
      cache.confirm(hit, asOf: exchange.asOf)
      return Freshened(hit: hit)
    }
    return rewrite(hit, stored, plan, entity, facts, validated, fields, forwarding)
  }

  /// By what a response that was compressed here is selected after a 304: its Vary has named
  /// Accept-Encoding because of that, unless the application says so too.
  private func selectorNames(
    _ plan: StoragePlan, stored: [[UInt8]], _ notModified: CachingFields
  ) -> [[UInt8]] {
    guard let coding = stored.first(where: { CodingSelector.offered($0) != nil }) else {
      return plan.varyNames
    }
    let name = Array("accept-encoding".utf8)
    let isOfApplication =
      stored.contains(name) || notModified.vary.contains { CodedResponse.varies($0.rawSpan) }
    let names = isOfApplication ? plan.varyNames : plan.varyNames.filter { $0 != name }
    return (names + [coding]).sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Stores the same body under the new head.
  private func rewrite(
    _ hit: CacheHit, _ stored: StoredResponse, _ plan: StoragePlan, _ entity: EntityHead,
    _ facts: EntryFacts, _ validated: ValidatedWord, _ fields: CachingFields,
    _ forwarding: Forwarding
  ) -> Freshened? {
    guard let cache else { return nil }
    let unstored = Freshened(hit: hit, head: entity)
    let head = entity.commonLines + entity.contentLines + [0x0d, 0x0a]
    let caching = forwarding.caching
    let key = caching.key
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: caching.hash, facts: facts, head: head.rawSpan,
      validated: validated.raw, asOf: forwarding.exchange.asOf)
    // What it is selected by may be another thing from now on (RFC 9111 §3.2).
    let storedNames = VarySelector.names(in: stored.selector) ?? []
    let names = selectorNames(plan, stored: storedNames, fields)
    let selector = storedNames == names ? stored.selector : self.selector(names, forwarding)
    entry.selector = selector.rawSpan
    let labels = labels(plan, forwarding.exchange, forwarding.origin)
    entry.labels = labels.rawSpan
    let byteCount = cache.bodyByteCount(hit)
    guard let fill = cache.beginFill(entry, bodyByteCount: byteCount) else { return unstored }
    let copied = cache.copyBody(of: hit, to: fill, from: 0, byteCountMax: byteCount)
    guard copied == byteCount else {
      cache.abandon(fill)
      return unstored
    }
    guard cache.publish(fill) else { return unstored }
    dropOtherwiseSelected(key, than: names)
    let rewritten = cache.lookUp(key.rawSpan, selector: selector.rawSpan, hash: caching.hash)
    return rewritten.map { Freshened(hit: $0) }
  }

  /// The stored response has left meanwhile: the application is asked once more, for all of it.
  private func fetchWhole(_ forwarding: Forwarding, hasMore: Bool) -> Bool {
    let exchange = forwarding.exchange
    let stream = forwarding.stream
    let caching = forwarding.caching.copy()
    // It is the same client's request that goes on.
    caching.ticket = forwarding.caching.ticket
    caching.stored = nil
    caching.forward = .uriMiss
    endForwarding(forwarding, .abandoned, isReusable: !hasMore && !forwarding.isFastCGI)
    forwarding.stream = nil
    guard let stream else { return false }
    stream.state.relayFailed()
    head = exchange.head
    finish(
      forwarding, stream,
      isDone: forward(forwarding.target, exchange, stream, caching: caching))
    return false
  }

  // MARK: Purge

  private static let purgeMethod = Array("PURGE".utf8)

  /// PURGE, where responses are kept: it is for the cache, and nobody's else.
  func isPurge(_ exchange: Exchange) -> Bool {
    exchange.head.method == .other
      && exchange.copy(exchange.head.methodRange) == EventLoop.purgeMethod
      && (exchange.settings.value.caching.purgeFrom != nil
        || exchange.settings.value.caching.isEnabled)
  }

  /// Forgets the response of this URL, in all its variants.
  func purge(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let settings = exchange.settings.value.caching
    guard let rule = settings.purgeFrom, rule.evaluate(client: stream.client.address) else {
      note(CacheStatus(detail: "purge-refused"), exchange)
      return fail(exchange, stream, 403, .forbidden)
    }
    let key = responseKey(exchange, stream)
    cache?.invalidate(CacheTarget(resourceOfKey: key), hard: true)
    note(CacheStatus(detail: "purged"), exchange)
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

extension ResponseFields {
  init(_ fields: [OwnedField]) {
    self.init()
    for field in fields { add(String(decoding: field.name, as: UTF8.self), field.value) }
  }
}

extension CachingFields {
  init(_ fields: [OwnedField]) {
    self.init()
    for field in fields { take(name: field.name.rawSpan, value: field.value.rawSpan) }
  }
}
