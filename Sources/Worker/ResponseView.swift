// Stored responses of applications, and the rules for them, in words for people.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// What an entry says about an application's response, beside what all entries say.
package struct ResponseView: Sendable {
  /// What its field Age would be.
  package let ageSeconds: Int64
  /// Seconds for which it stays fresh; negative: it has been stale for so long.
  package let freshSeconds: Int64
  /// nil: until the application invalidates it.
  package let lifetimeSeconds: Int64?
  /// "accept-language: de; origin: none"; empty when it does not vary.
  package let selection: String
  /// "no-cache", "immutable" and the like.
  package let remarks: [String]
  let selector: [UInt8]
  let validatesAlways: Bool

  /// `ticks`: the time of now, as `ValidatedWord` counts. nil for entries made from files.
  init?(_ facts: EntryFacts, _ word: ValidatedWord, selector: [UInt8], at ticks: UInt64) {
    guard facts.flags.contains(.isResponse) else { return nil }
    let age = StoredAge(facts, word, at: ticks)
    ageSeconds = age.seconds
    freshSeconds = age.freshSeconds
    lifetimeSeconds =
      facts.freshTicks == EntryFacts.freshUntilInvalidated
      ? nil : StoredFacts(facts, ageTicks: 0).lifetimeSeconds
    self.selector = selector
    validatesAlways = facts.flags.contains(.validatesAlways)
    let names = VarySelector.names(in: selector) ?? []
    let values = VarySelector.values(in: selector) ?? []
    selection = zip(names, values).map { name, value in
      if CodingSelector.offered(name) != nil {
        return "coding: \(value.map { CacheInspection.shown($0) } ?? "none")"
      }
      let name = String(decoding: name, as: UTF8.self)
      return "\(name): \(value.map { CacheInspection.shown($0) } ?? "none")"
    }.joined(separator: "; ")
    var remarks: [String] = []
    if validatesAlways { remarks.append("no-cache") }
    if facts.flags.contains(.mustRevalidate) { remarks.append("must-revalidate") }
    if facts.flags.contains(.isImmutable) { remarks.append("immutable") }
    if facts.staleWhileRevalidateSeconds > 0 {
      remarks.append("stale-while-revalidate=\(facts.staleWhileRevalidateSeconds)")
    }
    if facts.staleIfErrorSeconds > 0 {
      remarks.append("stale-if-error=\(facts.staleIfErrorSeconds)")
    }
    self.remarks = remarks
  }

  /// "age 3 s, lifetime 60 s, fresh for 57 s"
  package var text: String {
    let lifetime = lifetimeSeconds.map { "lifetime \($0) s" } ?? "lifetime until invalidated"
    let rest = freshSeconds >= 0 ? "fresh for \(freshSeconds) s" : "stale for \(-freshSeconds) s"
    let parts = ["age \(ageSeconds) s", lifetime] + (lifetimeSeconds == nil ? [] : [rest])
    return (parts + remarks).joined(separator: ", ")
  }
}

extension CacheInspection {
  /// Bytes of a field value, printable; blanks stay.
  static func shown(_ value: [UInt8]) -> String {
    value.split(separator: 0x20, omittingEmptySubsequences: false).map { printable(Array($0)) }
      .joined(separator: " ")
  }

  /// What is stored of an application's responses for a URL, and what a GET would make of it.
  static func judgeResponse(
    _ cache: CacheStore, _ model: Model, _ url: CacheURL, _ explanation: Explanation,
    acceptEncoding: String?
  ) -> CacheVerdict {
    let settings = explanation.route.settings.caching
    let key = CacheKeys.response(
      prefix: CacheKeys.prefix(local: explanation.local, model: model), host: url.host,
      path: explanation.path, query: url.query, settings.keyQuery)
    let all = variants(cache, key).filter { $0.kind == .content && $0.response != nil }
    // Another owner's are dropped where they are met.
    let entries = all.filter { $0.owner == explanation.claim.ownerText }
    let (word, reasons, chosen) =
      impossible(explanation).map { (CacheVerdict.Word.never, [$0], nil) }
      ?? judge(responses: entries, settings, acceptEncoding)
    var verdict = CacheVerdict(word: word, reasons: reasons, entries: entries, chosen: chosen)
    verdict.key = CacheInspection.url(ofKey: key)
    verdict.rules = settings.rules(hasQuery: url.query != nil)
    for entry in all where entry.owner != explanation.claim.ownerText {
      verdict.rules.append(
        "what is stored of \(entry.owner ?? "the configuration") is not used: it has lost this URL")
    }
    return verdict
  }

