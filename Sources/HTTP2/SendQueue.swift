// Which stream sends next (RFC 9218).

/// The streams that have something to send and may, as far as their own windows go.
///
/// The most urgent come first. Of one urgency, those that are not incremental follow each other in
/// the order of their numbers, so that the first is done soonest; those that are take turns; and
/// where there are both, the first of the former takes turns with all of the latter, so that nobody
/// waits for a long download to end (RFC 9218 §10).
struct SendQueue {
  static let usualUrgency: UInt8 = 3
  private static let urgencyCount = 8

  /// Slots, -1 for none: for each urgency the list of those that are not incremental, and of those
  /// that are.
  private var first = InlineArray<16, Int32>(repeating: -1)
  private var last = InlineArray<16, Int32>(repeating: -1)
  private var count = 0
  /// By urgency: the next turn is an incremental one's.
  private var turns: UInt8 = 0

  var isEmpty: Bool { count == 0 }

  /// Who sends next.
  @inline(__always)
  var next: Int? {
    guard count > 0 else { return nil }
    for urgency in 0..<SendQueue.urgencyCount {
      let one = first[2 &* urgency]
      let other = first[2 &* urgency &+ 1]
      if one >= 0, other < 0 || turns & 1 << UInt8(urgency) == 0 { return Int(one) }
      if other >= 0 { return Int(other) }
    }
    return nil
  }

  @inline(__always)
  private func list(_ record: StreamRecord) -> Int {
    2 &* Int(record.urgency) &+ (record.isIncremental ? 1 : 0)
  }

  /// Puts a stream where it belongs; does nothing if it is there.
  mutating func enter(_ slot: Int, _ streams: inout StreamTable) {
    guard !streams[slot].isQueued else { return }
    let list = list(streams[slot])
    var before = last[list]
    if !streams[slot].isIncremental {
      let id = streams[slot].id
      while before >= 0, streams[Int(before)].id > id { before = streams[Int(before)].previous }
    }
    let behind = before >= 0 ? streams[Int(before)].next : first[list]
    let place = Int32(truncatingIfNeeded: slot)
    streams[slot].isQueued = true
    streams[slot].previous = before
    streams[slot].next = behind
    if before >= 0 { streams[Int(before)].next = place } else { first[list] = place }
    if behind >= 0 { streams[Int(behind)].previous = place } else { last[list] = place }
    count += 1
  }

  /// Takes a stream out; does nothing if it is not there.
  mutating func remove(_ slot: Int, _ streams: inout StreamTable) {
    guard streams[slot].isQueued else { return }
    let list = list(streams[slot])
    let (before, behind) = (streams[slot].previous, streams[slot].next)
    if before >= 0 { streams[Int(before)].next = behind } else { first[list] = behind }
    if behind >= 0 { streams[Int(behind)].previous = before } else { last[list] = before }
    streams[slot].isQueued = false
    count -= 1
  }

  /// A stream has sent a frame and has more: others of its urgency have their turn.
  mutating func passTurn(_ slot: Int, _ streams: inout StreamTable) {
    turns ^= 1 << streams[slot].urgency
    guard streams[slot].isIncremental, streams[slot].next >= 0 else { return }
    remove(slot, &streams)
    enter(slot, &streams)
  }
}
