// What `ring3ctl` can ask for: one table row per verb, and what each does.

import Cache
import Configuration
import Namespace
import Platform
import Worker

/// What a command's function gives back.
enum CommandOutcome {
  case now(ControlAnswer)
  /// Answered when it is done: a reload, a stop.
  case later
}

/// One verb.
struct ControlCommand: Sendable {
  let verb: String
  /// Arguments and flags, as help shows them.
  let usage: String
  /// How many arguments.
  let arity: ClosedRange<Int>
  /// Flags it knows, without "--".
  let flags: Set<String>
  let help: String
  /// More, for `--help`.
  var details = ""
  /// Whoever can connect may ask: what he may do is decided by what he asks for.
  var isOpenToAll = false
  let run: @Sendable (Master, ControlRequest, UInt64) -> CommandOutcome

  /// All verbs, in the order in which help shows them.
  static let table: [ControlCommand] =
    [
      ControlCommand(
        verb: "reload", usage: "[--dry-run] [--json]", arity: 0...0, flags: ["dry-run", "json"],
        help: "read the configuration again; waits until it serves",
        run: { $0.reloadCommand($1, $2) }),
      ControlCommand(
        verb: "status", usage: "[--json]", arity: 0...0, flags: ["json"],
        help: "generations, workers, cache and counters",
        run: { master, request, _ in .now(master.statusCommand(request)) }),
      ControlCommand(
        verb: "stop", usage: "[--graceful]", arity: 0...0, flags: ["graceful"],
        help: "end the server; waits until it has ended",
        run: { $0.stopCommand($1, $2) }),
      ControlCommand(
        verb: "check", usage: "[--json]", arity: 0...0, flags: ["json"],
        help: "check the configuration file that is on disk now",
        run: { master, request, _ in .now(master.checkCommand(request)) }),
      ControlCommand(
        verb: "vhosts", usage: "[--json]", arity: 0...0, flags: ["json"],
        help: "addresses and their virtual hosts, and those that can never be reached",
        run: { master, request, _ in .now(master.virtualHostsCommand(request)) }),
      ControlCommand(
        verb: "explain", usage: "URL [--address A] [--json]", arity: 1...1,
        flags: ["address", "json"], help: "why a URL leads where it leads",
        details: "Whoever may not command the server may ask for URLs of his own prefixes.",
        isOpenToAll: true,
        run: { master, request, client in .now(master.explainCommand(request, client)) }),
      ControlCommand(
        verb: "certificates", usage: "[--json]", arity: 0...0, flags: ["json"],
        help: "certificates, whose they are and how long they are valid",
        run: { master, request, _ in .now(master.certificatesCommand(request)) }),
    ] + cacheTable + proxyTable + namespaceTable + sessionTable + reservationTable
    + queueTable + [
      ControlCommand(
        verb: "reopen-logs", usage: "", arity: 0...0, flags: [],
        help: "open all log files anew, after they were moved away",
        run: { master, _, _ in .now(master.reopenLogsCommand()) }),
      ControlCommand(
        verb: "upgrade", usage: "", arity: 0...0, flags: [],
        help: "replace the running binary by the one on disk, keeping listeners and cache",
        run: { $0.upgradeCommand($1, $2) }),
      ControlCommand(
        verb: "help", usage: "", arity: 0...0, flags: [], help: "this list",
        run: { _, _, _ in .now(.success(ControlCommand.helpText)) }),
    ]

  static var helpText: String {
    let names = table.map { $0.usage.isEmpty ? $0.verb : "\($0.verb) \($0.usage)" }
    let width = names.map { $0.utf8.count }.max() ?? 0
    return zip(names, table).map { name, command in
      name + String(repeating: " ", count: width - name.utf8.count + 2) + command.help + "\n"
    }.joined()
  }

  /// What `--help` says of one verb.
  var manual: String {
    "usage: \(verb) \(usage)\n\n\(help)\n" + (details.isEmpty ? "" : "\n\(details)\n")
  }

  /// The row of a request, or what is wrong with the request.
  static func find(_ request: ControlRequest) -> Result<ControlCommand, Refusal> {
    guard let command = table.first(where: { $0.verb == request.verb }) else {
      if ControlRequest.groups.contains(request.verb) {
        let rows = table.filter { $0.verb.hasPrefix(request.verb + " ") }
        let lines = rows.map { "\($0.verb) \($0.usage)" }
        return .failure(Refusal("usage: " + lines.joined(separator: "\n       ")))
      }
      return .failure(Refusal("unknown command '\(request.verb)'; try 'help'"))
    }
    if request.flags["help"] != nil { return .success(command) }
    if let flag = request.flags.keys.sorted().first(where: { !command.flags.contains($0) }) {
      return .failure(Refusal("'\(command.verb)' has no option '--\(flag)'"))
    }
    for (flag, value) in request.flags.sorted(by: { $0.key < $1.key }) {
      if ControlRequest.flagsWithValue.contains(flag) {
        if value.isEmpty { return .failure(Refusal("'--\(flag)' wants a value")) }
      } else if !value.isEmpty {
        return .failure(Refusal("'--\(flag)' takes no value"))
      }
      if request.repeated[flag] != nil && !["tag", "user", "group"].contains(flag) {
        return .failure(Refusal("'--\(flag)' may be given once"))
      }
    }
    guard command.arity.contains(request.arguments.count) else {
      return .failure(Refusal("usage: \(command.verb) \(command.usage)"))
    }
    return .success(command)
  }
}

