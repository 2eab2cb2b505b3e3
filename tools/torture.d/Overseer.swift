// The master's part: starts processes, kills, stops and resumes them, clears up after them.

import Cache
import Platform

/// A process at work.
private struct Child {
  var pid: Int32
  var fate: Fate
  /// When it is to be resumed, microseconds; nil while it runs.
  var resumeAt: Int64?
}

/// One round: a store, its processes, and their deaths.
final class Overseer {
  private let store: CacheStore
  private let ledger: Ledger
  private var chance: Chance
  private var children: [Child?]
  /// By slot: when the dead process's slot is cleared and the next one starts.
  private var clearAt: [Int64?]
  private(set) var kills = 0

  private static let signalKill: Int32 = 9
  private static let signalContinue: Int32 = 18
  private static let signalStop: Int32 = 19
  /// How long a process may take to end in order.
  private static let finishMicroseconds: Int64 = 20_000_000

  init(_ store: CacheStore, _ ledger: Ledger, processes: Int, seed: UInt64) {
    self.store = store
    self.ledger = ledger
    chance = Chance(seed: seed)
    children = [Child?](repeating: nil, count: processes)
    clearAt = [Int64?](repeating: nil, count: processes)
  }

  private var now: Int64 { Clock.monotonicMicroseconds() }

  /// Lets processes work and die until so many have been killed, the time is over, or something
  /// was found to be wrong.
  func run(kills wanted: Int, until deadline: Int64) throws {
    for slot in children.indices { try start(slot) }
    var nextKill = now
    var nextStop = now
    while kills < wanted && now < deadline && ledger[.complaints] == 0 {
      try reap(restarting: true)
      wake()
      if now >= nextKill {
        nextKill = now + Int64(chance.below(8000))
        if let victim = victim() { ChildProcess.signal(victim.pid, Overseer.signalKill) }
      }
      if now >= nextStop {
        nextStop = now + Int64(chance.below(500_000))
        stopOne()
      }
      OwnProcess.pause(microseconds: 200)
    }
  }

  /// Everybody ends in order, with nothing held; whoever cannot is a failure.
  func finish() throws {
    ledger.isFinishing = true
    defer { ledger.isFinishing = false }
    let deadline = now + Overseer.finishMicroseconds
    while children.contains(where: { $0 != nil }) || clearAt.contains(where: { $0 != nil }) {
      try reap(restarting: false)
      // All: one may have been resumed an instant before it stopped itself.
      for child in children { if let child { resume(child) } }
      if now > deadline {
        for (slot, child) in children.enumerated() where child != nil {
          ledger.complain(.didNotFinish, slot: slot, [])
        }
        try killAll()
      }
      OwnProcess.pause(microseconds: 200)
    }
  }

  /// Everybody dies at once, and nobody clears up: as when a machine's memory runs out.
  func killAll() throws {
    for child in children { if let child { ChildProcess.signal(child.pid, Overseer.signalKill) } }
    for (slot, child) in children.enumerated() {
      guard let child else { continue }
      note(slot, ChildProcess.wait(for: child.pid) ?? .exited(1))
      children[slot] = nil
    }
  }

  // MARK: Single processes

  private func start(_ slot: Int) throws {
    // The first lives through the whole round: what it does must never take long.
    let fate = slot == 0 ? Fate.spared : someFate()
    let seed = chance.next()
    switch try ChildProcess.fork() {
    case .child: work(slot, fate, seed)
    case .parent(let pid): children[slot] = Child(pid: pid, fate: fate)
    }
  }

  private func someFate() -> Fate {
    switch chance.below(16) {
    case 0..<6: return .inSection
    case 6..<8: return .inRecovery
    case 8..<11: return .holding
    case 11 where chance.below(4) == 0: return .stopsInSection
    default: return .outside
    }
  }

  /// The child's life.
  private func work(_ slot: Int, _ fate: Fate, _ seed: UInt64) -> Never {
    let parent = OwnProcess.parent
    store.attach(processSlot: slot)
    let labourer = Labourer(store, ledger, slot: slot, fate: fate, seed: seed)
    let store = store
    store.interruption = { labourer.doom.inside(store) }
    var steps = 0
    while !ledger.isFinishing {
      labourer.step()
      steps += 1
      if steps & 63 == 0 && OwnProcess.parent != parent { ChildProcess.exit(1) }
    }
    labourer.finish()
    ChildProcess.exit(0)
  }

  private func victim() -> Child? {
    children[1 + chance.below(children.count - 1)]
  }

  /// Takes the dead away. Their slots are cleared at once, or after a while: what they held stays
  /// held till then.
  private func reap(restarting: Bool) throws {
    while let (pid, end) = ChildProcess.reap() {
      guard let slot = children.firstIndex(where: { $0?.pid == pid }) else { continue }
      children[slot] = nil
      note(slot, end)
      clearAt[slot] = chance.below(16) == 0 ? now + Int64(chance.below(50_000)) : now
    }
    for slot in clearAt.indices {
      guard let due = clearAt[slot], now >= due || !restarting else { continue }
      clearAt[slot] = nil
      store.clearProcessSlot(slot)
      if restarting { try start(slot) }
    }
  }

  private func note(_ slot: Int, _ end: ProcessEnd) {
    switch end {
    case .killed(Overseer.signalKill): kills += 1
    case .exited(0): break
    case .exited(let code): ledger.complain(.endedBadly, slot: slot, [0, UInt64(code)])
    case .killed(let signal): ledger.complain(.endedBadly, slot: slot, [UInt64(signal)])
    }
  }

  // MARK: Stops

  private func stopOne() {
    let slot = 1 + chance.below(children.count - 1)
    guard let child = children[slot], child.resumeAt == nil else { return }
    ledger.noteStop(slot)
    ChildProcess.signal(child.pid, Overseer.signalStop)
    stopped(slot)
  }

  /// Up to a second, most much less.
  private func stopped(_ slot: Int) {
    children[slot]?.resumeAt = now + Int64(chance.spread(1000, 1_000_000))
  }

  private func wake() {
    for slot in children.indices {
      // A stop that a dead process announced may be read as its successor's: then that one is
      // resumed though it was not stopped.
      if ledger.takeOwnStop(slot) { stopped(slot) }
      if let child = children[slot], let due = child.resumeAt, now >= due {
        children[slot]?.resumeAt = nil
        resume(child)
      }
    }
  }

  private func resume(_ child: Child) {
    ChildProcess.signal(child.pid, Overseer.signalContinue)
  }
}
