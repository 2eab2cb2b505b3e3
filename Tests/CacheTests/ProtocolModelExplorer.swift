// All that modelled processes can do on x86: their interleavings, store buffers and deaths.

import Testing

@testable import Cache

/// A state of the whole, packed: the first word is memory, 4 bits a place; then one for each
/// process: its node, whether it lives, its store buffer.
struct ModelState: Hashable {
  var words: [UInt128]

  private static let bufferStart = 18
  private static let bufferMax = 12

  func bits(_ word: Int, _ from: Int, _ count: Int) -> Int {
    Int(truncatingIfNeeded: words[word] &>> UInt128(from)) & (1 << count - 1)
  }

  mutating func setBits(_ word: Int, _ from: Int, _ count: Int, _ value: Int) {
    precondition(value >> count == 0, "beyond the packed state")
    let mask = UInt128(1 << count - 1) &<< UInt128(from)
    words[word] = words[word] & ~mask | UInt128(value) &<< UInt128(from)
  }

  subscript(place: Int) -> Int {
    get { bits(0, place * 4, 4) }
    set { setBits(0, place * 4, 4, newValue) }
  }

  func node(_ process: Int) -> Int { bits(1 + process, 0, 12) }
  mutating func setNode(_ process: Int, _ node: Int) { setBits(1 + process, 0, 12, node) }

  enum Life: Int { case alive, dying, dead }
  func life(_ process: Int) -> Life { Life(rawValue: bits(1 + process, 12, 2)) ?? .dead }
  mutating func setLife(_ process: Int, _ life: Life) {
    setBits(1 + process, 12, 2, life.rawValue)
  }

  func buffered(_ process: Int) -> Int { bits(1 + process, 14, 4) }

  func bufferedStore(_ process: Int, _ index: Int) -> (place: Int, value: Int) {
    let both = bits(1 + process, ModelState.bufferStart + index * 9, 9)
    return (both >> 4, both & 15)
  }

  /// What a process reads at a place: its own newest store if that is still buffered.
  func read(_ process: Int, _ place: Int) -> Int {
    for index in stride(from: buffered(process) - 1, through: 0, by: -1) {
      let store = bufferedStore(process, index)
      if store.place == place { return store.value }
    }
    return self[place]
  }

  mutating func push(_ process: Int, _ place: Int, _ value: Int) {
    let count = buffered(process)
    precondition(count < ModelState.bufferMax, "beyond the packed store buffer")
    setBits(1 + process, ModelState.bufferStart + count * 9, 9, place << 4 | value)
    setBits(1 + process, 14, 4, count + 1)
  }

  /// Leaves the first `count` stores in the buffer.
  mutating func cut(_ process: Int, to count: Int) {
    let end = UInt128(ModelState.bufferStart + count * 9)
    words[1 + process] &= UInt128(1) &<< end &- 1
    setBits(1 + process, 14, 4, count)
  }

  /// Takes the oldest store out of the buffer.
  mutating func pop(_ process: Int) -> (place: Int, value: Int) {
    let oldest = bufferedStore(process, 0)
    let count = buffered(process)
    let low = words[1 + process] & (1 << UInt128(ModelState.bufferStart) - 1)
    let rest = words[1 + process] &>> UInt128(ModelState.bufferStart + 9)
    words[1 + process] = low | rest &<< UInt128(ModelState.bufferStart)
    setBits(1 + process, 14, 4, count - 1)
    return oldest
  }
}

/// What one step of the whole is.
enum ModelStep {
  case act(Int)
  case drain(Int)
  /// SIGKILL; so many of its buffered stores were done before.
  case die(Int, stores: Int)
  /// Its end is seen: the mutex it held says so.
  case end(Int)
}

/// Visits every state that some processes can come to.
struct Explorer {
  /// Where the mutex is, and its value when its owner died; else 0 or one more than its owner.
  static let mutex = ModelPlace.mutex
  static let ownerDied = 15

  private var graphs: [ProgramGraph]
  private let mortal: Set<Int>
  private let reducing: Bool
  private var states: [ModelState]
  private var parents: [Int] = [-1]
  private var known: [ModelState: Int] = [:]
  private(set) var violation: String?
  /// What memory was, each time that all had ended.
  private(set) var endings: Set<UInt128> = []

