// What an answer to HEAD says of the response to GET that is stored.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// 200 to HEAD, where a stored response could not answer by itself: it is good again, or not what
  /// the application has any more (RFC 9111 §4.3.5). Whoever asked gets this answer in any case.
  func freshenByHead(_ bytes: RawSpan, _ fields: CachingFields, _ forwarding: Forwarding) {
    guard let cache, let stored = forwarding.caching.stored, stored.facts.status == 200, isCurrent,
      leadsStill(forwarding.exchange, forwarding.origin)
    else { return }
    // Of what was compressed here the application knows neither length nor tag.
    let names = VarySelector.names(in: stored.selector) ?? []
    guard !names.contains(where: { CodingSelector.offered($0) != nil }) else { return }
    defer { cache.release() }
    guard let hit = findAgain(stored, forwarding.caching), cache.standing(hit) != .gone else {
      return
    }
    let range = cache.headRange(hit)
    let old = OwnedField.fields(in: cache.region.copyOut(at: range.offset, count: range.count))
    // As they would be stored: `Header` may have changed them.
    let new = ownedFields(of: bytes, forwarding)
    let comparison = Freshening.compare(
      stored: CachingFields(old), byteCount: cache.bodyByteCount(hit), head: CachingFields(new),
      contentLength: forwarding.response.contentLength, now: prefixes.second)
    switch comparison {
    case .same: _ = update(hit, stored, bytes, fields, forwarding)
    // What is old already will be asked about, and may stand in until then. An invalidation of the
    // URL would also end the fetch of the new response, which may be under way.
    case .another:
      if isFresh(stored.facts, ValidatedWord(raw: cache.validated(hit))) { _ = cache.drop(hit) }
    case .unknown: break
    }
  }
}
