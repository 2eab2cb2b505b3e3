// What `ring3ctl namespace` and `explain` tell of reservations and registrations.

import Configuration
import Namespace
import Platform

extension ControlCommand {
  /// The verbs about who owns which URLs now.
  static let namespaceTable: [ControlCommand] = [
    ControlCommand(
      verb: "namespace", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "prefixes that are registered or reserved: whose they are, and their queues",
      details: """
        In the order in which a request asks: strong wildcards, explicit hosts, addresses, weak
        wildcards. Of those that match a request in the first bucket that has any, the longest
        answers; one that is only reserved answers with 503.
        """,
      run: { master, request, _ in .now(master.namespaceCommand(request)) }),
    ControlCommand(
      verb: "session", usage: "VERSION", arity: 1...1, flags: [],
      help: "for programs that register URLs: begin a session",
      details: "What is said then stands in ring3ctl(8), SESSIONS.", isOpenToAll: true,
      run: { $0.sessionCommand($1, $2) }),
  ]
}

extension Master {
  /// As workers are told.
  func namespaceSnapshot() -> NamespaceSnapshot {
    let queues = namespace.queues.values.sorted { $0.slot < $1.slot }
    return namespace.book.snapshot(
      queues: queues.map { NamespaceQueue(name: $0.name, slot: UInt16($0.slot)) },
      generation: namespace.generation + 1)
  }

  func namespaceCommand(_ request: ControlRequest) -> ControlAnswer {
    let book = namespace.book
    let all = Set(book.registrations.keys).union(book.added.keys).union(book.configured.keys)
    let sorted = all.map { (text: $0.description, prefix: $0) }.sorted {
      let buckets = ($0.prefix.bucket.rawValue, $1.prefix.bucket.rawValue)
      return buckets.0 == buckets.1 ? $0.text < $1.text : buckets.0 < buckets.1
    }
    if request.wantsJSON {
      let list = sorted.map { text, prefix in
        let registration = book.registrations[prefix]
        return JSON.object([
          ("prefix", .string(text)), ("bucket", .string(prefix.bucket.description)),
          ("reserved", .bool(book.reservation(prefix) != nil)),
          ("user", registration.map { .string(Privileges.name(ofUser: $0.user)) } ?? .null),
          ("queue", registration.map { .string($0.queue) } ?? .null),
        ])
      }
      return .success(JSON.object([("prefixes", .array(list))]).text + "\n")
    }
    if sorted.isEmpty { return .success("nothing is registered or reserved\n") }
    let lines = sorted.map { text, prefix in "\(text) (\(prefix.bucket)) \(standing(prefix))\n" }
    return .success(lines.joined())
  }

  /// "registered by alice, queue 'shop'"
  private func standing(_ prefix: UrlPrefix) -> String {
    guard let registration = namespace.book.registrations[prefix] else {
      return "reserved, and nobody serves it"
    }
    return "registered by \(Privileges.name(ofUser: registration.user)), queue"
      + " '\(registration.queue)'"
  }

  /// Puts the namespace's word in the place of the configuration's, where it comes first.
  func addNamespace(to explanation: inout Explanation, _ model: Model) {
    let snapshot = namespaceSnapshot()
    var configured = NamespaceSnapshot.Configured.catchAll
    if case .name = model.site(local: explanation.local, host: explanation.host).why {
      configured = .named
    }
    guard
      let match = snapshot.lookUp(
        isSecure: model.isEncrypted(local: explanation.local), local: explanation.local,
        host: explanation.host, path: explanation.path, configured: configured)
    else { return }
    let prefix = snapshot.prefix(of: match.entry)
    explanation.owner = "\(prefix) (\(prefix.bucket)), \(standing(prefix))"
    explanation.filePath = nil
    explanation.action =
      match.queue.map { "an application answers, through queue '\(snapshot.queues[$0].name)'" }
      ?? "refuse with 503 (Reserved)"
  }
}
