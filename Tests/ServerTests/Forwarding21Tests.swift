// 21: requests that are passed on to applications, byte by byte.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `21 it passes requests on to applications` {
    private static func server(
      _ origin: Origin, _ more: String = "", parameters: String = "", workers: Int = 1
    ) throws -> TestServer {
      try TestServer(
        """
        ProxyPass /app http://127.0.0.1:\(origin.port) \(parameters)
        \(more)
        """, workers: workers)
    }

    @Test func `a request arrives as it should and its answer comes back`() throws {
      let origin = Origin(text: "hello", fields: ["X-Own: 1", "Connection: X-Hop", "X-Hop: 2"])
      let server = try Self.server(origin)
      let response = try server.get(
        "/app/a%20b?q=%2F",
        fields: [
          "X-Mine: 3", "Connection: X-Gone", "X-Gone: 4", "TE: trailers",
          "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1",
        ])
      #expect(response.status == 200)
      #expect(response.text == "hello")
      #expect(response["X-Own"] == "1")
      #expect(response["X-Hop"] == nil)
      let request = try #require(origin.requests.first)
      #expect(request.line == "GET /a%20b?q=%2F HTTP/1.1")
      #expect(request["Host"] == "127.0.0.1:\(origin.port)")
      #expect(request["X-Mine"] == "3")
      #expect(request["X-Gone"] == nil)
      #expect(request["TE"] == "trailers")
      #expect(request["Connection"] == "TE")
      #expect(request["Forwarded"] == nil)
      #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
      #expect(request["X-Forwarded-Host"] == "localhost")
      #expect(request["X-Forwarded-Proto"] == "http")
    }

    @Test func `connections to the application are kept`() throws {
      let origin = Origin { request, peer in
        switch request.target {
        case "/none": peer.send("HTTP/1.1 204 No Content\r\n\r\n")
        case "/chunks":
          peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        default: peer.send(Origin.response(request.method == "HEAD" ? "" : "x"))
        }
      }
      let server = try Self.server(origin)
      let connection = try server.open()
      for target in ["/app/", "/app/none", "/app/chunks", "/app/"] {
        #expect(try connection.get(target).status < 300)
      }
      #expect(try connection.get("/app/", method: "HEAD").status == 200)
      #expect(try connection.get("/app/chunks").text == "abc")
      #expect(origin.connections == 1)
      #expect(origin.requests.count == 6)
    }

    @Test(arguments: [0, 1, 1000, 70_000, 10_000_000])
    func `bodies of any length go through, counted and in chunks`(_ count: Int) throws {
      let origin = Origin { request, peer in
        peer.send(Origin.response("\(request.body.count) \(sum(request.body))"))
      }
      let server = try Self.server(origin)
      let body = pattern(count)
      let expected = "\(count) \(sum(body))"
      let connection = try server.open()
      try connection.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n")
      try connection.channel.send(body)
      #expect(try connection.response().text == expected)
      try connection.send("POST /app/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      for start in stride(from: 0, to: count, by: 33_333) {
        let part = body[start..<min(count, start + 33_333)]
        try connection.send("\(String(part.count, radix: 16))\r\n")
        try connection.channel.send(Array(part) + [13, 10])
      }
      try connection.send("0\r\n\r\n")
      #expect(try connection.response().text == expected)
      #expect(origin.requests.last?["Transfer-Encoding"] == "chunked")
    }

    @Test func `responses of any framing come through whole`() throws {
      let large = String(decoding: pattern(3_000_000).map { 0x61 + $0 % 26 }, as: UTF8.self)
      let origin = Origin { request, peer in
        switch request.target {
        case "/length": return peer.send(Origin.response(large))
        case "/close":
          peer.send("HTTP/1.1 200 OK\r\n\r\n" + large)
          return false
        case "/old":
          peer.send("HTTP/1.0 200 OK\r\n\r\n" + large)
          return false
        default:
          peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
          for start in stride(from: 0, to: large.utf8.count, by: 100_000) {
            let end = min(large.utf8.count, start + 100_000)
            let part = Array(large.utf8)[start..<end]
            peer.send("\(String(part.count, radix: 16));x=y\r\n")
            peer.send(Array(part) + [13, 10])
          }
          return peer.send("0\r\nX-Trailer: 1\r\n\r\n")
        }
      }
      let server = try Self.server(origin, "Protocols h2c http/1.1")
      for target in ["/length", "/close", "/old", "/chunks"] {
        #expect(try server.get("/app" + target).text == large, "\(target)")
        let old = try server.exchange("GET /app\(target) HTTP/1.0\r\n\r\n")
        #expect(old.hasSuffix("\r\n\r\n" + large), "\(target) to HTTP/1.0")
      }
    }

    @Test func `1xx answers go through, and an early answer ends the upload`() throws {
      let origin = Origin(readsBody: false) { request, peer in
        if request.target == "/hints" {
          peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
          return peer.send(Origin.response("done"))
        }
        if request.target == "/expect" {
          peer.send("HTTP/1.1 100 Continue\r\n\r\n")
          _ = peer.receive()
          return peer.send(Origin.response("continued"))
        }
        peer.send(Origin.response("too much", status: "413 Content Too Large"))
        return false
      }
      let server = try Self.server(origin)
      let text = try server.exchange(
        "GET /app/hints HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(text.hasPrefix("HTTP/1.1 103 "))
      #expect(text.contains("HTTP/1.1 200 OK"))
      let waiting = try server.open()
      try waiting.send(
        "POST /app/expect HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
          + "Expect: 100-continue\r\n\r\n")
      #expect(try waiting.response().status == 100)
      try waiting.send("abc")
      #expect(try waiting.response().text == "continued")
      let early = try server.open()
      try early.send("POST /app/early HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
      #expect(try early.response().status == 413)
    }

    // MARK: Applications that misbehave

    @Test(arguments: [
      "garbage", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n", "HTTP/1.1 99 Too Small\r\n\r\n", "",
      "HTTP/1.1 200 OK\r\n",
    ])
    func `an answer that is none is 502`(_ bytes: String) throws {
      let origin = Origin { _, peer in
        peer.send(bytes)
        return false
      }
      let server = try Self.server(origin)
      let connection = try server.open()
      #expect(try connection.get("/app/").status == 502)
      #expect(try connection.get("/").status == 200, "the client's connection is still good")
    }

    @Test(arguments: [
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ])
    func `an answer that breaks off never looks whole`(_ bytes: String) throws {
      let origin = Origin { _, peer in
        peer.send(bytes)
        return false
      }
      let server = try Self.server(origin)
      #expect(throws: (any Error).self) { try server.get("/app/") }
      #expect(try server.get("/").status == 200)
    }

    @Test func `what an application says too much is given to nobody`() throws {
      let origin = Origin { request, peer in
        peer.send(Origin.response("first") + Origin.response("smuggled"))
      }
      let server = try Self.server(origin)
      let connection = try server.open()
      for _ in 0..<4 { #expect(try connection.get("/app/").text == "first") }
      #expect(origin.connections == 4)
    }

    @Test func `nobody there is 502, silence is 504, and the client's connection stays`() throws {
      let silent = Origin { _, peer in
        pause(milliseconds: 3000)
        return false
      }
      let server = try TestServer(
        """
        ProxyPass /none http://127.0.0.1:\(freePort())
        ProxyPass /silent http://127.0.0.1:\(silent.port) timeout=1
        """)
      let connection = try server.open()
      #expect(try connection.get("/none/").status == 502)
      #expect(try connection.get("/silent/").status == 504)
      #expect(try connection.get("/").status == 200)
    }

    @Test func `a kept connection that was closed costs no request that may be repeated`() throws {
      let origin = Origin { request, peer in
        // Closes after the second request of a connection, which it does not answer.
        if request.ordinal == 2 { return false }
        return peer.send(Origin.response("x"))
      }
      let server = try Self.server(origin)
      let connection = try server.open()
      for _ in 0..<6 { #expect(try connection.get("/app/").status == 200) }
      try connection.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
      #expect(try connection.response().status == 502)
    }

    // MARK: Clients

    @Test func `pipelined requests are answered in order, files and applications mixed`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 20)
        return peer.send(Origin.response(request.target))
      }
      let server = try Self.server(origin)
      let connection = try server.open()
      let targets = ["/app/1", "/index.html", "/app/2", "/app/3", "/index.html"]
      try connection.send(
        targets.map { "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
      for text in ["/1", "home\n", "/2", "/3", "home\n"] {
        #expect(try connection.response().text == text)
      }
    }

    @Test func `a body that is too large is refused before the application takes it`() throws {
      let origin = Origin { request, peer in peer.send(Origin.response("ok")) }
      let server = try Self.server(origin, "LimitRequestBody 1000")
      let counted = try server.open()
      try counted.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
      #expect(try counted.response().status == 413)
      let chunked = try server.open()
      try chunked.send("POST /app/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      try chunked.send("400\r\n" + String(repeating: "x", count: 1024) + "\r\n0\r\n\r\n")
      #expect(try chunked.response().status == 413)
    }

    @Test func `a protocol is changed when that is allowed, and then bytes are bytes`() throws {
      let origin = Origin { request, peer in
        guard request["Upgrade"] == "websocket", request["Connection"]?.lowercased() == "upgrade"
        else { return peer.send(Origin.response("no upgrade")) }
        peer.send(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            + "hello")
        while true {
          let bytes = peer.receive()
          if bytes.isEmpty { return false }
          peer.send(bytes)
        }
      }
      let server = try Self.server(
        origin, "ProxyPass /ws http://127.0.0.1:\(origin.port) upgrade=websocket")
      let request = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
      let plain = try server.open()
      try plain.send("GET /app/ HTTP/1.1\r\n" + request)
      #expect(try plain.response().text == "no upgrade")
      let socket = try ClientSocket(port: server.port)
      try socket.send("GET /ws/ HTTP/1.1\r\n" + request + "early ")
      try socket.send("late")
      var text = ""
      while !text.hasSuffix("helloearly late") {
        let bytes = try socket.receive()
        if bytes.isEmpty { break }
        text += String(decoding: bytes, as: UTF8.self)
      }
      #expect(text.hasPrefix("HTTP/1.1 101 "))
      #expect(text.hasSuffix("\r\n\r\nhelloearly late"))
      socket.finishSending()
      #expect(try socket.receiveToEnd().isEmpty)
    }

    @Test func `a trusted proxy says who the client is`() throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        origin,
        """
        RemoteIPHeader X-Forwarded-For
        RemoteIPInternalProxy 127.0.0.1
        CustomLog access.log common
        <Location /index.html>
          Require ip 198.51.100.0/24
        </Location>
        """)
      let chain = ["X-Forwarded-For: 203.0.113.1, 198.51.100.7"]
      #expect(try server.get("/app/", fields: chain).status == 200)
      #expect(origin.requests.last?["X-Forwarded-For"] == "198.51.100.7, 127.0.0.1")
      for _ in 0..<3 {
        #expect(try server.get("/index.html", fields: chain).status == 200)
        #expect(try server.get("/index.html").status == 403)
      }
      #expect(
        eventually { server.directory.read("access.log").hasPrefix("198.51.100.7 - - [") })
    }

    @Test func `the PROXY protocol says who the client is`() throws {
      let heard = Origin { _, peer in peer.send(Origin.response("x")) }
      let server = try Self.server(
        heard, "RemoteIPProxyProtocol On\nProxyPass /told http://127.0.0.1:\(heard.port)")
      let request = "GET /told/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      let socket = try ClientSocket(port: server.port)
      try socket.send("PROXY TCP4 192.0.2.9 192.0")
      pause(milliseconds: 100)
      try socket.send(".2.1 4000 80\r\n" + request)
      #expect(try String(decoding: socket.receiveToEnd(), as: UTF8.self).hasSuffix("\r\nx"))
      #expect(heard.requests.last?["X-Forwarded-For"] == "192.0.2.9")
      let without = try ClientSocket(port: server.port)
      try without.send(request)
      #expect((try? without.receiveToEnd())?.isEmpty != false)
    }

    @Test func `a reload loses neither a long answer nor an upload`() throws {
      let origin = Origin { request, peer in
        guard request.method == "GET" else {
          return peer.send(Origin.response("\(request.body.count)"))
        }
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in 0..<10 {
          pause(milliseconds: 100)
          peer.send(String(repeating: "x", count: 100))
        }
        return true
      }
      let server = try Self.server(origin)
      let download = try server.open()
      try download.send("GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n")
      let upload = try server.open()
      try upload.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
      try upload.send(String(repeating: "a", count: 1000))
      #expect(server.control("reload").succeeded)
      try upload.send(String(repeating: "b", count: 1000))
      #expect(try download.response().body.count == 1000)
      #expect(try upload.response().text == "2000")
    }
  }
}

/// Bytes that are not the same everywhere.
func pattern(_ count: Int) -> [UInt8] {
  var state: UInt32 = 1
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(truncatingIfNeeded: state >> 24)
  }
}

/// A sum that knows the order.
func sum(_ bytes: [UInt8]) -> UInt64 {
  bytes.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
}
