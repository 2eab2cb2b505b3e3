// HTTP/2 connections: bytes to events, events to requests, frames to the socket.

import Cache
import Configuration
import HTTP
import HTTP2
import Platform
import TLS

extension EventLoop {
  /// From here on the connection carries streams: ALPN or the client's preface said so.
  func beginHTTP2(_ connection: Connection) {
    let site = model.sites[connection.site]
    var settings = HTTP2Settings()
    settings.concurrentStreamsMax = site.http2.streamsMax
    settings.windowBytes = site.http2.windowBytes
    settings.fieldCountMax =
      site.limitRequestFields == 0 ? 65_535 : site.limitRequestFields
    settings.scheme = connection.security == nil ? .http : .https
    let frameBytesMax = site.http2.dataFrameBytesMax
    let bodies = StreamBodies(
      self, connection, frameBytesMax: frameBytesMax > 0 ? frameBytesMax : .max)
    let session = HTTP2Session(settings: settings, workspace: workspace)
    if site.http2.modernTLSOnly, let security = connection.security, !security.isModern {
      session.terminate(.inadequateSecurity)
    }
    connection.http2 = HTTP2Connection(session, bodies)
    connection.state.multiplexed()
    scoreboard.add(to: .http2Connections, slot: slot)
  }

  /// Whether a connection in clear text begins with HTTP/2: it is then one, its bytes are taken, or
  /// waited for. False: they are HTTP/1.1, and the parser is to look at them.
  func beginsClearTextHTTP2(_ connection: Connection, _ buffer: ByteBuffer) -> Bool {
    guard connection.requestCount == 0 else { return false }
    switch HTTP2Session.isPrefaceBeginning(buffer.bytes) {
    case .no: return false
    case .needMore:
      keep(connection, buffer, from: 0)
      awaitRestOfHead(connection)
      return true
    case .yes: break
    }
    connection.input = nil
    beginHTTP2(connection)
    receiveFrames(connection, buffer.bytes)
    scratch.removeAll()
    return true
  }

  /// Bytes of the peer have come.
  func receiveFrames(_ connection: Connection, _ bytes: RawSpan) {
    guard let http2 = connection.http2 else { preconditionFailure("frames without a session") }
    http2.progressAt = now
    var start = 0
    http2.isTakingEvents = true
    assert(frames.count == 0, "frames of another connection")
    while start < bytes.byteCount, http2.session.failure == nil {
      let taken = http2.session.receive(bytes.extracting(start..<bytes.byteCount))
      takeEvents(of: http2, connection)
      guard taken > 0 else { break }
      start += taken
    }
    takeEvents(of: http2, connection)
    http2.isTakingEvents = false
    let errorsMax = model.sites[connection.site].http2.streamErrorsMax
    if errorsMax > 0, http2.session.counters.malformed > errorsMax {
      http2.session.terminate(.enhanceYourCalm)
    }
    sendFrames(connection, http2)
  }

  /// The socket is ready for what epoll waits for, or it is this connection's turn.
  func continueHTTP2(_ connection: Connection, _ readiness: Readiness) {
    guard let http2 = connection.http2 else { return }
    if http2.isQueued {
      http2.isQueued = false
      sendFrames(connection, http2)
    } else if connection.interest == .writable {
      sendFrames(connection, http2)
    }
    // What the library holds of the client's bytes, epoll does not tell.
    let hasInput = !readiness.isEmpty || connection.security?.session.hasBufferedInput == true
    if connection.state.phase == .multiplexed, connection.interest == .readable, hasInput {
      receive(connection)
    }
  }

  private func takeEvents(of http2: HTTP2Connection, _ connection: Connection) {
    while let event = http2.session.nextEvent() {
      switch event {
      case .request(let request):
        beginRequest(request, on: connection, http2)
      case .headTooLarge(let handle, _):
        let stream = enterStream(handle, on: connection, http2)
        stream.state.requestBegun(keepAlive: true, hasBody: false)
        refuse(stream, status: 431, reason: .fieldLength)
      case .body(let handle, let count):
        if let stream = http2.stream(handle) { noteBody(count, stream) }
      case .bodyEnded(let handle):
        if let stream = http2.stream(handle) { endBody(stream) }
      case .closed(let handle, let isWhole, _, let isOurs):
        if let stream = http2.stream(handle) {
          streamClosed(stream, http2, isWhole ? .completed : isOurs ? .streamReset : .clientReset)
        }
      }
    }
  }

  // MARK: Requests

