// How often each user may have done what costs everybody: at once for the first times, then slower
// and slower, up to a limit. Pure.

/// A pace for each user. Times are monotonic microseconds.
package struct UserPaces: Sendable {
  /// How many times are free; one comes back in a second.
  package let freeCount: Int64
  /// Between two that are free.
  package let pauseMicroseconds: Int64
  /// Beyond those the pause doubles from here on, up to the maximum.
  package static let slowMicroseconds: Int64 = 10_000
  package static let slowMicrosecondsMax: Int64 = 1_000_000
  private static let secondMicroseconds: Int64 = 1_000_000
  private static let usersMax = 256

  private struct Pace {
    /// One second for each time; what lies beyond now is not paid yet.
    var paidUntil: Int64
    var nextAt: Int64
  }
  private var paces: [UInt32: Pace] = [:]

  package init(freeCount: Int64, pauseMicroseconds: Int64) {
    self.freeCount = freeCount
    self.pauseMicroseconds = pauseMicroseconds
  }

  /// When it is a user's turn again; 0: at once.
  package func nextAt(_ user: UInt32) -> Int64 { paces[user]?.nextAt ?? 0 }

  /// The earliest of some; 0 without any.
  package func nextAt(_ users: Set<UInt32>) -> Int64 { users.map { nextAt($0) }.min() ?? 0 }

  /// It was done for a user now.
  package mutating func count(_ user: UInt32, now: Int64) {
    if paces.count >= Self.usersMax { paces = paces.filter { $0.value.paidUntil > now } }
    let second = Self.secondMicroseconds
    let steps = Self.slowMicrosecondsMax / Self.slowMicroseconds
    let debtMax = (freeCount + Int64(Int64.bitWidth - steps.leadingZeroBitCount) + 1) * second
    let paid = min(max(paces[user]?.paidUntil ?? now, now) + second, now + debtMax)
    let beyond = (paid - now - 1) / second - freeCount
    var pause = pauseMicroseconds
    if beyond >= 0 {
      pause = min(Self.slowMicroseconds << min(beyond, 32), Self.slowMicrosecondsMax)
    }
    paces[user] = Pace(paidUntil: paid, nextAt: now + max(pause, pauseMicroseconds))
  }

  package var userCount: Int { paces.count }
}
