// Prefixes that applications claim while the server runs: taking a new snapshot, and asking it.

import Configuration
import HTTP
import Namespace
import Platform

extension EventLoop {
  /// Who owns which URLs from now on; `epoch`: what this worker may publish under, 0: nothing.
  func takeNamespace(epoch: UInt32, _ file: Descriptor?) {
    missedOrders.namespaceAskedAt = nil
    takeNamespace(file)
    epoch == 0 ? distrustCache() : adopt(epoch: epoch)
    if !namespaceIsUnknown { report(.namespaceTaken(generation: claims.generation)) }
  }

  /// A snapshot that cannot be read leaves nobody's URLs to somebody else: what would have been
  /// asked of it is refused until the next one comes.
  func takeNamespace(_ file: Descriptor?) {
    claims.turn += 1
    claims.owners = [:]
    claims.lastOwner = nil
    guard let snapshot = file.flatMap(readNamespace) else {
      errorLog.write(.error, "what applications have registered was not understood")
      namespaceIsUnknown = true
      return
    }
    namespaceIsUnknown = false
    claims.generation = snapshot.generation
    for queue in snapshot.queues { claims.queues[Int(queue.slot)] = queue }
    namespace = snapshot.entryCount == 0 ? nil : snapshot
  }

  func readNamespace(_ file: Descriptor) -> NamespaceSnapshot? {
    let bytes = try? File.content(of: file, byteCountMax: NamespaceSnapshot.byteCountMax)
    return bytes.flatMap(NamespaceSnapshot.init(bytes:))
  }

  /// What the configuration does with a request.
  func configuredRoute(_ exchange: Exchange) -> Route {
    routes.route(exchange, in: model)
  }

  /// Whatever the configuration would do with a request, whoever owns its URL comes first, if the
  /// namespace says so; the site's settings and its access rules hold all the same.
  func route(_ exchange: Exchange, _ stream: RequestStream) -> Route {
    guard !namespaceIsUnknown, let namespace else {
      var route = configuredRoute(exchange)
      if namespaceIsUnknown {
        noteRefusal(.reserved, "it is not known who owns which URLs", stream)
        refuseAsReserved(&route, exchange)
      }
      return route
    }
    var local = localAddress(of: stream)
    // What an application puts or gets came to no address.
    if namespace.tellsAddressesApart, !(stream is LentStream),
      let own = Stream.localAddress(carrier(of: stream).descriptor)
    {
      local = own
    }
    let configured = NamespaceSnapshot.Configured(exchange.site)
    let match = namespace.lookUp(
      isSecure: listeners[stream.listener].isEncrypted, local: local, host: exchange.host,
      path: exchange.currentPath, configured: configured, guess: claims.lastOwner?.entry)
    let dependsOnAddress = namespace.dependsOnAddress(match, configured: configured)
    guard let match else {
      var route = configuredRoute(exchange)
      // Another address of this server may lead the same URL to an application, and the cache's key
      // does not name the address.
      if dependsOnAddress {
        route.dependencies.insert(.environment)
        route.sharedSettings = settings(
          route.sharedSettings, areClaimed: false, areKept: false)
      }
      return route
    }
    // What a Redirect or a ProxyPass would have done with it does not happen, and opens nothing.
    var route = model.sites.shared(exchange.site.site).claimedRoute(
      path: exchange.currentPath, captures: exchange.site.captures)
    route.checksAccess = true
    exchange.owner = owner(of: match)
    route.sharedSettings = settings(
      route.sharedSettings, areClaimed: true, areKept: !dependsOnAddress && mayName(exchange))
    claim(&route, match, namespace, exchange, stream)
    return route
  }

  /// Leads a request to the queue of who owns its URL.
  private func claim(
    _ route: inout Route, _ match: NamespaceMatch, _ namespace: NamespaceSnapshot,
    _ exchange: Exchange, _ stream: RequestStream
  ) {
    guard let queue = exchange.owner?.queue, let balancer = model.queueBalancer(queue.slot) else {
      let prefix = namespace.prefix(of: match.entry)
      noteRefusal(.reserved, "'\(prefix)' is reserved, and nobody serves it", stream)
      return refuseAsReserved(&route, exchange)
    }
    let current = exchange.currentPath
    var path = current
    if exchange.head.query != nil || !PercentEncoding.isPlain(path: current.rawSpan) {
      path = []
      path.reserveCapacity(current.count)
      PercentEncoding.append(path: current.rawSpan, to: &path)
      if let query = exchange.head.query { path += [0x3f] + exchange.copy(query) }
    }
    if match.handsOff {
      // Only bytes of HTTP/1 in clear text mean the same to the application as to us.
      guard let connection = stream as? Connection, connection.security == nil,
        // Nothing of the request has been used here, and it means what its head says.
        exchange.collected == nil, exchange.path == exchange.currentPath
      else {
        route.action = .refuse(status: 505)
        exchange.refusal = .versionNotSupported
        return
      }
    }
    route.action = .proxy(
      ProxyTarget(balancer: balancer, path: path, queue: queue, handsOff: match.handsOff))
  }

  private func refuseAsReserved(_ route: inout Route, _ exchange: Exchange) {
    route.action = .refuse(status: 503)
    exchange.refusal = .reserved
    exchange.retryAfterSeconds = nil
  }

  /// Whether a response can bear the names by which its owner calls it back: it is under its own
  /// URL, which is not too far below his prefix.
  private func mayName(_ exchange: Exchange) -> Bool {
    guard let owner = exchange.owner, exchange.path == exchange.currentPath else { return false }
    return !OwnerLabels.isTooDeep(exchange.path, below: owner.name)
  }

  /// The settings of a path that the namespace has a say in. Where two owners share a key of the
  /// cache, nothing is kept; and for a claimed one, Host is what the client asked for. The last
  /// ones are made once: most often the next request has the same.
  private func settings(
    _ given: Shared<Settings>, areClaimed: Bool, areKept: Bool
  ) -> Shared<Settings> {
    if let last = claims.last, last.given.storage === given.storage, last.areClaimed == areClaimed,
      last.areKept == areKept
    {
      return last.made
    }
    var settings = given.value
    if !areKept { settings.caching.isEnabled = false }
    if areClaimed { settings.proxy.preservesHost = true }
    let made = Shared(settings)
    claims.last = (given, areClaimed, areKept, made)
    return made
  }
}
