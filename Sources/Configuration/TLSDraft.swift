// What one site says about encryption and HTTP/2 while it is being read; what is nil is inherited.

/// `SSL…` directives of one block.
struct TLSDraft {
  var engine: (isOn: Bool, word: Word)?
  var certificates: [ConfiguredText] = []
  /// In order; each goes with the certificate of its place.
  var keys: [ConfiguredText] = []
  var chainFile: ConfiguredText?
  var certificateDirectory: ConfiguredText?
  var versions: ClosedRange<SiteTLS.Version>?
  var cipherList: ConfiguredText?
  var cipherSuites: ConfiguredText?
  var honorsCipherOrder: Bool?
  var commands: [SiteTLS.Command] = []
  var usesTickets: Bool?
  var usesStapling: Bool?
  var staplingResponderTimeoutMilliseconds: Int64?
  var staplingTimeSkewSeconds: Int64?
  /// -1: as long as the response says.
  var staplingAgeSecondsMax: Int64?
  var staplingRefreshSeconds: Int64?
  var staplingRetrySeconds: Int64?
  var staplingURL: ConfiguredText?
  var requiresServerName: Bool?
  var verification: (value: SiteTLS.Verification, word: Word)?
  var chainDepthMax: Int?
  var issuersFile: ConfiguredText?
  var issuersDirectory: ConfiguredText?
  var requestedIssuersFile: ConfiguredText?
  var requestedIssuersDirectory: ConfiguredText?
  var revocationFile: ConfiguredText?
  var revocationDirectory: ConfiguredText?
  var revocation: (value: SiteTLS.Revocation, word: Word)?

  /// Whether it names any certificate; then none is inherited.
  var namesCertificates: Bool { !certificates.isEmpty || certificateDirectory != nil }

  /// The finished values, over those of the main server.
  func merged(over main: TLSDraft) -> SiteTLS {
    var tls = SiteTLS()
    let owner = namesCertificates ? self : main
    tls.certificates = owner.certificates.enumerated().map { index, file in
      SiteTLS.Certificate(
        file: file, key: index < owner.keys.count ? owner.keys[index] : nil)
    }
    tls.certificateDirectory = owner.certificateDirectory
    tls.chainFile = chainFile ?? owner.chainFile
    if let versions = versions ?? main.versions {
      tls.versionMin = versions.lowerBound
      tls.versionMax = versions.upperBound
    }
    tls.cipherList = cipherList ?? main.cipherList
    tls.cipherSuites = cipherSuites ?? main.cipherSuites
    tls.honorsCipherOrder = honorsCipherOrder ?? main.honorsCipherOrder ?? tls.honorsCipherOrder
    tls.commands = main.commands + commands
    tls.usesTickets = usesTickets ?? main.usesTickets ?? tls.usesTickets
    tls.requiresServerName = requiresServerName ?? main.requiresServerName ?? false
    tls.stapling = stapling(over: main)
    tls.clients = clients(over: main)
    tls.policyIdentity = tls.policy
    return tls
  }

  private func stapling(over main: TLSDraft) -> SiteTLS.Stapling? {
    guard usesStapling ?? main.usesStapling ?? false else { return nil }
    var stapling = SiteTLS.Stapling()
    stapling.responderTimeoutMilliseconds =
      staplingResponderTimeoutMilliseconds ?? main.staplingResponderTimeoutMilliseconds
      ?? stapling.responderTimeoutMilliseconds
    stapling.timeSkewSeconds =
      staplingTimeSkewSeconds ?? main.staplingTimeSkewSeconds ?? stapling.timeSkewSeconds
    let age = staplingAgeSecondsMax ?? main.staplingAgeSecondsMax ?? -1
    stapling.responseAgeSecondsMax = age < 0 ? nil : age
    stapling.refreshSeconds =
      staplingRefreshSeconds ?? main.staplingRefreshSeconds ?? stapling.refreshSeconds
    stapling.retrySeconds =
      staplingRetrySeconds ?? main.staplingRetrySeconds ?? stapling.retrySeconds
    stapling.responderURL = staplingURL ?? main.staplingURL
    return stapling
  }

  private func clients(over main: TLSDraft) -> SiteTLS.Clients {
    var clients = SiteTLS.Clients()
    clients.verification = (verification ?? main.verification)?.value ?? .none
    clients.chainDepthMax = chainDepthMax ?? main.chainDepthMax ?? clients.chainDepthMax
    clients.issuersFile = issuersFile ?? main.issuersFile
    clients.issuersDirectory = issuersDirectory ?? main.issuersDirectory
    clients.requestedIssuersFile = requestedIssuersFile ?? main.requestedIssuersFile
    clients.requestedIssuersDirectory =
      requestedIssuersDirectory ?? main.requestedIssuersDirectory
    clients.revocationFile = revocationFile ?? main.revocationFile
    clients.revocationDirectory = revocationDirectory ?? main.revocationDirectory
    clients.revocation = (revocation ?? main.revocation)?.value ?? clients.revocation
    return clients
  }
}

/// mod_http2's directives of one block.
struct HTTP2Draft {
  var streamsMax: Int?
  var windowBytes: Int?
  var dataFrameBytesMax: Int?
  var streamErrorsMax: Int?
  var streamTimeoutMilliseconds: Int64?
  var modernTLSOnly: Bool?
  var direct: Bool?

  /// The finished values, over those of the main server.
  func merged(over main: HTTP2Draft) -> SiteHTTP2 {
    var http2 = SiteHTTP2()
    http2.streamsMax = streamsMax ?? main.streamsMax ?? http2.streamsMax
    http2.windowBytes = windowBytes ?? main.windowBytes ?? http2.windowBytes
    http2.dataFrameBytesMax =
      dataFrameBytesMax ?? main.dataFrameBytesMax ?? http2.dataFrameBytesMax
    http2.streamErrorsMax = streamErrorsMax ?? main.streamErrorsMax ?? http2.streamErrorsMax
    http2.streamTimeoutMilliseconds = streamTimeoutMilliseconds ?? main.streamTimeoutMilliseconds
    http2.modernTLSOnly = modernTLSOnly ?? main.modernTLSOnly ?? http2.modernTLSOnly
    http2.direct = direct ?? main.direct ?? http2.direct
    return http2
  }
}

extension SiteTLS {
  /// The lines of `policyIdentity`: what a connection's site decided for all its requests.
  fileprivate var policy: UInt64 {
    var fingerprint = Fingerprint()
    fingerprint.mix("\(versionMin.rawValue) \(versionMax.rawValue)")
    fingerprint.mix(effectiveCipherList)
    fingerprint.mix(cipherSuites?.text ?? "")
    for command in commands { fingerprint.mix("\(command.name) \(command.value)") }
    fingerprint.mix(clients.verification.rawValue)
    if clients.verification != .none {
      // Paths, not contents: two files with the same certificates are rare and cost a connection.
      for line in clients.lines { fingerprint.mix(line) }
    }
    return fingerprint.value
  }
}
