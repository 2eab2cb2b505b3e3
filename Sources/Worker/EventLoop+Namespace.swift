// Prefixes that applications claim while the server runs: taking a new snapshot, and asking it.

import Configuration
import HTTP
import Namespace
import Platform

extension EventLoop {
  /// Who owns which URLs from now on; `epoch`: what this worker may publish under, 0: nothing.
  func takeNamespace(epoch: UInt32, _ file: Descriptor?) {
    takeNamespace(file)
    epoch == 0 ? distrustCache() : adopt(epoch: epoch)
  }

  /// A snapshot that cannot be read leaves nobody's URLs to somebody else: what would have been
  /// asked of it is refused until the next one comes.
  func takeNamespace(_ file: Descriptor?) {
    guard let snapshot = file.flatMap(readNamespace) else {
      errorLog.write(.error, "what applications have registered was not understood")
      namespaceIsUnknown = true
      return
    }
    namespaceIsUnknown = false
    namespace = snapshot.entryCount == 0 ? nil : snapshot
  }

  func readNamespace(_ file: Descriptor) -> NamespaceSnapshot? {
    let bytes = try? File.content(of: file, byteCountMax: NamespaceSnapshot.byteCountMax)
    return bytes.flatMap(NamespaceSnapshot.init(bytes:))
  }

  /// Whatever the configuration would do with a request, whoever owns its URL comes first, if the
  /// namespace says so; the site's settings and its access rules hold all the same.
  func claim(_ exchange: Exchange, _ stream: RequestStream) {
    if namespaceIsUnknown { return refuseAsReserved(exchange) }
    guard let namespace else { return }
    var local = localAddress(of: stream)
    if namespace.tellsAddressesApart,
      let own = Stream.localAddress(carrier(of: stream).descriptor)
    {
      local = own
    }
    var configured = NamespaceSnapshot.Configured.catchAll
    if case .name = exchange.site.why { configured = .named }
    guard
      let match = namespace.lookUp(
        isSecure: listeners[stream.listener].isEncrypted, local: local, host: exchange.host,
        path: exchange.currentPath, configured: configured)
    else {
      // Another address of this server may lead the same URL to an application, and the cache's key
      // does not name the address.
      if namespace.tellsAddressesApart, configured == .catchAll {
        exchange.route.dependencies.insert(.environment)
        exchange.route.sharedSettings = claimedSettings(exchange.route.sharedSettings)
      }
      return
    }
    exchange.route.checksAccess = true
    exchange.route.sharedSettings = claimedSettings(exchange.route.sharedSettings)
    guard let queue = match.queue,
      let balancer = model.queueBalancer(Int(namespace.queues[queue].slot))
    else {
      return refuseAsReserved(exchange)
    }
    var path: [UInt8] = []
    PercentEncoding.append(path: exchange.currentPath.rawSpan, to: &path)
    if let query = exchange.head.query { path += [0x3f] + exchange.copy(query) }
    exchange.route.action = .proxy(ProxyTarget(balancer: balancer, path: path))
  }

  private func refuseAsReserved(_ exchange: Exchange) {
    exchange.route.action = .refuse(status: 503)
    exchange.refusal = .reserved
    exchange.retryAfterSeconds = nil
  }

  /// The settings of a claimed path: nothing is kept, since what an application says may be kept is
  /// kept for its URLs, and those may be another's soon; and Host is what the client asked for. The
  /// last ones are made once: most often the next request has the same.
  private func claimedSettings(_ given: Shared<Settings>) -> Shared<Settings> {
    if let last = lastClaimed, last.given.storage === given.storage { return last.made }
    var settings = given.value
    settings.caching.isEnabled = false
    settings.proxy.preservesHost = true
    let made = Shared(settings)
    lastClaimed = (given, made)
    return made
  }
}
