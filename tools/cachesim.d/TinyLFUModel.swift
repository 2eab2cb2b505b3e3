// W-TinyLFU (https://dl.acm.org/doi/10.1145/3149371): a small LRU window before a segmented LRU;
// what leaves the window enters only if asked for more often than what would have to leave.

final class TinyLFUModel: CacheModel {
  private enum Place: UInt8 {
    case outside, window, probation, protected
  }

  private let space: ModelSpace
  private let windowBytes: Int
  private let mainBytes: Int
  private let protectedBytes: Int
  private var window: ObjectQueue
  private var probation: ObjectQueue
  private var protected: ObjectQueue
  private var place: [Place]
  private var sketch: FrequencySketch

  /// A hundredth is the window, four fifths of the rest are protected.
  init(_ space: ModelSpace) {
    self.space = space
    let count = space.charges.count
    windowBytes = max(1, space.capacity / 100)
    mainBytes = space.capacity - windowBytes
    protectedBytes = mainBytes / 10 * 8
    let links = QueueLinks(count: count)
    window = ObjectQueue(links, charges: space.charges)
    probation = ObjectQueue(links, charges: space.charges)
    protected = ObjectQueue(links, charges: space.charges)
    place = [Place](repeating: .outside, count: count)
    let averageCharge = max(1, space.charges.reduce(0, +) / max(1, count))
    sketch = FrequencySketch(entries: space.capacity / averageCharge)
  }

  func access(_ object: Int) -> Bool {
    sketch.add(object)
    switch place[object] {
    case .window: window.renew(object)
    case .protected: protected.renew(object)
    case .probation: protect(object)
    case .outside:
      if space.admits(object) { enter(object) }
      return false
    }
    return true
  }

  private func protect(_ object: Int) {
    probation.remove(object)
    protected.append(object)
    place[object] = .protected
    while protected.bytes > protectedBytes, let oldest = protected.removeHead() {
      probation.append(oldest)
      place[oldest] = .probation
    }
  }

  private func enter(_ object: Int) {
    window.append(object)
    place[object] = .window
    while window.bytes > windowBytes, let candidate = window.removeHead() {
      place[candidate] = .outside
      if isAdmitted(candidate) {
        probation.append(candidate)
        place[candidate] = .probation
      }
    }
  }

  /// Makes room for a candidate in the main part, unless what would leave is asked for as often.
  private func isAdmitted(_ candidate: Int) -> Bool {
    guard space.charges[candidate] <= mainBytes else { return false }
    let frequency = sketch.estimate(candidate)
    while probation.bytes + protected.bytes + space.charges[candidate] > mainBytes {
      guard let victim = probation.head ?? protected.head,
        frequency > sketch.estimate(victim)
      else { return false }
      if place[victim] == .probation { probation.remove(victim) } else { protected.remove(victim) }
      place[victim] = .outside
    }
    return true
  }
}

/// A count-min sketch with counts up to 15 that are halved now and then.
struct FrequencySketch {
  private static let rows = 4
  private let mask: Int
  private let halvingCount: Int
  private var counts: [UInt8]
  private var additions = 0

  init(entries: Int) {
    var width = 64
    while width < entries { width *= 2 }
    mask = width - 1
    halvingCount = width * 10
    counts = [UInt8](repeating: 0, count: width * FrequencySketch.rows)
  }

  private func index(_ object: Int, row: Int) -> Int {
    var random = SplitMix(state: UInt64(object * FrequencySketch.rows + row))
    return row * (mask + 1) + (Int(truncatingIfNeeded: random.next()) & mask)
  }

  func estimate(_ object: Int) -> UInt8 {
    var least = UInt8.max
    for row in 0..<FrequencySketch.rows { least = min(least, counts[index(object, row: row)]) }
    return least
  }

  mutating func add(_ object: Int) {
    let least = estimate(object)
    if least < 15 {
      for row in 0..<FrequencySketch.rows where counts[index(object, row: row)] == least {
        counts[index(object, row: row)] += 1
      }
    }
    additions += 1
    guard additions >= halvingCount else { return }
    for place in counts.indices { counts[place] /= 2 }
    additions /= 2
  }
}
