// Whose answers are kept and used: an entry of one owner is for requests that lead to him, and no
// longer than they do.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// An owner of URLs, with what is asked of him for each request.
final class ClaimedOwner {
  let name: NamespaceOwner
  /// Where his requests go.
  let queue: QueueReference
  /// What labels of his entries begin with.
  let firstLabel: [UInt8]
  let mark: UInt64

  init(_ name: NamespaceOwner, _ queue: NamespaceQueue) {
    self.name = name
    self.queue = QueueReference(slot: Int(queue.slot), serial: queue.serial, user: queue.user)
    firstLabel = OwnerLabels.owner(name) + [0]
    mark = Fingerprint.of(name.text)
  }
}

/// What a process remembers of the namespace that it has now.
final class ClaimMemory {
  /// How often the namespace has changed for this process.
  var turn: UInt64 = 0
  /// Of the snapshot that was taken last.
  var generation: UInt64 = 0
  /// By entry of the snapshot: those that were asked for.
  var owners: [Int: ClaimedOwner] = [:]
  /// The last one of them, and his entry.
  var lastOwner: (entry: Int, owner: ClaimedOwner)?
  /// What applications put into the cache and get from it now.
  let lent = LentExchanges()
  /// Names of queues by their places, also of those that have ended since.
  var queues: [Int: NamespaceQueue] = [:]
  var refusals = RefusalNotes()
  /// See `EventLoop.settings(_:areClaimed:areKept:)`.
  var last: (given: Shared<Settings>, areClaimed: Bool, areKept: Bool, made: Shared<Settings>)?
}

/// Whom a URL leads to at this moment.
enum FoundOwner {
  case configuration
  case application(ClaimedOwner)
  /// Nobody answers; or it cannot be told.
  case nobody
}

extension NamespaceSnapshot.Configured {
  /// By how a site was found.
  package init(_ site: SiteMatch) {
    if case .name = site.why { self = .named } else { self = .catchAll }
  }
}

extension EventLoop {
  /// The owner that a match leads to; nil: nobody serves it. Each is made once for a snapshot.
  func owner(of match: NamespaceMatch) -> ClaimedOwner? {
    if let last = claims.lastOwner, last.entry == match.entry { return last.owner }
    if let known = claims.owners[match.entry] {
      claims.lastOwner = (match.entry, known)
      return known
    }
    guard let namespace, let queue = match.queue, let name = namespace.owner(of: match) else {
      return nil
    }
    let owner = ClaimedOwner(name, namespace.queues[queue])
    claims.owners[match.entry] = owner
    return owner
  }

  /// Who would answer for a path of the same host and site, for a request from the same place. What
  /// depends on the very address leads to nobody.
  func findOwner(_ path: [UInt8], _ exchange: Exchange, _ origin: RequestOrigin) -> FoundOwner {
    if namespaceIsUnknown { return .nobody }
    guard let namespace else { return .configuration }
    guard let local = origin.local else { return .nobody }
    let configured = NamespaceSnapshot.Configured(exchange.site)
    let match = namespace.lookUp(
      isSecure: origin.isEncrypted, local: local, host: exchange.host, path: path,
      configured: configured)
    if namespace.dependsOnAddress(match, configured: configured) { return .nobody }
    guard let match else { return .configuration }
    return owner(of: match).map { .application($0) } ?? .nobody
  }

  /// Whether a path belongs to whoever the exchange was routed to: to the same application, or
  /// both to the configuration.
  func isOfSameOwner(
    _ path: [UInt8], _ exchange: Exchange, _ origin: RequestOrigin
  ) -> Bool {
    switch findOwner(path, exchange, origin) {
    case .nobody: false
    case .configuration: exchange.owner == nil
    case .application(let owner):
      exchange.owner?.name.user == owner.name.user
        && exchange.owner?.name.queue == owner.name.queue
    }
  }

  /// Whether the routing of an exchange, which may have waited, still leads to the same owner.
  func leadsStill(_ exchange: Exchange, _ origin: RequestOrigin) -> Bool {
    if exchange.routedTurn == claims.turn { return true }
    switch findOwner(exchange.currentPath, exchange, origin) {
    case .nobody: return false
    case .configuration: return exchange.owner == nil
    case .application(let owner): return exchange.owner?.name == owner.name
    }
  }

  /// Whether a held entry was made for this owner; nil: for the configuration's own URLs. Word for
  /// word: fingerprints are not for names that somebody may choose.
  func isMade(_ hit: CacheHit, for owner: ClaimedOwner?) -> Bool {
    guard let cache else { return false }
    let range = cache.labelRange(hit)
    let wanted = owner?.firstLabel ?? OwnerLabels.mark
    let isEqual =
      range.count >= wanted.count && cache.region.equal(at: range.offset, to: wanted.rawSpan)
    return isEqual == (owner != nil)
  }
}
