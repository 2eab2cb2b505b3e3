// SIEVE (https://www.usenix.org/conference/nsdi24/presentation/zhang-yazhuo): a queue in order of
// arrival, and a hand that spares, once, what was read since it last passed.

final class SieveModel: CacheModel {
  private let space: ModelSpace
  private var queue: ObjectQueue
  private var isPresent: [Bool]
  private var isVisited: [Bool]
  private var hand: Int?

  init(_ space: ModelSpace) {
    self.space = space
    queue = ObjectQueue(QueueLinks(count: space.charges.count), charges: space.charges)
    isPresent = [Bool](repeating: false, count: space.charges.count)
    isVisited = isPresent
  }

  func access(_ object: Int) -> Bool {
    if isPresent[object] {
      isVisited[object] = true
      return true
    }
    guard space.admits(object) else { return false }
    while queue.bytes + space.charges[object] > space.capacity, evict() {}
    queue.append(object)
    isPresent[object] = true
    isVisited[object] = false
    return false
  }

  private func evict() -> Bool {
    guard var victim = hand ?? queue.head else { return false }
    while isVisited[victim] {
      isVisited[victim] = false
      guard let next = queue.object(after: victim) ?? queue.head else { return false }
      victim = next
    }
    hand = queue.object(after: victim)
    queue.remove(victim)
    isPresent[victim] = false
    return true
  }
}
