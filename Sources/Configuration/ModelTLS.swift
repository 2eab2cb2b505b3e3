// Which addresses speak TLS, which site shakes hands there, and whose requests it may carry.

import Platform

/// Whether a request for one site may come over the connection of another.
package enum ConnectionAdmission: Sendable, Hashable {
  case allowed
  /// 421: the site's connections are made under another policy; the client tries a new one.
  case misdirected
  /// 403: `SSLStrictSNIVHostCheck`, and the client named no server.
  case serverNameRequired
}

extension Model {
  /// Whether connections to a local address are encrypted: as the sites there have it
  /// (`SSLEngine`), else as `Listen` has it. All sites of an address agree; the checker sees to it.
  package func isEncrypted(local: SocketAddress) -> Bool {
    let site = virtualHosts.group(local: local)?.sites[0] ?? 0
    return sites[site].encrypts ?? listen(for: local)?.speaksHTTPS ?? false
  }

  /// Whether any connection is.
  package var usesTLS: Bool { sites.contains { $0.tls != nil } }

  /// The site whose certificates and rules make a connection, by the rule that also chooses the
  /// site of a request. `serverName` is the client's: lower case, without a trailing dot; without
  /// one it is the first site of the address. nil: that site has no certificate, so that the
  /// handshake is refused (unrecognized_name).
  package func handshakeSite(local: SocketAddress, serverName: [UInt8]?) -> SiteMatch? {
    let match =
      serverName.map { site(local: local, host: $0) }
      ?? SiteMatch(
        site: virtualHosts.group(local: local)?.sites[0] ?? 0,
        why: virtualHosts.group(local: local) == nil ? .mainServer : .firstOfAddress)
    return sites[match.site].tls?.hasCertificates == true ? match : nil
  }

  /// Whether a request for `site` may come over an encrypted connection that `handshakeSite` made.
  /// Both are indices in `sites`, of this model: a connection that is older than a reload asks the
  /// model that it was made under. `isHTTP2`: whether the connection speaks it.
  package func admission(
    of site: Int, handshakeSite: Int, hasServerName: Bool, isHTTP2: Bool
  ) -> ConnectionAdmission {
    guard let made = sites[handshakeSite].tls, let wanted = sites[site].tls else {
      return .misdirected
    }
    // httpd asks only where virtual hosts are told apart by name.
    if !hasServerName, made.requiresServerName || wanted.requiresServerName,
      site != 0 || handshakeSite != 0
    {
      return .serverNameRequired
    }
    if site == handshakeSite { return .allowed }
    if made.policyIdentity != wanted.policyIdentity { return .misdirected }
    if isHTTP2, !sites[site].protocols.contains(.http2) { return .misdirected }
    return .allowed
  }

  /// The `Listen` that opens a local address.
  package func listen(for local: SocketAddress) -> Listen? {
    listens.first { $0.address == local }
      ?? listens.first {
        $0.address.port == local.port && $0.address.address.isAny
          && $0.address.address.family == local.address.family
      }
  }
}

extension Site {
  /// What stands before the path in addresses the server makes itself (`UseCanonicalName On`):
  /// "https://www.example.com:8443". Scheme and port are `ServerName`'s; without a scheme the
  /// connection's. nil: the site has no name.
  package func canonicalOrigin(isEncrypted: Bool) -> String? {
    if name.isEmpty { return nil }
    let scheme = scheme ?? (isEncrypted ? "https" : "http")
    let standard: UInt16 = scheme == "https" ? 443 : 80
    let port = port.map { $0 == standard ? "" : ":\($0)" } ?? ""
    return "\(scheme)://\(name)\(port)"
  }
}
