// 12: what was wrong once, each with the request that showed it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `12 it does not repeat its mistakes` {
    @Test func `a large file that is asked for all the time is still looked at again`() throws {
      let server = try TestServer(files: [:])
      let old = [UInt8](repeating: 0x61, count: 1_500_000)
      let new = [UInt8](repeating: 0x62, count: 1_500_001)
      server.directory.write(old, to: "www/large")
      let connection = try server.open()
      #expect(try connection.get("/large").body == old)
      server.directory.replace("www/large", with: new)
      #expect(try eventually { try connection.get("/large").body == new })
    }

    @Test func `a large file rewritten in place is served again`() throws {
      let server = try TestServer(files: [:])
      server.directory.write([UInt8](repeating: 0x61, count: 1_500_000), to: "www/large")
      #expect(try server.open().get("/large").status == 200)
      let new = [UInt8](repeating: 0x62, count: 1_500_000)
      let file = try #require(FileHandle(forWritingAtPath: server.directory.path("www/large")))
      file.write(Data(new))
      try file.close()
      #expect(eventually { (try? server.open().get("/large").body) == new })
    }

    @Test func `a rule before an internal redirect holds for what was cached behind it`() throws {
      let server = try TestServer(
        """
        <Location /admin>
          Require ip 127.0.0.2
          FallbackResource /index.html
        </Location>
        """, files: ["index.html": "secret"])
      let url = "http://127.0.0.1:\(server.port)/admin"
      for round in 0..<3 {
        let output = server.directory.path("allowed\(round)")
        let curl = try ChildProgram(
          ["/usr/bin/curl", "-s", "--interface", "127.0.0.2", url], outputPath: output)
        #expect(curl.wait(milliseconds: 10_000) == .exited(0))
        #expect(server.directory.read("allowed\(round)") == "secret")
        #expect(try server.get("/admin").status == 403)
        pause(milliseconds: 600)  // until the file is old enough to be stored
      }
    }

    @Test func `a bad chunk after a good head is 400 and the end`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      try connection.send(
        "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
      #expect(try connection.response().status == 400)
      #expect(try connection.isClosedByServer())
    }

    @Test func `Header always holds for a range that cannot be satisfied`() throws {
      let server = try TestServer("Header always set X-Kept yes", files: ["a": "A"])
      pause(milliseconds: 600)
      let connection = try server.open()
      for _ in 0..<3 {
        let response = try connection.get("/a", fields: ["Range: bytes=5-"])
        #expect(response.status == 416)
        #expect(response["X-Kept"] == "yes")
      }
    }
  }
}
