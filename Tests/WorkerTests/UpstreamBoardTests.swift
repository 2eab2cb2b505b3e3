// What processes know together of members, and what a worker makes of it.

import Configuration
import Foundation
import Platform
import Testing

@testable import Worker

private func member(_ port: UInt16, _ change: (inout ProxyParameters) -> Void = { _ in })
  -> ProxyMember
{
  var member = ProxyMember(
    name: "http://127.0.0.1:\(port)", scheme: .http,
    address: .host(name: "127.0.0.1", port: port), authority: "127.0.0.1:\(port)", path: "")
  change(&member.parameters)
  return member
}

private func named(_ name: String) -> ProxyMember {
  ProxyMember(
    name: "http://\(name)", scheme: .http, address: .host(name: name, port: 80), authority: name,
    path: "")
}

/// One balancer over some members, and workers of it.
private struct Bench {
  let board: UpstreamBoard
  let model: Model
  let places: [UpstreamPlace]

  init(_ members: [ProxyMember], _ change: (inout ProxyBalancer) -> Void = { _ in }) throws {
    var model = Model()
    model.proxyMembers = members
    var balancer = ProxyBalancer(name: "balancer://b", members: Array(members.indices))
    change(&balancer)
    model.proxyBalancers = [balancer]
    board = try UpstreamBoard()
    #expect(board.attach(members, now: 0))
    places = board.places(of: members).compactMap { $0 }
    #expect(places.count == members.count)
    self.model = model
  }

  func worker(_ slot: Int) -> Upstreams {
    board.open(slot: slot)
    return Upstreams(model, board, processSlot: slot)
  }
}

extension Upstreams {
  /// The member chosen; nil: none.
  fileprivate func pick(
    session: String? = nil, key: UInt64 = 0, tried: [Int] = [], now: Int64 = 1
  ) -> Int? {
    let outcome = choose(
      balancer: 0, session: session.map { Array($0.utf8) }, key: key, tried: tried, now: now)
    if case .member(let member, _) = outcome { return member }
    return nil
  }
}

@Suite struct `the board of members` {
  @Test func `members keep their places over reloads, and all that is known of them`() throws {
    let board = try UpstreamBoard()
    let first = [member(1), member(2), member(1) { $0.loadFactor = 300 }]
    #expect(board.attach(first, now: 0))
    let places = board.places(of: first).compactMap { $0 }
    #expect(Set(places).count == 3)
    board.fail(places[1], .connectTimeout, now: 10, retry: 1_000)
    board.setOrders(OperatorOrders(mask: .draining, value: .draining), places[0])
    let second = [member(9), member(2), member(1)]
    #expect(board.attach(second, now: 20))
    let after = board.places(of: second).compactMap { $0 }
    #expect(after[1] == places[1] && after[2] == places[0])
    #expect(board.failedUntil(after[1]) == 1_010 && board.lastFailure(after[1]) == .connectTimeout)
    #expect(board.orders(after[2]).applied(to: []) == .draining)
    board.release(keeping: Set(after))
    #expect(board.places(of: first) == [places[0], places[1], nil])
    #expect(board.attach(first, now: 30))
  }

  @Test func `more members than there are places are refused, and nothing changes`() throws {
    let board = try UpstreamBoard()
    let most = (0..<UpstreamBoard.memberCountMax).map { member(UInt16($0 + 1)) }
    #expect(board.attach(most, now: 0))
    #expect(Set(board.places(of: most).compactMap { $0 }).count == most.count)
    #expect(!board.attach([member(1), member(2_000)], now: 0))
    #expect(board.places(of: [member(2_000)]) == [nil])
    board.release(keeping: [])
    #expect(board.attach([member(1), member(2_000)], now: 0))
  }

  @Test func `what a killed worker was busy with has ended, and its counts are kept`() throws {
    let bench = try Bench([member(1), member(2)])
    bench.board.open(slot: 3)
    bench.board.open(slot: 7)
    let busy = { (count: Int) in bench.board.busy(bench.places[0]) == count }
    // Reads nothing that a thread of the test may hold: the child has only this one.
    let worker = bench.worker(7)
    let child = TestChild.fork {
      for _ in 0..<5 { worker.begin(0) }
      worker.end(0, sent: 10, received: 20)
    }
    for _ in 0..<5_000 where !busy(4) { Clock.pause(milliseconds: 1) }
    #expect(busy(4))
    TestChild.kill(child)
    #expect(busy(4))
    bench.board.clear(slot: 7)
    #expect(busy(0))
    #expect(bench.board.total(.bytesSent, bench.places[0]) == 10)
    #expect(bench.board.total(.bytesReceived, bench.places[0]) == 20)
    bench.worker(3).begin(0)
    #expect(busy(1))
  }

