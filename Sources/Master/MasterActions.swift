// Doing what the supervisor decided: fork, order, connect, open, give up.

import Cache
import Configuration
import Platform
import TLS
import Worker

extension Master {
  func perform(_ action: SupervisorAction) {
    switch action {
    case .fork(let name, let generation, let index, let served):
      fork(name, generation, index, served)
    case .order(let name, .resume(_)): resume(name)
    case .order(let name, .drain(_)): send(.drain(ending: endingListeners), to: name)
    case .order(let name, let order): send(order, to: name)
    case .serve(let name, let slots):
      let identifiers = identifiers(name, slots)
      if !identifiers.isEmpty { send(.serve(identifiers), to: name) }
    case .leave(let name, let slots):
      let identifiers = identifiers(name, slots)
      if !identifiers.isEmpty { send(.leave(identifiers), to: name) }
    case .connect(let from, let to): connect(from, to)
    case .kill(let name):
      if let record = workers[name] { ChildProcess.signal(record.process, SignalSource.kill) }
    case .opened(let generation): opened(generation)
    case .failed(let generation, let reason): failed(generation, reason)
    case .gone(let generation):
      generations[generation] = nil
      releaseUpstreams()
      renewHelperPaths()
    case .note(let level, let text): log.write(level, text)
    case .finished: allProcessesEnded()
    }
  }

  /// Listening sockets of addresses that the generation that serves does not have.
  private var endingListeners: [UInt32] {
    guard let number = supervisor.current, let record = generations[number] else { return [] }
    return listeners.identifiers(outside: record.addresses).sorted()
  }

  /// The worker accepts again, but not on sockets that have ended meanwhile: those would be
  /// reported as ready for ever.
  func resume(_ name: WorkerName) {
    guard let record = workers[name] else { return }
    // Not the segment's: a reload that waited may have raised that again by now.
    let epoch = generations[record.generation]?.epoch ?? inheritedEpoch
    send(.resume(epoch: epoch), to: name)
    if !listeners.ended.isEmpty { send(.leave(listeners.ended.sorted()), to: name) }
  }

  /// The listening sockets that a worker knows in some slots.
  private func identifiers(_ name: WorkerName, _ slots: [Int]) -> [UInt32] {
    guard let record = workers[name] else { return [] }
    let addresses =
      generations[record.generation]?.addresses ?? listeners.entries.map { $0.address }
    return listeners.identifiers(addresses, slots: slots)
  }

  // MARK: Forking

  private func fork(_ name: WorkerName, _ generation: UInt32, _ index: Int, _ served: [Int]) {
    guard let generationRecord = generations[generation] else {
      dispatch(.ended(name, "has no model any more"))
      return
    }
    guard let slot = (0..<Limits.processSlots).first(where: { !slotsInUse.contains($0) }) else {
      dispatch(.ended(name, "cannot start: all \(Limits.processSlots) process slots are in use"))
      return
    }
    do {
      if rooms.helperMain != nil, try helpers.ensure(slot: slot) {
        startHelpers(helpers.blocks.count - 1)
      }
      let (mine, theirs) = try MessageSocket.pair()
      // Kept before the fork, so that in the child nothing of the master's ends by itself.
      workers[name] = WorkerRecord(
        name: name, generation: generation, index: index, processSlot: slot, isInherited: false,
        process: 0, control: mine, namespaceGeneration: namespace.generation)
      slotsInUse.insert(slot)
      upstreams?.board.open(slot: slot)
      queueBoard?.open(slot: slot)
      let heritage = Heritage(
        model: generationRecord.model, generation: generation,
        routingEpoch: generationRecord.epoch, workerIndex: index, processSlot: slot,
        listeners: listeners.heritage(generationRecord.addresses),
        served: listeners.identifiers(generationRecord.addresses, slots: served), cache: cache,
        flights: flights, queues: queueBoard, wakers: wakers, scoreboard: scoreboard,
        control: theirs.descriptor,
        fileHelper: helpers.channel(slot: slot), watch: watchLink(generationRecord.model),
        tls: generationRecord.certificates?.heritage(generationRecord.model),
        upstreams: generationRecord.model.proxyMembers.isEmpty ? nil : upstreams?.board,
        namespace: namespace.snapshot, errorLog: generationRecord.logs.errorLog,
        logs: generationRecord.logs.logs,
        sandbox: workerPlan(generationRecord.model, generationRecord.readablePaths))
      switch try ChildProcess.fork() {
      case .child: becomeWorker(heritage)
      case .parent(let process):
        workers[name]?.process = process
        try poller.add(mine.descriptor.number, token: Token.worker(name), interest: .readable)
      }
    } catch {
      if let record = workers[name], record.process > 0 {
        // Without its channel it is of no use; its end is reported by the kernel.
        ChildProcess.signal(record.process, SignalSource.kill)
        return
      }
      if let record = workers.removeValue(forKey: name) { slotsInUse.remove(record.processSlot) }
      dispatch(.ended(name, "cannot start: \(error)"))
    }
  }

