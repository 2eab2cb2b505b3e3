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
      dropReplaced(forwarding)
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
    if !forwarding.exchange.head.method.isSafe {
      let before = cache?.generation ?? 0
      let count = invalidate(after: forwarding, fields)
      takePost(forwarding, fields, before: before, invalidations: count)
    }
    guard forwarding.caching.isNamed else { return true }
    if status == 304, forwarding.caching.stored != nil {
      return freshen(bytes, fields, forwarding, hasMore: hasMore)
    }
    if status == 200, forwarding.exchange.head.method == .head {
      freshenByHead(bytes, fields, forwarding)
    }
    if [500, 502, 503, 504].contains(status), standInStale(forwarding) { return false }
    if fetchWhole(instead: fields, bytes, forwarding) { return true }
    switch decide(fields, forwarding, status: status) {
    case .refuse(let refusal):
      forwarding.caching.refusal = refusal
      dropReplaced(forwarding)
      endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
    case .store(let plan):
      // Who gets it from the cache does not get them, and others may be waiting for this one.
      forwarding.withheldFields = forwarding.exchange.settings.value.caching.ignoredFields
      if isTooLarge(forwarding) {
        forwarding.caching.refusal = .tooLarge
        dropReplaced(forwarding)
        endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMillisecondsMax))
      } else if !beginStoring(plan, bytes, forwarding) {
        forwarding.caching.refusal = .noRoom
        endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
      }
    }
    return true
  }

  /// A newer response has come and may not be kept: the older one that was found for the request is
  /// not what the application says any more.
  private func dropReplaced(_ forwarding: Forwarding) {
    guard let stored = forwarding.caching.stored, let cache, isCurrent,
      forwarding.exchange.head.method == .get, forwarding.caching.refusal?.isOfRequest != true,
      Status.replacesStored(forwarding.response.status),
      leadsStill(forwarding.exchange, forwarding.origin)
    else { return }
    if let hit = findAgain(stored, forwarding.caching) { _ = cache.drop(hit) }
    cache.release()
  }

  /// What most answers of most applications are: a success without a word about caching, where the
  /// operator gives no lifetime either. All rules would end with that, having seen every field.
  private func saysNothingToCaches(_ forwarding: Forwarding) -> Bool {
    let exchange = forwarding.exchange
    let settings = forwarding.settings
    return exchange.head.method.isSafe && (200..<300).contains(forwarding.response.status)
      && !forwarding.response.speaksOfCaching && !settings.value.caching.debugs
      && settings.value.caching.defaultSeconds == nil
      && settings.value.caching.lastModifiedPermille == 0
  }

  /// `status`: of the response, or what it would be if all had been asked for.
  func decide(
    _ fields: CachingFields, _ forwarding: Forwarding, status: Int
  ) -> StorageDecision {
    let exchange = forwarding.exchange
    var question = StorageQuestion(method: exchange.head.method, status: status)
    question.hasAuthorization = exchange.head.has(.authorization)
    question.requestDirectives = forwarding.caching.request
    question.hasQuery = exchange.head.query != nil
    // Only such a response to POST has a key.
    question.contentLocationIsTarget = exchange.head.method == .post
    question.responseDelaySeconds = (now - forwarding.begun) / 1000
    return StorageRules.decide(
      question, fields, orders: CachingOrders(exchange.settings.value.caching),
      now: prefixes.second)
  }

  /// What an unsafe request has changed (RFC 9111 §4.4), and what the application says of groups
  /// (RFC 9875); how many invalidations that were.
  private func invalidate(after forwarding: Forwarding, _ fields: CachingFields) -> Int {
    let exchange = forwarding.exchange
    guard let cache, let stream = forwarding.stream, leadsStill(exchange, forwarding.origin) else {
      return 0
    }
    let targets = Invalidation.targets(
      method: exchange.head.method, status: forwarding.response.status,
      isSecure: forwarding.origin.isEncrypted, authority: authority(of: forwarding),
      target: pathAndQuery(of: exchange), fields)
    var count = 0
    for target in targets {
      let isOwn = target == pathAndQuery(of: exchange)
      // Another application has answered: what else it names is not of this owner.
      guard isOwn || forwarding.delegationCount == 0 else { continue }
      let key =
        isOwn
        ? responseKey(exchange, stream)
        : resourceKey(of: target, exchange, stream)
      guard let key else { continue }
      cache.invalidate(CacheTarget(resourceOfKey: key), hard: false)
      count += 1
    }
    for group in CacheTags.invalidatedGroups(fields, method: exchange.head.method)
    where forwarding.delegationCount == 0 {
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
    guard exchange.head.method == .post, forwarding.response.status == 200,
      forwarding.delegationCount == 0,
      fields.contentLocation.count == 1, let cache, let stream = forwarding.stream,
      before == exchange.asOf, cache.generation == before + UInt64(invalidations),
      mayKeep(forwarding.target, exchange, stream)
    else { return }
    let target = pathAndQuery(of: exchange)
    guard
      Invalidation.resolve(
        fields.contentLocation[0], isSecure: forwarding.origin.isEncrypted,
        authority: authority(of: forwarding), target: target) == target,
      nameResponse(forwarding.caching, exchange, stream)
    else { return }
    forwarding.asOf = before + UInt64(invalidations)
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
    // Nobody calls back what is another's.
    guard isOfSameOwner(decoded, exchange, origin(of: stream)) else { return nil }
    let query = path.count < target.count ? Array(target.dropFirst(path.count + 1)) : nil
    let settings = model.route(exchange.site, path: decoded, query: query).settings
    return CacheKeys.response(
      prefix: stream.keyPrefix, host: exchange.host, path: decoded, query: query,
      settings.caching.keyQuery)
  }

  /// It says that it is larger than what is kept.
  private func isTooLarge(_ forwarding: Forwarding) -> Bool {
    guard forwarding.coding == nil, case .length(let count) = forwarding.response.framing else {
      return false
    }
    return count > UInt64(objectBytesMax)
  }

  /// Makes room and writes the head; false when it cannot be stored now.
  func beginStoring(
    _ plan: StoragePlan, _ bytes: RawSpan, _ forwarding: Forwarding
  ) -> Bool {
    let method = forwarding.exchange.head.method
    guard let cache, isCurrent, method == .get || method == .post else { return false }
    var byteCount: Int?
    switch forwarding.response.framing {
    case _ where forwarding.coding != nil: break
    case .length(let count): byteCount = Int(count)
    case .none: byteCount = 0
    default: break
    }
    let status = forwarding.response.status
    let entity = storedHead(
      storedFields(of: bytes, forwarding), without: plan.omittedFields, status: status)
    let facts = responseFacts(plan, entity, forwarding.exchange, status: UInt16(status))
    var names = plan.varyNames
    if forwarding.codingVaries {
      names.append(CodingSelector.name(forwarding.codingsOffered))
      names.sort { $0.lexicographicallyPrecedes($1) }
    }
    let selector = selector(names, forwarding, coding: forwarding.codingNamed)
    let key = forwarding.caching.key
    let head = entity.commonLines + entity.contentLines + [0x0d, 0x0a]
    let validated = ValidatedWord(
      epoch: forwarding.exchange.routedEpoch, site: forwarding.exchange.site.site, ticks: bootTicks)
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: forwarding.caching.hash, facts: facts, head: head.rawSpan,
      validated: validated.raw, asOf: forwarding.asOf)
    entry.selector = selector.rawSpan
    let labels = labels(plan, forwarding.exchange, forwarding.origin)
    entry.labels = labels.rawSpan
    guard let fill = cache.beginFill(entry, bodyByteCount: byteCount) else { return false }
    forwarding.storing = StoringResponse(
      fill: fill, varyNames: names, isNeverShared: facts.isNeverShared)
    answerFromStored(entity, forwarding)
    return true
  }

  /// What tells the response to this request from those to others.
  func selector(
    _ names: [[UInt8]], _ forwarding: Forwarding, coding: ContentCoding? = nil
  ) -> [UInt8] {
    guard !names.isEmpty else { return [] }
    let bytes = forwarding.exchange.bytes
    return VarySelector.bytes(
      names: names, forwarding.exchange.head, in: bytes.rawSpan, coding: coding)
  }

  /// The head as it is stored: without what is said anew with each use (Date, Age, length), and
  /// without what must not be kept.
  func storedHead(
    _ given: ResponseFields, without omitted: [[UInt8]] = [], status: Int
  ) -> EntityHead {
    var fields = given
    for name in omitted { fields.remove(String(decoding: name, as: UTF8.self)) }
    for name in ["Date", "Age"] { fields.remove(name) }
    let earlier = fields.fields.filter { ASCIICase.same($0.name, EntityHead.cacheStatusName) }
    if !earlier.isEmpty {
      fields.set(
        EntityHead.cacheStatusName, Array(earlier.map(\.value).joined(separator: [0x2c, 0x20])))
    }
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
    let settings = exchange.settings.value.caching
    if !settings.ignoresRequestCacheControl { facts.checks |= EntryChecks.requestDirectives }
    if !settings.sendsCacheStatus {
      facts.checks |= EntryChecks.hidesStatus
    } else if !EntityHead.value(of: EntityHead.cacheStatusName, in: entity.commonLines).isEmpty {
      facts.checks |= EntryChecks.followsStatus
    }
    if exchange.namesPort { facts.checks |= EntryChecks.namesPort }
    if exchange.isForAnyPort { facts.checks |= EntryChecks.anyPort }
    facts.checks |= EntryChecks.told(exchange.told)
    if exchange.accessDependsOnClient || exchange.route.dependencies.contains(.clientAddress) {
      facts.checks |= EntryChecks.clientAddress
    }
    return facts
  }

  /// Bytes of the body, while they pass.
  func store(_ forwarding: Forwarding, _ buffer: ByteBuffer, _ parts: BodyParts) {
    guard let cache, var storing = forwarding.storing else { return }
    for part in parts {
      let bytes = buffer.bytes.extracting(part)
      guard storing.byteCount + part.count <= objectBytesMax,
        cache.write(bytes, at: storing.byteCount, of: storing.fill)
      else {
        cache.abandon(storing.fill)
        forwarding.storing = nil
        endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMillisecondsMax))
        return
      }
      storing.byteCount += part.count
    }
    forwarding.storing = storing
  }

  /// The response is over, in whatever way; true: it has just been stored.
  @discardableResult
  func endCaching(_ forwarding: Forwarding, _ end: CachingEnd) -> Bool {
    let outcome = end == .failed ? FlightOutcome.failed : .abandoned
    if let storing = forwarding.storing {
      forwarding.storing = nil
      // Of an owner who has lost the URL meanwhile nothing takes the place of what is there.
      if end == .whole, isCurrent, leadsStill(forwarding.exchange, forwarding.origin) {
        if cache?.publish(storing.fill, bodyByteCount: storing.byteCount) == true {
          scoreboard.add(to: .cacheFills, slot: slot)
          dropOtherwiseSelected(forwarding.caching.key, than: storing.varyNames)
          endFlight(forwarding, EventLoop.outcome(isShared: !storing.isNeverShared))
          return true
        }
      } else {
        cache?.abandon(storing.fill)
      }
    }
    endFlight(forwarding, outcome)
    return false
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
