// Processes that fetch and wait, for the model of the flight protocol: in every order, with death.

import Testing

@testable import Cache

/// What a modelled process does next.
enum FlightOperation: Hashable {
  case load(Int)
  case compareExchange(Int, expected: UInt64, desired: UInt64)
  case exchange(Int, UInt64)
  case setBits(Int, UInt64)
  case clearBits(Int, UInt64)
  case wake(Int)
  /// Goes on when this process was woken, with 0; of one that has a timer, at any time, with 1.
  case awaitWaking(slot: Int, hasTimer: Bool)
  /// Goes on when a process has ended, in any way.
  case awaitEnd(Int)
}

/// A memory that answers from a record of results, and interrupts at the first operation beyond it.
final class FlightModelMemory: FlightMemory {
  private var results: [UInt64] = []
  private var position = 0
  private(set) var pending: FlightOperation?

  func replay(_ results: [UInt64]) {
    self.results = results
    position = 0
    pending = nil
  }

  @discardableResult
  func perform(_ operation: FlightOperation) throws(Interruption) -> UInt64 {
    guard position < results.count else {
      pending = operation
      throw Interruption()
    }
    position += 1
    return results[position - 1]
  }

  func loadSequential64(at place: Int) throws(Interruption) -> UInt64 {
    try perform(.load(place))
  }
  func compareExchangeSequential64(
    at place: Int, expected: UInt64, desired: UInt64
  ) throws(Interruption) -> Bool {
    try perform(.compareExchange(place, expected: expected, desired: desired)) != 0
  }
  func exchange64(_ value: UInt64, at place: Int) throws(Interruption) -> UInt64 {
    try perform(.exchange(place, value))
  }
  func setBits64(_ bits: UInt64, at place: Int) throws(Interruption) {
    try perform(.setBits(place, bits))
  }
  func clearBits64(_ bits: UInt64, at place: Int) throws(Interruption) {
    try perform(.clearBits(place, bits))
  }
  func wake(processSlot: Int) throws(Interruption) { try perform(.wake(processSlot)) }
}

/// What a modelled process knows between two stages.
struct FlightLocals: Hashable {
  var ticket: FlightTicket?
  var token: FlightToken?
  var hasFetched = false
  var isOutOfPatience = false
}

/// A stage of a program returns the number of the next one, nil at the end. It is run again from
/// its start for each of its operations, so all that it keeps must be in the locals.
struct FlightStage: Sendable {
  let run: @Sendable (FlightModelMemory, inout FlightLocals) throws(Interruption) -> Int?
}

/// A process of the model. `owning`: the stages in which it believes that a flight is its own, up
/// to the first operation of the last one of them.
struct FlightProgram {
  var stages: [FlightStage]
  var owning: ClosedRange<Int> = -1 ... -1
  var isMortal = false
  /// Where it begins, and what it knows there.
  var stage = 0
  var locals = FlightLocals()
}

/// Visits every state that some programs can come to. Every operation that changes anything is
/// sequentially consistent, and a fence on x86: so it is enough to look at their orders.
struct FlightExplorer {
  private struct Process: Hashable {
    var stage: Int?
    var locals = FlightLocals()
    var results: [UInt64] = []
    var operation: FlightOperation?
    var isDead = false
  }

  private struct State: Hashable {
    var words: [UInt64]
    var woken: Set<Int> = []
    var processes: [Process]
  }

  private let programs: [FlightProgram]
  private let memory = FlightModelMemory()
  private var states: [State] = []
  private var parents: [(state: Int, process: Int)] = [(-1, -1)]
  private var known: Set<State> = []
  private(set) var violation: String?
  /// How many fetches there were, of all endings.
  private(set) var fetches: Set<Int> = []
  var stateCount: Int { states.count }

  init(words: [UInt64], _ programs: [FlightProgram]) {
    self.programs = programs
    var start = State(words: words, processes: [])
    for index in programs.indices {
      var process = Process(stage: programs[index].stage, locals: programs[index].locals)
      run(&process, index)
      start.processes.append(process)
    }
    states = [start]
    known = [start]
  }

