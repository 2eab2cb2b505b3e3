// Who owns which URLs, as the master keeps it: what the configuration says, what was kept, and what
// is asked for over the control socket.

import Configuration
import Namespace
import Platform
import Worker

/// The namespace of one server.
struct NamespaceSeat {
  var book = NamespaceBook()
  /// By their clients' serial numbers.
  var sessions: [UInt64: NamespaceSession] = [:]
  var queues: [String: QueueRecord] = [:]
  /// Oldest first.
  var resting: [RestingSlot] = []
  /// Workers are to be told.
  var hasChanged = false
  /// Slots whose sockets an earlier master left rest.
  var knowsSlots = false
  /// Not before then, in monotonic microseconds.
  var publishAt: Int64 = 0
  /// Of what they were told last.
  var generation: UInt64 = 0
  /// What they were told last; nil: nothing yet.
  var snapshot: Descriptor?
  /// nil before the first configuration.
  fileprivate(set) var file: String?
  /// Why the file could not be read: then it is not written over either.
  fileprivate(set) var fileProblem: String?
}

/// The reservations of a configuration, with numbers in the place of names.
struct ReservationNames {
  private(set) var reservations: [Reservation] = []
  private(set) var diagnostics: [Diagnostic] = []

  init(_ model: Model) {
    for rule in model.server.urlReservations {
      var grants: [NamespaceGrant] = []
      for word in rule.users {
        if let user = Privileges.user(word.text)?.user {
          grants.append(NamespaceGrant(.user(user), rule.rights))
        } else {
          diagnostics.append(.error("there is no user '\(word.text)'", at: word.word))
        }
      }
      for word in rule.groups {
        if let group = Privileges.group(word.text) {
          grants.append(NamespaceGrant(.group(group), rule.rights))
        } else {
          diagnostics.append(.error("there is no group '\(word.text)'", at: word.word))
        }
      }
      reservations.append(Reservation(rule.prefix, grants))
    }
  }
}

extension Master {
  private static let reservationBytesMax = 64 << 20
  private static let grantsMax = 64

  /// The newest configuration that was accepted: of the generation that serves, or before that of
  /// the one that is about to.
  var newestModel: Model? {
    currentModel ?? generations.max { $0.key < $1.key }?.value.model
  }

  /// Reads the reservations that were kept, once. Returns what there is to tell.
  func openNamespace(_ model: Model) -> [String] {
    guard namespace.file == nil else { return [] }
    let file = "\(model.server.stateDirectory)/reservations"
    namespace.file = file
    let bytes: [UInt8]
    do {
      guard let found = try DurableFile.read(file, byteCountMax: Self.reservationBytesMax) else {
        return []
      }
      bytes = found
    } catch {
      namespace.fileProblem = "\(error)"
      return ["cannot read the reservations: \(error); those that were added are not known"]
    }
    do throws(ReservationFile.Damage) {
      namespace.book.restore(try ReservationFile.parse(bytes))
      return []
    } catch {
      return [putAside(file, error)]
    }
  }

  private func putAside(_ file: String, _ damage: ReservationFile.Damage) -> String {
    let problem = "the reservations in '\(file)' are damaged: \(damage.message)"
    do {
      let name = try DurableFile.setAside(file, seconds: Clock.realSeconds())
      return "\(problem); none of them is used, the file is '\(name)' now"
    } catch {
      namespace.fileProblem = "\(error)"
      return "\(problem); none of them is used, and it cannot be put aside: \(error)"
    }
  }

  /// Takes the reservations of a configuration in the place of the last one's.
  func configureNamespace(_ model: Model) {
    var schemes: [UInt16: UrlPrefix.Scheme] = [:]
    for listen in model.listens {
      let isEncrypted = model.isEncrypted(local: listen.address)
      schemes[listen.address.port] = isEncrypted ? .https : .http
    }
    namespace.book.configure(ReservationNames(model).reservations, listens: schemes)
    namespace.hasChanged = true
    // Before a generation begins with it.
    namespace.publishAt = 0
    publishNamespace()
  }

