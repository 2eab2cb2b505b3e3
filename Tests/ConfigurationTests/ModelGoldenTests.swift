// Golden files: a configuration, a line of dashes, and the diagnostics and the dumped model.

import Configuration
import Foundation
import Testing

@Suite struct ModelGoldenTests {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden/model")
  static let separator = "--------\n"

  static var names: [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory.path)
    return (names ?? []).filter { $0.hasSuffix(".conf") }.sorted()
  }

  /// With RING3_WRITE_GOLDEN set the expectation is written instead, to be looked at in a diff.
  @Test(arguments: names)
  func `a configuration gives the model of its golden file`(_ name: String) throws {
    let url = Self.directory.appendingPathComponent(name)
    let halves = try String(contentsOf: url, encoding: .utf8)
      .components(separatedBy: Self.separator)
    let result = load(halves[0])
    let actual =
      result.diagnostics.map { $0.rendered + "\n" }.joined()
      + (result.model?.dump ?? "no model\n")
    if ProcessInfo.processInfo.environment["RING3_WRITE_GOLDEN"] != nil {
      try (halves[0] + Self.separator + actual).write(to: url, atomically: true, encoding: .utf8)
      return
    }
    #expect(actual == (halves.count > 1 ? halves[1] : ""))
  }

  @Test func `there are golden files`() {
    #expect(Self.names.count >= 4)
  }
}
