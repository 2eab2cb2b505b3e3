// 21: files compressed once, when they are first asked for.

import Foundation
import TestSupport
import Testing

extension Response {
  /// The body as it was before it was coded; nil if the coding is broken.
  fileprivate var decoded: String? {
    let coding = self["Content-Encoding"] ?? "identity"
    guard let decoded = ContentDecoder.decode(body, coding: coding), decoded.isWhole else {
      return nil
    }
    return String(decoding: decoded.bytes, as: UTF8.self)
  }
}

extension TestServer {
  fileprivate func coded(
    _ target: String, _ codings: String, method: String = "GET", fields: [String] = []
  ) throws -> Response {
    try get(target, method: method, fields: ["Accept-Encoding: \(codings)"] + fields)
  }

  fileprivate func cacheNumber(_ path: String) -> Int {
    StatusReport(control("cache", "stats", "--json").output)?.number(path) ?? -1
  }
}

extension ServerTests {
  @Suite struct `21 it compresses` {
    private static let text = String(
      repeating: "<p>A line of text that comes again and again.</p>\n", count: 400)
    private static let every = """
      AddOutputFilterByType DEFLATE;BROTLI_COMPRESS;ZSTD_COMPRESS text/html text/css
      """

    /// A server whose files are old enough to be kept.
    private func server(
      _ configuration: String = every, files: [String: String] = ["a.css": text],
      workers: Int = 1
    ) throws -> TestServer {
      let server = try TestServer(configuration, workers: workers, files: files, starts: false)
      for name in files.keys {
        server.directory.age("www/" + name, seconds: name.hasSuffix(".gz") ? 50 : 100)
      }
      try server.start()
      pause(milliseconds: 700)
      return server
    }

    @Test(arguments: [
      ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, br, zstd", "zstd"),
      ("gzip, br", "br"), ("gzip;q=1, br;q=0.5", "gzip"), ("x-gzip", "gzip"),
    ]) func `a file of a listed type in what the client prefers`(
      accepted: String, coding: String
    ) throws {
      let server = try server()
      let plain = try server.get("/a.css")
      #expect(plain["Content-Encoding"] == nil && plain["Vary"] == "Accept-Encoding")
      #expect(plain["Accept-Ranges"] == "bytes" && plain.text == Self.text)
      let tag = try #require(plain["ETag"])
      for _ in 0..<2 {
        let response = try server.coded("/a.css", accepted)
        #expect(response.status == 200 && response["Content-Encoding"] == coding)
        #expect(response["Vary"] == "Accept-Encoding" && response["Accept-Ranges"] == nil)
        #expect(response["ETag"] == "W/\(tag.dropLast())-\(coding)\"")
        #expect(response["Last-Modified"] == plain["Last-Modified"])
        #expect(response.body.count < Self.text.utf8.count / 4)
        #expect(response.decoded == Self.text)
      }
      #expect(try server.get("/a.css").text == Self.text)
    }

    @Test func `it once, and answers from memory after that`() throws {
      let server = try server()
      _ = try server.coded("/a.css", "gzip")
      let connection = try server.open()
      let fills = server.cacheNumber("fills")
      let hits = server.cacheNumber("hits")
      for _ in 0..<30 {
        let response = try connection.get("/a.css", fields: ["Accept-Encoding: gzip"])
        #expect(response["Content-Encoding"] == "gzip")
      }
      #expect(server.cacheNumber("fills") == fills)
      #expect(server.cacheNumber("hits") - hits >= 28)
    }

    @Test func `HEAD has the fields of GET`() throws {
      let server = try server()
      let head = try server.coded("/a.css", "br", method: "HEAD")
      let get = try server.coded("/a.css", "br")
      for name in ["Content-Length", "Content-Encoding", "ETag", "Vary", "Content-Type"] {
        #expect(head[name] == get[name] && head[name] != nil, "\(name)")
      }
      #expect(try server.coded("/a.css", "br", method: "HEAD")["ETag"] == get["ETag"])
    }

    @Test func `conditions are about the variant`() throws {
      let server = try server()
      let tag = try #require(try server.coded("/a.css", "gzip")["ETag"])
      let plain = try #require(try server.get("/a.css")["ETag"])
      let same = try server.coded("/a.css", "gzip", fields: ["If-None-Match: \(tag)"])
      #expect(same.status == 304 && same["ETag"] == tag && same["Vary"] == "Accept-Encoding")
      #expect(same.body.isEmpty)
      // Not stored yet: no need to make it in order to say so.
      let other = "W/\(plain.dropLast())-zstd\""
      let unmade = try server.coded("/a.css", "zstd", fields: ["If-None-Match: \(other)"])
      #expect(unmade.status == 304 && unmade["ETag"] == other)
      #expect(try server.coded("/a.css", "gzip", fields: ["If-None-Match: \(plain)"]).status == 200)
      #expect(try server.get("/a.css", fields: ["If-None-Match: \(tag)"]).status == 200)
      #expect(try server.coded("/a.css", "gzip", fields: ["If-Match: \"x\""]).status == 412)
    }

    @Test func `parts are of the file as it is`() throws {
      let server = try server()
      for _ in 0..<2 {
        let part = try server.coded("/a.css", "gzip", fields: ["Range: bytes=3-8"])
        #expect(part.status == 206 && part["Content-Encoding"] == nil)
        #expect(part.text == String(Self.text.dropFirst(3).prefix(6)))
        let tag = try #require(try server.coded("/a.css", "gzip")["ETag"])
        let whole = try server.coded(
          "/a.css", "gzip", fields: ["Range: bytes=3-8", "If-Range: \(tag)"])
        #expect(whole.status == 200 && whole.decoded == Self.text)
      }
    }

