// `ring3ctl proxy`: where requests are passed to, how that goes, and taking members out and in.

import Configuration
import Platform
import Worker

/// What an operator can say of a member while the server runs.
enum MemberOrder: String, CaseIterable {
  case enable, disable, stop, drain, standby, spare, reset

  /// What it does, for `--help`.
  var meaning: String {
    switch self {
    case .enable: return "takes requests again, at once even if it has failed"
    case .disable: return "takes none any more; those under way end by themselves"
    case .stop: return "the same"
    case .drain: return "takes only requests of sessions that it has"
    case .standby: return "takes requests when no other member of its set can"
    case .spare: return "takes the place of a member of its set that fails"
    case .reset: return "is what the configuration says"
    }
  }

  /// In the place of the configuration's flags; what it does not speak of stays as it is.
  var orders: OperatorOrders {
    let closed: ProxyMemberStatus = [.disabled, .stopped, .draining]
    switch self {
    case .enable: return OperatorOrders(mask: closed, value: [])
    case .disable: return OperatorOrders(mask: closed, value: .disabled)
    case .stop: return OperatorOrders(mask: closed, value: .stopped)
    case .drain: return OperatorOrders(mask: closed, value: .draining)
    case .standby:
      return OperatorOrders(mask: closed.union([.hotStandby, .hotSpare]), value: .hotStandby)
    case .spare:
      return OperatorOrders(mask: closed.union([.hotStandby, .hotSpare]), value: .hotSpare)
    case .reset: return .none
    }
  }
}

extension ControlCommand {
  /// The verbs about members of balancers.
  static let proxyTable: [ControlCommand] = [
    ControlCommand(
      verb: "proxy", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "balancers and their members: state, load, failures, health",
      details: """
        STATE is ok or what keeps a member from taking requests: disabled, stopped, draining, failed
        (with the seconds until it is tried again), down (health checks fail), unresolved (its name
        has no address); standby and spare are used in need only. BUSY is how many requests are
        under way. Counts begin with the master process.
        """,
      run: { master, request, _ in .now(master.proxyCommand(request)) }),
    ControlCommand(
      verb: "proxy set",
      usage: "MEMBER " + MemberOrder.allCases.map(\.rawValue).joined(separator: "|"),
      arity: 2...2, flags: [], help: "take a member out of service, or in again",
      details: ([
        "MEMBER is a URL as 'proxy' shows it. It holds over reloads, until the server ends."
      ]
        + MemberOrder.allCases.map { "\($0.rawValue): the member \($0.meaning)" })
        .joined(separator: "\n"),
      run: { master, request, _ in .now(master.proxySetCommand(request)) }),
  ]
}

/// One member as `ring3ctl proxy` shows it.
struct MemberReport: Equatable {
  var name = ""
  var states: [String] = []
  var set = 0
  /// Hundredths.
  var loadFactor = 100
  var route = ""
  var busy = 0
  var counts: [(name: String, value: UInt64)] = []
  var addresses: [String] = []
  var health = HealthState.unknown
  /// Seconds since 1970; 0: none.
  var healthSince: Int64 = 0
  /// Why it failed last; empty: it has not.
  var problem = ""

  static func == (left: MemberReport, right: MemberReport) -> Bool { left.json == right.json }

  var text: String {
    var text = "  \(name) \(states.joined(separator: ","))"
    if set != 0 { text += " set \(set)" }
    if loadFactor != 100 { text += " loadfactor \(MemberReport.decimal(loadFactor))" }
    if !route.isEmpty { text += " route \(route)" }
    text += " busy \(busy)"
    for count in counts { text += " \(count.name) \(count.value)" }
    if !addresses.isEmpty { text += " at \(addresses.joined(separator: " "))" }
    if health != .unknown { text += " health \(health.word)" }
    if !problem.isEmpty { text += "; last failure: \(problem)" }
    return text
  }

  /// 150: "1.5"
  static func decimal(_ hundredths: Int) -> String {
    if hundredths % 100 == 0 { return "\(hundredths / 100)" }
    let rest = hundredths % 100
    return "\(hundredths / 100)."
      + (rest % 10 == 0 ? "\(rest / 10)" : rest < 10 ? "0\(rest)" : "\(rest)")
  }

  var json: JSON {
    .object(
      [
        ("name", .string(name)), ("state", .strings(states)), ("set", .number(Int64(set))),
        ("loadFactor", .string(MemberReport.decimal(loadFactor))), ("route", .string(route)),
        ("busy", .number(Int64(busy))), ("addresses", .strings(addresses)),
        ("health", .string(health.word)), ("healthSince", .number(healthSince)),
        ("problem", .string(problem)),
      ] + counts.map { ($0.name, .number(Int64(clamping: $0.value))) })
  }
}

