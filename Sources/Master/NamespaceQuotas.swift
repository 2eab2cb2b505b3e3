// How many sessions one user may have, so that nobody keeps others away. Registrations and
// reservations are counted in NamespaceBook, queues where they are made.

import Configuration
import Platform

extension Master {
  /// Sessions of one user who may not command the server; some connections are left for commands.
  static let sessionsPerUserMax = Limits.controlGuestsPerUser - 8

  /// Why a client cannot begin a session; nil: it can.
  func sessionRefusal(_ client: UInt64) -> ControlAnswer? {
    guard let peer = control?.clients[client]?.peer, !mayCommand(peer) else { return nil }
    let own = namespace.sessions.keys.count { control?.clients[$0]?.peer.user == peer.user }
    if own < Master.sessionsPerUserMax { return nil }
    return .failure("\(words(forUser: peer.user)) has \(own) sessions already, which is the most\n")
  }
}