extension Master {
  func acceptClients() {
    control?.accept(now: Clock.monotonicMilliseconds()) { !mayCommand($0) }
  }

  func serveClient(_ serial: UInt64) {
    guard let request = control?.advance(serial), let peer = control?.clients[serial]?.peer else {
      if control?.clients[serial] == nil { forgetClient(serial) }
      if namespace.sessions[serial] != nil { serveSession(serial) }
      return
    }
    let command = ControlCommand.find(request)
    guard mayCommand(peer) || (try? command.get())?.isOpenToAll == true && !isWorker(peer)
    else {
      log.write(
        .warn, "control socket: \(words(for: peer)) may not command us")
      control?.answer(
        serial,
        .failure(
          "\(words(forUser: peer.user)) may not command this server: only root, the user it runs as"
            + " and the owner and group of ControlSocket may\n", code: 77))
      return
    }
    switch command {
    case .failure(let refusal): control?.answer(serial, .failure("\(refusal)\n", code: 2))
    case .success(let command):
      guard request.flags["help"] == nil else {
        control?.answer(serial, .success(command.manual))
        return
      }
      if case .now(let answer) = command.run(self, request, serial) {
        control?.answer(serial, answer)
      }
    }
  }

  func expireClients(_ now: Int64) { control?.expire(now: now) }

  private func forgetClient(_ serial: UInt64) {
    reload.forget(.client(serial))
    jobs[serial] = nil
    namespace.recycleWaiters[serial] = nil
    stopWaiters.removeAll { $0 == serial }
  }

  /// A worker that was taken over may be able to connect: whoever it runs as, it never commands,
  /// also not when it has ended before its words are read.
  private func isWorker(_ peer: PeerIdentity) -> Bool {
    workers.values.contains { $0.process == peer.process }
      || endedWorkers.contains {
        $0.process == peer.process && $0.until > Clock.monotonicMilliseconds()
      }
  }

  /// What a worker has said just before its end is still a worker's word.
  func noteEnded(_ process: Int32) {
    let now = Clock.monotonicMilliseconds()
    endedWorkers.removeAll { $0.until <= now }
    if process > 0 { endedWorkers.append((process, now + Limits.controlMilliseconds * 2)) }
  }

  /// Root, who runs the server, and the configured owner and group.
  func mayCommand(_ peer: PeerIdentity) -> Bool {
    if isWorker(peer) { return false }
    if peer.user == 0 || peer.user == Privileges.effectiveUser { return true }
    guard let server = currentModel?.server else { return false }
    if let owner = server.controlSocketOwner, Privileges.user(owner)?.user == peer.user {
      return true
    }
    guard let group = server.controlSocketGroup.flatMap(Privileges.group) else { return false }
    return peer.isMember(of: group)
  }

  // MARK: Verbs

