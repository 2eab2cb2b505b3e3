// Request queues as all processes see them: what each allows, who waits where, and the credits.

import Configuration
import Platform

/// A table of 128 queues, their credits, and for each of 256 process slots (and one for those that
/// are gone) a line for every queue. What a queue allows only the master can write; by the rest a
/// worker that was taken over can disturb requests' order and number, until the master takes that
/// back. Nobody waits for anybody, and whoever is killed in the middle of something leaves nothing
/// that the master cannot take back: a credit is a cell that names the process slot that holds it,
/// and a line belongs to one process.
///
/// A worker with a request calls `takeCredit`. Without one it lists the request among those that
/// wait in its process, tells `setWaiting`, and calls `takeCredit` once more: a credit that was
/// given back before everybody could see who waits wakes nobody. `giveBack` wakes the process whose
/// request has waited longest.
package final class QueueBoard: Sendable {
  package static let queueCountMax = Model.queueCountMax
  /// Requests of one queue that may be with its application at a time.
  package static let creditsMax = 1024
  static let slotCount = Scoreboard.slotCount
  static let departed = slotCount
  private static let recordBytes = 256
  private static let lineBytes = 128
  private static let recordsOffset = 4096
  private static let cellsOffset = recordsOffset + queueCountMax * recordBytes
  private static let linesOffset = cellsOffset + queueCountMax * creditsMax * 8

  /// Cells and lines, and of records the word `demand`.
  let region: SharedRegion
  /// How many slots were used, and the records.
  let rules: OwnedMemory
  let wakers: ProcessWakers?
  let masterEvent: EventDescriptor

  static let rulesBytes = cellsOffset
  static let regionBytes = linesOffset + (slotCount + 1) * queueCountMax * lineBytes

  /// `wakers`: nil where descriptors are too few; then those who wait look again and again.
  init(
    wakers: ProcessWakers?, rules: OwnedMemory, region: SharedRegion, masterEvent: EventDescriptor
  ) {
    self.wakers = wakers
    self.rules = rules
    self.region = region
    self.masterEvent = masterEvent
  }

  /// Whether processes are woken when it is their turn.
  package var wakes: Bool { wakers != nil }

  // MARK: Queues

  private enum Word: Int {
    case serial
    /// `QueueState`
    case state
    case credits
    /// How many cells are looked at: those above are free.
    case cells
    case lengthMax
    case bytesMax
    case ageMilliseconds
    /// `QueueOptions.flags`
    case flags
    /// The master was told that a request waits and nobody accepts. In `region`.
    case demand
    /// The user who owns it, and those who may delegate requests to it: each number plus 1.
    case owner
    case firstDelegator
  }

  @inline(__always)
  private func record(_ queue: Int, _ word: Word) -> Int {
    precondition(queue >= 0 && queue < QueueBoard.queueCountMax)
    return QueueBoard.recordsOffset &+ queue &* QueueBoard.recordBytes &+ word.rawValue &* 8
  }

  @inline(__always)
  private func load(_ queue: Int, _ word: Word) -> UInt64 {
    rules.shown.loadSequential64(at: record(queue, word))
  }

  @inline(__always)
  private func number(_ queue: Int, _ word: Word) -> Int { Int(clamping: load(queue, word)) }

  private func store(_ value: UInt64, _ queue: Int, _ word: Word) {
    rules.own.storeSequential64(value, at: record(queue, word))
  }

  /// Which queue has a place now; 0: none.
  package func serial(_ queue: Int) -> UInt64 { load(queue, .serial) }

  package func state(_ queue: Int) -> QueueState {
    QueueState(rawValue: load(queue, .state)) ?? .gone
  }

  /// Requests that may be with the application at a time.
  package func credits(_ queue: Int) -> Int { number(queue, .credits) }

  package func ageMilliseconds(_ queue: Int) -> Int64 { Int64(number(queue, .ageMilliseconds)) }

  /// How many cells there are to look at.
  func cellCount(_ queue: Int) -> Int { min(QueueBoard.creditsMax, number(queue, .cells)) }

  package func verbosity(_ queue: Int) -> QueueVerbosity {
    QueueVerbosity(rawValue: load(queue, .flags) & 3) ?? .limited
  }

  package func keepsAlive(_ queue: Int) -> Bool { load(queue, .flags) & 4 != 0 }

  /// Whether some process surely works on nothing, while a request is on its way to the queue: it
  /// takes its credit only a moment after others can see that. With other requests at work it may
  /// be counted too late: then one more is passed on than had to be, and none waits in vain.
  func hasIdleProcess(_ queue: Int) -> Bool {
    let concurrency = Int(clamping: load(queue, .flags) >> QueueOptions.concurrencyShift)
    let busy = max(1, active(queue))
    return busy.multipliedReportingOverflow(by: max(1, concurrency)).partialValue < credits(queue)
  }

  /// Begins a queue without credits at a free place. By the master only, like all that follows up
  /// to the credits.
  package func open(_ reference: QueueReference, _ options: QueueOptions) {
    let queue = reference.slot
    store(0, queue, .credits)
    forgetDemand(queue)
    for slot in 0...QueueBoard.departed where slot < slotsUsed || slot == QueueBoard.departed {
      for counter in QueueCounter.allCases {
        region.storeRelaxed64(0, at: line(slot, queue, counter.rawValue))
      }
    }
    setOptions(queue, options)
    store(QueueState.enabled.rawValue, queue, .state)
    store(UInt64(reference.user) + 1, queue, .owner)
    store(reference.serial, queue, .serial)
  }

  package func setOptions(_ queue: Int, _ options: QueueOptions) {
    store(UInt64(options.lengthMax), queue, .lengthMax)
    store(UInt64(options.bytesMax), queue, .bytesMax)
    store(UInt64(options.ageMilliseconds), queue, .ageMilliseconds)
    store(options.flags, queue, .flags)
    for number in 0..<QueueOptions.delegatorsMax {
      let user = number < options.delegators.count ? UInt64(options.delegators[number]) + 1 : 0
      rules.own.storeSequential64(user, at: record(queue, .firstDelegator) + number * 8)
    }
  }

  /// Whether applications of a user may give their requests to a queue: his own, or one that takes
  /// them of him.
  func mayDelegate(user number: UInt32, to target: Int) -> Bool {
    let user = UInt64(number) + 1
    if user == load(target, .owner) { return true }
    return (0..<QueueOptions.delegatorsMax).contains { number in
      rules.shown.loadSequential64(at: record(target, .firstDelegator) + number * 8) == user
    }
  }

  /// Those who wait are woken: what they are to do may have changed.
  package func setState(_ queue: Int, _ state: QueueState) {
    store(state.rawValue, queue, .state)
    wakeAll(queue)
  }

  /// At most `creditsMax`.
  package func setCredits(_ queue: Int, _ count: Int) {
    let count = min(max(0, count), QueueBoard.creditsMax)
    let held = (count..<max(count, cellCount(queue))).last {
      region.loadSequential64(at: cell(queue, $0)) != 0
    }
    store(UInt64(max(count, held.map { $0 + 1 } ?? 0)), queue, .cells)
    store(UInt64(count), queue, .credits)
    forgetDemand(queue)
    if count > 0 {
      wakeAll(queue)
    } else if oldest(queue) != nil {
      noteDemand(queue)
    }
  }

  /// The queue is no more; its place may be given to another one at once.
  package func close(_ queue: Int) {
    store(0, queue, .serial)
    store(QueueState.gone.rawValue, queue, .state)
    store(0, queue, .credits)
    wakeAll(queue)
  }

  /// What the master polls: `takeDemands` then.
  package var masterDescriptor: Descriptor { masterEvent.descriptor }

  /// Queues in which a request waits though nobody accepts: each once, until somebody does.
  package func takeDemands() -> [Int] {
    masterEvent.drain()
    return (0..<QueueBoard.queueCountMax).filter { queue in
      load(queue, .serial) != 0
        && region.compareExchange64(at: record(queue, .demand), expected: 1, desired: 2)
    }
  }

  /// Nobody could be told: the next request that waits says so again.
  package func forgetDemand(_ queue: Int) {
    region.storeSequential64(0, at: record(queue, .demand))
  }

  // MARK: Credits

  @inline(__always)
  func cell(_ queue: Int, _ index: Int) -> Int {
    precondition(queue >= 0 && queue < QueueBoard.queueCountMax)
    precondition(index >= 0 && index < QueueBoard.creditsMax)
    return QueueBoard.cellsOffset &+ (queue &* QueueBoard.creditsMax &+ index) &* 8
  }

  /// Returns a credit. True: the next in turn waits in this process; another one is woken.
  package func giveBack(_ reference: QueueReference, _ index: Int, slot: Int) -> Bool {
    let queue = reference.slot
    // Who was taken for dead, or whose queue has ended, has lost it: somebody else may have it.
    _ = region.compareExchangeSequential64(
      at: cell(queue, index), expected: CreditHolder(reference, slot).word, desired: 0)
    guard let next = oldest(queue)?.slot else { return false }
    if next == slot { return true }
    wakers?.wake(slot: next)
    return false
  }

  /// After a process has taken what it could: whoever else has waited longest is woken if there is
  /// still something for him. Who was woken before may have had less to do than was thought.
  package func passOn(_ queue: Int, slot: Int) {
    guard let next = oldest(queue, except: slot)?.slot, active(queue) < credits(queue) else {
      return
    }
    wakers?.wake(slot: next)
  }

  /// Credits in use.
  package func active(_ queue: Int) -> Int {
    let own = CreditHolder(QueueReference(slot: queue, serial: serial(queue), user: 0), 0).word
    return (0..<cellCount(queue)).count {
      region.loadSequential64(at: cell(queue, $0)) >> CreditHolder.slotBits == own
        >> CreditHolder.slotBits
    }
  }

  // MARK: Lines

  enum Line {
    static let waiting = 0
    /// When the oldest one came, monotonic microseconds; 0: none waits.
    static let oldest = 1
    static let bytes = 2
    /// As the first two, of those that wait for somebody else's fetch: they have no turn.
    static let shared = 14
    static let oldestShared = 15
  }

  @inline(__always)
  func line(_ slot: Int, _ queue: Int, _ word: Int) -> Int {
    precondition(slot >= 0 && slot <= QueueBoard.departed)
    precondition(queue >= 0 && queue < QueueBoard.queueCountMax)
    return QueueBoard.linesOffset
      &+ (slot &* QueueBoard.queueCountMax &+ queue) &* QueueBoard.lineBytes &+ word &* 8
  }

  /// What waits in a process; `oldest`: monotonic microseconds, 0 when nothing does.
  func setWaiting(_ queue: Int, slot: Int, count: Int, bytes: Int, oldest: UInt64) {
    region.storeRelaxed64(UInt64(count), at: line(slot, queue, Line.waiting))
    region.storeRelaxed64(UInt64(bytes), at: line(slot, queue, Line.bytes))
    region.storeSequential64(oldest, at: line(slot, queue, Line.oldest))
  }

  func setShared(_ queue: Int, slot: Int, count: Int, oldest: UInt64) {
    region.storeRelaxed64(UInt64(count), at: line(slot, queue, Line.shared))
    region.storeRelaxed64(oldest, at: line(slot, queue, Line.oldestShared))
  }

  /// When the request came that has waited longest, whatever for; 0: none does.
  package func oldestTicket(_ queue: Int) -> UInt64 {
    let shared = (0..<slotsUsed).map {
      region.loadRelaxed64(at: line($0, queue, Line.oldestShared))
    }
    return (shared + [oldest(queue)?.ticket ?? 0]).filter { $0 != 0 }.min() ?? 0
  }

  /// What waits in all processes.
  package func waiting(_ queue: Int) -> (count: Int, bytes: Int) {
    var count: UInt64 = 0
    var bytes: UInt64 = 0
    for slot in 0..<slotsUsed {
      count &+= region.loadRelaxed64(at: line(slot, queue, Line.waiting))
      count &+= region.loadRelaxed64(at: line(slot, queue, Line.shared))
      bytes &+= region.loadRelaxed64(at: line(slot, queue, Line.bytes))
    }
    return (Int(clamping: count), Int(clamping: bytes))
  }

  /// Whose request has waited longest, and since when.
  package func oldest(_ queue: Int, except own: Int? = nil) -> (slot: Int, ticket: UInt64)? {
    var first = (slot: -1, ticket: UInt64.max)
    for slot in 0..<slotsUsed where slot != own {
      let oldest = region.loadSequential64(at: line(slot, queue, Line.oldest))
      if oldest != 0, oldest < first.ticket { first = (slot, oldest) }
    }
    return first.slot < 0 ? nil : first
  }

  /// Whether a request of so many bytes is one too many.
  func isFull(_ queue: Int, adding bytes: Int) -> Bool {
    let waiting = waiting(queue)
    return waiting.count >= number(queue, .lengthMax)
      || waiting.bytes > number(queue, .bytesMax) - bytes
  }

  /// A request waits: if nobody accepts, the master is told, once.
  package func noteDemand(_ queue: Int) {
    guard credits(queue) == 0 else { return }
    if region.compareExchangeSequential64(
      at: record(queue, .demand), expected: 0, desired: 1)
    {
      masterEvent.signal()
    }
  }

  func count(_ counter: QueueCounter, _ reference: QueueReference, slot: Int) {
    guard serial(reference.slot) == reference.serial else { return }
    let offset = line(slot, reference.slot, counter.rawValue)
    region.storeRelaxed64(region.loadRelaxed64(at: offset) &+ 1, at: offset)
  }

  /// The sum over all processes, living and gone, since the queue began.
  package func total(_ counter: QueueCounter, _ queue: Int) -> UInt64 {
    var sum = region.loadRelaxed64(at: line(QueueBoard.departed, queue, counter.rawValue))
    for slot in 0..<slotsUsed {
      sum &+= region.loadRelaxed64(at: line(slot, queue, counter.rawValue))
    }
    return sum
  }

  func wakeAll(_ queue: Int) {
    for slot in 0..<slotsUsed
    where region.loadSequential64(at: line(slot, queue, Line.oldest)) != 0 {
      wakers?.wake(slot: slot)
    }
  }
}
