// A connection between an application and this process, over which one entry or fragment of the
// cache goes one way or the other.

import Cache
import HTTP
import Platform

/// One put or get. It lives as long as its connection, whose end is this process's alone.
final class LentExchange {
  enum Phase {
    /// Bytes of a put come.
    case receiving
    /// The same, but this process has to catch up with the namespace before it may publish.
    case catchingUp
    /// What was asked for leaves.
    case sending
    /// The answer has left: what still comes is read and thrown away, so that the kernel does not
    /// answer it with a reset that would destroy the answer.
    case lingering
  }

  let order: CacheOrder
  let descriptor: Descriptor
  var phase: Phase
  /// Monotonic milliseconds; then it ends, whatever has come.
  let deadline: Int64
  /// Announced bytes that have not come.
  var rest: Int

  /// The answer of an application that is put: its way into the cache is that of any other.
  var forwarding: Forwarding?
  /// The beginning of its head.
  var head: ByteBuffer?
  var progress = ParseProgress()
  /// A fragment that is put.
  var fill: CacheFill?
  var fillByteCount = 0

  /// What leaves before a body.
  var output = ByteBuffer(capacity: 1)
  var outputSent = 0
  var pin: CachePin?
  /// Of the pinned entry's body, what has not left.
  var body = 0..<0

  init(_ order: CacheOrder, _ descriptor: Descriptor, deadline: Int64) {
    self.order = order
    self.descriptor = descriptor
    self.deadline = deadline
    rest = order.byteCount
    phase = order.kind.isPut ? .receiving : .sending
  }

  /// Whose application it is: the user behind the prefix.
  var user: Substring { order.owner.split(separator: " ").dropFirst().first ?? "" }
}

/// Those of one process.
final class LentExchanges {
  var all: [UInt64: LentExchange] = [:]

  /// Whether there is room for one more of its kind, also for other users' when one has many.
  func takes(_ lent: LentExchange) -> Bool {
    let same = all.values.filter {
      $0.order.kind.isPut == lent.order.kind.isPut && $0.phase != .lingering
    }
    return same.count < Limits.lentExchangesMax
      && same.count { $0.user == lent.user } < Limits.lentExchangesPerUser
  }
}

/// Why nothing was kept, or is there: a word for the application.
struct LentRefusal: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
  init(_ refusal: StorageRefusal) { reason = refusal.rawValue }

  /// The URL does not lead to the application any more.
  static let claim = LentRefusal("claim")
  /// Too many are under way.
  static let busy = LentRefusal("busy")
  /// It took too long.
  static let late = LentRefusal("late")
  /// It is no HTTP/1 response.
  static let malformed = LentRefusal("malformed")
  /// It has another length than was announced.
  static let length = LentRefusal("length")
  /// This process has a successor, which is to be asked.
  static let superseded = LentRefusal("superseded")
  /// Clients get no answer of an application there.
  static let forbidden = LentRefusal("forbidden")
  /// The sites of the port depend on the address.
  static let addresses = LentRefusal("addresses")
  static let absent = LentRefusal("absent")
  static let variant = LentRefusal("variant")
  static let stale = LentRefusal("stale")
  static let range = LentRefusal("range")
}
