// Directives of the whole server, and Listen.

import Platform

extension Checker {
  /// True if the directive is one of the whole server; its value is then in `server`.
  mutating func checkServer(_ directive: Directive) -> Bool {
    guard let first = directive.arguments.first else { return false }
    let text = first.text
    switch directive.row.name {
    case "ServerRoot":
      if !reader.isDirectory(normalized(text)) {
        error("ServerRoot '\(text)' is not a directory", first)
      }
    case "Listen": checkListen(directive)
    case "User": server.user = text
    case "Group": server.group = text
    case "PidFile": server.pidFile = absolute(text)
    case "ControlSocket": checkControlSocket(directive)
    case "Workers": server.workers = ValueType.integer(text)
    case "ListenBacklog":
      server.listenBacklog = Int32(clamping: ValueType.integer(text) ?? 511)
    case "MaxConnectionsPerChild":
      server.maxConnectionsPerChild = UInt64(max(0, ValueType.integer(text) ?? 0))
    case "GracefulShutdownTimeout":
      server.gracefulShutdownTimeoutMilliseconds =
        Int64(ValueType.milliseconds(text, unit: .seconds) ?? 0)
    case "CacheSize": server.cacheBytesMax = ValueType.bytes(text)
    case "CacheMaxObject": server.cacheObjectBytesMax = ValueType.bytes(text) ?? 1 << 20
    case "CacheStaticRevalidate":
      server.cacheStaticRevalidateMilliseconds =
        Int64(ValueType.milliseconds(text, unit: .milliseconds) ?? 1000)
    case "CacheWatchFiles": server.cacheWatchFiles = ValueType.onOff(text) ?? true
    case "CachePersist": server.cachePersists = ValueType.onOff(text) ?? true
    case "CacheHugePages":
      server.cacheHugePages = HugePagesWish(rawValue: text.asciiLowercased) ?? .auto
    case "Sandbox": server.sandbox = SandboxWish(rawValue: text.asciiLowercased) ?? .on
    case "SSLHandshakesMax": server.handshakesMax = ValueType.integer(text) ?? 256
    case "SSLSessionTicketKeyFile":
      server.ticketKeyFiles.append(ConfiguredText(absolute(text), first))
    case "ServerTokens": server.serverTokens = Checker.serverTokens(text)
    case "TypesConfig":
      typesConfig = first
      server.typesConfig = absolute(text)
    default: return checkNamespace(directive)
    }
    return true
  }

  private static func serverTokens(_ text: String) -> ServerTokens {
    switch text.asciiLowercased {
    case "prod", "productonly": return .prod
    case "major": return .major
    case "minor": return .minor
    case "min", "minimal": return .minimal
    case "os": return .os
    default: return .full
    }
  }

  private mutating func checkControlSocket(_ directive: Directive) {
    server.controlSocketPath = absolute(directive.arguments[0].text)
    for word in directive.arguments.dropFirst() {
      let parts = word.text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        error("mode=OCTAL, owner=USER or group=GROUP is expected, not '\(word.text)'", word)
        continue
      }
      switch parts[0].asciiLowercased {
      case "mode":
        guard let mode = UInt32(parts[1], radix: 8), mode <= 0o777 else {
          error("an octal mode is expected (0600, 0660), not '\(parts[1])'", word)
          continue
        }
        server.controlSocketMode = mode
      case "owner": server.controlSocketOwner = parts[1]
      case "group": server.controlSocketGroup = parts[1]
      default: error("mode=, owner= or group= is expected, not '\(parts[0])='", word)
      }
    }
  }

  /// Listen [ADDRESS:]PORT [https|http]
  private mutating func checkListen(_ directive: Directive) {
    let word = directive.arguments[0]
    var speaksHTTPS: Bool?
    if directive.arguments.count > 1 {
      let protocolWord = directive.arguments[1]
      switch protocolWord.text.asciiLowercased {
      case "http": speaksHTTPS = false
      case "https": speaksHTTPS = true
      default:
        error("'http' or 'https' is expected, not '\(protocolWord.text)'", protocolWord)
      }
    }
    guard let (host, port) = endpoint(word, what: "Listen"), let port else { return }
    // httpd: https is what port 443 is for.
    let isHTTPS = speaksHTTPS ?? (port == 443)
    for address in host.map({ [$0] }) ?? [.anyV4, .anyV6] {
      let address = SocketAddress(address, port: port)
      listen(Listen(address: address, speaksHTTPS: isHTTPS), directive)
    }
  }

  /// Adds an address unless the same port of it is taken already.
  private mutating func listen(_ listen: Listen, _ directive: Directive) {
    let new = listen.address
    let clash = listens.first {
      let old = $0.listen.address
      guard old.port == new.port, old.address.family == new.address.family else { return false }
      return old.address == new.address || old.address.isAny || new.address.isAny
    }
    guard let clash else {
      listens.append((listen, directive))
      return
    }
    // One message for the two addresses of a bare port.
    let place = directive.arguments[0].place
    if diagnostics.contains(where: { $0.place == place && $0.severity == .error }) { return }
    if clash.directive.arguments[0].place == place { return }
    error(
      "port \(new.port) is already listened on by 'Listen \(clash.directive.arguments[0].text)' at"
        + " \(clash.directive.name.place)", directive.arguments[0])
  }

  /// Reads ADDRESS:PORT, [ADDRESS]:PORT, *:PORT or PORT; reports what is wrong. The address is nil
  /// for "*" and for a port alone.
  mutating func endpoint(_ word: Word, what: String) -> (address: IPAddress?, port: UInt16?)? {
    var host = ""
    var portText = word.text
    if let colon = word.text.lastIndex(of: ":"), !word.text.hasSuffix("]") {
      host = String(word.text[..<colon])
      portText = String(word.text[word.text.index(after: colon)...])
    } else if word.text.contains("[") || word.text.contains(".") {
      error("a port is expected behind the address: '\(word.text):80'", word)
      return nil
    }
    guard portText.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(portText),
      port > 0
    else {
      error("a port from 1 to 65535 is expected, not '\(portText)'", word)
      return nil
    }
    if host.isEmpty || host == "*" { return (nil, port) }
    guard let address = address(host, word) else { return nil }
    return (address, port)
  }

  /// "192.0.2.1" or "[2001:db8::1]"; reports anything else.
  mutating func address(_ text: String, _ word: Word) -> IPAddress? {
    if text.hasPrefix("["), text.hasSuffix("]") {
      if let address = IPAddress(text.dropFirst().dropLast()), address.family == .v6 {
        return address
      }
      error("'\(text)' is not an IPv6 address", word)
      return nil
    }
    if let address = IPAddress(text) {
      if address.family == .v4 { return address }
      error("an IPv6 address stands in brackets: '[\(text)]'", word)
      return nil
    }
    error(
      "'\(text)' is not an address; names are not resolved, so that starting never waits for a"
        + " name server", word)
    return nil
  }

  /// At least one Listen; every virtual host's port listened on.
  mutating func checkListens() {
    let failed = diagnostics.contains { $0.severity == .error }
    if listens.isEmpty, !failed {
      diagnostics.append(
        .error("no Listen: nothing says which port to serve; write for example 'Listen 8080'"))
    }
    guard !listens.isEmpty else { return }
    for (address, word) in virtualHostWords {
      if !listens.contains(where: { address.isReached(through: $0.listen.address) }) {
        let example = address.address == nil ? "\(address.port ?? 80)" : "\(address)"
        warning("no Listen opens \(address); 'Listen \(example)' would", word)
      }
    }
  }
}
