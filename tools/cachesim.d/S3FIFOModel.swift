// S3-FIFO (https://dl.acm.org/doi/10.1145/3600006.3613147): a small queue for what is new, a main
// one for what was read twice there or came back soon, and a memory of what left the small one.

final class S3FIFOModel: CacheModel {
  private enum Place: UInt8 {
    case outside, small, main
  }

  private let space: ModelSpace
  private let smallBytes: Int
  private let ghostBytes: Int
  private var small: ObjectQueue
  private var main: ObjectQueue
  private var ghosts: ObjectQueue
  private var place: [Place]
  private var hits: [UInt8]
  private var isGhost: [Bool]

  /// A tenth of the bytes is the small queue; the ghosts stand for nine tenths.
  init(_ space: ModelSpace) {
    self.space = space
    let count = space.charges.count
    smallBytes = space.capacity / 10
    ghostBytes = space.capacity - smallBytes
    let links = QueueLinks(count: count)
    small = ObjectQueue(links, charges: space.charges)
    main = ObjectQueue(links, charges: space.charges)
    ghosts = ObjectQueue(QueueLinks(count: count), charges: space.charges)
    place = [Place](repeating: .outside, count: count)
    hits = [UInt8](repeating: 0, count: count)
    isGhost = [Bool](repeating: false, count: count)
  }

  func access(_ object: Int) -> Bool {
    if place[object] != .outside {
      hits[object] = min(3, hits[object] + 1)
      return true
    }
    guard space.admits(object) else { return false }
    let isReturning = isGhost[object]
    if isReturning { forget(object) }
    while small.bytes + main.bytes + space.charges[object] > space.capacity {
      if main.bytes > space.capacity - smallBytes || small.head == nil {
        evictFromMain()
      } else {
        evictFromSmall()
      }
    }
    hits[object] = 0
    enter(object, isReturning ? .main : .small)
    return false
  }

  private func enter(_ object: Int, _ queue: Place) {
    place[object] = queue
    if queue == .main { main.append(object) } else { small.append(object) }
  }

  private func evictFromMain() {
    while let object = main.removeHead() {
      guard hits[object] > 0 else {
        place[object] = .outside
        return
      }
      hits[object] -= 1
      main.append(object)
    }
  }

  /// The oldest new object goes over to the main queue if it was read twice, else it leaves.
  private func evictFromSmall() {
    guard let object = small.removeHead() else { return }
    if hits[object] >= 2 {
      hits[object] = 0
      enter(object, .main)
    } else {
      place[object] = .outside
      remember(object)
    }
  }

  private func remember(_ object: Int) {
    guard !isGhost[object], space.charges[object] <= ghostBytes else { return }
    while ghosts.bytes + space.charges[object] > ghostBytes, let oldest = ghosts.head {
      forget(oldest)
    }
    ghosts.append(object)
    isGhost[object] = true
  }

  private func forget(_ object: Int) {
    ghosts.remove(object)
    isGhost[object] = false
  }
}
