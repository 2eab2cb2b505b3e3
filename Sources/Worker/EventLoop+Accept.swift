// New connections: accept, admit, evict the oldest idle one when descriptors run out.

import Cache
import Configuration
import HTTP
import Platform
import TLS

extension EventLoop {
  /// Starts accepting on listeners by identifier.
  func serve(_ identifiers: [UInt32]) {
    for (index, listener) in listeners.enumerated()
    where identifiers.contains(listener.identifier) && !served.contains(listener.identifier) {
      do throws(SystemError) {
        try poller.add(
          listener.descriptor.number, token: Token.special(.listener, index), interest: .readable)
        served.insert(listener.identifier)
      } catch {
        errorLog.write(.error, "cannot accept on \(listener.address): \(error)")
      }
    }
  }

  /// Stops accepting on them. The sockets stay open: other processes hold them too, and epoll would
  /// go on reporting a descriptor that is only closed here (epoll(7)).
  func leave(_ identifiers: [UInt32]) {
    for listener in listeners
    where identifiers.contains(listener.identifier) && served.contains(listener.identifier) {
      poller.remove(listener.descriptor.number)
      served.remove(listener.identifier)
    }
  }

  /// A listener is ready. What is encrypted stays with the process that has accepted it, under its
  /// configuration: whoever connects after a reload is done must find its order in front of him.
  func takeConnections(listener index: Int) {
    if listeners[index].isEncrypted, !Stream.isQuiet(control.descriptor.number) {
      receiveOrders()
    }
    // One order is to go at once.
    guard exitCode == nil else { return }
    acceptConnections(listener: index)
  }

  /// An event of the same batch may still name a listener that was left meanwhile: what it holds
  /// is for whoever serves it now, and a process about to exit must accept nothing any more.
  func acceptConnections(listener index: Int, countMax: Int = Limits.acceptsPerTurn) {
    let listener = listeners[index]
    guard served.contains(listener.identifier) else { return }
    for _ in 0..<countMax {
      switch Stream.accept(listener.descriptor.number) {
      case .accepted(let descriptor, let client):
        admit(descriptor, client: client, listener: index, requestCount: 0)
        countAccepted()
        // Some descriptors are kept for files and channels, so that nobody admitted goes hungry.
        if Int(descriptor) >= descriptorMax {
          guard makeRoom("only \(Limits.reservedDescriptors) descriptors are left") else { return }
        }
      case .wouldBlock: return
      case .gone: continue
      case .failed(let error):
        guard outOfDescriptors(error, listener) else { return }
      }
    }
  }

  /// True if room was made and accepting may go on.
  private func outOfDescriptors(_ error: SystemError, _ listener: LocalListener) -> Bool {
    if error.code == SystemError.invalidArgument {
      // The master has ended the listener: its address is no longer configured.
      leave(Array(served.intersection([listener.identifier])))
      return false
    }
    guard error.code == SystemError.tooManyFiles || error.code == SystemError.tooManyFilesSystem
    else {
      errorLog.write(.error, "\(error)")
      return false
    }
    return makeRoom("\(error)")
  }

  /// Closes idle connections, or pauses accepting when nobody is idle; false: it pauses.
  private func makeRoom(_ why: String) -> Bool {
    if evictOldestIdle() > 0 { return true }
    // Nobody is idle: without a pause the level-triggered listener would spin.
    errorLog.write(.crit, "\(why); no idle connection to close, accepting pauses")
    let paused = Array(served)
    leave(paused)
    pausedListeners = paused
    acceptResumesAt = now + Limits.acceptPauseMilliseconds
    return false
  }

  func resumeAccepting() {
    acceptResumesAt = 0
    let paused = pausedListeners
    pausedListeners = []
    serve(paused)
  }

  private func countAccepted() {
    acceptedCount += 1
    scoreboard.add(to: .connectionsAccepted, slot: slot)
    let limit = model.server.maxConnectionsPerChild
    if limit > 0 && acceptedCount >= limit && !retiring {
      retiring = true
      report(.retiring)
    }
  }

