// Queues and URLs of applications that are about to come: those that a master had that was killed,
// and those of the configuration. They are kept for them a moment, so that their requests wait
// instead of failing, or being answered by somebody else.

import Configuration
import Namespace
import Platform
import Programs
import Worker

/// A queue whose application has not come back yet. Nothing accepts: requests wait.
struct AwaitedQueue {
  let name: String
  let reference: QueueReference
  /// His name, as it was when it was looked for him.
  let userName: String
  let path: String
  let group: UInt32?
  let options: QueueOptions
  var order = QueueOrder()
  /// Monotonic milliseconds; then nobody is awaited any more.
  var until: Int64
  /// Its user has it again; what he has not registered yet is kept until the moment is over.
  var isTaken = false
  /// Nobody came: who still waits is told so, and its place is about to be free.
  var isGivenUp = false
  /// Because the configuration names its application.
  var isConfigured = false

  var key: QueueKey { QueueKey(user: reference.user, name: name) }

  /// As workers are told of it.
  var named: NamespaceQueue {
    NamespaceQueue(
      name: name, slot: UInt16(reference.slot), serial: reference.serial, user: reference.user,
      userName: userName)
  }

  /// For people.
  var words: String { "queue '\(name)' of user \(userName)" }

  var state: QueueState { isGivenUp ? .offline : order.state }
}

/// What is kept of queues beside their sockets, and of whom it has yet to be.
struct QueueKeeping {
  /// Queues of which something has changed.
  var changed: Set<QueueKey> = []
  /// Monotonic milliseconds: not written again before then.
  var restsUntil: Int64 = 0
  /// Why the last one could not be written, as it was told.
  var problem = ""
}

extension NamespaceSeat {
  /// Queues whose users are awaited, and do not have them again yet.
  var absentQueues: [AwaitedQueue] { awaited.values.filter { !$0.isTaken } }
}

extension Master {
  /// How long an application may take to come back.
  private static let awaitingMilliseconds: Int64 = 5_000
  /// Until when somebody is awaited from now on.
  private static var awaitingEnd: Int64 { Clock.monotonicMilliseconds() + awaitingMilliseconds }
  /// Before the place of a queue is given away that nobody came for: workers have seen by then why.
  private static let givenUpMilliseconds: Int64 = 1_000
  private static let keepingMilliseconds: Int64 = 20

  /// When something of it is due, in monotonic milliseconds.
  var namespaceDeadline: Int64? {
    var deadlines = namespace.awaited.values.map(\.until) + namespace.untold.values.map(\.until)
    if namespace.hasChanged { deadlines.append(namespace.publishAt / 1000 + 1) }
    if !namespace.keeping.changed.isEmpty { deadlines.append(namespace.keeping.restsUntil) }
    return deadlines.min()
  }

  // MARK: Keeping

  /// A session has changed what it owns.
  func noteChange(_ client: UInt64) {
    namespace.hasChanged = true
    namespace.keeping.changed.formUnion((namespace.sessions[client]?.queues ?? [:]).keys)
  }

  /// Writes down what has changed of queues, seldom enough that a large one costs a fifth of the
  /// master's time at most.
  func keepQueues(_ now: Int64) {
    guard !namespace.keeping.changed.isEmpty, now >= namespace.keeping.restsUntil else { return }
    let changed = namespace.keeping.changed
    namespace.keeping.changed = []
    for key in changed {
      guard let queue = namespace.queues[key] else { continue }
      do throws(SystemError) {
        try DurableFile.replace(
          Self.keptPath(queue.path), with: file(of: queue).bytes, isForced: false)
        namespace.keeping.problem = ""
      } catch {
        let problem = "\(queue.words) would not be known after a crash: \(error)"
        if problem != namespace.keeping.problem { log.write(.warn, problem) }
        namespace.keeping.problem = problem
      }
    }
    let spent = Clock.monotonicMilliseconds() - now
    namespace.keeping.restsUntil = now + max(Master.keepingMilliseconds, 5 * spent)
  }

  private func file(of queue: QueueRecord) -> QueueFile {
    var prefixes: [QueueFile.Prefix] = []
    for client in queue.sessions.keys {
      for prefix in namespace.book.registrations(of: client) {
        guard let registration = namespace.book.registrations[prefix],
          registration.queueKey == queue.key
        else { continue }
        prefixes.append(QueueFile.Prefix(prefix: prefix, handsOff: registration.handsOff))
      }
    }
    return QueueFile(
      name: queue.name, group: queue.group, options: queue.options, prefixes: prefixes)
  }

