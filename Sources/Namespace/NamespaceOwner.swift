// Whose a URL is, in words that stay the same over every restart.

/// Which queue is meant: names are each user's own, so nobody can take one that another wants.
package struct QueueKey: Hashable, Sendable {
  package let user: UInt32
  package let name: String

  package init(user: UInt32, name: String) {
    self.user = user
    self.name = name
  }
}

extension NamespaceBook {
  /// Whether a prefix is somebody's: he has registered it, or its reservation names him.
  package func concerns(_ prefix: UrlPrefix, _ principal: Principal) -> Bool {
    registrations[prefix]?.user == principal.user
      || [.listen, .delegate, .handOff].contains { right in
        reservation(prefix)?.gives(right, to: principal) == true
      }
  }

  /// Whether somebody could register a prefix that nobody has.
  package func mayListen(_ prefix: UrlPrefix, _ principal: Principal) -> Bool {
    principal.isAdministrator
      || reservation(atOrAbove: prefix)?.gives(.listen, to: principal) == true
  }
}

extension Registration {
  package var queueKey: QueueKey { QueueKey(user: user, name: queue) }
}

/// Who answers for a URL: a prefix, the user who registered it, and his queue. What was kept of one
/// owner's answers is for requests that lead to an equal one, and for no others.
package struct NamespaceOwner: Hashable, Sendable {
  package let prefix: UrlPrefix
  package let user: UInt32
  package let queue: String

  package init(prefix: UrlPrefix, user: UInt32, queue: String) {
    self.prefix = prefix
    self.user = user
    self.queue = queue
  }

  /// "http://+:8080/shop/ 1000 shop". No part holds a blank, so owners are equal exactly if their
  /// texts are.
  package var text: String { "\(prefix) \(user) \(queue)" }
}

extension NamespaceSnapshot {
  /// Whom a match leads to; nil: the prefix is only reserved.
  package func owner(of match: NamespaceMatch) -> NamespaceOwner? {
    guard let queue = match.queue else { return nil }
    return NamespaceOwner(
      prefix: prefix(of: match.entry), user: queues[queue].user, queue: queues[queue].name)
  }

  /// The registration of an owner; nil: he has it no more. For what is rare: looks at all.
  package func match(ofOwner text: String) -> NamespaceMatch? {
    let words = text.split(separator: " ")
    guard words.count == 3, let prefix = try? UrlPrefix(String(words[0])) else { return nil }
    for index in entries.indices
    where Int(entries[index].pathCount) == prefix.path.count && self.prefix(of: index) == prefix {
      let match = match(index)
      return owner(of: match)?.text == text ? match : nil
    }
    return nil
  }

  /// Whether a look-up with this result might have another one for another local address. `match`
  /// nil: the configuration answers.
  package func dependsOnAddress(
    _ match: NamespaceMatch?, configured: Configured
  ) -> Bool {
    guard tellsAddressesApart, configured != .named else { return false }
    guard let match else { return true }
    switch prefix(of: match.entry).bucket {
    case .strong, .explicit: return false
    case .address, .weak: return true
    }
  }
}
