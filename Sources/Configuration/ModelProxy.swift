// Where requests are passed to: members, balancers, and how a path becomes a target.

import Platform

/// The protocol that a member of a balancer speaks.
package enum ProxyScheme: String, Hashable, Sendable {
  case http, fcgi

  /// By its number: `==` compares the words of such enumerations.
  package var isFastCGI: Bool {
    switch self {
    case .http: false
    case .fcgi: true
    }
  }
}

/// Where a member listens.
package enum ProxyAddress: Hashable, Sendable {
  /// A name, or an IP literal without brackets.
  case host(name: String, port: UInt16)
  /// A Unix-domain socket.
  case unix(path: String)
}

/// `ProxyPass … proxyprotocol=`: what is said of the client before the first request.
package enum ProxyProtocolVersion: Int, Hashable, Sendable { case v1 = 1, v2 = 2 }

/// Active health checks, mod_proxy_hcheck's `hcmethod` and its neighbours.
package struct HealthCheck: Hashable, Sendable {
  package enum Probe: String, Hashable, Sendable {
    /// A connection suffices.
    case tcp = "TCP"
    case options = "OPTIONS"
    case head = "HEAD"
    case get = "GET"
  }
  package var probe = Probe.tcp
  package var intervalMilliseconds: Int64 = 30_000
  /// Successes in a row until a failed member is used again.
  package var passes = 1
  /// Failures in a row until a member is used no more.
  package var fails = 1
  /// The path asked for, put behind the member's own.
  package var path = ""

  package init() {}
}

/// What a member is at its start; an operator may change it while the server runs.
package struct ProxyMemberStatus: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// D: takes nothing.
  package static let disabled = ProxyMemberStatus(rawValue: 1)
  /// S: as D; said by an operator.
  package static let stopped = ProxyMemberStatus(rawValue: 2)
  /// H: used only when no other member of its set can be.
  package static let hotStandby = ProxyMemberStatus(rawValue: 4)
  /// R: takes the place of one failed member of its set.
  package static let hotSpare = ProxyMemberStatus(rawValue: 8)
  /// N: only requests that are bound to it by their session.
  package static let draining = ProxyMemberStatus(rawValue: 16)
  /// I: never counts as failed.
  package static let ignoresErrors = ProxyMemberStatus(rawValue: 32)
  /// E: failed from the start, until it is retried.
  package static let failed = ProxyMemberStatus(rawValue: 64)
}

/// The `key=value` words of `ProxyPass`, `BalancerMember` and `ProxySet` for one member.
package struct ProxyParameters: Hashable, Sendable {
  /// `max`: connections of one worker at a time; nil: no limit.
  package var connectionsMax: Int?
  /// `smax`: idle connections kept beyond `ttl`; nil: none.
  package var idleConnectionsMin: Int?
  /// `ttl`: how long an idle connection is kept.
  package var idleMilliseconds: Int64 = 60_000
  /// `retry`: how long a failed member is left alone.
  package var retryMilliseconds: Int64 = 60_000
  /// `acquire`: how long a request waits for a free connection when `max` are busy; nil: as long as
  /// the balancer's `timeout` says.
  package var acquireMilliseconds: Int64?
  /// `connectiontimeout`; nil: as `timeout`.
  package var connectMilliseconds: Int64?
  /// `timeout`; nil: `ProxyTimeout`, and that is `Timeout` unless it is said.
  package var timeoutMilliseconds: Int64?
  /// `disablereuse`: one connection a request.
  package var disablesReuse = false
  /// `loadfactor` in hundredths: 100 … 10,000.
  package var loadFactor = 100
  /// `route`: what a session's name ends with.
  package var route: String?
  package var status: ProxyMemberStatus = []
  /// `lbset`: sets of lower numbers are tried first.
  package var set = 0
  /// `upgrade`: protocols that a request may change to, lower case; "any" stands for all.
  package var upgrades: [String] = []
  /// `responsefieldsize`: of one field of a response.
  package var responseFieldBytesMax = 8192
  /// `proxyprotocol` (ours): 1 or 2.
  package var proxyProtocol: ProxyProtocolVersion?
  /// `slowstart` (ours): after a failure the member's share grows to its own over this time.
  package var slowStartMilliseconds: Int64 = 0
  /// nil: none.
  package var healthCheck: HealthCheck?

  package init() {}
}

