// A descriptor for each process slot, by which any process wakes the one that has the slot.

/// Made by the master before its first fork, so that every process can wake every other, also one
/// that is started later.
package final class ProcessWakers: Sendable {
  private let events: [EventDescriptor]

  /// One for each of so many slots.
  package init(slotCount: Int) throws(SystemError) {
    var events: [EventDescriptor] = []
    for _ in 0..<slotCount { events.append(try EventDescriptor()) }
    self.events = events
  }

  /// What the process of a slot polls for reading.
  package func descriptor(slot: Int) -> Descriptor { events[slot].descriptor }

  /// Wakes the process of a slot, if there is one.
  package func wake(slot: Int) { events[slot].signal() }

  /// Takes a slot's wake-ups so far; before its process looks at what they are about.
  package func drain(slot: Int) { events[slot].drain() }
}
