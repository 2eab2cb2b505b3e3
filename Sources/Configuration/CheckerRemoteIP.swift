// Who is believed about the client's address.

import HTTP
import Platform

/// `RemoteIPSettings` while a site is read: what is nil is inherited.
struct RemoteIPDraft {
  var field: String?
  var internalProxies: [IPNetwork]?
  var trustedProxies: [IPNetwork]?
  var proxiesField: String?
  /// With its word, for what depends on other sites.
  var expectsProxyProtocol: (isOn: Bool, word: Word)?
  var exceptions: [IPNetwork]?

  func merged(over outer: RemoteIPDraft) -> RemoteIPSettings {
    var settings = RemoteIPSettings()
    settings.field = field ?? outer.field ?? ""
    settings.internalProxies = internalProxies ?? outer.internalProxies ?? []
    settings.trustedProxies = trustedProxies ?? outer.trustedProxies ?? []
    settings.proxiesField = proxiesField ?? outer.proxiesField ?? ""
    settings.expectsProxyProtocol =
      (expectsProxyProtocol ?? outer.expectsProxyProtocol)?.isOn ?? false
    settings.proxyProtocolExceptions = exceptions ?? outer.exceptions ?? []
    return settings
  }
}

extension Checker {
  /// True if the directive is about the client's address; its value is then in the draft.
  mutating func checkRemoteIP(_ directive: Directive, _ draft: SiteDraft) -> Bool {
    guard let first = directive.arguments.first else { return false }
    switch directive.row.name {
    case "RemoteIPHeader": draft.remoteIP.field = remoteField(first)
    case "RemoteIPProxiesHeader": draft.remoteIP.proxiesField = remoteField(first)
    case "RemoteIPInternalProxy":
      draft.remoteIP.internalProxies =
        (draft.remoteIP.internalProxies ?? []) + networks(directive.arguments)
    case "RemoteIPTrustedProxy":
      draft.remoteIP.trustedProxies =
        (draft.remoteIP.trustedProxies ?? []) + networks(directive.arguments)
    case "RemoteIPInternalProxyList":
      draft.remoteIP.internalProxies = (draft.remoteIP.internalProxies ?? []) + networkList(first)
    case "RemoteIPTrustedProxyList":
      draft.remoteIP.trustedProxies = (draft.remoteIP.trustedProxies ?? []) + networkList(first)
    case "RemoteIPProxyProtocol":
      draft.remoteIP.expectsProxyProtocol = (ValueType.onOff(first.text) ?? false, first)
    case "RemoteIPProxyProtocolExceptions":
      draft.remoteIP.exceptions =
        (draft.remoteIP.exceptions ?? []) + networks(directive.arguments)
    default: return false
    }
    return true
  }

  private mutating func remoteField(_ word: Word) -> String? {
    if Checker.isToken(word.text) { return word.text.asciiLowercased }
    error("a field name such as X-Forwarded-For is expected, not '\(word.text)'", word)
    return nil
  }

  private mutating func networks(_ words: [Word]) -> [IPNetwork] {
    words.compactMap { word in
      if let network = IPNetwork(required: word.text) { return network }
      error(
        "'\(word.text)' is not an address or network (192.0.2.1, 192.0.2.0/24, 2001:db8::/32);"
          + " names are not resolved, so that starting never waits for a name server", word)
      return nil
    }
  }

  /// Addresses and networks separated by white space; "#" begins a comment.
  private mutating func networkList(_ word: Word) -> [IPNetwork] {
    let path = absolute(word.text)
    let bytes: [UInt8]
    switch reader.read(path) {
    case .success(let read): bytes = read
    case .failure(let failure):
      error("cannot read the list: \(failure)", word)
      return []
    }
    var networks: [IPNetwork] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let text = String(decoding: line.prefix { $0 != UInt8(ascii: "#") }, as: UTF8.self)
      for part in text.split(whereSeparator: \.isWhitespace) {
        if let network = IPNetwork(required: String(part)) {
          networks.append(network)
        } else {
          error("\(path):\(index + 1): '\(part)' is not an address or network", word)
          return []
        }
      }
    }
    return networks
  }

  /// The protocol comes before any request, so the first site of an address decides for all.
  mutating func checkProxyProtocol(_ model: Model) {
    for (index, draft) in ([main] + virtualHosts).enumerated() {
      guard let (isOn, word) = draft.remoteIP.expectsProxyProtocol else { continue }
      for group in model.virtualHosts.groups where group.sites.contains(index) {
        let first = model.sites[group.sites[0]]
        guard first.remoteIP.expectsProxyProtocol != isOn else { continue }
        warning(
          "RemoteIPProxyProtocol \(isOn ? "On" : "Off") has no effect on \(group.address): what its"
            + " first site says (\(first.title)) holds for all", word)
        break
      }
    }
  }
}
