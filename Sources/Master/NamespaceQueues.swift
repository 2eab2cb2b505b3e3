// Queues: listening sockets that the master makes and lends to applications, and what each allows.

import Configuration
import Namespace
import Platform
import Worker

/// What a session uses.
struct NamespaceSession {
  /// By the names under which the session has asked for them.
  var queues: [QueueKey: String] = [:]
  /// Monotonic milliseconds.
  let since = Clock.monotonicMilliseconds()
  /// It is told of events.
  var watches = false
}

/// A listening socket, who uses it, and what it allows.
struct QueueRecord {
  let name: String
  let reference: QueueReference
  let user: UInt32
  /// His name, as it was when the queue was made.
  let userName: String
  /// Made by somebody who may listen nowhere.
  var isStrangers = false
  /// Its members may accept from it too.
  var group: UInt32?
  let path: String
  let listener: Descriptor
  var options = QueueOptions()
  /// What was said of it by hand.
  var order = QueueOrder()
  /// Sessions that say that the application is given up.
  var givenUp: Set<UInt64> = []
  /// Processes that accept, by the sessions that speak for them.
  var sessions: [UInt64: Int] = [:]
  /// How the application is, as sessions tell that supervise it.
  var phases: [UInt64: ApplicationPhase] = [:]
  /// Requests answered, at moments of the last seconds: the first is the oldest.
  var samples: [(milliseconds: Int64, served: UInt64)] = []

  var key: QueueKey { QueueKey(user: user, name: name) }

  /// As workers are told of it.
  var named: NamespaceQueue {
    NamespaceQueue(
      name: name, slot: UInt16(reference.slot), serial: reference.serial, user: user,
      userName: userName)
  }

  /// Those of sessions that have given up do not count.
  var processCount: Int {
    sessions.reduce(0) { $0 + (givenUp.contains($1.key) ? 0 : $1.value) }
  }
  /// Given up is only what nobody else keeps running.
  var state: QueueState {
    order.state != .enabled || givenUp.isEmpty || processCount > 0 ? order.state : .offline
  }

  /// For people.
  var words: String { "queue '\(name)' of user \(userName)" }

  /// Requests answered a second, lately.
  var rate: Int64 {
    // Workers count; one that was taken over may count backwards.
    guard let first = samples.first, let last = samples.last,
      last.milliseconds > first.milliseconds, last.served > first.served
    else { return 0 }
    let rate =
      Double(last.served - first.served) * 1000 / Double(last.milliseconds - first.milliseconds)
    return Int64(exactly: rate.rounded()) ?? 0
  }
}

extension Master {
  /// How many connections wait in a queue's socket; the kernel cuts it to net.core.somaxconn.
  private static let queueBacklog: Int32 = 1024
  private static let queueNameBytesMax = 64
  /// Of one user who may not command the server.
  private static let queuesPerUserMax = 16
  /// Of all users together who may listen nowhere: they take nobody's place.
  private static let strangersQueuesMax = 32
  private static let rateMilliseconds: Int64 = 10_000

  /// Uses a queue of one's own, which is made if there is none of this name. Nobody, not even an
  /// administrator, registers for a queue that somebody else accepts from.
  func joinOwn(
    _ name: String, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) -> QueueKey {
    let key = QueueKey(user: peer.owner, name: name)
    if namespace.queues[key] == nil { try makeQueue(name, peer, adopting: nil) }
    join(key, client, as: name)
    return key
  }

  /// `text`: what the session calls it.
  func join(_ key: QueueKey, _ client: UInt64, as text: String) {
    if namespace.queues[key]?.sessions[client] == nil {
      namespace.queues[key]?.sessions[client] = 0
    }
    namespace.sessions[client]?.queues[key] = text
  }

  /// The last one that leaves ends it.
  func leave(_ key: QueueKey, _ client: UInt64) {
    namespace.queues[key]?.sessions[client] = nil
    namespace.queues[key]?.givenUp.remove(client)
    namespace.queues[key]?.phases[client] = nil
    endRecycle(key, client, "whoever supervised it has gone")
    namespace.keeping.changed.insert(key)
    guard let queue = namespace.queues[key], queue.sessions.isEmpty else {
      return tellBoard(key)
    }
    namespace.queues[key] = nil
    endAwaited(key)
    forgetKept(queue.path)
    queueBoard?.close(queue.reference.slot)
    UnixSocket.remove(path: queue.path)
    log.write(.info, "\(queue.words) ended")
  }

