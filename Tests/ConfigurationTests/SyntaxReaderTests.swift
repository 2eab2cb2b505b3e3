// The reader of real files.

import Foundation
import Platform
import Testing

@testable import Configuration

struct SyntaxReaderTests {
  /// A directory of its own, removed afterwards.
  private func withDirectory(_ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("ring3-syntax-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    try body(url.path)
  }

  private func write(_ text: String, _ path: String) throws {
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  @Test func `patterns and directories are read in the order of their bytes`() throws {
    try withDirectory { root in
      for name in ["b.conf", "a.conf", "Z.conf", "skip.txt"] {
        try write("ServerAlias \(name)\n", "\(root)/sites/\(name)")
      }
      try write("ServerAlias deep\n", "\(root)/tree/m/x")
      try write("ServerAlias last\n", "\(root)/tree/z")
      try write(
        "<VirtualHost *>\nInclude sites/*.conf\nInclude tree\nIncludeOptional no/*/x\n</VirtualHost>",
        "\(root)/main.conf")
      let result = ConfigurationParser.parse(file: "\(root)/main.conf", reader: .system)
      #expect(result.diagnostics == [])
      #expect(
        result.directives.first?.children.map { $0.arguments[0].text }
          == ["Z.conf", "a.conf", "b.conf", "deep", "last"])
    }
  }

  @Test func `a fifo is refused at once`() throws {
    try withDirectory { root in
      let maker = try Process.run(
        URL(fileURLWithPath: "/usr/bin/mkfifo"), arguments: ["\(root)/fifo"])
      maker.waitUntilExit()
      #expect(maker.terminationStatus == 0)
      try write("Include fifo\n", "\(root)/main.conf")
      let result = ConfigurationParser.parse(file: "\(root)/main.conf", reader: .system)
      #expect(
        result.diagnostics.map(\.message) == [
          "cannot read '\(root)/fifo': it is not a regular file"
        ])
    }
  }

  @Test func `a file beyond the limit and a missing one are errors`() throws {
    try withDirectory { root in
      try write("12345", "\(root)/five")
      #expect(try ConfigurationFiles.read("\(root)/five", byteCountMax: 5).get().count == 5)
      #expect(throws: SystemError.self) {
        try ConfigurationFiles.read("\(root)/five", byteCountMax: 4).get()
      }
      #expect(throws: SystemError.self) {
        try ConfigurationFiles.read("\(root)/none", byteCountMax: 4).get()
      }
      #expect(throws: SystemError.self) {
        try ConfigurationFiles.read(root, byteCountMax: 4).get()
      }
    }
  }

  @Test func `a link to a directory above ends as a finding`() throws {
    try withDirectory { root in
      try write("Listen 80\n", "\(root)/d/x")
      try FileManager.default.createSymbolicLink(
        atPath: "\(root)/d/up", withDestinationPath: "\(root)/d")
      try write("Include d\n", "\(root)/main.conf")
      let result = ConfigurationParser.parse(file: "\(root)/main.conf", reader: .system)
      #expect(result.diagnostics.count == 1)
    }
  }

  @Test func `the environment is read`() {
    #expect(Environment.value(of: "PATH") != nil)
    #expect(Environment.value(of: "RING3_SURELY_UNSET") == nil)
  }

  @Test(arguments: [
    ("/a/*.conf", "/a/b.conf", true), ("/a/*.conf", "/a/.conf", false),
    ("/a/*.conf", "/a/b/c.conf", false), ("/*/b", "/a/b", true), ("/a/?", "/a/b", true),
    ("/a/[a-c]", "/a/b", true), ("/a/[!a-c]", "/a/b", false), ("/a/[", "/a/[", true),
    ("/a/*", "/a/.b", false), ("/a/.*", "/a/.b", true), ("/a/**b", "/a/aab", true),
    ("/a*b*c", "/abxbc", true), ("/a*b*c", "/abxbcd", false), ("/*[!x]", "/ax", false),
  ])
  func `patterns in memory match as in a shell`(_ pattern: String, _ path: String, _ yes: Bool) {
    #expect(GlobPattern.matches(pattern: pattern, path: path) == yes)
  }

  @Test func `a pattern of many stars ends in good time`() {
    let stars = String(repeating: "*a", count: 200)
    let text = String(repeating: "a", count: 2000)
    #expect(!GlobPattern.matches(pattern: "/" + stars + "b", path: "/" + text))
    #expect(GlobPattern.matches(pattern: "/" + stars, path: "/" + text))
  }
}