  private func becomeWorker(_ heritage: Heritage) -> Never {
    let channels = [heritage.fileHelper, heritage.watch?.channel].compactMap { $0?.number }
    closeMastersDescriptors(keeping: channels)
    becomeUnprivileged()
    cache?.prefault()
    let code = rooms.workerMain(heritage)
    ChildProcess.exit(code)
  }

  /// In a fresh child: what only the master may hold. A worker that held a sibling's channel would
  /// hide the master's death from it; one that held the pid file would keep a new master away.
  private func closeMastersDescriptors(keeping kept: [CInt]) {
    SignalSource.resetInChild()
    SignalSource.ignoreTerminalSignals()
    Descriptor.close(poller.number)
    for record in workers.values {
      Descriptor.close(record.control.descriptor.number)
      // Only channels: a copy would hide their end. Logs are ours too.
      let channels = [WorkerOrder.successor.bytes, WorkerOrder.predecessor.bytes]
      for message in record.outbox
      where channels.contains(message.bytes) || WorkerOrder.isCache(message.bytes) {
        for end in message.descriptors { Descriptor.close(end.number) }
      }
    }
    // Their memory is to end with their last users.
    elderCaches = []
    for block in helpers.blocks {
      for end in block.helperEnds { Descriptor.close(end.number) }
      for end in block.workerEnds where !kept.contains(end.number) { Descriptor.close(end.number) }
    }
    for end in watcher?.ends ?? [] where !kept.contains(end.number) {
      Descriptor.close(end.number)
    }
    for end in (stapleSeat?.ends ?? []) + (upstreams?.ends ?? []) + applications.ends {
      Descriptor.close(end.number)
    }
    if let pidFile { Descriptor.close(pidFile.descriptor.number) }
    for lock in namespace.locks.values { Descriptor.close(lock.descriptor.number) }
    for order in namespace.cacheOrders.waiting { Descriptor.close(order.descriptor.number) }
    Descriptor.close(signals.descriptor.number)
    for number in control?.numbers ?? [] { Descriptor.close(number) }
    for queue in namespace.queues.values { Descriptor.close(queue.listener.number) }
    queueBoard?.becomeReader()
    if let upgrade { Descriptor.close(upgrade.output.number) }
    leaveTerminal()
  }

  /// Whoever started the daemon must not wait for the end of our output.
  private func leaveTerminal() {
    guard let daemonPipe else { return }
    Descriptor.close(daemonPipe.number)
    ChildProcess.redirectToNull()
  }

  private func becomeUnprivileged() {
    guard let identity else { return }
    do {
      try Privileges.become(identity)
    } catch {
      log.write(.crit, "cannot become user \(identity.user): \(error)")
      ChildProcess.exit(1)
    }
  }

  /// Starts the helpers that a block lacks.
  func startHelpers(_ place: Int) {
    guard let helperMain = rooms.helperMain, !supervisor.isStopping else { return }
    helpers.blocks[place].respawnAt = nil
    helpers.blocks[place].lastStartAt = Clock.monotonicMilliseconds()
    while helpers.blocks[place].processes.count < HelperPool.processesPerBlock {
      do {
        switch try ChildProcess.fork() {
        case .child: becomeHelper(place, helperMain)
        case .parent(let process): helpers.blocks[place].processes.insert(process)
        }
      } catch {
        log.write(.error, "cannot start an I/O helper: \(error)")
        helpers.blocks[place].respawnAt =
          Clock.monotonicMilliseconds() + Limits.backOffMaxMilliseconds
        return
      }
    }
  }

  private func becomeHelper(
    _ place: Int, _ main: ([Descriptor], SandboxPlan) -> Int32
  ) -> Never {
    let channels = helpers.blocks[place].helperEnds
    // A mapping holds the segment's lock: one that hangs at a disk would hold it for as long.
    cache = nil
    becomeHelperProcess(keeping: channels)
    ChildProcess.exit(main(channels, helperPlan))
  }

  /// In a fresh child that is to hold nothing but these channels, unprivileged.
  func becomeHelperProcess(keeping channels: [Descriptor], changesUser: Bool = true) {
    leaveTerminal()
    discardKeys()
    elderCaches = []
    SignalSource.resetInChild()
    SignalSource.ignoreTerminalSignals()
    ChildProcess.closeDescriptors(except: channels.map { $0.number })
    if changesUser, let identity, (try? Privileges.become(identity)) == nil { ChildProcess.exit(1) }
  }

  /// Nothing that could pretend to be this server, or open what it has said, is left in a process
  /// that needs none of it.
  private func discardKeys() {
    TLSContext.discardAll()
    for record in generations.values { record.certificates?.tickets?.discard() }
    ticketKeys?.discard()
    ticketRegion?.discard()
  }

