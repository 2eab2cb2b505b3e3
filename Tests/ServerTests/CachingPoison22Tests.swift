// 22: what one client can cause is kept for nobody else, and what the cache says of itself.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it keeps for all only what is everybody's` {
    /// Numbers its answers, and sends with each a status and fields that a closure chooses.
    private static func origin(
      _ choose: @escaping @Sendable (OriginRequest, Int) -> (String, [String])
    ) -> Origin {
      let count = Count()
      return Origin { request, peer in
        let number = count.next()
        let (status, fields) = choose(request, number)
        return peer.send(Origin.response("answer \(number)", status: status, fields: fields))
      }
    }

    private static func lasting() -> Origin {
      origin { _, _ in ("200 OK", ["Cache-Control: max-age=60"]) }
    }

    private static func server(
      _ origin: Origin, _ more: String = "", parameters: String = "", workers: Int = 1
    ) throws -> TestServer {
      try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)\(parameters)\n" + more, workers: workers)
    }

    @Test func `an answer to a false port is kept for nobody`() throws {
      let origin = Self.lasting()
      let server = try Self.server(origin, "ProxyPreserveHost On")
      let false1 = try server.get("/app/a", host: "localhost:9")
      #expect(false1.text == "answer 1")
      #expect(false1["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/a", host: "localhost:\(server.port)").text == "answer 2")
      #expect(try server.get("/app/a", host: "localhost:\(server.port)").text == "answer 2")
      #expect(try server.get("/app/a", host: "localhost:9").text == "answer 2", "may use it")
      #expect(origin.requests.first?["Host"] == "localhost:9")
      #expect(try server.get("/app/a").text == "answer 3", "without a port, an answer of its own")
      #expect(try server.get("/app/a").text == "answer 3")
      #expect(try server.get("/app/b", host: "LocalHost")["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/b", host: "localhost.")["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/b", host: "localhost:80")["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/b").text == "answer 7")
      #expect(try server.get("/app/b", host: "localhost:80").text == "answer 7", "may use it too")
    }

    @Test func `what is for some addresses stays theirs when it is fetched in the background`()
      throws
    {
      let origin = Self.origin { _, _ in
        ("200 OK", ["Cache-Control: max-age=1, stale-while-revalidate=60"])
      }
      let server = try Self.server(
        origin,
        """
        <Location /app>
          Require ip 127.0.0.1
        </Location>
        """)
      func isRestricted() -> Bool {
        let url = "http://localhost:\(server.port)/app/a"
        return server.control("cache", "show", "--json", url).output.contains(
          #""dependsOnClient":true"#)
      }
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(isRestricted())
      pause(milliseconds: 1200)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(eventually { origin.requests.count == 2 })
      #expect(try eventually { try server.get("/app/a").text == "answer 2" })
      #expect(isRestricted())
    }

    @Test func `what was changed is not sent instead of an error`() throws {
      let origin = Self.origin { request, number in
        (
          request.method == "GET" && number > 1 ? "503 Service Unavailable" : "200 OK",
          ["Cache-Control: max-age=60, stale-if-error=60"]
        )
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      _ = try server.get("/app/a", method: "POST", fields: ["Content-Length: 0"])
      #expect(try server.get("/app/a").status == 503)
      #expect(try server.get("/app/a").status == 503)
    }

    @Test func `an answer to a spelling that the application sees is kept for nobody`() throws {
      let origin = Self.lasting()
      let server = try Self.server(origin, parameters: " nocanon")
      #expect(try server.get("/app/%61")["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/x/../a")["Cache-Status"] == "Ring3; fwd=bypass")
      #expect(try server.get("/app/a").text == "answer 3")
      #expect(try server.get("/app/a").text == "answer 3")
      #expect(origin.requests.first?.target == "/%61")
      // Where the application is told the canonical path there is nothing to be careful about.
      let plain = try Self.server(origin)
      #expect(try plain.get("/app/%61").text == "answer 4")
      #expect(try plain.get("/app/a").text == "answer 4")
    }

    @Test func `an error that we override is kept for nobody`() throws {
      let origin = Self.origin { _, number in
        (number == 1 ? "404 Not Found" : "200 OK", ["Cache-Control: max-age=60"])
      }
      let server = try Self.server(origin, "ProxyErrorOverride On 404")
      #expect(try server.get("/app/a").status == 404)
      #expect(try server.get("/app/a").text == "answer 2")
      #expect(try server.get("/app/a").text == "answer 2")
    }

    @Test(arguments: ["", "ProxyErrorOverride On 403 404 410"])
    func `a stale answer stands in for failures, not for what the application says`(
      override: String
    ) throws {
      let statuses = [
        "200 OK", "403 Forbidden", "404 Not Found", "410 Gone", "501 Not Implemented",
        "500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable",
        "504 Gateway Timeout",
      ]
      let origin = Self.origin { _, number in
        (statuses[number - 1], ["Cache-Control: max-age=0, stale-if-error=60"])
      }
      let server = try Self.server(origin, override)
      #expect(try server.get("/app/a").text == "answer 1")
      for status in statuses.dropFirst() {
        let answer = try server.get("/app/a", fields: ["Cache-Control: no-store"])
        let code = Int(status.prefix(3)) ?? 0
        if [500, 502, 503, 504].contains(code) {
          #expect(answer.text == "answer 1", "\(status)")
        } else {
          #expect(answer.status == code, "\(status)")
        }
      }
    }

    @Test(arguments: [
      ("412 Precondition Failed", "If-Match: \"x\""),
      ("416 Range Not Satisfiable", "Range: bytes=900-"),
      ("206 Partial Content", "Range: bytes=0-3"), ("304 Not Modified", "If-None-Match: \"x\""),
    ])
    func `what answers the conditions of one client is kept for nobody`(
      status: String, field: String
    ) throws {
      let name = String(field.prefix { $0 != ":" })
      let origin = Origin { request, peer in
        let fields = ["Cache-Control: max-age=60", "ETag: \"x\""]
        guard request[name] != nil else {
          return peer.send(Origin.response("whole", fields: fields))
        }
        return peer.send(
          (["HTTP/1.1 \(status)"] + fields + (status.hasPrefix("304") ? [] : ["Content-Length: 0"])
            + ["", ""]).joined(separator: "\r\n"))
      }
      let server = try Self.server(origin)
      let own = try server.get("/app/a", fields: [field])
      #expect(own.status == Int(status.prefix(3)))
      let all = try server.get("/app/a")
      #expect(all.status == 200 && all.text == "whole")
      // A 304 that lets the whole be kept has it fetched: the whole, and nothing else.
      let isFetched = status.hasPrefix("304")
      #expect(
        isFetched
          ? all["Cache-Status"]?.contains("; hit") == true
          : all["Cache-Status"] == "Ring3; fwd=uri-miss; stored")
    }

    @Test func `the query is no part of what an entry is recognised by`() throws {
      let origin = Self.lasting()
      let server = try Self.server(origin, "CacheIgnoreQueryString On")
      #expect(try server.get("/app/a?1").text == "answer 1")
      #expect(try server.get("/app/a?2").text == "answer 1")
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(server.control("reload").succeeded)
      #expect(try server.get("/app/a?3").text == "answer 1")
    }

    // MARK: What it says of itself

    @Test func `cache explain tells the rules, the key, and what is stored`() throws {
      let origin = Self.origin { _, _ in
        (
          "200 OK",
          [
            "Cache-Control: max-age=60, stale-if-error=9", "Vary: Accept-Language",
            "Cache-Tag: one,two",
          ]
        )
      }
      let server = try Self.server(
        origin,
        """
        CacheKeyQuery drop utm sort
        CacheDefaultExpire 30
        CacheIgnoreHeaders Set-Cookie
        <Location /app/off>
          CacheDisable On
        </Location>
        """)
      func explain(_ path: String) -> String {
        server.control("cache", "explain", "http://localhost:\(server.port)\(path)").output
      }
      let before = explain("/app/a?utm=1&b=2&a=1")
      #expect(before.contains("hit:           no (absent)"), "\(before)")
      #expect(before.contains("key:           http://localhost:\(server.port)/app/a?a=1&b=2\n"))
      #expect(before.contains("all but utm tell responses apart, in any order"), "\(before)")
      #expect(before.contains("(query-without-lifetime)"), "\(before)")
      #expect(before.contains("kept all the same: set-cookie (CacheIgnoreHeaders)"), "\(before)")
      #expect(explain("/app/a").contains("kept for 30 s (CacheDefaultExpire)"))
      #expect(explain("/app/off").contains("nothing is kept here (cache-disabled)"))
      #expect(explain("/app/off").contains("hit:           no (never)"))
      #expect(try server.get("/app/a?b=2&a=1&utm=9").text == "answer 1")
      let after = explain("/app/a?utm=1&b=2&a=1")
      #expect(after.contains("hit:           yes"), "\(after)")
      #expect(after.contains("stored:        accept-language: none, 8 bytes, good, age 0 s,"))
      #expect(after.contains("lifetime 60 s, fresh for "), "\(after)")
      #expect(after.contains("stale-if-error=9 [t:one t:two]; chosen"), "\(after)")
      #expect(try server.get("/app/c", fields: ["Accept-Language: de"]).text == "answer 2")
      #expect(explain("/app/c").contains("hit:           no (variant)"))
      let json = server.control(
        "cache", "explain", "--json", "http://localhost:\(server.port)/app/c")
      #expect(json.output.contains(#""selection":"accept-language: de""#), "\(json.output)")
      let url = "http://localhost:\(server.port)/app/a?utm=5&b=2&a=1"
      #expect(server.control("cache", "purge", url).succeeded)
      #expect(explain("/app/a?a=1&b=2").contains("hit:           no (soft)"))
      #expect(try server.get("/app/a?a=1&b=2").text == "answer 3")
    }

    @Test func `a limit of open files that keeps clients from waiting is told at start`() throws {
      let origin = Self.lasting()
      let limited = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)", workers: 1, openFilesMax: 512)
      #expect(try limited.get("/app/a").text == "answer 1")
      #expect(limited.control("reload").succeeded)
      let words = "do not wait for each other (CacheLock): that needs 1024 open files, and 512 are"
      #expect(limited.said.components(separatedBy: words).count == 2, "\(limited.said)")
      let plain = try TestServer(workers: 1, openFilesMax: 512)
      #expect(!plain.said.contains("CacheLock"))
    }
  }
}
