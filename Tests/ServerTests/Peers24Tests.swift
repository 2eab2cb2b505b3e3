// 24: Debian's httpd, nginx and gunicorn as applications.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `24 it stands before httpd, nginx and gunicorn` {
    private static let text = (0..<2000).map { "line \($0)\n" }.joined()

    private static let large = variedBytes(4 << 20)

    /// A server in front of one of them, which has files to give.
    private static func pair(
      _ kind: Peer.Kind, keepAliveSeconds: Int = 60, workers: Int = 1, _ more: String = ""
    ) throws -> (TestServer, Peer) {
      let server = try TestServer(starts: false)
      let directory = server.directory
      directory.write(text, to: "peer/page.txt")
      directory.write(large, to: "peer/large.bin")
      directory.write(
        "<?php echo 'PHP ', strlen(file_get_contents('php://input'));", to: "peer/a.php")
      directory.write(
        """
        #!/bin/sh
        printf 'Content-Type: text/plain\\nCache-Control: max-age=60\\nVary: X-Mine\\n\\n'
        printf '%s %s ' "$REQUEST_METHOD" "$HTTP_X_MINE"
        sha256sum
        head -c 10 /dev/urandom | od -An -tx1
        """, to: "cgi/echo")
      directory.write("#!/bin/sh\nexit 1\n", to: "cgi/broken")
      directory.write("", to: "peer/put/.here")
      for name in ["cgi/echo", "cgi/broken", "peer/put"] {
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o777], ofItemAtPath: directory.path(name))
      }
      let peer = try Peer(kind, in: directory, keepAliveSeconds: keepAliveSeconds)
      server.configure(
        "Protocols h2c http/1.1\nProxyPass /app http://127.0.0.1:\(peer.port)\n" + more,
        workers: workers)
      try server.start()
      return (server, peer)
    }

    /// In lower-case hexadecimal, by coreutils.
    private static func digest(_ bytes: [UInt8], _ server: TestServer) -> String {
      server.directory.write(bytes, to: "digested")
      let outcome = server.runProgram("sha256sum", [server.directory.path("digested")])
      return String(outcome.output.prefix { $0 != " " })
    }

    private static func upload(
      _ connection: Conversation, _ method: String, _ target: String, _ body: [UInt8],
      isChunked: Bool
    ) throws -> Response {
      let framing =
        isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(body.count)"
      try connection.send("\(method) \(target) HTTP/1.1\r\nHost: x\r\n\(framing)\r\n\r\n")
      if isChunked {
        for start in stride(from: 0, to: body.count, by: 100_000) {
          let part = body[start..<min(body.count, start + 100_000)]
          try connection.send("\(String(part.count, radix: 16))\r\n")
          try connection.channel.send(Array(part) + [13, 10])
        }
        try connection.send("0\r\n\r\n")
      } else {
        try connection.channel.send(body)
      }
      return try connection.response()
    }

    // MARK: Files of httpd and nginx

    @Test(arguments: [Peer.Kind.nginx, .httpd])
    func `files come whole, in parts and on condition`(_ kind: Peer.Kind) throws {
      let (server, peer) = try Self.pair(kind)
      let connection = try server.open()
      let whole = try connection.get("/app/page.txt")
      #expect(whole.status == 200 && whole.text == Self.text)
      let tag = try #require(whole["ETag"])
      let modified = try #require(whole["Last-Modified"])
      let head = try connection.get("/app/page.txt", method: "HEAD")
      #expect(head["Content-Length"] == "\(Self.text.utf8.count)" && head.body.isEmpty)
      let part = try connection.get("/app/page.txt", fields: ["Range: bytes=5-9"])
      #expect(part.status == 206 && part.text == "0\nlin")
      let parts = try connection.get("/app/page.txt", fields: ["Range: bytes=0-3,5-6"])
      #expect(parts.status == 206)
      #expect(parts["Content-Type"]?.hasPrefix("multipart/byteranges") == true)
      let far = try connection.get("/app/page.txt", fields: ["Range: bytes=9999999-"])
      #expect(far.status == 416)
      for field in ["If-None-Match: \(tag)", "If-Modified-Since: \(modified)"] {
        let same = try connection.get("/app/page.txt", fields: [field])
        #expect(same.status == 304 && same.body.isEmpty, "\(field)")
      }
      let other = try connection.get("/app/page.txt", fields: ["If-Match: \"other\""])
      #expect(other.status == 412)
      let changed = try connection.get(
        "/app/page.txt", fields: ["Range: bytes=5-9", "If-Range: \"other\""])
      #expect(changed.status == 200 && changed.text == Self.text)
      let missing = try connection.get("/app/missing.txt")
      #expect(missing.status == 404 && missing.text.contains("Not Found"))
      let broken = kind == .nginx ? "/app/broken" : "/app/cgi/broken"
      #expect(try connection.get(broken).status == 500)
      #expect(try connection.get("/app/large.bin").body == Self.large)
      #expect(
        try server.openHTTP2().get("/app/large.bin").body == Self.large)
      if kind == .nginx {
        #expect(try connection.get("/app/own").text == "short and stout")
        let lines = server.directory.read("nginx.access").split(separator: "\n")
        // nginx keeps what it says is kept, but not behind 412 and 500.
        let connections = Set(lines.map { $0.prefix { $0 != " " } })
        #expect(lines.count > 12 && connections.count <= 3, "\(lines)")
      }
      withExtendedLifetime(peer) {}
    }

    @Test(arguments: [Peer.Kind.nginx, .httpd])
    func `their validators freshen what is kept`(_ kind: Peer.Kind) throws {
      let (server, peer) = try Self.pair(kind)
      let first = try server.get("/app/fresh/page.txt")
      #expect(first["Cache-Status"]?.contains("stored") == true)
      for _ in 0..<2 {
        pause(milliseconds: 1300)
        let again = try server.get("/app/fresh/page.txt")
        #expect(again.text == Self.text)
        #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
        #expect(again["ETag"] == first["ETag"])
      }
      let part = try server.get("/app/fresh/page.txt", fields: ["Range: bytes=0-3"])
      #expect(part.status == 206 && part.text == "line")
      server.directory.replace("peer/page.txt", with: Array("new".utf8))
      pause(milliseconds: 1300)
      let new = try server.get("/app/fresh/page.txt")
      #expect(new.text == "new")
      #expect(new["Cache-Status"] == "Ring3; fwd=stale; fwd-status=200; stored")
      #expect(new["ETag"] != first["ETag"])
      withExtendedLifetime(peer) {}
    }

    @Test(arguments: [Peer.Kind.nginx, .httpd])
    func `what they compress is kept beside what they do not`(_ kind: Peer.Kind) throws {
      let (server, peer) = try Self.pair(kind)
      for round in 0..<2 {
        let plain = try server.get("/app/kept/page.txt")
        #expect(plain.text == Self.text && plain["Content-Encoding"] == nil)
        let coded = try server.get(
          "/app/kept/page.txt", fields: ["Accept-Encoding: gzip"])
        #expect(coded["Content-Encoding"] == "gzip")
        #expect(coded["Vary"]?.lowercased().contains("accept-encoding") == true)
        let decoded = ContentDecoder.decode(coded.body, coding: "gzip")
        #expect(decoded?.bytes == Array(Self.text.utf8) && decoded?.isWhole == true)
        for response in [plain, coded] {
          #expect(response["Cache-Status"]?.contains("hit") == (round == 1))
        }
      }
      withExtendedLifetime(peer) {}
    }

    @Test func `uploads reach nginx as they were sent`() throws {
      let (server, peer) = try Self.pair(
        .nginx, "ProxyPass /unix unix:@root@/nginx.sock|http://localhost")
      let connection = try server.open()
      let body = Array(Self.large.prefix(3_000_001))
      for (prefix, isChunked) in [("/app", false), ("/app", true), ("/unix", true)] {
        let target = "\(prefix)/put/new.bin"
        #expect(
          try Self.upload(connection, "PUT", target, body, isChunked: isChunked).status == 201)
        #expect(try connection.get(target).body == body)
        #expect(try connection.get(target, method: "DELETE").status == 204)
      }
      withExtendedLifetime(peer) {}
    }

    @Test func `scripts and PHP behind httpd answer`() throws {
      let (server, peer) = try Self.pair(.httpd)
      let php = try PHP(in: server.directory)
      let connection = try server.open()
      let body = Array(Self.large.prefix(3_000_001))
      let digest = Self.digest(body, server)
      for isChunked in [false, true] {
        let answer = try Self.upload(
          connection, "POST", "/app/cgi/echo", body, isChunked: isChunked)
        #expect(answer.text.hasPrefix("POST  \(digest)"), "\(answer.text)")
        // httpd tells PHP of no body whose length it does not know.
        guard !isChunked else { continue }
        let page = try Self.upload(connection, "POST", "/app/a.php", body, isChunked: isChunked)
        #expect(page.text == "PHP \(body.count)")
      }
      let one = try connection.get("/app/cgi/echo", fields: ["X-Mine: 1"])
      let two = try connection.get("/app/cgi/echo", fields: ["X-Mine: 2"])
      #expect(one.text.hasPrefix("GET 1 ") && two.text.hasPrefix("GET 2 "))
      #expect(try connection.get("/app/cgi/echo", fields: ["X-Mine: 1"]).text == one.text)
      #expect(try connection.get("/app/cgi/echo", fields: ["X-Mine: 2"]).text == two.text)
      withExtendedLifetime((peer, php)) {}
    }

    // MARK: An application under gunicorn

    @Test func `an application gets what was sent and its policies hold`() throws {
      let (server, peer) = try Self.pair(.gunicorn)
      let connection = try server.open()
      let body = Array(Self.large.prefix(3_000_001))
      let digest = Self.digest(body, server)
      for isChunked in [false, true] {
        let answer = try Self.upload(connection, "PUT", "/app/", body, isChunked: isChunked)
        #expect(answer.text == "PUT - \(body.count) \(digest)")
      }
      let part = Array(body.prefix(16_000))
      #expect(
        try server.openHTTP2().get(
          "/app/", method: "POST", fields: [("x-mine", "2")], body: part
        ).text == "POST 2 \(part.count) \(Self.digest(part, server))")
      let chunks = (0..<100_000).map {
        String("\(10_000_000 + $0)\n".dropFirst())
      }
      #expect(try connection.get("/app/chunks").text == chunks.joined())
      let large = (0..<128).flatMap { [UInt8](repeating: UInt8($0), count: 65_536) }
      #expect(try connection.get("/app/large").body == large)
      let head = try connection.get("/app/", method: "HEAD")
      #expect(head.status == 200 && head["Content-Length"] != nil)
      #expect(try connection.get("/app/missing").status == 404)
      #expect(try server.get("/app/broken").status == 500)
      for (policy, isKept) in [
        ("max-age=60", true), ("s-maxage=60,private", false), ("public,max-age=9", true),
        ("no-store", false), ("no-cache", false), ("max-age=0,must-revalidate", false),
      ] {
        let first = try connection.get("/app/cache/\(policy)")
        let second = try connection.get("/app/cache/\(policy)")
        #expect(first.text == "kept" && second.text == "kept")
        #expect((first["X-Now"] == second["X-Now"]) == isKept, "\(policy)")
      }
      withExtendedLifetime(peer) {}
    }

    // MARK: Their connections end when they like

    @Test(arguments: Peer.Kind.allCases)
    func `no request is lost while they are reloaded`(_ kind: Peer.Kind) throws {
      let (server, peer) = try Self.pair(kind, workers: 2)
      let target = kind == .gunicorn ? "/app/" : "/app/page.txt"
      let load = Load(server, target, clients: 4) { $0 * 3 }
      for _ in 0..<4 {
        pause(milliseconds: 700)
        peer.reload()
      }
      pause(milliseconds: 700)
      let (answered, failures) = load.end()
      #expect(answered > 100)
      #expect(
        failures.isEmpty,
        "\(failures.count): \(failures.prefix(5)) \(server.said)"
      )
    }

    @Test(arguments: Peer.Kind.allCases)
    func `no request is lost when they close what was to be used again`(
      _ kind: Peer.Kind
    ) throws {
      let (server, peer) = try Self.pair(kind, keepAliveSeconds: 1, workers: 2)
      let target = kind == .gunicorn ? "/app/" : "/app/page.txt"
      let load = Load(server, target, clients: 40) { 900 + 5 * $0 }
      pause(milliseconds: 4500)
      let (answered, failures) = load.end()
      #expect(answered > 100)
      #expect(
        failures.isEmpty,
        "\(failures.count): \(failures.prefix(5)) \(server.said)")
      withExtendedLifetime(peer) {}
    }
  }
}
