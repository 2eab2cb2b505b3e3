// epoll: which descriptors are ready, in batches.

import CLinux
import Glibc

/// What to wait for on a descriptor; level-triggered.
package struct Interest: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let readable = Interest(rawValue: EPOLLIN.rawValue)
  package static let writable = Interest(rawValue: EPOLLOUT.rawValue)
  /// The peer closed its sending side: EPOLLRDHUP.
  package static let peerClosed = Interest(rawValue: EPOLLRDHUP.rawValue)
  /// Of several processes that wait for one descriptor, wake only one: EPOLLEXCLUSIVE.
  package static let exclusive = Interest(rawValue: EPOLLEXCLUSIVE.rawValue)
}

/// What happened on a descriptor. An error or hang-up counts as readable and writable, so that the
/// next read or write tells what it is.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt32
  @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static var readable: Readiness { Readiness(rawValue: EPOLLIN.rawValue) }
  package static var writable: Readiness { Readiness(rawValue: EPOLLOUT.rawValue) }
  package static var peerClosed: Readiness { Readiness(rawValue: EPOLLRDHUP.rawValue) }
  /// EPOLLERR or EPOLLHUP.
  package static var broken: Readiness {
    Readiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
  }
}

/// One epoll(7) instance. The caller's token comes back with each event; it should carry a serial
/// number beside the descriptor, because an event of a batch may concern a descriptor that an
/// earlier event of the same batch closed.
@safe package final class Poller {
  private let descriptor: Descriptor
  private let events: UnsafeMutablePointer<epoll_event>
  private let capacity: Int32

  /// Events delivered by one wait. Of as many there may be more, which the next one delivers.
  package var batchMax: Int { Int(capacity) }

  package init(batchMax: Int = 256) throws(SystemError) {
    descriptor = Descriptor(
      adopting: try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    capacity = Int32(batchMax)
    unsafe events = .allocate(capacity: batchMax)
  }

  /// For a child process that must not hold it.
  package var number: CInt { descriptor.number }

  deinit { unsafe events.deallocate() }

  package func add(
    _ number: CInt, token: UInt64, interest: Interest
  ) throws(SystemError) {
    try control(EPOLL_CTL_ADD, number, token, interest)
  }

  package func modify(
    _ number: CInt, token: UInt64, interest: Interest
  ) throws(SystemError) {
    try control(EPOLL_CTL_MOD, number, token, interest)
  }

  /// Needed even before a close when another process holds the same open file: its events would go
  /// on. epoll(7), "Will closing a file descriptor cause it to be removed".
  package func remove(_ number: CInt) {
    var event = unsafe epoll_event()
    _ = unsafe epoll_ctl(descriptor.number, EPOLL_CTL_DEL, number, &event)
  }

  /// Waits for at least one event or the time-out; returns the number of events, 0 after the
  /// time-out or a signal. A negative time-out waits for ever.
  package func wait(timeoutMilliseconds: Int32) -> Int {
    let count = unsafe epoll_wait(descriptor.number, events, capacity, timeoutMilliseconds)
    return count > 0 ? Int(count) : 0
  }

  /// The event at `index` of the last wait's batch.
  @inline(__always)
  package func event(_ index: Int) -> (token: UInt64, readiness: Readiness) {
    precondition(index >= 0 && index < Int(capacity))
    let event = unsafe events[index]
    return unsafe (event.data.u64, Readiness(rawValue: event.events))
  }

  private func control(
    _ operation: CInt, _ number: CInt, _ token: UInt64, _ interest: Interest
  ) throws(SystemError) {
    let poller = descriptor.number
    _ = try systemCall("epoll_ctl") {
      var event = unsafe epoll_event()
      unsafe event.events = interest.rawValue
      unsafe event.data.u64 = token
      return unsafe epoll_ctl(poller, operation, number, &event)
    }
  }
}
