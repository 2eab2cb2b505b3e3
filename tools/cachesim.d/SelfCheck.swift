// Whether store and models count right, on traces short enough to follow by hand.

/// What is wrong with the counting; empty when nothing is.
func countingFaults() throws -> [String] {
  var faults: [String] = []
  func expect(_ name: String, _ objects: [Int], capacity: Int, charges: [Int], hits: [Int]) {
    guard let model = ModelName(spelling: name[...]) else {
      faults.append("no model \(name)")
      return
    }
    let cache = model.model(
      ModelSpace(capacity: capacity, largest: capacity, charges: charges))
    let found = objects.indices.filter { cache.access(objects[$0]) }
    if found != hits { faults.append("\(name): hits at \(found), not at \(hits)") }
  }
  let equal = [1, 1, 1, 1, 1]
  // The fourth request renews object 0, so that 1 leaves for 3.
  expect("LRU", [0, 1, 2, 0, 3, 0, 1], capacity: 3, charges: equal, hits: [3, 5])
  expect("FIFO", [0, 1, 2, 0, 3, 0, 1], capacity: 3, charges: equal, hits: [3])
  // The mark of 0 spares it; the hand then takes 1, and 2 after it.
  expect("SIEVE", [0, 1, 2, 0, 3, 0, 4, 0], capacity: 3, charges: equal, hits: [3, 5, 7])
  // Object 0 takes three quarters, so it leaves for the first that needs room.
  expect("GDSF", [0, 1, 2, 1, 2, 0], capacity: 4, charges: [3, 1, 1], hits: [3, 4])
  // Too large for the cache: never in it.
  for name in ModelName.allCases {
    expect(name.rawValue, [0, 0, 0], capacity: 2, charges: [3], hits: [])
    let rounds = Array(0..<5) + Array(0..<5)
    expect(name.rawValue, rounds, capacity: 1000, charges: equal, hits: Array(5..<10))
  }
  let replay = try StoreReplay(
    arenaBytes: 16 << 20, bodyBytes: (0..<100).map { $0 * 1000 })
  let first = (0..<100).filter { replay.access($0) }
  let second = (0..<100).filter { replay.access($0) }
  if !first.isEmpty || second.count != 100 {
    faults.append("store: \(first.count) hits when empty, \(second.count) of 100 when it has all")
  }
  return faults
}
