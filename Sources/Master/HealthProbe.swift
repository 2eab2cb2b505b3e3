// One health check, without its connection: what is asked, what counts as well, what follows.

import Configuration
import Platform
import Worker

/// One member that is checked.
struct HealthTask: Hashable, Sendable {
  let place: UpstreamPlace
  let check: HealthCheck
  /// nil: its addresses stand on the board.
  let unixPath: [UInt8]?
  /// What is sent once a connection is there; empty: the connection suffices.
  let question: [UInt8]
  /// For all of one check.
  let timeoutMilliseconds: Int64

  init(_ member: ProxyMember, _ check: HealthCheck, _ place: UpstreamPlace) {
    self.place = place
    self.check = check
    if case .unix(let path) = member.address {
      unixPath = Array(path.utf8)
    } else {
      unixPath = nil
    }
    question = HealthTask.question(member, check)
    let parameters = member.parameters
    let wanted = parameters.connectMilliseconds ?? parameters.timeoutMilliseconds ?? 10_000
    // One check of a member at a time, but none that no server could pass.
    timeoutMilliseconds = min(wanted, max(1_000, check.intervalMilliseconds))
  }

  /// RFC 9112. FastCGI has no cheap question: of it a connection suffices, whatever is configured.
  static func question(_ member: ProxyMember, _ check: HealthCheck) -> [UInt8] {
    guard check.probe != .tcp, member.scheme == .http else { return [] }
    var path = member.path + check.path
    if !path.hasPrefix("/") { path = "/" + path }
    let head =
      "\(check.probe.rawValue) \(path) HTTP/1.1\r\nHost: \(member.authority)\r\n"
      + "User-Agent: Ring3 (health check)\r\nConnection: close\r\n\r\n"
    return greeting(member.parameters.proxyProtocol) + Array(head.utf8)
  }

  /// The PROXY protocol of a connection that nobody else has caused: UNKNOWN, LOCAL.
  private static func greeting(_ version: ProxyProtocolVersion?) -> [UInt8] {
    switch version {
    case nil: return []
    case .v1: return Array("PROXY UNKNOWN\r\n".utf8)
    case .v2:
      let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
      return signature + [0x20, 0, 0, 0]
    }
  }
}

/// What the first bytes of a response say.
enum HealthAnswer: Equatable {
  case needMore
  case passed
  case failed(UpstreamFailure)

  /// "HTTP/1.1 200": 2xx and 3xx are well, as in mod_proxy_hcheck. The rest of the response is of
  /// no interest.
  static let byteCount = 12

  static func judge(_ bytes: [UInt8]) -> HealthAnswer {
    let version = Array("HTTP/1.".utf8)
    guard bytes.prefix(version.count) == version[...].prefix(bytes.count) else {
      return .failed(.badResponse)
    }
    guard bytes.count >= byteCount else { return .needMore }
    let digits = bytes[9..<12].map { Int($0) - 48 }
    guard (48...57).contains(bytes[7]), bytes[8] == 32, digits.allSatisfy({ (0...9).contains($0) })
    else { return .failed(.badResponse) }
    let status = digits[0] * 100 + digits[1] * 10 + digits[2]
    return (200...399).contains(status) ? .passed : .failed(.status(status))
  }
}

/// What many checks in a row come to.
struct HealthTally: Equatable {
  private(set) var state: HealthState
  private var inRow = 0
  private var lastPassed = true

  init(_ state: HealthState) { self.state = state }

  /// One check has ended.
  mutating func note(passed: Bool, _ check: HealthCheck) {
    if passed != lastPassed { inRow = 0 }
    lastPassed = passed
    inRow += 1
    // Of a member that was never checked the first success says enough.
    let wanted = passed ? (state == .unknown ? 1 : check.passes) : check.fails
    if inRow >= wanted { state = passed ? .up : .down }
  }
}
