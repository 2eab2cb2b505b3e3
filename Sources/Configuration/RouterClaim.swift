// Routing of what an application has claimed: the path's settings, whoever would have answered.

extension Router {
  /// What holds for a claimed path: all sections that would hold for the file it stands for. A
  /// Redirect or a ProxyPass of the same path leads nowhere, so it also opens nothing: httpd
  /// decides those before it looks at <Directory>, and a claim comes before both.
  mutating func claimed(_ path: [UInt8]) -> Route {
    let isAnyFile =
      site.aliases.allSatisfy { $0.rules.isEmpty } && !SiteFiles.isProtected(path)
    var path = path
    if !(isAnyFile && site.sections.allSatisfy { $0.locations.isEmpty }) {
      path = SegmentPath.collapsed(path)
      collectLocations(path)
    }
    // Whatever file it stands for, nothing is said of it, nor of its name.
    if isAnyFile, locations.isEmpty, site.sections.allSatisfy({ $0.isSilentOnFiles }) {
      return Route(
        action: .refuse(status: 503), sharedSettings: site.sharedSettings, captures: captures,
        decidedBy: site.documentRootLine, limitExceeded: limitExceeded)
    }
    let found = translate(path)
    var route = Route(
      action: .refuse(status: 503),
      sharedSettings: found.path.map { merged(filePath: $0) } ?? settings(with: locations),
      captures: captures, decidedBy: found.line, decidedAt: found.place)
    if found.path == nil { locations.forEach { note($0) } }
    route.sections = trace
    route.captures = captures
    route.limitExceeded = limitExceeded
    return route
  }
}

extension Shared<Site> {
  /// See `Model.claimedRoute`.
  package func claimedRoute(path: [UInt8], captures: Captures) -> Route {
    var router = Router(site: self, captures: captures)
    return router.claimed(path)
  }
}

extension Model {
  /// As `route`, for a path that belongs to an application: its settings and whether access is
  /// checked. The action is whoever claims it to say.
  package func claimedRoute(_ match: SiteMatch, path: [UInt8]) -> Route {
    sites.shared(match.site).claimedRoute(path: path, captures: match.captures)
  }

  /// Puts the settings of a claim in the place of those that an explanation found.
  package func explainClaim(_ explanation: inout Explanation) {
    let match = site(local: explanation.local, host: explanation.host)
    let limit = explanation.route.limitExceeded
    explanation.route = claimedRoute(match, path: explanation.path)
    explanation.route.limitExceeded = explanation.route.limitExceeded ?? limit
    explanation.access = access(
      explanation.route, client: nil, local: explanation.local,
      isEncrypted: isEncrypted(local: explanation.local))
  }
}
