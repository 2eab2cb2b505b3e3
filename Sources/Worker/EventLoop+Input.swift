// Bytes in: receive, find requests, keep an unfinished rest.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Of the request at hand.
  var head: RequestHead {
    @inline(__always) _read { yield headSlot.head }
    @inline(__always) _modify { yield &headSlot.head }
  }

  /// The socket is readable (or broken, which the read tells).
  func receive(_ connection: Connection) {
    let buffer: ByteBuffer
    if let kept = connection.input {
      guard let room = roomy(kept, connection) else { return }
      buffer = room
    } else {
      scratch.removeAll()
      buffer = scratch
    }
    switch receiveBytes(connection, into: buffer) {
    case .received(let count):
      connection.phaseByteCount &+= count
      consume(connection, buffer)
    case .wouldBlock:
      break
    case .closed:
      if let forwarding = connection.exchange?.forwarding, forwarding.phase == .tunnel {
        return tunnelInputEnded(connection, forwarding)
      }
      let action = connection.state.peerClosed()
      // What is closed leaves epoll by itself.
      if !action.isClose {
        setInterest(connection, connection.interest.intersection(.writable))
      }
      perform(action, on: connection)
    case .broken:
      perform(connection.state.broken(), on: connection)
    }
  }

  /// The kept buffer with room for more; nil when it has reached its bound, and then no more is
  /// read until something is consumed.
  private func roomy(_ kept: ByteBuffer, _ connection: Connection) -> ByteBuffer? {
    if kept.free >= 1024 { return kept }
    guard kept.capacity < Limits.inputBytesMax else {
      setInterest(connection, [])
      return nil
    }
    let larger = ByteBuffer(capacity: min(kept.capacity * 4, Limits.inputBytesMax))
    larger.append(kept.bytes)
    connection.input = larger
    return larger
  }

  private func consume(_ connection: Connection, _ buffer: ByteBuffer) {
    switch connection.state.phase {
    case .idle, .head:
      parse(connection, buffer)
    case .body:
      readBody(connection, buffer, from: 0)
    case .lingering:
      buffer.removeAll()
      if connection.phaseByteCount > Limits.lingerBytesMax { close(connection, .connectionClose) }
    case .working, .sending:
      // Not asked for: kept for later, and no more read.
      keep(connection, buffer, from: 0)
      setInterest(connection, [])
    case .relaying:
      relayInput(connection, buffer)
    case .multiplexed:
      receiveFrames(connection, buffer.bytes)
      buffer.removeAll()
    case .closed, .handshake:
      break
    }
  }

  /// Goes on with requests that were received before and are kept.
  func processInput(_ connection: Connection) {
    guard let kept = connection.input else {
      perform(.awaitRequest, on: connection)
      return
    }
    setInterest(connection, .readable)
    parse(connection, kept)
  }

  /// Answers every whole request in `buffer`, in order, until one cannot be answered at once.
  func parse(_ connection: Connection, _ buffer: ByteBuffer) {
    var start = 0
    if listeners[connection.listener].takesClearTextHTTP2,
      beginsClearTextHTTP2(connection, buffer)
    {
      return
    }
    while start < buffer.count {
      let outcome =
        connection.input == nil
        ? parser.parse(buffer.bytes.extracting(start..<buffer.count), into: &head)
        : parser.parse(
          buffer.bytes.extracting(start..<buffer.count), into: &head,
          resuming: &connection.progress)
      switch outcome {
      case .complete:
        let next = start + head.headByteCount
        connection.requestCount &+= 1
        guard answer(connection, buffer, from: start) else {
          // It waits for a file or for room in the socket, or it is closed.
          if connection.state.phase != .closed { keep(connection, buffer, from: next) }
          if connection.state.phase == .body { beginBody(connection) }
          if connection.state.phase == .relaying { beginRelayInput(connection) }
          return
        }
        start = next
        let action = connection.state.responseEnded(
          bufferedCount: buffer.count - start, reason: .connectionClose)
        if action == .parseBuffered { continue }
        keep(connection, buffer, from: start)
        perform(action, on: connection)
        return
      case .needMore:
        keep(connection, buffer, from: start)
        awaitRestOfHead(connection)
        return
      case .rejected(let rejection):
        reject(connection, buffer.bytes.extracting(start..<buffer.count), rejection)
        return
      }
    }
    keep(connection, buffer, from: start)
    perform(.awaitRequest, on: connection)
  }

  func awaitRestOfHead(_ connection: Connection) {
    if connection.state.phase == .idle {
      connection.phaseStart = now
      connection.phaseByteCount = connection.input?.count ?? 0
    }
    connection.state.headBegun()
    setInterest(connection, .readable)
    takeUpBuffered(connection)
    extendReadDeadline(connection, policies[connection.site].headTimeout)
  }

  /// Keeps what is behind `start` for the connection; nothing is kept when nothing is left.
  func keep(_ connection: Connection, _ buffer: ByteBuffer, from start: Int) {
    let rest = buffer.count - start
    if let kept = connection.input, kept === buffer {
      if rest == 0 {
        connection.input = nil
        connection.progress = ParseProgress()
      } else if start > 0 {
        kept.removeFirst(start)
        connection.progress = ParseProgress()
      }
      return
    }
    guard rest > 0 else {
      scratch.removeAll()
      return
    }
    let kept = connection.input ?? ByteBuffer(capacity: max(4096, rest * 2))
    kept.append(buffer.bytes.extracting(start..<buffer.count))
    connection.input = kept
    connection.progress = ParseProgress()
    scratch.removeAll()
  }

  // MARK: Bodies that nobody wants

  /// After the response: the rest of the request's body is read and thrown away, so that the next
  /// request can be found behind it.
  func beginBody(_ connection: Connection) {
    connection.phaseStart = now
    connection.phaseByteCount = 0
    extendReadDeadline(connection, policies[connection.site].bodyTimeout)
    setInterest(connection, .readable)
    takeUpBuffered(connection)
    if let kept = connection.input { readBody(connection, kept, from: 0) }
  }

  /// Consumes body bytes from `start` on; what is behind the body is the next request.
  func readBody(_ connection: Connection, _ buffer: ByteBuffer, from start: Int) {
    guard let body = connection.body else { preconditionFailure("no body to read") }
    var end = start
    var isWhole = false
    switch body {
    case .length(let rest):
      let taken = min(rest, UInt64(buffer.count - start))
      end += Int(taken)
      isWhole = taken == rest
      connection.body = .length(rest - taken)
    case .chunked(var decoder):
      let (consumed, outcome) = skip(
        &decoder, buffer.bytes.extracting(start..<buffer.count), connection.exchange?.collected)
      end += consumed
      if let outcome {
        refuseBody(connection, outcome)
        return
      }
      isWhole = decoder.isDone
      connection.body = .chunked(decoder)
      if isTooLarge(decoder.bodyByteCount, connection) { return }
    case .framed: preconditionFailure("HTTP/2 frames on HTTP/1.1")
    }
    keep(connection, buffer, from: end)
    guard isWhole else {
      extendReadDeadline(connection, policies[connection.site].bodyTimeout)
      return
    }
    connection.body = nil
    if let exchange = connection.exchange {
      connection.state.bodyEnded()
      resume(exchange, connection, nil)
      return
    }
    perform(
      connection.state.discardEnded(bufferedCount: connection.input?.count ?? 0), on: connection)
  }

  /// A chunked body that is none: 400 if its request is not answered yet, and the end either way.
  private func refuseBody(_ connection: Connection, _ rejection: RequestRejection) {
    noteRefusedBody(rejection, connection)
    connection.input = nil
    guard let exchange = connection.exchange else { return close(connection, rejection.reason) }
    head = exchange.head
    connection.state.closeAfterResponse()
    if fail(exchange, connection, rejection.status, rejection.reason) {
      finishResponse(connection)
    }
  }

  /// A chunked body beyond `LimitRequestBody`: 413 if its request is not answered yet.
  func isTooLarge(_ byteCount: UInt64, _ stream: RequestStream) -> Bool {
    let settings = stream.exchange?.settings.value ?? model.sites[stream.site].settings
    let limit = settings.limitRequestBodyBytes
    guard limit > 0 && byteCount > limit else { return false }
    (stream as? Connection)?.input = nil
    guard let exchange = stream.exchange else {
      close(stream, .entityTooLarge)
      return true
    }
    head = exchange.head
    stream.state.closeAfterResponse()
    if fail(exchange, stream, 413, .entityTooLarge) { finishResponse(stream) }
    return true
  }

  /// Runs a decoder over bytes that nobody wants, or that are collected: how many it consumed, and
  /// why they are refused.
  private func skip(
    _ decoder: inout ChunkedDecoder, _ bytes: RawSpan, _ collected: CollectedBody?
  ) -> (consumed: Int, refusal: RequestRejection?) {
    var consumed = 0
    while true {
      switch decoder.step(bytes.extracting(consumed..<bytes.byteCount)) {
      case .needMore(let count): return (consumed + count, nil)
      case .body(let range, let count):
        let body = bytes.extracting(consumed + range.start..<consumed + range.end)
        do throws(CollectionRefusal) {
          try collected?.append(body)
        } catch {
          return (consumed, error.rejection)
        }
        consumed += count
      case .done(let count): return (consumed + count, nil)
      case .rejected(let rejection): return (consumed, rejection)
      }
    }
  }
}
