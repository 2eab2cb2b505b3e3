// The head of an application's response as the client gets it.

import Cache
import Configuration
import HTTP
import Platform

/// Cache-Status of responses that only went through, as field lines, made before.
struct CacheStatusLines {
  private var lines = [[UInt8]](repeating: [], count: 2 * CacheForward.allCases.count)

  init() {
    for forward in CacheForward.allCases {
      for isStored in [false, true] {
        var status = CacheStatus()
        status.forward = forward
        status.stored = isStored
        lines[CacheStatusLines.number(forward, isStored)] = CacheStatusLines.line(of: status)
      }
    }
  }

  func line(_ forward: CacheForward, isStored: Bool) -> [UInt8] {
    lines[CacheStatusLines.number(forward, isStored)]
  }

  static func line(of status: CacheStatus) -> [UInt8] {
    var line: [UInt8] = []
    ResponseHead.append(literal: "Cache-Status: ", to: &line)
    status.append(to: &line)
    ResponseHead.appendEnd(to: &line)
    return line
  }

  private static func number(_ forward: CacheForward, _ isStored: Bool) -> Int {
    let number =
      switch forward {
      case .bypass: 0
      case .method: 1
      case .uriMiss: 2
      case .varyMiss: 3
      case .miss: 4
      case .request: 5
      case .stale: 6
      case .partial: 7
      }
    return 2 * number + (isStored ? 1 : 0)
  }
}

extension EventLoop {
  /// Writes the head of a response that is relayed, into `relayHead`: straight there, but for what
  /// few responses have.
  func writeHead(_ bytes: RawSpan, _ forwarding: Forwarding, _ stream: RequestStream) {
    let fields = rewrittenFields(of: bytes, forwarding)
    let cacheStatus = cacheStatusLine(forwarding)
    var rare: [UInt8] = []
    appendVia(forwarding, to: &rare)
    let length = frame(forwarding, stream, to: &rare)
    if forwarding.response.has(.trailer) { appendTrailerNames(bytes, forwarding, to: &rare) }
    writeHead(
      bytes, &forwarding.response, fields: fields, cacheStatus: cacheStatus, length: length,
      rare: rare)
  }

  /// The same, of what is known of it. `fields`: nil for those of the response as they came.
  func writeHead(
    _ bytes: RawSpan, _ response: inout ReceivedResponse, fields: [UInt8]?, cacheStatus: [UInt8],
    length: UInt64?, rare: [UInt8]
  ) {
    // What another response has left there when it broke.
    relayHead.removeAll()
    reserveRelay(
      bytes.byteCount + (fields?.count ?? 0) + cacheStatus.count + rare.count
        + Limits.ownFieldsBytesMax)
    let output = relayHead
    output.append("HTTP/1.1 ")
    output.append(decimal: Int64(response.status))
    output.append(0x20)
    if let reason = response.ownReason {
      output.append(reason.span(in: bytes))
    } else {
      output.append(Status.reason(response.status))
    }
    output.append("\r\n")
    if let fields {
      output.append(fields)
    } else {
      response.forEachPassedRun(in: bytes, leavingOut: EventLoop.notCopied) {
        output.append($0)
      }
    }
    if !response.has(.date) {
      output.append("Date: ")
      output.append(prefixes.date)
      output.append("\r\n")
    }
    output.append(cacheStatus)
    if let length {
      output.append("Content-Length: ")
      output.append(decimal: Int64(clamping: length))
      output.append("\r\n")
    }
    output.append(rare)
    output.append("\r\n")
  }

  /// Adds to what goes out with the next part of the body. The size line of a chunk follows.
  func appendToRelay(_ head: [UInt8]) {
    reserveRelay(head.count)
    relayHead.append(head)
  }

  /// Room for a head, with nothing in front of it.
  private func reserveRelay(_ count: Int) {
    guard count + Limits.chunkFrameBytesMax > relayHead.free else { return }
    relayHead = ByteBuffer(capacity: count + Limits.relayHeadBytesMax)
  }

  /// The fields that are passed on, rewritten as `ProxyPassReverse` and `Header` say; nil: as they
  /// came, but for those that are ours.
  private func rewrittenFields(of bytes: RawSpan, _ forwarding: Forwarding) -> [UInt8]? {
    let settings = forwarding.settings
    let isSuccess = (200..<400).contains(forwarding.response.status)
    let isEdited =
      forwarding.codingVaries || !forwarding.withheldFields.isEmpty
      || !settings.value.headerEditsAlways.isEmpty
      || isSuccess && !settings.value.headerEditsOnSuccess.isEmpty
      || settings.value.proxy.rewrites(forwarding.response)
      || forwarding.response.has(.via) && settings.value.proxy.via == .block
    if isEdited { return relayedFields(of: bytes, forwarding).lines() }
    guard forwarding.isFastCGI else { return nil }
    // Its lines may end with LF alone.
    var lines: [UInt8] = []
    forEachField(of: forwarding.response, in: bytes) { name, value, known in
      if EventLoop.isOurs(known) { return }
      ResponseHead.appendField(name: name, value: value, to: &lines)
    }
    return lines
  }

  /// `ProxyVia`, towards the client.
  private func appendVia(_ forwarding: Forwarding, to head: inout [UInt8]) {
    guard let value = via(forwarding) else { return }
    ResponseHead.appendField("Via", value, to: &head)
  }

