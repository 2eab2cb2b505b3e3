// 25: what is passed on rarely: trailers, strange framing, clients and applications that go away.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `25 it passes on what is rare` {
    private static func server(
      _ origin: UInt16, _ more: String = "", parameters: String = "", workers: Int = 1
    ) throws -> TestServer {
      try TestServer(
        """
        Protocols h2c http/1.1
        ProxyPass /app http://127.0.0.1:\(origin) \(parameters)
        \(more)
        """, workers: workers)
    }

    // MARK: Trailers

    private static let trailing =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n"
      + "Cache-Control: max-age=60\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nContent-Length: 9\r\n"
      + "Set-Cookie: a=b\r\nX-Gone: 1\r\ngrpc-status: 0\r\n\r\n"

    @Test func `trailers reach clients that want them, and no head`() throws {
      let origin = Origin { _, peer in peer.send(Self.trailing) }
      let server = try Self.server(origin.port, "Header always unset X-Gone")
      let wants = ["TE: trailers"]
      let first = try server.get("/app/a", fields: wants)
      #expect(first.text == "abc")
      #expect(first.trailers == ["X-Sum: 6", "grpc-status: 0"])
      #expect(first["Trailer"] == "X-Sum, Content-Length")
      #expect(first["X-Sum"] == nil && first["Content-Length"] == nil)
      // What is kept has none.
      let kept = try server.get("/app/a", fields: wants)
      #expect(kept["Cache-Status"]?.contains("hit") == true)
      #expect(kept.text == "abc" && kept.trailers.isEmpty)
      #expect(kept["X-Sum"] == nil && kept["Trailer"] == nil && kept["Content-Length"] == "3")
      let without = try server.get("/app/b")
      #expect(without.text == "abc" && without.trailers.isEmpty && without["Trailer"] == nil)
      let old = try server.exchange("GET /app/c HTTP/1.0\r\nTE: trailers\r\n\r\n")
      #expect(old.hasSuffix("\r\n\r\nabc"))
      let head = try server.get("/app/d", method: "HEAD", fields: wants)
      #expect(head.status == 200 && head["Trailer"] == nil)
      #expect(origin.requests.map { $0["TE"] } == ["trailers", nil, "trailers", "trailers"])
    }

    @Test func `trailers leave as fields behind a body over HTTP2`() throws {
      let origin = Origin { request, peer in
        guard request.target == "/slow" else { return peer.send(Self.trailing) }
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        pause(milliseconds: 100)
        peer.send("3\r\ndef\r\n")
        pause(milliseconds: 100)
        return peer.send("0\r\nX-Sum: 6\r\n\r\n")
      }
      let server = try Self.server(origin.port)
      let client = try server.openHTTP2()
      let wants = [("te", "trailers")]
      for round in 0..<3 {
        let answer = try client.get("/app/\(round)", fields: wants)
        #expect(answer.text == "abc")
        #expect(answer.trailers == ["x-sum: 6", "x-gone: 1", "grpc-status: 0"])
        let slow = try client.get("/app/slow", fields: wants)
        #expect(slow.text == "abcdef" && slow.trailers == ["x-sum: 6"])
      }
      #expect(try client.get("/app/without").trailers.isEmpty)
      #expect(try client.get("/index.html").text == "home\n")
    }

    @Test func `trailers of a request reach the application`() throws {
      let origin = Origin { request, peer in peer.send(Origin.response(request.text)) }
      let server = try Self.server(origin.port, "RequestHeader set X-User nobody")
      let connection = try server.open()
      for _ in 0..<2 {
        try connection.send(
          "POST /app/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
            + "Connection: X-Hop\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nX-User: root\r\nX-Hop: 1\r\n"
            + "Host: y\r\nTransfer-Encoding: gzip\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        #expect(try connection.response().text == "abc")
        let request = try #require(origin.requests.last)
        #expect(request.trailers == ["X-Sum: 6"])
        #expect(request["Trailer"] == "X-Sum" && request["X-User"] == "nobody")
      }
      #expect(origin.connections == 1)
    }

    @Test func `trailers of a request over HTTP2 reach the application`() throws {
      let origin = Origin { request, peer in peer.send(Origin.response(request.text)) }
      let server = try Self.server(origin.port, "RequestHeader set X-User nobody")
      let client = try server.openHTTP2()
      for field in [("x-any", "1"), ("content-length", "3")] {
        let stream = client.engine.request(
          HTTP2Engine.requestFields("/app/", method: "POST", [field]), ends: false)
        client.engine.send(.data(stream: stream, Array("abc".utf8)))
        client.engine.send(
          .headers(
            stream: stream,
            [
              HTTP2Field("x-sum", "6"), HTTP2Field("x-user", "root"), HTTP2Field("host", "y"),
              HTTP2Field("x-forwarded-for", "192.0.2.1"),
            ], ends: true))
        try client.flush()
        #expect(try client.read { client.engine.answers[stream]?.isOver ?? true })
        #expect(client.engine.answers[stream]?.body == Array("abc".utf8))
        let request = try #require(origin.requests.last)
        // Behind a body of known length HTTP/1.1 has no place for them.
        #expect(request.trailers == (field.0 == "x-any" ? ["x-sum: 6"] : []))
        #expect(request["X-User"] == "nobody")
      }
    }

    // MARK: Applications

    @Test func `a response of very many chunks, and a long head of hints`() throws {
      let chunks = String(repeating: "1\r\nx\r\n", count: 1100)
      let link = String(repeating: "</a>; rel=preload, ", count: 400)
      let origin = Origin { request, peer in
        if request.target == "/hints" {
          peer.send("HTTP/1.1 103 Early Hints\r\nLink: \(link)\r\n\r\n")
          return peer.send(Origin.response("done"))
        }
        return peer.send(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n")
      }
      let server = try Self.server(origin.port)
      #expect(try server.get("/app/").body.count == 1100)
      #expect(try server.openHTTP2().get("/app/").body.count == 1100)
      let connection = try server.open()
      try connection.request("/app/hints")
      let hints = try connection.head()
      #expect(hints.status == 103 && (hints["Link"]?.utf8.count ?? 0) > 7000)
      #expect(try connection.response().text == "done")
      #expect(try server.openHTTP2().get("/app/hints").text == "done")
    }

    @Test func `a body that answers HEAD is nobody's response`() throws {
      let origin = Origin { request, peer in
        guard request.method == "HEAD" else { return peer.send(Origin.response("right")) }
        let smuggled = Origin.response("smuggled")
        return peer.send(
          "HTTP/1.1 200 OK\r\nContent-Length: \(smuggled.utf8.count)\r\n\r\n" + smuggled)
      }
      let server = try Self.server(origin.port)
      let connection = try server.open()
      for _ in 0..<5 {
        #expect(try connection.get("/app/", method: "HEAD").body.isEmpty)
        #expect(try connection.get("/app/").text == "right")
      }
      // Also when it comes late, behind the head.
      let late = Origin { request, peer in
        guard request.method == "HEAD" else { return peer.send(Origin.response("right")) }
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        pause(milliseconds: 50)
        return peer.send(Origin.response("smuggled"))
      }
      let server2 = try Self.server(late.port)
      let other = try server2.open()
      for _ in 0..<3 {
        #expect(try other.get("/app/", method: "HEAD").status == 200)
        pause(milliseconds: 100)
        #expect(try other.get("/app/").text == "right")
      }
    }

    @Test(arguments: [false, true])
    func `an HTTP1·0 answer that is cut short never looks whole`(_ hasLength: Bool) throws {
      let origin = Origin { _, peer in
        peer.send("HTTP/1.0 200 OK\r\n\(hasLength ? "Content-Length: 10\r\n" : "")\r\nabc")
        pause(milliseconds: 50)
        if !hasLength { peer.reset() }
        return false
      }
      let server = try Self.server(origin.port)
      #expect(throws: (any Error).self) { try server.get("/app/") }
      let socket = try ClientSocket(port: server.port)
      try socket.send("GET /app/ HTTP/1.0\r\n\r\n")
      #expect(throws: SocketFailure.reset) {
        while try !socket.receive().isEmpty {}
      }
      let client = try server.openHTTP2()
      #expect(throws: (any Error).self) { try client.get("/app/") }
      #expect(try client.get("/").status == 200)
    }

    @Test func `what was sent before there is a connection arrives`() throws {
      // Its queue is full: the kernel lets further connections wait.
      let listener = TestListener(backlog: 0)
      let fillers = try (0..<1).map { _ in try ClientSocket(port: listener.port) }
      let server = try Self.server(listener.port, parameters: "connectiontimeout=10")
      let body = variedBytes(300_000)
      let connection = try server.open()
      let gone = try server.open()
      try gone.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\nabc")
      try connection.send("POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n")
      for start in stride(from: 0, to: body.count, by: 30_000) {
        try connection.channel.send(Array(body[start..<start + 30_000]))
        pause(milliseconds: 20)
      }
      gone.socket.close()
      Thread.detachNewThread {
        while let peer = listener.accept() {
          var received: [UInt8] = []
          while !received.suffix(body.count).elementsEqual(body) {
            let more = peer.receive()
            if more.isEmpty { break }
            received += more
            if received.count > body.count { peer.send(Origin.response("whole")) }
          }
        }
      }
      for filler in fillers { filler.close() }
      #expect(try connection.response().text == "whole")
      listener.end()
    }

    // MARK: Waiting

    @Test func `an HTTP2 connection waits as long as the application thinks`() throws {
      let origin = Origin { request, peer in
        if request.target == "/slow" { pause(milliseconds: 3500) }
        return peer.send(Origin.response("x"))
      }
      let server = try Self.server(
        origin.port, "KeepAliveTimeout 1\nTimeout 1\nProxyTimeout 20")
      let client = try server.openHTTP2()
      #expect(try client.get("/app/").text == "x")
      #expect(try client.get("/app/slow").text == "x")
      #expect(client.engine.goAway == nil)
    }

    @Test func `requests wait for a connection in their order, but not those of clients who left`()
      throws
    {
      let origin = Origin { request, peer in
        pause(milliseconds: 150)
        return peer.send(Origin.response(request.target))
      }
      let server = try Self.server(origin.port, parameters: "max=1")
      var connections: [Conversation] = []
      for number in 0..<6 {
        let connection = try server.open()
        try connection.request("/app/\(number)")
        connections.append(connection)
        pause(milliseconds: 10)
      }
      // One resets its connection, another its stream; who only ends its sending may still read.
      connections[3].socket.reset()
      connections[4].socket.finishSending()
      let client = try server.openHTTP2()
      let stream = try client.request("/app/stream")
      try client.roundTrip()
      try client.send(.reset(stream: stream))
      for number in [0, 1, 2, 4, 5] {
        #expect(try connections[number].response().text == "/\(number)")
      }
      #expect(origin.requests.map(\.target) == ["/0", "/1", "/2", "/4", "/5"])
      #expect(origin.connections == 1)
    }

    // MARK: Ends

    @Test func `each side of a tunnel may end its sending first`() throws {
      let rest = String(repeating: "x", count: 300_000)
      let origin = Origin { request, peer in
        peer.send(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        guard request.target == "/reads" else {
          peer.send(rest)
          return false
        }
        var text = ""
        while true {
          let bytes = peer.receive()
          if bytes.isEmpty { break }
          text += String(decoding: bytes, as: UTF8.self)
        }
        peer.send("\(text.utf8.count)" + rest)
        return false
      }
      let server = try Self.server(
        origin.port, "ProxyPass /raw http://127.0.0.1:\(origin.port) upgrade=raw")
      for target in ["reads", "sends"] {
        let socket = try ClientSocket(port: server.port)
        try socket.send(
          "GET /raw/\(target) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        if target == "reads" {
          try socket.send(rest)
          socket.finishSending()
        }
        let text = String(decoding: try socket.receiveToEnd(), as: UTF8.self)
        let end = target == "reads" ? "\r\n\r\n300000" + rest : "\r\n\r\n" + rest
        #expect(text.hasPrefix("HTTP/1.1 101 ") && text.hasSuffix(end), "\(target)")
      }
    }

    /// Milliseconds of CPU that a process has used.
    private static func cpuMilliseconds(_ pid: Int32) -> Int {
      let text = textOfKernelFile("/proc/\(pid)/stat")
      let words = text.split(separator: ")").last?.split(separator: " ") ?? []
      return words.count > 12 ? ((Int(words[11]) ?? 0) + (Int(words[12]) ?? 0)) * 10 : 0
    }

    @Test(arguments: [true, false])
    func `nobody spins when one side goes while the other is full`(
      _ clientGoes: Bool
    ) throws {
      let origin = Origin { _, peer in
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        let part = [UInt8](repeating: 0x78, count: 65_536)
        for _ in 0..<(clientGoes ? 10_000 : 100) where !peer.send(part) { return false }
        peer.reset()
        return false
      }
      let server = try Self.server(origin.port)
      let worker = try #require(server.workers.first)
      let client = try ClientSocket(port: server.port)
      client.limitReceiveBuffer(byteCount: 4096)
      try client.send("GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n")
      pause(milliseconds: 700)
      if clientGoes { client.close() }
      let before = Self.cpuMilliseconds(worker)
      pause(milliseconds: 1500)
      #expect(Self.cpuMilliseconds(worker) - before < 300)
      #expect(try server.get("/").status == 200)
      client.close()
    }
  }
}
