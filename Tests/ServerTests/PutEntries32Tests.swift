// 32: applications put entries into the cache and get them, in their own namespace.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `32 applications put and get what is kept of their URLs` {
    static let configuration =
      "QueueDirectory @root@/queues\nUrlReservation http://+:@port@/shop/ user=root\n"
    static let shared =
      "QueueDirectory @root@/queues\nControlSocket ring3d.sock mode=0666\nUser nobody\n"
      + "UrlReservation http://+:@port@/shop/ user=#65533\n"
      + "UrlReservation http://+:@port@/other/ user=#65532\n"
    /// Two applications of two users beside each other.
    static func strangers() throws -> (
      server: TestServer, one: ClaimedApplication, two: ClaimedApplication
    ) {
      let server = try TestServer(shared, workers: 2)
      try server.letOthersIn()
      let one = try ClaimedApplication(server, "one", ["/shop/"], user: 65533)
      let two = try ClaimedApplication(server, "two", ["/other/"], queue: "other", user: 65532)
      #expect(one.isReady && two.isReady, "\(one.said)\(two.said)")
      return (server, one, two)
    }

    static let stored = "{\"result\":\"stored\"}\n"

    static func refused(_ reason: String) -> String {
      "{\"result\":\"refused\",\"reason\":\"\(reason)\"}\n"
    }

    static func absent(_ reason: String) -> String {
      "{\"result\":\"absent\",\"reason\":\"\(reason)\"}\n"
    }

    /// An answer with fields of its own.
    static func answer(_ body: String, _ fields: String...) -> String {
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n"
        + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
    }

    static func url(_ server: TestServer, _ path: String) -> String {
      "http://localhost:\(server.port)\(path)"
    }

    /// A server, and an application that has claimed /shop/ and answers.
    static func open(
      _ configuration: String = configuration, workers: Int = 2
    ) throws -> (TestServer, ClaimedApplication) {
      let server = try TestServer(configuration, workers: workers)
      let application = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      #expect(settled { (try? server.get("/shop/first").status) == 200 })
      return (server, application)
    }

    @Test func `what was put answers, and nobody is asked`() throws {
      let (server, application) = try Self.open("Protocols h2c http/1.1\n" + Self.configuration)
      let url = Self.url(server, "/shop/a")
      let put = try application.put(
        "put", url, "--policy=until-invalidated",
        bytes: Self.answer("from the cache", "ETag: \"x\"", "X-Mine: yes"))
      #expect(put == Self.stored)
      for _ in 0..<10 {
        let response = try server.get("/shop/a")
        #expect(response.text == "from the cache" && response["X-Mine"] == "yes")
        #expect(response["Cache-Status"]?.hasPrefix("Ring3; hit") == true)
      }
      #expect(try server.get("/shop/a", method: "HEAD")["Content-Length"] == "14")
      let part = try server.get("/shop/a", fields: ["Range: bytes=5-7"])
      #expect(part.status == 206 && part.text == "the")
      #expect(try server.get("/shop/a", fields: ["If-None-Match: \"x\""]).status == 304)
      let client = try server.openHTTP2()
      #expect(try client.get("/shop/a").text == "from the cache")
      #expect(try application.count("/shop/a") == 0)
      // It is put again, and survives a reload.
      #expect(
        try application.put("put", url, "--policy=seconds:600", bytes: Self.answer("newer"))
          == Self.stored)
      #expect(try server.get("/shop/a").text == "newer")
      #expect(server.reload(Self.configuration).succeeded)
      #expect(try eventually { try server.get("/shop/a").text == "newer" })
      #expect(try application.count("/shop/a") == 0)
      let large = String(repeating: "0123456789abcdef", count: 50_000)
      #expect(
        try application.put(
          "put", Self.url(server, "/shop/large?x"), "--policy=seconds:600",
          bytes: Self.answer(large)) == Self.stored)
      #expect(try server.get("/shop/large?x").text == large)
      #expect(try application.count("/shop/large?x") == 0)
    }

    @Test func `what was put answers over TLS`() throws {
      let server = try TestServer.encrypted(
        TestServer.encryption + Self.configuration.replacing("http://", with: "https://"))
      let prefix = "https://+:\(server.port)/shop/"
      let application = try ClaimedApplication(server, "one", [prefix])
      #expect(application.isReady, "\(application.said)")
      let url = "https://www.example.org:\(server.port)/shop/a"
      #expect(
        try application.put("put", url, "--policy=seconds:60", bytes: Self.answer("put"))
          == Self.stored)
      let client = try server.openSecure()
      #expect(try client.get("/shop/a", host: "www.example.org").text == "put")
      let second = try server.openSecureHTTP2()
      #expect(try second.get("/shop/a", authority: "www.example.org").text == "put")
      #expect(try application.fetch("get", url).rest.hasSuffix("\r\n\r\nput"))
      let clear = url.replacing("https", with: "http")
      #expect(try application.fetch("get", clear).line.hasSuffix("x 77\n"))
    }

    @Test func `each policy`() throws {
      let (server, application) = try Self.open()
      func put(_ path: String, _ policy: String, _ fields: String...) throws -> String {
        let head = fields.map { $0 + "\r\n" }.joined()
        return try application.put(
          "put", Self.url(server, path), "--policy=\(policy)",
          bytes: "HTTP/1.1 200 OK\r\n\(head)Content-Length: 3\r\n\r\nput")
      }
      // As long as its own fields say, which may be not at all.
      #expect(try put("/shop/own", "none") == Self.refused("no-lifetime"))
      #expect(try put("/shop/own", "none", "Cache-Control: no-store") == Self.refused("no-store"))
      #expect(try put("/shop/own", "none", "Cache-Control: max-age=60") == Self.stored)
      #expect(try server.get("/shop/own").text == "put")
      #expect(try put("/shop/brief", "seconds:1") == Self.stored)
      #expect(try eventually { try server.get("/shop/brief").text.hasPrefix("one /shop/brief") })
      // The policy comes before what the answer says, but not before what must not be kept at all.
      #expect(
        try put("/shop/until", "until-invalidated", "Cache-Control: no-store") == Self.stored)
      #expect(try server.get("/shop/until").text == "put")
      #expect(
        try put("/shop/cookie", "seconds:60", "Set-Cookie: a=b") == Self.refused("set-cookie"))
      #expect(try put("/shop/any", "seconds:60", "Vary: *") == Self.refused("vary-any"))
      let fields = ["Surrogate-Key: x", "Cache-Control: max-age=60"]
      #expect(try put("/shop/tagged", "none", fields[0], fields[1]) == Self.stored)
      #expect(try server.get("/shop/tagged").text == "put")
      #expect(try application.say("invalidate", "--tag=x", "--hard") == "x 0\n")
      #expect(try server.get("/shop/tagged").text == "one /shop/tagged 1")
      for policy in ["for-ever", "seconds:0", "seconds:x", "seconds:99999999999"] {
        #expect(try put("/shop/x", policy).hasSuffix("x 2\n"), "\(policy)")
      }
    }

    @Test func `one variant for each request that it is for`() throws {
      let (server, application) = try Self.open()
      let url = Self.url(server, "/shop/v")
      for language in ["de", "en"] {
        #expect(
          try application.put(
            "put", url, "--policy=seconds:600", "--field=Accept-Language: \(language)",
            bytes: Self.answer("in \(language)", "Vary: Accept-Language")) == Self.stored)
      }
      for language in ["de", "en"] {
        let fields = ["Accept-Language: \(language)"]
        #expect(try server.get("/shop/v", fields: fields).text == "in \(language)")
        let got = try application.fetch("get", url, "--field=Accept-Language: \(language)")
        #expect(got.rest.hasSuffix("\r\n\r\nin \(language)"), "\(got)")
      }
      #expect(try application.fetch("get", url).line == Self.absent("variant"))
      #expect(try application.count("/shop/v") == 0)
      for field in ["Host: x", "Range: bytes=0-1", "Content-Length: 3", "nothing", ": x"] {
        #expect(try application.put("put", url, "--field=\(field)", bytes: "").hasSuffix("x 2\n"))
      }
    }

    @Test func `gets are what clients would get of the cache`() throws {
      let (server, application) = try Self.open()
      let url = Self.url(server, "/shop/a")
      #expect(try application.fetch("get", url).line == Self.absent("absent"))
      #expect(
        try application.put("put", url, "--policy=seconds:600", bytes: Self.answer("0123456789"))
          == Self.stored)
      let whole = try application.fetch("get", url)
      #expect(whole.line.hasPrefix("{\"result\":\"found\",\"head\":"))
      #expect(whole.line.hasSuffix(",\"body\":10,\"total\":10}\n"))
      #expect(whole.rest.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
      #expect(whole.rest.contains("\r\nContent-Length: 10\r\n"))
      #expect(whole.rest.hasSuffix("\r\n\r\n0123456789"))
      let part = try application.fetch("get", url, "--from=3", "--length=4")
      #expect(part.line.hasSuffix(",\"body\":4,\"total\":10}\n"))
      #expect(part.rest.hasSuffix("\r\n\r\n3456"))
      let rest = try application.fetch("get", url, "--from=8", "--length=9")
      #expect(rest.rest.hasSuffix("\r\n\r\n89"))
      #expect(try application.fetch("get", url, "--from=11").line == Self.absent("range"))
      // Also what came of a request.
      #expect(try server.get("/shop/b").text == "one /shop/b 1")
      let got = try application.fetch("get", Self.url(server, "/shop/b"))
      #expect(got.rest.hasSuffix("one /shop/b 1"))
      #expect(try application.say("invalidate", Self.url(server, "/shop/b")) == "x 0\n")
      #expect(
        try application.fetch("get", Self.url(server, "/shop/b")).line == Self.absent("stale"))
      #expect(try application.count("/shop/b") == 1)
    }

    @Test func `an invalidation takes it away, also one that comes meanwhile`() throws {
      let (server, application) = try Self.open()
      let url = Self.url(server, "/shop/deep/a")
      let answer = Self.answer("put")
      for words in [[url, "--hard"], [Self.url(server, "/shop/"), "--recursive", "--hard"]] {
        #expect(
          try application.put("put", url, "--policy=until-invalidated", bytes: answer)
            == Self.stored)
        #expect(try server.get("/shop/deep/a").text == "put")
        let said =
          words.count == 2
          ? try application.say("invalidate", words[0], words[1])
          : try application.say("invalidate", words[0], words[1], words[2])
        #expect(said == "x 0\n")
        #expect(try server.get("/shop/deep/a").text.hasPrefix("one /shop/deep/a"))
        // During a put, wherever that is.
        let bytes = Array(answer.utf8)
        #expect(
          try application.lend(
            "late", "put", url, "--policy=until-invalidated", "--bytes=\(bytes.count)")
            == "x 0\n")
        try application.send("late", Array(bytes.prefix(bytes.count - 1)))
        _ =
          words.count == 2
          ? try application.say("invalidate", words[0], words[1])
          : try application.say("invalidate", words[0], words[1], words[2])
        try application.send("late", [bytes[bytes.count - 1]])
        #expect(try application.hear("late") == Self.refused("invalidated"))
      }
    }
  }
}
