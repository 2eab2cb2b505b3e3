// Balancers, their members, and who is believed about clients, in the dump and in explanations.

import Platform

extension ProxyRegistry {
  /// "# balancer://app lbmethod=bybusyness" and a line for each member.
  func lines(_ index: Int) -> [String] {
    let balancer = balancers[index]
    let members = balancer.members.map { self.members[$0] }
    if members.count == 1, members[0].name == balancer.name {
      let words = members[0].parameters.words + balancer.words
      return [(["# member", members[0].name] + words).joined(separator: " ")]
    }
    return [(["# balancer", balancer.name] + balancer.words).joined(separator: " ")]
      + members.map { (["#   member", $0.name] + $0.parameters.words).joined(separator: " ") }
  }
}

extension ProxyParameters {
  /// What is not as it is by default, as one writes it.
  fileprivate var words: [String] {
    let standard = ProxyParameters()
    func time(_ key: String, _ value: Int64?, _ standard: Int64?) -> String? {
      guard let value, value != standard else { return nil }
      return "\(key)=\(value)ms"
    }
    var words = [
      connectionsMax.map { "max=\($0)" }, idleConnectionsMin.map { "smax=\($0)" },
      time("ttl", idleMilliseconds, standard.idleMilliseconds),
      time("retry", retryMilliseconds, standard.retryMilliseconds),
      time("acquire", acquireMilliseconds, nil),
      time("connectiontimeout", connectMilliseconds, nil),
      time("timeout", timeoutMilliseconds, nil), disablesReuse ? "disablereuse=On" : nil,
      loadFactor != 100 ? "loadfactor=\(ProxyParameters.hundredths(loadFactor))" : nil,
      route.map { "route=\($0)" }, status.isEmpty ? nil : "status=+\(status.letters)",
      set != 0 ? "lbset=\(set)" : nil,
      upgrades.isEmpty ? nil : "upgrade=\(upgrades.joined(separator: ","))",
      responseFieldBytesMax != standard.responseFieldBytesMax
        ? "responsefieldsize=\(responseFieldBytesMax)" : nil,
      proxyProtocol.map { "proxyprotocol=\($0.rawValue)" },
      time("slowstart", slowStartMilliseconds, 0),
    ].compactMap { $0 }
    if let check = healthCheck {
      words += [
        "hcmethod=\(check.probe.rawValue)", "hcinterval=\(check.intervalMilliseconds)ms",
        "hcpasses=\(check.passes)", "hcfails=\(check.fails)",
      ]
      if !check.path.isEmpty { words.append("hcuri=\(check.path)") }
    }
    return words
  }

  private static func hundredths(_ value: Int) -> String {
    let rest = value % 100
    return "\(value / 100)" + (rest == 0 ? "" : rest < 10 ? ".0\(rest)" : ".\(rest)")
  }
}

extension ProxyMemberStatus {
  fileprivate var letters: String {
    let all: [(ProxyMemberStatus, String)] = [
      (.disabled, "D"), (.stopped, "S"), (.hotStandby, "H"), (.hotSpare, "R"), (.draining, "N"),
      (.ignoresErrors, "I"), (.failed, "E"),
    ]
    return all.filter { contains($0.0) }.map(\.1).joined()
  }
}

extension ProxyBalancer {
  fileprivate var words: [String] {
    var words: [String] = []
    switch method {
    case .byRequests: break
    case .byTraffic: words.append("lbmethod=bytraffic")
    case .byBusyness: words.append("lbmethod=bybusyness")
    case .hash(let key): words.append("lbmethod=hash key=\(key.text)")
    }
    if !stickyCookie.isEmpty {
      words.append(
        "stickysession=\(stickyCookie)"
          + (stickyParameter == stickyCookie ? "" : "|\(stickyParameter)"))
    }
    if stickySeparator != "." {
      words.append("stickysessionsep=\(stickySeparator.isEmpty ? "off" : stickySeparator)")
    }
    if !failOnStatus.isEmpty {
      words.append("failonstatus=\(failOnStatus.map { "\($0)" }.joined(separator: ","))")
    }
    if failsOnTimeout { words.append("failontimeout=On") }
    if let retriesMax { words.append("maxattempts=\(retriesMax)") }
    if noFailover { words.append("nofailover=On") }
    if !forcesRecovery { words.append("forcerecovery=Off") }
    if let waitMilliseconds { words.append("timeout=\(waitMilliseconds)ms") }
    return words
  }
}

extension BalancingKey {
  fileprivate var text: String {
    switch self {
    case .url: "url"
    case .path: "path"
    case .clientAddress: "client"
    case .field(let name): "header:\(name)"
    case .cookie(let name): "cookie:\(name)"
    }
  }
}

extension RemoteIPSettings {
  /// For the dump; nothing by default.
  var lines: [String] {
    var lines: [String] = []
    func list(_ name: String, _ networks: [IPNetwork]) {
      if networks.isEmpty { return }
      lines.append(
        "\(name) " + networks.map { "\($0.address)/\($0.prefixBits)" }.joined(separator: " "))
    }
    if !field.isEmpty { lines.append("RemoteIPHeader \(field)") }
    list("RemoteIPInternalProxy", internalProxies)
    list("RemoteIPTrustedProxy", trustedProxies)
    if !proxiesField.isEmpty { lines.append("RemoteIPProxiesHeader \(proxiesField)") }
    if expectsProxyProtocol { lines.append("RemoteIPProxyProtocol On") }
    list("RemoteIPProxyProtocolExceptions", proxyProtocolExceptions)
    return lines
  }
}

extension Model {
  /// For explanations: "pass to balancer://app (http://a, http://b), path /x"
  func passing(to target: ProxyTarget) -> String {
    let balancer = proxyBalancers[target.balancer]
    let names = balancer.members.map { proxyMembers[$0].name }
    let list = names == [balancer.name] ? "" : " (\(names.joined(separator: ", ")))"
    let path = target.rawPrefixByteCount == nil ? target.path : target.canonicalPath
    var text = "pass to \(balancer.name)\(list), path \(String(decoding: path, as: UTF8.self))"
    if !target.scriptPath.isEmpty {
      text += ", script \(String(decoding: target.scriptPath, as: UTF8.self))"
    }
    return text
  }
}
