// How long to wait before a process that died is started again.

/// Pure: at once the first time, then 100 ms, doubling to 10 s while it dies quickly; forgotten
/// when a process lived for 30 s.
package struct BackOff: Equatable, Sendable {
  private var quickDeaths = 0

  package init() {}

  /// The waiting time after a process died that lived for `lived` milliseconds.
  package mutating func delay(afterLiving lived: Int64) -> Int64 {
    if lived >= Limits.backOffForgetMilliseconds { quickDeaths = 0 }
    defer { quickDeaths += 1 }
    if quickDeaths == 0 { return 0 }
    let doublings = min(quickDeaths - 1, 10)
    return min(Limits.backOffFirstMilliseconds << doublings, Limits.backOffMaxMilliseconds)
  }
}
