// 01: does anything get through at all?

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `01 it serves` {
    @Test func `a file arrives whole`() throws {
      let server = try TestServer(files: ["hello.txt": "hello, world\n"])
      let response = try server.get("/hello.txt")
      #expect(response.status == 200)
      #expect(response.text == "hello, world\n")
      #expect(response["Content-Length"] == "13")
      #expect(response["Content-Type"]?.hasPrefix("text/plain") == true)
      #expect(response["Date"] != nil)
    }

    @Test func `the index of a directory is its page`() throws {
      let server = try TestServer()
      #expect(try server.get("/").text == "home\n")
    }

    @Test func `what is not there is 404`() throws {
      let server = try TestServer()
      let response = try server.get("/nothing")
      #expect(response.status == 404)
      #expect(!response.text.isEmpty)
    }

    @Test func `a connection is kept and used again, for hits and misses alike`() throws {
      let server = try TestServer(files: ["a": "A", "b": "BB"])
      let connection = try server.open()
      for _ in 0..<50 {
        #expect(try connection.get("/a").text == "A")
        #expect(try connection.get("/b").text == "BB")
        #expect(try connection.get("/c").status == 404)
      }
    }

    @Test func `bytes of all values and files of all sizes arrive unchanged`() throws {
      let server = try TestServer(starts: false)
      let sizes = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 5_000_000]
      func bytes(_ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13 ^ size) }
      }
      for size in sizes { server.directory.write(bytes(size), to: "www/\(size).bin") }
      try server.start()
      let connection = try server.open()
      for _ in 0..<3 {
        for size in sizes {
          let response = try connection.get("/\(size).bin")
          #expect(response.status == 200)
          // Compared first: a difference of millions of bytes is not worth printing.
          let isSame = response.body == bytes(size)
          #expect(isSame, "size \(size)")
        }
      }
    }

    @Test func `a client that reads slowly gets everything`() throws {
      let server = try TestServer(starts: false)
      let body = [UInt8](repeating: 0x5a, count: 3_000_000)
      server.directory.write(body, to: "www/large")
      server.directory.write(Array(body.prefix(1_000_000)), to: "www/cached")
      try server.start()
      for (name, count) in [("large", 3_000_000), ("cached", 1_000_000)] {
        let connection = try server.open()
        try connection.request("/" + name)
        pause(milliseconds: 300)
        let response = try connection.response()
        #expect(response.body.count == count)
        #expect(response.body.consists(of: 0x5a))
      }
    }

    @Test func `many connections at once are all answered`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connections = try (0..<300).map { _ in try server.open() }
      for connection in connections { try connection.request("/a") }
      for connection in connections { #expect(try connection.response().text == "A") }
    }

    @Test func `IPv6 serves beside IPv4`() throws {
      guard hasIPv6Loopback() else { return }
      let server = try TestServer("Listen [::1]:@port@", files: ["a": "A"])
      #expect(try server.get("/a").text == "A")
      #expect(try server.open("::1").get("/a").text == "A")
    }

    @Test func `the commands say what they are`() throws {
      let server = try TestServer(starts: false)
      #expect(server.daemon("--version").output.lowercased().contains("ring3"))
      let check = server.daemon("--check")
      #expect(check.succeeded, "\(check.output)")
      let dump = server.daemon("--dump")
      #expect(dump.succeeded, "\(dump.output)")
      #expect(dump.output.contains("\(server.port)"))
    }
  }
}
