// Files compressed when they are first asked for, and kept as variants beside the file as it is.

import Cache
import Coding
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// The codings in which a file is offered: those of its media type. Files with ready-made
  /// neighbours, with a coding by their names, and those that are very small or large have none.
  func codingsOffered(
    _ file: OpenFile, _ media: FileMedia, _ exchange: Exchange
  ) -> ContentCodings {
    let settings = exchange.settings.value.compression
    guard !settings.codings.isEmpty, exchange.errorStatus == nil, file.coding == .identity,
      file.variantsAvailable.isEmpty, media.encodings.isEmpty,
      file.facts.size >= Int64(max(1, settings.byteCountMin)),
      file.facts.size <= Int64(min(Limits.compressedFileBytesMax, objectBytesMax))
    else { return [] }
    return settings.codings(mediaType: CodedResponse.essence(media.type.rawSpan))
  }

  /// What this client is to get. Who asks for a part gets it of the file as it is: parts of what is
  /// made here would not fit together when it is made anew.
  func negotiate(_ available: ContentCodings, _ bytes: RawSpan) -> ContentCoding {
    if head.method == .get && head.has(.range) && available.isSuperset(of: .madeHere) {
      return .identity
    }
    return AcceptEncoding.negotiate(head, in: bytes, available: available)
  }

  /// Codings that the client accepts, the best first, without identity.
  func acceptedCodings(_ head: borrowing RequestHead, _ bytes: RawSpan) -> [ContentCoding] {
    var available: ContentCodings = [.br, .zstd, .gzip]
    var accepted: [ContentCoding] = []
    while !available.isEmpty {
      let best = AcceptEncoding.negotiate(head, in: bytes, available: available)
      if best == .identity { break }
      accepted.append(best)
      available.remove(ContentCodings(best))
    }
    return accepted
  }

  /// Begins to compress a file for a client that gets it in a coding; `key` is empty when the
  /// variant cannot be kept. nil: too much is under way; the file goes as it is.
  func beginCompression(
    _ file: OpenFile, _ entity: EntityHead, key: [UInt8], _ exchange: Exchange,
    _ stream: RequestStream
  ) -> Bool? {
    let bytes = exchange.bytes
    let validators = Validators(
      entityTag: entity.entityTag,
      lastModified: entity.lastModifiedSeconds >= 0 ? entity.lastModifiedSeconds : nil)
    let result = Preconditions.evaluate(
      exchange.head, in: bytes.rawSpan, validators: validators, now: prefixes.second)
    guard case .proceed = result else {
      // Answered without the body.
      return send(
        file, entity, body: ByteBuffer(capacity: 1), outcome: .bypassed, exchange, stream)
    }
    let selector = CacheKeys.selector(entity.coding)
    guard
      let compression = CompressionInProgress(
        entity.coding, level: exchange.settings.value.compression.level(entity.coding),
        byteCount: Int(file.facts.size), key: key.isEmpty ? [] : key + selector,
        ledger: compressions)
    else { return nil }
    let copy = CopyInProgress(
      file: file, target: .buffer(ByteBuffer(capacity: Int(file.facts.size))), entity: entity,
      key: key)
    copy.compression = compression
    exchange.copy = copy
    return copyOn(exchange, stream)
  }

  /// Goes on with a file that was read whole; true when the response has left whole.
  func compressOn(
    _ copy: CopyInProgress, _ compression: CompressionInProgress, _ exchange: Exchange,
    _ stream: RequestStream
  ) -> Bool {
    exchange.copy = copy
    guard let isCompressed = compression.advance(now: now) else {
      return copyLater(exchange, stream, milliseconds: 0)
    }
    exchange.copy = nil
    guard isCompressed else { return serve(copy.file, exchange, stream, compresses: false) }
    let isStored =
      !copy.key.isEmpty && compression.isStorable && isCurrent
      && store(copy, compression.output, exchange)
    scoreboard.add(to: isStored ? .cacheFills : .cacheBypasses, slot: slot)
    if isStored { watchFile(copy.file, exchange) }
    return send(
      copy.file, copy.entity, body: compression.output, outcome: isStored ? .filled : .bypassed,
      exchange, stream)
  }

  private func send(
    _ file: OpenFile, _ entity: EntityHead, body: ByteBuffer, outcome: CacheOutcome,
    _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    sendEntity(
      Entity(
        head: entity, byteCount: Int64(body.count), source: .buffer(body),
        site: exchange.site.site, outcome: outcome), exchange, stream)
  }

  /// Puts a variant beside the file as it is, under the same key; false when it may not be now.
  private func store(
    _ copy: CopyInProgress, _ body: ByteBuffer, _ exchange: Exchange
  ) -> Bool {
    guard let cache else { return false }
    let validated = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site, ticks: exchange.ticks)
    let storedHead = copy.entity.storedBytes(byteCount: Int64(body.count))
    let selector = CacheKeys.selector(copy.entity.coding)
    let key = copy.key
    var head = CacheEntryHead(
      key: key.rawSpan, hash: cache.hash(key.rawSpan),
      facts: entryFacts(copy.file, copy.entity, exchange), head: storedHead.rawSpan,
      validated: validated.raw, asOf: exchange.asOf)
    head.selector = selector.rawSpan
    guard let fill = cache.beginFill(head, bodyByteCount: body.count) else { return false }
    guard cache.write(body.bytes, at: 0, of: fill) else {
      cache.abandon(fill)
      return false
    }
    return cache.publish(fill)
  }
}

extension EntityHead {
  /// Whether the fields, as the configuration has made them, let the body be compressed.
  var mayBeCoded: Bool {
    var response = CodedResponse(status: 200)
    var rest = (commonLines + contentLines)[...]
    while !rest.isEmpty {
      let line = rest.prefix { $0 != 0x0d }
      let name = Array(line.prefix { $0 != UInt8(ascii: ":") })
      response.note(name: name.rawSpan, value: Array(line.dropFirst(name.count + 2)).rawSpan)
      rest = rest.dropFirst(line.count + 2)
    }
    return response.refusal(byteCountMin: 0, asksForRange: false) == nil
  }
}
