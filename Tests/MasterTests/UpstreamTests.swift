// Names and health of members: the pure parts, and both processes' loops on threads of the test.

import Configuration
import Foundation
import Platform
import Testing
import Worker

@testable import Master

private func member(_ port: UInt16, _ check: HealthCheck? = nil, path: String = "") -> ProxyMember {
  var member = ProxyMember(
    name: "http://127.0.0.1:\(port)\(path)", scheme: .http,
    address: .host(name: "127.0.0.1", port: port), authority: "127.0.0.1:\(port)", path: path)
  member.parameters.healthCheck = check
  return member
}

private func check(_ probe: HealthCheck.Probe, path: String = "") -> HealthCheck {
  var check = HealthCheck()
  check.probe = probe
  check.intervalMilliseconds = 100
  check.path = path
  return check
}

/// A server on a thread that answers each connection with the same bytes, until it is closed.
private final class Origin: @unchecked Sendable {
  let port: UInt16
  private let listener: Descriptor
  private let lock = NSLock()
  private var text = ""
  private var isOver = false
  private var asked: [String] = []

  init(_ answer: String) throws {
    text = answer
    listener = try ListeningSocket.bound(to: SocketAddress(IPAddress(v4: 0x7f00_0001), port: 0))
    port = Stream.localAddress(listener.number)?.port ?? 0
    try ListeningSocket.listen(listener, backlog: 16)
    Thread { self.serve() }.start()
  }

  var answer: String {
    get { lock.withLock { text } }
    set { lock.withLock { text = newValue } }
  }
  var questions: [String] { lock.withLock { asked } }

  func end() { lock.withLock { isOver = true } }

  private func serve() {
    while !lock.withLock({ isOver }) {
      guard case .accepted(let number, _) = Stream.accept(listener.number) else {
        Clock.pause(milliseconds: 2)
        continue
      }
      let socket = Descriptor(adopting: number)
      var received: [UInt8] = []
      let end = Clock.monotonicMilliseconds() + 200
      while !received.suffix(4).elementsEqual("\r\n\r\n".utf8),
        Clock.monotonicMilliseconds() < end
      {
        switch UnixSocket.receive(socket, byteCountMax: 4096) {
        case .bytes(let bytes): received += bytes
        case .wouldBlock: Clock.pause(milliseconds: 1)
        case .closed: received += Array("\r\n\r\n".utf8)
        }
      }
      lock.withLock { asked.append(String(decoding: received, as: UTF8.self)) }
      _ = UnixSocket.send(socket, Array(answer.utf8)[...])
    }
  }
}

/// Waits at most ten seconds.
private func eventually(_ condition: () -> Bool) -> Bool {
  let end = Clock.monotonicMilliseconds() + 10_000
  while Clock.monotonicMilliseconds() < end {
    if condition() { return true }
    Clock.pause(milliseconds: 2)
  }
  return false
}

