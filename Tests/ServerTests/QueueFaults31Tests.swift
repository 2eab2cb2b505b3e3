// 31: what clients get, and what is counted, when an application does not do its part.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `31 applications that fail` {
    private typealias Queues = `31 it holds requests until their application is free`

    /// A server with a queue "q" for /q/ whose requests are answered within a second.
    private static func begin() throws -> (server: TestServer, session: ControlSession) {
      let server = try TestServer(Queues.configuration + "ProxyTimeout 1\n")
      let session = try ControlSession(server)
      #expect(
        try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      // Whoever knows of it waits in the queue, or is refused by it.
      #expect(try session.ask("offline", "q").code == 0)
      #expect(eventually { (try? server.get("/q/x").status) == 503 })
      #expect(try session.ask("online", "q").code == 0)
      return (server, session)
    }

    private static func count(_ server: TestServer, _ reason: String) -> Int {
      let text = server.control("status", "--json").output
      guard let range = text.range(of: "\"\(reason)\":") else { return 0 }
      return Int(text[range.upperBound...].prefix { $0.isNumber }) ?? -1
    }

    private static func figures(_ server: TestServer) -> [Int?] {
      ["served", "failed", "active"].map { Queues.figure(server, $0) }
    }

    /// Whoever lets go of the last copy of a descriptor may have to wait for it: here a worker.
    @Test func `no descriptor comes beside an answer where the kernel can forbid it`() throws {
      let (server, session) = try Self.begin()
      let application = try QueueApplication(server, "q")
      let version = ProcessInfo.processInfo.operatingSystemVersion
      let canForbid = (version.majorVersion, version.minorVersion) >= (6, 16)
      #expect(try server.get("/q/rights").text == (canForbid ? "no\r\n" : "sent"))
      withExtendedLifetime((session, application)) {}
    }

    @Test func `garbage is 502, half an answer a broken one, and both have failed`() throws {
      let (server, session) = try Self.begin()
      let application = try QueueApplication(server, "q")
      #expect(try server.get("/q/garbage").status == 502)
      #expect(eventually { Self.figures(server) == [0, 1, 0] }, "\(Self.figures(server))")
      #expect(eventually { Self.count(server, "Proxy_Broken") == 1 })
      let client = try server.open()
      try client.request("/q/cut")
      #expect(throws: (any Error).self) { try client.response() }
      #expect(eventually { Self.figures(server) == [0, 2, 0] }, "\(Self.figures(server))")
      // The end of the request, and that of its connection.
      #expect(eventually { Self.count(server, "Proxy_Broken") == 3 })
      #expect(try server.get("/q/well").status == 200)
      #expect(eventually { Self.figures(server) == [1, 2, 0] }, "\(Self.figures(server))")
      withExtendedLifetime((session, application)) {}
    }

    @Test func `who accepts and never answers costs 504, and nothing more is sent to it`() throws {
      let (server, session) = try Self.begin()
      let application = try QueueApplication(server, "q")
      #expect(try server.get("/q/hold/1").status == 504)
      #expect(eventually { Self.count(server, "Proxy_Timeout") == 1 })
      #expect(Queues.figure(server, "failed") == 1)
      let waiting = try Queues.ask(server, ["/q/next"])
      QueueApplication.letGo(server)
      #expect(try waiting[0].response().status == 200)
      #expect(eventually { Self.figures(server) == [1, 1, 0] }, "\(Self.figures(server))")
      withExtendedLifetime((session, application)) {}
    }

    @Test func `who is attached and never accepts costs 504`() throws {
      let (server, session) = try Self.begin()
      #expect(try session.ask("attach", "q", "--processes=1").code == 0)
      #expect(try server.get("/q/1").status == 504)
      #expect(eventually { Self.count(server, "Proxy_Timeout") == 1 })
      #expect(Queues.figure(server, "failed") == 1)
      // The credit comes back when the connection is given up.
      #expect(eventually { Queues.figure(server, "active") == 0 })
      #expect(try server.get("/q/2").status == 504)
      withExtendedLifetime(session) {}
    }
  }
}
