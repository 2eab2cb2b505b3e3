// Servers behind this one, as the master sees them: their board, and the processes that look up
// their names and check their health.

import Configuration
import Platform
import Worker

/// One of both processes, which is made anew whenever it is to do something else.
struct UpstreamHelper<Work: Equatable> {
  let title: String
  /// Closed with this value: then the process ends by itself, also when the master is replaced.
  var life: Descriptor?
  var process: Int32?
  /// What the process does, and how it is locked in.
  var work: Work
  var identity: Identity?
  var mode = SandboxMode.off
  var backOff = BackOff()
  var lastStartAt: Int64 = 0
  var respawnAt: Int64?

  init(title: String, work: Work) {
    self.title = title
    self.work = work
  }
}

/// What the log was told last of a member.
struct ToldMember: Equatable {
  var health = HealthState.unknown
  var hasFailed = false
  var resolveProblem: Int32 = 0
}

/// What outlives the processes.
struct UpstreamSeat {
  let board: UpstreamBoard
  var resolver = UpstreamHelper<[ResolverTask]>(title: "name resolver", work: [])
  var checker = UpstreamHelper<[HealthTask]>(title: "health checker", work: [])
  /// Processes that were told to end because others have taken their place.
  var leaving: Set<Int32> = []
  var told: [UpstreamPlace: ToldMember] = [:]
  /// When to look after all this again.
  var tendAt: Int64 = 0

  /// Workers must not hold them.
  var ends: [Descriptor] { [resolver.life, checker.life].compactMap { $0 } }
  var processes: [Int32] {
    [resolver.process, checker.process].compactMap { $0 } + leaving.sorted()
  }

  init() throws(SystemError) { board = try UpstreamBoard() }
}

extension Master {
  /// Gives the members of a model their places. Throws before anything has changed.
  func attachUpstreams(_ model: Model) throws(Refusal) {
    guard !model.proxyMembers.isEmpty else { return }
    let now = Clock.monotonicMilliseconds()
    do {
      if upstreams == nil { upstreams = try UpstreamSeat() }
    } catch {
      throw Refusal("cannot make the table of proxy members: \(error)")
    }
    guard upstreams?.board.attach(model.proxyMembers, now: now) == true else {
      throw Refusal(
        "\(model.proxyMembers.count) proxy members are too many: all generations that serve or "
          + "drain may name \(UpstreamBoard.memberCountMax) different ones together")
    }
  }

  /// Members that no generation names any more are forgotten.
  func releaseUpstreams() {
    guard let board = upstreams?.board else { return }
    let kept = generations.values.flatMap { board.places(of: $0.model.proxyMembers) }
    board.release(keeping: Set(kept.compactMap { $0 }))
    let told = upstreams?.told ?? [:]
    upstreams?.told = told.filter { kept.contains($0.key) }
  }

  /// Members of all generations by place; where several name one, as the youngest has it.
  private func upstreamMembers() -> [UpstreamPlace: ProxyMember] {
    guard let board = upstreams?.board else { return [:] }
    var members: [UpstreamPlace: ProxyMember] = [:]
    for (_, record) in generations.sorted(by: { $0.key < $1.key }) {
      for (member, place) in zip(
        record.model.proxyMembers, board.places(of: record.model.proxyMembers))
      {
        if let place { members[place] = member }
      }
    }
    return members
  }

  // MARK: Processes

  /// Once a second, before each launch, and when one of them is to be started again.
  func tendUpstreams(_ now: Int64) {
    guard let board = upstreams?.board, !supervisor.isStopping else { return }
    upstreams?.tendAt = now + Limits.upstreamsMilliseconds
    let members = upstreamMembers().sorted { $0.key < $1.key }
    var names: [ResolverTask] = []
    var checks: [HealthTask] = []
    for (place, member) in members {
      if case .host(let host, let port) = member.address, IPAddress(host) == nil {
        names.append(ResolverTask(host: host, port: port, place: place))
      }
      if let check = member.parameters.healthCheck {
        checks.append(HealthTask(member, check, place))
      } else if board.health(place) != .unknown {
        board.setHealth(.unknown, nil, place, now: now)
      }
    }
    tend(\.resolver, names, isIdle: names.isEmpty, now) { [sandbox] life in
      let plan = SandboxPlan(
        kind: .resolver, mode: sandbox.mode, readablePaths: NameResolver.paths,
        connectPorts: [53], board: sandbox.board)
      return UpstreamResolver.run(names, board: board, life: life, sandbox: plan)
    }
    let ports = Master.connectPorts(members.map { $0.value })
    tend(\.checker, checks, isIdle: checks.isEmpty, now) { [sandbox] life in
      let plan = SandboxPlan(
        kind: .checker, mode: sandbox.mode, connectPorts: ports, board: sandbox.board)
      return HealthChecker.run(checks, board: board, life: life, sandbox: plan)
    }
    tellUpstreams(members)
  }

  /// TCP ports of members.
  static func connectPorts(_ members: [ProxyMember]) -> [UInt16] {
    Set(
      members.compactMap {
        if case .host(_, let port) = $0.address { port } else { nil }
      }
    ).sorted()
  }

