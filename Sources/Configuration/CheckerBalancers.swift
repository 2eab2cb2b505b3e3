// <Proxy>, BalancerMember, ProxySet and ProxyHCTemplate: read before all that refers to them.

import Platform

/// A balancer while its words are read.
struct ProxyBalancerDraft {
  var balancer: ProxyBalancer
  /// `lbmethod` and `key`, put together at the end.
  var method: ProxyWord?
  var key: ProxyWord?
}

/// What one site says about where requests may be passed to.
struct ProxyDraft {
  /// Balancers by their names, as indices of the registry.
  var balancers: [String: Int] = [:]
  /// `<Proxy URL>` and `ProxySet URL`: parameters of a single target, by its normalised URL.
  var targets: [String: ProxyMemberDraft] = [:]
  /// Which balancers the site's rules name, in the order of their first use.
  var used: [Int] = []
  /// `ProxyPassInherit`
  var inherits: Bool?
  var passes: [PathRule] = []
  /// <Proxy> and <ProxyMatch> with what else they say.
  var sections: [Section] = []
}

extension Checker {
  /// Reads what ProxyPass and SetHandler refer to, wherever in the site it stands.
  mutating func collectProxies(_ directives: [Directive], _ draft: SiteDraft) {
    for directive in directives where directive.row.name == "ProxyHCTemplate" {
      readHealthTemplate(directive)
    }
    for directive in directives {
      switch directive.row.name {
      case "Proxy": collectProxySection(directive, draft)
      case "BalancerMember":
        let words = directive.arguments
        guard let (name, _) = balancerName(words[0]) else { continue }
        guard words.count > 1 else {
          error("the URL of a member is expected behind the balancer's", words[0])
          continue
        }
        addMember(words[1], Array(words.dropFirst(2)), balancer(name, draft), words[0])
      case "ProxySet": setParameters(Array(directive.arguments), draft, directive.name)
      default: break
      }
    }
  }

  private mutating func collectProxySection(_ directive: Directive, _ draft: SiteDraft) {
    guard let word = directive.arguments.first, directive.arguments.count == 1 else { return }
    let isBalancer = word.text.asciiLowercased.hasPrefix("balancer://")
    for child in directive.children {
      switch child.row.name {
      case "BalancerMember":
        guard isBalancer, !Wildcard.isWildcard(word.text), let (name, _) = balancerName(word) else {
          error(
            "a member without a balancer: it stands in <Proxy \"balancer://NAME\">, or the"
              + " balancer's URL goes before its own", child.name)
          continue
        }
        let words = child.arguments
        addMember(words[0], Array(words.dropFirst()), balancer(name, draft), word)
      case "ProxySet":
        if let first = child.arguments.first, !first.text.contains("=") {
          error("the URL stands in <Proxy> already; key=value is expected", first)
        } else {
          setParameters([word] + child.arguments, draft, child.name)
        }
      default: break
      }
    }
    if isBalancer, !Wildcard.isWildcard(word.text), let (name, _) = balancerName(word) {
      _ = balancer(name, draft)
    }
  }

  /// "balancer://name" and the path behind it; reports anything else.
  private mutating func balancerName(_ word: Word) -> (name: String, path: String)? {
    guard let url = proxyURL(word) else { return nil }
    if case .balancer(let name) = url.origin { return (name, url.path) }
    error("balancer://NAME is expected, not '\(word.text)'", word)
    return nil
  }

  /// The registry's index of the balancer that this site knows under a name, made if there is none.
  mutating func balancer(_ name: String, _ draft: SiteDraft) -> Int {
    if let index = draft.proxy.balancers[name] { return index }
    let index = proxies.reserve(name: "balancer://" + name)
    draft.proxy.balancers[name] = index
    return index
  }

  /// A URL, with what is wrong reported at its byte.
  mutating func proxyURL(_ word: Word, dropping prefixBytes: Int = 0) -> ProxyURL? {
    do throws(ProxyURL.Failure) {
      return try ProxyURL(String(decoding: word.text.utf8.dropFirst(prefixBytes), as: UTF8.self))
    } catch {
      diagnostics.append(
        .error(error.message, at: word, textOffset: error.byteOffset + prefixBytes))
      return nil
    }
  }

