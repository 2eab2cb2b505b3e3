// 31: requests wait in Ring3 until a process of their application is free.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `31 it holds requests until their application is free` {
    static let configuration = "QueueDirectory @root@/queues\n"

    /// A server with a queue "q" for /q/, and the session that made it.
    static func begin(
      _ options: String..., workers: Int = 2, threads: Bool = false
    ) throws -> (server: TestServer, session: ControlSession) {
      let server = try TestServer(configuration, workers: workers)
      let session = try ControlSession(server)
      server.companions.append(session)
      #expect(
        try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      for option in options { #expect(try session.ask("queue", "q", option).code == 0) }
      // Whatever a worker does not know yet would be a file that is not there.
      #expect(eventually { server.control("namespace").output.contains("/q/") })
      return (server, session)
    }

    /// As many requests as targets, each on a connection of its own.
    static func ask(
      _ server: TestServer, _ targets: [String], method: String = "GET"
    ) throws -> [Conversation] {
      try targets.map { target in
        let conversation = try server.open()
        try conversation.send(
          "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n"
            + (method == "POST" ? "Content-Length: 0\r\n" : "") + "\r\n")
        return conversation
      }
    }

    static func figure(_ server: TestServer, _ name: String) -> Int? {
      let text = server.control("queue", "show", "--json").output
      guard let range = text.range(of: "\"\(name)\":") else { return nil }
      return Int(text[range.upperBound...].prefix { $0.isNumber })
    }

    /// Whether so many wait.
    static func waits(_ server: TestServer, _ count: Int) -> Bool {
      eventually { figure(server, "waiting") == count }
    }

    @Test func `one at a time goes to each process, and all are answered`() throws {
      let (server, session) = try Self.begin()
      // They accept whatever comes; two are all that may come at a time.
      let application = try QueueApplication(server, "q", threads: true, processes: 2)
      let targets = (0..<60).map { "/q/sleep/\($0 % 5)/\($0)" }
      let clients = try Self.ask(server, targets)
      for (target, client) in zip(targets, clients) {
        let words = try client.response().text.split(separator: " ")
        #expect(words.count == 4 && words[1] == target, "\(words)")
        let most = Int(words[3].dropLast()) ?? 0
        #expect((1...2).contains(most), "\(words)")
      }
      let text = server.control("queue", "show", "q").output
      #expect(text.contains("served 60, refused 0"), "\(text)")
      #expect(try session.ask("queue", "q", "--concurrency=10").code == 0)
      let more = try Self.ask(server, (0..<20).map { "/q/sleep/200/\($0)" })
      let peaks = try more.map {
        Int(try $0.response().text.split(separator: " ")[3].dropLast()) ?? 0
      }
      #expect((peaks.max() ?? 0) > 2 && (peaks.max() ?? 0) <= 20, "\(peaks)")
      application.kill()
    }

    @Test func `whoever is free takes the next, and nobody idles while a request waits`() throws {
      let (server, _) = try Self.begin()
      let applications = try (0..<2).map { _ in try QueueApplication(server, "q") }
      let clients = try Self.ask(server, (0..<50).map { "/q/sleep/20/\($0)" })
      // Between two requests a process is free for the moment that it takes to wake a worker.
      var looks = (full: 0, all: 0)
      while Self.figure(server, "waiting") ?? 0 > 5 {
        looks.all += 1
        if Self.figure(server, "active") == 2 { looks.full += 1 }
      }
      #expect(looks.all > 0 && looks.full * 2 >= looks.all, "\(looks)")
      var counts: [String: Int] = [:]
      for client in clients {
        let text = try client.response().text
        counts[String(text.prefix { $0 != " " }), default: 0] += 1
      }
      #expect(counts.count == 2 && counts.values.allSatisfy { $0 >= 15 }, "\(counts)")
      for application in applications { application.kill() }
    }

    @Test func `a full queue refuses, as loudly as it was told to`() throws {
      let (server, session) = try Self.begin("--length=2")
      let application = try QueueApplication(server, "q")
      let held = try Self.ask(server, ["/q/hold/1"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let waiting = try Self.ask(server, ["/q/2", "/q/3"])
      #expect(Self.waits(server, 2))
      let refused = try server.get("/q/4")
      #expect(refused.status == 503 && !refused.text.contains("QueueFull"))
      #expect(refused["Retry-After"] != nil)
      #expect(try session.ask("queue", "q", "--verbosity=full").code == 0)
      #expect(try server.get("/q/5").text.contains("QueueFull"))
      #expect(try session.ask("queue", "q", "--verbosity=basic").code == 0)
      #expect(throws: SocketFailure.reset) { try server.get("/q/6") }
      #expect(server.control("status", "--json").output.contains("\"QueueFull\":3"))
      QueueApplication.letGo(server)
      for client in held + waiting { #expect(try client.response().status == 200) }
      #expect(QueueApplication.requests(server).count == 3)
      application.kill()
    }

    @Test func `who has waited too long or went away was never sent to anybody`() throws {
      let (server, _) = try Self.begin("--age=1")
      let application = try QueueApplication(server, "q")
      let held = try Self.ask(server, ["/q/hold/1"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let gone = try Self.ask(server, ["/q/gone/1", "/q/gone/2"])
      #expect(Self.waits(server, 2))
      for client in gone { client.socket.close() }
      #expect(Self.waits(server, 0))
      let late = try Self.ask(server, ["/q/late/1", "/q/late/2"])
      for client in late { #expect(try client.response().status == 503) }
      #expect(server.control("status", "--json").output.contains("\"Timer_ReqQueue\":2"))
      QueueApplication.letGo(server)
      #expect(try held[0].response().status == 200)
      #expect(try server.get("/q/last").status == 200)
      let targets = QueueApplication.requests(server).map { $0.split(separator: " ")[2] }
      #expect(targets == ["/q/hold/1", "/q/last"])
      #expect(Self.figure(server, "cancelled") == 2 && Self.figure(server, "expired") == 2)
      application.kill()
    }

    @Test func `without a process requests wait, and who watches is told`() throws {
      let (server, session) = try Self.begin()
      #expect(try session.ask("watch").code == 0)
      let clients = try Self.ask(server, ["/q/1", "/q/2", "/q/3"])
      #expect(session.hears("demand q"))
      #expect(Self.waits(server, 3))
      #expect(session.events.isEmpty)
      let application = try QueueApplication(server, "q")
      for client in clients { #expect(try client.response().status == 200) }
      // The last process goes; the next request is told anew.
      application.kill()
      let late = try Self.ask(server, ["/q/4"])
      #expect(session.hears("demand q"))
      // A watcher that comes later is told what is there.
      let other = try ControlSession(server)
      #expect(try other.ask("attach", "q", "--processes=0").code == 0)
      #expect(try other.ask("watch").code == 0)
      #expect(other.hears("demand q"))
      let again = try QueueApplication(server, "q")
      #expect(try late[0].response().status == 200)
      again.kill()
    }

    @Test func `an application of another process gets what a killed one had begun`() throws {
      let (server, _) = try Self.begin()
      let first = try QueueApplication(server, "q")
      let clients = try Self.ask(server, ["/q/hold/get"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let posts = try Self.ask(server, ["/q/post"], method: "POST")
      #expect(Self.waits(server, 1))
      first.kill()
      // It waits for somebody; nothing has failed.
      #expect(eventually { Self.figure(server, "retried") == 1 })
      QueueApplication.letGo(server)
      let second = try QueueApplication(server, "q")
      #expect(try clients[0].response().text.hasPrefix("\(second.program.pid) /q/hold/get"))
      #expect(try posts[0].response().status == 200)
      // What may not be done twice is not sent twice; and nothing kills one process after another.
      let broken = try Self.ask(server, ["/q/die"], method: "POST")
      #expect(try broken[0].response().status == 502)
      #expect(second.program.wait(milliseconds: 5_000) != nil)
      let third = try QueueApplication(server, "q")
      let deadly = try Self.ask(server, ["/q/die"])
      #expect(third.program.wait(milliseconds: 5_000) != nil)
      for _ in 0..<2 {
        let next = try QueueApplication(server, "q")
        #expect(next.program.wait(milliseconds: 5_000) != nil)
      }
      #expect(try deadly[0].response().status == 502)
      #expect(
        server.control("status", "--json").output
          .contains("\"Connection_Abandoned_By_ReqQueue\":2"))
    }

    @Test func `an application that is away for two seconds costs no request`() throws {
      let (server, _) = try Self.begin()
      let first = try QueueApplication(server, "q")
      let load = RequestLoop(server, "/q/x", clients: 8) { response in
        response.status == 200 ? Int32(response.text.prefix { $0 != " " }) : nil
      }
      #expect(eventually { load.counts.values.reduce(0, +) > 50 })
      first.kill()
      pause(milliseconds: 2_000)
      // One may have gone into the socket in the moment of the end.
      #expect(eventually { Self.figure(server, "waiting") ?? 0 >= 7 })
      let second = try QueueApplication(server, "q")
      #expect(eventually { load.counts[second.program.pid, default: 0] > 50 })
      #expect(load.stop() == [])
      second.kill()
    }

    @Test func `a killed worker gives back its credits`() throws {
      let (server, _) = try Self.begin()
      let application = try QueueApplication(server, "q", threads: true, processes: 2)
      for _ in 0..<5 {
        // Connections of both workers.
        let clients = try Self.ask(server, (0..<12).map { "/q/sleep/30/\($0)" })
        for worker in server.workers { send(signal: Signal.kill, toProcess: worker) }
        for client in clients { _ = try? client.response() }
      }
      #expect(eventually { Self.figure(server, "active") == 0 })
      #expect(Self.figure(server, "waiting") == 0)
      let clients = try Self.ask(server, (0..<12).map { "/q/sleep/1/\($0)" })
      for client in clients { #expect(try client.response().status == 200) }
      application.kill()
    }

    @Test func `a process is asked no more while it works on what nobody waits for`() throws {
      let (server, session) = try Self.begin()
      let application = try QueueApplication(server, "q")
      let gone = try Self.ask(server, ["/q/hold/1"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      gone[0].socket.close()
      // The next ones wait here, where they can go away, and not in the application's socket.
      for number in 0..<5 {
        let client = try Self.ask(server, ["/q/impatient/\(number)"])
        #expect(Self.waits(server, 1))
        client[0].socket.close()
        #expect(Self.waits(server, 0))
      }
      #expect(Self.figure(server, "active") == 1)
      QueueApplication.letGo(server)
      #expect(try server.get("/q/last").status == 200)
      #expect(QueueApplication.requests(server).count == 2)
      // A queue that has ended leaves nothing behind for the next one in its place.
      #expect(try session.ask("unregister", "--all").code == 0)
      application.kill()
    }

    @Test func `operators take a queue out of service, and in again`() throws {
      let (server, session) = try Self.begin()
      let application = try QueueApplication(server, "q")
      let held = try Self.ask(server, ["/q/hold/1"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let waiting = try Self.ask(server, ["/q/2"])
      #expect(Self.waits(server, 1))
      #expect(server.control("queue", "drain", "q").succeeded)
      #expect(try server.get("/q/new").status == 503)
      #expect(Self.figure(server, "waiting") == 1)
      QueueApplication.letGo(server)
      for client in held + waiting { #expect(try client.response().status == 200) }
      #expect(server.control("queue", "enable", "q").succeeded)
      #expect(try server.get("/q/new").status == 200)
      #expect(server.control("queue", "disable", "q").succeeded)
      #expect(try server.get("/q/new").status == 503)
      #expect(server.control("status", "--json").output.contains("\"Disabled\":2"))
      #expect(server.control("queue", "enable", "q").succeeded)
      // Whoever supervises it gives it up; while a process accepts, that is not so.
      #expect(try session.ask("offline", "q").code == 0)
      #expect(try server.get("/q/new").status == 200)
      application.kill()
      #expect(eventually { Self.figure(server, "processes") == 0 })
      #expect(try server.get("/q/new").status == 503)
      #expect(server.control("queue", "show").output.contains("q: offline, of user "))
      #expect(server.control("status", "--json").output.contains("\"AppOffline\":1"))
      #expect(try session.ask("online", "q").code == 0)
      let again = try QueueApplication(server, "q")
      #expect(try server.get("/q/new").status == 200)
      // What was said outlives the queue.
      #expect(server.control("queue", "disable", "q").succeeded)
      again.kill()
      #expect(try session.ask("unregister", "--all").code == 0)
      session.socket.close()
      #expect(eventually { server.control("queue", "show").output == "there are no queues\n" })
      let next = try ControlSession(server)
      #expect(try next.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      #expect(server.control("queue", "show").output.contains("q: disabled"))
      #expect(try eventually { try server.get("/q/new").status == 503 })
      #expect(server.control("queue", "enable", "q").succeeded)
      #expect(!server.control("queue", "drain", "nothing").succeeded)
      #expect(server.control("recycle", "q").output.contains("nobody supervises"))
      #expect(try next.ask("watch").code == 0)
      #expect(server.control("recycle", "q").succeeded)
      #expect(next.hears("recycle q"))
    }

    @Test func `connections are kept for who wants them, and are not used for another queue`()
      throws
    {
      let (server, session) = try Self.begin("--keepalive=on", workers: 1)
      let application = try QueueApplication(server, "q")
      for number in 0..<5 { #expect(try server.get("/q/\(number)").status == 200) }
      #expect(try session.ask("statistics", "q").text.contains("\"keepalive\":true"))
      // One at a time, and it has not gone on to a second connection.
      #expect(QueueApplication.requests(server).count == 5)
      application.kill()
      #expect(try session.ask("queue", "q", "--keepalive=off").code == 0)
      let other = try QueueApplication(server, "q")
      #expect(try server.get("/q/x").text.hasPrefix("\(other.program.pid) "))
      other.kill()
    }

    @Test func `bodies wait in the client's socket, and come whole`() throws {
      let (server, _) = try Self.begin()
      let application = try QueueApplication(server, "q")
      let held = try Self.ask(server, ["/q/hold/1"])
      #expect(eventually { QueueApplication.requests(server).count == 1 })
      let client = try server.open()
      let size = 3_000_000
      try client.send(
        "POST /q/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n")
      let body = [UInt8](repeating: 0x78, count: size)
      var sent = 0
      // As much as the sockets take.
      while sent < size, let count = try client.socket.sendSome(body[sent...]) { sent += count }
      #expect(Self.waits(server, 1))
      #expect(eventually { Self.figure(server, "waitingBytes") ?? 0 > 60_000 })
      #expect(Self.figure(server, "waitingBytes") ?? 0 < 140_000)
      QueueApplication.letGo(server)
      #expect(try held[0].response().status == 200)
      try client.send(String(repeating: "x", count: size - sent))
      #expect(try client.response().text.contains("/q/body \(size) "))
      application.kill()
    }

    @Test func `a session is told what is wrong with what it says of a queue`() throws {
      let (server, session) = try Self.begin()
      for (words, expected) in [
        ("queue\tq\t--length=x", "--length is a number"),
        ("queue\tq\t--age=0", "--age is a number from 1"),
        ("queue\tq\t--verbosity=loud", "basic, limited or full"),
        ("queue\tq\t--keepalive=yes", "on or off"), ("queue\tq\t--colour=red", "usage: queue"),
        ("queue\tq\t--concurrency=0", "from 1 to 1024"),
        ("queue\tq\t--group=nobody-has-it", "there is no group"),
        ("queue\tq\t--delegators=root,nobody-has-it", "there is no user"),
        ("processes\tq\t-1", "is no number from 0"), ("processes\tother\t1", "attach first"),
        ("offline\tother", "attach first"), ("attach\tq\t--processes=many", "--processes is a"),
        ("statistics", "usage: statistics"), ("connect\tnone", "attach first"),
        ("watch\tq", "usage: watch"), ("queue\tbad/name\t--age=1", "is no name of a queue"),
      ] {
        let answer = try session.ask(line: words)
        #expect(answer.code != 0 && answer.text.contains(expected), "\(words): \(answer)")
      }
      #expect(server.control("status").succeeded)
    }
  }
}
