// The flight protocol in every order, with death at every place.

import Testing

@testable import Cache

/// The properties: no key has two flights, unless one was taken over for its age; whoever waits
/// goes on; nothing stays at a place. The processes run the functions of FlightProtocol.swift;
/// modelled are the store, one word that says whether the response is there, and waking.
@Suite(.serialized) struct FlightModelTests {
  /// One group of two places; the last word is the store.
  private static let table = FlightTable(
    attached: 0, first: 8, groupCount: 1, placesPerGroup: 2, maskWords: 1)
  private static let stored = table.byteCount
  private static let now: UInt64 = 100
  private static let key: UInt64 = 7 << 32
  private static let otherKey: UInt64 = 8 << 32

  private enum At {
    static let look = 0
    static let begin = 1
    static let wait = 2
    static let sleep = 3
    static let lookAgain = 4
    static let fetch = 5
    static let end = 6
    static let fetchAlone = 7
    static let stuck = 8
  }

  /// A process that needs the response. The variants are wrong, to see that the model notices.
  private struct Client: Sendable {
    var slot: Int
    var isMortal = false
    var hasTimer = false
    var outcome = FlightOutcome.stored
    var key = FlightModelTests.key
    var looksAgain = true
    var claims = true
    var wakesFirst = false
    /// Goes on alone when what it waited for has failed.
    var heedsFailure = false
    /// It must not come to need another flight.
    var mustSeeFailure = false

    private func begin(
      _ memory: FlightModelMemory, _ locals: inout FlightLocals
    ) throws(Interruption) -> FlightBeginning {
      if !claims { return try beginAtOnce(memory) }
      return try FlightModelTests.table.begin(
        key, owner: slot, now: locals.isOutOfPatience ? 200 : FlightModelTests.now,
        ageTicksMax: 50, in: memory)
    }

    /// Takes the first empty place without looking at the others again: wrong.
    private func beginAtOnce(_ memory: FlightModelMemory) throws(Interruption) -> FlightBeginning {
      let table = FlightModelTests.table
      for _ in 0..<4 {
        var free: (Int, FlightHead)?
        for place in 0..<2 {
          let head = FlightHead(raw: try memory.loadSequential64(at: table.head(place)))
          if head.isOn && head.tag == key >> 32 {
            return .others(FlightTicket(place: place, head: head.raw))
          }
          if !head.isOn && free == nil { free = (place, head) }
        }
        guard let (place, head) = free else { return .parallel }
        let flight = head.next(.claimed, owner: slot, time: 100, tag: key >> 32).become(.flying)
        if try memory.compareExchangeSequential64(
          at: table.head(place), expected: head.raw, desired: flight.raw)
        {
          return .mine(FlightToken(place: place, head: flight.raw))
        }
      }
      return .parallel
    }

    private func wait(
      _ ticket: FlightTicket, _ memory: FlightModelMemory
    ) throws(Interruption) -> Bool {
      let table = FlightModelTests.table
      if looksAgain { return try table.wait(for: ticket, processSlot: slot, in: memory) }
      guard try memory.loadSequential64(at: table.head(ticket.place)) == ticket.head else {
        return false
      }
      try memory.setBits64(1 << UInt64(slot), at: table.waiters(ticket.place, word: 0))
      return true
    }

    private func end(
      _ token: FlightToken, _ memory: FlightModelMemory
    ) throws(Interruption) {
      let table = FlightModelTests.table
      if wakesFirst {
        let bits = try memory.exchange64(0, at: table.waiters(token.place, word: 0))
        for slot in 0..<3 where bits & 1 << UInt64(slot) != 0 {
          try memory.wake(processSlot: slot)
        }
        _ = try memory.compareExchangeSequential64(
          at: table.head(token.place), expected: token.head, desired: 0)
        return
      }
      _ = try table.end(token, outcome, now: FlightModelTests.now, in: memory)
    }