  private func enterStream(
    _ handle: HTTP2Stream, on connection: Connection, _ http2: HTTP2Connection
  ) -> MultiplexedStream {
    let place = freeStreams.popLast() ?? streams.count
    if place == streams.count { streams.append(nil) }
    let token = Token.streamBit | UInt64(takeSerial()) << 32 | UInt64(place)
    let stream = MultiplexedStream(handle, on: connection, token: token)
    streams[place] = stream
    http2.enter(stream)
    connection.requestCount &+= 1
    return stream
  }

  private func beginRequest(
    _ request: HTTP2Request, on connection: Connection, _ http2: HTTP2Connection
  ) {
    let stream = enterStream(request.stream, on: connection, http2)
    let heads = workspace.heads
    let bytes = heads.bytes.extracting(request.head)
    switch parser.parse(bytes, into: &head) {
    case .complete
    where head.headByteCount == bytes.byteCount
      && head.fieldCount == request.fieldCount:
      if request.bodyFollows { head.noteFramedBody() }
      answer(stream, connection, bytes)
    case .rejected(let rejection):
      reject(stream, bytes, rejection)
    case .complete, .needMore:
      // One head, read in two ways: nothing of it is to be believed.
      stream.state.requestBegun(keepAlive: true, hasBody: false)
      refuse(stream, status: 400, reason: .badRequest)
    }
    leaveIfAsked(connection, http2)
  }

  /// Answers the request in `head`, from the cache if that is possible at once.
  private func answer(_ stream: MultiplexedStream, _ connection: Connection, _ bytes: RawSpan) {
    let isLookedFor =
      head.method.isRetrieval && head.body == .none && !head.unknownExpectation
    if isLookedFor, let chosen = probe(stream, bytes), isAdmitted(chosen, on: connection) {
      stream.state.requestBegun(keepAlive: true, hasBody: false)
      stream.site = chosen.site
      connection.site = chosen.site
      _ = sendFrames(chosen, on: stream, bytes)
      return
    }
    if !isLookedFor { scoreboard.add(to: .missesRequest, slot: slot) }
    _ = beginExchange(stream, bytes)
    connection.site = stream.site
  }

  /// A part of a body that nobody wants has come.
  private func noteBody(_ count: Int, _ stream: MultiplexedStream) {
    guard case .framed(let before)? = stream.body else { return }
    stream.body = .framed(before &+ UInt64(count))
    // What is answered already may send what it likes: its session lets it go.
    guard let exchange = stream.exchange, case .body = exchange.waiting else { return }
    _ = isTooLarge(before &+ UInt64(count), stream)
  }

  private func endBody(_ stream: MultiplexedStream) {
    guard stream.state.bodyPending else { return }
    stream.state.bodyEnded()
    guard let exchange = stream.exchange, case .body = exchange.waiting else { return }
    resume(exchange, stream, nil)
  }

  // MARK: Frames

  /// Sends what the session has, as far as the socket takes it, and waits for what comes next.
  func sendFrames(_ connection: Connection, _ http2: HTTP2Connection) {
    var budget = Limits.fileBytesPerTurn
    while connection.state.phase != .closed {
      // Answers from the cache are in frames already.
      if frames.count == 0 {
        guard sendRest(of: http2, connection) else { return }
        guard budget > 0 else { return queue(connection, http2) }
        _ = http2.session.produce(into: frames, bodies: http2.bodies)
        takeEvents(of: http2, connection)
        guard frames.count > 0 else { return settle(connection, http2) }
      }
      budget -= frames.count
      gathered.removeAll()
      gathered.append(frames)
      switch transmit(gathered, on: connection, more: false) {
      case .sent(let sent):
        http2.progressAt = now
        if sent < frames.count { keepRest(of: http2, from: sent) }
      case .wouldBlock: keepRest(of: http2, from: 0)
      case .broken: close(connection, .clientReset)
      }
      frames.removeAll()
    }
    frames.removeAll()
  }

  /// Sends what an earlier turn left; true when nothing is left.
  private func sendRest(of http2: HTTP2Connection, _ connection: Connection) -> Bool {
    while let rest = http2.rest {
      gathered.removeAll()
      gathered.append(rest, from: http2.restStart, count: rest.count - http2.restStart)
      switch transmit(gathered, on: connection, more: false) {
      case .sent(let count):
        http2.progressAt = now
        http2.restStart += count
        if http2.restStart == rest.count { http2.rest = nil }
      case .wouldBlock:
        awaitRoom(connection, http2)
        return false
      case .broken:
        close(connection, .clientReset)
        return false
      }
    }
    switch flush(connection) {
    case .sent: return true
    case .wouldBlock: awaitRoom(connection, http2)
    case .broken: close(connection, .clientReset)
    }
    return false
  }

  private func keepRest(of http2: HTTP2Connection, from sent: Int) {
    let rest = ByteBuffer(capacity: frames.count - sent)
    let frames = self.frames
    rest.append(frames.bytes.extracting(sent..<frames.count))
    http2.rest = rest
    http2.restStart = 0
  }

