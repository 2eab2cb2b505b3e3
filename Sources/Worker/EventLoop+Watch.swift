// Telling the file watcher which files the cache holds.

import Cache
import HTTP
import Platform

extension EventLoop {
  /// What entries that depend on this exchange's file carry (`EntryFacts.fileStamp`): one stamp for
  /// the plain variant and all encoded ones, since each depends on all of these files.
  func fileStamp(_ exchange: Exchange) -> UInt32 {
    guard let cache, let path = exchange.file?.path else { return 0 }
    return cache.fileStamp(path.rawSpan)
  }

  /// Has the file behind an entry watched, which was just published or compared with it; costs one
  /// load when it is watched already.
  func watchFile(_ file: OpenFile, _ exchange: Exchange) {
    guard let link = heritage.watch, let path = exchange.file?.path else { return }
    let stamp = fileStamp(exchange)
    guard stamp != 0 else { return }
    link.tell(WatchNote(stamp: stamp, path: path, coding: file.coding, facts: file.facts))
  }
}
