// 14: the file watcher. The comparison by path is switched off but for the test that wants it, so
// that whatever is seen was seen by the watcher.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `14 it sees changed files` {
    private static let watchedOnly = "CacheStaticRevalidate 3600s\n"

    /// Asks for a path until the watcher knows so many files.
    private func warm(_ server: TestServer, _ targets: String...) throws {
      let isWatched = try eventually {
        for target in targets { _ = try server.get(target) }
        return server.status()?.number("watcher.files") == targets.count
      }
      #expect(isWatched, "\(server.control("status").output)")
    }

    /// Asks until the answer is this one; tells how long it took.
    private func expect(
      _ text: String, _ target: String, _ server: TestServer, _ what: String
    ) throws {
      let start = monotonicMilliseconds()
      let connection = try server.open()
      var last = ""
      while monotonicMilliseconds() < start + 10_000 {
        last = try connection.get(target).text
        if last == text { break }
        pause(milliseconds: 1)
      }
      #expect(last == text, "\(what)")
      print("  \(what): seen after \(monotonicMilliseconds() - start) ms")
    }

    @Test func `a file is renamed over, written in place, removed, and made again`() throws {
      let server = try TestServer(Self.watchedOnly, files: ["a.txt": "one", "b.txt": "b"])
      try warm(server, "/a.txt", "/b.txt")
      server.directory.replace("www/a.txt", with: Array("two".utf8))
      try expect("two", "/a.txt", server, "rename")
      try warm(server, "/a.txt", "/b.txt")
      server.directory.write("three", to: "www/a.txt")
      try expect("three", "/a.txt", server, "write in place")
      try warm(server, "/a.txt", "/b.txt")
      server.directory.remove("www/a.txt")
      #expect(try eventually { try server.get("/a.txt").status == 404 })
      server.directory.write("four", to: "www/a.txt")
      try expect("four", "/a.txt", server, "made again")
    }

    @Test func `a link to a directory is swapped`() throws {
      let server = try TestServer(
        Self.watchedOnly + "DocumentRoot \"@root@/current/public\"",
        starts: false)
      server.directory.write("41", to: "releases/41/public/a.txt")
      server.directory.write("42", to: "releases/42/public/a.txt")
      server.directory.link("current", to: "releases/41")
      try server.start()
      try warm(server, "/a.txt")
      server.directory.link("next", to: "releases/42")
      moveOver(server.directory.path("next"), server.directory.path("current"))
      try expect("42", "/a.txt", server, "link")
      try warm(server, "/a.txt")
      moveOver(server.directory.path("releases/42"), server.directory.path("releases/away"))
      #expect(try eventually { try server.get("/a.txt").status == 404 })
    }

    @Test func `a compressed neighbour appears and its original is replaced`() throws {
      let server = try TestServer(
        Self.watchedOnly, files: ["a.css": String(repeating: "plain ", count: 100)])
      try warm(server, "/a.css")
      server.directory.write("ZIPPED", to: "www/a.css.gz")
      #expect(
        try eventually {
          try server.get("/a.css", fields: ["Accept-Encoding: gzip"]).text == "ZIPPED"
        })
      server.directory.replace("www/a.css", with: Array("new, and not compressed".utf8))
      #expect(
        try eventually {
          try server.get("/a.css", fields: ["Accept-Encoding: gzip"]).text
            == "new, and not compressed"
        })
    }

    @Test func `a watcher that is killed is replaced, and what happened meanwhile is seen`() throws
    {
      let server = try TestServer(Self.watchedOnly, files: ["a.txt": "one"])
      try warm(server, "/a.txt")
      let process = try #require(server.status()?.number("watcher.pid"))
      send(signal: Signal.stop, toProcess: Int32(process))
      server.directory.replace("www/a.txt", with: Array("two".utf8))
      #expect(try server.get("/a.txt").text == "one", "nobody has noticed")
      send(signal: Signal.kill, toProcess: Int32(process))
      try expect("two", "/a.txt", server, "killed watcher")
      #expect(try #require(server.status()?.number("watcher.pid")) != process)
      try warm(server, "/a.txt")
      server.directory.replace("www/a.txt", with: Array("three".utf8))
      try expect("three", "/a.txt", server, "the next watcher")
    }

    @Test func `reloads and upgrades keep watching, and CacheWatchFiles Off ends it`() throws {
      let server = try TestServer(Self.watchedOnly, files: ["a.txt": "one"])
      try warm(server, "/a.txt")
      #expect(server.reload(Self.watchedOnly).succeeded)
      server.directory.replace("www/a.txt", with: Array("two".utf8))
      try expect("two", "/a.txt", server, "after a reload")
      let old = server.status()?.number("generation") ?? 0
      server.program?.signal(Signal.user2)
      #expect(eventually { (server.status()?.number("generation") ?? 0) > old })
      try warm(server, "/a.txt")
      server.directory.replace("www/a.txt", with: Array("three".utf8))
      try expect("three", "/a.txt", server, "after an upgrade")
      #expect(server.reload("CacheWatchFiles Off").succeeded)
      #expect(eventually { server.control("status").output.contains("file watcher off") })
      _ = try server.get("/a.txt")
      server.directory.replace("www/a.txt", with: Array("four".utf8))
      try expect("four", "/a.txt", server, "by comparing paths")
    }
  }
}
