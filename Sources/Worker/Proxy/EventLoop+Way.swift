// What an application is told of the way a request has come: who sent it, who passed it on.

import Configuration
import HTTP
import Platform

/// Which fields of a request are passed on as they are.
struct PassingRule {
  let isForCache: Bool
  let hasTrailers: Bool
  /// Its sender is a trusted proxy.
  let isBelieved: Bool
  /// `ProxyVia Block`
  let hidesWay: Bool
  /// Max-Forwards is counted down.
  let countsHops: Bool
}

extension PassingRule {
  /// Of a GET from the client itself, that is passed on as it is.
  static let plain = PassingRule(
    isForCache: false, hasTrailers: false, isBelieved: false, hidesWay: false, countsHops: false)

  init(_ forwarding: Forwarding) {
    let head = forwarding.exchange.head
    self.init(
      isForCache: forwarding.caching.isForCache, hasTrailers: head.body == .chunked,
      isBelieved: forwarding.origin.isBelieved,
      hidesWay: head.has(.via) && forwarding.settings.value.proxy.via == .block,
      countsHops: head.method == .options || head.method == .trace)
  }
}

/// What somebody who is believed has said already: a trusted proxy, or `RequestHeader`.
struct SaidOfTheWay {
  /// The elements of X-Forwarded-For and of Forwarded.
  var addresses: [UInt8] = []
  var elements: [UInt8] = []
  /// These fields are among those that are passed on.
  var givesHost = false
  var givesProto = false
  var givesServer = false
  var givesElements = false

  /// Notes what `RequestHeader` has made of the fields.
  mutating func take(from fields: inout ResponseFields) {
    givesHost = fields.value(of: "X-Forwarded-Host") != nil
    givesProto = fields.value(of: "X-Forwarded-Proto") != nil
    givesServer = fields.value(of: "X-Forwarded-Server") != nil
    givesElements = fields.value(of: "Forwarded") != nil
    // It is one line, with the sender's address behind what was said.
    if let said = fields.value(of: "X-Forwarded-For") {
      addresses = said
      fields.remove("X-Forwarded-For")
    }
  }
}

extension EventLoop {
  /// What a trusted proxy says of the way to it, as far as it can be believed.
  func saidOfTheWay(_ forwarding: Forwarding, _ bytes: RawSpan) -> SaidOfTheWay {
    var said = SaidOfTheWay()
    let origin = forwarding.origin
    guard origin.isBelieved, let peer = origin.peer,
      let settings = listeners[origin.listener].remoteIP
    else { return said }
    let head = forwarding.exchange.head
    if let value = EventLoop.joined("x-forwarded-for", of: head, bytes) {
      said.addresses = Array(value[settings.walk(value, "x-forwarded-for", from: peer).start...])
    }
    if let value = EventLoop.joined("forwarded", of: head, bytes) {
      said.elements = Array(value[settings.walk(value, "forwarded", from: peer).start...])
    }
    said.givesHost = EventLoop.joined("x-forwarded-host", of: head, bytes) != nil
    said.givesProto = EventLoop.joined("x-forwarded-proto", of: head, bytes) != nil
    return said
  }

  /// X-Forwarded-* and Forwarded: what a trusted proxy said, and what this server knows itself.
  func appendWay(
    _ forwarding: Forwarding, _ bytes: RawSpan, _ said: SaidOfTheWay, to lines: inout [UInt8]
  ) {
    let settings = forwarding.settings
    if settings.value.proxy.addsForwardedFields {
      appendForwarded(forwarding.origin, forwarding.exchange, bytes, said, to: &lines)
    } else if !said.addresses.isEmpty {
      ResponseHead.appendField("X-Forwarded-For", said.addresses, to: &lines)
    }
    if settings.value.proxy.addsForwarded, !said.givesElements {
      appendForwardedElement(forwarding, said, to: &lines)
    } else if !said.elements.isEmpty, !said.givesElements {
      ResponseHead.appendField("Forwarded", said.elements, to: &lines)
    }
  }