/// One server that requests are passed to. Two directives that name the same URL with the same
/// parameters share it, and with it connections, failures and counts.
package struct ProxyMember: Hashable, Sendable {
  /// So many can be remembered, over all sites.
  package static let countMax = 1024

  /// The URL as written, normalised: names it in logs, in status and in shared state.
  package var name: String
  package var scheme: ProxyScheme
  package var address: ProxyAddress
  /// The URL's authority: the Host field unless `ProxyPreserveHost` is on.
  package var authority: String
  /// The URL's path; empty, or begins with "/". What a request adds is put behind it.
  package var path: String
  package var parameters = ProxyParameters()

  package init(
    name: String, scheme: ProxyScheme, address: ProxyAddress, authority: String, path: String
  ) {
    self.name = name
    self.scheme = scheme
    self.address = address
    self.authority = authority
    self.path = path
  }
}

/// `lbmethod`
package enum BalancingMethod: Hashable, Sendable {
  case byRequests, byTraffic, byBusyness
  /// Consistent hashing (ours, `lbmethod=hash key=…`): the same member for the same key as long as
  /// it can be used; when one fails only its own keys move.
  case hash(BalancingKey)
}

/// What `lbmethod=hash` hashes.
package enum BalancingKey: Hashable, Sendable {
  case url, path, clientAddress
  case field(String)
  case cookie(String)
}

/// A set of members of which one takes each request. A target without a balancer is a balancer of
/// one member with that member's name.
package struct ProxyBalancer: Hashable, Sendable {
  /// "balancer://name", or the member's name.
  package var name: String
  /// Indices into `Model.proxyMembers`.
  package var members: [Int]
  package var method = BalancingMethod.byRequests
  /// `stickysession`: the cookie, and the path parameter, that name a session; empty: none.
  package var stickyCookie = ""
  package var stickyParameter = ""
  /// `stickysessionsep`: what stands between a session's name and its route.
  package var stickySeparator = "."
  /// `failonstatus`: responses that count as failures of their member.
  package var failOnStatus: [Int] = []
  /// `failontimeout`
  package var failsOnTimeout = false
  /// `maxattempts`: further members tried; nil: all others.
  package var retriesMax: Int?
  /// `nofailover`: a session stays with its member, failed or not.
  package var noFailover = false
  /// `forcerecovery`: when all have failed, all are tried again at once.
  package var forcesRecovery = true
  /// `timeout`: how long a request waits for a free connection before 503; nil: as long as it waits
  /// for an answer.
  package var waitMilliseconds: Int64?

  package init(name: String, members: [Int]) {
    self.name = name
    self.members = members
  }
}

/// Where a request is passed to. It never changes, so that whoever needs it holds on to the one.
package final class ProxyTarget: Hashable, Sendable {
  /// The request queue that leads to the application; nil: none, the configuration names it.
  package let queue: QueueReference?
  /// The application takes over the client's connection.
  package let handsOff: Bool
  /// Index into `Model.proxyBalancers`.
  package let balancer: Int
  /// Path and query, percent-encoded, to be put behind the chosen member's path; begins with "/"
  /// unless the member's path and it make one together.
  package let path: [UInt8]
  /// `nocanon`: so many bytes of the request's path, as the client spelled it, are replaced by
  /// `path`, and the rest of the target is passed on untouched; nil: `path` is all of it.
  package let rawPrefixByteCount: Int?
  /// Not `noquery`.
  package let passesQuery: Bool
  /// `nocanon`: what `path` would be without it, for a request that spells those first bytes in
  /// another way than they are decoded to; empty otherwise.
  package let canonicalPath: [UInt8]
  /// FastCGI: SCRIPT_FILENAME's file path; empty: the member's path and `path`.
  package let scriptPath: [UInt8]
  /// FastCGI: PATH_INFO is so many bytes at the end of the request's path.
  package let pathInfoByteCount: Int

  package init(
    balancer: Int, path: [UInt8], queue: QueueReference? = nil, handsOff: Bool = false,
    rawPrefixByteCount: Int? = nil, passesQuery: Bool = true, canonicalPath: [UInt8] = [],
    scriptPath: [UInt8] = [], pathInfoByteCount: Int = 0
  ) {
    self.queue = queue
    self.handsOff = handsOff
    self.balancer = balancer
    self.path = path
    self.rawPrefixByteCount = rawPrefixByteCount
    self.passesQuery = passesQuery
    self.canonicalPath = canonicalPath
    self.scriptPath = scriptPath
    self.pathInfoByteCount = pathInfoByteCount
  }

  /// The same by way of another queue, and with another path if one is given.
  package func delegated(
    to queue: QueueReference, balancer: Int, path: [UInt8]?
  ) -> ProxyTarget {
    ProxyTarget(
      balancer: balancer, path: path ?? self.path, queue: queue, handsOff: handsOff,
      rawPrefixByteCount: rawPrefixByteCount, passesQuery: passesQuery,
      canonicalPath: canonicalPath, scriptPath: scriptPath, pathInfoByteCount: pathInfoByteCount)
  }

  package static func == (one: ProxyTarget, other: ProxyTarget) -> Bool {
    one.queue == other.queue && one.handsOff == other.handsOff && one.balancer == other.balancer
      && one.path == other.path && one.rawPrefixByteCount == other.rawPrefixByteCount
      && one.passesQuery == other.passesQuery && one.canonicalPath == other.canonicalPath
      && one.scriptPath == other.scriptPath && one.pathInfoByteCount == other.pathInfoByteCount
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(balancer)
    hasher.combine(path)
  }
}

