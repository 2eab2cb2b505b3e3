// 22: Cache-Status (RFC 9211) and Via on every answer to what an application is asked for.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 the cache says what it did` {
    private static func server(_ origin: Origin, _ more: String = "") throws -> TestServer {
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port) timeout=1\n" + more, workers: 1)
      server.companions.append(origin)
      return server
    }

    private static func lasting(_ more: [String] = []) -> Origin {
      Origin(text: "0123456789", fields: ["Cache-Control: max-age=60"] + more)
    }

    /// The field's value without numbers.
    private static func status(_ response: Response) -> String {
      let lines = response.head.fields.filter { $0.name.lowercased() == "cache-status" }
      return lines.map { $0.value }.joined(separator: ", ")
        .replacing(#/ttl=\d+/#, with: "ttl=N")
    }

    @Test func `behind what caches behind it have said`() throws {
      let server = try Self.server(Self.lasting(["cache-status: Inner; hit; ttl=9"]))
      #expect(
        Self.status(try server.get("/app/a"))
          == "Inner; hit; ttl=N, Ring3; fwd=uri-miss; stored")
      let hit = try server.get("/app/a")
      #expect(Self.status(hit) == "Inner; hit; ttl=N, Ring3; hit; ttl=N")
      #expect(hit.text == "0123456789" && hit["Content-Length"] == "10")
      let part = try server.get("/app/a", fields: ["Range: bytes=2-3"])
      #expect(part.text == "23" && Self.status(part) == Self.status(hit))
      #expect(Self.status(try server.get("/app/a", method: "HEAD")) == Self.status(hit))
    }

    @Test func `also where the answer is the server's own`() throws {
      let origin = Self.lasting()
      let server = try Self.server(origin, "CachePurgeFrom 127.0.0.1")
      let onlyCached = try server.get("/app/a", fields: ["Cache-Control: only-if-cached"])
      #expect(onlyCached.status == 504)
      #expect(Self.status(onlyCached) == "Ring3; detail=only-if-cached")
      #expect(Self.status(try server.get("/app/a")) == "Ring3; fwd=uri-miss; stored")
      let beyond = try server.get("/app/a", fields: ["Range: bytes=99-"])
      #expect(beyond.status == 416 && Self.status(beyond) == "Ring3; hit; ttl=N")
      #expect(Self.status(try server.get("/app/a", method: "PURGE")) == "Ring3; detail=purged")
      let posted = try server.get("/app/a", method: "POST", fields: ["Content-Length: 0"])
      #expect(Self.status(posted) == "Ring3; fwd=method")
      origin.end()
      let failed = try server.get("/app/b")
      #expect(failed.status == 502 && Self.status(failed) == "Ring3; fwd=uri-miss")
    }

    @Test func `of files that are sent from the cache`() throws {
      let server = try TestServer("", workers: 1, files: ["a.txt": "text"])
      #expect(try eventually { Self.status(try server.get("/a.txt")) == "Ring3; hit" })
      let file = try server.get("/a.txt")
      #expect(file.text == "text")
      let tag = try #require(file["ETag"])
      let same = try server.get("/a.txt", fields: ["If-None-Match: \(tag)"])
      #expect(same.status == 304 && same["ETag"] == tag)
      let part = try server.get("/a.txt", fields: ["Range: bytes=1-2"])
      #expect(part.text == "ex" && Self.status(part) == "Ring3; hit")
      #expect(server.reload("CacheStatusField Off").succeeded)
      #expect(try eventually { Self.status(try server.get("/a.txt")).isEmpty })
    }

    @Test func `a reload that asks for larger objects than there is room for is told so`() throws {
      let server = try TestServer("CacheMaxObject 1M", workers: 1)
      let reloaded = server.reload("CacheMaxObject 32M")
      #expect(reloaded.succeeded)
      #expect(
        (reloaded.output + server.said).contains("'CacheMaxObject' has changed; until"),
        "\(reloaded.output)")
    }

    @Test func `the key only where there is one`() throws {
      let server = try Self.server(Self.lasting(), "CacheDebug On")
      #expect(
        Self.status(try server.get("/app/a", method: "POST", fields: ["Content-Length: 0"]))
          == "Ring3; fwd=method")
      #expect(
        Self.status(try server.get("/app/a"))
          == "Ring3; fwd=uri-miss; stored; key=\"localhost /app/a\"")
    }

    @Test func `a time out is told from an error of the application that stale stands in for`()
      throws
    {
      let state = Count()
      let origin = Origin { request, peer in
        switch state.next() {
        case 1:
          return peer.send(
            Origin.response("kept", fields: ["Cache-Control: max-age=0, stale-if-error=600"]))
        case 2: return peer.send(Origin.response("", status: "503 Busy"))
        default:
          pause(milliseconds: 2500)
          return false
        }
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "kept")
      let busy = try server.get("/app/a")
      #expect(busy.text == "kept")
      #expect(Self.status(busy).hasPrefix("Ring3; fwd=stale; fwd-status=503; ttl="))
      let late = try server.get("/app/a")
      #expect(late.text == "kept")
      #expect(Self.status(late).hasPrefix("Ring3; fwd=stale; ttl="))
    }

    @Test func `a hit came the same way as what it was filled by`() throws {
      let origin = Origin { request, peer in
        if request["If-None-Match"] != nil {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nVia: 1.1 inner\r\n"
              + "Cache-Control: max-age=1\r\n\r\n")
        }
        return peer.send(
          Origin.response(
            "x", fields: ["Cache-Control: max-age=1", "ETag: \"v\"", "Via: 1.1 inner"]))
      }
      let server = try Self.server(origin, "ProxyVia On")
      func via() throws -> [String] {
        try server.get("/app/a").head.fields.filter { $0.name == "Via" }.map { $0.value }
      }
      for _ in 0..<2 { #expect(try via() == ["1.1 inner", "1.1 localhost"]) }
      pause(milliseconds: 1200)
      for _ in 0..<2 { #expect(try via() == ["1.1 inner", "1.1 localhost"]) }
    }
  }
}
