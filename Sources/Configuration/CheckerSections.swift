// <Directory>, <Files>, <Location> and their Match forms.

import Platform

extension Checker {
  /// Where a directory-kind directive stands; some behave differently.
  enum Scope { case site, directory, files, location, proxy, requirement }

  /// True if the directive is a section; it is then in the draft.
  mutating func checkSection(_ directive: Directive, _ draft: SiteDraft) -> Bool {
    switch directive.row.name {
    case "Directory", "DirectoryMatch":
      guard let section = section(directive, draft, .directory) else { return true }
      if case .pattern = section.matcher {
        draft.directoryMatches.append(section)
      } else {
        draft.directories.append(section)
      }
    case "Files", "FilesMatch":
      if let section = section(directive, draft, .files) { draft.files.append(section) }
    case "Location", "LocationMatch":
      if let section = section(directive, draft, .location) { draft.locations.append(section) }
    case "Proxy", "ProxyMatch":
      if let section = section(directive, draft, .proxy) { draft.proxy.sections.append(section) }
    // Read by `collectProxies`, before what refers to them.
    case "BalancerMember", "ProxySet", "ProxyHCTemplate": break
    default: return false
    }
    return true
  }

  private static func componentCount(_ matcher: SectionMatcher) -> Int {
    switch matcher {
    case .literal(let path), .wildcard(let path): return path.split(separator: slash).count
    case .pattern: return 0
    }
  }

  private mutating func section(
    _ directive: Directive, _ draft: SiteDraft, _ scope: Scope
  ) -> Section? {
    let matcher = matcher(directive, scope, draft)
    var layer = SettingsLayer()
    var files: [Section] = []
    for child in directive.children {
      if child.row.name == "Files" || child.row.name == "FilesMatch" {
        if let section = section(child, draft, .files) { files.append(section) }
      } else if child.row.name != "BalancerMember", child.row.name != "ProxySet" {
        _ = checkSetting(child, draft, &layer, scope, matcher)
      }
    }
    finishLayer(&layer, directive.children, draft)
    guard let matcher else { return nil }
    return Section(
      matcher: matcher, layer: layer, files: files, title: directive.title,
      place: "\(directive.name.place)",
      componentCount: scope == .directory ? Checker.componentCount(matcher) : 0)
  }

  private mutating func matcher(
    _ directive: Directive, _ scope: Scope, _ draft: SiteDraft
  ) -> SectionMatcher? {
    let words = directive.arguments
    let isTilde = words.count == 2 && words[0].text == "~"
    if words.count == 2, !isTilde {
      error("one argument is expected, or '~' and a regular expression", words[1])
      return nil
    }
    guard let word = words.last else { return nil }
    if words.count == 1, word.text == "~" {
      error("a regular expression is expected behind '~'", word)
      return nil
    }
    if isTilde || directive.row.name.hasSuffix("Match") {
      guard let pattern = pattern(word) else { return nil }
      if scope != .files, scope != .proxy {
        draft.sectionGroupNames.formUnion(
          pattern.names.map { Captures.environmentName(ofGroup: $0.name) })
      }
      return .pattern(pattern)
    }
    switch scope {
    case .directory: return directoryMatcher(word)
    case .location:
      guard word.text.hasPrefix("/") else {
        error("a URL path that starts with '/' is expected, not '\(word.text)'", word)
        return nil
      }
      let path = SegmentPath.collapsed(Array(word.text.utf8))
      return Wildcard.isWildcard(word.text) ? .wildcard(path) : .literal(path)
    case .proxy:
      let url = Array(word.text.utf8)
      return Wildcard.isWildcard(word.text) ? .wildcard(url) : .literal(url)
    default:
      if word.text.isEmpty || word.text.contains("/") {
        error("a file name is expected, not a path; it matches in every directory", word)
        return nil
      }
      let name = Array(word.text.utf8)
      return Wildcard.isWildcard(word.text) ? .wildcard(name) : .literal(name)
    }
  }

  private mutating func directoryMatcher(_ word: Word) -> SectionMatcher? {
    guard word.text.hasPrefix("/") else {
      error("an absolute path is expected, not '\(word.text)'", word)
      return nil
    }
    let path = Array(normalized(word.text).utf8)
    return Wildcard.isWildcard(word.text) ? .wildcard(path) : .literal(path)
  }

  /// Works out what depends on all directives of a section together.
  mutating func finishLayer(
    _ layer: inout SettingsLayer, _ children: [Directive], _ draft: SiteDraft
  ) {
    layer.access = checkAccess(children)
    var fingerprint = Fingerprint()
    for line in layer.lines { fingerprint.mix(line) }
    if let access = layer.access {
      layer.lines.append("Require \(access)")
      fingerprint.mix("Require \(access)")
    }
    layer.fingerprint = fingerprint.value
  }
}
