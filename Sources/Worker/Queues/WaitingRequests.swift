// Requests of one queue that wait in this process, the oldest first.

import Configuration
import Platform

/// Kept in the order of their tickets, of which hardly two are equal: the one to be removed is
/// found by halving, and the first one is taken without moving the others.
struct WaitingRequests {
  private var all: ContiguousArray<Forwarding> = []
  /// Those before it have left.
  private var start = 0
  /// What they hold.
  private(set) var byteCount = 0

  var count: Int { all.count - start }
  var isEmpty: Bool { count == 0 }
  var first: Forwarding? { start < all.count ? all[start] : nil }

  mutating func insert(_ forwarding: Forwarding) {
    forwarding.waitingByteCount = forwarding.request.count
    all.insert(forwarding, at: place(of: forwarding.ticket))
    byteCount += forwarding.waitingByteCount
  }

  mutating func remove(_ forwarding: Forwarding) {
    var place = place(of: forwarding.ticket)
    while place < all.count, all[place] !== forwarding, all[place].ticket == forwarding.ticket {
      place += 1
    }
    guard place < all.count, all[place] === forwarding else { return }
    byteCount -= forwarding.waitingByteCount
    guard place == start else {
      all.remove(at: place)
      return
    }
    start += 1
    if start > 64, start * 2 > all.count {
      all.removeFirst(start)
      start = 0
    }
  }

  /// More of its body has come.
  mutating func update(_ forwarding: Forwarding) {
    byteCount += forwarding.request.count - forwarding.waitingByteCount
    forwarding.waitingByteCount = forwarding.request.count
  }

  /// Those that have waited since this moment, or longer: as many as one turn is for.
  func since(_ moment: UInt64) -> [Forwarding] {
    var found: [Forwarding] = []
    for forwarding in all[start...] {
      if forwarding.waitingSince <= moment {
        found.append(forwarding)
        if found.count == Limits.queueEndsPerTurn { break }
      } else if forwarding.ticket > moment {
        // Whoever comes behind has come later still.
        break
      }
    }
    return found
  }

  /// The first place whose ticket is not smaller.
  private func place(of ticket: UInt64) -> Int {
    var low = start
    var high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].ticket < ticket { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
