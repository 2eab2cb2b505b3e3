// Would this be a hit; if not, exactly why: the probe's decisions, put into words.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// What the first look into the cache would say about a request.
package struct CacheVerdict: Sendable {
  /// As the misses of `cache stats` are called, and three words more.
  package enum Word: String, Sendable {
    case hit, absent, variant, epoch, age, soft, hard, client
    /// Stored, but this spelling of its URL is not known yet.
    case spelling
    /// Nothing that could be stored.
    case never
  }

  package let word: Word
  /// All that keeps it from being a hit, the gravest first; for a hit, what makes it one.
  package let reasons: [String]
  /// What is stored under the key: all variants.
  package let entries: [CacheEntryView]
  /// The one that this client would get, if it is stored.
  package let chosen: CacheEntryView?
  /// What the response of an application is called, as a URL; nil: it is none.
  package var key: String?
  /// What the configuration says about keeping it.
  package var rules: [String] = []
}

extension CacheInspection {
  /// Looks for a URL as a worker would for a GET. `acceptEncoding` is the value of the client's
  /// Accept-Encoding, nil without one. The cache must be attached.
  package static func judge(
    _ cache: CacheStore, _ model: Model, _ url: CacheURL, _ explanation: Explanation,
    acceptEncoding: String?
  ) -> CacheVerdict {
    if case .application = explanation.claim {
      return judgeResponse(cache, model, url, explanation, acceptEncoding: acceptEncoding)
    }
    if case .proxy = explanation.route.action, explanation.claim != .reserved {
      return judgeResponse(cache, model, url, explanation, acceptEncoding: acceptEncoding)
    }
    let prefix = CacheKeys.prefix(local: explanation.local, model: model)
    let raw = prefix + url.rawHost.map(ASCIICase.lower) + [0] + url.rawTarget
    let canonical = CacheKeys.canonical(
      prefix: prefix, host: url.host, path: explanation.path)
    var entries = variants(cache, raw)
    var reasons: [String] = []
    if let alias = entries.first(where: { $0.kind == .alias }) {
      let target = alias.aliasTarget ?? []
      entries = variants(cache, target)
      reasons.append("an alias of \(CacheInspection.url(ofKey: target))")
      if alias.state == .reroute {
        return CacheVerdict(
          word: .epoch,
          reasons: reasons + [
            "the alias was made under an older routing epoch: the request is routed again"
          ], entries: entries, chosen: nil)
      }
    }
    if entries.isEmpty {
      let others = raw == canonical ? [] : variants(cache, canonical)
      guard others.isEmpty else {
        return CacheVerdict(
          word: .spelling,
          reasons: [
            "stored as \(CacheInspection.url(ofKey: canonical)); this spelling is routed first, and"
              + " gets an alias when it comes again"
          ], entries: others, chosen: nil)
      }
      return absent(model, explanation)
    }
    return judge(entries, model, acceptEncoding, found: reasons)
  }

  /// About entries that were found.
  private static func judge(
    _ entries: [CacheEntryView], _ model: Model, _ acceptEncoding: String?, found: [String]
  ) -> CacheVerdict {
    let coding = negotiate(entries, acceptEncoding)
    guard let entry = entries.first(where: { $0.coding == coding }) else {
      let stored = entries.map { $0.variant }.joined(separator: ", ")
      return CacheVerdict(
        word: .variant,
        reasons: found + [
          "stored only as \(stored); this client is to get \(coding.token), which is not stored yet"
        ], entries: entries, chosen: nil)
    }
    var words: [CacheVerdict.Word] = []
    var reasons: [String] = found
    func note(_ word: CacheVerdict.Word, _ reason: String) {
      words.append(word)
      reasons.append(reason)
    }
    let milliseconds = model.server.cacheStaticRevalidateMilliseconds
    switch entry.state {
    case .gone: note(.hard, "invalidated for good: it is dropped and made anew at its next use")
    case .stale: note(.soft, "invalidated: it is compared with its origin at its next use")
    case .reroute: note(.epoch, "found under an older routing epoch: it is routed again")
    case .good: break
    }
    if entry.dependsOnClient {
      note(.client, "who may see it depends on the client's address: it is routed each time")
    }
    if entry.comparedMilliseconds >= milliseconds {
      note(
        .age,
        "compared with the file \(age(entry)) ago, more than CacheStaticRevalidate"
          + " (\(milliseconds) ms): it is compared again at its next use")
    }
    guard let word = words.first else {
      note(.hit, "compared with the file \(age(entry)) ago, and nothing has changed since")
      return CacheVerdict(word: .hit, reasons: reasons, entries: entries, chosen: entry)
    }
    return CacheVerdict(word: word, reasons: reasons, entries: entries, chosen: entry)
  }

  /// The coding that a worker would choose among those that exist.
  private static func negotiate(
    _ entries: [CacheEntryView], _ acceptEncoding: String?
  ) -> ContentCoding {
    guard let acceptEncoding else { return .identity }
    let available = entries.reduce(ContentCodings()) { $0.union($1.codingsAvailable) }
    return AcceptEncoding.negotiate(Array(acceptEncoding.utf8).rawSpan, available: available)
  }

  /// Why no response can be stored, as far as routing tells.
  static func impossible(_ explanation: Explanation) -> String? {
    let route = explanation.route
    switch explanation.claim {
    case .none: break
    case .reserved: return "its URL is reserved, and nobody serves it (503)"
    case .elsewhere, .application(_, dependsOnAddress: true):
      return "other addresses of this server may lead it to somebody else"
    case .application:
      return explanation.access == "denied" ? "access is denied to everybody" : nil
    }
    if explanation.access == "denied" { return "access is denied to everybody" }
    switch route.action {
    case .redirect(let status, _): return "the router redirects (\(status)) by itself"
    case .refuse(let status): return "the router refuses it (\(status)) by itself"
    case .proxy: return nil
    case .file: break
    }
    let inputs = route.dependencies.union(route.settings.headerDependencies)
      .subtracting(.clientAddress)
    return inputs.isEmpty
      ? nil : "the response depends on \(inputs.words.joined(separator: " and "))"
  }

  /// About what is not stored: whether it ever could be.
  private static func absent(_ model: Model, _ explanation: Explanation) -> CacheVerdict {
    if let reason = impossible(explanation) {
      return CacheVerdict(word: .never, reasons: [reason], entries: [], chosen: nil)
    }
    return CacheVerdict(
      word: .absent,
      reasons: [
        "nothing is stored under this URL: not asked for yet, evicted, not there, or larger than"
          + " CacheMaxObject (\(model.server.cacheObjectBytesMax) bytes)"
      ], entries: [], chosen: nil)
  }
}

extension Dependencies {
  /// What a response depends on beside its key.
  fileprivate var words: [String] {
    let names: [(Dependencies, String)] = [
      (.clientAddress, "the client's address"), (.field, "a request field"),
      (.hostPort, "the port in Host"), (.time, "the time"), (.environment, "the environment"),
      (.query, "the query"),
    ]
    return names.filter { contains($0.0) }.map { $0.1 }
  }
}
