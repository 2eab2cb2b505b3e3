// An application gives a request to the application of another queue, and is out of the way.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// What `Ring3-Delegate: [USER/]QUEUE [PATH]` says.
package struct Delegation: Equatable, Sendable {
  /// Whose the queue is; nil: of the application's own user. A name alone never means another
  /// user's: he could have made it to have requests that are meant for a queue that is away.
  package let user: [UInt8]?
  package let queue: [UInt8]
  /// Path and query that the other application is asked for; nil: the same.
  package let path: [UInt8]?

  /// nil for a value that is not one name, perhaps with a path behind it.
  package init?(_ value: [UInt8]) {
    let words = value.split(separator: 0x20, maxSplits: 1).map(Array.init)
    guard let first = words.first else { return nil }
    let parts = first.split(separator: 0x2f, maxSplits: 1, omittingEmptySubsequences: false)
    user = parts.count == 2 ? Array(parts[0]) : nil
    guard let name = parts.last.map(Array.init), !name.isEmpty, user?.isEmpty != true,
      name.allSatisfy({ $0.isLetterOrDigit || [0x2d, 0x2e, 0x5f].contains($0) })
    else { return nil }
    queue = name
    guard words.count == 2 else {
      path = nil
      return
    }
    // What stands in a request line, and nothing that could end it.
    guard words[1].first == 0x2f, words[1].allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x23 })
    else { return nil }
    path = words[1]
  }
}

extension UInt8 {
  fileprivate var isLetterOrDigit: Bool {
    (0x61...0x7a).contains(self | 0x20) || (0x30...0x39).contains(self)
  }
}

extension EventLoop {
  /// A response of an application may be no answer but an order to ask another one. True: it was,
  /// and has been obeyed or refused. `hasMore`: something came behind the head.
  func takeDelegation(_ bytes: RawSpan, _ forwarding: Forwarding, hasMore: Bool) -> Bool {
    guard let source = forwarding.target.queue, forwarding.response.has(.ring3Delegate),
      let value = forwarding.response.joinedValue(of: .ring3Delegate, in: bytes)
    else { return false }
    switch order(value, source, forwarding, hasMore: hasMore) {
    case .failure(let refusal):
      log(of: forwarding).write(
        .error,
        "queue '\(name(of: source))' wants to delegate to"
          + " '\(String(decoding: value, as: UTF8.self))': \(refusal.why)",
        client: forwarding.stream?.client)
      failForwarding(forwarding, refusal.status, refusal.reason)
    case .success(let target):
      forwarding.delegationCount += 1
      leaveCache(forwarding)
      askAnew(forwarding, to: target, isReusable: true)
    }
    return true
  }

  /// An application has answered, but not the client: the request goes to one from the beginning.
  func askAnew(_ forwarding: Forwarding, to target: ProxyTarget? = nil, isReusable: Bool) {
    releaseUpstream(forwarding, isReusable: isReusable)
    if let target { forwarding.target = target }
    forwarding.ticket = 0
    forwarding.isNewToQueue = true
    forwarding.waitingSince = 0
    forwarding.attemptCount = 0
    forwarding.staleCount = 0
    forwarding.knockingSince = 0
    forwarding.requestIsBroken = false
    forwarding.phase = .queued
    begin(forwarding)
  }

  /// What was found out for the URL's owner says nothing of what another application answers, and
  /// nobody knows on what of the request the choice depended: its answer is for this client alone.
  private func leaveCache(_ forwarding: Forwarding) {
    endFlight(forwarding, .notStorable(parallelMilliseconds: Limits.parallelMilliseconds))
    let caching = CachingExchange()
    caching.waitCount = forwarding.caching.waitCount
    caching.request = forwarding.caching.request
    forwarding.caching = caching
  }

  private struct DelegationRefusal: Error {
    var status: UInt16 = 502
    var reason = EndReason.proxyBroken
    let why: String
  }

  private func order(
    _ value: [UInt8], _ source: QueueReference, _ forwarding: Forwarding, hasMore: Bool
  ) -> Result<ProxyTarget, DelegationRefusal> {
    func refuse(_ why: String) -> Result<ProxyTarget, DelegationRefusal> {
      .failure(DelegationRefusal(why: why))
    }
    guard let delegation = Delegation(value) else {
      return refuse("that is not the name of a queue, perhaps with a path")
    }
    guard !hasMore, forwarding.response.framing == .none else {
      return refuse("such a response has no body")
    }
    guard forwarding.isReplayable, forwarding.requestIsComplete else {
      return refuse("the request's body is too long to be sent a second time")
    }
    guard forwarding.delegationCount < Limits.delegationsMax else {
      return .failure(
        DelegationRefusal(
          status: 508, reason: .proxyLoop,
          why: "it has been delegated \(Limits.delegationsMax) times already"))
    }
    let name = String(decoding: delegation.queue, as: UTF8.self)
    let user = delegation.user.map { String(decoding: $0, as: UTF8.self) }
    let named = namespace?.queues.first { queue in
      queue.name == name
        && (user.map { $0 == queue.userName || $0 == "#\(queue.user)" }
          ?? (queue.user == source.user))
    }
    guard let queue = named,
      let balancer = model.queueBalancer(Int(queue.slot)), let board = heritage.queues,
      board.serial(Int(queue.slot)) == queue.serial
    else { return refuse("there is no such queue") }
    guard board.mayDelegate(user: source.user, to: Int(queue.slot)) else {
      return refuse("that queue does not take requests of this application's user")
    }
    if let path = delegation.path, let refusal = accessRefusal(path, forwarding) {
      return .failure(refusal)
    }
    let reference = QueueReference(
      slot: Int(queue.slot), serial: queue.serial, user: queue.user)
    return .success(
      forwarding.target.delegated(to: reference, balancer: balancer, path: delegation.path))
  }

  /// What holds for the path that an application names, if a request for it would be refused: an
  /// order leads nobody past access rules. nil: it would not.
  private func accessRefusal(_ target: [UInt8], _ forwarding: Forwarding) -> DelegationRefusal? {
    let exchange = forwarding.exchange
    let path = Array(target.prefix { $0 != 0x3f })
    let slashes = model.sites.shared(exchange.site.site).value.allowEncodedSlashes
    guard
      case .success(let decoded) = RequestTarget.decodePath(path.rawSpan, encodedSlashes: slashes)
    else { return DelegationRefusal(why: "that path is none that a client could ask for") }
    let settings = model.claimedRoute(exchange.site, path: decoded).settings
    if settings.access.dependsOnClient { exchange.accessDependsOnClient = true }
    let stream = forwarding.stream
    let server = stream.flatMap { Stream.localAddress(carrier(of: $0).descriptor)?.address }
    guard let client = (stream?.client ?? forwarding.origin.client)?.address,
      settings.access.evaluate(client: client, server: server)
    else {
      return DelegationRefusal(
        status: 403, reason: .forbidden, why: "its client has no access to that path")
    }
    guard forwarding.origin.isEncrypted || !settings.requiresTLS else {
      return DelegationRefusal(
        status: 403, reason: .tlsRequired, why: "that path is for encrypted connections only")
    }
    return nil
  }
}
