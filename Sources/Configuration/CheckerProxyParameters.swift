// The key=value words of ProxyPass, BalancerMember and ProxySet.

import HTTP
import Platform

/// One `key=value` word.
struct ProxyWord {
  let word: Word
  /// Lower case.
  let key: String
  let value: String

  /// nil without "=".
  init?(_ word: Word) {
    guard let equals = word.text.firstIndex(of: "=") else { return nil }
    self.word = word
    key = String(word.text[..<equals]).asciiLowercased
    value = String(word.text[word.text.index(after: equals)...])
  }
}

/// What the words say about a member.
struct ProxyMemberDraft {
  var parameters = ProxyParameters()
  /// `hcmethod`; nil: none, and then the rest of the check means nothing.
  var probe: HealthCheck.Probe?
  var health = HealthCheck()

  /// The parameters with the check they ask for.
  var finished: ProxyParameters {
    var result = parameters
    if let probe {
      result.healthCheck = health
      result.healthCheck?.probe = probe
    }
    return result
  }
}

extension Checker {
  /// Keys of httpd that tune its inside and change no response here.
  private static let idleKeys = [
    "min", "flushpackets", "flushwait", "flusher", "iobuffersize", "receivebuffersize",
    "keepalive", "addressttl", "ping", "growth", "nonce", "scolonpathdelim",
  ]
  private static let memberKeys = [
    "max", "smax", "ttl", "retry", "acquire", "connectiontimeout", "timeout", "disablereuse",
    "enablereuse", "loadfactor", "route", "status", "lbset", "upgrade", "responsefieldsize",
    "proxyprotocol", "slowstart", "hcmethod", "hcinterval", "hcpasses", "hcfails", "hcuri",
    "hctemplate",
  ]
  private static let balancerKeys = [
    "lbmethod", "key", "stickysession", "stickysessionsep", "nofailover", "maxattempts",
    "failonstatus", "failontimeout", "forcerecovery", "timeout",
  ]

  /// Says what is wrong with a key that neither list has.
  mutating func reportKey(_ entry: ProxyWord, isBalancer: Bool) {
    if Checker.idleKeys.contains(entry.key) {
      return warning("'\(entry.key)' has no effect here: it tunes the inside of httpd", entry.word)
    }
    let (own, other) =
      isBalancer
      ? (Checker.balancerKeys, Checker.memberKeys) : (Checker.memberKeys, Checker.balancerKeys)
    if other.contains(entry.key) {
      return error(
        isBalancer
          ? "'\(entry.key)' is about one member; it goes behind the URL of a BalancerMember"
          : "'\(entry.key)' is about a balancer; it goes behind ProxyPass … balancer://NAME or into"
            + " <Proxy \"balancer://NAME\"> with ProxySet", entry.word)
    }
    let hint = Spelling.nearest(to: entry.key, among: own).map { "; did you mean '\($0)'?" } ?? ""
    error("unknown parameter '\(entry.key)'\(hint)", entry.word)
  }

  /// Reads one word about a member; false if its key is none of a member's.
  mutating func readMember(_ entry: ProxyWord, _ draft: inout ProxyMemberDraft) -> Bool {
    switch entry.key {
    case "max":
      if let count = number(entry, 0...1_000_000) {
        draft.parameters.connectionsMax = count == 0 ? nil : count
      }
    case "smax": draft.parameters.idleConnectionsMin = number(entry, 0...1_000_000)
    case "ttl": set(&draft.parameters.idleMilliseconds, time(entry, from: 1))
    case "retry": set(&draft.parameters.retryMilliseconds, time(entry, from: 0))
    case "acquire": draft.parameters.acquireMilliseconds = time(entry, from: 1, unit: .milliseconds)
    case "connectiontimeout": draft.parameters.connectMilliseconds = time(entry, from: 1)
    case "timeout": draft.parameters.timeoutMilliseconds = time(entry, from: 1)
    case "disablereuse": set(&draft.parameters.disablesReuse, onOff(entry))
    case "enablereuse": set(&draft.parameters.disablesReuse, onOff(entry).map { !$0 })
    case "loadfactor": set(&draft.parameters.loadFactor, loadFactor(entry))
    case "route": readRoute(entry, &draft)
    case "status": readStatus(entry, &draft.parameters.status)
    case "lbset": set(&draft.parameters.set, number(entry, 0...99))
    case "upgrade": readUpgrade(entry, &draft)
    case "responsefieldsize":
      set(
        &draft.parameters.responseFieldBytesMax,
        number(entry, 0...1 << 20).map { $0 == 0 ? 8192 : $0 })
    case "proxyprotocol": readProxyProtocol(entry, &draft)
    case "slowstart": set(&draft.parameters.slowStartMilliseconds, time(entry, from: 0))
    default: return entry.key.hasPrefix("hc") && readHealth(entry, &draft)
    }
    return true
  }

