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
      if (isset($_GET['complain'])) error_log('a complaint of PHP');
      if (isset($_GET['large'])) { for ($i = 0; $i < 100000; $i++) echo '0123456789'; exit; }
      echo $_SERVER['REQUEST_METHOD'], ' ', basename($_SERVER['SCRIPT_FILENAME']), ' ',
        $_SERVER['QUERY_STRING'], ' ', $_SERVER['HTTP_X_MINE'] ?? '-', ' ',
        strlen(file_get_contents('php://input')), ' ', uniqid();
      """

    private static func server() throws -> TestServer {
      try TestServer(
        """
        Protocols h2c http/1.1
        DirectoryIndex index.php
        <FilesMatch "\\.php$">
          SetHandler "proxy:unix:@root@/php.sock|fcgi://localhost"
        </FilesMatch>
        """, files: ["index.php": page, "sub/index.php": page, "plain.txt": "plain"])
    }

    @Test func `scripts answer, and files beside them are files`() throws {
      let server = try Self.server()
      let php = try PHP(in: server.directory)
      let answer = try server.get("/index.php?a=1", fields: ["X-Mine: yes", "Proxy: evil"])
      #expect(answer.status == 200)
      #expect(answer.text.hasPrefix("GET index.php a=1 yes 0 "))
      #expect(try server.get("/sub/").text.hasPrefix("GET index.php"))
      #expect(try server.get("/plain.txt").text == "plain")
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

    @Test func `bodies arrive, counted; without a count they are refused`() throws {
      let server = try Self.server()
      let php = try PHP(in: server.directory)
      let connection = try server.open()
      for count in [0, 1, 65_535, 65_536, 3_000_000] {
        try connection.send(
          "POST /index.php HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n")
        try connection.channel.send(pattern(count))
        #expect(try connection.response().text.hasPrefix("POST index.php  - \(count) "))
      }
      try connection.send(
        "POST /index.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
      #expect(try connection.response().status == 411)
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
