// The project's own source text, for tests about its style.

import Foundation

/// One text file of the project.
struct SourceFile: Sendable {
  /// Relative to the top: "Sources/HTTP/Status.swift".
  let path: String
  let lines: [String]

  var name: String { path.components(separatedBy: "/").last ?? path }
  var isSwift: Bool { path.hasSuffix(".swift") }
  /// "HTTP" for "Sources/HTTP/…"; nil outside of Sources.
  var room: String? {
    let parts = path.components(separatedBy: "/")
    return parts.count > 2 && parts[0] == "Sources" ? parts[1] : nil
  }
  /// The room that is linked into programs of others: no server code, never where one forks.
  static let publicRoom = "Ring3App"
  /// Lines without comments and without what stands in string literals, so that prose is not code.
  var codeLines: [String] {
    var isInBlock = false
    return lines.map { line in
      // A line with the mark of a text block is code up to it; lines within are none.
      let parts = line.components(separatedBy: "\"\"\"")
      let begins = !isInBlock
      if parts.count % 2 == 0 { isInBlock.toggle() }
      return begins ? SourceFile.code(of: parts[0]) : ""
    }
  }

  private static func code(of line: String) -> String {
    var code = ""
    var isQuoted = false
    var previous: Character = " "
    for character in line {
      if character == "`" || (character == "\"" && previous != "\\") {
        isQuoted.toggle()
      } else if !isQuoted {
        if character == "/" && previous == "/" { return String(code.dropLast()) }
        code.append(character)
      }
      previous = character
    }
    return code
  }
}

/// All source files, found from this file's own place.
enum SourceTree {
  static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Swift and C of Sources, Tests and tools.
  static let code: [SourceFile] =
    files(in: ["Sources", "Tests", "tools"]) { path in
      [".swift", ".c", ".h"].contains { path.hasSuffix($0) }
    } + [file("Package.swift")].compactMap { $0 }

  static let swift: [SourceFile] = code.filter { $0.isSwift && $0.path != "Package.swift" }

  /// Everything that people read: code, scripts, configuration, prose.
  static let texts: [SourceFile] =
    files(in: ["Sources", "Tests", "tools", "etc", ".ci"]) { path in
      ![".gz", ".br", ".zst", ".png", ".ico"].contains { path.hasSuffix($0) }
        && !path.contains("/corpus/") && !path.contains("/.build/")
    } + ["README.md", "CHANGELOG.md", "Package.swift"].compactMap { file($0) }

  private static func files(
    in directories: [String], where isWanted: (String) -> Bool
  ) -> [SourceFile] {
    directories.flatMap { directory -> [SourceFile] in
      let walk = FileManager.default.enumerator(atPath: top.appendingPathComponent(directory).path)
      let names = (walk?.allObjects as? [String] ?? []).sorted()
      return names.map { directory + "/" + $0 }.filter(isWanted).compactMap { file($0) }
    }
  }

  private static func file(_ path: String) -> SourceFile? {
    guard let text = try? String(contentsOf: top.appendingPathComponent(path), encoding: .utf8)
    else { return nil }
    return SourceFile(path: path, lines: text.components(separatedBy: "\n"))
  }
}
