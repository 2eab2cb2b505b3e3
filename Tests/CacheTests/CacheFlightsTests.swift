// One miss, one fetch: flights begun, joined, ended, taken over; and between processes that die.

import Platform
import Testing

@testable import Cache

private func wakers() throws -> ProcessWakers {
  try ProcessWakers(slotCount: CacheFlights.slotCount)
}

extension CacheFlights {
  fileprivate static func attached(
    _ slot: Int = 3, _ wakers: ProcessWakers? = nil
  ) throws -> CacheFlights {
    let flights = try CacheFlights(wakers: wakers ?? CacheTests.wakers())
    flights.attach(processSlot: slot)
    return flights
  }

  fileprivate func start(
    _ hash: UInt64, ageMax: Int = 5_000, at now: UInt64 = 1_000
  ) -> FlightBeginning {
    begin(hash, ageMillisecondsMax: ageMax, now: now)
  }

  fileprivate func token(_ hash: UInt64, at now: UInt64 = 1_000) -> FlightToken? {
    guard case .mine(let token) = start(hash, at: now) else { return nil }
    return token
  }

  fileprivate func ticket(_ hash: UInt64, at now: UInt64 = 1_000) -> FlightTicket? {
    guard case .others(let ticket) = start(hash, at: now) else { return nil }
    return ticket
  }
}

private func name(_ number: Int) -> UInt64 {
  CacheFlights.hash(key: UInt64(number) &* 0x9e37_79b9_7f4a_7c15, selector: 0)
}

@Suite struct CacheFlightsTests {
  @Test func `the first to miss fetches, the others wait until that ends`() throws {
    let wakers = try wakers()
    let flights = try CacheFlights.attached(3, wakers)
    let token = try #require(flights.token(name(1)))
    let ticket = try #require(flights.ticket(name(1)))
    #expect(ticket.owner == 3)
    #expect(flights.token(name(2)) != nil)
    #expect(flights.flightCount == 2)
    #expect(flights.wait(for: ticket))
    #expect(!EventDescriptorProbe.isReadable(wakers, 3))
    #expect(flights.end(token, .stored, now: 1_000))
    #expect(EventDescriptorProbe.isReadable(wakers, 3))
    wakers.drain(slot: 3)
    #expect(!EventDescriptorProbe.isReadable(wakers, 3))
    #expect(!flights.wait(for: ticket))
    #expect(!flights.end(token, .stored, now: 1_000))
    #expect(flights.token(name(1)) != nil)
  }

  @Test func `who comes too late to be woken is told so`() throws {
    let wakers = try wakers()
    let flights = try CacheFlights.attached(3, wakers)
    let token = try #require(flights.token(name(1)))
    let ticket = try #require(flights.ticket(name(1)))
    #expect(flights.end(token, .failed, now: 1_000))
    #expect(!flights.wait(for: ticket))
    #expect(!EventDescriptorProbe.isReadable(wakers, 3))
    // Another flight at the same place is not the one that was waited for.
    #expect(flights.token(name(1)) != nil)
    #expect(!flights.wait(for: ticket))
  }

  @Test func `what could not be shared is fetched in parallel for a while`() throws {
    let flights = try CacheFlights.attached()
    let token = try #require(flights.token(name(1)))
    #expect(flights.end(token, .notStorable(parallelMilliseconds: 1_000), now: 1_000))
    #expect(flights.start(name(1), at: 1_000) == .parallel)
    #expect(flights.start(name(1), at: 1_007) == .parallel)
    #expect(flights.flightCount == 0)
    #expect(flights.token(name(2)) != nil)
    let next = try #require(flights.token(name(1), at: 1_008))
    // Never longer than five minutes.
    #expect(flights.end(next, .notStorable(parallelMilliseconds: .max / 16), now: 1_008))
    #expect(flights.start(name(1), at: 1_008 + 2_399) == .parallel)
    #expect(flights.token(name(1), at: 1_008 + 2_400) != nil)
  }

  @Test(arguments: [1_000, (1 << 22) - 20, (1 << 40) - 10] as [UInt64])
  func `an old flight is taken over, also where the clock's bits wrap`(start: UInt64) throws {
    let flights = try CacheFlights.attached()
    let token = try #require(flights.token(name(1), at: start))
    let ticket = try #require(flights.ticket(name(1), at: start + 40))
    #expect(flights.ticket(name(1), at: start - 3) != nil, "a clock that is behind")
    guard case .mine(let second) = flights.start(name(1), at: start + 41) else {
      Issue.record("not taken over")
      return
    }
    #expect(!flights.wait(for: ticket))
    #expect(!flights.end(token, .stored, now: start + 42))
    #expect(flights.flightCount == 1)
    #expect(flights.end(second, .stored, now: start + 42))
    #expect(flights.flightCount == 0)
  }

