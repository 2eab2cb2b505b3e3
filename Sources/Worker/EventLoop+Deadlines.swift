// Deadlines: a walk over a flat array several times a second.

import Cache
import Configuration
import HTTP
import Platform
import TLS

extension EventLoop {
  /// Acts on every connection whose deadline has passed.
  func expireDeadlines() {
    for index in deadlines.indices where deadlines[index] <= now {
      deadlines[index] = .max
      guard let connection = connections[index] else {
        if let upstream = upstreams[index] { expireUpstream(upstream) }
        continue
      }
      if let http2 = connection.http2 {
        expireHTTP2(connection, http2)
      } else {
        perform(connection.state.deadlinePassed(), on: connection)
      }
    }
  }

  /// RequestReadTimeout: so many seconds for the first byte to the last of a head or body, more for
  /// a sender that keeps a minimum rate, up to a maximum (mod_reqtimeout).
  func extendReadDeadline(_ connection: Connection, _ timeout: ReadTimeout) {
    guard timeout.firstMilliseconds > 0 else {
      setDeadline(connection, now + policies[connection.site].timeoutMilliseconds)
      return
    }
    var allowed = timeout.firstMilliseconds
    if timeout.bytesPerSecondMin > 0 {
      let earned = Int64(connection.phaseByteCount) * 1000 / Int64(timeout.bytesPerSecondMin)
      allowed += earned
      if timeout.maxMilliseconds > 0 { allowed = min(allowed, timeout.maxMilliseconds) }
    }
    setDeadline(connection, connection.phaseStart + allowed)
  }

  /// Performs what the connection's machine decided.
  func perform(_ action: ConnectionState.Action, on connection: Connection) {
    switch action {
    case .none: break
    case .awaitRequest:
      beginIdle(connection)
      setInterest(connection, .readable)
      takeUpBuffered(connection)
    case .parseBuffered:
      connection.idleSince = now
      processInput(connection)
    case .discardBody:
      beginBody(connection)
    case .refuse(let status, let reason):
      refuse(connection, status: status, reason: reason)
    case .linger:
      if connection.security?.session.isSentByKernel == true {
        return close(connection, .connectionClose)
      }
      connection.security?.session.shutdown()
      Stream.shutdownSending(connection.descriptor)
      linger(connection)
    case .handOver:
      connection.idleSince = now
      handOver(connection)
    case .close(let reason):
      close(connection, reason)
    }
  }
}

/// Ends that take longer than close(2).
extension EventLoop {
  /// The client's last bytes are read and thrown away.
  private func linger(_ connection: Connection) {
    connection.input = nil
    connection.phaseByteCount = 0
    setDeadline(connection, now + Limits.lingerMilliseconds)
    setInterest(connection, .readable)
  }

  /// Linux counts a record that it makes as sent when the socket has taken a part of it, and lets
  /// go of the rest at shutdown(2), or at close(2) of a full socket (net/tls/tls_sw.c). So the
  /// descriptor of such a connection, which has ended in every other way, stays in the table until
  /// there is room, by which the rest goes; only then is the client told that this was all
  /// (`saysEnd`). False: it may be closed now.
  func departs(_ connection: Connection, saysEnd: Bool) -> Bool {
    guard let security = connection.security, security.session.isSentByKernel,
      security.session.isEstablished, !connection.isReset
    else { return false }
    guard !security.isDeparting else {
      // It had no room until its deadline.
      if connection.interest == .writable { resetOnClose(connection) }
      return false
    }
    let departing = Connection(
      descriptor: connection.descriptor, serial: takeSerial(), client: connection.client,
      listener: connection.listener, local: connection.local, keyPrefix: connection.keyPrefix)
    do throws(SystemError) {
      try poller.modify(departing.descriptor, token: departing.token, interest: .writable)
    } catch {
      errorLog.write(.error, "\(error)")
      return false
    }
    security.isDeparting = true
    security.saysEnd = saysEnd
    departing.security = security
    departing.interest = .writable
    departing.site = connection.site
    departing.state.departing()
    connections[Int(departing.descriptor)] = departing
    setDeadline(departing, now + policies[departing.site].timeoutMilliseconds)
    return true
  }

  /// The socket of a connection that departs has room again. The word of its end is a record too:
  /// there must be room once more before that is over.
  func continueDeparture(_ connection: Connection) {
    guard let security = connection.security, security.saysEnd else { return linger(connection) }
    security.saysEnd = false
    security.session.shutdown()
  }
}

extension RequestLimits {
  /// The head's limits hold before its Host is known, so the main server's hold for all sites.
  init(of site: Site) {
    self.init(
      requestLineBytesMax: site.limitRequestLineBytes, fieldCountMax: site.limitRequestFields,
      fieldBytesMax: site.limitRequestFieldBytes)
  }
}

extension Model {
  /// Whether a <VirtualHost> names an address, so that a wildcard listener's connections differ.
  var tellsLocalAddressesApart: Bool {
    sites.contains { site in site.addresses.contains { $0.address != nil } }
  }
}

/// One half of RequestReadTimeout; 0 means none.
struct ReadTimeout {
  var firstMilliseconds: Int64
  var maxMilliseconds: Int64
  var bytesPerSecondMin: Int
}

/// What of a site applies to every request on the hit path: plain numbers, no references.
struct SitePolicy {
  var keepAliveTimeoutMilliseconds: Int64
  /// 0: unlimited.
  var maxKeepAliveRequests: UInt32
  var keepAlive: Bool
  var timeoutMilliseconds: Int64
  var headFirstMilliseconds: Int64
  var headTimeout: ReadTimeout
  var bodyTimeout: ReadTimeout
  var logs: Bool
  /// Some log says how requests are passed on.
  let logsPassing: Bool

  init(_ site: Site) {
    keepAliveTimeoutMilliseconds = site.keepAliveTimeoutMilliseconds
    maxKeepAliveRequests = UInt32(clamping: site.maxKeepAliveRequests)
    keepAlive = site.keepAlive
    timeoutMilliseconds = site.timeoutMilliseconds
    let read = site.requestReadTimeout
    headTimeout = ReadTimeout(
      firstMilliseconds: read.headerFirstMilliseconds, maxMilliseconds: read.headerMaxMilliseconds,
      bytesPerSecondMin: read.headerBytesPerSecondMin)
    bodyTimeout = ReadTimeout(
      firstMilliseconds: read.bodyFirstMilliseconds, maxMilliseconds: read.bodyMaxMilliseconds,
      bytesPerSecondMin: read.bodyBytesPerSecondMin)
    headFirstMilliseconds =
      read.headerFirstMilliseconds > 0 ? read.headerFirstMilliseconds : site.timeoutMilliseconds
    logs = !site.accessLogs.isEmpty
    logsPassing = site.accessLogs.contains { $0.format == .proxied }
  }
}

extension Model {
  /// What the first site of a local address believes; nil: nobody says who the client is.
  func remoteIP(local: SocketAddress) -> RemoteIPSettings? {
    let settings = sites[site(local: local, host: []).site].remoteIP
    return settings.field.isEmpty && !settings.expectsProxyProtocol ? nil : settings
  }

  /// Whether connections in clear text to a local address may speak HTTP/2 from the start.
  func takesClearTextHTTP2(local: SocketAddress) -> Bool {
    let first = sites[site(local: local, host: []).site]
    return !isEncrypted(local: local) && first.http2.direct
      && first.protocols.contains(.http2ClearText)
  }
}
