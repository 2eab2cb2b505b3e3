// Patterns: anchoring, groups, errors with offsets, limits, required literals.

import Platform
import Testing

@Suite struct PatternTests {
  @Test func `a pattern anchored at both ends matches the whole subject or nothing`() throws {
    let pattern = try Pattern("a|ab", caseInsensitive: false, anchoredBothEnds: true)
    #expect(pattern.matches(Array("ab".utf8)))
    #expect(!pattern.matches(Array("abc".utf8)))
    #expect(!pattern.matches(Array("xab".utf8)))
  }

  @Test func `an end anchor does not match before a final line feed`() throws {
    let pattern = try Pattern("a$")
    #expect(!pattern.matches(Array("a\n".utf8)))
    #expect(try Pattern("^.$").matches([10]))
  }

  @Test func `letter case counts unless told otherwise`() throws {
    #expect(!(try Pattern("abc").matches(Array("ABC".utf8))))
    #expect(try Pattern("abc", caseInsensitive: true).matches(Array("ABC".utf8)))
  }

  @Test func `an empty pattern matches an empty subject`() throws {
    #expect(try Pattern("").matches([]))
    #expect(try Pattern("", anchoredBothEnds: true).matches([]))
    #expect(!(try Pattern("", anchoredBothEnds: true).matches([65])))
  }

  @Test func `groups are byte ranges and groups that took no part are nil`() throws {
    let pattern = try Pattern("(?<first>a+)(b)?(?<last>c)(d)?")
    #expect(pattern.groupCount == 4)
    #expect(pattern.names.map(\.name) == ["first", "last"])
    #expect(pattern.names.map(\.group) == [1, 3])
    #expect(
      pattern.match(Array("xaac".utf8))
        == .match(PatternMatch(captures: [1..<4, 1..<3, nil, 3..<4, nil])))
  }

  @Test func `invalid bytes are bytes like others`() throws {
    #expect(try Pattern("^.{2}$").matches([0xff, 0xfe]))
  }

  @Test(arguments: [("a(b", 3), ("a[b", 3), ("*a", 0), ("a{2,1}", 6), ("(?<n>a)(?<n>b)", 11)])
  func `a wrong pattern is refused at its byte`(text: String, offset: Int) {
    #expect {
      _ = try Pattern(text)
    } throws: { error in
      guard let error = error as? PatternError else { return false }
      return abs(error.byteOffset - offset) <= 1 && !error.message.isEmpty
    }
  }

  @Test func `catastrophic backtracking ends at the match limit`() throws {
    let pattern = try Pattern("^(a+)+$")
    #expect(pattern.match(Array(repeating: 97, count: 60) + [98]) == .limitExceeded)
    #expect(pattern.matches(Array(repeating: 97, count: 60)))
  }

  @Test func `deep recursion ends at a limit, not at a crash`() throws {
    let pattern = try Pattern("^(?:(a)|b)*$")
    let result = pattern.match(Array(repeating: 97, count: 1_000_000))
    #expect(result != .noMatch)
  }

  static let literals: [(pattern: String, sets: [[String]])] = [
    ("www\\.example\\.com", [["www.example.com"]]),
    ("^(?<user>[a-z]+)\\.site7\\.example$", [[".site7.example"]]),
    ("(www|shop)\\.x", [["www", "shop"], [".x"]]),
    ("(?:www\\.)?example", [["example"]]),
    ("ab+c", [["a"], ["b"], ["c"]]),
    ("ab*c", [["a"], ["c"]]),
    ("ab{2}c", [["a"], ["b"], ["c"]]),
    ("ab{0,2}c", [["a"], ["c"]]),
    ("a|b?", []),
    ("(a|b|)x", [["x"]]),
    ("[a-z\\]]+x", [["x"]]),
    ("[]x]y", [["y"]]),
    ("[[:alpha:]]y", [["y"]]),
    ("[[:a]x|y]z", []),
    ("A.B", [["a"], ["b"]]),
    ("\\Qa.b\\E", []),
    ("(?i)abc", []),
    ("(?=abc)", []),
    ("a(?!b)", []),
    ("\\x41", []),
    ("(?<a>x)\\1", []),
    ("a#b", [["a#b"]]),
  ]

  @Test(arguments: literals)
  func `every match contains the literals that are claimed`(pattern: String, sets: [[String]])
    throws
  {
    let found = try Pattern(pattern, caseInsensitive: true).requiredLiterals
    #expect(found.map { $0.map { String(decoding: $0, as: UTF8.self) } } == sets)
  }
}
