// 23: PHP behind the server, with Debian's real php-fpm.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `23 it runs PHP by FastCGI` {
    private static let page = """
      <?php
      if (isset($_GET['cache'])) header('Cache-Control: max-age=60');
      if (isset($_GET['missing'])) http_response_code(404);
      if (isset($_GET['validate'])) {
        header('Cache-Control: max-age=0, stale-if-error=60');
        header('ETag: "php"');
        if (isset($_SERVER['HTTP_IF_NONE_MATCH'])) { http_response_code(304); exit; }
      }
      if (isset($_GET['complain'])) error_log('a complaint of PHP');
      if (isset($_GET['large'])) { for ($i = 0; $i < 100000; $i++) echo '0123456789'; exit; }
      echo $_SERVER['REQUEST_METHOD'], ' ', basename($_SERVER['SCRIPT_FILENAME']), ' ',
        $_SERVER['QUERY_STRING'], ' ', $_SERVER['HTTP_X_MINE'] ?? '-', ' ',
        strlen(file_get_contents('php://input')), ' ', uniqid();
      """

    private static func server(_ more: String = "") throws -> TestServer {
      try TestServer(
        """
        Protocols h2c http/1.1
        DirectoryIndex index.php
        <FilesMatch "\\.php$">
          SetHandler "proxy:unix:@root@/php.sock|fcgi://localhost"
        </FilesMatch>
        \(more)
        """, workers: 1, files: ["index.php": page, "sub/index.php": page, "plain.txt": "plain"])
    }

    @Test func `scripts answer, and files beside them are files`() throws {
      let server = try Self.server()
      let php = try PHP(in: server.directory)
      let answer = try server.get("/index.php?a=1", fields: ["X-Mine: yes", "Proxy: evil"])
      #expect(answer.status == 200)
      #expect(answer.text.hasPrefix("GET index.php a=1 yes 0 "))
      #expect(try server.get("/sub/").text.hasPrefix("GET index.php"))
      #expect(try server.get("/plain.txt").text == "plain")
      #expect(try server.get("/index.php/a/b?c").text.hasPrefix("GET index.php c "))
      #expect(try server.get("/plain.txt/a.php").status == 404)
      #expect(try server.get("/index.php?missing").status == 404)
      #expect(try server.get("/index.php?large").body.count == 1_000_000)
      #expect(try server.get("/index.php", method: "HEAD").body.isEmpty)
      let first = try server.get("/index.php?cache")
      #expect(try server.get("/index.php?cache").text == first.text)
      #expect(try server.get("/index.php").text != server.get("/index.php").text)
      _ = try server.get("/index.php?complain")
      #expect(eventually { server.said.contains("a complaint of PHP") })
      withExtendedLifetime(php) {}
    }

    @Test func `a script that says 304 is not taken for the next one`() throws {
      let server = try Self.server()
      let php = try PHP(in: server.directory)
      let first = try server.get("/index.php?validate")
      #expect(first["Cache-Status"] == "Ring3; fwd=uri-miss; stored")
      let connection = try server.open()
      for number in 0..<20 {
        let again = try connection.get("/index.php?validate")
        #expect(again.status == 200 && again.text == first.text)
        #expect(again["Cache-Status"]?.contains("fwd-status=304") == true)
        #expect(try connection.get("/index.php?n=\(number)").text.contains(" n=\(number) "))
      }
      // Other spellings of the script are its own, and kept for nobody.
      let other = try server.get("/index%2Ephp?cache")
      #expect(other["Cache-Status"] == "Ring3; fwd=bypass")
      withExtendedLifetime(php) {}
    }

    private static func post(
      _ connection: Conversation, _ target: String, _ count: Int, fields: String = ""
    ) throws {
      let chunk = "40000\r\n" + String(repeating: "x", count: 0x40000) + "\r\n"
      let rest = String(repeating: "y", count: count % 0x40000)
      try connection.send(
        "POST \(target) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\(fields)\r\n")
      for _ in 0..<count / 0x40000 { try connection.send(chunk) }
      if !rest.isEmpty {
        try connection.send("\(String(rest.utf8.count, radix: 16))\r\n\(rest)\r\n")
      }
    }

    @Test func `bodies arrive, counted, whether the client counted them or not`() throws {
      let server = try Self.server()
      let php = try PHP(in: server.directory)
      let connection = try server.open()
      for count in [0, 1, 65_535, 65_536, 3_000_000] {
        try connection.send(
          "POST /index.php HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n")
        try connection.channel.send(pattern(count))
        #expect(try connection.response().text.hasPrefix("POST index.php  - \(count) "))
        try Self.post(connection, "/index.php", count)
        try connection.send("0\r\n\r\n")
        #expect(try connection.response().text.hasPrefix("POST index.php  - \(count) "))
      }
      try Self.post(connection, "/index.php", 5, fields: "Expect: 100-continue\r\n")
      #expect(try connection.response().status == 100)
      try connection.send("0\r\n\r\n")
      #expect(try connection.response().text.hasPrefix("POST index.php  - 5 "))
      let client = try server.openHTTP2()
      for count in [0, 1, 16_000] {
        let answer = try client.get("/index.php", method: "POST", body: pattern(count))
        #expect(answer.text.hasPrefix("POST index.php  - \(count) "))
      }
      withExtendedLifetime(php) {}
    }

    @Test func `bodies go along when a directory or what is not there means a script`() throws {
      let server = try Self.server("FallbackResource /index.php")
      let php = try PHP(in: server.directory)
      let connection = try server.open()
      let client = try server.openHTTP2()
      for target in ["/sub/", "/what/is/not/there"] {
        for count in [0, 10, 300_000] {
          try connection.send(
            "POST \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n")
          try connection.channel.send(pattern(count))
          #expect(try connection.response().text.hasPrefix("POST index.php  - \(count) "))
          for method in ["POST", "GET"] {
            try connection.send(
              "\(method) \(target) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            if count > 0 {
              try connection.send("\(String(count, radix: 16))\r\n")
              try connection.channel.send(pattern(count) + [13, 10])
            }
            try connection.send("0\r\n\r\n")
            #expect(
              try connection.response().text.hasPrefix("\(method) index.php  - \(count) "))
          }
          let part = pattern(min(count, 16_000))
          let answer = try client.get(target, method: "POST", body: part)
          #expect(answer.text.hasPrefix("POST index.php  - \(part.count) "))
        }
      }
      // Files are no scripts.
      for body in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        try connection.send("POST /plain.txt HTTP/1.1\r\nHost: x\r\n" + body)
        #expect(try connection.response().status == 405)
        try connection.send("GET /plain.txt HTTP/1.1\r\nHost: x\r\n" + body)
        #expect(try connection.response().text == "plain")
      }
      withExtendedLifetime(php) {}
    }

    @Test func `what is kept of bodies has bounds`() throws {
      let server = try Self.server("<Location /index.php>\nLimitRequestBody 1000\n</Location>")
      let php = try PHP(in: server.directory)
      let small = try server.open()
      try Self.post(small, "/index.php", 1001)
      #expect(try small.response().status == 413)
      let long = try server.open()
      try? Self.post(long, "/sub/index.php", 65 << 20)
      #expect(try long.response().status == 413)
      #expect(server.said.contains("request body: longer than a body may be that has to be kept"))
      let holders = try (0..<2).map { _ in try server.open() }
      for holder in holders { try Self.post(holder, "/sub/index.php", 60 << 20) }
      let late = try server.open()
      try? Self.post(late, "/sub/index.php", 20 << 20)
      let refused = try late.response()
      #expect(refused.status == 503 && refused["Retry-After"] != nil)
      #expect(server.said.contains("request body: no room to keep it"))
      for holder in holders {
        try holder.send("0\r\n\r\n")
        #expect(try holder.response().text.hasPrefix("POST index.php  - \(60 << 20) "))
      }
      try Self.post(holders[0], "/sub/index.php", 20 << 20)
      try holders[0].send("0\r\n\r\n")
      #expect(try holders[0].response().text.hasPrefix("POST index.php  - \(20 << 20) "))
      withExtendedLifetime(php) {}
    }

    @Test func `PHP that is not there is 502, and comes back`() throws {
      let server = try Self.server()
      #expect(try server.get("/index.php").status == 502)
      let php = try PHP(in: server.directory)
      #expect(try eventually { try server.get("/index.php").status == 200 })
      withExtendedLifetime(php) {}
    }
  }
}
