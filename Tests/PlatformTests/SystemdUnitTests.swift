// etc/ring3d.service against systemd's own tool, where there is one.

import Foundation
import Testing

@testable import Platform

private let tool = "/usr/bin/systemd-analyze"
private let hasTool = FileManager.default.isExecutableFile(atPath: tool)

@Suite(.enabled(if: hasTool)) struct `the systemd unit` {
  private static let unit = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("etc/ring3d.service").path

  private func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tool)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    // Colours, where the tool thinks it should.
    return String(decoding: data, as: UTF8.self)
      .replacing(/\u{1b}\[[0-9;]*m/, with: "")
  }

  @Test func `its exposure is at most 2`() throws {
    let text = try run(["security", "--offline=true", "--no-pager", Self.unit])
    // systemd before 250 cannot do it offline.
    guard let match = text.firstMatch(of: /exposure level for .*: ([0-9.]+)/) else { return }
    let exposure = try #require(Double(match.1))
    #expect(exposure <= 2.0)
  }

  /// The calls that a `SystemCallFilter=` word stands for.
  private func calls(_ word: String, _ groups: [String: [String]]) -> Set<String> {
    guard word.hasPrefix("@") else { return [word] }
    return (groups[word] ?? []).reduce(into: []) { $0.formUnion(calls($1, groups)) }
  }

  @Test func `it allows every call that the sandbox allows, and the sandbox itself`() throws {
    var groups: [String: [String]] = [:]
    var name = ""
    for line in try run(["syscall-filter", "--no-pager"]).split(separator: "\n") {
      if line.hasPrefix("@") { name = String(line) }
      let word = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix(" "), !word.hasPrefix("#") { groups[name, default: []].append(word) }
    }
    try #require(groups["@system-service"] != nil)
    var allowed: Set<String> = []
    for line in try String(contentsOfFile: Self.unit, encoding: .utf8).split(separator: "\n") {
      guard line.hasPrefix("SystemCallFilter=") else { continue }
      let value = line.dropFirst("SystemCallFilter=".count)
      let isRemoval = value.hasPrefix("~")
      for word in value.drop(while: { $0 == "~" }).split(separator: " ") {
        let named = calls(String(word), groups)
        if isRemoval { allowed.subtract(named) } else { allowed.formUnion(named) }
      }
    }
    let setup = [
      "prctl", "capset", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    ]
    for call in AllowedCall.table.map({ $0.name }) + setup {
      #expect(allowed.contains(call), "\(call)")
    }
  }
}
