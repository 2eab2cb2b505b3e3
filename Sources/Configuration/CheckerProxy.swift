// ProxyPass, ProxyPassMatch and SetHandler: which requests are passed on, and where to.

import Platform

extension Checker {
  /// True if the directive says where requests are passed to.
  mutating func checkProxyPass(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope,
    _ matcher: SectionMatcher?
  ) -> Bool {
    switch directive.row.name {
    case "ProxyPass", "ProxyPassMatch":
      if scope == .site {
        checkSiteProxyPass(directive, draft)
      } else {
        checkLocationProxyPass(directive, draft, &layer, matcher)
      }
    case "SetHandler": checkHandler(directive, draft, &layer)
    default: return false
    }
    return true
  }

  /// ProxyPass PATH !|URL [key=value …] [nocanon] [noquery]
  private mutating func checkSiteProxyPass(_ directive: Directive, _ draft: SiteDraft) {
    let words = directive.arguments
    let isMatch = directive.row.name == "ProxyPassMatch"
    guard words.count > 1 else {
      return error(
        isMatch
          ? "a regular expression and a URL or ! are expected"
          : "a URL path and a URL or ! are expected; the path is left out only in <Location>",
        directive.name)
    }
    let source: PathRule.Source
    if isMatch {
      guard let pattern = pattern(words[0]) else { return }
      source = .pattern(pattern)
    } else {
      guard let path = urlPath(words[0]) else { return }
      source = .prefix(path)
    }
    guard let pass = proxyPass(directive, Array(words.dropFirst()), source, draft) else { return }
    draft.proxy.passes.append(
      PathRule(
        source: source, target: nil, status: 0, place: pass.place, line: directive.line,
        proxy: pass))
  }

  /// In <Location> the path is the section's.
  private mutating func checkLocationProxyPass(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer,
    _ matcher: SectionMatcher?
  ) {
    let words = directive.arguments
    if words.count > 1, words[0].text.hasPrefix("/") {
      return error("in a <Location> the path is the section's; only the URL is expected", words[0])
    }
    let source: PathRule.Source
    switch matcher {
    case .literal(let path): source = .prefix(path)
    case .pattern(let pattern): source = .pattern(pattern)
    case .wildcard:
      return error(
        "ProxyPass cannot stand in a <Location> with wildcards: what is passed on would be unclear;"
          + " use <LocationMatch>", directive.name)
    case nil: return
    }
    guard let pass = proxyPass(directive, words, source, draft) else { return }
    layer.proxyPass = PathRule(
      source: source, target: nil, status: 0, place: pass.place,
      line: directive.line, proxy: pass)
  }

  /// What stands behind the path: ! or a URL with its words.
  private mutating func proxyPass(
    _ directive: Directive, _ words: [Word], _ source: PathRule.Source, _ draft: SiteDraft
  ) -> ProxyPass? {
    var pass = ProxyPass(place: "\(directive.name.place)", line: directive.line)
    let word = words[0]
    if word.text == "!" {
      if let extra = words.dropFirst().first { error("nothing can follow '!'", extra) }
      return words.count == 1 ? pass : nil
    }
    guard let url = proxyURL(word) else { return nil }
    var parameters: [Word] = []
    for extra in words.dropFirst() {
      switch extra.text.asciiLowercased {
      case "nocanon": pass.passesPathAsSent = true
      case "noquery": pass.dropsQuery = true
      case "interpolate":
        error(
          "'interpolate' is not implemented; %{env:MATCH_NAME} stands for what a pattern captured",
          extra)
      default: parameters.append(extra)
      }
    }
    var groups: Int?
    if case .pattern(let pattern) = source { groups = pattern.groupCount }
    pass.url = Array((url.originText + url.path).utf8)
    guard let path = proxyPath(word, url, groups, draft) else { return nil }
    pass.path = path
    pass.holdsGroups = path.parts.contains { if case .group = $0 { true } else { false } }
    warnOfSlashes(source, url, word)
    // What comes from the request is no part of a member's name.
    let isFixed = path.isLiteral && groups == nil
    if isFixed, case .member = url.origin {
      pass.memberPath = Array(url.path.utf8)
      pass.path = Template(literal: "")
    }
    resolve(url, word, path: isFixed ? url.path : "", parameters, draft, &pass)
    return pass
  }

