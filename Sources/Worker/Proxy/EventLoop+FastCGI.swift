// Applications that speak FastCGI: PHP, mostly. A request becomes variables, an answer records.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Writes the beginning of a request for a member that speaks FastCGI; its body follows as input.
  func writeFastCGIRequest(_ forwarding: Forwarding, _ member: ProxyMember) {
    var output: [UInt8] = []
    FastCGI.appendBegin(keepsConnection: !member.parameters.disablesReuse, to: &output)
    let pairs = variables(forwarding, member)
    FastCGI.appendParameters(pairs.rawSpan, to: &output)
    // A body that has ended, or none, ends at once.
    if forwarding.exchange.head.body == .none {
      FastCGI.appendInputHeader(contentByteCount: 0, to: &output)
    }
    forwarding.append(output)
  }

  /// The variables of RFC 3875 §4.1, and those beside them that httpd sets and PHP reads.
  private func variables(_ forwarding: Forwarding, _ member: ProxyMember) -> [UInt8] {
    let exchange = forwarding.exchange
    let head = exchange.head
    let bytes = exchange.bytes
    let span = bytes.rawSpan
    var pairs: [UInt8] = []
    pairs.reserveCapacity(2048)
    func add(_ name: StaticString, _ value: [UInt8]) {
      FastCGI.appendPair(name: name, value: value.rawSpan, to: &pairs)
    }
    func add(_ name: StaticString, _ text: String) { add(name, Array(text.utf8)) }
    let query = head.query.map(exchange.copy) ?? []
    var script = forwarding.target.scriptPath
    if script.isEmpty {
      let path = forwarding.target.path.prefix { $0 != UInt8(ascii: "?") }
      script = Array(member.path.utf8) + path
    }
    add("SCRIPT_FILENAME", script)
    let pathInfo = forwarding.target.pathInfoByteCount
    add("SCRIPT_NAME", Array(exchange.currentPath.dropLast(pathInfo)))
    if pathInfo > 0 { add("PATH_INFO", Array(exchange.currentPath.suffix(pathInfo))) }
    add("REQUEST_URI", exchange.copy(head.target))
    add("DOCUMENT_URI", exchange.currentPath)
    add("QUERY_STRING", query)
    add("REQUEST_METHOD", exchange.copy(head.methodRange))
    let site = model.sites[exchange.site.site]
    if let root = site.documentRoot.path(exchange.route.captures) {
      add("DOCUMENT_ROOT", root)
      if pathInfo > 0 {
        add("PATH_TRANSLATED", root + Array(exchange.currentPath.suffix(pathInfo)))
      }
    }
    add("REQUEST_SCHEME", forwarding.origin.isEncrypted ? "https" : "http")
    add("GATEWAY_INTERFACE", "CGI/1.1")
    add("SERVER_PROTOCOL", head.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1")
    add("SERVER_SOFTWARE", model.serverFieldText)
    add("SERVER_NAME", exchange.host)
    if let local = forwarding.origin.local {
      add("SERVER_ADDR", "\(local.address.unmapped)")
      add("SERVER_PORT", "\(head.hostPort ?? local.port)")
    }
    if let client = forwarding.origin.client {
      add("REMOTE_ADDR", "\(client.address.unmapped)")
      add("REMOTE_PORT", "\(client.port)")
    }
    if forwarding.origin.isEncrypted { add("HTTPS", "on") }
    // PHP refuses to run without it when it was built to.
    add("REDIRECT_STATUS", "200")
    if let collected = exchange.collected {
      add("CONTENT_LENGTH", "\(collected.byteCount)")
    } else if case .length(let count) = head.body {
      add("CONTENT_LENGTH", "\(count)")
    }
    if let type = head.known(.contentType) { add("CONTENT_TYPE", exchange.copy(type)) }
    appendRequestFields(forwarding, span, to: &pairs)
    return pairs
  }

  private func appendRequestFields(
    _ forwarding: Forwarding, _ bytes: RawSpan, to pairs: inout [UInt8]
  ) {
    let exchange = forwarding.exchange
    let head = exchange.head
    var seen: [[UInt8]] = []
    if head.hasAuthority {
      let authority = exchange.copy(head.authority)
      FastCGI.appendPair(name: "HTTP_HOST", value: authority.rawSpan, to: &pairs)
    }
    let fields = passedFields(forwarding, bytes).fields
    for field in fields {
      let name = Array(field.name.utf8)
      // One variable a name: what is repeated is joined (RFC 3875 §4.1.18).
      let lower = name.map(ASCIICase.lower)
      guard !seen.contains(lower), !ASCIICase.same(field.name, "expect") else { continue }
      seen.append(lower)
      let isCookie = ASCIICase.same(field.name, "cookie")
      let values = fields.filter { ASCIICase.same($0.name, field.name) }.map { $0.value }
      let joined = Array(values.joined(separator: Array((isCookie ? "; " : ", ").utf8)))
      _ = FastCGI.appendField(name: name.rawSpan, value: joined.rawSpan, to: &pairs)
    }
    // The client's own conditions are not among the fields when the cache has some.
    for field in OwnedField.fields(in: forwarding.caching.conditionLines) {
      _ = FastCGI.appendField(
        name: field.name.rawSpan, value: field.value.rawSpan, to: &pairs)
    }
  }

  // MARK: Answers

  /// Records of a member: an answer in the form of CGI, and words for the error log.
  func takeFastCGI(
    _ buffer: ByteBuffer, _ upstream: UpstreamConnection, _ forwarding: Forwarding
  ) {
    var start = 0
    var parts: BodyParts = []
    var end: FastCGIEnd?
    reading: while true {
      switch forwarding.records.step(buffer.bytes.extracting(start..<buffer.count)) {
      case .needMore: break reading
      case .output(let range, let count):
        let output = start + range.start..<start + range.end
        start += count
        if forwarding.phase == .head {
          guard takeCGIHead(buffer, output, upstream, forwarding) else { return }
        } else {
          parts.append(output)
        }
      case .error(let range, let count):
        noteComplaint(
          buffer.bytes.extracting(start + range.start..<start + range.end), forwarding)
        start += count
      case .end(let how, let count):
        start += count
        end = how
        break reading
      case .rejected(let rejection):
        return upstreamLost(forwarding, "broke FastCGI: \(rejection.message)")
      }
    }
    guard forwarding.phase == .body || end != nil else { return }
    if let end { return endFastCGI(end, hasMore: start < buffer.count, buffer, parts, forwarding) }
    deliverCounted(forwarding, buffer, parts, isEnd: false)
  }

  /// Collects the head; false: the request is over or the answer refused.
  private func takeCGIHead(
    _ buffer: ByteBuffer, _ range: Range<Int>, _ upstream: UpstreamConnection,
    _ forwarding: Forwarding
  ) -> Bool {
    let kept = forwarding.cgiHead ?? ByteBuffer(capacity: 16_384)
    forwarding.cgiHead = kept
    var target = kept
    if kept.free < range.count {
      target = ByteBuffer(capacity: kept.count + range.count + 16_384)
      target.append(kept.bytes)
      forwarding.cgiHead = target
    }
    target.append(buffer.bytes.extracting(range))
    switch pools[upstream.member].cgiParser.parse(
      target.bytes, into: &forwarding.response, to: forwarding.exchange.head.method)
    {
    case .needMore: return true
    case .rejected(let rejection):
      let name = memberName(forwarding)
      log(of: forwarding).write(
        .error, "response of \(name) refused: \(rejection.message)",
        client: forwarding.stream?.client)
      memberFailed(forwarding, .badResponse)
      failForwarding(forwarding, 502, .proxyBroken)
      return false
    case .complete: break
    }
    forwarding.cgiHead = nil
    let headByteCount = forwarding.response.headByteCount
    takeHead(target.bytes.extracting(0..<headByteCount), forwarding, hasMore: false)
    guard forwarding.phase == .body, forwarding.upstream === upstream else { return false }
    let rest = BodyParts(headByteCount..<target.count)
    deliverCounted(forwarding, target, rest, isEnd: false)
    return forwarding.phase == .body
  }

  /// Output of the length that the application gave: more or less of it is a broken answer.
  private func deliverCounted(
    _ forwarding: Forwarding, _ buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool
  ) {
    switch forwarding.responseBody {
    case .none:
      let saysEmpty =
        forwarding.response.contentLength == 0 && forwarding.exchange.head.method != .head
        && !Status.forbidsContent(forwarding.response.status)
      if saysEmpty, !parts.isEmpty {
        return upstreamLost(forwarding, "sent more than its Content-Length")
      }
      deliver(forwarding, buffer, [], isEnd: isEnd)
    case .length(var rest):
      let count = UInt64(parts.byteCount)
      if count > rest { return upstreamLost(forwarding, "sent more than its Content-Length") }
      rest -= count
      forwarding.responseBody = .length(rest)
      if isEnd && rest > 0 { return upstreamLost(forwarding, "sent less than its Content-Length") }
      deliver(forwarding, buffer, parts, isEnd: isEnd)
    default: deliver(forwarding, buffer, parts, isEnd: isEnd)
    }
  }

  private func endFastCGI(
    _ end: FastCGIEnd, hasMore: Bool, _ buffer: ByteBuffer, _ parts: BodyParts,
    _ forwarding: Forwarding
  ) {
    if hasMore { forwarding.requestIsBroken = true }
    if end.status == .overloaded, !forwarding.hasResponse {
      return failForwarding(forwarding, 503, .proxyUnavailable)
    }
    guard forwarding.hasResponse else { return upstreamLost(forwarding, "ended the request") }
    deliverCounted(forwarding, buffer, parts, isEnd: true)
  }

  /// What the application writes to its standard error, line by line.
  private func noteComplaint(_ bytes: RawSpan, _ forwarding: Forwarding) {
    let name = memberName(forwarding)
    for line in bytes.array.split(separator: 0x0a) where !line.isEmpty {
      let text = String(decoding: line.prefix(1000).map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
      log(of: forwarding).write(
        .error, "\(name) says: \(text)", client: forwarding.stream?.client)
    }
  }
}
