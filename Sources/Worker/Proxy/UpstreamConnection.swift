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
  var isConnected = false
  var interest: Interest
  /// The request under way; nil: it waits in the pool.
  var forwarding: Forwarding?
  /// Requests sent over it, the present one included.
  var requestCount = 0
  /// The beginning of a head that has not arrived whole.
  var input: ByteBuffer?
  /// How far it has been looked at.
  var progress = ParseProgress()

  init(descriptor: CInt, token: UInt64, member: Int, interest: Interest) {
    self.descriptor = descriptor
    self.token = token
    self.member = member
    self.interest = interest
  }
}

/// The idle connections of one member, and how many there are in all; of this process.
struct UpstreamPool {
  /// The one used last comes first: the others may grow old and leave.
  var idle: [UpstreamConnection] = []
  /// Open connections, idle ones included.
  var openCount = 0
  /// Requests that wait for a connection, because `max` are open; the oldest first.
  var waiting: [Forwarding] = []
  /// A connection may carry another request after its first.
  let reuses: Bool
  /// How long an idle one is kept.
  let idleMilliseconds: Int64

  init(_ parameters: ProxyParameters) {
    reuses = !parameters.disablesReuse && parameters.proxyProtocol == nil
    idleMilliseconds = parameters.idleMilliseconds
  }
}
