// Require, <RequireAll>, <RequireAny>, <RequireNone>: httpd's rules about what may be combined.

import Platform

extension Checker {
  private enum Container: String {
    case all = "RequireAll", any = "RequireAny", none = "RequireNone"
  }

  /// The rule of a section: several Require without a container mean <RequireAny>. nil: none.
  mutating func checkAccess(_ children: [Directive]) -> AccessRule? {
    let requirements = children.filter { $0.row.name.hasPrefix("Require") }
    guard !requirements.isEmpty else { return nil }
    let nodes = requirements.compactMap { requirement($0, in: .any) }
    if nodes.count == 1 { return AccessRule(nodes[0]) }
    return AccessRule(.any(nodes))
  }

  /// nil if it is wrong and reported.
  private mutating func requirement(
    _ directive: Directive, in container: Container
  ) -> AccessRule.Node? {
    guard let inner = Container(rawValue: directive.row.name) else {
      return provider(directive, in: container)
    }
    let before = diagnostics.count
    let nodes = directive.children.compactMap { requirement($0, in: inner) }
    if directive.children.isEmpty {
      error("<\(inner.rawValue)> contains no Require directive", directive.name)
      return nil
    }
    if inner == .none, container != .all {
      error(
        "<RequireNone> has no effect in <\(container.rawValue)>: it can only refuse, never grant;"
          + " put it into <RequireAll>", directive.name)
      return nil
    }
    let areAllNegative = nodes.allSatisfy {
      switch $0 {
      case .not, .none: return true
      default: return false
      }
    }
    if inner == .all, areAllNegative, before == diagnostics.count {
      error(
        "<RequireAll> contains only negative directives, so it would never grant access; add"
          + " 'Require all granted'", directive.name)
      return nil
    }
    switch inner {
    case .all: return .all(nodes)
    case .any: return .any(nodes)
    case .none: return .none(nodes)
    }
  }

  /// Require [not] PROVIDER …
  private mutating func provider(
    _ directive: Directive, in container: Container
  ) -> AccessRule.Node? {
    var words = directive.arguments[...]
    var isNegated = false
    if let first = words.first, first.text.asciiLowercased == "not" {
      isNegated = true
      words = words.dropFirst()
      if container != .all {
        error(
          "'Require not' has no effect in <\(container.rawValue)>: it can only refuse, never"
            + " grant; put it into <RequireAll>", first)
        return nil
      }
    }
    guard let kind = words.first else {
      error("all, ip or local is expected behind 'Require not'", directive.name)
      return nil
    }
    guard let node = provider(kind, Array(words.dropFirst())) else { return nil }
    return isNegated ? .not(node) : node
  }

  private mutating func provider(_ kind: Word, _ arguments: [Word]) -> AccessRule.Node? {
    switch kind.text.asciiLowercased {
    case "all":
      switch arguments.first?.text.asciiLowercased {
      case "granted" where arguments.count == 1: return .granted
      case "denied" where arguments.count == 1: return .denied
      default:
        error("'all granted' or 'all denied' is expected", arguments.first ?? kind)
        return nil
      }
    case "local":
      if let extra = arguments.first {
        error("'local' takes no argument", extra)
        return nil
      }
      return .local
    case "ip":
      if arguments.isEmpty {
        error("an address or network is expected: 'Require ip 192.0.2.0/24'", kind)
        return nil
      }
      var networks: [IPNetwork] = []
      for word in arguments {
        if let network = IPNetwork(required: word.text) {
          networks.append(network)
        } else {
          error(
            "'\(word.text)' is not an address or network; 192.0.2.1, 192.0.2, 192.0.2.0/24,"
              + " 192.0.2.0/255.255.255.0 and 2001:db8::/32 are", word)
        }
      }
      return networks.count == arguments.count ? .address(networks) : nil
    default:
      let known = ["all", "ip", "local"]
      let others = [
        "user", "group", "valid-user", "host", "forward-dns", "env", "method", "expr", "ldap-user",
        "ldap-group", "file-owner", "file-group", "dbm-group", "ssl", "ssl-verify-client",
      ]
      if others.contains(kind.text.asciiLowercased) {
        error(
          "'Require \(kind.text)' is not implemented; what it protects would be open or closed to"
            + " the wrong clients", kind)
      } else {
        let hint = Spelling.nearest(to: kind.text, among: known).map { "; did you mean '\($0)'?" }
        error("all, ip or local is expected, not '\(kind.text)'\(hint ?? "")", kind)
      }
      return nil
    }
  }
}
