// The directive table, the dictionary of names, the manual page, and values.

import Testing

@testable import Configuration

struct SyntaxTableTests {
  @Test func `every directive that is implemented has one row`() {
    let names = """
      ServerRoot Listen User Group PidFile ControlSocket Workers ErrorLog LogLevel CustomLog
      ServerName ServerAlias ServerNameMatch UseCanonicalName ServerAdmin ServerTokens
      ServerSignature DocumentRoot DirectoryIndex FallbackResource Alias AliasMatch Redirect
      RedirectMatch RedirectPermanent RedirectTemp ErrorDocument VirtualHost Directory
      DirectoryMatch Location LocationMatch Files FilesMatch Require RequireAll RequireAny
      RequireNone Options SymlinkConfine AllowOverride TypesConfig AddType ForceType AddCharset
      AddDefaultCharset AddEncoding Header ExpiresActive ExpiresByType ExpiresDefault FileETag
      KeepAlive KeepAliveTimeout MaxKeepAliveRequests Timeout RequestReadTimeout LimitRequestLine
      LimitRequestFields LimitRequestFieldSize LimitRequestBody ListenBacklog
      MaxConnectionsPerChild GracefulShutdownTimeout CacheSize CacheMaxObject
      CacheStaticRevalidate CacheWatchFiles CachePersist CacheHugePages TraceEnable
      AllowEncodedSlashes H2Direct H2MaxDataFrameLen H2MaxSessionStreams H2MaxStreamErrors
      H2ModernTLSOnly H2StreamTimeout H2Upgrade H2WindowSize Protocols ProtocolsHonorOrder
      SSLCACertificateFile SSLCACertificatePath SSLCADNRequestFile SSLCADNRequestPath
      SSLCARevocationCheck SSLCARevocationFile SSLCARevocationPath SSLCertificateChainFile
      SSLCertificateDirectory SSLCertificateFile SSLCertificateKeyFile SSLCipherSuite
      SSLCompression SSLEngine SSLHandshakesMax SSLHonorCipherOrder SSLInsecureRenegotiation
      SSLOpenSSLConfCmd SSLOptions SSLProtocol SSLRequireSSL SSLSessionTicketKeyFile
      SSLSessionTickets SSLStaplingErrorCacheTimeout SSLStaplingForceURL
      SSLStaplingResponderTimeout SSLStaplingResponseMaxAge SSLStaplingResponseTimeSkew
      SSLStaplingStandardCacheTimeout SSLStrictSNIVHostCheck SSLUseStapling SSLVerifyClient
      SSLVerifyDepth Sandbox
      ProxyPass ProxyPassMatch ProxyPassInherit SetHandler Proxy ProxyMatch BalancerMember ProxySet
      ProxyHCTemplate ProxyRequests ProxyPreserveHost ProxyTimeout ProxyErrorOverride ProxyVia
      ProxyAddHeaders ProxyAddForwarded ProxyPassReverse ProxyPassReverseCookiePath
      ProxyPassReverseCookieDomain RequestHeader CacheEnable CacheDisable CacheDefaultExpire
      CacheMaxExpire CacheMinExpire CacheLastModifiedFactor CacheIgnoreHeaders
      CacheIgnoreQueryString CacheKeyQuery CacheIgnoreCacheControl CacheStoreExpired
      CacheStoreNoStore CacheStorePrivate CacheVaryUserAgent CacheVaryCookie CacheStaleOnError
      CacheStaleWhileRevalidate CacheLock CacheLockMaxAge CacheStatusField CacheDebug
      CachePurgeFrom AddOutputFilterByType SetOutputFilter DeflateCompressionLevel
      BrotliCompressionQuality ZstdCompressionLevel CompressionMinLength RemoteIPHeader
      RemoteIPInternalProxy RemoteIPInternalProxyList RemoteIPTrustedProxy
      RemoteIPTrustedProxyList RemoteIPProxiesHeader RemoteIPProxyProtocol
      RemoteIPProxyProtocolExceptions StateDirectory UrlReservation QueueDirectory
      Application Command Url Queue Processes Concurrency QueueLength QueueAge QueueVerbosity
      QueueBytes QueueGroup Delegators
      WorkingDirectory Environment OnDemand IdleStop RecycleRequests RecycleAge RecycleMemory Ping
      StopTimeout AcceptPathInfo ProxyTunnelTimeout
      Define UnDefine IfDefine IfModule Include IncludeOptional
      """.split(whereSeparator: \.isWhitespace).map(String.init)
    #expect(names.sorted() == DirectiveTable.rows.map(\.name))
  }