  private func tend<Work: Equatable>(
    _ path: WritableKeyPath<UpstreamSeat, UpstreamHelper<Work>>, _ work: Work, isIdle: Bool,
    _ now: Int64, _ main: (Descriptor) -> Int32
  ) {
    guard let helper = upstreams?[keyPath: path] else { return }
    if let process = helper.process {
      let isRight =
        !isIdle && helper.work == work && helper.identity == identity
        && helper.mode == sandbox.mode
      if isRight { return }
      // Killed, because it may wait for DNS.
      ChildProcess.signal(process, SignalSource.kill)
      upstreams?.leaving.insert(process)
      upstreams?[keyPath: path].process = nil
      upstreams?[keyPath: path].life = nil
      upstreams?[keyPath: path].respawnAt = nil
    }
    guard !isIdle, upstreams?[keyPath: path].respawnAt ?? 0 <= now else { return }
    upstreams?[keyPath: path].work = work
    upstreams?[keyPath: path].identity = identity
    upstreams?[keyPath: path].mode = sandbox.mode
    upstreams?[keyPath: path].lastStartAt = now
    upstreams?[keyPath: path].respawnAt = nil
    do {
      let (theirs, mine) = try Pipe.open()
      upstreams?[keyPath: path].life = mine
      switch try ChildProcess.fork() {
      case .child:
        cache = nil
        becomeHelperProcess(keeping: [theirs])
        ChildProcess.exit(main(theirs))
      case .parent(let process): upstreams?[keyPath: path].process = process
      }
    } catch {
      log.write(.error, "cannot start the \(helper.title): \(error)")
      upstreams?[keyPath: path].respawnAt = now + Limits.backOffMaxMilliseconds
    }
  }

  /// Waits, a little while at most, until the names of a model have been looked up once: workers
  /// would refuse requests meanwhile.
  func awaitNames(_ model: Model) {
    guard let board = upstreams?.board else { return }
    let places = zip(model.proxyMembers, board.places(of: model.proxyMembers)).compactMap {
      member, place in
      if case .host = member.address { place } else { nil }
    }
    let end = Clock.monotonicMilliseconds() + Limits.namesMilliseconds
    while !places.allSatisfy({ board.isLookedUp($0) }), Clock.monotonicMilliseconds() < end {
      Clock.pause(milliseconds: 2)
    }
  }

  /// True: the process was one of these.
  func upstreamHelperEnded(_ process: Int32, _ end: ProcessEnd) -> Bool {
    guard let seat = upstreams else { return false }
    if upstreams?.leaving.remove(process) != nil { return true }
    if seat.resolver.process == process {
      ended(\.resolver, process, end)
    } else if seat.checker.process == process {
      ended(\.checker, process, end)
    } else {
      return false
    }
    return true
  }

  private func ended<Work: Equatable>(
    _ path: WritableKeyPath<UpstreamSeat, UpstreamHelper<Work>>, _ process: Int32,
    _ end: ProcessEnd
  ) {
    guard var helper = upstreams?[keyPath: path] else { return }
    helper.process = nil
    helper.life = nil
    upstreams?.tendAt = Clock.monotonicMilliseconds()
    if end != .exited(0), !supervisor.isStopping {
      log.write(.error, "\(helper.title) (pid \(process)) \(words(for: process, end))")
      let now = Clock.monotonicMilliseconds()
      let delay = helper.backOff.delay(afterLiving: now - helper.lastStartAt)
      helper.respawnAt = now + delay
      upstreams?.tendAt = now + min(delay, Limits.upstreamsMilliseconds)
    }
    upstreams?[keyPath: path] = helper
  }

  // MARK: The log

  /// What has changed since the last time: each member that fails, each that works again.
  private func tellUpstreams(_ members: [(key: UpstreamPlace, value: ProxyMember)]) {
    guard let board = upstreams?.board else { return }
    for (place, member) in members {
      let told = upstreams?.told[place] ?? ToldMember()
      let present = ToldMember(
        health: board.health(place), hasFailed: board.failuresInRow(place) > 0,
        resolveProblem: board.resolveProblem(place))
      if told == present { continue }
      upstreams?.told[place] = present
      let seconds = member.parameters.retryMilliseconds / 1_000
      for (level, text) in UpstreamSeat.news(
        told, present, health: board.healthFailure(place), failure: board.lastFailure(place),
        retrySeconds: seconds, hasAddress: board.addresses(place)?.list.isEmpty == false)
      {
        log.write(level, "proxy member \(member.name) \(text)")
      }
    }
  }
}

extension UpstreamSeat {
  /// Sentences for the log.
  static func news(
    _ told: ToldMember, _ present: ToldMember, health: UpstreamFailure?,
    failure: UpstreamFailure?, retrySeconds: Int64, hasAddress: Bool
  ) -> [(LogLevel, String)] {
    var news: [(LogLevel, String)] = []
    if told.health != present.health {
      switch present.health {
      case .down: news.append((.error, "is down: it \(health?.text ?? "does not answer")"))
      case .up where told.health == .down: news.append((.notice, "is up again"))
      case .up, .unknown: break
      }
    }
    if !told.hasFailed, present.hasFailed {
      let text = failure?.text ?? "failed"
      news.append((.error, "\(text); it is left alone for \(retrySeconds) s"))
    } else if told.hasFailed, !present.hasFailed {
      news.append((.notice, "works again"))
    }
    if told.resolveProblem != present.resolveProblem {
      if present.resolveProblem != 0 {
        let rest = hasAddress ? "; its old addresses are used" : ""
        news.append(
          (.error, "\(NameFailure(code: present.resolveProblem).text)\(rest)"))
      } else {
        news.append((.notice, "has an address again"))
      }
    }
    return news
  }
}

/// For `ring3ctl status`.
extension Master {
  var upstreamLines: [String] {
    guard let seat = upstreams else { return [] }
    return [
      (seat.resolver.title, seat.resolver.process), (seat.checker.title, seat.checker.process),
    ]
    .compactMap { title, process in process.map { "\(title) pid \($0)" } }
  }

  var upstreamJSON: JSON {
    func number(_ process: Int32?) -> JSON { process.map { .number(Int64($0)) } ?? .null }
    return .object([
      ("resolver", number(upstreams?.resolver.process)),
      ("checker", number(upstreams?.checker.process)),
    ])
  }
}