    var program: FlightProgram {
      let stored = FlightModelTests.stored
      let stages: [FlightStage] = [
        FlightStage { memory, _ throws(Interruption) in
          try memory.perform(.load(stored)) != 0 ? nil : At.begin
        },
        FlightStage { memory, locals throws(Interruption) in
          switch try begin(memory, &locals) {
          case .mine(let token):
            locals.token = token
            return At.lookAgain
          case .others(let ticket):
            locals.ticket = ticket
            return At.wait
          case .parallel: return nil
          }
        },
        FlightStage { memory, locals throws(Interruption) in
          guard let ticket = locals.ticket else { return nil }
          if try wait(ticket, memory) { return At.sleep }
          guard heedsFailure else { return At.look }
          if try FlightModelTests.table.hasFailed(ticket, in: memory) { return At.fetchAlone }
          return mustSeeFailure ? At.stuck : At.look
        },
        FlightStage { memory, locals throws(Interruption) in
          let isTimer =
            try memory.perform(
              .awaitWaking(slot: slot, hasTimer: hasTimer && !locals.isOutOfPatience)) != 0
          guard isTimer else { return At.wait }
          // Once; then it has all the patience that is needed.
          locals.isOutOfPatience = true
          return At.begin
        },
        FlightStage { memory, _ throws(Interruption) in
          try memory.perform(.load(stored)) != 0 ? At.end : At.fetch
        },
        FlightStage { memory, locals throws(Interruption) in
          if outcome == .stored { try memory.perform(.setBits(stored, 1)) }
          locals.hasFetched = true
          return At.end
        },
        FlightStage { memory, locals throws(Interruption) in
          if let token = locals.token { try end(token, memory) }
          return nil
        },
        FlightStage { _, locals throws(Interruption) in
          locals.hasFetched = true
          return nil
        },
        FlightStage { memory, _ throws(Interruption) in
          try memory.perform(.awaitEnd(slot))
          return nil
        },
      ]
      return FlightProgram(
        stages: stages, owning: At.lookAgain...At.end, isMortal: isMortal)
    }
  }

  /// Client 0's flight, for programs that begin with it.
  private static let flight =
    FlightHead(raw: 0).next(.flying, owner: 0, time: now, tag: key >> 32).raw

  /// Has the flight.
  private func fetching(_ client: Client) -> FlightProgram {
    var program = client.program
    program.stage = At.lookAgain
    program.locals.token = FlightToken(place: 0, head: Self.flight)
    return program
  }

  /// Waits for it.
  private func waiting(_ client: Client) -> FlightProgram {
    var program = client.program
    program.stage = At.sleep
    program.locals.ticket = FlightTicket(place: 0, head: Self.flight)
    return program
  }

  /// Holds a place for another key, and lets go of it.
  private func stranger(_ slot: Int) -> FlightProgram {
    let token = FlightToken(place: 0, head: Self.strangersFlight)
    return FlightProgram(stages: [
      FlightStage { memory, _ throws(Interruption) in
        _ = try Self.table.end(token, .failed, now: Self.now, in: memory)
        return nil
      }
    ])
  }
  private static let strangersFlight =
    FlightHead(raw: 0).next(.flying, owner: 9, time: now, tag: otherKey >> 32).raw

  /// Waits for the end of process 0 and clears its slot 0.
  private var master: FlightProgram {
    FlightProgram(stages: [
      FlightStage { memory, _ throws(Interruption) in
        try memory.perform(.awaitEnd(0))
        return 1
      },
      FlightStage { memory, _ throws(Interruption) in
        try Self.table.clear(processSlot: 0, in: memory)
        return nil
      },
    ])
  }

  private func explore(
    _ name: String, _ programs: [FlightProgram], attached: UInt64 = 7, flight: UInt64 = 0,
    waiters: UInt64 = 0, ownersMax: Int = 1
  ) -> (fault: String?, fetches: Set<Int>) {
    var words = [UInt64](repeating: 0, count: Self.stored / 8 + 1)
    words[Self.table.attached / 8] = attached
    words[Self.table.head(0) / 8] = flight
    words[Self.table.waiters(0, word: 0) / 8] = waiters
    var explorer = FlightExplorer(words: words, programs)
    explorer.explore(ownersMax: ownersMax) { words in
      let heads = (0..<2).map { FlightHead(raw: words[Self.table.head($0) / 8]) }
      return heads.contains { $0.isOn } ? "a flight is left" : nil
    }
    print("flight model: \(name): \(explorer.stateCount) states, fetches \(explorer.fetches)")
    return (explorer.violation, explorer.fetches)
  }

