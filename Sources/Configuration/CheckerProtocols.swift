// Protocols, and mod_http2's directives.

import HTTP
import Platform

extension Checker {
  /// True if the directive is about versions of HTTP; its value is then in the draft.
  mutating func checkProtocols(_ directive: Directive, _ draft: SiteDraft) -> Bool {
    guard let first = directive.arguments.first else { return false }
    switch directive.row.name {
    case "Protocols": checkProtocolList(directive, draft)
    case "ProtocolsHonorOrder": draft.protocolsHonorOrder = ValueType.onOff(first.text)
    case "H2MaxSessionStreams": draft.http2.streamsMax = ValueType.integer(first.text)
    case "H2WindowSize": draft.http2.windowBytes = ValueType.bytes(first.text)
    case "H2MaxDataFrameLen": draft.http2.dataFrameBytesMax = ValueType.bytes(first.text)
    case "H2MaxStreamErrors": draft.http2.streamErrorsMax = ValueType.integer(first.text)
    case "H2StreamTimeout":
      draft.http2.streamTimeoutMilliseconds =
        ValueType.milliseconds(first.text, unit: .seconds).map { Int64($0) }
    case "H2ModernTLSOnly": draft.http2.modernTLSOnly = ValueType.onOff(first.text)
    case "H2Direct": draft.http2.direct = ValueType.onOff(first.text)
    case "H2Upgrade":
      guard ValueType.onOff(first.text) == true else { break }
      error(
        "an upgrade from HTTP/1.1 to HTTP/2 is abolished (RFC 9113 §3.1); clients begin with h2c"
          + " or agree on h2 by TLS; write 'H2Upgrade off'", first)
    default: return false
    }
    return true
  }

  private mutating func checkProtocolList(_ directive: Directive, _ draft: SiteDraft) {
    let errors = diagnostics.count
    let known = ApplicationProtocol.allCases.map(\.rawValue)
    var list: [ApplicationProtocol] = []
    for word in directive.arguments {
      guard let named = ApplicationProtocol(rawValue: word.text.asciiLowercased) else {
        if word.text.asciiLowercased == "acme-tls/1" {
          error("acme-tls/1 is mod_md's, which is not implemented; remove it", word)
          continue
        }
        let hint = Spelling.nearest(to: word.text, among: known)
        error(
          "\(ValueType.list(known)) is expected, not '\(word.text)'"
            + (hint.map { "; did you mean '\($0)'?" } ?? ""), word)
        continue
      }
      if list.contains(named) {
        warning("'\(named.rawValue)' is named twice", word)
      } else {
        list.append(named)
      }
    }
    guard diagnostics[errors...].allSatisfy({ $0.severity == .warning }) else { return }
    if !list.contains(.http1) {
      let text = (list.map(\.rawValue) + ["http/1.1"]).joined(separator: " ")
      return error(
        "http/1.1 cannot be left out: not every client knows another; write 'Protocols \(text)'",
        directive.arguments[0])
    }
    draft.protocols = list
  }
}
