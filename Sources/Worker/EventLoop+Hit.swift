// The hit: parse, one probe, one send. Everything that is not this common case goes elsewhere.

import Cache
import Configuration
import HTTP
import Platform

/// A cached response chosen for a request, held by the hazard slot until it is sent.
struct ChosenEntry {
  var hit: CacheHit
  var facts: EntryFacts
  var site: Int
  var outcome: CacheOutcome
  /// Cache-Status of an application's response; nil: a plain hit.
  var status: [UInt8]?
}

extension EventLoop {
  /// Answers the request that was just parsed into `head`; true when the answer has left whole.
  /// Otherwise somebody goes on with it later, or the connection is closed.
  @inline(__always)
  func answer(_ connection: Connection, _ buffer: ByteBuffer, from start: Int) -> Bool {
    let bytes = buffer.bytes.extracting(start..<buffer.count)
    if let believed = listeners[connection.listener].remoteIP, !believed.field.isEmpty {
      believe(connection, believed, bytes)
    }
    let isLookedFor =
      head.method.isRetrieval && head.body == .none && !head.unknownExpectation
    if isLookedFor, let chosen = probe(connection, bytes), isAdmitted(chosen, on: connection) {
      connection.state.requestBegun(keepAlive: keepsAlive(connection, chosen.site), hasBody: false)
      connection.site = chosen.site
      return send(chosen, on: connection, bytes)
    }
    if !isLookedFor { scoreboard.add(to: .missesRequest, slot: slot) }
    if isLookedFor, passPlainly(connection, bytes) { return false }
    return beginExchange(connection, bytes)
  }

  /// Whether the connection stays after this response.
  @inline(__always)
  func keepsAlive(_ connection: Connection, _ site: Int) -> Bool {
    let policy = policies[site]
    return head.keepAlive && policy.keepAlive
      && (policy.maxKeepAliveRequests == 0
        || connection.requestCount < policy.maxKeepAliveRequests)
      && (!handover.isDraining || handover.hasSuccessor && !connection.state.isBound)
  }

  /// Whether a response may go over this connection; otherwise it is let go (RFC 9110 §15.5.20).
  @inline(__always)
  func isAdmitted(_ chosen: ChosenEntry, on connection: Connection) -> Bool {
    guard let security = connection.security, chosen.site != security.admittedSite,
      admission(of: chosen.site, on: connection) != .allowed
    else { return true }
    cache?.release()
    return false
  }

  /// One probe by the target as sent. nil when there is no entry, or when more than a look at the
  /// entry is needed to know that it is right.
  @inline(__always)
  func probe(_ stream: RequestStream, _ bytes: RawSpan) -> ChosenEntry? {
    guard let cache else { return nil }
    guard head.targetForm == .origin,
      CacheKeys.writeRaw(
        key, prefix: stream.keyPrefix, host: head.host.span(in: bytes),
        target: head.target.span(in: bytes))
    else { return missed(.missesRequest) }
    guard var hit = lookUpKey(cache, key) else { return missed(.missesAbsent) }
    var facts = cache.facts(hit)
    if facts.kind == .alias {
      // The alias says what the target means; that is as old as its own epoch.
      guard ValidatedWord(raw: cache.validated(hit)).epoch == ownEpoch else {
        return missed(.missesEpoch)
      }
      // Also one that has the epoch of an earlier round.
      guard cache.isKnownGood(hit) || cache.standing(hit) != .gone else {
        return missed(.missesHard)
      }
      guard let target = cache.follow(hit) else { return missed(.missesAbsent) }
      hit = target
      facts = cache.facts(hit)
      // A negative answer is that of the canonical spelling alone: a redirect repeats the query.
      guard facts.kind == .content else { return missed(.missesAbsent) }
    }
    if facts.flags.contains(.isResponse) { return probeResponse(hit, stream, bytes) }
    if facts.variantsAvailable != 0 || facts.coding != 0 {
      guard let variant = chooseVariant(cache, hit, facts, bytes) else {
        return missed(.missesVariant)
      }
      hit = variant
      facts = cache.facts(hit)
    }
    let word = ValidatedWord(raw: cache.validated(hit))
    guard word.epoch == ownEpoch, word.age(at: bootTicks) < revalidateTicks, facts.checks == 0,
      cache.isKnownGood(hit) || cache.standing(hit) == .good
    else { return missed(hit, facts, word) }
    return ChosenEntry(hit: hit, facts: facts, site: word.site, outcome: .hit)
  }

