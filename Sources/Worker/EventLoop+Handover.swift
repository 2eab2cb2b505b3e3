// Leaving without cutting anybody off: idle connections move to the next generation.

import Cache
import Configuration
import HTTP
import Platform

/// One channel to a worker of the next generation.
struct Successor {
  let channel: MessageSocket
  /// Packets sent and not acknowledged, oldest first: the connections are ours until then.
  var inFlight: [[Connection]] = []
  var isOpen = true
  /// False after `resume`: that generation is given up, nothing more goes there.
  var takesMore = true
}

/// What a worker knows about handing over.
final class HandoverState {
  /// Told to leave.
  var isDraining = false
  var successors: [Successor] = []
  /// Channels from workers of the previous generation.
  var predecessors: [MessageSocket?] = []
  /// Idle connections that wait for room in a channel.
  var waiting: [Connection] = []
  /// Round robin over the successors.
  var nextSuccessor = 0
  /// Monotonic milliseconds after which what is left is cut; `Int64.max`: never.
  var deadline = Int64.max
  /// The listeners served before the drain, for `resume`.
  var servedBefore: [UInt32] = []
  var reportedDrained = false
  /// The master is gone.
  var isOrphaned = false

  /// Somebody of the next generation takes connections.
  var hasSuccessor: Bool { successors.contains { $0.isOpen && $0.takesMore } }

  /// All that took connections have died; the master names whom it starts in their place.
  var awaitsSuccessor: Bool { !hasSuccessor && successors.contains { $0.takesMore } }
}

extension EventLoop {
  // MARK: The leaving side

  /// Stop accepting; move what is idle; the rest follows as it becomes idle. What waits in the
  /// queues of listeners that end (nil: all) is taken along, as nobody else serves them; in those
  /// of others there may be clients already who know that the next generation serves.
  func beginDrain(ending: [UInt32]? = nil) {
    guard !handover.isDraining else { return }
    for (index, listener) in listeners.enumerated()
    where ending?.contains(listener.identifier) ?? true {
      acceptConnections(listener: index, countMax: Limits.drainAcceptsMax)
    }
    handover.isDraining = true
    handover.reportedDrained = false
    handover.servedBefore = Array(served) + pausedListeners
    pausedListeners = []
    acceptResumesAt = 0
    leave(Array(served))
    for connection in connections.objects { drain(connection) }
    advanceHandover()
  }

  /// What cannot move goes on here until its next answer, if somebody takes its next connection.
  private func drain(_ connection: Connection) {
    let action = connection.state.drain()
    if let http2 = connection.http2 {
      drainHTTP2(connection, http2)
    } else if connection.state.isIdle, connection.state.isBound, !handover.hasSuccessor {
      close(connection, .drained)
    } else {
      perform(action, on: connection)
    }
  }

  /// The next generation failed: we serve again.
  func resumeServing(epoch: UInt32) {
    adopt(epoch: epoch)
    guard handover.isDraining else { return }
    handover.isDraining = false
    handover.deadline = .max
    for index in handover.successors.indices { handover.successors[index].takesMore = false }
    for connection in connections.objects { connection.state.draining = false }
    let waiting = handover.waiting
    handover.waiting = []
    for connection in waiting { takeBack(connection) }
    serve(handover.servedBefore)
  }

  /// An idle connection is to leave. Without successors it is closed: nobody could take it. If they
  /// only died it stays: it was told that it may.
  func handOver(_ connection: Connection) {
    guard handover.isDraining, !handover.awaitsSuccessor else { return beginIdle(connection) }
    guard handover.hasSuccessor else {
      close(connection, .drained)
      return
    }
    guard !connection.isLeaving else { return }
    connection.isLeaving = true
    // Out of epoll before it is sent: this process must see no event of it any more.
    poller.remove(connection.descriptor)
    connection.input = nil
    setDeadline(connection, .max)
    handover.waiting.append(connection)
    runnable.append(Token.special(.successor, handover.successors.count))
  }

  /// Somebody takes connections: also those that stayed when the one before died.
  func addSuccessor(_ channel: MessageSocket) {
    var index = handover.successors.count
    if let gone = handover.successors.firstIndex(where: { !$0.isOpen }) {
      index = gone
      handover.successors[gone] = Successor(channel: channel)
    } else {
      handover.successors.append(Successor(channel: channel))
    }
    watch(channel, Token.special(.successor, index))
    guard handover.isDraining else { return }
    for connection in connections.objects { drain(connection) }
    advanceHandover()
  }

  /// Sends as many packets as the channels take. Called after each batch of events and each tick.
  func advanceHandover() {
    guard handover.isDraining else { return }
    while !handover.waiting.isEmpty, let index = successorWithRoom() {
      let batch = Array(handover.waiting.prefix(Limits.handoverBatchCount))
      let message = HandoverMessage.connections(
        batch.map {
          HandedConnection(
            listener: listeners[$0.listener].identifier, requestCount: $0.requestCount,
            client: $0.peer)
        })
      do throws(SystemError) {
        guard
          try handover.successors[index].channel.send(
            message.bytes, numbers: batch.map(\.descriptor))
        else { break }
        handover.waiting.removeFirst(batch.count)
        handover.successors[index].inFlight.append(batch)
      } catch {
        // ETOOMANYREFS: too many descriptors are on their way; acknowledgements make room.
        if error.code == SystemError.tooManyReferences { break }
        successorIsGone(index)
      }
    }
    checkDrained()
  }

