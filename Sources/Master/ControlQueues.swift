// What operators ask about request queues: how they are, and to take them out of service.

import Configuration
import Namespace
import Platform
import Worker

extension ControlCommand {
  /// The verbs about queues.
  static let queueTable: [ControlCommand] = [
    ControlCommand(
      verb: "queue show", usage: "[NAME] [--json]", arity: 0...1, flags: ["json"],
      help: "request queues: what waits, who accepts, what became of requests",
      details: """
        Of each: its state, its owner, how many processes accept and how many requests each works
        on at a time, how many are with them, how many wait and for how long, and how many were
        answered lately. Then counts since the queue began: refused and expired were answered with
        503, cancelled ones went away while they waited, retried ones were given to another process
        after one had broken off, failed ones got no whole answer of the application: it broke off
        and they could not be given to another, or what it said was no HTTP, or came too late.
        Whoever may not command the server sees his own. Each user has names of his own: USER/NAME
        is that user's.
        """,
      isOpenToAll: true,
      run: { master, request, client in .now(master.queueShowCommand(request, client)) }),
    ControlCommand(
      verb: "queue disable", usage: "NAME", arity: 1...1, flags: [],
      help: "refuse a queue's requests with 503 (Disabled), those that wait too",
      isOpenToAll: true,
      run: { master, request, client in .now(master.queueCommand(request, client, .disabled)) }),
    ControlCommand(
      verb: "queue drain", usage: "NAME", arity: 1...1, flags: [],
      help: "refuse new requests with 503 (Disabled); those that wait are still served",
      isOpenToAll: true,
      run: { master, request, client in .now(master.queueCommand(request, client, .draining)) }),
    ControlCommand(
      verb: "queue enable", usage: "NAME", arity: 1...1, flags: [],
      help: "take requests again",
      details: """
        What is said of a queue is kept: it holds after a restart too, and for the next queue of the
        same user and name, until somebody says otherwise; also of a queue that nobody has at the
        moment.
        """,
      isOpenToAll: true,
      run: { master, request, client in .now(master.queueCommand(request, client, .enabled)) }),
    recycleRow,
  ]
}

/// A queue as it is shown.
struct QueueReport {
  let name: String
  let user: String
  let state: QueueState
  /// Its application is about to come, or to come back; requests wait.
  var isAwaited = false
  let processes: Int
  let options: QueueOptions
  var active = 0
  var credits = 0
  var waiting = 0
  var waitingBytes = 0
  var oldestMilliseconds: Int64?
  var rate: Int64 = 0
  var counts: [(name: String, count: UInt64)] = []

  var json: JSON {
    JSON.object(
      [
        ("queue", .string(name)), ("user", .string(user)), ("state", .string("\(state)")),
        ("awaited", .bool(isAwaited)), ("processes", .number(Int64(processes))),
        ("concurrency", .number(Int64(options.concurrency))), ("credits", .number(Int64(credits))),
        ("active", .number(Int64(active))), ("waiting", .number(Int64(waiting))),
        ("oldestMilliseconds", oldestMilliseconds.map { .number($0) } ?? .null),
        ("waitingBytes", .number(Int64(waitingBytes))),
        ("lengthMax", .number(Int64(options.lengthMax))),
        ("bytesMax", .number(Int64(options.bytesMax))),
        ("ageSeconds", .number(options.ageMilliseconds / 1000)),
        ("verbosity", .string("\(options.verbosity)")), ("keepalive", .bool(options.keepsAlive)),
        ("requestsPerSecond", .number(rate)),
      ] + counts.map { ($0.name, .number(Int64(clamping: $0.count))) })
  }

  var text: String {
    let age = oldestMilliseconds.map { " (the oldest for \($0) ms)" } ?? ""
    let words = counts.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    return "\(name): \(state), of user \(user), \(isAwaited ? "awaited, " : "")\(processes)"
      + " \(processes == 1 ? "process" : "processes") of concurrency \(options.concurrency),"
      + " \(active) of \(credits) at work, \(waiting) of \(options.lengthMax) wait\(age),"
      + " \(rate) requests/s\n  \(words)\n"
  }
}

extension Master {
  func report(_ queue: QueueRecord) -> QueueReport {
    measured(
      QueueReport(
        name: queue.name, user: queue.userName, state: queue.state,
        processes: queue.processCount, options: queue.options, rate: queue.rate),
      queue.reference.slot)
  }

  private func report(_ queue: AwaitedQueue) -> QueueReport {
    measured(
      QueueReport(
        name: queue.name, user: queue.userName, state: queue.state, isAwaited: true, processes: 0,
        options: queue.options), queue.reference.slot)
  }

