// Invalidations reach every segment that somebody may still serve from.

import Cache

extension Master {
  /// Effective for every process's next look-up when this returns.
  func invalidate(_ target: CacheTarget, hard: Bool) {
    for cache in [cache].compactMap({ $0 }) + elderCaches {
      cache.invalidate(target, hard: hard)
    }
  }
}