    @Test func `another file is another variant`() throws {
      let server = try server()
      #expect(try server.coded("/a.css", "gzip").decoded == Self.text)
      let next = String(Self.text.reversed())
      server.directory.write(next, to: "www/a.css")
      server.directory.age("www/a.css", seconds: 50)
      #expect(try eventually { try server.coded("/a.css", "gzip").decoded == next })
      #expect(try server.get("/a.css").text == next)
      #expect(server.control("cache", "purge", "http://localhost:\(server.port)/a.css").succeeded)
      #expect(try server.coded("/a.css", "gzip").decoded == next)
    }

    @Test func `a ready-made neighbour wins`() throws {
      let server = try server(files: ["a.css": Self.text, "a.css.gz": "ZIPPED"])
      #expect(try server.coded("/a.css", "gzip, br, zstd").text == "ZIPPED")
      #expect(try server.coded("/a.css", "br").text == Self.text)
    }

    @Test func `but not what is small, unlisted, forbidden to be changed, or an error`() throws {
      let server = try server(
        Self.every + """

          CompressionMinLength 100
          <Location "/fixed.css">
            Header set Cache-Control "max-age=5, no-transform"
          </Location>
          <Location "/own.css">
            Header set Content-Encoding "aes128gcm"
          </Location>
          """,
        files: [
          "small.css": "a{}", "a.txt": Self.text, "fixed.css": Self.text, "own.css": Self.text,
          "a.css": Self.text,
        ])
      for (target, coding) in [
        ("/small.css", nil), ("/a.txt", nil), ("/fixed.css", nil), ("/own.css", "aes128gcm"),
        ("/missing.css", nil),
      ] {
        let response = try server.coded(target, "gzip, br, zstd")
        #expect(response["Content-Encoding"] == coding && response["Vary"] == nil, "\(target)")
        #expect(response["Content-Length"] == "\(response.body.count)")
      }
      #expect(try server.coded("/a.css", "gzip;q=0")["Content-Encoding"] == nil)
      #expect(try server.coded("/a.css", "identity")["Content-Encoding"] == nil)
    }

    @Test func `also what cannot be stored`() throws {
      let server = try server(Self.every + "\nHeader set X-Time %t\n")
      for coding in ["gzip", "br", "zstd"] {
        for method in ["GET", "HEAD"] {
          let response = try server.coded("/a.css", coding, method: method)
          #expect(response["Content-Encoding"] == coding)
          if method == "GET" { #expect(response.decoded == Self.text) }
        }
      }
      #expect(try server.coded("/a.css", "gzip", fields: ["Range: bytes=0-0"]).text == "<")
    }

    @Test func `large files in pieces, while others are answered`() throws {
      var text = ""
      var number: UInt64 = 1
      while text.utf8.count < 2_500_000 {
        number = number &* 6_364_136_223_846_793_005 &+ 1
        text += "\(number >> 40) words and numbers \(number >> 50)\n"
      }
      let huge = text + text
      let server = try server(
        Self.every + "\nBrotliCompressionQuality 9\nCacheMaxObject 4M\n",
        files: ["big.css": text, "huge.css": huge, "index.html": "home\n"])
      let slow = try server.open()
      try slow.request("/big.css", fields: ["Accept-Encoding: br"])
      let started = Date()
      var longest = 0.0
      let other = try server.open()
      for _ in 0..<20 {
        let before = Date()
        #expect(try other.get("/").status == 200)
        longest = max(longest, Date().timeIntervalSince(before))
      }
      let response = try slow.response()
      let whole = Date().timeIntervalSince(started)
      #expect(response["Content-Encoding"] == "br" && response.decoded == text)
      #expect(longest < max(0.25, whole / 2), "\(longest) of \(whole) s")
      // Too large to be compressed.
      #expect(try server.coded("/huge.css", "br")["Content-Encoding"] == nil)
    }

    @Test func `for many clients at a time, who all get the right bytes`() throws {
      let server = try server(workers: 2)
      let connections = try (0..<40).map { _ in try server.open() }
      for (number, connection) in connections.enumerated() {
        let coding = ["gzip", "br", "zstd", "identity"][number % 4]
        try connection.request("/a.css", fields: ["Accept-Encoding: \(coding)"])
      }
      for connection in connections { #expect(try connection.response().decoded == Self.text) }
      #expect(server.workers.count == 2)
    }

    @Test func `over HTTP/2 too`() throws {
      let server = try server("Protocols h2c http/1.1\n" + Self.every)
      let client = try server.openHTTP2()
      for _ in 0..<2 {
        let response = try client.get(
          "/a.css", fields: [("accept-encoding", "zstd")])
        #expect(response["Content-Encoding"] == "zstd" && response.decoded == Self.text)
      }
    }

    @Test func `at the level of the configuration, and anew when that changes`() throws {
      let server = try server("DeflateCompressionLevel 1\n" + Self.every)
      let fast = try server.coded("/a.css", "gzip")
      #expect(server.reload("DeflateCompressionLevel 9\n" + Self.every, workers: 1).succeeded)
      let best = try server.coded("/a.css", "gzip")
      #expect(best.decoded == Self.text && best.body.count < fast.body.count)
      #expect(server.reload("", workers: 1).succeeded)
      let plain = try server.coded("/a.css", "gzip")
      #expect(plain["Content-Encoding"] == nil && plain["Vary"] == nil && plain.text == Self.text)
    }
  }
}
