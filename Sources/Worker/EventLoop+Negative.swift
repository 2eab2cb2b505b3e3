// Negative answers: what is not there, or somewhere else, is remembered for as long as a file is.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Statuses that say something lasting about a resource, and that a cache may store without
  /// being told how long (RFC 9110 §15.1).
  private static let statuses: Set<UInt16> = [301, 308, 404, 410]

  /// A second, in the ticks of `ValidatedWord`.
  private static let ticksMax: UInt64 = 8

  /// Stores a small answer of our own from its URL's second use on: beside whatever may be stored,
  /// in a budget of its own, and looked at again as often as a file.
  func noteNegative(
    _ exchange: Exchange, _ stream: RequestStream, status: UInt16, fields: ResponseFields,
    body: [UInt8]
  ) {
    // An application's answers are its own to keep, by its fields.
    if case .proxy = exchange.route.action { return }
    guard let cache, isCurrent, EventLoop.statuses.contains(status), exchange.errorStatus == nil,
      head.method.isRetrieval, head.body == .none, exchange.internalRedirectCount == 0,
      // A redirect repeats the query; of others the canonical key has none.
      head.query == nil, head.targetForm == .origin, !exchange.path.isEmpty,
      !exchange.accessDependsOnClient,
      exchange.route.dependencies.union(exchange.settings.value.headerDependencies).isEmpty
    else { return }
    let key = CacheKeys.canonical(
      prefix: stream.keyPrefix, host: exchange.host, path: exchange.path)
    let hash = cache.hash(key.rawSpan)
    guard cache.seenBefore(hash) else { return }
    dropOutdated(key, hash: hash, available: 0)
    var facts = EntryFacts()
    facts.kind = .negative
    facts.status = status
    facts.fileStamp = fileStamp(exchange)
    let lines = fields.lines() + [0x0d, 0x0a]
    // Nobody watches for a file that is not there: however long files are believed in, this is for
    // a second. It is entered as that much older.
    let ticks = exchange.ticks &- revalidateTicks &+ min(revalidateTicks, EventLoop.ticksMax)
    let validated = ValidatedWord(
      epoch: exchange.routedEpoch, site: exchange.site.site, ticks: ticks)
    _ = cache.insertNegative(
      CacheEntryHead(
        key: key.rawSpan, hash: hash, facts: facts, head: lines.rawSpan,
        validated: validated.raw, asOf: exchange.asOf),
      body: body.rawSpan)
  }
}
