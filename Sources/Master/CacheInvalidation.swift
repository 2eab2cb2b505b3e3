// Invalidations reach every segment that somebody may still serve from.

import Cache
import Worker

extension Master {
  /// Effective for every process's next look-up when this returns.
  func invalidate(_ target: CacheTarget, hard: Bool) {
    cache?.invalidate(target, hard: hard)
    for elder in elderCaches { elder.invalidate(target, hard: hard) }
  }
}
