// Connections to applications, and those of them that wait for their next request.

import Configuration
import HTTP
import Platform

/// A connection to a member. It carries one request at a time.
final class UpstreamConnection {
  let descriptor: CInt
  /// What epoll names it by.
  let token: UInt64
  /// Index into `Model.proxyMembers`.
  let member: Int
  /// The queue whose application is at the other end.
  let queue: QueueReference?
  /// Of that queue, while the application finishes something that nobody waits for.
  var credit: Int?
  var isConnected = false
  var interest: Interest
  /// It is no connection to a member: an application puts or gets something over it.
  var lent: LentExchange?
  /// The request under way; nil: it waits in the pool, or works on a plain one.
  var forwarding: Forwarding?
  var plainPass: PlainPass?
  /// Requests sent over it, the present one included.
  var requestCount = 0
  /// The beginning of a head that has not arrived whole.
  var input: ByteBuffer?
  /// How far it has been looked at.
  var progress = ParseProgress()
  /// Of the pool where it waits for its next request.
  fileprivate(set) var isIdle = false
  fileprivate var nextIdle: UpstreamConnection?
  /// The turn of the loop in which that began.
  private(set) var idleTurn: UInt64 = 0

  init(
    descriptor: CInt, token: UInt64, member: Int, queue: QueueReference?, interest: Interest
  ) {
    self.queue = queue
    self.descriptor = descriptor
    self.token = token
    self.member = member
    self.interest = interest
  }

  fileprivate func beginIdle(_ turn: UInt64) {
    isIdle = true
    idleTurn = turn
  }
}

/// The idle connections of one member, and how many there are in all; of this process.
final class UpstreamPool {
  /// A chain: the one used last comes first, the others may grow old and leave.
  private var firstIdle: UpstreamConnection?
  private(set) var idleCount = 0
  /// Open connections, idle ones included.
  var openCount = 0
  /// Requests that wait for a connection, because `max` are open; the oldest first.
  var waiting: [Forwarding] = [] { didSet { hasWaiting = !waiting.isEmpty } }
  private(set) var hasWaiting = false
  /// A connection may carry another request after its first.
  let reuses: Bool
  /// How long an idle one is kept.
  let idleMilliseconds: Int64
  /// The member's, for Host.
  let authority: [UInt8]
  /// What stands in front of each request's path.
  let path: [UInt8]
  let isFastCGI: Bool
  /// So many are kept beyond that.
  let idleCountMin: Int
  let parser: ResponseParser
  let cgiParser: CGIResponseParser

  init(_ member: ProxyMember) {
    let parameters = member.parameters
    authority = Array(member.authority.utf8)
    path = Array(member.path.utf8)
    isFastCGI = member.scheme.isFastCGI
    reuses = !parameters.disablesReuse && parameters.proxyProtocol == nil
    idleMilliseconds = parameters.idleMilliseconds
    idleCountMin = parameters.idleConnectionsMin ?? 0
    let limits = RequestLimits(
      fieldCountMax: 200, fieldBytesMax: parameters.responseFieldBytesMax, headerBytesMax: 131_072)
    parser = ResponseParser(limits: limits)
    cgiParser = CGIResponseParser(limits: limits)
  }

  /// Lets a connection wait for its next request.
  func putAside(_ connection: UpstreamConnection, turn: UInt64) {
    connection.beginIdle(turn)
    connection.nextIdle = firstIdle
    firstIdle = connection
    idleCount += 1
  }

  /// The connection for a request: the last one that epoll has been asked about since it is idle,
  /// or else the last one.
  func takeIdle(turn: UInt64) -> UpstreamConnection? {
    guard let first = firstIdle else { return nil }
    var found = first
    while found.idleTurn == turn, let next = found.nextIdle { found = next }
    if found.idleTurn == turn { found = first }
    remove(found)
    return found
  }

  /// It waits no more.
  func remove(_ connection: UpstreamConnection) {
    guard connection.isIdle else { return }
    if firstIdle === connection {
      firstIdle = connection.nextIdle
    } else {
      var before = firstIdle
      while let one = before, one.nextIdle !== connection { before = one.nextIdle }
      before?.nextIdle = connection.nextIdle
    }
    connection.nextIdle = nil
    connection.isIdle = false
    idleCount -= 1
  }
}

/// What each request asks of a balancer.
struct BalancerTraits {
  /// What a request says may decide which member takes it, or what is told of the choice.
  let looksAtRequests: Bool
  let hasFastCGI: Bool

  init(_ balancer: ProxyBalancer, _ members: [ProxyMember]) {
    looksAtRequests = balancer.members.count > 1 || !balancer.stickyCookie.isEmpty
    hasFastCGI = balancer.members.contains { members[$0].scheme.isFastCGI }
  }
}
