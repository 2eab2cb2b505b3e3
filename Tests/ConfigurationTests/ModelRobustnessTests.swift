// Every directive with every number of odd arguments, everywhere: diagnostics, never a crash.

import Testing

@testable import Configuration

@Suite struct ModelRobustnessTests {
  static let words = [
    "", "x", "\"\"", "/", "-1", "~", "%{", "$9", "not", "*:80", "[", "always set", "header=", "+",
    "410", "all", "\"a b\"", "é", "env=", "99999999999999999999", ":", "://", "A", "mode=",
    "balancer://a", "http://h/$1", "unix:/s|fcgi://h", "proxy:", "status=+Q", "lbmethod=hash",
    "key=",
    "keep", "!", "timeout=9999999999h",
  ]
  static let frames: [(open: String, close: String)] = [
    ("", ""), ("<VirtualHost *:80>", "</VirtualHost>"), ("<Directory />", "</Directory>"),
    ("<Location />", "</Location>"), ("<Files x>", "</Files>"),
    ("<Proxy balancer://a>", "</Proxy>"),
    ("<Directory />\n<RequireAll>", "</RequireAll>\n</Directory>"),
  ]

  @Test(arguments: DirectiveTable.rows.map(\.name))
  func `odd arguments of a directive never crash the checker`(name: String) throws {
    let row = try #require(DirectiveTable.row(name))
    for frame in Self.frames {
      var text = "Listen 80\n\(frame.open)\n"
      for (index, first) in Self.words.enumerated() {
        for count in 0...4 {
          let others = (0..<max(0, count - 1)).map {
            Self.words[(index + $0 * 5 + 1) % Self.words.count]
          }
          let line = ([name] + (count > 0 ? [first] + others : [])).joined(separator: " ")
          text += (row.isSection ? "<\(line)>\n</\(name)>" : line) + "\n"
        }
      }
      let result = load(text + frame.close)
      #expect(result.model != nil || result.hasErrors)
    }
  }
}
