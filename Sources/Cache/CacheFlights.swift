// One miss, one fetch: which responses are being fetched, by whom, and who waits for them.

import Platform

/// Flights of all processes: a table in memory of its own, and for each process slot a descriptor
/// by which it is woken. Made by the master before its first fork. It takes no lock and remembers
/// nothing but flights; losing it costs only that some response is fetched twice.
///
/// A process that found nothing stored calls `begin`. When the flight is its own it looks up once
/// more, fetches, and calls `end`. When it is another's it calls `wait`, and polls its waker. That
/// ready, it drains that, and calls `wait` again for each flight it still waits for: false means
/// that it is over, so look up, and `begin` if nothing is stored. No wake-up is lost, but there are
/// needless ones.
///
/// A flight whose process dies is ended by the master (`clear`). One whose process does not go on
/// is taken over by whoever calls `begin` with an age that it exceeds: nobody tells a waiter when
/// that time has come, so it keeps a timer of its own.
package final class CacheFlights {
  /// Process slots, and with them descriptors.
  package static let slotCount = SlotLayout.slotCount
  /// Groups of eight: one whole line of heads each. With 500 flights a group is full once in a
  /// million times.
  private static let table = FlightTable(
    attached: 0, first: 64, groupCount: 1024, placesPerGroup: 8, maskWords: slotCount / 64)

  private let memory: FlightBoard
  /// This process's slot, nil before `attach`.
  package var processSlot: Int? { attachedSlot }
  private var attachedSlot: Int?

  /// `wakers`: for `slotCount` slots; others may wake processes by them too.
  package init(wakers: ProcessWakers) throws(SystemError) {
    memory = FlightBoard(
      region: try SharedRegion(anonymous: CacheFlights.table.byteCount), wakers: wakers)
  }

  /// Takes a process slot, in a fresh process, before anything else.
  package func attach(processSlot: Int) {
    attachedSlot = processSlot
    // What was meant for an earlier process.
    memory.wakers.drain(slot: processSlot)
    CacheFlights.table.attach(processSlot: processSlot, in: memory)
  }

  /// The name of a flight, for `begin`.
  package static func hash(key: UInt64, selector: UInt64) -> UInt64 {
    KeyHash.fold(key ^ KeyHash.odd0, selector ^ KeyHash.odd1)
  }

  /// Joins or begins the flight of what a hash names.
  ///
  /// - Parameters:
  ///   - ageMillisecondsMax: a flight older than this is taken over (`CacheLockMaxAge`). In steps
  ///     of an eighth of a second; 0 still leaves a flight that began in this one.
  ///   - now: `Clock.bootTicks`, of the present batch.
  package func begin(_ hash: UInt64, ageMillisecondsMax: Int, now: UInt64) -> FlightBeginning {
    guard let processSlot = attachedSlot else { return .parallel }
    let ticks = UInt64(max(0, ageMillisecondsMax)) * EntryTime.ticksPerSecond / 1000
    return CacheFlights.table.begin(
      hash, owner: processSlot, now: now, ageTicksMax: ticks, in: memory)
  }

  /// Whether a flight is still on. Then this process is woken when it ends.
  package func wait(for ticket: FlightTicket) -> Bool {
    guard let processSlot else { return false }
    return CacheFlights.table.wait(for: ticket, processSlot: processSlot, in: memory)
  }

  /// By which a flight of this process can be waited for too.
  package func ticket(of token: FlightToken) -> FlightTicket {
    FlightTicket(place: token.place, head: token.head)
  }

  /// Whether a flight that is over came to nothing because the application did not answer.
  package func hasFailed(_ ticket: FlightTicket) -> Bool {
    CacheFlights.table.hasFailed(ticket, in: memory)
  }

  /// Ends a flight of this process, and wakes who waits for it. False when it had been taken over
  /// meanwhile: what was fetched may be stored all the same.
  @discardableResult
  package func end(_ token: FlightToken, _ outcome: FlightOutcome, now: UInt64) -> Bool {
    CacheFlights.table.end(token, outcome, now: now, in: memory)
  }

  /// Ends all flights of a dead process; by the master, after reaping it. Its waiters, and all
  /// other processes, are woken.
  package func clear(processSlot: Int) {
    CacheFlights.table.clear(processSlot: processSlot, in: memory)
  }

  /// Flights now, for reports.
  package var flightCount: Int {
    (0..<CacheFlights.table.placeCount).count {
      FlightHead(raw: memory.loadSequential64(at: CacheFlights.table.head($0))).isOn
    }
  }
}

/// The real memory, and the real waking.
private struct FlightBoard: FlightMemory {
  let region: SharedRegion
  let wakers: ProcessWakers

  func loadSequential64(at offset: Int) -> UInt64 { region.loadSequential64(at: offset) }
  func compareExchangeSequential64(at offset: Int, expected: UInt64, desired: UInt64) -> Bool {
    region.compareExchangeSequential64(at: offset, expected: expected, desired: desired)
  }
  func exchange64(_ value: UInt64, at offset: Int) -> UInt64 {
    region.exchange64(value, at: offset)
  }
  func setBits64(_ bits: UInt64, at offset: Int) { region.setBits64(bits, at: offset) }
  func clearBits64(_ bits: UInt64, at offset: Int) { region.clearBits64(bits, at: offset) }
  func wake(processSlot: Int) { wakers.wake(slot: processSlot) }
}