  var stateCount: Int { states.count }

  /// - Parameters:
  ///   - memory: what places hold at first; 0 the others.
  ///   - mortal: the processes that may be killed, at any moment.
  ///   - unfenced: places whose sequentially consistent stores go to the store buffer.
  ///   - reducing: whether to leave out orders that change nothing; see `steps`.
  init(
    memory: [Int: Int], programs: [[Stage]], mortal: Set<Int> = [], unfenced: Set<Int> = [],
    reducing: Bool = true
  ) {
    self.reducing = reducing
    graphs = programs.map { ProgramGraph($0, unfenced: unfenced) }
    self.mortal = mortal
    var start = ModelState(words: [UInt128](repeating: 0, count: 1 + programs.count))
    for (place, value) in memory { start[place] = value }
    states = [start]
    known[start] = 0
  }

  /// Explores until every state was seen or one is wrong: `violation` then tells how it came about.
  mutating func run(statesMax: Int = 1_000_000) {
    var position = 0
    while position < states.count {
      precondition(states.count < statesMax, "too many states")
      let state = states[position]
      let steps = steps(state)
      if steps.isEmpty {
        endings.insert(state.words[0])
        if let fault = faultAtEnd(state) {
          violation = fault + trace(position)
          return
        }
      }
      for step in steps {
        var next = state
        let fault = take(step, &next)
        if known[next] == nil || fault != nil {
          known[next] = states.count
          states.append(next)
          parents.append(position)
        }
        if let fault {
          violation = fault + trace(states.count - 1)
          return
        }
      }
      position += 1
    }
  }

  private func operation(_ state: ModelState, _ process: Int) -> Operation? {
    state.life(process) == .alive ? graphs[process].nodes[state.node(process)].operation : nil
  }

  private func holds(_ state: ModelState, _ process: Int) -> Int {
    guard state.life(process) == .alive else { return 0 }
    return graphs[process].nodes[state.node(process)].locals.holds
  }

  /// What may happen next. An operation that no other process can see or disturb is taken at once,
  /// alone: the order between it and the others' changes nothing. Dying before it is not lost by
  /// that: a store that the process did not come to is one that its death takes back.
  private mutating func steps(_ state: ModelState) -> [ModelStep] {
    for process in graphs.indices where reducing {
      guard let operation = operation(state, process) else { continue }
      switch operation {
      case .loadGuarded: return [.act(process)]
      case .store:
        let node = graphs[process].next(state.node(process), result: 0)
        if graphs[process].nodes[node].locals.holds == holds(state, process) {
          return [.act(process)]
        }
      default: break
      }
    }
    var steps: [ModelStep] = []
    for process in graphs.indices {
      let count = state.buffered(process)
      if count > 0 { steps.append(.drain(process)) }
      switch state.life(process) {
      case .dead: break
      case .dying: if count == 0 { steps.append(.end(process)) }
      case .alive:
        guard let operation = operation(state, process) else { break }
        if mortal.contains(process) {
          for stores in (reducing ? 0 : count)...count {
            steps.append(.die(process, stores: stores))
          }
        }
        if isEnabled(operation, state, process) { steps.append(.act(process)) }
      }
    }
    return steps
  }

  private func isEnabled(_ operation: Operation, _ state: ModelState, _ process: Int) -> Bool {
    switch operation {
    case .load, .loadGuarded, .store: return true
    case .exchange, .compareExchange, .unlock: return state.buffered(process) == 0
    case .lock:
      let owner = state[Explorer.mutex]
      return state.buffered(process) == 0 && (owner == 0 || owner == Explorer.ownerDied)
    case .awaitEnd(let other):
      return hasEnded(state, other)
    case .awaitOthers:
      return graphs.indices.allSatisfy { $0 == process || hasEnded(state, $0) }
    }
  }

  private func hasEnded(_ state: ModelState, _ process: Int) -> Bool {
    state.life(process) != .dying && operation(state, process) == nil
      && state.buffered(process) == 0
  }

