// Queues: listening sockets that the master makes and lends to applications; and telling workers
// who owns which URLs.

import Cache
import Configuration
import Namespace
import Platform
import Worker

/// What a session uses.
struct NamespaceSession {
  var queues: Set<String> = []
}

/// A listening socket, and who uses it.
struct QueueRecord {
  let name: String
  /// Which of the model's queue members leads to it.
  let slot: Int
  let user: UInt32
  let path: String
  let listener: Descriptor
  var sessions: Set<UInt64> = []
}

/// A slot that nobody uses: requests of its last queue may still be on their way to its socket.
struct RestingSlot {
  let slot: Int
  let name: String
  let user: UInt32
  let since: Int64
}

extension Master {
  /// How many connections wait in a queue's socket; the kernel cuts it to net.core.somaxconn.
  private static let queueBacklog: Int32 = 1024
  /// Before another queue may have the slot of one that is gone.
  private static let slotRestMilliseconds: Int64 = 60_000
  private static let queueNameBytesMax = 64
  /// Of one user who may not command the server.
  private static let queuesPerUserMax = 16
  /// Between two snapshots; what is cached is routed again after each.
  private static let publishMicroseconds: Int64 = 5_000
  /// Before what could not be told is told again.
  private static let retryMicroseconds: Int64 = 100_000

  /// Uses a queue; with `makesIt`, one is made if there is none of this name.
  @discardableResult
  func join(
    _ name: String, _ client: UInt64, _ peer: PeerIdentity, makesIt: Bool
  ) throws(SessionRefusal) -> Descriptor {
    if makesIt && namespace.queues[name] == nil {
      namespace.queues[name] = try makeQueue(name, peer)
    }
    guard var queue = namespace.queues[name] else {
      throw SessionRefusal("there is no queue '\(name)'; register a prefix for it first")
    }
    // Not even an administrator registers for a queue that somebody else accepts from: he might
    // not know it.
    guard queue.user == peer.user || !makesIt && mayCommand(peer) else {
      throw SessionRefusal("queue '\(name)' belongs to user \(queue.user)", code: 77)
    }
    queue.sessions.insert(client)
    namespace.queues[name] = queue
    namespace.sessions[client]?.queues.insert(name)
    return queue.listener
  }

  /// The last one that leaves ends it.
  func leave(_ name: String, _ client: UInt64) {
    namespace.queues[name]?.sessions.remove(client)
    guard let queue = namespace.queues[name], queue.sessions.isEmpty else { return }
    namespace.queues[name] = nil
    UnixSocket.remove(path: queue.path)
    namespace.resting.append(
      RestingSlot(
        slot: queue.slot, name: name, user: queue.user, since: Clock.monotonicMilliseconds()))
    log.write(.info, "queue '\(name)' ended")
  }

  private func makeQueue(
    _ name: String, _ peer: PeerIdentity
  ) throws(SessionRefusal) -> QueueRecord {
    let isName = name.utf8.allSatisfy {
      (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
        || [0x2d, 0x2e, 0x5f].contains($0)
    }
    guard isName, !name.isEmpty, name.utf8.count <= Master.queueNameBytesMax else {
      throw SessionRefusal(
        "'\(name)' is no name of a queue: letters, digits, '-', '_' and '.', at most"
          + " \(Master.queueNameBytesMax)", code: 2)
    }
    guard let directory = newestModel?.server.queueDirectory else {
      throw SessionRefusal("nothing can be registered: the configuration names no QueueDirectory")
    }
    restForeignSlots(directory)
    let own = namespace.queues.values.count { $0.user == peer.user }
    guard own < Master.queuesPerUserMax || mayCommand(peer) else {
      throw SessionRefusal("user \(peer.user) has \(own) queues already, which is the most")
    }
    guard let slot = takeSlot(name, peer.user) else {
      throw SessionRefusal("all \(Model.queueCountMax) queues are in use; try again in a minute")
    }
    let path = Model.queuePath(directory, slot: slot)
    do throws(SystemError) {
      try DurableFile.makeDirectory(directory, mode: 0o711)
      try DurableFile.checkIsOwn(directory)
      // An application of an earlier master may still listen there, where nobody connects any more.
      UnixSocket.remove(path: path)
      let listener = try UnixSocket.listen(
        path: path, mode: 0o600, owner: identity?.user, group: identity?.group,
        backlog: Master.queueBacklog)
      log.write(.info, "user \(peer.user) (pid \(peer.process)) made queue '\(name)'")
      return QueueRecord(
        name: name, slot: slot, user: peer.user, path: path, listener: listener)
    } catch {
      throw SessionRefusal("cannot make queue '\(name)': \(error)")
    }
  }

  /// Sockets that an earlier master left: workers of its may still send requests there, which must
  /// not reach somebody else. Looked for once.
  private func restForeignSlots(_ directory: String) {
    guard !namespace.knowsSlots else { return }
    namespace.knowsSlots = true
    let now = Clock.monotonicMilliseconds()
    for slot in 0..<Model.queueCountMax
    where DurableFile.exists(Model.queuePath(directory, slot: slot)) {
      namespace.resting.append(RestingSlot(slot: slot, name: "", user: .max, since: now))
    }
  }

  /// The slot that this queue had, one that nobody had, or the one that has rested longest.
  private func takeSlot(_ name: String, _ user: UInt32) -> Int? {
    let resting = namespace.resting
    if let place = resting.lastIndex(where: { $0.name == name && $0.user == user }) {
      return namespace.resting.remove(at: place).slot
    }
    let taken = Set(namespace.queues.values.map(\.slot) + resting.map(\.slot))
    if let free = (0..<Model.queueCountMax).first(where: { !taken.contains($0) }) { return free }
    let rested = Clock.monotonicMilliseconds() - Master.slotRestMilliseconds
    guard let first = resting.first, first.since <= rested else { return nil }
    return namespace.resting.removeFirst().slot
  }

  // MARK: Workers

  /// Tells all workers what has changed, once for all that changed in a turn of the loop. A large
  /// namespace that changes all the time takes a fifth of the master's time at most.
  func publishNamespace() {
    let now = Clock.monotonicMicroseconds()
    guard namespace.hasChanged, now >= namespace.publishAt else { return }
    var pause = Master.publishMicroseconds
    defer {
      let took = Clock.monotonicMicroseconds() - now
      namespace.publishAt = now + max(5 * took, pause)
    }
    namespace.hasChanged = false
    // Nobody has to be told that there is nothing.
    if namespace.book.isEmpty && namespace.snapshot == nil { return }
    let snapshot = namespaceSnapshot()
    let file: Descriptor
    do throws(SystemError) {
      file = try File.sealed(snapshot.bytes)
    } catch {
      log.write(.error, "workers are not told yet who owns which URLs: \(error)")
      namespace.hasChanged = true
      pause = Master.retryMicroseconds
      return
    }
    namespace.generation += 1
    namespace.snapshot = file
    // Only the youngest generation publishes; what is cached is routed again by all.
    let youngest = generations.keys.max()
    let epoch = cache?.raiseEpoch() ?? 0
    if let youngest { generations[youngest]?.epoch = epoch }
    for (name, worker) in workers where !worker.isInherited && worker.process > 0 {
      // What it has not taken yet is old now.
      workers[name]?.outbox.removeAll { WorkerOrder.isNamespace($0.bytes) }
      send(.namespace(epoch: worker.generation == youngest ? epoch : 0), to: name, [file])
    }
  }
}
