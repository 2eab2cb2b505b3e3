// How requests are passed on: fields, addresses in responses, times.

import Platform

extension Checker {
  /// True if the directive says how requests are passed on; the layer then changes it.
  mutating func checkProxySetting(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope,
    _ matcher: SectionMatcher?
  ) -> Bool {
    guard let first = directive.arguments.first else { return false }
    let isOn = ValueType.onOff(first.text) ?? false
    switch directive.row.name {
    case "ProxyPreserveHost": layer.changes.append { $0.proxy.preservesHost = isOn }
    case "ProxyAddHeaders": layer.changes.append { $0.proxy.addsForwardedFields = isOn }
    case "ProxyAddForwarded": layer.changes.append { $0.proxy.addsForwarded = isOn }
    case "ProxyTimeout":
      let time = ValueType.milliseconds(first.text, unit: .seconds).map { Int64($0) }
      layer.changes.append { $0.proxy.timeoutMilliseconds = time }
    case "ProxyTunnelTimeout":
      guard let time = ValueType.milliseconds(first.text, unit: .seconds) else { break }
      layer.changes.append { $0.proxy.tunnelMilliseconds = Int64(time) }
    case "ProxyVia":
      let via = ProxyVia(rawValue: first.text.asciiLowercased) ?? .off
      layer.changes.append { $0.proxy.via = via }
    case "ProxyErrorOverride": checkErrorOverride(directive, &layer)
    case "ProxyRequests":
      guard isOn else { break }
      error(
        "Ring3 is no forward proxy: anybody could reach any server through it; write"
          + " 'ProxyRequests Off', and ProxyPass for what is meant", first)
    case "RequestHeader":
      guard let edit = headerEdit("RequestHeader", directive.arguments[...], draft) else { break }
      layer.changes.append { $0.proxy.requestHeaderEdits.append(edit) }
    case "ProxyPassReverse": checkReverse(directive, draft, &layer, scope, matcher)
    case "ProxyPassReverseCookiePath":
      guard let rule = cookieRule(directive) else { break }
      layer.changes.append { $0.proxy.reverseCookiePaths.append(rule) }
    case "ProxyPassReverseCookieDomain":
      guard let rule = cookieRule(directive) else { break }
      layer.changes.append { $0.proxy.reverseCookieDomains.append(rule) }
    default: return false
    }
    return true
  }

  /// ProxyErrorOverride On|Off [STATUS …]
  private mutating func checkErrorOverride(_ directive: Directive, _ layer: inout SettingsLayer) {
    let words = directive.arguments
    guard let isOn = ValueType.onOff(words[0].text) else {
      return error("'On' or 'Off' is expected, not '\(words[0].text)'", words[0])
    }
    var statuses: Set<Int> = []
    for word in words.dropFirst() {
      guard isOn else { return error("statuses have no meaning behind 'Off'", word) }
      guard let status = ValueType.integer(word.text), (400...599).contains(status) else {
        return error("a status from 400 to 599 is expected, not '\(word.text)'", word)
      }
      statuses.insert(status)
    }
    let override = isOn && statuses.isEmpty ? Set(400...599) : statuses
    layer.changes.append { $0.proxy.errorOverride = override }
  }

  /// ProxyPassReverse [PATH] URL; the path is left out in <Location>.
  private mutating func checkReverse(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope,
    _ matcher: SectionMatcher?
  ) {
    var words = directive.arguments
    guard dropInterpolate(&words) else { return }
    var path: [UInt8]
    if words.count == 2 {
      guard let given = urlPath(words[0]) else { return }
      path = given
    } else if scope == .location {
      guard case .literal(let own) = matcher else {
        return error("a URL path is expected first: the section's is a pattern", directive.name)
      }
      path = own
    } else {
      return error(
        "a URL path and a URL are expected; the path is left out only in <Location>",
        directive.name)
    }
    guard let word = words.last else { return }
    // What a client asks for behind it goes on as it is: "/app" and "/app/" stay what they are.
    for from in reverseSources(word, draft) {
      let rule = ProxyReverseRule(from: from, to: path)
      layer.changes.append { $0.proxy.reverse.append(rule) }
    }
  }

  /// The URLs that a response may name: one, or those of a balancer's members.
  private mutating func reverseSources(_ word: Word, _ draft: SiteDraft) -> [[UInt8]] {
    if word.text.hasPrefix("/") { return [Array(word.text.utf8)] }
    // A response may name an encrypted address that nothing is passed to.
    if word.text.asciiLowercased.hasPrefix("https://") { return [Array(word.text.utf8)] }
    guard let url = proxyURL(word) else { return [] }
    switch url.origin {
    case .member(let scheme, _, let authority):
      return [Array("\(scheme.rawValue)://\(authority)\(url.path)".utf8)]
    case .balancer(let name):
      guard let index = draft.proxy.balancers[name] ?? main.proxy.balancers[name] else {
        error("no <Proxy \"balancer://\(name)\"> is here", word)
        return []
      }
      return proxies.balancers[index].members.map {
        let member = proxies.members[$0]
        return Array(
          "\(member.scheme.rawValue)://\(member.authority)\(member.path)\(url.path)".utf8)
      }
    }
  }

  private mutating func cookieRule(_ directive: Directive) -> ProxyReverseRule? {
    var words = directive.arguments
    guard dropInterpolate(&words) else { return nil }
    if words.count == 2 {
      return ProxyReverseRule(from: Array(words[0].text.utf8), to: Array(words[1].text.utf8))
    }
    error("what the application says and what clients get are expected", directive.name)
    return nil
  }

  private mutating func dropInterpolate(_ words: inout [Word]) -> Bool {
    guard let last = words.last, last.text.asciiLowercased == "interpolate" else { return true }
    error("'interpolate' is not implemented", last)
    return false
  }
}
