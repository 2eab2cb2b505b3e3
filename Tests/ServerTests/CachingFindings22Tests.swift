// 22: what readings of the response cache have found, each as clients and applications see it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it keeps to RFC 9111 in the corners` {
    /// Numbers its answers, and gives each the fields that a closure chooses.
    private static func numbering(
      _ fields: @escaping @Sendable (OriginRequest, Int) -> [String]
    ) -> Origin {
      let count = Count()
      return Origin { request, peer in
        let number = count.next()
        return peer.send(Origin.response("answer \(number)", fields: fields(request, number)))
      }
    }

    private static func server(
      _ origin: Origin, _ more: String = "", workers: Int = 1
    ) throws -> TestServer {
      try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)\n" + more, workers: workers)
    }

    private static let empty = ["Content-Length: 0"]

    @Test func `RFC 9111 4.4 a request invalidates what CacheKeyQuery takes for the same`() throws {
      let origin = Self.numbering { request, _ in
        ["Cache-Control: max-age=60"]
          + (request.method == "POST" ? ["Content-Location: /app/all/b?utm=4"] : [])
      }
      let server = try Self.server(
        origin,
        """
        CacheKeyQuery drop utm
        <Location /app/all>
          CacheIgnoreQueryString On
        </Location>
        """)
      #expect(try server.get("/app/a?utm=2").text == "answer 1")
      #expect(try server.get("/app/a?utm=3").text == "answer 1")
      #expect(try server.get("/app/all/b?x=1").text == "answer 2")
      #expect(try server.get("/app/all/b?x=2").text == "answer 2")
      #expect(try server.get("/app/a?utm=1", method: "POST", fields: Self.empty).status == 200)
      #expect(try server.get("/app/a?utm=2").text == "answer 4")
      #expect(try server.get("/app/all/b?x=1").text == "answer 5", "Content-Location, by its rules")
    }

    @Test func `RFC 9111 4.4 a Location is what the client sees`() throws {
      let origin = Self.numbering { request, _ in
        ["Cache-Control: max-age=60"] + (request["X-See"].map { ["Location: \($0)"] } ?? [])
      }
      let server = try Self.server(
        origin, "ProxyPassReverse /app http://127.0.0.1:\(origin.port)")
      #expect(try server.get("/app/b").text == "answer 1")
      let see = "X-See: http://127.0.0.1:\(origin.port)/b"
      let posted = try server.get("/app/a", method: "POST", fields: Self.empty + [see])
      #expect(posted["Location"] == "/app/b")
      #expect(try server.get("/app/b").text == "answer 3")
    }

    @Test func `RFC 9111 4.2.4 what comes stale is as stale as it is`() throws {
      let origin = Self.numbering { _, _ in
        ["Cache-Control: max-age=5, stale-if-error=60", "Age: 15"]
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      let within = ["Cache-Control: max-stale=30"]
      let kept = try server.get("/app/a", fields: within)
      #expect(kept.text == "answer 1")
      #expect(kept["Cache-Status"]?.hasPrefix("Ring3; hit; ttl=-1") == true)
      #expect(try server.get("/app/a", fields: ["Cache-Control: max-stale=8"]).text == "answer 2")
      origin.end()
      #expect(try server.get("/app/a").text == "answer 2", "instead of an error")
    }

    @Test func `RFC 9111 4.1 the newest response says by what it is selected`() throws {
      let varies = Flag()
      let origin = Self.numbering { _, _ in
        ["Cache-Control: max-age=60"] + (varies.isSet ? ["Vary: Accept-Language"] : [])
      }
      let server = try Self.server(origin)
      let reload = "Cache-Control: no-cache"
      let german = "Accept-Language: de"
      #expect(try server.get("/app/a", fields: [german]).text == "answer 1")
      varies.set()
      #expect(try server.get("/app/a", fields: [german, reload]).text == "answer 2")
      #expect(try server.get("/app/a", fields: ["Accept-Language: en"]).text == "answer 3")
      #expect(try server.get("/app/a", fields: [german]).text == "answer 2")
    }

    @Test func `RFC 9111 4.1 a response that varies no more answers all`() throws {
      let plain = Flag()
      let origin = Self.numbering { _, _ in
        ["Cache-Control: max-age=60"] + (plain.isSet ? [] : ["Vary: Accept-Language"])
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a", fields: ["Accept-Language: de"]).text == "answer 1")
      #expect(try server.get("/app/a", fields: ["Accept-Language: en"]).text == "answer 2")
      plain.set()
      #expect(try server.get("/app/a", fields: ["Accept-Language: fr"]).text == "answer 3")
      for language in ["de", "en", "fr", "it"] {
        #expect(
          try server.get("/app/a", fields: ["Accept-Language: \(language)"]).text == "answer 3")
      }
    }

    @Test func `RFC 9111 3.2 a 304 may say by what a response is selected`() throws {
      let count = Count()
      let origin = Origin { request, peer in
        let isOld = request["If-None-Match"] == "\"v\"" && request["Accept-Language"] == "de"
        if isOld {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=60\r\n"
              + "Vary: Accept-Language\r\n\r\n")
        }
        let number = count.next()
        return peer.send(
          Origin.response(
            "answer \(number)",
            fields: [
              "ETag: \"\(number == 1 ? "v" : "w")\"",
              "Cache-Control: max-age=\(number == 1 ? 0 : 60), stale-if-error=60",
            ] + (number == 1 ? [] : ["Vary: Accept-Language"])))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a", fields: ["Accept-Language: de"]).text == "answer 1")
      let again = try server.get("/app/a", fields: ["Accept-Language: de"])
      #expect(again.text == "answer 1")
      #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
      #expect(try server.get("/app/a", fields: ["Accept-Language: en"]).text == "answer 2")
      #expect(try server.get("/app/a", fields: ["Accept-Language: de"]).text == "answer 1")
    }

    @Test func `RFC 9111 3.2 a 304 leaves our compression among what is selected by`() throws {
      let text = String(repeating: "words and words ", count: 200)
      let origin = Origin { request, peer in
        if request["If-None-Match"]?.contains("\"v\"") == true {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nVary: Origin\r\n"
              + "Cache-Control: max-age=60\r\n\r\n")
        }
        return peer.send(
          Origin.response(
            text,
            fields: [
              "Content-Type: text/plain", "ETag: \"v\"", "Vary: Origin",
              "Cache-Control: max-age=0, stale-if-error=60",
            ]))
      }
      let server = try Self.server(origin, "AddOutputFilterByType DEFLATE text/plain")
      let gzip = ["Accept-Encoding: gzip"]
      #expect(try server.get("/app/a", fields: gzip)["Content-Encoding"] == "gzip")
      let again = try server.get("/app/a", fields: gzip)
      #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
      #expect(again["Content-Encoding"] == "gzip")
      let names = again.head.fields.filter { $0.name.lowercased() == "vary" }.map { $0.value }
      #expect(names.joined(separator: ", ").lowercased() == "origin, accept-encoding")
      let plain = try server.get("/app/a")
      #expect(plain["Content-Encoding"] == nil)
      #expect(plain.text == text)
      #expect(try server.get("/app/a", fields: gzip)["Cache-Status"]?.contains("hit") == true)
    }

    @Test(arguments: [
      (["ETag: \"v\"", "Cache-Control: no-cache"], ""),
      (["ETag: \"v\"", "Cache-Control: max-age=60"], "no-cache"),
    ])
    func `what each has to ask for is asked for side by side`(
      fields: [String], request: String
    ) throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 300)
        if request["If-None-Match"] != nil {
          return peer.send(
            (["HTTP/1.1 304 Not Modified"] + fields + ["", ""]).joined(separator: "\r\n"))
        }
        return peer.send(Origin.response("same", fields: fields))
      }
      let server = try Self.server(origin)
      // Before and after it is known that each has to ask.
      for path in ["/app/cold", "/app/cold", "/app/other"] {
        let started = monotonicMilliseconds()
        let clients = try (0..<8).map { _ in try server.open() }
        for client in clients {
          try client.request(path, fields: request.isEmpty ? [] : ["Cache-Control: \(request)"])
        }
        for client in clients { #expect(try client.response().text == "same") }
        #expect(monotonicMilliseconds() - started < 2000, "not one after the other")
      }
    }

    @Test func `only what can be kept is fetched in the background`() throws {
      let origin = Self.numbering { _, _ in
        pause(milliseconds: 100)
        return ["Cache-Control: max-age=0, stale-while-revalidate=60"]
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/a", method: "HEAD")["Cache-Status"]?.contains("hit") == true)
      let secret = try server.get("/app/a", fields: ["Cache-Control: no-store"])
      #expect(secret.text == "answer 1")
      pause(milliseconds: 300)
      #expect(origin.requests.map { $0.method } == ["GET"])
      // Nor has any of them left word that the response cannot be shared.
      for _ in 0..<5 { #expect(try server.get("/app/a").text == "answer 1") }
      #expect(try eventually { try server.get("/app/a").text != "answer 1" })
      #expect(origin.requests.count <= 3)
    }

    @Test func `RFC 9110 9.3.3 what answers POST as it would GET is kept for GET`() throws {
      let origin = Self.numbering { request, _ in
        let location =
          switch request.target.prefix(5) {
          case "/same": "/app\(request.target)"
          case "/full": "http://\(request["Host"] ?? "")/app/full"
          case "/else": "/app/same"
          case "/bare": "/app/bare"
          case "/mine": "/app/mine"
          default: ""
          }
        let lifetime =
          switch request.target {
          case "/bare": "ETag: \"a\""
          case "/mine": "Cache-Control: private, max-age=60"
          default: "Cache-Control: max-age=60"
          }
        return [lifetime] + (location.isEmpty ? [] : ["Content-Location: \(location)"])
      }
      let server = try Self.server(origin, "ProxyPreserveHost On")
      func post(_ path: String) throws -> Response {
        try server.get(path, method: "POST", fields: ["Content-Length: 0"])
      }
      #expect(try post("/app/same?a")["Cache-Status"] == "Ring3; fwd=method; stored")
      let kept = try server.get("/app/same?a")
      #expect(kept.text == "answer 1")
      #expect(kept["Cache-Status"]?.contains("; hit") == true)
      #expect(try post("/app/same?a").text == "answer 2", "POST itself is never answered from here")
      #expect(try server.get("/app/same?a").text == "answer 2")
      #expect(try server.get("/app/same?a", method: "HEAD")["Content-Length"] == "8")
      #expect(try post("/app/full").text == "answer 3")
      #expect(try server.get("/app/full").text == "answer 3")
      for (index, path) in ["/else", "/bare", "/none", "/mine"].enumerated() {
        #expect(try post("/app" + path)["Cache-Status"] == "Ring3; fwd=method", "\(path)")
        #expect(try server.get("/app" + path).text == "answer \(5 + 2 * index)", "\(path)")
      }
      let secret = ["Content-Length: 0", "Cache-Control: no-store"]
      _ = try server.get("/app/same?b", method: "POST", fields: secret)
      #expect(try server.get("/app/same?b").text == "answer 13")
    }

    @Test func `RFC 8246 immutable reaches the client, and spares reloads but not forced ones`()
      throws
    {
      let origin = Self.numbering { _, _ in ["Cache-Control: public, max-age=60, immutable"] }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      let reload = try server.get("/app/a", fields: ["Cache-Control: max-age=0"])
      #expect(reload.text == "answer 1")
      #expect(reload["Cache-Control"] == "public, max-age=60, immutable")
      #expect(reload["Cache-Status"]?.contains("; hit") == true)
      #expect(try server.get("/app/a", fields: ["Cache-Control: no-cache"]).text == "answer 2")
      #expect(try server.get("/app/a", fields: ["Pragma: no-cache"]).text == "answer 3")
    }
  }
}
