// A run of the load test: many connections, one loop, and an account of all that happened.

import TestSupport

/// What a run counted.
struct LoadAccount {
  var completed = 0
  /// Requests that failed on a connection that no killed worker held.
  var failed = 0
  var wrong = 0
  var connectionsOpened = 0
  /// Connections that the server ended although no worker was killed under them, and without
  /// having said so.
  var closedByServer = 0
  /// Connections that the server ended when it had said so and answered everything.
  var left = 0
  var refused = 0
  /// Connections whose connect or request took longer than a second.
  var slow = 0
  var kills = 0
  /// Requests in flight on a killed worker, and connections that were idle there.
  var cutInFlight = 0
  var cutIdle = 0
  /// The first few things that went wrong, in words.
  var remarks: [String] = []

  mutating func remark(_ text: String) {
    if remarks.count < 12 { remarks.append(text) }
  }

  var isClean: Bool { failed == 0 && wrong == 0 && closedByServer == 0 && refused == 0 }
}

/// What the clients speak.
enum LoadProtocol: String, CaseIterable {
  case http1 = "http/1.1"
  case h2c
  case tls = "https"
  case h2
}

final class LoadRun {
  let port: UInt16
  let spoken: LoadProtocol
  private let context: TLSClientContext?
  let clients: Int
  let seconds: Int
  var requests: RequestSource
  /// nil: nobody is killed.
  var killer: WorkerKiller?

  private(set) var account = LoadAccount()
  private var connections: [(any LoadConnection)?] = []

  init(
    port: UInt16, spoken: LoadProtocol, authorityPath: String?, clients: Int, seconds: Int,
    seed: UInt64, killer: WorkerKiller?
  ) throws {
    self.port = port
    self.spoken = spoken
    context = try authorityPath.map { try TLSClientContext(authorityPath: $0) }
    self.clients = clients
    self.seconds = seconds
    self.killer = killer
    requests = RequestSource(sites: LoadSite.all(), generator: SplitMix(state: seed))
  }

  /// Runs for the time given, then waits for what is outstanding.
  func run() -> LoadAccount {
    connections = Array(repeating: nil, count: clients)
    let end = monotonicMilliseconds() + Int64(seconds * 1000)
    let patience = end + 10_000
    while true {
      let now = monotonicMilliseconds()
      let isOver = now >= end
      if isOver && (connections.allSatisfy { $0?.outstanding.isEmpty ?? true } || now > patience) {
        break
      }
      if !isOver {
        killer?.killIfDue(now: now, connections: connections.compactMap { $0 }, &account)
        for place in connections.indices { advance(place, now: now) }
      }
      serveReady()
    }
    for case .some(let connection) in connections where !connection.outstanding.isEmpty {
      account.failed += connection.outstanding.count
      account.remark("no answer to \(connection.outstanding[0].description)")
    }
    return account
  }

  /// Opens a connection that is missing; asks for something where a client is done thinking.
  private func advance(_ place: Int, now: Int64) {
    guard let connection = connections[place] else {
      open(place)
      return
    }
    guard connection.outstanding.isEmpty else { return }
    if connection.isLeaving {
      account.left += 1
      return open(place)
    }
    guard now >= connection.nextRequestAt else { return }
    // Now and then three at once; not where a response may say that it is the last.
    let count = spoken != .tls && requests.generator.below(8) == 0 ? 3 : 1
    let batch = (0..<count).map { _ in requests.next() }
    perform(place) { try connection.ask(batch, now: now) }
  }

  private func open(_ place: Int) {
    let started = monotonicMilliseconds()
    do {
      connections[place] = try connect()
      account.connectionsOpened += 1
    } catch {
      account.refused += 1
      account.remark("connect: \(error)")
      pause(milliseconds: 20)
    }
    if monotonicMilliseconds() - started > 1000 { account.slow += 1 }
  }

  private func connect() throws -> any LoadConnection {
    guard spoken == .tls || spoken == .h2 else {
      let socket = try ClientSocket(port: port, timeoutMilliseconds: 5000)
      return spoken == .h2c ? LoadConnection2(socket, scheme: "http") : LoadConnection1(socket)
    }
    var offer = TLSOffer(
      serverName: "www.load.test", protocols: spoken == .h2 ? ["h2"] : ["http/1.1"])
    offer.context = context
    let channel = try TLSChannel(port: port, offer: offer, timeoutMilliseconds: 5000)
    return spoken == .h2 ? LoadConnection2(channel, scheme: "https") : LoadConnection1(channel)
  }

  private func serveReady() {
    let places = connections.indices.filter { connections[$0] != nil }
    let interests = places.compactMap { place in
      connections[place].map { Interest($0.channel.socket, wantsOutput: $0.wantsOutput) }
    }
    guard !interests.isEmpty else { return }
    for index in ready(interests, milliseconds: 2) {
      let place = places[index]
      guard let connection = connections[place] else { continue }
      perform(place) {
        try connection.flush()
        let now = monotonicMilliseconds()
        let waited = now - connection.waitingSince
        let completed = try connection.receive(now: now)
        guard completed > 0 else { return }
        account.completed += completed
        if waited > 1000 { account.slow += 1 }
        connection.nextRequestAt = now + thinkTime(place)
      }
    }
  }

  /// A quarter of the clients never rests, half rests briefly, a quarter is idle most of the time:
  /// those are the connections that a reload hands over.
  private func thinkTime(_ place: Int) -> Int64 {
    switch place % 4 {
    case 0: return 0
    case 1, 2: return Int64(requests.generator.below(20))
    default: return Int64(requests.generator.below(1500))
    }
  }

  private func perform(_ place: Int, _ step: () throws -> Void) {
    do {
      try step()
    } catch LoadFault.wrong(let text) {
      account.wrong += 1
      account.remark(text)
      connections[place] = nil
    } catch {
      guard let connection = connections[place] else { return }
      connections[place] = nil
      if connection.isLeaving, connection.outstanding.isEmpty {
        account.left += 1
        return
      }
      if connection.isDoomed {
        account.cutInFlight += connection.outstanding.count
        if connection.outstanding.isEmpty { account.cutIdle += 1 }
        return
      }
      account.closedByServer += 1
      account.failed += connection.outstanding.count
      let what = connection.outstanding.first.map { "during \($0.description)" } ?? "while idle"
      account.remark("the server closed a connection \(what): \(error)")
    }
  }
}
