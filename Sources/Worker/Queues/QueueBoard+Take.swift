// Taking a credit: the one thing of the board that each request through a queue does.

import Configuration
import Platform

extension QueueBoard {
  /// Takes a credit for a request that came at `ticket`; nil: none is free, or whoever came before
  /// has a right to it (and is woken, lest he does not know). Costs a look at each process, and at
  /// few credits as a rule: those from `near` on, where a free one was last. All of them are looked
  /// at where somebody waits elsewhere, or where there were more before.
  package func takeCredit(
    _ reference: QueueReference, slot: Int, ticket: UInt64, near start: Int = 0
  ) -> Int? {
    let queue = reference.slot
    while true {
      let credits = self.credits(queue)
      if credits == cellCount(queue) {
        // No more are held than there are, so that a free one is one too few of them.
        guard let free = firstFree(reference, slot, credits, from: start) else { return nil }
        if precedence(queue, slot, ticket, free: 1) == nil {
          if take(reference, slot, free) { return free.index }
          continue
        }
      }
      guard let (free, held) = look(reference, slot, credits), held < credits else { return nil }
      if let other = precedence(queue, slot, ticket, free: credits - held) {
        wakers?.wake(slot: other)
        return nil
      }
      if take(reference, slot, free) { return free.index }
    }
  }

  private typealias FreeCell = (index: Int, content: UInt64)

  private func take(_ reference: QueueReference, _ slot: Int, _ free: FreeCell) -> Bool {
    region.compareExchangeSequential64(
      at: cell(reference.slot, free.index), expected: free.content,
      desired: CreditHolder(reference, slot).word)
  }

  /// A free one of the first `credits` cells, all of them looked at in a circle from `start` on.
  private func firstFree(
    _ reference: QueueReference, _ slot: Int, _ credits: Int, from start: Int
  ) -> FreeCell? {
    let own = CreditHolder(reference, slot).word >> CreditHolder.slotBits
    var index = start < credits ? start : 0
    for _ in 0..<credits {
      let content = region.loadSequential64(at: cell(reference.slot, index))
      if content >> CreditHolder.slotBits != own { return (index, content) }
      index = index &+ 1 < credits ? index &+ 1 : 0
    }
    return nil
  }

  /// The first free one of `credits` cells, and how many are held, also of those above.
  private func look(
    _ reference: QueueReference, _ slot: Int, _ credits: Int
  ) -> (free: FreeCell, held: Int)? {
    let own = CreditHolder(reference, slot).word >> CreditHolder.slotBits
    var held = 0
    var free: FreeCell?
    for index in 0..<cellCount(reference.slot) {
      let content = region.loadSequential64(at: cell(reference.slot, index))
      if content >> CreditHolder.slotBits == own {
        held += 1
      } else if free == nil, index < credits {
        free = (index, content)
      }
    }
    return free.map { ($0, held) }
  }

  /// The process whose requests came before, if there are as many as free credits.
  private func precedence(_ queue: Int, _ slot: Int, _ ticket: UInt64, free: Int) -> Int? {
    var older: UInt64 = 0
    var first = (slot: -1, ticket: UInt64.max)
    for other in 0..<slotsUsed where other != slot {
      let oldest = region.loadSequential64(at: line(other, queue, Line.oldest))
      guard oldest != 0, (oldest, other) < (ticket, slot) else { continue }
      older &+= region.loadRelaxed64(at: line(other, queue, Line.waiting))
      if oldest < first.ticket { first = (other, oldest) }
    }
    return first.slot >= 0 && older >= UInt64(free) ? first.slot : nil
  }
}
