// 30: responses of claimed URLs in the cache, of which none outlives its owner's claim.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `30 it caches what claimed URLs answer` {
    static let configuration =
      "QueueDirectory @root@/queues\nUrlReservation http://+:@port@/shop/ user=root\n"
    /// Two users who may both have it.
    static let shared =
      "QueueDirectory @root@/queues\nControlSocket ring3d.sock mode=0666\nUser nobody\n"
      + "UrlReservation http://+:@port@/shop/ user=#65533 user=#65532\n"

    private func openServer(_ configuration: String, workers: Int = 2) throws -> TestServer {
      let server = try TestServer(configuration, workers: workers)
      try server.letOthersIn()
      return server
    }

    /// What comes soon, of each worker: they learn of it for themselves.
    private func leads(_ server: TestServer, _ target: String, to text: String) throws -> Bool {
      try answers(server, target) { $0.text == text }
    }

    private func isReserved(_ server: TestServer, _ target: String) throws -> Bool {
      try answers(server, target) { $0.status == 503 }
    }

    private func answers(
      _ server: TestServer, _ target: String, _ isRight: (Response) -> Bool
    ) throws -> Bool {
      try eventually { try (0..<20).allSatisfy { _ in isRight(try server.get(target)) } }
    }

    @Test func `what may be kept is kept, with all that the cache does`() throws {
      let server = try TestServer("Protocols h2c http/1.1\n" + Self.configuration)
      let application = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      #expect(settled { (try? server.get("/shop/first").status) == 200 })
      let first = try server.get("/shop/a")
      #expect(first.text == "one /shop/a 1")
      #expect(first["Cache-Status"] == "Ring3; fwd=uri-miss; stored")
      let second = try server.get("/shop/a")
      #expect(second.text == "one /shop/a 1")
      #expect(second["Cache-Status"]?.hasPrefix("Ring3; hit; ttl=") == true)
      #expect(try server.get("/shop/a?x").text == "one /shop/a?x 1")
      #expect(try server.get("/shop/a", method: "HEAD")["Content-Length"] == "13")
      let part = try server.get("/shop/a", fields: ["Range: bytes=0-2"])
      #expect(part.status == 206 && part.text == "one")
      #expect(try server.get("/x/../shop/%61").text == "one /shop/a 1")
      #expect(try server.get("/shop/etag").status == 200)
      let fields = ["If-None-Match: \"one-/shop/etag\""]
      #expect(try server.get("/shop/etag", fields: fields).status == 304)
      for _ in 0..<2 {
        for language in ["de", "en"] {
          let fields = ["Accept-Language: \(language)"]
          #expect(try server.get("/shop/vary", fields: fields).text.hasSuffix(language))
        }
      }
      #expect(try application.count("/shop/vary") == 2)
      #expect(try server.get("/shop/a", method: "POST").text == "posted")
      #expect(try server.get("/shop/a").text == "one /shop/a 2")
      let client = try server.openHTTP2()
      #expect(try client.get("/shop/a").text == "one /shop/a 2")
      #expect(try application.count("/shop/a") == 2)
    }

    @Test func `an application that starts again has its responses again`() throws {
      let server = try TestServer(Self.configuration)
      let first = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(first.isReady, "\(first.said)")
      #expect(try leads(server, "/shop/a", to: "one /shop/a 1"))
      first.end()
      #expect(try isReserved(server, "/shop/a"))
      let second = try ClaimedApplication(server, "two", ["/shop/"])
      #expect(second.isReady, "\(second.said)")
      #expect(try leads(server, "/shop/a", to: "one /shop/a 1"))
      #expect(try second.count("/shop/a") == 0)
      // Also over a reload, and a restart of the server.
      #expect(server.reload(Self.configuration).succeeded)
      #expect(try leads(server, "/shop/a", to: "one /shop/a 1"))
      second.end()
      server.stop()
      try server.start()
      #expect(try isReserved(server, "/shop/a"))
      let third = try ClaimedApplication(server, "three", ["/shop/"])
      #expect(third.isReady, "\(third.said)")
      #expect(try leads(server, "/shop/a", to: "one /shop/a 1"))
      third.end()
      // Another queue is another application.
      let fourth = try ClaimedApplication(server, "four", ["/shop/"], queue: "other")
      #expect(fourth.isReady, "\(fourth.said)")
      #expect(try leads(server, "/shop/a", to: "four /shop/a 1"))
    }

    @Test func `another user never gets what was kept for the last one`() throws {
      guard isRoot() else { return }
      let server = try openServer(Self.shared)
      let first = try ClaimedApplication(server, "one", ["/shop/"], user: 65533)
      #expect(first.isReady, "\(first.said)")
      for target in ["/shop/a", "/shop/b", "/shop/vary", "/shop/etag"] {
        #expect(try eventually { try server.get(target).text.hasPrefix("one") })
        #expect(try server.get(target).text.hasPrefix("one"))
      }
      first.end()
      #expect(try isReserved(server, "/shop/a"))
      // With the same queue's name, and with a prefix of its own in the same place.
      let second = try ClaimedApplication(server, "two", ["/shop/"], user: 65532)
      #expect(second.isReady, "\(second.said)")
      for target in ["/shop/a", "/shop/vary", "/shop/etag"] {
        #expect(try eventually { try server.get(target).text.hasPrefix("two") })
        let fields = ["If-None-Match: \"one-/shop/etag\""]
        #expect(try server.get(target, fields: fields).text.hasPrefix("two"))
      }
      second.end()
      #expect(try isReserved(server, "/shop/a"))
      let third = try ClaimedApplication(server, "three", ["/shop/"], user: 65533)
      #expect(third.isReady, "\(third.said)")
      // What the other one's look-up has met is gone; what it has not is there.
      #expect(try leads(server, "/shop/a", to: "three /shop/a 1"))
      #expect(try leads(server, "/shop/b", to: "one /shop/b 1"))
    }

    @Test func `a claim that comes first takes its URLs out of the cache at once`() throws {
      let server = try TestServer(
        "QueueDirectory @root@/queues\n<VirtualHost *:@port@>\nServerName first.test\n"
          + "DocumentRoot @root@/www\n</VirtualHost>\n", files: ["shop/a/x": "a file\n"])
      let port = server.port
      #expect(try leads(server, "/shop/a/x", to: "a file\n"))
      var applications: [ClaimedApplication] = []
      let claims = [
        ("weak", "http://*:\(port)/shop/"), ("weaker", "http://*:\(port)/shop/a/"),
        ("host", "http://localhost:\(port)/"), ("path", "http://localhost:\(port)/shop/a/"),
        ("strong", "/shop/"), ("longest", "/shop/a/"),
      ]
      for (name, prefix) in claims {
        let application = try ClaimedApplication(server, name, [prefix], queue: name)
        #expect(application.isReady, "\(application.said)")
        #expect(try leads(server, "/shop/a/x", to: "\(name) /shop/a/x 1"), "\(name)")
        applications.append(application)
      }
      // And back, each to its own; it may ask anew, since others have had the URL.
      while let last = applications.popLast() {
        last.end()
        let name = applications.isEmpty ? "a file" : claims[applications.count - 1].0
        #expect(try answers(server, "/shop/a/x") { $0.text.hasPrefix(name) }, "\(name)")
      }
    }

    @Test func `of many requests one is passed on`() throws {
      let server = try TestServer(Self.configuration)
      let application = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      #expect(settled { (try? server.get("/shop/first").status) == 200 })
      let clients = try (0..<12).map { _ in try server.open() }
      for client in clients { try client.request("/shop/slow") }
      for client in clients { #expect(try client.response().text == "one /shop/slow 1") }
      #expect(try application.count("/shop/slow") == 1)
    }

    @Test func `stale responses stand in for their owner only`() throws {
      let server = try TestServer(Self.configuration)
      let application = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(application.isReady, "\(application.said)")
      #expect(settled { (try? server.get("/shop/first").status) == 200 })
      let target = "/shop/short/error"
      #expect(try server.get(target).text == "one \(target) 1")
      #expect(try server.get("/shop/swr").text == "one /shop/swr 1")
      pause(milliseconds: 1300)
      #expect(try server.get(target).text == "one \(target) 1")
      #expect(try server.get("/shop/swr").text == "one /shop/swr 1")
      #expect(try eventually { try server.get("/shop/swr").text != "one /shop/swr 1" })
      pause(milliseconds: 1300)
      #expect(try application.say("unregister", "--all") == "x 0\n")
      #expect(try isReserved(server, target))
      #expect(try isReserved(server, "/shop/swr"))
      #expect(
        try application.say("register", "http://+:\(server.port)/shop/", "--queue=shop").hasSuffix(
          "x 0\n"))
      #expect(try eventually { try server.get(target).text == "one \(target) 1" })
    }

    @Test func `virtual hosts and addresses keep their own`() throws {
      let server = try TestServer(Self.configuration, files: ["bound/x": "a file\n"])
      let port = server.port
      let application = try ClaimedApplication(
        server, "one", ["http://*:\(port)/shop/", "http://*:\(port)/free/"])
      #expect(application.isReady, "\(application.said)")
      #expect(try leads(server, "/free/x", to: "one /free/x 1"))
      // Another address may be led elsewhere: what is found by it is not kept.
      let bound = try ClaimedApplication(
        server, "two", ["http://127.0.0.1:\(port)/bound/", "/strong/"], queue: "bound")
      #expect(bound.isReady, "\(bound.said)")
      #expect(try eventually { try server.get("/bound/x").text == "two /bound/x 1" })
      #expect(try server.get("/bound/x").text == "two /bound/x 2")
      let count = try application.count("/free/x")
      #expect(try server.get("/free/x").text == "one /free/x \(count + 1)")
      #expect(try server.get("/free/x").text == "one /free/x \(count + 2)")
      #expect(try leads(server, "/strong/x", to: "two /strong/x 1"))
      bound.end()
      #expect(try eventually { try server.get("/bound/x").text == "a file\n" })
      #expect(
        try eventually { try server.get("/free/x")["Cache-Status"]?.contains("; hit") == true })
      // A virtual host that comes to be takes what led to the weak wildcard.
      let reloaded = server.reload(
        Self.configuration + "<VirtualHost *:@port@>\nServerName localhost\n"
          + "DocumentRoot @root@/www/bound\n</VirtualHost>\n")
      #expect(reloaded.succeeded, "\(reloaded.output)")
      #expect(try eventually { try server.get("/x").text == "a file\n" })
      #expect(try eventually { try server.get("/free/x").status == 404 })
      for _ in 0..<20 { #expect(try server.get("/free/x").status == 404) }
    }

    @Test func `it is explained`() throws {
      let server = try TestServer(Self.configuration)
      let url = "http://localhost:\(server.port)/shop/a/tag-x"
      let reserved = server.control("cache", "explain", url).output
      #expect(reserved.contains("no (never)") && reserved.contains("reserved"), "\(reserved)")
      let first = try ClaimedApplication(server, "one", ["/shop/"])
      #expect(first.isReady, "\(first.said)")
      let absent = server.control("cache", "explain", url).output
      #expect(absent.contains("no (absent)"), "\(absent)")
      #expect(try leads(server, "/shop/a/tag-x", to: "one /shop/a/tag-x 1"))
      let hit = server.control("cache", "explain", url).output
      #expect(hit.contains("hit:           yes") && hit.contains("[t:x]"), "\(hit)")
      #expect(hit.contains("of http://+:\(server.port)/shop/ ") && hit.contains(" shop"), "\(hit)")
      let second = try ClaimedApplication(server, "two", ["/shop/a/"], queue: "other")
      #expect(second.isReady, "\(second.said)")
      let lost = server.control("cache", "explain", url).output
      #expect(lost.contains("no (absent)") && lost.contains("has lost this URL"), "\(lost)")
    }
  }
}
