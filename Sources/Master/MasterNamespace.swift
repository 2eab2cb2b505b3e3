// Who owns which URLs, as the master keeps it: what the configuration says, what was kept, and what
// is asked for over the control socket.

import Configuration
import Namespace
import Platform
import Programs
import Worker

/// The namespace of one server.
struct NamespaceSeat {
  var book = NamespaceBook()
  /// By their clients' serial numbers.
  var sessions: [UInt64: NamespaceSession] = [:]
  var queues: [QueueKey: QueueRecord] = [:]
  /// Clients of `recycle --wait`.
  var recycleWaiters: [UInt64: RecycleWaiter] = [:]
  /// Workers are to be told.
  var hasChanged = false
  /// Places whose sockets applications have kept from an earlier master; nil: not looked yet.
  var keptSlots: Set<Int>?
  /// What was said of queues that are not simply to take requests; also of those that have ended:
  /// it holds for the next one of the same user and name.
  var queueOrders: [QueueKey: QueueOrder] = [:]
  /// See NamespaceAwaited; and whether it was looked for them.
  var awaited: [QueueKey: AwaitedQueue] = [:]
  var hasAwaited = false
  var keeping = QueueKeeping()
  /// Of the queue that was made last.
  var lastSerial: UInt64 = 0
  /// When to look again, in monotonic microseconds.
  var publishAt: Int64 = 0
  var publishing = NamespacePublishing()
  /// By their clients: see NamespaceTelling.
  var untold: [UInt64: UntoldAnswer] = [:]
  var cacheOrders = CacheOrders()
  var names = UserNames()
  /// Directories that no other server may use meanwhile: see NamespaceDirectories.
  var locks: [String: LockedFile] = [:]
  /// Of changes to the file of reservations.
  var writePaces = UserPaces(freeCount: 20, pauseMicroseconds: 0)
  /// Of what they were told last.
  var generation: UInt64 = 0
  /// Made for a question, and good for as long as nothing changes.
  var asked: (revision: UInt64, snapshot: NamespaceSnapshot)?
  /// What they were told last; nil: nothing yet.
  var snapshot: Descriptor?
  /// nil before the first configuration.
  fileprivate(set) var file: String?
  /// Why the file could not be read: then it is not written over either.
  fileprivate(set) var fileProblem: String?
  /// The same of what was said of queues.
  var ordersProblem: String?
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
    // What an application is to have is nobody else's before it starts, or between two of it.
    for text in model.server.applications.flatMap(\.settings.prefixes) {
      guard let prefix = try? UrlPrefix(text),
        !reservations.contains(where: { $0.prefix == prefix })
      else { continue }
      reservations.append(Reservation(prefix, []))
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
    return readReservations(file) + readQueueOrders()
  }

