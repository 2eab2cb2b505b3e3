// Where the namespace and what virtual hosts say of the same URLs get into each other's way.

import Namespace
import Platform

/// One prefix and what it meets.
package struct NamespaceConflict: Hashable, Sendable {
  package let prefix: UrlPrefix
  package let message: String
}

extension Model {
  /// As many as are told at once.
  package static let conflictsMax = 20
  /// Comparisons of a prefix with a rule: with very many of both not all are looked at.
  private static let comparisonsMax = 1_000_000

  /// What of the configuration some prefixes take over, and which of them never get a request
  /// because of it. Looks at what decides where a request leads, by a plain path: ProxyPass,
  /// Redirect and Alias; settings and access rules of sections hold for claimed paths anyway.
  package func conflicts(of prefixes: some Sequence<UrlPrefix>) -> [NamespaceConflict] {
    var search = ConflictSearch(model: self, comparisons: Self.comparisonsMax)
    for prefix in prefixes {
      guard search.found.count < Self.conflictsMax, search.comparisons > 0 else { break }
      search.look(at: prefix)
    }
    return Array(search.found.prefix(Self.conflictsMax))
  }

  /// The same of the configuration's own reservations, each at its place.
  package var reservationWarnings: [Diagnostic] {
    conflicts(of: server.urlReservations.map(\.prefix)).compactMap { conflict in
      server.urlReservations.first { $0.prefix == conflict.prefix }
        .map { .warning(conflict.message, at: $0.text.word) }
    }
  }
}

private struct ConflictSearch {
  let model: Model
  var comparisons: Int
  var found: [NamespaceConflict] = []

  private mutating func note(_ prefix: UrlPrefix, _ message: String) {
    let conflict = NamespaceConflict(prefix: prefix, message: "'\(prefix)' " + message)
    guard found.count < Model.conflictsMax else { return }
    if !found.contains(conflict) { found.append(conflict) }
  }

  mutating func look(at prefix: UrlPrefix) {
    let listens = model.listens.map(\.address).filter { $0.port == prefix.port }
    // Listeners may come with a later reload.
    guard !listens.isEmpty else { return }
    let isSecure = prefix.scheme == .https
    guard listens.contains(where: { model.isEncrypted(local: $0) == isSecure }) else {
      return note(
        prefix,
        "never gets a request: port \(prefix.port) speaks \(isSecure ? "http" : "https")")
    }
    let isRoot = prefix.path == [slash]
    switch prefix.host {
    case .strong:
      for site in allSites(port: prefix.port) { compare(prefix, site, takesAll: isRoot) }
    case .name(let name):
      let matches = model.sites(port: prefix.port, host: name)
      let named = matches.filter { $0.isNamed }
      for match in named {
        if isRoot {
          note(prefix, "never gets a request: \(title(match.site)) comes before it")
        } else {
          compare(prefix, match.site, takesAll: false)
        }
      }
    case .below(let name):
      let end = [UInt8(ascii: ".")] + name
      for site in allSites(port: prefix.port) {
        let isBelow = model.sites[site].names.contains { siteName in
          guard case .exact(let host) = siteName.kind else { return false }
          return host.count > end.count && host.suffix(end.count).elementsEqual(end)
        }
        guard isBelow else { continue }
        if isRoot {
          note(prefix, "gets no request for \(title(site)), which comes before it")
        } else {
          compare(prefix, site, takesAll: false)
        }
      }
    case .address:
      for match in model.sites(port: prefix.port, host: []) where !match.isNamed {
        compare(prefix, match.site, takesAll: isRoot)
      }
    case .weak:
      for match in model.sites(port: prefix.port, host: []) where !match.isNamed {
        if isRoot {
          note(
            prefix,
            "never gets a request: \(title(match.site)) answers for hosts that nobody names")
        } else {
          compare(prefix, match.site, takesAll: false)
        }
      }
    }
  }

  /// All sites that requests on a port may reach, the main server among them if it may.
  private func allSites(port: UInt16) -> [Int] {
    var sites = Set(model.sites(port: port, host: []).map(\.site))
    for group in model.virtualHosts.groups where group.address.port ?? port == port {
      sites.formUnion(group.sites)
    }
    return sites.sorted()
  }

  private func title(_ site: Int) -> String {
    guard site > 0 else { return "the main server" }
    return "\(model.sites[site].title) at \(model.sites[site].place)"
  }

  private mutating func compare(_ prefix: UrlPrefix, _ site: Int, takesAll: Bool) {
    if takesAll { return note(prefix, "takes all requests of \(title(site))") }
    for (path, line, place) in rules(of: site) {
      comparisons -= 1
      guard comparisons > 0, found.count < Model.conflictsMax else { return }
      let subtree = path.last == slash ? path : path + [slash]
      guard subtree.starts(with: prefix.path) else { continue }
      note(prefix, "comes before '\(line)' at \(place)")
    }
  }

  /// What leads a path somewhere.
  private func rules(of index: Int) -> [(path: [UInt8], line: String, place: String)] {
    let site = model.sites[index]
    var rules: [(path: [UInt8], line: String, place: String)] = []
    for table in site.proxyPasses + site.redirects + site.aliases {
      for rule in table.rules {
        if case .prefix(let path) = rule.source { rules.append((path, rule.line, rule.place)) }
      }
    }
    for section in site.sections.flatMap(\.locations) {
      guard case .literal(let path) = section.matcher else { continue }
      let layer = section.layer
      if let pass = layer.proxyPass {
        rules.append((path, "\(pass.line) in \(section.title)", pass.place))
      }
      if let redirect = layer.redirect {
        rules.append((path, "Redirect in \(section.title)", redirect.place))
      }
      if let alias = layer.alias {
        rules.append((path, "Alias in \(section.title)", alias.place))
      }
    }
    return rules
  }
}

extension SiteMatch {
  fileprivate var isNamed: Bool {
    if case .name = why { return true }
    return false
  }
}