  /// Takes a step; returns what is wrong about it.
  private mutating func take(_ step: ModelStep, _ state: inout ModelState) -> String? {
    switch step {
    case .drain(let process):
      let store = state.pop(process)
      return write(store.place, store.value, &state)
    case .die(let process, let stores):
      state.cut(process, to: stores)
      state.setLife(process, .dying)
      // Where it was does not matter any more.
      state.setNode(process, 0)
      return nil
    case .end(let process):
      state.setLife(process, .dead)
      if state[Explorer.mutex] == process + 1 { state[Explorer.mutex] = Explorer.ownerDied }
      return nil
    case .act(let process):
      guard let operation = operation(state, process) else { return nil }
      var fault: String?
      var result = 0
      switch operation {
      case .load(let place), .loadGuarded(let place): result = state.read(process, place)
      case .store(let place, let value): state.push(process, place, value)
      case .exchange(let place, let value): fault = write(place, value, &state)
      case .compareExchange(let place, let expected, let desired):
        result = state[place] == expected ? 1 : 0
        if result == 1 { fault = write(place, desired, &state) }
      case .lock:
        result = state[Explorer.mutex] == Explorer.ownerDied ? 1 : 0
        state[Explorer.mutex] = process + 1
      case .unlock: state[Explorer.mutex] = 0
      case .awaitEnd, .awaitOthers: break
      }
      let node = graphs[process].next(state.node(process), result: result)
      state.setNode(process, node)
      if graphs[process].nodes[node].locals.readWrong {
        return "a reader read other bytes than its entry's"
      }
      return fault
    }
  }

  /// A store reaches memory. That of an entry must not while a reader holds it.
  private func write(_ place: Int, _ value: Int, _ state: inout ModelState) -> String? {
    state[place] = value
    guard let unit = ModelPlace.unit(ofContent: place) else { return nil }
    for process in graphs.indices where holds(state, process) & 1 << unit != 0 {
      return "held memory was overwritten"
    }
    return nil
  }

  /// What is wrong when nothing moves any more.
  private func faultAtEnd(_ state: ModelState) -> String? {
    for process in graphs.indices
    where state.life(process) == .alive && operation(state, process) != nil {
      return "process \(process) is stuck"
    }
    if state[Explorer.mutex] != 0 { return "the mutex stays locked" }
    for place in ModelPlace.holdWords where state[place] != 0 { return "a hold is left" }
    for unit in ModelPlace.units {
      let isNamed = ModelPlace.indexWords.contains { state[$0] == unit }
      switch (isNamed, state[ModelPlace.state(unit)]) {
      case (true, ModelPlace.used), (false, ModelPlace.free): break
      case (true, _): return "unit \(unit) is in the index and not in use"
      case (false, _): return "unit \(unit) is lost: nobody holds it, and it is not free"
      }
    }
    return nil
  }

  /// How a state came about, a line for each step.
  private func trace(_ last: Int) -> String {
    var lines: [String] = []
    var position = last
    while position > 0 {
      let parent = parents[position]
      var copy = self
      for step in copy.steps(states[parent]) {
        var next = states[parent]
        _ = copy.take(step, &next)
        guard next == states[position] else { continue }
        lines.append(copy.describe(step, states[parent]))
        break
      }
      position = parent
    }
    return lines.reversed().map { "\n  " + $0 }.joined()
  }

  private func describe(_ step: ModelStep, _ state: ModelState) -> String {
    switch step {
    case .act(let process):
      switch operation(state, process) {
      case nil: return ""
      case .load(let place), .loadGuarded(let place):
        return "\(process): reads \(ModelPlace.name(place)): \(state.read(process, place))"
      case .store(let place, let value):
        return "\(process): stores \(ModelPlace.name(place)): \(value)"
      case .exchange(let place, let value):
        return "\(process): stores with a fence \(ModelPlace.name(place)): \(value)"
      case let other?: return "\(process): \(other)"
      }
    case .drain(let process):
      let store = state.bufferedStore(process, 0)
      return "\(process): its \(store.value) in \(ModelPlace.name(store.place)) reaches memory"
    case .die(let process, _): return "\(process): is killed"
    case .end(let process): return "\(process): is dead"
    }
  }
}
