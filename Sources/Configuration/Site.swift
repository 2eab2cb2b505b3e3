// One site: the main server, or a <VirtualHost>.

import HTTP
import Platform

/// Apache's log levels; the smaller the more urgent.
package enum LogLevel: UInt8, Hashable, Comparable, Sendable, CaseIterable {
  case emerg, alert, crit, error, warn, notice, info, debug
  case trace1, trace2, trace3, trace4, trace5, trace6, trace7, trace8

  package static func < (left: LogLevel, right: LogLevel) -> Bool {
    left.rawValue < right.rawValue
  }

  /// "warn"
  package var word: String { "\(self)" }

  /// By its word, in any case.
  package init?(word: String) {
    let word = word.asciiLowercased
    guard let level = LogLevel.allCases.first(where: { $0.word == word }) else { return nil }
    self = level
  }
}

/// One `CustomLog`.
package struct AccessLog: Hashable, Sendable {
  package enum Format: String, Hashable, Sendable { case common, combined, proxied }
  /// Absolute.
  package let path: String
  package let format: Format

  package init(path: String, format: Format) {
    self.path = path
    self.format = format
  }
}

/// `RequestReadTimeout`: 0 means no limit.
package struct RequestReadTimeout: Hashable, Sendable {
  /// Milliseconds for the whole head, before any byte of it earned more time.
  package var headerFirstMilliseconds: Int64 = 20_000
  /// Milliseconds at most, however fast bytes arrive; 0: no upper bound.
  package var headerMaxMilliseconds: Int64 = 40_000
  /// Bytes that earn one second more; 0: no extension.
  package var headerBytesPerSecondMin = 500
  package var bodyFirstMilliseconds: Int64 = 20_000
  package var bodyMaxMilliseconds: Int64 = 0
  package var bodyBytesPerSecondMin = 500
  /// For a TLS handshake; of the first site of an address.
  package var handshakeMilliseconds: Int64 = 10_000

  package init() {}
}

/// An address of a <VirtualHost>.
package struct SiteAddress: Hashable, Sendable, CustomStringConvertible {
  /// nil: "*" or "_default_".
  package let address: IPAddress?
  /// nil: every port.
  package let port: UInt16?

  /// Whether some connection to a listening socket has this address.
  func isReached(through listen: SocketAddress) -> Bool {
    if let port, port != listen.port { return false }
    guard let address else { return true }
    return listen.address == address
      || listen.address.isAny && listen.address.family == address.family
  }

  /// "*:80", "192.0.2.1:*", "[2001:db8::1]:80"
  package var description: String {
    let host = address.map { $0.family == .v6 ? "[\($0)]" : "\($0)" } ?? "*"
    return "\(host):\(port.map { "\($0)" } ?? "*")"
  }
}

/// One way a site answers to a host name, in file order.
package struct SiteName: Sendable {
  package enum Kind: Sendable {
    /// Lower case, without a trailing dot.
    case exact([UInt8])
    case wildcard([UInt8])
    case pattern(Pattern)
  }

  package let kind: Kind
  /// As configured.
  package let text: String
  /// "file:line:column"
  package let place: String
  /// `ServerName`, `ServerAlias` or `ServerNameMatch`.
  package let directive: String

  /// True if it matches a host (lower case, no port, no trailing dot).
  package func matches(_ host: [UInt8]) -> Bool {
    switch kind {
    case .exact(let name): return name == host
    case .wildcard(let pattern):
      return Wildcard.matches(pattern, host[...], separatesSegments: false, knowsSets: false)
    case .pattern(let pattern): return pattern.matches(host)
    }
  }
}

/// The main server (index 0) or a virtual host, with everything inherited filled in.
package struct Site: Sendable {
  /// Its place in `Model.sites`; changes when sites are inserted before it.
  package var index = 0
  /// `ServerName` without scheme and port, lower case; the main server's when it has none; "" if
  /// that has none either.
  package var name = ""
  /// Its own `ServerName`, else its first alias or pattern; "" if it has none of its own.
  package var label = ""
  /// From `ServerName`; nil: not given.
  package var port: UInt16?
  /// From `ServerName https://…`; nil: not given.
  package var scheme: String?
  /// Empty for the main server.
  package var addresses: [SiteAddress] = []
  package var names: [SiteName] = []
  package var serverAdmin: String?
  package var documentRoot = Template(literal: "/") {
    didSet { documentRootLine = "DocumentRoot \(documentRoot)" }
  }
  /// The directive in canonical form.
  private(set) var documentRootLine = "DocumentRoot /"
  /// Absolute; nil: the server's.
  package var errorLog: String?
  package var logLevel = LogLevel.warn
  package var accessLogs: [AccessLog] = []
  package var keepAlive = true
  package var keepAliveTimeoutMilliseconds: Int64 = 5_000
  /// 0: unlimited.
  package var maxKeepAliveRequests = 0
  package var timeoutMilliseconds: Int64 = 60_000
  package var requestReadTimeout = RequestReadTimeout()
  /// Bytes without the line's end.
  package var limitRequestLineBytes = 8190
  package var limitRequestFields = 100
  package var limitRequestFieldBytes = 8190
  package var traceEnable = false
  /// Of its encrypted connections; nil: it has none.
  package var tls: SiteTLS? {
    get { tlsStorage?.value }
    set { tlsStorage = newValue.map(TLSStorage.init) }
  }
  /// In order of preference, each once. `http2` counts on encrypted connections, `http2ClearText`
  /// on others; `http1` is always there.
  package var protocols: [ApplicationProtocol] = [.http2, .http1]
  /// Whether the order of `protocols` counts, or the client's.
  package var protocolsHonorOrder = true
  package var http2 = SiteHTTP2()
  /// Of the first site of an address: the client is known before its request is.
  package var remoteIP = RemoteIPSettings()
  /// Outside all sections; a path's is in its `Settings`.
  package var useCanonicalName = false
  package var allowEncodedSlashes = EncodedSlashes.off
  /// "file:line:column" of its <VirtualHost>; empty for the main server.
  package var place = ""
  /// Of everything that can alter a response of this site; not of its index or place.
  package var fingerprint: UInt64 = 0
  /// Of everything configured for this site: responses, names, logs, limits.
  package var definition: UInt64 = 0
  /// What holds before any section: the main server's and this site's own directives.
  package var settings: Settings {
    @inline(__always) _read { yield sharedSettings.storage.value }
  }
  package var sharedSettings = Shared(Settings())
  /// Large and rarely looked at: apart, so that a site stays small.
  private var tlsStorage: TLSStorage?
  /// `SSLEngine`; nil: as `Listen` has it for each address.
  var encrypts: Bool?
  /// Its own layer over the main server's; the dump shows it.
  var layer = SettingsLayer()
  /// The main server's sections, then its own.
  var sections: [SectionTable] = []
  /// Its own rules, then the main server's.
  var redirects: [PathRuleTable] = []
  var aliases: [PathRuleTable] = []
  /// The main server's rules, then its own, as mod_proxy has it.
  var proxyPasses: [PathRuleTable] = []
  /// What the rules' balancers are made of: for the dump and the definition.
  var proxyLines: [String] = []
  /// <Proxy> and <ProxyMatch>: the main server's, then its own.
  var proxySections: [Section] = []
  var ownProxySections: [Section] { Array(proxySections.dropFirst(inheritedProxySectionCount)) }
  var inheritedProxySectionCount = 0

  package init() {}

  package var isMainServer: Bool { index == 0 }

  private final class TLSStorage: Sendable {
    let value: SiteTLS
    init(_ value: SiteTLS) { self.value = value }
  }
}
