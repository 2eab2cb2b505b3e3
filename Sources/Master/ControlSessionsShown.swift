// Sessions of applications as an operator sees them, and how he ends one; and what a client may
// leave undone in one.

import Configuration
import Namespace
import Platform
import Worker

extension ControlCommand {
  /// The verbs about sessions of others.
  static let sessionTable: [ControlCommand] = [
    ControlCommand(
      verb: "session show", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "applications that are connected: process, user, queues, registrations, since when",
      run: { master, request, _ in .now(master.sessionsCommand(request)) }),
    ControlCommand(
      verb: "session end", usage: "PID|USER|#NUMBER", arity: 1...1, flags: [],
      help: "end the sessions of a process or of a user, and what they have registered",
      details: """
        A user is given by name, or by number with '#' in front. What the sessions have registered
        is free, or the site's again. The programs run on, and may connect again.
        """,
      run: { master, request, _ in .now(master.endSessionsCommand(request)) }),
  ]
}

extension Master {
  private var sortedSessions: [(client: UInt64, peer: PeerIdentity, session: NamespaceSession)] {
    namespace.sessions.sorted { $0.key < $1.key }.compactMap { client, session in
      control?.clients[client].map { (client, $0.peer, session) }
    }
  }

  fileprivate func sessionsCommand(_ request: ControlRequest) -> ControlAnswer {
    namespace.names.begin()
    let now = Clock.monotonicMilliseconds()
    var lines: [String] = []
    var list: [JSON] = []
    for (client, peer, session) in sortedSessions {
      let user = namespace.names.user(peer.owner)
      let queues = session.queues.values.sorted()
      let count = namespace.book.registrations(of: client).count
      let age = (now - session.since) / 1000
      list.append(
        .object([
          ("pid", .number(Int64(peer.process))), ("user", .string(user)),
          ("queues", .strings(queues)), ("registrations", .number(Int64(count))),
          ("sinceSeconds", .number(Clock.realSeconds() - age)), ("ageSeconds", .number(age)),
        ]))
      lines.append(
        "pid \(peer.process), user \(user), for \(age) s: \(count)"
          + (count == 1 ? " registration" : " registrations")
          + (queues.isEmpty
            ? ", no queue" : ", queue " + queues.map { "'\($0)'" }.joined(separator: ", ")) + "\n")
    }
    if request.wantsJSON {
      return .success(JSON.object([("sessions", .array(list))]).text + "\n")
    }
    return .success(lines.isEmpty ? "no application is connected\n" : lines.joined())
  }

  fileprivate func endSessionsCommand(_ request: ControlRequest) -> ControlAnswer {
    let text = request.arguments[0]
    let ended: [(client: UInt64, peer: PeerIdentity, session: NamespaceSession)]
    if let process = Int32(text) {
      ended = sortedSessions.filter { $0.peer.process == process }
    } else if let user = Privileges.user(text)?.user {
      ended = sortedSessions.filter { $0.peer.user == user || $0.peer.owner == user }
    } else {
      return .failure("'\(text)' is neither the number of a process nor a user\n", code: 2)
    }
    guard !ended.isEmpty else { return .failure("'\(text)' has no session\n") }
    for (client, peer, _) in ended {
      log.write(
        .notice, "the session of \(words(for: peer)) is ended by an operator")
      control?.close(client)
    }
    endSessions()
    namespace.book.changes.hurry()
    return .success("\(ended.count) \(ended.count == 1 ? "session" : "sessions") ended\n")
  }

  /// Whether a session may be sent one more descriptor: those that nobody takes out of a socket are
  /// open files of this process all the same, of which the kernel allows so many.
  func checkLending(_ client: UInt64) throws(SessionRefusal) {
    guard control?.mayLend(client) == false else { return }
    throw SessionRefusal(
      "\(Limits.lentDescriptors) sockets were sent and not taken yet; read the answers first")
  }
}

extension ControlServer {
  /// Counts what was lent since the client had read everything.
  func mayLend(_ serial: UInt64) -> Bool {
    guard let client = clients[serial] else { return false }
    if UnixSocket.unreadBytes(client.descriptor) == 0 { clients[serial]?.lentCount = 0 }
    return clients[serial]?.lentCount ?? 0 < Limits.lentDescriptors
  }

  /// A line that has begun must end in time: called when all whole lines have been served, or may
  /// not be yet.
  func noteLine(_ serial: UInt64) {
    guard let client = clients[serial] else { return }
    let isPart = !client.input.isEmpty && !client.input.contains(UInt8(ascii: "\n"))
    guard isPart else {
      clients[serial]?.lineDeadline = nil
      return
    }
    if client.lineDeadline == nil {
      clients[serial]?.lineDeadline = Clock.monotonicMilliseconds() + Limits.controlMilliseconds
    }
  }
}
