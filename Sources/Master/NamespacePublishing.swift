// Telling workers who owns which URLs: what, when, and under which routing epoch.

import Cache
import Configuration
import Namespace
import Platform
import Worker

/// When the namespace is told, and what was told last.
struct NamespacePublishing {
  /// After each snapshot everything that is cached is routed again, so whoever changes things all
  /// the time waits longer and longer.
  var paces = UserPaces(freeCount: 32, pauseMicroseconds: 5_000)
  /// Whoever's changes it would be, not before then (monotonic microseconds).
  var restsUntil: Int64 = 0
  /// Whose the queues were that workers know.
  var queueUsers: [NamespaceQueue: UInt32] = [:]
  /// The last try failed: what has changed since says nothing.
  var isOverdue = false
}

extension Master {
  /// Before what could not be told is told again.
  private static let retryMicroseconds: Int64 = 100_000

  /// The queues as workers are told, and whose they are. They know also those without a prefix: an
  /// application may name one.
  var toldQueues: [NamespaceQueue: UInt32] {
    var told: [NamespaceQueue: UInt32] = [:]
    for queue in namespace.queues.values {
      told[queue.named] = queue.user
    }
    for queue in namespace.absentQueues {
      told[queue.named] = queue.reference.user
    }
    return told
  }

  /// Whose queues have come or gone since workers were told.
  private func usersOfChangedQueues(_ told: [NamespaceQueue: UInt32]) -> Set<UInt32> {
    let before = namespace.publishing.queueUsers
    return Set(told.filter { before[$0.key] == nil }.values)
      .union(before.filter { told[$0.key] == nil }.values)
  }

  /// Tells all workers what has changed, once for all that changed in a turn of the loop. A large
  /// namespace that changes all the time takes a fifth of the master's time at most.
  func publishNamespace() {
    // Also what was taken back at once, because the rest of a request was refused.
    if namespace.book.changes.isAny { namespace.hasChanged = true }
    guard namespace.hasChanged else { return }
    let now = Clock.monotonicMicroseconds()
    let told = toldQueues
    let queueUsers = usersOfChangedQueues(told)
    var due = namespace.publishing.restsUntil
    if !namespace.book.changes.isUrgent && !namespace.publishing.isOverdue {
      let users = namespace.book.changes.users.union(queueUsers)
      due = max(due, namespace.publishing.paces.nextAt(users))
    }
    namespace.publishAt = due
    guard now >= due else { return }
    let queues = told.keys.sorted { $0.slot < $1.slot }
    let users = namespace.book.changedUsers(queues: queues)
    // Nobody has to be told that something came and went.
    guard users != nil || !queueUsers.isEmpty || namespace.publishing.isOverdue else {
      namespace.hasChanged = false
      namespace.book.forgetChanges()
      return
    }
    let payers = (users ?? []).union(queueUsers)
    // Whoever was quick may have changed nothing after all: nobody else gets ahead by that.
    if !namespace.book.changes.isUrgent && !namespace.publishing.isOverdue,
      namespace.publishing.paces.nextAt(payers) > now
    {
      namespace.publishing.restsUntil = now + namespace.publishing.paces.pauseMicroseconds
      namespace.publishAt = namespace.publishing.restsUntil
      return
    }
    namespace.hasChanged = false
    for user in payers { namespace.publishing.paces.count(user, now: now) }
    let snapshot = namespace.book.takeSnapshot(
      queues: queues, generation: namespace.generation + 1)
    let file: Descriptor
    do throws(SystemError) {
      file = try File.sealed(snapshot.bytes)
    } catch {
      log.write(.error, "workers are not told yet who owns which URLs: \(error)")
      namespace.hasChanged = true
      namespace.publishing.isOverdue = true
      namespace.publishing.restsUntil = now + Master.retryMicroseconds
      return
    }
    namespace.publishing.isOverdue = false
    namespace.publishing.queueUsers = told
    namespace.generation += 1
    namespace.snapshot = file
    let holder = epochHolder
    let epoch = cache?.raiseEpoch() ?? 0
    if let holder { generations[holder]?.epoch = epoch }
    for name in workers.keys { tellNamespace(name) }
    namespace.publishing.restsUntil =
      now
      + max(
        5 * (Clock.monotonicMicroseconds() - now), namespace.publishing.paces.pauseMicroseconds)
  }

  /// Sends a worker the last snapshot, in the place of one that it has not taken yet.
  func tellNamespace(_ name: WorkerName) {
    guard let worker = workers[name], !worker.isInherited, worker.process > 0,
      let file = namespace.snapshot
    else { return }
    let epoch =
      worker.generation == epochHolder ? generations[worker.generation]?.epoch ?? 0 : 0
    workers[name]?.outbox.removeAll { WorkerOrder.isNamespace($0.bytes) }
    send(.namespace(epoch: epoch), to: name, [file])
  }

  /// The generation that may publish in the cache: the one that serves, or one that is about to.
  /// One that has failed may not, however young it is and as long as it lingers.
  private var epochHolder: UInt32? { supervisor.youngestInFavour(of: generations.keys) }
}
