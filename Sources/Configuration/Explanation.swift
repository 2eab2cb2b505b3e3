// Why a URL leads where it leads: the answer to `ring3ctl explain`.

import HTTP
import Namespace
import Platform

/// What the namespace says of a URL, before the configuration.
package enum Claim: Equatable, Sendable {
  /// Nothing.
  case none
  /// It is reserved, and nobody serves it.
  case reserved
  /// `dependsOnAddress`: other addresses of this server may lead it to somebody else.
  case application(NamespaceOwner, dependsOnAddress: Bool)
  /// The configuration answers, but perhaps not on other addresses of this server.
  case elsewhere
}

/// Every decision about one URL, in the order they are made.
package struct Explanation: Sendable {
  package var url: String
  /// The address a client would connect to.
  package var local: SocketAddress
  /// "Listen 0.0.0.0:443 https"; nil: nothing listens there.
  package var listen: String?
  /// "https, /etc/ring3/a.pem"; "http"
  package var encryption = "http"
  /// What a client would find instead of an answer; nil: nothing.
  package var refusal: String?
  /// "*:80"; nil: no virtual host names the address.
  package var virtualHostAddress: String?
  /// Index in `Model.sites`.
  package var site: Int
  package var siteTitle: String
  package var sitePlace: String
  package var why: String
  package var captures: [String] = []
  package var route: Route
  /// "granted", "denied", "depends on the client", or "not asked".
  package var access: String
  /// "file /srv/www/index.html", "redirect 301 to …", "refuse with 404"
  package var action: String
  /// The file, as far as the configuration decides.
  package var filePath: String?
  /// Decoded and normalised; with host and address it names the response in the cache.
  package var path: [UInt8] = []
  package var host: [UInt8] = []
  /// The prefix of the namespace that comes before the configuration, and whose it is; nil: none.
  package var owner: String?
  /// What of it concerns the cache.
  package var claim = Claim.none
  /// What would answer if that did not come first; nil: nothing does.
  package var instead: String?
  /// Whether the answer lies in the cache; nil: not asked.
  package var cached: String?

  /// One labelled line for each decision.
  package var text: String {
    var lines = [
      "url:           \(url)", "address:       \(local)",
      "listener:      \(listen ?? "none: nothing listens there")",
      "encryption:    \(encryption)",
      "virtual host:  \(siteTitle)\(sitePlace.isEmpty ? "" : " at \(sitePlace)")",
      "because:       \(why)",
    ]
    for capture in captures { lines.append("captured:      \(capture)") }
    for section in route.sections {
      lines.append(
        "section:       \(section.title)\(section.place.isEmpty ? "" : " at \(section.place)")")
    }
    let place = route.decidedAt.isEmpty ? "" : " at \(route.decidedAt)"
    lines.append("mapped by:     \(route.decidedBy)\(place)")
    if let owner { lines.append("namespace:     \(owner)") }
    if let instead { lines.append("instead of:    \(instead)") }
    lines.append("access:        \(access) (Require \(route.settings.access))")
    lines.append("action:        \(action)")
    if let cached { lines.append("cached:        \(cached)") }
    if let refusal { lines.append("warning:       \(refusal)") }
    if let limit = route.limitExceeded {
      lines.append("warning:       pattern '\(limit)' exceeded its match limit; taken as no match")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Model {
  /// What is wrong with the question.
  package struct ExplanationFailure: Error, Equatable, Sendable {
    package let message: String
  }

  /// Explains a URL ("https://host[:port]/path?query"; without a scheme, http), seen by a client
  /// that connects to `address` (by default the first one that the port listens on).
  package func explain(
    url: String, address: IPAddress? = nil, client: IPAddress? = nil
  ) -> Result<Explanation, ExplanationFailure> {
    guard let parts = URLParts(url) else {
      return .failure(
        ExplanationFailure(
          message: "'\(url)' is no http URL; http://host/path or https://host/path is expected"))
    }
    let local = SocketAddress(address ?? connectAddress(parts), port: parts.port)
    var match = site(local: local, host: Array(parts.host.utf8))
    let site = sites[match.site]
    let decoded: [UInt8]
    let bytes = Array(parts.path.utf8)
    switch RequestTarget.decodePath(bytes.rawSpan, encodedSlashes: site.allowEncodedSlashes) {
    case .success(let path): decoded = path
    case .failure(let rejection):
      return .failure(
        ExplanationFailure(message: "answered with \(rejection.status): \(rejection.message)"))
    }
    let route = route(match, path: decoded, query: parts.query.map { Array($0.utf8) })
    match.limitExceeded = match.limitExceeded ?? route.limitExceeded
    let group = virtualHosts.group(local: local)
    var explanation = Explanation(
      url: url, local: local, listen: listen(for: local).map { "Listen \($0.title)" },
      virtualHostAddress: group.map { "\($0.address)" }, site: match.site, siteTitle: site.title,
      sitePlace: site.place, why: why(match, group), route: route,
      access: access(route, client: client, local: local, isEncrypted: parts.isEncrypted),
      action: "", filePath: nil)
    explanation.encryption = encryption(match.site, isEncrypted: parts.isEncrypted)
    explanation.refusal = refusal(parts, local)
    explanation.route.limitExceeded = match.limitExceeded
    explanation.path = decoded
    explanation.host = Array(parts.host.utf8)
    explanation.captures = route.captures.values.map {
      "\($0.name)=\(String(decoding: $0.bytes, as: UTF8.self))"
    }
    switch route.action {
    case .file(let path, _):
      let text = String(decoding: path, as: UTF8.self)
      explanation.filePath = text
      explanation.action = "file \(text)"
    case .redirect(let status, let location):
      explanation.action = "redirect \(status) to \(String(decoding: location, as: UTF8.self))"
    case .refuse(let status): explanation.action = "refuse with \(status)"
    case .proxy(let target):
      explanation.action = passing(to: target)
    }
    return .success(explanation)
  }

  private func connectAddress(_ parts: URLParts) -> IPAddress {
    if let literal = IPAddress(parts.host.filter { $0 != "[" && $0 != "]" }) { return literal }
    let loopback = IPAddress(v4: 0x7f00_0001)
    guard let listen = listens.first(where: { $0.address.port == parts.port }) else {
      return loopback
    }
    guard listen.address.address.isAny else { return listen.address.address }
    return listen.address.address.family == .v4 ? loopback : IPAddress(v6High: 0, low: 1)
  }

  private func why(_ match: SiteMatch, _ group: VirtualHostGroup?) -> String {
    switch match.why {
    case .name(let directive, let text):
      return "\(directive) \(text) matches, on \(group.map { "\($0.address)" } ?? "")"
    case .firstOfAddress:
      return
        "no name matches; it is the first virtual host on \(group.map { "\($0.address)" } ?? "")"
    case .mainServer: return "no virtual host names the address"
    }
  }

  private func encryption(_ site: Int, isEncrypted: Bool) -> String {
    guard isEncrypted, let tls = sites[site].tls else { return isEncrypted ? "https" : "http" }
    let texts =
      tls.certificates.map(\.file.text) + [tls.certificateDirectory?.text].compactMap { $0 }
    return (["https"] + texts).joined(separator: ", ")
  }

  /// A client that speaks http where https is spoken, or the other way round, gets nowhere.
  private func refusal(_ parts: URLParts, _ local: SocketAddress) -> String? {
    let isEncrypted = isEncrypted(local: local)
    if isEncrypted, !parts.isEncrypted { return "\(local) is encrypted: write https://" }
    if !isEncrypted, parts.isEncrypted { return "\(local) is not encrypted: write http://" }
    return nil
  }

  func access(
    _ route: Route, client: IPAddress?, local: SocketAddress, isEncrypted: Bool
  ) -> String {
    if !route.checksAccess { return "not asked" }
    if route.settings.requiresTLS, !isEncrypted { return "denied by SSLRequireSSL" }
    let rule = route.settings.access
    if let client {
      return rule.evaluate(client: client, server: local.address) ? "granted" : "denied"
    }
    if rule.dependsOnClient { return "depends on the client" }
    return rule.evaluate(client: .anyV4) ? "granted" : "denied"
  }
}

/// The parts of a URL that routing looks at.
private struct URLParts {
  var host: String
  var isEncrypted = false
  var port: UInt16 = 80
  var path: String
  var query: String?

  init?(_ url: String) {
    var rest = url[...]
    if let range = url.firstRange(of: "://") {
      switch url[..<range.lowerBound].lowercased() {
      case "http": break
      case "https":
        isEncrypted = true
        port = 443
      default: return nil
      }
      rest = url[range.upperBound...]
    }
    rest = rest.prefix { $0 != "#" }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    var target = rest.dropFirst(authority.count)
    if let mark = target.firstIndex(of: "?") {
      query = String(target[target.index(after: mark)...])
      target = target[..<mark]
    }
    path = target.isEmpty ? "/" : String(target)
    host = String(authority).asciiLowercased
    if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
      guard let number = UInt16(host[host.index(after: colon)...]), number > 0 else { return nil }
      port = number
      host = String(host[..<colon])
    }
    if host.isEmpty { return nil }
  }
}