  /// Changes what was added, and keeps it: either both or nothing.
  private func change(
    _ body: (inout NamespaceBook) throws(NamespaceRefusal) -> Void
  ) -> ControlAnswer? {
    guard let file = namespace.file, namespace.fileProblem == nil else {
      return .failure("the reservations cannot be kept: \(namespace.fileProblem ?? "")\n")
    }
    var book = namespace.book
    do throws(NamespaceRefusal) {
      try body(&book)
    } catch {
      return .failure("\(error)\n", code: error.exitCode)
    }
    let text = ReservationFile.text(book.added.values)
    guard text.count <= Self.reservationBytesMax else {
      return .failure("there are too many reservations already, nothing has changed\n")
    }
    do throws(SystemError) {
      try DurableFile.replace(file, with: text)
    } catch {
      return .failure("the reservations cannot be kept, nothing has changed: \(error)\n")
    }
    namespace.book = book
    namespace.hasChanged = true
    return nil
  }

  // MARK: Commands

  /// Who asks.
  func principal(_ peer: PeerIdentity) -> Principal {
    Principal(
      user: peer.user, groups: Set([peer.group] + peer.supplementaryGroups),
      isAdministrator: mayCommand(peer))
  }

  func reserveCommand(_ request: ControlRequest, _ client: UInt64) -> ControlAnswer {
    guard let peer = control?.clients[client]?.peer else { return .failure("you are gone\n") }
    do {
      let prefix = try UrlPrefix.read(request.arguments[0])
      let reservation = Reservation(prefix, try grants(request))
      let failure = change { (book) throws(NamespaceRefusal) in
        try book.reserve(
          reservation, by: principal(peer), replaces: request.flags["replace"] != nil)
      }
      if let failure { return failure }
      log.write(.notice, "user \(peer.user) reserved '\(prefix)'")
      return answer([reservation], request, "reserved ")
    } catch {
      return .failure("\(error)\n", code: 2)
    }
  }

  func releaseCommand(_ request: ControlRequest, _ client: UInt64) -> ControlAnswer {
    guard let peer = control?.clients[client]?.peer else { return .failure("you are gone\n") }
    do {
      let prefix = try UrlPrefix.read(request.arguments[0])
      let failure = change { (book) throws(NamespaceRefusal) in
        try book.release(prefix, by: principal(peer))
      }
      if let failure { return failure }
      log.write(.notice, "user \(peer.user) deleted the reservation of '\(prefix)'")
      return request.wantsJSON
        ? .success(JSON.object([("prefix", .string("\(prefix)"))]).text + "\n")
        : .success("'\(prefix)' is not reserved any more\n")
    } catch {
      return .failure("\(error)\n", code: 2)
    }
  }

  func reservationsCommand(_ request: ControlRequest) -> ControlAnswer {
    let book = namespace.book
    let shown =
      Array(book.configured.values)
      + book.added.values.filter { book.configured[$0.prefix] == nil }
    let sorted = shown.sorted { $0.prefix.description < $1.prefix.description }
    if sorted.isEmpty && !request.wantsJSON { return .success("nothing is reserved\n") }
    return answer(sorted, request, "")
  }

  private func grants(_ request: ControlRequest) throws(Refusal) -> [NamespaceGrant] {
    var rights: NamespaceRights = []
    if request.flags["listen"] != nil { rights.insert(.listen) }
    if request.flags["delegate"] != nil { rights.insert(.delegate) }
    if rights.isEmpty { rights = .listen }
    var grants: [NamespaceGrant] = []
    // Each name is looked up, and all are kept.
    guard request.values(of: "user").count + request.values(of: "group").count <= Self.grantsMax
    else { throw Refusal("at most \(Self.grantsMax) users and groups; use a group") }
    for name in request.values(of: "user") {
      guard let user = Privileges.user(name)?.user else {
        throw Refusal("there is no user '\(name)'")
      }
      grants.append(NamespaceGrant(.user(user), rights))
    }
    for name in request.values(of: "group") {
      guard let group = Privileges.group(name) else {
        throw Refusal("there is no group '\(name)'")
      }
      grants.append(NamespaceGrant(.group(group), rights))
    }
    return grants
  }