@Suite(.timeLimit(.minutes(1))) struct `health of members` {
  @Test func `a question is what was configured`() {
    func question(_ member: ProxyMember, _ check: HealthCheck) -> String {
      String(decoding: HealthTask.question(member, check), as: UTF8.self)
    }
    let agent = "\r\nUser-Agent: Ring3 (health check)\r\nConnection: close\r\n\r\n"
    var own = member(80, path: "/app")
    #expect(question(own, check(.tcp)).isEmpty)
    #expect(
      question(own, check(.options)) == "OPTIONS /app HTTP/1.1\r\nHost: 127.0.0.1:80" + agent)
    #expect(
      question(own, check(.get, path: "/up?x")) == "GET /app/up?x HTTP/1.1\r\nHost: 127.0.0.1:80"
        + agent)
    own.parameters.proxyProtocol = .v1
    #expect(question(own, check(.head)).hasPrefix("PROXY UNKNOWN\r\nHEAD /app HTTP/1.1\r\n"))
    own.parameters.proxyProtocol = .v2
    #expect(HealthTask.question(own, check(.head)).prefix(17).last == UInt8(ascii: "H"))
    let bare = ProxyMember(
      name: "unix", scheme: .http, address: .unix(path: "/s"), authority: "x", path: "")
    #expect(question(bare, check(.get)).hasPrefix("GET / HTTP/1.1\r\nHost: x\r\n"))
    let script = ProxyMember(
      name: "fcgi", scheme: .fcgi, address: .unix(path: "/s"), authority: "x", path: "/a")
    #expect(question(script, check(.get)).isEmpty)
  }

  @Test func `an answer is judged by its first twelve bytes`() {
    let table: [(String, HealthAnswer)] = [
      ("", .needMore), ("H", .needMore), ("HTTP/1.1 20", .needMore), ("HTTP/1.1 200", .passed),
      ("HTTP/1.0 399 x", .passed), ("HTTP/1.1 404 ", .failed(.status(404))),
      ("HTTP/1.1 199", .failed(.status(199))), ("HTTP/1.1 503", .failed(.status(503))),
      ("HTTP/2.0 200", .failed(.badResponse)), ("SSH-2.0-x", .failed(.badResponse)),
      ("HTTP/1.x 200", .failed(.badResponse)), ("HTTP/1.1 2x0", .failed(.badResponse)),
      ("HTTP/1.1  20", .failed(.badResponse)), ("\0", .failed(.badResponse)),
    ]
    for (text, answer) in table {
      #expect(HealthAnswer.judge(Array(text.utf8)) == answer, "\(text)")
    }
  }

  @Test func `a state changes after enough checks in a row`() {
    var rules = check(.tcp)
    rules.passes = 2
    rules.fails = 3
    func states(_ start: HealthState, _ checks: String) -> String {
      var tally = HealthTally(start)
      return String(
        checks.map { mark in
          tally.note(passed: mark == "+", rules)
          return tally.state == .up ? "u" : tally.state == .down ? "d" : "?"
        })
    }
    #expect(states(.unknown, "+---+-++-") == "uuudddduu")
    #expect(states(.unknown, "--+--+---") == "??uuuuuud")
    #expect(states(.down, "+-++") == "dddu")
    #expect(states(.up, "--+--+---") == "uuuuuuuud")
  }

  @Test func `members are checked, and what is found stands on the board`() throws {
    let origin = try Origin("HTTP/1.1 200 OK\r\n\r\n")
    defer { origin.end() }
    let closed = try ListeningSocket.bound(
      to: SocketAddress(IPAddress(v4: 0x7f00_0001), port: 0))
    let nobody = try #require(Stream.localAddress(closed.number)).port
    let members = [
      member(origin.port, check(.get, path: "/up")), member(origin.port, check(.tcp), path: "/t"),
      member(nobody, check(.tcp)),
    ]
    let board = try UpstreamBoard()
    #expect(board.attach(members, now: Clock.monotonicMilliseconds()))
    let places = board.places(of: members).compactMap { $0 }
    let tasks = zip(members, places).map {
      HealthTask($0, $0.parameters.healthCheck ?? HealthCheck(), $1)
    }
    let life: Descriptor
    var master: Descriptor?
    do {
      let ends = try Pipe.open()
      life = ends.read
      master = ends.write
    }
    let ended = DispatchSemaphore(value: 0)
    Thread {
      if HealthChecker.run(tasks, board: board, life: life, sandbox: nil) == 0 { ended.signal() }
    }.start()
    func states() -> [HealthState] { places.map { board.health($0) } }
    #expect(eventually { states() == [.up, .up, .down] }, "\(states())")
    #expect(board.healthFailure(places[2])?.text == "cannot be reached: Connection refused")
    #expect(origin.questions.contains { $0.hasPrefix("GET /up HTTP/1.1\r\nHost: 127.0.0.1:") })
    board.fail(places[0], .status(500), now: Clock.monotonicMilliseconds(), retry: 60_000)
    #expect(eventually { board.failedUntil(places[0]) == nil }, "a check refutes it")
    origin.answer = "HTTP/1.1 503 Busy\r\n\r\n"
    #expect(eventually { states() == [.down, .up, .down] })
    #expect(board.healthFailure(places[0]) == .status(503))
    origin.answer = "HTTP/1.1 302 Found\r\n\r\n"
    try ListeningSocket.listen(closed, backlog: 4)
    #expect(eventually { states() == [.up, .up, .up] })
    #expect(master != nil)
    master = nil
    #expect(ended.wait(timeout: .now() + 10) == .success)
  }
}

@Suite(.timeLimit(.minutes(1))) struct `names of members` {
  @Test func `each name is looked up once, and an old address outlives a failure`() throws {
    func named(_ host: String, _ port: UInt16) -> ProxyMember {
      ProxyMember(
        name: "http://\(host):\(port)", scheme: .http, address: .host(name: host, port: port),
        authority: host, path: "")
    }
    let members = [named("localhost", 81), named("localhost", 82), named("a.invalid", 83)]
    let board = try UpstreamBoard()
    #expect(board.attach(members, now: 0))
    let places = board.places(of: members).compactMap { $0 }
    let old = SocketAddress(IPAddress(v4: 9), port: 83)
    board.setAddresses([old], places[2], now: 1)
    let tasks = zip(members, places).compactMap { member, place -> ResolverTask? in
      guard case .host(let host, let port) = member.address else { return nil }
      return ResolverTask(host: host, port: port, place: place)
    }
    #expect(UpstreamResolver.lookUp(tasks, board, while: { true }))
    for (place, port) in zip(places, [UInt16(81), 82]) {
      let list = try #require(board.addresses(place)?.list)
      #expect(!list.isEmpty && list.allSatisfy { $0.port == port && $0.address.isLoopback })
    }
    #expect(board.addresses(places[2])?.list == [old] && board.resolveProblem(places[2]) != 0)
    #expect(!UpstreamResolver.lookUp(tasks, board, while: { false }))
  }
}

