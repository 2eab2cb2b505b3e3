// From a request's address, host and path to a site, its settings and what to do.

import Platform

/// Why a site was chosen.
package enum MatchReason: Hashable, Sendable {
  /// `ServerName`, `ServerAlias` or `ServerNameMatch`: the directive and what it says.
  case name(directive: String, text: String)
  /// No name matched: it is the first virtual host of the address.
  case firstOfAddress
  /// No virtual host names the address.
  case mainServer
}

/// The site of a request.
package struct SiteMatch: Sendable {
  /// Index in `Model.sites`.
  package var site: Int
  /// Groups of `ServerNameMatch`.
  package var captures = Captures()
  package var why: MatchReason
  /// A pattern that exceeded its match limit and so counted as no match; to be logged.
  package var limitExceeded: String?
}

/// A section that applied, for `explain`.
package struct SectionTrace: Hashable, Sendable {
  /// "<Directory \"/srv\">"
  package let title: String
  /// "file:line:column"; empty for what is built in.
  package let place: String
}

/// What is to be done with a request.
package enum Action: Hashable, Sendable {
  /// `location` is an absolute URL, or starts with "/" (a path of this host).
  case redirect(status: Int, location: [UInt8])
  /// An absolute, lexically normal file path that starts with `root`: document root or alias
  /// target, where `SymlinkConfine` holds.
  case file(path: [UInt8], root: [UInt8])
  case refuse(status: Int)
  /// An application answers.
  case proxy(ProxyTarget)
}

/// What was decided about a path.
package struct Route: Sendable {
  package var action: Action
  package var settings: Settings {
    @inline(__always) _read { yield sharedSettings.storage.value }
  }
  package var sharedSettings: Shared<Settings>
  /// Inputs outside the cache key that the action depends on. The access rule's own dependence on
  /// the client is `settings.access.dependsOnClient`.
  package var dependencies: Dependencies = []
  /// False for what httpd decides before access control: redirects outside sections, and refusals.
  package var checksAccess = true
  /// The settings are those of the file that the path stands for, with its directories' sections.
  package var isMapped = false
  /// In merge order.
  package var sections: [SectionTrace] = []
  /// The site's captures and those of <LocationMatch> and <DirectoryMatch>.
  package var captures: Captures
  /// The directive that decided, in canonical form, and its place; "DocumentRoot …" by default.
  package var decidedBy = ""
  package var decidedAt = ""
  /// A pattern that exceeded its match limit and so counted as no match; to be logged.
  package var limitExceeded: String?
}

extension Route {
  /// What holds for a request that was not routed yet: its site's settings, and no way to go.
  package init(unrouted settings: Shared<Settings>) {
    self.init(action: .refuse(status: 500), sharedSettings: settings, captures: Captures())
  }
}

extension Model {
  /// Chooses the site by httpd's rule: the address first, then the first virtual host in file
  /// order with a matching name, else the first one of the address; the main server if no virtual
  /// host names the address. `host`: lower case, without port; one trailing dot is ignored.
  package func site(local: SocketAddress, host: [UInt8]) -> SiteMatch {
    guard let group = virtualHosts.group(local: local) else {
      return SiteMatch(site: 0, why: .mainServer)
    }
    let host = host.last == UInt8(ascii: ".") ? Array(host.dropLast()) : host
    var trace = VirtualHostIndex.Trace()
    guard let match = group.index.lookUp(host, trace: &trace) else {
      return SiteMatch(
        site: group.sites[0], why: .firstOfAddress, limitExceeded: trace.limitExceeded)
    }
    let name = match.entry.name
    var captures = Captures()
    if case .pattern(let pattern) = name.kind {
      for group in pattern.names where group.group < match.groups.count {
        guard let range = match.groups[group.group] else { continue }
        captures.set(Captures.environmentName(ofGroup: group.name), Array(host[range]))
      }
    }
    return SiteMatch(
      site: match.entry.site, captures: captures,
      why: .name(directive: name.directive, text: name.text), limitExceeded: trace.limitExceeded)
  }

  /// See `AddressClass`; worked out once per connection.
  package func addressClass(local: SocketAddress) -> AddressClass {
    virtualHosts.group(local: local)?.addressClass ?? VirtualHostTable.mainServerClass
  }

  /// Every class that `addressClass` may give.
  package var addressClasses: Set<AddressClass> {
    Set(virtualHosts.groups.map { $0.addressClass }).union([VirtualHostTable.mainServerClass])
  }

  /// All sites that may answer for a host on a port, by whatever address they are reached.
  package func sites(port: UInt16, host: [UInt8]) -> [SiteMatch] {
    var matches: [SiteMatch] = []
    let listened = listens.map { $0.address }.filter { $0.port == port }
    let named = virtualHosts.groups.compactMap { group in
      group.address.port.map { $0 == port } ?? true ? group.address.address : nil
    }
    for local in listened + named.map({ SocketAddress($0, port: port) }) {
      let match = site(local: local, host: host)
      if !matches.contains(where: { $0.site == match.site }) { matches.append(match) }
    }
    return matches
  }

  /// Decides about a path: decoded, without dot segments, starting with "/". `query` is what
  /// stands behind "?", nil without one.
  /// `pathInfo`: so many bytes at the path's end name nothing in the file system, but are for the
  /// script that what stands before them names.
  package func route(
    _ match: SiteMatch, path: [UInt8], query: [UInt8]? = nil, pathInfo: Int = 0
  ) -> Route {
    sites.shared(match.site).route(
      path: path, query: query, pathInfo: pathInfo, captures: match.captures)
  }
}

extension Shared<Site> {
  /// The same, of a site that is known: nothing else of the model is touched.
  package func route(
    path: [UInt8], query: [UInt8]?, pathInfo: Int, captures: Captures
  ) -> Route {
    var router = Router(site: self, captures: captures)
    router.pathInfoByteCount = pathInfo
    return router.route(path, query)
  }
}
