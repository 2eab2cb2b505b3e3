// Reload: load, check, bind, launch; then open it or give it up.

import Cache
import Configuration
import Platform
import Worker

extension Master {
  /// Somebody wants the configuration to be read again.
  func request(reloadFor requester: Requester) {
    if supervisor.isStopping {
      answer(requester, .refused("the server is stopping"))
      return
    }
    follow(reload.requested(by: requester))
  }

  private func follow(_ actions: [ReloadAction]) {
    for action in actions {
      switch action {
      case .load: loadWhenThereIsRoom()
      case .answer(let requesters, let outcome):
        for requester in requesters { answer(requester, outcome) }
      }
    }
  }

  func answer(_ actions: [ReloadAction]) { follow(actions) }

  /// Loads now, or when the oldest generation has handed over; called again after each event.
  func loadWhenThereIsRoom() {
    launchDelayedUntil = supervisor.launchDelayedUntil(now: Clock.monotonicMilliseconds())
    if launchDelayedUntil == nil { loadAndLaunch() }
  }

  func loadAndLaunch() {
    ServiceManager.reloading()
    let startedAt = Clock.monotonicMilliseconds()
    let result = prepare()
    guard let model = result.model else {
      refuse(result.diagnostics.map { $0.rendered }.joined(separator: "\n"))
      return
    }
    if let problem = openCache(model) { log.write(.error, problem) }
    do {
      try lockDirectories(model)
      for problem in openNamespace(model) { log.write(.error, problem) }
      try launch(
        model, certificates: result.certificates, startedAt: startedAt,
        warnings: result.diagnostics.map { $0.rendered } + changesThatWait(model)
          + registrationWarnings(model))
    } catch {
      refuse(error.description)
    }
  }

  /// What a reload cannot change is said, so that nobody believes it took effect.
  private func changesThatWait(_ model: Model) -> [String] {
    guard let old = currentModel?.server else { return [] }
    let new = model.server
    let changes = [
      ("PidFile", old.pidFile != new.pidFile),
      (
        "ControlSocket",
        old.controlSocketPath != new.controlSocketPath
          || old.controlSocketMode != new.controlSocketMode
          || old.controlSocketOwner != new.controlSocketOwner
          || old.controlSocketGroup != new.controlSocketGroup
      ),
      ("StateDirectory", old.stateDirectory != new.stateDirectory),
      ("CacheSize", old.cacheBytesMax != new.cacheBytesMax),
    ]
    var warnings = changes.filter { $0.1 }.map {
      "warning: '\($0.0)' has changed; it takes effect when the server is started anew"
    }
    if let most = cache?.objectBytesMax, new.cacheObjectBytesMax > old.cacheObjectBytesMax,
      new.cacheObjectBytesMax > most
    {
      warnings.append(
        "warning: 'CacheMaxObject' has changed; until the server is started anew, nothing above"
          + " \(most) bytes is kept")
    }
    return warnings
  }

  private func refuse(_ reason: String) {
    for line in reason.split(separator: "\n") { log.write(.error, String(line)) }
    log.write(.error, "reload refused, nothing has changed")
    ServiceManager.ready(process: ChildProcess.currentIdentifier, status: "Reload refused")
    follow(reload.finished(.refused(reason)))
  }

  /// Prepares all that a generation needs and starts it. Throws before anything has changed.
  func launch(
    _ model: Model, certificates: CertificateSet?, startedAt: Int64, warnings: [String]
  ) throws(Refusal) {
    if let directory = currentModel?.server.queueDirectory, !namespace.queues.isEmpty,
      directory != model.server.queueDirectory
    {
      throw Refusal("QueueDirectory cannot change while applications use '\(directory)'")
    }
    let workers = workerCount(model)
    let logs = try LogFiles(model)
    try attachUpstreams(model)
    let newIdentity = try Master.identity(model)
    let slotCount = max(supervisor.slotCount, workers)
    let fresh = try listeners.prepare(
      model.listens.map { $0.address }.filter { isUsable($0, model) }, slotCount: slotCount)
    let isIdentityNew = identity != newIdentity
    identity = newIdentity
    // From the first fork on nobody but the configured log holds standard error.
    if !hasServed { log = ErrorLog(descriptor: logs.errorLog, level: mainLogLevel(model)) }
    noteCacheOpening()
    noteMissingFlights(model)
    for warning in certificates?.warnings ?? [] { log.write(.warn, warning) }
    if isIdentityNew, let note = Master.identityNote(model) { log.write(note.level, note.text) }
    // Raised before the fork: the new workers start with it, the old ones stop publishing.
    keepListeners(of: model.listens.map { $0.address })
    supervisor.gracefulMilliseconds = model.server.gracefulShutdownTimeoutMilliseconds
    let epoch = cache?.raiseEpoch() ?? 0
    generations[supervisor.lastNumber + 1] = GenerationRecord(
      model: model, readablePaths: model.readablePaths, logs: logs, fresh: fresh,
      difference: currentModel.map { ModelDifference(from: $0, to: model) }, epoch: epoch,
      warnings: warnings, certificates: certificates, startedAt: startedAt)
    awaitApplications(model)
    configureNamespace(model)
    renewHelperPaths()
    tendWatcher()
    tendUpstreams(Clock.monotonicMilliseconds())
    awaitNames(model)
    tendApplications(Clock.monotonicMilliseconds())
    dispatch(.launch(workers: workers))
  }