  /// So many processes accept now for which a session speaks.
  func setProcesses(_ key: QueueKey, _ client: UInt64, _ count: Int) {
    namespace.queues[key]?.sessions[client] = count
    tellBoard(key)
  }

  /// State, options and credits, as the record has them.
  func tellBoard(_ key: QueueKey) {
    guard let queue = namespace.queues[key], let board = queueBoard else { return }
    let slot = queue.reference.slot
    board.setOptions(slot, queue.options)
    if board.state(slot) != queue.state { board.setState(slot, queue.state) }
    let credits = queue.processCount.multipliedReportingOverflow(by: queue.options.concurrency)
    board.setCredits(slot, credits.overflow ? .max : credits.partialValue)
    noteUnaccepted(queue)
  }

  /// After a worker has ended: it may have written anything before.
  func clearQueues(of slot: Int) {
    queueBoard?.clear(slot: slot, living: slotsInUse)
    for key in namespace.queues.keys { tellBoard(key) }
  }

  /// A worker may have connected in the very moment when the last process ended: that request waits
  /// in the socket, where nobody counts it.
  private func noteUnaccepted(_ queue: QueueRecord) {
    guard queue.processCount == 0, UnixSocket.hasWaiting(queue.listener) else { return }
    queueBoard?.noteDemand(queue.reference.slot)
  }

  /// Requests wait, and nobody accepts: who supervises the application is told.
  func takeDemands() {
    guard let slots = queueBoard?.takeDemands() else { return }
    for queue in namespace.queues.values where slots.contains(queue.reference.slot) {
      if tellSessions(of: queue, "demand") == 0 {
        queueBoard?.forgetDemand(queue.reference.slot)
      }
    }
  }

  /// Returns how many were told.
  func tellSessions(of queue: QueueRecord, _ event: String) -> Int {
    queue.sessions.keys.count { client in
      guard let session = namespace.sessions[client], session.watches,
        let name = session.queues[queue.key]
      else { return false }
      return control?.tell(client, event: event, queue: name) == true
    }
  }

  /// About once a second.
  func sampleQueues(_ now: Int64) {
    for (key, queue) in namespace.queues {
      if let last = queue.samples.last, now - last.milliseconds < 1_000 { continue }
      let served = queueBoard?.total(.served, queue.reference.slot) ?? 0
      namespace.queues[key]?.samples.append((now, served))
      namespace.queues[key]?.samples.removeAll {
        now - $0.milliseconds > Master.rateMilliseconds
      }
      noteUnaccepted(queue)
    }
  }

  // MARK: Making

