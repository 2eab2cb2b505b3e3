// TLS: agree with a client, show it the right certificate, and say why when that fails.

import Configuration
import HTTP
import Platform
import TLS

extension EventLoop {
  /// A client of an encrypted address has connected: the next bytes are its hello.
  func beginHandshake(_ connection: Connection) {
    guard let certificates else { return close(connection, .tlsNoCertificate) }
    do throws(TLSError) {
      connection.security = ConnectionSecurity(
        try TLSSession(
          context: certificates.hello, descriptor: connection.descriptor, workspace: tlsWorkspace))
    } catch {
      errorLog.write(.error, "\(error)", client: connection.client)
      return close(connection, .internal)
    }
    connection.state.handshakeBegun()
    connection.site =
      model.handshakeSite(local: localAddress(of: connection), serverName: nil)?.site ?? 0
    setDeadline(
      connection, now + handshakeMilliseconds(connection.site))
    makeHandshakeRoom()
    handshakes.begin(connection.token)
  }

  private func isHandshaking(_ token: UInt64) -> Bool {
    (stream(of: token) as? Connection)?.security?.isHandshaking ?? false
  }

  /// `RequestReadTimeout handshake=`; 0 there leaves it to `Timeout`.
  private func handshakeMilliseconds(_ site: Int) -> Int64 {
    let own = model.sites[site].requestReadTimeout.handshakeMilliseconds
    return own > 0 ? own : policies[site].timeoutMilliseconds
  }

  /// `SSLHandshakesMax`: an open handshake costs memory and, once the client goes on, time. Who has
  /// taken longest makes room; an honest client is done in two round trips.
  private func makeHandshakeRoom() {
    let limit = model.server.handshakesMax
    while let token = handshakes.oldest {
      if let connection = stream(of: token) as? Connection, isHandshaking(token) {
        guard limit > 0, handshakes.openCount >= limit else { return }
        close(connection, .handshakeLimit)
      }
      handshakes.forgetOldest()
    }
  }

  /// Goes as far as the client's bytes reach.
  func continueHandshake(_ connection: Connection) {
    guard let security = connection.security else { return }
    while true {
      switch security.session.handshake() {
      case .wantsRead: return setInterest(connection, .readable)
      case .wantsWrite: return setInterest(connection, .writable)
      case .helloReceived:
        guard chooseCertificate(connection, security) else { return }
      case .done: return finishHandshake(connection, security)
      case .failed(let failure): return failHandshake(connection, failure)
      }
    }
  }

  /// The name is known: whose certificates and rules are these? False: the handshake waits or has
  /// ended.
  private func chooseCertificate(
    _ connection: Connection, _ security: ConnectionSecurity
  ) -> Bool {
    let name = security.session.serverName
    guard certificates != nil,
      let match = model.handshakeSite(local: localAddress(of: connection), serverName: name)
    else {
      security.session.refuse(.unrecognizedName)
      return true
    }
    connection.site = match.site
    security.site = match.site
    security.hasServerName = name != nil
    switch choose(site: match.site, serverName: name, for: connection) {
    case .context(let context):
      security.session.choose(context)
      return true
    case .awaited:
      setInterest(connection, [])
      return false
    case .none:
      security.session.refuse(.unrecognizedName)
      return true
    }
  }

  private func finishHandshake(_ connection: Connection, _ security: ConnectionSecurity) {
    endHandshake(security)
    connection.state.handshakeEnded()
    scoreboard.add(to: .handshakes, slot: slot)
    if security.session.isResumed { scoreboard.add(to: .handshakesResumed, slot: slot) }
    let isOwn =
      model.admission(
        of: security.site, handshakeSite: security.site, hasServerName: security.hasServerName,
        isHTTP2: false) == .allowed
    security.admittedSite = isOwn ? security.site : -1
    if security.session.isHTTP2 { beginHTTP2(connection) }
    beginIdle(connection)
    setInterest(connection, .readable)
    // The first request may have come with the end of the handshake.
    if security.session.hasBufferedInput { receive(connection) }
  }

