// Golden files: a configuration, a line of dashes, and the diagnostics and tree that come of it.

import Foundation
import Testing

@testable import Configuration

/// One golden file. "=== PATH" lines begin further files that the configuration can include.
struct GoldenFile {
  let url: URL
  var main = ""
  var others: [String: [UInt8]] = [:]
  var input = ""
  var expected = ""

  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden/syntax")
  static let separator = "--------\n"

  static var names: [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory.path)
    return (names ?? []).filter { $0.hasSuffix(".conf") }.sorted()
  }

  init(name: String) throws {
    url = Self.directory.appendingPathComponent(name)
    let text = try String(contentsOf: url, encoding: .utf8)
    let halves = text.components(separatedBy: Self.separator)
    input = halves[0]
    expected = halves.count > 1 ? halves[1] : ""
    var path = "/c/main.conf"
    for line in input.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("=== ") {
        path = String(line.dropFirst(4))
        others[path] = []
      } else {
        others[path, default: []] += Array(line.utf8) + [10]
      }
    }
  }

  func actual() -> String {
    let result = ConfigurationParser.parse(
      file: "/c/main.conf",
      reader: .memory(others, environment: ["LOGS": "/var/log", "EMPTY": ""]),
      defines: ["GIVEN": nil])
    return result.diagnostics.map { $0.rendered + "\n" }.joined()
      + result.directives.map { Self.tree($0, indent: "") }.joined()
  }

  /// "3:1 Name 'argument' …", children indented.
  private static func tree(_ directive: Directive, indent: String) -> String {
    let place = directive.name.place
    let file = place.file == "/c/main.conf" ? "" : place.file + ":"
    let arguments = directive.arguments.map { " '\($0.text)'@\($0.place.line):\($0.place.column)" }
    return
      "\(indent)\(file)\(place.line):\(place.column) \(directive.row.displayName)"
      + arguments.joined() + "\n"
      + directive.children.map { tree($0, indent: indent + "  ") }.joined()
  }
}

struct SyntaxGoldenTests {
  /// With RING3_WRITE_GOLDEN set the expectation is written instead, to be looked at in a diff.
  @Test(arguments: GoldenFile.names)
  func `a configuration gives the tree and diagnostics of its golden file`(_ name: String) throws {
    let golden = try GoldenFile(name: name)
    let actual = golden.actual()
    if ProcessInfo.processInfo.environment["RING3_WRITE_GOLDEN"] != nil {
      try (golden.input + GoldenFile.separator + actual)
        .write(to: golden.url, atomically: true, encoding: .utf8)
      return
    }
    #expect(actual == golden.expected)
  }

  @Test func `there are golden files`() {
    #expect(GoldenFile.names.count >= 10)
  }
}
