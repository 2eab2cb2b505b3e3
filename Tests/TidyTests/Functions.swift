// Finds functions in formatted source by their indentation.

/// A function, initialiser, or accessor block that stands in a file.
struct SourceFunction {
  /// Of its first line, from 1.
  let line: Int
  /// From its declaration to its closing brace.
  let lineCount: Int
}

extension SourceFile {
  /// Relies on swift-format: a declaration's closing brace stands alone, under its first letter.
  var functions: [SourceFunction] {
    let code = codeLines
    return code.indices.compactMap { start in
      guard SourceFile.opensFunction(code[start]) else { return nil }
      let indentation = code[start].prefix { $0 == " " }
      for end in code.indices[(start + 1)...] {
        let line = code[end]
        if line == indentation + "}" {
          return SourceFunction(line: start + 1, lineCount: end - start + 1)
        }
        let depth = line.prefix { $0 == " " }.count
        if depth < indentation.count && depth < line.count { return nil }
        // The next declaration at the same depth: the first had no body of several lines.
        if depth == indentation.count && SourceFile.opensFunction(line) { return nil }
      }
      return nil
    }
  }

  private static func opensFunction(_ line: String) -> Bool {
    let words = line.split { $0 == " " || $0 == "(" || $0 == "<" || $0 == "?" }
    guard let place = words.firstIndex(where: { ["func", "init", "deinit"].contains($0) }) else {
      return false
    }
    let isDeclaration = words[..<place].allSatisfy { word in
      word.first == "@" || modifiers.contains(String(word))
    }
    let isWhole = line.hasSuffix("}") && line.contains("{")
    return isDeclaration && !isWhole
  }

  private static let modifiers: Set<String> = [
    "package", "private", "fileprivate", "internal", "static", "final", "override", "mutating",
    "convenience", "required", "borrowing", "consuming", "nonisolated", "class", "unsafe",
  ]
}