  private func failHandshake(_ connection: Connection, _ failure: TLSFailure) {
    let reason = EndReason(failure)
    log(of: connection).write(
      reason == .internal ? .error : .info, "TLS handshake: \(failure)", client: connection.client)
    guard reason == .tlsPlainRequest else { return close(connection, reason) }
    // Whoever typed http:// for an https address is told so, in clear text.
    connection.security.map(endHandshake)
    connection.security = nil
    connection.state.handshakeEnded()
    connection.state.requestBegun(keepAlive: false, hasBody: false)
    refuse(connection, status: 400, reason: reason)
  }

  /// It is over, well or not.
  func endHandshake(_ security: ConnectionSecurity) {
    guard security.isHandshaking else { return }
    security.isHandshaking = false
    handshakes.end()
  }

  /// Whether a request for a site may come over the connection that a stream is of.
  func admission(of site: Int, on stream: RequestStream) -> ConnectionAdmission {
    let connection = carrier(of: stream)
    guard let security = connection.security, site != security.admittedSite else {
      return .allowed
    }
    return model.admission(
      of: site, handshakeSite: security.site, hasServerName: security.hasServerName,
      isHTTP2: connection.http2 != nil)
  }
}

/// What the encryption of a connection knows.
final class ConnectionSecurity {
  let session: TLSSession
  var isHandshaking = true
  /// Its connection has ended but for what the kernel has still to send.
  var isDeparting = false
  /// It is still to be told that this was all.
  var saysEnd = false
  /// Its turn comes without an event of the socket.
  var isQueued = false
  /// Whose certificate the client was shown.
  var site = 0
  var hasServerName = false
  /// Requests for this site are right here without further questions; -1: for none.
  var admittedSite = -1

  init(_ session: TLSSession) { self.session = session }

  /// Whether HTTP/2 may go over it: with ephemeral keys and authenticated encryption, which TLS 1.3
  /// always has (RFC 9113 §9.2.2 and its appendix A).
  var isModern: Bool {
    let name = session.cipherName
    return name.hasPrefix("TLS_")
      || name.hasPrefix("ECDHE-") && ["GCM", "CHACHA20", "CCM"].contains { name.contains($0) }
  }
}

/// The handshakes that are going on, in the order of their begin.
struct Handshakes {
  private(set) var openCount = 0
  private var tokens: ContiguousArray<UInt64> = []
  private var first = 0

  mutating func begin(_ token: UInt64) {
    openCount += 1
    tokens.append(token)
  }

  mutating func end() { openCount -= 1 }

  /// The one that began first, perhaps over already.
  var oldest: UInt64? { first < tokens.count ? tokens[first] : nil }

  mutating func forgetOldest() {
    first += 1
    // What is in front is dropped in pieces: amortised, a constant amount of work each.
    guard first > 512 && first * 2 > tokens.count else { return }
    tokens.removeFirst(first)
    first = 0
  }
}

extension EndReason {
  /// What a failure of TLS counts as.
  init(_ failure: TLSFailure) {
    switch failure.reason {
    case .noSharedCipher, .noSharedGroup, .noSharedSignature: self = .tlsCipher
    case .protocolVersion: self = .tlsVersion
    case .noApplicationProtocol: self = .tlsApplicationProtocol
    case .httpRequest: self = .tlsPlainRequest
    case .clientAlert: self = .tlsAlert
    case .refused: self = .tlsServerName
    case .certificateRejected, .wantedClientCertificate: self = .tlsClientCertificate
    case .unexpectedEnd, .broken: self = .clientReset
    case .noCertificate: self = .tlsNoCertificate
    case .internalError: self = .internal
    case .badRecord, .badMessage, .renegotiation, .noProgress: self = .tlsBroken
    }
  }
}
