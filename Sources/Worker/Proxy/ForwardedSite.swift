// What applications are told of the site that a request came to.

import HTTP
import Platform

/// Field lines that are kept from one request to the next, which most often comes to the same site.
struct WayTexts {
  var site = ForwardedSite()
  var via = ViaLine()
  let clients = ClientLines()
}

/// X-Forwarded-For of the clients that were met last, as field lines.
struct ClientLines {
  private final class Entry {
    let client: IPAddress
    let line: [UInt8]

    init(_ client: IPAddress) {
      self.client = client
      var line = Array("X-Forwarded-For: ".utf8)
      client.unmapped.append(to: &line)
      self.line = line + [0x0d, 0x0a]
    }
  }

  private let entries = ObjectTable<Entry>()

  func line(_ client: IPAddress) -> [UInt8] {
    let place = Int(truncatingIfNeeded: client.low % UInt64(entries.count))
    if let known = entries[place], known.client == client { return known.line }
    let made = Entry(client)
    entries[place] = made
    return made.line
  }
}

/// Via with a pseudonym of this server's.
struct ViaLine {
  var line: [UInt8] = []
  var site = -1
  var balancer = -1
  /// -1: none.
  var queue = -1
  var received = Via.ReceivedProtocol.http11

  func fits(
    _ site: Int, _ balancer: Int, _ queue: Int, _ received: Via.ReceivedProtocol
  ) -> Bool {
    site == self.site && balancer == self.balancer && queue == self.queue
      && received == self.received
  }
}

/// X-Forwarded-Host, -Proto and -Server as field lines.
struct ForwardedSite {
  /// All three.
  let lines: [UInt8]
  let host: [UInt8]
  let proto: [UInt8]
  let server: [UInt8]
  private let site: Int
  private let isEncrypted: Bool
  /// As the client sent it; nil: it sent none.
  private let authority: [UInt8]?

  /// Of no site.
  init() {
    lines = []
    host = []
    proto = []
    server = []
    site = -1
    isEncrypted = false
    authority = nil
  }

  /// `name`: the site's; empty: it has none.
  init(
    _ site: Int, _ name: String, _ isEncrypted: Bool, _ hasAuthority: Bool, _ authority: RawSpan
  ) {
    self.site = site
    self.isEncrypted = isEncrypted
    self.authority = hasAuthority ? authority.array : nil
    var host: [UInt8] = []
    var proto: [UInt8] = []
    var server: [UInt8] = []
    if hasAuthority { ResponseHead.appendField("X-Forwarded-Host", authority, to: &host) }
    ResponseHead.appendField(
      "X-Forwarded-Proto", isEncrypted ? "https" as StaticString : "http", to: &proto)
    if !name.isEmpty {
      ResponseHead.appendField("X-Forwarded-Server", Array(name.utf8), to: &server)
    }
    self.host = host
    self.proto = proto
    self.server = server
    lines = host + proto + server
  }

  /// Whether they are the lines of a request.
  func fits(
    _ site: Int, _ isEncrypted: Bool, _ hasAuthority: Bool, _ authority: RawSpan
  ) -> Bool {
    guard site == self.site, isEncrypted == self.isEncrypted else { return false }
    guard let known = self.authority else { return !hasAuthority }
    return hasAuthority && Scan.equal(known.rawSpan, authority)
  }
}
