// What the operator orders about the caching of responses, as far as the rules need it.

/// The operator's orders; the worker fills them from the configuration's settings of the same
/// names. What the application says in a targeted field (RFC 9213) comes before all of it but
/// `isEnabled`.
package struct CachingOrders: Hashable, Sendable {
  /// False: `CacheDisable`.
  package var isEnabled = true
  /// `CacheDefaultExpire`: lifetime of responses without one; nil: they are not kept.
  package var defaultSeconds: Int64?
  /// `CacheLastModifiedFactor` in thousandths: heuristic lifetimes (RFC 9111 §4.2.2); 0: none.
  package var lastModifiedPermille = 0
  /// `CacheMaxExpire`: upper bound of each lifetime.
  package var secondsMax: Int64?
  /// `CacheMinExpire`: lower bound of lifetimes that the response itself does not give.
  package var secondsMin: Int64?
  /// `CacheIgnoreHeaders`: fields that are not kept, lower case.
  package var ignoredFields: [[UInt8]] = []
  /// `CacheIgnoreCacheControl`: requests cannot ask for something newer than what is kept.
  package var ignoresRequestCacheControl = false
  /// `CacheStoreExpired`: responses that have to be validated at once are kept too.
  package var storesExpired = false
  /// `CacheStoreNoStore`, `CacheStorePrivate`
  package var storesNoStore = false
  package var storesPrivate = false
  /// `CacheVaryUserAgent`, `CacheVaryCookie`
  package var storesVaryUserAgent = false
  package var storesVaryCookie = false
  /// `CacheStaleOnError`: seconds past its lifetime for which a response stands in for an error
  /// when the application says nothing.
  package var staleOnErrorSeconds: Int64 = 0
  /// `CacheStaleWhileRevalidate`, likewise while a newer one is fetched.
  package var staleWhileRevalidateSeconds: Int64 = 0

  package init() {}
}
