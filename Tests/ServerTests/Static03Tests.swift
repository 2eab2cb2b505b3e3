// 03: static files. Validators, ranges, indexes, redirects, listings, links, encodings.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `03 it serves files` {
    @Test func `a validator that matches is 304`() throws {
      let server = try TestServer(files: ["a.txt": "hello"])
      server.directory.age("www/a.txt", seconds: 3600)
      let first = try server.get("/a.txt")
      let tag = try #require(first["ETag"])
      let date = try #require(first["Last-Modified"])
      #expect(tag.hasPrefix("\""), "an old file's tag is strong")
      let connection = try server.open()
      for fields in [
        ["If-None-Match: \(tag)"], ["If-None-Match: \"x\", \(tag)"], ["If-None-Match: *"],
        ["If-None-Match: W/\(tag)"], ["If-Modified-Since: \(date)"],
        ["If-None-Match: \(tag)", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
      ] {
        let response = try connection.get("/a.txt", fields: fields)
        #expect(response.status == 304, "\(fields)")
        #expect(response["ETag"] == tag)
        #expect(response.body.isEmpty)
      }
      for fields in [
        ["If-None-Match: \"x\""], ["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
        ["If-None-Match: \"x\"", "If-Modified-Since: \(date)"], ["If-Modified-Since: nonsense"],
        ["If-Match: \(tag)"], ["If-Match: *"], ["If-Unmodified-Since: \(date)"],
      ] {
        #expect(try connection.get("/a.txt", fields: fields).text == "hello", "\(fields)")
      }
      for fields in [
        ["If-Match: \"x\""], ["If-Match: W/\(tag)"],
        ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
      ] {
        #expect(try connection.get("/a.txt", fields: fields).status == 412, "\(fields)")
      }
    }

    @Test func `a range is that part, from cached and from large files`() throws {
      let server = try TestServer(starts: false)
      let large = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
      server.directory.write("0123456789", to: "www/small")
      server.directory.write(large, to: "www/large")
      server.directory.age("www/small", seconds: 60)
      server.directory.age("www/large", seconds: 60)
      try server.start()
      let connection = try server.open()
      for _ in 0..<2 {
        for (range, text, part) in [
          ("0-0", "0", "0-0"), ("2-4", "234", "2-4"), ("7-", "789", "7-9"),
          ("-3", "789", "7-9"), ("5-100", "56789", "5-9"), ("-100", "0123456789", "0-9"),
        ] {
          let response = try connection.get("/small", fields: ["Range: bytes=\(range)"])
          #expect(response.status == 206, "\(range)")
          #expect(response.text == text, "\(range)")
          #expect(response["Content-Range"] == "bytes \(part)/10", "\(range)")
        }
        let middle = try connection.get("/large", fields: ["Range: bytes=999990-1999990"])
        #expect(middle.status == 206)
        #expect(middle.body == Array(large[999_990...1_999_990]))
      }
      let beyond = try connection.get("/small", fields: ["Range: bytes=10-"])
      #expect(beyond.status == 416)
      #expect(beyond["Content-Range"] == "bytes */10")
      for range in ["bytes=4-2", "lines=1-2", "bytes=x-y", "bytes="] {
        let response = try connection.get("/small", fields: ["Range: \(range)"])
        #expect(response.status == 200, "\(range)")
        #expect(response.text == "0123456789")
      }
    }

    @Test func `several ranges are one multipart body`() throws {
      let server = try TestServer(files: ["a.txt": "0123456789"])
      let response = try server.get("/a.txt", fields: ["Range: bytes=0-1,4-5,-1"])
      #expect(response.status == 206)
      let type = try #require(response["Content-Type"])
      #expect(type.hasPrefix("multipart/byteranges; boundary="))
      let boundary = type.split(separator: "=")[1].replacing("\"", with: "")
      #expect(response.text.components(separatedBy: "--\(boundary)").count == 5)
      for part in ["bytes 0-1/10", "bytes 4-5/10", "bytes 9-9/10"] {
        #expect(response.text.contains("Content-Range: \(part)\r\n"))
      }
      #expect(response.text.contains("\r\n\r\n45\r\n"))
    }

    @Test func `If-Range keeps parts of two versions apart`() throws {
      let server = try TestServer(files: ["a": "0123456789"])
      server.directory.age("www/a", seconds: 3600)
      let tag = try #require(try server.get("/a")["ETag"])
      let fields = ["Range: bytes=0-1"]
      #expect(try server.get("/a", fields: fields + ["If-Range: \(tag)"]).status == 206)
      #expect(try server.get("/a", fields: fields + ["If-Range: \"other\""]).status == 200)
      #expect(try server.get("/a", fields: fields + ["If-Range: W/\(tag)"]).status == 200)
    }

    @Test func `a directory without its slash redirects and keeps no port in the cache`() throws {
      let server = try TestServer(files: ["d/index.html": "D"])
      for host in ["localhost:1234", "localhost", "localhost:\(server.port)", "localhost:1234"] {
        let response = try server.get("/d?q=1", host: host)
        #expect(response.status == 301)
        let location = try #require(response["Location"])
        #expect(location.hasSuffix("/d/?q=1"))
        // Absolute with the port that this client named, or relative; never another client's.
        let isRelative = location.hasPrefix("/")
        #expect(isRelative || location == "http://\(host)/d/?q=1", "\(host): \(location)")
      }
    }

    @Test func `a listing is made only where allowed, sorted and escaped`() throws {
      let server = try TestServer(
        "<Directory \"@root@/www/open\">\nOptions +Indexes\n</Directory>",
        files: [
          "open/b.txt": "b", "open/a.txt": "a", "open/<i>.txt": "x", "open/.htpasswd": "secret",
          "open/sub/x": "x", "shut/a.txt": "a",
        ])
      let response = try server.get("/open/")
      #expect(response.status == 200)
      #expect(response["Content-Type"]?.hasPrefix("text/html") == true)
      let a = try #require(response.text.range(of: "a.txt"))
      let b = try #require(response.text.range(of: "b.txt"))
      #expect(a.lowerBound < b.lowerBound)
      #expect(!response.text.contains("<i>.txt"))
      #expect(!response.text.contains(".htpasswd"))
      #expect(response.text.contains("sub/"))
      #expect(try server.get("/shut/").status == 403)
    }

    @Test func `a compressed neighbour is sent to who takes it`() throws {
      let server = try TestServer(
        starts: false)
      let text = String(repeating: "compressible ", count: 200)
      server.directory.write(text, to: "www/a.css")
      server.directory.write("GZIPPED", to: "www/a.css.gz")
      server.directory.write(text, to: "www/old.css")
      server.directory.write("OUTDATED", to: "www/old.css.gz")
      server.directory.age("www/a.css", seconds: 100)
      server.directory.age("www/old.css.gz", seconds: 100)
      try server.start()
      let connection = try server.open()
      for _ in 0..<2 {
        let plain = try connection.get("/a.css")
        #expect(plain.text == text)
        #expect(plain["Vary"]?.lowercased().contains("accept-encoding") == true)
        let zipped = try connection.get("/a.css", fields: ["Accept-Encoding: gzip"])
        #expect(zipped.text == "GZIPPED")
        #expect(zipped["Content-Encoding"] == "gzip")
        #expect(zipped["Content-Type"]?.hasPrefix("text/css") == true)
        #expect(zipped["ETag"] != plain["ETag"])
        let refused = try connection.get("/a.css", fields: ["Accept-Encoding: gzip;q=0"])
        #expect(refused.text == text)
        let old = try connection.get("/old.css", fields: ["Accept-Encoding: gzip"])
        #expect(old.text == text)
      }
    }

    @Test func `types and charsets follow the configuration`() throws {
      let server = try TestServer(
        "TypesConfig @root@/types\nAddType text/x-own .own\nAddDefaultCharset utf-8",
        files: ["a.html": "x", "a.own": "x", "a.png": "x"], starts: false)
      server.directory.write("text/html html\nimage/png png\n", to: "types")
      try server.start()
      #expect(
        try server.get("/a.html")["Content-Type"]?.lowercased() == "text/html; charset=utf-8")
      #expect(try server.get("/a.own")["Content-Type"]?.hasPrefix("text/x-own") == true)
      #expect(try server.get("/a.png")["Content-Type"] == "image/png")
    }
  }
}
