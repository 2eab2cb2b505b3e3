// 05: the shared cache. It stays small, it sees changes, it never mixes two versions of a file.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `05 it caches` {
    @Test func `queries of one file do not fill the cache`() throws {
      let server = try TestServer(starts: false)
      let body = [UInt8](repeating: 0x61, count: 200_000)
      server.directory.write(body, to: "www/a")
      server.directory.write("hot", to: "www/hot")
      try server.start()
      let connection = try server.open()
      _ = try connection.get("/hot")
      _ = try connection.get("/a")
      let before = server.status()?.cacheBytesUsed
      // 16 MiB hold 80 copies; 1,000 spellings, each twice, would push everything else out.
      for _ in 0..<2 {
        for number in 0..<1000 {
          #expect(try connection.get("/a?\(number)").body.count == body.count)
        }
      }
      #expect(try connection.get("/hot").text == "hot")
      if let before, let after = server.status()?.cacheBytesUsed {
        #expect(after - before < 1_500_000, "the cache grew from \(before) to \(after) bytes")
      }
    }

    @Test func `a changed, a new and a removed file are seen soon`() throws {
      let server = try TestServer(files: ["a": "one", "gone": "here"])
      let connection = try server.open()
      #expect(try connection.get("/a").text == "one")
      #expect(try connection.get("/gone").text == "here")
      #expect(try connection.get("/new").status == 404)
      server.directory.replace("www/a", with: Array("two!".utf8))
      server.directory.write("new", to: "www/new")
      server.directory.remove("www/gone")
      #expect(try eventually { try connection.get("/a").text == "two!" })
      #expect(try eventually { try connection.get("/new").text == "new" })
      #expect(try eventually { try connection.get("/gone").status == 404 })
      server.directory.write("rewritten in place", to: "www/a")
      #expect(try eventually { try connection.get("/a").text == "rewritten in place" })
    }

    @Test func `a change is seen by every worker`() throws {
      let server = try TestServer(workers: 3, files: ["a": "one"])
      let connections = try (0..<12).map { _ in try server.open() }
      for connection in connections { #expect(try connection.get("/a").text == "one") }
      server.directory.replace("www/a", with: Array("two".utf8))
      #expect(
        try eventually { try connections.allSatisfy { try $0.get("/a").text == "two" } })
      for connection in connections { #expect(try connection.get("/a").text == "two") }
    }

    @Test func `a file rewritten all the time is never a mixture`() throws {
      let server = try TestServer("CacheStaticRevalidate 5ms", starts: false)
      let versions = [UInt8(ascii: "A"), UInt8(ascii: "B")].map {
        Data(repeating: $0, count: 300_000)
      }
      server.directory.write(Array(versions[0]), to: "www/a")
      try server.start()
      let file = try #require(FileHandle(forWritingAtPath: server.directory.path("www/a")))
      let connection = try server.open()
      var seen: Set<UInt8> = []
      for round in 0..<400 {
        try connection.request("/a")
        try file.seek(toOffset: 0)
        try file.write(contentsOf: versions[round % 2])
        let response = try connection.response()
        #expect(response.body.count == 300_000)
        let first = response.body.first ?? 0
        #expect(response.body.consists(of: first), "round \(round)")
        seen.insert(first)
      }
      #expect(seen.count == 2)
    }

    @Test func `a large file cut short while it is sent is never completed`() throws {
      let server = try TestServer(starts: false)
      server.directory.write([UInt8](repeating: 1, count: 20_000_000), to: "www/large")
      try server.start()
      let connection = try server.open()
      try connection.request("/large")
      let head = try connection.head()
      #expect(head.bodyByteCount(toHead: false) == 20_000_000)
      server.directory.write([UInt8](repeating: 2, count: 10), to: "www/large")
      let rest = try connection.socket.receiveToEnd()
      #expect(rest.count < 20_000_000)
    }

    @Test func `a large file replaced while it is sent arrives in its old version`() throws {
      let server = try TestServer(starts: false)
      server.directory.write([UInt8](repeating: 1, count: 20_000_000), to: "www/large")
      try server.start()
      let connection = try server.open()
      try connection.request("/large")
      pause(milliseconds: 100)
      server.directory.replace("www/large", with: [UInt8](repeating: 2, count: 20_000_000))
      let response = try connection.response()
      #expect(response.body.count == 20_000_000)
      #expect(response.body.consists(of: 1))
    }

    @Test func `what is not there is remembered for a while, and no longer`() throws {
      // However long files are believed in: nobody watches for one that is not there.
      let server = try TestServer(
        "CacheStaticRevalidate 1h", files: ["dir/index.html": "index"])
      let connection = try server.open()
      let first = try connection.get("/missing")
      #expect(first.status == 404)
      for _ in 0..<5 {
        let again = try connection.get("/missing")
        #expect(again.status == 404)
        #expect(again.body == first.body)
        let redirect = try connection.get("/dir")
        #expect(redirect.status == 301)
        #expect(redirect["Location"] == "/dir/")
      }
      #expect(server.status()?.number("cache.negatives") == 2)
      // Conditions are for what is there; HEAD has no body; what was stored stays out of the way.
      #expect(
        try connection.get("/missing", fields: ["If-None-Match: *", "Range: bytes=0-1"]).status
          == 404)
      #expect(try connection.get("/missing", method: "HEAD").status == 404)
      #expect(try connection.get("/dir/").text == "index")
      server.directory.write("here", to: "www/missing")
      #expect(try eventually { try connection.get("/missing").text == "here" })
      server.directory.remove("www/missing")
      #expect(try eventually { try connection.get("/missing").status == 404 })
    }

    @Test func `more files than the cache holds are all served right`() throws {
      let server = try TestServer("CacheSize 4M", starts: false)
      for number in 0..<200 {
        server.directory.write(
          [UInt8](repeating: UInt8(number), count: 50_000 + number), to: "www/f\(number)")
      }
      try server.start()
      let connection = try server.open()
      for round in 0..<3 {
        for number in 0..<200 {
          let response = try connection.get("/f\((number * 7 + round) % 200)")
          let value = UInt8((number * 7 + round) % 200)
          #expect(response.body.count == 50_000 + Int(value))
          #expect(response.body.consists(of: value))
        }
      }
    }
  }
}

extension StatusReport {
  /// Bytes of the cache in use, nil if the status does not say.
  var cacheBytesUsed: Int? { number("cache.usedBytes") }
}
