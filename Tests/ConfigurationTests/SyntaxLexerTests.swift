// Lines and words.

import Testing

@testable import Configuration

struct SyntaxLexerTests {
  private func words(_ line: String) throws -> [String] {
    var lexer = Lexer(Array(line.utf8))
    var words: [String] = []
    while let word = try lexer.next() { words.append(String(decoding: word.bytes, as: UTF8.self)) }
    return words
  }

  @Test(arguments: [
    ("a b  c", ["a", "b", "c"]),
    ("  a\tb\u{B}c ", ["a", "b", "c"]),
    ("\"a b\" c", ["a b", "c"]),
    ("'a b' c", ["a b", "c"]),
    ("\"a\"b", ["a", "b"]),
    ("a\"b c\"", ["a\"b", "c\""]),
    ("\"\" ''", ["", ""]),
    (#""a \" b""#, [#"a " b"#]),
    (#"'a \' b'"#, ["a ' b"]),
    (#""a \' b""#, [#"a \' b"#]),
    (#"a\\b"#, [#"a\b"#]),
    (#"a\b \d+"#, [#"a\b"#, #"\d+"#]),
    (#"a\"b"#, [#"a\"b"#]),
    (#""a\\" b"#, [#"a\"#, "b"]),
    (#"a\"#, [#"a\"#]),
    ("#a", ["#a"]),
    ("", []),
    ("   ", []),
  ])
  func `words end as in httpd`(_ line: String, _ expected: [String]) throws {
    #expect(try words(line) == expected)
  }

  @Test(arguments: ["\"a b", "'", "x \"a\\\"", "'a\\'"])
  func `a quote without its end is refused`(_ line: String) {
    #expect(throws: Lexer.Failure.self) { try words(line) }
  }

  @Test(arguments: [
    ("a\nb\n", ["a", "b"]),
    ("a\nb", ["a", "b"]),
    ("a\r\nb\r\n", ["a", "b"]),
    ("a\\\nb\nc", ["ab", "c"]),
    ("a\\\r\nb", ["ab"]),
    ("# a\\\nb\nc", ["# ab", "c"]),
    ("a\\\\\nb", ["a\\b"]),
    ("a\\ \nb", ["a\\ ", "b"]),
    ("a\\", ["a\\"]),
    ("a\\\n", ["a"]),
    ("\u{FEFF}a", ["a"]),
    ("", []),
    ("\n\n", ["", ""]),
  ])
  func `a backslash before a line end joins lines`(_ text: String, _ expected: [String]) {
    var source = SourceText(file: "f", bytes: Array(text.utf8))
    var lines: [String] = []
    while let line = source.nextLine() { lines.append(String(decoding: line.bytes, as: UTF8.self)) }
    #expect(lines == expected)
  }

  @Test func `a word of a continued line keeps its physical place`() throws {
    var source = SourceText(file: "f", bytes: Array("x\nab \\\n  cd\\\nef gh\n".utf8))
    _ = source.nextLine()
    let next = source.nextLine()
    let line = try #require(next)
    var lexer = Lexer(line.bytes)
    var places: [String] = []
    var lengths: [Int] = []
    while let word = try lexer.next() {
      let placed = line.word("", word.range, isQuoted: false, isVerbatim: true)
      places.append(placed.place.description)
      lengths.append(placed.length)
    }
    #expect(places == ["f:2:1", "f:3:3", "f:4:4"])
    #expect(lengths == [2, 2, 2])
  }
}
