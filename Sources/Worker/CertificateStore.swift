// Which certificate a client is shown.

import Configuration
import Platform
import TLS

/// What a worker inherits for encrypted connections.
package struct TLSHeritage: Sendable {
  /// For connections whose server name is not known yet; its certificates are never shown.
  package let hello: TLSContext
  /// By site; nil: it has none, or only certificates by name.
  package let contexts: [TLSContext?]

  package init(hello: TLSContext, contexts: [TLSContext?]) {
    self.hello = hello
    self.contexts = contexts
  }
}

/// The contexts of a worker, by site.
final class CertificateStore {
  enum Choice {
    case context(TLSContext)
    /// It is being fetched; the handshake goes on when it is here.
    case awaited
    case none
  }

  let hello: TLSContext
  private var sites: [TLSContext?]

  init(_ heritage: TLSHeritage) {
    hello = heritage.hello
    sites = heritage.contexts
  }

  func choose(site: Int, serverName: [UInt8]?) -> Choice {
    sites[site].map { .context($0) } ?? .none
  }
}
