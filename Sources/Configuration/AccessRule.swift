// Who may: Require and its containers, with httpd's three-valued logic (mod_authz_core).

import Platform

/// A checked `Require` expression of one section.
package struct AccessRule: Hashable, Sendable {
  indirect enum Node: Hashable, Sendable {
    case granted
    case denied
    case address([IPNetwork])
    case local
    case not(Node)
    case all([Node])
    case any([Node])
    case none([Node])
  }

  private enum Verdict { case granted, denied, neutral }

  let root: Node
  /// True if the answer may differ between clients: such a response must not be answered from the
  /// cache without asking again.
  package let dependsOnClient: Bool

  package static let grantsAll = AccessRule(.granted)
  package static let deniesAll = AccessRule(.denied)

  init(_ root: Node) {
    self.root = root
    dependsOnClient = AccessRule.readsClient(root)
  }

  /// True: the client may. `server` is the address the client connected to: `Require local` also
  /// holds when both are the same.
  package func evaluate(client: IPAddress, server: IPAddress? = nil) -> Bool {
    AccessRule.verdict(root, client: client, server: server) == .granted
  }

  private static func verdict(_ node: Node, client: IPAddress, server: IPAddress?) -> Verdict {
    switch node {
    case .granted: return .granted
    case .denied: return .denied
    case .address(let networks):
      return networks.contains { $0.contains(client) } ? .granted : .denied
    case .local:
      let isLocal = client.isLoopback || client.unmapped == server?.unmapped
      return isLocal ? .granted : .denied
    case .not(let inner):
      return verdict(inner, client: client, server: server) == .granted ? .denied : .neutral
    case .all(let children):
      var result = Verdict.neutral
      for child in children {
        switch verdict(child, client: client, server: server) {
        case .denied: return .denied
        case .granted: result = .granted
        case .neutral: break
        }
      }
      return result
    case .any(let children): return anyOf(children, client: client, server: server)
    case .none(let children):
      return anyOf(children, client: client, server: server) == .granted ? .denied : .neutral
    }
  }

  private static func anyOf(
    _ children: [Node], client: IPAddress, server: IPAddress?
  ) -> Verdict {
    var result = Verdict.neutral
    for child in children {
      switch verdict(child, client: client, server: server) {
      case .granted: return .granted
      case .denied: result = .denied
      case .neutral: break
      }
    }
    return result
  }

  private static func readsClient(_ node: Node) -> Bool {
    switch node {
    case .granted, .denied: return false
    case .address, .local: return true
    case .not(let inner): return readsClient(inner)
    case .all(let children), .any(let children), .none(let children):
      return children.contains(where: readsClient)
    }
  }
}

extension AccessRule: CustomStringConvertible {
  /// One line: "any(ip 10.0.0.0/8, local)".
  package var description: String { AccessRule.text(root) }

  private static func text(_ node: Node) -> String {
    switch node {
    case .granted: return "all granted"
    case .denied: return "all denied"
    case .local: return "local"
    case .address(let networks):
      return "ip " + networks.map { "\($0.address)/\($0.prefixBits)" }.joined(separator: " ")
    case .not(let inner): return "not " + text(inner)
    case .all(let children): return "all(\(list(children)))"
    case .any(let children): return "any(\(list(children)))"
    case .none(let children): return "none(\(list(children)))"
    }
  }

  private static func list(_ nodes: [Node]) -> String {
    nodes.map(text).joined(separator: ", ")
  }
}

extension IPNetwork {
  /// What `Require ip` accepts: an address, a partial IPv4 address ("10.1"), network/mask
  /// ("10.1.0.0/255.255.0.0") and network/bits ("10.1.0.0/16", "2001:db8::/32"). nil if it is none.
  init?(required text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      guard let address = IPAddress(parts[0]) else { return nil }
      if let bits = Int(parts[1]), parts[1].utf8.allSatisfy({ (48...57).contains($0) }) {
        guard (0...address.bitCount).contains(bits) else { return nil }
        self.init(address, prefixBits: bits)
        return
      }
      guard address.family == .v4, let mask = IPAddress(parts[1]), mask.family == .v4 else {
        return nil
      }
      let ones = (~UInt32(mask.low)).leadingZeroBitCount
      guard UInt64(ones == 0 ? 0 : ~UInt32(0) << UInt32(32 - ones)) == mask.low else { return nil }
      self.init(address, prefixBits: ones)
      return
    }
    if let address = IPAddress(text) {
      self.init(address, prefixBits: address.bitCount)
      return
    }
    var octets = text.split(separator: ".", omittingEmptySubsequences: false)
    // httpd accepts "10.1." too.
    if octets.last?.isEmpty == true { octets.removeLast() }
    guard (1...3).contains(octets.count) else { return nil }
    var value: UInt32 = 0
    for octet in octets {
      guard let number = UInt8(octet), octet.utf8.allSatisfy({ (48...57).contains($0) }) else {
        return nil
      }
      value = value << 8 | UInt32(number)
    }
    self.init(
      IPAddress(v4: value << UInt32(8 * (4 - octets.count))), prefixBits: 8 * octets.count)
  }
}
