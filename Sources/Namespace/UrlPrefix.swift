// A URL prefix: the name of a subtree that an application can own, and its one canonical text.

import HTTP
import Platform

/// "scheme://host:port/path/": all requests of a scheme and a port whose host fits and whose path
/// lies below the prefix's, on whole segments. Read by `UrlPrefix.init(_:)`.
package struct UrlPrefix: Hashable, Sendable, CustomStringConvertible {
  package enum Scheme: UInt8, Sendable {
    case http = 0
    case https = 1

    package var text: String { self == .http ? "http" : "https" }
  }

  /// Whom a prefix is for. The order of the cases is the order in which a request asks.
  package enum Host: Hashable, Sendable {
    /// "+": every host, before anybody else.
    case strong
    /// One name: lower case, A-labels, no dot at the end.
    case name([UInt8])
    /// "*.example.com": every name below this one, however deep; not the name itself.
    case below([UInt8])
    /// Every host that nobody named, on one local address; never an IPv4-mapped one.
    case address(IPAddress)
    /// "*": every host that nobody else wants.
    case weak
  }

  package let scheme: Scheme
  package let host: Host
  /// 1 … 65,535
  package let port: UInt16
  /// Decoded as a request's is, without empty or dot segments; begins and ends with "/".
  package let path: [UInt8]

  /// Of the text that is read, and of the canonical one.
  package static let byteCountMax = 2048

  /// What it takes in a snapshot, beside a fixed part.
  var textByteCount: Int {
    switch host {
    case .name(let name), .below(let name): name.count + path.count
    case .strong, .weak: path.count
    case .address: 16 + path.count
    }
  }

  /// Prefixes compete only within one bucket.
  package var bucket: Bucket {
    switch host {
    case .strong: .strong
    case .name, .below: .explicit
    case .address: .address
    case .weak: .weak
    }
  }

  /// In the order in which they are asked; the first with a match ends the search.
  package enum Bucket: UInt8, Sendable, CustomStringConvertible {
    case strong, explicit, address, weak

    package var description: String {
      switch self {
      case .strong: "strong wildcard"
      case .explicit: "explicit host"
      case .address: "IP-bound"
      case .weak: "weak wildcard"
      }
    }
  }

  /// Canonical: equal prefixes have equal texts, and the text is read as the same prefix.
  package var description: String {
    var text = Array("\(scheme.text)://\(hostText):\(port)".utf8)
    PercentEncoding.append(path: path.rawSpan, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// The host as the text has it.
  package var hostText: String {
    switch host {
    case .strong: "+"
    case .name(let name): String(decoding: name, as: UTF8.self)
    case .below(let name): "*." + String(decoding: name, as: UTF8.self)
    case .address(let address): address.family == .v4 ? "\(address)" : "[\(address)]"
    case .weak: "*"
    }
  }

  /// The same subtree's next larger one: the last segment gone; nil for "/".
  package var parent: UrlPrefix? {
    guard let slash = path.dropLast().lastIndex(of: ASCII.slash) else { return nil }
    return UrlPrefix(scheme: scheme, host: host, port: port, path: Array(path[...slash]))
  }

  /// "/" of the same scheme, host and port.
  package var root: UrlPrefix {
    UrlPrefix(scheme: scheme, host: host, port: port, path: [ASCII.slash])
  }

  /// Whether a path, decoded and normalised, lies below the prefix's.
  package func covers(_ path: [UInt8]) -> Bool {
    path.starts(with: self.path) || self.path == path + [ASCII.slash]
  }

  /// Whether it is for requests of this scheme, host (lower case, no dot at its end) and port;
  /// which address they come to is not asked.
  package func isFor(isSecure: Bool, host: [UInt8], port: UInt16) -> Bool {
    guard port == self.port, isSecure == (scheme == .https) else { return false }
    switch self.host {
    case .strong, .weak, .address: return true
    case .name(let name): return name == host
    case .below(let name):
      return host.count > name.count + 1 && host.suffix(name.count + 1) == [ASCII.dot] + name
    }
  }

  /// Whether two prefixes differ in their paths at most.
  package func isBeside(_ other: UrlPrefix) -> Bool {
    scheme == other.scheme && host == other.host && port == other.port
  }

  init(scheme: Scheme, host: Host, port: UInt16, path: [UInt8]) {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.path = path
  }
}

/// What is wrong with a prefix, where, and what to write instead.
package struct UrlPrefixError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Of the text that was read; its length when something is missing at its end.
  package let byteOffset: Int
  package let message: String

  package var description: String { "\(message) (at byte \(byteOffset + 1))" }
}