  /// `[::]` of `Listen PORT` on a machine without IPv6 is no error.
  private func isUsable(_ address: SocketAddress, _ model: Model) -> Bool {
    guard address.address.family == .v6, address.address.isAny, !ListeningSocket.hasIPv6 else {
      return true
    }
    return !model.listens.contains {
      $0.address.port == address.port && $0.address.address == .anyV4
    }
  }

  private func workerCount(_ model: Model) -> Int {
    min(max(1, model.server.workers ?? Privileges.processorCount), Limits.workersMax)
  }

  /// Who workers and helpers are to be; only root can be somebody else, and without `User` is
  /// nobody in particular.
  static func identity(_ model: Model) throws(Refusal) -> Identity? {
    guard Privileges.isRoot else { return nil }
    // In a container there may be no user database.
    let nobody = Privileges.user("nobody") == nil ? "#65534" : "nobody"
    do {
      return try Privileges.identity(
        user: model.server.user ?? nobody, group: model.server.group)
    } catch {
      throw Refusal(error.description)
    }
  }

  /// What the operator should know about `identity`.
  static func identityNote(_ model: Model) -> (level: LogLevel, text: String)? {
    guard Privileges.isRoot else { return nil }
    guard let user = model.server.user else {
      return (.notice, "no User is configured: workers run as 'nobody'")
    }
    guard Privileges.user(user)?.user == 0 else { return nil }
    return (.warn, "User '\(user)' is root: a worker that is taken over owns the machine")
  }

  // MARK: Outcomes

  func opened(_ number: UInt32) {
    guard var record = generations[number] else { return }
    let now = Clock.monotonicMilliseconds()
    let server = record.model.server
    for failure in listeners.listen(record.fresh, backlog: server.listenBacklog) {
      log.write(.error, "cannot listen: \(failure)")
    }
    announceFresh(record.fresh, number)
    let removed = listeners.identifiers(outside: record.addresses)
    if !removed.isEmpty { retiring.append((removed, now + Limits.retireMilliseconds)) }
    record.openedAt = now
    ownQueueSockets()
    renewConfigured()
    unlockDirectories(except: record.model)
    persistsCache = server.cachePersists
    generations[number] = record
    log = ErrorLog(descriptor: record.logs.errorLog, level: mainLogLevel(record.model))
    log.write(
      .notice,
      "generation \(number) serves with \(workerCount(record.model)) workers after "
        + "\(now - record.startedAt) ms")
    tellSandboxLevel()
    if !hasServed {
      hasServed = true
      if let daemonPipe {
        _ = Console.write([UInt8(ascii: "0")], to: daemonPipe)
        ChildProcess.redirectToNull()
      }
    }
    ServiceManager.ready(
      process: ChildProcess.currentIdentifier, status: "Generation \(number) serves")
    follow(reload.finished(.serves(generation: number)))
  }

  /// Says once, when there are applications to ask, that each client asks them for itself.
  private func noteMissingFlights(_ model: Model) {
    guard flights == nil, !model.proxyBalancers.isEmpty,
      currentModel?.proxyBalancers.isEmpty != false
    else { return }
    log.write(
      .warn,
      "clients that want the same response of an application do not wait for each other"
        + " (CacheLock): that needs \(Limits.descriptorsForFlights) open files, and"
        + " \(Privileges.raiseDescriptorLimit()) are allowed; raise LimitNOFILE= of the unit, or"
        + " 'ulimit -n', and start the server anew")
  }

  private func mainLogLevel(_ model: Model) -> LogLevel {
    // Starting and stopping is always of interest to who runs the server.
    max(model.sites.first?.logLevel ?? .warn, .notice)
  }

  /// Sockets that listen only now are served by the workers they are at home with.
  private func announceFresh(_ fresh: [UInt32], _ number: UInt32) {
    guard let generation = supervisor.generations.first(where: { $0.number == number }) else {
      return
    }
    for member in generation.members where member.accepts {
      let identifiers = listeners.entries.filter {
        $0.isListening && fresh.contains($0.identifier)
          && $0.slot % generation.workers == member.index
      }.map { $0.identifier }
      if !identifiers.isEmpty { send(.serve(identifiers), to: member.name) }
    }
  }