  /// Runs a process on to its next operation.
  private func run(_ process: inout Process, _ index: Int) {
    process.operation = nil
    while let stage = process.stage {
      memory.replay(process.results)
      var locals = process.locals
      do throws(Interruption) {
        process.stage = try programs[index].stages[stage].run(memory, &locals)
        process.locals = locals
        process.results = []
      } catch {
        process.operation = memory.pending
        return
      }
    }
  }

  /// - Parameters:
  ///   - isOver: says what is wrong with memory at the end.
  ///   - ownersMax: 2 when a flight may be taken over from a living process.
  mutating func explore(
    ownersMax: Int = 1, statesMax: Int = 1_000_000, faultAtEnd: ([UInt64]) -> String? = { _ in nil }
  ) {
    var position = 0
    while position < states.count, violation == nil {
      precondition(states.count < statesMax, "too many states")
      let state = states[position]
      var isStuck = true
      for index in state.processes.indices {
        let process = state.processes[index]
        guard !process.isDead, let operation = process.operation else { continue }
        if programs[index].isMortal {
          var next = state
          next.processes[index] = Process(isDead: true)
          visit(next, position, index)
        }
        for (result, next) in outcomes(operation, of: index, state) {
          isStuck = false
          var next = next
          next.processes[index].results.append(result)
          run(&next.processes[index], index)
          visit(next, position, index)
          if owners(next) > ownersMax {
            violation = "two processes believe a flight is theirs" + trace(states.count - 1)
            return
          }
        }
      }
      guard isStuck else {
        position += 1
        continue
      }
      if let index = state.processes.firstIndex(where: { $0.operation != nil && !$0.isDead }) {
        violation = "process \(index) is stuck" + trace(position)
      } else if let fault = faultAtEnd(state.words) {
        violation = fault + trace(position)
      }
      fetches.insert(state.processes.count { $0.locals.hasFetched })
      position += 1
    }
  }

  private mutating func visit(_ state: State, _ parent: Int, _ process: Int) {
    guard known.insert(state).inserted else { return }
    states.append(state)
    parents.append((parent, process))
  }

  private func owners(_ state: State) -> Int {
    zip(state.processes, programs).count { process, program in
      guard !process.isDead, let stage = process.stage, program.owning.contains(stage) else {
        return false
      }
      return stage < program.owning.upperBound || process.results.isEmpty
    }
  }

  private func outcomes(
    _ operation: FlightOperation, of index: Int, _ state: State
  ) -> [(UInt64, State)] {
    var next = state
    switch operation {
    case .load(let place): return [(state.words[place / 8], next)]
    case .compareExchange(let place, let expected, let desired):
      guard state.words[place / 8] == expected else { return [(0, next)] }
      next.words[place / 8] = desired
      return [(1, next)]
    case .exchange(let place, let value):
      next.words[place / 8] = value
      return [(state.words[place / 8], next)]
    case .setBits(let place, let bits):
      next.words[place / 8] |= bits
      return [(0, next)]
    case .clearBits(let place, let bits):
      next.words[place / 8] &= ~bits
      return [(0, next)]
    case .wake(let slot):
      next.woken.insert(slot)
      return [(0, next)]
    case .awaitWaking(let slot, let hasTimer):
      var outcomes: [(UInt64, State)] = []
      if hasTimer { outcomes.append((UInt64(1), state)) }
      if next.woken.remove(slot) != nil { outcomes.append((UInt64(0), next)) }
      return outcomes
    case .awaitEnd(let other):
      let process = state.processes[other]
      guard process.isDead || process.operation == nil else { return [] }
      return [(UInt64(0), next)]
    }
  }

  /// How a state came about, a line for each step.
  private func trace(_ last: Int) -> String {
    var lines: [String] = []
    var position = last
    while position > 0 {
      let (parent, process) = parents[position]
      let operation = states[parent].processes[process].operation
      let isDead = states[position].processes[process].isDead
      lines.append("\(process): \(isDead ? "is killed" : operation.map { "\($0)" } ?? "")")
      position = parent
    }
    return lines.reversed().map { "\n  " + $0 }.joined()
  }
}