  /// `adopting`: a listening socket that an earlier master lent and that went on living with the
  /// application.
  func makeQueue(
    _ name: String, _ peer: PeerIdentity, adopting lent: Descriptor?
  ) throws(SessionRefusal) {
    let isName = name.utf8.allSatisfy {
      (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
        || [0x2d, 0x2e, 0x5f].contains($0)
    }
    guard isName, !name.isEmpty, name.utf8.count <= Master.queueNameBytesMax else {
      throw SessionRefusal(
        "'\(name)' is no name of a queue: letters, digits, '-', '_' and '.', at most"
          + " \(Master.queueNameBytesMax)", code: 2)
    }
    guard let directory = newestModel?.server.queueDirectory, let board = queueBoard else {
      throw SessionRefusal("nothing can be registered: the configuration names no QueueDirectory")
    }
    let own = namespace.queues.values.count { $0.user == peer.owner }
    guard own < Master.queuesPerUserMax || mayCommand(peer) else {
      throw SessionRefusal(
        "\(words(forUser: peer.owner)) has \(own) queues already, which is the most")
    }
    let isStrangers = !namespace.book.givesAnything(to: principal(peer))
    guard
      !isStrangers
        || namespace.queues.values.count(where: \.isStrangers) < Master.strangersQueuesMax
    else {
      throw SessionRefusal("no reservation lets you register, and others like you have all queues")
    }
    var brought: QueueReference?
    if let lent { brought = try adopted(lent, directory, peer.owner) }
    let awaited = takeAwaited(QueueKey(user: peer.owner, name: name), adopting: brought)
    let reference: QueueReference
    if let known = brought ?? awaited?.reference {
      reference = known
    } else {
      reference = try freshReference(directory, peer.owner)
    }
    let path = Model.queuePath(directory, reference)
    let listener: Descriptor
    if let lent {
      listener = lent
    } else {
      listener = try listen(reference, directory, name, isAwaited: awaited != nil)
    }
    namespace.names.begin()
    var record = QueueRecord(
      name: name, reference: reference, user: peer.owner,
      userName: namespace.names.user(peer.owner), isStrangers: isStrangers, group: awaited?.group,
      path: path, listener: listener, options: awaited?.options ?? QueueOptions())
    record.order = namespace.queueOrders[record.key] ?? QueueOrder()
    // Requests may wait already in one that was awaited, and are counted.
    if awaited == nil { board.open(reference, record.options) }
    namespace.queues[record.key] = record
    tellBoard(record.key)
    // Workers know queues by name, too, for applications that delegate.
    namespace.hasChanged = true
    namespace.keeping.changed.insert(record.key)
    let verb = lent == nil ? "made" : "brought back"
    log.write(.info, "\(words(for: peer)) \(verb) queue '\(name)'")
  }

  /// A free place. Those of sockets that applications have kept from an earlier master come last:
  /// they may be brought back.
  func freshReference(
    _ directory: String, _ user: UInt32
  ) throws(SessionRefusal) -> QueueReference {
    if namespace.keptSlots == nil { namespace.keptSlots = keptSlots(directory) }
    let taken = Set(namespace.queues.values.map { $0.reference.slot })
      .union(namespace.awaited.values.map { $0.reference.slot })
    let free = (0..<Model.queueCountMax).filter { !taken.contains($0) }
    let kept = namespace.keptSlots ?? []
    guard let slot = free.first(where: { !kept.contains($0) }) ?? free.first else {
      throw SessionRefusal("all \(Model.queueCountMax) queues are in use")
    }
    namespace.lastSerial = max(namespace.lastSerial + 1, UInt64(Clock.monotonicMicroseconds()))
    return QueueReference(slot: slot, serial: namespace.lastSerial, user: user)
  }

  private func listen(
    _ reference: QueueReference, _ directory: String, _ name: String, isAwaited: Bool
  ) throws(SessionRefusal) -> Descriptor {
    do throws(SystemError) {
      try DurableFile.makeDirectory(directory, mode: 0o711)
      try DurableFile.checkIsOwn(directory)
      // Its user did not bring the socket back: whoever still holds that gets nothing more.
      if isAwaited { UnixSocket.remove(path: Model.queuePath(directory, reference)) }
      return try UnixSocket.listen(
        path: Model.queuePath(directory, reference), mode: 0o600, owner: identity?.user,
        group: identity?.group, backlog: Master.queueBacklog)
    } catch {
      throw SessionRefusal("cannot make queue '\(name)': \(error)")
    }
  }

  /// Sockets of an earlier master: those that nobody holds any more are removed.
  private func keptSlots(_ directory: String) -> Set<Int> {
    var kept: Set<Int> = []
    for name in (try? DurableFile.names(in: directory)) ?? [] {
      guard let reference = QueueReference(fileName: name) else { continue }
      let path = "\(directory)/\(name)"
      if namespace.queues.values.contains(where: { $0.path == path })
        || namespace.awaited.values.contains(where: { $0.path == path })
      {
        continue
      }
      if !UnixSocket.removeUnheld(path: path) {
        kept.insert(reference.slot)
      }
    }
    return kept
  }

  static let foreignSocket = SessionRefusal(
    "the descriptor that came with the request is no socket of this server that is free; attach"
      + " without one")

  /// What a lent socket says that it is, if it is one of ours: nobody else makes files there.
  private func adopted(
    _ lent: Descriptor, _ directory: String, _ user: UInt32
  ) throws(SessionRefusal) -> QueueReference {
    guard let path = UnixSocket.listeningPath(of: lent), path.hasPrefix(directory + "/"),
      let reference = QueueReference(fileName: String(path.dropFirst(directory.count + 1))),
      reference.user == user, reference.serial <= UInt64(Clock.monotonicMicroseconds()),
      DurableFile.exists(path), (try? DurableFile.checkIsOwn(directory)) != nil,
      !namespace.queues.values.contains(where: { $0.reference.slot == reference.slot })
    else {
      throw Master.foreignSocket
    }
    namespace.lastSerial = max(namespace.lastSerial, reference.serial)
    return reference
  }
}

extension QueueReference {
  /// As `Model.queuePath` ends.
  init?(fileName: String) {
    let parts = fileName.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let slot = Int(parts[0]), (0..<Model.queueCountMax).contains(slot),
      let serial = UInt64(parts[1]), serial != 0, let user = UInt32(parts[2]),
      "\(slot).\(serial).\(user)" == fileName
    else { return nil }
    self.init(slot: slot, serial: serial, user: user)
  }
}