  /// The path of a target, with its holes.
  private mutating func proxyPath(
    _ word: Word, _ url: ProxyURL, _ groups: Int?, _ draft: SiteDraft
  ) -> Template? {
    do throws(Template.Failure) {
      let template = try Template(url.path, groups: groups)
      for name in template.environmentNames {
        draft.uses.append(SiteDraft.Use(name: name, word: word, needsHostGroups: false))
      }
      return template
    } catch {
      diagnostics.append(
        .error(error.message, at: word, textOffset: error.byteOffset + url.pathOffset))
      return nil
    }
  }

  /// "/app" to "http://host/" makes "//x" of "/app/x", and "/app/" to "http://host/y" makes "/yx".
  private mutating func warnOfSlashes(_ source: PathRule.Source, _ url: ProxyURL, _ word: Word) {
    guard case .prefix(let prefix) = source, !url.path.isEmpty else { return }
    let shown = String(decoding: prefix, as: UTF8.self)
    if prefix.last == slash, !url.path.hasSuffix("/") {
      warning(
        "'\(shown)x' becomes '\(url.path)x': either both path and URL end in a slash, or neither",
        word)
    } else if prefix.last != slash, url.path.hasSuffix("/") {
      warning(
        "'\(shown)/x' becomes '\(url.path)/x': either both path and URL end in a slash, or neither",
        word)
    }
  }

  /// Fills in which balancer and protocol a URL means.
  private mutating func resolve(
    _ url: ProxyURL, _ word: Word, path: String, _ words: [Word], _ draft: SiteDraft,
    _ pass: inout ProxyPass
  ) {
    let index: Int
    switch url.origin {
    case .balancer(let name):
      index =
        draft.proxy.balancers[name] ?? main.proxy.balancers[name] ?? balancer(name, draft)
      if !words.isEmpty { readBalancerWords(words, index) }
      guard let first = proxies.balancers[index].members.first else {
        let hint = Spelling.nearest(
          to: name,
          among: [draft, main].flatMap { $0.proxy.balancers.keys.filter { $0 != name }.sorted() })
        return error(
          "balancer://\(name) has no members"
            + (hint.map { "; did you mean 'balancer://\($0)'?" }
              ?? "; <Proxy \"balancer://\(name)\"> with BalancerMember gives it some"),
          word)
      }
      pass.scheme = proxies.members[first].scheme
      pass.isBalancer = true
    case .member(let scheme, let address, let authority):
      pass.scheme = scheme
      var member = ProxyMember(
        name: url.originText + path, scheme: scheme, address: address, authority: authority,
        path: path)
      var memberDraft =
        draft.proxy.targets[member.name] ?? main.proxy.targets[member.name]
        ?? draft.proxy.targets[url.originText] ?? main.proxy.targets[url.originText]
        ?? ProxyMemberDraft()
      if url.upgradesToWebSocket { memberDraft.parameters.upgrades = ["websocket"] }
      for entry in proxyWords(words) where !readMember(entry, &memberDraft) {
        reportKey(entry, isBalancer: false)
      }
      member.parameters = memberDraft.finished
      index = proxies.add(single: member)
      checkMemberCount(word)
    }
    pass.balancer = index
    if !draft.proxy.used.contains(index) { draft.proxy.used.append(index) }
  }

  /// Says once, at the first one, that there are more servers than can be remembered.
  mutating func checkMemberCount(_ word: Word) {
    guard proxies.overflows else { return }
    error(
      "this is one more than the \(ProxyMember.countMax) servers that requests may be passed to,"
        + " in all sites together; the same URL with the same parameters counts once", word)
  }

  /// SetHandler "proxy:URL", or None.
  private mutating func checkHandler(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer
  ) {
    let word = directive.arguments[0]
    let name = word.text.asciiLowercased
    if name == "none" || name == "default-handler" {
      layer.changes.append { $0.handler = nil }
      return
    }
    guard name.hasPrefix("proxy:") else {
      return error(
        "the handler '\(word.text)' \(KnownDirectives.Purpose.execution.sentence);"
          + " \"proxy:unix:/run/php/php-fpm.sock|fcgi://localhost\" passes files to an application",
        word)
    }
    guard let url = proxyURL(word, dropping: 6) else { return }
    var pass = ProxyPass(place: "\(directive.name.place)", line: directive.line)
    var path = url.path
    while path.hasSuffix("/") { path.removeLast() }
    if !path.isEmpty {
      return error(
        "a handler's URL has no path: the request's is passed on, and FastCGI gets the file's",
        word)
    }
    resolve(url, word, path: "", [], draft, &pass)
    let handler = pass
    layer.changes.append { $0.handler = handler }
  }
}
