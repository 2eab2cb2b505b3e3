// The URL of something that requests are passed to, as ProxyPass and its neighbours write it.

import Platform

/// "http://host[:port][/path]", "fcgi://…", "unix:/path|http://name[/path]" or
/// "balancer://name[/path]".
struct ProxyURL {
  enum Origin: Equatable {
    case member(ProxyScheme, ProxyAddress, authority: String)
    /// The name without "balancer://".
    case balancer(String)
  }

  struct Failure: Error {
    let message: String
    let byteOffset: Int
  }

  let origin: Origin
  /// What stands before the path, normalised: scheme and host in lower case, no standard port.
  let originText: String
  /// As written; empty, or begins with "/".
  let path: String
  /// Where the path begins in the text that was read.
  let pathOffset: Int
  /// ws:// is http:// with an upgrade to WebSocket.
  var upgradesToWebSocket = false

  /// A standard port of ours is left out of names: 80. FastCGI has 8000 in httpd.
  private static let httpPort: UInt16 = 80
  private static let fastCGIPort: UInt16 = 8000

  init(_ text: String) throws(Failure) {
    if let odd = text.utf8.first(where: { $0 <= 32 || $0 == 127 }) {
      throw Failure(message: "a URL cannot hold the byte \(odd); write it as %XX", byteOffset: 0)
    }
    var socket: String?
    var rest = text[...]
    if text.asciiLowercased.hasPrefix("unix:") {
      guard let bar = text.firstIndex(of: "|") else {
        throw Failure(
          message: "'|' and a URL are expected behind the socket: '\(text)|http://localhost/'",
          byteOffset: 0)
      }
      let path = String(text[..<bar].dropFirst(5))
      try ProxyURL.check(socket: path)
      socket = path
      rest = text[text.index(after: bar)...]
    }
    let start = text.utf8.distance(from: text.startIndex, to: rest.startIndex)
    guard let separator = rest.firstRange(of: "://") else {
      throw Failure(message: ProxyURL.noURL(String(rest)), byteOffset: start)
    }
    let scheme = String(rest[..<separator.lowerBound]).asciiLowercased
    let behind = rest[separator.upperBound...]
    let authority = behind.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let tail = behind[authority.endIndex...]
    let authorityOffset = text.utf8.distance(from: text.startIndex, to: authority.startIndex)
    pathOffset = text.utf8.distance(from: text.startIndex, to: authority.endIndex)
    path = String(tail)
    if tail.contains("?") || tail.contains("#") {
      throw Failure(
        message: "a target has no query; the request's own is passed on", byteOffset: pathOffset)
    }
    let host = String(authority).asciiLowercased
    if host.isEmpty {
      throw Failure(message: "a host is expected behind '\(scheme)://'", byteOffset: start)
    }
    if scheme == "balancer" {
      guard socket == nil, !host.contains("$"), !host.contains("%") else {
        throw Failure(message: "a balancer's name is fixed: balancer://NAME", byteOffset: start)
      }
      origin = .balancer(host)
      originText = "balancer://" + host
      return
    }
    let kind = try ProxyURL.scheme(scheme, byteOffset: start)
    upgradesToWebSocket = scheme == "ws"
    let standard = kind == .http ? ProxyURL.httpPort : ProxyURL.fastCGIPort
    let (name, port) = try ProxyURL.endpoint(host, standard, byteOffset: authorityOffset)
    let shown = port == standard ? ProxyURL.bracketed(name) : "\(ProxyURL.bracketed(name)):\(port)"
    let address = socket.map { ProxyAddress.unix(path: $0) } ?? .host(name: name, port: port)
    origin = .member(kind, address, authority: shown)
    originText = (socket.map { "unix:\($0)|" } ?? "") + "\(kind.rawValue)://\(shown)"
  }

  private static func noURL(_ text: String) -> String {
    "a URL is expected (http://HOST[:PORT][/PATH], fcgi://HOST:PORT/PATH, unix:PATH|http://NAME/ or"
      + " balancer://NAME), not '\(text)'"
  }

  /// sockaddr_un holds 108 bytes with the NUL at the end.
  private static func check(socket: String) throws(Failure) {
    guard socket.hasPrefix("/") else {
      throw Failure(
        message: "an absolute path is expected behind 'unix:', not '\(socket)'", byteOffset: 5)
    }
    if socket.contains("%{") {
      throw Failure(
        message: "a socket's path is fixed; only a target's path may hold what was captured",
        byteOffset: 5)
    }
    guard socket.utf8.count < 108 else {
      throw Failure(
        message: "a socket's path has at most 107 bytes, this one \(socket.utf8.count)",
        byteOffset: 5)
    }
  }

  private static func scheme(_ text: String, byteOffset: Int) throws(Failure) -> ProxyScheme {
    switch text {
    case "http", "ws": return .http
    case "fcgi": return .fcgi
    case "https", "wss":
      throw Failure(
        message: "\(text):// is not supported yet; requests are passed on in clear text only, so"
          + " let the application listen on a Unix socket or on an address of a private network",
        byteOffset: byteOffset)
    case "ajp", "scgi", "uwsgi", "h2", "h2c", "ftp", "connect":
      throw Failure(
        message: "\(text):// is not implemented; let the application speak HTTP/1.1 or FastCGI"
          + " (http://, fcgi://)", byteOffset: byteOffset)
    default:
      let hint = Spelling.nearest(to: text, among: ["http", "fcgi", "balancer"])
      throw Failure(
        message: "http://, fcgi:// or balancer:// is expected, not '\(text)://'"
          + (hint.map { "; did you mean '\($0)://'?" } ?? ""), byteOffset: byteOffset)
    }
  }

  private static func bracketed(_ name: String) -> String {
    name.contains(":") ? "[\(name)]" : name
  }

  private static func endpoint(
    _ text: String, _ standard: UInt16, byteOffset: Int
  ) throws(Failure) -> (name: String, port: UInt16) {
    if text.contains("@") {
      throw Failure(
        message: "names and passwords in a URL are not sent; RequestHeader set Authorization is",
        byteOffset: byteOffset)
    }
    if text.contains("$") || text.contains("%{") {
      throw Failure(
        message: "the host of a target is fixed: a request that could choose it would reach any"
          + " server; only the path may hold groups", byteOffset: byteOffset)
    }
    var host = text
    var port = standard
    if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
      let digits = text[text.index(after: colon)...]
      guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(digits),
        number > 0
      else {
        throw Failure(
          message: "a port from 1 to 65535 is expected, not '\(digits)'", byteOffset: byteOffset)
      }
      port = number
      host = String(text[..<colon])
    }
    guard Checker.isHostName(host) else {
      let isBare = IPAddress(text) != nil
      throw Failure(
        message: isBare
          ? "an IPv6 address stands in brackets: '[\(text)]'" : "'\(host)' is not a host name",
        byteOffset: byteOffset)
    }
    if host.hasPrefix("[") { host = String(host.dropFirst().dropLast()) }
    return (host, port)
  }
}
