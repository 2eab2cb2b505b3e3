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
    if balancers[forwarding.target.balancer].looksAtRequests {
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
      forwarding.passing?.member = model.proxyMembers[member].name
      noteRoute(forwarding.exchange, forwarding.target.balancer, member, session)
      return member
    case .none(let seconds):
      // Nobody will come back by itself: an operator may have stopped them all for a while.
      forwarding.exchange.retryAfterSeconds = seconds ?? Limits.stoppedRetrySeconds
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

  /// What `Header` may say of a balancer's choice (mod_proxy_balancer's variables).
  private func noteRoute(
    _ exchange: Exchange, _ number: Int, _ member: Int, _ session: [UInt8]?
  ) {
    guard let route = model.proxyMembers[member].parameters.route else { return }
    let balancer = model.proxyBalancers[number]
    var captures = exchange.route.captures
    // Another member may have been chosen before.
    for name in HeaderEdit.balancingNames { captures.remove(name) }
    captures.set("BALANCER_NAME", Array(balancer.name.utf8))
    captures.set("BALANCER_WORKER_NAME", Array(model.proxyMembers[member].name.utf8))
    captures.set("BALANCER_WORKER_ROUTE", Array(route.utf8))
    let bound = Array((balancer.stickySeparator + route).utf8)
    if session?.suffix(bound.count) != bound[...] {
      captures.set("BALANCER_ROUTE_CHANGED", [UInt8(ascii: "1")])
    }
    exchange.route.captures = captures
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

  /// Who is asked, as logs have it.
  func memberName(_ forwarding: Forwarding) -> String {
    if let queue = forwarding.target.queue { return "queue '\(name(of: queue))'" }
    return model.proxyMembers[forwarding.member].name
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
    leaveQueue(forwarding)
    guard forwarding.isCounted, forwarding.member >= 0 else { return }
    if let passing = forwarding.passing {
      passing.member = memberName(forwarding)
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
