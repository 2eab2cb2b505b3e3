// Several processes at work in one small store while they are killed and stopped at any moment.
//
// Rounds: each in a segment in /dev/shm, of one, two or four shards in turn. A round ends with all
// processes ending in order, or with all killed at once and the segment opened anew, as after a
// crash of everything; then the store is looked at as a whole.

import ArgumentParser
import Cache
import Platform

@main
struct Torture: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "torture",
    abstract: "Kills processes at any moment of their work in Ring3's store.",
    discussion: """
      Ends with a line of counts and 'N passed, N failed', by rounds. What the processes do \
      follows from the seed; how they meet does not.
      """)

  @Option(help: "Processes to be killed; 2000 without --minutes.") var kills: Int?
  @Option(help: "Minutes after which no more are killed.") var minutes: Double?
  @Option(help: "Where the numbers begin that everything is drawn from.") var seed: UInt64 = 1
  @Option(help: "Processes at once: one is spared, the others die.") var processes = 6

  func validate() throws {
    guard (2...Ledger.slotCount - 2).contains(processes) else {
      throw ValidationError("--processes must be from 2 to \(Ledger.slotCount - 2)")
    }
  }

  func run() throws {
    let isTimed = kills == nil && minutes != nil
    let wanted = kills ?? (isTimed ? Int.max : 2000)
    let roundKills = isTimed ? 2500 : min(2500, max(100, wanted / 6))
    let start = Clock.monotonicMicroseconds()
    let deadline = minutes.map { start + Int64($0 * 60_000_000) } ?? Int64.max
    var course = try Course(seed: seed, processes: processes)
    defer { course.removeSegments() }
    while course.kills < wanted && Clock.monotonicMicroseconds() < deadline
      && course.failed == 0
    {
      try course.round(kills: min(roundKills, wanted - course.kills), until: deadline)
    }
    if wanted >= 2000 && !isTimed && course.failed == 0 { course.expectVariety() }
    print(course.summary(microseconds: Clock.monotonicMicroseconds() - start))
    print("\(course.passed) passed, \(course.failed) failed")
    if course.failed > 0 { throw ExitCode.failure }
  }
}

/// All rounds of one run.
struct Course {
  private let seed: UInt64
  private let processes: Int
  private let ledger: Ledger
  private var chance: Chance
  private var number = 0
  private(set) var kills = 0
  private(set) var passed = 0
  private(set) var failed = 0
  private var recoveries = 0
  private var restarts = 0
  private var evictions = 0
  private var refusedBusy = 0
  private var refusedInvalidated = 0

  /// MiB, and the largest body that shall fit: 1, 2 and 4 shards.
  private static let shapes: [(mebibytes: Int, objectBytesMax: Int)] = [
    (8, 512 << 10), (8, 1 << 20), (16, 512 << 10),
  ]

  init(seed: UInt64, processes: Int) throws {
    self.seed = seed
    self.processes = processes
    chance = Chance(seed: seed)
    ledger = try Ledger()
  }

  private func segmentName(_ shape: Int) -> String {
    "ring3-torture-\(ChildProcess.currentIdentifier)-\(shape)"
  }

  func removeSegments() {
    for shape in Course.shapes.indices { SharedMemoryObject.unlink(segmentName(shape)) }
  }

  private func open(_ shape: Int) throws -> CacheStore {
    try CacheStore.open(
      name: segmentName(shape), byteCount: Course.shapes[shape].mebibytes << 20,
      objectBytesMax: Course.shapes[shape].objectBytesMax)
  }

  mutating func round(kills wanted: Int, until deadline: Int64) throws {
    number += 1
    let shape = number % Course.shapes.count
    let endsInOrder = number % 2 == 0
    let roundSeed = chance.next()
    var faults: [String] = []
    let before = ledger.complaintsInWords.count
    try {
      let store = try open(shape)
      let earlier = store.statistics
      let overseer = Overseer(store, ledger, processes: processes, seed: roundSeed)
      try overseer.run(kills: wanted, until: deadline)
      if endsInOrder {
        try overseer.finish()
        faults += inspect(store)
      } else {
        try overseer.killAll()
      }
      kills += overseer.kills
      add(store.statistics, since: earlier)
    }()
    if !endsInOrder {
      restarts += 1
      let store = try open(shape)
      let isKept = store.statistics.entries > 0
      faults += inspect(store)
      if !isKept { faults.append("after the death of all, no entry was kept") }
    }
    faults += ledger.complaintsInWords.dropFirst(before)
    if faults.isEmpty {
      passed += 1
    } else {
      failed += 1
      print("round \(number), \(Course.shapes[shape].mebibytes) MiB, seed \(seed):")
      for fault in faults.prefix(20) { print("  \(fault)") }
    }
  }

  private func inspect(_ store: CacheStore) -> [String] {
    var inspection = Inspection(store, ledger)
    inspection.run()
    return inspection.faults
  }

  private mutating func add(_ later: CacheStatistics, since earlier: CacheStatistics) {
    recoveries += later.recoveries - earlier.recoveries
    evictions += later.evictions - earlier.evictions
    refusedBusy += later.refusedBusy - earlier.refusedBusy
    refusedInvalidated += later.refusedInvalidated - earlier.refusedInvalidated
  }

  /// That everything that was to happen has happened.
  mutating func expectVariety() {
    for tally in Tally.allCases where !tally.isFault && tally != .walks && ledger[tally] == 0 {
      print("no \(tally)")
      failed += 1
    }
    if recoveries == 0 || evictions == 0 || refusedBusy == 0 {
      print("no recoveries, evictions or refusals")
      failed += 1
    }
  }

  func summary(microseconds: Int64) -> String {
    // Each death with a shard locked makes its next owner recover it, and each death in that again.
    let inSections = max(recoveries + ledger[.deathsInRecoveries], ledger[.deathsInSections])
    let seconds = Double(max(1, microseconds)) / 1_000_000
    return "torture: \(kills) kills (\(Int(Double(kills) / seconds)) a second), of them "
      + "\(inSections) inside critical sections, \(ledger[.deathsInRecoveries]) inside recoveries, "
      + "\(ledger[.deathsHolding]) between operations with holds; "
      + "\(ledger[.stopsInSections]) stops inside critical sections; "
      + "\(recoveries) recoveries, \(restarts) restarts after the death of all; "
      + "\(ledger[.operations]) steps, \(ledger[.hits]) hits, \(ledger[.fills]) fills, "
      + "\(ledger[.publishes]) published, \(evictions) evictions, "
      + "\(ledger[.invalidations]) invalidations, \(refusedInvalidated) fills refused by them, "
      + "\(ledger[.pins]) pins, \(ledger[.aliases]) aliases, \(ledger[.negatives]) negatives, "
      + "\(ledger[.walks]) walks, \(refusedBusy) refused busy; "
      + "wrong bytes \(ledger[.wrongBytes]), complaints \(ledger[.complaints]); "
      + "longest operation \(ledger.longestMicroseconds) us of processor time; seed \(seed)"
  }
}
