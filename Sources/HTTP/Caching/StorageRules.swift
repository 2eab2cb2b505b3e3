// Whether a shared cache may keep a response, and under which conditions (RFC 9111 §3).

/// What the decision depends on besides the response's fields.
package struct StorageQuestion: Sendable {
  package var method: Method
  /// The request has Authorization.
  package var hasAuthorization = false
  package var requestDirectives = RequestCacheControl()
  package var status: Int
  /// The target has a query that is part of the key: a lifetime that the response does not give is
  /// not made up for it, as mod_cache does.
  package var hasQuery = false
  /// Content-Location is the target itself, which makes responses to POST reusable (RFC 9110
  /// §9.3.3).
  package var contentLocationIsTarget = false
  /// Seconds from sending the request to receiving the response's head (RFC 9111 §4.2.3).
  package var responseDelaySeconds: Int64 = 0

  package init(method: Method, status: Int) {
    self.method = method
    self.status = status
  }
}

/// How a response that may be stored is kept and used.
package struct StoragePlan: Hashable, Sendable {
  /// Seconds after generation for which it is fresh.
  package var lifetimeSeconds: Int64
  /// Seconds since generation, when it was received: `corrected_initial_age` (RFC 9111 §4.2.3).
  package var initialAgeSeconds: Int64
  /// Seconds past its lifetime for which it may be used while a newer one is fetched (RFC 5861 §3),
  /// or if that ends in an error (§4). 0: not at all.
  package var staleWhileRevalidateSeconds: Int64
  package var staleIfErrorSeconds: Int64
  /// A client's wish for stale responses is not heard (`must-revalidate`, `proxy-revalidate`,
  /// `s-maxage`; RFC 9111 §4.2.4).
  package var mustRevalidate: Bool
  /// To be validated before each use, fresh or not (`no-cache`).
  package var mustValidate: Bool
  /// While fresh, clients do not get it validated by reloading (RFC 8246).
  package var isImmutable: Bool
  /// Fresh until the application invalidates it; `lifetimeSeconds` is as long as anything is kept.
  package var isUntilInvalidated: Bool
  /// Names of fields to leave out besides those of the connection: lower case, sorted, each once.
  package var omittedFields: [[UInt8]]
  /// Names of Vary: lower case, sorted, each once.
  package var varyNames: [[UInt8]]
  /// See `CacheTags`.
  package var tags: [[UInt8]]
}

package enum StorageDecision: Hashable, Sendable {
  case store(StoragePlan)
  case refuse(StorageRefusal)
}

