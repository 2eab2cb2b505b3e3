// House style as tests: each failure names file and line and says what to write instead.

import Foundation
import Testing

@Suite struct `the source is tidy` {
  /// Files that are lists more than programs; everything else keeps to 400 lines.
  static let tables: Set<String> = [
    "DirectiveTable.swift", "KnownDirectives.swift", "KnownDirectives+Apache.swift",
    "KnownDirectives+ThirdParty.swift", "MediaTypes+Defaults.swift", "Status.swift",
  ]
  static let fileLinesMax = 400
  static let functionLinesMax = 70
  static let columnsMax = 100

  @Test func `the tree was found`() {
    #expect(SourceTree.swift.count > 20)
    #expect(SourceTree.texts.contains { $0.path.hasPrefix("etc/") })
  }

  @Test func `a file has at most 400 lines`() {
    for file in SourceTree.code where !SourceTree.isTable(file) {
      let count = file.lines.count - 1
      if count > Self.fileLinesMax {
        report(
          file, Self.fileLinesMax + 1,
          "\(count) lines; move one capability into a file of its own (Type+Capability.swift)")
      }
    }
  }

  @Test func `a function has at most 70 lines`() {
    for file in SourceTree.swift {
      for function in file.functions where function.lineCount > Self.functionLinesMax {
        report(
          file, function.line,
          "a function of \(function.lineCount) lines; give its steps names of their own")
      }
    }
  }

  @Test func `a line has at most 100 columns`() {
    for file in SourceTree.code {
      for (index, line) in file.lines.enumerated()
      where line.count > Self.columnsMax && !line.contains("https://") {
        // A table of a test may hold a text that says more when it is whole.
        if file.path.hasPrefix("Tests/") && line.contains("\"") { continue }
        report(file, index + 1, "\(line.count) columns; break it (swift-format does)")
      }
    }
  }

  @Test func `a file opens with a sentence that says what it is for`() {
    for file in SourceTree.code where file.path != "Package.swift" {
      let first = file.lines.first ?? ""
      if !first.hasPrefix("// ") || first.count < 12 {
        report(file, 1, "begin with '// ' and one sentence of purpose")
      }
    }
  }

  @Test func `nothing is left for later`() {
    // Joined, so that this file does not find itself.
    let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    for file in SourceTree.texts {
      for (index, line) in file.lines.enumerated() {
        for word in words where line.hasWord(word) {
          report(file, index + 1, "'\(word)': do it now, or write an issue and say nothing here")
        }
      }
    }
  }

  @Test func `no path of somebody's machine stands in the project`() {
    let home = ProcessInfo.processInfo.environment["HOME"] ?? ""
    let places = [SourceTree.top.path, home]
      .filter { $0.count > 1 }.map { $0 + "/" }
    for file in SourceTree.texts {
      for (index, line) in file.lines.enumerated() {
        for place in places where line.contains(place) {
          report(
            file, index + 1, "'\(place)…': write a relative path, or find the place at run time")
        }
      }
    }
  }

  @Test func `nothing is public but the library for applications`() {
    // What libFuzzer calls must be seen from outside.
    for file in SourceTree.swift
    where !file.path.hasPrefix("tools/fuzz/") && file.room != SourceFile.publicRoom {
      for (index, line) in file.codeLines.enumerated() where line.hasWord("public") {
        report(file, index + 1, "'public': write 'package', or nothing")
      }
    }
  }
}

extension SourceTree {
  static func isTable(_ file: SourceFile) -> Bool {
    `the source is tidy`.tables.contains(file.name)
  }
}

/// One finding, as compilers print them.
func report(_ file: SourceFile, _ line: Int, _ message: String) {
  Issue.record("\(file.path):\(line): \(message)")
}

extension String {
  /// Whether `word` stands in it with no letter, digit or underscore beside it.
  func hasWord(_ word: String) -> Bool {
    var rest = self[...]
    while let found = rest.range(of: word) {
      let before = found.lowerBound == startIndex ? " " : self[index(before: found.lowerBound)]
      let after = found.upperBound == endIndex ? " " : self[found.upperBound]
      if !before.isPartOfWord && !after.isPartOfWord { return true }
      rest = rest[found.upperBound...]
    }
    return false
  }
}

extension Character {
  fileprivate var isPartOfWord: Bool { isLetter || isNumber || self == "_" }
}
