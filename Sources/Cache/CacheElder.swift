// Segments of earlier masters that somebody still serves from, and how a store came to be.

import Platform

/// An object that others live on while a newer one has the name: orphans of a killed master, or
/// the workers of an image with another layout. It is mapped only to tell it of invalidations, and
/// has a name of its own, so that the next master finds it too.
package final class CacheElder {
  /// Others of one name at a time; more live on without hearing of anything.
  static let countMax = 16

  private var object: SharedMemoryObject
  private var header: SharedRegion?
  /// Whether file stamps mean the same files here as in the store that is in use now.
  private var sharesStamps = false
  /// The whole segment, nil when its layout is another: then only its header's fixed places are
  /// known.
  package let store: CacheStore?

  /// nil when the object is no segment of any layout.
  init?(_ object: SharedMemoryObject, store: CacheStore?) {
    self.object = object
    self.store = store
    guard store == nil else { return }
    guard let size = try? object.size(), size >= CacheGeometry.byteCountMin,
      let header = try? SharedRegion(
        mapping: object.descriptor, byteCount: HeaderLayout.byteTotal),
      header.load(at: HeaderLayout.magic, as: UInt64.self) == HeaderLayout.magicValue
    else { return nil }
    self.header = header
  }

  private static func name(_ name: String, _ number: Int) -> String { "\(name).elder\(number)" }

  /// Those that earlier masters left beside `name` and that somebody still has; the names of the
  /// others are removed.
  static func all(beside name: String) -> [CacheElder] {
    (0..<countMax).compactMap { number in
      let name = CacheElder.name(name, number)
      // One that cannot be opened is nobody's of ours.
      guard let object = try? SharedMemoryObject.open(name) else { return nil }
      if (try? object.tryLock()) == true {
        SharedMemoryObject.unlink(name)
        return nil
      }
      return CacheElder(object, store: (try? CacheStore.mapped(object)) ?? nil)
    }
  }

  /// Gives the object, which still has the name of a store, one of its own. Without one it would
  /// only be unknown to the next master.
  func keepName(beside name: String) {
    for number in 0..<CacheElder.countMax {
      let other = CacheElder.name(name, number)
      if (try? object.linked(as: other)) == true {
        object = SharedMemoryObject(descriptor: object.descriptor, name: other)
        return
      }
    }
  }

  func isSame(as other: SharedMemoryObject) -> Bool { (try? object.isSame(as: other)) == true }

  /// To be called when the store that is in use is known.
  func compare(with current: CacheStore) {
    sharesStamps = store.map { $0.seed0 == current.seed0 && $0.seed1 == current.seed1 } ?? false
  }

  /// As `CacheStore.invalidate`, of the store in use, would do it; more than `target` where this
  /// segment cannot tell what that means.
  package func invalidate(_ target: CacheTarget, hard: Bool) {
    guard let store else {
      if let header { CacheElder.invalidateEverything(header) }
      return
    }
    if case .file = target, !sharesStamps {
      store.invalidate(.everything, hard: hard)
    } else {
      store.invalidate(target, hard: hard)
    }
  }

  /// Ends what a segment of any layout has, by the places that are the same in all. Whether another
  /// layout knows of soft ones is not known here.
  private static func invalidateEverything(_ header: SharedRegion) {
    var now: UInt64
    repeat {
      // As in `CacheStore.invalidate`, where the order is explained.
      now = header.loadAcquire64(at: HeaderLayout.generation)
      let stamp = HeaderLayout.everything + StampLayout.hard
      var old = header.loadAcquire64(at: stamp)
      while old < now && !header.compareExchange64(at: stamp, expected: old, desired: now) {
        old = header.loadAcquire64(at: stamp)
      }
    } while !header.compareExchange64(
      at: HeaderLayout.generation, expected: now, desired: now + 1)
  }

  /// Whether nobody lives on it any more; its name is then gone, and this object of no further use.
  package func hasEnded() -> Bool {
    // All who map it have its lock by inheritance.
    guard (try? object.tryLock()) == true else { return false }
    if (try? object.isCurrent()) == true { SharedMemoryObject.unlink(object.name) }
    return true
  }
}

/// How a store came to be, for the operator.
package struct CacheOpening: Sendable {
  package enum Origin: Equatable, Sendable {
    case made
    /// An earlier one, taken over alone.
    case kept
    /// Mapped beside its users, after an exec in place.
    case adopted
  }
  /// What was there instead of one that could be kept.
  package enum Replaced: Equatable, Sendable {
    /// Another size, or another number of shards for another `objectBytesMax`.
    case otherSize
    /// In use by others, and left to them.
    case inUse
    /// A segment of another layout, or no sound segment at all.
    case otherLayout
    /// Removed first: there was no room for both.
    case noRoomForBoth
  }
  package var origin = Origin.made
  package var replaced: Replaced?
  package var carriedOver = CacheCarryOver()
  package var hugePages = HugePages.off

  package init() {}
}