package enum StorageRules {
  /// The lifetime of what is kept until it is invalidated: 180 days.
  package static let untilInvalidatedSeconds: Int64 = 180 * 86_400
  /// A response that varies by more fields is not stored.
  package static let varyNamesMax = 16

  /// Whether to store a response to a request, and how.
  ///
  /// For a response freshened by a 304 (`Freshening`), ask again with the merged fields and the
  /// stored status code.
  ///
  /// - Parameter now: when the response's head came, in seconds since 1970 UTC.
  package static func decide(
    _ question: StorageQuestion, _ fields: CachingFields, orders: CachingOrders, now: Int64
  ) -> StorageDecision {
    do throws(StorageRefusal) {
      return .store(try plan(question, fields, orders, now))
    } catch {
      return .refuse(error)
    }
  }

  private static func plan(
    _ question: StorageQuestion, _ fields: CachingFields, _ orders: CachingOrders, _ now: Int64
  ) throws(StorageRefusal) -> StoragePlan {
    guard orders.isEnabled else { throw .disabled }
    let directives = ResponseCacheControl(fields)
    try checkKind(question, directives, fields)
    try checkPermission(question, directives, orders)
    let varyNames = try varyNames(fields.vary, orders)
    let omitted = orders.ignoredFields + directives.noCacheFields + directives.privateFields
    // A cookie given to one client must not be given to all. Leaving it out is safe; keeping it is
    // what `public` asks for where it can only mean this cache.
    if fields.hasSetCookie && !(directives.isTargeted && directives.isPublic)
      && !omitted.contains([UInt8]("set-cookie".utf8))
    {
      throw .setCookie
    }
    let lifetime = try Freshness.lifetime(question, directives, fields, orders, now: now)
    guard let tags = CacheTags.all(fields) else { throw .tooManyTags }
    let stale = staleSeconds(directives, orders)
    let plan = StoragePlan(
      lifetimeSeconds: lifetime,
      initialAgeSeconds: Freshness.initialAge(
        fields, responseDelaySeconds: question.responseDelaySeconds, now: now),
      staleWhileRevalidateSeconds: stale.whileRevalidate, staleIfErrorSeconds: stale.ifError,
      mustRevalidate: directives.mustRevalidate || directives.proxyRevalidate
        || directives.sharedMaxAge != nil,
      mustValidate: directives.noCache, isImmutable: directives.immutable,
      isUntilInvalidated: directives.untilInvalidated && directives.lifetime == nil,
      omittedFields: omitted.sortedAndUnique(), varyNames: varyNames, tags: tags)
    try checkUse(plan, directives, fields, orders, now)
    return plan
  }

  // MARK: Steps

  /// RFC 9111 §3: method and status code.
  private static func checkKind(
    _ question: StorageQuestion, _ directives: ResponseCacheControl, _ fields: CachingFields
  ) throws(StorageRefusal) {
    switch question.method {
    case .get: break
    case .post:
      let isExplicit =
        directives.lifetime != nil || directives.untilInvalidated
        || !directives.isTargeted && !fields.expires.isEmpty
      guard question.contentLocationIsTarget, isExplicit, question.status == 200 else {
        throw .post
      }
    default: throw .method
    }
    guard (200...599).contains(question.status), question.status != 206, question.status != 304,
      !isOfOneRequest(question.status)
    else { throw .status }
    if directives.mustUnderstand && !isUnderstood(question.status) { throw .notUnderstood }
  }

  /// RFC 9111 §3, §3.5: what request and response say against storing.
  private static func checkPermission(
    _ question: StorageQuestion, _ directives: ResponseCacheControl, _ orders: CachingOrders
  ) throws(StorageRefusal) {
    if directives.isMalformed { throw .malformedCacheControl }
    if question.requestDirectives.noStore && !orders.storesNoStore { throw .requestNoStore }
    // A cache that understands the status code does not obey the no-store which is there for those
    // that do not know must-understand (§5.2.2.3).
    let obeysOperator = !directives.isTargeted
    if directives.noStore && !directives.mustUnderstand
      && !(orders.storesNoStore && obeysOperator)
    {
      throw .noStore
    }
    if directives.isPrivate && !(orders.storesPrivate && obeysOperator) { throw .isPrivate }
    if question.hasAuthorization && !directives.isPublic && !directives.mustRevalidate
      && directives.sharedMaxAge == nil
    {
      throw .authorization
    }
  }

  private static func varyNames(
    _ lines: [[UInt8]], _ orders: CachingOrders
  ) throws(StorageRefusal) -> [[UInt8]] {
    var names: [[UInt8]] = []
    for line in lines {
      guard let more = FieldNameList.parse(line) else { throw .malformedVary }
      names += more
    }
    names = names.sortedAndUnique()
    for name in names {
      let name = name.rawSpan
      if Scan.equal(name, "*") { throw .varyAny }
      if Scan.equal(name, "cookie") && !orders.storesVaryCookie { throw .varyCookie }
      if Scan.equal(name, "x-forwarded-for") || Scan.equal(name, "forwarded") {
        throw .varyClient
      }
      if Scan.equal(name, "user-agent") && !orders.storesVaryUserAgent { throw .varyUserAgent }
    }
    guard names.count <= varyNamesMax else { throw .tooManyVaryNames }
    return names
  }

  /// RFC 5861, as far as the response does not forbid stale use (RFC 9111 §4.2.4). What it orders
  /// beside `s-maxage` counts, although that forbids stale use too (§5.2.2.10): who writes both
  /// means both. The operator's orders do not stand against it.
  private static func staleSeconds(
    _ directives: ResponseCacheControl, _ orders: CachingOrders
  ) -> (whileRevalidate: Int64, ifError: Int64) {
    if directives.mustRevalidate || directives.proxyRevalidate || directives.noCache {
      return (0, 0)
    }
    let isSilent = directives.sharedMaxAge == nil
    return (
      directives.staleWhileRevalidate ?? (isSilent ? orders.staleWhileRevalidateSeconds : 0),
      directives.staleIfError ?? (isSilent ? orders.staleOnErrorSeconds : 0)
    )
  }

  /// Nothing is stored that could never be used without asking the application for all of it.
  private static func checkUse(
    _ plan: StoragePlan, _ directives: ResponseCacheControl, _ fields: CachingFields,
    _ orders: CachingOrders, _ now: Int64
  ) throws(StorageRefusal) {
    let hasValidator = Validation.canValidate(fields, now: now)
    if plan.mustValidate {
      guard hasValidator else { throw .noValidator }
      return
    }
    let usable =
      plan.lifetimeSeconds + max(plan.staleWhileRevalidateSeconds, plan.staleIfErrorSeconds)
    guard plan.initialAgeSeconds >= usable else { return }
    guard orders.storesExpired, !directives.isTargeted, hasValidator else { throw .expired }
  }

  /// Status codes that answer the form, the conditions, the range or the number of one client's
  /// requests: kept for others, one client could keep a resource from all. RFC 6585 §3 to §6
  /// forbids it of four of them.
  private static func isOfOneRequest(_ status: Int) -> Bool {
    switch status {
    case 400, 407, 408, 411, 412, 413, 416, 417, 421, 425, 426, 428, 429, 431, 511: true
    default: false
    }
  }

  /// Status codes whose caching requirements are implemented (RFC 9111 §3, §5.2.2.3).
  private static func isUnderstood(_ status: Int) -> Bool {
    switch status {
    case 200, 203, 204, 300, 301, 302, 303, 307, 308, 401, 403, 404, 405, 410, 414, 451, 500, 501,
      502, 503, 504:
      true
    default: false
    }
  }
}
