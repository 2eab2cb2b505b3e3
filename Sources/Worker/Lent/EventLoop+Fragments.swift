// Fragments: named pieces of bodies that an application keeps in the cache, and that no client can
// ask for.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

extension CacheKeys {
  /// Keys of what clients ask for begin with another one.
  static let fragmentVersion: UInt8 = 2

  /// The key of a fragment: as that of a response, but with the host of its owner's prefix. Its
  /// selector is the owner's text, so that no owner meets another's.
  static func fragment(_ path: [UInt8], of owner: NamespaceOwner) -> [UInt8] {
    let prefix = owner.prefix
    let port = prefix.port
    var key = [
      fragmentVersion, prefix.scheme == .https ? schemeHTTPS : schemeHTTP,
      UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port),
    ]
    key += [UInt8](repeating: 0, count: KeyShape.hostOffset - key.count)
    return canonical(prefix: key, host: Array(prefix.hostText.utf8), path: path)
  }
}

extension EventLoop {
  func startPutFragment(_ lent: LentExchange) throws(LentRefusal) {
    let order = lent.order
    guard let cache else { throw .absent }
    guard order.byteCount <= objectBytesMax else { throw LentRefusal(.tooLarge) }
    let (owner, path) = try fragmentName(order)
    guard let labels = OwnerLabels.all(owner.name, path: path, tags: []) else {
      throw LentRefusal("depth")
    }
    let named = labels + OwnerLabels.fragment(path, of: owner.name) + [0]
    var facts = EntryFacts()
    facts.flags = .isResponse
    switch order.policy {
    case .own: throw .malformed
    case .untilInvalidated: facts.freshTicks = EntryFacts.freshUntilInvalidated
    case .seconds(let seconds):
      facts.freshTicks = UInt32(
        clamping: min(
          UInt64(seconds) * EntryTime.ticksPerSecond, EntryTime.span / 2))
    }
    let key = CacheKeys.fragment(path, of: owner.name)
    let selector = Array(owner.name.text.utf8)
    let word = ValidatedWord(epoch: routingEpoch, site: 0, ticks: bootTicks)
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: cache.hash(key.rawSpan), facts: facts, head: RawSpan(),
      validated: word.raw, asOf: min(order.asOf, cache.generation))
    entry.selector = selector.rawSpan
    entry.labels = named.rawSpan
    guard let fill = cache.beginFill(entry, bodyByteCount: order.byteCount) else {
      throw LentRefusal(.noRoom)
    }
    lent.fill = fill
  }

  func takeFragment(_ lent: LentExchange, _ buffer: ByteBuffer) throws(LentRefusal) {
    guard let fill = lent.fill, let cache,
      cache.write(buffer.bytes, at: lent.fillByteCount, of: fill)
    else { throw LentRefusal(.noRoom) }
    lent.fillByteCount += buffer.count
  }

  func publishFragment(_ lent: LentExchange) throws(LentRefusal) {
    _ = try fragmentName(lent.order)
    guard let fill = lent.fill, let cache else { throw LentRefusal(.noRoom) }
    guard cache.standing(fill.hit) == .good else { throw LentRefusal(.invalidated) }
    lent.fill = nil
    guard cache.publish(fill) else { throw LentRefusal(.noRoom) }
    scoreboard.add(to: .cacheFills, slot: slot)
  }

  func startGetFragment(_ lent: LentExchange) throws(LentRefusal) {
    let (owner, path) = try fragmentName(lent.order)
    guard let cache else { throw .absent }
    defer { cache.release() }
    guard let hit = holdFragment(path, of: owner) else { throw .absent }
    try lend(hit, [], lent)
  }

  /// Whose a fragment is, who must have its prefix still, and its path.
  private func fragmentName(
    _ order: CacheOrder
  ) throws(LentRefusal) -> (owner: ClaimedOwner, path: [UInt8]) {
    let encoded = Array(order.target.utf8)
    guard !namespaceIsUnknown, let match = namespace?.match(ofOwner: order.owner),
      let owner = owner(of: match),
      case .success(let path) = RequestTarget.decodePath(encoded.rawSpan, encodedSlashes: .off),
      owner.name.prefix.covers(path)
    else { throw .claim }
    return (owner, path)
  }

  /// A fragment that may be used, held; nil: there is none, or it is not good any more.
  func holdFragment(_ path: [UInt8], of owner: ClaimedOwner) -> CacheHit? {
    guard let cache else { return nil }
    let key = CacheKeys.fragment(path, of: owner.name)
    let selector = Array(owner.name.text.utf8)
    guard
      let hit = cache.lookUp(
        key.rawSpan, selector: selector.rawSpan, hash: cache.hash(key.rawSpan)),
      isMade(hit, for: owner), isFresh(cache.facts(hit), ValidatedWord(raw: cache.validated(hit))),
      cache.isKnownGood(hit) || cache.standing(hit) == .good
    else { return nil }
    return hit
  }
}
