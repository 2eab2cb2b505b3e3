// Process slots of the board of queues: who begins to use one, and what a dead one has left.

import Platform

extension QueueBoard {
  /// Slots that anybody has ever had: usually few, and only they are looked at.
  var slotsUsed: Int {
    min(QueueBoard.slotCount, Int(clamping: rules.shown.loadRelaxed64(at: 0)))
  }

  /// A process begins to use a slot. By the master, before it is forked.
  package func open(slot: Int) {
    rules.own.storeRelaxed64(max(rules.own.loadRelaxed64(at: 0), UInt64(slot + 1)), at: 0)
  }

  /// The process of a slot has been reaped: its credits are free, and those of nobody who lives;
  /// nothing waits in it any more, and whoever is next is woken. By the master only.
  package func clear(slot: Int, living: Set<Int>) {
    for queue in 0..<QueueBoard.queueCountMax {
      for counter in QueueCounter.allCases {
        let count = region.loadRelaxed64(at: line(slot, queue, counter.rawValue))
        let sum = line(QueueBoard.departed, queue, counter.rawValue)
        region.storeRelaxed64(region.loadRelaxed64(at: sum) &+ count, at: sum)
        region.storeRelaxed64(0, at: line(slot, queue, counter.rawValue))
      }
      setWaiting(queue, slot: slot, count: 0, bytes: 0, oldest: 0)
      setShared(queue, slot: slot, count: 0, oldest: 0)
      for index in 0..<cellCount(queue) {
        let content = region.loadSequential64(at: cell(queue, index))
        let holder = Int(CreditHolder.slot(of: content)) - 1
        // A worker that was taken over may have named anybody.
        guard content != 0, holder == slot || !living.contains(holder) else { continue }
        _ = region.compareExchangeSequential64(
          at: cell(queue, index), expected: content, desired: 0)
      }
      wakeAll(queue)
    }
  }
}
