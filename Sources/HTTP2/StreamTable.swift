// What is remembered of the streams of one connection.

/// One slot.
struct StreamRecord {
  /// 0 for a free slot.
  var id: Int32
  /// The owner was told of it.
  var isKnown = false
  var requestEnded = false
  /// The body's last frame has begun.
  var hasLastFrame = false
  /// Its body is kept until it is taken.
  var keepsBody = false
  /// Bytes of its body were let go.
  var hasLostBody = false
  /// A final response was ordered.
  var isResponding = false
  /// There is a body to send, and the end of it has not been.
  var hasBody = false
  /// The response is its head alone.
  var endsWithHead = false
  /// A whole response was put into the output.
  var isCompleted = false
  /// Seconds since then in which the request did not end.
  var lateSeconds: UInt8 = 0
  /// The body said "deferred".
  var isDeferred = false
  /// Reset by the owner's will, or by ours after a whole response.
  var isResetByUs = false
  /// A reset of ours is on its way: the stream ends with the next `produce`.
  var isEnding = false
  /// RFC 9218 §4.1
  var urgency: UInt8 = SendQueue.usualUrgency
  var isIncremental = false
  var isPreferred = false
  /// It stands in the queue of those that may send.
  var isQueued = false
  /// Bytes of the request's body that came after the whole response was put into the output.
  var lateBytes = 0
  /// The code it was reset with.
  var code: UInt32 = 0
  /// What we may send, which a change of settings can make negative (RFC 9113 §6.9.2).
  var sendWindow: Int32
  /// What the peer may still send, and what was taken of that and not given back yet.
  var receiveWindow: Int32
  var takenBytes: Int32 = 0
  /// Neighbours in the queue; -1 for none. A free slot's next one in the list of those.
  var next: Int32 = -1
  var previous: Int32 = -1
  /// What is still to come of a body whose length was said; -1: it was not.
  var bodyBytesLeft: Int64 = -1

  var isLiving: Bool { id != 0 }
}

/// Living streams by slot and by number.
struct StreamTable {
  private(set) var records: [StreamRecord] = []
  private var firstFree: Int32 = -1
  /// Living streams, told of or not.
  private(set) var count = 0
  /// Slots + 1 by a hash of the number; 0 for none. As many places as a power of two, half of them
  /// free at least.
  private var places: [Int32] = []
  /// Odd, and nobody's to guess: who chooses numbers does not choose places.
  private let seed: UInt32

  init(seed: UInt32) { self.seed = seed | 1 }

  var reservedBytes: Int {
    records.capacity * MemoryLayout<StreamRecord>.stride
      + places.capacity * MemoryLayout<Int32>.stride
  }

  subscript(_ slot: Int) -> StreamRecord {
    @inline(__always) _read { yield records[slot] }
    @inline(__always) _modify { yield &records[slot] }
  }

  var indices: Range<Int> { records.indices }

  /// A slot for a new stream.
  mutating func take(_ record: StreamRecord) -> Int {
    count += 1
    let slot: Int
    if firstFree >= 0 {
      slot = Int(firstFree)
      firstFree = records[slot].next
      records[slot] = record
    } else {
      slot = records.count
      records.append(record)
    }
    if 2 * count > places.count { grow() } else { enter(record.id, slot) }
    return slot
  }

  mutating func free(_ slot: Int) {
    remove(records[slot].id)
    records[slot].id = 0
    records[slot].next = firstFree
    firstFree = Int32(truncatingIfNeeded: slot)
    count -= 1
  }

  /// Gives back the memory of an empty table.
  mutating func shrink() {
    guard count == 0 else { return }
    records = []
    places = []
    firstFree = -1
  }

  /// The slot of a living stream.
  @inline(__always)
  func slot(of id: Int32) -> Int? {
    guard count > 0 else { return nil }
    var place = home(id)
    while places[place] != 0 {
      let slot = Int(places[place] &- 1)
      if records[slot].id == id { return slot }
      place = (place &+ 1) & (places.count &- 1)
    }
    return nil
  }

  @inline(__always)
  private func home(_ id: Int32) -> Int {
    Int((UInt32(bitPattern: id) &* seed) &>> 16) & (places.count &- 1)
  }

  private mutating func enter(_ id: Int32, _ slot: Int) {
    var place = home(id)
    while places[place] != 0 { place = (place &+ 1) & (places.count &- 1) }
    places[place] = Int32(truncatingIfNeeded: slot &+ 1)
  }

  /// Those behind it that could not stand where they belong move up, so that no gap hides them.
  private mutating func remove(_ id: Int32) {
    var place = home(id)
    while places[place] == 0 || records[Int(places[place] &- 1)].id != id {
      place = (place &+ 1) & (places.count &- 1)
    }
    var gap = place
    var next = (gap &+ 1) & (places.count &- 1)
    while places[next] != 0 {
      let wanted = home(records[Int(places[next] &- 1)].id)
      let distance = (next &- wanted) & (places.count &- 1)
      if distance >= (next &- gap) & (places.count &- 1) {
        places[gap] = places[next]
        gap = next
      }
      next = (next &+ 1) & (places.count &- 1)
    }
    places[gap] = 0
  }

  private mutating func grow() {
    places = [Int32](repeating: 0, count: max(8, places.count * 2))
    for slot in records.indices where records[slot].isLiving { enter(records[slot].id, slot) }
  }
}
