// Reservations of URLs, and where state is kept.

import Namespace
import Platform

extension Checker {
  /// True if the directive is about the namespace.
  mutating func checkNamespace(_ directive: Directive) -> Bool {
    switch directive.row.name {
    case "StateDirectory": server.stateDirectory = absolute(directive.arguments[0].text)
    case "QueueDirectory":
      server.queueDirectory = absolute(directive.arguments[0].text)
      checkQueues(directive.arguments[0])
    case "UrlReservation": checkReservation(directive)
    case "Application": checkApplication(directive)
    default: return false
    }
    return true
  }

  /// nil: it is none, which has been told.
  mutating func readPrefix(_ word: Word) -> UrlPrefix? {
    do throws(UrlPrefixError) {
      return try UrlPrefix(word.text)
    } catch {
      let last = max(0, word.text.utf8.count - 1)
      diagnostics.append(
        .error(error.message, at: word, textOffset: min(error.byteOffset, last)))
      return nil
    }
  }

  /// UrlReservation PREFIX [user=NAME] [group=NAME] ... [listen] [delegate] [handoff]
  private mutating func checkReservation(_ directive: Directive) {
    let word = directive.arguments[0]
    guard let prefix = readPrefix(word) else { return }
    var rule = UrlReservationRule(prefix: prefix, text: ConfiguredText(word.text, word))
    let before = diagnostics.count
    for word in directive.arguments.dropFirst() { add(word, to: &rule) }
    guard diagnostics.count == before else { return }
    if rule.rights.isEmpty { rule.rights = .listen }
    if rule.users.isEmpty && rule.groups.isEmpty && directive.arguments.count > 1 {
      error("a user or a group is expected that may \(rule.rights.words[0]): user=NAME", word)
    }
    if let first = server.urlReservations.first(where: { $0.prefix == prefix }) {
      error("'\(prefix)' is reserved already at \(first.text.word.place)", word)
      return
    }
    server.urlReservations.append(rule)
  }

  private mutating func add(_ word: Word, to rule: inout UrlReservationRule) {
    let parts = word.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0].lowercased(), parts.count) {
    case ("listen", 1): rule.rights.insert(.listen)
    case ("delegate", 1): rule.rights.insert(.delegate)
    case ("handoff", 1):
      rule.rights.insert(.handOff)
      if rule.prefix != rule.prefix.root || rule.prefix.scheme != .http {
        error(
          "connections are handed off only for a whole host and port in clear text: reserve"
            + " 'http://HOST:\(rule.prefix.port)/'", word)
      }
    case ("user", 2) where !parts[1].isEmpty:
      rule.users.append(ConfiguredText(String(parts[1]), word))
    case ("group", 2) where !parts[1].isEmpty:
      rule.groups.append(ConfiguredText(String(parts[1]), word))
    case ("user", _), ("group", _): error("a name is expected: '\(parts[0])=NAME'", word)
    default:
      let known = ["user", "group", "listen", "delegate", "handoff"]
      let hint =
        Spelling.nearest(to: String(parts[0]), among: known)
        .map { "; did you mean '\($0)'?" } ?? ""
      error(
        "user=NAME, group=NAME, listen, delegate or handoff is expected, not"
          + " '\(word.text)'\(hint)", word)
    }
  }

  /// sockaddr_un holds 108 bytes with the NUL at the end.
  private mutating func checkQueues(_ word: Word) {
    let longest = Model.queuePath(
      absolute(word.text),
      QueueReference(slot: Model.queueCountMax - 1, serial: .max, user: .max))
    if longest.utf8.count >= 108 {
      error(
        "the path is too long by \(longest.utf8.count - 107) bytes for sockets in it, like"
          + " '\(longest)'", word)
    }
  }

  /// Members that lead to queues, behind all others; each has at most one request a connection, and
  /// is never left alone because of a failure: the application behind it may be another by now.
  mutating func addQueues() -> Int? {
    guard let directory = server.queueDirectory else { return nil }
    let indices = (0..<Model.queueCountMax).map { slot in
      // The socket itself is another one for each queue that has the slot.
      let path = "\(directory)/\(slot)"
      var member = ProxyMember(
        name: "queue \(slot)", scheme: .http, address: .unix(path: path), authority: "localhost",
        path: "")
      member.parameters.disablesReuse = true
      member.parameters.retryMilliseconds = 0
      return proxies.add(single: member)
    }
    return indices[0]
  }

  /// A port has one scheme, and something must listen on it.
  mutating func checkReservations() {
    var first: [UInt16: UrlReservationRule] = [:]
    for rule in server.urlReservations {
      let port = rule.prefix.port
      if let other = first[port], other.prefix.scheme != rule.prefix.scheme {
        error(
          "port \(port) speaks \(other.prefix.scheme.text): it is reserved so at"
            + " \(other.text.word.place)", rule.text.word)
      }
      first[port] = first[port] ?? rule
      if !listens.isEmpty, !listens.contains(where: { $0.listen.address.port == port }) {
        warning("no Listen opens port \(port); 'Listen \(port)' would", rule.text.word)
      }
    }
  }
}

extension UrlReservationRule {
  /// The directive in canonical form.
  var line: String {
    (["UrlReservation \"\(prefix)\""] + users.map { "user=\($0.text)" }
      + groups.map { "group=\($0.text)" } + rights.words).joined(separator: " ")
  }
}
