// The life of an application's processes, as pure steps.

import Testing

@testable import Programs

struct ProgramMachineTests {
  @Test func `it starts, and each end takes its credits away`() {
    var bench = Bench(opens: false) { $0.processes = 2 }
    let all = ServerAbilities(words: ["processes", "watch", "statistics"])
    #expect(bench.send(.opened(all)) == [.start, .start, .accept(1), .accept(2)])
    bench.now += 5_000
    // The first time at once: the credit goes and comes with the process.
    let done = bench.send(.ended(101, "killed", isClean: false))
    #expect(done == [.start, .accept(1), .accept(2)])
    // It is the same failure: so is the other one.
    #expect(bench.send(.ended(102, "killed", isClean: false)) == done)
    #expect(bench.send(.ended(103, "killed", isClean: false)) == [.accept(1)])
    #expect(bench.machine.nextDeadline == bench.now + 1_000)
    #expect(bench.pass(1_000) == [.start, .accept(2)])
  }

  @Test func `new ones serve before old ones rest and end`() {
    var bench = Bench { $0.processes = 2 }
    _ = bench.pass(10_000)
    #expect(bench.send(.recycle) == [.start, .start])
    #expect(bench.machine.processes == [101, 102, 103, 104])
    #expect(bench.pass(1_999) == [])
    // Requests wait for a moment in which none is with a process.
    #expect(bench.pass(1) == [.accept(0), .askStatistics])
    #expect(bench.statistics(active: 1) == [])
    #expect(bench.pass(100) == [.askStatistics])
    #expect(bench.statistics() == [.terminate(101), .terminate(102), .accept(2)])
    #expect(bench.send(.ended(101, "", isClean: true)) == [])
    #expect(bench.pass(29_999) == [])
    #expect(bench.pass(1) == [.kill(102)])
    #expect(bench.send(.ended(102, "", isClean: false)) == [])
    #expect(bench.machine.processes == [103, 104])
  }

