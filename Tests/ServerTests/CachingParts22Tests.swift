// 22: requests for parts, and with conditions, fill the cache too.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it fetches whole what is asked for in parts` {
    private static let text = String((0..<1000).map { "\($0 % 10)" }.joined())

    /// Answers ranges and conditions as a file server does.
    private static func origin(
      size: Int? = nil, fields: [String] = ["Cache-Control: max-age=60"], delay: Int = 0
    ) -> Origin {
      Origin { request, peer in
        if delay > 0 { pause(milliseconds: delay) }
        let all = fields + ["ETag: \"v\""]
        if request["If-None-Match"] == "\"v\"" {
          return peer.send(
            (["HTTP/1.1 304 Not Modified"] + all + ["", ""]).joined(separator: "\r\n"))
        }
        if request["Range"] == "bytes=0-9" {
          return peer.send(
            Origin.response(
              String(text.prefix(10)), status: "206 Partial Content",
              fields: all + ["Content-Range: bytes 0-9/\(size ?? text.utf8.count)"]))
        }
        return peer.send(Origin.response(text, fields: all))
      }
    }

    private static func server(
      _ origin: Origin, _ more: String = "", workers: Int = 2
    ) throws -> TestServer {
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)\n" + more, workers: workers)
      server.companions.append(origin)
      return server
    }

    private static let part = "Range: bytes=0-9"

    @Test func `once, however many ask for parts at the same time`() throws {
      let origin = Self.origin(delay: 200)
      let server = try Self.server(origin)
      let clients = try (0..<15).map { _ in try server.open() }
      for client in clients { try client.request("/app/film", fields: [Self.part]) }
      for client in clients {
        let response = try client.response()
        #expect(response.status == 206 && response.text == "0123456789")
        #expect(response["Content-Range"] == "bytes 0-9/1000")
      }
      #expect(origin.requests.map { $0["Range"] != nil } == [true, false])
      let hit = try server.get("/app/film", fields: ["Range: bytes=990-"])
      #expect(hit.text == "0123456789" && hit["Cache-Status"]?.contains("; hit") == true)
    }

    @Test func `so that what is only asked for in parts is a hit`() throws {
      let origin = Self.origin()
      let server = try Self.server(origin)
      #expect(try server.get("/app/a", fields: [Self.part]).status == 206)
      #expect(
        try eventually {
          try server.get("/app/a", fields: [Self.part])["Cache-Status"]?.contains("; hit") == true
        })
      #expect(origin.requests.count == 2)
    }

    @Test func `once, however many have it already`() throws {
      let origin = Self.origin(delay: 200)
      let server = try Self.server(origin)
      let clients = try (0..<15).map { _ in try server.open() }
      for client in clients { try client.request("/app/a", fields: ["If-None-Match: \"v\""]) }
      for client in clients { #expect(try client.response().status == 304) }
      #expect(origin.requests.map { $0["If-None-Match"] != nil } == [true, false])
    }

    @Test(arguments: [
      (5_000_000_000, ["Cache-Control: max-age=60"]), (1000, []),
      (1000, ["Cache-Control: private, max-age=60"]),
    ])
    func `but not what is too large, or may not be kept`(size: Int, fields: [String]) throws {
      let origin = Self.origin(size: size, fields: fields)
      let server = try Self.server(origin)
      let clients = try (0..<4).map { _ in try server.open() }
      for client in clients { try client.request("/app/film", fields: [Self.part]) }
      for client in clients { #expect(try client.response().status == 206) }
      pause(milliseconds: 100)
      #expect(try server.get("/app/film", fields: [Self.part]).status == 206)
      #expect(origin.requests.map { $0["Range"] != nil } == [true, true, true, true, true])
    }

    @Test func `a 304 without a length leads to no more than may be kept`() throws {
      let sent = Count()
      let origin = Origin { request, peer in
        if request["If-None-Match"] != nil {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=60\r\n\r\n")
        }
        peer.send(
          "HTTP/1.1 200 OK\r\nETag: \"v\"\r\nCache-Control: max-age=60\r\n"
            + "Content-Length: 5000000000\r\n\r\n")
        let piece = String(repeating: "x", count: 100_000)
        while peer.send(piece), sent.next() < 1000 {}
        return false
      }
      let server = try Self.server(origin, workers: 1)
      for _ in 0..<3 {
        #expect(try server.get("/app/a", fields: ["If-None-Match: \"v\""]).status == 304)
        pause(milliseconds: 200)
      }
      #expect(origin.requests.map { $0["If-None-Match"] != nil } == [true, false, true, true])
      #expect(sent.next() < 100, "it was broken off")
    }

    @Test func `a new version is had in parts too`() throws {
      let count = Count()
      let origin = Origin { request, peer in
        let number = count.next()
        return peer.send(
          Origin.response(
            "\(number)" + Self.text,
            fields: ["Cache-Control: max-age=\(number == 1 ? 1 : 60)", "ETag: \"\(number)\""]))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").status == 200)
      pause(milliseconds: 1200)
      let part = try server.get("/app/a", fields: [Self.part])
      #expect(part.status == 206 && part.text == "2012345678")
      #expect(origin.requests.last?["If-None-Match"] == "\"1\"")
      #expect(origin.requests.last?["Range"] == nil)
      let same = try server.get(
        "/app/a", fields: ["If-None-Match: \"3\"", "Cache-Control: max-age=0"])
      #expect(same.status == 200 || same.status == 304)
      #expect(origin.requests.count <= 3)
    }

    @Test func `a client that has the new version already is told so`() throws {
      let count = Count()
      let origin = Origin { request, peer in
        let number = count.next()
        return peer.send(
          Origin.response(
            "answer \(number)",
            fields: ["Cache-Control: max-age=\(number == 1 ? 1 : 60)", "ETag: \"\(number)\""]))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      pause(milliseconds: 1200)
      let connection = try server.open()
      #expect(try connection.get("/app/a", fields: ["If-None-Match: \"2\""]).status == 304)
      #expect(try connection.get("/app/a").text == "answer 2")
      #expect(origin.requests.count == 2)
    }
  }
}
