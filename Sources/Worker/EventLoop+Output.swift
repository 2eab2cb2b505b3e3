// Bytes out, when the socket did not take them at once.

import Cache
import Configuration
import HTTP
import Platform
import TLS

extension EventLoop {
  /// Sends what a response consists of; true when all of it has left. Otherwise the connection
  /// waits for room and `continueOutput` goes on.
  func start(_ output: PendingOutput, on stream: RequestStream) -> Bool {
    stream.state.responseBegun()
    stream.output = output
    guard let connection = stream as? Connection else { return startFrames(output, on: stream) }
    switch pump(output, connection) {
    case .finished:
      endOutput(connection, output)
      finishRecord(of: output, reason: .completed)
      return true
    case .blocked:
      // Memory for slow readers is bounded: beyond it, who cannot take its answer is ended.
      if output.copiedBytes > 0 && copiedBytes > Limits.copiedBytesMax {
        fail(connection, .connectionDropped)
        return false
      }
      awaitRoom(connection)
      return false
    case .yielded:
      yield(connection)
      return false
    case .waiting:
      return false
    case .starved:
      relayStarved(connection)
      return false
    case .failed(let reason):
      fail(connection, reason)
      return false
    }
  }

  /// The socket has room again, or it is this connection's turn again.
  func continueOutput(_ connection: Connection) {
    guard let output = connection.output else { return }
    switch pump(output, connection) {
    case .finished:
      endOutput(connection, output)
      finishRecord(of: output, reason: .completed)
      finishResponse(connection)
    case .blocked: awaitRoom(connection)
    case .yielded: yield(connection)
    case .waiting: break
    case .starved: relayStarved(connection)
    case .failed(let reason): fail(connection, reason)
    }
  }

  /// A response that was finished in a later turn than its request: go on with what is buffered.
  func finishResponse(_ stream: RequestStream) {
    let connection = stream as? Connection
    let action = stream.state.responseEnded(
      bufferedCount: connection?.input?.count ?? 0, reason: .connectionClose)
    perform(action, on: stream)
  }

  /// Others first. Its turn comes by `runnable`; events beside that would multiply its turns.
  private func yield(_ connection: Connection) {
    setInterest(connection, [])
    setDeadline(connection, now + policies[connection.site].timeoutMilliseconds)
    runnable.append(connection.token)
  }

  func awaitRoom(_ connection: Connection) {
    // While a response is stuck nothing more is read: that is the back-pressure. A body that an
    // application takes goes on.
    let goesOn = connection.state.phase == .relaying && connection.interest.contains(.readable)
    setInterest(connection, goesOn ? [.readable, .writable] : .writable)
    setDeadline(connection, now + policies[connection.site].timeoutMilliseconds)
  }

  /// The response cannot be completed: the client must not mistake the part it got for the whole.
  private func fail(_ connection: Connection, _ reason: EndReason) {
    if reason == .fileChanged || reason == .readFailed {
      resetOnClose(connection)
    }
    if let output = connection.output {
      finishRecord(of: output, reason: reason)
      endOutput(connection, output)
    }
    close(connection, reason)
  }

  /// Gives back what kept the pieces alive.
  func endOutput(_ stream: RequestStream, _ output: PendingOutput) {
    release(output)
    stream.output = nil
    if let forwarding = stream.exchange?.forwarding { leave(forwarding) }
    stream.exchange = nil
  }

  func release(_ output: PendingOutput) {
    if let pin = output.pin {
      cache?.unpin(pin)
      output.pin = nil
    }
    copiedBytes -= output.copiedBytes
    output.copiedBytes = 0
    if output.file != nil { output.file = nil }
    output.removePieces()
  }

  private enum PumpResult {
    case finished
    /// The socket is full.
    case blocked
    /// Enough for this turn.
    case yielded
    /// A helper brings the file's next bytes into memory.
    case waiting
    /// All there is has left, and an application will give more.
    case starved
    case failed(EndReason)
  }

  private func pump(_ output: PendingOutput, _ connection: Connection) -> PumpResult {
    var budget = Limits.fileBytesPerTurn
    while let piece = output.next {
      let result: SendResult
      if case .file(let offset, let count) = piece {
        guard budget > 0 else { return .yielded }
        let part = Int(min(count, Int64(isPlain(connection) ? budget : frames.capacity)))
        guard let file = output.file else { preconditionFailure("a file piece without its file") }
        // A file rewritten or truncated in place is noticed before each part: what the client got
        // is then not completed (it would be a mixture).
        guard File.isUnchanged(file.descriptor, file.facts) else { return .failed(.fileChanged) }
        if warm(file, offset: offset, count: part, for: connection) { return .waiting }
        switch send(file, at: offset, count: part, on: connection) {
        case .sent(let sent): result = .sent(sent)
        case .truncated: return .failed(.fileChanged)
        case .wouldBlock: result = .wouldBlock
        case .broken: result = .broken
        case .failed(let error):
          log(of: connection).write(.error, "\(error)", client: connection.client)
          return .failed(.readFailed)
        }
        budget -= part
      } else if case .unpinned(let offset, let count) = piece {
        // The client must not mistake what it got for the whole.
        guard let sent = sendUnpinned(output, offset: offset, count: count, connection) else {
          return .failed(.connectionDropped)
        }
        result = sent
      } else {
        let moreFollows = output.gather(into: gathered, region: cache?.region)
        result = transmit(gathered, on: connection, more: moreFollows)
      }
      switch result {
      case .sent(let count):
        output.sent(count)
        output.record.byteCount += count
        scoreboard.add(count, to: .bytesSent, slot: slot)
      case .wouldBlock: return .blocked
      case .broken: return .failed(.clientReset)
      }
    }
    switch flush(connection) {
    case .sent: return output.isOpen ? .starved : .finished
    case .wouldBlock: return .blocked
    case .broken: return .failed(.clientReset)
    }
  }

  /// The socket takes plain bytes: nothing is encrypted, or the kernel does that.
  private func isPlain(_ connection: Connection) -> Bool {
    connection.security?.session.isSentByKernel ?? true
  }

  /// A part of a large file: the kernel copies it, unless it has to be encrypted here.
  private func send(
    _ file: OpenFile, at offset: Int64, count: Int, on connection: Connection
  ) -> FileSendResult {
    guard !isPlain(connection) else {
      return File.send(file.descriptor, at: offset, count: count, to: connection.descriptor)
    }
    frames.removeAll()
    defer { frames.removeAll() }
    switch File.read(file.descriptor, at: offset, count: count, into: frames, mayWait: true) {
    case .read(let read) where read > 0: break
    case .failed(let error): return .failed(error)
    default: return .truncated
    }
    gathered.removeAll()
    gathered.append(frames)
    switch transmit(gathered, on: connection, more: false) {
    case .sent(let sent): return .sent(sent)
    case .wouldBlock: return .wouldBlock
    case .broken: return .broken
    }
  }
}