  private static func keptPath(_ socket: String) -> String { socket + ".urls" }

  func forgetKept(_ socket: String) { DurableFile.remove(Self.keptPath(socket)) }

  /// After an orderly end nobody is awaited.
  func forgetAllKept() {
    for queue in namespace.queues.values { forgetKept(queue.path) }
    for queue in namespace.awaited.values { forgetKept(queue.path) }
  }

  // MARK: Awaiting

  /// What a master that was killed has left in QueueDirectory; once, before the first worker is
  /// forked.
  func awaitApplications(_ model: Model) {
    guard !namespace.hasAwaited, let directory = model.server.queueDirectory else { return }
    namespace.hasAwaited = true
    namespace.names.begin()
    guard (try? DurableFile.checkIsOwn(directory)) != nil else { return }
    for name in (try? DurableFile.names(in: directory)) ?? [] {
      let path = "\(directory)/\(name)"
      if name.hasSuffix(".urls.new") { DurableFile.remove(path) }
      guard name.hasSuffix(".urls"),
        let reference = QueueReference(fileName: String(name.dropLast(".urls".count)))
      else { continue }
      do {
        guard let bytes = try DurableFile.read(path, byteCountMax: QueueFile.byteCountMax) else {
          continue
        }
        awaitApplication(try QueueFile(bytes), reference, directory)
      } catch let damage as SealedLines.Damage {
        let name = try? DurableFile.setAside(path, seconds: Clock.realSeconds())
        log.write(
          .error,
          "what was kept of a queue in '\(path)' is damaged: \(damage.message); it is not used"
            + (name.map { ", the file is '\($0)' now" } ?? ""))
      } catch {
        log.write(.error, "what was kept of a queue cannot be read: \(error)")
      }
    }
  }

  private func awaitApplication(
    _ file: QueueFile, _ reference: QueueReference, _ directory: String
  ) {
    let path = Model.queuePath(directory, reference)
    let isOfThisBoot = reference.serial <= UInt64(Clock.monotonicMicroseconds())
    let key = QueueKey(user: reference.user, name: file.name)
    guard queueBoard != nil, isOfThisBoot, namespace.awaited[key] == nil,
      !namespace.awaited.values.contains(where: { $0.reference.slot == reference.slot })
    else { return forgetKept(path) }
    var queue = AwaitedQueue(
      name: file.name, reference: reference, userName: namespace.names.user(reference.user),
      path: path, group: file.group, options: file.options,
      until: Master.awaitingEnd)
    queue.order = namespace.queueOrders[key] ?? QueueOrder()
    namespace.awaited[key] = queue
    namespace.lastSerial = max(namespace.lastSerial, reference.serial)
    open(queue)
    var count = 0
    for kept in file.prefixes {
      do throws(NamespaceRefusal) {
        try namespace.book.retain(
          kept.prefix, for: reference.user, queue: file.name, slot: reference.slot,
          handsOff: kept.handsOff)
        count += 1
      } catch {
        log.write(.warn, "'\(kept.prefix)' is not kept for user \(queue.userName): \(error)")
      }
    }
    log.write(
      .notice,
      "queue '\(file.name)' and \(count) prefixes are kept for user \(queue.userName), who is"
        + " awaited")
  }

  private func open(_ queue: AwaitedQueue) {
    queueBoard?.open(queue.reference, queue.options)
    if queue.state != .enabled { queueBoard?.setState(queue.reference.slot, queue.state) }
  }

