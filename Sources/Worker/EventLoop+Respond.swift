// Responses that are made for one request: errors, redirects, parts of files, listings.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// How this response spells Connection; decided by the machine and the client's version.
  @inline(__always)
  func connectionField(_ stream: RequestStream, _ head: borrowing RequestHead) -> ConnectionField {
    if stream.state.closesAfterResponse { return .close }
    return head.minorVersion == 0 ? .keepAlive : .none
  }

  func makeRecord(
    _ stream: RequestStream, site: Int, status: UInt16, _ head: borrowing RequestHead,
    _ bytes: RawSpan, headByteCount: Int = 0, outcome: CacheOutcome = .none
  ) -> ExchangeRecord {
    var record = ExchangeRecord(site: site, status: status, second: prefixes.second)
    record.headByteCount = headByteCount
    record.outcome = outcome
    record.startedMilliseconds = now
    record.method = head.method
    guard policies[site].logs else { return record }
    record.passing = stream.passing
    stream.passing = nil
    record.summary = RequestSummary(
      client: stream.client, requestLine: requestLine(stream, head, bytes),
      referer: head.known(.referer)?.copy(from: bytes),
      userAgent: head.known(.userAgent)?.copy(from: bytes))
    return record
  }

  /// As logs have it. A request of HTTP/2 has no such line; it is written as one of "HTTP/2.0".
  private func requestLine(
    _ stream: RequestStream, _ head: borrowing RequestHead, _ bytes: RawSpan
  ) -> [UInt8] {
    let line = head.requestLine.copy(from: bytes)
    guard stream is MultiplexedStream else { return line }
    return line.dropLast(3) + Array("2.0".utf8)
  }

  /// The one place where a finished exchange is counted and logged.
  func finishRecord(_ record: borrowing ExchangeRecord, reason: EndReason) {
    countExchange(record.outcome, reason)
    if record.summary != nil { write(record, reason) }
  }

  /// The same of a response that was not sent in one go.
  func finishRecord(of output: PendingOutput, reason: EndReason) {
    countExchange(output.record.outcome, reason)
    if output.record.summary != nil { write(output.record, reason) }
  }

  /// All there is to do about one that is not logged.
  func countExchange(_ outcome: CacheOutcome, _ reason: EndReason) {
    scoreboard.add(to: .requests, slot: slot)
    scoreboard.ended(reason, slot: slot)
    switch outcome {
    case .hit, .revalidated: scoreboard.add(to: .cacheHits, slot: slot)
    case .none, .filled, .bypassed: break
    }
  }

  private func write(_ record: borrowing ExchangeRecord, _ reason: EndReason) {
    var record = copy record
    record.endedMilliseconds = now
    record.reason = reason
    accessLogs.append(record)
  }

  // MARK: Errors

  /// Answers with an error; `ErrorDocument` may replace our page. `.completed` as the reason means
  /// that nothing is wrong with the request or the server: the resource is just not there.
  func fail(
    _ exchange: Exchange, _ stream: RequestStream, _ status: UInt16, _ reason: EndReason
  ) -> Bool {
    if case .fill(let fill)? = exchange.copy?.target { cache?.abandon(fill) }
    exchange.copy = nil
    exchange.waiting = .nothing
    if reason == .entityTooLarge || head.expectsContinue && !exchange.invited {
      stream.state.closeAfterResponse()
    }
    let shown = exchange.errorStatus ?? status
    var fields = exchange.errorFields
    if shown == 405, fields.value(of: "Allow") == nil {
      fields.add("Allow", allowedMethods(exchange))
    }
    if shown == 503, fields.value(of: "Retry-After") == nil,
      let seconds = exchange.retryAfterSeconds
    {
      fields.add("Retry-After", "\(seconds)")
    }
    exchange.errorFields = fields
    if let isDone = errorDocument(exchange, stream, status, fields) { return isDone }
    let body = ErrorPage.body(
      status: Int(shown),
      explanation: shown == 503 && reason.isUnavailable ? Status.unavailable : nil,
      detail: exchange.errorDetail, signature: signature(exchange))
    return respond(
      exchange, stream, shown, fields, type: errorPageType, body: body, reason: reason)
  }

  /// What `ErrorDocument` says of the status; nil when our own page is to be sent.
  private func errorDocument(
    _ exchange: Exchange, _ stream: RequestStream, _ status: UInt16, _ fields: ResponseFields
  ) -> Bool? {
    // An error while an error document is looked for gets our page for the first error.
    guard exchange.errorStatus == nil,
      let document = exchange.settings.value.errorDocument(Int(status))
    else { return nil }
    switch document {
    case .standard: return nil
    case .text(let template):
      return respond(
        exchange, stream, status, fields, type: errorPageType,
        body: template.text(exchange.route.captures), reason: .completed)
    case .url(let template):
      return redirect(
        exchange, stream, status: 302, location: template.url(exchange.route.captures))
    case .path(let template):
      guard let path = template.path(exchange.route.captures) else { return nil }
      exchange.errorStatus = status
      exchange.resumption = nil
      exchange.internalRedirectCount += 1
      return follow(path, exchange, stream)
    }
  }

  private var errorPageType: [UInt8] { Array("text/html; charset=utf-8".utf8) }

  private func signature(_ exchange: Exchange) -> [UInt8]? {
    let site = model.sites[exchange.site.site]
    switch exchange.settings.value.serverSignature {
    case .off: return nil
    case .on: return Array("\(model.serverFieldText) at \(site.name)".utf8)
    case .email:
      return Array(
        "\(model.serverFieldText) at \(site.name) (\(site.serverAdmin ?? "no address"))".utf8)
    }
  }

  /// A head that could not be parsed: nothing of it is trusted, not even where the next one starts.
  func reject(
    _ stream: RequestStream, _ bytes: RawSpan, _ rejection: RequestRejection
  ) {
    log(of: stream).write(
      .info,
      "request refused with \(rejection.status) (\(rejection.reason.word)): "
        + "\(rejection.message), at byte \(rejection.byteOffset)", client: stream.client)
    let line = bytes.array.prefix { $0 != 0x0d && $0 != 0x0a }
    (stream as? Connection)?.input = nil
    stream.state.requestBegun(keepAlive: false, hasBody: false)
    answerUnparsed(
      stream, status: rejection.status, reason: rejection.reason, line: Array(line.prefix(8192)),
      isHead: line.starts(with: Array("HEAD ".utf8)))
  }

  /// A head that did not arrive in time, or whatever else the machine refuses.
  func refuse(
    _ stream: RequestStream, status: UInt16, reason: EndReason, isHead: Bool = false
  ) {
    (stream as? Connection)?.input = nil
    answerUnparsed(stream, status: status, reason: reason, line: [], isHead: isHead)
  }

  private func answerUnparsed(
    _ stream: RequestStream, status: UInt16, reason: EndReason, line: [UInt8], isHead: Bool
  ) {
    let body = ErrorPage.body(status: Int(status))
    var bytes = prefixes.head(status: status, connection: .close)
    var fields = ResponseFields()
    fields.add("Content-Type", errorPageType)
    fields.add("Content-Length", "\(body.count)")
    bytes += fields.lines()
    bytes += [0x0d, 0x0a]
    var record = ExchangeRecord(
      site: stream.site, status: status, second: prefixes.second)
    record.headByteCount = bytes.count
    if policies[stream.site].logs {
      record.summary = RequestSummary(client: stream.client, requestLine: line)
    }
    scoreboard.ended(reason, slot: slot)
    let output = PendingOutput(record: record)
    output.append(isHead ? bytes : bytes + body)
    if start(output, on: stream) { finishResponse(stream) }
  }

  func methodNotAllowed(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    fail(exchange, stream, 405, .methodNotAllowed)
  }

  func allowedMethods(_ exchange: Exchange) -> String {
    model.sites[exchange.site.site].traceEnable
      ? "GET, HEAD, OPTIONS, TRACE" : "GET, HEAD, OPTIONS"
  }

  // MARK: Small responses

  /// Sends a response made of fields and a body of our own.
  func respond(
    _ exchange: Exchange, _ stream: RequestStream, _ status: UInt16, _ given: ResponseFields,
    type: [UInt8], body: [UInt8], reason: EndReason
  ) -> Bool {
    var fields = given
    if !exchange.cacheStatus.isEmpty { fields.add("Cache-Status", exchange.cacheStatus) }
    if !type.isEmpty { fields.add("Content-Type", type) }
    if !Status.forbidsContent(Int(status)) { fields.add("Content-Length", "\(body.count)") }
    edit(&fields, exchange, isSuccess: (200..<300).contains(status))
    if reason == .completed {
      noteNegative(exchange, stream, status: status, fields: fields, body: body)
    }
    var bytes = prefixes.head(status: status, connection: connectionField(stream, head))
    bytes += fields.lines()
    bytes += [0x0d, 0x0a]
    let requestBytes = exchange.bytes
    var record = makeRecord(
      stream, site: exchange.site.site, status: status, exchange.head, requestBytes.rawSpan)
    record.headByteCount = bytes.count
    record.refusal = reason
    if reason != .completed { scoreboard.ended(reason, slot: slot) }
    let output = PendingOutput(record: record)
    output.append(head.method == .head ? bytes : bytes + body)
    stream.exchange = nil
    return start(output, on: stream)
  }

  /// `Header` directives: `always` for every response, the others for successful ones.
  /// `isKept`: without what depends on this one request.
  func edit(
    _ fields: inout ResponseFields, _ exchange: Exchange, isSuccess: Bool, isKept: Bool = false
  ) {
    let settings = exchange.settings.value
    var edits =
      isSuccess
      ? settings.headerEditsOnSuccess + settings.headerEditsAlways : settings.headerEditsAlways
    if isKept { edits.removeAll { $0.dependsOnBalancing } }
    guard !edits.isEmpty else { return }
    fields.apply(
      edits, captures: exchange.route.captures,
      receivedMicroseconds: exchange.receivedMicroseconds,
      nowMicroseconds: Clock.realNanoseconds() / 1000)
  }

  func redirect(
    _ exchange: Exchange, _ stream: RequestStream, status: UInt16, location: [UInt8]
  ) -> Bool {
    var fields = ResponseFields()
    fields.add("Location", absolute(location, exchange, stream))
    return respond(
      exchange, stream, status, fields, type: errorPageType,
      body: ErrorPage.body(status: Int(status), location: location), reason: .completed)
  }

  /// A path stays relative (RFC 9110 §10.2.2), so that it is right whatever name, port or proxy the
  /// client used; `UseCanonicalName On` asks for the configured name instead.
  private func absolute(
    _ location: [UInt8], _ exchange: Exchange, _ stream: RequestStream
  ) -> [UInt8] {
    let site = model.sites[exchange.site.site]
    guard location.first == UInt8(ascii: "/"), site.useCanonicalName,
      let origin = site.canonicalOrigin(isEncrypted: listeners[stream.listener].isEncrypted)
    else { return location }
    return Array(origin.utf8) + location
  }

  func redirectToDirectory(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let path = exchange.currentPath
    var location: [UInt8] = []
    PercentEncoding.append(path: path.rawSpan, to: &location)
    location.append(UInt8(ascii: "/"))
    if let query = head.query {
      location.append(UInt8(ascii: "?"))
      location += exchange.copy(query)
    }
    return redirect(exchange, stream, status: 301, location: location)
  }

  func respondOptions(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    var fields = ResponseFields()
    fields.add("Allow", allowedMethods(exchange))
    return respond(
      exchange, stream, 200, fields, type: [], body: [], reason: .completed)
  }

  /// `TraceEnable on`: the request as it arrived (RFC 9110 §9.3.8). A body is refused.
  func echo(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard head.body == .none else { return fail(exchange, stream, 413, .entityTooLarge) }
    return respond(
      exchange, stream, 200, ResponseFields(), type: Array("message/http".utf8),
      body: exchange.bytes, reason: .completed)
  }

  /// A directory listing, made by a helper and lying in memory.
  func serveListing(_ page: OpenFile, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let buffer = ByteBuffer(capacity: max(1, Int(page.facts.size)))
    while buffer.free > 0 {
      let result = File.read(
        page.descriptor, at: Int64(buffer.count), count: buffer.free, into: buffer, mayWait: true)
      guard case .read(let count) = result, count > 0 else { break }
    }
    return respond(
      exchange, stream, 200, ResponseFields(), type: errorPageType, body: buffer.bytes.array,
      reason: .completed)
  }
}
