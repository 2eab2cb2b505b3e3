// What a credit's cell holds: for which queue it is taken, and by which process slot.

import Configuration

struct CreditHolder {
  static let slotBits: UInt64 = 9
  let word: UInt64

  init(_ reference: QueueReference, _ slot: Int) {
    word = reference.serial << CreditHolder.slotBits | UInt64(slot) + 1
  }

  /// A process slot plus 1, or whatever a worker that was taken over has written.
  static func slot(of word: UInt64) -> UInt64 { word & (1 << slotBits - 1) }
}