  @Test func `a default is a value the row itself accepts`() {
    for row in DirectiveTable.rows {
      guard let text = row.defaultText else { continue }
      #expect(row.type.complaint(about: text) == nil, "\(row.name)")
    }
  }

  @Test func `every row has a manual text with an example`() {
    for row in DirectiveTable.rows {
      #expect(row.manual.contains("\n\n  "), "\(row.name)")
      #expect(row.manual.count > 60, "\(row.name)")
    }
  }

  @Test func `the example of each row names it`() {
    for row in DirectiveTable.rows { #expect(row.manual.contains(row.name), "\(row.name)") }
  }

  @Test func `no name is in two families, and none is implemented too`() {
    var seen: Set<String> = []
    for family in KnownDirectives.families {
      for name in family.names {
        #expect(seen.insert(name.lowercased()).inserted, "\(name) twice")
        #expect(DirectiveTable.row(name) == nil, "\(name) is implemented")
      }
    }
    #expect(KnownDirectives.count > 750)
  }

  @Test func `names are found in any case, old ones under the new row`() {
    guard case .implemented(let row) = KnownDirectives.lookup("maxREQUESTSperchild") else {
      Issue.record("not found")
      return
    }
    #expect(row.name == "MaxConnectionsPerChild")
  }

  @Test(arguments: [
    ("64K", 65536), ("1m", 1 << 20), ("2G", 2 << 30), ("12", 12), ("K", nil), ("1.5M", nil),
    ("9223372036854775807G", nil), ("", nil), ("+1", nil), ("١", nil),
  ])
  func `bytes are read with their suffix`(_ text: String, _ expected: Int?) {
    #expect(ValueType.bytes(text) == expected)
  }

  @Test(arguments: [
    ("5", 5000), ("5s", 5000), ("250ms", 250), ("2min", 120_000), ("2mi", 120_000),
    ("1h", 3_600_000), ("5m", nil), ("s", nil), ("", nil), ("5 s", nil),
  ])
  func `durations are read with their unit`(_ text: String, _ expected: Int?) {
    #expect(ValueType.milliseconds(text, unit: .seconds) == expected)
  }

  @Test func `the manual page has every directive and well-formed lines`() {
    let page = ReferenceManual.page(date: "January 2, 2026")
    for row in DirectiveTable.rows { #expect(page.contains(".Ss \(row.displayName)\n")) }
    #expect(page.contains(".It StartServers\n"))
    for line in page.split(separator: "\n") {
      #expect(!line.hasPrefix("'"))
      if line.hasPrefix("."), !line.hasPrefix(".\\\"") {
        let macros = [
          "Dd", "Dt", "Os", "Sh", "Ss", "Nm", "Nd", "Bl", "It", "El", "Pp", "Bd", "Ed", "Xr",
        ]
        #expect(macros.contains { line.dropFirst().hasPrefix($0) }, "\(line)")
      }
    }
  }

  @Test func `nearness counts edits and swaps`() {
    #expect(Spelling.distance(Array("abc".utf8), Array("acb".utf8)) == 1)
    #expect(Spelling.distance(Array("".utf8), Array("abc".utf8)) == 3)
    #expect(Spelling.nearest(to: "Lsiten", among: ["List", "Listen"]) == "Listen")
    #expect(Spelling.nearest(to: "zzzz", among: ["Listen"]) == nil)
  }
}
