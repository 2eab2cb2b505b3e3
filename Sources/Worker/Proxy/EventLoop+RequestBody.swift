// The client's body on its way to the application, as fast as the application takes it.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// The head has been taken; what was received behind it is the body's beginning.
  func beginRelayInput(_ connection: Connection) {
    guard let forwarding = connection.exchange?.forwarding else { return }
    connection.phaseStart = now
    connection.phaseByteCount = 0
    // Whatever comes is for whoever takes the connection over.
    if forwarding.target.handsOff { return stopReading(connection) }
    if let kept = connection.input {
      relayInput(connection, kept)
    } else if connection.body != nil {
      setInterest(connection, .readable)
      takeUpBuffered(connection)
    }
    if connection.body != nil, connection.state.phase == .relaying, forwarding.phase != .ended,
      !forwarding.isWaiting
    {
      extendReadDeadline(connection, policies[connection.site].bodyTimeout)
    }
  }

  /// Bytes of a client whose request is passed on.
  func relayInput(_ connection: Connection, _ buffer: ByteBuffer) {
    guard let forwarding = connection.exchange?.forwarding, forwarding.phase != .ended,
      forwarding.phase == .tunnel || connection.body != nil
    else {
      // The next request: kept for later, and no more read.
      keep(connection, buffer, from: 0)
      return stopReading(connection)
    }
    var start = 0
    while start < buffer.count, forwarding.requestRoom > Limits.chunkFrameBytesMax {
      let bytes = buffer.bytes.extracting(start..<buffer.count)
      let taken = takeInput(bytes, connection, forwarding)
      guard connection.state.phase == .relaying, connection.exchange?.forwarding === forwarding
      else { return }
      start += taken
      pushRequest(forwarding)
      guard connection.state.phase == .relaying, connection.exchange?.forwarding === forwarding,
        forwarding.phase == .tunnel || connection.body != nil
      else { break }
      if taken == 0 { break }
    }
    guard connection.state.phase != .closed else { return }
    keep(connection, buffer, from: start)
    guard connection.state.phase == .relaying, connection.exchange?.forwarding === forwarding
    else { return }
    if connection.input != nil {
      stopReading(connection)
    } else {
      setInterest(connection, connection.interest.union(.readable))
      takeUpBuffered(connection)
      if connection.body != nil, !forwarding.isWaiting {
        extendReadDeadline(connection, policies[connection.site].bodyTimeout)
      }
    }
  }

  private func stopReading(_ connection: Connection) {
    var interest = connection.interest.subtracting(.readable)
    // Whoever goes away while he waits is to be noticed, though nothing is read.
    if connection.exchange?.forwarding?.isWaiting == true { interest.insert(.peerClosed) }
    setInterest(connection, interest)
    if connection.output == nil { setDeadline(connection, .max) }
  }

  /// Takes some bytes into the request; returns how many.
  private func takeInput(
    _ bytes: RawSpan, _ connection: Connection, _ forwarding: Forwarding
  ) -> Int {
    let room = forwarding.requestRoom - Limits.chunkFrameBytesMax
    let offered = bytes.extracting(first: min(bytes.byteCount, room))
    guard forwarding.phase != .tunnel, let body = connection.body else {
      forwarding.append(offered)
      return offered.byteCount
    }
    switch body {
    case .length(let rest):
      let count = Int(min(rest, UInt64(offered.byteCount)))
      appendBody(offered.extracting(first: count), forwarding)
      connection.body = .length(rest - UInt64(count))
      if UInt64(count) == rest { endInput(connection, forwarding) }
      return count
    case .chunked(var decoder):
      let step = decoder.step(offered)
      connection.body = .chunked(decoder)
      switch step {
      case .needMore(let count): return count
      case .body(let range, let count):
        appendChunk(offered.extracting(range.start..<range.end), forwarding)
        return isTooLarge(decoder.bodyByteCount, connection, forwarding) ? 0 : count
      case .done(let count):
        endInput(connection, forwarding, trailers: decoder.trailers)
        return count
      case .rejected(let rejection):
        log(of: connection).write(
          .info, "request body: \(rejection.message)", client: connection.client)
        refuseInput(connection, forwarding, rejection.status, rejection.reason)
        return 0
      }
    case .framed: preconditionFailure("HTTP/2 frames on HTTP/1.1")
    }
  }

  /// A part of a body of known length, or of FastCGI.
  func appendBody(_ bytes: RawSpan, _ forwarding: Forwarding) {
    guard forwarding.isFastCGI else { return forwarding.append(bytes) }
    var start = 0
    while start < bytes.byteCount {
      let count = min(bytes.byteCount - start, FastCGI.contentBytesMax)
      var header: [UInt8] = []
      FastCGI.appendInputHeader(contentByteCount: count, to: &header)
      forwarding.append(header)
      forwarding.append(bytes.extracting(start..<start + count))
      start += count
    }
  }

  func appendChunk(_ bytes: RawSpan, _ forwarding: Forwarding) {
    guard bytes.byteCount > 0 else { return }
    forwarding.append(Array(String(bytes.byteCount, radix: 16).utf8))
    forwarding.append([0x0d, 0x0a])
    forwarding.append(bytes)
    forwarding.append([0x0d, 0x0a])
  }

  private func endInput(
    _ connection: Connection, _ forwarding: Forwarding, trailers: [UInt8] = []
  ) {
    connection.body = nil
    connection.state.bodyEnded()
    endRequest(forwarding, trailers: trailers)
    if connection.output == nil { setDeadline(connection, .max) }
  }

  /// The request is complete; `trailers` stood behind its body, if it came in chunks.
  func endRequest(_ forwarding: Forwarding, trailers: [UInt8] = []) {
    if forwarding.sendsChunks {
      forwarding.append(Array("0\r\n".utf8))
      if !trailers.isEmpty { forwarding.append(requestTrailers(trailers, forwarding)) }
      forwarding.append([0x0d, 0x0a])
    }
    if forwarding.isFastCGI {
      var end: [UInt8] = []
      FastCGI.appendInputHeader(contentByteCount: 0, to: &end)
      forwarding.append(end)
    }
    forwarding.requestIsComplete = true
  }

  /// A chunked body beyond `LimitRequestBody`.
  private func isTooLarge(
    _ byteCount: UInt64, _ stream: RequestStream, _ forwarding: Forwarding
  ) -> Bool {
    let limit = forwarding.settings.value.limitRequestBodyBytes
    guard limit > 0 && byteCount > limit else { return false }
    refuseInput(stream, forwarding, 413, .entityTooLarge)
    return true
  }

  /// The body cannot be passed on: an answer says so, unless one is on its way.
  func refuseInput(
    _ stream: RequestStream, _ forwarding: Forwarding, _ status: UInt16, _ reason: EndReason
  ) {
    (stream as? Connection)?.input = nil
    stream.state.closeAfterResponse()
    guard stream.output == nil else { return close(stream, reason) }
    failForwarding(forwarding, status, reason)
  }

  /// The application has taken something: the client may send more.
  func takeMoreOfBody(_ forwarding: Forwarding) {
    guard let stream = forwarding.stream, forwarding.phase != .ended else { return }
    if let body = forwarding.exchange.collected { return passCollected(body, forwarding) }
    if let stream = stream as? MultiplexedStream {
      return stream.keepsBody ? relayStreamBody(stream, forwarding) : ()
    }
    guard let connection = stream as? Connection else { return }
    guard connection.body != nil || forwarding.phase == .tunnel else { return }
    if let kept = connection.input {
      relayInput(connection, kept)
    } else if forwarding.requestRoom > Limits.chunkFrameBytesMax {
      setInterest(connection, connection.interest.union(.readable))
      takeUpBuffered(connection)
    }
  }

  /// The socket of a client whose request is passed on is ready.
  func continueRelay(_ connection: Connection, _ readiness: Readiness) {
    if !readiness.isDisjoint(with: .broken), connection.interest.isEmpty {
      return perform(connection.state.broken(), on: connection)
    }
    if connection.interest.contains(.writable), connection.output != nil {
      continueOutput(connection)
    }
    if readiness.contains(.peerClosed), connection.interest.contains(.peerClosed),
      connection.exchange?.forwarding?.isWaiting == true
    {
      return close(connection, .clientReset)
    }
    guard connection.state.phase == .relaying, connection.interest.contains(.readable),
      !readiness.subtracting(.writable).isEmpty || readiness.isEmpty
    else { return }
    receive(connection)
    // Whoever has ended its sending while its request waits has most likely gone; it is not to
    // take an application's time. (HTTP.sys cancels the request, too.)
    if connection.state.inputEnded, let waiting = connection.exchange?.forwarding,
      waiting.isWaiting
    {
      close(connection, .clientReset)
    }
  }

  // MARK: Tunnels

  /// 101 (Switching Protocols, RFC 9110 §15.2.2): from here on bytes mean nothing to the server.
  func beginTunnel(_ bytes: RawSpan, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    guard let connection = forwarding.stream as? Connection, forwarding.asksForUpgrade else {
      log(of: forwarding).write(
        .error,
        "\(memberName(forwarding)) changed the protocol without being asked",
        client: forwarding.stream?.client)
      return failForwarding(forwarding, 502, .proxyBroken)
    }
    forwarding.phase = .tunnel
    if let upstream = forwarding.upstream {
      deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
    }
    forwarding.hasResponse = true
    forwarding.responseBody = .untilClose
    forwarding.isReplayable = false
    forwarding.inputHasEnded = connection.state.inputEnded
    connection.state.closeAfterResponse()
    var head: [UInt8] = []
    ResponseHead.appendStatusLine(101, to: &head)
    forEachField(of: forwarding.response, in: bytes) { name, value, _ in
      _ = ResponseHead.appendField(name: name, value: value, to: &head)
    }
    ResponseHead.appendField("Connection", "Upgrade" as StaticString, to: &head)
    if let upgrade = forwarding.response.known(.upgrade) {
      ResponseHead.appendField("Upgrade", upgrade.span(in: bytes), to: &head)
    }
    ResponseHead.appendEnd(to: &head)
    appendToRelay(head)
    let requestBytes = exchange.bytes
    var record = makeRecord(
      connection, site: exchange.site.site, status: 101, exchange.head, requestBytes.rawSpan)
    record.headByteCount = head.count
    let output = PendingOutput(record: record)
    output.isOpen = true
    connection.output = output
    if let kept = connection.input { relayInput(connection, kept) }
  }

  /// One side of a tunnel has ended its sending: the other is told, and may go on.
  func tunnelInputEnded(_ connection: Connection, _ forwarding: Forwarding) {
    setInterest(connection, connection.interest.subtracting(.readable))
    // Behind what is still to be sent.
    forwarding.inputHasEnded = true
    pushRequest(forwarding)
  }
}
