// The cache's beginning and end, and the segments of earlier masters that live on beside it.

import Cache
import Configuration
import Platform
import Worker

extension Master {
  /// Once: maps the cache that another image left, or opens our own. Returns the problem if the
  /// server has to do without.
  func openCache(_ model: Model) -> String? {
    guard !isCacheSettled else { return nil }
    isCacheSettled = true
    if let inheritedCache, let adopt = rooms.adoptCache {
      // A binary with another layout makes a segment of its own.
      cache = try? adopt(model, inheritedCache)
    }
    inheritedCache = nil
    if cache == nil, let open = rooms.openCache {
      do {
        cache = try open(model)
      } catch {
        return "no shared cache, every response is made anew: \(error)"
      }
    }
    openedCache = cache.map { ($0.opening, model.server.cacheHugePages) }
    elderCaches = cache?.elders ?? []
    cache?.elders = []
    return nil
  }

  /// Tells the log, which is open only later, how the cache came to be.
  func noteCacheOpening() {
    guard let (opening, wish) = openedCache else { return }
    openedCache = nil
    for line in Master.lines(opening) { log.write(.info, line) }
    if case .refused(let reason) = opening.hugePages, wish == .on {
      log.write(.warn, "CacheHugePages on: \(reason)")
    }
    if !elderCaches.isEmpty {
      log.write(
        .info, "cache: \(elderCaches.count) earlier ones are still in use by draining workers")
    }
  }

  /// What an operator may wonder about; an empty cache at a first start is nothing to tell.
  private static func lines(_ opening: CacheOpening) -> [String] {
    let carried = opening.carriedOver
    let count =
      "\(carried.entries) entries with \(carried.bodyBytes) bytes carried over, "
      + "\(carried.left) left, \(carried.damaged) damaged"
      + (carried.isCutShort ? ", the rest left for lack of time" : "")
    switch opening.replaced {
    case nil: return []
    case .otherSize: return ["cache: a new one of another size: \(count)"]
    case .inUse: return ["cache: the earlier one is still in use, a new one is made: \(count)"]
    case .otherLayout: return ["cache: the earlier one has another layout, starting empty"]
    case .noRoomForBoth:
      return ["cache: no room for the earlier one beside one of this size, starting empty"]
    }
  }

  /// About once a second: lets go of segments that nobody else has any more.
  func dropEndedElders(_ now: Int64) {
    guard !elderCaches.isEmpty, now - eldersLookedAt >= 1_000 else { return }
    eldersLookedAt = now
    elderCaches.removeAll { $0.hasEnded() }
  }

  /// At a clean stop, when no process is left.
  func closeCache() {
    elderCaches.removeAll { $0.hasEnded() }
    guard !persistsCache else { return }
    cache?.unlink()
  }
}
