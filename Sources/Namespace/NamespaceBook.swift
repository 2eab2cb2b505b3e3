// Who may own which URLs: reservations, registrations, and the rules between them. Pure.

import Platform

/// What a reservation lets somebody do.
package struct NamespaceRights: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Register the prefix and what lies below it.
  package static let listen = NamespaceRights(rawValue: 1)
  /// Reserve what lies below it for others, and take that back.
  package static let delegate = NamespaceRights(rawValue: 2)
}

/// Rights of one user or of one group.
package struct NamespaceGrant: Hashable, Sendable {
  package enum Holder: Hashable, Sendable {
    case user(UInt32)
    case group(UInt32)
  }
  package let holder: Holder
  package let rights: NamespaceRights

  package init(_ holder: Holder, _ rights: NamespaceRights) {
    self.holder = holder
    self.rights = rights
  }
}

/// A prefix set aside for some users and groups, whether they serve it or not.
package struct Reservation: Hashable, Sendable {
  package let prefix: UrlPrefix
  package let grants: [NamespaceGrant]

  package init(_ prefix: UrlPrefix, _ grants: [NamespaceGrant]) {
    self.prefix = prefix
    self.grants = grants
  }

  func gives(_ right: NamespaceRights, to principal: Principal) -> Bool {
    grants.contains { grant in
      guard grant.rights.contains(right) else { return false }
      switch grant.holder {
      case .user(let user): return user == principal.user
      case .group(let group): return principal.groups.contains(group)
      }
    }
  }
}

/// Who asks, as the kernel says.
package struct Principal: Hashable, Sendable {
  package let user: UInt32
  /// The primary one and all others.
  package let groups: Set<UInt32>
  /// Root and the server's owner: to them every prefix is implicitly reserved, so they are asked
  /// for no reservation.
  package let isAdministrator: Bool

  package init(user: UInt32, groups: Set<UInt32>, isAdministrator: Bool) {
    self.user = user
    self.groups = groups
    self.isAdministrator = isAdministrator
  }
}

/// A prefix that somebody serves now.
package struct Registration: Hashable, Sendable {
  package let prefix: UrlPrefix
  package let user: UInt32
  /// Of the connection that holds it: with it the registration ends.
  package let owner: UInt64
  /// Name of the queue that its requests go to.
  package let queue: String

  package init(_ prefix: UrlPrefix, user: UInt32, owner: UInt64, queue: String) {
    self.prefix = prefix
    self.user = user
    self.owner = owner
    self.queue = queue
  }
}

/// Why a prefix was not given, or not taken back.
package enum NamespaceRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case alreadyReserved(UrlPrefix)
  case alreadyRegistered(UrlPrefix)
  /// The reservation that says no.
  case mayNotListen(UrlPrefix, reservedAs: UrlPrefix)
  case mayNotDelegate(UrlPrefix, reservedAs: UrlPrefix)
  /// No reservation reaches so far up: it is the administrator's.
  case implicitlyReserved(UrlPrefix)
  case otherScheme(UrlPrefix)
  case notReserved(UrlPrefix)
  case notRegistered(UrlPrefix)
  /// It stands in the configuration file and is changed there.
  case configured(UrlPrefix)
  case tooMany(Int)
  /// All prefixes together are too long.
  case noRoom

  package var description: String {
    switch self {
    case .alreadyReserved(let prefix): "'\(prefix)' is reserved already"
    case .alreadyRegistered(let prefix): "'\(prefix)' is registered already"
    case .mayNotListen(let prefix, let reservation):
      "'\(prefix)' is not yours: the reservation '\(reservation)' does not let you listen"
    case .mayNotDelegate(let prefix, let reservation):
      "'\(prefix)' is not yours to reserve: '\(reservation)' does not let you delegate"
    case .implicitlyReserved(let prefix):
      "'\(prefix)' belongs to the administrator; have it, or what lies above it, reserved for you"
        + " (UrlReservation, ring3ctl reserve add)"
    case .otherScheme(let prefix):
      "port \(prefix.port) speaks \(prefix.scheme == .http ? "https" : "http") already: a port has"
        + " one scheme"
    case .notReserved(let prefix): "'\(prefix)' is not reserved"
    case .notRegistered(let prefix): "'\(prefix)' is not registered by you"
    case .configured(let prefix):
      "'\(prefix)' is reserved in the configuration file; change it there and reload"
    case .noRoom:
      "all prefixes together have \(NamespaceBook.textByteCountMax >> 20) MiB, which is the most"
    case .tooMany(let limit): "there are \(limit) prefixes already, which is the most"
    }
  }
}