  /// Enters a connection into the table: a new one, or one from another process.
  @discardableResult
  func admit(
    _ descriptor: CInt, client: SocketAddress, listener: Int, requestCount: UInt32
  ) -> Connection? {
    let local = needsLocalAddress ? Stream.localAddress(descriptor) : nil
    let connection = Connection(
      descriptor: descriptor, serial: takeSerial(), client: client, listener: listener,
      local: local,
      keyPrefix: local.map { CacheKeys.prefix(local: $0, model: model) }
        ?? listeners[listener].keyPrefix)
    connection.requestCount = requestCount
    connection.awaitsProxyHeader = requestCount == 0 && expectsProxyHeader(listener, client)
    do throws(SystemError) {
      try poller.add(descriptor, token: connection.token, interest: .readable)
    } catch {
      errorLog.write(.error, "\(error)")
      Descriptor.close(descriptor)
      return nil
    }
    let index = Int(descriptor)
    growTables(to: index)
    connections[index] = connection
    openCount += 1
    nextTick = min(nextTick, now + Limits.tickMilliseconds)
    if listeners[listener].isEncrypted {
      beginHandshake(connection)
    } else {
      beginIdle(connection)
    }
    return connection
  }

  /// Makes a place for a descriptor in the flat tables.
  func growTables(to index: Int) {
    connections.grow(to: index + 1)
    upstreams.grow(to: index + 1)
    while deadlines.count <= index { deadlines.append(.max) }
  }

  /// 30 bits: the two top bits of a token say that it is not a connection's.
  func takeSerial() -> UInt32 {
    nextSerial = nextSerial == 0x3fff_ffff ? 1 : nextSerial + 1
    return nextSerial
  }

  /// Closes some of the connections that have been idle longest; returns how many. A linear look
  /// over all of them, paid once for `evictionBatchCount` accepts and only when descriptors are
  /// out.
  func evictOldestIdle() -> Int {
    let idle = connections.objects
      .filter { ($0.state.isIdle || $0.http2?.isIdle == true) && !$0.isLeaving }
      .sorted { $0.idleSince < $1.idleSince }
    let evicted = idle.prefix(max(1, min(Limits.evictionBatchCount, idle.count / 8)))
    for connection in evicted { close(connection, .evictedIdle) }
    return evicted.count
  }

  /// The connection waits for its next request.
  func beginIdle(_ connection: Connection) {
    connection.idleSince = now
    connection.phaseByteCount = 0
    let policy = policies[connection.site]
    setDeadline(
      connection,
      now
        + (connection.requestCount == 0
          ? policy.headFirstMilliseconds : policy.keepAliveTimeoutMilliseconds))
  }

  /// Ends a connection; the reason is counted, and written to the log when it was not orderly.
  func close(_ connection: Connection, _ reason: EndReason) {
    let index = Int(connection.descriptor)
    guard connections[index] === connection else { return }
    if let pass = connection.plainPass { unfold(pass) }
    // Whoever is still at work on it sees that there is nothing more to do.
    connection.state.ended()
    // What departs was counted when it began to.
    if connection.security?.isDeparting != true { scoreboard.ended(reason, slot: slot) }
    if let output = connection.output {
      // What has left of it must not look like the whole to a client that waits for our end.
      if output.isOpen || output.next != nil { resetOnClose(connection) }
      finishRecord(of: output, reason: reason == .completed ? .clientReset : reason)
      endOutput(connection, output)
    }
    if let exchange = connection.exchange { abandon(exchange) }
    connection.exchange = nil
    if let security = connection.security {
      endHandshake(security)
      // Nothing after this is missing, and the client is told so (RFC 8446 §6.1).
      let saysEnd =
        !connection.isReset && (reason.isOrderly || reason == .timerConnectionIdle)
      if reason != .evictedIdle && departs(connection, saysEnd: saysEnd) {
        return endStreams(of: connection, reason)
      }
      if saysEnd { security.session.shutdown() }
    }
    endStreams(of: connection, reason)
    connections[index] = nil
    deadlines[index] = .max
    openCount -= 1
    // No other process holds it unless it was handed over, and then it left epoll first.
    Descriptor.close(connection.descriptor)
    if handover.isDraining && openCount == 0 { checkDrained() }
  }

  /// The client must not mistake what it has for the whole: it will be told by a reset.
  func resetOnClose(_ connection: Connection) {
    connection.isReset = true
    Stream.resetOnClose(connection.descriptor)
  }

  func setDeadline(_ connection: Connection, _ deadline: Int64) {
    deadlines[Int(connection.descriptor)] = deadline
  }

  func setInterest(_ connection: Connection, _ interest: Interest) {
    guard connection.interest != interest, connection.state.phase != .closed else { return }
    connection.interest = interest
    do throws(SystemError) {
      try poller.modify(connection.descriptor, token: connection.token, interest: interest)
    } catch {
      errorLog.write(.error, "\(error)")
    }
  }
}
