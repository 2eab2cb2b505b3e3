// The head of a request as the application gets it.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Writes the request's head for a member that speaks HTTP/1.1: straight to where it is sent
  /// from, but for what few requests have.
  func writeRequestHead(_ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    let pool = pools[forwarding.member]
    let settings = forwarding.settings
    let bytes = exchange.bytes
    let span = bytes.rawSpan
    let target = rawTarget(forwarding, pool)
    var said = saidOfTheWay(forwarding, span)
    let fields = rewrittenFields(forwarding, span, &said)
    // Nobody has said anything of the way that is believed, and it is told in the usual fields.
    let isPlain =
      settings.value.proxy.addsForwardedFields && !settings.value.proxy.addsForwarded
      && !forwarding.origin.isBelieved && settings.value.proxy.requestHeaderEdits.isEmpty
    if isPlain { noteSite(exchange, forwarding.origin, span) }
    if settings.value.proxy.via.isOff { noteVia(forwarding) }
    let own = ownFields(forwarding, span, isPlain ? nil : said)
    forwarding.reserve(
      bytes.count + pool.path.count + forwarding.target.path.count + pool.authority.count
        + (target?.count ?? 0) + (fields?.count ?? 0) + own.count
        + wayTexts.site.lines.count + wayTexts.via.line.count + Limits.ownFieldsBytesMax)
    let output = forwarding.request
    writeRequestStart(forwarding, span, target: target, to: output)
    if let fields {
      output.append(fields)
    } else {
      let passing = PassingRule(forwarding)
      exchange.head.forEachPassedRun(
        in: span, options: ConnectionOptions(exchange.head, in: span),
        where: { EventLoop.isPassed($0, in: span, passing) }
      ) { output.append($0) }
    }
    if isPlain {
      if let client = forwarding.origin.client?.address {
        output.append(wayTexts.clients.line(client))
      } else {
        output.append("X-Forwarded-For: unknown\r\n")
      }
      output.append(wayTexts.site.lines)
    }
    if settings.value.proxy.via.isOff { output.append(wayTexts.via.line) }
    output.append(own)
    if closesAfterwards(forwarding), !forwarding.hasConnectionField {
      output.append("Connection: close\r\n")
    }
    output.append("\r\n")
  }

  /// The request line and Host. `target`: nil for the member's path and the target's behind it.
  func writeRequestStart(
    _ forwarding: Forwarding, _ span: RawSpan, target: [UInt8]?, to output: ByteBuffer
  ) {
    let exchange = forwarding.exchange
    let pool = pools[forwarding.member]
    output.append(exchange.head.methodRange.span(in: span))
    output.append(0x20)
    if let target {
      output.append(target)
    } else {
      output.append(pool.path)
      output.append(forwarding.target.path)
    }
    output.append(" HTTP/1.1\r\nHost: ")
    if forwarding.settings.value.proxy.preservesHost, exchange.head.hasAuthority {
      output.append(exchange.head.authority.span(in: span))
    } else {
      output.append(pool.authority)
    }
    output.append("\r\n")
  }

  /// Fields that are not passed on as they came; nil: they are.
  private func rewrittenFields(
    _ forwarding: Forwarding, _ span: RawSpan, _ said: inout SaidOfTheWay
  ) -> [UInt8]? {
    let settings = forwarding.settings
    if !settings.value.proxy.requestHeaderEdits.isEmpty {
      var fields = passedFields(forwarding, span)
      said.take(from: &fields)
      return fields.lines()
    }
    guard forwarding.exchange.head.has(.ifNoneMatch), !settings.value.compression.codings.isEmpty
    else { return nil }
    var lines: [UInt8] = []
    forEachPassedField(forwarding, span) { name, value in
      ResponseHead.appendField(name: name, value: value, to: &lines)
    }
    return lines
  }

  /// `proxyprotocol`: the client, in front of the one request of the connection.
  func appendProxyHeader(_ forwarding: Forwarding) {
    guard let version = model.proxyMembers[forwarding.member].parameters.proxyProtocol else {
      return
    }
    var connection = ProxiedConnection()
    if let client = forwarding.origin.client, let local = forwarding.origin.local {
      connection = ProxiedConnection(client: client, local: local)
    }
    var header: [UInt8] = []
    switch version {
    case .v1: ProxyProtocol.appendText(connection, to: &header)
    case .v2: ProxyProtocol.appendBinary(connection, to: &header)
    }
    forwarding.append(header)
  }

  /// Path and query at the member; nil: the member's path, and the target's behind it.
  private func rawTarget(_ forwarding: Forwarding, _ pool: UpstreamPool) -> [UInt8]? {
    let first = pool.path.first ?? forwarding.target.path.first
    if forwarding.target.rawPrefixByteCount == nil, first == UInt8(ascii: "/") { return nil }
    var target = pool.path
    if let rest = rawRest(forwarding) {
      target += forwarding.target.path + rest
      if let query = forwarding.exchange.head.query, forwarding.target.passesQuery {
        target += [0x3f] + forwarding.exchange.copy(query)
      }
    } else {
      target +=
        forwarding.target.rawPrefixByteCount != nil
        ? forwarding.target.canonicalPath : forwarding.target.path
    }
    if target.first != UInt8(ascii: "/") { target.insert(UInt8(ascii: "/"), at: 0) }
    return target
  }

  /// `nocanon`: what follows the prefix, as the client spelled it. nil where the client spelled the
  /// prefix in another way, or its dots lead out of it: nobody can say where it ends.
  private func rawRest(_ forwarding: Forwarding) -> [UInt8]? {
    let exchange = forwarding.exchange
    guard let prefix = forwarding.target.rawPrefixByteCount, exchange.currentPath == exchange.path
    else { return nil }
    let raw = exchange.copy(exchange.head.path)
    guard raw.starts(with: exchange.path.prefix(prefix)) else { return nil }
    let rest = Array(raw.dropFirst(prefix))
    func rooted(_ path: [UInt8]) -> [UInt8] {
      path.first == ASCII.slash ? path : [ASCII.slash] + path
    }
    let slashes = model.sites[exchange.site.site].allowEncodedSlashes
    guard
      case .success(let decoded) = RequestTarget.decodePath(
        rooted(rest).rawSpan, encodedSlashes: slashes),
      decoded == rooted(Array(exchange.path.dropFirst(prefix)))
    else { return nil }
    return rest
  }

  /// Fields of the request that are passed on as they are: not those of the connection
  /// (RFC 9110 §7.6.1), and not what an untrusted client says of its own way here.
  private func forEachPassedField(
    _ forwarding: Forwarding, _ bytes: RawSpan, _ body: (RawSpan, RawSpan) -> Void
  ) {
    let head = forwarding.exchange.head
    let options = ConnectionOptions(head, in: bytes)
    let passing = PassingRule(forwarding)
    let isCompressing = !forwarding.settings.value.compression.codings.isEmpty
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      let name = line.name.span(in: bytes)
      guard options.allowsForwarding(name, in: bytes),
        EventLoop.isPassed(line, in: bytes, passing)
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
  static func isPassed(_ line: FieldLine, in bytes: RawSpan, _ rule: PassingRule) -> Bool {
    switch line.known {
    case .host, .contentLength, .transferEncoding, .connection, .xForwardedFor: return false
    case .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .ifRange, .range:
      return !rule.isForCache
    case .via: return !rule.hidesWay
    default:
      let name = line.name.span(in: bytes)
      return !isOfTheWay(name, rule) && (rule.hasTrailers || !FieldName.equal(name, "trailer"))
    }
  }

  /// What a request says of the way it came: only who is trusted may say it. The chains of those
  /// who passed it on are written anew, and so is Max-Forwards.
  private static func isOfTheWay(_ name: RawSpan, _ rule: PassingRule) -> Bool {
    switch name.byteCount {
    case 9: FieldName.equal(name, "forwarded")
    case 12: rule.countsHops && FieldName.equal(name, "max-forwards")
    case 15: FieldName.equal(name, "ring3-fragments")
    case 16: !rule.isBelieved && FieldName.equal(name, "x-forwarded-host")
    case 17: !rule.isBelieved && FieldName.equal(name, "x-forwarded-proto")
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
      exchange.settings.value.proxy.requestHeaderEdits, captures: exchange.route.captures,
      receivedMicroseconds: exchange.receivedMicroseconds,
      nowMicroseconds: Clock.realNanoseconds() / 1000)
    return fields
  }

  /// What this server says itself in few requests: the way here, the body's framing.
  private func ownFields(
    _ forwarding: Forwarding, _ bytes: RawSpan, _ said: SaidOfTheWay?
  ) -> [UInt8] {
    let exchange = forwarding.exchange
    var lines: [UInt8] = []
    if let said { appendWay(forwarding, bytes, said, to: &lines) }
    if !forwarding.settings.value.proxy.via.isOff { appendVia(forwarding, bytes, to: &lines) }
    if let hops = EventLoop.hopsLeft(exchange.head, in: bytes) {
      ResponseHead.appendField("Max-Forwards", max(1, hops) - 1, to: &lines)
    }
    if let stored = forwarding.caching.stored { lines += stored.conditionLines }
    if forwarding.doesWithoutFragments {
      ResponseHead.appendField("Ring3-Fragments", "?0" as StaticString, to: &lines)
    }
    switch exchange.head.body {
    case .none:
      // Some applications wait for a body where there could be one (RFC 9110 §8.6).
      if EventLoop.saysEmpty(exchange.head) {
        ResponseHead.appendField("Content-Length", 0 as UInt64, to: &lines)
      }
    case .length(let count):
      ResponseHead.appendField("Content-Length", count, to: &lines)
    case .chunked:
      forwarding.sendsChunks = true
      ResponseHead.appendField("Transfer-Encoding", "chunked" as StaticString, to: &lines)
    }
    appendConnection(forwarding, bytes, to: &lines)
    return lines
  }

  /// Connection, where it says more than that this is the connection's last request.
  private func appendConnection(
    _ forwarding: Forwarding, _ bytes: RawSpan, to lines: inout [UInt8]
  ) {
    let exchange = forwarding.exchange
    forwarding.hasConnectionField = false
    // HTTP/1.0 has no Upgrade (RFC 9110 §7.8).
    if exchange.head.connectionUpgrade, exchange.head.minorVersion > 0,
      let upgrade = exchange.head.known(.upgrade),
      forwarding.stream is Connection,
      allowsUpgrade(forwarding.member, to: upgrade.span(in: bytes))
    {
      forwarding.asksForUpgrade = true
      forwarding.hasConnectionField = true
      ResponseHead.appendField("Connection", "Upgrade" as StaticString, to: &lines)
      ResponseHead.appendField("Upgrade", upgrade.span(in: bytes), to: &lines)
    } else if Trailers.areAccepted(exchange.head, in: bytes) {
      // On behalf of this client, and of this connection like all of TE (RFC 9110 §10.1.4).
      forwarding.hasConnectionField = true
      ResponseHead.appendField("TE", "trailers" as StaticString, to: &lines)
      ResponseHead.appendField(
        "Connection", closesAfterwards(forwarding) ? "close, TE" as StaticString : "TE", to: &lines)
    }
  }

  private func closesAfterwards(_ forwarding: Forwarding) -> Bool {
    forwarding.target.queue != nil
      ? !forwarding.keepsAlive
      : model.proxyMembers[forwarding.member].parameters.disablesReuse
  }

  /// `upgrade` of the member's parameters.
  private func allowsUpgrade(_ member: Int, to protocols: RawSpan) -> Bool {
    let wanted = String(decoding: protocols.array, as: UTF8.self).lowercased()
    return model.proxyMembers[member].parameters.upgrades.contains { $0 == "any" || $0 == wanted }
  }
}