  /// The supervisor of applications registers what the configuration names only when the workers
  /// serve already. `configureNamespace` says what is to be awaited, before they are told.
  func awaitConfigured(_ model: Model) {
    var wanted: [(key: QueueKey, prefixes: [String])] = []
    for settings in settingsOfApplications(model) {
      guard let user = settings.user.map({ Privileges.user($0)?.user }) ?? Privileges.effectiveUser
      else { continue }
      wanted.append((QueueKey(user: user, name: settings.queue), settings.prefixes))
    }
    for queue in namespace.awaited.values where queue.isConfigured || queue.isGivenUp {
      // Requests that wait already for one that is awaited still stay where they are.
      let isWanted = wanted.contains { $0.key == queue.key }
      if isWanted, !queue.isTaken, !queue.isGivenUp {
        endAwaitedPrefixes(queue)
      } else if isWanted || !queue.isGivenUp {
        endAwaited(queue.key)
      }
    }
    for (key, prefixes) in wanted {
      guard var queue = awaitedQueue(key, model) else { continue }
      var isAnythingMissing = false
      for text in prefixes {
        guard let prefix = try? UrlPrefix(text) else { continue }
        // What somebody has already he keeps: the supervisor says so when it is refused.
        let isRetained: Void? = try? namespace.book.retain(
          prefix, for: key.user, queue: queue.name, slot: queue.reference.slot, handsOff: false)
        isAnythingMissing = isAnythingMissing || isRetained != nil
      }
      guard isAnythingMissing else { continue }
      let isNew = namespace.awaited[key] == nil
      queue.until = Master.awaitingEnd
      namespace.awaited[key] = queue
      if isNew, !queue.isTaken { open(queue) }
    }
  }

  /// Their supervisor is told of them only now that the generation serves.
  func renewConfigured() {
    for (key, queue) in namespace.awaited where queue.isConfigured && !queue.isGivenUp {
      namespace.awaited[key]?.until = Master.awaitingEnd
    }
  }

  /// The queue of an application of the configuration: its own, if it has it already.
  private func awaitedQueue(_ key: QueueKey, _ model: Model) -> AwaitedQueue? {
    if let queue = namespace.awaited[key] { return queue }
    guard let directory = model.server.queueDirectory, queueBoard != nil else { return nil }
    namespace.names.begin()
    let existing = namespace.queues[key]
    guard
      let reference = existing?.reference ?? (try? freshReference(directory, key.user))
    else { return nil }
    var queue = AwaitedQueue(
      name: key.name, reference: reference, userName: namespace.names.user(key.user),
      path: Model.queuePath(directory, reference), group: nil, options: QueueOptions(),
      until: Master.awaitingEnd)
    queue.isConfigured = true
    queue.isTaken = existing != nil
    queue.order = namespace.queueOrders[key] ?? QueueOrder()
    return queue
  }

  /// Nobody has come in time: requests fail from here on, and then it is as if it had never been.
  func tendAwaited(_ now: Int64) {
    for (key, queue) in namespace.awaited where queue.until <= now {
      if queue.isTaken {
        endAwaited(key)
        continue
      }
      if queue.isGivenUp {
        namespace.awaited[key] = nil
        queueBoard?.close(queue.reference.slot)
        namespace.hasChanged = true
        continue
      }
      log.write(.warn, "nobody has come for \(queue.words)")
      namespace.awaited[key]?.isGivenUp = true
      namespace.awaited[key]?.until = now + Master.givenUpMilliseconds
      queueBoard?.setState(queue.reference.slot, .offline)
      endAwaitedPrefixes(queue)
      forgetKept(queue.path)
    }
  }

  private func endAwaitedPrefixes(_ queue: AwaitedQueue) {
    let owner = Registration.awaitedOwner(queueSlot: queue.reference.slot)
    if namespace.book.unregisterAll(owner: owner) > 0 { namespace.hasChanged = true }
  }

  /// Nobody is awaited for it any more.
  func endAwaited(_ key: QueueKey) {
    guard let queue = namespace.awaited.removeValue(forKey: key) else { return }
    endAwaitedPrefixes(queue)
    if queue.isTaken { return }
    forgetKept(queue.path)
    queueBoard?.close(queue.reference.slot)
  }

  /// The queue that a user is awaited for has its place and its waiting requests again, on whatever
  /// socket; nil: there is none that he may have.
  func takeAwaited(_ key: QueueKey, adopting reference: QueueReference?) -> AwaitedQueue? {
    if let queue = namespace.awaited[key], !queue.isTaken,
      reference == nil || reference == queue.reference
    {
      namespace.awaited[key]?.isTaken = true
      return queue
    }
    // He has something else in mind with its name or its socket.
    for queue in namespace.awaited.values
    where queue.key == key || queue.reference.slot == reference?.slot {
      endAwaited(queue.key)
    }
    return nil
  }
}