  private func answer(
    _ reservations: [Reservation], _ request: ControlRequest, _ start: String
  ) -> ControlAnswer {
    let book = namespace.book
    if request.wantsJSON {
      let list = reservations.map { $0.json(isConfigured: book.configured[$0.prefix] != nil) }
      return .success(JSON.object([("reservations", .array(list))]).text + "\n")
    }
    let lines = reservations.map { reservation in
      let origin = book.configured[reservation.prefix] != nil ? " (configuration)" : ""
      return "\(start)\(reservation.prefix)\(reservation.words)\(origin)\n"
    }
    return .success(lines.joined())
  }
}

extension UrlPrefix {
  /// As `init`, with the text in the message.
  fileprivate static func read(_ text: String) throws(Refusal) -> UrlPrefix {
    do throws(UrlPrefixError) {
      return try UrlPrefix(text)
    } catch {
      throw Refusal("'\(text)': \(error)")
    }
  }
}

extension NamespaceRefusal {
  /// As sysexits.h has it: 77 is what one may not do.
  var exitCode: Int32 {
    switch self {
    case .mayNotListen, .mayNotDelegate, .implicitlyReserved: 77
    default: 1
    }
  }
}

extension NamespaceGrant {
  fileprivate var holderName: (kind: String, name: String) {
    switch holder {
    case .user(let user): ("user", Privileges.name(ofUser: user))
    case .group(let group): ("group", Privileges.name(ofGroup: group))
    }
  }
}

extension Reservation {
  fileprivate var words: String {
    if grants.isEmpty { return " for administrators" }
    return grants.map { grant in
      let (kind, name) = grant.holderName
      return " \(kind)=\(name):\(grant.rights.words.joined(separator: ","))"
    }.joined()
  }

  fileprivate func json(isConfigured: Bool) -> JSON {
    JSON.object([
      ("prefix", .string("\(prefix)")), ("configured", .bool(isConfigured)),
      (
        "grants",
        .array(
          grants.map { grant in
            let (kind, name) = grant.holderName
            return .object([(kind, .string(name)), ("rights", .strings(grant.rights.words))])
          })
      ),
    ])
  }
}

extension ControlCommand {
  /// The verbs about reservations.
  static let reservationTable: [ControlCommand] = [
    ControlCommand(
      verb: "reserve add",
      usage:
        "PREFIX [--user NAME]... [--group NAME]... [--listen] [--delegate] [--replace] [--json]",
      arity: 1...1, flags: ["user", "group", "listen", "delegate", "replace", "json"],
      help: "set a subtree of URLs aside for users and groups",
      details: """
        PREFIX is http://HOST:PORT/PATH/, as of UrlReservation in ring3.conf(5). Those who are named
        may register it and what lies below (--listen, the default), or reserve what lies below for
        others (--delegate). It holds at once, and after a restart. Root and the server's user may
        reserve everything, others what lies below a reservation that lets them delegate.
        """,
      isOpenToAll: true,
      run: { master, request, client in .now(master.reserveCommand(request, client)) }),
    ControlCommand(
      verb: "reserve delete", usage: "PREFIX [--json]", arity: 1...1, flags: ["json"],
      help: "take a reservation back",
      details: "Who may reserve a prefix may do this too. The configuration's are changed there.",
      isOpenToAll: true,
      run: { master, request, client in .now(master.releaseCommand(request, client)) }),
    ControlCommand(
      verb: "reserve show", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "all reservations: prefix, users, groups, rights", isOpenToAll: true,
      run: { master, request, _ in .now(master.reservationsCommand(request)) }),
  ]
}
