// Which member takes a request, and what is remembered of how it went.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// The next member for a request; nil when none can take it.
  func chooseMember(_ forwarding: Forwarding) -> Int? {
    guard let balancing else { return nil }
    var session: [UInt8]?
    var key: UInt64 = 0
    if model.proxyBalancers[forwarding.target.balancer].members.count > 1 {
      let balancer = model.proxyBalancers[forwarding.target.balancer]
      session = self.session(of: forwarding.exchange, balancer)
      if case .hash(let what) = balancer.method { key = balancingKey(what, forwarding) }
    }
    switch balancing.choose(
      balancer: forwarding.target.balancer, session: session, key: key, tried: forwarding.tried,
      now: now)
    {
    case .member(let member, let isProbe):
      endAttempt(forwarding)
      forwarding.isProbe = isProbe
      forwarding.isCounted = true
      balancing.begin(member)
      return member
    case .none(let seconds):
      forwarding.exchange.retryAfterSeconds = seconds
      return nil
    }
  }

  /// The session that binds a request to a member: its cookie, or a parameter of its path.
  private func session(of exchange: Exchange, _ balancer: ProxyBalancer) -> [UInt8]? {
    guard !balancer.stickyCookie.isEmpty || !balancer.stickyParameter.isEmpty else { return nil }
    let bytes = exchange.bytes
    if !balancer.stickyParameter.isEmpty,
      let value = UpstreamSession.value(
        ofParameter: Array(balancer.stickyParameter.utf8), in: exchange.copy(exchange.head.target))
    {
      return value
    }
    guard !balancer.stickyCookie.isEmpty,
      let field = exchange.head.joinedValue(of: .cookie, in: bytes.rawSpan)
    else { return nil }
    return UpstreamSession.value(ofCookie: Array(balancer.stickyCookie.utf8), in: field)
  }

  private func balancingKey(_ what: BalancingKey, _ forwarding: Forwarding) -> UInt64 {
    let exchange = forwarding.exchange
    let head = exchange.head
    let bytes = exchange.bytes
    switch what {
    case .url: return BalancingHash.of(exchange.host + exchange.copy(head.target))
    case .path: return BalancingHash.of(exchange.path)
    case .clientAddress:
      return BalancingHash.of("\(forwarding.origin.client?.address.unmapped, default: "")".utf8)
    case .field(let name):
      let wanted = Array(name.utf8)
      for number in 0..<head.fieldCount {
        let line = head.field(at: number)
        if FieldName.equal(line.name.span(in: bytes.rawSpan), wanted.rawSpan) {
          return BalancingHash.of(exchange.copy(line.value))
        }
      }
      return 0
    case .cookie(let name):
      guard let field = head.joinedValue(of: .cookie, in: bytes.rawSpan),
        let value = UpstreamSession.value(ofCookie: Array(name.utf8), in: field)
      else { return 0 }
      return BalancingHash.of(value)
    }
  }

  func memberFailed(_ forwarding: Forwarding, _ failure: UpstreamFailure) {
    guard forwarding.member >= 0 else { return }
    forwarding.isProbe = false
    balancing?.noteFailure(
      forwarding.member, balancer: forwarding.target.balancer, failure, now: now)
  }

  /// Begins what the access log says of a request that is passed on.
  func notePassing(_ forwarding: Forwarding, _ stream: RequestStream) {
    let passing = stream.passing ?? PassingRecord()
    passing.cacheWord = "\(forwarding.caching.forward.token)"
    stream.passing = passing
    forwarding.passing = passing
  }

  /// For the access log: a stored response is sent although it is stale.
  func noteStale(_ use: ReuseDecision, _ stream: RequestStream) {
    switch use {
    case .stale, .staleWhileRevalidate:
      let passing = PassingRecord()
      passing.cacheWord = "stale"
      stream.passing = passing
    default: break
    }
  }

  /// A head has come; `failonstatus` may say that it is none of a working member.
  func noteResponse(_ forwarding: Forwarding) {
    forwarding.isProbe = false
    forwarding.passing?.firstMilliseconds = now - forwarding.begun
    balancing?.noteResponse(
      forwarding.member, balancer: forwarding.target.balancer,
      status: forwarding.response.status, now: now)
  }

  /// Nothing more is asked of the member that was chosen.
  func endAttempt(_ forwarding: Forwarding) {
    forwarding.coding = nil
    guard forwarding.isCounted, forwarding.member >= 0 else { return }
    if let passing = forwarding.passing {
      passing.member = model.proxyMembers[forwarding.member].name
      passing.totalMilliseconds = now - forwarding.begun
    }
    forwarding.isCounted = false
    if forwarding.isProbe { balancing?.abandon(forwarding.member) }
    forwarding.isProbe = false
    balancing?.end(
      forwarding.member, sent: forwarding.sentByteCount, received: forwarding.receivedByteCount)
    forwarding.sentByteCount = 0
    forwarding.receivedByteCount = 0
  }
}
