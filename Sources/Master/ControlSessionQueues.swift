// What a session asks about queues: to accept from them, what they allow, how they are.

import Configuration
import Namespace
import Platform
import Worker

extension Master {
  private static let processesMax = 4096

  /// Requests of a session other than about prefixes.
  func serveQueueRequest(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    switch request.verb {
    case "attach": return try attach(request, client, peer)
    case "queue": try setQueue(request, client, peer)
    case "processes": try setProcesses(request, client)
    case "offline", "online": try setOffline(request, client)
    case "watch":
      guard request.arguments.isEmpty, request.flags.isEmpty else {
        throw SessionRefusal("usage: watch", code: 2)
      }
      namespace.sessions[client]?.watches = true
      control?.answer(client, .success(""))
      return tellDemands(client)
    case "statistics":
      let queue = try ownQueue(request, client, usage: "statistics NAME")
      return answer(client, .success(report(queue).json.text + "\n"))
    case "connect": return try connect(request, client)
    case "tell": try takeWord(request, client)
    default:
      throw SessionRefusal(
        "'\(request.verb)' is nothing a session can ask for; try "
          + Master.sessionVerbs.joined(separator: ", "), code: 2)
    }
    answer(client, .success(""))
  }

  private func answer(_ client: UInt64, _ answer: ControlAnswer) {
    control?.answer(client, answer)
  }

  /// `attach NAME [--processes=N]`, perhaps with the socket that an earlier master had lent.
  private func attach(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    let usage = "usage: attach NAME [--processes=N]"
    guard request.arguments.count == 1, request.flags.keys.allSatisfy({ $0 == "processes" })
    else { throw SessionRefusal(usage, code: 2) }
    let name = request.arguments[0]
    let count = try number(request, "processes", 0...Master.processesMax) ?? 1
    try checkLending(client)
    let own = QueueKey(user: peer.owner, name: name)
    let lent = control?.takeLent(client)
    let isForeign = control?.clients[client]?.hasSentForeign == true
    if lent != nil || isForeign, namespace.queues[own] == nil {
      do throws(SessionRefusal) {
        guard let lent, !isForeign else { throw Master.foreignSocket }
        try makeQueue(name, peer, adopting: lent)
      } catch {
        // Perhaps another user's queue is meant.
        if (try? findQueue(name, peer)) == nil { throw error }
      }
    }
    let queue = try findQueue(name, peer)
    join(queue.key, client, as: name)
    setProcesses(queue.key, client, count)
    control?.answer(client, .success(""), with: queue.listener)
  }

  /// `queue NAME [--length=N] …`
  private func setQueue(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    let known = [
      "length", "bytes", "age", "verbosity", "keepalive", "concurrency", "group", "delegators",
      "new",
    ]
    guard request.arguments.count == 1, request.flags.keys.allSatisfy(known.contains) else {
      throw SessionRefusal(
        "usage: queue NAME [--length=N] [--bytes=N] [--age=SECONDS]"
          + " [--verbosity=basic|limited|full] [--keepalive=on|off] [--concurrency=N]"
          + " [--group=NAME] [--delegators=USER,...] [--new]", code: 2)
    }
    let name = request.arguments[0]
    let own = QueueKey(user: peer.owner, name: name)
    guard request.flags["new"] == nil || namespace.queues[own] == nil else {
      throw SessionRefusal(
        "there is a queue '\(name)' already, whose processes would answer for this one's; name"
          + " another one, or this one, to share it")
    }
    var options = namespace.queues[own]?.options ?? QueueOptions()
    if let length = try number(request, "length", 0...1_000_000) { options.lengthMax = length }
    if let bytes = try number(request, "bytes", 0...1 << 40) { options.bytesMax = bytes }
    if let age = try number(request, "age", 1...86_400) {
      options.ageMilliseconds = Int64(age) * 1000
    }
    if let count = try number(request, "concurrency", 1...QueueBoard.creditsMax) {
      options.concurrency = count
    }
    if let word = request.flags["verbosity"] {
      guard let verbosity = QueueVerbosity(word: word) else {
        throw SessionRefusal("--verbosity is basic, limited or full, not '\(word)'", code: 2)
      }
      options.verbosity = verbosity
    }
    if let word = request.flags["keepalive"] {
      guard ["on", "off"].contains(word) else {
        throw SessionRefusal("--keepalive is on or off, not '\(word)'", code: 2)
      }
      options.keepsAlive = word == "on"
    }
    if let word = request.flags["delegators"] { options.delegators = try users(word) }
    let word = request.flags["group"] ?? ""
    let group = Privileges.group(word)
    guard word.isEmpty || group != nil else {
      throw SessionRefusal("there is no group '\(word)'", code: 2)
    }
    // One's own: others do not set it, also those who may accept.
    _ = try joinOwn(name, client, peer)
    namespace.queues[own]?.options = options
    if request.flags["group"] != nil { namespace.queues[own]?.group = group }
    namespace.keeping.changed.insert(own)
    tellBoard(own)
  }