  private func measured(_ report: QueueReport, _ slot: Int) -> QueueReport {
    var report = report
    guard let board = queueBoard else { return report }
    report.active = board.active(slot)
    report.credits = board.credits(slot)
    let waiting = board.waiting(slot)
    report.waiting = waiting.count
    report.waitingBytes = waiting.bytes
    let oldest = board.oldestTicket(slot)
    if oldest != 0 {
      let now = UInt64(Clock.monotonicMicroseconds())
      report.oldestMilliseconds = now > oldest ? Int64(clamping: (now - oldest) / 1000) : 0
    }
    report.counts = QueueCounter.allCases.map { ($0.name, board.total($0, slot)) }
    return report
  }

  func queueShowCommand(_ request: ControlRequest, _ client: UInt64) -> ControlAnswer {
    guard let peer = control?.clients[client]?.peer else { return .failure("you are gone\n") }
    var shown: [(key: QueueKey, report: QueueReport)] =
      namespace.queues.values.map { ($0.key, report($0)) }
      + namespace.absentQueues.map { ($0.key, report($0)) }
    if !mayCommand(peer) { shown.removeAll { $0.key.user != peer.user } }
    if let name = request.arguments.first {
      let key = queueKey(name)
      shown.removeAll { $0.key.name != name && $0.key != key }
      guard !shown.isEmpty else { return .failure("there is no queue '\(name)'\n") }
    }
    let reports = shown.sorted { ($0.key.name, $0.key.user) < ($1.key.name, $1.key.user) }
      .map(\.report)
    if request.wantsJSON {
      return .success(JSON.object([("queues", .array(reports.map(\.json)))]).text + "\n")
    }
    return .success(
      reports.isEmpty ? "there are no queues\n" : reports.map(\.text).joined())
  }

  func queueCommand(
    _ request: ControlRequest, _ client: UInt64, _ order: QueueState
  ) -> ControlAnswer {
    switch queue(request, client) {
    case .failure(let refusal):
      // Not if it was not clear which one is meant.
      if refusal.code != 2, let answer = orderAbsent(request.arguments[0], client, order) {
        return answer
      }
      return .failure(refusal.message + "\n", code: refusal.code)
    case .success(let queue):
      let isOperators = control?.clients[client].map { mayCommand($0.peer) } ?? false
      guard isOperators || !queue.order.isOperators || queue.order.state == .enabled else {
        return .failure(
          "an administrator said that queue '\(queue.name)' is \(queue.order.state)\n", code: 77)
      }
      let fresh = QueueOrder(state: order, isOperators: isOperators)
      if let peer = control?.clients[client]?.peer,
        let refusal = keep(fresh, for: queue.key, peer)
      {
        return refusal
      }
      namespace.queues[queue.key]?.order = fresh
      tellBoard(queue.key)
      log.write(.notice, "queue '\(queue.name)' is \(order)")
      return .success("queue '\(queue.name)' is \(order)\n")
    }
  }

  /// The queue that is meant, if this client may say something about it.
  func queue(
    _ request: ControlRequest, _ client: UInt64
  ) -> Result<QueueRecord, SessionRefusal> {
    guard let peer = control?.clients[client]?.peer else {
      return .failure(SessionRefusal("you are gone"))
    }
    do throws(SessionRefusal) {
      let queue = try findQueue(request.arguments[0], peer)
      // Who may accept from it does not command it.
      guard queue.user == peer.owner || mayCommand(peer) else {
        throw SessionRefusal("queue '\(queue.name)' belongs to user \(queue.userName)", code: 77)
      }
      return .success(queue)
    } catch {
      return .failure(error)
    }
  }

  /// "USER/NAME"
  func queueKey(_ text: String) -> QueueKey? {
    guard let mark = text.firstIndex(of: "/"),
      let user = Privileges.user(String(text[..<mark]))?.user
    else { return nil }
    return QueueKey(user: user, name: String(text[text.index(after: mark)...]))
  }

  /// The queue of a name: one's own before those of others that one may use. "USER/NAME" is that
  /// user's.
  func findQueue(_ text: String, _ peer: PeerIdentity) throws(SessionRefusal) -> QueueRecord {
    if let own = namespace.queues[QueueKey(user: peer.owner, name: text)] { return own }
    let named = queueKey(text).map { namespace.queues[$0].map { [$0] } ?? [] }
    let found = named ?? namespace.queues.values.filter { $0.name == text }
    let usable = found.filter { queue in
      queue.user == peer.owner || mayCommand(peer) || queue.group.map(peer.isMember) == true
    }
    if usable.count > 1 {
      let names = usable.map { "\($0.userName)/\(text)" }.sorted().joined(separator: ", ")
      throw SessionRefusal("there are several queues '\(text)': say which of \(names)", code: 2)
    }
    if let queue = usable.first { return queue }
    throw SessionRefusal("there is no queue '\(text)' of yours; register a prefix for it first")
  }
}
