// What an application may say in Ring3-Delegate.

import Testing

@testable import Worker

@Suite struct `an order to delegate` {
  private func parsed(_ text: String) -> (user: String?, queue: String, path: String?)? {
    Delegation(Array(text.utf8)).map {
      (
        $0.user.map { String(decoding: $0, as: UTF8.self) },
        String(decoding: $0.queue, as: UTF8.self),
        $0.path.map { String(decoding: $0, as: UTF8.self) }
      )
    }
  }

  @Test(
    arguments: [
      ("back", "back", nil), ("b-a.c_k9", "b-a.c_k9", nil), ("back /a?b=%20c", "back", "/a?b=%20c"),
      (" back", "back", nil),
    ] as [(String, String, String?)])
  func `names a queue, perhaps with a path`(text: String, queue: String, path: String?) throws {
    let found = try #require(parsed(text))
    #expect(found.user == nil && found.queue == queue && found.path == path)
  }

  @Test func `names another user's queue with his name`() throws {
    let found = try #require(parsed("ann/back /a"))
    #expect(found.user == "ann" && found.queue == "back" && found.path == "/a")
    let numbered = try #require(parsed("#1001/back"))
    #expect(numbered.user == "#1001" && numbered.queue == "back" && numbered.path == nil)
  }

  @Test(arguments: [
    "", " ", "a/b/c", "/b", "a/", "/", "back x", "back http://x/", "back /a b", "back /a#b",
    "back /a\u{7f}",
    "back /\u{e4}", "a,b", "back  /a", "back /a\r\nX: y", "ba\u{0}ck",
  ])
  func `and nothing else`(text: String) { #expect(parsed(text) == nil) }
}
