// GDSF, Greedy-Dual-Size-Frequency: the object with the least (clock + uses / size) leaves, and the
// clock goes on to that value.

final class GDSFModel: CacheModel {
  private struct Rank: Comparable {
    let priority: Double
    /// Among equals the one that waits longest.
    let sequence: Int
    let object: Int

    static func < (left: Rank, right: Rank) -> Bool {
      left.priority != right.priority
        ? left.priority < right.priority : left.sequence < right.sequence
    }
  }

  private let space: ModelSpace
  private var usedBytes = 0
  private var clock = 0.0
  private var sequence = 0
  private var uses: [Int]
  /// The sequence of an object's rank that counts; 0 for an object outside.
  private var currentSequence: [Int]
  private var heap: [Rank] = []

  init(_ space: ModelSpace) {
    self.space = space
    uses = [Int](repeating: 0, count: space.charges.count)
    currentSequence = uses
  }

  func access(_ object: Int) -> Bool {
    if currentSequence[object] > 0 {
      uses[object] += 1
      rank(object)
      return true
    }
    guard space.admits(object) else { return false }
    while usedBytes + space.charges[object] > space.capacity, evict() {}
    uses[object] = 1
    usedBytes += space.charges[object]
    rank(object)
    return false
  }

  /// Older ranks of the object stay in the heap and are passed over.
  private func rank(_ object: Int) {
    sequence += 1
    currentSequence[object] = sequence
    let priority = clock + Double(uses[object]) / Double(max(1, space.charges[object]))
    heap.append(Rank(priority: priority, sequence: sequence, object: object))
    var place = heap.count - 1
    while place > 0, heap[place] < heap[(place - 1) / 2] {
      heap.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  private func evict() -> Bool {
    while let least = removeLeast() {
      guard currentSequence[least.object] == least.sequence else { continue }
      clock = least.priority
      currentSequence[least.object] = 0
      usedBytes -= space.charges[least.object]
      return true
    }
    return false
  }

  private func removeLeast() -> Rank? {
    guard let least = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return least }
    heap[0] = last
    var place = 0
    while true {
      var child = 2 * place + 1
      guard child < heap.count else { return least }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[place] else { return least }
      heap.swapAt(place, child)
      place = child
    }
  }
}
