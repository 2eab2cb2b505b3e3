// The nearest known name to a misspelt one.

enum Spelling {
  /// The candidate with the fewest edits (insert, delete, replace, swap neighbours) from `text`,
  /// letter case aside; nil when none is near enough to be what was meant. The first of equals.
  static func nearest(to text: String, among candidates: [String]) -> String? {
    let word = lowered(text)
    // Longer than any name there is: not a typing error, and not worth the quadratic work.
    guard word.count <= 64 else { return nil }
    var limit = max(1, word.count / 3)
    var best: String?
    for candidate in candidates {
      let other = lowered(candidate)
      guard abs(other.count - word.count) <= limit else { continue }
      let distance = distance(word, other)
      if distance < limit || distance == limit && best == nil {
        limit = distance
        best = candidate
      }
    }
    return best
  }

  private static func lowered(_ text: String) -> [UInt8] {
    text.utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
  }

  /// Damerau-Levenshtein with adjacent swaps, three rows.
  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for i in left.indices {
      var row = [i + 1]
      row.reserveCapacity(right.count + 1)
      for j in right.indices {
        var cost = min(last[j] + (left[i] == right[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          cost = min(cost, beforeLast[j - 1] + 1)
        }
        row.append(cost)
      }
      beforeLast = last
      last = row
    }
    return last[right.count]
  }
}
