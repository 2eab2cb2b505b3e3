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
      connection.security?.session.shutdown()
      Stream.shutdownSending(connection.descriptor)
      connection.input = nil
      connection.phaseByteCount = 0
      setDeadline(connection, now + Limits.lingerMilliseconds)
      setInterest(connection, .readable)
    case .handOver:
      connection.idleSince = now
      handOver(connection)
    case .close(let reason):
      close(connection, reason)
    }
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
