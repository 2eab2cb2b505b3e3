// The head of a request as the application gets it.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Writes the request's head for a member that speaks HTTP/1.1.
  func writeRequestHead(_ forwarding: Forwarding, _ member: ProxyMember) {
    let exchange = forwarding.exchange
    let head = exchange.head
    let settings = exchange.route.settings.proxy
    let bytes = exchange.bytes
    let span = bytes.rawSpan
    forwarding.append(head.methodRange.span(in: span))
    forwarding.append([0x20])
    forwarding.append(targetPath(forwarding, member))
    forwarding.append(Array(" HTTP/1.1\r\nHost: ".utf8))
    if settings.preservesHost, head.hasAuthority {
      forwarding.append(head.authority.span(in: span))
    } else {
      forwarding.append(Array(member.authority.utf8))
    }
    forwarding.append([0x0d, 0x0a])
    if settings.requestHeaderEdits.isEmpty {
      forEachPassedField(forwarding, span) { name, value in
        forwarding.append(name)
        forwarding.append([0x3a, 0x20])
        forwarding.append(value)
        forwarding.append([0x0d, 0x0a])
      }
    } else {
      forwarding.append(passedFields(forwarding, span).lines())
    }
    appendOwnFields(forwarding, member, span)
    forwarding.append([0x0d, 0x0a])
  }

  /// Path and query at the member.
  private func targetPath(_ forwarding: Forwarding, _ member: ProxyMember) -> [UInt8] {
    var path = Array(member.path.utf8) + forwarding.target.path
    let exchange = forwarding.exchange
    if let prefix = forwarding.target.rawPrefixByteCount {
      let raw = exchange.copy(exchange.head.path)
      path += raw.dropFirst(prefix)
      if let query = exchange.head.query { path += [0x3f] + exchange.copy(query) }
    }
    return path.first == UInt8(ascii: "/") ? path : [UInt8(ascii: "/")] + path
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
      switch line.known {
      case .host, .contentLength, .transferEncoding, .connection: continue
      case .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .ifRange, .range:
        if forwarding.caching.isForCache { continue }
      case .xForwardedFor:
        continue
      default: break
      }
      let name = line.name.span(in: bytes)
      guard options.allowsForwarding(name, in: bytes), !EventLoop.isOfTheWay(name, head)
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

  /// What a request says of the way it came: only who is trusted may say it. And Trailer, where
  /// none can follow.
  private static func isOfTheWay(_ name: RawSpan, _ head: borrowing RequestHead) -> Bool {
    switch name.byteCount {
    case 7: head.body != .chunked && FieldName.equal(name, "trailer")
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
    _ forwarding: Forwarding, _ member: ProxyMember, _ bytes: RawSpan
  ) {
    let exchange = forwarding.exchange
    let head = exchange.head
    let settings = exchange.route.settings.proxy
    var lines: [UInt8] = []
    lines.reserveCapacity(256)
    if settings.addsForwardedFields {
      appendForwarded(forwarding.origin, exchange, bytes, to: &lines)
    }
    if settings.addsForwarded { appendForwardedElement(forwarding, to: &lines) }
    if settings.via == .on || settings.via == .full {
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
      allowsUpgrade(member, to: upgrade.span(in: bytes))
    {
      forwarding.asksForUpgrade = true
      ResponseHead.appendField("Connection", "Upgrade" as StaticString, to: &lines)
      ResponseHead.appendField("Upgrade", upgrade.span(in: bytes), to: &lines)
    } else if Trailers.areAccepted(head, in: bytes) {
      // On behalf of this client, and of this connection like all of TE (RFC 9110 §10.1.4).
      ResponseHead.appendField("TE", "trailers" as StaticString, to: &lines)
      ResponseHead.appendField(
        "Connection", member.parameters.disablesReuse ? "close, TE" as StaticString : "TE",
        to: &lines)
    } else if member.parameters.disablesReuse {
      ResponseHead.appendField("Connection", "close" as StaticString, to: &lines)
    }
    forwarding.append(lines)
  }

  /// X-Forwarded-*: what this server knows itself. What the client sent of them was not passed on.
  private func appendForwarded(
    _ origin: RequestOrigin, _ exchange: Exchange, _ bytes: RawSpan, to lines: inout [UInt8]
  ) {
    // Behind a chain that is believed stands who has sent it.
    let last = origin.isBelieved ? origin.peer : origin.client
    let client = Array((last?.address.unmapped.description ?? "").utf8)
    XForwardedFor.appendField(
      received: exchange.head, in: bytes, isBelieved: origin.isBelieved,
      address: client.rawSpan, to: &lines)
    if exchange.head.hasAuthority {
      ResponseHead.appendField(
        "X-Forwarded-Host", exchange.head.authority.span(in: bytes), to: &lines)
    }
    ResponseHead.appendField(
      "X-Forwarded-Proto", origin.isEncrypted ? "https" as StaticString : "http", to: &lines)
    let name = model.sites[exchange.site.site].name
    if !name.isEmpty {
      ResponseHead.appendField("X-Forwarded-Server", Array(name.utf8), to: &lines)
    }
  }

  /// `upgrade` of the member's parameters.
  private func allowsUpgrade(_ member: ProxyMember, to protocols: RawSpan) -> Bool {
    let wanted = String(decoding: protocols.array, as: UTF8.self).lowercased()
    return member.parameters.upgrades.contains { $0 == "any" || $0 == wanted }
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