  @Test func `a full group fetches in parallel, and what is only marked gives way`() throws {
    let flights = try CacheFlights.attached()
    // The lower bits choose the group, the upper ones tell keys apart in it.
    func sameGroup(_ number: Int) -> UInt64 { 5 | UInt64(number + 1) << 32 }
    let tokens = try (0..<8).map { try #require(flights.token(sameGroup($0))) }
    #expect(flights.start(sameGroup(8)) == .parallel)
    #expect(flights.ticket(sameGroup(7)) != nil)
    for token in tokens {
      #expect(flights.end(token, .notStorable(parallelMilliseconds: 60_000), now: 1_000))
    }
    #expect(flights.start(sameGroup(3)) == .parallel)
    #expect(flights.token(sameGroup(8)) != nil)
    #expect(flights.flightCount == 1)
  }

  @Test func `a dead process's flights end, and all are woken`() throws {
    let wakers = try wakers()
    let flights = try CacheFlights.attached(3, wakers)
    let token = try #require(flights.token(name(1)))
    flights.attach(processSlot: 200)
    let ticket = try #require(flights.ticket(name(1)))
    let own = try #require(flights.token(name(2)))
    #expect(flights.wait(for: ticket))
    flights.clear(processSlot: 3)
    #expect(EventDescriptorProbe.isReadable(wakers, 200))
    wakers.drain(slot: 200)
    #expect(!flights.wait(for: ticket))
    #expect(!flights.end(token, .stored, now: 1_000))
    #expect(flights.end(own, .stored, now: 1_000))
  }
}

private enum EventDescriptorProbe {
  static func isReadable(_ wakers: ProcessWakers, _ slot: Int) -> Bool {
    let number = wakers.descriptor(slot: slot).number
    guard let poller = try? Poller(),
      (try? poller.add(number, token: 1, interest: .readable)) != nil
    else { return false }
    return poller.wait(timeoutMilliseconds: 0) == 1
  }
}

/// Words of the torture: who fetches a key, and what went wrong or right.
private enum Place {
  static let wrongs = 0
  static let timeouts = 8
  static let fetches = 16
  static let waits = 24
  static func owner(_ key: Int) -> Int { 64 + key * 8 }
}

extension CacheProcessTests {
  @Suite(.serialized) struct CacheFlightTortureTests {
    private static let keyCount = 3
    private static let slotCount = 5

    /// Fetches and waits until it is killed.
    private func labour(
      _ slot: Int, _ flights: CacheFlights, _ wakers: ProcessWakers, _ board: SharedRegion
    ) {
      flights.attach(processSlot: slot)
      let own = wakers.descriptor(slot: slot).number
      guard let poller = try? Poller(),
        (try? poller.add(own, token: 1, interest: .readable)) != nil
      else { return }
      var chance = Chance(state: UInt64(TestProcess.pid) &* 0x9e37_79b9)
      while true {
        let key = chance.below(Self.keyCount)
        switch flights.begin(name(key), ageMillisecondsMax: 60_000, now: Clock.bootTicks()) {
        case .mine(let token):
          fetch(key, slot, board, &chance)
          let outcome = chance.below(8) == 0 ? FlightOutcome.failed : .stored
          if !flights.end(token, outcome, now: Clock.bootTicks()) {
            board.fetchAdd64(1, at: Place.wrongs)
          }
        case .others(let ticket):
          while flights.wait(for: ticket) {
            board.fetchAdd64(1, at: Place.waits)
            if poller.wait(timeoutMilliseconds: 5_000) == 0 {
              board.fetchAdd64(1, at: Place.timeouts)
              return
            }
            wakers.drain(slot: slot)
          }
        case .parallel: board.fetchAdd64(1, at: Place.wrongs)
        }
      }
    }

    private func fetch(_ key: Int, _ slot: Int, _ board: SharedRegion, _ chance: inout Chance) {
      let place = Place.owner(key)
      let mine = UInt64(slot + 1)
      if !board.compareExchange64(at: place, expected: 0, desired: mine) {
        board.fetchAdd64(1, at: Place.wrongs)
      }
      board.fetchAdd64(1, at: Place.fetches)
      TestProcess.pause(microseconds: UInt32(chance.below(200)))
      if !board.compareExchange64(at: place, expected: mine, desired: 0) {
        board.fetchAdd64(1, at: Place.wrongs)
      }
    }

    @Test func `one fetches at a time, and nobody waits for the dead`() throws {
      let wakers = try wakers()
      let flights = try CacheFlights(wakers: wakers)
      let board = try SharedRegion(anonymous: 4096)
      let kept = Set((0..<CacheFlights.slotCount).map { wakers.descriptor(slot: $0).number })
      func start(_ slot: Int) -> Int32 {
        TestProcess.fork(keeping: kept) { labour(slot, flights, wakers, board) }
      }
      var processes = (0..<Self.slotCount).map(start)
      var chance = Chance(state: 4711)
      for _ in 0..<150 {
        TestProcess.pause(microseconds: UInt32(2_000 + chance.below(8_000)))
        let slot = chance.below(Self.slotCount)
        TestProcess.kill(processes[slot])
        TestProcess.wait(processes[slot])
        for key in 0..<Self.keyCount {
          _ = board.compareExchange64(
            at: Place.owner(key), expected: UInt64(slot + 1), desired: 0)
        }
        flights.clear(processSlot: slot)
        processes[slot] = start(slot)
      }
      for process in processes { TestProcess.kill(process) }
      for process in processes { TestProcess.wait(process) }
      for slot in 0..<Self.slotCount { flights.clear(processSlot: slot) }
      #expect(board.loadRelaxed64(at: Place.wrongs) == 0)
      #expect(board.loadRelaxed64(at: Place.timeouts) == 0)
      #expect(board.loadRelaxed64(at: Place.fetches) > 500)
      #expect(board.loadRelaxed64(at: Place.waits) > 100)
      #expect(flights.flightCount == 0)
      print(
        "flights: \(board.loadRelaxed64(at: Place.fetches)) fetches, "
          + "\(board.loadRelaxed64(at: Place.waits)) waits")
    }
  }
}
