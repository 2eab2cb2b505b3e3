// The checked configuration: immutable, complete, defaults filled in.

import HTTP
import Namespace
import Platform

/// One address to listen on, from `Listen`.
package struct Listen: Hashable, Sendable {
  package let address: SocketAddress
  /// The third word, or 443: sites without `SSLEngine` are encrypted here.
  package let speaksHTTPS: Bool

  package init(address: SocketAddress, speaksHTTPS: Bool = false) {
    self.address = address
    self.speaksHTTPS = speaksHTTPS
  }

  /// "0.0.0.0:80", "0.0.0.0:443 https"
  package var title: String { speaksHTTPS ? "\(address) https" : "\(address)" }
}

/// `ServerTokens`: how much the Server field says.
package enum ServerTokens: String, Hashable, Sendable {
  case prod, major, minor, minimal, os, full
}

/// `Sandbox`: whether processes that face the network give up what they never need.
package enum SandboxWish: String, Hashable, Sendable, CaseIterable {
  case on, off
  /// What would be denied is logged and allowed.
  case report
}

/// Settings of the whole server; directives of the same names.
package struct ServerSettings: Sendable {
  package var serverRoot = "/"
  /// nil: keep the identity the server was started with.
  package var user: String?
  package var group: String?
  package var pidFile = "ring3d.pid"
  package var controlSocketPath = "ring3d.sock"
  package var controlSocketMode: UInt32 = 0o600
  package var controlSocketOwner: String?
  package var controlSocketGroup: String?
  /// Where what is to outlive the server lies, unlike the cache also over a restart of the machine.
  package var stateDirectory = "ring3d.state"
  package var urlReservations: [UrlReservationRule] = []
  package var applications: [ApplicationRule] = []
  /// Where the sockets of queues are; nil: nothing can be registered.
  package var queueDirectory: String?
  /// nil: auto, one per processor.
  package var workers: Int?
  package var listenBacklog: Int32 = 511
  /// 0: never replaced.
  package var maxConnectionsPerChild: UInt64 = 0
  /// 0: no limit.
  package var gracefulShutdownTimeoutMilliseconds: Int64 = 0
  /// nil: auto.
  package var cacheBytesMax: Int?
  package var cacheObjectBytesMax = 1 << 20
  package var cacheStaticRevalidateMilliseconds: Int64 = 1000
  package var cacheWatchFiles = true
  /// Whether the cache outlives a stop of the server.
  package var cachePersists = true
  package var cacheHugePages = HugePagesWish.auto
  /// Path, "syslog" is not supported, "/dev/stderr" is.
  package var errorLog = "/dev/stderr"
  package var serverTokens = ServerTokens.full
  package var sandbox = SandboxWish.on
  /// TLS handshakes at a time in one worker; 0: no limit.
  package var handshakesMax = 256
  /// `SSLSessionTicketKeyFile`: the first one's key makes tickets, all open them; empty: keys are
  /// made and rotated by the server.
  package var ticketKeyFiles: [ConfiguredText] = []
  /// The file the media types were read from; nil: the built-in ones.
  package var typesConfig: String?

  package init() {}
}

/// `UrlReservation`: a prefix, and who may do what with it. Names of users and groups are looked up
/// by the master.
package struct UrlReservationRule: Sendable {
  package let prefix: UrlPrefix
  /// The prefix as written.
  package let text: ConfiguredText
  /// Names, or "#number".
  package var users: [ConfiguredText] = []
  package var groups: [ConfiguredText] = []
  package var rights: NamespaceRights = []
}

/// What a configuration file means.
package struct Model: Sendable {
  package var server = ServerSettings()
  /// In file order, each once.
  package var listens: [Listen] = []
  /// The main server, then the virtual hosts in file order.
  package var sites: SharedArray<Site> = [Site()]
  /// Of the server; a path's are in `mediaDescription`.
  package var mediaTypes = MediaTypes()
  /// Who requests are passed to, each once, over all sites.
  package var proxyMembers: [ProxyMember] = []
  package var proxyBalancers: [ProxyBalancer] = []
  /// The first of the balancers of queues: one for each slot, in order; nil: there are none.
  var firstQueueBalancer: Int?
  /// Which of `sites` answers where.
  var virtualHosts = VirtualHostTable()

  package init() {}
}

extension Model {
  /// Queues that applications may have at a time.
  package static let queueCountMax = 128

  /// The balancer of the one member that leads to a queue; nil: no such slot.
  package func queueBalancer(_ slot: Int) -> Int? {
    guard let firstQueueBalancer, (0..<Model.queueCountMax).contains(slot) else { return nil }
    return firstQueueBalancer + slot
  }

  /// Whether the configuration itself speaks of any.
  package var namesBalancers: Bool { firstQueueBalancer != 0 && !proxyBalancers.isEmpty }

  /// Those that the configuration itself speaks of.
  package var namedBalancers: [ProxyBalancer] {
    Array(proxyBalancers.prefix(firstQueueBalancer ?? proxyBalancers.count))
  }

  /// The Unix-domain socket from which the application of a queue accepts.
  package static func queuePath(_ directory: String, _ queue: QueueReference) -> String {
    "\(directory)/\(queue.slot).\(queue.serial).\(queue.user)"
  }
}
