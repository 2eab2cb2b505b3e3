// What an application may say in Ring3-Fragments.

import Testing

@testable import HTTP

@Suite struct `a list of fragments` {
  private func parse(_ lines: String...) -> [FragmentList.Part]? {
    FragmentList.parse(lines.map { Array($0.utf8) })
  }

  private func fragment(
    _ name: String, from: Int = 0, length: Int? = nil
  ) -> FragmentList.Part {
    .fragment(name: Array(name.utf8), from: from, length: length)
  }

  @Test func `names parts in order`() {
    #expect(parse("\"/a\"") == [fragment("/a")])
    #expect(parse("12") == [.bytes(12)])
    #expect(parse("0, \"/a\";from=3, 7") == [.bytes(0), fragment("/a", from: 3), .bytes(7)])
    #expect(
      parse("\"http://h:80/a\";length=0;from=1")
        == [fragment("http://h:80/a", from: 1, length: 0)])
    #expect(parse("1", "\"/a\"") == [.bytes(1), fragment("/a")])
    // What is not known may come to mean something; the last one of a name counts.
    #expect(
      parse("\"/a\";x=\"y\";length=1;length=2, 3;z") == [fragment("/a", length: 2), .bytes(3)])
    #expect(parse("\"/\\\"\\\\\"") == [fragment("/\"\\")])
    #expect(parse((1...64).map { "\($0)" }.joined(separator: ","))?.count == 64)
    #expect(parse("2147483647") == [.bytes(2_147_483_647)])
  }

  @Test(arguments: [
    "", " ", ",", "1,", "a", "1.0", "-1", "?1", ":YQ==:", "@1", "(1 2)", "(\"/a\")", "\"", "\"/a",
    "\"\"", "\"/a\";from", "\"/a\";from=-1", "\"/a\";from=\"1\"", "\"/a\";length=1.5",
    "2147483648", "\"/\u{e4}\"", "1 2", "\"/a\" ; from=1 x",
  ])
  func `is whole or nothing`(text: String) {
    #expect(parse(text) == nil)
  }

  @Test func `is not too long`() {
    #expect(parse((1...65).map { "\($0)" }.joined(separator: ",")) == nil)
    #expect(parse("\"" + String(repeating: "a", count: 2048) + "\"") != nil)
    #expect(parse("\"" + String(repeating: "a", count: 2049) + "\"") == nil)
  }
}
