// The entry to this room: a file name to a checked model, or to everything wrong with it.

import Platform

/// What became of a configuration file.
package struct LoadResult: Sendable {
  /// nil if any diagnostic is an error.
  package var model: Model?
  /// By file and line; those about no place at the end.
  package var diagnostics: [Diagnostic]

  package init(model: Model?, diagnostics: [Diagnostic]) {
    self.model = model
    self.diagnostics = diagnostics
  }

  package var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}

package enum ConfigurationLoader {
  /// Reads, parses and checks a configuration file and all it includes. Both steps run to the end,
  /// so that one run shows everything that is wrong.
  package static func load(
    file: String, reader: ConfigurationReader = .system, defines: [String: String?] = [:]
  ) -> LoadResult {
    let parsed = ConfigurationParser.parse(file: file, reader: reader, defines: defines)
    var checker = Checker(reader: reader, serverRoot: serverRoot(of: parsed, file: file))
    let model = checker.check(parsed.directives)
    let diagnostics = inFileOrder(parsed.diagnostics + checker.diagnostics)
    let result = LoadResult(model: model, diagnostics: diagnostics)
    return result.hasErrors ? LoadResult(model: nil, diagnostics: diagnostics) : result
  }

  /// `ServerRoot`, or the directory of the main file.
  package static func serverRoot(of parsed: ParseResult, file: String) -> String {
    let directory = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
    return parsed.serverRoot ?? (directory.isEmpty ? "/" : directory)
  }

  /// Files in the order of their first finding, lines within them.
  private static func inFileOrder(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
    var ranks: [String: Int] = [:]
    for case let file? in diagnostics.map(\.place?.file) where ranks[file] == nil {
      ranks[file] = ranks.count
    }
    func key(_ diagnostic: Diagnostic) -> (Int, Int, Int) {
      guard let place = diagnostic.place else { return (.max, 0, 0) }
      return (ranks[place.file] ?? .max, place.line, place.column)
    }
    return diagnostics.enumerated().sorted { left, right in
      let keys = (key(left.element), key(right.element))
      return keys.0 == keys.1 ? left.offset < right.offset : keys.0 < keys.1
    }.map(\.element)
  }
}
