// What `ring3ctl namespace` and `explain` tell of reservations and registrations.

import Configuration
import Namespace
import Platform
import Worker

extension ControlCommand {
  /// The verbs about who owns which URLs now.
  static let namespaceTable: [ControlCommand] = [
    ControlCommand(
      verb: "namespace", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "prefixes that are registered or reserved: whose they are, and their queues",
      details: """
        In the order in which a request asks: strong wildcards, explicit hosts, addresses, weak
        wildcards. Of those that match a request in the first bucket that has any, the longest
        answers; one that is only reserved answers with 503. Sites of the configuration stand where
        they are asked. Whoever may not command the server sees his own prefixes.
        """,
      isOpenToAll: true,
      run: { master, request, client in .now(master.namespaceCommand(request, client)) }),
    ControlCommand(
      verb: "session", usage: "VERSION", arity: 1...1, flags: [],
      help: "for programs that register URLs: begin a session",
      details: "What is said then stands in ring3app(7).", isOpenToAll: true,
      run: { $0.sessionCommand($1, $2) }),
  ]
}

extension Master {
  /// As workers are told.
  func namespaceSnapshot() -> NamespaceSnapshot {
    namespace.book.snapshot(
      queues: toldQueues.keys.sorted { $0.slot < $1.slot }, generation: namespace.generation + 1)
  }

  /// What a reload brings into the way of what is registered, and the other way round.
  func registrationWarnings(_ model: Model) -> [String] {
    let conflicts = model.conflicts(of: namespace.book.registrations.keys)
    var book = namespace.book
    book.configure(ReservationNames(model).reservations, listens: [:])
    let lines =
      conflicts.map { "warning: the registered prefix \($0.message)" }.sorted()
      + registrationsGoingOn(in: book).map { "warning: \($0)" }
    for line in lines { log.write(.warn, line) }
    return lines
  }

  /// What who registers or reserves prefixes should know.
  func notes(on prefixes: [UrlPrefix]) -> String {
    let ports = Set(prefixes.map(\.port)).filter { !namespace.book.isListenedOn(port: $0) }
    return ports.sorted().map { "warning: nothing listens on port \($0) yet (Listen)\n" }.joined()
  }

  /// Puts the namespace's word in the place of the configuration's, where it comes first. Returns
  /// the prefix that decides.
  @discardableResult
  func addNamespace(to explanation: inout Explanation, _ model: Model) -> UrlPrefix? {
    let snapshot = namespaceSnapshot()
    let configured = NamespaceSnapshot.Configured(
      model.site(local: explanation.local, host: explanation.host))
    let found = snapshot.lookUp(
      isSecure: model.isEncrypted(local: explanation.local), local: explanation.local,
      host: CacheURL.canonicalHost(explanation.host), path: explanation.path,
      configured: configured)
    let dependsOnAddress = snapshot.dependsOnAddress(found, configured: configured)
    if dependsOnAddress { explanation.claim = .elsewhere }
    guard let match = found else {
      explainPrecedence(to: &explanation, model, snapshot)
      return nil
    }
    explanation.claim =
      snapshot.owner(of: match).map { .application($0, dependsOnAddress: dependsOnAddress) }
      ?? .reserved
    let prefix = snapshot.prefix(of: match.entry)
    let place = explanation.route.decidedAt
    explanation.instead =
      "\(explanation.action), by \(explanation.route.decidedBy)"
      + (place.isEmpty ? "" : " at \(place)")
    model.explainClaim(&explanation)
    explanation.owner = "\(prefix) (\(prefix.bucket)), \(standing(prefix))"
    explanation.filePath = nil
    explanation.action =
      match.queue.map { action(ofQueue: snapshot.queues[$0].key) } ?? "refuse with 503 (Reserved)"
    return prefix
  }

  /// What a queue does with a request now.
  private func action(ofQueue key: QueueKey) -> String {
    let name = key.name
    switch namespace.queues[key]?.state ?? namespace.awaited[key]?.state ?? .enabled {
    case .enabled:
      return "an application answers, through queue '\(name)'"
        + (namespace.queues[key] == nil ? ", when it is back" : "")
    case .disabled: return "refuse with 503 (Disabled): queue '\(name)' is disabled"
    case .draining: return "refuse with 503 (Disabled): queue '\(name)' is draining"
    case .offline, .gone:
      return "refuse with 503 (AppOffline): the application of queue '\(name)' is offline"
    }
  }

  /// A prefix fits, but the site's own "/" comes before it.
  private func explainPrecedence(
    to explanation: inout Explanation, _ model: Model, _ snapshot: NamespaceSnapshot
  ) {
    let match = snapshot.lookUp(
      isSecure: model.isEncrypted(local: explanation.local), local: explanation.local,
      host: explanation.host, path: explanation.path, configured: .nothing)
    guard let match else { return }
    let prefix = snapshot.prefix(of: match.entry)
    explanation.instead =
      "\(prefix) (\(prefix.bucket)), \(standing(prefix)): the site comes before it"
  }
}
