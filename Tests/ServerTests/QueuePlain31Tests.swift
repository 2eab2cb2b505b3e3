// 31: the plain GET that goes through a queue by what is known of its URL: all that is true of
// other requests there is true of it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `31 plain requests go through queues as all others` {
    private typealias Queues = `31 it holds requests until their application is free`

    /// Whether connections are kept.
    static let ways = ["on", "off"]

    private func begin(
      _ way: String, workers: Int = 1
    ) throws -> (server: TestServer, session: ControlSession) {
      try Queues.begin("--keepalive=\(way)", workers: workers)
    }

    /// So that the next request for it goes the short way.
    private func learn(_ server: TestServer, _ target: String) throws {
      let client = try server.open()
      for _ in 0..<6 { #expect(try client.get(target).status == 200) }
    }

    private func statistics(_ session: ControlSession, _ name: String) throws -> Int? {
      let text = try session.ask("statistics", "q").text
      guard let range = text.range(of: "\"\(name)\":") else { return nil }
      return Int(text[range.upperBound...].prefix { $0.isNumber })
    }

    @Test(arguments: ways) func `the application gets every kind of request as it gets the first`(
      _ way: String
    ) throws {
      let (server, session) = try begin(way)
      #expect(
        try session.ask("register", "http://+:\(server.port)/app/", "--queue=q").code == 0)
      let application = try QueueApplication(server, "q")
      // It reads no chunks.
      let requests = PlainKinds.requests.filter { !$0.contains("Transfer-Encoding") }
      let fresh = try requests.map { try PlainKinds.said($0, server) }
      try learn(server, "/app/x?a=b")
      for (request, first) in zip(requests, fresh) {
        for _ in 0..<3 {
          #expect(try PlainKinds.said(request, server) == first, "\(request.prefix(120))")
          #expect(try PlainKinds.said(requests[0], server) == fresh[0])
        }
      }
      application.kill()
    }

    @Test(arguments: ways, [1, 2]) func `no more go at a time than there are processes`(
      _ way: String, _ workers: Int
    ) throws {
      let (server, session) = try begin(way, workers: workers)
      let application = try QueueApplication(server, "q", threads: true, processes: 2)
      let targets = (0..<4).map { "/q/sleep/\($0 * 2)/\($0)" }
      for target in targets { try learn(server, target) }
      let before = try statistics(session, "served") ?? 0
      let clients = try (0..<30).map { _ in try server.open() }
      for round in 0..<5 {
        for (number, client) in clients.enumerated() {
          try client.request(targets[(number + round) % 4])
        }
        for (number, client) in clients.enumerated() {
          let words = try client.response().text.split(separator: " ")
          #expect(words.count == 4 && words[1] == targets[(number + round) % 4], "\(words)")
          #expect((1...2).contains(Int(words[3].dropLast()) ?? 0), "\(words)")
        }
      }
      #expect(eventually { (try? statistics(session, "served")) == before + 150 })
      #expect(Queues.figure(server, "waiting") == 0)
      application.kill()
    }

    @Test(arguments: ways)
    func `who goes away while it is at work leaves it to nobody else before it is free`(
      _ way: String
    ) throws {
      let (server, _) = try begin(way)
      let application = try QueueApplication(server, "q", threads: true)
      try learn(server, "/q/sleep/60/x")
      for _ in 0..<6 {
        let gone = try server.open()
        try gone.request("/q/sleep/60/x")
        pause(milliseconds: 15)
        gone.socket.close()
        let words = try server.get("/q/sleep/60/x").text.split(separator: " ")
        #expect(words.last == "1\n", "\(words)")
      }
      application.kill()
    }

    @Test(arguments: ways)
    func `an application that dies is no more for known URLs than for others`(
      _ way: String
    ) throws {
      let (server, _) = try begin(way)
      for target in ["/q/sleep/400/fresh", "/q/sleep/400/known"] {
        let application = try QueueApplication(server, "q")
        if target.hasSuffix("known") { try learn(server, target) }
        let client = try server.open()
        try client.request(target)
        pause(milliseconds: 100)
        application.kill()
        // It waits for the next process, and goes to that.
        let next = try QueueApplication(server, "q")
        let text = try client.response().text
        #expect(text.hasPrefix("\(next.program.pid) \(target)"), "\(text)")
        next.kill()
      }
    }

    @Test(arguments: ways) func `what a queue refuses is refused however well it is known`(
      _ way: String
    ) throws {
      let (server, _) = try begin(way)
      let application = try QueueApplication(server, "q")
      try learn(server, "/q/x")
      #expect(server.control("queue", "disable", "q").succeeded)
      #expect(eventually { (try? server.get("/q/x").status) == 503 })
      #expect(server.control("queue", "enable", "q").succeeded)
      #expect(eventually { (try? server.get("/q/x").status) == 200 })
      try learn(server, "/q/x")
      #expect(server.control("queue", "drain", "q").succeeded)
      #expect(eventually { (try? server.get("/q/x").status) == 503 })
      application.kill()
    }

    @Test func `who does not want its connections kept any more has none`() throws {
      let (server, session) = try begin("on")
      let application = try QueueApplication(server, "q")
      #expect(
        try session.ask("register", "http://+:\(server.port)/app/", "--queue=q").code == 0)
      try learn(server, "/app/x")
      #expect(try !server.get("/app/x").text.lowercased().contains("connection: close"))
      #expect(try session.ask("queue", "q", "--keepalive=off").code == 0)
      for _ in 0..<5 {
        #expect(try server.get("/app/x").text.lowercased().contains("connection: close"))
      }
      try learn(server, "/app/x")
      #expect(try session.ask("queue", "q", "--keepalive=on").code == 0)
      for _ in 0..<5 {
        #expect(try !server.get("/app/x").text.lowercased().contains("connection: close"))
      }
      application.kill()
    }

    @Test(arguments: ways) func `another owner of a known URL gets its requests`(
      _ way: String
    ) throws {
      let (server, session) = try begin(way)
      let application = try QueueApplication(server, "q")
      try learn(server, "/q/x/y")
      #expect(
        try session.ask("register", "http://+:\(server.port)/q/x/", "--queue=other").code == 0)
      let other = try QueueApplication(server, "other")
      #expect(
        eventually { (try? server.get("/q/x/y").text)?.hasPrefix("\(other.program.pid) ") == true })
      #expect(
        try session.ask("unregister", "http://+:\(server.port)/q/x/").code == 0)
      #expect(
        eventually {
          (try? server.get("/q/x/y").text)?.hasPrefix("\(application.program.pid) ") == true
        })
      application.kill()
      other.kill()
    }
  }
}
