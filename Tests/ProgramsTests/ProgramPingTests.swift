// Which unanswered pings say that an application hangs, as pure steps.

import Testing

@testable import Programs

struct ProgramPingTests {
  @Test func `processes that do not answer are replaced and killed`() {
    var bench = Bench { $0.ping = ProgramPing(path: "/") }
    for count in 1...3 {
      #expect(bench.pass(10_000) == [.askStatistics, .ping])
      #expect(bench.statistics() == [])
      #expect(bench.pass(10_000) == [])
      #expect(bench.send(.pinged(.unanswered("no answer"))) == [.askStatistics])
      #expect(bench.statistics() == (count < 3 ? [] : [.start]))
    }
    #expect(bench.pass(2_000) == [.kill(101)])
    #expect(bench.machine.processes == [102])
  }

  @Test func `no answer of those that are all at work is no failure, as long as they get on`() {
    var bench = Bench {
      $0.ping = ProgramPing(path: "/")
      $0.ping?.busyMilliseconds = 60_000
    }
    func failPing(_ bench: inout Bench, active: Int, served: Int, failed: Int = 0) -> Int {
      _ = bench.pass(10_000)
      _ = bench.statistics(active: active, served: served, failed: failed)
      bench.now += 5_000
      _ = bench.send(.pinged(.unanswered("no answer")))
      _ = bench.statistics(active: active, served: served, failed: failed)
      return bench.machine.pingFailures
    }
    for served in 1...20 { #expect(failPing(&bench, active: 1, served: served) == 0) }
    for _ in 0..<3 { #expect(failPing(&bench, active: 1, served: 20) == 0) }
    #expect(failPing(&bench, active: 1, served: 20) == 1)
    #expect(failPing(&bench, active: 1, served: 20) == 2)
    // A request that had no answer in time tells it sooner, and none before the last progress.
    #expect(failPing(&bench, active: 1, served: 21, failed: 1) == 2)
    #expect(failPing(&bench, active: 1, served: 21, failed: 1) == 2)
    bench.machine.isPinging = true
    _ = bench.send(.pinged(.passed))
    #expect(failPing(&bench, active: 1, served: 21, failed: 2) == 1)
    #expect(failPing(&bench, active: 1, served: 21, failed: 2) == 2)
    // A bad answer is one, whoever is at work.
    _ = bench.pass(10_000)
    _ = bench.statistics(active: 1, served: 21)
    #expect(bench.send(.pinged(.failed("status 500"))) == [.start])
  }

  @Test func `one ping is waited for as long as all are at work`() {
    var bench = Bench { $0.ping = ProgramPing(path: "/") }
    _ = bench.pass(10_000)
    for served in 1...3 {
      _ = bench.statistics(active: 1, served: served)
      #expect(bench.send(.pinged(.late)) == [.askStatistics])
      _ = bench.statistics(active: 1, served: served)
      #expect(bench.pass(10_000) == [])
    }
    _ = bench.send(.pinged(.passed))
    #expect(bench.pass(10_000) == [.askStatistics, .ping])
  }

  @Test func `who had work when it was asked may have finished it too late`() {
    var bench = Bench { $0.ping = ProgramPing(path: "/") }
    _ = bench.pass(10_000)
    _ = bench.statistics(active: 1)
    _ = bench.send(.pinged(.unanswered("no answer")))
    _ = bench.statistics(active: 0, served: 1)
    #expect(bench.machine.pingFailures == 0)
  }

  @Test func `those that never answer a ping are given up as those that crash are`() {
    var bench = Bench {
      $0.ping = ProgramPing(path: "/")
      $0.ping?.failuresMax = 1
    }
    for count in 1...5 {
      #expect(bench.machine.phase == .running)
      for _ in 0..<20 where !bench.machine.isPinging { _ = bench.pass(1_000) }
      _ = bench.statistics()
      bench.now += 10_000
      _ = bench.send(.pinged(.unanswered("no answer")))
      let done = bench.statistics()
      if count == 5 { #expect(done == [.kill(bench.lastProcess), .offline, .accept(0)]) }
    }
    #expect(bench.machine.phase == .offline)
  }
}