  @Test func `a response is fetched once, and all who wait go on`() {
    let two = explore("2", [Client(slot: 0).program, Client(slot: 1).program])
    #expect(two.fault == nil)
    #expect(two.fetches == [1])
    let three = explore("3", (0..<3).map { Client(slot: $0).program })
    #expect(three.fault == nil)
    #expect(three.fetches == [1])
  }

  @Test func `two places that become free at the same time are not two flights`() {
    let found = explore(
      "2, stranger", [stranger(2), Client(slot: 0).program, Client(slot: 1).program],
      flight: Self.strangersFlight)
    #expect(found.fault == nil)
    #expect(found.fetches == [1])
  }

  @Test func `what cannot be shared lets everybody go`() {
    for outcome in [
      FlightOutcome.failed, .abandoned, .notStorable(parallelMilliseconds: 1000),
    ] {
      let found = explore(
        "2, \(outcome)", (0..<2).map { Client(slot: $0, outcome: outcome).program })
      #expect(found.fault == nil)
    }
  }

  @Test func `who waited for what has failed waits for nobody else`() {
    let all = explore(
      "failed, 2 waiting",
      [fetching(Client(slot: 0, outcome: .failed))]
        + (1...2).map {
          waiting(Client(slot: $0, outcome: .failed, heedsFailure: true, mustSeeFailure: true))
        }, flight: Self.flight, waiters: 6)
    #expect(all.fault == nil)
    #expect(all.fetches == [3])
    // Somebody else may begin anew at the same place, before or after that is seen.
    let more = explore(
      "failed, 1 waiting, 1 coming",
      [
        fetching(Client(slot: 0, outcome: .failed)),
        waiting(Client(slot: 1, outcome: .failed, heedsFailure: true)),
        Client(slot: 2, outcome: .failed, heedsFailure: true).program,
      ], flight: Self.flight, waiters: 2)
    #expect(more.fault == nil)
    let abandoned = explore(
      "abandoned, seen as failed",
      [
        fetching(Client(slot: 0, outcome: .abandoned)),
        waiting(Client(slot: 1, heedsFailure: true, mustSeeFailure: true)),
      ], flight: Self.flight, waiters: 2)
    #expect(abandoned.fault?.contains("is stuck") == true)
  }

  @Test func `nobody waits for the dead`() {
    let two = explore(
      "mortal, 1", [Client(slot: 0, isMortal: true).program, Client(slot: 1).program, master])
    #expect(two.fault == nil)
    let three = explore(
      "mortal, 2 waiting",
      [
        fetching(Client(slot: 0, isMortal: true)), waiting(Client(slot: 1)),
        waiting(Client(slot: 2)), master,
      ], flight: Self.flight, waiters: 6)
    #expect(three.fault == nil)
  }

  @Test func `an old flight is taken over, and its owner's late end does no harm`() {
    for outcome in [FlightOutcome.stored, .failed, .abandoned] {
      let found = explore(
        "timer, \(outcome)",
        [
          fetching(Client(slot: 0, outcome: outcome)),
          waiting(Client(slot: 1, hasTimer: true, outcome: outcome)),
          waiting(Client(slot: 2, outcome: outcome)),
        ], flight: Self.flight, waiters: 6, ownersMax: 2)
      #expect(found.fault == nil)
    }
  }

  @Test func `the model sees what each step is for`() {
    let forgetful = explore(
      "no second look", [Client(slot: 0).program, Client(slot: 1, looksAgain: false).program])
    #expect(forgetful.fault?.contains("is stuck") == true)
    let early = explore(
      "waking first", [Client(slot: 0, wakesFirst: true).program, Client(slot: 1).program])
    #expect(early.fault?.contains("is stuck") == true)
    let greedy = explore(
      "no claim",
      [
        stranger(2), Client(slot: 0, claims: false).program,
        Client(slot: 1, claims: false).program,
      ], flight: Self.strangersFlight)
    #expect(greedy.fault?.hasPrefix("two processes") == true)
    let quiet = explore(
      "the master wakes nobody",
      [Client(slot: 0, isMortal: true).program, Client(slot: 1).program, master], attached: 0)
    #expect(quiet.fault?.contains("is stuck") == true)
  }
}
