// On whose behalf a session speaks: root runs applications of others, whose queues are not root's.
//
//     owner<TAB>USER    before anything else: what this session makes is USER's

import Namespace
import Platform

extension Master {
  /// `owner USER`: only root can say so, who could also become that user. It registers as root
  /// does: what it gives away needs no reservation.
  func setOwner(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    guard request.arguments.count == 1, request.flags.isEmpty else {
      throw SessionRefusal("usage: owner USER", code: 2)
    }
    guard let user = Privileges.user(request.arguments[0])?.user else {
      throw SessionRefusal("there is no user '\(request.arguments[0])'", code: 2)
    }
    guard peer.user == 0 || user == peer.user else {
      throw SessionRefusal("only root acts for another user", code: 77)
    }
    // Nothing changes hands later.
    guard namespace.sessions[client]?.queues.isEmpty != false,
      namespace.book.registrations(of: client).isEmpty
    else {
      throw SessionRefusal("whose the session is must be said before it has anything")
    }
    control?.clients[client]?.peer.owner = user
  }

  /// "user shop"
  func words(forUser user: UInt32) -> String {
    namespace.names.begin()
    return "user \(namespace.names.user(user))"
  }

  /// Who has done something, for logs: "user root (pid 12) for shop".
  func words(for peer: PeerIdentity) -> String {
    namespace.names.begin()
    return "user \(namespace.names.user(peer.user)) (pid \(peer.process))"
      + (peer.owner == peer.user ? "" : " for \(namespace.names.user(peer.owner))")
  }
}
