// The I/O helpers: processes that may wait for disks, shared by all workers.

import Platform

/// Channels and helpers for a run of process slots. Each block has its own helpers, because a
/// process inherits only the channels that exist when it is forked.
struct HelperBlock {
  /// Process slots that this block has channels for.
  let slots: Range<Int>
  /// By place in `slots`: the ends that all helpers of the block hold.
  let helperEnds: [Descriptor]
  /// By place in `slots`: the end of whichever worker owns the slot.
  let workerEnds: [Descriptor]
  var processes: Set<Int32> = []
  var backOff = BackOff()
  var lastStartAt: Int64 = 0
  /// When helpers that died are started again.
  var respawnAt: Int64?

  init(slots: Range<Int>) throws(SystemError) {
    self.slots = slots
    var helperEnds: [Descriptor] = []
    var workerEnds: [Descriptor] = []
    for _ in slots {
      let (helper, worker) = try MessageSocket.pair()
      helperEnds.append(helper.descriptor)
      workerEnds.append(worker.descriptor)
    }
    self.helperEnds = helperEnds
    self.workerEnds = workerEnds
  }
}

/// All blocks; grows when a higher process slot is used.
struct HelperPool {
  /// Helpers of each block: enough to keep two disks busy.
  static let processesPerBlock = 2
  static let slotsPerBlock = 32

  var blocks: [HelperBlock] = []

  /// Makes the block that a slot belongs to; true when it is new and has no helpers yet.
  mutating func ensure(slot: Int) throws(SystemError) -> Bool {
    let first = slot / HelperPool.slotsPerBlock * HelperPool.slotsPerBlock
    if blocks.contains(where: { $0.slots.contains(slot) }) { return false }
    blocks.append(try HelperBlock(slots: first..<first + HelperPool.slotsPerBlock))
    return true
  }

  /// The worker's end of a slot. Replies to the slot's former owner that are still in it are
  /// thrown away.
  func channel(slot: Int) -> Descriptor? {
    guard let block = blocks.first(where: { $0.slots.contains(slot) }) else { return nil }
    let end = block.workerEnds[slot - block.slots.lowerBound]
    while case .message(_, let numbers)? = try? MessageSocket(end).receiveNumbers() {
      for number in numbers { Descriptor.close(number) }
    }
    return end
  }

  /// The block whose helper had that process number, which is forgotten.
  mutating func ended(_ process: Int32) -> Int? {
    for place in blocks.indices where blocks[place].processes.remove(process) != nil {
      return place
    }
    return nil
  }
}
