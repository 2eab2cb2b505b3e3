// 29: applications hold URLs by the Swift library, over every end of the server.

import Foundation
import Ring3App
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `29 applications hold URLs by the library` {
    static let configuration = "QueueDirectory @root@/queues\n"

    /// Answers from the sockets of a claim, in a thread of this process, until it is closed.
    private final class Application: @unchecked Sendable {
      let claim: Claim
      private let name: String
      private let lock = NSLock()
      private var seen: [ClaimEvent] = []

      init(_ server: TestServer, _ terms: Claim.Terms, name: String = "here") throws {
        self.name = name
        claim = try Claim(terms, at: server.socket)
        Thread.detachNewThread { self.work() }
      }

      deinit { claim.close() }

      /// How many sockets there were.
      var attachments: Int { count { if case .attached = $0 { true } else { false } } }

      func count(_ isCounted: (ClaimEvent) -> Bool) -> Int {
        lock.withLock { seen.count(where: isCounted) }
      }

      private func work() {
        let claim = claim
        var sockets: [LentSocket] = []
        while !claim.isClosed {
          while let event = claim.nextEvent() {
            lock.withLock { seen.append(event) }
            if case .attached(let socket) = event { sockets.append(socket) }
          }
          for socket in sockets {
            guard let peer = TestPeer.next(from: socket.descriptor, milliseconds: 5) else {
              continue
            }
            let line = String(decoding: peer.receive(), as: UTF8.self).prefix { !$0.isNewline }
            _ = peer.send(Origin.response("\(name) \(line)\n"))
          }
        }
      }
    }

    /// A request, and the connection on which it came to the application. Workers are told of a
    /// claim within milliseconds: until then requests go elsewhere.
    private func ask(
      _ server: TestServer, _ target: String, _ listener: LentSocket?
    ) throws -> (client: Conversation, peer: TestPeer) {
      let listener = try #require(listener)
      for _ in 0..<50 {
        let client = try server.open()
        try client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if let peer = TestPeer.next(from: listener.descriptor, milliseconds: 200) {
          return (client, peer)
        }
      }
      throw StartFailure(description: "no request for \(target) came: \(server.said)")
    }

    private func terms(
      _ server: TestServer, _ path: String = "/shop/", queue: String = "shop"
    ) -> Claim.Terms {
      Claim.Terms(prefixes: ["http://+:\(server.port)\(path)"], queue: queue)
    }

    @Test func `a claim is served, and given back`() throws {
      let server = try TestServer(Self.configuration, files: ["shop/index.html": "a file\n"])
      let application = try Application(server, terms(server))
      #expect(
        eventually { (try? server.get("/shop/a?b").text) == "here GET /shop/a?b HTTP/1.1\n" })
      #expect(server.control("namespace").output.contains("queue 'shop'"))
      try application.claim.giveBack()
      #expect(eventually { (try? server.get("/shop/").text) == "a file\n" })
      application.claim.close()
      #expect(application.claim.session == nil && application.claim.listener == nil)
      #expect(eventually { !server.control("namespace").output.contains("shop") })
    }

    @Test func `a claim is made again when the server is upgraded, restarted and killed`() throws {
      let server = try TestServer(Self.configuration)
      let application = try Application(server, terms(server))
      var expected = 1
      func isServed() -> Bool {
        eventually { application.attachments >= expected }
          && eventually { (try? server.get("/shop/a").status) == 200 }
      }
      #expect(isServed())
      expected += 1
      #expect(server.control("upgrade").succeeded)
      #expect(isServed())
      for signal in [Signal.terminate, SIGKILL] {
        server.stop(signal)
        #expect(
          eventually {
            application.count {
              if case .lost(let error) = $0 { error.kind == .unreachable } else { false }
            } > 0
          })
        try server.start()
        expected += 1
        #expect(isServed())
      }
      #expect(application.attachments == expected)
    }

    @Test func `two processes share a queue, and one can go`() throws {
      let server = try TestServer(Self.configuration)
      let first = try Application(server, terms(server), name: "first")
      let second = try Application(
        server, Claim.Terms(prefixes: [], queue: "shop"), name: "second")
      var names: Set<Substring> = []
      #expect(
        eventually {
          if let name = try? server.get("/shop/").text.prefix(while: { $0 != " " }) {
            names.insert(name)
          }
          return names.isSuperset(of: ["first", "second"])
        }, "\(names)")
      second.claim.close()
      #expect(eventually { server.control("namespace").succeeded })
      // What had been sent to the socket of both is answered by the one that is left.
      for _ in 0..<20 { #expect(try server.get("/shop/").status == 200) }
      withExtendedLifetime(first) {}
    }

    @Test func `what is refused has a kind and the server's words`() throws {
      let server = try TestServer(Self.configuration)
      func failure(_ body: () throws(ControlError) -> Void) -> ControlError? {
        do { try body() } catch { return error }
        return nil
      }
      let session = try Ring3App.ControlSession(server.socket)
      #expect(session.capabilities.isSuperset(of: ["register", "unregister", "attach"]))
      let malformed = failure { () throws(ControlError) in
        try session.register(["ftp://x/"], queue: "q")
      }
      #expect(malformed?.kind == .notUnderstood && malformed?.message.contains("ftp://x/") == true)
      let absent = failure { () throws(ControlError) in _ = try session.attach("q") }
      #expect(absent?.kind == .refused && absent?.message.contains("no queue 'q'") == true)
      let unknown = failure { () throws(ControlError) in try session.ask(["nonsense"]) }
      #expect(unknown?.code == 2)
      let unsendable = failure { () throws(ControlError) in try session.ask(["a\tb"]) }
      #expect(unsendable?.kind == .local)
      // All of many, or none.
      let prefixes = (0..<3000).map { "http://+:\(server.port)/p\($0)/" }
      let twice = failure { () throws(ControlError) in
        try session.register(prefixes + [prefixes[0]], queue: "q")
      }
      #expect(twice?.message.contains("is registered already") == true)
      #expect(!server.control("namespace").output.contains("/p0/"))
      try session.register(prefixes, queue: "q")
      try session.unregister(prefixes)
      session.close()
      let closed = failure { () throws(ControlError) in _ = try session.nextEvent() }
      #expect(closed?.kind == .ended && session.hasEnded)
      let nobody = failure { () throws(ControlError) in
        _ = try Ring3App.ControlSession(ControlSocket(path: server.directory.path("none")))
      }
      #expect(nobody?.kind == .unreachable)
    }

    @Test func `a server that stalls, talks nonsense or leaves is told from one that refuses`()
      throws
    {
      let directory = TemporaryDirectory()
      for (answer, kind) in [
        ("", .timedOut), ("o 1", .timedOut), ("x what\n", .ended), ("HTTP/1.1 400\n\n", .timedOut),
        ("e no\nx 77\n", .notAllowed), (nil, .ended),
      ] as [(String?, ControlError.Kind)] {
        let path = directory.path("s-\(UUID().uuidString.prefix(8))")
        let listener = TestListener(unixPath: path)
        Thread.detachNewThread {
          guard let peer = listener.accept() else { return }
          _ = peer.receive()
          guard let answer else { return }
          _ = peer.send(answer)
          // Until the client has gone.
          while !peer.receive().isEmpty {}
        }
        do {
          _ = try Ring3App.ControlSession(ControlSocket(path: path), timeout: .milliseconds(300))
          Issue.record("'\(answer ?? "nothing")' was taken for an answer")
        } catch {
          #expect(error.kind == kind, "\(answer ?? "nothing"): \(error)")
        }
        listener.end()
      }
    }

    @Test func `events are a sequence that ends with the claim`() async throws {
      let server = try TestServer(Self.configuration)
      let claim = try Claim(terms(server), at: server.socket)
      var names: [String] = []
      for await event in claim.events {
        switch event {
        case .attached:
          names.append("attached")
          if names.count == 1 {
            #expect(server.control("upgrade").succeeded)
          } else {
            claim.close()
          }
        case .lost: if names.last != "lost" { names.append("lost") }
        case .demand, .recycle: names.append("other")
        }
      }
      #expect(names == ["attached", "lost", "attached"])
      await #expect(throws: ControlError.self) {
        try await claim.perform { claim throws(ControlError) in try claim.statistics() }
      }
    }

    @Test func `a queue has properties, states and events`() throws {
      let server = try TestServer(Self.configuration)
      let session = try Ring3App.ControlSession(server.socket)
      try session.watch()
      try session.configure(
        "shop",
        QueueProperties(
          length: 5, byteCountMax: 100_000, ageSeconds: 30, verbosity: .full,
          keepsConnections: false, concurrency: 3))
      try session.register(["http://+:\(server.port)/shop/"], queue: "shop")
      let socket = try session.attach("shop", processes: 2)
      let first = try session.statistics(of: "shop")
      #expect(first.queue == "shop" && first.state == "enabled")
      #expect(first.processes == 2 && first.concurrency == 3 && first.credits == 6)
      #expect(first.json.contains("\"lengthMax\":5,\"bytesMax\":100000,\"ageSeconds\":30"))
      // Given up is only what nobody keeps running.
      try session.setProcesses(0, of: "shop")
      try session.takeOffline("shop")
      #expect(eventually { (try? server.get("/shop/a").status) == 503 })
      #expect(try session.statistics(of: "shop").state == "offline")
      try session.takeOnline("shop")
      // With no process, requests wait and somebody is told.
      let client = try server.open()
      try client.send("GET /shop/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try eventually { try session.nextEvent() == .demand(queue: "shop") })
      #expect(try session.statistics(of: "shop").waiting == 1)
      try session.setProcesses(1, of: "shop")
      let peer = try #require(TestPeer.next(from: socket.descriptor, milliseconds: 10_000))
      #expect(String(decoding: peer.receive(), as: UTF8.self).hasPrefix("GET /shop/a "))
      #expect(peer.send(Origin.response("late")))
      #expect(try client.response().text == "late")
      #expect(try eventually { try session.statistics(of: "shop").served == 1 })
      #expect(server.control("recycle", "shop").succeeded)
      #expect(try eventually { try session.nextEvent() == .recycle(queue: "shop") })
      // As a worker would connect.
      let connection = try session.connect(to: "shop")
      #expect(TestPeer.next(from: socket.descriptor, milliseconds: 10_000) != nil)
      withExtendedLifetime(connection) {}
    }

    @Test func `a request that waits is answered after the server was killed and started anew`()
      throws
    {
      let server = try TestServer(Self.configuration)
      let claim = try Claim(terms(server), at: server.socket)
      var sockets: [LentSocket] = []
      #expect(claim.isAttached(1, &sockets))
      let (first, answered) = try ask(server, "/shop/first", sockets.first)
      _ = answered.receive()
      _ = answered.send(Origin.response("first"))
      answered.close()
      #expect(try first.response().text == "first")
      let client = try server.open()
      try client.send("GET /shop/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      let earlier = try #require(sockets.first)
      #expect(TestPeer.hasWaiting(earlier.descriptor, milliseconds: 10_000))
      server.stop(SIGKILL)
      try server.start()
      #expect(claim.isAttached(2, &sockets))
      // It lies in the same socket, which the new server goes on with.
      let now = try #require(sockets.last)
      let peer = try #require(TestPeer.next(from: now.descriptor, milliseconds: 10_000))
      #expect(String(decoding: peer.receive(), as: UTF8.self).hasPrefix("GET /shop/a "))
      #expect(server.said.contains("brought back queue 'shop'"), "\(server.said)")
    }

    @Test func `an application takes a connection over, and gives a request away`() throws {
      let server = try TestServer(Self.configuration)
      let back = try Application(server, terms(server, "/back/", queue: "back"), name: "back")
      var terms = terms(server, "/taken/", queue: "taken")
      terms.handsOff = true
      let taking = try Claim(terms, at: server.socket)
      let (client, peer) = try ask(server, "/taken/a", taking.listener)
      let handed = try HandedConnection(from: peer.descriptor)
      #expect(handed.clientAddress == "127.0.0.1")
      let text = String(decoding: handed.received, as: UTF8.self)
      #expect(text == "GET /taken/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
      let own = TestPeer(adopting: try handed.client.duplicate())
      #expect(own.send(Origin.response("itself")))
      #expect(try client.response().text == "itself")
      peer.close()
      // Another application is asked under another path, in place of this one.
      let front = try Claim(self.terms(server, "/front/", queue: "front"), at: server.socket)
      let (asking, first) = try ask(server, "/front/a", front.listener)
      #expect(!first.receive().isEmpty)
      let order = Delegation.fieldValue(queue: "back", path: "/back/b")
      #expect(first.send(Origin.response("", fields: ["\(Delegation.fieldName): \(order)"])))
      #expect(try asking.response().text == "back GET /back/b HTTP/1.1\n")
      withExtendedLifetime(back) {}
    }

    @Test func `draining waits for what is in the queue`() async throws {
      let server = try TestServer(Self.configuration)
      let application = try Application(server, terms(server))
      #expect(eventually { (try? server.get("/shop/").status) == 200 })
      #expect(await application.claim.drain(timeout: .seconds(10)))
      #expect(try server.get("/shop/").status == 404)
    }

    @Test func `reservations are made and taken back`() throws {
      let server = try TestServer("UrlReservation http://+:@port@/fixed/ user=root listen delegate")
      let reservations = Reservations(server.socket)
      let prefix = "http://+:\(server.port)/shop/"
      try reservations.add(prefix, users: ["nobody"], delegate: true)
      let all = try reservations.all()
      #expect(all.map(\.prefix) == ["http://+:\(server.port)/fixed/", prefix])
      #expect(all.map(\.isConfigured) == [true, false])
      #expect(all.last?.grants.map(\.user) == ["nobody"])
      #expect(all.last?.grants.allSatisfy { $0.mayListen && $0.mayDelegate } == true)
      #expect(throws: ControlError.self) { try reservations.add(prefix) }
      try reservations.add(prefix, groups: ["nogroup"], replace: true)
      #expect(try reservations.all().last?.grants.map(\.group) == ["nogroup"])
      try reservations.add("http://+:9999/", users: ["nobody"], listen: false, handOff: true)
      #expect(try reservations.all().contains { $0.grants.contains { $0.mayHandOff } })
      try reservations.delete("http://+:9999/")
      try reservations.delete(prefix)
      #expect(throws: ControlError.self) { try reservations.delete(prefix) }
      #expect(try reservations.all().count == 1)
    }
  }
}

extension TestServer {
  /// Where the library finds this server.
  var socket: ControlSocket { ControlSocket(path: directory.path("ring3d.sock")) }
}
