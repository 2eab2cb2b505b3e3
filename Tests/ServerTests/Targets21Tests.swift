// 21: targets, responses and limits of forwarding whose letter matters.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `21 it keeps to the letter` {
    private static func server(_ more: String, workers: Int = 1) throws -> TestServer {
      try TestServer(more, workers: workers)
    }

    @Test(arguments: [
      ("/nocanon/a%20b?x=%41", "/nc/a%20b?x=%41"), ("/nocanon/a%2eb", "/nc/a%2eb"),
      ("/%6Eocanon/a%20b", "/nc/a%20b"), ("/./nocanon/q", "/nc/q"), ("/x/../nocanon/a", "/nc/a"),
      ("//nocanon/a", "/nc/a"), ("/nocanon/a/../../nocanon/b", "/nc/b"),
      ("/nocanon/a/../b", "/nc/a/../b"), ("/quiet/%61?q", "/q/%61"), ("/%71uiet/%61?q", "/q/a"),
    ])
    func `nocanon cuts the prefix where it ends`(_ target: String, _ expected: String) throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        """
        ProxyPass /nocanon/ http://127.0.0.1:\(origin.port)/nc/ nocanon
        ProxyPass /quiet/ http://127.0.0.1:\(origin.port)/q/ nocanon noquery
        """)
      _ = try server.get(target)
      #expect(origin.requests.last?.target == expected)
    }

    @Test func `a slash that is kept encoded is encoded once`() throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        """
        AllowEncodedSlashes NoDecode
        ProxyPass /a http://127.0.0.1:\(origin.port)/a
        ProxyPassMatch ^/m/(.*)$ http://127.0.0.1:\(origin.port)/to/$1
        """)
      for (target, expected) in [
        ("/a/b%2Fc", "/a/b%2Fc"), ("/a/b%2fc%20d", "/a/b%2Fc%20d"), ("/m/x%2Fy", "/to/x%2Fy"),
        ("/a/50%25", "/a/50%25"),
      ] {
        _ = try server.get(target)
        #expect(origin.requests.last?.target == expected)
      }
    }

    @Test func `a response without content has no length, and an odd status its words`() throws {
      let origin = Origin { request, peer in
        request.target == "/none"
          ? peer.send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
          : peer.send(Origin.response("x", status: "418 I'm a teapot"))
      }
      let server = try Self.server(
        "Protocols h2c http/1.1\nProxyPass /app http://127.0.0.1:\(origin.port)")
      let none = try server.get("/app/none")
      #expect(none.status == 204 && none["Content-Length"] == nil)
      #expect(try server.openHTTP2().get("/app/none").status == 204)
      let text = try server.exchange(
        "GET /app/tea HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(text.hasPrefix("HTTP/1.1 418 I'm a teapot\r\n"))
      #expect(try server.openHTTP2().get("/app/tea").status == 418)
    }

    @Test func `a page of our own keeps what its status needs`() throws {
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            "theirs", status: request.target == "/401" ? "401 No" : "503 No",
            fields: [
              "WWW-Authenticate: Basic realm=\"a\"", "WWW-Authenticate: Other", "Retry-After: 77",
              "X-Own: 1",
            ]))
      }
      let server = try TestServer(
        """
        ProxyErrorOverride On
        ErrorDocument 503 /sorry.html
        ProxyPass /app http://127.0.0.1:\(origin.port)
        """, workers: 1, files: ["sorry.html": "sorry"])
      let refused = try server.get("/app/401")
      #expect(refused.status == 401 && refused.text != "theirs")
      #expect(refused["WWW-Authenticate"] == "Basic realm=\"a\"" && refused["X-Own"] == nil)
      let sorry = try server.get("/app/503")
      #expect(sorry.status == 503 && sorry.text == "sorry" && sorry["Retry-After"] == "77")
    }

    @Test func `HTTP1 dot 0 changes no protocol, and a tunnel has a patience of its own`() throws {
      let origin = Origin { request, peer in
        guard request["Upgrade"] != nil else { return peer.send(Origin.response("plain")) }
        peer.send(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while true {
          let bytes = peer.receive()
          if bytes.isEmpty { return false }
          peer.send(bytes)
        }
      }
      let server = try Self.server(
        """
        ProxyTunnelTimeout 3
        ProxyPass /ws http://127.0.0.1:\(origin.port) upgrade=websocket timeout=1
        """)
      let request = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
      #expect(try server.exchange("GET /ws/ HTTP/1.0\r\n" + request).hasSuffix("plain"))
      let socket = try ClientSocket(port: server.port)
      try socket.send("GET /ws/ HTTP/1.1\r\n" + request)
      var text = ""
      while !text.hasSuffix("\r\n\r\n") {
        text += String(decoding: try socket.receive(), as: UTF8.self)
      }
      pause(milliseconds: 1800)
      try socket.send("still")
      #expect(String(decoding: try socket.receive(), as: UTF8.self) == "still")
      let begun = monotonicMilliseconds()
      _ = try? socket.receiveToEnd()
      #expect(monotonicMilliseconds() - begun > 2000)
    }

    @Test func `PURGE of somebody else is refused where responses are kept`() throws {
      let origin = Origin(text: "x")
      let server = try Self.server(
        """
        ProxyPass /app http://127.0.0.1:\(origin.port)
        ProxyPass /own http://127.0.0.1:\(origin.port)
        <Location /own>
          CacheDisable on
        </Location>
        """)
      #expect(try server.get("/app/", method: "PURGE").status == 403)
      #expect(origin.requests.isEmpty)
      #expect(try server.get("/own/", method: "PURGE").status == 200)
    }

    // MARK: FastCGI

    @Test(arguments: [
      "Content-Length: 3\r\n\r\nabcdef", "Content-Length: 9\r\n\r\nabcdef",
      "Content-Length: 0\r\n\r\nabc",
    ])
    func `FastCGI of another length than it says is broken, and never kept`(
      _ rest: String
    ) throws {
      let origin = FastCGIOrigin { _ in
        "Content-Type: text/plain\r\nCache-Control: max-age=60\r\n" + rest
      }
      let server = try Self.server("ProxyPass /f fcgi://127.0.0.1:\(origin.port)/srv")
      for _ in 0..<2 {
        let answer = try? server.get("/f/x")
        #expect(answer == nil || answer?.status == 502)
      }
      #expect(origin.requests.count == 2)
    }

    @Test func `what follows a script is its path info`() throws {
      let origin = FastCGIOrigin { variables in
        let names = ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_SCHEME"]
        return "Content-Type: text/plain\r\n\r\n"
          + names.map { variables[$0] ?? "-" }.joined(separator: " ") + " "
          + (variables["SCRIPT_FILENAME"] ?? "").split(separator: "/").suffix(2)
          .joined(separator: "/")
      }
      let configuration = """
        Protocols h2c http/1.1
        DirectoryIndex j.php
        <FilesMatch "\\.php$">
          SetHandler "proxy:fcgi://127.0.0.1:\(origin.port)"
        </FilesMatch>
        ProxyPassMatch ^/fm/(.*\\.php(/.*)?)$ fcgi://127.0.0.1:\(origin.port)@root@/www/sub/$1
        <Location /off>
          AcceptPathInfo Off
        </Location>
        <Location /on>
          AcceptPathInfo On
        </Location>
        """
      let server = try TestServer(
        configuration, workers: 1,
        files: [
          "i.php": "", "sub/j.php": "", "off/i.php": "", "on/a.txt": "text", "b.txt": "text",
          "evil.jpg": "",
        ])
      for (target, expected) in [
        ("/i.php", "/i.php -  http www/i.php"), ("/i.php/x/y?q", "/i.php /x/y q http www/i.php"),
        ("/i.php/", "/i.php /  http www/i.php"), ("/i.php/x.php", "/i.php /x.php  http www/i.php"),
        ("/sub/j.php/a%20b", "/sub/j.php /a b  http sub/j.php"),
        ("/fm/j.php/x/y", "/fm/j.php /x/y  http sub/j.php"),
        ("/fm/j.php", "/fm/j.php -  http sub/j.php"),
        ("/fm/none.php/x", "/fm/none.php/x -  http none.php/x"),
        ("/gone.php", "/gone.php -  http www/gone.php"), ("/sub/", "/sub/j.php -  http sub/j.php"),
      ] {
        #expect(try server.get(target).text == expected, "\(target)")
        #expect(try server.openHTTP2().get(target).text == expected, "\(target) over HTTP/2")
      }
      let connection = try server.open()
      for body in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        try connection.send("POST /i.php/x HTTP/1.1\r\nHost: x\r\n" + body)
        #expect(try connection.response().text == "/i.php /x  http www/i.php")
      }
      #expect(try server.get("/evil.jpg/x.php").status == 404)
      #expect(try server.get("/b.txt/x").status == 404)
      #expect(try server.get("/off/i.php").status == 200)
      #expect(try server.get("/off/i.php/x").status == 404)
      for _ in 0..<2 { #expect(try server.get("/on/a.txt/x").text == "text") }
    }
  }
}
