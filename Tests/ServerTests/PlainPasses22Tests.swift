// 22: the plain GET that is passed on by what is known of its URL, and all that may happen to it:
// whatever is true of the first request for a URL must be true of its tenth.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 plain requests are passed on as all others` {
    static func server(
      _ origin: Origin, _ more: String = "", workers: Int = 1
    ) throws -> TestServer {
      try TestServer(
        more + "\nProxyPass /app http://127.0.0.1:\(origin.port) retry=0\n", workers: workers)
    }

    /// What it received, as its answer.
    static func mirror() -> Origin {
      Origin { request, peer in
        let lines = request.fields.map { "\($0.name): \($0.value)" }
        let text = ([request.line] + lines + [request.text]).joined(separator: "\n")
        return peer.send(Origin.response(text))
      }
    }

    /// So that the next request for it goes the short way, if it is plain.
    private func learn(_ server: TestServer, _ target: String) throws {
      for _ in 0..<4 { #expect(try server.get(target).status == 200) }
    }

    @Test func `the application gets every kind of request as it gets the first`() throws {
      let origin = Self.mirror()
      let server = try Self.server(origin)
      // Of the first request for a URL nothing is known; of those after these everything.
      let fresh = try PlainKinds.requests.map { try PlainKinds.said($0, server) }
      try learn(server, "/app/x?a=b")
      for (request, first) in zip(PlainKinds.requests, fresh) {
        for _ in 0..<3 {
          #expect(try PlainKinds.said(request, server) == first, "\(request.prefix(120))")
          let plain = try PlainKinds.said(PlainKinds.requests[0], server)
          #expect(plain == fresh[0], "\(plain) for \(fresh[0])")
        }
      }
    }

    @Test func `every kind of answer is given as if nothing were known of the URL`() throws {
      let isSpecial = Flag()
      let origin = Origin { request, peer in
        let name = request.target.split(separator: "-").last.flatMap { Int($0) } ?? 0
        return isSpecial.isSet
          ? PlainKinds.answers[name].answer(peer) : peer.send(Origin.response("plain"))
      }
      let server = try Self.server(origin)
      for (number, answer) in PlainKinds.answers.enumerated() {
        isSpecial.set()
        let first = try outcome(server, "/app/fresh-\(number)")
        isSpecial.clear()
        try learn(server, "/app/known-\(number)")
        isSpecial.set()
        #expect(try outcome(server, "/app/known-\(number)") == first, "\(answer.name)")
        isSpecial.clear()
        #expect(try server.get("/app/known-\(number)").text == "plain", "\(answer.name)")
      }
    }

    private func outcome(_ server: TestServer, _ target: String) throws -> String {
      let text = try server.exchange(
        "GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      return text.split(separator: "\r\n", omittingEmptySubsequences: false)
        .filter { !$0.hasPrefix("Date: ") }.joined(separator: "\n")
    }

    static let refusals = [
      "Cache-Control: no-store", "Cache-Control: private, max-age=60",
      "Cache-Control: max-age=0, no-cache\r\nSet-Cookie: a=b", "Expires: 0\r\nPragma: no-cache",
      "Cache-Control: public, max-age=60\r\nVary: *", "CDN-Cache-Control: no-store",
    ]

    @Test(arguments: refusals) func `what may not be kept is not, however often`(
      _ fields: String
    ) throws {
      let origin = Origin { request, peer in
        peer.send(Origin.response("\(request.ordinal)", fields: [fields]))
      }
      let server = try Self.server(origin, "ProxyPassReverse /app http://127.0.0.1:1")
      let client = try server.open()
      var texts: Set<String> = []
      for _ in 0..<8 {
        let response = try client.get("/app/x")
        #expect(response["Cache-Status"] == "Ring3; fwd=uri-miss")
        texts.insert(response.text)
      }
      #expect(texts.count == 8 && origin.requests.count == 8)
    }

    @Test func `what may be kept is kept, though it was not before`() throws {
      let isKept = Flag()
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            "\(request.ordinal)", fields: isKept.isSet ? ["Cache-Control: max-age=60"] : []))
      }
      let server = try Self.server(origin)
      try learn(server, "/app/x")
      isKept.set()
      let kept = try server.get("/app/x").text
      let count = origin.requests.count
      for _ in 0..<5 { #expect(try server.get("/app/x").text == kept) }
      #expect(origin.requests.count == count)
    }

    @Test func `clients that go away, ask on or come late get what is theirs`() throws {
      let origin = Origin { request, peer in
        if request.target.hasSuffix("slow") { pause(milliseconds: request.ordinal < 3 ? 1 : 200) }
        return peer.send(Origin.response("\(request.target) \(request["X-Number"] ?? "")"))
      }
      let server = try Self.server(origin)
      try learn(server, "/app/slow")
      let client = try server.open()
      // Two more behind it, while it waits.
      let requests = (1...3).map {
        "GET /app/slow HTTP/1.1\r\nHost: localhost\r\nX-Number: \($0)\r\n\r\n"
      }
      try client.send(requests.joined())
      for number in 1...3 { #expect(try client.response().text == "/slow \(number)") }
      try client.send(requests[0])
      pause(milliseconds: 30)
      try client.send(requests[1])
      for number in 1...2 { #expect(try client.response().text == "/slow \(number)") }
      // It may say that it sends no more, and still read.
      try client.send(requests[2])
      client.socket.finishSending()
      #expect(try client.response().text == "/slow 3")
      for _ in 0..<5 {
        let gone = try server.open()
        try gone.send(requests[0])
        pause(milliseconds: 30)
        gone.socket.close()
      }
      pause(milliseconds: 300)
      for _ in 0..<5 { #expect(try server.get("/app/slow").text == "/slow ") }
      #expect(
        try server.exchange(
          requests[0].replacingOccurrences(of: "X-N", with: "Connection: close\r\nX-N")
        ).hasSuffix("/slow 1"))
    }

    @Test func `a silent application is a timeout, a dead one is asked no more`() throws {
      let isSilent = Flag()
      let origin = Origin { _, peer in
        if isSilent.isSet { pause(milliseconds: 2500) }
        return peer.send(Origin.response("plain"))
      }
      let server = try Self.server(origin, "ProxyTimeout 1")
      try learn(server, "/app/x")
      isSilent.set()
      #expect(try server.get("/app/x").status == 504)
      isSilent.clear()
      try learn(server, "/app/x")
      origin.end()
      pause(milliseconds: 50)
      #expect([502, 503].contains(try server.get("/app/x").status))
    }

    @Test func `a reload waits for it, and what is known ends with it`() throws {
      let origin = Origin { request, peer in
        if request["X-Slow"] != nil { pause(milliseconds: 600) }
        return peer.send(Origin.response("plain"))
      }
      let other = Origin(text: "other")
      let server = try Self.server(origin)
      try learn(server, "/app/x")
      let client = try server.open()
      try client.send("GET /app/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1\r\n\r\n")
      pause(milliseconds: 50)
      #expect(server.reload("ProxyPass /app http://127.0.0.1:\(other.port)", workers: 1).succeeded)
      #expect(try client.response().text == "plain")
      #expect(try server.get("/app/x").text == "other")
      try client.send("GET /app/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try client.response().text == "other")
    }

    @Test func `a claim takes a URL away from who was known to have it`() throws {
      let origin = Origin(text: "configured")
      let server = try Self.server(origin, "QueueDirectory @root@/queues")
      try learn(server, "/app/x/y")
      let application = try ClaimedApplication(server, "one", ["/app/x/"])
      #expect(application.isReady, "\(application.said)")
      #expect(try eventually { try server.get("/app/x/y").text.hasPrefix("one") })
      application.end()
      #expect(try eventually { try server.get("/app/x/y").text == "configured" })
      try learn(server, "/app/x/y")
    }

    @Test func `nothing of an answer that breaks is left for the next client`() throws {
      let origin = Origin { request, peer in
        guard request.target == "/broken" else { return peer.send(Origin.response("plain")) }
        peer.send(
          "HTTP/1.1 200 OK\r\nSet-Cookie: secret=1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
        return false
      }
      let server = try Self.server(origin)
      try learn(server, "/app/x")
      let known = try PlainKinds.said(Self.plain("/app/x"), server)
      for _ in 0..<3 {
        _ = try? server.get("/app/broken")
        #expect(try PlainKinds.said(Self.plain("/app/x"), server) == known)
      }
    }

    private static func plain(_ target: String) -> String {
      "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n"
    }

    @Test func `of two addresses of a wildcard each keeps its owner`() throws {
      let origin = Origin(text: "configured")
      let port = freePort()
      let server = try Self.server(origin, "Listen *:\(port)\nQueueDirectory @root@/queues")
      let application = try ClaimedApplication(
        server, "one", ["http://127.0.0.2:\(port)/app/"])
      #expect(application.isReady, "\(application.said)")
      func text(_ address: String) throws -> String {
        let client = try Conversation(to: address, port: port)
        return try client.get("/app/x", host: "any.test").text
      }
      #expect(try eventually { try text("127.0.0.2").hasPrefix("one") })
      for _ in 0..<5 { #expect(try text("127.0.0.1") == "configured") }
      #expect(try text("127.0.0.2").hasPrefix("one"))
    }

    @Test func `who had failed is asked again when it is time`() throws {
      let isFailed = Flag()
      let origin = Origin { request, peer in
        peer.send(Origin.response("x", status: isFailed.isSet ? "503 Busy" : "200 OK"))
      }
      let server = try TestServer(
        """
        <Proxy balancer://b>
          BalancerMember http://127.0.0.1:\(origin.port) retry=1
          ProxySet failonstatus=503 forcerecovery=Off
        </Proxy>
        ProxyPass /app balancer://b
        """, workers: 1)
      try learn(server, "/app/x")
      isFailed.set()
      #expect(try server.get("/app/y").status == 503)
      isFailed.clear()
      #expect(try server.get("/app/x").status == 503, "it is left alone for a while")
      pause(milliseconds: 1300)
      try learn(server, "/app/x")
    }

    static let settings = [
      "RequestHeader set X-Asked yes", "Header set X-Said yes", "Header always set X-Said yes",
      "ProxyPreserveHost On", "ProxyAddHeaders Off", "ProxyAddForwarded On", "ProxyVia On",
      "ProxyVia Block", "CacheDisable /app", "CacheDebug On", "CacheDefaultExpire 60",
      "CacheStatusField Off", "AddOutputFilterByType DEFLATE text/plain",
      "<Location />\nRequire ip 127.0.0.1\n</Location>",
      "<Location /app>\nRequire ip 10.0.0.0/8\n</Location>", "RemoteIPHeader X-Client",
      "<Location /app/x>\nRequestHeader set X-Place here\n</Location>",
      "CustomLog @root@/access.log common", "ProxyErrorOverride On", "KeepAlive Off",
      "MaxKeepAliveRequests 3", "Header set X-Time %D",
    ]

    @Test(arguments: settings) func `what is configured holds for the tenth`(
      _ setting: String
    ) throws {
      let origin = Self.mirror()
      let server = try Self.server(origin, setting)
      let request = PlainKinds.requests[1]
      let changing = ["X-Time: "]
      func told() throws -> [String] {
        try PlainKinds.said(request, server).filter { line in
          !changing.contains { line.hasPrefix($0) }
        }
      }
      // Stored ones are another matter.
      let first = try told().map { $0.replacingOccurrences(of: "; stored", with: "") }
      for _ in 0..<9 where !first.contains(where: { $0.hasPrefix("Cache-Status: Ring3; hit") }) {
        let next = try told()
        if next.contains(where: { $0.hasPrefix("Cache-Status: Ring3; hit") }) { break }
        #expect(next == first)
      }
      if setting.hasPrefix("CustomLog") {
        let log = server.directory.path + "/access.log"
        let line = "\"GET /app/x?a=b HTTP/1.1\" 200 "
        #expect(
          try eventually {
            let text = try String(contentsOfFile: log, encoding: .utf8)
            return text.split(separator: "\n").count { $0.contains(line) } == 10
          })
      }
    }
  }
}
