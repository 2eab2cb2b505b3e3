// The proxy's steps of routing: ProxyPass, <Proxy> sections, handlers that pass requests on.

import HTTP
import Platform

extension Router {
  /// The route of a request that is passed on; nil if none is. mod_proxy looks before mod_alias:
  /// the innermost <Location> that says something first, then the rules in order; "!" ends the
  /// search, and what would have been without any ProxyPass happens.
  mutating func proxied(_ path: [UInt8], _ query: [UInt8]?) -> Route? {
    if let section = locations.last(where: { $0.layer.proxyPass != nil }),
      let rule = section.layer.proxyPass,
      let match = rule.match(path, limitExceeded: &limitExceeded)
    {
      return proxied(match, "\(rule.line) in \(section.title)", path, query)
    }
    for table in site.proxyPasses {
      guard let match = table.first(path, limitExceeded: &limitExceeded) else { continue }
      return proxied(match, match.rule.line, path, query)
    }
    return nil
  }

  private mutating func proxied(
    _ match: PathRuleMatch, _ line: String, _ path: [UInt8], _ query: [UInt8]?
  ) -> Route? {
    guard let pass = match.rule.proxy?.storage, let balancer = pass.value.balancer else {
      return nil
    }
    var isPattern = false
    if case .pattern = match.rule.source { isPattern = true }
    let request = ProxyPass.Match(
      path: path, restStart: isPattern ? 0 : match.restStart, groups: match.groups, query: query,
      keepsEncodedSlashes: site.allowEncodedSlashes == .noDecode,
      pathInfoByteCount: pathInfoByteCount)
    let target = pass.value.target(balancer, request, captures)
    if !site.proxySections.isEmpty { locations = proxySections(of: pass.value) + locations }
    locations.forEach { note($0) }
    var route = Route(
      action: target.map { .proxy($0) } ?? .refuse(status: 404),
      sharedSettings: settings(with: locations), sections: trace, captures: captures,
      decidedBy: line, decidedAt: match.rule.place, limitExceeded: limitExceeded)
    finish(&route, path, query)
    return route
  }

  private mutating func proxySections(of pass: ProxyPass) -> [Section] {
    var sections: [Section] = []
    for section in site.proxySections where matches(section, pass) { sections.append(section) }
    return sections
  }

  /// A <Proxy> section names the beginning of a target's URL, or all of it by a pattern.
  private mutating func matches(_ section: Section, _ pass: ProxyPass) -> Bool {
    switch section.matcher {
    case .literal(let prefix): return pass.url.starts(with: prefix)
    case .wildcard(let pattern):
      return Wildcard.matches(pattern, pass.url[...], separatesSegments: false)
    case .pattern(let pattern):
      return section.matchesPattern(
        pattern, pass.url, captures: &captures, limitExceeded: &limitExceeded)
    }
  }

  /// Passes what would have been a file to an application (`SetHandler "proxy:…"`).
  func hand(
    _ route: inout Route, to handler: ProxyPass, _ path: [UInt8], _ file: [UInt8],
    _ query: [UInt8]?
  ) {
    guard let balancer = handler.balancer,
      let target = handler.target(
        balancer,
        ProxyPass.Match(
          path: path, query: query, keepsEncodedSlashes: site.allowEncodedSlashes == .noDecode,
          script: file, pathInfoByteCount: pathInfoByteCount),
        captures)
    else { return }
    route.action = .proxy(target)
    route.decidedBy = handler.line
    route.decidedAt = handler.place
  }
}
