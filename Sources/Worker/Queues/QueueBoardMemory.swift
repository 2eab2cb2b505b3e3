// The memory of the board of queues: what a worker can write of it, and what outlives an exec.

import Platform

/// What one image of the master leaves to the next of its board of queues.
package struct QueueBoardFiles: Sendable {
  package let rules: Descriptor
  package let cells: Descriptor
  package let event: Descriptor

  package init(rules: Descriptor, cells: Descriptor, event: Descriptor) {
    self.rules = rules
    self.cells = cells
    self.event = event
  }
}

extension QueueBoard {
  /// A fresh one.
  package convenience init(wakers: ProcessWakers?) throws(SystemError) {
    self.init(
      wakers: wakers, rules: try OwnedMemory(byteCount: QueueBoard.rulesBytes),
      region: try SharedRegion(kept: QueueBoard.regionBytes),
      masterEvent: try EventDescriptor())
  }

  /// That of another image, whose workers still hold credits of it; nil when it is of another size.
  /// They cannot be woken by ours, nor ours by them: as long as both serve, whoever waits finds out
  /// when it looks by itself, several times a second.
  package convenience init?(
    wakers: ProcessWakers?, inherited files: QueueBoardFiles
  ) throws(SystemError) {
    guard
      let rules = try OwnedMemory(inherited: files.rules, byteCount: QueueBoard.rulesBytes),
      let region = try SharedRegion(inherited: files.cells, byteCount: QueueBoard.regionBytes)
    else { return nil }
    self.init(
      wakers: wakers, rules: rules, region: region,
      masterEvent: EventDescriptor(adopting: files.event))
  }

  /// What the next image needs.
  package var files: QueueBoardFiles? {
    guard let rules = rules.own.descriptor, let cells = region.descriptor else { return nil }
    return QueueBoardFiles(rules: rules, cells: cells, event: masterEvent.descriptor)
  }

  /// In a fresh child of the master: what queues allow cannot be written from here on.
  package func becomeReader() {
    rules.becomeReader()
    region.letGoOfDescriptor()
  }
}
