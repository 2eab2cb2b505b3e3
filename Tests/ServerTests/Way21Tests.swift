// 21: what applications are told of the way a request has come, and requests that come in circles.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `21 it tells applications the way` {
    private static func server(_ origin: Origin, _ more: String) throws -> TestServer {
      try TestServer("ProxyPass /app http://127.0.0.1:\(origin.port)\n" + more, workers: 1)
    }

    private static let terminated = [
      "X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https", "X-Forwarded-Host: pub",
      "Forwarded: for=8.8.8.8;proto=https", "X-Forwarded-Server: front",
    ]

    @Test(arguments: ["RemoteIPInternalProxy", "RemoteIPTrustedProxy"])
    func `what a trusted proxy says is passed on`(_ directive: String) throws {
      let origin = Origin(text: "x")
      let trust = "RemoteIPHeader X-Forwarded-For\n\(directive) 127.0.0.0/8\n"
      let server = try Self.server(origin, trust)
      #expect(try server.get("/app/", fields: Self.terminated).status == 200)
      var request = try #require(origin.requests.last)
      #expect(request.values("X-Forwarded-For") == ["8.8.8.8, 127.0.0.1"])
      #expect(request.values("X-Forwarded-Proto") == ["https"])
      #expect(request.values("X-Forwarded-Host") == ["pub"])
      #expect(request.values("X-Forwarded-Server") == ["localhost"])
      #expect(request.values("Forwarded") == ["for=8.8.8.8;proto=https"])
      // What it does not say is what this server sees.
      #expect(try server.get("/app/").status == 200)
      request = try #require(origin.requests.last)
      #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
      #expect(request.values("X-Forwarded-Proto") == ["http"])
      #expect(request.values("X-Forwarded-Host") == ["localhost"])
      #expect(
        server.reload(
          trust + "ProxyPass /app http://127.0.0.1:\(origin.port)\n"
            + "ProxyAddForwarded On"
        ).succeeded)
      #expect(
        try eventually {
          _ = try server.get("/app/", fields: Self.terminated)
          return origin.requests.last?["Forwarded"]?.hasPrefix(
            "for=8.8.8.8;proto=https, for=127.0.0.1;host=\"localhost\";proto=http") == true
        })
      _ = try server.get("/app/", fields: ["X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"])
      #expect(
        origin.requests.last?["Forwarded"] == "for=8.8.8.8;host=\"localhost\";proto=https")
    }

    @Test(arguments: [
      ("8.8.8.8, 7.7.7.7", "7.7.7.7"), ("foo, 7.7.7.7", "7.7.7.7"), ("unknown", "unknown"),
      ("1.1.1.1, 2.2.2.2, 127.0.0.9", "2.2.2.2, 127.0.0.9"), ("", ""),
      ("foo, 127.0.0.9", "foo, 127.0.0.9"),
    ])
    func `a chain is cut where belief ends`(_ chain: String, _ believed: String) throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        origin, "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.0/8")
      _ = try server.get("/app/", fields: ["X-Forwarded-For: \(chain)"])
      #expect(
        origin.requests.last?["X-Forwarded-For"]
          == (believed.isEmpty ? "127.0.0.1" : believed + ", 127.0.0.1"))
      let elements = "for=1.2.3.4;proto=ftp, for=7.7.7.7;proto=https"
      _ = try server.get("/app/", fields: ["Forwarded: \(elements)"])
      #expect(origin.requests.last?["Forwarded"] == "for=7.7.7.7;proto=https")
      _ = try server.get("/app/", fields: ["Forwarded: for=1.2.3.4;proto=\"https"])
      #expect(origin.requests.last?["Forwarded"] == nil)
    }

    @Test func `who is not trusted says nothing, and RequestHeader says all`() throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        origin, "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 192.0.2.0/24")
      _ = try server.get("/app/", fields: Self.terminated)
      let request = try #require(origin.requests.last)
      #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
      #expect(request.values("X-Forwarded-Proto") == ["http"])
      #expect(request.values("X-Forwarded-Host") == ["localhost"])
      #expect(request["Forwarded"] == nil)
      let other = try Self.server(
        origin,
        "RequestHeader set X-Forwarded-Proto https\nRequestHeader set X-Forwarded-For 192.0.2.1")
      _ = try other.get("/app/", fields: Self.terminated)
      let edited = try #require(origin.requests.last)
      #expect(edited.values("X-Forwarded-Proto") == ["https"])
      #expect(edited.values("X-Forwarded-For") == ["192.0.2.1, 127.0.0.1"])
    }

    @Test func `fields are edited on both ways, also in what is kept`() throws {
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            request["X-Token"] ?? "-",
            fields: [
              "Set-Cookie: a=1", "X-Seen: 1", "X-Seen: 2; Path=/", "Cache-Control: max-age=60",
              "Location: http://inside/x",
            ]))
      }
      let server = try Self.server(
        origin,
        """
        RequestHeader edit* X-Token "[0-9]" +
        Header edit X-Seen "^(.*)$" "$1; Secure"
        Header always edit Location ^http: https:
        CacheIgnoreHeaders Set-Cookie
        """)
      for isKept in [false, true] {
        let response = try server.get("/app/a", fields: ["X-Token: a1b22"])
        #expect(response.text == "a+b++" && response["Location"] == "https://inside/x")
        let seen = response.head.fields.filter { $0.name == "X-Seen" }.map(\.value)
        #expect(seen == ["1; Secure", "2; Path=/; Secure"])
        #expect(response["Cache-Status"]?.contains("hit") == isKept)
      }
    }

    @Test func `responses for another scheme or host are kept apart`() throws {
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            "\(request["X-Forwarded-Proto"] ?? "-") \(request["X-Forwarded-Host"] ?? "-")",
            fields: ["Cache-Control: max-age=60"]))
      }
      let server = try Self.server(
        origin, "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.0/8")
      let https = ["X-Forwarded-Proto: https"]
      for _ in 0..<2 {
        #expect(try server.get("/app/a", fields: https).text == "https localhost")
        #expect(try server.get("/app/a", fields: https)["Cache-Status"]?.contains("hit") == true)
        #expect(try server.get("/app/a").text == "http localhost")
        #expect(try server.get("/app/a")["Cache-Status"]?.contains("hit") == true)
      }
      let named = ["X-Forwarded-Host: evil"]
      #expect(try server.get("/app/a", fields: named).text == "http evil")
      #expect(try server.get("/app/b", fields: named).text == "http evil")
      #expect(try server.get("/app/b").text == "http localhost")
      #expect(
        try server.get("/app/b", fields: ["Forwarded: proto=https"])["Cache-Status"]?
          .contains("hit") == false)
    }

    // MARK: Circles

    @Test(arguments: ["Off", "On", "Full", "Block"])
    func `a circle ends with 508`(_ via: String) throws {
      let server = try TestServer(
        """
        ProxyVia \(via)
        ProxyPass /loop http://127.0.0.1:@port@/loop
        ProxyPass /a http://127.0.0.1:@port@/b
        ProxyPass /b http://localhost:@port@/a
        ProxyPass /twice http://127.0.0.1:@port@/once
        ProxyPass /once !
        """, files: ["once/x.txt": "there"])
      for target in ["/loop/x", "/a/x"] {
        #expect(try server.get(target).status == 508)
        #expect(try server.get(target, method: "POST").status == 508)
      }
      #expect(try server.get("/twice/x.txt").text == "there")
    }

    @Test func `Via tells the application and nobody else`() throws {
      let origin = Origin { _, peer in
        peer.send(Origin.response("x", fields: ["Via: 1.1 inner"]))
      }
      let server = try Self.server(origin, "ProxyPass /b http://127.0.0.1:\(origin.port)/\n")
      let answer = try server.get("/app/", fields: ["Via: 1.1 outer"])
      #expect(answer["Via"] == "1.1 inner")
      let values = try #require(origin.requests.last?.values("Via"))
      #expect(values.first == "1.1 outer" && values.count == 2)
      #expect(values.last?.hasPrefix("1.1 ring3-") == true)
      #expect(values.last?.contains("localhost") == false)
      _ = try server.exchange("GET /app/ HTTP/1.0\r\n\r\n")
      #expect(origin.requests.last?["Via"]?.hasPrefix("1.0 ring3-") == true)
      let blocking = try Self.server(origin, "ProxyVia Block")
      #expect(try blocking.get("/app/", fields: ["Via: 1.1 outer"])["Via"] == nil)
      #expect(origin.requests.last?["Via"]?.contains("outer") == false)
      #expect(origin.requests.last?["Via"]?.hasPrefix("1.1 ring3-") == true)
    }

    @Test func `hops are counted down, and an empty body is said to be empty`() throws {
      let origin = Origin(text: "x")
      let server = try Self.server(origin, "")
      let last = try server.get("/app/", method: "OPTIONS", fields: ["Max-Forwards: 0"])
      #expect(last["Allow"] != nil && origin.requests.isEmpty)
      _ = try server.get("/app/", method: "OPTIONS", fields: ["Max-Forwards: 7"])
      #expect(origin.requests.last?.values("Max-Forwards") == ["6"])
      _ = try server.get("/app/", fields: ["Max-Forwards: 0"])
      #expect(origin.requests.last?["Max-Forwards"] == "0")
      #expect(origin.requests.last?["Content-Length"] == nil)
      for method in ["POST", "PUT", "PATCH"] {
        _ = try server.get("/app/", method: method)
        #expect(origin.requests.last?.values("Content-Length") == ["0"], "\(method)")
      }
      _ = try server.get("/app/", method: "POST", fields: ["Content-Length: 0"])
      #expect(origin.requests.last?.values("Content-Length") == ["0"])
    }
  }
}
