// Orders whose descriptors found no place in this process: it goes on, and asks again for what it
// cannot do without.

import Configuration
import Platform

/// What was lost on its way from the master, and what keeps that from happening.
struct MissedOrders {
  /// Given up for the next order's sake.
  var spare: Descriptor?
  /// A snapshot of the namespace did not arrive; when the master was asked for it again, in
  /// monotonic milliseconds.
  var namespaceAskedAt: Int64?
}

extension EventLoop {
  /// Keeps one descriptor for the next order's sake; called again by each tick while there is none.
  func keepSpareDescriptor() {
    if missedOrders.spare != nil { return }
    missedOrders.spare = try? errorLog.descriptor.duplicate()
    if missedOrders.spare != nil { return }
    makeRoomForDescriptors()
    missedOrders.spare = try? errorLog.descriptor.duplicate()
  }

  private func makeRoomForDescriptors() {
    fileTable.evict(Limits.evictionBatchCount)
    _ = evictOldestIdle()
  }

  /// The master is there, only what it sent beside the order is lost.
  func miss(_ order: WorkerOrder) {
    makeRoomForDescriptors()
    switch order {
    case .namespace:
      // Somebody may own now what was another's: until that is known, nobody answers, and nothing
      // stored is believed.
      namespaceIsUnknown = true
      distrustCache()
      errorLog.write(
        .error,
        "too many open files: who owns which URLs could not be received; asking for it again")
      askForNamespace()
    case .certificate(let answer):
      errorLog.write(.error, "too many open files: a certificate could not be received")
      // Handshakes wait for it.
      takeCertificate(answer, [])
    // The application sees the end of its connection, and may repeat it.
    case .certificates, .staple, .reopenLogs, .successor, .predecessor, .cache:
      errorLog.write(.error, "too many open files: \(order) of the master was not followed")
    case .serve, .leave, .drain, .resume, .quit, .stop:
      errorLog.write(.error, "\(order) of the master came with something that was lost")
    }
  }

  /// Again and again, but not faster than room may be found.
  func askForNamespace() {
    if let askedAt = missedOrders.namespaceAskedAt,
      now - askedAt < Limits.namespaceRetryMilliseconds
    {
      return
    }
    missedOrders.namespaceAskedAt = now
    report(.namespaceWanted)
  }

  /// Several times a second.
  func tendMissed() {
    if missedOrders.namespaceAskedAt != nil { askForNamespace() }
    keepSpareDescriptor()
  }
}
