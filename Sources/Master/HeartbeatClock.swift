// When heartbeats may be judged: not after the master itself has slept.

/// A frozen server (SIGSTOP, a paused container, a suspended machine) finds on waking that all
/// heartbeats are old. They say nothing before the workers had their turn too.
struct HeartbeatClock {
  private var checkedAt: Int64 = 0
  private var runningSince: Int64 = 0

  /// True about once a second, while the master has been running long enough.
  mutating func mayJudge(now: Int64) -> Bool {
    guard now - checkedAt >= Limits.heartbeatCheckMilliseconds else { return false }
    if now - checkedAt > Limits.heartbeatPauseMilliseconds { runningSince = now }
    checkedAt = now
    return now - runningSince >= Limits.heartbeatPauseMilliseconds
  }
}
