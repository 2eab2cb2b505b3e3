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
  /// Take over the clients' connections of a whole host and port. What comes later on them may be
  /// meant for somebody else, so only an administrator gives this, and only for "/".
  package static let handOff = NamespaceRights(rawValue: 4)
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
  /// Who made it because he may delegate; nil: an administrator.
  package internal(set) var maker: UInt32?

  package init(_ prefix: UrlPrefix, _ grants: [NamespaceGrant], maker: UInt32? = nil) {
    self.prefix = prefix
    self.grants = grants
    self.maker = maker
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
  /// Name of the queue of the same user that its requests go to.
  package let queue: String
  /// The application takes over the client's connection.
  package let handsOff: Bool

  package init(
    _ prefix: UrlPrefix, user: UInt32, owner: UInt64, queue: String, handsOff: Bool = false
  ) {
    self.handsOff = handsOff
    self.prefix = prefix
    self.user = user
    self.owner = owner
    self.queue = queue
  }
}

/// All reservations and registrations.
package struct NamespaceBook: Sendable {
  package static let reservationsMax = 20_000
  package static let registrationsMax = 100_000
  /// Of all hosts and paths: every worker reads them anew with each change.
  package static let textByteCountMax = 8 << 20
  /// Of one user who is no administrator, so that he keeps nobody else away.
  package static let registrationsPerUserMax = 20_000
  package static let reservationsPerUserMax = 1_000
  package static let textByteCountPerUserMax = 2 << 20

  /// Those of the configuration file; they come before equal ones that were added.
  package private(set) var configured: [UrlPrefix: Reservation] = [:]
  /// Those that were added while the server ran.
  package private(set) var added: [UrlPrefix: Reservation] = [:]
  package private(set) var registrations: [UrlPrefix: Registration] = [:]
  /// What the configuration's listeners speak.
  private var listens: [UInt16: Set<UrlPrefix.Scheme>] = [:]
  /// How many prefixes use a port, by its scheme.
  private var ports: [PortScheme: Int] = [:]

  private var textByteCount = 0
  /// Another one after each change of what answers for which URL.
  package private(set) var revision: UInt64 = 0
  /// Registrations of each connection.
  private var owned: [UInt64: Set<UrlPrefix>] = [:]
  private var shares: [UInt32: Share] = [:]
  /// For the next snapshot.
  package var changes = NamespaceChanges()

  /// What of it is one user's.
  private struct Share {
    var registrations = 0
    /// Those he has made for others or himself.
    var reservations = 0
    var textByteCount = 0
  }

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
    _ reservations: [Reservation], listens: [UInt16: Set<UrlPrefix.Scheme>]
  ) {
    let before = configured
    for prefix in before.keys { count(prefix, -1) }
    var after: [UrlPrefix: Reservation] = [:]
    for reservation in reservations where after[reservation.prefix] == nil {
      after[reservation.prefix] = reservation
      count(reservation.prefix, 1)
    }
    for prefix in before.keys where after[prefix] == nil { touch(prefix, by: nil) }
    for prefix in after.keys where before[prefix] == nil { touch(prefix, by: nil) }
    configured = after
    self.listens = listens
    revision += 1
  }

  /// Takes what was kept from an earlier life, without asking whether it may.
  package mutating func restore(_ reservations: [Reservation]) {
    for reservation in reservations where added[reservation.prefix] == nil {
      touch(reservation.prefix, by: nil)
      added[reservation.prefix] = reservation
      count(reservation.prefix, 1)
      if let maker = reservation.maker { count(reservation, 1, of: maker) }
    }
  }

  /// Before a change of what a prefix is.
  private mutating func touch(_ prefix: UrlPrefix, by user: UInt32?) {
    changes.touch(prefix, from: standing(prefix), by: user)
  }

  private mutating func count(_ reservation: Reservation, _ change: Int, of maker: UInt32) {
    shares[maker, default: Share()].reservations += change
    shares[maker, default: Share()].textByteCount += change * reservation.prefix.textByteCount
  }

  private func checkShare(
    of user: UInt32, for prefix: UrlPrefix
  ) throws(NamespaceRefusal) {
    let used = shares[user]?.textByteCount ?? 0
    guard used + prefix.textByteCount <= Self.textByteCountPerUserMax else { throw .noRoomOfUser }
  }

  private mutating func count(_ prefix: UrlPrefix, _ change: Int) {
    revision += 1
    ports[PortScheme(port: prefix.port, scheme: prefix.scheme), default: 0] += change
    textByteCount += change * prefix.textByteCount
  }

  private func checkRoom(for prefix: UrlPrefix) throws(NamespaceRefusal) {
    guard textByteCount + prefix.textByteCount <= Self.textByteCountMax else { throw .noRoom }
  }

  /// Whether some listener of the configuration has the port.
  package func isListenedOn(port: UInt16) -> Bool { listens[port] != nil }

  /// A port speaks one scheme: that of its listeners, else that of the prefixes it has.
  private func hasOtherScheme(_ prefix: UrlPrefix) -> Bool {
    if let schemes = listens[prefix.port] { return !schemes.contains(prefix.scheme) }
    let other = PortScheme(port: prefix.port, scheme: prefix.scheme == .http ? .https : .http)
    return ports[other, default: 0] > 0
  }

  /// The longest reservation of the same scheme, host and port at or above a prefix.
  func reservation(atOrAbove prefix: UrlPrefix?) -> Reservation? {
    var candidate = prefix
    while let prefix = candidate {
      if let found = reservation(prefix) { return found }
      candidate = prefix.parent
    }
    return nil
  }

  /// Whether there is anything that somebody could register. Looks at all reservations.
  package func givesAnything(to principal: Principal) -> Bool {
    principal.isAdministrator
      || configured.values.contains { $0.gives(.listen, to: principal) }
      || added.values.contains { $0.gives(.listen, to: principal) }
  }

  // MARK: Registrations

  /// A live claim: the longest reservation that reaches it says who may listen.
  package mutating func register(
    _ prefix: UrlPrefix, by principal: Principal, owner: UInt64, queue: String,
    handsOff: Bool = false
  ) throws(NamespaceRefusal) {
    if handsOff { try checkHandOff(of: prefix, by: principal) }
    try takeOver(prefix, for: principal)
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
    if !principal.isAdministrator {
      let limit = Self.registrationsPerUserMax
      guard shares[principal.user]?.registrations ?? 0 < limit else {
        throw .tooManyOfUser(limit, of: "registrations")
      }
      try checkShare(of: principal.user, for: prefix)
    }
    try checkRoom(for: prefix)
    touch(prefix, by: principal.user)
    registrations[prefix] = Registration(
      prefix, user: principal.user, owner: owner, queue: queue, handsOff: handsOff)
    owned[owner, default: []].insert(prefix)
    shares[principal.user, default: Share()].registrations += 1
    shares[principal.user, default: Share()].textByteCount += prefix.textByteCount
    count(prefix, 1)
  }

  /// What a connection has registered.
  package func registrations(of owner: UInt64) -> Set<UrlPrefix> { owned[owner] ?? [] }

  private func checkHandOff(
    of prefix: UrlPrefix, by principal: Principal
  ) throws(NamespaceRefusal) {
    guard prefix.scheme == .http else { throw .mayNotHandOff(prefix) }
    if principal.isAdministrator { return }
    guard reservation(prefix.root)?.gives(.handOff, to: principal) == true else {
      throw .mayNotHandOff(prefix)
    }
  }

  /// Only the connection that registered a prefix may end it.
  package mutating func unregister(_ prefix: UrlPrefix, owner: UInt64) throws(NamespaceRefusal) {
    guard registrations[prefix]?.owner == owner else { throw .notRegistered(prefix) }
    end(prefix)
    owned[owner]?.remove(prefix)
    if owned[owner]?.isEmpty == true { owned[owner] = nil }
  }

  private mutating func end(_ prefix: UrlPrefix) {
    guard let registration = registrations[prefix] else { return }
    touch(prefix, by: registration.user)
    registrations[prefix] = nil
    shares[registration.user]?.registrations -= 1
    shares[registration.user]?.textByteCount -= prefix.textByteCount
    count(prefix, -1)
    forget(registration.user)
  }

  /// Who has nothing any more is not remembered.
  private mutating func forget(_ user: UInt32) {
    if shares[user]?.registrations == 0, shares[user]?.reservations == 0 { shares[user] = nil }
  }

  /// Ends all of a connection; returns how many there were.
  package mutating func unregisterAll(owner: UInt64) -> Int {
    guard let all = owned.removeValue(forKey: owner) else { return 0 }
    for prefix in all { end(prefix) }
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
    var reservation = reservation
    reservation.maker = principal.isAdministrator ? nil : principal.user
    if configured[prefix] != nil { throw .configured(prefix) }
    if added[prefix] != nil && !replaces { throw .alreadyReserved(prefix) }
    if hasOtherScheme(prefix) { throw .otherScheme(prefix) }
    try checkDelegation(of: prefix, by: principal)
    if let maker = reservation.maker, added[prefix]?.maker != maker {
      let limit = Self.reservationsPerUserMax
      guard shares[maker]?.reservations ?? 0 < limit else {
        throw .tooManyOfUser(limit, of: "reservations")
      }
      try checkShare(of: maker, for: prefix)
    }
    if reservation.grants.contains(where: { $0.rights.contains(.handOff) }) {
      guard principal.isAdministrator, prefix == prefix.root, prefix.scheme == .http else {
        throw .handOffNotGiven(prefix)
      }
    }
    if added[prefix] == nil {
      if added.count >= Self.reservationsMax { throw .tooMany(Self.reservationsMax) }
      try checkRoom(for: prefix)
      count(prefix, 1)
    }
    touch(prefix, by: reservation.maker)
    if let old = added[prefix], let maker = old.maker {
      count(old, -1, of: maker)
      forget(maker)
    }
    if let maker = reservation.maker { count(reservation, 1, of: maker) }
    added[prefix] = reservation
  }

  /// Whoever might reserve a prefix may also take the reservation back.
  package mutating func release(
    _ prefix: UrlPrefix, by principal: Principal
  ) throws(NamespaceRefusal) {
    if configured[prefix] != nil { throw .configured(prefix) }
    guard let old = added[prefix] else { throw .notReserved(prefix) }
    try checkDelegation(of: prefix, by: principal)
    touch(prefix, by: principal.isAdministrator ? nil : principal.user)
    added[prefix] = nil
    count(prefix, -1)
    if let maker = old.maker {
      count(old, -1, of: maker)
      forget(maker)
    }
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
    var places: [QueueKey: Int] = [:]
    for (index, queue) in queues.enumerated() { places[queue.key] = index }
    var entries: [NamespaceEntry] = []
    entries.reserveCapacity(registrations.count + added.count + configured.count)
    for registration in registrations.values {
      entries.append(
        NamespaceEntry(
          registration.prefix, queue: places[registration.queueKey], handsOff: registration.handsOff
        ))
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
