// A libFuzzer target for what applications and clients write about caching; built with Sources/HTTP.

/// What must hold whatever arrives; a broken invariant traps, which libFuzzer reports.
private struct Invariants {
  /// Lines of the input: "name: value" each, or anything.
  let lines: [[UInt8]]

  func check() {
    checkStructuredFields()
    checkDecisions()
    checkKeys()
    checkReferences()
  }

  /// What is read can be written, and means the same when it is read again.
  private func checkStructuredFields() {
    if let item = StructuredFields.item(lines) {
      guard let text = StructuredFields.serialize(item) else {
        preconditionFailure("an item that was read cannot be written")
      }
      precondition(StructuredFields.item([text]) == item)
    }
    if let list = StructuredFields.list(lines) {
      guard let text = StructuredFields.serialize(list) else {
        preconditionFailure("a list that was read cannot be written")
      }
      precondition(StructuredFields.list([text]) == list)
    }
    if let dictionary = StructuredFields.dictionary(lines) {
      guard let text = StructuredFields.serialize(dictionary) else {
        preconditionFailure("a dictionary that was read cannot be written")
      }
      precondition(StructuredFields.dictionary([text]) == dictionary)
    }
  }

  private func checkDecisions() {
    var fields = CachingFields()
    fields.cacheControl = lines.filter { !$0.contains(ASCII.colon) }
    for line in lines {
      guard let colon = line.firstIndex(of: ASCII.colon) else { continue }
      fields.take(
        name: Array(line[..<colon]).rawSpan,
        value: Array(line[(colon + 1)...].trimmingBlanks()).rawSpan)
    }
    let request = RequestCacheControl(cacheControl: lines, pragma: fields.pragma)
    var orders = CachingOrders()
    check(fields, request, orders)
    orders.defaultSeconds = 60
    orders.lastModifiedPermille = 100
    orders.secondsMax = 3600
    orders.storesExpired = true
    orders.storesNoStore = true
    orders.storesPrivate = true
    check(fields, request, orders)
  }

  private func check(
    _ fields: CachingFields, _ request: RequestCacheControl, _ orders: CachingOrders
  ) {
    var question = StorageQuestion(method: .get, status: 200)
    question.requestDirectives = request
    let now: Int64 = 1_700_000_000
    guard case .store(let plan) = StorageRules.decide(question, fields, orders: orders, now: now)
    else { return }
    precondition((0...DeltaSeconds.max).contains(plan.lifetimeSeconds))
    precondition((0...DeltaSeconds.max).contains(plan.initialAgeSeconds))
    precondition(plan.tags.count <= CacheTags.countMax)
    for resident in [0, 59, 4000, Int64.max] {
      let facts = StoredFacts(plan, residentSeconds: resident)
      for hasFailed in [false, true] {
        switch ReuseRules.decide(facts, request: request, orders: orders, originFailed: hasFailed) {
        case .fresh(let age): precondition(age >= 0 && age < plan.lifetimeSeconds)
        case .staleWhileRevalidate, .stale:
          precondition(facts.ttlSeconds <= 0 && !plan.mustValidate)
        case .validate, .unsatisfiable: break
        }
      }
    }
  }

  /// Normalisation is its own fixed point, and a query that was filtered stays as it is.
  private func checkKeys() {
    for name in ["accept-encoding", "accept-language", "x-other"] {
      let name = [UInt8](name.utf8)
      let once = VariantKey.normalized(lines, of: name)
      precondition(VariantKey.normalized([once], of: name) == once)
    }
    let query = lines.first ?? []
    let names: Set<[UInt8]> = [[UInt8]("a".utf8), [UInt8]("utm_source".utf8)]
    for sorted in [false, true] {
      for rule in [QueryKeyRule.keep(names, sorted: sorted), .drop(names, sorted: sorted)] {
        let once = QueryKey.apply(rule, to: query)
        precondition(QueryKey.apply(rule, to: once) == once && once.count <= query.count)
      }
    }
  }

  private func checkReferences() {
    for line in lines {
      let base = [UInt8]("/one/two?three".utf8)
      guard
        let target = Invalidation.resolve(
          line, isSecure: true, authority: [UInt8]("a.example".utf8), target: base)
      else { continue }
      precondition(target.first == ASCII.slash && !target.contains(ASCII.space))
    }
    var status = CacheStatus()
    status.key = lines.first
    status.detail = String(decoding: lines.last ?? [], as: UTF8.self)
    var value: [UInt8] = []
    status.append(to: &value)
    precondition(StructuredFields.item([value]) != nil)
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzCaching(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let data = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  let lines = data.split(separator: ASCII.lineFeed, omittingEmptySubsequences: false)
  Invariants(lines: lines.map(Array.init)).check()
  return 0
}
