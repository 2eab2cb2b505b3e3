// Which site answers where, as `apachectl -S` shows it, and which can never answer.

import Platform

/// The virtual hosts of a model by address, with warnings.
package struct VirtualHostReport: Sendable, Encodable {
  package struct Name: Sendable, Encodable {
    /// `ServerName`, `ServerAlias` or `ServerNameMatch`.
    package let directive: String
    package let text: String
  }

  package struct Host: Sendable, Encodable {
    /// `ServerName`, else the first alias or pattern; empty without any.
    package let name: String
    /// "file:line:column"
    package let place: String
    package let names: [Name]
  }

  /// All sites of one address, in file order; the first answers to unknown names.
  package struct Group: Sendable, Encodable {
    /// "*:80"
    package let address: String
    /// "http" or "https"; "http and https" where ports differ.
    package let scheme: String
    package let hosts: [Host]
  }

  package struct Warning: Sendable, Encodable, Hashable {
    /// "file:line:column"
    package let place: String
    package let message: String
  }

  package let listens: [String]
  package let groups: [Group]
  package let mainServerName: String
  package let mainDocumentRoot: String
  package let warnings: [Warning]

  package init(_ model: Model) {
    listens = model.listens.map(\.title)
    groups = model.virtualHosts.groups.map { group in
      Group(
        address: "\(group.address)", scheme: Self.scheme(group, model),
        hosts: group.sites.map { index in
          let site = model.sites[index]
          return Host(
            name: site.label, place: site.place,
            names: site.names.map { Name(directive: $0.directive, text: $0.text) })
        })
    }
    mainServerName = model.sites[0].name
    mainDocumentRoot = model.sites[0].documentRoot.description
    warnings = ShadowSearch(model).warnings()
  }

  /// As `apachectl -S` prints it, with the warnings at the end.
  package var text: String {
    var lines = ["Listening on: " + listens.joined(separator: " "), "Virtual hosts:"]
    for group in groups {
      if group.hosts.count == 1, let host = group.hosts.first {
        lines.append("\(Self.padded(Self.title(group))) \(Self.title(host))")
        lines += Self.aliasLines(host, indent: "         ")
        continue
      }
      lines.append("\(Self.padded(Self.title(group))) is a NameVirtualHost")
      for (order, host) in group.hosts.enumerated() {
        if order == 0 { lines.append("         default server \(Self.title(host))") }
        lines.append("         namevhost \(Self.title(host))")
        lines += Self.aliasLines(host, indent: "                 ")
      }
    }
    if groups.isEmpty { lines.append("  none") }
    lines.append("Main server: \(mainServerName.isEmpty ? "(no name)" : mainServerName)")
    lines.append("Main DocumentRoot: \"\(mainDocumentRoot)\"")
    for warning in warnings { lines.append("\(warning.place): warning: \(warning.message)") }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func scheme(_ group: VirtualHostGroup, _ model: Model) -> String {
    let ways = Set(
      model.listens.filter { group.address.isReached(through: $0.address) }
        .map { model.sites[group.sites[0]].encrypts ?? $0.speaksHTTPS })
    if ways.count > 1 { return "http and https" }
    return ways.first ?? model.sites[group.sites[0]].encrypts ?? false ? "https" : "http"
  }

  /// "*:80", "*:443 https"
  private static func title(_ group: Group) -> String {
    group.scheme == "http" ? group.address : "\(group.address) \(group.scheme)"
  }

  private static func padded(_ text: String) -> String {
    text + String(repeating: " ", count: max(0, 22 - text.utf8.count))
  }

  private static func title(_ host: Host) -> String {
    "\(host.name.isEmpty ? "(no name)" : host.name) (\(host.place))"
  }

  private static func aliasLines(_ host: Host, indent: String) -> [String] {
    host.names.compactMap { name in
      switch name.directive {
      case "ServerAlias":
        let isWild = name.text.utf8.contains { $0 == 42 || $0 == 63 }
        return indent + (isWild ? "wild alias " : "alias ") + name.text
      case "ServerNameMatch": return indent + "match " + name.text
      default: return nil
      }
    }
  }
}

/// Finds names, patterns and sites that something earlier in the file always answers for.
private struct ShadowSearch {
  let model: Model
  private var found: [VirtualHostReport.Warning] = []
  /// Names are shared by all addresses of a site: each is reported once.
  private var seen: Set<VirtualHostReport.Warning> = []

  init(_ model: Model) { self.model = model }

  func warnings() -> [VirtualHostReport.Warning] {
    var search = self
    for group in model.virtualHosts.groups {
      if let winner = search.groupBefore(group) {
        search.report(
          model.sites[group.sites[0]].place,
          "no request reaches \(group.address): \(winner.address) starts earlier and covers it")
        continue
      }
      search.look(at: group)
    }
    return search.found
  }

  private mutating func report(_ place: String, _ message: String) {
    let warning = VirtualHostReport.Warning(place: place, message: message)
    if seen.insert(warning).inserted { found.append(warning) }
  }

  /// A group with "*" as port that starts earlier takes everything of one with a number.
  private func groupBefore(_ group: VirtualHostGroup) -> VirtualHostGroup? {
    guard group.address.port != nil else { return nil }
    return model.virtualHosts.groups.first {
      $0.address.port == nil && $0.address.address == group.address.address
        && $0.sites[0] < group.sites[0]
    }
  }

  private mutating func look(at group: VirtualHostGroup) {
    let entries = group.index.entries
    var wildcards: [Int] = []
    var patterns: [String: Int] = [:]
    var catchAll: Int?
    var reachable: Set<Int> = [group.sites[0]]
    var named: Set<Int> = []
    for (order, entry) in entries.enumerated() {
      named.insert(entry.site)
      var winner = catchAll
      switch entry.name.kind {
      case .exact(let host):
        var trace = VirtualHostIndex.Trace()
        if let match = group.index.lookUp(host, trace: &trace), match.entry.site != entry.site {
          winner = entries.firstIndex { $0.site == match.entry.site && $0.name.matches(host) }
        }
      case .wildcard(let wildcard):
        let suffix = group.index.firstSuffix(wildcard)
        if winner == nil, suffix < order { winner = suffix }
        winner = winner ?? wildcards.first { Self.covers($0, wildcard, entries) }
        if wildcard.contains(UInt8(ascii: "?")) || wildcard.dropFirst().contains(42) {
          wildcards.append(order)
        }
        if wildcard.allSatisfy({ $0 == 42 }), catchAll == nil { catchAll = order }
      case .pattern:
        winner = winner ?? patterns[entry.name.text]
        if patterns[entry.name.text] == nil { patterns[entry.name.text] = order }
        if Self.matchesAll.contains(entry.name.text), catchAll == nil { catchAll = order }
      }
      if let winner, entries[winner].site != entry.site {
        reportName(entry, entries[winner], group)
      } else {
        reachable.insert(entry.site)
      }
    }
    for site in group.sites where !reachable.contains(site) {
      let title = model.sites[site].label
      report(
        model.sites[site].place,
        named.contains(site)
          ? "\(title.isEmpty ? "this virtual host" : "'\(title)'") can never be reached on"
            + " \(group.address)"
          : "this virtual host has no name and is not the first on \(group.address), so it can"
            + " never be reached there")
    }
  }

  private static let matchesAll: Set<String> = [".*", "^.*$", ".+", "^.+$", "(.*)", "^(.*)$"]

  private mutating func reportName(
    _ entry: VirtualHostIndex.Entry, _ winner: VirtualHostIndex.Entry, _ group: VirtualHostGroup
  ) {
    let isSame = entry.name.text == winner.name.text
    let how =
      isSame
      ? "is the same as at \(winner.name.place)"
      : "is covered by '\(winner.name.directive) \(winner.name.text)' at \(winner.name.place)"
    report(
      entry.name.place,
      "'\(entry.name.directive) \(entry.name.text)' can never be chosen on \(group.address): it"
        + " \(how), which comes first")
  }

  /// True if everything that `other` matches, the wildcard at `order` matches too.
  private static func covers(
    _ order: Int, _ other: [UInt8], _ entries: [VirtualHostIndex.Entry]
  ) -> Bool {
    guard case .wildcard(let wildcard) = entries[order].name.kind else { return false }
    return covers(wildcard[...], other[...])
  }

  private static func covers(_ general: ArraySlice<UInt8>, _ special: ArraySlice<UInt8>) -> Bool {
    guard let first = general.first else { return special.isEmpty }
    if first == UInt8(ascii: "*") {
      return covers(general.dropFirst(), special)
        || !special.isEmpty && covers(general, special.dropFirst())
    }
    guard let byte = special.first else { return false }
    if first == UInt8(ascii: "?") {
      return byte != UInt8(ascii: "*") && covers(general.dropFirst(), special.dropFirst())
    }
    return first == byte && covers(general.dropFirst(), special.dropFirst())
  }
}
