// Directives of mod_ssl that stand in a site.

import HTTP
import Platform

extension Checker {
  /// True if the directive is one about encryption; its value is then in the draft.
  mutating func checkTLS(_ directive: Directive, _ draft: SiteDraft) -> Bool {
    guard let first = directive.arguments.first else { return false }
    switch directive.row.name {
    case "SSLEngine": checkEngine(first, draft)
    case "SSLProtocol": checkVersions(directive, draft)
    case "SSLCipherSuite": checkCiphers(directive, draft)
    case "SSLOpenSSLConfCmd": checkCommand(directive, draft)
    case "SSLHonorCipherOrder": draft.tls.honorsCipherOrder = ValueType.onOff(first.text)
    case "SSLSessionTickets": draft.tls.usesTickets = ValueType.onOff(first.text)
    case "SSLStrictSNIVHostCheck": draft.tls.requiresServerName = ValueType.onOff(first.text)
    case "SSLCompression":
      guard ValueType.onOff(first.text) == true else { break }
      error(
        "TLS compression tells secrets by the length of what is sent (CRIME) and is not"
          + " implemented; write 'SSLCompression off'", first)
    case "SSLInsecureRenegotiation":
      guard ValueType.onOff(first.text) == true else { break }
      error(
        "insecure renegotiation lets an attacker speak first on a client's connection"
          + " (RFC 5746) and is not implemented; write 'SSLInsecureRenegotiation off'", first)
    default:
      return checkCertificates(directive, first, draft) || checkClients(directive, first, draft)
        || checkStapling(directive, first, draft)
    }
    return true
  }

  private mutating func checkEngine(_ word: Word, _ draft: SiteDraft) {
    if let isOn = ValueType.onOff(word.text) {
      draft.tls.engine = (isOn, word)
    } else if word.text.asciiLowercased == "optional" {
      error(
        "'optional' is not implemented: a connection in clear would become an encrypted one on"
          + " its way, which no browser does; write 'on'", word)
    } else {
      error("'on' or 'off' is expected, not '\(word.text)'", word)
    }
  }

  /// SSLProtocol [+|-]VERSION …
  private mutating func checkVersions(_ directive: Directive, _ draft: SiteDraft) {
    let errors = diagnostics.count
    var versions: Set<SiteTLS.Version> = []
    for (index, word) in directive.arguments.enumerated() {
      let sign = word.text.first.flatMap { "+-".contains($0) ? $0 : nil }
      let name = sign == nil ? word.text : String(word.text.dropFirst())
      guard let named = self.versions(name, word, isRemoved: sign == "-") else { continue }
      switch sign {
      case "-": versions.subtract(named)
      case "+": versions.formUnion(named)
      default:
        if index > 0 {
          error("'\(name)' would undo what stands before it; write '+\(name)'", word)
        }
        versions = named
      }
    }
    guard diagnostics.count == errors else { return }
    guard let low = versions.min(), let high = versions.max() else {
      return error(
        "no version is left: TLSv1.2 and TLSv1.3 are there; write 'SSLProtocol all'",
        directive.arguments[0])
    }
    draft.tls.versions = low...high
  }

  private mutating func versions(
    _ name: String, _ word: Word, isRemoved: Bool
  ) -> Set<SiteTLS.Version>? {
    switch name.asciiLowercased {
    case "all": return Set(SiteTLS.Version.allCases)
    case "sslv2", "sslv3", "tlsv1", "tlsv1.0", "tlsv1.1":
      if isRemoved { return [] }
      error("\(name) is broken and not offered (RFC 8996); TLSv1.2 and TLSv1.3 are", word)
      return nil
    default: break
    }
    let known = SiteTLS.Version.allCases
    if let version = known.first(where: { $0.rawValue.asciiLowercased == name.asciiLowercased }) {
      return [version]
    }
    let hint = Spelling.nearest(to: name, among: ["all"] + known.map(\.rawValue))
    error(
      "TLSv1.2, TLSv1.3 or all is expected, not '\(name)'"
        + (hint.map { "; did you mean '\($0)'?" } ?? ""), word)
    return nil
  }

  /// What OpenSSL 3 knows of TLS 1.3 (RFC 8446 §B.4).
  private static let suites13 = [
    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
  ]