  @Test func `addresses are read whole or not at all`() throws {
    let board = try UpstreamBoard()
    let members = [named("one"), member(5)]
    #expect(board.attach(members, now: 0))
    let places = board.places(of: members).compactMap { $0 }
    #expect(board.addresses(places[0])?.list == [])
    #expect(!board.isLookedUp(places[0]))
    #expect(
      board.addresses(places[1])?.list == [SocketAddress(IPAddress(v4: 0x7f00_0001), port: 5)])
    let lists: [[SocketAddress]] = [
      (0..<8).map { SocketAddress(IPAddress(v6High: $0, low: $0), port: 1) },
      (0..<5).map { SocketAddress(IPAddress(v4: $0), port: 2) }, [],
    ]
    for list in lists {
      board.setAddresses(list, places[0], now: 5)
      #expect(board.addresses(places[0])?.list == list && board.isLookedUp(places[0]))
    }
    let many = (0..<20).map { SocketAddress(IPAddress(v4: $0), port: 2) }
    board.setAddresses(many, places[0], now: 5)
    #expect(board.addresses(places[0])?.list == Array(many.prefix(8)))
    board.noteUnresolved(places[0], problem: -2, now: 9)
    #expect(board.addresses(places[0])?.list.count == 8 && board.resolveProblem(places[0]) == -2)
    // A writer of another process, all the time.
    let writer = TestChild.fork {
      var turn = 0
      while true {
        board.setAddresses(lists[turn % 2], places[0], now: 5)
        turn += 1
      }
    }
    defer { TestChild.kill(writer) }
    var seen: Set<Int> = []
    for _ in 0..<200_000 {
      guard let (list, _) = board.addresses(places[0]) else { continue }
      if list.count != 8 || list[0].port == 1 { seen.insert(list.count) }
      let isWhole = list == lists[0] || list == lists[1] || list == Array(many.prefix(8))
      if !isWhole {
        Issue.record("\(list)")
        break
      }
    }
    #expect(!seen.isEmpty)
  }
}

@Suite struct `a worker's choice of members` {
  @Test func `several workers share the turns`() throws {
    let bench = try Bench([member(1), member(2) { $0.loadFactor = 300 }])
    let workers = [bench.worker(0), bench.worker(1), bench.worker(2)]
    var counts = [0, 0]
    for number in 0..<40 {
      let chosen = try #require(workers[number % 3].pick())
      counts[chosen] += 1
    }
    #expect(counts == [10, 30])
    #expect(bench.board.total(.elected, bench.places[1]) == 30)
  }