  /// This server's element of a response's Via; nil: it adds none.
  private func via(_ forwarding: Forwarding) -> [UInt8]? {
    guard forwarding.settings.value.proxy.via.isAdded else { return nil }
    var value: [UInt8] = []
    let received: Via.ReceivedProtocol = forwarding.response.minorVersion == 0 ? .http10 : .http11
    appendVia(received, forwarding.exchange, to: &value)
    return value
  }

  /// The fields of a response as it is kept: a hit has come the same way as its first use.
  func storedFields(of bytes: RawSpan, _ forwarding: Forwarding) -> ResponseFields {
    var fields = relayedFields(of: bytes, forwarding, isKept: true)
    // A 304 says nothing of the way but by a line of its own, and then ours was replaced by it.
    let isNew = forwarding.response.status != 304 || fields.value(of: "Via") != nil
    if isNew, let value = via(forwarding) { fields.add("Via", value) }
    return fields
  }

  /// What the cache had to do with a response that went through (RFC 9211); empty: nobody is told.
  private func cacheStatusLine(_ forwarding: Forwarding) -> [UInt8] {
    let settings = forwarding.settings
    guard settings.value.caching.sendsCacheStatus else { return [] }
    let caching = forwarding.caching
    if caching.waitCount == 0, caching.stored == nil, !settings.value.caching.debugs {
      return cacheStatusLines.line(caching.forward, isStored: forwarding.storing != nil)
    }
    return CacheStatusLines.line(of: cacheStatus(forwarding))
  }

  func cacheStatus(_ forwarding: Forwarding) -> CacheStatus {
    let settings = forwarding.settings
    let caching = forwarding.caching
    var status = CacheStatus()
    status.forward = caching.forward
    status.stored = forwarding.storing != nil
    status.collapsed = caching.waitCount > 0
    if caching.stored != nil, forwarding.hasResponse {
      status.forwardStatus = forwarding.response.status
    }
    if settings.value.caching.debugs {
      if caching.isNamed {
        status.key = Array(caching.key.dropFirst(KeyShape.hostOffset).map { $0 == 0 ? 0x20 : $0 })
      }
      status.detail = caching.refusal?.rawValue
    }
    return status
  }

  /// Notes for an answer of our own what the cache had to do with it.
  func note(_ status: CacheStatus, _ exchange: Exchange) {
    guard exchange.settings.value.caching.sendsCacheStatus else { return }
    exchange.cacheStatus = status.text
  }

  /// What a client wants from the cache alone is not there, or may not be used.
  func failUncached(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    note(CacheStatus(detail: "only-if-cached"), exchange)
    return fail(exchange, stream, 504, .gatewayOnlyIfCached)
  }

  /// The fields that are passed on, rewritten, as fields.
  func relayedFields(
    of bytes: RawSpan, _ forwarding: Forwarding, isKept: Bool = false
  ) -> ResponseFields {
    var fields = ResponseFields()
    let hidesWay = forwarding.settings.value.proxy.via == .block
    forEachField(of: forwarding.response, in: bytes) { name, value, known in
      if EventLoop.isOurs(known) || hidesWay && known == .via { return }
      fields.add(
        String(decoding: name.array, as: UTF8.self), rewrite(known, value, forwarding))
    }
    let isSuccess = (200..<400).contains(forwarding.response.status)
    for name in forwarding.withheldFields { fields.remove(name) }
    addCoding(&fields, forwarding)
    edit(&fields, forwarding.exchange, isSuccess: isSuccess, isKept: isKept)
    return fields
  }

  /// Fields that this server writes itself, and orders to its cache: for nobody behind it
  /// (RFC 9213 §2.1).
  private static func isOurs(_ known: ResponseField?) -> Bool {
    known.map { notCopied.contains($0) && $0 != .trailer } ?? false
  }

  /// Those, and Trailer, which is written anew where trailers follow.
  private static let notCopied: ResponseFieldSet = [
    .contentLength, .ring3CacheControl, .ring3Delegate, .ring3Fragments, .surrogateKey, .cacheTag,
    .trailer,
  ]

  /// Addresses of the application become those that the client knows.
  func rewrite(
    _ known: ResponseField?, _ value: RawSpan, _ forwarding: Forwarding
  ) -> [UInt8] {
    let settings = forwarding.settings.value.proxy
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

  /// How the body's end is told to this client (RFC 9112 §6): its length, if that is known.
  private func frame(
    _ forwarding: Forwarding, _ stream: RequestStream, to head: inout [UInt8]
  ) -> UInt64? {
    var length: UInt64?
    var framing = forwarding.response.framing
    if forwarding.coding != nil { framing = .untilClose }
    switch framing {
    case .length(let count): length = count
    case .none:
      // That of the uncompressed form is not that of a GET; and there is none in 204 (RFC 9110
      // §8.6).
      if forwarding.codingNamed == .identity, forwarding.response.status != 204 {
        length = forwarding.response.contentLength
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
    return length
  }
}

extension ProxySettings {
  /// Whether a field of the response has to be replaced by what the client knows.
  @inline(__always)
  func rewrites(_ response: borrowing ReceivedResponse) -> Bool {
    response.hasLocations && rewritesLocations || response.has(.setCookie) && rewritesCookies
  }
}
