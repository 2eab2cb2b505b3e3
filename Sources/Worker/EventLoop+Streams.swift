// Responses on streams of HTTP/2: heads become fields, bodies become frames.

import Cache
import Configuration
import HTTP
import HTTP2
import Platform

extension EventLoop {
  /// A cached response; false, because it leaves with the connection's frames.
  func sendFrames(_ chosen: ChosenEntry, on stream: RequestStream, _ bytes: RawSpan) -> Bool {
    guard let stream = stream as? MultiplexedStream, let http2 = stream.connection.http2 else {
      preconditionFailure("a stream without its connection")
    }
    sendFrames(chosen, on: stream, http2, bytes)
    return false
  }

  /// The same. Unless the answer is in the frames as a whole, the stream is entered.
  func sendFrames(
    _ chosen: ChosenEntry, on stream: MultiplexedStream, _ http2: HTTP2Connection,
    _ bytes: RawSpan
  ) {
    guard let cache else { preconditionFailure("a hit without a cache") }
    let isNegative = chosen.facts.kindCode != EntryKind.content.rawValue
    guard chosen.facts.status != 200 || !head.hasConditionsOrRange,
      chosen.facts.checks & EntryChecks.followsStatus == 0
    else {
      http2.enter(stream)
      _ = sendTakenApart(chosen, in: cache, on: stream, bytes)
      return
    }
    let head = http2.workspace.responseHead
    head.removeAll()
    let range = cache.headRange(chosen.hit)
    guard range.count < head.capacity - Limits.frameSlackBytes else {
      http2.enter(stream)
      cache.release()
      return refuseHead(stream, range.count)
    }
    if chosen.facts.flags.contains(.isResponse) {
      writeResponsePrefix(chosen, .none, lengthOf: cache.bodyByteCount(chosen.hit))
      let lines = extra
      head.append(lines.bytes)
    } else if isNegative {
      head.append(prefixes.head(status: chosen.facts.status, connection: .none))
    } else {
      let prefix = prefixes.buffer(.none)
      head.append(prefix.bytes)
    }
    if chosen.facts.expiresAccessSeconds >= 0 {
      head.append(expiresLine(chosen.facts.expiresAccessSeconds))
    }
    let region = cache.region
    head.append(region.span(at: range.offset, count: range.count))
    if http2.isTakingEvents, sendHeld(chosen, cache, on: stream, http2, head.count, bytes) {
      return
    }
    http2.enter(stream)
    var record = makeRecord(
      stream, site: chosen.site, status: chosen.facts.status, self.head, bytes)
    record.outcome = chosen.outcome
    record.headByteCount = head.count
    let output = PendingOutput(record: record)
    let byteCount = self.head.method == .head ? 0 : cache.bodyByteCount(chosen.hit)
    if byteCount > 0 { appendCached(chosen.hit, offset: 0, count: byteCount, to: output) }
    cache.release()
    stream.output = output
    stream.state.responseBegun()
    submit(output, on: stream)
  }

  /// The common case: the entry is held until its body is in frames, straight from shared memory.
  /// False: nothing was done, because the body is long or there is no room for it now.
  private func sendHeld(
    _ chosen: ChosenEntry, _ cache: CacheStore, on stream: MultiplexedStream,
    _ http2: HTTP2Connection, _ headByteCount: Int, _ bytes: RawSpan
  ) -> Bool {
    let extentCount = cache.extentCount(chosen.hit)
    guard extentCount <= 1 else { return false }
    var body = RegionRange(offset: 0, count: 0)
    if head.method != .head && extentCount == 1 { body = cache.extent(chosen.hit, 0) }
    guard body.count <= Limits.heldBodyBytesMax, http2.rest == nil else { return false }
    let needed = body.count + headByteCount + Limits.frameSlackBytes
    if frames.free <= needed, frames.count > 0 { sendFramesEarly(stream.connection, http2) }
    guard frames.free > needed, http2.rest == nil else { return false }
    stream.state.responseBegun()
    guard http2.session.respond(to: stream.handle, bodyFollows: body.count > 0) else {
      cache.release()
      http2.enter(stream)
      abort(stream, .internal)
      return true
    }
    stream.held = body
    http2.bodies.holder = stream
    http2.hasWork = true
    _ = http2.session.produce(into: frames, bodies: http2.bodies)
    http2.bodies.holder = nil
    let rest = stream.held
    stream.held.count = 0
    let sent = headByteCount + body.count - rest.count
    if rest.count == 0 {
      stream.isAnswered = true
      countHit(stream, chosen, byteCount: sent, headByteCount: headByteCount, bytes)
    } else {
      // The peer's window is small, or others go first.
      http2.enter(stream)
      scoreboard.add(sent, to: .bytesSent, slot: slot)
      var record = makeRecord(stream, site: chosen.site, status: chosen.facts.status, head, bytes)
      record.outcome = chosen.outcome
      record.headByteCount = headByteCount
      record.byteCount = sent
      let output = PendingOutput(record: record)
      appendCached(chosen.hit, offset: body.count - rest.count, count: rest.count, to: output)
      stream.output = output
    }
    cache.release()
    if !http2.postponed.isEmpty { takeUpPostponed(http2) }
    return true
  }