  @Test func `a failed member is left alone, then one request finds out`() throws {
    let bench = try Bench([member(1) { $0.retryMilliseconds = 1_000 }, member(2)])
    let (one, other) = (bench.worker(0), bench.worker(1))
    one.noteFailure(0, balancer: 0, .connect(code: 111), now: 100)
    for now in Int64(101)..<110 { #expect(other.pick(now: now) == 1) }
    #expect(other.pick(tried: [1], now: 200) == 0, "all others have been tried: it is forgiven")
    one.noteFailure(0, balancer: 0, .connect(code: 111), now: 300)
    let outcomes = (0..<6).map { _ in other.choose(balancer: 0, now: 1_400) }
    #expect(outcomes.count { $0 == .member(0, isProbe: true) } == 1)
    #expect(outcomes.count { $0 == .member(1, isProbe: false) } == 5)
    #expect(one.choose(balancer: 0, now: 1_401) == .member(1, isProbe: false))
    other.abandon(0)
    let again = (0..<6).map { _ in one.choose(balancer: 0, now: 1_402) }
    #expect(again.contains(.member(0, isProbe: true)))
    #expect(one.noteResponse(0, balancer: 0, status: 500, now: 1_500))
    #expect(Set((0..<4).map { _ in other.pick(now: 1_501) }) == [0, 1])
    #expect(bench.board.failuresInRow(bench.places[0]) == 0)
  }

  @Test func `when all have failed, forced recovery decides`() throws {
    let members = [member(1) { $0.retryMilliseconds = 5_000 }, member(2)]
    let forced = try Bench(members).worker(0)
    let patient = try Bench(members) { $0.forcesRecovery = false }.worker(0)
    for worker in [forced, patient] {
      for index in 0...1 {
        worker.noteFailure(index, balancer: 0, .connectTimeout, now: 1_000)
      }
    }
    #expect(forced.pick(now: 1_001) != nil)
    #expect(patient.choose(balancer: 0, now: 1_001) == .none(retryAfterSeconds: 5))
    #expect(patient.choose(balancer: 0, now: 6_000) == .member(0, isProbe: true))
  }

  @Test func `what an operator says counts more than the configuration`() throws {
    let bench = try Bench([member(1), member(2) { $0.status = .disabled }])
    let worker = bench.worker(0)
    #expect((0..<4).map { _ in worker.pick() } == [0, 0, 0, 0])
    bench.board.setOrders(
      OperatorOrders(mask: [.disabled, .stopped, .draining], value: []), bench.places[1])
    bench.board.setOrders(OperatorOrders(mask: .draining, value: .draining), bench.places[0])
    #expect((0..<4).map { _ in worker.pick() } == [1, 1, 1, 1])
    bench.board.setOrders(OperatorOrders(mask: .stopped, value: .stopped), bench.places[1])
    #expect(worker.choose(balancer: 0, now: 1) == .none(retryAfterSeconds: nil))
  }

  @Test func `a session stays with its member while that can be`() throws {
    let members = [member(1) { $0.route = "a" }, member(2) { $0.route = "b" }]
    let bench = try Bench(members) { $0.stickyCookie = "S" }
    let worker = bench.worker(0)
    for _ in 0..<5 { #expect(worker.pick(session: "1.b") == 1) }
    bench.board.setOrders(OperatorOrders(mask: .draining, value: .draining), bench.places[1])
    #expect(worker.pick(session: "1.b") == 1 && worker.pick() == 0)
    worker.noteFailure(1, balancer: 0, .connectTimeout, now: 1)
    #expect(worker.pick(session: "1.b", now: 2) == 0)
    let strict = try Bench(members) { $0.noFailover = true }
    let other = strict.worker(0)
    other.noteFailure(1, balancer: 0, .connectTimeout, now: 1)
    #expect(
      other.choose(balancer: 0, session: Array("1.b".utf8), now: 2) == .none(retryAfterSeconds: 60))
    #expect(other.pick(session: "1.c", now: 2) == 0)
  }

  @Test func `attempts are limited, and members that ignore errors never fail`() throws {
    let members = [member(1) { $0.status = .ignoresErrors }, member(2), member(3)]
    let worker = try Bench(members) { $0.retriesMax = 1 }.worker(0)
    #expect(worker.pick(tried: [1]) != nil)
    #expect(worker.pick(tried: [1, 2]) == nil)
    for _ in 0..<3 { worker.noteFailure(0, balancer: 0, .connectTimeout, now: 1) }
    #expect((0..<6).map { _ in worker.pick(now: 2) }.contains(0))
  }

  @Test func `members without addresses or in bad health are passed over`() throws {
    let bench = try Bench([named("one"), member(2) { $0.healthCheck = HealthCheck() }])
    let worker = bench.worker(0)
    #expect(worker.pick() == 1)
    bench.board.setHealth(.down, .connectTimeout, bench.places[1], now: 1)
    #expect(worker.choose(balancer: 0, now: 1) == .none(retryAfterSeconds: 1))
    let address = SocketAddress(IPAddress(v4: 7), port: 80)
    bench.board.setAddresses([address], bench.places[0], now: 1)
    #expect(worker.pick() == 0 && worker.endpoint(0) == .tcp([address]))
    bench.board.setHealth(.up, nil, bench.places[1], now: 1)
    #expect(Set((0..<4).map { _ in worker.pick() }) == [0, 1])
  }

  @Test func `hash, traffic and busyness choose by what workers share`() throws {
    let members = (1...4).map { member($0) }
    let hashing = try Bench(members) { $0.method = .hash(.path) }
    let (one, other) = (hashing.worker(0), hashing.worker(1))
    let keys = (0..<50).map { BalancingHash.of("/\($0)".utf8) }
    let owners = keys.map { one.pick(key: $0) }
    #expect(owners == keys.map { other.pick(key: $0) })
    #expect(Set(owners).count == 4)
    let busy = try Bench(members) { $0.method = .byBusyness }
    let (first, second) = (busy.worker(0), busy.worker(1))
    for _ in 0..<8 {
      let chosen = try #require(first.pick())
      first.begin(chosen)
    }
    #expect(busy.places.map { busy.board.busy($0) } == [2, 2, 2, 2])
    first.end(2, sent: 0, received: 0)
    #expect(second.pick() == 2)
    let traffic = try Bench(members) { $0.method = .byTraffic }
    let worker = traffic.worker(0)
    for index in 0..<3 {
      worker.begin(index)
      worker.end(index, sent: 100 << 20, received: 1)
    }
    var late = 0
    while worker.pick() == 3, late < 100 {
      worker.begin(3)
      worker.end(3, sent: 0, received: 1 << 20)
      late += 1
    }
    #expect((15...18).contains(late), "it catches up a little, not with everything")
  }
}
