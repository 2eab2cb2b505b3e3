// When passing a request on does not work: another address, another member, or an error.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// No connection to the chosen member has come about.
  func connectFailed(
    _ forwarding: Forwarding, _ failure: UpstreamFailure, _ why: String
  ) {
    log(of: forwarding).write(
      .error, "cannot connect to \(memberName(forwarding)): \(why)",
      client: forwarding.stream?.client)
    memberFailed(forwarding, failure)
    // The queue has ended: its socket is no more.
    if forwarding.target.queue != nil { return failQueue(forwarding, .reserved) }
    tryAnother(forwarding, failure == .connectTimeout ? 504 : 502, .proxyConnect)
  }

  /// A connection in progress has come to nothing.
  func connectFailed(
    _ upstream: UpstreamConnection, _ forwarding: Forwarding, _ failure: UpstreamFailure,
    _ why: String
  ) {
    closeUpstream(upstream)
    guard !tryNextAddress(forwarding) else { return open(forwarding) }
    connectFailed(forwarding, failure, why)
  }

  /// The connection broke, or closed, before the response was whole.
  func upstreamLost(_ forwarding: Forwarding, _ why: String) {
    guard let upstream = forwarding.upstream else { return }
    let wasUsedBefore = upstream.requestCount > 1
    closeUpstream(upstream)
    guard !forwarding.hasResponse else { return breakRelay(forwarding, why) }
    // A kept connection that the member closed just when the request was on its way: nothing is
    // wrong with the member (RFC 9112 §9.3.1). Only what may be done twice is sent again.
    if wasUsedBefore, forwarding.staleCount < Limits.staleConnectionsMax, mayResend(forwarding) {
      forwarding.staleCount += 1
      forwarding.passing?.retryCount += 1
      forwarding.requestSent = 0
      forwarding.requestIsBroken = false
      return connect(forwarding)
    }
    log(of: forwarding).write(
      .error, "\(memberName(forwarding)) \(why) before it answered",
      client: forwarding.stream?.client)
    memberFailed(forwarding, .brokenBeforeResponse)
    if forwarding.target.queue != nil {
      return abandoned(forwarding, mayResend: mayResend(forwarding))
    }
    tryAnother(forwarding, 502, .proxyBroken)
  }

  func upstreamTimedOut(_ forwarding: Forwarding) {
    guard let upstream = forwarding.upstream else { return }
    if forwarding.hasResponse { closeUpstream(upstream) } else { settle(upstream, forwarding) }
    guard !forwarding.hasResponse else { return breakRelay(forwarding, "was silent too long") }
    log(of: forwarding).write(
      .error, "\(memberName(forwarding)) did not answer in time",
      client: forwarding.stream?.client)
    memberFailed(forwarding, .responseTimeout)
    noteFailed(forwarding)
    failForwarding(forwarding, 504, .proxyTimeout)
  }

  /// Whether nothing can go wrong when the request is sent a second time (RFC 9110 §9.2.2).
  private func mayResend(_ forwarding: Forwarding) -> Bool {
    RequestRetry.isAllowed(
      forwarding.exchange.head.method, forwarding.requestSent == 0 ? .notSent : .sent,
      bodyIsReplayable: forwarding.isReplayable)
  }

  /// Another member, if there is one and the request may be sent again; else an error.
  private func tryAnother(_ forwarding: Forwarding, _ status: UInt16, _ reason: EndReason) {
    forwarding.tried = forwarding.tried + [forwarding.member]
    let number = forwarding.target.balancer
    let retriesMax =
      model.proxyBalancers[number].retriesMax ?? model.proxyBalancers[number].members.count - 1
    let isLast = forwarding.tried.count > retriesMax
    guard !isLast, mayResend(forwarding), let next = chooseMember(forwarding) else {
      return failForwarding(forwarding, status, reason)
    }
    forwarding.member = next
    forwarding.addressIndex = 0
    forwarding.staleCount = 0
    forwarding.passing?.retryCount += 1
    forwarding.requestIsBroken = false
    rewriteRequest(forwarding)
    connect(forwarding)
  }

  /// Answers with an error of our own; nothing of a response has been sent.
  func failForwarding(_ forwarding: Forwarding, _ status: UInt16, _ reason: EndReason) {
    if let upstream = forwarding.upstream { closeUpstream(upstream) }
    forwarding.phase = .ended
    endAttempt(forwarding)
    if status >= 500, standInStale(forwarding) { return }
    endCaching(forwarding, .failed)
    let exchange = forwarding.exchange
    exchange.forwarding = nil
    note(cacheStatus(forwarding), exchange)
    guard let stream = forwarding.stream else { return }
    forwarding.stream = nil
    stream.state.relayFailed()
    head = exchange.head
    if let stream = stream as? MultiplexedStream, stream.keepsBody { dropBody(of: stream) }
    // Not all of its body was read, and nobody is going to.
    if stream.state.bodyPending { stream.state.closeAfterResponse() }
    finish(forwarding, stream, isDone: fail(exchange, stream, status, reason))
  }
}
