// What carries requests and answers: the socket, and what stands between it and a request.

import Cache
import Configuration
import HTTP
import TLS
import Platform

extension EventLoop {
  /// The connection whose bytes a stream's requests are.
  func carrier(of stream: RequestStream) -> Connection {
    switch stream {
    case let connection as Connection: return connection
    case let stream as MultiplexedStream: return stream.connection
    default: preconditionFailure("a stream of no kind")
    }
  }

  /// nil when it has ended.
  func stream(of token: UInt64) -> RequestStream? {
    let index = Int(truncatingIfNeeded: token & 0xffff_ffff)
    guard token & Token.streamBit == 0 else {
      guard index < streams.count, let stream = streams[index], stream.token == token else {
        return nil
      }
      return stream
    }
    guard index < connections.count, let connection = connections[index],
      connection.token == token
    else { return nil }
    return connection
  }

  /// Sends what is gathered, encrypted where the connection is.
  @inline(__always)
  func transmit(_ output: OutputVector, on connection: Connection, more: Bool) -> SendResult {
    guard let security = connection.security else {
      return Stream.send(connection.descriptor, output, more: more)
    }
    return security.session.send(output, now: now)
  }

  /// Whether encrypted bytes wait that the socket did not take.
  @inline(__always)
  func hasUnsent(_ connection: Connection) -> Bool {
    connection.security?.session.hasUnsent ?? false
  }

  /// Sends those; `.sent` when none are left.
  func flush(_ connection: Connection) -> SendResult {
    guard let security = connection.security, security.session.hasUnsent else { return .sent(0) }
    return security.session.flush()
  }

  /// Bytes of the client, decrypted where the connection is encrypted.
  @inline(__always)
  func receiveBytes(_ connection: Connection, into buffer: ByteBuffer) -> ReceiveResult {
    guard let security = connection.security else {
      return Stream.receive(connection.descriptor, into: buffer)
    }
    return receiveBytes(connection, security, into: buffer)
  }

  @inline(never)
  private func receiveBytes(
    _ connection: Connection, _ security: ConnectionSecurity, into buffer: ByteBuffer
  ) -> ReceiveResult {
    switch security.session.receive(into: buffer) {
    case .received(let count):
      takeUpBuffered(connection)
      return .received(count)
    case .wouldBlock:
      if security.session.isClogged {
        setInterest(connection, .writable)
      } else if connection.interest == .writable {
        setInterest(connection, .readable)
      }
      return .wouldBlock
    case .closed: return .closed
    // Many clients leave without a word (RFC 9110 has lengths of its own against truncation).
    case .failed(let failure) where failure.reason == .unexpectedEnd: return .closed
    case .failed(let failure):
      log(of: connection).write(.info, "TLS: \(failure)", client: connection.client)
      scoreboard.ended(EndReason(failure), slot: slot)
      return .broken
    }
  }

  /// epoll knows nothing of what lies in the library: whoever waits for the client's bytes comes
  /// here.
  func takeUpBuffered(_ connection: Connection) {
    guard let security = connection.security, !security.isQueued,
      security.session.hasBufferedInput
    else { return }
    security.isQueued = true
    runnable.append(connection.token)
  }

  // MARK: What a stream asks of its connection

  /// On an HTTP/2 connection other streams go on, and the session decides what epoll waits for.
  func setInterest(_ stream: RequestStream, _ interest: Interest) {
    if let connection = stream as? Connection { setInterest(connection, interest) }
  }

  /// On an HTTP/2 connection the deadline is that of the whole: no progress on any stream.
  func setDeadline(_ stream: RequestStream, _ deadline: Int64) {
    if let connection = stream as? Connection { setDeadline(connection, deadline) }
  }

  func keepsAlive(_ stream: RequestStream, _ site: Int) -> Bool {
    (stream as? Connection).map { keepsAlive($0, site) } ?? true
  }

  func perform(_ action: ConnectionState.Action, on stream: RequestStream) {
    if let connection = stream as? Connection { perform(action, on: connection) }
    // A stream has one request, and its session knows when it is over.
  }

  func close(_ stream: RequestStream, _ reason: EndReason) {
    if let connection = stream as? Connection { return close(connection, reason) }
    if let stream = stream as? MultiplexedStream { abort(stream, reason) }
  }

  /// More of a file is in memory, or it is this stream's turn again.
  func continueOutput(_ stream: RequestStream) {
    if let connection = stream as? Connection { return continueOutput(connection) }
    if let stream = stream as? MultiplexedStream { resume(stream) }
  }

  /// A 1xx response; false: the client is gone.
  func sendInterim(_ head: [UInt8], on stream: RequestStream) -> Bool {
    guard let connection = stream as? Connection else { return submitInterim(head, on: stream) }
    // An application's may be long.
    let lines = ByteBuffer(holding: head)
    gathered.removeAll()
    gathered.append(lines)
    if case .sent(let count) = transmit(gathered, on: connection, more: false) {
      return count == lines.count
    }
    return false
  }

  func send(_ chosen: ChosenEntry, on stream: RequestStream, _ bytes: RawSpan) -> Bool {
    guard let connection = stream as? Connection else {
      return sendFrames(chosen, on: stream, bytes)
    }
    return send(chosen, on: connection, bytes)
  }
}
