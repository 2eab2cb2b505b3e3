// How HTTP/2 connections end: asked to leave, idle, stalled, or not to be borne any more.

import Cache
import Configuration
import HTTP
import HTTP2
import Platform
import TLS

extension EventLoop {
  /// After an answer: the process leaves, or the connection has had its requests.
  func leaveIfAsked(_ connection: Connection, _ http2: HTTP2Connection) {
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

  /// Its deadline has passed; there may have been progress since it was set.
  func expireHTTP2(_ connection: Connection, _ http2: HTTP2Connection) {
    let due = deadline(connection, http2)
    guard due <= now else { return setDeadline(connection, due) }
    // What an application takes to answer has a limit of its own.
    let isAwaited = http2.streams.contains { stream in
      guard let exchange = stream?.exchange else { return false }
      guard let forwarding = exchange.forwarding else { return exchange.flightWait != nil }
      return forwarding.phase != .ended && !forwarding.isPaused
    }
    if isAwaited, http2.rest == nil, !http2.session.isBlockedByPeer {
      return setDeadline(connection, now + Limits.logFlushMilliseconds)
    }
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
    for connection in connections.objects {
      guard let http2 = connection.http2 else { continue }
      http2.session.tick(second: now / 1000)
      if http2.session.hasOutput { queue(connection, http2) }
      guard let since = http2.leavingSince, !http2.hasSaidLast,
        now - since >= Limits.leavingMilliseconds
      else { continue }
      http2.hasSaidLast = true
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
    case .terminated: self = .connectionClose
    }
  }
}