  private func appendForwarded(
    _ origin: RequestOrigin, _ exchange: Exchange, _ bytes: RawSpan, _ said: SaidOfTheWay,
    to lines: inout [UInt8]
  ) {
    // Behind a chain that is believed stands who has sent it.
    let last = origin.isBelieved ? origin.peer : origin.client
    var client: [UInt8] = []
    last?.address.unmapped.append(to: &client)
    XForwardedFor.appendField(
      believed: said.addresses.rawSpan, address: client.rawSpan, to: &lines)
    noteSite(exchange, origin, bytes)
    guard said.givesHost || said.givesProto || said.givesServer else {
      lines += wayTexts.site.lines
      return
    }
    if !said.givesHost { lines += wayTexts.site.host }
    if !said.givesProto { lines += wayTexts.site.proto }
    if !said.givesServer { lines += wayTexts.site.server }
  }

  /// Sees to it that `wayTexts.site` is a request's.
  func noteSite(_ exchange: Exchange, _ origin: RequestOrigin, _ bytes: RawSpan) {
    let authority = exchange.head.authority.span(in: bytes)
    let site = exchange.site.site
    let hasAuthority = exchange.head.hasAuthority
    if wayTexts.site.fits(site, origin.isEncrypted, hasAuthority, authority) { return }
    wayTexts.site = ForwardedSite(
      site, model.sites[site].name, origin.isEncrypted, hasAuthority, authority)
  }

  /// `ProxyAddForwarded` (RFC 7239): of a trusted proxy's request, that it was the proxy's.
  private func appendForwardedElement(
    _ forwarding: Forwarding, _ said: SaidOfTheWay, to lines: inout [UInt8]
  ) {
    let exchange = forwarding.exchange
    let origin = forwarding.origin
    var value = said.elements
    if !value.isEmpty { value += Array(", ".utf8) }
    let sender = said.elements.isEmpty ? origin.client : origin.peer
    var address: [UInt8] = []
    sender?.address.unmapped.append(to: &address)
    Forwarded.appendNode(.for, address: address.rawSpan, port: nil, to: &value)
    if exchange.head.hasAuthority {
      value += Array(";host=\"".utf8) + exchange.copy(exchange.head.authority) + [0x22]
    }
    // The scheme is the client's, as far as it is known.
    let bytes = exchange.bytes
    var isEncrypted = origin.isEncrypted
    if said.elements.isEmpty, said.givesProto,
      let proto = EventLoop.joined("x-forwarded-proto", of: exchange.head, bytes.rawSpan)
    {
      isEncrypted = FieldName.equal(proto.rawSpan, "https")
    }
    value += Array((isEncrypted ? ";proto=https" : ";proto=http").utf8)
    ResponseHead.appendField("Forwarded", value, to: &lines)
  }

  // MARK: Via

  /// By which protocol a request came.
  private func received(_ forwarding: Forwarding) -> Via.ReceivedProtocol {
    forwarding.stream is MultiplexedStream
      ? .http2 : Via.ReceivedProtocol(minorVersion: forwarding.exchange.head.minorVersion)
  }

  /// Sees to it that `wayTexts.via` is a request's. A gateway must send Via (RFC 9110 §7.6.3);
  /// where `ProxyVia` does not say the site's name, it is one that tells nobody anything but this
  /// server that it was here.
  func noteVia(_ forwarding: Forwarding) {
    let site = forwarding.exchange.site.site
    let target = forwarding.target
    let queue = target.queue?.slot ?? -1
    let received = received(forwarding)
    if wayTexts.via.fits(site, target.balancer, queue, received) { return }
    let name = pseudonym(forwarding.exchange, target)
    var value: [UInt8] = []
    Via.appendElement(received, by: name.rawSpan, to: &value)
    var via = ViaLine(site: site, balancer: target.balancer, queue: queue, received: received)
    ResponseHead.appendField("Via", value, to: &via.line)
    wayTexts.via = via
  }

