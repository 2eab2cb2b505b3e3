// LRU and FIFO: one queue; a hit takes the object to its end, or does not.

final class RecencyModel: CacheModel {
  private let space: ModelSpace
  private let isRenewing: Bool
  private var queue: ObjectQueue
  private var isPresent: [Bool]

  init(_ space: ModelSpace, renewing: Bool) {
    self.space = space
    isRenewing = renewing
    queue = ObjectQueue(QueueLinks(count: space.charges.count), charges: space.charges)
    isPresent = [Bool](repeating: false, count: space.charges.count)
  }

  func access(_ object: Int) -> Bool {
    if isPresent[object] {
      if isRenewing { queue.renew(object) }
      return true
    }
    guard space.admits(object) else { return false }
    while queue.bytes + space.charges[object] > space.capacity, let victim = queue.removeHead() {
      isPresent[victim] = false
    }
    queue.append(object)
    isPresent[object] = true
    return false
  }
}
