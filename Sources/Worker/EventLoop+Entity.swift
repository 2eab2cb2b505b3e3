// Representations of files: their fields, conditional requests, ranges.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Version of the way heads are built: part of every fingerprint, so that a new build never sends
  /// heads of an old one from a cache that outlived it.
  private static let headFormatVersion: UInt64 = 2

  /// The fields of a file's response, by the settings of its path; in the coding that the client
  /// prefers, if the file is offered in some and `compresses`.
  func entityHead(
    _ file: OpenFile, _ exchange: Exchange, compresses: Bool
  ) -> EntityHead {
    let name = (exchange.file?.path ?? exchange.currentPath).split(separator: UInt8(ascii: "/"))
      .last
    let media = model.media(exchange.settings.value, fileName: Array(name ?? []))
    var entity = EntityHead()
    entity.coding = file.coding
    entity.variantsAvailable = file.variantsAvailable
    fill(&entity, file, media, exchange)
    let offered = codingsOffered(file, media, exchange)
    guard !offered.isEmpty && entity.mayBeCoded else { return entity }
    entity.variantsAvailable = offered
    let bytes = exchange.bytes
    if compresses { entity.coding = negotiate(offered, bytes.rawSpan) }
    fill(&entity, file, media, exchange)
    return entity
  }

  /// Makes the fields of a representation whose codings are known.
  private func fill(
    _ entity: inout EntityHead, _ file: OpenFile, _ media: FileMedia, _ exchange: Exchange
  ) {
    let settings = exchange.settings.value
    var tag: [UInt8] = []
    file.facts.appendEntityTag(
      to: &tag, parts: settings.fileETag, coding: file.coding,
      now: Clock.realNanoseconds())
    if entity.isMadeHere { tag = EntityTag.adding(entity.coding, to: tag) }
    entity.entityTag = tag
    entity.lastModifiedSeconds = file.facts.lastModifiedSeconds(nowSeconds: prefixes.second)
    var fields = ResponseFields()
    if exchange.errorStatus == nil {
      if !tag.isEmpty { fields.add("ETag", tag) }
      var date: [UInt8] = []
      HTTPDate.append(entity.lastModifiedSeconds, to: &date)
      fields.add("Last-Modified", date)
    }
    if !entity.variantsAvailable.isEmpty { fields.add("Vary", "Accept-Encoding") }
    let essence = media.type.prefix { $0 != UInt8(ascii: ";") }
    addExpiry(
      settings.expires(mediaType: String(decoding: essence, as: UTF8.self).lowercased()), &entity,
      &fields)
    if !media.type.isEmpty { fields.add("Content-Type", media.type) }
    let encodings =
      media.encodings
      + (entity.coding == .identity ? [] : [entity.coding.token.description])
    if !encodings.isEmpty { fields.add("Content-Encoding", encodings.joined(separator: ", ")) }
    for field in exchange.errorFields.fields { fields.add(field.name, field.value) }
    edit(&fields, exchange, isSuccess: exchange.errorStatus == nil)
    entity.contentType = fields.value(of: "Content-Type") ?? []
    var content = ResponseFields()
    for name in ["Content-Type", "Content-Encoding"] {
      if let value = fields.value(of: name) { content.add(name, value) }
      fields.remove(name)
    }
    // Of what is made here parts are not had: their client gets parts of the file as it is.
    if exchange.errorStatus == nil && !entity.isMadeHere { content.add("Accept-Ranges", "bytes") }
    if settings.caching.sendsCacheStatus { entity.statusLine = EventLoop.fileStatusLine }
    entity.commonLines = fields.lines()
    entity.contentLines = content.lines()
    entity.entityTag = fields.value(of: "ETag") ?? []
  }

  /// A file in the cache is compared with the one on disk, never asked for anywhere.
  private static let fileStatusLine = Array("\(EntityHead.cacheStatusName): Ring3; hit\r\n".utf8)

  /// mod_expires: Expires and Cache-Control max-age. From the time of modification they are the
  /// same for every request; from the time of access only the age is.
  private func addExpiry(
    _ rule: ExpiresRule?, _ entity: inout EntityHead, _ fields: inout ResponseFields
  ) {
    guard let rule else { return }
    switch rule.base {
    case .access:
      entity.expiresAccessSeconds = Int32(clamping: max(0, rule.seconds))
      fields.add("Cache-Control", "max-age=\(max(0, rule.seconds))")
    case .modification:
      let expires = entity.lastModifiedSeconds + rule.seconds
      var date: [UInt8] = []
      HTTPDate.append(expires, to: &date)
      // Without max-age, which would be another one each second: Expires says the same
      // (RFC 9111 §5.3).
      fields.add("Expires", date)
    }
  }

  func entryFacts(_ file: OpenFile, _ entity: EntityHead, _ exchange: Exchange) -> EntryFacts {
    var facts = EntryFacts()
    let site = model.sites[exchange.site.site]
    var mark = Fingerprint()
    mark.mix(EventLoop.headFormatVersion)
    mark.mix(site.fingerprint)
    mark.mix(exchange.settings.value.fingerprint)
    mark.mix(mediaFingerprint)
    mark.mix(exchange.currentPath)
    facts.fingerprint = mark.value
    facts.fileIdentity = EntryFacts.fileIdentity(
      device: file.facts.device, inode: file.facts.inode,
      size: UInt64(bitPattern: file.facts.size), modified: file.facts.modifiedNanoseconds,
      changed: file.facts.changedNanoseconds)
    facts.lastModifiedSeconds = UInt32(exactly: entity.lastModifiedSeconds) ?? 0
    facts.expiresAccessSeconds = entity.expiresAccessSeconds
    let commonLines = entity.statusLine + entity.commonLines
    facts.commonHeadCount = UInt16(clamping: commonLines.count)
    facts.contentHeadCount = UInt16(clamping: commonLines.count + entity.contentLines.count)
    if let offset = EntityHead.offset(of: entity.entityTag, in: commonLines) {
      facts.etagOffset = UInt16(clamping: offset)
      facts.etagCount = UInt16(clamping: entity.entityTag.count)
    }
    facts.fileStamp = fileStamp(exchange)
    facts.coding = entity.coding.rawValue
    facts.variantsAvailable = entity.variantsAvailable.rawValue
    if exchange.accessDependsOnClient
      || exchange.route.dependencies.contains(.clientAddress)
    {
      facts.checks |= EntryChecks.clientAddress
    }
    return facts
  }

  // MARK: Conditions and ranges

  /// "Expires: …" for a response sent now.
  func expiresLine(_ seconds: Int32) -> [UInt8] {
    var line = Array("Expires: ".utf8)
    HTTPDate.append(prefixes.second + Int64(seconds), to: &line)
    return line + [0x0d, 0x0a]
  }

  /// Evaluates preconditions and ranges (RFC 9110 §13.2.2, §14), then sends; true when all has
  /// left.
  func sendConditionally(
    _ entity: Entity, on stream: RequestStream, _ head: RequestHead, _ bytes: RawSpan
  ) -> Bool {
    let tag = entity.head.entityTag
    let validators = Validators(
      entityTag: tag,
      lastModified: entity.head.lastModifiedSeconds >= 0 ? entity.head.lastModifiedSeconds : nil)
    let result = Preconditions.evaluate(
      head, in: bytes, validators: validators, now: prefixes.second)
    switch result {
    case .notModified:
      return send(entity, status: 304, lines: entity.head.commonLines, on: stream, head, bytes)
    case .failed:
      return sendError(412, [], entity, on: stream, head, bytes)
    case .proceed(let rangeAllowed):
      guard rangeAllowed, head.method == .get, let range = head.known(.range) else {
        return sendWhole(entity, on: stream, head, bytes)
      }
      let size = UInt64(entity.byteCount)
      switch ByteRanges.resolve(range.span(in: bytes), size: size) {
      case .ignored:
        return sendWhole(entity, on: stream, head, bytes)
      case .unsatisfiable:
        var value: [UInt8] = []
        ByteRanges.appendUnsatisfiedRange(size: size, to: &value)
        return sendError(416, [("Content-Range", value)], entity, on: stream, head, bytes)
      case .single(let part):
        return send(part, of: entity, on: stream, head, bytes)
      case .multiple(let parts):
        return send(parts, of: entity, on: stream, head, bytes)
      }
    }
  }

  func sendWhole(
    _ entity: Entity, on stream: RequestStream, _ head: RequestHead, _ bytes: RawSpan
  ) -> Bool {
    let lines =
      entity.head.commonLines + entity.head.contentLines
      + (Status.forbidsContent(Int(entity.status)) ? [] : EntityHead.lengthLine(entity.byteCount))
    return send(
      entity, status: entity.status, lines: lines, parts: [.entity(0, entity.byteCount)],
      on: stream, head, bytes)
  }

  private func send(
    _ part: ByteRange, of entity: Entity, on stream: RequestStream, _ head: RequestHead,
    _ bytes: RawSpan
  ) -> Bool {
    var fields = ResponseFields()
    var value: [UInt8] = []
    ByteRanges.appendContentRange(part, size: UInt64(entity.byteCount), to: &value)
    fields.add("Content-Range", value)
    fields.add("Content-Length", "\(part.byteCount)")
    return send(
      entity, status: 206,
      lines: entity.head.commonLines + entity.head.contentLines + fields.lines(),
      parts: [.entity(Int64(part.first), Int64(part.byteCount))], on: stream, head, bytes)
  }

  private func send(
    _ ranges: [ByteRange], of entity: Entity, on stream: RequestStream, _ head: RequestHead,
    _ bytes: RawSpan
  ) -> Bool {
    let size = UInt64(entity.byteCount)
    let boundary = Array("ring3-\(String(UInt64.random(in: 0 ... .max), radix: 36))".utf8)
    var fields = ResponseFields()
    fields.add("Content-Type", Array("multipart/byteranges; boundary=".utf8) + boundary)
    let coding = entity.head.contentCoding
    if !coding.isEmpty { fields.add("Content-Encoding", coding) }
    fields.add("Accept-Ranges", "bytes")
    let count = ByteRanges.multipartByteCount(
      ranges, size: size, contentType: entity.head.contentType, boundary: boundary)
    fields.add("Content-Length", "\(count)")
    var parts: [EntityPart] = []
    for range in ranges {
      var partHead: [UInt8] = []
      ByteRanges.appendPartHead(
        range, size: size, contentType: entity.head.contentType, boundary: boundary, to: &partHead)
      parts.append(.bytes(partHead))
      parts.append(.entity(Int64(range.first), Int64(range.byteCount)))
    }
    var end: [UInt8] = []
    ByteRanges.appendPartsEnd(boundary: boundary, to: &end)
    parts.append(.bytes(end))
    return send(
      entity, status: 206, lines: entity.head.commonLines + fields.lines(), parts: parts,
      on: stream, head, bytes)
  }

  private func sendError(
    _ status: UInt16, _ extra: [(String, [UInt8])], _ entity: Entity, on stream: RequestStream,
    _ head: RequestHead, _ bytes: RawSpan
  ) -> Bool {
    var fields = ResponseFields()
    for (name, value) in extra { fields.add(name, value) }
    if !entity.cacheStatus.isEmpty { fields.add(EntityHead.cacheStatusName, entity.cacheStatus) }
    editError(&fields, stream, head, bytes)
    let body = ErrorPage.body(status: Int(status))
    fields.add("Content-Type", "text/html; charset=utf-8")
    fields.add("Content-Length", "\(body.count)")
    return send(
      entity, status: status, lines: fields.lines(), parts: [.bytes(body)], on: stream, head,
      bytes)
  }

  /// `Header always` holds for errors too; a hit has no settings at hand, so it is routed for them.
  private func editError(
    _ fields: inout ResponseFields, _ stream: RequestStream, _ head: RequestHead,
    _ bytes: RawSpan
  ) {
    let exchange = makeExchange(stream, head.kept, bytes)
    let path = exchange.copy(head.path)
    let slashes = model.sites[exchange.site.site].allowEncodedSlashes
    if case .success(let decoded) = RequestTarget.decodePath(
      path.rawSpan, encodedSlashes: slashes)
    {
      exchange.route = model.route(exchange.site, path: decoded)
    }
    edit(&fields, exchange, isSuccess: false)
  }

  /// Puts a response of an entity together and sends it. The hazard slot of a cached one is given
  /// back here: what is still to be sent is pinned or copied.
  private func send(
    _ entity: Entity, status: UInt16, lines: [UInt8], parts: [EntityPart] = [],
    on stream: RequestStream, _ head: RequestHead, _ bytes: RawSpan
  ) -> Bool {
    var first = prefixes.head(
      status: status, connection: connectionField(stream, head),
      dateAndAge: status < 400 ? entity.ageLines : [])
    if entity.head.expiresAccessSeconds >= 0 && status < 400 {
      first += expiresLine(entity.head.expiresAccessSeconds)
    }
    first += lines
    first += [0x0d, 0x0a]
    var record = makeRecord(stream, site: entity.site, status: status, head, bytes)
    record.outcome = entity.outcome
    record.headByteCount = first.count
    let output = PendingOutput(record: record)
    output.append(first)
    if head.method != .head {
      for part in parts { append(part, of: entity, to: output) }
    }
    if case .cached = entity.source { cache?.release() }
    return start(output, on: stream)
  }

  private func append(_ part: EntityPart, of entity: Entity, to output: PendingOutput) {
    switch part {
    case .bytes(let bytes):
      output.append(bytes)
    case .entity(let offset, let count):
      guard count > 0 else { return }
      switch entity.source {
      case .buffer(let buffer):
        output.append(.bytes(buffer, from: Int(offset), count: Int(count)))
        noteCopy(Int(count), output)
      case .file(let file):
        output.file = file
        output.append(.file(offset: offset, count: count))
      case .cached(let hit):
        appendCached(hit, offset: Int(offset), count: Int(count), to: output)
      }
    }
  }

  /// Bytes of a cached body: pinned for as long as they are sent, or copied, or looked up again.
  func appendCached(
    _ hit: CacheHit, offset: Int, count: Int, to output: PendingOutput
  ) {
    guard let cache else { preconditionFailure("a hit without a cache") }
    if count > Limits.copiedRestBytesMax && output.pin == nil { output.pin = cache.pin(hit) }
    let isPinned = output.pin != nil
    guard isPinned || mayCopy(count) else {
      if output.unpinned == nil { output.unpinned = UnpinnedEntry(hit, in: cache) }
      return output.append(.unpinned(offset: offset, count: count))
    }
    let copy = isPinned ? nil : ByteBuffer(capacity: count)
    let region = cache.region
    cache.forEachPart(of: hit, from: offset, count: count) { part in
      if let copy {
        copy.append(region.span(at: part.offset, count: part.count))
      } else {
        output.append(.cached(offset: part.offset, count: part.count))
      }
      return true
    }
    if let copy {
      output.append(.bytes(copy, from: 0, count: copy.count))
      noteCopy(copy.count, output)
    }
  }

  /// Counts a copy towards `Limits.copiedBytesMax`; small ones do not matter.
  func noteCopy(_ count: Int, _ output: PendingOutput) {
    guard count > Limits.copiedRestBytesMax else { return }
    output.copiedBytes += count
    copiedBytes += count
  }
}