  private func readReservations(_ file: String) -> [String] {
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
      let (problem, failure) = putAside(file, "the reservations in '\(file)'", error)
      namespace.fileProblem = failure
      return [problem]
    }
  }

  /// Nothing of a damaged file is used. What there is to tell, and why it is still there.
  func putAside(
    _ file: String, _ what: String, _ damage: SealedLines.Damage
  ) -> (problem: String, failure: String?) {
    let problem = "\(what) are damaged: \(damage.message)"
    do {
      let name = try DurableFile.setAside(file, seconds: Clock.realSeconds())
      return ("\(problem); none of them is used, the file is '\(name)' now", nil)
    } catch {
      return (
        "\(problem); none of them is used, and it cannot be put aside: \(error)", "\(error)"
      )
    }
  }

  /// Takes the reservations of a configuration in the place of the last one's.
  func configureNamespace(_ model: Model) {
    // Two addresses may speak different ones on the same port.
    var schemes: [UInt16: Set<UrlPrefix.Scheme>] = [:]
    for listen in model.listens {
      let isEncrypted = model.isEncrypted(local: listen.address)
      schemes[listen.address.port, default: []].insert(isEncrypted ? .https : .http)
    }
    namespace.book.configure(ReservationNames(model).reservations, listens: schemes)
    awaitConfigured(model)
    namespace.hasChanged = true
    // Before a generation begins with it.
    namespace.publishing.restsUntil = 0
    publishNamespace()
  }

  /// Changes what was added, and keeps it: either both or nothing.
  private func change(
    _ peer: PeerIdentity, _ body: (inout NamespaceBook) throws(NamespaceRefusal) -> Void
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
    if let refusal = writeRefusal(peer, "reservations") { return refusal }
    let text = ReservationFile.text(book.added.values)
    guard text.count <= Self.reservationBytesMax else {
      return .failure("there are too many reservations already, nothing has changed\n")
    }
    if let refusal = keep(text, in: file, "the reservations") { return refusal }
    namespace.book = book
    namespace.hasChanged = true
    return nil
  }

  /// Forces a file of the state directory to the disk. nil: it is there.
  func keep(_ bytes: [UInt8], in file: String, _ what: String) -> ControlAnswer? {
    do throws(Refusal) {
      if let directory = keptDirectory {
        try? DurableFile.makeDirectory(directory, mode: 0o700)
        try lockDirectory(directory, "StateDirectory")
      }
    } catch {
      return .failure("\(error), nothing has changed\n")
    }
    do throws(SystemError) {
      try DurableFile.replace(file, with: bytes)
      return nil
    } catch {
      return .failure("\(what) cannot be kept, nothing has changed: \(error)\n")
    }
  }

  /// Each change is forced to the disk, during which the master does nothing else: who is no
  /// administrator gets a few at once, then one a second. nil: he may.
  func writeRefusal(_ peer: PeerIdentity, _ what: String) -> ControlAnswer? {
    if mayCommand(peer) { return nil }
    let now = Clock.monotonicMicroseconds()
    guard namespace.writePaces.nextAt(peer.user) <= now else {
      return .failure(
        "\(words(forUser: peer.user)) has changed many \(what) just now; try again in a second\n")
    }
    namespace.writePaces.count(peer.user, now: now)
    return nil
  }

  // MARK: Commands

  /// Who asks.
  func principal(_ peer: PeerIdentity) -> Principal {
    Principal(
      user: peer.owner, groups: Set([peer.group] + peer.supplementaryGroups),
      isAdministrator: mayCommand(peer))
  }

  func reserveCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard let peer = control?.clients[client]?.peer else { return .later }
    do {
      let prefix = try UrlPrefix.read(request.arguments[0])
      let reservation = Reservation(prefix, try grants(request))
      let failure = change(peer) { (book) throws(NamespaceRefusal) in
        try book.reserve(
          reservation, by: principal(peer), replaces: request.flags["replace"] != nil)
      }
      if let failure { return .now(failure) }
      log.write(.notice, "\(words(forUser: peer.user)) reserved '\(prefix)'")
      var answer = answer([reservation], request, "reserved ")
      answer.error = notes(on: [prefix]) + text(ofWarnings: warnings(on: reservation))
      answerWhenTold(client, answer)
      return .later
    } catch {
      return .now(.failure("\(error)\n", code: 2))
    }
  }

  func releaseCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard let peer = control?.clients[client]?.peer else { return .later }
    do {
      let prefix = try UrlPrefix.read(request.arguments[0])
      let failure = change(peer) { (book) throws(NamespaceRefusal) in
        try book.release(prefix, by: principal(peer))
      }
      if let failure { return .now(failure) }
      log.write(.notice, "\(words(forUser: peer.user)) deleted the reservation of '\(prefix)'")
      var answer: ControlAnswer =
        request.wantsJSON
        ? .success(JSON.object([("prefix", .string("\(prefix)"))]).text + "\n")
        : .success("'\(prefix)' is not reserved any more\n")
      answer.error = text(
        ofWarnings: registrationsGoingOn(in: namespace.book, below: prefix))
      answerWhenTold(client, answer)
      return .later
    } catch {
      return .now(.failure("\(error)\n", code: 2))
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
    if request.flags["handoff"] != nil { rights.insert(.handOff) }
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
    namespace.names.begin()
    if request.wantsJSON {
      let list = reservations.map {
        json($0, isConfigured: book.configured[$0.prefix] != nil)
      }
      return .success(JSON.object([("reservations", .array(list))]).text + "\n")
    }
    let lines = reservations.map { reservation in
      let origin = book.configured[reservation.prefix] != nil ? " (configuration)" : ""
      return "\(start)\(reservation.prefix)\(words(of: reservation))\(origin)\n"
    }
    return .success(lines.joined())
  }

  private func holderName(_ grant: NamespaceGrant) -> (kind: String, name: String) {
    switch grant.holder {
    case .user(let user): ("user", namespace.names.user(user))
    case .group(let group): ("group", namespace.names.group(group))
    }
  }

  private func words(of reservation: Reservation) -> String {
    if reservation.grants.isEmpty { return " for administrators" }
    return reservation.grants.map { grant in
      let (kind, name) = holderName(grant)
      return " \(kind)=\(name):\(grant.rights.words.joined(separator: ","))"
    }.joined()
  }

  private func json(_ reservation: Reservation, isConfigured: Bool) -> JSON {
    JSON.object([
      ("prefix", .string("\(reservation.prefix)")), ("configured", .bool(isConfigured)),
      (
        "grants",
        .array(
          reservation.grants.map { grant in
            let (kind, name) = holderName(grant)
            return .object([(kind, .string(name)), ("rights", .strings(grant.rights.words))])
          })
      ),
    ])
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
    case .mayNotListen, .mayNotDelegate, .mayNotHandOff, .handOffNotGiven, .implicitlyReserved: 77
    default: 1
    }
  }
}
