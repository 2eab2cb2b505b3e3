// 22: parameters of those behind the server: how many connections, how long, whose turn.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it does what the parameters of members say` {
    private static func slow(_ milliseconds: Int) -> Origin {
      Origin { _, peer in
        pause(milliseconds: milliseconds)
        return peer.send(Origin.response("x"))
      }
    }

    private static func balancer(_ members: [String], _ set: String) -> String {
      "<Proxy balancer://b>\n" + members.map { "  BalancerMember \($0)\n" }.joined()
        + (set.isEmpty ? "" : "  ProxySet \(set)\n") + "</Proxy>\nProxyPass /app balancer://b\n"
    }

    @Test func `acquire and a balancer's timeout say how long a request waits for its turn`() throws
    {
      let origin = Self.slow(2500)
      let member = "http://127.0.0.1:\(origin.port) max=1"
      for configuration in [
        "ProxyPass /app \(member) acquire=300",
        Self.balancer([member], "timeout=1"),
        Self.balancer([member + " acquire=300"], "timeout=60"),
      ] {
        let server = try TestServer(configuration, workers: 1)
        let first = try server.open()
        try first.request("/app/1")
        pause(milliseconds: 200)
        let refused = try server.get("/app/2")
        #expect(refused.status == 503 && refused["Retry-After"] != nil)
        #expect(try first.response().status == 200)
      }
      let patient = try TestServer("ProxyPass /app \(member)", workers: 1)
      let first = try patient.open()
      try first.request("/app/1")
      #expect(try patient.get("/app/2").status == 200)
    }

    @Test func `smax connections stay beyond ttl`() throws {
      let origin = Self.slow(300)
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port) smax=1 ttl=1", workers: 1)
      let clients = try (0..<3).map { _ in try server.open() }
      for (number, client) in clients.enumerated() { try client.request("/app/\(number)") }
      for client in clients { #expect(try client.response().status == 200) }
      #expect(origin.connections == 3)
      pause(milliseconds: 2500)
      for (number, client) in clients.enumerated() { try client.request("/app/\(number)") }
      for client in clients { #expect(try client.response().status == 200) }
      #expect(origin.connections == 5)
    }

    @Test func `responsefieldsize says how long a field may be`() throws {
      let origin = Origin { request, peer in
        let count = Int(request.target.dropFirst()) ?? 0
        return peer.send(
          Origin.response("x", fields: ["X-Long: \(String(repeating: "y", count: count))"]))
      }
      let server = try TestServer(
        """
        ProxyPass /short http://127.0.0.1:\(origin.port) responsefieldsize=1000
        ProxyPass /long http://127.0.0.1:\(origin.port) responsefieldsize=20000
        ProxyPass /app http://127.0.0.1:\(origin.port)
        """, workers: 1)
      #expect(try server.get("/short/900").status == 200)
      #expect(try server.get("/short/1100").status == 502)
      #expect(try server.get("/app/8000").status == 200)
      #expect(try server.get("/app/9000").status == 502)
      #expect(try server.get("/long/19000").status == 200)
    }

    @Test func `traffic and busyness decide whose turn it is`() throws {
      let large = Origin(text: String(repeating: "x", count: 400_000))
      let small = Origin(text: "x")
      let members = [large, small].map { "http://127.0.0.1:\($0.port)" }
      let server = try TestServer(Self.balancer(members, "lbmethod=bytraffic"), workers: 1)
      for _ in 0..<20 { #expect(try server.get("/app/").status == 200) }
      #expect(large.requests.count < 4 && small.requests.count > 16)
      let slow = Self.slow(1500)
      let quick = Self.slow(0)
      let busy = [slow, quick].map { "http://127.0.0.1:\($0.port)" }
      let other = try TestServer(Self.balancer(busy, "lbmethod=bybusyness"), workers: 1)
      let waiting = try other.open()
      for number in 0..<10 where slow.requests.isEmpty {
        try waiting.request("/app/first/\(number)")
        pause(milliseconds: 200)
        if slow.requests.isEmpty { _ = try waiting.response() }
      }
      let before = quick.requests.count
      for number in 0..<5 { #expect(try other.get("/app/\(number)").status == 200) }
      #expect(quick.requests.count == before + 5)
    }

    @Test func `failontimeout puts a silent member aside`() throws {
      let silent = Self.slow(2500)
      let members = ["http://127.0.0.1:\(silent.port) timeout=1 retry=60"]
      for (set, state) in [("failontimeout=On", "failed"), ("failontimeout=Off", "ok")] {
        let server = try TestServer(Self.balancer(members, set), workers: 1)
        #expect(try server.get("/app/").status == 504)
        #expect(server.control("proxy").output.contains(":\(silent.port) \(state)"))
      }
    }

    @Test func `a session stays with its member, and nofailover keeps it there`() throws {
      let origin = Origin(text: "x")
      let gone = freePort()
      let members = [
        "http://127.0.0.1:\(origin.port) route=a", "http://127.0.0.1:\(gone) route=b",
      ]
      let cookie =
        "Header add Set-Cookie \"ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/\" "
        + "env=BALANCER_ROUTE_CHANGED"
      let server = try TestServer(
        Self.balancer(members, "stickysession=ROUTEID") + cookie, workers: 1)
      let first = try server.get("/app/")
      #expect(first.status == 200 && first["Set-Cookie"] == "ROUTEID=.a; path=/")
      #expect(try server.get("/app/", fields: ["Cookie: ROUTEID=.a"])["Set-Cookie"] == nil)
      let moved = try server.get("/app/", fields: ["Cookie: ROUTEID=.b"])
      #expect(moved.status == 200 && moved["Set-Cookie"] == "ROUTEID=.a; path=/")
      let bound = try TestServer(
        Self.balancer(members, "stickysession=ROUTEID nofailover=On"), workers: 1)
      let refused = try bound.get("/app/", fields: ["Cookie: ROUTEID=.b"])
      #expect(refused.status == 502 || refused.status == 503)
      #expect(try bound.get("/app/", fields: ["Cookie: ROUTEID=.b"]).status == 503)
      #expect(try bound.get("/app/", fields: ["Cookie: ROUTEID=.a"]).status == 200)
    }

    @Test func `a cookie that names a route is in no kept response`() throws {
      let fields = ["Cache-Control: max-age=60"]
      let origins = [Origin(text: "x", fields: fields), Origin(text: "x", fields: fields)]
      let members = zip(origins, ["a", "b"]).map { "http://127.0.0.1:\($0.port) route=\($1)" }
      let server = try TestServer(
        Self.balancer(members, "stickysession=ROUTEID")
          + "Header add Set-Cookie \"ROUTEID=.%{BALANCER_WORKER_ROUTE}e\" "
          + "env=BALANCER_ROUTE_CHANGED", workers: 1)
      #expect(try server.get("/app/x")["Set-Cookie"] != nil)
      let kept = try server.get("/app/x")
      #expect(kept["Cache-Status"]?.contains("hit") == true && kept["Set-Cookie"] == nil)
    }

    @Test func `members that are all stopped are 503 with Retry-After`() throws {
      let origin = Origin(text: "x")
      let name = "http://127.0.0.1:\(origin.port)"
      let server = try TestServer(Self.balancer([name], ""), workers: 1)
      #expect(server.control("proxy", "set", name, "disable").succeeded)
      #expect(
        try eventually {
          let answer = try server.get("/app/")
          return answer.status == 503 && answer["Retry-After"] != nil
        })
    }

    @Test func `hcpasses successes bring a member back, and slowstart gives it little`() throws {
      let port = freePort()
      let steady = Origin(text: "x")
      let server = try TestServer(
        Self.balancer(
          [
            "http://127.0.0.1:\(steady.port)",
            "http://127.0.0.1:\(port) hcmethod=TCP hcinterval=1 hcpasses=2 slowstart=60",
          ], ""), workers: 1)
      let name = "http://127.0.0.1:\(port)"
      #expect(eventually { server.said.contains("\(name) is down") })
      let late = Origin(port: port) { _, peer in peer.send(Origin.response("y")) }
      let begun = monotonicMilliseconds()
      #expect(eventually { server.said.contains("\(name) is up again") })
      #expect(monotonicMilliseconds() - begun > 800)
      for _ in 0..<22 { #expect(try server.get("/app/").status == 200) }
      #expect(late.requests.count <= 6, "\(late.requests.count)")
      late.end()
    }

    @Test(arguments: [1, 2])
    func `the PROXY protocol tells a member who the client is`(_ version: Int) throws {
      let listener = TestListener()
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(listener.port) proxyprotocol=\(version)", workers: 1)
      let client = try server.open()
      try client.request("/app/")
      let peer = try #require(listener.accept())
      let bytes = peer.receive()
      if version == 1 {
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 "))
        #expect(text.contains(" \(server.port)\r\nGET / HTTP/1.1\r\n"))
      } else {
        #expect(bytes.starts(with: [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11]))
      }
      peer.send(Origin.response("x"))
      #expect(try client.response().text == "x")
      listener.end()
    }

    @Test func `cookies are rewritten for the client's address`() throws {
      let origin = Origin(
        text: "x",
        fields: ["Set-Cookie: a=1; Path=/in/deep; Domain=app.internal; HttpOnly"])
      let server = try TestServer(
        """
        ProxyPass /app http://127.0.0.1:\(origin.port)/in
        ProxyPassReverseCookiePath /in /app
        ProxyPassReverseCookieDomain app.internal www.example.com
        """, workers: 1)
      #expect(
        try server.get("/app/")["Set-Cookie"]
          == "a=1; Path=/app; Domain=www.example.com; HttpOnly")
    }
  }
}
