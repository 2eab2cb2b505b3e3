// Encryption and versions of HTTP in the dump, one directive a line.

import Platform

extension Site {
  /// For `lines`: what belongs to its connections.
  var connectionLines: [String] {
    var lines: [String] = []
    if let encrypts { lines.append("SSLEngine \(encrypts ? "On" : "Off")") }
    if let tls { lines += tls.lines }
    lines.append("Protocols " + protocols.map(\.rawValue).joined(separator: " "))
    lines.append("ProtocolsHonorOrder \(protocolsHonorOrder ? "On" : "Off")")
    if protocols.contains(.http2ClearText) || tls != nil && protocols.contains(.http2) {
      lines += http2.lines
    }
    return lines
  }
}

extension SiteHTTP2 {
  fileprivate var lines: [String] {
    [
      "H2MaxSessionStreams \(streamsMax)", "H2WindowSize \(windowBytes)",
      "H2MaxDataFrameLen \(dataFrameBytesMax)", "H2MaxStreamErrors \(streamErrorsMax)",
      streamTimeoutMilliseconds.map { "H2StreamTimeout \($0)ms" },
      "H2ModernTLSOnly \(modernTLSOnly ? "On" : "Off")", "H2Direct \(direct ? "On" : "Off")",
    ].compactMap { $0 }
  }
}

extension SiteTLS {
  fileprivate var lines: [String] {
    var lines: [String] = []
    for certificate in certificates {
      lines.append("SSLCertificateFile \"\(certificate.file)\"")
      if let key = certificate.key { lines.append("SSLCertificateKeyFile \"\(key)\"") }
    }
    lines += SiteTLS.lines([
      ("SSLCertificateChainFile", chainFile), ("SSLCertificateDirectory", certificateDirectory),
    ])
    lines.append(
      versionMin == versionMax
        ? "SSLProtocol \(versionMin.rawValue)"
        : "SSLProtocol \(versionMin.rawValue) +\(versionMax.rawValue)")
    lines.append("SSLCipherSuite \(cipherList?.text ?? SiteTLS.cipherListStandard)")
    if let cipherSuites { lines.append("SSLCipherSuite TLSv1.3 \(cipherSuites)") }
    lines.append("SSLHonorCipherOrder \(honorsCipherOrder ? "On" : "Off")")
    for command in commands { lines.append("SSLOpenSSLConfCmd \(command.name) \(command.value)") }
    lines.append("SSLSessionTickets \(usesTickets ? "On" : "Off")")
    lines.append("SSLStrictSNIVHostCheck \(requiresServerName ? "On" : "Off")")
    lines += stapling?.lines ?? ["SSLUseStapling Off"]
    lines.append("SSLVerifyClient \(clients.verification.rawValue)")
    if clients.verification != .none { lines += clients.lines }
    return lines
  }

  /// Those that are given.
  fileprivate static func lines(_ texts: [(String, ConfiguredText?)]) -> [String] {
    texts.compactMap { name, text in text.map { "\(name) \"\($0)\"" } }
  }
}

extension SiteTLS.Stapling {
  fileprivate var lines: [String] {
    [
      "SSLUseStapling On", "SSLStaplingResponderTimeout \(responderTimeoutMilliseconds)ms",
      "SSLStaplingResponseTimeSkew \(timeSkewSeconds)",
      "SSLStaplingResponseMaxAge \(responseAgeSecondsMax ?? -1)",
      "SSLStaplingStandardCacheTimeout \(refreshSeconds)",
      "SSLStaplingErrorCacheTimeout \(retrySeconds)",
    ] + SiteTLS.lines([("SSLStaplingForceURL", responderURL)])
  }
}

extension SiteTLS.Clients {
  /// Also what a policy is known by.
  var lines: [String] {
    var revoked = "SSLCARevocationCheck \(revocation.extent.rawValue)"
    if revocation.toleratesMissingList { revoked += " no_crl_for_cert_ok" }
    return ["SSLVerifyDepth \(chainDepthMax)", revoked]
      + SiteTLS.lines([
        ("SSLCACertificateFile", issuersFile), ("SSLCACertificatePath", issuersDirectory),
        ("SSLCADNRequestFile", requestedIssuersFile),
        ("SSLCADNRequestPath", requestedIssuersDirectory),
        ("SSLCARevocationFile", revocationFile), ("SSLCARevocationPath", revocationDirectory),
      ])
  }
}