/// A request queue: its place, and which one it is of all that have had it.
package struct QueueReference: Hashable, Sendable {
  package let slot: Int
  /// Never that of an earlier queue.
  package let serial: UInt64
  /// Whose it is: only he may bring its socket back.
  package let user: UInt32

  package init(slot: Int, serial: UInt64, user: UInt32) {
    self.slot = slot
    self.serial = serial
    self.user = user
  }
}

/// `ProxyVia`
package enum ProxyVia: String, Hashable, Sendable {
  case off, on, full, block

  /// Whether this server adds itself. By its number: `==` compares the words of such enumerations.
  package var isAdded: Bool {
    switch self {
    case .on, .full: true
    case .off, .block: false
    }
  }

  package var isOff: Bool {
    switch self {
    case .off: true
    case .on, .full, .block: false
    }
  }
}

/// `ProxyPassReverse`, `ProxyPassReverseCookiePath` and `ProxyPassReverseCookieDomain`: what a
/// response says (`from`) and what the client is to read instead (`to`).
package struct ProxyReverseRule: Hashable, Sendable {
  package var from: [UInt8]
  package var to: [UInt8]

  package init(from: [UInt8], to: [UInt8]) {
    self.from = from
    self.to = to
  }
}

/// How requests of one path are passed on.
package struct ProxySettings: Hashable, Sendable {
  package var preservesHost = false
  /// `ProxyErrorOverride`: error statuses of which our own page is sent; empty: none.
  package var errorOverride: Set<Int> = []
  /// `ProxyAddHeaders`: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Server.
  package var addsForwardedFields = true
  /// `ProxyAddForwarded` (ours): Forwarded (RFC 7239).
  package var addsForwarded = false
  /// `ProxyTimeout`; nil: the site's `Timeout`.
  package var timeoutMilliseconds: Int64?
  /// `ProxyTunnelTimeout` (ours): how long both sides of a tunnel may say nothing.
  package var tunnelMilliseconds: Int64 = 300_000
  package var via = ProxyVia.off
  /// In order; the first that fits acts.
  package var reverse: [ProxyReverseRule] = []
  package var reverseCookiePaths: [ProxyReverseRule] = []
  package var reverseCookieDomains: [ProxyReverseRule] = []
  /// `RequestHeader`, in order.
  package var requestHeaderEdits: [HeaderEdit] = []

  package init() {}

  /// Whether what responses say of places may have to be replaced.
  package var rewritesLocations: Bool { !reverse.isEmpty }
  /// Whether cookies may have to be.
  package var rewritesCookies: Bool { !reverseCookiePaths.isEmpty || !reverseCookieDomains.isEmpty }
}

/// `RemoteIPHeader` and its neighbours, `RemoteIPProxyProtocol`: who is believed about the client.
package struct RemoteIPSettings: Hashable, Sendable {
  /// Lower case; empty: no field is believed.
  package var field = ""
  /// `RemoteIPInternalProxy`: believed also about private addresses.
  package var internalProxies: [IPNetwork] = []
  package var trustedProxies: [IPNetwork] = []
  /// `RemoteIPProxiesHeader`; empty: none.
  package var proxiesField = ""
  /// Connections begin with the PROXY protocol, version 1 or 2.
  package var expectsProxyProtocol = false
  /// `RemoteIPProxyProtocolExceptions`: who does not speak it.
  package var proxyProtocolExceptions: [IPNetwork] = []

  package init() {}
}