  func failed(_ number: UInt32, _ reason: String) {
    let record = generations[number]
    let hadServed = record?.openedAt != nil
    log.write(.error, "generation \(number) failed: \(reason)")
    if let record { giveUp(record.fresh, of: number) }
    if let serving = supervisor.current {
      goOn(serving, after: number)
    } else {
      startFailure = reason
      dispatch(.stop)
    }
    if !hadServed {
      follow(reload.finished(.refused("generation \(number) failed: \(reason)")))
    } else if let current = currentRecord {
      // Its own reload was answered when it opened; one that is under way now is another's.
      restoreListeners(current)
    }
  }

  /// A later generation has failed: the serving one gets back what was changed for that one.
  private func goOn(_ number: UInt32, after failed: UInt32) {
    log.write(.notice, "generation \(number) goes on")
    renewHelperPaths()
    if let model = currentModel {
      configureNamespace(model)
      identity = (try? Master.identity(model)) ?? identity
      ownQueueSockets()
      try? lockDirectories(model)
      supervisor.gracefulMilliseconds = model.server.gracefulShutdownTimeoutMilliseconds
    }
    // What the failed generation validated is not to be trusted by the one that goes on.
    if let epoch = cache?.raiseEpoch() {
      generations[number]?.epoch = epoch
      inheritedEpoch = epoch
    }
    for (name, worker) in workers where worker.generation == number {
      guard let member = supervisor.member(name)?.member else { continue }
      if member.accepts || member.isStarting { resume(name) }
    }
    ServiceManager.ready(
      process: ChildProcess.currentIdentifier,
      status: "Generation \(failed) failed, generation \(number) serves")
  }

  /// Addresses that are configured again, or still, do not end.
  private func keepListeners(of addresses: [SocketAddress]) {
    let kept = Set(
      listeners.entries.filter { addresses.contains($0.address) }.map { $0.identifier })
    retiring = retiring.map { ($0.identifiers.subtracting(kept), $0.at) }
    retiring.removeAll { $0.identifiers.isEmpty }
  }

  /// Sockets that a failed generation brought: at once if they never listened, else when its
  /// workers have been told to leave them. A generation that starts already may rely on them: then
  /// they are its own from now on.
  private func giveUp(_ brought: [UInt32], of number: UInt32) {
    var fresh = Set(brought)
    for later in generations.keys where later > number {
      let wanted = listeners.identifiers(within: generations[later]?.addresses ?? [])
      generations[later]?.fresh += fresh.intersection(wanted).sorted()
      fresh.subtract(wanted)
    }
    let listening = Set(
      listeners.entries.filter { $0.isListening && fresh.contains($0.identifier) }
        .map { $0.identifier })
    listeners.end(fresh.subtracting(listening))
    if !listening.isEmpty {
      retiring.append((listening, Clock.monotonicMilliseconds() + Limits.giveUpMilliseconds))
    }
  }

  /// A generation that served may have removed addresses. Those whose sockets have not ended yet
  /// stay; for others only new workers can serve, so the old model is launched again.
  private func restoreListeners(_ record: GenerationRecord) {
    keepListeners(of: record.addresses)
    let present = Set(listeners.entries.map { $0.address })
    guard record.addresses.contains(where: { !present.contains($0) && isUsable($0, record.model) }),
      !reload.isReloading
    else { return }
    reload.began()
    do {
      try launch(
        record.model, certificates: record.certificates,
        startedAt: Clock.monotonicMilliseconds(), warnings: [])
    } catch {
      log.write(.error, "cannot listen on removed addresses again: \(error)")
      follow(reload.finished(.refused(error.description)))
    }
  }

  // MARK: Logs

  /// Opens all log files anew and passes them to the workers. A file that cannot be opened leaves
  /// everything as it is. Returns the problem, if there is one.
  @discardableResult
  func reopenLogs() -> String? {
    var problem: String?
    for (number, record) in generations {
      let logs: LogFiles
      do {
        logs = try LogFiles(record.model)
      } catch {
        log.write(.error, "logs are not reopened: \(error)")
        problem = error.description
        continue
      }
      generations[number]?.logs = logs
      if number == supervisor.current {
        log = ErrorLog(descriptor: logs.errorLog, level: mainLogLevel(record.model))
      }
      let descriptors = [logs.errorLog] + logs.logs.map { $0.descriptor }
      guard descriptors.count <= Limits.logsPerMessage else {
        log.write(.notice, "too many logs for one message: reloading instead")
        if number == supervisor.current { request(reloadFor: .signal) }
        continue
      }
      for worker in workers.values where worker.generation == number {
        send(.reopenLogs, to: worker.name, descriptors)
      }
    }
    log.write(.notice, "logs reopened")
    return problem
  }
}