/// All reservations and registrations.
package struct NamespaceBook: Sendable {
  package static let reservationsMax = 20_000
  package static let registrationsMax = 100_000
  /// Of all hosts and paths: every worker reads them anew with each change.
  package static let textByteCountMax = 8 << 20

  /// Those of the configuration file; they come before equal ones that were added.
  package private(set) var configured: [UrlPrefix: Reservation] = [:]
  /// Those that were added while the server ran.
  package private(set) var added: [UrlPrefix: Reservation] = [:]
  package private(set) var registrations: [UrlPrefix: Registration] = [:]
  /// What the configuration's listeners speak.
  private var listens: [UInt16: UrlPrefix.Scheme] = [:]
  /// How many prefixes use a port, by its scheme.
  private var ports: [PortScheme: Int] = [:]

  private var textByteCount = 0

  private struct PortScheme: Hashable {
    let port: UInt16
    let scheme: UrlPrefix.Scheme
  }

  package init() {}

  package var isEmpty: Bool { configured.isEmpty && added.isEmpty && registrations.isEmpty }

  package func reservation(_ prefix: UrlPrefix) -> Reservation? {
    configured[prefix] ?? added[prefix]
  }

  /// Takes the configuration's part anew. Registrations stay, whatever it says now.
  package mutating func configure(
    _ reservations: [Reservation], listens: [UInt16: UrlPrefix.Scheme]
  ) {
    for prefix in configured.keys { count(prefix, -1) }
    configured = [:]
    for reservation in reservations where configured[reservation.prefix] == nil {
      configured[reservation.prefix] = reservation
      count(reservation.prefix, 1)
    }
    self.listens = listens
  }

  /// Takes what was kept from an earlier life, without asking whether it may.
  package mutating func restore(_ reservations: [Reservation]) {
    for reservation in reservations where added[reservation.prefix] == nil {
      added[reservation.prefix] = reservation
      count(reservation.prefix, 1)
    }
  }

  private mutating func count(_ prefix: UrlPrefix, _ change: Int) {
    ports[PortScheme(port: prefix.port, scheme: prefix.scheme), default: 0] += change
    textByteCount += change * prefix.textByteCount
  }

  private func checkRoom(for prefix: UrlPrefix) throws(NamespaceRefusal) {
    guard textByteCount + prefix.textByteCount <= Self.textByteCountMax else { throw .noRoom }
  }

  /// A port speaks one scheme: that of its listener, else that of the prefixes it has.
  private func hasOtherScheme(_ prefix: UrlPrefix) -> Bool {
    if let scheme = listens[prefix.port] { return scheme != prefix.scheme }
    let other = PortScheme(port: prefix.port, scheme: prefix.scheme == .http ? .https : .http)
    return ports[other, default: 0] > 0
  }

  /// The longest reservation of the same scheme, host and port at or above a prefix.
  private func reservation(atOrAbove prefix: UrlPrefix?) -> Reservation? {
    var candidate = prefix
    while let prefix = candidate {
      if let found = reservation(prefix) { return found }
      candidate = prefix.parent
    }
    return nil
  }

  // MARK: Registrations

  /// A live claim: the longest reservation that reaches it says who may listen.
  package mutating func register(
    _ prefix: UrlPrefix, by principal: Principal, owner: UInt64, queue: String
  ) throws(NamespaceRefusal) {
    if registrations[prefix] != nil { throw .alreadyRegistered(prefix) }
    if hasOtherScheme(prefix) { throw .otherScheme(prefix) }
    if !principal.isAdministrator {
      guard let reservation = reservation(atOrAbove: prefix) else {
        throw .implicitlyReserved(prefix)
      }
      guard reservation.gives(.listen, to: principal) else {
        throw .mayNotListen(prefix, reservedAs: reservation.prefix)
      }
    }
    if registrations.count >= Self.registrationsMax { throw .tooMany(Self.registrationsMax) }
    try checkRoom(for: prefix)
    registrations[prefix] = Registration(
      prefix, user: principal.user, owner: owner, queue: queue)
    count(prefix, 1)
  }

  /// Only the connection that registered a prefix may end it.
  package mutating func unregister(_ prefix: UrlPrefix, owner: UInt64) throws(NamespaceRefusal) {
    guard registrations[prefix]?.owner == owner else { throw .notRegistered(prefix) }
    registrations[prefix] = nil
    count(prefix, -1)
  }

  /// Ends all of a connection; returns how many there were.
  package mutating func unregisterAll(owner: UInt64) -> Int {
    let all = registrations.values.filter { $0.owner == owner }
    for registration in all {
      registrations[registration.prefix] = nil
      count(registration.prefix, -1)
    }
    return all.count
  }

  // MARK: Reservations

  /// A lasting claim: who may delegate what lies above may make it, else only an administrator. It
  /// does not inherit what the one above it grants.
  /// - Parameter replaces: an equal one gives way to it.
  package mutating func reserve(
    _ reservation: Reservation, by principal: Principal, replaces: Bool = false
  ) throws(NamespaceRefusal) {
    let prefix = reservation.prefix
    if configured[prefix] != nil { throw .configured(prefix) }
    if added[prefix] != nil && !replaces { throw .alreadyReserved(prefix) }
    if hasOtherScheme(prefix) { throw .otherScheme(prefix) }
    try checkDelegation(of: prefix, by: principal)
    if added[prefix] == nil {
      if added.count >= Self.reservationsMax { throw .tooMany(Self.reservationsMax) }
      try checkRoom(for: prefix)
      count(prefix, 1)
    }
    added[prefix] = reservation
  }

  /// Whoever might reserve a prefix may also take the reservation back.
  package mutating func release(
    _ prefix: UrlPrefix, by principal: Principal
  ) throws(NamespaceRefusal) {
    if configured[prefix] != nil { throw .configured(prefix) }
    guard added[prefix] != nil else { throw .notReserved(prefix) }
    try checkDelegation(of: prefix, by: principal)
    added[prefix] = nil
    count(prefix, -1)
  }

  private func checkDelegation(
    of prefix: UrlPrefix, by principal: Principal
  ) throws(NamespaceRefusal) {
    if principal.isAdministrator { return }
    guard let parent = reservation(atOrAbove: prefix.parent) else {
      throw .implicitlyReserved(prefix)
    }
    guard parent.gives(.delegate, to: principal) else {
      throw .mayNotDelegate(prefix, reservedAs: parent.prefix)
    }
  }

  // MARK: Snapshot

  /// All prefixes as workers want them; `queues` holds every queue that a registration names.
  package func snapshot(queues: [NamespaceQueue], generation: UInt64) -> NamespaceSnapshot {
    var places: [String: Int] = [:]
    for (index, queue) in queues.enumerated() { places[queue.name] = index }
    var entries: [NamespaceEntry] = []
    entries.reserveCapacity(registrations.count + added.count + configured.count)
    for registration in registrations.values {
      entries.append(NamespaceEntry(registration.prefix, queue: places[registration.queue]))
    }
    for prefix in added.keys where registrations[prefix] == nil && configured[prefix] == nil {
      entries.append(NamespaceEntry(prefix, queue: nil))
    }
    for prefix in configured.keys where registrations[prefix] == nil {
      entries.append(NamespaceEntry(prefix, queue: nil))
    }
    return NamespaceSnapshot(entries, queues: queues, generation: generation)
  }
}