  private func takeUpPostponed(_ http2: HTTP2Connection) {
    for stream in http2.postponed { _ = http2.session.resume(stream.handle) }
    http2.postponed = []
  }

  /// The next bytes of a held body.
  func appendHeld(
    of stream: MultiplexedStream, to output: ByteBuffer, upTo byteCountMax: Int
  ) -> HTTP2BodyStep {
    guard let region = cache?.region else { preconditionFailure("cached bytes, no cache") }
    let count = min(stream.held.count, byteCountMax)
    output.append(region.span(at: stream.held.offset, count: count))
    stream.held = RegionRange(
      offset: stream.held.offset + count, count: stream.held.count - count)
    return stream.held.count == 0 ? .end : .more
  }

  /// Begins a response whose head is the first `headByteCount` bytes of its output; false, because
  /// it leaves with the connection's frames.
  func startFrames(_ output: PendingOutput, on stream: RequestStream) -> Bool {
    let head = workspace.responseHead
    head.removeAll()
    guard output.record.headByteCount <= head.capacity else {
      refuseHead(stream, output.record.headByteCount)
      return false
    }
    output.takeHead(output.record.headByteCount, into: head)
    submit(output, on: stream)
    return false
  }

  /// A response that a configuration made longer than any client takes.
  private func refuseHead(_ stream: RequestStream, _ byteCount: Int) {
    log(of: stream).write(
      .error, "a response head of \(byteCount) bytes is too long for HTTP/2",
      client: stream.client)
    close(stream, .internal)
  }

  private func submit(_ output: PendingOutput, on stream: RequestStream) {
    guard let stream = stream as? MultiplexedStream, let http2 = stream.connection.http2 else {
      return
    }
    output.record.byteCount += output.record.headByteCount
    scoreboard.add(output.record.headByteCount, to: .bytesSent, slot: slot)
    // Windows may keep any of it here for long: all of it counts.
    let uncounted = output.ownByteCount - output.copiedBytes
    output.copiedBytes += uncounted
    copiedBytes += uncounted
    guard copiedBytes <= 2 * Limits.copiedBytesMax else {
      return abort(stream, .connectionDropped)
    }
    http2.hasWork = true
    guard
      http2.session.respond(
        to: stream.handle, bodyFollows: output.next != nil || output.isOpen)
    else {
      return abort(stream, .internal)
    }
    queue(stream.connection, http2)
  }

  /// A 1xx response; false: the stream is over.
  func submitInterim(_ bytes: [UInt8], on stream: RequestStream) -> Bool {
    guard let stream = stream as? MultiplexedStream, let http2 = stream.connection.http2 else {
      return false
    }
    workspace.responseHead.removeAll()
    workspace.responseHead.append(bytes)
    guard http2.session.respond(to: stream.handle, bodyFollows: false) else { return false }
    queue(stream.connection, http2)
    return true
  }

  /// More of its body is there.
  func resume(_ stream: MultiplexedStream) {
    guard let http2 = stream.connection.http2 else { return }
    _ = http2.session.resume(stream.handle)
    queue(stream.connection, http2)
  }

  // MARK: Bodies

