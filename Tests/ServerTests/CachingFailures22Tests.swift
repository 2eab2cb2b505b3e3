// 22: what the cache does when the application fails, changes its mind, or answers with less.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it keeps what the application means` {
    private static func server(
      _ origin: Origin, _ more: String = "", parameters: String = "", workers: Int = 1
    ) throws -> TestServer {
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port) \(parameters)\n" + more, workers: workers)
      server.companions.append(origin)
      return server
    }

    /// Numbers its answers.
    private static func numbering(
      _ answer: @escaping @Sendable (OriginRequest, Int) -> (status: String, fields: [String])
    ) -> Origin {
      let count = Count()
      return Origin { request, peer in
        let number = count.next()
        let (status, fields) = answer(request, number)
        return peer.send(Origin.response("answer \(number)", status: status, fields: fields))
      }
    }

    @Test(arguments: ["If-Match: \"zz\"", "If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT"])
    func `RFC 9111 4.3.2 what only an origin can evaluate goes there`(condition: String) throws {
      let origin = Self.numbering { request, _ in
        let isFailed = request["If-Match"] != nil || request["If-Unmodified-Since"] != nil
        return (
          isFailed ? "412 Precondition Failed" : "200 OK",
          [
            "Cache-Control: max-age=60", "ETag: \"v1\"",
            "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
          ]
        )
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      let conditional = try server.get("/app/a", fields: [condition])
      #expect(conditional.status == 412)
      #expect(conditional.text == "answer 2", "the application's own words")
      let passed = origin.requests.last?.fields.map { "\($0.name): \($0.value)" } ?? []
      #expect(passed.contains(condition))
      #expect(try server.get("/app/a").text == "answer 1")
      let onlyCached = try server.get(
        "/app/a", fields: [condition, "Cache-Control: only-if-cached"])
      #expect(onlyCached.status == 504)
      #expect(origin.requests.count == 2)
    }

    @Test func `who waited for a fetch that timed out does not wait for the next`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 5000)
        return false
      }
      let server = try Self.server(origin, parameters: "timeout=1", workers: 2)
      let started = monotonicMilliseconds()
      let clients = try (0..<8).map { _ in try server.open() }
      for client in clients { try client.request("/app/hung") }
      for client in clients { #expect(try client.response().status == 504) }
      // One time to wait for the first, one of their own: not eight.
      #expect(monotonicMilliseconds() - started < 4500)
      #expect(origin.requests.count == 8, "each had its own answer after the first")
    }

    @Test func `who waited for a fetch that timed out gets what is stale at once`() throws {
      let hangs = Flag()
      let origin = Origin { request, peer in
        if hangs.isSet {
          pause(milliseconds: 5000)
          return false
        }
        return peer.send(
          Origin.response(
            "kept", fields: ["Cache-Control: max-age=1, stale-if-error=600", "ETag: \"v\""]))
      }
      let server = try Self.server(origin, parameters: "timeout=1", workers: 2)
      #expect(try server.get("/app/a").text == "kept")
      hangs.set()
      pause(milliseconds: 1200)
      let clients = try (0..<12).map { _ in try server.open() }
      for client in clients { try client.request("/app/a") }
      var words: Set<String> = []
      for client in clients {
        let response = try client.response()
        #expect(response.text == "kept")
        words.insert(
          (response["Cache-Status"] ?? "").replacing(#/ttl=-\d+/#, with: "ttl=-N"))
      }
      #expect(words == ["Ring3; fwd=stale; ttl=-N", "Ring3; fwd=stale; ttl=-N; collapsed"])
      #expect(origin.requests.count == 2, "nobody asked again")
    }

    @Test func `nobody waits longer than CacheLockMaxAge in all`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 2500)
        return peer.send(Origin.response("slow", fields: ["Cache-Control: max-age=60"]))
      }
      let server = try Self.server(origin, "CacheLockMaxAge 1")
      let started = monotonicMilliseconds()
      let clients = try (0..<6).map { _ in try server.open() }
      for client in clients { try client.request("/app/slow") }
      for client in clients { #expect(try client.response().text == "slow") }
      #expect(monotonicMilliseconds() - started < 5500, "once, then each by itself")
    }

    @Test func `RFC 9111 4.3.4 a 304 that forbids keeping is heard by its client`() throws {
      let origin = Origin { request, peer in
        if request["If-None-Match"] == "\"v1\"" {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: no-store\r\n"
              + "Set-Cookie: a=b\r\nX-New: 1\r\nDate: Thu, 01 Jan 2015 00:00:00 GMT\r\n\r\n")
        }
        return peer.send(
          Origin.response(
            "body", fields: ["Cache-Control: max-age=1", "ETag: \"v1\"", "X-Old: 1"]))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "body")
      pause(milliseconds: 1200)
      let merged = try server.get("/app/a")
      #expect(merged.status == 200 && merged.text == "body")
      #expect(merged["Cache-Control"] == "no-store")
      #expect(merged["Set-Cookie"] == "a=b")
      #expect(merged["X-New"] == "1" && merged["X-Old"] == "1")
      #expect(merged["Date"] == "Thu, 01 Jan 2015 00:00:00 GMT" && merged["Age"] == nil)
      #expect(merged["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304")
      #expect(merged.head.fields.filter { $0.name == "Content-Length" }.count == 1)
      #expect(try server.get("/app/a")["Cache-Status"] == "Ring3; fwd=uri-miss; stored")
    }

    @Test func `what CacheIgnoreHeaders names reaches nobody with what is kept`() throws {
      let origin = Self.numbering { request, _ in
        (
          "200 OK",
          ["Set-Cookie: a=b", "X-Kept: 1"]
            + (request.target == "/own" ? [] : ["Cache-Control: max-age=60"])
        )
      }
      let server = try Self.server(origin, "CacheIgnoreHeaders Set-Cookie")
      for _ in 0..<2 {
        let response = try server.get("/app/a")
        #expect(response.text == "answer 1")
        #expect(response["Set-Cookie"] == nil && response["X-Kept"] == "1")
      }
      #expect(try server.get("/app/own")["Set-Cookie"] == "a=b", "it is one client's own")
    }

    @Test(arguments: ["200 OK", "404 Not Found", "410 Gone"])
    func `what may not be kept ends what was`(status: String) throws {
      let origin = Self.numbering { _, number in
        number == 1
          ? ("200 OK", ["Cache-Control: max-age=60, stale-while-revalidate=60"])
          : (status, ["Cache-Control: no-store"])
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/a", fields: ["Cache-Control: no-store"]).text == "answer 1")
      #expect(try server.get("/app/a", fields: ["Cache-Control: no-cache"]).text == "answer 2")
      #expect(try server.get("/app/a").text == "answer 3", "and not the old one")
    }

    @Test func `what may not be kept ends what was also in the background`() throws {
      let origin = Self.numbering { _, number in
        number == 1
          ? ("200 OK", ["Cache-Control: max-age=0, stale-while-revalidate=60"])
          : ("404 Not Found", ["Cache-Control: no-store"])
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try eventually { try server.get("/app/a").status == 404 })
    }

    @Test func `a failure or another client's wish does not end what is kept`() throws {
      let origin = Self.numbering { request, number in
        number == 1
          ? ("200 OK", ["Cache-Control: max-age=60"])
          : (
            request["X-Fail"] != nil ? "500 Broken" : "200 OK",
            ["Cache-Control: \(request["X-Fail"] != nil ? "no-store" : "max-age=60")"]
          )
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      _ = try server.get("/app/a", fields: ["Cache-Control: no-cache", "X-Fail: 1"])
      #expect(try server.get("/app/a").text == "answer 1")
      let secret = try server.get("/app/a", fields: ["Cache-Control: no-cache, no-store"])
      #expect(secret.text == "answer 3")
      #expect(try server.get("/app/a").text == "answer 1")
    }
  }
}
