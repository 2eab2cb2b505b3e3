// The directory listing: order, escaping, sizes, times, limits.

import Foundation
import Platform
import Testing

@testable import Worker

@Suite struct FilesListingTests {
  private func entry(_ name: String, directory: Bool = false, size: Int64 = 1)
    -> DirectoryListing
    .Entry
  {
    DirectoryListing.Entry(
      name: Array(name.utf8), isDirectory: directory, size: size, modifiedSeconds: 0)
  }

  @Test func `directories come first, then names in natural order`() {
    let listing = DirectoryListing(
      urlPath: Array("/x/".utf8),
      entries: [
        entry("b10"), entry("B9"), entry("a"), entry("zoo", directory: true), entry("b010"),
        entry("b"), entry("A"), entry("10"), entry("9"),
      ], isComplete: true)
    let names = listing.entries.map { String(decoding: $0.name, as: UTF8.self) }
    #expect(names == ["zoo", "9", "10", "A", "a", "b", "B9", "b010", "b10"])
  }

  @Test func `the order is a strict one`() {
    let names = [
      "", "0", "00", "a0b", "a00b", "a00a", "A0B", "1a", "a1", "a01", "\u{e4}", "Z", "_",
    ]
    .map { Array($0.utf8) }
    for first in names {
      for second in names {
        let (before, after) = (
          DirectoryListing.isOrdered(first, second), DirectoryListing.isOrdered(second, first)
        )
        #expect(first == second ? !before && !after : before != after)
        for third in names where before && DirectoryListing.isOrdered(second, third) {
          #expect(DirectoryListing.isOrdered(first, third))
        }
      }
    }
  }

  @Test(arguments: [
    (
      "<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
      "&lt;script&gt;alert(1)&lt;/script&gt;"
    ),
    ("javascript:alert(1)", "javascript%3Aalert(1)", "javascript:alert(1)"),
    ("a\"b'c", "a%22b&#39;c", "a&quot;b&#39;c"),
    ("50%?#", "50%25%3F%23", "50%?#"),
  ])
  func `a name can neither be markup nor lead elsewhere`(name: String, link: String, text: String) {
    let page = DirectoryListing(
      urlPath: Array("/x/".utf8), entries: [entry(name)], isComplete: true
    ).html()
    let row = "<a href=\"\(link)\"><bdi>\(text)</bdi></a>"
    #expect(String(decoding: page, as: UTF8.self).contains(row))
  }

  @Test func `a name that is no UTF-8 is linked by its bytes and shown with a replacement`() {
    let entry = DirectoryListing.Entry(
      name: [0x61, 0xff], isDirectory: true, size: 0, modifiedSeconds: 0)
    let page = DirectoryListing(urlPath: [0x2f], entries: [entry], isComplete: true).html()
    #expect(String(decoding: page, as: UTF8.self).contains("href=\"a%FF/\"><bdi>a\u{fffd}/</bdi>"))
  }

  @Test(
    arguments: [
      (0, "0"), (999, "999"), (1_000, "1.0K"), (1_024, "1.0K"), (1_536, "1.5K"), (10_240, "10K"),
      (1_023_488, "1.0M"), (1_048_576, "1.0M"), (5_000_000_000, "4.7G"), (Int64.max, "8.0E"),
    ] as [(Int64, String)])
  func `sizes are short`(size: Int64, text: String) {
    #expect(DirectoryListing.humanSize(size) == text)
  }

  @Test(
    arguments: [
      (0, "1970-01-01 00:00"), (951_782_399, "2000-02-28 23:59"), (951_782_400, "2000-02-29 00:00"),
      (1_709_251_199, "2024-02-29 23:59"), (4_107_542_399, "2100-02-28 23:59"),
      (4_107_542_400, "2100-03-01 00:00"), (-1, "1969-12-31 23:59"),
      (1_795_436_100, "2026-11-23 12:15"),
    ] as [(Int64, String)])
  func `times are UTC`(seconds: Int64, text: String) {
    #expect(DirectoryListing.timeText(seconds) == text)
  }

  @Test func `dot files, forbidden links and devices are not shown`() throws {
    let tree = try TemporaryTree()
    for name in [".htaccess", ".git/config", "shown.txt", "folder/x"] {
      try tree.write("site/" + name)
    }
    try tree.link("site/linked", to: "shown.txt")
    try tree.link("site/away", to: "/etc")
    try tree.link("site/broken", to: "nowhere")
    try tree.run("mkfifo", "site/pipe")
    func names(_ change: (inout FileRequest) -> Void) throws -> [String] {
      var request = tree.request("/")
      request.listingAllowed = true
      change(&request)
      guard case .listing(let file) = Resolver.eventLoop.answer(request) else { return [] }
      return content(file).split(separator: "<bdi>").dropFirst().map {
        String($0.prefix { $0 != "<" })
      }
    }
    #expect(try names { _ in } == ["away/", "folder/", "linked", "shown.txt"])
    #expect(try names { $0.links = .none } == ["folder/", "shown.txt"])
    #expect(try names { $0.isConfined = true } == ["folder/", "linked", "shown.txt"])
  }
}
