// The checked model as text: what `--dump` prints, what golden tests compare, what is hashed.

import HTTP
import Platform

extension Site {
  /// Everything that was configured for the site or that it inherited, one directive a line, in a
  /// fixed order, without places.
  var lines: [String] {
    var lines: [String] = []
    for name in names { lines.append("\(name.directive) \(name.text)") }
    if !name.isEmpty {
      lines.append("# name \(scheme.map { $0 + "://" } ?? "")\(name)\(port.map { ":\($0)" } ?? "")")
    }
    if let serverAdmin { lines.append("ServerAdmin \(serverAdmin)") }
    lines.append("DocumentRoot \"\(documentRoot)\"")
    if let errorLog { lines.append("ErrorLog \"\(errorLog)\"") }
    lines.append("LogLevel \(logLevel.word)")
    for log in accessLogs { lines.append("CustomLog \"\(log.path)\" \(log.format.rawValue)") }
    lines.append("KeepAlive \(keepAlive ? "On" : "Off")")
    lines.append("KeepAliveTimeout \(keepAliveTimeoutMilliseconds)ms")
    lines.append("MaxKeepAliveRequests \(maxKeepAliveRequests)")
    lines.append("Timeout \(timeoutMilliseconds)ms")
    lines.append(requestReadTimeout.line)
    lines.append("LimitRequestLine \(limitRequestLineBytes)")
    lines.append("LimitRequestFields \(limitRequestFields)")
    lines.append("LimitRequestFieldSize \(limitRequestFieldBytes)")
    lines.append("TraceEnable \(traceEnable ? "On" : "Off")")
    lines.append("AllowEncodedSlashes \(allowEncodedSlashes)")
    lines += connectionLines + remoteIP.lines + proxyLines
    return lines + layer.lines
  }

  /// Its own sections and rules, indented.
  fileprivate var ruleLines: [String] {
    var lines: [String] = []
    for rule in (redirects.first?.rules ?? []) + (aliases.first?.rules ?? []) {
      lines.append(rule.line)
    }
    for rule in proxyPasses.last?.rules ?? [] { lines.append(rule.line) }
    for section in ownProxySections where !section.layer.isEmpty { lines += section.dumpLines }
    guard let table = sections.last else { return lines }
    for section in table.directories + table.directoryMatches + table.files + table.locations {
      lines += section.dumpLines
    }
    return lines
  }
}

extension RequestReadTimeout {
  fileprivate var line: String {
    func side(_ first: Int64, _ last: Int64, _ rate: Int) -> String {
      "\(first)ms" + (last > 0 ? "-\(last)ms" : "") + (rate > 0 ? ",MinRate=\(rate)" : "")
    }
    let header = side(headerFirstMilliseconds, headerMaxMilliseconds, headerBytesPerSecondMin)
    let body = side(bodyFirstMilliseconds, bodyMaxMilliseconds, bodyBytesPerSecondMin)
    return "RequestReadTimeout handshake=\(handshakeMilliseconds)ms header=\(header) body=\(body)"
  }
}

extension Section {
  fileprivate var dumpLines: [String] {
    var lines = [title]
    for line in layer.lines { lines.append("  " + line) }
    for file in files { lines += file.dumpLines.map { "  " + $0 } }
    return lines + ["</" + title.dropFirst().prefix { $0 != " " && $0 != ">" } + ">"]
  }
}

extension ServerSettings {
  fileprivate var lines: [String] {
    var lines = ["ServerRoot \"\(serverRoot)\""]
    if let user { lines.append("User \(user)") }
    if let group { lines.append("Group \(group)") }
    lines.append("PidFile \"\(pidFile)\"")
    var socket = "ControlSocket \"\(controlSocketPath)\" mode=0"
    socket += String(controlSocketMode, radix: 8)
    if let controlSocketOwner { socket += " owner=\(controlSocketOwner)" }
    if let controlSocketGroup { socket += " group=\(controlSocketGroup)" }
    lines.append(socket)
    lines.append("StateDirectory \"\(stateDirectory)\"")
    if let queueDirectory { lines.append("QueueDirectory \"\(queueDirectory)\"") }
    lines += urlReservations.map(\.line) + applications.flatMap(\.lines)
    lines.append("Workers \(workers.map { "\($0)" } ?? "auto")")
    lines.append("ListenBacklog \(listenBacklog)")
    lines.append("MaxConnectionsPerChild \(maxConnectionsPerChild)")
    lines.append("GracefulShutdownTimeout \(gracefulShutdownTimeoutMilliseconds)ms")
    lines.append("CacheSize \(cacheBytesMax.map { "\($0)" } ?? "auto")")
    lines.append("CacheMaxObject \(cacheObjectBytesMax)")
    lines.append("CacheStaticRevalidate \(cacheStaticRevalidateMilliseconds)ms")
    lines.append("CacheWatchFiles \(cacheWatchFiles ? "On" : "Off")")
    lines.append("CachePersist \(cachePersists ? "On" : "Off")")
    lines.append("CacheHugePages \(cacheHugePages.rawValue)")
    lines.append("Sandbox \(sandbox.rawValue)")
    lines.append("SSLHandshakesMax \(handshakesMax)")
    for file in ticketKeyFiles { lines.append("SSLSessionTicketKeyFile \"\(file)\"") }
    lines.append("ErrorLog \"\(errorLog)\"")
    lines.append("ServerTokens \(serverTokens.rawValue)")
    if let typesConfig { lines.append("TypesConfig \"\(typesConfig)\"") }
    return lines
  }
}

extension Model {
  /// Canonical text of the model, with every default and everything inherited written out.
  package var dump: String {
    var lines = server.lines
    for listen in listens { lines.append("Listen \(listen.title)") }
    lines.append("# \(mediaTypes.typeCount) media types")
    for site in sites {
      lines.append("")
      if site.isMainServer {
        lines.append("# main server")
        lines += site.lines + site.ruleLines
      } else {
        let addresses = site.addresses.map(\.description).joined(separator: " ")
        lines.append("<VirtualHost \(addresses)>")
        lines += (site.lines + site.ruleLines).map { "  " + $0 }
        lines.append("</VirtualHost>")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
