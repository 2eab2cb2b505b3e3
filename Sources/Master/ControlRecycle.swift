// `recycle`: other processes for an application, and waiting until they are there.

import Namespace
import Platform

/// How an application is, in the words of whoever supervises it.
enum ApplicationPhase: String {
  case running, asleep, offline, stopping
}

/// Who waits for the end of a replacement: until all supervisors have told it.
struct RecycleWaiter {
  let queue: QueueKey
  var sessions: Set<UInt64>
}

extension ControlCommand {
  static let recycleRow = ControlCommand(
    verb: "recycle", usage: "NAME [--wait]", arity: 1...1, flags: ["wait"],
    help: "replace the processes of a queue; no request is lost",
    details: """
      New processes accept before the old ones are told to end. It is done by whoever supervises
      the application: ring3ctl run, or the server for an <Application>. One that has registered by
      itself is told that it was asked for. With --wait the answer comes when the new processes
      have run for two seconds and the old ones have ended, or when it is clear that it fails.
      """,
    isOpenToAll: true,
    run: { master, request, client in master.recycleCommand(request, client) })
}

extension Master {
  fileprivate func recycleCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    let queue: QueueRecord
    switch self.queue(request, client) {
    case .failure(let refusal):
      return .now(.failure(refusal.message + "\n", code: refusal.code))
    case .success(let found): queue = found
    }
    let name = queue.name
    let waits = request.flags["wait"] != nil
    if waits, queue.phases.isEmpty, !queue.sessions.isEmpty {
      return .now(
        .failure(
          "nobody would tell when the processes of '\(name)' have been replaced: the application"
            + " has registered by itself; ask without --wait\n"))
    }
    let phases = Set(queue.phases.values)
    guard tellSessions(of: queue, "recycle") > 0 else {
      return .now(
        .failure(
          "nobody supervises the processes of '\(name)': start them with 'ring3ctl run' or as an"
            + " <Application>\n"))
    }
    if phases.isEmpty {
      return .now(
        .success("the application of '\(name)' was told; what it does is for itself to say\n"))
    }
    if phases == [.asleep] {
      return .now(
        .success("'\(name)' sleeps: its next request starts new processes anyway\n"))
    }
    if waits {
      namespace.recycleWaiters[client] = RecycleWaiter(
        queue: queue.key, sessions: Set(queue.phases.keys))
      return .later
    }
    return .now(
      .success(
        phases.contains(.running)
          ? "the processes of '\(name)' are being replaced\n"
          : phases.contains(.offline)
            ? "'\(name)' is being started anew\n" : "'\(name)' is being stopped\n"))
  }

  /// `tell NAME running|asleep|offline|stopping`, `tell NAME recycled`, `tell NAME failed WHY`
  func takeWord(_ request: ControlRequest, _ client: UInt64) throws(SessionRefusal) {
    let usage = "usage: tell NAME running|asleep|offline|stopping|recycled, or tell NAME failed WHY"
    let words = request.arguments
    guard words.count >= 2, request.flags.isEmpty,
      words.count == (words[1] == "failed" ? 3 : 2)
    else { throw SessionRefusal(usage, code: 2) }
    let key = try joined(words[0], client).key
    switch words[1] {
    case "recycled": endRecycle(key, client, nil)
    case "failed": endRecycle(key, client, words[2])
    case let word:
      guard let phase = ApplicationPhase(rawValue: word) else {
        throw SessionRefusal(usage, code: 2)
      }
      namespace.queues[key]?.phases[client] = phase
    }
  }

  /// A supervisor has told how a replacement ended, or is gone.
  func endRecycle(_ key: QueueKey, _ session: UInt64, _ problem: String?) {
    for (client, waiter) in namespace.recycleWaiters
    where waiter.queue == key && waiter.sessions.contains(session) {
      if let problem {
        namespace.recycleWaiters[client] = nil
        control?.answer(
          client, .failure("the processes of '\(key.name)' were not replaced: \(problem)\n"))
        continue
      }
      namespace.recycleWaiters[client]?.sessions.remove(session)
      guard waiter.sessions.count == 1 else { continue }
      namespace.recycleWaiters[client] = nil
      control?.answer(client, .success("the processes of '\(key.name)' were replaced\n"))
    }
  }
}