@Suite struct `what the operator hears of members` {
  private func news(_ told: ToldMember, _ present: ToldMember) -> [String] {
    UpstreamSeat.news(
      told, present, health: .connect(code: 111), failure: .responseTimeout, retrySeconds: 60,
      hasAddress: true
    ).map { $0.1 }
  }

  @Test func `each change has one line`() {
    let well = ToldMember()
    #expect(news(well, well).isEmpty)
    #expect(news(well, ToldMember(health: .up)).isEmpty)
    #expect(
      news(ToldMember(health: .up), ToldMember(health: .down))
        == ["is down: it cannot be reached: Connection refused"])
    #expect(news(ToldMember(health: .down), ToldMember(health: .up)) == ["is up again"])
    let failed = ToldMember(hasFailed: true)
    #expect(news(well, failed) == ["does not answer in time; it is left alone for 60 s"])
    #expect(news(failed, well) == ["works again"])
    let lost = ToldMember(resolveProblem: -2)
    #expect(news(well, lost)[0].hasSuffix("; its old addresses are used"))
    #expect(news(lost, well) == ["has an address again"])
  }

  @Test func `a report names what keeps a member from taking requests`() throws {
    var own = member(80)
    own.parameters.status = [.hotStandby, .draining]
    own.parameters.loadFactor = 150
    own.parameters.route = "r"
    let board = try UpstreamBoard()
    #expect(board.attach([own], now: 0))
    let place = try #require(board.places(of: [own])[0])
    #expect(board.report(own, place, now: 0).states == ["draining", "standby"])
    board.setOrders(MemberOrder.enable.orders, place)
    #expect(board.report(own, place, now: 0).states == ["standby"])
    board.setOrders(MemberOrder.spare.orders, place)
    #expect(board.report(own, place, now: 0).states == ["spare"])
    board.setOrders(MemberOrder.reset.orders, place)
    board.fail(place, .connectTimeout, now: 0, retry: 1_500)
    board.setHealth(.down, .connect(code: 111), place, now: 0)
    let report = board.report(own, place, now: 100)
    #expect(report.states == ["draining", "standby", "failed(2s)", "down"])
    #expect(report.text.hasPrefix("  http://127.0.0.1:80 draining,standby,failed(2s),down "))
    #expect(report.text.contains(" loadfactor 1.5 route r busy 0 elected 0 failures 0 "))
    #expect(report.json.text.contains("\"addresses\":[\"127.0.0.1:80\"]"))
    for (value, text) in [(100, "1"), (150, "1.5"), (1_005, "10.05"), (10_000, "100")] {
      #expect(MemberReport.decimal(value) == text)
    }
  }

  @Test func `the words of the control socket lead to the verbs`() throws {
    func find(_ line: String) -> Result<ControlCommand, Refusal>? {
      let bytes = Array((line.replacing(" ", with: "\t") + "\n").utf8)
      guard case .request(let request) = ControlRequest.parse(bytes) else { return nil }
      return ControlCommand.find(request)
    }
    #expect(try find("proxy")?.get().verb == "proxy")
    #expect(try find("proxy --json")?.get().verb == "proxy")
    #expect(try find("proxy set http://a drain")?.get().verb == "proxy set")
    #expect(throws: Refusal.self) { _ = try find("proxy set http://a")?.get() }
    #expect(throws: Refusal.self) { _ = try find("proxy list")?.get() }
  }

  @Test func `only workers that pass requests on may connect, and by Unix sockets only if so`() {
    var model = Model()
    #expect(Master.workerKind(of: model) == .worker)
    model.proxyMembers = [member(81), member(80), member(81, path: "/x")]
    #expect(Master.workerKind(of: model) == .proxyWorker)
    #expect(Master.connectPorts(model.proxyMembers) == [80, 81])
    model.proxyMembers.append(
      ProxyMember(
        name: "u", scheme: .fcgi, address: .unix(path: "/run/x"), authority: "x", path: ""))
    #expect(Master.workerKind(of: model) == .unixProxyWorker)
    #expect(Master.connectPorts(model.proxyMembers) == [80, 81])
  }
}
