// A found file on its way to the client: through shared memory, or straight from its descriptor.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Whether this process's routing is the segment's: only then may it publish, validate or drop
  /// (DESIGN 3.7).
  var isCurrent: Bool { cache?.epoch == routingEpoch }

  /// Larger files go from their descriptor: `CacheMaxObject`, as far as the store can.
  var objectBytesMax: Int {
    min(model.server.cacheObjectBytesMax, cache?.objectBytesMax ?? Limits.uncachedObjectBytesMax)
  }

  /// What the file system is asked for an exchange.
  func fileRequest(_ exchange: Exchange, path: [UInt8], root: [UInt8]) -> FileRequest {
    let settings = exchange.settings.value
    let links: SymbolicLinkPolicy =
      settings.options.contains(.followSymLinks)
      ? .follow : settings.options.contains(.symLinksIfOwnerMatch) ? .ownerMatch : .none
    let bytes = exchange.bytes
    let accepted: [ContentCoding] =
      head.has(.acceptEncoding) ? acceptedCodings(head, bytes.rawSpan) : []
    return FileRequest(
      path: path, root: root,
      urlPath: Array(exchange.currentPath.dropLast(exchange.pathInfoByteCount)), links: links,
      isConfined: settings.symlinkConfine,
      indexNames: settings.directoryIndex.map { Array($0.utf8) },
      listingAllowed: settings.options.contains(.indexes),
      fallbackResource: settings.fallbackResource.map { Array($0.utf8) },
      acceptedCodings: accepted)
  }

  /// Serves an open file in the way its size and the cache allow; as it is, unless it `compresses`.
  func serve(
    _ file: OpenFile, _ exchange: Exchange, _ stream: RequestStream, compresses: Bool = true
  ) -> Bool {
    let settings = exchange.settings.value
    let entity = entityHead(file, exchange, compresses: compresses)
    if file.facts.size > Int64(objectBytesMax) {
      return sendFile(file, entity, exchange, stream)
    }
    if head.method == .head && exchange.errorStatus == nil && cache == nil && !entity.isMadeHere {
      return sendFile(file, entity, exchange, stream)
    }
    guard let cache, exchange.errorStatus == nil, exchange.pathInfoByteCount == 0,
      head.method.isRetrieval,
      exchange.route.dependencies.union(settings.headerDependencies).subtracting(.clientAddress)
        .isEmpty
    else {
      return serveUnstored(file, entity, exchange, stream)
    }
    let base = CacheKeys.canonical(
      prefix: stream.keyPrefix, host: exchange.host, path: exchange.path)
    let facts = entryFacts(file, entity, exchange)
    let validated = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site, ticks: exchange.ticks)
    let hash = cache.hash(base.rawSpan)
    let selector = CacheKeys.selector(entity.coding)
    dropOutdated(base, hash: hash, available: facts.variantsAvailable)
    if let hit = cache.lookUp(base.rawSpan, selector: selector.rawSpan, hash: hash) {
      let found = cache.facts(hit)
      if found.isSame(as: facts), cache.standing(hit) != .gone {
        if isCurrent {
          _ = cache.setValidated(hit, from: cache.validated(hit), to: validated.raw)
          cache.confirm(hit, asOf: exchange.asOf)
          noteSpelling(exchange, stream, base: base, facts: facts, validated)
          watchFile(file, exchange)
        }
        return sendChosen(
          ChosenEntry(
            hit: hit, facts: found, site: exchange.site.site, outcome: .revalidated),
          exchange, stream)
      }
      if isCurrent { _ = cache.drop(hit) }
      cache.release()
    }
    guard isCurrent else { return serveUnstored(file, entity, exchange, stream) }
    if entity.isMadeHere {
      return beginCompression(file, entity, key: base, exchange, stream)
        ?? serve(file, exchange, stream, compresses: false)
    }
    let storedHead = entity.storedBytes(byteCount: file.facts.size)
    var entry = CacheEntryHead(
      key: base.rawSpan, hash: hash, facts: facts, head: storedHead.rawSpan,
      validated: validated.raw, asOf: exchange.asOf)
    entry.selector = selector.rawSpan
    let fill = cache.beginFill(entry, bodyByteCount: Int(file.facts.size))
    return beginCopy(file, entity, fill.map { ($0, base) }, exchange, stream)
  }

  /// Serves a file that cannot be stored.
  private func serveUnstored(
    _ file: OpenFile, _ entity: EntityHead, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    guard entity.isMadeHere else { return beginCopy(file, entity, nil, exchange, stream) }
    return beginCompression(file, entity, key: [], exchange, stream)
      ?? serve(file, exchange, stream, compresses: false)
  }

  /// Drops what the first look finds under a key when it knows of other codings than there are now:
  /// clients that get another variant never compare it, and it would send all of them this way.
  func dropOutdated(_ base: [UInt8], hash: UInt64, available: UInt8) {
    guard let cache, isCurrent, let hit = cache.lookUp(base.rawSpan, hash: hash) else { return }
    if cache.facts(hit).variantsAvailable != available { _ = cache.drop(hit) }
    cache.release()
  }

  /// A spelling other than the canonical one gets an alias from its second use on (DESIGN 3.5).
  func noteSpelling(
    _ exchange: Exchange, _ stream: RequestStream, base: [UInt8], facts: EntryFacts,
    _ validated: ValidatedWord
  ) {
    guard let cache, head.targetForm == .origin else { return }
    let bytes = exchange.bytes
    guard
      CacheKeys.writeRaw(
        key, prefix: stream.keyPrefix, host: head.host.span(in: bytes.rawSpan),
        target: head.target.span(in: bytes.rawSpan))
    else { return }
    let rawKey = key.copy(0..<key.count)
    guard rawKey != base else { return }
    let rawHash = cache.hash(rawKey.rawSpan)
    guard cache.seenBefore(rawHash) else { return }
    var aliasFacts = EntryFacts()
    aliasFacts.kind = .alias
    aliasFacts.fingerprint = facts.fingerprint
    _ = cache.insertAlias(
      rawKey: rawKey.rawSpan, rawHash: rawHash, canonicalKey: base.rawSpan,
      canonicalHash: cache.hash(base.rawSpan), facts: aliasFacts, validated: validated.raw,
      asOf: exchange.asOf)
  }

  private func sendChosen(
    _ chosen: ChosenEntry, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    stream.exchange = nil
    scoreboard.add(to: .cacheRevalidations, slot: slot)
    let bytes = exchange.bytes
    return send(chosen, on: stream, bytes.rawSpan)
  }

  // MARK: Copying

  /// Copies a small file into the fill, or into memory of our own when it cannot be stored, so that
  /// no client ever sees two versions mixed.
  private func beginCopy(
    _ file: OpenFile, _ entity: EntityHead, _ fill: (CacheFill, key: [UInt8])?,
    _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    let target: CopyInProgress.Target
    if let fill {
      target = .fill(fill.0)
    } else if file.facts.size > Int64(Limits.uncachedObjectBytesMax) {
      // Memory of our own is for what is small.
      return sendFile(file, entity, exchange, stream)
    } else {
      target = .buffer(ByteBuffer(capacity: max(1, Int(file.facts.size))))
    }
    exchange.copy = CopyInProgress(
      file: file, target: target, entity: entity, key: fill?.key ?? [])
    return copyOn(exchange, stream)
  }

  /// Goes on copying; true when the response has left whole.
  func copyOn(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard let copy = exchange.copy else { preconditionFailure("nothing to copy") }
    if let compression = copy.compression, compression.input != nil {
      return compressOn(copy, compression, exchange, stream)
    }
    let step: FileCopy.Step
    switch copy.target {
    case .fill(let fill):
      guard let cache else { preconditionFailure("a fill without a cache") }
      step = copy.copy.advance(from: copy.file.descriptor, into: cache.region) {
        cache.room(for: fill, at: $0)
      }
    case .buffer(let buffer):
      step = copy.copy.advance(from: copy.file.descriptor, into: buffer)
    }
    switch step {
    case .complete(let storable):
      exchange.copy = nil
      return finishCopy(copy, storable: storable, exchange, stream)
    case .cold(let offset, let count):
      exchange.waiting = .copy
      return ask(
        .warm(copy.file.descriptor, offset: offset, count: count), exchange, stream)
    case .unfinished:
      return copyLater(exchange, stream, milliseconds: 0)
    case .noRoom:
      // The cache cannot take it after all: for this client only, then.
      abandonCopy(exchange)
      return beginCopy(copy.file, copy.entity, nil, exchange, stream)
    case .unsettled(let milliseconds):
      return copyLater(exchange, stream, milliseconds: milliseconds)
    case .changed:
      // Another size or another file: ask the file system again from the start.
      abandonCopy(exchange)
      exchange.changeCount += 1
      guard exchange.changeCount <= Limits.fileChangesMax else {
        return fail(exchange, stream, 503, .fileChanged)
      }
      return resolve(exchange, stream)
    case .torn:
      abandonCopy(exchange)
      log(of: stream).write(
        .warn, "a file changed each time it was read; answered with 503", client: stream.client)
      return fail(exchange, stream, 503, .fileChanged)
    case .failed(let error):
      abandonCopy(exchange)
      log(of: stream).write(.error, "\(error)", client: stream.client)
      return fail(exchange, stream, 503, .readFailed)
    }
  }

  /// Other connections first; always false.
  func copyLater(
    _ exchange: Exchange, _ stream: RequestStream, milliseconds: Int64
  ) -> Bool {
    exchange.waiting = .settling(until: now + milliseconds)
    settling.append(stream.token)
    nextTick = min(nextTick, now + milliseconds)
    setInterest(stream, [])
    setDeadline(stream, .max)
    return false
  }

  private func abandonCopy(_ exchange: Exchange) {
    if case .fill(let fill)? = exchange.copy?.target { cache?.abandon(fill) }
    exchange.copy = nil
  }

  /// Exchanges whose file had changed an instant before go on.
  func resumeSettling() {
    guard !settling.isEmpty else { return }
    let tokens = settling
    settling.removeAll()
    for token in tokens {
      guard let stream = stream(of: token), let exchange = stream.exchange,
        case .settling(let until) = exchange.waiting
      else { continue }
      if now >= until {
        resume(exchange, stream, nil)
      } else {
        settling.append(token)
        nextTick = min(nextTick, until)
      }
    }
  }

  private func finishCopy(
    _ copy: CopyInProgress, storable: Bool, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    let byteCount = Int(copy.file.facts.size)
    let source: ByteBuffer
    switch copy.target {
    case .buffer(let buffer):
      if let compression = copy.compression {
        compression.input = buffer
        compression.isStorable = storable
        return compressOn(copy, compression, exchange, stream)
      }
      source = buffer
    case .fill(let fill):
      guard let cache else { preconditionFailure("a fill without a cache") }
      if storable && isCurrent {
        return publish(copy, fill, cache, exchange, stream)
      }
      if byteCount > Limits.uncachedObjectBytesMax {
        cache.abandon(fill)
        return sendFile(copy.file, copy.entity, exchange, stream)
      }
      // Not to be kept: the bytes are right, and for this client.
      source = ByteBuffer(capacity: max(1, byteCount))
      cache.copyBody(of: fill.hit, byteCount: byteCount, into: source)
      cache.abandon(fill)
    }
    scoreboard.add(to: .cacheBypasses, slot: slot)
    let entity = Entity(
      head: copy.entity, byteCount: Int64(byteCount), source: .buffer(source),
      status: exchange.errorStatus ?? 200, site: exchange.site.site, outcome: .bypassed)
    return sendEntity(entity, exchange, stream)
  }

  private func publish(
    _ copy: CopyInProgress, _ fill: CacheFill, _ cache: CacheStore, _ exchange: Exchange,
    _ stream: RequestStream
  ) -> Bool {
    let identity = cache.facts(fill.hit).fileIdentity
    if cache.publish(fill) {
      scoreboard.add(to: .cacheFills, slot: slot)
      watchFile(copy.file, exchange)
      let key = copy.key
      let selector = CacheKeys.selector(copy.file.coding)
      if let hit = cache.lookUp(
        key.rawSpan, selector: selector.rawSpan, hash: cache.hash(key.rawSpan)),
        cache.facts(hit).fileIdentity == identity
      {
        stream.exchange = nil
        let bytes = exchange.bytes
        return send(
          ChosenEntry(
            hit: hit, facts: cache.facts(hit), site: exchange.site.site, outcome: .filled),
          on: stream, bytes.rawSpan)
      }
      cache.release()
    }
    // Refused, or evicted or replaced in this instant; the fill is over either way. The file is
    // read once more, for this client only.
    return beginCopy(copy.file, copy.entity, nil, exchange, stream)
  }

  /// Sends an entity that is not in the cache.
  func sendEntity(_ entity: Entity, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let bytes = exchange.bytes
    guard entity.status == 200 else {
      return sendWhole(entity, on: stream, exchange.head, bytes.rawSpan)
    }
    return sendConditionally(entity, on: stream, exchange.head, bytes.rawSpan)
  }

  /// A large file goes from its descriptor (sendfile), unless only its head is asked for.
  private func sendFile(
    _ file: OpenFile, _ entity: EntityHead, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    scoreboard.add(to: .cacheBypasses, slot: slot)
    return sendEntity(
      Entity(
        head: entity, byteCount: file.facts.size, source: .file(file),
        status: exchange.errorStatus ?? 200, site: exchange.site.site, outcome: .bypassed),
      exchange, stream)
  }

  /// Whether the next part of a file has to be brought into memory first; then a helper does it.
  func warm(_ file: OpenFile, offset: Int64, count: Int, for stream: RequestStream) -> Bool {
    guard let files, let exchange = stream.exchange,
      File.residency(file.descriptor, at: offset, count: count) != .resident
    else { return false }
    guard exchange.warmedOffset != offset else { return false }
    exchange.warmedOffset = offset
    guard
      let number = files.send(
        .warm(file.descriptor, offset: offset, count: Limits.warmBytes), now: now)
    else { return false }
    scoreboard.add(to: .helperRequests, slot: slot)
    exchange.waiting = .output
    exchange.helperRequest = number
    helperWaiters[number] = stream.token
    setInterest(stream, [])
    setDeadline(stream, .max)
    return true
  }
}
