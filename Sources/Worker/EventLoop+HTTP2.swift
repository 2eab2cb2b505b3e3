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
    connection.http2 = HTTP2Connection(session, bodies, workspace, now: now)
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
    var start = 0
    http2.isTakingEvents = true
    http2.bytesOfTurn = 0
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
    if http2.isQueued || !readiness.isDisjoint(with: .writable) {
      http2.isQueued = false
      sendFrames(connection, http2)
    }
    // Also while the socket is full: a reset, a more urgent request or a window must not wait
    // behind what is being sent. epoll does not tell what the library holds of the client's bytes.
    let hasInput =
      !readiness.subtracting(.writable).isEmpty
      || connection.security?.session.hasBufferedInput == true
    if hasInput, connection.state.phase == .multiplexed { receive(connection) }
  }

  private func takeEvents(of http2: HTTP2Connection, _ connection: Connection) {
    while let event = http2.session.nextEvent() {
      switch event {
      case .request(let request):
        http2.progressAt = now
        beginRequest(request, on: connection, http2)
      case .headTooLarge(let handle, let isHead, _):
        let stream = takeStream(handle, on: connection, http2)
        http2.enter(stream)
        stream.state.requestBegun(keepAlive: true, hasBody: false)
        refuse(stream, status: 431, reason: .fieldLength, isHead: isHead)
      case .body(let handle, let count):
        http2.progressAt = now
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

  /// The stream of a new request, which only this turn knows of.
  private func takeStream(
    _ handle: HTTP2Stream, on connection: Connection, _ http2: HTTP2Connection
  ) -> MultiplexedStream {
    connection.requestCount &+= 1
    if let stream = http2.spare {
      stream.begin(handle)
      return stream
    }
    let place = freeStreams.popLast() ?? streams.count
    if place == streams.count { streams.append(nil) }
    let token = Token.streamBit | UInt64(takeSerial()) << 32 | UInt64(place)
    let stream = MultiplexedStream(handle, on: connection, token: token)
    streams[place] = stream
    http2.spare = stream
    return stream
  }

  private func beginRequest(
    _ request: HTTP2Request, on connection: Connection, _ http2: HTTP2Connection
  ) {
    let stream = takeStream(request.stream, on: connection, http2)
    let heads = http2.workspace.heads
    let bytes = heads.bytes.extracting(request.head)
    switch parser.parse(bytes, into: &head) {
    case .complete
    where head.headByteCount == bytes.byteCount
      && head.fieldCount == request.fieldCount:
      if request.bodyFollows { head.noteFramedBody() }
      answer(stream, connection, http2, bytes)
    case .rejected(let rejection):
      http2.enter(stream)
      reject(stream, bytes, rejection)
    case .complete, .needMore:
      // One head, read in two ways: nothing of it is to be believed.
      http2.enter(stream)
      stream.state.requestBegun(keepAlive: true, hasBody: false)
      refuse(stream, status: 400, reason: .badRequest)
    }
    leaveIfAsked(connection, http2)
  }

  /// Answers the request in `head`, from the cache if that is possible at once.
  private func answer(
    _ stream: MultiplexedStream, _ connection: Connection, _ http2: HTTP2Connection,
    _ bytes: RawSpan
  ) {
    if let believed = listeners[connection.listener].remoteIP, !believed.field.isEmpty {
      believe(stream, believed, bytes)
    }
    let isLookedFor =
      head.method.isRetrieval && head.body == .none && !head.unknownExpectation
    if isLookedFor, let chosen = probe(stream, bytes), isAdmitted(chosen, on: connection) {
      stream.state.requestBegun(keepAlive: true, hasBody: false)
      stream.site = chosen.site
      connection.site = chosen.site
      sendFrames(chosen, on: stream, http2, bytes)
      return
    }
    http2.enter(stream)
    if !isLookedFor { scoreboard.add(to: .missesRequest, slot: slot) }
    _ = beginExchange(stream, bytes)
    connection.site = stream.site
  }

  /// A part of a body has come; of one that nobody wants it is enough to count it.
  private func noteBody(_ count: Int, _ stream: MultiplexedStream) {
    guard !stream.keepsBody else { return bodyArrived(stream, byteCount: count) }
    guard case .framed(let before)? = stream.body else { return }
    stream.body = .framed(before &+ UInt64(count))
    // What is answered already may send what it likes: its session lets it go.
    guard let exchange = stream.exchange, case .body = exchange.waiting else { return }
    _ = isTooLarge(before &+ UInt64(count), stream)
  }

  private func endBody(_ stream: MultiplexedStream) {
    guard stream.state.bodyPending else { return }
    stream.state.bodyEnded()
    guard !stream.keepsBody else { return bodyFinished(stream) }
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
        if http2.hasWork { http2.progressAt = now }
        if sent < frames.count { keepRest(of: http2, from: sent) }
      case .wouldBlock: keepRest(of: http2, from: 0)
      case .broken: close(connection, .clientReset)
      }
      http2.hasWork = false
      frames.removeAll()
    }
    frames.removeAll()
  }

  /// Frames of this turn are many: those that are ready leave before more are made. What the socket
  /// does not take now, or never, is for the turn's end.
  func sendFramesEarly(_ connection: Connection, _ http2: HTTP2Connection) {
    guard http2.bytesOfTurn < Limits.fileBytesPerTurn else { return }
    http2.bytesOfTurn += frames.count
    var start = 0
    sending: while start < frames.count {
      gathered.removeAll()
      gathered.append(frames, from: start, count: frames.count - start)
      switch transmit(gathered, on: connection, more: false) {
      case .sent(let sent) where sent > 0: start += sent
      default: break sending
      }
    }
    if start > 0 { http2.progressAt = now }
    if start < frames.count { keepRest(of: http2, from: start) }
    http2.hasWork = false
    frames.removeAll()
  }

  /// Sends what an earlier turn left; true when nothing is left.
  private func sendRest(of http2: HTTP2Connection, _ connection: Connection) -> Bool {
    while let rest = http2.rest {
      gathered.removeAll()
      gathered.append(rest, from: http2.restStart, count: rest.count - http2.restStart)
      switch transmit(gathered, on: connection, more: false) {
      case .sent(let count):
        if http2.restIsWork { http2.progressAt = now }
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
    http2.restIsWork = http2.hasWork
  }

  private func awaitRoom(_ connection: Connection, _ http2: HTTP2Connection) {
    setInterest(connection, [.readable, .writable])
    setDeadline(connection, deadline(connection, http2))
  }

  /// When the connection has been without progress for too long.
  func deadline(_ connection: Connection, _ http2: HTTP2Connection) -> Int64 {
    guard http2.isIdle else { return http2.progressAt + streamTimeout(connection) }
    let policy = policies[connection.site]
    return http2.progressAt
      + (connection.requestCount == 0
        ? policy.headFirstMilliseconds : policy.keepAliveTimeoutMilliseconds)
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
    if session.openStreamCount == 0 { connection.idleSince = now }
    setDeadline(connection, deadline(connection, http2))
  }
}
