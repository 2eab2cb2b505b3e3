// Entries that applications put and get: routed as a request for their URL, kept and found as any
// answer of the application.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// The requests of a put or get: nobody sends them.
final class LentStream: RequestStream {}

/// What a URL that an application has named leads to.
struct LentRoute {
  let exchange: Exchange
  let target: ProxyTarget
  let stream: LentStream
  let caching: CachingExchange
}

extension EventLoop {
  // MARK: Puts

  func startPut(_ lent: LentExchange) throws(LentRefusal) {
    guard lent.order.byteCount <= objectBytesMax + responseParser.limits.headerBytesMax else {
      throw LentRefusal(.tooLarge)
    }
    let route = try route(lent.order)
    route.exchange.isForAnyPort = true
    let forwarding = Forwarding(
      route.exchange, nil, route.target, route.caching, pool: forwardings, now: now)
    forwarding.asOf = min(lent.order.asOf, forwarding.asOf)
    lent.forwarding = forwarding
    lent.head = ByteBuffer(capacity: 4096)
  }

  func takePut(_ lent: LentExchange, _ buffer: ByteBuffer) throws(LentRefusal) {
    guard let forwarding = lent.forwarding else { return }
    guard var head = lent.head else {
      return try keep(buffer, 0..<buffer.count, forwarding)
    }
    if head.free < buffer.count {
      let larger = ByteBuffer(capacity: max(head.capacity * 2, head.count + buffer.count))
      larger.append(head.bytes)
      head = larger
      lent.head = larger
    }
    head.append(buffer.bytes)
    switch responseParser.parse(
      head.bytes, into: &forwarding.response, to: .get, resuming: &lent.progress)
    {
    case .needMore: break
    case .rejected: throw .malformed
    case .complete:
      lent.head = nil
      let start = forwarding.response.headByteCount
      try takeHead(
        head.bytes.extracting(0..<start), forwarding, lent.order.policy,
        bodyByteCount: head.count - start + lent.rest)
      try keep(head, start..<head.count, forwarding)
    }
  }

  private func keep(
    _ buffer: ByteBuffer, _ range: Range<Int>, _ forwarding: Forwarding
  ) throws(LentRefusal) {
    store(forwarding, buffer, [range])
    guard forwarding.storing != nil else { throw LentRefusal(.noRoom) }
  }

  /// Decides as for any answer of the application, but that its order of how long comes first.
  private func takeHead(
    _ bytes: RawSpan, _ forwarding: Forwarding, _ policy: KeepPolicy, bodyByteCount: Int
  ) throws(LentRefusal) {
    let settings = forwarding.exchange.settings.value
    let status = forwarding.response.status
    guard status >= 200, !settings.proxy.errorOverride.contains(status),
      !forwarding.response.has(.ring3Delegate), !forwarding.response.has(.ring3Fragments)
    else { throw LentRefusal(.status) }
    switch forwarding.response.framing {
    case .none: guard bodyByteCount == 0 else { throw .length }
    case .length(let count): guard count == UInt64(bodyByteCount) else { throw .length }
    case .untilClose: break
    // How long it is was said already.
    case .chunked, .tunnel: throw .malformed
    }
    guard bodyByteCount <= objectBytesMax else { throw LentRefusal(.tooLarge) }
    var fields = CachingFields()
    forEachField(of: forwarding.response, in: bytes) { name, value, _ in
      fields.take(name: name, value: value)
    }
    if let field = policy.targetedField { fields.ring3CacheControl = [field] }
    switch decide(fields, forwarding, status: forwarding.response.status) {
    case .refuse(let refusal): throw LentRefusal(refusal)
    case .store(let plan):
      guard beginStoring(plan, bytes, forwarding) else { throw LentRefusal(.noRoom) }
    }
  }

  func publishPut(_ lent: LentExchange) throws(LentRefusal) {
    guard let forwarding = lent.forwarding, let storing = forwarding.storing, let cache else {
      throw .malformed
    }
    guard leadsStill(forwarding.exchange, forwarding.origin) else { throw .claim }
    guard cache.standing(storing.fill.hit) == .good else { throw LentRefusal(.invalidated) }
    guard endCaching(forwarding, .whole) else { throw LentRefusal(.noRoom) }
  }

  // MARK: Gets

