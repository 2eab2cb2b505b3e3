// 31: requests of one URL wait like others, and whoever is refused by a queue is told of where one
// looks for it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `31 queues say what they refuse` {
    private typealias Queues = `31 it holds requests until their application is free`

    @Test func `requests of one URL wait as many do`() throws {
      let (server, _) = try Queues.begin("--length=1", "--age=1", "--verbosity=full")
      let application = try QueueApplication(server, "q")
      let held = try Queues.ask(server, ["/q/hold/same"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let start = monotonicMilliseconds()
      let waiting = try Queues.ask(server, ["/q/hold/same"])
      #expect(Queues.waits(server, 1))
      #expect((Queues.figure(server, "oldestMilliseconds") ?? -1) >= 0)
      for client in try Queues.ask(server, ["/q/hold/same", "/q/hold/same", "/q/other"]) {
        let response = try client.response()
        #expect(response.status == 503 && response.text.contains("QueueFull"))
      }
      let late = try waiting[0].response()
      #expect(late.status == 503 && late.text.contains("Timer_ReqQueue"))
      let waited = monotonicMilliseconds() - start
      #expect(waited >= 1_000 && waited < 3_000, "\(waited)")
      #expect(Queues.waits(server, 0))
      #expect(Queues.figure(server, "refused") == 3 && Queues.figure(server, "expired") == 1)
      // An operator's word counts for them, too.
      let next = try Queues.ask(server, ["/q/hold/same"])
      #expect(Queues.waits(server, 1))
      #expect(server.control("queue", "disable", "q").succeeded)
      #expect(try next[0].response().text.contains("Disabled"))
      QueueApplication.letGo(server)
      #expect(try held[0].response().status == 200)
      #expect(QueueApplication.requests(server).count == 1)
      application.kill()
    }

    @Test func `behind a refused request of one URL the next one of the connection waits`() throws {
      let (server, _) = try Queues.begin("--age=1", workers: 1)
      let application = try QueueApplication(server, "q", threads: true, processes: 12)
      let targets = (0..<12).map { "/q/hold/\($0)" }
      let held = try Queues.ask(server, targets)
      #expect(eventually { QueueApplication.requests(server).count == targets.count })
      // While one is refused the next begins to wait for what others wait for, in the same look.
      let clients = try targets.indices.map { index in
        let client = try server.open()
        for target in [targets[index], targets[(index + 1) % targets.count]] {
          try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        }
        return client
      }
      for client in clients { #expect(try client.response().status == 503) }
      QueueApplication.letGo(server)
      for client in clients { #expect(try client.response().status == 200) }
      for client in held { #expect(try client.response().status == 200) }
      application.kill()
    }

    @Test func `no process is idle while nobody knows if there is something to share`() throws {
      let (server, _) = try Queues.begin()
      let applications = try [QueueApplication(server, "q"), QueueApplication(server, "q")]
      let clients = try Queues.ask(server, ["/q/hold/a", "/q/hold/a", "/q/hold/a"])
      #expect(eventually { Queues.figure(server, "active") == 2 })
      #expect(Queues.waits(server, 1))
      QueueApplication.letGo(server)
      for client in clients { #expect(try client.response().status == 200) }
      for application in applications { application.kill() }
    }

    @Test func `who is refused is explained, logged and told fitly`() throws {
      let server = try TestServer(
        Queues.configuration + "CustomLog access.log proxied\nProtocols h2c http/1.1\n"
          + "UrlReservation http://+:@port@/set/ user=root\n")
      let session = try ControlSession(server)
      #expect(try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      let url = "http://127.0.0.1:\(server.port)/q/a"
      func explained() -> String { server.control("explain", url).output }
      #expect(explained().contains("an application answers, through queue 'q'"))

      #expect(server.control("queue", "disable", "q").succeeded)
      #expect(explained().contains("refuse with 503 (Disabled): queue 'q' is disabled"))
      let disabled = try server.get("/q/a")
      #expect(disabled.status == 503 && disabled.text.contains("not available at the moment"))
      #expect(!disabled.text.contains("Disabled") && !disabled.text.contains("busy"))
      #expect(server.said.contains("503 (Disabled): queue 'q' of user 0 is disabled"))
      #expect(server.control("queue", "drain", "q").succeeded)
      #expect(explained().contains("refuse with 503 (Disabled): queue 'q' is draining"))
      #expect(server.control("queue", "enable", "q").succeeded)
      #expect(try session.ask("offline", "q").code == 0)
      #expect(explained().contains("refuse with 503 (AppOffline)"))
      #expect(try server.get("/q/b").status == 503)
      #expect(server.said.contains("the application of queue 'q' of user 0 is offline"))
      #expect(try server.get("/set/c").text.contains("not available at the moment"))
      #expect(server.said.contains("/set/' is reserved, and nobody serves it"))
      // Not once for each of many.
      for _ in 0..<20 { _ = try server.get("/set/c") }
      #expect(server.said.split(separator: "(Reserved)").count < 4)
      let lines = [("/q/a", "Disabled"), ("/q/b", "AppOffline"), ("/set/c", "Reserved")]
      #expect(
        eventually {
          let log = server.directory.read("access.log").split(separator: "\n")
          return lines.allSatisfy { target, reason in
            log.contains { $0.contains(target) && $0.hasSuffix("reason=\(reason)") }
          }
        }, "\(server.directory.read("access.log"))")
      // HTTP/2 has a word for what was never given to anybody.
      #expect(try session.ask("queue", "q", "--verbosity=basic").code == 0)
      let client = try server.openHTTP2()
      #expect(
        try client.refusal(HTTP2Engine.requestFields("/q/d"))
          == .refusedStream)
    }

    @Test func `a queue is known by its name`() throws {
      let server = try TestServer(Queues.configuration + "CustomLog access.log proxied\n")
      let session = try ControlSession(server)
      #expect(try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      let application = try QueueApplication(server, "q")
      #expect(eventually { (try? server.get("/q/a").status) == 200 })
      #expect(eventually { server.directory.read("access.log").contains("member=\"queue 'q'\"") })
      #expect(try server.get("/q/delegate/nobody").status == 502)
      #expect(server.said.contains("queue 'q' wants to delegate to 'nobody'"))
      application.kill()
    }
  }
}