extension UpstreamBoard {
  /// What is known of a member now.
  func report(_ member: ProxyMember, _ place: UpstreamPlace, now: Int64) -> MemberReport {
    var report = MemberReport()
    report.name = member.name
    report.set = member.parameters.set
    report.loadFactor = member.parameters.loadFactor
    report.route = member.parameters.route ?? ""
    report.busy = busy(place)
    report.counts = UpstreamCounter.allCases.map { ($0.name, total($0, place)) }
    report.addresses = (addresses(place)?.list ?? []).map(\.description)
    report.health = health(place)
    report.healthSince = healthSince(place)
    report.problem =
      (report.health == .down ? healthFailure(place) : lastFailure(place))?.text ?? ""
    report.states = states(member, place, now)
    return report
  }

  private func states(
    _ member: ProxyMember, _ place: UpstreamPlace, _ now: Int64
  ) -> [String] {
    let status = orders(place).applied(to: member.parameters.status)
    let flags: [(ProxyMemberStatus, String)] = [
      (.disabled, "disabled"), (.stopped, "stopped"), (.draining, "draining"),
      (.hotStandby, "standby"), (.hotSpare, "spare"),
    ]
    var states = flags.filter { status.contains($0.0) }.map { $0.1 }
    if let until = failedUntil(place), !status.contains(.ignoresErrors) {
      states.append("failed(\(max(0, (until - now + 999) / 1_000))s)")
    }
    if health(place) == .down { states.append("down") }
    if case .host = member.address, addresses(place)?.list.isEmpty ?? true {
      states.append("unresolved")
    }
    return states.isEmpty ? ["ok"] : states
  }
}

extension Master {
  private static let unknown = ControlAnswer.failure(
    "what is serving now is not known to this binary; reload first\n")

  fileprivate func proxyCommand(_ request: ControlRequest) -> ControlAnswer {
    guard let model = currentModel else { return Master.unknown }
    guard let board = upstreams?.board, !model.namedBalancers.isEmpty else {
      return .success(
        request.wantsJSON ? "{\"balancers\":[]}\n" : "no request is passed to other servers\n")
    }
    let places = board.places(of: model.proxyMembers)
    let now = Clock.monotonicMilliseconds()
    let reports = model.namedBalancers.map { balancer in
      balancer.members.compactMap { index in
        places[index].map { board.report(model.proxyMembers[index], $0, now: now) }
      }
    }
    let pairs = zip(model.namedBalancers, reports)
    if request.wantsJSON {
      let balancers = pairs.map { balancer, members in
        JSON.object([
          ("name", .string(balancer.name)), ("method", .string(balancer.method.word)),
          ("members", .array(members.map(\.json))),
        ])
      }
      return .success(JSON.object([("balancers", .array(balancers))]).text + "\n")
    }
    let lines = pairs.flatMap { balancer, members in
      ["\(balancer.name) \(balancer.method.word)"] + members.map(\.text)
    }
    return .success(lines.map { $0 + "\n" }.joined())
  }

  fileprivate func proxySetCommand(_ request: ControlRequest) -> ControlAnswer {
    guard let model = currentModel else { return Master.unknown }
    let (name, word) = (request.arguments[0], request.arguments[1])
    guard let order = MemberOrder(rawValue: word) else {
      let words = MemberOrder.allCases.map(\.rawValue).joined(separator: ", ")
      return .failure("'\(word)' is nothing a member can be set to; try one of \(words)\n", code: 2)
    }
    guard let board = upstreams?.board else {
      return .failure("no request is passed to other servers\n")
    }
    let places = zip(model.proxyMembers, board.places(of: model.proxyMembers))
      .compactMap { member, place in member.name == name ? place : nil }
    guard !places.isEmpty else {
      return .failure("no member is called '\(name)'; 'proxy' lists them\n")
    }
    for place in places {
      board.setOrders(order.orders, place)
      if order == .enable || order == .reset { board.forgive(place) }
    }
    log.write(.notice, "proxy member \(name): \(word), by order")
    return .success("\(name): \(word)\n")
  }
}

extension BalancingMethod {
  /// As `lbmethod=` spells it.
  fileprivate var word: String {
    switch self {
    case .byRequests: return "byrequests"
    case .byTraffic: return "bytraffic"
    case .byBusyness: return "bybusyness"
    case .hash: return "hash"
    }
  }
}
