// 18: HTTP/2 in clear text. What HTTP/1.1 answers, HTTP/2 answers too, byte for byte.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `18 HTTP 2 answers as HTTP 1 does` {
    typealias Hosts = `04 it tells sites apart`

    static let clearText = "Protocols h2c http/1.1\n"

    private func makeServer(_ configuration: String = "", files: [String: String] = [:])
      throws -> TestServer
    {
      try TestServer(Self.clearText + configuration, files: files)
    }

    @Test func `GET and HEAD of a file`() throws {
      let server = try makeServer(files: ["a.txt": "hello"])
      pause(milliseconds: 50)  // a file of this instant has a weak entity tag, a moment later not
      let client = try server.openHTTP2()
      let plain = try server.get("/a.txt")
      for _ in 0..<3 {  // from the file, from the cache, again
        let get = try client.get("/a.txt")
        #expect(get.status == 200)
        #expect(get.text == "hello")
        let head = try client.get("/a.txt", method: "HEAD")
        #expect(head.status == 200 && head.body.isEmpty)
        for name in ["Content-Length", "Content-Type", "ETag", "Last-Modified", "Server"] {
          #expect(get[name] == plain[name], "\(name)")
          #expect(head[name] == plain[name], "\(name)")
        }
      }
    }

    @Test func `conditions and ranges`() throws {
      let server = try makeServer(files: ["a.txt": "0123456789"])
      server.directory.age("www/a.txt", seconds: 100)
      let client = try server.openHTTP2()
      let tag = try #require(try client.get("/a.txt")["etag"])
      for _ in 0..<2 {
        let same = try client.get("/a.txt", fields: [("if-none-match", tag)])
        #expect(same.status == 304 && same["etag"] == tag)
        let part = try client.get("/a.txt", fields: [("range", "bytes=2-4")])
        #expect(part.status == 206 && part.text == "234")
        #expect(part["content-range"] == "bytes 2-4/10")
        let tail = try client.get("/a.txt", fields: [("range", "bytes=-3"), ("if-range", tag)])
        #expect(tail.status == 206 && tail.text == "789")
        let beyond = try client.get("/a.txt", fields: [("range", "bytes=10-")])
        #expect(beyond.status == 416 && beyond["content-range"] == "bytes */10")
        #expect(try client.get("/a.txt", fields: [("if-match", "\"x\"")]).status == 412)
      }
    }

    @Test func `what is not there, what is elsewhere, what is listed`() throws {
      let server = try makeServer(
        """
        Redirect permanent /old /new
        <Directory "@root@/www/list">
          Options +Indexes
        </Directory>
        """, files: ["list/one.txt": "1", "list/two.txt": "2", "folder/x": "x"])
      let client = try server.openHTTP2()
      for _ in 0..<2 {
        let missing = try client.get("/none")
        #expect(missing.status == 404 && !missing.body.isEmpty)
        #expect(try client.get("/none", method: "HEAD").status == 404)
        let moved = try client.get("/old/page?x=1")
        #expect(moved.status == 301)
        #expect(moved["location"]?.hasSuffix("/new/page?x=1") == true)
        #expect(try client.get("/folder").status == 301)
        let listing = try client.get("/list/")
        #expect(listing.status == 200)
        #expect(listing.text.contains("one.txt") && listing.text.contains("two.txt"))
      }
      let plain = try server.get("/list/")
      #expect(try client.get("/list/").body == plain.body)
    }

    @Test(arguments: [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 262_145, 1_048_576, 5_000_000])
    func `every byte of a body comes, whatever its size`(byteCount: Int) throws {
      let server = try TestServer(Self.clearText + "CacheMaxObject 2M", starts: false)
      let bytes = variedBytes(byteCount, seed: UInt64(byteCount))
      server.directory.write(bytes, to: "www/file")
      server.directory.age("www/file", seconds: 100)
      try server.start()
      let client = try server.openHTTP2()
      for _ in 0..<3 { #expect(try client.get("/file").body == bytes) }
      guard byteCount > 0 else { return }
      let range = try client.get("/file", fields: [("range", "bytes=\(byteCount / 2)-")])
      #expect(range.body == Array(bytes[(byteCount / 2)...]))
    }

    @Test func `many streams at once, every byte of each`() throws {
      let server = try TestServer(Self.clearText + "CacheMaxObject 1M", starts: false)
      let sizes = [100, 5000, 70_000, 300_000, 1_500_000]
      for (number, size) in sizes.enumerated() {
        server.directory.write(variedBytes(size, seed: UInt64(number + 7)), to: "www/\(number)")
        server.directory.age("www/\(number)", seconds: 100)
      }
      try server.start()
      let client = try server.openHTTP2()
      for _ in 0..<3 {
        let streams = try (0..<90).map { try client.request("/\($0 % sizes.count)?\($0 / 30)") }
        for (index, stream) in streams.enumerated() {
          let number = index % sizes.count
          let expected = variedBytes(sizes[number], seed: UInt64(number + 7))
          #expect(try client.response(stream).body == expected)
          client.engine.answers[stream] = nil
        }
      }
    }

    @Test func `streams of one urgency share the connection`() throws {
      let server = try TestServer(
        Self.clearText + "CacheMaxObject 4M", workers: 1, starts: false)
      server.directory.write(variedBytes(2_000_000), to: "www/large")
      server.directory.age("www/large", seconds: 100)
      try server.start()
      // In memory, so that nobody waits for a disk; and asked for in one segment.
      #expect(try server.get("/large").body.count == 2_000_000)
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 4_000_000, opensWindows: false))
      client.engine.openWindow(stream: 0, 10_000_000)
      let streams = (0..<3).map { _ in
        client.engine.request(
          HTTP2Engine.requestFields("/large", [("priority", "u=3, i")]))
      }
      try client.flush()
      for stream in streams { #expect(try client.response(stream).body.count == 2_000_000) }
      let order = client.engine.journal.filter { $0.kind == HTTP2Frame.Kind.data }.map(\.stream)
      let firstEnd = try #require(order.firstIndex(of: order.last ?? 0))
      #expect(firstEnd < order.count / 2, "the last stream had to wait for the others")
    }

    @Test func `a more urgent stream goes first`() throws {
      let server = try TestServer(
        Self.clearText + "CacheMaxObject 4M", workers: 1, starts: false)
      let bytes = variedBytes(1_000_000)
      server.directory.write(bytes, to: "www/large")
      server.directory.age("www/large", seconds: 100)
      try server.start()
      let client = try server.openHTTP2(HTTP2Engine(initialWindow: 4_000_000, opensWindows: false))
      #expect(try server.get("/large").body == bytes)
      // Both wait for the connection's window when the more urgent one comes.
      let late = try client.request("/large", fields: [("priority", "u=7")])
      #expect(try client.read { client.engine.answers[late]?.body.count ?? 0 >= 65_535 })
      let soon = try client.request("/large", fields: [("priority", "u=0")])
      #expect(try client.read { client.engine.answers[soon]?.head != nil })
      client.engine.openWindow(stream: 0, 2_000_000)
      try client.flush()
      #expect(try client.response(soon).body == bytes)
      #expect(client.engine.answers[late]?.isWhole == false)
      #expect(client.engine.answers[late]?.bodyByteCount ?? 0 < 500_000)
      #expect(try client.response(late).body == bytes)
    }

    @Test func `a precompressed file goes to those who take it`() throws {
      let server = try makeServer(files: ["a.html": "plain, and longer", "a.html.gz": "packed"])
      server.directory.age("www/a.html", seconds: 100)
      server.directory.age("www/a.html.gz", seconds: 50)
      let client = try server.openHTTP2()
      for _ in 0..<2 {
        let packed = try client.get("/a.html", fields: [("accept-encoding", "gzip")])
        #expect(packed.text == "packed" && packed["content-encoding"] == "gzip")
        #expect(packed["vary"]?.lowercased().contains("accept-encoding") == true)
        #expect(try client.get("/a.html").text == "plain, and longer")
      }
    }

    @Test func `a cookie in crumbs and unknown fields do no harm`() throws {
      let server = try makeServer(files: ["a": "A"])
      let client = try server.openHTTP2()
      let response = try client.get(
        "/a", fields: [("cookie", "a=b"), ("cookie", "c=d"), ("x-empty", ""), ("te", "trailers")])
      #expect(response.text == "A")
    }

    @Test func `a body nobody wants is counted, refused, and its end awaited`() throws {
      let server = try makeServer("LimitRequestBody 1000", files: ["a": "A"])
      let client = try server.openHTTP2()
      #expect(try client.get("/a", method: "POST", body: [1, 2, 3]).status == 405)
      #expect(try client.get("/a", method: "GET", body: [1, 2, 3]).text == "A")
      let announced = try client.get(
        "/a", method: "POST", fields: [("content-length", "1001")],
        body: [UInt8](repeating: 1, count: 1001))
      #expect(announced.status == 413)
      let unannounced = try client.get(
        "/a", method: "POST", body: [UInt8](repeating: 1, count: 5000))
      // The method alone is reason enough, and may be told before the body is counted.
      #expect([405, 413].contains(unannounced.status))
      #expect(try client.get("/a").text == "A")
    }

    @Test func `a body may end with trailers`() throws {
      let server = try makeServer(files: ["a": "A"])
      let client = try server.openHTTP2()
      let stream = client.engine.request(
        HTTP2Engine.requestFields("/a", [("trailer", "x-sum")]), ends: false)
      try client.send(
        .data(stream: stream, [1, 2, 3]), .headers(stream: stream, [HTTP2Field("x-sum", "6")]))
      #expect(try client.response(stream).text == "A")
      #expect(try client.get("/a").text == "A")
    }

    @Test func `whoever expects 100 is told`() throws {
      let server = try makeServer(files: ["a": "A"])
      let client = try server.openHTTP2()
      let stream = client.engine.request(
        HTTP2Engine.requestFields(
          "/a", method: "POST", [("expect", "100-continue"), ("content-length", "3")]),
        ends: false)
      try client.flush()
      let isTold = try client.read {
        let answer = client.engine.answers[stream]
        return answer?.interim.contains(100) == true || answer?.head != nil
      }
      #expect(isTold)
      try client.send(.data(stream: stream, [1, 2, 3], ends: true))
      #expect(try client.response(stream).status == 405)
      #expect(try client.get("/a", fields: [("expect", "the-unexpected")]).status == 417)
      #expect(try client.get("/a").text == "A")
    }

    @Test func `hits of both versions come from one entry`() throws {
      let server = try TestServer(Self.clearText, workers: 1, files: ["a": "A"])
      server.directory.age("www/a", seconds: 100)
      #expect(try server.get("/a").text == "A")
      let client = try server.openHTTP2()
      func number(_ key: String) -> Int {
        StatusReport(server.control("cache", "stats", "--json").output)?.number(key) ?? -1
      }
      let isStored = try eventually {
        guard try client.get("/a").text == "A" else { return false }
        return number("hits") > 0
      }
      #expect(isStored)
      let before = (hits: number("hits"), entries: number("entries"))
      for _ in 0..<10 {
        #expect(try client.get("/a").text == "A")
        #expect(try server.get("/a").text == "A")
      }
      #expect(number("hits") - before.hits == 20)
      #expect(number("entries") == before.entries)
    }

    @Test func `the access log says which version it was`() throws {
      let server = try makeServer("CustomLog access.log common", files: ["a": "12345"])
      let client = try server.openHTTP2()
      for _ in 0..<2 { #expect(try client.get("/a?x").text == "12345") }
      #expect(try client.get("/none").status == 404)
      let lines = `09 it writes logs`.lines(server, "access.log", 3)
      #expect(lines.count == 3)
      for line in lines.prefix(2) {
        #expect(line.hasSuffix("\"GET /a?x HTTP/2.0\" 200 5"), "\(line)")
      }
      #expect(lines.last?.contains("\"GET /none HTTP/2.0\" 404 ") == true, "\(lines)")
    }

    @Test func `sites are found by authority, or by Host`() throws {
      let server = try makeServer(
        Hosts.site("ServerName a.test", root: "a") + Hosts.site("ServerName b.test", root: "b"),
        files: ["a/x": "a", "b/x": "b"])
      let client = try server.openHTTP2()
      for _ in 0..<2 {
        #expect(try client.get("/x", authority: "a.test").text == "a")
        #expect(try client.get("/x", authority: "B.TEST:80").text == "b")
        #expect(try client.get("/x", authority: "b.test", fields: [("host", "b.test")]).text == "b")
        let stream = client.engine.request([
          HTTP2Field(":method", "GET"), HTTP2Field(":scheme", "http"), HTTP2Field(":path", "/x"),
          HTTP2Field("host", "b.test"),
        ])
        try client.flush()
        #expect(try client.response(stream).text == "b")
      }
    }
  }
}
