// Who the client is when somebody in between says so: RemoteIPHeader and the PROXY protocol.

import Configuration
import HTTP
import Platform

extension EventLoop {
  // MARK: RemoteIPHeader

  /// Works out the client of a request from what trusted proxies say (mod_remoteip): from right to
  /// left, as long as each hop is trusted.
  @inline(never)
  func believe(_ stream: RequestStream, _ settings: RemoteIPSettings, _ bytes: RawSpan) {
    let peer = carrier(of: stream).peer
    stream.client = peer
    stream.told = []
    stream.isBelieved = settings.trust(in: peer.address) != .none
    guard stream.isBelieved else { return }
    if let value = EventLoop.joined(settings.field, of: head, bytes) {
      stream.client = settings.walk(value, settings.field, from: peer).client
    }
    stream.told = told(stream, settings, bytes)
  }

  /// All lines of a field as one.
  static func joined(
    _ field: String, of head: borrowing RequestHead, _ bytes: RawSpan
  ) -> [UInt8]? {
    let name = Array(field.utf8)
    var value: [UInt8] = []
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      guard FieldName.equal(line.name.span(in: bytes), name.rawSpan), !line.value.isEmpty else {
        continue
      }
      if !value.isEmpty { value += Array(", ".utf8) }
      value += line.value.copy(from: bytes)
    }
    return value.isEmpty ? nil : value
  }

  /// What a proxy that is believed says of the URL that its client has asked for: applications
  /// answer by it.
  private func told(
    _ stream: RequestStream, _ settings: RemoteIPSettings, _ bytes: RawSpan
  ) -> ToldOrigin {
    var told: ToldOrigin = []
    let isEncrypted = listeners[stream.listener].isEncrypted
    func note(scheme: RawSpan, _ other: ToldOrigin) {
      let isSecure = FieldName.equal(scheme, "https")
      if !isSecure && !FieldName.equal(scheme, "http") {
        told.insert(.unlike)
      } else if isSecure != isEncrypted {
        told.insert(other)
      }
    }
    func note(host: RawSpan) {
      if !FieldName.equal(host, head.authority.span(in: bytes)) { told.insert(.unlike) }
    }
    if let scheme = EventLoop.joined("x-forwarded-proto", of: head, bytes) {
      note(scheme: scheme.rawSpan, .otherScheme)
    }
    if let host = EventLoop.joined("x-forwarded-host", of: head, bytes) { note(host: host.rawSpan) }
    if let value = EventLoop.joined("forwarded", of: head, bytes) {
      let peer = carrier(of: stream).peer
      let start = settings.walk(value, "forwarded", from: peer).start
      let believed = Array(value[start...])
      let schemes = ForwardedChain.values(of: "proto", in: believed.rawSpan)
      for scheme in schemes { note(scheme: scheme.span(in: believed.rawSpan), .otherInForwarded) }
      // Schemes of several hops are a list that nobody else may send.
      if schemes.count > 1 { told.insert(.unlike) }
      for host in ForwardedChain.values(of: "host", in: believed.rawSpan) {
        note(host: host.span(in: believed.rawSpan))
      }
    }
    return told
  }

  // MARK: The PROXY protocol

  /// Whether a new connection has to begin with the PROXY protocol.
  func expectsProxyHeader(_ listener: Int, _ client: SocketAddress) -> Bool {
    guard let settings = listeners[listener].remoteIP, settings.expectsProxyProtocol else {
      return false
    }
    return !settings.proxyProtocolExceptions.contains { $0.contains(client.address) }
  }

  /// Reads the header in front of everything else; false: it has not come whole, or the connection
  /// is over. What follows it stays in the socket.
  func takeProxyHeader(_ connection: Connection) -> Bool {
    received.removeAll()
    defer { received.removeAll() }
    switch Stream.peek(connection.descriptor, into: received) {
    case .wouldBlock: return false
    case .received: break
    case .closed, .broken:
      close(connection, .clientClosed)
      return false
    }
    var header = ProxiedConnection()
    let buffer = received
    switch ProxyProtocol.parse(buffer.bytes, into: &header) {
    case .needMore:
      // What has come stays in the socket and would be reported again at once.
      setInterest(connection, [])
      awaitingHeader.append(connection.token)
      return false
    case .rejected(let rejection):
      errorLog.write(
        .info, "PROXY protocol: \(rejection.message)", client: connection.client)
      close(connection, .badRequest)
      return false
    case .complete: break
    }
    received.removeAll()
    Stream.discard(connection.descriptor, count: header.byteCount, by: received)
    connection.awaitsProxyHeader = false
    if let client = header.client {
      connection.peer = client
      connection.client = client
    }
    return true
  }

  /// Connections whose header had not come whole are looked at again.
  func resumeAwaitingHeader() {
    guard !awaitingHeader.isEmpty else { return }
    let tokens = awaitingHeader
    awaitingHeader.removeAll()
    for token in tokens {
      if let connection = stream(of: token) as? Connection { setInterest(connection, .readable) }
    }
  }
}

