// <VirtualHost>, and the directives that stand in it or outside of all sections.

import HTTP
import Platform

extension Checker {
  mutating func checkVirtualHost(_ directive: Directive) {
    let draft = SiteDraft()
    draft.place = "\(directive.name.place)"
    draft.opening = directive.name
    for word in directive.arguments {
      guard let address = siteAddress(word) else { continue }
      if draft.addresses.contains(address) {
        warning("\(address) is named twice", word)
        continue
      }
      draft.addresses.append(address)
      virtualHostWords.append((address, word))
    }
    collectProxies(directive.children, draft)
    for child in directive.children where !checkSite(child, draft) {
      _ = checkSetting(child, draft, &draft.layer, .site)
    }
    finishLayer(&draft.layer, [], draft)
    finishTLS(draft)
    virtualHosts.append(draft)
  }

  /// "*", "_default_", an IPv4 address or an IPv6 address in brackets, with ":PORT", ":*" or
  /// nothing for every port.
  private mutating func siteAddress(_ word: Word) -> SiteAddress? {
    var host = word.text
    var port: UInt16?
    if let colon = word.text.lastIndex(of: ":"), !word.text.hasSuffix("]") {
      host = String(word.text[..<colon])
      let text = String(word.text[word.text.index(after: colon)...])
      if text != "*" {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text),
          number > 0
        else {
          error("a port from 1 to 65535 or * is expected, not '\(text)'", word)
          return nil
        }
        port = number
      }
    }
    if host == "*" || host.asciiLowercased == "_default_" {
      return SiteAddress(address: nil, port: port)
    }
    guard let address = address(host, word) else { return nil }
    return SiteAddress(address: address.isAny ? nil : address.unmapped, port: port)
  }

  /// True if the directive belongs to a site; its value is then in the draft.
  mutating func checkSite(_ directive: Directive, _ draft: SiteDraft) -> Bool {
    if checkSection(directive, draft) || checkConnection(directive, draft) { return true }
    guard let first = directive.arguments.first else { return false }
    switch directive.row.name {
    case "ServerName": checkServerName(directive, first, draft)
    case "ServerAlias": for word in directive.arguments { checkServerAlias(word, draft) }
    case "ServerNameMatch": checkServerNameMatch(first, draft)
    case "ServerAdmin": draft.serverAdmin = first.text
    case "DocumentRoot": checkDocumentRoot(first, draft)
    case "ErrorLog":
      guard checkLogPath(first) else { break }
      draft.errorLog = absolute(first.text)
    case "CustomLog": checkCustomLog(directive, draft)
    case "LogLevel": checkLogLevel(directive, draft)
    case "AllowEncodedSlashes":
      switch first.text.asciiLowercased {
      case "on": draft.allowEncodedSlashes = .on
      case "nodecode": draft.allowEncodedSlashes = .noDecode
      default: draft.allowEncodedSlashes = .off
      }
    case "TraceEnable": draft.traceEnable = ValueType.onOff(first.text) ?? false
    case "ProxyPassInherit": draft.proxy.inherits = ValueType.onOff(first.text)
    default:
      return checkTLS(directive, draft) || checkProtocols(directive, draft)
        || checkRemoteIP(directive, draft)
    }
    return true
  }

  /// Keep-alive, times and limits of a site.
  private mutating func checkConnection(
    _ directive: Directive, _ draft: SiteDraft
  ) -> Bool {
    guard let text = directive.arguments.first?.text else { return false }
    switch directive.row.name {
    case "KeepAlive": draft.keepAlive = ValueType.onOff(text)
    case "KeepAliveTimeout":
      draft.keepAliveTimeoutMilliseconds =
        ValueType.milliseconds(text, unit: .seconds).map { Int64($0) }
    case "MaxKeepAliveRequests": draft.maxKeepAliveRequests = ValueType.integer(text)
    case "Timeout":
      draft.timeoutMilliseconds =
        ValueType.milliseconds(text, unit: .seconds).map { Int64($0) }
    case "RequestReadTimeout":
      for word in directive.arguments { checkRequestReadTimeout(word, draft) }
    case "LimitRequestLine": draft.limitRequestLineBytes = ValueType.bytes(text)
    case "LimitRequestFields": draft.limitRequestFields = ValueType.integer(text)
    case "LimitRequestFieldSize": draft.limitRequestFieldBytes = ValueType.bytes(text)
    default: return false
    }
    return true
  }

  /// ServerName [scheme://]host[:port]
  private mutating func checkServerName(
    _ directive: Directive, _ word: Word, _ draft: SiteDraft
  ) {
    var rest = word.text.asciiLowercased
    var scheme: String?
    if let range = rest.firstRange(of: "://") {
      let text = String(rest[..<range.lowerBound])
      guard text == "http" || text == "https" else {
        error("http:// or https:// is expected, not '\(text)://'", word)
        return
      }
      scheme = text
      rest = String(rest[range.upperBound...])
    }
    var port: UInt16?
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
      let text = rest[rest.index(after: colon)...]
      guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(text),
        number > 0
      else {
        error("a port from 1 to 65535 is expected, not '\(text)'", word)
        return
      }
      port = number
      rest = String(rest[..<colon])
    }
    if rest.hasSuffix(".") { rest.removeLast() }
    guard Checker.isHostName(rest) else {
      let hint = Wildcard.isWildcard(rest) ? "; wildcards belong in ServerAlias" : ""
      error("'\(rest)' is not a host name\(hint)", word)
      return
    }
    draft.name = (rest, port, scheme)
    let name = SiteName(
      kind: .exact(Array(rest.utf8)), text: rest, place: "\(word.place)", directive: "ServerName")
    draft.names.insert(name, at: 0)
  }

  private mutating func checkServerAlias(_ word: Word, _ draft: SiteDraft) {
    var text = word.text.asciiLowercased
    if text.hasSuffix("."), text != "." { text.removeLast() }
    let isWildcard = text.utf8.contains { $0 == 42 || $0 == 63 }
    let literal = String(text.filter { $0 != "*" && $0 != "?" })
    guard literal.isEmpty ? isWildcard : Checker.isHostName(literal) else {
      let hint = text.contains(":") ? "; a port has no meaning here" : ""
      error("'\(word.text)' is not a host name or wildcard\(hint)", word)
      return
    }
    let bytes = Array(text.utf8)
    draft.names.append(
      SiteName(
        kind: isWildcard ? .wildcard(bytes) : .exact(bytes), text: text, place: "\(word.place)",
        directive: "ServerAlias"))
  }

  private mutating func checkServerNameMatch(_ word: Word, _ draft: SiteDraft) {
    guard let pattern = pattern(word, caseInsensitive: true, anchored: true) else { return }
    draft.names.append(
      SiteName(
        kind: .pattern(pattern), text: word.text, place: "\(word.place)",
        directive: "ServerNameMatch"))
    draft.hostGroupNames.formUnion(
      pattern.names.map { Captures.environmentName(ofGroup: $0.name) })
  }

  /// Letters, digits, hyphens, underscores and dots; or an IP address. Bytes above 127 are let
  /// through: some sites have such names in their files.
  static func isHostName(_ text: String) -> Bool {
    if text.isEmpty || text.utf8.count > 255 { return false }
    if text.hasPrefix("["), text.hasSuffix("]") {
      return IPAddress(text.dropFirst().dropLast()) != nil
    }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case 48...57, 97...122, 65...90, 128...255: return true
      default: return "-_.".utf8.contains(byte)
      }
    }
  }

  private mutating func checkDocumentRoot(_ word: Word, _ draft: SiteDraft) {
    // Normalised around the holes: they never hold a slash.
    let path = normalized(word.text)
    guard let template = template(word, text: path, draft, needsHostGroups: true) else { return }
    draft.documentRoot = template
    let directory: String
    if template.isLiteral {
      directory = path
    } else {
      let prefix = String(decoding: template.literalPrefix, as: UTF8.self)
      directory = prefix.lastIndex(of: "/").map { String(prefix[..<$0]) } ?? "/"
    }
    if !directory.isEmpty, !reader.isDirectory(directory) {
      warning("DocumentRoot '\(directory)' is not there or not a directory", word)
    }
  }

  /// Pipes and syslog are refused: the log would silently be somewhere else.
  private mutating func checkLogPath(_ word: Word) -> Bool {
    if word.text.hasPrefix("|") {
      error("logging into a program is not implemented; write to a file", word)
      return false
    }
    if word.text.asciiLowercased.hasPrefix("syslog") {
      error("logging to syslog is not implemented; write to a file or /dev/stderr", word)
      return false
    }
    return true
  }

  private mutating func checkCustomLog(_ directive: Directive, _ draft: SiteDraft) {
    let words = directive.arguments
    guard checkLogPath(words[0]) else { return }
    if words.count > 2 {
      error("conditions ('\(words[2].text)') are not implemented", words[2])
      return
    }
    guard words.count == 2, let format = AccessLog.Format(rawValue: words[1].text.asciiLowercased)
    else {
      error(
        "the format is 'common', 'combined' or 'proxied'; LogFormat is not implemented",
        words.count > 1 ? words[1] : words[0])
      return
    }
    draft.accessLogs.append(AccessLog(path: absolute(words[0].text), format: format))
  }

  private mutating func checkLogLevel(_ directive: Directive, _ draft: SiteDraft) {
    for word in directive.arguments {
      let parts = word.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      let levelText = String(parts[parts.count - 1])
      guard let level = LogLevel(word: levelText) else {
        let words = LogLevel.allCases.map(\.word)
        let hint = Spelling.nearest(to: levelText, among: words).map { "; did you mean '\($0)'?" }
        error(
          "emerg, alert, crit, error, warn, notice, info, debug or trace1 to trace8 is expected,"
            + " not '\(levelText)'\(hint ?? "")", word)
        continue
      }
      if parts.count == 2, parts[0].lowercased() != "core" {
        warning("levels of single modules have no effect here", word)
      } else {
        draft.logLevel = level
      }
    }
  }

  /// header=FIRST[-MAX][,MinRate=BYTES] or body=…
  private mutating func checkRequestReadTimeout(_ word: Word, _ draft: SiteDraft) {
    func refused() -> String {
      "handshake=SECONDS, header=SECONDS[-MAX][,MinRate=BYTES] or"
        + " body=SECONDS[-MAX][,MinRate=BYTES] is expected, not '\(word.text)'"
    }
    let sides = word.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard sides.count == 2 else { return error(refused(), word) }
    let parts = sides[1].split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    let times = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = ValueType.milliseconds(String(times[0]), unit: .seconds), first >= 0 else {
      return error(refused(), word)
    }
    var last = 0
    if times.count == 2 {
      guard let value = ValueType.milliseconds(String(times[1]), unit: .seconds), value > first
      else { return error("the maximum must be a time above the first one", word) }
      last = value
    }
    var rate = 0
    if parts.count == 2 {
      let minimum = parts[1].asciiLowercased
      guard minimum.hasPrefix("minrate="),
        let value = ValueType.integer(String(minimum.dropFirst(8))),
        value > 0
      else { return error(refused(), word) }
      rate = value
    } else if last > 0 {
      // mod_reqtimeout: a maximum alone extends at one byte a second.
      rate = 1
    }
    var timeout = draft.requestReadTimeout ?? RequestReadTimeout()
    switch sides[0].asciiLowercased {
    case "header":
      timeout.headerFirstMilliseconds = Int64(first)
      timeout.headerMaxMilliseconds = Int64(last)
      timeout.headerBytesPerSecondMin = rate
    case "handshake":
      guard times.count == 1, parts.count == 1 else {
        return error("a handshake has one time: handshake=\(times[0])", word)
      }
      timeout.handshakeMilliseconds = Int64(first)
    case "body":
      timeout.bodyFirstMilliseconds = Int64(first)
      timeout.bodyMaxMilliseconds = Int64(last)
      timeout.bodyBytesPerSecondMin = rate
    default: return error(refused(), word)
    }
    draft.requestReadTimeout = timeout
  }
}

extension Substring {
  fileprivate var asciiLowercased: String { String(self).asciiLowercased }
}
