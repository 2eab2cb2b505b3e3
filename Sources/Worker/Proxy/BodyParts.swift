// Where a body lies in what was received.

/// The parts of a body in the buffer that they were received into, none of them empty. Mostly it is
/// one, and then nothing is allocated.
struct BodyParts: RandomAccessCollection, ExpressibleByArrayLiteral {
  private var first = 0..<0
  /// Those behind the first.
  private var others: [Range<Int>] = []

  private(set) var endIndex = 0
  var startIndex: Int { 0 }
  /// Of all parts.
  private(set) var byteCount = 0

  init() {}

  init(_ range: Range<Int>) { append(range) }

  init(arrayLiteral ranges: Range<Int>...) {
    for range in ranges { append(range) }
  }

  subscript(index: Int) -> Range<Int> {
    precondition(index >= 0 && index < endIndex)
    return index == 0 ? first : others[index - 1]
  }

  mutating func append(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    if endIndex == 0 {
      first = range
    } else {
      others.append(range)
    }
    endIndex += 1
    byteCount += range.count
  }
}
