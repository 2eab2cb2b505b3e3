// Counts of the cache as text and as JSON; entries and verdicts likewise.

import Cache
import Configuration
import HTTP
import Worker

/// Everything that `cache stats` tells.
struct CacheReport {
  let store: CacheStatistics
  private let hits: UInt64
  private let revalidated: UInt64
  private let unstored: UInt64
  private let misses: [(word: String, count: UInt64)]

  init(store: CacheStatistics, _ scoreboard: Scoreboard) {
    self.store = store
    revalidated = scoreboard.total(.cacheRevalidations)
    // The two are read one after the other.
    let answered = scoreboard.total(.cacheHits)
    hits = answered > revalidated ? answered - revalidated : 0
    unstored = scoreboard.total(.cacheBypasses)
    misses = Counter.misses.map { ($0.word, scoreboard.total($0.counter)) }
  }

  private var content: Int { max(0, store.entries - store.aliases - store.negatives) }
  private var refused: [(name: String, count: Int)] {
    [
      ("busy", store.refusedBusy), ("full", store.refusedFull), ("large", store.refusedLarge),
      ("invalidated", store.refusedInvalidated), ("admission", store.refusedAdmission),
      ("pins", store.pinsRefused),
    ]
  }
  private var contended: (total: Int, worst: Int, count: Int) {
    let worst = store.contention.indices.max { store.contention[$0] < store.contention[$1] } ?? 0
    return (
      store.contention.reduce(0, +), worst,
      store.contention.isEmpty ? 0 : store.contention[worst]
    )
  }

