// `cache purge`: what to invalidate, read strictly, and done for all workers before it is answered.

import Cache
import Configuration
import HTTP
import Platform
import Worker

/// One purge, as asked for.
struct PurgeOrder {
  enum Subject {
    case url(CacheURL)
    case prefix(CacheURL)
    case labels([String])
    /// Canonical.
    case host([UInt8])
    /// Matched against URLs as they are shown.
    case pattern(Pattern)
    case everything
  }

  private static let choices =
    "a URL, --prefix URL, --tag LABEL, --host HOST, --regex PATTERN, or --all"

  let subject: Subject
  /// As it was asked for, to repeat in the answer.
  let words: String
  let isHard: Bool

  /// - Throws: what is wrong, and what to write instead.
  init(_ request: ControlRequest, _ model: Model?) throws(Refusal) {
    isHard = request.flags["hard"] != nil
    let given =
      request.arguments.map { $0.isEmpty ? "an empty URL" : $0 }
      + ["prefix", "tag", "host", "regex", "all"].filter { request.flags[$0] != nil }.map {
        "--\($0)"
      }
    guard let first = given.first else {
      throw Refusal("say what to purge: \(PurgeOrder.choices)")
    }
    guard given.count == 1 else {
      throw Refusal(
        "one thing to purge at a time, not \(given.joined(separator: " and ")); only --tag may be"
          + " given again")
    }
    if let text = request.arguments.first {
      subject = .url(try PurgeOrder.url(text, model))
      words = text
    } else if let text = request.flags["prefix"] {
      let url = try PurgeOrder.url(text, model)
      guard url.query == nil else {
        throw Refusal("'--prefix \(text)': a prefix ends before the query; leave out '?…'")
      }
      subject = .prefix(url)
      words = "\(first) \(text)"
    } else if let text = request.flags["host"] {
      subject = .host(try PurgeOrder.host(text))
      words = "\(first) \(text)"
    } else if let text = request.flags["regex"] {
      do throws(PatternError) {
        subject = .pattern(try Pattern(text))
      } catch {
        throw Refusal("'--regex \(text)': \(error.message), at byte \(error.byteOffset)")
      }
      words = "\(first) \(text)"
    } else if request.flags["all"] != nil {
      subject = .everything
      words = first
    } else {
      let labels = request.values(of: "tag")
      guard labels.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 4096 }) else {
        throw Refusal("'--tag': a label has 1 to 4096 bytes")
      }
      subject = .labels(labels)
      words = labels.map { "--tag \($0)" }.joined(separator: " ")
    }
  }

  private static func url(_ text: String, _ model: Model?) throws(Refusal) -> CacheURL {
    do throws(CacheURLError) {
      return try CacheURL(text, model)
    } catch {
      throw Refusal(error.description)
    }
  }

  private static func host(_ text: String) throws(Refusal) -> [UInt8] {
    guard let url = try? CacheURL("http://" + text, nil), url.rawHost == Array(text.utf8) else {
      throw Refusal("'--host \(text)': write the name alone, without scheme, port and path")
    }
    return url.host
  }

  /// What to invalidate; nothing for a pattern, which has to be looked for.
  var targets: [CacheTarget] {
    switch subject {
    case .url(let url): url.resources
    case .prefix(let url): url.subtrees
    case .labels(let labels): labels.map { .label(CacheTags.tag(Array($0.utf8))) }
    case .host(let host): [.host(host)]
    case .pattern: []
    case .everything: [.everything]
    }
  }

  /// What becomes of what was meant.
  var effect: String {
    isHard ? "never used again" : "compared with its origin before its next use"
  }
}

extension Master {
  func cachePurgeCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard cache != nil else { return .now(Master.noCache) }
    let order: PurgeOrder
    do throws(Refusal) {
      order = try PurgeOrder(request, currentModel)
    } catch {
      return .now(.failure("\(error)\n", code: 2))
    }
    let peer = control?.clients[client]?.peer
    log.write(
      .notice,
      "cache purge \(order.words)\(order.isHard ? " --hard" : "")"
        + (peer.map { " (user \($0.user), pid \($0.process))" } ?? ""))
    if case .pattern(let pattern) = order.subject {
      // Those are on their way out, and are not walked through: all of them is a match too.
      for elder in elderCaches { elder.invalidate(.everything, hard: order.isHard) }
      return begin(PurgeMatches(order, pattern, isJSON: request.wantsJSON), for: client)
    }
    let count = entriesMeant(order)
    for target in order.targets { invalidate(target, hard: order.isHard) }
    var answer = purged(order, count: count, request.wantsJSON)
    answer.error = portWarning(order)
    return .now(answer)
  }

  /// How many responses are stored under what is meant, where that is known without a search.
  private func entriesMeant(_ order: PurgeOrder) -> Int? {
    switch order.subject {
    case .url(let url):
      guard let model = currentModel else { return nil }
      return withCacheAttached { CacheInspection.entries($0, model, url).count }
    case .everything: return cache?.statistics.entries
    default: return nil
    }
  }

  /// URLs name the port that the server listens on, which is easily forgotten.
  private func portWarning(_ order: PurgeOrder) -> String {
    let url: CacheURL
    switch order.subject {
    case .url(let given), .prefix(let given): url = given
    default: return ""
    }
    guard let model = currentModel else { return "" }
    let ports = Set(model.listens.map { $0.address.port })
    if ports.contains(url.port) { return "" }
    let list = ports.sorted().map { "\($0)" }.joined(separator: ", ")
    return "warning: nothing listens on port \(url.port); this server's URLs name port \(list)\n"
  }

  /// The answer to a purge that is done.
  func purged(_ order: PurgeOrder, count: Int?, _ isJSON: Bool) -> ControlAnswer {
    if isJSON {
      let report = JSON.object([
        ("purged", .string(order.words)), ("mode", .string(order.isHard ? "hard" : "soft")),
        ("entries", count.map { .number(Int64($0)) } ?? .null),
      ])
      return .success(report.text + "\n")
    }
    let entries = count.map { $0 == 1 ? ", 1 entry" : ", \($0) entries" } ?? ""
    return .success("purged \(order.words)\(entries): \(order.effect)\n")
  }
}

