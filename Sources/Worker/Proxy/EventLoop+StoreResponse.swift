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
    if saysNothingToCaches(forwarding) {
      forwarding.caching.refusal = .noLifetime
      endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
      return true
    }
    var fields = CachingFields()
    forEachField(of: forwarding.response, in: bytes) { name, value, known in
      guard known == .location || known == .contentLocation else {
        return fields.take(name: name, value: value)
      }
      // As the client gets them, who resolves what they name.
      let given = rewrite(known, value, forwarding)
      fields.take(name: name, value: given.rawSpan)
    }
    if forwarding.codingVaries { fields.vary.append(Array("Accept-Encoding".utf8)) }
    if !forwarding.exchange.head.method.isSafe {
      let before = cache?.generation ?? 0
      let count = invalidate(after: forwarding, fields)
      takePost(forwarding, fields, before: before, invalidations: count)
    }
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

  /// What most answers of most applications are: a success without a word about caching, where the
  /// operator gives no lifetime either. All rules would end with that, having seen every field.
  private func saysNothingToCaches(_ forwarding: Forwarding) -> Bool {
    let exchange = forwarding.exchange
    let settings = exchange.route.sharedSettings.storage
    return exchange.head.method.isSafe && (200..<300).contains(forwarding.response.status)
      && !forwarding.response.speaksOfCaching && !settings.value.caching.debugs
      && settings.value.caching.defaultSeconds == nil
      && settings.value.caching.lastModifiedPermille == 0
  }

  private func decide(
    _ fields: CachingFields, _ forwarding: Forwarding
  ) -> StorageDecision {
    let exchange = forwarding.exchange
    var question = StorageQuestion(
      method: exchange.head.method, status: forwarding.response.status)
    question.hasAuthorization = exchange.head.has(.authorization)
    question.requestDirectives = forwarding.caching.request
    question.hasQuery = exchange.head.query != nil
    // Only such a response to POST has a key.
    question.contentLocationIsTarget = exchange.head.method == .post
    question.responseDelaySeconds = (now - forwarding.begun) / 1000
    return StorageRules.decide(
      question, fields, orders: CachingOrders(exchange.route.settings.caching),
      now: prefixes.second)
  }

  /// What an unsafe request has changed (RFC 9111 §4.4), and what the application says of groups
  /// (RFC 9875); how many invalidations that were.
  private func invalidate(after forwarding: Forwarding, _ fields: CachingFields) -> Int {
    guard let cache, let stream = forwarding.stream else { return 0 }
    let exchange = forwarding.exchange
    let targets = Invalidation.targets(
      method: exchange.head.method, status: forwarding.response.status,
      isSecure: forwarding.origin.isEncrypted, authority: authority(of: forwarding),
      target: pathAndQuery(of: exchange), fields)
    var count = 0
    for target in targets {
      let isOwn = target == pathAndQuery(of: exchange)
      let key =
        isOwn
        ? responseKey(exchange, stream, exchange.route.settings.caching)
        : resourceKey(of: target, exchange, stream)
      guard let key else { continue }
      cache.invalidate(CacheTarget(resourceOfKey: key), hard: false)
      count += 1
    }
    for group in CacheTags.invalidatedGroups(fields, method: exchange.head.method) {
      let label = label(group, exchange, forwarding.origin)
      cache.invalidate(.label(label), hard: false)
      count += 1
    }
    return count
  }

  /// Host and port of a request as URIs have them: the scheme's own port is left out.
  private func authority(of forwarding: Forwarding) -> [UInt8] {
    let exchange = forwarding.exchange
    guard let port = exchange.head.hostPort,
      port != (forwarding.origin.isEncrypted ? 443 : 80)
    else { return exchange.host }
    return exchange.host + Array(":\(port)".utf8)
  }

  /// The origin-form of a request's target, whatever form it was sent in.
  private func pathAndQuery(of exchange: Exchange) -> [UInt8] {
    let path = exchange.copy(exchange.head.path)
    let query = exchange.head.query.map { [UInt8(ascii: "?")] + exchange.copy($0) } ?? []
    return (path.isEmpty ? [ASCII.slash] : path) + query
  }

  /// A response to POST that says that it is what a GET of the same target would get is kept for
  /// later GETs (RFC 9110 §9.3.3). Its own invalidation, which came first, must not keep it out;
  /// one by somebody else since the request began does.
  private func takePost(
    _ forwarding: Forwarding, _ fields: CachingFields, before: UInt64, invalidations: Int
  ) {
    let exchange = forwarding.exchange
    let settings = exchange.route.settings.caching
    guard exchange.head.method == .post, forwarding.response.status == 200,
      fields.contentLocation.count == 1, let cache, let stream = forwarding.stream,
      before == exchange.asOf, cache.generation == before + UInt64(invalidations),
      mayKeep(forwarding.target, exchange, stream)
    else { return }
    let target = pathAndQuery(of: exchange)
    guard
      Invalidation.resolve(
        fields.contentLocation[0], isSecure: forwarding.origin.isEncrypted,
        authority: authority(of: forwarding), target: target) == target,
      nameResponse(&forwarding.caching, exchange, stream, settings)
    else { return }
    forwarding.asOf = before + UInt64(invalidations)
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

  /// The key of a target on the same host, by the orders of its own place.
  private func resourceKey(
    of target: [UInt8], _ exchange: Exchange, _ stream: RequestStream
  ) -> [UInt8]? {
    let path = Array(target.prefix { $0 != UInt8(ascii: "?") })
    let slashes = model.sites[exchange.site.site].allowEncodedSlashes
    guard
      case .success(let decoded) = RequestTarget.decodePath(
        path.rawSpan, encodedSlashes: slashes)
    else { return nil }
    let query = path.count < target.count ? Array(target.dropFirst(path.count + 1)) : nil
    let settings = model.route(exchange.site, path: decoded, query: query).settings
    return CacheKeys.response(
      prefix: stream.keyPrefix, host: exchange.host, path: decoded, query: query,
      settings.caching.keyQuery)
  }

  /// Makes room and writes the head; false when it cannot be stored now.
  private func beginStoring(
    _ plan: StoragePlan, _ bytes: RawSpan, _ forwarding: Forwarding
  ) -> Bool {
    let method = forwarding.exchange.head.method
    guard let cache, isCurrent, method == .get || method == .post else { return false }
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
      epoch: forwarding.exchange.routedEpoch, site: forwarding.exchange.site.site, ticks: bootTicks)
    var entry = CacheEntryHead(
      key: caching.key.rawSpan, hash: caching.hash, facts: facts, head: head.rawSpan,
      validated: validated.raw, asOf: forwarding.asOf)
    entry.selector = selector.rawSpan
    let labels = labels(plan, forwarding.exchange, forwarding.origin)
    entry.labels = labels.rawSpan
    guard let fill = cache.beginFill(entry, bodyByteCount: byteCount) else { return false }
    forwarding.storing = StoringResponse(
      fill: fill, varyNames: plan.varyNames, isNeverShared: facts.isNeverShared)
    return true
  }

  /// What tells the response to this request from those to others.
  func selector(_ plan: StoragePlan, _ forwarding: Forwarding) -> [UInt8] {
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
      for field in fields.fields where ASCIICase.same(field.name, name) {
        content.add(name, field.value)
      }
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
    if exchange.namesPort { facts.checks |= EntryChecks.namesPort }
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
          dropOtherwiseSelected(forwarding.caching.key, than: storing.varyNames)
          return endFlight(forwarding, EventLoop.outcome(isShared: !storing.isNeverShared))
        }
      } else {
        cache?.abandon(storing.fill)
      }
    }
    endFlight(forwarding, .failed)
  }

  /// How a flight ends whose response is stored: those who wait for one that may answer nobody
  /// unasked are not to wait for each other.
  static func outcome(isShared: Bool) -> FlightOutcome {
    isShared ? .stored : .notStorable(parallelMilliseconds: Limits.parallelMilliseconds)
  }

  /// Drops what is stored under a key and selected by other fields than the newest response: where
  /// both fit a request the newest has to answer (RFC 9111 §4, §4.1), and a look-up sees one of
  /// them.
  func dropOtherwiseSelected(_ key: [UInt8], than names: [[UInt8]]) {
    guard let cache, isCurrent else { return }
    cache.forEachVariant(of: key.rawSpan) { hit in
      let range = cache.selectorRange(hit)
      let selector = cache.region.copyOut(at: range.offset, count: range.count)
      let isSame =
        selector.isEmpty ? names.isEmpty : VarySelector.names(in: selector) == names
      if !isSame { _ = cache.drop(hit) }
    }
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
      StoredFacts(facts, ageTicks: word.age(at: bootTicks)), request: forwarding.caching.request,
      orders: CachingOrders(forwarding.exchange.route.settings.caching), originFailed: true)
    // What was invalidated must be validated first, whatever happens (RFC 9111 §4.4).
    guard facts.flags.contains(.isResponse), use.isUse, cache.standing(hit) == .good else {
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
