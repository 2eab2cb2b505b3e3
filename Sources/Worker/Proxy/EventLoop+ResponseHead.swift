// The head of an application's response as the client gets it.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Writes the head of a response that is relayed, into `relayHead`.
  func writeHead(_ bytes: RawSpan, _ forwarding: Forwarding, _ stream: RequestStream) {
    var head: [UInt8] = []
    head.reserveCapacity(bytes.byteCount + 256)
    ResponseHead.appendStatusLine(forwarding.response.status, to: &head)
    appendFields(of: bytes, forwarding, to: &head)
    if !forwarding.response.has(.date) {
      ResponseHead.appendField("Date", prefixes.date, to: &head)
    }
    appendCacheStatus(forwarding, to: &head)
    appendVia(forwarding, to: &head)
    appendFraming(forwarding, stream, to: &head)
    if forwarding.response.has(.trailer) { appendTrailerNames(bytes, forwarding, to: &head) }
    ResponseHead.appendEnd(to: &head)
    appendToRelay(head)
  }

  /// Adds to what goes out with the next part of the body. The size line of a chunk follows.
  func appendToRelay(_ head: [UInt8]) {
    if head.count + Limits.chunkFrameBytesMax > relayHead.free {
      relayHead = ByteBuffer(capacity: head.count + Limits.relayHeadBytesMax)
    }
    relayHead.append(head)
  }

  /// The fields that are passed on, rewritten as `ProxyPassReverse` and `Header` say.
  func appendFields(of bytes: RawSpan, _ forwarding: Forwarding, to head: inout [UInt8]) {
    let exchange = forwarding.exchange
    let settings = exchange.route.sharedSettings.storage
    let isSuccess = (200..<400).contains(forwarding.response.status)
    let isEdited =
      forwarding.codingVaries || !settings.value.headerEditsAlways.isEmpty
      || isSuccess && !settings.value.headerEditsOnSuccess.isEmpty
      || forwarding.response.hasAddresses && settings.value.proxy.rewritesAddresses
    if isEdited {
      head += relayedFields(of: bytes, forwarding).lines()
    } else if forwarding.isFastCGI {
      // Its lines may end with LF alone.
      forEachField(of: forwarding.response, in: bytes) { name, value, known in
        if EventLoop.isOurs(known) { return }
        ResponseHead.appendField(name: name, value: value, to: &head)
      }
    } else {
      forwarding.response.appendPassedFields(in: bytes, to: &head) { field in
        field.known != .trailer && !EventLoop.isOurs(field.known)
      }
    }
  }

  /// `ProxyVia`, towards the client.
  private func appendVia(_ forwarding: Forwarding, to head: inout [UInt8]) {
    let via = forwarding.exchange.route.settings.proxy.via
    guard via == .on || via == .full else { return }
    var value: [UInt8] = []
    let received: Via.ReceivedProtocol = forwarding.response.minorVersion == 0 ? .http10 : .http11
    appendVia(received, forwarding.exchange, to: &value)
    ResponseHead.appendField("Via", value, to: &head)
  }

  /// What the cache had to do with a response that went through (RFC 9211).
  private func appendCacheStatus(_ forwarding: Forwarding, to head: inout [UInt8]) {
    let settings = forwarding.exchange.route.sharedSettings.storage
    guard settings.value.caching.sendsCacheStatus else { return }
    let caching = forwarding.caching
    var status = CacheStatus()
    status.forward = caching.forward
    status.stored = forwarding.storing != nil
    status.collapsed = caching.waitCount > 0
    if caching.stored != nil { status.forwardStatus = forwarding.response.status }
    if settings.value.caching.debugs {
      status.key = Array(caching.key.dropFirst(KeyShape.hostOffset).map { $0 == 0 ? 0x20 : $0 })
      status.detail = caching.refusal?.rawValue
    }
    ResponseHead.append(literal: "Cache-Status: ", to: &head)
    status.append(to: &head)
    ResponseHead.appendEnd(to: &head)
  }

  /// The same as fields.
  func relayedFields(of bytes: RawSpan, _ forwarding: Forwarding) -> ResponseFields {
    var fields = ResponseFields()
    forEachField(of: forwarding.response, in: bytes) { name, value, known in
      if EventLoop.isOurs(known) { return }
      fields.add(
        String(decoding: name.array, as: UTF8.self), rewrite(known, value, forwarding))
    }
    let isSuccess = (200..<400).contains(forwarding.response.status)
    addCoding(&fields, forwarding)
    edit(&fields, forwarding.exchange, isSuccess: isSuccess)
    return fields
  }

  /// Fields that this server writes itself, and orders to its cache: for nobody behind it
  /// (RFC 9213 §2.1).
  private static func isOurs(_ known: ResponseField?) -> Bool {
    switch known {
    case .contentLength, .ring3CacheControl, .surrogateKey, .cacheTag: true
    default: false
    }
  }

  /// Addresses of the application become those that the client knows.
  func rewrite(
    _ known: ResponseField?, _ value: RawSpan, _ forwarding: Forwarding
  ) -> [UInt8] {
    let settings = forwarding.exchange.route.settings.proxy
    var rewritten: [UInt8] = []
    switch known {
    case .location, .contentLocation, .uri:
      for rule in settings.reverse
      where ReverseRewrite.appendLocation(value, from: rule.from, to: rule.to, into: &rewritten) {
        return rewritten
      }
    case .setCookie:
      return rewrite(
        rewrite(value.array, .path, settings.reverseCookiePaths), .domain,
        settings.reverseCookieDomains)
    default: break
    }
    return value.array
  }

  private func rewrite(
    _ cookie: [UInt8], _ attribute: ReverseRewrite.CookieAttribute, _ rules: [ProxyReverseRule]
  ) -> [UInt8] {
    var rewritten: [UInt8] = []
    for rule in rules
    where ReverseRewrite.appendCookie(
      cookie.rawSpan, attribute, from: rule.from, to: rule.to, into: &rewritten)
    {
      return rewritten
    }
    return cookie
  }

  /// How the body's end is told to this client (RFC 9112 §6).
  private func appendFraming(
    _ forwarding: Forwarding, _ stream: RequestStream, to head: inout [UInt8]
  ) {
    var framing = forwarding.response.framing
    if forwarding.coding != nil { framing = .untilClose }
    switch framing {
    case .length(let count): ResponseHead.appendField("Content-Length", count, to: &head)
    case .none:
      if let length = forwarding.response.contentLength {
        ResponseHead.appendField("Content-Length", length, to: &head)
      }
    case .chunked, .untilClose, .tunnel:
      guard stream is Connection else { break }
      if forwarding.exchange.head.minorVersion > 0 {
        forwarding.relaysChunks = true
        ResponseHead.appendField("Transfer-Encoding", "chunked" as StaticString, to: &head)
      } else {
        stream.state.closeAfterResponse()
      }
    }
    switch connectionField(stream, forwarding.exchange.head) {
    case .none: break
    case .keepAlive:
      if stream is Connection {
        ResponseHead.appendField("Connection", "keep-alive" as StaticString, to: &head)
      }
    case .close:
      if stream is Connection {
        ResponseHead.appendField("Connection", "close" as StaticString, to: &head)
      }
    }
  }
}