  /// Counts why the probe has no answer, and lets go of what it found. Apart from the hit's code.
  @inline(never)
  func missed(_ reason: Counter) -> ChosenEntry? {
    cache?.release()
    scoreboard.add(to: reason, slot: slot)
    return nil
  }

  /// The same for an entry that may not be used as it is: the gravest reason counts.
  @inline(never)
  func missed(_ hit: CacheHit, _ facts: EntryFacts, _ word: ValidatedWord) -> ChosenEntry? {
    switch cache?.peekStanding(hit) {
    case .gone: return missed(.missesHard)
    case .stale: return missed(.missesSoft)
    default: break
    }
    if word.epoch != ownEpoch { return missed(.missesEpoch) }
    if word.age(at: bootTicks) >= revalidateTicks { return missed(.missesAge) }
    // What is left is a body whose checksum was wrong.
    return missed(facts.checks != 0 ? .missesClient : .missesHard)
  }

  @inline(__always)
  private func lookUpKey(_ cache: CacheStore, _ key: ByteBuffer) -> CacheHit? {
    let bytes = key.bytes
    let hash = cache.hash(bytes)
    if let hit = cache.lookUp(bytes, hash: hash) { return hit }
    absentHash = hash
    return nil
  }

  /// The variant that the client prefers: the one found, or another one under the same key. nil: it
  /// is not stored (yet).
  private func chooseVariant(
    _ cache: CacheStore, _ hit: CacheHit, _ facts: EntryFacts, _ bytes: RawSpan
  ) -> CacheHit? {
    let coding: ContentCoding =
      head.has(.acceptEncoding)
      ? negotiate(ContentCodings(rawValue: facts.variantsAvailable), bytes) : .identity
    if coding.rawValue == facts.coding { return hit }
    let range = cache.keyRange(hit)
    key.removeAll()
    let region = cache.region
    key.append(region.span(at: range.offset, count: range.count))
    if coding != .identity { key.append(coding.rawValue) }
    let buffer = key
    let name = buffer.bytes.extracting(0..<range.count)
    return cache.lookUp(
      name, selector: buffer.bytes.extracting(range.count..<buffer.count), hash: cache.hash(name))
  }

  /// Sends a cached response; true when it has left whole.
  @inline(__always)
  func send(_ chosen: ChosenEntry, on connection: Connection, _ bytes: RawSpan) -> Bool {
    guard let cache else { preconditionFailure("a hit without a cache") }
    let isNegative = chosen.facts.kindCode != EntryKind.content.rawValue
    guard chosen.facts.status != 200 || !head.hasConditionsOrRange,
      chosen.facts.checks & EntryChecks.followsStatus == 0
    else { return sendTakenApart(chosen, in: cache, on: connection, bytes) }
    gathered.removeAll()
    if chosen.facts.flags.contains(.isResponse) {
      writeResponsePrefix(
        chosen, connectionField(connection, head),
        lengthOf: cache.bodyByteCount(chosen.hit))
      gathered.append(extra)
    } else if isNegative {
      extra.removeAll()
      extra.append(
        prefixes.head(
          status: chosen.facts.status, connection: connectionField(connection, head)))
      gathered.append(extra)
    } else {
      gathered.append(prefixes.buffer(connectionField(connection, head)))
    }
    if chosen.facts.expiresAccessSeconds >= 0 {
      extra.removeAll()
      extra.append(expiresLine(chosen.facts.expiresAccessSeconds))
      gathered.append(extra)
    }
    let headRange = cache.headRange(chosen.hit)
    let headByteCount = gathered.byteCount &+ headRange.count
    gather(cache, chosen.hit, headRange)
    switch transmit(gathered, on: connection, more: false) {
    case .sent(let count) where count == gathered.byteCount && !hasUnsent(connection):
      cache.release()
      countHit(connection, chosen, byteCount: count, headByteCount: headByteCount, bytes)
      return true
    case .sent(let count):
      return sendRest(chosen, sent: count, headByteCount, on: connection, bytes)
    case .wouldBlock:
      return sendRest(chosen, sent: 0, headByteCount, on: connection, bytes)
    case .broken:
      cache.release()
      close(connection, .clientReset)
      return false
    }
  }

