// 23: PHP behind the server, with Debian's real php-fpm.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `23 it runs PHP by FastCGI` {
    /// php-fpm with two children on a Unix socket in the server's directory.
    private final class PHP {
      let program: ChildProgram

      init(_ server: TestServer) throws {
        let directory = "/usr/sbin"
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        let name = try #require(names.first { $0.hasPrefix("php-fpm") }, "php-fpm is missing")
        server.directory.write(
          """
          [global]
          error_log = \(server.directory.path("fpm.log"))
          [www]
          \(isRoot() ? "user = nobody\ngroup = nogroup" : "")
          listen = \(server.directory.path("php.sock"))
          listen.mode = 0666
          pm = static
          pm.max_children = 2
          catch_workers_output = yes
          """, to: "fpm.conf")
        program = try ChildProgram(
          ["\(directory)/\(name)", "-F", "-n", "-y", server.directory.path("fpm.conf")],
          outputPath: server.directory.path("fpm.out"))
        let socket = server.directory.path("php.sock")
        #expect(eventually { (try? ClientSocket(unixPath: socket)) != nil })
      }

      deinit {
        program.signal(Signal.terminate)
        _ = program.wait(milliseconds: 5000)
      }
    }

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
      let php = try PHP(server)
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

    @Test func `a script that says 304 is not taken for the next one`() throws {
      let server = try Self.server()
      let php = try PHP(server)
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

    @Test func `bodies arrive, counted; without a count they are refused`() throws {
      let server = try Self.server()
      let php = try PHP(server)
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
      let php = try PHP(server)
      #expect(try eventually { try server.get("/index.php").status == 200 })
      withExtendedLifetime(php) {}
    }
  }
}
