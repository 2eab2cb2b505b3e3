// What is kept of things that come again: each at one place, from the second time on.

/// A table of fixed size. What comes once drives nothing out; of two at one place the later stays.
/// Whether what is found is what was asked for is for the caller to see: hashes may be equal.
struct RecurringTable<Value: AnyObject> {
  private var values: [Value?]
  /// Hashes of what came last to each place and was to be kept.
  private var marks: [UInt64]

  /// `placeCount`: a power of two.
  init(placeCount: Int) {
    precondition(placeCount > 0 && placeCount & (placeCount - 1) == 0)
    values = [Value?](repeating: nil, count: placeCount)
    marks = [UInt64](repeating: 0, count: placeCount)
  }

  private func place(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash ^ hash >> 32) & (values.count - 1)
  }

  /// What is kept at the place of a hash.
  subscript(hash: UInt64) -> Value? { values[place(hash)] }

  /// True when what hashes so comes again: then it is to be kept.
  mutating func recurs(_ hash: UInt64) -> Bool {
    let place = place(hash)
    defer { marks[place] = hash }
    return marks[place] == hash
  }

  mutating func keep(_ value: Value, _ hash: UInt64) { values[place(hash)] = value }

  /// Drops a value; it is kept again when it comes twice more.
  mutating func forget(_ value: Value, _ hash: UInt64) {
    let place = place(hash)
    if values[place] === value { values[place] = nil }
    marks[place] = 0
  }
}