/// Walks through the index and invalidates what matches a pattern.
///
/// What was being stored when the walk began is matched first, by its key: then it is never
/// published, or had been published before and is met in the index.
final class PurgeMatches: ControlJob {
  /// How long a shard that stays locked is waited for.
  private static let patienceMicroseconds: Int64 = 1_000_000

  private let order: PurgeOrder
  private let pattern: Pattern
  private let isJSON: Bool
  private let startedAt = Clock.monotonicMicroseconds()
  private var hasSeenFills = false
  private var cursor: Int? = 0
  /// Keys to be matched, and what an alias stands for.
  private var pending: [(key: [UInt8], target: [UInt8]?)] = []
  private var looked = 0
  private var matched = 0
  private var unmatched = 0
  private var nextProgress: Int64 = 0

  init(_ order: PurgeOrder, _ pattern: Pattern, isJSON: Bool) {
    self.order = order
    self.pattern = pattern
    self.isJSON = isJSON
    nextProgress = startedAt + Limits.progressMilliseconds * 1000
  }

  func work(_ master: Master, _ client: UInt64, until: Int64) -> Bool {
    repeat {
      if let next = pending.popLast() {
        match(next.key, next.target, master)
        continue
      }
      guard cursor != nil else {
        finish(master, client)
        return true
      }
      guard gather(master) else {
        master.control?.answer(client, Master.noSlot)
        return true
      }
    } while Clock.monotonicMicroseconds() < until
    let now = Clock.monotonicMicroseconds()
    if now >= nextProgress {
      nextProgress = now + Limits.progressMilliseconds * 1000
      let share = (cursor ?? 0) * 100 / max(1, master.cache?.bucketTotal ?? 1)
      master.control?.stream(
        client, .failure("\(share) %: \(looked) entries looked at, \(matched) matched\n"))
    }
    return false
  }

  /// Takes the next few keys; false when the cache cannot be looked into.
  private func gather(_ master: Master) -> Bool {
    let gathered: Void? = master.withCacheAttached { cache in
      if !hasSeenFills {
        // What was begun before and comes in behind the walk would escape it; what is coming in at
        // this moment is matched first.
        cache.refuseOlderFills()
        if let keys = cache.openFillKeys() {
          pending = keys.map { ($0, nil) }
          hasSeenFills = true
        } else if Clock.monotonicMicroseconds() - startedAt > PurgeMatches.patienceMicroseconds {
          // Its owner is stopped: what it was storing, it publishes when it goes on.
          hasSeenFills = true
          unmatched += 1
        }
        return
      }
      guard let cursor else { return }
      self.cursor = cache.walk(from: cursor, bucketsMax: Limits.bucketsPerLook) {
        pending.append((CacheInspection.key(cache, $0), cache.aliasTarget($0)))
      }
    }
    return gathered != nil
  }

  private func match(_ key: [UInt8], _ target: [UInt8]?, _ master: Master) {
    looked += 1
    switch pattern.match(CacheInspection.urlBytes(ofKey: key)) {
    case .noMatch: return
    case .limitExceeded: unmatched += 1
    case .match:
      matched += 1
      // What an alias stands for is what it answers with.
      for name in [target, key].compactMap({ $0 }) {
        guard let resource = CacheInspection.resource(ofKey: name) else { continue }
        master.invalidate(resource, hard: order.isHard)
      }
    }
  }

  private func finish(_ master: Master, _ client: UInt64) {
    var answer = master.purged(order, count: matched, isJSON)
    answer.error = "100 %: \(looked) entries looked at, \(matched) matched\n"
    if unmatched > 0 {
      answer.error +=
        "\(unmatched) could not be matched (a shard stayed locked, or the pattern takes too many"
        + " steps) and may still be used\n"
      answer.exitCode = 1
    }
    master.control?.answer(client, answer)
  }
}
