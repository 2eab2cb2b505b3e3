// The URLs for which the sites of a configuration answer, beside those that applications claim.

import Namespace
import Platform

/// "/" of a host, and the site that has it.
package struct SiteClaim: Hashable, Sendable {
  package let bucket: UrlPrefix.Bucket
  /// "http://shop.example:80/", "http://*:80/"; of a pattern as it is configured.
  package let text: String
  /// The site, and where it stands.
  package let site: String
}

extension Model {
  /// As many as are told at once.
  package static let siteClaimsMax = 1_000

  /// Names of virtual hosts, and who answers for hosts that nobody names, on each port.
  package var siteClaims: [SiteClaim] {
    var claims: [SiteClaim] = []
    var seen: Set<SiteClaim> = []
    func add(_ bucket: UrlPrefix.Bucket, _ host: String, _ listen: SocketAddress, _ site: Int) {
      let scheme = isEncrypted(local: listen) ? "https" : "http"
      let claim = SiteClaim(
        bucket: bucket, text: "\(scheme)://\(host):\(listen.port)/",
        site: site > 0 ? "\(sites[site].title) at \(sites[site].place)" : "the main server")
      if claims.count < Self.siteClaimsMax, seen.insert(claim).inserted { claims.append(claim) }
    }
    for listen in listens.map(\.address) {
      let port = listen.port
      for match in sites(port: port, host: []) { add(.weak, "*", listen, match.site) }
      for group in virtualHosts.groups where group.address.port ?? port == port {
        for site in group.sites {
          for name in sites[site].names { add(.explicit, name.text, listen, site) }
        }
      }
    }
    return claims
  }
}
