// Directives about certificates, those of the site and those of clients.

import HTTP
import Platform

extension Checker {
  /// An absolute path and where it was written. No file is opened here: the master does that.
  private func file(_ word: Word) -> ConfiguredText { ConfiguredText(absolute(word.text), word) }

  mutating func checkCertificates(
    _ directive: Directive, _ first: Word, _ draft: SiteDraft
  ) -> Bool {
    switch directive.row.name {
    case "SSLCertificateFile": draft.tls.certificates.append(file(first))
    case "SSLCertificateKeyFile": draft.tls.keys.append(file(first))
    case "SSLCertificateChainFile": draft.tls.chainFile = file(first)
    case "SSLCertificateDirectory": draft.tls.certificateDirectory = file(first)
    default: return false
    }
    return true
  }

  mutating func checkClients(
    _ directive: Directive, _ first: Word, _ draft: SiteDraft
  ) -> Bool {
    switch directive.row.name {
    case "SSLVerifyClient":
      let known = SiteTLS.Verification.allCases.map(\.rawValue)
      guard let value = SiteTLS.Verification(rawValue: first.text.asciiLowercased) else {
        expected(known, first)
        break
      }
      draft.tls.verification = (value, first)
    case "SSLVerifyDepth": draft.tls.chainDepthMax = ValueType.integer(first.text)
    case "SSLCACertificateFile": draft.tls.issuersFile = file(first)
    case "SSLCACertificatePath": draft.tls.issuersDirectory = file(first)
    case "SSLCADNRequestFile": draft.tls.requestedIssuersFile = file(first)
    case "SSLCADNRequestPath": draft.tls.requestedIssuersDirectory = file(first)
    case "SSLCARevocationFile": draft.tls.revocationFile = file(first)
    case "SSLCARevocationPath": draft.tls.revocationDirectory = file(first)
    case "SSLCARevocationCheck": checkRevocation(directive, draft)
    default: return false
    }
    return true
  }

  /// SSLCARevocationCheck none|leaf|chain [no_crl_for_cert_ok]
  private mutating func checkRevocation(_ directive: Directive, _ draft: SiteDraft) {
    let first = directive.arguments[0]
    var revocation = SiteTLS.Revocation()
    guard let extent = SiteTLS.Revocation.Extent(rawValue: first.text.asciiLowercased) else {
      return expected(SiteTLS.Revocation.Extent.allCases.map(\.rawValue), first)
    }
    revocation.extent = extent
    if directive.arguments.count == 2 {
      guard directive.arguments[1].text.asciiLowercased == "no_crl_for_cert_ok" else {
        return expected(["no_crl_for_cert_ok"], directive.arguments[1])
      }
      revocation.toleratesMissingList = true
    }
    draft.tls.revocation = (revocation, first)
  }

  mutating func checkStapling(
    _ directive: Directive, _ first: Word, _ draft: SiteDraft
  ) -> Bool {
    let seconds = ValueType.integer(first.text).map { Int64($0) }
    switch directive.row.name {
    case "SSLUseStapling": draft.tls.usesStapling = ValueType.onOff(first.text)
    case "SSLStaplingResponderTimeout":
      draft.tls.staplingResponderTimeoutMilliseconds =
        ValueType.milliseconds(first.text, unit: .seconds).map { Int64($0) }
    case "SSLStaplingResponseTimeSkew": draft.tls.staplingTimeSkewSeconds = seconds
    case "SSLStaplingResponseMaxAge": draft.tls.staplingAgeSecondsMax = seconds
    case "SSLStaplingStandardCacheTimeout": draft.tls.staplingRefreshSeconds = seconds
    case "SSLStaplingErrorCacheTimeout": draft.tls.staplingRetrySeconds = seconds
    case "SSLStaplingForceURL":
      let rest = first.text.dropFirst("http://".count)
      guard first.text.asciiLowercased.hasPrefix("http://"), !rest.isEmpty, !rest.hasPrefix("/")
      else {
        error(
          "an http URL is expected, not '\(first.text)': the response is signed, and its"
            + " certificate's check must not need another", first)
        break
      }
      draft.tls.staplingURL = ConfiguredText(first.text, first)
    default: return false
    }
    return true
  }

  private mutating func expected(_ words: [String], _ word: Word) {
    let hint = Spelling.nearest(to: word.text, among: words).map { "; did you mean '\($0)'?" } ?? ""
    error("\(ValueType.list(words)) is expected, not '\(word.text)'\(hint)", word)
  }

  /// What one block's directives must be to each other.
  mutating func finishTLS(_ draft: SiteDraft) {
    for key in draft.tls.keys.dropFirst(draft.tls.certificates.count) {
      error(
        draft.tls.certificates.isEmpty
          ? "no SSLCertificateFile stands beside this key; name the key's certificate here too"
          : "no SSLCertificateFile goes with this key: the first key is the first certificate's,"
            + " the second the second's", key.word)
    }
  }
}
