// The steps of routing, in httpd's order: locations, redirects, aliases, merge, section redirects.

import HTTP
import Platform

enum SegmentPath {
  /// Runs of "/" become one, as `MergeSlashes On` has it; the same array if there are none.
  static func collapsed(_ path: [UInt8]) -> [UInt8] {
    // Most paths are normal already.
    if Scan.isPlainPath(path.rawSpan) { return path }
    var result: [UInt8] = []
    for byte in path where byte != slash || result.last != slash { result.append(byte) }
    return result
  }

  /// A file's path without so many bytes, which are for the script that it names, if they are also
  /// the end of the URL's path.
  static func withoutPathInfo(_ file: [UInt8], _ path: [UInt8], _ count: Int) -> [UInt8] {
    guard count > 0, count < file.count, file.suffix(count) == path.suffix(count) else {
      return file
    }
    return Array(file.dropLast(count))
  }
}

/// The work on one request.
struct Router {
  private let sharedSite: Shared<Site>
  var captures: Captures
  var limitExceeded: String?
  /// So many bytes at the end of the path are for the script before them.
  var pathInfoByteCount = 0
  /// Filled by `collectLocations`, in merge order.
  var locations: [Section] = []
  private(set) var trace: [SectionTrace] = []

  var site: Site {
    @inline(__always) _read { yield sharedSite.storage.value }
  }

  init(site: Shared<Site>, captures: Captures) {
    sharedSite = site
    self.captures = captures
  }

  mutating func note(_ section: Section) {
    trace.append(SectionTrace(title: section.title, place: section.place))
  }

  @inline(__always)
  mutating func route(_ path: [UInt8], _ query: [UInt8]?) -> Route {
    decide(SegmentPath.collapsed(path), query)
  }

  /// The site's settings with those of sections over them, in order; the site's own if there are
  /// none.
  func settings(with sections: [Section]) -> Shared<Settings> {
    guard !sections.isEmpty else { return site.sharedSettings }
    var settings = site.settings
    for section in sections { settings.apply(section.layer) }
    return Shared(settings)
  }

  @inline(__always)
  private mutating func decide(_ path: [UInt8], _ query: [UInt8]?) -> Route {
    collectLocations(path)
    // httpd's translate phase: the innermost Redirect of a location, then the server's list.
    if let section = locations.last(where: { $0.layer.redirect != nil }),
      let (status, target, place) = section.layer.redirect
    {
      let location = target?.url(captures)
      return early(
        redirect(status, location, query), status, "Redirect in \(section.title)", place, location,
        query)
    }
    if let route = proxied(path, query) { return route }
    for table in site.redirects {
      guard let match = table.first(path, limitExceeded: &limitExceeded) else { continue }
      let location = url(match, path)
      return early(
        redirect(match.rule.status, location, query), match.rule.status, match.rule.line,
        match.rule.place, location, query)
    }
    let found = translate(path)
    guard let whole = found.path else {
      return early(.refuse(status: 404), 404, found.line, found.place, nil, nil)
    }
    let file = SegmentPath.withoutPathInfo(whole, path, pathInfoByteCount)
    let root = found.root
    let settings = merged(filePath: file)
    var route = Route(
      action: .file(path: file, root: root), sharedSettings: settings, sections: trace,
      captures: captures, decidedBy: found.line, decidedAt: found.place,
      limitExceeded: limitExceeded)
    route.isMapped = true
    if let handler = route.settings.handler { hand(&route, to: handler, path, file, query) }
    finish(&route, path, query)
    return route
  }

  /// httpd's fixup phase: Redirect inside sections.
  mutating func finish(_ route: inout Route, _ path: [UInt8], _ query: [UInt8]?) {
    for rule in route.settings.redirects {
      guard let match = rule.match(path, limitExceeded: &limitExceeded) else { continue }
      let location = url(match, path)
      route.action = redirect(rule.status, location, query)
      route.dependencies.formUnion(queryDependency(location, query))
      route.decidedBy = rule.line
      route.decidedAt = rule.place
      break
    }
    if limitExceeded != nil { route.limitExceeded = limitExceeded }
  }

  /// A decision before access control: the settings are those of the locations.
  private mutating func early(
    _ action: Action, _ status: Int, _ line: String, _ place: String, _ location: [UInt8]?,
    _ query: [UInt8]?
  ) -> Route {
    return Route(
      action: action, sharedSettings: settings(with: locations),
      dependencies: queryDependency(location, query),
      checksAccess: false,
      sections: locations.map { SectionTrace(title: $0.title, place: $0.place) },
      captures: captures, decidedBy: line, decidedAt: place, limitExceeded: limitExceeded)
  }

  private func queryDependency(_ location: [UInt8]?, _ query: [UInt8]?) -> Dependencies {
    // Also without a query: with one the answer would be another.
    guard let location, !location.contains(UInt8(ascii: "?")) else { return [] }
    return .query
  }

  /// The rest of the path goes behind the target, and the query if the target has none.
  private func redirect(_ status: Int, _ location: [UInt8]?, _ query: [UInt8]?) -> Action {
    guard var location else { return .refuse(status: status) }
    if let query, !location.contains(UInt8(ascii: "?")) { location += [UInt8(ascii: "?")] + query }
    return .redirect(status: status, location: location)
  }

  private func url(_ match: PathRuleMatch, _ path: [UInt8]) -> [UInt8]? {
    guard let target = match.rule.target else { return nil }
    var location = target.url(captures, subject: path, match: match.groups)
    if match.groups.isEmpty { URLEscape.append(path[match.restStart...], to: &location) }
    return location
  }

  mutating func translate(
    _ path: [UInt8]
  ) -> (path: [UInt8]?, root: [UInt8], line: String, place: String) {
    if let section = locations.last(where: { $0.layer.alias != nil }),
      let (target, place) = section.layer.alias
    {
      let file = target.path(captures)
      return (file, file ?? [], "Alias in \(section.title)", place)
    }
    for table in site.aliases {
      guard let match = table.first(path, limitExceeded: &limitExceeded),
        let target = match.rule.target
      else { continue }
      let real = target.path(captures, subject: path, match: match.groups)
      guard let real else { return (nil, [], match.rule.line, match.rule.place) }
      guard match.groups.isEmpty else {
        return (
          SegmentPath.collapsed(real), directory(target.literalPrefix), match.rule.line,
          match.rule.place
        )
      }
      let file = SegmentPath.collapsed(real + path[match.restStart...])
      // "Alias /a /srv/x" must not reach /srv/xy: a rest without slash only comes from "/a/".
      return (file, withoutTrailingSlash(real), match.rule.line, match.rule.place)
    }
    let line = site.documentRootLine
    guard let root = site.documentRoot.path(captures) else { return (nil, [], line, "") }
    let base = withoutTrailingSlash(root)
    return (SegmentPath.collapsed(base + path), base.isEmpty ? [slash] : base, line, "")
  }

  private func withoutTrailingSlash(_ path: [UInt8]) -> [UInt8] {
    path.last == slash ? Array(path.dropLast()) : path
  }

  /// "/srv/files/prefix-" lies in "/srv/files".
  private func directory(_ path: [UInt8]) -> [UInt8] {
    guard let last = path.lastIndex(of: slash), last > 0 else { return [slash] }
    return Array(path[..<last])
  }
}
