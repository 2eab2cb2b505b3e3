// When to start again, and when to believe a heartbeat.

import Testing

@testable import Master

@Test func `a worker that dies quickly is started again after longer and longer waits`() {
  var backOff = BackOff()
  let expected: [Int64] = [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
  for delay in expected { #expect(backOff.delay(afterLiving: 5) == delay) }
  #expect(backOff.delay(afterLiving: 30_000) == 0)
  #expect(backOff.delay(afterLiving: 5) == 100)
}

@Test func `heartbeats are not judged by a master that slept itself`() {
  var clock = HeartbeatClock()
  var judged = (0..<5).map { clock.mayJudge(now: 100_000 + $0 * 1_000) }
  #expect(judged == [false, false, false, true, true])
  let again = clock.mayJudge(now: 104_500)
  #expect(!again, "once a second is enough")
  judged = (0..<5).map { clock.mayJudge(now: 200_000 + $0 * 1_000) }
  #expect(judged == [false, false, false, true, true])
}