  // MARK: Talking

  func send(_ order: WorkerOrder, to name: WorkerName, _ descriptors: [Descriptor] = []) {
    guard workers[name] != nil else { return }
    workers[name]?.outbox.append((order.bytes, descriptors))
    flushOrders(name)
  }

  func flushOrders(_ name: WorkerName) {
    guard let record = workers[name], record.process > 0, !record.outbox.isEmpty else { return }
    var sent = 0
    var awaitsRoom = true
    for message in record.outbox {
      do {
        guard try record.control.send(message.bytes, descriptors: message.descriptors) else {
          break
        }
      } catch {
        if error.code == SystemError.tooManyReferences {
          // Too many descriptors are on their way (unix(7)); the channel would be reported as
          // writable at once, again and again.
          awaitsRoom = false
          retryOrdersAt = Clock.monotonicMilliseconds() + Limits.orderRetryMilliseconds
          break
        }
        // The worker is gone: its end is reported by the kernel.
        log.write(.debug, "order to worker \(record.index) lost: \(error)")
      }
      sent += 1
    }
    workers[name]?.outbox.removeFirst(sent)
    let interest: Interest =
      sent < record.outbox.count && awaitsRoom ? [.readable, .writable] : [.readable]
    try? poller.modify(
      record.control.descriptor.number, token: Token.worker(name), interest: interest)
  }

  /// A worker is not trusted: one that reports without end gets no more than its turn.
  func readReports(_ name: WorkerName, countMax: Int = Limits.reportsPerTurn) {
    for _ in 0..<countMax {
      guard let record = workers[name] else { return }
      switch try? record.control.receive() {
      case .message(let bytes, _):
        switch WorkerReport(bytes: bytes) {
        case .certificateWanted(let question): answer(question, from: name)
        case .namespaceWanted: tellNamespace(name)
        case .namespaceTaken(let generation): noteTold(name, generation: generation)
        case let report?: dispatch(.reported(name, report))
        case nil:
          log.write(.warn, "worker \(record.index) sent a report that is none")
        }
      case .closed:
        // Level-triggered: it would be reported again and again until the process is reaped.
        poller.remove(record.control.descriptor.number)
        return
      case .wouldBlock, nil: return
      }
    }
  }

  private func connect(_ from: WorkerName, _ to: WorkerName) {
    guard workers[from] != nil, workers[to] != nil else { return }
    do {
      let (first, second) = try MessageSocket.pair()
      send(.predecessor, to: to, [second.descriptor])
      send(.successor, to: from, [first.descriptor])
    } catch {
      log.write(.warn, "connections of a worker are not handed over: \(error)")
    }
  }

  // MARK: Ends

  func reapChildren() {
    while let (process, end) = ChildProcess.reap() {
      if let record = workers.values.first(where: { $0.process == process }) {
        // Its last words may say why.
        readReports(record.name, countMax: .max)
        poller.remove(record.control.descriptor.number)
        noteEnded(record.process)
        workers[record.name] = nil
        slotsInUse.remove(record.processSlot)
        cache?.clearProcessSlot(record.processSlot)
        flights?.clear(processSlot: record.processSlot)
        scoreboard.clear(slot: record.processSlot)
        upstreams?.board.clear(slot: record.processSlot)
        clearQueues(of: record.processSlot)
        let pid = end.isRefusedCall ? "(pid \(process)) " : ""
        dispatch(.ended(record.name, pid + words(for: process, end)))
      } else if let place = helpers.ended(process) {
        helperEnded(place, process, end)
      } else if watcher?.process == process {
        watcherEnded(process, end)
      } else if stapleSeat?.process == process {
        fetcherEnded(process, end)
      } else if upstreamHelperEnded(process, end) || applicationsEnded(process, end) {
        continue
      } else if upgrade?.process == process {
        upgradeCheckEnded(end)
      }
    }
  }

  private func helperEnded(_ place: Int, _ process: Int32, _ end: ProcessEnd) {
    if supervisor.isStopping { return }
    let now = Clock.monotonicMilliseconds()
    let lived = now - helpers.blocks[place].lastStartAt
    if end == .exited(IOHelper.renewalCode) {
      // Its successor may read what it could not; but no forks again and again within an instant.
      let isSoon = lived < Limits.helperRenewalMilliseconds
      helpers.blocks[place].respawnAt = isSoon ? now + Limits.helperRenewalMilliseconds : nil
      if !isSoon { startHelpers(place) }
      return
    }
    log.write(.error, "I/O helper (pid \(process)) \(words(for: process, end))")
    let delay = helpers.blocks[place].backOff.delay(afterLiving: lived)
    helpers.blocks[place].respawnAt = now + delay
  }
}
