// What all processes know together, in memory beside the store: counts, versions, complaints.

import Cache
import Platform

/// What went wrong.
enum Complaint: UInt64, CaseIterable {
  case wrongBytes = 1
  case wrongAlias, wrongNegative, invalidatedButGood, staleButGood, tooMuchProcessorTime, tooLong
  case invariants, endedBadly, didNotFinish

  var words: String {
    switch self {
    case .wrongBytes: return "an entry with wrong bytes (page, variant, version)"
    case .wrongAlias: return "an alias that means another page (page)"
    case .wrongNegative: return "a negative answer with wrong bytes (page)"
    case .invalidatedButGood:
      return "good after a hard invalidation that had returned (page, version, least allowed)"
    case .staleButGood:
      return "good after a soft invalidation that had returned (page, version, least allowed)"
    case .tooMuchProcessorTime: return "an operation of too much processor time (name, us)"
    case .tooLong: return "an operation that took too long, not stopped (name, us, of it queued)"
    case .invariants: return "the store's books were wrong while others worked (faults)"
    case .endedBadly: return "a process ended by a signal that nobody sent (signal)"
    case .didNotFinish: return "a process did not finish (slot)"
    }
  }
}

/// Counts over all processes, dead ones too; `rawValue` is the place.
enum Tally: Int, CaseIterable {
  case operations, hits, fills, publishes, invalidations, pins, walks, aliases, negatives
  case deathsInSections, deathsInRecoveries, deathsHolding, stopsInSections
  case wrongBytes, complaints

  /// What must never be counted.
  var isFault: Bool { self == .wrongBytes || self == .complaints }
}

/// The shared region. Words are 32 bits where order matters: those operations acquire and release.
struct Ledger: Sendable {
  let region: SharedRegion

  static let slotCount = 64
  private static let versionPlace = 0
  private static let finishPlace = 4
  private static let tallies = 64
  private static let longest = tallies + Tally.allCases.count * 8
  private static let complaintsKept = 16
  private static let complaintWords = 6
  private static let complaints = 512
  /// Per process slot, a cache line: how often stopped; when it stopped itself.
  private static let slots = complaints + complaintsKept * complaintWords * 8
  /// Per target: the versions up to which soft and hard invalidations have returned.
  private static let floors = slots + slotCount * 64

  init() throws {
    region = try SharedRegion(anonymous: Ledger.floors + Target.count * 8)
  }

  func note(_ tally: Tally, _ amount: Int = 1) {
    region.fetchAdd64(UInt64(amount), at: Ledger.tallies + tally.rawValue * 8)
  }

  subscript(tally: Tally) -> Int {
    Int(region.loadRelaxed64(at: Ledger.tallies + tally.rawValue * 8))
  }

  /// A version higher than all before.
  func newVersion() -> UInt32 { region.fetchAdd32(1, at: Ledger.versionPlace) &+ 1 }

  /// The highest version yet.
  var version: UInt32 { region.loadAcquire32(at: Ledger.versionPlace) }

  /// Whether processes shall end by themselves.
  var isFinishing: Bool {
    get { region.loadAcquire32(at: Ledger.finishPlace) != 0 }
    nonmutating set { region.storeRelease32(newValue ? 1 : 0, at: Ledger.finishPlace) }
  }

  /// Microseconds of processor time of the longest operation yet.
  var longestMicroseconds: UInt64 { region.loadRelaxed64(at: Ledger.longest) }

  func noteOperation(microseconds: UInt64) {
    var old = longestMicroseconds
    while old < microseconds
      && !region.compareExchange64(at: Ledger.longest, expected: old, desired: microseconds)
    {
      old = longestMicroseconds
    }
  }

  // MARK: Complaints

  func complain(_ complaint: Complaint, slot: Int, _ details: [UInt64]) {
    if [.wrongBytes, .wrongAlias, .wrongNegative].contains(complaint) { note(.wrongBytes) }
    let place = Int(region.fetchAdd64(1, at: Ledger.tallies + Tally.complaints.rawValue * 8))
    guard place < Ledger.complaintsKept else { return }
    let words = [complaint.rawValue, UInt64(slot)] + details.prefix(4)
    // The first word last: it says that the others are there.
    for index in words.indices.reversed() {
      region.storeRelease64(
        words[index], at: Ledger.complaints + (place * Ledger.complaintWords + index) * 8)
    }
  }