  /// One labelled line for each group of counts.
  var text: String {
    let missed = misses.reduce(0) { $0 + $1.count }
    let books = store.segmentBytes - store.arenaBytes
    let lines = [
      "size         \(store.segmentBytes) bytes: \(store.arenaBytes) for entries, \(books) for"
        + " index and books",
      "used         \(store.usedBytes) bytes",
      "free         \(store.freeBytes) bytes",
      "wasted       \(store.scatteredBytes) bytes: free, but outside the longest free run of their"
        + " shard",
      "pinned       \(store.pinnedBytes) bytes, for slow clients",
      "entries      \(store.entries): \(content) content, \(store.aliases) aliases,"
        + " \(store.negatives) negative; and \(store.retired) unlinked but still read",
      "hits         \(hits), and \(revalidated) after a comparison with the file",
      "misses       \(missed): "
        + misses.map { "\($0.count) \($0.word)" }.joined(separator: ", "),
      "not stored   \(unstored) responses",
      "fills        \(store.fills) begun, \(store.publishes) entries published",
      "refused      " + refused.map { "\($0.count) \($0.name)" }.joined(separator: ", "),
      "left         \(store.evictions) evicted, \(store.drops) dropped, \(store.damaged) damaged",
      "recoveries   \(store.recoveries)",
      "generation   \(store.generation), routing epoch \(store.epoch)",
      "contention   \(contended.total) in \(store.contention.count) shards, at most"
        + " \(contended.count) (shard \(contended.worst))",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// The same counts for programs; contention of each shard.
  var json: JSON {
    func number(_ value: Int) -> JSON { .number(Int64(value)) }
    func number(_ value: UInt64) -> JSON { .number(Int64(clamping: value)) }
    return .object([
      ("segmentBytes", number(store.segmentBytes)), ("arenaBytes", number(store.arenaBytes)),
      ("usedBytes", number(store.usedBytes)), ("freeBytes", number(store.freeBytes)),
      ("wastedBytes", number(store.scatteredBytes)), ("pinnedBytes", number(store.pinnedBytes)),
      (
        "entries",
        .object([
          ("total", number(store.entries)), ("content", number(content)),
          ("aliases", number(store.aliases)), ("negatives", number(store.negatives)),
          ("retired", number(store.retired)),
        ])
      ),
      ("hits", number(hits)), ("revalidations", number(revalidated)),
      ("misses", .object(misses.map { ($0.word, number($0.count)) })),
      ("notStored", number(unstored)), ("fills", number(store.fills)),
      ("publishes", number(store.publishes)),
      ("refused", .object(refused.map { ($0.name, number($0.count)) })),
      ("evictions", number(store.evictions)), ("drops", number(store.drops)),
      ("damaged", number(store.damaged)), ("recoveries", number(store.recoveries)),
      ("generation", number(store.generation)), ("epoch", .number(Int64(store.epoch))),
      (
        "contention",
        .object([
          ("total", number(contended.total)), ("worst", number(contended.count)),
          ("worstShard", number(contended.worst)), ("shards", .array(store.contention.map(number))),
        ])
      ),
    ])
  }
}

extension CacheEntryView {
  /// Milliseconds until it is compared with its file, or until it is stale; 0 when that is due.
  private func untilComparison(_ freshMilliseconds: Int64) -> Int64 {
    if let response {
      return state == .good && !response.remarks.contains("no-cache")
        ? max(0, response.freshSeconds) * 1000 : 0
    }
    return state == .good ? max(0, freshMilliseconds - comparedMilliseconds) : 0
  }

  static let columns = line(
    ["BYTES", "AGE", "TTL", "USES", "CODING", "PINS", "STATE", "KIND"], "URL")

  /// One line of `cache show`.
  func text(freshMilliseconds: Int64) -> String {
    let tenths = untilComparison(freshMilliseconds) / 100
    let extra =
      (dependsOnClient ? " (depends on the client)" : "")
      + (labels.isEmpty ? "" : " [\(labels.joined(separator: " "))]")
      + (owner.map { " (of \($0))" } ?? "")
      + (aliasTarget.map { " -> \(CacheInspection.url(ofKey: $0))" } ?? "")
    return CacheEntryView.line(
      [
        "\(byteCount)", "\(ageSeconds)s", kind == .alias ? "-" : "\(tenths / 10).\(tenths % 10)s",
        "\(uses)", kind == .alias ? "-" : variant, "\(pins)", state.rawValue, kindWord,
      ], url + extra)
  }

  private var kindWord: String {
    switch kind {
    case .content: "content"
    case .alias: "alias"
    case .negative: "negative \(status)"
    }
  }

  private static func line(_ cells: [String], _ last: String) -> String {
    let widths = [9, 8, 6, 4, 8, 4, 7, 12]
    let padded = zip(cells, widths).enumerated().map { index, cell in
      let blanks = String(repeating: " ", count: max(0, cell.1 - cell.0.utf8.count))
      return index < 4 || index == 5 ? blanks + cell.0 : cell.0 + blanks
    }
    return padded.joined(separator: " ") + " " + last + "\n"
  }

  func json(freshMilliseconds: Int64) -> JSON {
    .object([
      ("url", .string(url)), ("kind", .string("\(kind)")), ("status", .number(Int64(status))),
      ("bytes", .number(Int64(byteCount))), ("storedBytes", .number(Int64(storedByteCount))),
      ("ageSeconds", .number(Int64(ageSeconds))),
      ("ttlMilliseconds", .number(untilComparison(freshMilliseconds))),
      ("uses", .number(Int64(uses))), ("coding", .string("\(coding.token)")),
      ("selector", .string(selector)), ("labels", .strings(labels)),
      ("owner", owner.map { .string($0) } ?? .null), ("pins", .number(Int64(pins))),
      ("state", .string(state.rawValue)), ("dependsOnClient", .bool(dependsOnClient)),
      ("aliasOf", aliasTarget.map { .string(CacheInspection.url(ofKey: $0)) } ?? .null),
      ("response", response?.json ?? .null),
    ])
  }
}

extension ResponseView {
  fileprivate var json: JSON {
    .object([
      ("ageSeconds", .number(ageSeconds)), ("freshSeconds", .number(freshSeconds)),
      ("lifetimeSeconds", lifetimeSeconds.map { .number($0) } ?? .null),
      ("selection", .string(selection)), ("remarks", .strings(remarks)),
    ])
  }
}

extension CacheVerdict {
  /// What `cache explain` prints.
  func text(_ explanation: Explanation, freshMilliseconds: Int64) -> String {
    var lines = [
      "url:           \(explanation.url)", "address:       \(explanation.local)",
      "virtual host:  \(explanation.siteTitle)",
    ]
    if let owner = explanation.owner { lines.append("namespace:     \(owner)") }
    lines.append(
      word == .hit ? "hit:           yes" : "hit:           no (\(word.rawValue))")
    for reason in reasons { lines.append("because:       \(reason)") }
    if let key { lines.append("key:           \(key)") }
    for rule in rules { lines.append("rule:          \(rule)") }
    for entry in entries {
      let mark = entry.url == chosen?.url && entry.variant == chosen?.variant ? "; chosen" : ""
      let tags = entry.labels.isEmpty ? "" : " [\(entry.labels.joined(separator: " "))]"
      let age = entry.response?.text ?? "\(entry.ageSeconds) s old"
      let owner = entry.owner.map { ", of \($0)" } ?? ""
      lines.append(
        "stored:        \(entry.variant), \(entry.byteCount) bytes, \(entry.state.rawValue),"
          + " \(age)\(owner)\(tags)\(mark)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  func json(url: String, freshMilliseconds: Int64) -> JSON {
    .object([
      ("url", .string(url)), ("hit", .bool(word == .hit)), ("verdict", .string(word.rawValue)),
      ("reasons", .strings(reasons)), ("key", key.map { .string($0) } ?? .null),
      ("rules", .strings(rules)),
      ("entries", .array(entries.map { $0.json(freshMilliseconds: freshMilliseconds) })),
      ("chosen", chosen.map { .string($0.variant) } ?? .null),
    ])
  }
}
