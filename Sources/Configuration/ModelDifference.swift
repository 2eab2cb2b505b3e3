// What a reload would change.

import Platform

/// Two models compared by content: sites by name and addresses, whatever their order.
package struct ModelDifference: Sendable, Equatable, Encodable {
  /// "www.example.com (*:80)"
  package private(set) var sitesAdded: [String] = []
  package private(set) var sitesRemoved: [String] = []
  package private(set) var sitesChanged: [String] = []
  package private(set) var sitesUnchanged = 0
  /// "0.0.0.0:80", "0.0.0.0:443 https"; one that changes between them is in both lists, and its
  /// socket stays.
  package private(set) var listensAdded: [String] = []
  package private(set) var listensRemoved: [String] = []

  package init(from old: Model, to new: Model) {
    listensAdded = new.listens.filter { !old.listens.contains($0) }.map(\.title)
    listensRemoved = old.listens.filter { !new.listens.contains($0) }.map(\.title)
    let before = ModelDifference.byTitle(old)
    let after = ModelDifference.byTitle(new)
    for (title, definitions) in after.ordered {
      let known = before.table[title] ?? []
      for (index, definition) in definitions.enumerated() {
        if index >= known.count {
          sitesAdded.append(title)
        } else if known[index] == definition {
          sitesUnchanged += 1
        } else {
          sitesChanged.append(title)
        }
      }
    }
    for (title, definitions) in before.ordered {
      let remaining = after.table[title]?.count ?? 0
      for _ in 0..<max(0, definitions.count - remaining) { sitesRemoved.append(title) }
    }
  }

  package var isEmpty: Bool {
    sitesAdded.isEmpty && sitesRemoved.isEmpty && sitesChanged.isEmpty && listensAdded.isEmpty
      && listensRemoved.isEmpty
  }

  /// "sites: 1 added, 0 removed, 2 changed, 7 unchanged" and one line for each difference.
  package var text: String {
    var lines = [
      "sites: \(sitesAdded.count) added, \(sitesRemoved.count) removed, \(sitesChanged.count)"
        + " changed, \(sitesUnchanged) unchanged"
    ]
    lines += sitesAdded.map { "  + \($0)" }
    lines += sitesRemoved.map { "  - \($0)" }
    lines += sitesChanged.map { "  ~ \($0)" }
    lines += listensAdded.map { "  + Listen \($0)" }
    lines += listensRemoved.map { "  - Listen \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Definitions under their titles; several sites may have the same one.
  private static func byTitle(
    _ model: Model
  ) -> (ordered: [(title: String, definitions: [UInt64])], table: [String: [UInt64]]) {
    var table: [String: [UInt64]] = [:]
    var order: [String] = []
    for site in model.sites {
      let title = site.title
      if table[title] == nil { order.append(title) }
      table[title, default: []].append(site.definition)
    }
    return (order.map { (title: $0, definitions: table[$0] ?? []) }, table)
  }
}

extension Site {
  /// "www.example.com (*:80)", or "main server".
  package var title: String {
    if isMainServer { return "main server" }
    let list = addresses.map(\.description).joined(separator: " ")
    return "\(label.isEmpty ? "(no name)" : label) (\(list))"
  }
}
