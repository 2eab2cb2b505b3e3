// 03: what must not be served. Paths that climb, links that leave, files that are private.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `03 it keeps files to itself` {
    @Test func `no path leaves the document root`() throws {
      let server = try TestServer(files: ["a": "A", "d/x": "X"], starts: false)
      server.directory.write("SECRET", to: "secret")
      try server.start()
      for path in [
        "/../secret", "/d/../../secret", "/%2e%2e/secret", "/d/%2E%2E/%2e%2e/secret",
        "/..%2fsecret", "/d/..%2f..%2fsecret", "/%2e%2e%2fsecret", "/....//secret",
        "/d/.%2e/../secret", "//../secret", "/\\..\\secret", "/a/../../secret",
        "/%252e%252e/secret",
      ] {
        let response = try server.get(path)
        #expect([400, 403, 404].contains(response.status), "\(path)")
        #expect(!response.text.contains("SECRET"), "\(path)")
      }
      #expect(try server.get("/d/../a").text == "A")
      #expect(try server.get("/d/%2e%2e/a").text == "A")
    }

    @Test func `an encoded slash or NUL is not found`() throws {
      let server = try TestServer(files: ["d/a": "A"])
      #expect(try server.get("/d%2fa").status == 404)
      #expect([400, 404].contains(try server.get("/d/a%00").status))
      #expect([400, 404].contains(try server.get("/d/a%00.txt").status))
      #expect(try server.get("/d/%").status == 400)
      #expect(try server.get("/d/%zz").status == 400)
      #expect(try server.get("/%64/%61").text == "A")
    }

    @Test func `files of other servers' rules are refused`() throws {
      let server = try TestServer(files: [".htaccess": "x", ".htpasswd": "x", "d/.htaccess": "x"])
      for path in ["/.htaccess", "/.htpasswd", "/d/.htaccess", "/%2ehtaccess"] {
        #expect([403, 404].contains(try server.get(path).status), "\(path)")
      }
    }

    @Test func `links are followed as Options and SymlinkConfine say`() throws {
      let server = try TestServer(
        """
        <Directory "@root@/www/follow">
          Options FollowSymLinks
        </Directory>
        <Directory "@root@/www/never">
          Options None
        </Directory>
        <Directory "@root@/www/owner">
          Options SymLinksIfOwnerMatch
        </Directory>
        <Directory "@root@/www/confined">
          Options FollowSymLinks
          SymlinkConfine on
        </Directory>
        # Named, so that the sandbox lets links lead there.
        <Directory "@root@">
          Require all granted
        </Directory>
        """, files: ["in": "INSIDE"], starts: false)
      server.directory.write("OUTSIDE", to: "outside")
      for name in ["follow", "never", "owner", "confined"] {
        server.directory.link("www/\(name)/in", to: "../in")
        server.directory.link("www/\(name)/out", to: "../../outside")
        server.directory.link("www/\(name)/loop", to: "loop")
      }
      try server.start()
      for _ in 0..<2 {
        #expect(try server.get("/follow/in").text == "INSIDE")
        #expect(try server.get("/follow/out").text == "OUTSIDE")
        #expect(try server.get("/never/in").status == 403)
        #expect(try server.get("/never/out").status == 403)
        #expect(try server.get("/owner/in").text == "INSIDE")
        #expect(try server.get("/owner/out").text == "OUTSIDE")
        #expect(try server.get("/confined/in").text == "INSIDE")
        #expect([403, 404].contains(try server.get("/confined/out").status))
        for name in ["follow", "owner", "confined"] {
          #expect([403, 404, 500].contains(try server.get("/\(name)/loop").status))
        }
      }
    }

    @Test func `a swapped link is seen`() throws {
      let server = try TestServer(
        "CacheStaticRevalidate 50ms", files: ["one": "ONE", "two": "TWO"], starts: false)
      server.directory.link("www/now", to: "one")
      try server.start()
      #expect(try server.get("/now").text == "ONE")
      server.directory.link("www/next", to: "two")
      moveOver(server.directory.path("www/next"), server.directory.path("www/now"))
      #expect(try eventually { try server.get("/now").text == "TWO" })
    }

    @Test func `Require keeps clients out, from hits as from misses`() throws {
      let server = try TestServer(
        """
        Listen 127.0.0.2:@port@
        <Location "/private">
          Require ip 127.0.0.2
        </Location>
        <Location "/shut">
          Require all denied
        </Location>
        <FilesMatch "\\.bak$">
          Require all denied
        </FilesMatch>
        """, files: ["private/a": "P", "shut/a": "S", "x.bak": "B", "open": "O"])
      for _ in 0..<3 {
        #expect(try server.get("/private/a").status == 403)
        #expect(try server.get("/shut/a").status == 403)
        #expect(try server.get("/x.bak").status == 403)
        #expect(try server.get("/x.bak?y").status == 403)
        #expect(try server.get("/open").text == "O")
      }
    }

    @Test func `what the server itself may not read is 403`() throws {
      let server = try TestServer(files: ["a": "A", "b": "B"], unprivileged: true, starts: false)
      server.directory.forbid("www/b")
      try server.start()
      guard !isRoot() || server.isUnprivileged else { return }
      #expect(try server.get("/a").text == "A")
      #expect(try server.get("/b").status == 403)
    }
  }
}
