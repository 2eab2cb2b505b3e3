// Requests for a part, or with conditions, for what is not stored yet: the whole is fetched too.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// A part, or a 304, has come for a client although nothing is stored. When its fields say that
  /// the whole may be kept, and nothing says that it is too large, the whole is fetched for the
  /// cache, and those who wait go on waiting for that. True: they do.
  ///
  /// The client's own request went to the application as it is: nothing is fetched whole before it
  /// is known that it can be of use, and who wants ten bytes of a film costs no more than these.
  func fetchWhole(instead fields: CachingFields, _ bytes: RawSpan, _ forwarding: Forwarding) -> Bool
  {
    let status = forwarding.response.status
    guard status == 206 || status == 304, forwarding.caching.stored == nil,
      let flight = forwarding.caching.flight, isCurrent, forwarding.delegationCount == 0,
      leadsStill(forwarding.exchange, forwarding.origin),
      case .store(let plan) = decide(fields, forwarding, status: 200), !plan.mustValidate
    else { return false }
    if status == 206 {
      var size: UInt64?
      forEachField(of: forwarding.response, in: bytes) { name, value, _ in
        if FieldName.equal(name, "content-range") { size = ByteRanges.completeLength(value) }
      }
      guard let size, size <= UInt64(objectBytesMax) else { return false }
    }
    let caching = forwarding.caching.copy()
    forwarding.caching.flight = nil
    caching.flight = flight
    caching.isForCache = true
    caching.forward = .uriMiss
    _ = forward(forwarding.target, repeated(forwarding.exchange), nil, caching: caching)
    return true
  }

  /// The same request, for nobody who waits at this moment.
  func repeated(_ exchange: Exchange) -> Exchange {
    exchange.repeated(asOf: cache?.generation ?? 0, ticks: bootTicks)
  }

  /// A response that was asked for in the cache's name has come whole although its client wants a
  /// part of it, or has it already: when it is being stored, the client waits for that as all
  /// others do, and is answered from there.
  func answerFromStored(_ entity: EntityHead, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    guard forwarding.caching.isForCache, forwarding.response.status == 200,
      forwarding.storing?.isNeverShared == false, exchange.head.hasConditionsOrRange,
      exchange.head.method == .get, let flights, let flight = forwarding.caching.flight,
      let stream = forwarding.stream, !forwarding.isStarting
    else { return }
    let bytes = exchange.bytes
    let result = Preconditions.evaluate(
      exchange.head, in: bytes.rawSpan,
      validators: Validators(
        entityTag: entity.entityTag,
        lastModified: entity.lastModifiedSeconds >= 0 ? entity.lastModifiedSeconds : nil),
      now: prefixes.second)
    let isWhole =
      switch result {
      case .proceed(let rangeAllowed): !rangeAllowed || !exchange.head.has(.range)
      case .notModified, .failed: false
      }
    guard !isWhole else { return }
    let caching = forwarding.caching.copy()
    caching.stored = nil
    caching.isForCache = false
    forwarding.stream = nil
    stream.state.relayFailed()
    let waiting = repeated(exchange)
    stream.exchange = waiting
    wait(for: flights.ticket(of: flight), forwarding.target, waiting, stream, caching)
  }
}