  /// Reads one word about a check; false if its key is none of a check's.
  mutating func readHealth(_ entry: ProxyWord, _ draft: inout ProxyMemberDraft) -> Bool {
    switch entry.key {
    case "hcmethod":
      switch entry.value.asciiLowercased {
      case "none": draft.probe = nil
      case "tcp": draft.probe = .tcp
      case "options", "options11": draft.probe = .options
      case "head", "head11": draft.probe = .head
      case "get", "get11": draft.probe = .get
      default:
        error("none, TCP, OPTIONS, HEAD or GET is expected, not '\(entry.value)'", entry.word)
      }
    case "hcinterval": set(&draft.health.intervalMilliseconds, time(entry, from: 1))
    case "hcpasses": set(&draft.health.passes, number(entry, 1...1000))
    case "hcfails": set(&draft.health.fails, number(entry, 1...1000))
    case "hcuri":
      guard entry.value.hasPrefix("/"), !entry.value.utf8.contains(where: { $0 <= 32 || $0 == 127 })
      else {
        error("a path that starts with '/' is expected, not '\(entry.value)'", entry.word)
        break
      }
      draft.health.path = entry.value
    case "hctemplate":
      guard let template = healthTemplates[entry.value.asciiLowercased] else {
        error("no ProxyHCTemplate is named '\(entry.value)'", entry.word)
        break
      }
      draft.probe = template.probe
      draft.health = template.health
    case "hcexpr":
      error(
        "hcexpr is not implemented: a check succeeds with a status from 200 to 399", entry.word)
    default: return false
    }
    return true
  }

  /// Reads one word about a balancer; false if its key is none of a balancer's. `method` and `key`
  /// are put together when all words are read.
  mutating func readBalancer(_ entry: ProxyWord, _ draft: inout ProxyBalancerDraft) -> Bool {
    switch entry.key {
    case "lbmethod": draft.method = entry
    case "key": draft.key = entry
    case "stickysession": readSticky(entry, &draft)
    case "stickysessionsep":
      guard entry.value.utf8.count == 1 || entry.value.asciiLowercased == "off" else {
        error("one character or 'off' is expected, not '\(entry.value)'", entry.word)
        break
      }
      draft.balancer.stickySeparator = entry.value.utf8.count == 1 ? entry.value : ""
    case "nofailover": set(&draft.balancer.noFailover, onOff(entry))
    case "maxattempts": draft.balancer.retriesMax = number(entry, 0...1000)
    case "failonstatus": readFailOnStatus(entry, &draft)
    case "failontimeout": set(&draft.balancer.failsOnTimeout, onOff(entry))
    case "forcerecovery": set(&draft.balancer.forcesRecovery, onOff(entry))
    case "timeout": set(&draft.balancer.waitMilliseconds, time(entry, from: 1))
    default: return false
    }
    return true
  }

  // MARK: Values

  private func set<Value>(_ place: inout Value, _ value: Value?) {
    if let value { place = value }
  }

  private mutating func number(_ entry: ProxyWord, _ range: ClosedRange<Int>) -> Int? {
    if let value = ValueType.integer(entry.value), range.contains(value) { return value }
    error(
      "'\(entry.key)' is a number from \(range.lowerBound) to \(range.upperBound), not"
        + " '\(entry.value)'", entry.word)
    return nil
  }

  private mutating func onOff(_ entry: ProxyWord) -> Bool? {
    if let value = ValueType.onOff(entry.value) { return value }
    error("'\(entry.key)' is On or Off, not '\(entry.value)'", entry.word)
    return nil
  }

  private mutating func time(
    _ entry: ProxyWord, from least: Int, unit: DurationUnit = .seconds
  ) -> Int64? {
    guard let value = ValueType.milliseconds(entry.value, unit: unit) else {
      let bare = unit == .seconds ? "seconds" : "milliseconds"
      error(
        "'\(entry.key)' is a time: a number of \(bare), or one with s, ms, min or h; not"
          + " '\(entry.value)'", entry.word)
      return nil
    }
    guard (least...31_536_000_000).contains(value) else {
      error(
        "'\(entry.key)' is at least \(least == 0 ? "0" : "1 ms") and at most a year, not"
          + " '\(entry.value)'", entry.word)
      return nil
    }
    return Int64(value)
  }

