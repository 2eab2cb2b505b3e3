// Processes for the model of the hold protocol: the real functions, stopped at each operation.

import Testing

@testable import Cache

/// What a modelled process does to shared memory next. Places and values are small numbers.
enum Operation: Equatable {
  /// Reads the process's own newest buffered store to the place, or memory.
  case load(Int)
  /// A load of what only the mutex's owner writes, by the owner.
  case loadGuarded(Int)
  /// Goes to the store buffer, from there to memory at any later time, in order.
  case store(Int, Int)
  /// xchg: empties the store buffer, then is in memory at once.
  case exchange(Int, Int)
  /// lock cmpxchg, as `exchange`: 1 when it exchanged, else 0.
  case compareExchange(Int, expected: Int, desired: Int)
  /// The robust mutex, waited for: 1 when its owner died, else 0.
  case lock
  case unlock
  /// Goes on when a process has ended, in any way, and all that it wrote has reached memory, as
  /// waitpid does.
  case awaitEnd(Int)
  /// Goes on when all processes but this one have ended.
  case awaitOthers
}

/// Thrown where a process meets an operation whose result is not decided yet.
struct Interruption: Error {}

/// A memory that answers operations from a record of their results, and interrupts at the first
/// one beyond it.
final class ModelMemory: HoldMemory {
  /// Places whose sequentially consistent stores are done without a fence, to see them missed.
  let unfenced: Set<Int>
  private var results: [Int] = []
  private var position = 0
  private(set) var pending: Operation?

  init(unfenced: Set<Int>) { self.unfenced = unfenced }

  func replay(_ results: [Int]) {
    self.results = results
    position = 0
    pending = nil
  }

  @discardableResult
  func perform(_ operation: Operation) throws(Interruption) -> Int {
    guard position < results.count else {
      pending = operation
      throw Interruption()
    }
    position += 1
    return results[position - 1]
  }

  func loadRelaxed32(at place: Int) throws(Interruption) -> UInt32 {
    UInt32(try perform(.load(place)))
  }
  func loadAcquire32(at place: Int) throws(Interruption) -> UInt32 {
    UInt32(try perform(.load(place)))
  }
  func loadSequential32(at place: Int) throws(Interruption) -> UInt32 {
    try loadAcquire32(at: place)
  }
  func loadSequential64(at place: Int) throws(Interruption) -> UInt64 {
    UInt64(try perform(.load(place)))
  }
  func storeRelease32(_ value: UInt32, at place: Int) throws(Interruption) {
    try perform(.store(place, Int(value)))
  }
  func storeRelease64(_ value: UInt64, at place: Int) throws(Interruption) {
    try perform(.store(place, Int(value)))
  }
  func storeSequential64(_ value: UInt64, at place: Int) throws(Interruption) {
    let value = Int(value)
    try perform(unfenced.contains(place) ? .store(place, value) : .exchange(place, value))
  }
  func compareExchange32(
    at place: Int, expected: UInt32, desired: UInt32
  ) throws(Interruption) -> Bool {
    try perform(.compareExchange(place, expected: Int(expected), desired: Int(desired))) != 0
  }
}

/// What a process knows between two stages of its program.
struct Locals: Hashable {
  /// The unit in hand, 0 for none.
  var unit = 0
  var ownerDied = false
  /// Units that a scan found held.
  var found = 0
  /// Units whose hold this process has validated and not ended: a bit each.
  var holds = 0
  /// Bytes of a held entry were not what an entry has.
  var readWrong = false
}

/// A program is a list of stages. A stage is run again from its start for each of its operations,
/// so all that it keeps must be in its locals.
struct Stage: Sendable {
  let run: @Sendable (ModelMemory, inout Locals) throws(Interruption) -> Void
}

/// A program as a graph: a node for each operation it can come to with what it knows there, an edge
/// for each result. Made as the exploration gets there; it is then walked without running anything.
struct ProgramGraph {
  struct Node {
    /// nil at the program's end.
    let operation: Operation?
    let locals: Locals
    fileprivate let place: ProgramPlace
    fileprivate var next: [Int?] = []
  }

  fileprivate struct ProgramPlace: Hashable {
    var stage: Int
    /// At the stage's start.
    var locals: Locals
    var results: [Int]
  }

  private let stages: [Stage]
  private let memory: ModelMemory
  private(set) var nodes: [Node] = []
  private var numbers: [ProgramPlace: Int] = [:]

  init(_ stages: [Stage], unfenced: Set<Int>) {
    self.stages = stages
    memory = ModelMemory(unfenced: unfenced)
    _ = number(ProgramPlace(stage: 0, locals: Locals(), results: []))
  }

  /// The node after `node` when its operation had this result.
  mutating func next(_ node: Int, result: Int) -> Int {
    if result < nodes[node].next.count, let known = nodes[node].next[result] { return known }
    var place = nodes[node].place
    place.results.append(result)
    let number = number(place)
    while nodes[node].next.count <= result { nodes[node].next.append(nil) }
    nodes[node].next[result] = number
    return number
  }

  private mutating func number(_ start: ProgramPlace) -> Int {
    var place = start
    var locals = place.locals
    var operation: Operation?
    while place.stage < stages.count {
      memory.replay(place.results)
      locals = place.locals
      do throws(Interruption) {
        try stages[place.stage].run(memory, &locals)
        place = ProgramPlace(stage: place.stage + 1, locals: locals, results: [])
      } catch {
        operation = memory.pending
        break
      }
    }
    if operation == nil {
      // What it knew does not matter any more.
      locals = Locals(readWrong: locals.readWrong)
      place.locals = locals
    }
    if let known = numbers[place] { return known }
    nodes.append(Node(operation: operation, locals: locals, place: place))
    numbers[place] = nodes.count - 1
    return nodes.count - 1
  }
}