  var complaintsInWords: [String] {
    (0..<Ledger.complaintsKept).compactMap { place in
      let words = (0..<Ledger.complaintWords).map {
        region.loadAcquire64(at: Ledger.complaints + (place * Ledger.complaintWords + $0) * 8)
      }
      guard let complaint = Complaint(rawValue: words[0]) else { return nil }
      let details = words.dropFirst(2).map { "\($0)" }.joined(separator: ", ")
      return "slot \(words[1]): \(complaint.words): \(details)"
    }
  }

  // MARK: Stops

  /// How often the process in a slot was, or is about to be, stopped.
  func stops(_ slot: Int) -> UInt32 { region.loadAcquire32(at: Ledger.slots + slot * 64) }
  func noteStop(_ slot: Int) { region.fetchAdd32(1, at: Ledger.slots + slot * 64) }

  /// A process that stopped itself asks to be resumed; true once for each stop.
  func takeOwnStop(_ slot: Int) -> Bool {
    region.exchange32(0, at: Ledger.slots + slot * 64 + 4) != 0
  }
  func announceOwnStop(_ slot: Int) {
    noteStop(slot)
    region.storeRelease32(1, at: Ledger.slots + slot * 64 + 4)
  }

  // MARK: Invalidations

  /// Notes that an invalidation has returned: no version up to `version` may be good any more.
  func raiseFloor(_ target: Int, hard: Bool, to version: UInt32) {
    let place = Ledger.floors + target * 8 + (hard ? 4 : 0)
    var old = region.loadAcquire32(at: place)
    while old < version
      && !region.compareExchange32(at: place, expected: old, desired: version)
    {
      old = region.loadAcquire32(at: place)
    }
  }

  /// The highest versions of a page that may not be good: to be read before the entry.
  func floors(_ page: Page) -> (soft: UInt32, hard: UInt32) {
    var floors: (soft: UInt32, hard: UInt32) = (0, 0)
    for target in Target.all(of: page) {
      let place = Ledger.floors + target * 8
      floors.soft = max(floors.soft, region.loadAcquire32(at: place))
      floors.hard = max(floors.hard, region.loadAcquire32(at: place + 4))
    }
    return floors
  }
}

/// The targets of invalidation, numbered.
enum Target {
  private static let hosts = 1
  private static let directories = hosts + Page.hostCount
  // A directory is another one on each host.
  private static let labels = directories + Page.directoryCount * Page.hostCount
  private static let files = labels + Page.labelCount
  private static let pages = files + Page.fileCount
  static let count = pages + Page.count

  /// All that a page belongs to.
  static func all(of page: Page) -> [Int] {
    var all = [
      0, hosts + page.number % Page.hostCount,
      directories + page.number % Page.hostCount * Page.directoryCount + page.directory,
      files + page.file, pages + page.number,
    ]
    if !page.labels.isEmpty { all.append(labels + page.label) }
    return all
  }

  /// One of a page's targets, the narrow ones most often.
  static func one(of page: Page, _ chance: inout Chance, _ store: CacheStore) -> (Int, CacheTarget)
  {
    let host = page.number % Page.hostCount
    switch chance.below(100) {
    case 0: return (0, .everything)
    case 1..<4: return (hosts + host, .host(page.host))
    case 4..<14:
      return (
        directories + host * Page.directoryCount + page.directory,
        .subtree(
          authority: Page.authority, host: page.host, path: Page.directoryPath(page.directory))
      )
    case 14..<24 where !page.labels.isEmpty:
      return (labels + page.label, .label(Page.labelName(page.label)))
    case 24..<40:
      return (files + page.file, .file(store.fileStamp(Page.filePath(page.file).rawSpan)))
    default:
      return (
        pages + page.number,
        .resource(authority: Page.authority, host: page.host, target: page.path)
      )
    }
  }
}