  private func successorWithRoom() -> Int? {
    let count = handover.successors.count
    for step in 0..<count {
      let index = (handover.nextSuccessor + step) % count
      let successor = handover.successors[index]
      if successor.takesMore && successor.isOpen
        && successor.inFlight.count < Limits.handoverPacketsMax
      {
        handover.nextSuccessor = (index + 1) % count
        return index
      }
    }
    return nil
  }

  /// The receiver has taken packets: now, and only now, the connections are no longer ours.
  func receiveAcknowledgements(_ index: Int) {
    // The index behind the last one is the loop's own "go on", queued by `handOver`.
    guard index < handover.successors.count else { return advanceHandover() }
    while index < handover.successors.count, handover.successors[index].isOpen {
      do throws(SystemError) {
        switch try handover.successors[index].channel.receive() {
        case .message(let bytes, _):
          guard case .acknowledged(let count)? = HandoverMessage(bytes: bytes),
            !handover.successors[index].inFlight.isEmpty
          else { return successorIsGone(index) }
          let batch = handover.successors[index].inFlight.removeFirst()
          for (position, connection) in batch.enumerated() {
            if position < Int(count) {
              scoreboard.add(to: .connectionsHandedOver, slot: slot)
              close(connection, .handedOver)
            } else {
              takeBack(connection)
            }
          }
        case .wouldBlock: return advanceHandover()
        case .closed: return successorIsGone(index)
        }
      } catch {
        return successorIsGone(index)
      }
    }
  }

  /// The receiver died: what it had not acknowledged is ours again.
  private func successorIsGone(_ index: Int) {
    guard handover.successors[index].isOpen else { return }
    handover.successors[index].isOpen = false
    poller.remove(handover.successors[index].channel.descriptor.number)
    let batches = handover.successors[index].inFlight
    handover.successors[index].inFlight = []
    let others = handover.hasSuccessor
    for connection in batches.joined() {
      if others { handover.waiting.append(connection) } else { takeBack(connection) }
    }
    if !others {
      let waiting = handover.waiting
      handover.waiting = []
      for connection in waiting { takeBack(connection) }
    }
    advanceHandover()
  }

  /// Back into our own epoll. It is served here until it closes or another successor appears.
  private func takeBack(_ connection: Connection) {
    connection.isLeaving = false
    do throws(SystemError) {
      try poller.add(connection.descriptor, token: connection.token, interest: .readable)
      connection.interest = .readable
      beginIdle(connection)
    } catch {
      close(connection, .internal)
    }
  }

  /// When nothing is left, the master is told and the process ends.
  func checkDrained() {
    guard handover.isDraining, !handover.reportedDrained else { return }
    if now >= handover.deadline {
      for connection in connections.objects { close(connection, .shutdown) }
    }
    // A predecessor may still be sending us its connections: they pass through. Closing the last
    // one may have come here already.
    guard openCount == 0, !handover.reportedDrained,
      now >= handover.deadline || handover.predecessors.allSatisfy({ $0 == nil }) && !holdsCredits
    else { return }
    handover.reportedDrained = true
    report(.drained)
    exitCode = 0
  }

  // MARK: The receiving side

  func takeOver(_ index: Int) {
    guard index < handover.predecessors.count, let channel = handover.predecessors[index] else {
      return
    }
    while true {
      do throws(SystemError) {
        switch try channel.receiveNumbers() {
        case .message(let bytes, let descriptors):
          guard case .connections(let connections)? = HandoverMessage(bytes: bytes) else {
            for descriptor in descriptors { Descriptor.close(descriptor) }
            return predecessorIsGone(index)
          }
          take(connections, descriptors)
          let count = UInt32(min(connections.count, descriptors.count))
          // A full channel means a sender that reads no acknowledgements: treat it as gone.
          guard try channel.send(HandoverMessage.acknowledged(count: count).bytes, numbers: [])
          else { return predecessorIsGone(index) }
        case .wouldBlock: return
        case .closed: return predecessorIsGone(index)
        }
      } catch {
        errorLog.write(.error, "taking over connections: \(error)")
        return predecessorIsGone(index)
      }
    }
  }

  private func take(_ handed: [HandedConnection], _ descriptors: [CInt]) {
    for (connection, descriptor) in zip(handed, descriptors) {
      // An address that is no longer configured: its connections end as its listeners did.
      // So do those in clear text where there is encryption now.
      guard let index = listener(of: connection, descriptor), !listeners[index].isEncrypted else {
        Descriptor.close(descriptor)
        scoreboard.ended(.drained, slot: slot)
        continue
      }
      let admitted = admit(
        descriptor, client: connection.client, listener: index,
        requestCount: connection.requestCount)
      if let admitted {
        scoreboard.add(to: .connectionsTakenOver, slot: slot)
        if handover.isDraining { perform(admitted.state.drain(), on: admitted) }
      }
    }
  }

  /// By which of our listeners a connection could have come: the one it came by, or one of the same
  /// address, where that was a socket of a generation that has failed.
  private func listener(of connection: HandedConnection, _ descriptor: CInt) -> Int? {
    if let index = listeners.firstIndex(where: { $0.identifier == connection.listener }) {
      return index
    }
    guard let local = Stream.localAddress(descriptor) else { return nil }
    return listeners.firstIndex { $0.address == local }
      ?? listeners.firstIndex {
        $0.address.address.isAny && $0.address.address.family == local.address.family
          && $0.address.port == local.port
      }
  }

  private func predecessorIsGone(_ index: Int) {
    if let channel = handover.predecessors[index] { poller.remove(channel.descriptor.number) }
    handover.predecessors[index] = nil
    checkDrained()
  }
}