  /// The next bytes of a response's body, for a frame.
  func appendBody(
    of stream: MultiplexedStream, _ output: PendingOutput, to frames: ByteBuffer,
    upTo byteCountMax: Int
  ) -> HTTP2BodyStep {
    var room = byteCountMax
    pieces: while room > 0, let piece = output.next {
      let taken: Int
      switch piece {
      case .bytes(let buffer, let from, let count):
        taken = min(count, room)
        frames.append(buffer.bytes.extracting(from..<from + taken))
      case .cached(let offset, let count):
        guard let region = cache?.region else { preconditionFailure("cached bytes, no cache") }
        taken = min(count, room)
        frames.append(region.span(at: offset, count: taken))
      case .unpinned(let offset, let count):
        if let http2 = stream.connection.http2, http2.bodies.holder != nil {
          guard room == byteCountMax else { break pieces }
          http2.postponed.append(stream)
          return .deferred
        }
        taken = min(count, room)
        guard copyUnpinned(output, offset: offset, count: taken, into: frames) else {
          return bodyFailed(output, .connectionDropped, room == byteCountMax)
        }
      case .file(let offset, let count):
        guard let read = read(stream, output, at: offset, upTo: min(Int64(room), count), frames)
        else { return bodyFailed(output, .fileChanged, room == byteCountMax) }
        guard read > 0 else {
          guard room == byteCountMax else { break pieces }
          return .deferred
        }
        taken = read
      }
      output.sent(taken)
      room -= taken
    }
    let count = byteCountMax - room
    output.record.byteCount += count
    scoreboard.add(count, to: .bytesSent, slot: slot)
    if count > 0 { stream.connection.http2?.hasWork = true }
    guard output.next == nil else { return .more }
    if output.isOpen {
      relayStarved(stream)
      return count > 0 ? .more : .deferred
    }
    // The client's side of the stream may stay open for long.
    release(output)
    return .end
  }

  /// What was appended before it stays a frame; the next call fails again.
  private func bodyFailed(
    _ output: PendingOutput, _ reason: EndReason, _ isFirst: Bool
  ) -> HTTP2BodyStep {
    guard isFirst else { return .more }
    output.record.reason = reason
    return .failed
  }

  /// Reads a part of a large file; 0: a helper brings it into memory first; nil: it has changed.
  private func read(
    _ stream: MultiplexedStream, _ output: PendingOutput, at offset: Int64, upTo count: Int64,
    _ frames: ByteBuffer
  ) -> Int? {
    guard let file = output.file else { preconditionFailure("a file piece without its file") }
    guard File.isUnchanged(file.descriptor, file.facts) else { return nil }
    if warm(file, offset: offset, count: Int(count), for: stream) { return 0 }
    switch File.read(
      file.descriptor, at: offset, count: Int(count), into: frames, mayWait: true)
    {
    case .read(let read): return read > 0 ? read : nil
    default: return nil
    }
  }

  // MARK: Ends

  /// Ends a stream whose response cannot be completed.
  func abort(_ stream: MultiplexedStream, _ reason: EndReason) {
    guard let http2 = stream.connection.http2 else { return }
    let isOurs = reason == .clientReset
    stream.output?.record.reason = reason
    _ = http2.session.reset(stream.handle, isOurs ? .cancel : .internalError)
    queue(stream.connection, http2)
  }

  /// Ends a stream whose request nobody has been given.
  func refuse(_ stream: MultiplexedStream) {
    guard let http2 = stream.connection.http2 else { return }
    _ = http2.session.reset(stream.handle, .refusedStream)
    queue(stream.connection, http2)
  }

  /// A stream is over: what it held is given back.
  func streamClosed(_ stream: MultiplexedStream, _ http2: HTTP2Connection, _ reason: EndReason) {
    if let exchange = stream.exchange { abandon(exchange) }
    if let output = stream.output {
      let own = output.record.reason
      endOutput(stream, output)
      finishRecord(of: output, reason: own == .completed ? reason : own)
    } else if !stream.isAnswered {
      scoreboard.ended(reason, slot: slot)
    }
    stream.exchange = nil
    http2.remove(stream)
    forget(stream)
  }

  private func forget(_ stream: MultiplexedStream) {
    let place = Int(truncatingIfNeeded: stream.token & 0xffff_ffff)
    streams[place] = nil
    freeStreams.append(place)
  }

  /// The connection ends, and with it whatever it carried.
  func endStreams(of connection: Connection, _ reason: EndReason) {
    guard let http2 = connection.http2 else { return }
    for stream in http2.streams {
      if let stream { streamClosed(stream, http2, reason == .completed ? .clientReset : reason) }
    }
    if let spare = http2.spare { forget(spare) }
    http2.spare = nil
    connection.http2 = nil
  }
}
