// What is told to whoever changes reservations: what they take over, and what goes on without them.

import Configuration
import Namespace
import Platform

extension Master {
  private static let goingOnMax = 20

  /// Of a reservation that was made: what a check of the configuration would say of it, too.
  func warnings(on reservation: Reservation) -> [String] {
    let prefix = reservation.prefix
    var lines: [String] = []
    if !reservation.grants.isEmpty, reservation.grants.allSatisfy({ $0.rights == .handOff }) {
      lines.append(
        "'\(prefix)' is reserved with handoff alone, which lets nobody register it: say --listen"
          + " --handoff")
    }
    let conflicts = currentModel?.conflicts(of: [prefix]).map(\.message) ?? []
    lines += conflicts
    if !conflicts.isEmpty, namespace.book.registrations[prefix] == nil {
      lines.append("what '\(prefix)' takes over is answered with 503 until somebody registers it")
    }
    return lines + registrationsGoingOn(in: namespace.book, below: prefix)
  }

  /// A registration ends with its session, not with the reservation that let it begin: those that
  /// their users could not make any more by `book`.
  func registrationsGoingOn(in book: NamespaceBook, below prefix: UrlPrefix? = nil) -> [String] {
    namespace.names.begin()
    var lines: [String] = []
    for registration in namespace.book.registrations.values {
      let own = registration.prefix
      guard prefix.map({ $0.isBeside(own) && $0.covers(own.path) }) != false,
        let peer = control?.clients[registration.owner]?.peer,
        !book.mayListen(own, principal(peer))
      else { continue }
      lines.append(
        "'\(own)' goes on: user \(namespace.names.user(registration.user)) has registered it and"
          + " could not any more; 'ring3ctl session end \(peer.process)' ends it")
    }
    guard lines.count > Self.goingOnMax else { return lines.sorted() }
    return lines.sorted().prefix(Self.goingOnMax) + ["\(lines.count - Self.goingOnMax) more go on"]
  }

  /// For standard error, beside an answer.
  func text(ofWarnings lines: [String]) -> String {
    lines.map { "warning: \($0)\n" }.joined()
  }
}
