// Stored responses of applications: whether one may answer at once, and what is said of its age.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// An application's response found by the quick look. nil when more than a look at it is needed.
  @inline(never)
  func probeResponse(
    _ found: CacheHit, _ stream: RequestStream, _ bytes: RawSpan
  ) -> ChosenEntry? {
    guard let cache else { return nil }
    var hit = found
    if cache.selectorRange(hit).count > 0 {
      guard let variant = chooseResponse(cache, hit, head, bytes) else {
        return missed(.missesVariant)
      }
      hit = variant
    }
    let facts = cache.facts(hit)
    let word = ValidatedWord(raw: cache.validated(hit))
    let looksAtRequest = facts.checks & EntryChecks.requestDirectives != 0
    if looksAtRequest && (head.has(.cacheControl) || head.has(.pragma)) {
      return missed(.missesClient)
    }
    if head.hasOriginConditions { return missed(.missesClient) }
    let fitsPort =
      facts.checks & EntryChecks.anyPort != 0
      || (facts.checks & EntryChecks.namesPort != 0) == namesPort(head, stream)
    if !fitsPort || facts.checks & EntryChecks.told != EntryChecks.told(stream.told) {
      return missed(.missesClient)
    }
    guard word.epoch == ownEpoch, isFresh(facts, word),
      !facts.flags.contains(.validatesAlways),
      facts.checks & EntryChecks.clientAddress == 0,
      cache.isKnownGood(hit) || cache.standing(hit) == .good
    else { return missed(hit, facts, word) }
    return ChosenEntry(hit: hit, facts: facts, site: word.site, outcome: .hit)
  }

  /// Whether Host names a port other than the scheme's own: applications see it.
  func namesPort(_ head: borrowing RequestHead, _ stream: RequestStream) -> Bool {
    guard let port = head.hostPort else { return false }
    return port != (listeners[stream.listener].isEncrypted ? 443 : 80)
  }

  @inline(__always)
  func isFresh(_ facts: EntryFacts, _ word: ValidatedWord) -> Bool {
    facts.freshTicks >= EntryTime.span || word.age(at: bootTicks) < UInt64(facts.freshTicks)
  }

  /// The stored response that the request's own fields select (RFC 9111 §4.1), by the names that
  /// the one found was selected by; held instead of that one.
  func chooseResponse(
    _ cache: CacheStore, _ hit: CacheHit, _ head: borrowing RequestHead, _ bytes: RawSpan
  ) -> CacheHit? {
    let range = cache.selectorRange(hit)
    let stored = cache.region.copyOut(at: range.offset, count: range.count)
    guard let names = VarySelector.names(in: stored) else { return nil }
    let wanted = VarySelector.bytes(names: names, head, in: bytes)
    if wanted == stored { return hit }
    let keyRange = cache.keyRange(hit)
    let name = cache.region.copyOut(at: keyRange.offset, count: keyRange.count)
    return cache.lookUp(
      name.rawSpan, selector: wanted.rawSpan, hash: cache.hash(name.rawSpan))
  }

  /// The first lines of a stored response: status, Date, Age, Cache-Status, Connection, length.
  @inline(never)
  func writeResponsePrefix(
    _ chosen: ChosenEntry, _ connection: ConnectionField, lengthOf byteCount: Int
  ) {
    extra.removeAll()
    if chosen.facts.status == 200 {
      extra.append("HTTP/1.1 200 OK\r\n")
    } else {
      var line: [UInt8] = []
      ResponseHead.appendStatusLine(Int(chosen.facts.status), to: &line)
      extra.append(line)
    }
    appendAgeLines(chosen, to: extra)
    switch connection {
    case .none: break
    case .keepAlive: extra.append("Connection: keep-alive\r\n")
    case .close: extra.append("Connection: close\r\n")
    }
    guard !Status.forbidsContent(Int(chosen.facts.status)) else { return }
    extra.append("Content-Length: ")
    extra.append(decimal: Int64(byteCount))
    extra.append("\r\n")
  }

  /// Date, Age (RFC 9111 §5.1) and Cache-Status (RFC 9211). The date is now less the age: that is
  /// the origin's, by this clock. `earlier`: Cache-Status of caches behind this one.
  func appendAgeLines(
    _ chosen: ChosenEntry, after earlier: [UInt8] = [], to lines: ByteBuffer
  ) {
    guard let cache else { return }
    let word = ValidatedWord(raw: cache.validated(chosen.hit))
    let age = StoredAge(chosen.facts, word, at: bootTicks)
    lines.append("Date: ")
    lines.append(dates.text(of: prefixes.second - age.seconds))
    lines.append("\r\nAge: ")
    lines.append(decimal: age.seconds)
    if chosen.facts.checks & EntryChecks.hidesStatus == 0 {
      lines.append("\r\nCache-Status: ")
      if !earlier.isEmpty {
        lines.append(earlier)
        lines.append(", ")
      }
      if let status = chosen.status {
        lines.append(status)
      } else {
        lines.append("Ring3; hit; ttl=")
        lines.append(decimal: age.freshSeconds)
      }
    }
    lines.append("\r\n")
  }
}

extension EventLoop {
  /// A cached response taken apart, with what is said of its age.
  func entity(of chosen: ChosenEntry, in cache: CacheStore) -> Entity {
    var entity = Entity(chosen, in: cache)
    guard chosen.facts.flags.contains(.isResponse) else { return entity }
    entity.status = chosen.facts.status
    var earlier: [UInt8] = []
    if chosen.facts.checks & EntryChecks.followsStatus != 0 {
      let lines = entity.head.commonLines
      earlier = EntityHead.value(of: EntityHead.cacheStatusName, in: lines)
      let line = Array("\(EntityHead.cacheStatusName): ".utf8) + earlier + [0x0d, 0x0a]
      if let start = EntityHead.offset(of: line, in: lines) {
        entity.head.commonLines.removeSubrange(start..<start + line.count)
      }
    }
    let lines = ByteBuffer(capacity: 512 + (chosen.status?.count ?? 0) + earlier.count)
    appendAgeLines(chosen, after: earlier, to: lines)
    entity.ageLines = lines.copy(0..<lines.count)
    entity.cacheStatus = EntityHead.value(of: EntityHead.cacheStatusName, in: entity.ageLines)
    return entity
  }

  /// Sends a cached response that needs more than its head and body as they lie there.
  func sendTakenApart(
    _ chosen: ChosenEntry, in cache: CacheStore, on stream: RequestStream, _ bytes: RawSpan
  ) -> Bool {
    let entity = entity(of: chosen, in: cache)
    // Conditions and ranges are for what is there (RFC 9110 §13.2.1).
    return chosen.facts.status == 200
      ? sendConditionally(entity, on: stream, head, bytes)
      : sendWhole(entity, on: stream, head, bytes)
  }
}

/// Dates as text, remembered: stored responses ask for the same ones again and again.
final class DateTexts {
  private var seconds = [Int64](repeating: -1, count: 64)
  private var texts = [[UInt8]](repeating: [], count: 64)

  /// IMF-fixdate of a time in seconds since 1970.
  func text(of second: Int64) -> [UInt8] {
    let place = Int(truncatingIfNeeded: second & 63)
    if seconds[place] != second {
      texts[place].removeAll(keepingCapacity: true)
      HTTPDate.append(second, to: &texts[place])
      seconds[place] = second
    }
    return texts[place]
  }
}