  private mutating func addMember(
    _ word: Word, _ words: [Word], _ balancer: Int, _ balancerWord: Word
  ) {
    guard let url = proxyURL(word) else { return }
    guard case .member(let scheme, let address, let authority) = url.origin else {
      return error("a member is a server (http://…, fcgi://…), not a balancer", word)
    }
    var draft = ProxyMemberDraft()
    if url.upgradesToWebSocket { draft.parameters.upgrades = ["websocket"] }
    for entry in proxyWords(words) where !readMember(entry, &draft) {
      reportKey(entry, isBalancer: false)
    }
    // The path of a request, which begins with "/", goes behind it.
    var path = url.path
    while path.hasSuffix("/") { path.removeLast() }
    var member = ProxyMember(
      name: url.originText + path, scheme: scheme, address: address, authority: authority,
      path: path)
    member.parameters = draft.finished
    let index = proxies.add(member)
    checkMemberCount(word)
    let known = proxies.balancers[balancer].members
    if known.contains(where: { proxies.members[$0].name == member.name }) {
      return error("\(proxies.balancers[balancer].name) has this member already", word)
    }
    if let first = known.first, proxies.members[first].scheme != scheme {
      return error(
        "the members of a balancer speak one protocol; \(proxies.members[first].name) is the first",
        word)
    }
    proxies.change(balancer) { $0.members.append(index) }
  }

  /// Words of the form key=value; reports others.
  mutating func proxyWords(_ words: [Word]) -> [ProxyWord] {
    var entries: [ProxyWord] = []
    for word in words {
      if let entry = ProxyWord(word) {
        entries.append(entry)
      } else {
        error("key=value is expected, not '\(word.text)'", word)
      }
    }
    return entries
  }

  /// ProxySet URL key=value …
  private mutating func setParameters(_ words: [Word], _ draft: SiteDraft, _ name: Word) {
    guard let first = words.first, !first.text.contains("=") || first.text.contains("://") else {
      return error("a URL is expected first, unless it stands in <Proxy URL>", name)
    }
    if Wildcard.isWildcard(first.text) {
      return error("ProxySet is about one balancer or server; a wildcard names many", name)
    }
    guard let url = proxyURL(first) else { return }
    switch url.origin {
    case .balancer(let name):
      readBalancerWords(Array(words.dropFirst()), balancer(name, draft))
    case .member:
      let target = url.originText + url.path
      var member = draft.proxy.targets[target] ?? ProxyMemberDraft()
      for entry in proxyWords(Array(words.dropFirst())) where !readMember(entry, &member) {
        reportKey(entry, isBalancer: false)
      }
      draft.proxy.targets[target] = member
    }
  }

  /// Reads words about a balancer into the registry.
  mutating func readBalancerWords(_ words: [Word], _ index: Int) {
    var draft = ProxyBalancerDraft(balancer: proxies.balancers[index])
    for entry in proxyWords(words) where !readBalancer(entry, &draft) {
      reportKey(entry, isBalancer: true)
    }
    if let method = method(draft) { draft.balancer.method = method }
    let balancer = draft.balancer
    proxies.change(index) { $0 = balancer }
  }

  /// `lbmethod=hash key=…`; nil: not said, or wrong and reported.
  private mutating func method(_ draft: ProxyBalancerDraft) -> BalancingMethod? {
    guard let method = draft.method else {
      if let key = draft.key { error("'key' goes with lbmethod=hash", key.word) }
      return nil
    }
    let name = method.value.asciiLowercased
    if name != "hash", let key = draft.key {
      error("'key' goes with lbmethod=hash", key.word)
      return nil
    }
    switch name {
    case "byrequests": return .byRequests
    case "bytraffic": return .byTraffic
    case "bybusyness": return .byBusyness
    case "hash":
      guard let key = draft.key else {
        error("key=url, path, client, header:NAME or cookie:NAME is expected too", method.word)
        return nil
      }
      return hashKey(key).map { .hash($0) }
    default:
      let known = ["byrequests", "bytraffic", "bybusyness", "hash"]
      let hint = Spelling.nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
      error(
        "byrequests, bytraffic, bybusyness or hash is expected, not '\(method.value)'\(hint)",
        method.word)
      return nil
    }
  }

  private mutating func hashKey(_ entry: ProxyWord) -> BalancingKey? {
    let parts = entry.value.split(separator: ":", maxSplits: 1).map(String.init)
    switch (parts.first?.asciiLowercased, parts.count) {
    case ("url", 1): return .url
    case ("path", 1): return .path
    case ("client", 1): return .clientAddress
    case ("header", 2) where Checker.isToken(parts[1]): return .field(parts[1].asciiLowercased)
    case ("cookie", 2) where Checker.isToken(parts[1]): return .cookie(parts[1])
    default:
      error(
        "url, path, client, header:NAME or cookie:NAME is expected, not '\(entry.value)'",
        entry.word)
      return nil
    }
  }

  /// ProxyHCTemplate NAME hcmethod=… …
  private mutating func readHealthTemplate(_ directive: Directive) {
    var draft = ProxyMemberDraft()
    for entry in proxyWords(Array(directive.arguments.dropFirst())) {
      if entry.key == "hctemplate" || !readHealth(entry, &draft) {
        error("hcmethod, hcinterval, hcpasses, hcfails or hcuri is expected", entry.word)
      }
    }
    healthTemplates[directive.arguments[0].text.asciiLowercased] = draft
  }
}
