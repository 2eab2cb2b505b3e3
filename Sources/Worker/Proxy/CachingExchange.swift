// What the cache has to do with one request to an application.

import Cache
import HTTP
import Platform

/// How the cache takes part in a request that is passed on.
struct CachingExchange {
  /// Names the response; empty: the cache has nothing to do with this request.
  var key: [UInt8] = []
  var hash: UInt64 = 0
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
  /// Why a response was not stored, for Cache-Status.
  var refusal: StorageRefusal?

  /// Validators of the stored response, as field lines (RFC 9111 §4.3.1).
  var conditionLines: [UInt8] { stored?.conditionLines ?? [] }
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
