// 08: bad input. Configurations, control commands and requests that nobody should send.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `08 it bears bad input` {
    /// A configuration, and what must stand in the report. "@" is the first line of the test's own.
    static let refused: [(String, [String])] = [
      ("DocumentRot /x", ["ring3.conf:@:1", "DocumentRot", "did you mean 'DocumentRoot'"]),
      ("KeepAlive maybe", ["ring3.conf:@:11", "maybe"]),
      ("<VirtualHost *:80>\nListen 81\n</VirtualHost>", ["Listen"]),
      ("<VirtualHost *:80>", ["VirtualHost"]),
      ("</Directory>", ["Directory"]),
      ("<Directory /a>\n</Location>", ["Directory"]),
      ("ServerName", ["ServerName"]),
      ("ServerNameMatch \"(\"", ["ServerNameMatch"]),
      ("<VirtualHost *:80>\nServerNameMatch \"a(b\"\n</VirtualHost>", ["ring3.conf:"]),
      ("Include ring3.conf", ["ring3.conf"]),
      ("Include missing.conf", ["missing.conf"]),
      ("Listen 127.0.0.1:@port@", ["@port@"]),
      ("Listen 70000", ["70000"]),
      ("Listen nowhere:80", ["nowhere"]),
      ("SSLProtocol SSLv3", ["SSLv3"]),
      ("SSLEngine on", ["encrypted", "SSLCertificateFile"]),
      ("RewriteEngine on\nRewriteRule ^ /x", ["RewriteRule"]),
      ("ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/", ["ScriptAlias"]),
      ("<Directory />\nOptions ExecCGI\n</Directory>", ["ExecCGI"]),
      (
        "<FilesMatch \"\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>",
        ["SetHandler"]
      ),
      ("php_admin_value open_basedir /srv", ["php_admin_value"]),
      ("WSGIScriptAlias / /srv/app.wsgi", ["WSGIScriptAlias", "mod_wsgi"]),
      ("<Directory />\nAllowOverride All\n</Directory>", ["AllowOverride"]),
      ("<Location /a>\nAuthType Basic\nRequire valid-user\n</Location>", ["valid-user"]),
      ("Workers none", ["none"]),
      ("CacheSize lots", ["lots"]),
    ]

    @Test func `a mistake in the configuration is told with its place`() throws {
      let server = try TestServer(starts: false)
      for (text, wanted) in Self.refused {
        server.configure(text)
        let outcome = server.daemon("--check")
        #expect(outcome.ending == .exited(1), "\(text)")
        for words in wanted {
          let words = server.expand(
            words.replacing("@:", with: "\(TestServer.preambleLineCount + 1):")
          ).replacing("\n", with: "")
          #expect(outcome.output.contains(words), "\(text): \(outcome.output)")
        }
      }
    }

    @Test func `all mistakes are told in one run`() throws {
      let server = try TestServer(starts: false)
      server.configure("DocumentRot /x\nKeepAlive maybe\nServerNam x\n")
      let outcome = server.daemon("--check")
      for line in 1...3 {
        #expect(outcome.output.contains("ring3.conf:\(TestServer.preambleLineCount + line):"))
      }
    }

    @Test func `what only deserves a warning does not refuse`() throws {
      let server = try TestServer(starts: false)
      for (text, word) in [
        ("ServerAdmin ${NOBODY_SET_THIS}", "NOBODY_SET_THIS"),
        ("<VirtualHost *:80>\nServerName a\nDocumentRoot /does/not/exist\n</VirtualHost>", "exist"),
      ] {
        server.configure(text)
        let outcome = server.daemon("--check")
        #expect(outcome.succeeded, "\(text): \(outcome.output)")
        #expect(outcome.output.contains(word), "\(text): \(outcome.output)")
      }
      server.configure(
        "IncludeOptional missing/*.conf\n<IfModule mod_php.c>\nNonsense\n</IfModule>")
      #expect(server.daemon("--check").succeeded)
    }

    @Test func `ten thousand virtual hosts load`() throws {
      let server = try TestServer(starts: false)
      let hosts = (0..<10_000).map { number in
        "<VirtualHost *:@port@>\nServerName h\(number).test\nDocumentRoot \"@root@/www\"\n"
          + "ServerNameMatch \"^x\(number)-[a-z]+\\.test$\"\n</VirtualHost>\n"
      }
      server.configure(hosts.joined())
      try server.start()
      #expect(try server.get("/", host: "h9999.test").text == "home\n")
      #expect(try server.get("/", host: "x5000-abc.test").text == "home\n")
      #expect(server.control("reload").succeeded)
    }

    @Test func `garbage on the control socket harms nobody`() throws {
      let server = try TestServer(files: ["a": "A"])
      let path = server.directory.path("ring3d.sock")
      for bytes in [
        [UInt8](), [0], [10, 10, 10], Array("reload".utf8), Array("nonsense\n".utf8),
        (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) },
        [UInt8](repeating: 0x61, count: 2_000_000),
      ] {
        let socket = try ClientSocket(unixPath: path)
        // It may be closed while we still send.
        try? socket.send(bytes)
        socket.finishSending()
        _ = try? socket.receiveToEnd()
      }
      let silent = try (0..<50).map { _ in try ClientSocket(unixPath: path) }
      #expect(server.control("status").succeeded)
      #expect(try server.get("/a").text == "A")
      #expect(silent.count == 50)
    }

    @Test func `garbage on the port harms nobody`() throws {
      let server = try TestServer("RequestReadTimeout header=2", files: ["a": "A"])
      var generator = SystemRandomNumberGenerator()
      for size in [0, 1, 3, 100, 5000, 100_000] {
        let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let socket = try ClientSocket(port: server.port)
        try? socket.send(bytes)
        socket.finishSending()
        let answer = String(decoding: (try? socket.receiveToEnd()) ?? [], as: UTF8.self)
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4") || answer.hasPrefix("HTTP/1.1 5"))
      }
      for text in [
        "GET / HTTP/1.1\r\nHost: ", "\r\n\r\n\r\n\r\n", "GET /", "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", String(repeating: "\r\n", count: 20_000),
        "GET / HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 50_000),
        "GET /" + String(repeating: "a", count: 500_000),
      ] {
        let socket = try ClientSocket(port: server.port)
        try? socket.send(text)
        socket.finishSending()
        _ = try? socket.receiveToEnd()
      }
      #expect(try server.get("/a").text == "A")
      #expect(server.workers.count == 2)
    }

    @Test func `clients that leave early or never read are no burden`() throws {
      let server = try TestServer("Timeout 2", starts: false)
      server.directory.write([UInt8](repeating: 1, count: 5_000_000), to: "www/large")
      try server.start()
      let lazy = try (0..<30).map { _ in try server.open() }
      for connection in lazy { try connection.request("/large") }
      for _ in 0..<30 {
        let connection = try server.open()
        try connection.request("/large")
        connection.socket.close()
      }
      for _ in 0..<20 { #expect(try server.get("/").text == "home\n") }
      #expect(server.workers.count == 2)
      #expect(lazy.count == 30)
    }

    @Test func `when descriptors run out the oldest idle connection makes room`() throws {
      let server = try TestServer(
        "KeepAliveTimeout 300", workers: 1, unprivileged: true, openFilesMax: 200)
      var idle: [Conversation] = []
      for _ in 0..<400 {
        let connection = try server.open()
        #expect(try connection.get("/").status == 200)
        idle.append(connection)
      }
      #expect(try idle[399].get("/").status == 200)
      #expect(try idle[0].isClosedByServer())
    }
  }
}
