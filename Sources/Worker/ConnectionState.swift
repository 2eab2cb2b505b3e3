// What a connection does next: a pure machine, events in, actions out, no descriptors, no clock.

import HTTP

/// Where one HTTP/1.1 connection stands, and every decision about its life. `Connection` holds the
/// buffers and `EventLoop` performs the actions; neither decides.
///
/// The life of a kept-alive connection is `idle → head → working → sending → idle`; a request whose
/// head arrives whole and whose answer leaves whole passes through all of it in one turn. An
/// encrypted one begins with `handshake`; one of HTTP/2 is `multiplexed` from then on, and each of
/// its streams has a machine of its own.
package struct ConnectionState: Equatable, Sendable {
  package enum Phase: UInt8, Sendable {
    /// Nothing received of the next request. May be handed over or evicted. → head, closed
    case idle
    /// A part of a head has arrived. → working, sending (408, 400), closed
    case head
    /// A request is being answered; its producer waits for a helper, or it is passed on plainly.
    /// → relaying, idle, body, sending, closed
    case working
    /// Reading a request body that nobody wants. → sending, idle, closed
    case body
    /// A response is partly sent. → idle, body, lingering, closed
    case sending
    /// The request is passed on: its body may still come while its response already goes.
    /// → working, idle, body, lingering, closed
    case relaying
    /// Our side is closed; the client's last bytes are read and thrown away, so that the kernel
    /// does not answer them with a reset that would destroy the response (RFC 9112 §9.6). → closed
    case lingering
    case closed
    /// TLS is being agreed upon. → idle, multiplexed, closed
    case handshake
    /// An HTTP/2 session decides. → closed
    case multiplexed
  }

  /// What the loop does now.
  package enum Action: Equatable, Sendable {
    /// Wait for input of the next request.
    case awaitRequest
    /// Parse what is buffered already.
    case parseBuffered
    /// Read and discard the rest of the request body.
    case discardBody
    /// Answer with this status and close afterwards.
    case refuse(status: UInt16, EndReason)
    /// Close the sending side, then linger.
    case linger
    /// Give the connection to the next generation.
    case handOver
    case close(EndReason)
    /// Nothing changes.
    case none

    var isClose: Bool { if case .close = self { true } else { false } }
  }

  package private(set) var phase = Phase.idle
  /// The current response is the last one of this connection.
  package private(set) var closesAfterResponse = false
  /// The client has closed its sending side; it may still read.
  package private(set) var inputEnded = false
  /// The request body is not yet read to its end.
  package private(set) var bodyPending = false
  /// The process is leaving: idle connections move on.
  package var draining = false
  /// Encryption, or the state of an HTTP/2 session, lives in this process alone: it cannot be given
  /// to another one. It is not cut either when the process leaves; its next answer is its last.
  package private(set) var isBound = false

  package init() {}

  /// The connection begins with a handshake of TLS.
  package mutating func handshakeBegun() {
    assert(phase == .idle)
    phase = .handshake
    isBound = true
  }

  package mutating func handshakeEnded() {
    assert(phase == .handshake)
    phase = .idle
  }

  /// All that was to be said on the connection is said; what the socket still holds back of it must
  /// leave before it may be closed.
  package mutating func departing() {
    phase = .lingering
    isBound = true
  }

  /// From here on it carries streams of HTTP/2.
  package mutating func multiplexed() {
    assert(phase == .idle || phase == .head)
    phase = .multiplexed
    isBound = true
  }

  /// May be closed without anyone noticing more than a new connection.
  package var isIdle: Bool { phase == .idle && !inputEnded }

  /// May be handed to another process.
  package var isMovable: Bool { isIdle && !isBound }

  /// Part of a head is buffered.
  package mutating func headBegun() {
    if phase == .idle { phase = .head }
  }

  /// A whole head has been parsed and accepted.
  package mutating func requestBegun(keepAlive: Bool, hasBody: Bool) {
    assert(phase == .idle || phase == .head)
    phase = .working
    closesAfterResponse = !keepAlive || inputEnded
    bodyPending = hasBody
  }

  /// This response must be the connection's last one.
  package mutating func closeAfterResponse() { closesAfterResponse = true }

  /// The body is read before the response is produced.
  package mutating func bodyAwaited() { phase = .body }

  /// The body has been read to its end. True: before its response, which is to be produced now.
  package mutating func bodyEnded() { bodyPending = false }

  /// The response has begun to leave.
  package mutating func responseBegun() { if phase != .relaying { phase = .sending } }

  /// The request is passed on to an application.
  package mutating func relayBegun() {
    assert(phase == .working || phase == .body)
    phase = .relaying
  }

  /// The application will not answer after all; nothing of a response has left.
  package mutating func relayFailed() { if phase == .relaying { phase = .working } }

  /// The response has left entirely; `bufferedCount` bytes of input wait behind it.
  package mutating func responseEnded(bufferedCount: Int, reason: EndReason) -> Action {
    if closesAfterResponse || inputEnded && bufferedCount == 0 {
      // Unread bytes would make close(2) send a reset.
      if inputEnded {
        phase = .closed
        return .close(reason)
      }
      phase = .lingering
      return .linger
    }
    if bodyPending {
      phase = .body
      return .discardBody
    }
    phase = .idle
    if bufferedCount > 0 { return .parseBuffered }
    return draining && !isBound ? .handOver : .awaitRequest
  }

  /// An unwanted body that followed its response has been read to its end.
  package mutating func discardEnded(bufferedCount: Int) -> Action {
    bodyPending = false
    return responseEnded(bufferedCount: bufferedCount, reason: .completed)
  }

  /// recv returned zero.
  package mutating func peerClosed() -> Action {
    inputEnded = true
    switch phase {
    case .idle, .lingering, .multiplexed:
      phase = .closed
      return .close(.clientClosed)
    case .head, .body, .handshake:
      phase = .closed
      return .close(.clientReset)
    case .relaying where bodyPending:
      // What the application gets of the body must not look like the whole.
      phase = .closed
      return .close(.clientReset)
    case .relaying, .working, .sending:
      // Half-closed: the client may still read its answer.
      closesAfterResponse = true
      return .none
    case .closed:
      return .none
    }
  }

  /// The deadline of the present phase has passed.
  package mutating func deadlinePassed() -> Action {
    switch phase {
    case .idle:
      phase = .closed
      return .close(.timerConnectionIdle)
    case .head:
      phase = .working
      closesAfterResponse = true
      return .refuse(status: 408, .timerHeaderWait)
    case .body:
      closesAfterResponse = true
      phase = .closed
      return .close(.timerEntityBody)
    case .sending:
      phase = .closed
      return .close(.timerSend)
    case .relaying:
      phase = .closed
      return .close(bodyPending ? .timerEntityBody : .timerSend)
    case .lingering:
      phase = .closed
      return .close(.timerLinger)
    case .handshake:
      phase = .closed
      return .close(.timerHandshake)
    case .working, .closed, .multiplexed:
      return .none
    }
  }

  /// The connection is closed, for whatever reason.
  package mutating func ended() { phase = .closed }

  /// A send or receive failed: the client is gone.
  package mutating func broken() -> Action {
    guard phase != .closed else { return .none }
    let wasIdle = phase == .idle || phase == .lingering || phase == .multiplexed
    phase = .closed
    return .close(wasIdle ? .clientClosed : .clientReset)
  }

  /// The process wants to leave.
  package mutating func drain() -> Action {
    draining = true
    return isMovable ? .handOver : .none
  }
}