  @Test func `a long request is waited for again and again, and others wait at the end only`() {
    var bench = Bench()
    _ = bench.pass(10_000)
    _ = bench.send(.recycle)
    for wait: Int64 in [2_000, 6_000, 6_000, 6_000] {
      #expect(bench.pass(wait) == [.accept(0), .askStatistics])
      #expect(bench.statistics(active: 1) == [])
      #expect(bench.pass(2_000) == [.accept(1)])
    }
    // Half a minute (StopTimeout) after the first time, and as long.
    #expect(bench.pass(6_000) == [.accept(0), .askStatistics])
    #expect(bench.statistics(active: 1) == [])
    #expect(bench.pass(29_999) == [.askStatistics])
    #expect(bench.pass(1) == [.terminate(101), .accept(1)])
    // The next time it begins anew.
    _ = bench.send(.ended(101, "", isClean: true))
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.pass(2_000) == [.accept(1)])
    _ = bench.pass(6_000)
    #expect(bench.statistics() == [.terminate(102), .accept(1)])
  }

  @Test func `old ones go on when a new one ends in the very moment of their own end`() {
    var bench = Bench()
    _ = bench.pass(10_000)
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.send(.ended(102, "killed", isClean: false)) == [.start, .accept(1)])
    #expect(bench.statistics() == [])
    #expect(bench.machine.processes == [101, 103])
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.statistics() == [.terminate(101), .accept(1)])
  }

  @Test func `a short queue is not filled for it`() {
    var bench = Bench { $0.queueLength = 10 }
    _ = bench.pass(10_000)
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.statistics(active: 1, waiting: 4) == [])
    #expect(bench.statistics(active: 1, waiting: 5) == [.accept(1)])
    #expect(bench.pass(30_000) == [.accept(0), .askStatistics])
    #expect(bench.statistics(active: 1, waiting: 5) == [.terminate(101), .accept(1)])
    // One in which nothing can wait is only watched.
    bench = Bench { $0.queueLength = 0 }
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.askStatistics])
    #expect(bench.statistics(active: 1) == [])
    #expect(bench.pass(29_000) == [.askStatistics])
    #expect(bench.statistics() == [.terminate(101)])
  }

  @Test func `who may not take time to stop is given none`() {
    var bench = Bench { $0.stopMilliseconds = 0 }
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.pass(0) == [.terminate(101), .accept(1)])
  }

  @Test func `a server that counts no processes is no obstacle`() {
    var bench = Bench(abilities: ["register", "unregister", "attach"]) { $0.isOnDemand = true }
    #expect(bench.machine.processes == [101])
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.terminate(101)])
  }

  @Test func `who asks again meanwhile gets another replacement afterwards`() {
    var bench = Bench()
    _ = bench.pass(5_000)
    #expect(bench.send(.recycle) == [.start])
    #expect(bench.send(.recycle) == [])
    _ = bench.pass(2_000)
    #expect(bench.statistics() == [.terminate(101), .start, .accept(1)])
    _ = bench.pass(2_000)
    #expect(bench.statistics().contains(.terminate(102)))
    #expect(bench.machine.processes == [103])
  }

  @Test func `five failures take it offline, and recycle starts it anew`() {
    var bench = Bench()
    for _ in 0..<4 {
      _ = bench.send(.ended(bench.lastProcess, "exited", isClean: false))
      _ = bench.pass(4_000)
    }
    #expect(bench.lastProcess == 105)
    #expect(bench.send(.ended(105, "exited", isClean: false)) == [.offline, .accept(0)])
    #expect(bench.machine.phase == .offline)
    #expect(bench.pass(600_000) == [])
    #expect(bench.send(.recycle) == [.online, .start, .accept(1)])
  }

  @Test func `who asks for a replacement is told when it is done, or why it is not`() {
    var bench = Bench()
    _ = bench.pass(5_000)
    _ = bench.send(.recycle)
    _ = bench.pass(2_000)
    _ = bench.statistics()
    _ = bench.pass(9_000)
    #expect(bench.outcomes == [])
    _ = bench.send(.ended(101, "", isClean: true))
    #expect(bench.outcomes == ["done"])
    // The one that is there ends by itself: the new one must have lived, too.
    _ = bench.send(.recycle)
    _ = bench.send(.ended(102, "", isClean: true))
    #expect(bench.outcomes == ["done"])
    #expect(bench.machine.nextDeadline == bench.now + 2_000)
    _ = bench.pass(2_000)
    #expect(bench.outcomes == ["done", "done"])
    bench.startFails = true
    _ = bench.send(.recycle)
    for _ in 0..<10 { _ = bench.pass(1_000) }
    #expect(bench.outcomes.count == 3 && bench.outcomes[2].contains("go on"))
    _ = bench.send(.recycle)
    _ = bench.send(.stop)
    #expect(bench.outcomes.last == "it is stopped")
    var sleeping = Bench { $0.isOnDemand = true }
    _ = sleeping.send(.recycle)
    #expect(sleeping.outcomes == ["done"])
  }

  @Test func `what ends at once is one failure, and who is healthy goes on`() {
    var bench = Bench { $0.processes = 6 }
    _ = bench.pass(10_000)
    for process: Int32 in 101...105 {
      bench.now += 100
      _ = bench.send(.ended(process, "killed", isClean: false))
    }
    #expect(bench.machine.phase == .running)
    #expect(bench.machine.processes == [106, 107, 108, 109, 110, 111])
    #expect(bench.machine.failures.count == 1)
    // Four more, far enough apart: nobody who serves ends, and new ones are rarely tried.
    for _ in 0..<4 {
      _ = bench.pass(5_000)
      _ = bench.send(.ended(bench.lastProcess, "killed", isClean: false))
    }
    #expect(bench.machine.phase == .running)
    #expect(bench.machine.processes == [106, 107, 108, 109, 110])
    #expect(bench.pass(59_999) == [])
    #expect(bench.pass(1).contains(.start))
    // When nobody is left, it is over.
    for process: Int32 in bench.machine.processes {
      _ = bench.send(.ended(process, "killed", isClean: false))
    }
    #expect(bench.machine.phase == .offline)
  }

  @Test(arguments: [1, 2, 64])
  func `what cannot start is tried for some seconds, however many there are to be`(_ count: Int) {
    var bench = Bench(opens: false) { $0.processes = count }
    bench.startFails = true
    let began = bench.now
    _ = bench.send(.opened(ServerAbilities(words: ["processes", "offline", "online"])))
    while bench.machine.phase == .running, let deadline = bench.machine.nextDeadline {
      bench.now = max(bench.now + 1, deadline)
      _ = bench.send(.tick)
    }
    #expect(bench.machine.phase == .offline)
    #expect(bench.now - began == 8_000)
  }

  @Test func `failures far apart, and clean ends of old processes, are none`() {
    var bench = Bench()
    for _ in 0..<20 {
      _ = bench.pass(100_000)
      _ = bench.send(.ended(bench.lastProcess, "killed", isClean: false))
      _ = bench.pass(4_000)
    }
    for _ in 0..<20 {
      _ = bench.pass(2_000)
      _ = bench.send(.ended(bench.lastProcess, "exited", isClean: true))
      _ = bench.pass(4_000)
    }
    #expect(bench.machine.phase == .running)
    #expect(bench.machine.processes.count == 1)
  }

  @Test func `a replacement that does not come up leaves the old ones serving`() {
    var bench = Bench()
    _ = bench.pass(10_000)
    bench.startFails = true
    _ = bench.send(.recycle)
    for _ in 0..<10 { _ = bench.pass(1_000) }
    #expect(bench.machine.phase == .running)
    #expect(bench.machine.processes == [101])
    #expect(bench.pass(600_000) == [])
  }

  @Test func `a replacement that ends while the old ones rest leaves them serving`() {
    var bench = Bench()
    _ = bench.pass(10_000)
    _ = bench.send(.recycle)
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.send(.ended(102, "exited", isClean: false)) == [.start, .accept(1)])
    #expect(bench.statistics() == [])
    #expect(bench.machine.processes == [101, 103])
    // The next one stays, and takes its place.
    #expect(bench.pass(2_000) == [.accept(0), .askStatistics])
    #expect(bench.statistics() == [.terminate(101), .accept(1)])
  }

  @Test func `a replacement of which a part does not come up ends, and the old ones go on`() {
    var bench = Bench { $0.processes = 2 }
    _ = bench.pass(10_000)
    _ = bench.send(.recycle)
    for _ in 0..<5 {
      _ = bench.send(.ended(bench.lastProcess, "exited", isClean: false))
      _ = bench.pass(5_000)
    }
    #expect(bench.said.last?.hasSuffix("those that ran before go on") == true)
    #expect(bench.machine.processes == [101, 102, 103])
    var actions: [ProgramAction] = []
    for _ in 0..<10 { actions += bench.pass(1_000) + bench.statistics() }
    #expect(actions.contains(.terminate(103)) && !actions.contains(.terminate(101)))
    #expect(bench.machine.processes == [101, 102])
  }

  @Test func `a waiting request wakes it, and it goes to rest without one`() {
    var bench = Bench {
      $0.isOnDemand = true
      $0.idleStopMilliseconds = 5_000
    }
    #expect(bench.machine.phase == .asleep)
    #expect(bench.send(.recycle) == [])
    #expect(bench.send(.demand) == [.start, .accept(1)])
    #expect(bench.send(.demand) == [])
    #expect(bench.pass(1_000) == [.askStatistics])
    #expect(bench.statistics(served: 1) == [])
    #expect(bench.pass(4_000) == [.askStatistics])
    #expect(bench.statistics(served: 2) == [])
    #expect(bench.pass(5_000) == [.askStatistics])
    #expect(bench.statistics(served: 2) == [.accept(0), .askStatistics])
    // One came at the last moment.
    #expect(bench.statistics(waiting: 1, served: 2) == [.accept(1)])
    #expect(bench.pass(5_000) == [.askStatistics])
    #expect(bench.statistics(served: 3) == [])
    #expect(bench.pass(5_000) == [.askStatistics])
    #expect(bench.statistics(served: 3) == [.accept(0), .askStatistics])
    #expect(bench.statistics(served: 3) == [.terminate(101)])
    #expect(bench.machine.phase == .asleep)
    _ = bench.send(.ended(101, "", isClean: false))
    #expect(bench.send(.demand) == [.start, .accept(1)])
  }

  @Test func `a request that waited before it had a session starts it`() {
    var bench = Bench(opens: false) { $0.isOnDemand = true }
    #expect(bench.send(.demand) == [])
    let all = ServerAbilities(words: ["processes", "watch", "statistics"])
    #expect(bench.send(.opened(all)) == [.start, .accept(1)])
  }

  @Test func `requests, age and memory have their limits, with jitter`() {
    var bench = Bench {
      $0.processes = 2
      $0.recycleRequests = 100
      $0.recycleAgeMilliseconds = 1_000_000
      $0.recycleMemoryBytes = 1 << 30
    }
    let limits = bench.machine.members.map { $0.requestsMax ?? 0 }
    #expect(limits.allSatisfy { (90...110).contains($0) } && limits[0] != limits[1])
    _ = bench.pass(2_000)
    _ = bench.statistics(served: 0)
    #expect(bench.statistics(served: 179) == [])
    // One after the other.
    #expect(bench.statistics(served: 221) == [.start])
    #expect(bench.statistics(served: 2_000) == [])
    _ = bench.pass(2_000)
    #expect(bench.statistics(served: 2_000).starts(with: [.terminate(101), .accept(2)]))
    #expect(bench.statistics(served: 2_000) == [.start])
    _ = bench.pass(2_000)
    _ = bench.statistics(served: 2_000)
    #expect(bench.machine.processes == [103, 104])
    #expect(bench.send(.memory([103: 2 << 30, 104: 1 << 20, 9: 4 << 30])) == [.start])
    _ = bench.pass(2_000)
    #expect(bench.statistics(served: 2_000).contains(.terminate(103)))
    #expect(bench.pass(1_200_000).count(where: { $0 == .start }) == 1)
  }

  @Test func `a failed ping names who may hang, and all of them are replaced`() {
    var bench = Bench {
      $0.ping = ProgramPing(path: "/")
      $0.ping?.failuresMax = 1
      $0.processes = 2
    }
    _ = bench.pass(10_000)
    bench.said = []
    _ = bench.send(.pinged(.failed("status 500")))
    #expect(
      bench.said.first
        == "ping 1 of 1 failed: status 500 (one of the processes 101, 102: they share a socket, so"
        + " it cannot be told which)")
    #expect(bench.said.last == "the processes are replaced: not all of them answer")
    _ = bench.pass(2_000)
    #expect(bench.machine.processes == [103, 104])
  }

  @Test func `another session means another socket, so other processes`() {
    var bench = Bench()
    _ = bench.pass(5_000)
    #expect(bench.send(.lost) == [])
    #expect(bench.send(.ended(101, "killed", isClean: false)) == [])
    #expect(bench.send(.opened(ServerAbilities(words: ["processes"]))) == [.start, .accept(1)])
    #expect(bench.send(.lost) == [])
    #expect(bench.send(.opened(ServerAbilities(words: ["processes"]))) == [.start, .accept(1)])
    #expect(bench.pass(2_000) == [.terminate(102)])
    // The same socket: the same processes.
    _ = bench.send(.lost)
    let all = ServerAbilities(words: ["processes"])
    #expect(bench.send(.opened(all, keepsSocket: true)) == [.accept(1)])
    #expect(bench.machine.processes == [103])
  }

  @Test func `it stops when nothing is in flight, the second time at once`() {
    var bench = Bench()
    #expect(bench.send(.stop) == [.giveBack, .askStatistics])
    #expect(bench.statistics(active: 1) == [])
    #expect(bench.send(.stop) == [.terminate(101), .accept(0)])
    #expect(bench.send(.ended(101, "", isClean: true)) == [.finished])
    #expect(bench.machine.phase == .finished)
  }

  @Test func `when it stops what waits is served as long as the queue moves`() {
    var bench = Bench()
    #expect(bench.send(.stop) == [.giveBack, .askStatistics])
    #expect(bench.statistics(active: 1, waiting: 5) == [])
    for served in 1...4 {
      #expect(bench.pass(1_900) == [.askStatistics])
      #expect(bench.statistics(active: 1, waiting: 5 - served, served: served) == [])
    }
    #expect(bench.pass(1_999) == [.askStatistics])
    #expect(bench.statistics(active: 1, waiting: 1, served: 4) == [])
    #expect(bench.pass(100) == [.askStatistics])
    // Nobody gets to it; what is at work goes on.
    #expect(bench.statistics(active: 1, waiting: 1, served: 4) == [.offline])
    #expect(bench.pass(5_000) == [.askStatistics])
    #expect(bench.statistics(active: 1, served: 4) == [])
    #expect(bench.pass(20_000) == [.terminate(101), .accept(0)])
    #expect(bench.pass(30_000) == [.kill(101)])
  }

  @Test func `other settings take effect at once where they can`() {
    var bench = Bench { $0.processes = 3 }
    _ = bench.pass(5_000)
    var settings = bench.machine.settings
    settings.processes = 2
    #expect(bench.send(.changed(settings)) == [.accept(2), .accept(0), .askStatistics].suffix(2))
    #expect(bench.statistics() == [.terminate(101), .accept(2)])
    settings.environment["X"] = "1"
    #expect(bench.send(.changed(settings)) == [.start, .start])
  }
}
