// The head of a request as the application gets it.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Writes the request's head for a member that speaks HTTP/1.1.
  func writeRequestHead(_ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    let head = exchange.head
    let settings = exchange.route.sharedSettings.storage
    let bytes = exchange.bytes
    let span = bytes.rawSpan
    var lines: [UInt8] = []
    lines.reserveCapacity(bytes.count + Limits.ownFieldsBytesMax)
    lines.append(copying: head.methodRange.span(in: span))
    lines.append(0x20)
    appendTargetPath(forwarding, to: &lines)
    ResponseHead.append(literal: " HTTP/1.1\r\nHost: ", to: &lines)
    if settings.value.proxy.preservesHost, head.hasAuthority {
      lines.append(copying: head.authority.span(in: span))
    } else {
      lines += model.proxyMembers[forwarding.member].authority.utf8
    }
    ResponseHead.appendEnd(to: &lines)
    if !settings.value.proxy.requestHeaderEdits.isEmpty {
      lines += passedFields(forwarding, span).lines()
    } else if head.has(.ifNoneMatch), !settings.value.compression.codings.isEmpty {
      forEachPassedField(forwarding, span) { name, value in
        ResponseHead.appendField(name: name, value: value, to: &lines)
      }
    } else {
      let isForCache = forwarding.caching.isForCache
      let hasTrailers = head.body == .chunked
      head.appendPassedFields(
        in: span, options: ConnectionOptions(head, in: span), to: &lines
      ) { EventLoop.isPassed($0, in: span, isForCache: isForCache, hasTrailers: hasTrailers) }
    }
    appendOwnFields(forwarding, span, to: &lines)
    ResponseHead.appendEnd(to: &lines)
    forwarding.append(lines)
  }

  /// Path and query at the member.
  private func appendTargetPath(_ forwarding: Forwarding, to lines: inout [UInt8]) {
    let start = lines.count
    lines += model.proxyMembers[forwarding.member].path.utf8
    lines += forwarding.target.path
    if let prefix = forwarding.target.rawPrefixByteCount {
      let exchange = forwarding.exchange
      let raw = exchange.copy(exchange.head.path)
      lines += raw.dropFirst(prefix)
      if let query = exchange.head.query { lines += [0x3f] + exchange.copy(query) }
    }
    if lines.count == start || lines[start] != UInt8(ascii: "/") {
      lines.insert(UInt8(ascii: "/"), at: start)
    }
  }

  /// Fields of the request that are passed on as they are: not those of the connection
  /// (RFC 9110 §7.6.1), and not what an untrusted client says of its own way here.
  private func forEachPassedField(
    _ forwarding: Forwarding, _ bytes: RawSpan, _ body: (RawSpan, RawSpan) -> Void
  ) {
    let head = forwarding.exchange.head
    let options = ConnectionOptions(head, in: bytes)
    let isCompressing = !forwarding.exchange.route.settings.compression.codings.isEmpty
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      let name = line.name.span(in: bytes)
      guard options.allowsForwarding(name, in: bytes),
        EventLoop.isPassed(
          line, in: bytes, isForCache: forwarding.caching.isForCache,
          hasTrailers: head.body == .chunked)
      else { continue }
      if line.known == .ifNoneMatch, isCompressing {
        var tags: [UInt8] = []
        EntityTag.list(line.value.span(in: bytes), addingUncodedTo: &tags)
        body(name, tags.rawSpan)
      } else {
        body(name, line.value.span(in: bytes))
      }
    }
  }

  /// Whether an end-to-end field is passed on as it is. Conditions and ranges are the client's own:
  /// what is fetched for the cache is fetched whole. Trailer only where trailers can follow.
  private static func isPassed(
    _ line: FieldLine, in bytes: RawSpan, isForCache: Bool, hasTrailers: Bool
  ) -> Bool {
    switch line.known {
    case .host, .contentLength, .transferEncoding, .connection, .xForwardedFor: return false
    case .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .ifRange, .range:
      return !isForCache
    default:
      let name = line.name.span(in: bytes)
      return !isOfTheWay(name) && (hasTrailers || !FieldName.equal(name, "trailer"))
    }
  }

  /// What a request says of the way it came: only who is trusted may say it.
  private static func isOfTheWay(_ name: RawSpan) -> Bool {
    switch name.byteCount {
    case 9: FieldName.equal(name, "forwarded")
    case 15: FieldName.equal(name, "x-forwarded-for")
    case 16: FieldName.equal(name, "x-forwarded-host")
    case 17: FieldName.equal(name, "x-forwarded-proto")
    case 18: FieldName.equal(name, "x-forwarded-server")
    default: false
    }
  }

  /// The same with `RequestHeader` directives.
  func passedFields(_ forwarding: Forwarding, _ bytes: RawSpan) -> ResponseFields {
    let exchange = forwarding.exchange
    var fields = ResponseFields()
    forEachPassedField(forwarding, bytes) { name, value in
      fields.add(String(decoding: name.array, as: UTF8.self), value.array)
    }
    fields.apply(
      exchange.route.settings.proxy.requestHeaderEdits, captures: exchange.route.captures,
      receivedMicroseconds: exchange.receivedMicroseconds,
      nowMicroseconds: Clock.realNanoseconds() / 1000)
    return fields
  }

  /// What this server says itself: the client, the way here, the body's framing.
  private func appendOwnFields(
    _ forwarding: Forwarding, _ bytes: RawSpan, to lines: inout [UInt8]
  ) {
    let exchange = forwarding.exchange
    let head = exchange.head
    let settings = exchange.route.sharedSettings.storage
    if settings.value.proxy.addsForwardedFields {
      appendForwarded(forwarding.origin, exchange, bytes, to: &lines)
    }
    if settings.value.proxy.addsForwarded { appendForwardedElement(forwarding, to: &lines) }
    if settings.value.proxy.via == .on || settings.value.proxy.via == .full {
      var value: [UInt8] = []
      let received: Via.ReceivedProtocol =
        forwarding.stream is MultiplexedStream
        ? .http2 : Via.ReceivedProtocol(minorVersion: head.minorVersion)
      appendVia(received, exchange, to: &value)
      ResponseHead.appendField("Via", value, to: &lines)
    }
    lines += forwarding.caching.conditionLines
    switch head.body {
    case .none: break
    case .length(let count):
      ResponseHead.appendField("Content-Length", count, to: &lines)
    case .chunked:
      forwarding.sendsChunks = true
      ResponseHead.appendField("Transfer-Encoding", "chunked" as StaticString, to: &lines)
    }
    if head.connectionUpgrade, let upgrade = head.known(.upgrade),
      forwarding.stream is Connection,
      allowsUpgrade(forwarding.member, to: upgrade.span(in: bytes))
    {
      forwarding.asksForUpgrade = true
      ResponseHead.appendField("Connection", "Upgrade" as StaticString, to: &lines)
      ResponseHead.appendField("Upgrade", upgrade.span(in: bytes), to: &lines)
    } else if Trailers.areAccepted(head, in: bytes) {
      // On behalf of this client, and of this connection like all of TE (RFC 9110 §10.1.4).
      ResponseHead.appendField("TE", "trailers" as StaticString, to: &lines)
      let isLast = model.proxyMembers[forwarding.member].parameters.disablesReuse
      ResponseHead.appendField(
        "Connection", isLast ? "close, TE" as StaticString : "TE", to: &lines)
    } else if model.proxyMembers[forwarding.member].parameters.disablesReuse {
      ResponseHead.appendField("Connection", "close" as StaticString, to: &lines)
    }
  }

  /// X-Forwarded-*: what this server knows itself. What the client sent of them was not passed on.
  private func appendForwarded(
    _ origin: RequestOrigin, _ exchange: Exchange, _ bytes: RawSpan, to lines: inout [UInt8]
  ) {
    // Behind a chain that is believed stands who has sent it.
    let last = origin.isBelieved ? origin.peer : origin.client
    var client: [UInt8] = []
    last?.address.unmapped.append(to: &client)
    XForwardedFor.appendField(
      received: exchange.head, in: bytes, isBelieved: origin.isBelieved,
      address: client.rawSpan, to: &lines)
    let authority = exchange.head.authority.span(in: bytes)
    let site = exchange.site.site
    if !forwardedSite.fits(site, origin.isEncrypted, exchange.head.hasAuthority, authority) {
      forwardedSite = ForwardedSite(
        site, model.sites[site].name, origin.isEncrypted, exchange.head.hasAuthority, authority)
    }
    lines += forwardedSite.lines
  }

  /// `upgrade` of the member's parameters.
  private func allowsUpgrade(_ member: Int, to protocols: RawSpan) -> Bool {
    let wanted = String(decoding: protocols.array, as: UTF8.self).lowercased()
    return model.proxyMembers[member].parameters.upgrades.contains { $0 == "any" || $0 == wanted }
  }

  // MARK: The way here

  /// The name under which this server stands in Via.
  private func pseudonym(_ exchange: Exchange) -> [UInt8] {
    let name = model.sites[exchange.site.site].name
    return Array((name.isEmpty ? "ring3" : name).utf8)
  }

  func appendVia(
    _ received: Via.ReceivedProtocol, _ exchange: Exchange, to value: inout [UInt8]
  ) {
    let name = pseudonym(exchange)
    let comment =
      exchange.route.settings.proxy.via == .full ? Array(model.serverFieldText.utf8) : []
    Via.appendElement(received, by: name.rawSpan, comment: comment.rawSpan, to: &value)
  }

  /// The request has been here before (RFC 9110 §7.6.3).
  func isLoop(_ exchange: Exchange) -> Bool {
    guard exchange.head.has(.via) else { return false }
    let bytes = exchange.bytes
    let name = pseudonym(exchange)
    return exchange.route.settings.proxy.via != .off
      && Via.isLoop(exchange.head, in: bytes.rawSpan, pseudonym: name.rawSpan)
  }

  /// `ProxyAddForwarded` (RFC 7239).
  private func appendForwardedElement(_ forwarding: Forwarding, to lines: inout [UInt8]) {
    let exchange = forwarding.exchange
    var value = Array("for=".utf8)
    let client = forwarding.origin.client?.address.unmapped
    let text = client.map { $0.family == .v6 ? "\"[\($0)]\"" : "\($0)" } ?? "unknown"
    value += Array(text.utf8)
    if exchange.head.hasAuthority {
      value += Array(";host=\"".utf8) + exchange.copy(exchange.head.authority) + [0x22]
    }
    value += Array((forwarding.origin.isEncrypted ? ";proto=https" : ";proto=http").utf8)
    ResponseHead.appendField("Forwarded", value, to: &lines)
  }
}
