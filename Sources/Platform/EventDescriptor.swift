// eventfd: a count that one process raises and another waits for.

import CLinux
import Glibc

/// eventfd(2): non-blocking, close-on-exec; shared by inheritance.
package struct EventDescriptor: Sendable {
  package let descriptor: Descriptor

  package init() throws(SystemError) {
    descriptor = Descriptor(adopting: try systemCall("eventfd") { ring3_event_open() })
  }

  /// Makes it readable. Never blocks: a full counter is readable already.
  package func signal() { _ = ring3_event_signal(descriptor.number) }

  /// Makes it unreadable again; returns how often it was signalled since the last time.
  @discardableResult
  package func take() -> Int64 { max(0, ring3_event_take(descriptor.number)) }
}