extension ProxiedConnection {
  /// The client's address; nil where the sender speaks for itself.
  var client: SocketAddress? {
    func word(_ start: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 << 8 | UInt64(source[start + $1]) }
    }
    switch family {
    case .ipv4:
      return SocketAddress(
        IPAddress(v4: UInt32(truncatingIfNeeded: word(0) >> 32)), port: sourcePort)
    case .ipv6:
      return SocketAddress(IPAddress(v6High: word(0), low: word(8)), port: sourcePort)
    case .none, .unix: return nil
    }
  }

  /// What a member is told of a client.
  init(client: SocketAddress, local: SocketAddress) {
    self.init()
    let source = client.address.unmapped
    let destination = local.address.unmapped
    guard source.family == destination.family else { return }
    family = source.family == .v4 ? .ipv4 : .ipv6
    sourcePort = client.port
    destinationPort = local.port
    for (index, byte) in source.networkBytes.enumerated() { self.source[index] = byte }
    for (index, byte) in destination.networkBytes.enumerated() { self.destination[index] = byte }
  }
}

extension RemoteIPSettings {
  /// How far a proxy is believed.
  enum Trust {
    case none
    /// About public addresses.
    case outside
    /// About any address.
    case within
  }

  /// Follows a chain of hops from right to left as long as each is trusted. `client`: the last that
  /// is believed; `start`: where what is believed begins, and what stands before it somebody has
  /// said who is not.
  func walk(
    _ value: [UInt8], _ field: String, from peer: SocketAddress
  ) -> (client: SocketAddress, start: Int) {
    var chain =
      field == "forwarded"
      ? ForwardedChain(forwarded: value.rawSpan) : ForwardedChain(xForwardedFor: value.rawSpan)
    var client = peer
    var start = value.count
    var trust = trust(in: peer.address)
    while trust != .none, let hop = chain.next() {
      guard case .address(let range) = hop,
        let address = IPAddress(String(decoding: value[range.start..<range.end], as: UTF8.self))
      else {
        // Who is believed says that it is nobody known.
        start = chain.elementStart
        break
      }
      // A trusted proxy far away knows nothing of private addresses.
      guard trust == .within || !address.isPrivate else { break }
      start = chain.elementStart
      client = SocketAddress(address, port: 0)
      trust = self.trust(in: address)
    }
    return (client, start)
  }

  func trust(in address: IPAddress) -> Trust {
    if internalProxies.contains(where: { $0.contains(address) }) { return .within }
    if trustedProxies.contains(where: { $0.contains(address) }) { return .outside }
    // Without a list everybody is believed, as in mod_remoteip.
    return internalProxies.isEmpty && trustedProxies.isEmpty ? .within : .none
  }
}
