// 20: what hostile readings of HTTP/2 and TLS found once, and must not find again.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `20 hostile clients harm themselves alone` {
    private static let large = Array(repeatElement(variedBytes(1_000_000), count: 12).joined())

    private func makeServer(_ configuration: String = "") throws -> TestServer {
      let server = try TestServer(
        `18 HTTP 2 answers as HTTP 1 does`.clearText + configuration, workers: 1,
        files: ["a": "A"], starts: false)
      server.directory.write(Self.large, to: "www/large")
      server.directory.age("www/large", seconds: 100)
      try server.start()
      return server
    }

    /// The worker that was there at the start still answers.
    private func isUnharmed(_ server: TestServer) throws -> Bool {
      try server.get("/a").text == "A" && !server.said.contains("killed")
    }

    /// Windows as large as they come, so that only the socket is in the way.
    private func makeOpenEngine() -> HTTP2Engine {
      let engine = HTTP2Engine(initialWindow: 100_000_000, opensWindows: false)
      engine.openWindow(stream: 0, 1_000_000_000)
      return engine
    }

    @Test func `downloads that are broken off do not touch the worker`() throws {
      let server = try makeServer()
      for _ in 0..<20 {
        let client = try server.openHTTP2(makeOpenEngine())
        for _ in 0..<3 { try client.request("/large") }
        // What is not read makes the end a reset.
        #expect(try client.read())
      }
      #expect(try isUnharmed(server))
    }

    @Test func `an urgent request does not wait behind a download that fills the socket`() throws {
      let server = try makeServer()
      let socket = try ClientSocket(port: server.port)
      socket.limitReceiveBuffer(byteCount: 32_768)
      let client = try HTTP2Client(socket, engine: makeOpenEngine())
      let slow = try client.request("/large")
      pause(milliseconds: 200)
      let urgent = try client.request("/a", fields: [("priority", "u=0")])
      #expect(try client.response(urgent).text == "A")
      #expect(client.engine.answers[slow]?.isOver == false)
      #expect(try client.response(slow).body == Self.large)
    }

    @Test func `a CONNECT with a long authority is no more than a refused request`() throws {
      let server = try makeServer()
      for _ in 0..<4 {
        let client = try server.openHTTP2()
        let fields = [
          HTTP2Field(":method", "CONNECT"),
          HTTP2Field(":authority", String(repeating: "1", count: 60_000)),
        ]
        for _ in 0..<2 {
          let block = HPACKEncoder.block(fields)
          let stream = client.engine.enter()
          client.engine.send(HTTP2Frame(1, flags: 1, stream: stream, Array(block[..<16_000])))
          for start in stride(from: 16_000, to: block.count, by: 16_000) {
            let end = min(start + 16_000, block.count)
            client.engine.send(
              HTTP2Frame(
                9, flags: end == block.count ? 4 : 0, stream: stream, Array(block[start..<end])))
          }
        }
        try? client.flush()
        while (try? client.read(until: { client.engine.answers[3]?.isOver == true })) == nil {}
      }
      #expect(try isUnharmed(server))
    }

    @Test func `a response head beyond all measure resets its stream and no more`() throws {
      let server = try makeServer(
        "RedirectMatch \"^/x(.*)$\" \"/y" + String(repeating: "$1", count: 20) + "\"\n")
      let client = try server.openHTTP2()
      let path = "/x" + String(repeating: "p", count: 7_500)
      #expect(throws: (any Error).self) { try client.get(path) }
      #expect(try client.get("/a").text == "A")
      #expect(server.said.contains("too long for HTTP/2"))
      #expect(try isUnharmed(server))
    }

    @Test func `crumbs of cookies are one field, and a refused HEAD has no content`() throws {
      let server = try makeServer()
      let client = try server.openHTTP2()
      let crumbs = (0..<120).map { ("cookie", "a\($0)=b") }
      #expect(try client.get("/a", fields: crumbs).text == "A")
      let many = (0..<120).map { ("x-\($0)", "y") }
      let refused = try client.get("/a", method: "HEAD", fields: many)
      #expect(refused.status == 431 && refused.body.isEmpty)
    }

    @Test func `requests that wait inside the library are all answered`() throws {
      let server = try TestServer.encrypted(workers: 1)
      let connection = try server.openSecure()
      let padding = String(repeating: "p", count: 60)
      let request = "GET /a HTTP/1.1\r\nHost: www.example.org\r\nX-Padding: \(padding)\r\n\r\n"
      try connection.channel.send(String(repeating: request, count: 800))
      for _ in 0..<800 { #expect(try connection.response().text == "A") }
    }

    @Test(arguments: ["512", "1024", "2048", "4096"])
    func `a client of small records gets every byte`(size: String) throws {
      guard Program.areInstalled("openssl") else { return }
      let server = try TestServer.encrypted(workers: 1) {
        $0.directory.write(Self.large, to: "www/large")
        $0.directory.write(Array(Self.large.prefix(9_000)), to: "www/cached")
        $0.directory.age("www/cached", seconds: 100)
      }
      for name in ["large", "cached", "cached"] {
        let script =
          "printf 'GET /\(name) HTTP/1.0\\r\\nHost: www.example.org\\r\\n\\r\\n' | "
          + "openssl s_client -quiet -ign_eof -maxfraglen \(size) "
          + "-connect 127.0.0.1:\(server.port) > '\(server.directory.path("got"))' 2> /dev/null"
        _ = server.runProgram("sh", ["-c", script])
        let wanted = server.bytes("www/\(name)")
        #expect(server.bytes("got").suffix(wanted.count).elementsEqual(wanted), "\(name)")
      }
      #expect(!server.said.contains("killed"))
    }
  }
}
