// What `ring3ctl status --json` says, read without knowing more of its shape than needed.

import Foundation

package struct StatusReport {
  private let root: Any

  /// nil if the text is not JSON.
  package init?(_ text: String) {
    guard let root = try? JSONSerialization.jsonObject(with: Data(text.utf8)) else { return nil }
    self.root = root
  }

  /// The worker processes of the current generation.
  package var workerPids: [Int32] {
    let generations = (root as? [String: Any])?["generations"] as? [[String: Any]] ?? []
    let current = generations.first { $0["number"] as? Int == number("generation") }
    let members = current?["members"] as? [[String: Any]] ?? []
    return members.compactMap { ($0["pid"] as? Int).map(Int32.init) }.filter { $0 > 1 }.sorted()
  }

  /// The number under this key, "cache.entries" for one inside an object; nil if there is none.
  package func number(_ path: String) -> Int? {
    var value: Any? = root
    for key in path.split(separator: ".") { value = (value as? [String: Any])?[String(key)] }
    return value as? Int
  }
}
