// The application's response on its way to the client: head, body as it comes, end.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  // MARK: Heads

  /// A whole head of the member; it goes out with what is delivered next.
  func takeHead(_ bytes: RawSpan, _ forwarding: Forwarding, hasMore: Bool) {
    let status = forwarding.response.status
    relayHead.removeAll()
    if status == 101 { return beginTunnel(bytes, forwarding) }
    if status < 200 { return passInterim(bytes, forwarding) }
    noteResponse(forwarding)
    if takeDelegation(bytes, forwarding, hasMore: hasMore) { return }
    forwarding.phase = .body
    switch forwarding.response.framing {
    case .none: forwarding.responseBody = .none
    case .length(let count): forwarding.responseBody = .length(count)
    case .chunked:
      forwarding.responseBody = .chunked(
        ChunkedDecoder(limits: parser.limits, keepsTrailers: passesTrailers(forwarding)))
    case .untilClose, .tunnel: forwarding.responseBody = .untilClose
    }
    if forwarding.response.has(.ring3Fragments),
      takeFragments(bytes, forwarding, hasMore: hasMore)
    {
      return
    }
    forwarding.hasResponse = true
    if status >= 400,
      forwarding.settings.value.proxy.errorOverride.contains(status)
    {
      keepErrorFields(bytes, forwarding)
      return failForwarding(forwarding, UInt16(status), .completed)
    }
    chooseCoding(bytes, forwarding)
    guard takeForCache(bytes, forwarding, hasMore: hasMore) else { return }
    guard let stream = forwarding.stream else { return }
    writeHead(bytes, forwarding, stream)
    let exchange = forwarding.exchange
    let requestBytes = exchange.bytes
    let output = PendingOutput(
      record: makeRecord(
        stream, site: exchange.site.site, status: UInt16(status), exchange.head,
        requestBytes.rawSpan, headByteCount: relayHead.count,
        outcome: forwarding.storing == nil ? .bypassed : .filled))
    output.isOpen = true
    stream.output = output
    stream.state.responseBegun()
  }

  /// `ProxyErrorOverride`: what a status is of no use without (RFC 9110 §15.5.2) goes with the page
  /// that replaces the application's.
  private func keepErrorFields(_ bytes: RawSpan, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    forEachField(of: forwarding.response, in: bytes) { name, value, known in
      let text = String(decoding: name.array, as: UTF8.self)
      guard
        known == .wwwAuthenticate || ASCIICase.same(text, "allow")
          || ASCIICase.same(text, "retry-after")
      else { return }
      exchange.errorFields.add(text, value.array)
    }
  }

  /// 1xx responses other than 101 (RFC 9110 §15.2): for clients that know them.
  private func passInterim(_ bytes: RawSpan, _ forwarding: Forwarding) {
    guard let stream = forwarding.stream else { return }
    let exchange = forwarding.exchange
    guard exchange.head.minorVersion > 0 else { return }
    if forwarding.response.status == 100 {
      guard exchange.head.expectsContinue, !exchange.invited else { return }
      exchange.invited = true
    }
    var head: [UInt8] = []
    ResponseHead.appendStatusLine(forwarding.response.status, to: &head)
    forEachField(of: forwarding.response, in: bytes) { name, value, _ in
      _ = ResponseHead.appendField(name: name, value: value, to: &head)
    }
    ResponseHead.appendEnd(to: &head)
    if !sendInterim(head, on: stream) { close(stream, .clientReset) }
  }

  /// Fields that belong to the response and not to the connection it came over.
  func forEachField(
    of response: ReceivedResponse, in bytes: RawSpan,
    _ body: (RawSpan, RawSpan, ResponseField?) -> Void
  ) {
    for number in 0..<response.fieldCount {
      let line = response.field(at: number)
      guard response.isForwarded(line, in: bytes), line.known != .trailer else { continue }
      body(line.name.span(in: bytes), line.value.span(in: bytes), line.known)
    }
  }

  // MARK: Bodies

  /// Gives the client what has come of the body, with the head if that has not left yet.
  func deliver(
    _ forwarding: Forwarding, _ received: ByteBuffer, _ parts: BodyParts, isEnd: Bool
  ) {
    guard let assembly = forwarding.assembly else {
      return deliver(forwarding, assembled: received, parts, isEnd: isEnd)
    }
    guard let whole = assembly.take(received, parts, isEnd: isEnd) else {
      return breakRelay(forwarding, "sent another number of bytes than its Ring3-Fragments says")
    }
    deliver(forwarding, assembled: whole, BodyParts(0..<whole.count), isEnd: isEnd)
  }

  private func deliver(
    _ forwarding: Forwarding, assembled buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool
  ) {
    guard let coding = forwarding.coding else {
      return deliver(forwarding, coded: buffer, parts, isEnd: isEnd)
    }
    guard let coded = code(coding, buffer, parts, isEnd: isEnd) else {
      return breakRelay(forwarding, "could not be compressed")
    }
    deliver(forwarding, coded: coded, BodyParts(0..<coded.count), isEnd: isEnd)
  }

  private func deliver(
    _ forwarding: Forwarding, coded buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool
  ) {
    store(forwarding, buffer, parts)
    if forwarding.stream == nil, forwarding.storing == nil, !isEnd { return leave(forwarding) }
    // Before the client has it: what it asks next finds it stored, in any worker.
    if isEnd {
      takeTrailers(forwarding)
      endCaching(forwarding, .whole)
    }
    if let stream = forwarding.stream, let output = stream.output {
      if let connection = stream as? Connection {
        relay(forwarding, buffer, parts, isEnd: isEnd, output, connection)
      } else {
        relayFrames(forwarding, buffer, parts, output, stream)
      }
    }
    relayHead.removeAll()
    guard forwarding.phase != .ended else { return }
    if isEnd { return endRelay(forwarding) }
    guard let output = forwarding.stream?.output, !output.isEmpty else { return }
    if output.ownByteCount >= Limits.relayBytesMax || output.pieceCount > Limits.relayPiecesMax {
      pause(forwarding)
    }
  }

  /// Straight from the buffer it was received into, as far as the socket takes it.
  private func relay(
    _ forwarding: Forwarding, _ buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool,
    _ output: PendingOutput, _ connection: Connection
  ) {
    if parts.count > Limits.relayRangesMax {
      // One send takes a limited number of pieces, and chunks may be as small as they like.
      let joined = ByteBuffer(capacity: parts.byteCount)
      for part in parts { joined.append(buffer.bytes.extracting(part)) }
      let whole = BodyParts(0..<joined.count)
      return relay(forwarding, joined, whole, isEnd: isEnd, output, connection)
    }
    gathered.removeAll()
    let isEmpty = forwarding.exchange.head.method == .head
    let count = isEmpty ? 0 : parts.byteCount
    let isChunked = forwarding.relaysChunks && !isEmpty
    if isChunked && count > 0 { appendChunkSize(count) }
    // Copying so little costs less than a second piece of a send.
    let isJoined =
      count <= Limits.joinedBodyBytesMax && count <= relayHead.free && !isChunked
    if isJoined && count > 0 {
      for part in parts { relayHead.append(buffer.bytes.extracting(part)) }
    }
    gathered.append(relayHead)
    if !isJoined && count > 0 {
      for part in parts { gathered.append(buffer, from: part.lowerBound, count: part.count) }
    }
    if isChunked {
      if count > 0 { gathered.append(lineEnd) }
      if isEnd { gathered.append(forwarding.lastChunk ?? lastChunk) }
    }
    guard gathered.byteCount > 0 else { return }
    var sent = 0
    if output.isEmpty && !hasUnsent(connection) {
      switch transmit(gathered, on: connection, more: false) {
      case .sent(let count): sent = count
      case .wouldBlock: break
      case .broken: return close(connection, .clientReset)
      }
      output.record.byteCount += sent
      scoreboard.add(sent, to: .bytesSent, slot: slot)
    }
    let rest = gathered.byteCount - sent
    if rest > 0 {
      output.append(.bytes(gathered.copy(droppingFirst: sent), from: 0, count: rest))
    }
    if !isEnd, rest > 0 || hasUnsent(connection) { awaitRelayRoom(connection) }
  }

  private func appendChunkSize(_ count: Int) {
    relayHead.append(Array(String(count, radix: 16).utf8))
    relayHead.append("\r\n")
  }

  /// For a stream of HTTP/2: its frames are made when its turn comes.
  private func relayFrames(
    _ forwarding: Forwarding, _ buffer: ByteBuffer, _ parts: BodyParts,
    _ output: PendingOutput, _ stream: RequestStream
  ) {
    let hadHead = relayHead.count == 0
    if !hadHead { output.append(relayHead.copy(0..<relayHead.count)) }
    let count = parts.byteCount
    if count > 0, forwarding.exchange.head.method != .head {
      let copy = ByteBuffer(capacity: count)
      for part in parts { copy.append(buffer.bytes.extracting(part)) }
      output.append(.bytes(copy, from: 0, count: count))
    }
    if !hadHead {
      if forwarding.exchange.head.method == .head { output.isOpen = false }
      _ = startFrames(output, on: stream)
    } else {
      continueOutput(stream)
    }
  }

  // MARK: Back-pressure

  private func pause(_ forwarding: Forwarding) {
    guard !forwarding.isPaused, let upstream = forwarding.upstream else { return }
    forwarding.isPaused = true
    setInterest(upstream, upstream.interest.subtracting(.readable))
    // The client is waited for, and has a deadline of its own.
    deadlines[Int(upstream.descriptor)] = .max
  }

  /// All that was there has left: the member may go on.
  func relayStarved(_ stream: RequestStream) {
    guard let forwarding = stream.exchange?.forwarding else { return }
    if let connection = stream as? Connection { awaitRelay(connection, forwarding) }
    guard forwarding.isPaused, let upstream = forwarding.upstream else { return }
    forwarding.isPaused = false
    deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
    setInterest(upstream, upstream.interest.union(.readable))
  }

  /// The client's socket is full.
  private func awaitRelayRoom(_ connection: Connection) {
    setInterest(connection, connection.interest.union(.writable))
    setDeadline(connection, now + policies[connection.site].timeoutMilliseconds)
  }

  /// Nothing is to be sent just now.
  private func awaitRelay(_ connection: Connection, _ forwarding: Forwarding) {
    setInterest(connection, connection.interest.subtracting(.writable))
    setDeadline(connection, .max)
    if connection.state.bodyPending {
      extendReadDeadline(connection, policies[connection.site].bodyTimeout)
    }
  }

  // MARK: Ends

  /// The response has come whole.
  private func endRelay(_ forwarding: Forwarding) {
    noteServed(forwarding)
    let wasTunnel = forwarding.phase == .tunnel
    forwarding.phase = .ended
    var isReusable = !wasTunnel
    if case .untilClose = forwarding.responseBody, !forwarding.isFastCGI { isReusable = false }
    releaseUpstream(forwarding, isReusable: isReusable)
    endCaching(forwarding, .whole)
    guard let stream = forwarding.stream, let output = stream.output else {
      forwarding.exchange.forwarding = nil
      return
    }
    output.isOpen = false
    guard let connection = stream as? Connection else {
      submitTrailers(forwarding, on: stream)
      return continueOutput(stream)
    }
    if output.isEmpty && !hasUnsent(connection) {
      endOutput(connection, output)
      finishRecord(of: output, reason: .completed)
      return finishResponse(connection)
    }
    setInterest(connection, connection.interest.union(.writable))
    setDeadline(connection, now + policies[connection.site].timeoutMilliseconds)
  }

  /// The response will not become whole, and a part of it has left: the client must be able to see
  /// that (RFC 9112 §8).
  func breakRelay(_ forwarding: Forwarding, _ why: String) {
    let name = memberName(forwarding)
    log(of: forwarding).write(
      .error, "\(name) \(why) in the middle of its answer", client: forwarding.stream?.client)
    relayHead.removeAll()
    forwarding.phase = .ended
    if let upstream = forwarding.upstream { closeUpstream(upstream) }
    memberFailed(forwarding, .badResponse)
    noteFailed(forwarding)
    endAttempt(forwarding)
    endCaching(forwarding, .failed)
    guard let stream = forwarding.stream else {
      forwarding.exchange.forwarding = nil
      return
    }
    if let connection = stream as? Connection { resetOnClose(connection) }
    close(stream, .proxyBroken)
  }

  /// The client has gone, or has got all. What fills the cache goes on alone.
  func leave(_ forwarding: Forwarding) {
    forwarding.stream = nil
    guard forwarding.phase != .ended else {
      forwarding.exchange.forwarding = nil
      return
    }
    if forwarding.phase == .body, forwarding.storing != nil {
      if forwarding.isPaused, let upstream = forwarding.upstream {
        forwarding.isPaused = false
        setInterest(upstream, upstream.interest.union(.readable))
        deadlines[Int(upstream.descriptor)] = now + timeout(of: forwarding)
      }
      return
    }
    let isUnanswered = forwarding.phase == .head
    forwarding.phase = .ended
    forwarding.exchange.forwarding = nil
    if let upstream = forwarding.upstream {
      if isUnanswered { settle(upstream, forwarding) } else { closeUpstream(upstream) }
    }
    endAttempt(forwarding)
    endCaching(forwarding, .abandoned)
  }
}
