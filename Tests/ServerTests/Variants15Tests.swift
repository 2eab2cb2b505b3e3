// 15: what lies under one key, or leads to it, and no longer fits together.

import Foundation
import TestSupport
import Testing

extension TestServer {
  /// A number of `cache stats`, -1 when it cannot be had.
  fileprivate func cacheNumber(_ path: String) -> Int {
    StatusReport(control("cache", "stats", "--json").output)?.number(path) ?? -1
  }

  /// How many of 30 requests in a row were compared with the file instead of being hits.
  fileprivate func comparisons(_ target: String, _ fields: [String]) throws -> Int {
    let connection = try open()
    let before = cacheNumber("revalidations")
    for _ in 0..<30 { _ = try connection.get(target, fields: fields) }
    return cacheNumber("revalidations") - before
  }
}

extension ServerTests {
  @Suite struct `15 it keeps variants apart` {
    @Test func `a redirect that is remembered does not answer other queries`() throws {
      let server = try TestServer(workers: 1, files: ["a": "file"])
      server.directory.age("www/a", seconds: 100)
      let connection = try server.open()
      pause(milliseconds: 700)
      for _ in 0..<5 { #expect(try connection.get("/a?x=1").text == "file") }
      server.directory.remove("www/a")
      server.directory.write("index", to: "www/a/index.html")
      #expect(try eventually { try connection.get("/a").status == 301 })
      for _ in 0..<3 { #expect(try connection.get("/a")["Location"] == "/a/") }
      #expect(try connection.get("/a?x=1")["Location"] == "/a/?x=1")
    }
  }
}
