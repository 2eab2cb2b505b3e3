// 02: the wire. Methods, bodies, limits, and requests that two parsers could read differently.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `02 it speaks HTTP` {
    @Test func `pipelined requests are answered in order`() throws {
      let server = try TestServer(files: ["a": "A", "b": "BB", "c": "CCC"])
      let connection = try server.open()
      let one = ["/a", "/b", "/missing", "/c", "/a"].map {
        "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n"
      }
      try connection.send(one.joined())
      #expect(try connection.response().text == "A")
      #expect(try connection.response().text == "BB")
      #expect(try connection.response().status == 404)
      #expect(try connection.response().text == "CCC")
      #expect(try connection.response().text == "A")
    }

    @Test func `a request may arrive byte by byte`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      for byte in "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8 {
        try connection.socket.send([byte])
        pause(milliseconds: 1)
      }
      #expect(try connection.response().text == "A")
    }

    @Test func `an empty line before a request is forgiven`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      try connection.send("\r\nGET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try connection.response().text == "A")
    }

    @Test func `HEAD says what GET would and sends no body`() throws {
      let server = try TestServer(files: ["a.txt": "hello"])
      pause(milliseconds: 50)  // a file of this instant has a weak entity tag, a moment later not
      let connection = try server.open()
      let get = try connection.get("/a.txt")
      let head = try connection.get("/a.txt", method: "HEAD")
      #expect(head.status == 200)
      for name in ["Content-Length", "Content-Type", "ETag", "Last-Modified"] {
        #expect(head[name] == get[name])
      }
      #expect(try connection.get("/none", method: "HEAD").status == 404)
      #expect(try connection.get("/a.txt").text == "hello")
    }

    @Test func `OPTIONS tells the methods`() throws {
      let server = try TestServer()
      let connection = try server.open()
      for target in ["/", "*"] {
        let response = try connection.get(target, method: "OPTIONS")
        #expect([200, 204].contains(response.status))
        #expect(response["Allow"]?.contains("GET") == true)
      }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
    func `a method that a file does not have is 405 with Allow`(method: String) throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      let response = try connection.get("/a", method: method, fields: ["Content-Length: 0"])
      #expect(response.status == 405)
      #expect(response["Allow"]?.contains("GET") == true)
      #expect(!response.text.contains("Content-Length: 0"), "TRACE must not echo")
    }

    @Test func `an unknown method is refused`() throws {
      let server = try TestServer()
      #expect([405, 501].contains(try server.get("/", method: "BREW").status))
    }

    @Test func `a body nobody wants is read and dropped`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      try connection.send(
        "GET /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789"
          + "GET /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "5\r\nGET /\r\n3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
          + "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      for _ in 0..<3 {
        let response = try connection.response()
        #expect(response.status == 200)
        #expect(response.text == "A")
      }
    }

    @Test func `a client that asks before it sends is told to go on, or answered`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      try connection.request("/a", fields: ["Content-Length: 3", "Expect: 100-continue"])
      let first = try connection.head()
      if first.status == 100 {
        try connection.send("abc")
        #expect(try connection.response().text == "A")
      } else {
        #expect((200..<500).contains(first.status))
      }
    }

    @Test func `a client is told to go on once, also when an index is looked for`() throws {
      let server = try TestServer(files: ["dir/index.html": "index"])
      let connection = try server.open()
      try connection.request("/dir/", fields: ["Content-Length: 3", "Expect: 100-continue"])
      #expect(try connection.head().status == 100)
      try connection.send("abc")
      #expect(try connection.response().text == "index")
    }

    @Test func `an absolute target names the host`() throws {
      let server = try TestServer(
        """
        <VirtualHost *:@port@>
          ServerName a.test
          DocumentRoot "@root@/www"
        </VirtualHost>
        <VirtualHost *:@port@>
          ServerName b.test
          DocumentRoot "@root@/www/b"
        </VirtualHost>
        """, files: ["x": "of a", "b/x": "of b"])
      #expect(try server.get("http://b.test/x", host: "b.test").text == "of b")
      #expect(
        try server.get("http://a.test:\(server.port)/x", host: "a.test:\(server.port)").text
          == "of a")
      #expect(try server.get("http://b.test/x", host: "a.test").status == 400)
    }

    @Test func `HTTP 1_0 closes unless asked to stay`() throws {
      let server = try TestServer(files: ["a": "A"])
      let closing = try server.exchange("GET /a HTTP/1.0\r\n\r\n")
      #expect(closing.hasPrefix("HTTP/1.1 200") && closing.hasSuffix("\r\n\r\nA"))
      let connection = try server.open()
      for _ in 0..<2 {
        try connection.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let response = try connection.response()
        #expect(response.text == "A")
        #expect(response["Connection"]?.lowercased() == "keep-alive")
      }
    }

    @Test func `Connection close is obeyed`() throws {
      let server = try TestServer(files: ["a": "A"])
      let connection = try server.open()
      let response = try connection.get("/a", fields: ["Connection: close"])
      #expect(response.text == "A")
      #expect(response.head.closes)
      #expect(try connection.isClosedByServer())
    }

    @Test func `limits have statuses of their own`() throws {
      let server = try TestServer(
        "LimitRequestBody 100\nLimitRequestFields 20\nLimitRequestFieldSize 500\n"
          + "LimitRequestLine 300")
      let many = (0..<40).map { "X-\($0): y" }
      #expect(try server.get("/" + String(repeating: "a", count: 400)).status == 414)
      #expect(try server.get("/", fields: many).status == 431)
      let long = "X: " + String(repeating: "b", count: 600)
      #expect(try server.get("/", fields: [long]).status == 431)
      #expect(try server.get("/", fields: ["Content-Length: 101"]).status == 413)
      #expect(try server.get("/").status == 200)
    }

    @Test func `a chunked body over the limit is 413 or the end`() throws {
      let server = try TestServer("LimitRequestBody 100")
      let answer = try server.exchange(
        "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "400\r\n" + String(repeating: "x", count: 1024) + "\r\n0\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 413"))
    }

    @Test func `a request that does not come in time is 408`() throws {
      let server = try TestServer("RequestReadTimeout header=1")
      let answer = try server.exchange("GET / HTTP/1.1\r\nHost: local")
      #expect(answer.hasPrefix("HTTP/1.1 408") || answer.isEmpty)
      #expect(answer.hasPrefix("HTTP/1.1 408"))
    }

    @Test func `a version of another major number is 505`() throws {
      let server = try TestServer()
      #expect(
        try server.exchange("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n").hasPrefix("HTTP/1.1 505"))
    }
  }
}
