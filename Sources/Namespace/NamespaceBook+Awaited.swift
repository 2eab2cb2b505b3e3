// Registrations that an earlier master had given, kept until whoever had them comes back.

extension Registration {
  /// Owners from here on are no connections: they stand for those who are awaited.
  private static let firstAwaitedOwner = UInt64.max - 0xffff

  /// The owner of what a queue's application had registered.
  package static func awaitedOwner(queueSlot slot: Int) -> UInt64 {
    firstAwaitedOwner + UInt64(slot & 0xffff)
  }

  /// Nobody holds it: it gives way to a claim of the same user.
  package var isAwaited: Bool { owner >= Registration.firstAwaitedOwner }
}

extension NamespaceBook {
  /// Takes what somebody had registered, for whom it is kept a moment; it was found lawful then.
  package mutating func retain(
    _ prefix: UrlPrefix, for user: UInt32, queue: String, slot: Int, handsOff: Bool
  ) throws(NamespaceRefusal) {
    try register(
      prefix, by: Principal(user: user, groups: [], isAdministrator: true),
      owner: Registration.awaitedOwner(queueSlot: slot), queue: queue, handsOff: handsOff)
  }

  /// Before a prefix is registered: what the same user is awaited for gives way.
  mutating func takeOver(
    _ prefix: UrlPrefix, for principal: Principal
  ) throws(NamespaceRefusal) {
    guard let other = registrations[prefix] else { return }
    guard other.isAwaited, other.user == principal.user else { throw .alreadyRegistered(prefix) }
    try unregister(prefix, owner: other.owner)
  }
}