  /// Via towards the application, where `ProxyVia` says something of it.
  func appendVia(_ forwarding: Forwarding, _ bytes: RawSpan, to lines: inout [UInt8]) {
    let exchange = forwarding.exchange
    var value: [UInt8] = []
    if forwarding.settings.value.proxy.via == .block {
      appendOwnVia(exchange.head, bytes, to: &value)
      let name = pseudonym(exchange, forwarding.target)
      Via.appendElement(received(forwarding), by: name.rawSpan, to: &value)
    } else {
      appendVia(received(forwarding), exchange, to: &value)
    }
    ResponseHead.appendField("Via", value, to: &lines)
  }

  /// What this server has written before stays: it must know that the request was here.
  private func appendOwnVia(
    _ head: RequestHead, _ bytes: RawSpan, to value: inout [UInt8]
  ) {
    guard head.has(.via) else { return }
    for number in 0..<head.fieldCount where head.field(at: number).known == .via {
      let text = head.field(at: number).value.span(in: bytes)
      for name in Via.names(in: text) where name.copy(from: text).starts(with: pseudonymStart) {
        Via.appendElement(.http11, by: name.span(in: text), to: &value)
        value += Array(", ".utf8)
      }
    }
  }

  /// What all pseudonyms of this server, and of no other, begin with.
  private var pseudonymStart: [UInt8] {
    Array("ring3-\(String(heritage.upstreams?.identity ?? 0, radix: 36))-".utf8)
  }

  /// Of one site that passes requests on to one target: it may pass them to itself, as another site
  /// or for another target, and that is no loop.
  private func pseudonym(_ exchange: Exchange, _ target: ProxyTarget) -> [UInt8] {
    let queue = target.queue.map { ".\($0.slot)" } ?? ""
    return pseudonymStart + Array("\(exchange.site.site).\(target.balancer)\(queue)".utf8)
  }

  /// The site's name, as Via shows it.
  private func siteName(_ exchange: Exchange) -> [UInt8] {
    let name = model.sites[exchange.site.site].name
    return Array((name.isEmpty ? "ring3" : name).utf8)
  }

  func appendVia(
    _ received: Via.ReceivedProtocol, _ exchange: Exchange, to value: inout [UInt8]
  ) {
    let name = siteName(exchange)
    let comment =
      exchange.settings.value.proxy.via == .full ? Array(model.serverFieldText.utf8) : []
    Via.appendElement(received, by: name.rawSpan, comment: comment, to: &value)
  }

  /// The request has been here before (RFC 9110 §7.6.3).
  func isLoop(_ exchange: Exchange, _ target: ProxyTarget) -> Bool {
    guard exchange.head.has(.via) else { return false }
    let bytes = exchange.bytes
    let via = exchange.settings.value.proxy.via
    let name = via == .on || via == .full ? siteName(exchange) : pseudonym(exchange, target)
    return Via.isLoop(exchange.head, in: bytes.rawSpan, pseudonym: name.rawSpan)
  }

  // MARK: Hops

  /// Max-Forwards of OPTIONS and TRACE (RFC 9110 §7.6.2); nil where it does not count.
  static func hopsLeft(_ head: RequestHead, in bytes: RawSpan) -> UInt64? {
    guard head.method == .options || head.method == .trace else { return nil }
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      guard FieldName.equal(line.name.span(in: bytes), "max-forwards") else { continue }
      return DecimalNumber.parse(line.value.span(in: bytes))
    }
    return nil
  }

  /// Whether Content-Length: 0 is said of a request without a body: its method gives one a meaning,
  /// or the client says it.
  static func saysEmpty(_ head: RequestHead) -> Bool {
    switch head.method {
    case .get, .head: false
    case .post, .put, .patch: true
    default: head.has(.contentLength)
    }
  }
}
