// Which entries depend on which files, and telling that a file may have changed.

import Platform

extension CacheStore {
  private static let changeTicksOffset = 3072
  private static let millisecondsPerTick: Int64 = 125

  /// A file's stamp: a hash of its absolute path, never 0.
  package func fileStamp(_ path: RawSpan) -> UInt32 {
    let hash = hash(path)
    return max(1, UInt32(truncatingIfNeeded: hash ^ hash >> 32))
  }

  /// Every entry that depends on the file is compared with it before its next use. By any process
  /// that maps the store; takes no lock and needs no process slot.
  package func fileChanged(_ stamp: UInt32) { allFilesChanged() }

  /// The same for every entry that depends on any file.
  package func allFilesChanged() {
    let ticks = UInt64(Clock.bootMilliseconds() / CacheStore.millisecondsPerTick)
    region.storeRelease64(ticks, at: CacheStore.changeTicksOffset)
  }

  /// Eighths of a second since the last change; entries at least as old are to be compared.
  package func ticksSinceFileChange(now: UInt64) -> UInt64 {
    let then = region.loadRelaxed64(at: CacheStore.changeTicksOffset)
    return now > then ? now - then : 0
  }
}