  private func awaitRoom(_ connection: Connection, _ http2: HTTP2Connection) {
    setInterest(connection, .writable)
    setDeadline(connection, http2.progressAt + streamTimeout(connection))
  }

  /// `H2StreamTimeout`: how long streams may be open while nothing moves.
  private func streamTimeout(_ connection: Connection) -> Int64 {
    model.sites[connection.site].http2.streamTimeoutMilliseconds
      ?? policies[connection.site].timeoutMilliseconds
  }

  /// Its turn comes at the end of this batch of events.
  func queue(_ connection: Connection, _ http2: HTTP2Connection) {
    guard !http2.isQueued, !http2.isTakingEvents else { return }
    http2.isQueued = true
    runnable.append(connection.token)
  }

  /// All is sent that can be: wait for the peer, or end.
  private func settle(_ connection: Connection, _ http2: HTTP2Connection) {
    let session = http2.session
    if let failure = session.failure {
      log(of: connection).write(
        .info, "HTTP/2 connection ended: \(failure.word)", client: connection.client)
      return close(connection, EndReason(failure))
    }
    if session.isDone {
      return close(connection, handover.isDraining ? .drained : .connectionClose)
    }
    setInterest(connection, .readable)
    if session.openStreamCount == 0 {
      connection.idleSince = now
      let policy = policies[connection.site]
      setDeadline(
        connection,
        http2.progressAt
          + (connection.requestCount == 0
            ? policy.headFirstMilliseconds : policy.keepAliveTimeoutMilliseconds))
    } else {
      setDeadline(connection, http2.progressAt + streamTimeout(connection))
    }
  }

  // MARK: Leaving

  /// After an answer: the process leaves, or the connection has had its requests.
  private func leaveIfAsked(_ connection: Connection, _ http2: HTTP2Connection) {
    let policy = policies[connection.site]
    guard
      handover.isDraining || !policy.keepAlive
        || policy.maxKeepAliveRequests != 0
          && connection.requestCount >= policy.maxKeepAliveRequests
    else { return }
    beginLeaving(http2)
  }

  /// GOAWAY in two steps, so that no request on its way is lost (RFC 9113 §6.8).
  private func beginLeaving(_ http2: HTTP2Connection) {
    guard http2.leavingSince == nil else { return }
    http2.leavingSince = now
    http2.session.beginShutdown()
  }

  /// The process wants to leave. An idle connection is answered once more (DESIGN 2); nobody to
  /// take new connections means that it ends now.
  func drainHTTP2(_ connection: Connection, _ http2: HTTP2Connection) {
    if http2.session.openStreamCount > 0 || !handover.hasSuccessor {
      beginLeaving(http2)
      queue(connection, http2)
    }
  }

  /// Its deadline has passed.
  func expireHTTP2(_ connection: Connection, _ http2: HTTP2Connection) {
    if http2.isIdle {
      sayGoodbye(connection, http2)
      return close(connection, .timerConnectionIdle)
    }
    let isStalled = http2.session.isBlockedByPeer && http2.rest == nil
    close(connection, isStalled ? .http2Stalled : .timerSend)
  }

  /// Nothing is under way: one GOAWAY says all. The connection is closed behind it.
  private func sayGoodbye(_ connection: Connection, _ http2: HTTP2Connection) {
    http2.session.finishShutdown()
    frames.removeAll()
    _ = http2.session.produce(into: frames, bodies: http2.bodies)
    gathered.removeAll()
    gathered.append(frames)
    _ = transmit(gathered, on: connection, more: false)
    frames.removeAll()
  }

  /// A second has passed: budgets grow, and who was told to leave a while ago has no request on the
  /// way any more.
  func tickHTTP2() {
    for connection in connections {
      guard let connection, let http2 = connection.http2 else { continue }
      http2.session.tick(second: now / 1000)
      guard let since = http2.leavingSince, now - since >= Limits.leavingMilliseconds else {
        continue
      }
      http2.session.finishShutdown()
      sendFrames(connection, http2)
    }
  }
}

extension EndReason {
  /// What a session's failure counts as.
  init(_ failure: HTTP2Failure) {
    switch failure {
    case .rapidReset: self = .http2Resets
    case .headerListFlood, .continuationFlood: self = .http2HeaderList
    case .preface, .protocolError, .flowControl, .frameSize, .compression, .streamClosed:
      self = .http2Protocol
    case .settingsFlood, .pingFlood, .emptyFrameFlood, .windowUpdateFlood, .priorityFlood,
      .unknownFrameFlood, .outboundFlood, .memory:
      self = .http2Flood
    case .internal: self = .internal
    case .terminated: self = .connectionClose
    }
  }
}