  /// What a client would get of the cache; the application is never asked.
  func startGet(_ lent: LentExchange) throws(LentRefusal) {
    let route = try route(lent.order)
    guard let cache else { throw .absent }
    defer { cache.release() }
    var miss = CacheForward.uriMiss
    var first = findResponse(route.caching, route.exchange, route.stream, &miss)
    if first == nil {
      // Clients may name the port or not.
      route.exchange.namesPort.toggle()
      first = findResponse(route.caching, route.exchange, route.stream, &miss)
    }
    guard let found = first else {
      throw miss == .varyMiss ? .variant : .absent
    }
    let word = ValidatedWord(raw: cache.validated(found.hit))
    let use = ReuseRules.decide(
      StoredFacts(found.facts, ageTicks: word.age(at: bootTicks)), request: route.caching.request,
      orders: CachingOrders(route.exchange.settings.value.caching))
    guard !found.isSuspect, use.isUse else { throw .stale }
    let chosen = ChosenEntry(
      hit: found.hit, facts: found.facts, site: route.exchange.site.site, outcome: .hit)
    writeResponsePrefix(chosen, .none, lengthOf: cache.bodyByteCount(found.hit))
    let range = cache.headRange(found.hit)
    let head =
      extra.copy(0..<extra.count) + cache.region.copyOut(at: range.offset, count: range.count)
    try lend(found.hit, head, lent)
  }

  /// Keeps a held entry until the wanted part of it has left.
  func lend(_ hit: CacheHit, _ head: [UInt8], _ lent: LentExchange) throws(LentRefusal) {
    guard let cache else { throw .absent }
    let total = cache.bodyByteCount(hit)
    let start = lent.order.offset
    guard start <= total else { throw .range }
    let end = min(total, lent.order.length.map { start + min($0, total) } ?? total)
    guard let pin = cache.pin(hit) else { throw .busy }
    lent.pin = pin
    lent.body = start..<end
    let line =
      "{\"result\":\"found\",\"head\":\(head.count),\"body\":\(end - start),\"total\":\(total)}\n"
    lent.output = ByteBuffer(holding: Array(line.utf8) + head)
  }

  // MARK: Routing

  /// Routes the URL as a request for it would be; it must lead to the application that was told.
  private func route(_ order: CacheOrder) throws(LentRefusal) -> LentRoute {
    let stream = try stream(order)
    let port = order.port == (order.isSecure ? 443 : 80) ? "" : ":\(order.port)"
    let lines = ["GET \(order.target) HTTP/1.1", "Host: \(order.host)\(port)"] + order.fields
    let request = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    var head = RequestHead()
    guard case .complete = parser.parse(request.rawSpan, into: &head),
      head.headByteCount == request.count, head.body == .none, head.targetForm == .origin,
      !head.hasConditionsOrRange, !head.connectionUpgrade
    else { throw .malformed }
    let exchange = makeExchange(stream, head, request.rawSpan)
    let slashes = model.sites[exchange.site.site].allowEncodedSlashes
    let path = exchange.copy(exchange.head.path)
    guard
      case .success(let decoded) = RequestTarget.decodePath(path.rawSpan, encodedSlashes: slashes)
    else { throw .claim }
    exchange.path = decoded
    exchange.origin = RequestOrigin(
      local: localAddress(of: stream), isEncrypted: order.isSecure)
    self.route(decoded, exchange, stream)
    guard let owner = exchange.owner, owner.name.text == order.owner,
      case .proxy(let target) = exchange.route.action
    else { throw .claim }
    let settings = exchange.settings.value
    let isAllowed =
      !exchange.route.checksAccess || settings.access.dependsOnClient
      || settings.access.evaluate(client: stream.client.address, server: nil)
    guard isAllowed, order.isSecure || !settings.requiresTLS else { throw .forbidden }
    let caching = CachingExchange()
    guard mayKeep(target, exchange, stream),
      nameResponse(caching, exchange, stream)
    else { throw LentRefusal(.disabled) }
    return LentRoute(exchange: exchange, target: target, stream: stream, caching: caching)
  }

  /// As if the request came to a listener of the port: all of them must have the same keys.
  private func stream(_ order: CacheOrder) throws(LentRefusal) -> LentStream {
    let places = listeners.indices.filter {
      listeners[$0].address.port == order.port && listeners[$0].isEncrypted == order.isSecure
    }
    guard let place = places.first else { throw .addresses }
    var keyPrefixes = Set(places.map { listeners[$0].keyPrefix })
    if needsLocalAddress {
      for address in model.sites.flatMap({ $0.addresses })
      where address.port ?? order.port == order.port {
        guard let local = address.address else { continue }
        keyPrefixes.insert(
          CacheKeys.prefix(local: SocketAddress(local, port: order.port), model: model))
      }
    }
    guard keyPrefixes.count == 1 else { throw .addresses }
    return LentStream(
      token: 0, client: SocketAddress(IPAddress(v4: 0x7f00_0001), port: 0), listener: place,
      local: nil, keyPrefix: listeners[place].keyPrefix)
  }
}
