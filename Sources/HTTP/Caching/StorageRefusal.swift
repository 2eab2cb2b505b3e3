// Why a response is not kept, in words for logs and for Cache-Status.

/// Each way in which a response comes not to be stored; the raw value is its word in the access log
/// and in `detail` of Cache-Status (RFC 9211 §2.8). The last six are found by who stores, not by
/// the rules.
package enum StorageRefusal: String, Error, Hashable, Sendable, CaseIterable {
  /// The operator disabled caching here.
  case disabled = "cache-disabled"
  /// RFC 9111 §3: a method whose responses answer no later request.
  case method = "method"
  /// A POST without explicit lifetime, or whose Content-Location is another (RFC 9110 §9.3.3).
  case post = "post-not-reusable"
  /// 1xx, 206 and 304 are not responses that can be kept as they are, and some others answer what
  /// one client did.
  case status = "status"
  /// `must-understand` with a status code whose rules are not implemented (RFC 9111 §5.2.2.3).
  case notUnderstood = "must-understand"
  case requestNoStore = "request-no-store"
  case noStore = "no-store"
  case isPrivate = "private"
  /// The request had Authorization, and the response does not allow that (RFC 9111 §3.5).
  case authorization = "authorization"
  case setCookie = "set-cookie"
  /// Cache-Control with a quote that does not end.
  case malformedCacheControl = "malformed-cache-control"
  case varyAny = "vary-any"
  case varyCookie = "vary-cookie"
  case varyUserAgent = "vary-user-agent"
  /// Vary names a field that this server writes, and that tells clients apart.
  case varyClient = "vary-client"
  case malformedVary = "malformed-vary"
  case tooManyVaryNames = "too-many-vary-names"
  /// No explicit lifetime, and no order that gives one.
  case noLifetime = "no-lifetime"
  /// The same, and the orders that give one do not hold for targets with a query.
  case queryWithoutLifetime = "query-without-lifetime"
  case expired = "expired"
  /// It must be validated before each use, and has nothing to validate it with.
  case noValidator = "no-validator"
  case tooManyTags = "too-many-tags"

  /// The body is larger than what is kept: `CacheMaxObject`, or what the cache can hold.
  case tooLarge = "too-large"
  /// The body ended too early, or could not be framed.
  case incomplete = "incomplete"
  case tooManyVariants = "too-many-variants"
  /// No room, or a busy shard.
  case noRoom = "no-room"
  /// A recent response for this key could not be stored, so this one was not considered.
  case marked = "marked-uncacheable"
  /// It was invalidated while it arrived.
  case invalidated = "invalidated"

  /// The request is against it, not the response: what is stored already is no worse for it.
  package var isOfRequest: Bool {
    switch self {
    case .method, .requestNoStore, .authorization: true
    default: false
    }
  }
}