  /// SSLCipherSuite [SSL|TLSv1.3] LIST
  private mutating func checkCiphers(_ directive: Directive, _ draft: SiteDraft) {
    let word = directive.arguments[directive.arguments.count - 1]
    var is13 = false
    if directive.arguments.count == 2 {
      let kind = directive.arguments[0]
      switch kind.text.asciiLowercased {
      case "ssl": break
      case "tlsv1.3": is13 = true
      default:
        return error("'SSL' or 'TLSv1.3' is expected before the list, not '\(kind.text)'", kind)
      }
    }
    if word.text.isEmpty { return error("a list of ciphers is expected, not nothing", word) }
    guard is13 else {
      draft.tls.cipherList = ConfiguredText(word.text, word)
      return
    }
    for name in word.text.split(separator: ":", omittingEmptySubsequences: false)
    where !Checker.suites13.contains(String(name)) {
      let nearest = Spelling.nearest(to: String(name), among: Checker.suites13)
      let what = nearest.map { "did you mean '\($0)'?" } ?? "'\(Checker.suites13[0])' is one"
      return error("'\(name)' is no cipher of TLS 1.3; \(what)", word)
    }
    draft.tls.cipherSuites = ConfiguredText(word.text, word)
  }

  // MARK: SSLOpenSSLConfCmd

  private static let commandNames = [
    "ClientSignatureAlgorithms", "Curves", "Groups", "NumTickets", "Options", "RecordPadding",
    "SignatureAlgorithms",
  ]

  /// Commands that would say behind the checker's back what a directive says.
  private static let commandDirectives: [String: String] = [
    "certificate": "SSLCertificateFile", "privatekey": "SSLCertificateKeyFile",
    "chaincafile": "SSLCertificateChainFile", "chaincapath": "SSLCertificateChainFile",
    "verifycafile": "SSLCACertificateFile", "verifycapath": "SSLCACertificatePath",
    "clientcafile": "SSLCADNRequestFile", "clientcapath": "SSLCADNRequestPath",
    "requestcafile": "SSLCADNRequestFile", "requestcapath": "SSLCADNRequestPath",
    "verifymode": "SSLVerifyClient", "cipherstring": "SSLCipherSuite",
    "ciphersuites": "SSLCipherSuite TLSv1.3", "minprotocol": "SSLProtocol",
    "maxprotocol": "SSLProtocol", "protocol": "SSLProtocol",
  ]

  private mutating func checkCommand(_ directive: Directive, _ draft: SiteDraft) {
    let name = directive.arguments[0]
    let value = directive.arguments[1]
    if let other = Checker.commandDirectives[name.text.asciiLowercased] {
      return error("what '\(name.text)' says has a directive: write '\(other)'", name)
    }
    if name.text.asciiLowercased == "dhparameters" {
      return error(
        "key exchange over finite fields (DHE) is not offered, so that it needs no parameters;"
          + " remove the line", name)
    }
    guard
      let known = Checker.commandNames.first(where: {
        $0.asciiLowercased == name.text.asciiLowercased
      })
    else {
      let hint = Spelling.nearest(to: name.text, among: Checker.commandNames)
      return error(
        "'\(name.text)' is not a known setting of OpenSSL"
          + (hint.map { "; did you mean '\($0)'?" } ?? ""), name)
    }
    if value.text.isEmpty { return error("a value is expected for '\(known)', not nothing", value) }
    if known == "Options", !checkCommandOptions(value) { return }
    draft.tls.commands.append(SiteTLS.Command(name: known, value: value.text, word: name))
  }

  private mutating func checkCommandOptions(_ word: Word) -> Bool {
    for part in word.text.split(separator: ",") where !part.hasPrefix("-") {
      let name = String(part.hasPrefix("+") ? part.dropFirst() : part)
      switch name.asciiLowercased {
      case "compression", "unsafelegacyrenegotiation", "clientrenegotiation",
        "unsafelegacyserverconnect":
        error("'\(name)' makes connections unsafe and is not allowed", word)
        return false
      default: continue
      }
    }
    return true
  }

  // MARK: SSLOptions

  private static let optionNames = [
    "StdEnvVars", "ExportCertData", "StrictRequire", "LegacyDNStringFormat", "OptRenegotiate",
    "ExportBothCertData",
  ]

  /// They have no effect; those that would let somebody in are refused.
  mutating func checkSSLOptions(_ directive: Directive) {
    for word in directive.arguments {
      let isSigned = word.text.hasPrefix("+") || word.text.hasPrefix("-")
      let name = isSigned ? String(word.text.dropFirst()) : word.text
      if Checker.optionNames.contains(where: { $0.asciiLowercased == name.asciiLowercased }) {
        continue
      }
      if name.asciiLowercased == "fakebasicauth" {
        if word.text.hasPrefix("-") { continue }
        error(
          "FakeBasicAuth makes user names of client certificates, and users who log in are not"
            + " implemented; SSLVerifyClient alone decides who gets in", word)
        continue
      }
      let hint = Spelling.nearest(to: name, among: Checker.optionNames)
      error("unknown option '\(name)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""), word)
    }
  }
}
