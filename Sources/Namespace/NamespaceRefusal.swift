// Why a prefix is not given to who asks for it, in words for people.

/// Why a prefix was not given, or not taken back.
package enum NamespaceRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case alreadyReserved(UrlPrefix)
  case alreadyRegistered(UrlPrefix)
  /// The reservation that says no.
  case mayNotListen(UrlPrefix, reservedAs: UrlPrefix)
  case mayNotDelegate(UrlPrefix, reservedAs: UrlPrefix)
  /// Connections are not this user's to take over.
  case mayNotHandOff(UrlPrefix)
  /// Only an administrator gives this right, for a whole host and port in clear text.
  case handOffNotGiven(UrlPrefix)
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
  /// One user has so many registrations or reservations.
  case tooManyOfUser(Int, of: String)
  /// The prefixes of one user are too long.
  case noRoomOfUser

  package var description: String {
    switch self {
    case .alreadyReserved(let prefix): "'\(prefix)' is reserved already"
    case .alreadyRegistered(let prefix): "'\(prefix)' is registered already"
    case .mayNotListen(let prefix, let reservation):
      "'\(prefix)' is not yours: the reservation '\(reservation)' does not let you listen"
    case .mayNotDelegate(let prefix, let reservation):
      "'\(prefix)' is not yours to reserve: '\(reservation)' does not let you delegate"
    case .mayNotHandOff(let prefix):
      "the connections of '\(prefix)' are not yours to take over: only an http:// prefix whose host"
        + " and port are reserved for you with handoff, as a whole, can be registered so"
    case .handOffNotGiven(let prefix):
      "only an administrator gives the right to take connections over, and only for a whole host"
        + " and port in clear text, not for '\(prefix)'"
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
    case .noRoomOfUser:
      "your prefixes together have \(NamespaceBook.textByteCountPerUserMax >> 20) MiB, which is the"
        + " most for one user"
    case .tooManyOfUser(let limit, let what):
      "you have \(limit) \(what) already, which is the most for one user"
    case .tooMany(let limit): "there are \(limit) prefixes already, which is the most"
    }
  }
}