  private func users(_ word: String) throws(SessionRefusal) -> [UInt32] {
    var users: [UInt32] = []
    for name in word.split(separator: ",") {
      guard let user = Privileges.user(String(name))?.user else {
        throw SessionRefusal("there is no user '\(name)'", code: 2)
      }
      users.append(user)
    }
    guard users.count <= QueueOptions.delegatorsMax else {
      throw SessionRefusal(
        "at most \(QueueOptions.delegatorsMax) users may delegate to a queue", code: 2)
    }
    return users
  }

  /// `processes NAME N`
  private func setProcesses(
    _ request: ControlRequest, _ client: UInt64
  ) throws(SessionRefusal) {
    let usage = "usage: processes NAME N"
    guard request.arguments.count == 2, request.flags.isEmpty else {
      throw SessionRefusal(usage, code: 2)
    }
    guard let count = Int(request.arguments[1]), (0...Master.processesMax).contains(count) else {
      throw SessionRefusal(
        "'\(request.arguments[1])' is no number from 0 to \(Master.processesMax)", code: 2)
    }
    setProcesses(try joined(request.arguments[0], client).key, client, count)
  }

  /// `offline NAME`, `online NAME`
  private func setOffline(
    _ request: ControlRequest, _ client: UInt64
  ) throws(SessionRefusal) {
    let key = try ownQueue(request, client, usage: "\(request.verb) NAME").key
    if request.verb == "offline" {
      namespace.queues[key]?.givenUp.insert(client)
    } else {
      namespace.queues[key]?.givenUp.remove(client)
    }
    tellBoard(key)
  }

  /// `connect NAME`: a connection to the application, as a worker would make one.
  private func connect(
    _ request: ControlRequest, _ client: UInt64
  ) throws(SessionRefusal) {
    let queue = try ownQueue(request, client, usage: "connect NAME")
    guard case .connected(let number) = Stream.connect(toUnix: Array(queue.path.utf8)) else {
      throw SessionRefusal("the application accepts nothing at the moment")
    }
    control?.answer(client, .success(""), with: Descriptor(adopting: number))
  }

  /// What was asked for before anybody watched.
  private func tellDemands(_ client: UInt64) {
    for (key, name) in namespace.sessions[client]?.queues ?? [:] {
      guard let queue = namespace.queues[key], queue.processCount == 0,
        queueBoard?.oldest(queue.reference.slot) != nil || UnixSocket.hasWaiting(queue.listener)
      else { continue }
      _ = control?.tell(client, event: "demand", queue: name)
    }
  }

  private func ownQueue(
    _ request: ControlRequest, _ client: UInt64, usage: String
  ) throws(SessionRefusal) -> QueueRecord {
    guard request.arguments.count == 1, request.flags.isEmpty else {
      throw SessionRefusal("usage: \(usage)", code: 2)
    }
    return try joined(request.arguments[0], client)
  }

  func joined(_ name: String, _ client: UInt64) throws(SessionRefusal) -> QueueRecord {
    let used = namespace.sessions[client]?.queues ?? [:]
    let owner = control?.clients[client]?.peer.owner ?? 0
    let own = used[QueueKey(user: owner, name: name)].map { _ in QueueKey(user: owner, name: name) }
    guard let key = own ?? used.first(where: { $0.value == name })?.key ?? queueKey(name),
      let queue = namespace.queues[key], queue.sessions[client] != nil
    else {
      throw SessionRefusal("this session does not use a queue '\(name)'; attach first")
    }
    return queue
  }

  private func number(
    _ request: ControlRequest, _ flag: String, _ range: ClosedRange<Int>
  ) throws(SessionRefusal) -> Int? {
    guard let word = request.flags[flag] else { return nil }
    guard let number = Int(word), range.contains(number) else {
      throw SessionRefusal(
        "--\(flag) is a number from \(range.lowerBound) to \(range.upperBound), not '\(word)'",
        code: 2)
    }
    return number
  }
}
