// Answers to changes of the namespace, which wait until each worker has taken them: whoever reads
// that a prefix is registered can ask for its URLs.

import Configuration
import Namespace
import Platform
import Worker

/// An answer that is true once all workers know of the change.
struct UntoldAnswer {
  let answer: ControlAnswer
  /// Who has changed something.
  let user: UInt32
  /// Monotonic milliseconds: it leaves then in any case, for a worker may have been stopped.
  let until: Int64
  /// Of the snapshot that has the change; nil: that is not made yet.
  var generation: UInt64?
}

extension Master {
  private static let tellingMilliseconds: Int64 = 1_000
  /// Who changes so much that workers are told later than this is answered at once.
  private static let tellingDelayMicroseconds: Int64 = 100_000

  /// Answers a client whose request has just changed the namespace. What a session asks for behind
  /// it waits, too.
  func answerWhenTold(_ client: UInt64, _ answer: ControlAnswer) {
    guard let user = control?.clients[client]?.peer.owner else { return }
    control?.hold(client)
    namespace.untold[client] = UntoldAnswer(
      answer: answer, user: user,
      until: Clock.monotonicMilliseconds() + Self.tellingMilliseconds)
  }

  /// A worker says which snapshot it has taken. It is not trusted, and need not be: one that lies
  /// misleads whoever asks that worker.
  func noteTold(_ name: WorkerName, generation: UInt64) {
    workers[name]?.namespaceGeneration = generation
  }

  /// Answers whom all workers can serve now, and goes on with what they have asked for since. Call
  /// it when workers have been told what there is to tell.
  func answerTold(_ now: Int64) {
    guard !namespace.untold.isEmpty else { return }
    if !namespace.hasChanged {
      let generation = namespace.generation
      for (client, untold) in namespace.untold where untold.generation == nil {
        namespace.untold[client]?.generation = generation
      }
    }
    let taken = takenGeneration
    let soon = Clock.monotonicMicroseconds() + Self.tellingDelayMicroseconds
    let paces = namespace.publishing.paces
    let ready = namespace.untold.filter { _, untold in
      untold.until <= now
        || (untold.generation.map { $0 <= taken } ?? (paces.nextAt(untold.user) > soon))
    }
    for (client, untold) in ready {
      namespace.untold[client] = nil
      control?.release(client, untold.answer)
      if namespace.sessions[client] != nil { serveSession(client) }
    }
  }

  /// The snapshot that all workers have taken, or a later one. Those from before an exec in place
  /// cannot be told: while they accept, none is.
  private var takenGeneration: UInt64 {
    workers.values.filter { record in
      record.process > 0
        && (!record.isInherited || supervisor.member(record.name)?.member.accepts == true)
    }
    .map { $0.isInherited ? 0 : $0.namespaceGeneration }.min() ?? .max
  }
}
