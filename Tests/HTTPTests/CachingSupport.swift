// Helpers of the tests of caching: fields, requests and decisions in short notation.

@testable import HTTP

/// 2023-11-14 22:13:20 UTC
let now: Int64 = 1_700_000_000

/// A date as fields write it.
func httpDate(_ seconds: Int64) -> String {
  var out: [UInt8] = []
  HTTPDate.append(seconds, to: &out)
  return text(out)
}

/// Fields of "Name: value" lines; `@N` stands for the date N seconds from now.
func cachingFields(_ lines: String) -> CachingFields {
  var fields = CachingFields()
  for line in ownedFields(lines) { fields.take(name: line.name.rawSpan, value: line.value.rawSpan) }
  return fields
}

func ownedFields(_ lines: String) -> [OwnedField] {
  lines.split(separator: "\n").map { line in
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    var value = String(parts[1].drop { $0 == " " })
    if value.hasPrefix("@"), let offset = Int64(value.dropFirst()) {
      value = httpDate(now + offset)
    }
    return OwnedField(String(parts[0]), value)
  }
}

func requestDirectives(_ cacheControl: String?, pragma: String? = nil) -> RequestCacheControl {
  RequestCacheControl(
    cacheControl: cacheControl.map { [bytes($0)] } ?? [],
    pragma: pragma.map { [bytes($0)] } ?? [])
}

/// One storage decision in words: "store LIFETIME" or the refusal's word.
struct Storage {
  var method = Method.get
  var status = 200
  var authorization = false
  var request: String?
  var query = false
  var sameLocation = false
  var delay: Int64 = 0
  var orders = CachingOrders()

  func plan(_ lines: String) -> StoragePlan? {
    if case .store(let plan) = decide(lines) { plan } else { nil }
  }

  func word(_ lines: String) -> String {
    switch decide(lines) {
    case .store(let plan): "store \(plan.lifetimeSeconds)"
    case .refuse(let refusal): refusal.rawValue
    }
  }

  func decide(_ lines: String) -> StorageDecision {
    var question = StorageQuestion(method: method, status: status)
    question.hasAuthorization = authorization
    question.requestDirectives = requestDirectives(request)
    question.hasQuery = query
    question.contentLocationIsTarget = sameLocation
    question.responseDelaySeconds = delay
    return StorageRules.decide(question, cachingFields(lines), orders: orders, now: now)
  }

  /// With other orders.
  func ordering(_ change: (inout CachingOrders) -> Void) -> Storage {
    var other = self
    change(&other.orders)
    return other
  }
}