  private static func judge(
    responses entries: [CacheEntryView], _ settings: CachingSettings, _ acceptEncoding: String?
  ) -> (CacheVerdict.Word, [String], CacheEntryView?) {
    guard settings.isEnabled else {
      return (.never, ["nothing is kept here (\(StorageRefusal.disabled.rawValue))"], nil)
    }
    guard !entries.isEmpty else {
      return (.absent, ["nothing is stored under this key: the application is asked"], nil)
    }
    let coding = acceptEncoding.map { [Array($0.utf8)] } ?? []
    let chosen = entries.first { entry in
      guard let selector = entry.response?.selector, !selector.isEmpty else { return true }
      let names = VarySelector.names(in: selector) ?? []
      let lines: [[[UInt8]]] = names.map { name in
        guard let offered = CodingSelector.offered(name) else {
          return name == Array("accept-encoding".utf8) ? coding : []
        }
        let chosen = coding.first.map {
          AcceptEncoding.negotiate($0.rawSpan, available: offered)
        }
        return [CodingSelector.value(chosen ?? .identity)]
      }
      return VarySelector.bytes(names: names, lines: lines) == selector
    }
    guard let chosen, let response = chosen.response else {
      return (
        .variant,
        ["stored only for clients with other fields than Accept-Encoding, or with another one"], nil
      )
    }
    switch chosen.state {
    case .gone: return (.hard, ["invalidated for good: the application is asked anew"], chosen)
    case .stale: return (.soft, ["invalidated: the application is asked about it"], chosen)
    case .good, .reroute: break
    }
    if response.validatesAlways {
      return (.age, ["no-cache: the application is asked about it before each use"], chosen)
    }
    guard response.lifetimeSeconds == nil || response.freshSeconds > 0 else {
      return (.age, ["stale: the application is asked about it, unless it may be used so"], chosen)
    }
    if chosen.state == .reroute {
      return (.epoch, ["found under an older routing epoch: it is routed again"], chosen)
    }
    if chosen.dependsOnClient {
      let reason = "who may see it depends on the client's address: it is routed each time"
      return (.client, [reason], chosen)
    }
    return (.hit, ["it is fresh"], chosen)
  }
}

extension Claim {
  /// As entries name whom they are for.
  fileprivate var ownerText: String? {
    if case .application(let owner, _) = self { owner.text } else { nil }
  }
}

extension CachingSettings {
  /// What they would do with an application's response, a line for each thing; words in brackets
  /// are those of `CacheDebug`.
  package func rules(hasQuery: Bool) -> [String] {
    guard isEnabled else {
      return ["CacheDisable: nothing is kept here (\(StorageRefusal.disabled.rawValue))"]
    }
    return [keyRule] + lifetimeRules(hasQuery: hasQuery) + storageRules + useRules
  }

  private var keyRule: String {
    switch keyQuery {
    case .all: "the whole query tells responses apart"
    case .none: "the query does not tell responses apart (CacheKeyQuery none)"
    case .keep(let names, let sorted): query("only", names, sorted)
    case .drop(let names, let sorted): query("all but", names, sorted)
    }
  }

  private func query(_ which: String, _ names: [String], _ sorted: Bool) -> String {
    "of the query, \(which) \(names.joined(separator: ", ")) tell responses apart"
      + (sorted ? ", in any order" : "") + " (CacheKeyQuery)"
  }

  private func lifetimeRules(hasQuery: Bool) -> [String] {
    var lines: [String] = []
    var made: [String] = []
    if lastModifiedPermille > 0 {
      made.append(
        "\(lastModifiedPermille)/1000 of the time since Last-Modified (CacheLastModifiedFactor)")
    }
    if let defaultSeconds { made.append("\(defaultSeconds) s (CacheDefaultExpire)") }
    if made.isEmpty {
      lines.append("without a lifetime it is not kept (\(StorageRefusal.noLifetime.rawValue))")
    } else if hasQuery {
      let word = StorageRefusal.queryWithoutLifetime.rawValue
      lines.append("without a lifetime it is not kept, because there is a query (\(word))")
    } else {
      lines.append("without a lifetime it is kept for " + made.joined(separator: ", else "))
    }
    if let secondsMax { lines.append("kept for \(secondsMax) s at most (CacheMaxExpire)") }
    if let secondsMin, !made.isEmpty {
      lines.append("kept for \(secondsMin) s at least, where it does not say (CacheMinExpire)")
    }
    return lines
  }

  private var storageRules: [String] {
    let switches: [(StorageRefusal, isKept: Bool, String)] = [
      (.noStore, storesNoStore, "CacheStoreNoStore"),
      (.isPrivate, storesPrivate, "CacheStorePrivate"),
      (.expired, storesExpired, "CacheStoreExpired"),
      (.varyCookie, storesVaryCookie, "CacheVaryCookie"),
      (.varyUserAgent, storesVaryUserAgent, "CacheVaryUserAgent"),
      (.setCookie, ignoredFields.contains("set-cookie"), "CacheIgnoreHeaders"),
    ]
    let refused =
      switches.filter { !$0.isKept }.map { $0.0 } + [.varyAny, .authorization, .noValidator]
    let kept = switches.filter { $0.isKept }.map { "\($0.0.rawValue) (\($0.2))" }
    var lines = ["not kept: " + refused.map(\.rawValue).joined(separator: ", ")]
    if !kept.isEmpty { lines.append("kept all the same: " + kept.joined(separator: ", ")) }
    if !ignoredFields.isEmpty {
      lines.append(
        "kept without \(ignoredFields.joined(separator: ", ")) (CacheIgnoreHeaders)")
    }
    return lines
  }

  private var useRules: [String] {
    var lines: [String] = []
    if ignoresRequestCacheControl {
      lines.append("clients cannot ask for a newer one (CacheIgnoreCacheControl)")
    }
    if staleWhileRevalidateSeconds > 0 {
      lines.append(
        "used stale for \(staleWhileRevalidateSeconds) s while a newer one is fetched, where it"
          + " does not say (CacheStaleWhileRevalidate)")
    }
    if staleOnErrorSeconds > 0 {
      lines.append(
        "used stale for \(staleOnErrorSeconds) s instead of an error, where it does not say"
          + " (CacheStaleOnError)")
    }
    lines.append(
      locks
        ? "one client fetches it, others wait up to \(lockMilliseconds) ms (CacheLock)"
        : "each client fetches it (CacheLock Off)")
    return lines
  }
}
