// 31: credits over the ends of workers: an upgrade, and a reload while an application is at work.

import Foundation
import Ring3App
import TestSupport
import Testing

extension ServerTests.`31 it holds requests until their application is free` {
  @Suite struct `over the ends of its workers` {
    typealias Queues = ServerTests.`31 it holds requests until their application is free`

    @Test func `an upgrade gives an application no more requests than it can take`() throws {
      let server = try TestServer(Queues.configuration)
      let claim = try Claim(
        Claim.Terms(prefixes: ["http://+:\(server.port)/q/"], queue: "q"), at: server.socket)
      var sockets: [LentSocket] = []
      #expect(claim.isAttached(1, &sockets))
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      let first = try Queues.ask(server, ["/q/1"])
      let listener = try #require(sockets.first).descriptor
      let peer = try #require(TestPeer.next(from: listener, milliseconds: 10_000))
      #expect(!peer.receive().isEmpty)
      #expect(server.control("upgrade").succeeded)
      #expect(claim.isAttached(2, &sockets))
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      // The old worker still holds the only credit.
      let second = try Queues.ask(server, ["/q/2"])
      #expect(Queues.waits(server, 1))
      #expect(TestPeer.next(from: listener, milliseconds: 300) == nil)
      #expect(Queues.figure(server, "active") == 1)
      #expect(peer.send(Origin.response("first")))
      #expect(try first[0].response().text == "first")
      peer.close()
      let next = try #require(TestPeer.next(from: listener, milliseconds: 10_000))
      #expect(String(decoding: next.receive(), as: UTF8.self).hasPrefix("GET /q/2 "))
      #expect(next.send(Origin.response("second")))
      #expect(try second[0].response().text == "second")
    }

    @Test func `a worker that leaves waits for what is still with an application`() throws {
      let server = try TestServer(Queues.configuration)
      let session = try ControlSession(server)
      server.companions.append(session)
      #expect(
        try session.ask("register", "http://+:\(server.port)/q/", "--queue=q", "--handoff").code
          == 0)
      let application = try QueueApplication(server, "q", takes: true)
      #expect(try eventually { try server.get("/q/first").text == "taken /q/first 0\n" })
      #expect(eventually { Queues.figure(server, "active") == 0 })
      let client = try server.open()
      #expect(try client.get("/q/a").text == "taken /q/a 0\n")
      let old = server.workers
      #expect(server.reload(Queues.configuration).succeeded)
      // It has no client any more, and the application has one of it.
      #expect(eventually { old.count { kill($0, 0) == 0 } == 1 })
      #expect(Queues.figure(server, "active") == 1)
      let waiting = try Queues.ask(server, ["/q/b"])
      #expect(Queues.waits(server, 1))
      #expect(try client.get("/q/c").text == "taken /q/c 0\n")
      #expect(Queues.figure(server, "waiting") == 1)
      client.socket.close()
      #expect(try waiting[0].response().text == "taken /q/b 0\n")
      #expect(eventually { old.allSatisfy { kill($0, 0) != 0 } })
      application.kill()
    }
  }
}