/// A piece of a response's body.
enum EntityPart {
  case bytes([UInt8])
  /// Offset and count in the entity.
  case entity(Int64, Int64)
}

/// What must be looked at before an entry may be sent (DESIGN 3.6); 0: nothing.
enum EntryChecks {
  /// Access depends on the client's address: the request is routed, then served from the entry.
  static let clientAddress: UInt32 = 1
  /// Cache-Control of the request counts: an application's response for a client that sends none
  /// is sent without a further look.
  static let requestDirectives: UInt32 = 2
  /// Nothing to look at: `CacheStatusField Off`.
  static let hidesStatus: UInt32 = 4
  /// The application was told a port in Host, which the key does not hold: for requests that name
  /// one, the others have an answer of their own.
  static let namesPort: UInt32 = 8
  /// Nothing to look at: the application has given it for all, whether they name the port or not.
  static let anyPort: UInt32 = 16
  /// Its head holds what caches behind this one have said (Cache-Status): this one's word has to
  /// stand behind it (RFC 9211 §2).
  static let followsStatus: UInt32 = 32
  /// The application was told another scheme by a trusted proxy: for requests that say the same.
  static let told: UInt32 = 0x1c0

  static func told(_ origin: ToldOrigin) -> UInt32 { UInt32(origin.rawValue) << 6 }
}

extension EntryFacts {
  /// Whether an entry made with other facts would be the same response.
  func isSame(as other: EntryFacts) -> Bool {
    fingerprint == other.fingerprint && fileIdentity == other.fileIdentity
      && coding == other.coding
      && variantsAvailable == other.variantsAvailable && checks == other.checks
  }
}
