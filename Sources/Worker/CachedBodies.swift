// Where the bodies of cached entries lie, for sends and copies.

import Cache
import Platform

extension CacheStore {
  /// Where the body of a fill, or of an entry, lies.
  func extents(of hit: CacheHit) -> [RegionRange] {
    (0..<extentCount(hit)).map { extent(hit, $0) }
  }

  /// Tells where so many bytes of a body lie, in order, until `body` says that it takes no more.
  func forEachPart(
    of hit: CacheHit, from offset: Int, count: Int, _ body: (RegionRange) -> Bool
  ) {
    var skipped = offset
    var rest = count
    for index in 0..<extentCount(hit) where rest > 0 {
      let extent = extent(hit, index)
      let dropped = min(skipped, extent.count)
      skipped -= dropped
      let taken = min(extent.count - dropped, rest)
      guard taken > 0 else { continue }
      rest -= taken
      guard body(RegionRange(offset: extent.offset + dropped, count: taken)) else { return }
    }
  }

  /// A copy of a body.
  func copyBody(of hit: CacheHit, byteCount: Int, into buffer: ByteBuffer) {
    let region = self.region
    for extent in extents(of: hit) {
      let count = min(extent.count, byteCount - buffer.count)
      guard count > 0 else { return }
      buffer.append(region.span(at: extent.offset, count: count))
    }
  }
}