  /// Head and body of an entry; one piece when they lie together, as they do up to 64 KiB.
  @inline(__always)
  private func gather(_ cache: CacheStore, _ hit: CacheHit, _ headRange: RegionRange) {
    let extentCount = head.method == .head ? 0 : cache.extentCount(hit)
    var lying = headRange
    for index in 0..<extentCount {
      let body = cache.extent(hit, index)
      if body.offset == lying.offset &+ lying.count {
        lying.count &+= body.count
      } else {
        gathered.append(cache.region, offset: lying.offset, count: lying.count)
        lying = body
      }
    }
    gathered.append(cache.region, offset: lying.offset, count: lying.count)
  }

  @inline(__always)
  func countHit(
    _ stream: RequestStream, _ chosen: ChosenEntry, byteCount: Int, headByteCount: Int,
    _ bytes: RawSpan
  ) {
    scoreboard.add(byteCount, to: .bytesSent, slot: slot)
    guard policies[chosen.site].logs || chosen.outcome != .hit else {
      scoreboard.add(to: .requests, slot: slot)
      scoreboard.add(to: .cacheHits, slot: slot)
      scoreboard.ended(.completed, slot: slot)
      return
    }
    var record = makeRecord(
      stream, site: chosen.site, status: chosen.facts.status, head, bytes)
    record.outcome = chosen.outcome
    record.byteCount = byteCount
    record.headByteCount = headByteCount
    finishRecord(record, reason: .completed)
  }

  /// The socket took only a part. Small rests are copied; a large one is pinned, so that the entry
  /// may be replaced meanwhile but not reused (DESIGN 4.2). When the cap on pinned bytes is reached
  /// it is copied too, or, if that is too much, looked up again for each send.
  private func sendRest(
    _ chosen: ChosenEntry, sent: Int, _ headByteCount: Int, on connection: Connection,
    _ bytes: RawSpan
  ) -> Bool {
    guard let cache else { preconditionFailure("a hit without a cache") }
    scoreboard.add(sent, to: .bytesSent, slot: slot)
    var record = makeRecord(
      connection, site: chosen.site, status: chosen.facts.status, head, bytes)
    record.outcome = chosen.outcome
    record.byteCount = sent
    record.headByteCount = headByteCount
    let output = PendingOutput(record: record)
    let rest = gathered.byteCount - sent
    if rest == 0 {
      // Encrypted, but not yet gone.
    } else if rest > Limits.copiedRestBytesMax, let pin = cache.pin(chosen.hit) {
      output.pin = pin
      appendPinned(output, cache, chosen.hit, sent: sent, headByteCount: headByteCount)
    } else if !mayCopy(rest) {
      output.unpinned = UnpinnedEntry(chosen.hit, in: cache)
      appendHead(output, sent: sent, headByteCount: headByteCount)
      let begun = max(0, sent - headByteCount)
      output.append(
        .unpinned(offset: begun, count: cache.bodyByteCount(chosen.hit) - begun))
    } else {
      output.append(
        .bytes(gathered.copy(droppingFirst: sent), from: 0, count: rest))
      noteCopy(rest, output)
    }
    cache.release()
    return start(output, on: connection)
  }

  /// A head that was cut is copied; it is small.
  private func appendHead(_ output: PendingOutput, sent: Int, headByteCount: Int) {
    let headRest = max(0, headByteCount - sent)
    guard headRest > 0 else { return }
    output.append(
      .bytes(gathered.copy(from: sent, count: headRest), from: 0, count: headRest))
  }

  private func appendPinned(
    _ output: PendingOutput, _ cache: CacheStore, _ hit: CacheHit, sent: Int, headByteCount: Int
  ) {
    appendHead(output, sent: sent, headByteCount: headByteCount)
    var skipped = max(0, sent - headByteCount)
    for index in 0..<cache.extentCount(hit) {
      let body = cache.extent(hit, index)
      let dropped = min(skipped, body.count)
      skipped -= dropped
      if body.count > dropped {
        output.append(.cached(offset: body.offset + dropped, count: body.count - dropped))
      }
    }
  }
}
