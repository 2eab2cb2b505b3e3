// `cache show`: a walk that keeps the first entries in order, then a list as fast as it is read.

import Cache
import Platform
import Worker

/// Lists entries for a client, in steps.
final class ShowEntries: ControlJob {
  /// Bytes of URLs that are kept at most: then fewer entries are.
  private static let urlBytesMax = 8 << 20

  private final class Listed {
    let entry: CacheEntryView
    init(_ entry: CacheEntryView) { self.entry = entry }
    private(set) lazy var url = Array(entry.url.utf8)
    func isBefore(_ other: [UInt8]) -> Bool { url.lexicographicallyPrecedes(other) }
    /// In order of URL, then of variant.
    func isBefore(_ other: CacheEntryView) -> Bool {
      entry.url == other.url ? entry.variant < other.variant : entry.url < other.url
    }
  }

  private let prefix: [UInt8]
  private let hasScheme: Bool
  private let limit: Int
  private let freshMilliseconds: Int64
  private let isJSON: Bool
  private var cursor: Int? = 0
  /// In order.
  private var listed: [Listed] = []
  private var urlBytes = 0
  private var matched = 0
  /// Entries of `listed` that were sent; nil before the first line.
  private var sent: Int?

  init(prefix: String, limit: Int, freshMilliseconds: Int64, isJSON: Bool) {
    self.prefix = Array(prefix.utf8)
    hasScheme = prefix.firstRange(of: "://") != nil
    self.limit = limit
    self.freshMilliseconds = freshMilliseconds
    self.isJSON = isJSON
  }

  /// What URLs are compared with, from their host on if the scheme is left out; hosts are lower
  /// case.
  static func prefix(_ text: String) -> String {
    let start = text.firstRange(of: "://")?.upperBound ?? text.startIndex
    let host = text[start...].prefix { $0 != "/" }
    return text[..<start].lowercased() + host.lowercased() + text[host.endIndex...]
  }

  /// Whether a URL is one of those that are asked for.
  private func isWanted(_ url: [UInt8]) -> Bool {
    // "http://" or "https://"
    let schemeCount = url.count > 8 && url[4] == UInt8(ascii: ":") ? 7 : 8
    return (hasScheme ? url[...] : url.dropFirst(schemeCount)).starts(with: prefix)
  }

  func work(_ master: Master, _ client: UInt64, until: Int64) -> Bool {
    guard cursor != nil else { return send(master, client, until: until) }
    let walked: Void? = master.withCacheAttached { cache in
      let pins = cache.pinTable()
      while let cursor, Clock.monotonicMicroseconds() < until {
        self.cursor = cache.walk(from: cursor, bucketsMax: Limits.bucketsPerLook) {
          note($0, cache, pins)
        }
      }
    }
    guard walked != nil else {
      master.control?.answer(client, Master.noSlot)
      return true
    }
    return false
  }

  private func note(_ hit: CacheHit, _ cache: CacheStore, _ pins: CachePinTable) {
    let url = CacheInspection.urlBytes(ofKey: CacheInspection.key(cache, hit))
    guard isWanted(url) else { return }
    matched += 1
    // Not worth more of a look when it comes behind all that will be shown.
    if listed.count == limit, let last = listed.last, last.isBefore(url) { return }
    let entry = CacheEntryView(cache, hit, pins: pins)
    let isFull = listed.count == limit || urlBytes > ShowEntries.urlBytesMax
    if isFull, let last = listed.last, last.isBefore(entry) { return }
    var low = 0
    var high = listed.count
    while low < high {
      let middle = (low + high) / 2
      if listed[middle].isBefore(entry) { low = middle + 1 } else { high = middle }
    }
    listed.insert(Listed(entry), at: low)
    urlBytes += entry.url.utf8.count
    while listed.count > limit || urlBytes > ShowEntries.urlBytesMax && listed.count > 1 {
      urlBytes -= listed.removeLast().entry.url.utf8.count
    }
  }

  /// As many lines as the client has room for.
  private func send(_ master: Master, _ client: UInt64, until: Int64) -> Bool {
    if sent == nil {
      sent = 0
      master.control?.stream(
        client, .success(isJSON ? "{\"entries\":[\n" : CacheEntryView.columns))
    }
    while let sent, sent < listed.count {
      guard let backlog = master.control?.backlog(client) else { return true }
      guard backlog < Limits.controlBacklogBytes, Clock.monotonicMicroseconds() < until else {
        return false
      }
      let end = min(sent + 32, listed.count)
      let text = (sent..<end).map { index -> String in
        let entry = listed[index].entry
        return isJSON
          ? entry.json(freshMilliseconds: freshMilliseconds).text
            + (index == listed.count - 1 ? "\n" : ",\n")
          : entry.text(freshMilliseconds: freshMilliseconds)
      }.joined()
      self.sent = end
      master.control?.stream(client, .success(text))
    }
    let more = matched - listed.count
    if isJSON {
      master.control?.answer(client, .success("],\"shown\":\(listed.count),\"more\":\(more)}\n"))
    } else {
      let rest = more > 0 ? "and \(more) more; narrow the prefix, or use --limit\n" : ""
      master.control?.answer(client, ControlAnswer(error: rest))
    }
    return true
  }
}
