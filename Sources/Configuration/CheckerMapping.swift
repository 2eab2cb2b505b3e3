// Alias, AliasMatch, Redirect and its relatives.

import Platform

extension Checker {
  /// True if the directive maps paths; it is then in the draft or the layer.
  mutating func checkMapping(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope
  ) -> Bool {
    switch directive.row.name {
    case "Alias": checkAlias(directive, draft, &layer, scope)
    case "AliasMatch": checkAliasMatch(directive, draft)
    case "Redirect": checkRedirect(directive, nil, draft, &layer, scope)
    case "RedirectPermanent": checkRedirect(directive, 301, draft, &layer, scope)
    case "RedirectTemp": checkRedirect(directive, 302, draft, &layer, scope)
    case "RedirectMatch": checkRedirect(directive, nil, draft, &layer, scope)
    default: return false
    }
    return true
  }

  private mutating func checkAlias(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope
  ) {
    let words = directive.arguments
    if scope == .location {
      guard words.count == 1 else {
        return error("in a <Location> only the path is expected", words[1])
      }
      guard let target = template(words[0], text: absolute(words[0].text), draft) else { return }
      layer.alias = (target, "\(directive.name.place)")
      return
    }
    guard words.count == 2 else {
      return error("a URL path and a path are expected", directive.name)
    }
    guard let prefix = urlPath(words[0]) else { return }
    let path = absolute(words[1].text)
    guard let target = template(words[1], text: path, draft, needsHostGroups: true) else { return }
    draft.aliases.append(
      PathRule(
        source: .prefix(prefix), target: target, status: 0, place: "\(directive.name.place)",
        line: directive.line))
  }

  private mutating func checkAliasMatch(_ directive: Directive, _ draft: SiteDraft) {
    let words = directive.arguments
    guard words.count == 2 else {
      return error("a regular expression and a path are expected", directive.name)
    }
    guard let pattern = pattern(words[0]) else { return }
    let path = absolute(words[1].text)
    let target = template(
      words[1], text: path, groups: pattern.groupCount, draft, needsHostGroups: true)
    guard let target else { return }
    draft.aliases.append(
      PathRule(
        source: .pattern(pattern), target: target, status: 0, place: "\(directive.name.place)",
        line: directive.line))
  }

  /// "/x" with runs of "/" collapsed; reports anything that does not start with "/".
  mutating func urlPath(_ word: Word) -> [UInt8]? {
    guard word.text.hasPrefix("/") else {
      error("a URL path that starts with '/' is expected, not '\(word.text)'", word)
      return nil
    }
    return SegmentPath.collapsed(Array(word.text.utf8))
  }

  /// Redirect [STATUS] [PATH] [URL]; the path is left out in <Location>, the URL for statuses that
  /// are no redirect. `fixedStatus`: RedirectPermanent and RedirectTemp.
  private mutating func checkRedirect(
    _ directive: Directive, _ fixedStatus: Int?, _ draft: SiteDraft,
    _ layer: inout SettingsLayer, _ scope: Scope
  ) {
    var words = directive.arguments[...]
    var status = fixedStatus ?? 302
    if fixedStatus == nil, let word = words.first, let named = Checker.redirectStatus(word.text) {
      guard (300...599).contains(named) else {
        return error("a status from 300 to 599 is expected, not \(named)", word)
      }
      status = named
      words = words.dropFirst()
    }
    let isRedirect = (300...399).contains(status)
    let isMatch = directive.row.name == "RedirectMatch"
    let expected = isRedirect ? 1 : 0
    let place = "\(directive.name.place)"
    if scope == .location, !isMatch, words.count == expected {
      guard let word = words.first else {
        layer.redirect = (status, nil, place)
        return
      }
      guard let target = redirectTarget(word, groups: nil, draft) else { return }
      layer.redirect = (status, target, place)
      return
    }
    guard words.count == expected + 1, let sourceWord = words.popFirst() else {
      return error(redirectUsage(status, isRedirect, isMatch), words.last ?? directive.name)
    }
    let source: PathRule.Source
    var groups: Int?
    if isMatch {
      guard let pattern = pattern(sourceWord) else { return }
      source = .pattern(pattern)
      groups = pattern.groupCount
    } else {
      guard let path = urlPath(sourceWord) else { return }
      source = .prefix(path)
    }
    var target: Template?
    if let word = words.first {
      target = redirectTarget(word, groups: groups, draft)
      if target == nil { return }
    }
    let rule = PathRule(
      source: source, target: target, status: status, place: place, line: directive.line)
    if scope == .site { draft.redirects.append(rule) } else { layer.redirects.append(rule) }
  }

  private func redirectUsage(_ status: Int, _ isRedirect: Bool, _ isMatch: Bool) -> String {
    let source = isMatch ? "a regular expression" : "a URL path"
    return isRedirect
      ? "\(source) and a URL to redirect to are expected"
      : "\(source) alone is expected: a response with status \(status) leads nowhere"
  }

  private mutating func redirectTarget(
    _ word: Word, groups: Int?, _ draft: SiteDraft
  ) -> Template? {
    // A target that starts with a group may become a URL; the pattern's author knows.
    let startsWithHole = word.text.hasPrefix("$") || word.text.hasPrefix("%{")
    guard word.text.hasPrefix("/") || startsWithHole || Checker.isURL(word.text) else {
      error(
        "a URL (https://…) or a path that starts with '/' is expected, not '\(word.text)'", word)
      return nil
    }
    if let odd = word.text.utf8.first(where: { $0 <= 32 || $0 == 127 }) {
      error("a URL cannot hold the byte \(odd); write it as %XX", word)
      return nil
    }
    return template(word, groups: groups, draft)
  }

  /// permanent, temp, seeother, gone, or three digits; nil: no status.
  private static func redirectStatus(_ text: String) -> Int? {
    switch text.asciiLowercased {
    case "permanent": return 301
    case "temp": return 302
    case "seeother": return 303
    case "gone": return 410
    default:
      guard text.utf8.count == 3, text.utf8.allSatisfy({ (48...57).contains($0) }) else {
        return nil
      }
      return Int(text)
    }
  }
}
