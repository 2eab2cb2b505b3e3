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
    private let zipping = ["Accept-Encoding: gzip"]

    @Test func `a precompressed neighbour that is added is hit, not compared each time`() throws {
      let server = try TestServer(starts: false)
      server.directory.write("a plain text that is longer", to: "www/a.css")
      server.directory.age("www/a.css", seconds: 100)
      try server.start()
      pause(milliseconds: 700)
      #expect(try server.get("/a.css").status == 200)
      server.directory.write("ZIPPED", to: "www/a.css.gz")
      server.directory.age("www/a.css.gz", seconds: 50)
      #expect(try eventually { try server.get("/a.css", fields: zipping).text == "ZIPPED" })
      pause(milliseconds: 1200)
      #expect(try server.comparisons("/a.css", zipping) < 10)
    }

    @Test func `a precompressed neighbour that is removed leaves hits behind`() throws {
      let server = try TestServer(starts: false)
      server.directory.write("a plain text that is longer", to: "www/a.css")
      server.directory.age("www/a.css", seconds: 100)
      server.directory.write("ZIPPED", to: "www/a.css.gz")
      server.directory.age("www/a.css.gz", seconds: 50)
      try server.start()
      pause(milliseconds: 700)
      #expect(try server.get("/a.css", fields: zipping).text == "ZIPPED")
      server.directory.remove("www/a.css.gz")
      #expect(
        try eventually { try server.get("/a.css", fields: zipping)["Content-Encoding"] == nil })
      pause(milliseconds: 1200)
      #expect(try server.comparisons("/a.css", zipping) < 10)
    }

    @Test func `a file that was missing is hit also when only its neighbour is asked for`() throws {
      let server = try TestServer(starts: false)
      try server.start()
      for _ in 0..<4 { #expect(try server.get("/a.css", fields: zipping).status == 404) }
      server.directory.write("a plain text that is longer", to: "www/a.css")
      server.directory.age("www/a.css", seconds: 100)
      server.directory.write("ZIPPED", to: "www/a.css.gz")
      server.directory.age("www/a.css.gz", seconds: 50)
      #expect(try eventually { try server.get("/a.css", fields: zipping).text == "ZIPPED" })
      pause(milliseconds: 1200)
      #expect(try server.comparisons("/a.css", zipping) < 10)
    }

    @Test func `what is gone is remembered also when only its neighbour was stored`() throws {
      let server = try TestServer(starts: false)
      server.directory.write("a plain text that is longer", to: "www/a.css")
      server.directory.age("www/a.css", seconds: 100)
      server.directory.write("ZIPPED", to: "www/a.css.gz")
      server.directory.age("www/a.css.gz", seconds: 50)
      try server.start()
      pause(milliseconds: 700)
      #expect(try server.get("/a.css", fields: zipping).text == "ZIPPED")
      server.directory.remove("www/a.css")
      server.directory.remove("www/a.css.gz")
      #expect(try eventually { try server.get("/a.css", fields: zipping).status == 404 })
      pause(milliseconds: 1200)
      let connection = try server.open()
      let before = server.cacheNumber("hits")
      for _ in 0..<30 { _ = try connection.get("/a.css", fields: zipping) }
      #expect(server.cacheNumber("hits") - before > 20)
    }

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