  fileprivate func reloadCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard request.flags["dry-run"] != nil else {
      self.request(reloadFor: .client(client))
      return .later
    }
    let result = PreparedConfiguration(rooms.load(arguments))
    let diagnostics = result.diagnostics.map { $0.rendered }
    guard let model = result.model else { return .now(refused(diagnostics, request)) }
    let difference = currentModel.map { ModelDifference(from: $0, to: model) }
    if request.wantsJSON {
      let members: [(name: String, value: JSON)] =
        [("dryRun", .bool(true)), ("accepted", .bool(true))] + differenceMembers(difference)
        + [("diagnostics", .strings(diagnostics))]
      return .now(.success(JSON.object(members).text + "\n"))
    }
    let text = difference?.text ?? "what is serving now is not known to this binary\n"
    return .now(
      ControlAnswer(output: "would reload, nothing has changed\n" + text, error: lines(diagnostics))
    )
  }

  /// Tells a requester how its reload ended.
  func answer(_ requester: Requester, _ outcome: ReloadOutcome) {
    guard case .client(let serial) = requester, let client = control?.clients[serial] else {
      return
    }
    let request = client.request ?? ControlRequest(verb: "reload")
    switch outcome {
    case .refused(let reason):
      control?.answer(serial, refused(reason.split(separator: "\n").map(String.init), request))
    case .serves(let number): control?.answer(serial, reloaded(number, request))
    }
  }

  private func reloaded(_ number: UInt32, _ request: ControlRequest) -> ControlAnswer {
    guard let record = generations[number],
      let generation = supervisor.generations.first(where: { $0.number == number })
    else { return .failure("generation \(number) is gone already\n") }
    let took = (record.openedAt ?? record.startedAt) - record.startedAt
    if request.wantsJSON {
      let members: [(name: String, value: JSON)] =
        [
          ("accepted", .bool(true)), ("generation", .number(Int64(number))),
          ("workers", .number(Int64(generation.workers))), ("milliseconds", .number(took)),
        ] + differenceMembers(record.difference)
        + [("diagnostics", .strings(record.warnings))]
      return .success(JSON.object(members).text + "\n")
    }
    let headline =
      "generation \(number) serves: \(generation.workers) workers, ready after \(took) ms\n"
    return ControlAnswer(
      output: headline + (record.difference?.text ?? ""), error: lines(record.warnings))
  }

  private func refused(_ diagnostics: [String], _ request: ControlRequest) -> ControlAnswer {
    if request.wantsJSON {
      let text = JSON.object([
        ("accepted", .bool(false)), ("diagnostics", .strings(diagnostics)),
      ]).text
      return ControlAnswer(output: text + "\n", exitCode: 1)
    }
    return .failure(lines(diagnostics) + "refused, nothing has changed\n")
  }

  private func differenceMembers(
    _ difference: ModelDifference?
  ) -> [(name: String, value: JSON)] {
    guard let difference else { return [] }
    return [
      ("sitesAdded", .strings(difference.sitesAdded)),
      ("sitesRemoved", .strings(difference.sitesRemoved)),
      ("sitesChanged", .strings(difference.sitesChanged)),
      ("sitesUnchanged", .number(Int64(difference.sitesUnchanged))),
      ("listenersAdded", .strings(difference.listensAdded)),
      ("listenersRemoved", .strings(difference.listensRemoved)),
    ]
  }

  private func lines(_ texts: [String]) -> String { texts.map { $0 + "\n" }.joined() }

  fileprivate func stopCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    stopWaiters.append(client)
    stop(graceful: request.flags["graceful"] != nil)
    return .later
  }

  fileprivate func checkCommand(_ request: ControlRequest) -> ControlAnswer {
    let result = PreparedConfiguration(rooms.load(arguments))
    let diagnostics = result.diagnostics.map { $0.rendered }
    if request.wantsJSON {
      let text = JSON.object([
        ("valid", .bool(result.model != nil)), ("diagnostics", .strings(diagnostics)),
      ]).text
      return ControlAnswer(output: text + "\n", exitCode: result.model == nil ? 1 : 0)
    }
    guard let model = result.model else { return .failure(lines(diagnostics)) }
    return ControlAnswer(
      output: MasterProcess.summary(model) + "\n", error: lines(diagnostics))
  }

  fileprivate func virtualHostsCommand(_ request: ControlRequest) -> ControlAnswer {
    guard let model = currentModel else {
      return .failure("what is serving now is not known to this binary; reload first\n")
    }
    let report = VirtualHostReport(model)
    return .success(request.wantsJSON ? report.json.text + "\n" : report.text)
  }

  fileprivate func explainCommand(
    _ request: ControlRequest, _ client: UInt64
  ) -> ControlAnswer {
    guard let peer = control?.clients[client]?.peer else { return .failure("you are gone\n") }
    guard let model = currentModel else {
      return .failure("what is serving now is not known to this binary; reload first\n")
    }
    let address: IPAddress?
    switch serverAddress(request) {
    case .failure(let refusal): return .failure("\(refusal)\n", code: 2)
    case .success(let given): address = given
    }
    switch model.explain(url: request.arguments[0], address: address) {
    case .failure(let failure): return .failure(failure.message + "\n")
    case .success(var explanation):
      let prefix = addNamespace(to: &explanation, model)
      guard
        mayCommand(peer)
          || prefix.map({ namespace.book.concerns($0, principal(peer)) }) == true
      else {
        return .failure(
          "'\(request.arguments[0])' leads to no prefix of \(words(forUser: peer.user))\n", code: 77
        )
      }
      explanation.cached = cached(explanation, model)
      return .success(
        request.wantsJSON ? explanation.json.text + "\n" : explanation.text)
    }
  }

  private func cached(_ explanation: Explanation, _ model: Model) -> String? {
    guard explanation.owner == nil, case .file = explanation.route.action else { return nil }
    return withCacheAttached { cache in
      CacheInspection.describe(
        cache, model, local: explanation.local, host: explanation.host, path: explanation.path)
    }
  }

  fileprivate func reopenLogsCommand() -> ControlAnswer {
    if let problem = reopenLogs() { return .failure(problem + "\n") }
    return .success("logs reopened\n")
  }

  fileprivate func upgradeCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    if let problem = startUpgrade(client: client) { return .now(.failure(problem + "\n")) }
    return .later
  }
}
