// 15: what an operator sees of the cache, and how it is made to forget.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `15 the cache can be seen into and purged` {
    /// Nothing is compared with its file by itself while a test runs.
    static let calm = "CacheStaticRevalidate 600s"

    /// A server whose files are old enough to be stored: what changed an instant ago is not.
    static func server(
      _ configuration: String = calm, files: [String: String] = [:]
    ) throws -> TestServer {
      let server = try TestServer(configuration, files: files, starts: false)
      for name in files.keys where files[name + ".gz"] != nil {
        // A compressed neighbour must not be older.
        server.directory.age("www/" + name, seconds: 100)
      }
      pause(milliseconds: 600)
      try server.start()
      return server
    }

    static let plain = String(repeating: "plain ", count: 20)
    static let coded = ["a.css": plain, "a.css.gz": "GZIPPED"]

    // MARK: Seeing

    @Test func `stats count hits, and misses by their reasons`() throws {
      let server = try Self.server(files: ["a": "one", "b": "two"])
      let before = try #require(server.cacheStats())
      for _ in 0..<3 { #expect(try server.get("/a").text == "one") }
      _ = try server.get("/nowhere")
      _ = try server.get("/a", method: "POST", fields: ["Content-Length: 0"])
      let after = try #require(server.cacheStats())
      func grown(_ name: String) -> Int {
        (after.number(name) ?? -1000) - (before.number(name) ?? 1000)
      }
      #expect(grown("hits") == 2)
      #expect(grown("misses.absent") == 2)
      #expect(grown("misses.request") == 1)
      #expect(grown("fills") == 1)
      #expect(grown("entries.content") == 1)
      #expect(grown("usedBytes") > 0)
      #expect(after.number("contention.total") == 0)
      let text = server.control("cache", "stats")
      for word in [
        "size", "used", "wasted", "pinned", "entries", "misses", "refused", "contention",
      ] {
        #expect(text.output.contains(word), "\(text.output)")
      }
    }

    @Test func `reasons are told apart`() throws {
      let server = try Self.server(files: Self.coded)
      let url = "http://localhost:\(server.port)/a.css"
      let connection = try server.open()
      func miss(_ reason: String, _ body: () throws -> Void) throws {
        let before = server.cacheStats()?.number("misses.\(reason)")
        try body()
        let after = server.cacheStats()?.number("misses.\(reason)")
        #expect(after == before.map { $0 + 1 }, "\(reason)")
      }
      try miss("absent") { _ = try connection.get("/a.css") }
      try miss("variant") {
        let coded = try connection.get("/a.css", fields: ["Accept-Encoding: gzip"])
        #expect(coded.text == "GZIPPED")
      }
      server.control("cache", "purge", url)
      try miss("soft") { _ = try connection.get("/a.css") }
      server.control("cache", "purge", url, "--hard")
      try miss("hard") { _ = try connection.get("/a.css") }
      #expect(server.reload(Self.calm + "\nServerSignature Off").succeeded)
      try miss("epoch") { _ = try server.get("/a.css") }
      #expect(server.reload("CacheStaticRevalidate 5ms").succeeded)
      _ = try server.get("/a.css")
      pause(milliseconds: 300)
      try miss("age") { _ = try server.get("/a.css") }
    }

    @Test func `show lists entries in order, from a prefix, up to a limit`() throws {
      var files: [String: String] = [:]
      for number in 10..<40 { files["d/f\(number)"] = "\(number)" }
      let server = try Self.server(files: files)
      let connection = try server.open()
      for name in files.keys { _ = try connection.get("/" + name) }
      _ = try connection.get("/")
      for _ in 0..<3 { _ = try connection.get("/d/f10?x=1") }
      let all = server.control("cache", "show")
      #expect(all.succeeded)
      let lines = all.output.split(separator: "\n").filter { $0.contains("http://") }
      #expect(lines.count >= 31, "\(all.output)")
      let urls = lines.compactMap { $0.split(separator: " ").first { $0.hasPrefix("http") } }
      #expect(urls == urls.sorted())
      let some = server.control("cache", "show", "LOCALHOST:\(server.port)/d/f1", "--json")
      let report = try #require(StatusReport(some.output), "\(some.output)")
      // An alias too, on the worker that met its spelling twice.
      #expect((report.number("shown") ?? 0) >= 10)
      #expect(report.number("more") == 0)
      let few = server.control("cache", "show", "localhost:\(server.port)/d/", "--limit", "5")
      #expect(few.output.contains("/d/f11") && !few.output.contains("/d/f16"), "\(few.output)")
      #expect(few.output.contains("more; narrow the prefix"), "\(few.output)")
      let none = server.control("cache", "show", "http://nobody.test/", "--json")
      #expect(StatusReport(none.output)?.number("shown") == 0, "\(none.output)")
      #expect(server.control("cache", "show", "--limit", "0").ending == .exited(2))
    }

    @Test func `explain says whether it would be a hit, and why not`() throws {
      let server = try Self.server(
        Self.calm + """

          Redirect /old /new
          <Location /closed>
            Require all denied
          </Location>
          <Location /mine>
            Require ip 127.0.0.1
          </Location>
          """, files: Self.coded.merging(["mine/x": "x"]) { $1 })
      func explained(_ path: String, _ more: String...) -> (verdict: String, text: String) {
        server.explainCache(["http://localhost:\(server.port)\(path)"] + more)
      }
      #expect(explained("/a.css").verdict == "absent")
      _ = try server.get("/a.css")
      let hit = explained("/a.css")
      #expect(hit.verdict == "hit", "\(hit.text)")
      #expect(try server.get("/a.css").text == Self.plain)
      let variant = explained("/a.css", "--accept-encoding", "gzip, br")
      #expect(variant.verdict == "variant", "\(variant.text)")
      #expect(variant.text.contains("identity"), "\(variant.text)")
      #expect(explained("/./a.css").verdict == "spelling")
      #expect(explained("/old").verdict == "never")
      #expect(explained("/closed/x").verdict == "never")
      _ = try server.get("/mine/x")
      #expect(explained("/mine/x").verdict == "client")
      server.control("cache", "purge", "http://localhost:\(server.port)/a.css")
      #expect(explained("/a.css").verdict == "soft")
      server.control("cache", "purge", "--all", "--hard")
      #expect(explained("/a.css").verdict == "hard")
      _ = try server.get("/a.css")
      #expect(explained("/a.css").verdict == "hit")
      #expect(server.reload("CacheStaticRevalidate 5ms").succeeded)
      #expect(explained("/a.css").verdict == "epoch")
      _ = try server.get("/a.css")
      pause(milliseconds: 300)
      #expect(explained("/a.css").verdict == "age")
      let text = server.control("cache", "explain", "http://localhost:\(server.port)/a.css")
      #expect(text.output.contains("hit:           no (age)"), "\(text.output)")
      #expect(server.control("cache", "explain", "gopher://x/").ending == .exited(2))
    }

    // MARK: Purging

    /// Each request after a purge that meets it is no plain hit; every other one is.
    private func check(
      _ purge: [String], meets: [String], spares: [String], isHard: Bool,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      var files: [String: String] = [:]
      for path in meets + spares { files[String(path.dropFirst())] = path }
      let server = try Self.server(files: files)
      let connection = try server.open()
      for path in meets + spares { _ = try connection.get(path) }
      let words = purge.map { $0.replacing("@port@", with: "\(server.port)") }
      let outcome = server.purge(words + (isHard ? ["--hard"] : []))
      #expect(outcome.succeeded, "\(outcome.output)", sourceLocation: sourceLocation)
      for path in meets + spares {
        let before = server.cacheStats()
        #expect(try connection.get(path).text == path)
        let after = server.cacheStats()
        func grown(_ name: String) -> Int {
          (after?.number(name) ?? -1000) - (before?.number(name) ?? 1000)
        }
        let isMet = meets.contains(path)
        #expect(grown("hits") == (isMet ? 0 : 1), "\(path)", sourceLocation: sourceLocation)
        // Hard: filled anew. Soft: compared with the file, and kept.
        #expect(
          grown("publishes") == (isMet && isHard ? 1 : 0), "\(path)",
          sourceLocation: sourceLocation)
        #expect(
          grown("revalidations") == (isMet && !isHard ? 1 : 0), "\(path)",
          sourceLocation: sourceLocation)
      }
    }

    @Test(arguments: [false, true]) func `by URL`(isHard: Bool) throws {
      try check(
        ["http://localhost:@port@/d/./%61"], meets: ["/d/a"], spares: ["/d/ab", "/d/b"],
        isHard: isHard)
    }

    @Test(arguments: [false, true]) func `by prefix, on whole segments`(isHard: Bool) throws {
      try check(
        ["--prefix", "http://localhost:@port@/d"], meets: ["/d/a", "/d/e/b"],
        spares: ["/da", "/e/d/a"], isHard: isHard)
    }

    @Test(arguments: [false, true]) func `by regular expression`(isHard: Bool) throws {
      try check(
        ["--regex", #"^http://localhost:\d+/.*\.css$"#], meets: ["/a.css", "/d/b.css"],
        spares: ["/a.js", "/css"], isHard: isHard)
    }

    @Test(arguments: [false, true]) func `by host`(isHard: Bool) throws {
      try check(["--host", "LOCALHOST"], meets: ["/a", "/d/a"], spares: [], isHard: isHard)
      try check(["--host", "other.test"], meets: [], spares: ["/a"], isHard: isHard)
    }

    @Test(arguments: [false, true]) func `by tag, of which nothing has one`(isHard: Bool) throws {
      try check(["--tag", "news", "--tag", "x"], meets: [], spares: ["/a"], isHard: isHard)
    }

    @Test(arguments: [false, true]) func `everything`(isHard: Bool) throws {
      try check(["--all"], meets: ["/a", "/d/b"], spares: [], isHard: isHard)
    }

    @Test func `all variants and spellings of a URL are met, in every worker`() throws {
      let server = try Self.server(files: Self.coded)
      let connections = try (0..<8).map { _ in try server.open() }
      for connection in connections {
        for target in ["/a.css", "/a.css?x=1", "/a.css?x=1", "/a.css?x=1"] {
          _ = try connection.get(target)
        }
        _ = try connection.get("/a.css", fields: ["Accept-Encoding: gzip"])
      }
      let outcome = server.control("cache", "purge", "http://localhost:\(server.port)/a.css?x=1")
      #expect(outcome.output.contains("2 entries"), "\(outcome.output)")
      let shown = server.control("cache", "show", "localhost:\(server.port)/a.css", "--json")
      #expect(shown.output.components(separatedBy: "\"stale\"").count == 4, "\(shown.output)")
      let new = String(repeating: "new ", count: 20)
      server.directory.write(new, to: "www/a.css")
      server.directory.write("NEWZIP", to: "www/a.css.gz")
      for connection in connections {
        #expect(try connection.get("/a.css?x=1").text == new)
        let coded = try connection.get("/a.css", fields: ["Accept-Encoding: gzip"])
        #expect(coded.text == "NEWZIP")
      }
    }

    @Test func `what is not clear is refused, and purges nothing`() throws {
      let server = try Self.server()
      _ = try server.get("/")
      let before = server.cacheStats()?.number("generation")
      for words in [
        [], ["--hard"], ["a", "--all"], ["ftp://localhost/"], ["--regex", "("], ["--host", ""],
        ["--prefix", "http://localhost/a?b"], ["--all=1"], ["--bogus"], ["a", "b"],
      ] {
        let outcome = server.purge(words)
        #expect(outcome.ending == .exited(2), "\(words): \(outcome.output)")
        #expect(!outcome.output.isEmpty)
      }
      #expect(server.cacheStats()?.number("generation") == before)
      let elsewhere = server.control("cache", "purge", "http://localhost/")
      #expect(elsewhere.succeeded)
      #expect(elsewhere.output.contains("nothing listens on port 80"), "\(elsewhere.output)")
      #expect(server.control("cache", "purge", "--help").output.contains("--prefix URL"))
    }

    @Test func `a long list waits for its reader, and the master for nobody`() throws {
      var files: [String: String] = [:]
      let name = String(repeating: "long-name-", count: 20)
      for number in 0..<1500 { files["\(name)\(number)"] = "x" }
      let server = try Self.server(files: files)
      let connection = try server.open()
      for name in files.keys { _ = try connection.get("/" + name) }
      // One that asks and does not read, one that asks and goes away.
      let idle = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
      try idle.send("cache\tshow\t--limit\t10000\n")
      for _ in 0..<5 {
        let gone = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
        try gone.send("cache\tshow\t--limit\t10000\n")
      }
      let listed = server.control("cache", "show", "--limit", "10000", "--json")
      #expect(StatusReport(listed.output)?.number("more") == 0)
      #expect((StatusReport(listed.output)?.number("shown") ?? 0) >= 1500)
      let started = monotonicMilliseconds()
      #expect(server.control("status").succeeded)
      #expect(monotonicMilliseconds() - started < 2000)
      #expect(eventually { (try? idle.receiveToEnd()) != nil })
    }
  }
}

extension TestServer {
  func cacheStats() -> StatusReport? { StatusReport(control("cache", "stats", "--json").output) }

  fileprivate func purge(_ words: [String]) -> Outcome {
    control(words: ["cache", "purge"] + words)
  }

  fileprivate func explainCache(_ words: [String]) -> (verdict: String, text: String) {
    let text = control(words: ["cache", "explain", "--json"] + words).output
    let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    return (object?["verdict"] as? String ?? "none", text)
  }
}
