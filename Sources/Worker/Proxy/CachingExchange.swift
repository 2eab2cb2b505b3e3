// What the cache has to do with one request to an application.

import Cache
import HTTP
import Platform

/// How the cache takes part in a request that is passed on. It is handed from step to step: whoever
/// goes two ways with it takes a copy.
final class CachingExchange {
  /// Names the response; empty: the cache has nothing to do with this request.
  var key: [UInt8] {
    if let parts = keyParts {
      keyParts = nil
      madeKey = CacheKeys.canonical(prefix: parts.prefix, host: parts.host, path: parts.path)
    }
    return madeKey
  }
  private var madeKey: [UInt8] = []
  /// Of a key that nobody has asked for yet: a request that is only passed on needs no more than
  /// its hash, which the first look may have left.
  private var keyParts: (prefix: [UInt8], host: [UInt8], path: [UInt8])?
  private(set) var hash: UInt64 = 0
  var isNamed: Bool { keyParts != nil || !madeKey.isEmpty }
  /// What the request says of caches.
  var request = RequestCacheControl()
  /// Why the request is passed on (RFC 9211 §2.2).
  var forward = CacheForward.bypass
  /// A stored response that is too old, and that the application is asked about.
  var stored: StoredResponse?
  /// Conditions and ranges of the client are answered from the cache, not by the application.
  var isForCache = false
  /// Others wait for what comes of this.
  var flight: FlightToken?
  /// How often it has waited for somebody else's fetch.
  var waitCount = 0
  /// When it began to wait first, monotonic milliseconds.
  var waitingSince: Int64?
  /// The fetch that it waited for came to nothing because the application did not answer.
  var followsFailure = false
  /// When it came to its queue, if it has waited there for somebody else's fetch: as
  /// `Forwarding.ticket`; 0: it has not.
  var ticket: UInt64 = 0
  /// Why a response was not stored, for Cache-Status.
  var refusal: StorageRefusal?

  /// Validators of the stored response, as field lines (RFC 9111 §4.3.1).
  var conditionLines: [UInt8] { stored?.conditionLines ?? [] }

  func name(_ key: [UInt8], hash: UInt64) {
    madeKey = key
    self.hash = hash
  }

  /// The same of a key without a query.
  func name(prefix: [UInt8], host: [UInt8], path: [UInt8], hash: UInt64) {
    keyParts = (prefix, host, path)
    self.hash = hash
  }

  /// The same for another fetch, which nobody waits for yet.
  func copy() -> CachingExchange {
    let copy = CachingExchange()
    copy.name(key, hash: hash)
    copy.request = request
    copy.forward = forward
    copy.stored = stored
    copy.isForCache = isForCache
    copy.waitCount = waitCount
    copy.waitingSince = waitingSince
    copy.followsFailure = followsFailure
    copy.refusal = refusal
    return copy
  }
}

/// A stored response that cannot answer by itself: enough of it to ask about it, and to find it
/// again.
struct StoredResponse {
  let facts: EntryFacts
  let selector: [UInt8]
  let edition: UInt64
  let conditionLines: [UInt8]
}

/// A response on its way into the cache while it passes.
struct StoringResponse {
  let fill: CacheFill
  /// By which fields it is selected: lower case, sorted, each once.
  let varyNames: [[UInt8]]
  let isNeverShared: Bool
  /// Bytes of the body stored.
  var byteCount = 0
}

/// How a request that was passed on ended, for the cache.
enum CachingEnd { case whole, failed, abandoned }