  /// "1" … "100", with at most two decimals.
  private mutating func loadFactor(_ entry: ProxyWord) -> Int? {
    let parts = entry.value.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if parts.count <= 2, let whole = ValueType.integer(parts[0]), (1...100).contains(whole) {
      let decimals = parts.count == 2 ? parts[1] : "0"
      if (1...2).contains(decimals.utf8.count), let part = ValueType.integer(decimals), part >= 0 {
        let hundredths = whole * 100 + (decimals.utf8.count == 1 ? part * 10 : part)
        if hundredths <= 10_000 { return hundredths }
      }
    }
    error(
      "'loadfactor' is a number from 1 to 100, such as 2 or 1.5, not '\(entry.value)'", entry.word)
    return nil
  }

  private mutating func readRoute(_ entry: ProxyWord, _ draft: inout ProxyMemberDraft) {
    guard Checker.isToken(entry.value), entry.value.utf8.count <= 96 else {
      return error(
        "a route is a word of at most 96 letters, digits and signs, not '\(entry.value)'",
        entry.word)
    }
    draft.parameters.route = entry.value
  }

  /// "+H", "D-E", "SI"
  private mutating func readStatus(_ entry: ProxyWord, _ status: inout ProxyMemberStatus) {
    let letters: [Character: ProxyMemberStatus] = [
      "D": .disabled, "S": .stopped, "H": .hotStandby, "R": .hotSpare, "N": .draining,
      "I": .ignoresErrors, "E": .failed,
    ]
    var isSet = true
    for character in entry.value {
      if character == "+" || character == "-" {
        isSet = character == "+"
        continue
      }
      guard let flag = letters[Character(character.uppercased())] else {
        return error(
          "a status is made of D (disabled), S (stopped), H (hot standby), R (hot spare),"
            + " N (draining), I (ignores errors) and E (failed) behind + or -, not '\(character)'",
          entry.word)
      }
      if isSet { status.insert(flag) } else { status.remove(flag) }
    }
  }

  private mutating func readUpgrade(_ entry: ProxyWord, _ draft: inout ProxyMemberDraft) {
    let names = entry.value.asciiLowercased.split(separator: ",").map(String.init)
    if names == ["none"] {
      draft.parameters.upgrades = []
      return
    }
    if let odd = names.first(where: { $0 != "*" && !Checker.isToken($0) })
      ?? (names.isEmpty ? "" : nil)
    {
      return error(
        "a protocol such as websocket, ANY or NONE is expected, not '\(odd)'", entry.word)
    }
    draft.parameters.upgrades = names.map { $0 == "*" ? "any" : $0 }
  }

  private mutating func readProxyProtocol(_ entry: ProxyWord, _ draft: inout ProxyMemberDraft) {
    switch entry.value.asciiLowercased {
    case "off": draft.parameters.proxyProtocol = nil
    case "1", "v1": draft.parameters.proxyProtocol = .v1
    case "2", "v2": draft.parameters.proxyProtocol = .v2
    default: error("1, 2 or off is expected, not '\(entry.value)'", entry.word)
    }
  }

  /// "COOKIE" or "COOKIE|PARAMETER"
  private mutating func readSticky(_ entry: ProxyWord, _ draft: inout ProxyBalancerDraft) {
    let parts = entry.value.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    if let odd = parts.first(where: { !Checker.isToken($0) || $0.contains("|") }) {
      return error("COOKIE or COOKIE|PARAMETER is expected, not '\(odd)'", entry.word)
    }
    draft.balancer.stickyCookie = parts[0]
    draft.balancer.stickyParameter = parts.count > 1 ? parts[1] : parts[0]
  }

  private mutating func readFailOnStatus(_ entry: ProxyWord, _ draft: inout ProxyBalancerDraft) {
    var statuses: [Int] = []
    for part in entry.value.split(whereSeparator: { $0 == "," || $0 == " " }) {
      guard let status = ValueType.integer(String(part)), (100...599).contains(status) else {
        return error("statuses such as 500,503 are expected, not '\(part)'", entry.word)
      }
      statuses.append(status)
    }
    draft.balancer.failOnStatus = statuses
  }
}
