// The miss: which site, which settings, which file; everything that may take more than one turn.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Answers the request in `head` without the cache's quick look; true when the answer has left
  /// whole.
  func beginExchange(_ stream: RequestStream, _ bytes: RawSpan) -> Bool {
    stream.state.requestBegun(keepAlive: head.keepAlive, hasBody: head.body != .none)
    let exchange = makeExchange(stream, head.kept, bytes)
    stream.site = exchange.site.site
    exchange.absentHash = absentHash
    absentHash = nil
    if !keepsAlive(stream, stream.site) { stream.state.closeAfterResponse() }
    notePatternLimit(exchange.site.limitExceeded, stream)
    stream.exchange = exchange
    switch head.body {
    case .none: if stream.body != nil { stream.body = nil }
    case .length(let count): stream.body = .length(count)
    case .chunked where stream is MultiplexedStream: stream.body = .framed(0)
    case .chunked:
      stream.body =
        .chunked(ChunkedDecoder(limits: parser.limits, keepsTrailers: true))
    }
    return begin(exchange, stream)
  }

  /// The site of a request, and its head, `kept` for as long as the answer takes.
  func makeExchange(
    _ stream: RequestStream, _ head: consuming RequestHead, _ bytes: RawSpan
  ) -> Exchange {
    let host = requestedHost(head.host.span(in: bytes), at: localAddress(of: stream))
    let bytes = bytes.extracting(0..<head.headByteCount).array
    return Exchange(
      head: head, bytes: bytes, receivedMicroseconds: Clock.realNanoseconds() / 1000,
      requestedHost: host, settings: model.sites.shared(host.site.site).value.sharedSettings,
      asOf: cache?.generation ?? 0, ticks: bootTicks)
  }

  private func requestedHost(_ spelling: RawSpan, at local: SocketAddress) -> RequestedHost {
    if let last = lastHost, last.fits(spelling, at: local) { return last }
    let host = RequestedHost(spelling, at: local, in: model)
    lastHost = host
    return host
  }

  private func begin(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    let site = model.sites.shared(exchange.site.site)
    switch admission(of: exchange.site.site, on: stream) {
    case .allowed: break
    // RFC 9110 §15.5.20: the client tries again on a connection of its own.
    case .misdirected: return fail(exchange, stream, 421, .misdirected)
    case .serverNameRequired: return fail(exchange, stream, 403, .tlsServerName)
    }
    if head.unknownExpectation { return fail(exchange, stream, 417, .expectation) }
    switch head.method {
    case .connect: return fail(exchange, stream, 501, .notImplemented)
    case .trace where !site.value.traceEnable:
      return methodNotAllowed(exchange, stream)
    case .trace:
      return echo(exchange, stream)
    case .options where head.targetForm == .asterisk || head.path.isEmpty:
      return respondOptions(exchange, stream)
    default: break
    }
    if head.targetForm == .asterisk { return fail(exchange, stream, 400, .url) }
    let bytes = exchange.bytes
    switch RequestTarget.decodePath(
      exchange.head.path.span(in: bytes.rawSpan),
      encodedSlashes: site.value.allowEncodedSlashes)
    {
    case .failure(let rejection):
      return fail(exchange, stream, rejection.status, rejection.reason)
    case .success(let decoded):
      exchange.path = decoded
      return follow(decoded, exchange, stream)
    }
  }

  /// Finds what the configuration says of a path of this exchange, and who has claimed it.
  func route(_ path: [UInt8], _ exchange: Exchange, _ stream: RequestStream) {
    if path != exchange.currentPath {
      exchange.pathInfoByteCount = 0
      exchange.isSplit = false
    }
    exchange.currentPath = path
    exchange.routedEpoch = routingEpoch
    exchange.routedTurn = claims.turn
    exchange.owner = nil
    exchange.route =
      (namespace != nil || namespaceIsUnknown) && exchange.errorStatus == nil
      ? route(exchange, stream) : configuredRoute(exchange)
    notePatternLimit(exchange.route.limitExceeded, stream)
    let settings = exchange.settings
    if exchange.route.checksAccess && settings.value.access.dependsOnClient {
      exchange.accessDependsOnClient = true
    }
  }

  /// Routes a path of this exchange and does what the route says.
  func follow(_ path: [UInt8], _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    route(path, exchange, stream)
    let settings = exchange.settings
    if exchange.route.checksAccess
      && !settings.value.access.evaluate(
        client: stream.client.address,
        server: settings.value.access.dependsOnClient
          ? Stream.localAddress(carrier(of: stream).descriptor)?.address : nil)
    {
      return fail(exchange, stream, 403, .forbidden)
    }
    if settings.value.requiresTLS && !listeners[stream.listener].isEncrypted {
      return fail(exchange, stream, 403, .tlsRequired)
    }
    if case .length(let count) = head.body, settings.value.limitRequestBodyBytes > 0,
      count > settings.value.limitRequestBodyBytes
    {
      return fail(exchange, stream, 413, .entityTooLarge)
    }
    switch exchange.route.action {
    case .refuse(let status):
      return fail(exchange, stream, UInt16(status), exchange.refusal)
    case .redirect(let status, let location):
      return redirect(exchange, stream, status: UInt16(status), location: location)
    case .proxy(let target):
      // A document for an error is not worth another error.
      guard exchange.errorStatus == nil else { return fail(exchange, stream, 500, .internal) }
      if exchange.pathInfoByteCount > 0, settings.value.acceptsPathInfo == .off {
        return take(.notFound, exchange, stream)
      }
      return target.scriptPath.isEmpty
        ? passOn(target, exchange, stream) : passOn(script: target, exchange, stream)
    case .file(let path, let root):
      if exchange.pathInfoByteCount > 0, settings.value.acceptsPathInfo != .on {
        return take(.notFound, exchange, stream)
      }
      if exchange.errorStatus == nil {
        // RFC 9110 §9.1: a method that is not recognised is 501.
        if head.method == .other { return fail(exchange, stream, 501, .notImplemented) }
        if head.method == .options { return respondOptions(exchange, stream) }
        let mayLeadOn = mayLeadToApplication(exchange.route)
        guard head.method.isRetrieval || mayLeadOn else {
          return methodNotAllowed(exchange, stream)
        }
        guard invite(exchange, stream) else { return false }
        if mayLeadOn, stream.state.bodyPending, head.body == .chunked || !(stream is Connection) {
          return collectBody(exchange, stream)
        }
        if head.body == .chunked && stream.state.bodyPending {
          // Only its end tells whether it is too large: it is read before the answer.
          exchange.waiting = .body
          stream.state.bodyAwaited()
          return false
        }
      }
      exchange.file = fileRequest(exchange, path: path, root: root)
      return resolve(exchange, stream)
    }
  }

  /// 100 (Continue) for a body that is read only to be thrown away; without it the client might
  /// wait. Refusals answer at once instead, and close (RFC 9110 §10.1.1). False: the client is
  /// gone.
  func invite(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard head.expectsContinue, stream.state.bodyPending, !exchange.invited else { return true }
    guard sendInterim(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), on: stream) else {
      close(stream, .clientReset)
      return false
    }
    exchange.invited = true
    return true
  }

  /// Asks the file system; what would have to wait goes to a helper.
  func resolve(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard let request = exchange.file else { preconditionFailure("nothing to resolve") }
    if let open = fileTable.lookUp(request, now: now) {
      return serve(open, exchange, stream)
    }
    switch FileResolver.resolve(request) {
    case .done(let answer):
      return take(answer, exchange, stream)
    case .needsHelper(let question):
      exchange.waiting = .resolution
      return ask(question, exchange, stream)
    }
  }

  /// What the file system said.
  func take(_ answer: FileAnswer, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    exchange.waiting = .nothing
    if let request = exchange.file, request.findsScript {
      return takeScript(answer, request, exchange, stream)
    }
    switch answer {
    case .file where exchange.errorStatus == nil && !head.method.isRetrieval,
      .listing where exchange.errorStatus == nil && !head.method.isRetrieval:
      return methodNotAllowed(exchange, stream)
    case .file(let open):
      if open.facts.size > Int64(objectBytesMax), let request = exchange.file {
        fileTable.insert(open, for: request, now: now)
      }
      return serve(open, exchange, stream)
    case .listing(let page):
      return serveListing(page, exchange, stream)
    case .directoryRedirect:
      return redirectToDirectory(exchange, stream)
    case .internalRedirect(let redirect):
      return follow(redirect, exchange, stream)
    case .pathInfo(let byteCount):
      guard let request = exchange.file, split(byteCount, request, exchange) else {
        return take(.notFound, exchange, stream)
      }
      return follow(exchange.currentPath, exchange, stream)
    case .notFound:
      if let resumption = exchange.resumption {
        exchange.resumption = nil
        exchange.file = resumption.request
        exchange.currentPath = resumption.path
        exchange.route = resumption.route
        return resolve(exchange, stream)
      }
      return fail(exchange, stream, 404, .completed)
    case .forbidden(let reason):
      if reason == .sandbox, let request = exchange.file {
        log(of: stream).write(.error, request.sandboxRefusal, client: stream.client)
      }
      return fail(exchange, stream, 403, .forbidden)
    case .failed(let error):
      log(of: stream).write(.error, "\(error)", client: stream.client)
      scoreboard.add(to: .errors, slot: slot)
      if error.code == SystemError.tooManyFiles && exchange.changeCount < Limits.fileChangesMax {
        exchange.changeCount += 1
        fileTable.evict(Limits.evictionBatchCount)
        if evictOldestIdle() > 0 { return resolve(exchange, stream) }
      }
      return fail(exchange, stream, 503, .internal)
    }
  }

  private func follow(
    _ redirect: InternalRedirect, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    exchange.internalRedirectCount += 1
    guard exchange.internalRedirectCount <= Limits.internalRedirectsMax else {
      log(of: stream).write(
        .error,
        "more than \(Limits.internalRedirectsMax) internal redirects (DirectoryIndex, "
          + "FallbackResource, ErrorDocument)", client: stream.client)
      return fail(exchange, stream, 500, .internal)
    }
    if !redirect.isVerified, var request = exchange.file {
      request.indexStart = redirect.resumeAt
      request.fallbackResource = nil
      exchange.resumption = Resumption(
        request, path: exchange.currentPath, route: exchange.route)
    }
    let path = redirect.urlPath.prefix { $0 != UInt8(ascii: "?") }
    return follow(Array(path), exchange, stream)
  }

  // MARK: Helpers

  /// Sends a question to the I/O helpers and lets the connection wait; always false.
  func ask(_ question: HelperRequest, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard let files, let number = files.send(question, now: now) else {
      exchange.waiting = .nothing
      return fail(exchange, stream, 503, .queueFull)
    }
    scoreboard.add(to: .helperRequests, slot: slot)
    exchange.helperRequest = number
    helperWaiters[number] = stream.token
    watchHelperRoom(files)
    setInterest(stream, [])
    setDeadline(stream, .max)
    return false
  }

  /// The next helper knows better.
  private func askAgain(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    exchange.changeCount += 1
    guard let request = exchange.file, exchange.changeCount <= Limits.fileChangesMax else {
      return fail(exchange, stream, 503, .fileChanged)
    }
    exchange.waiting = .resolution
    return ask(.resolve(request), exchange, stream)
  }

  func receiveHelperReplies() {
    guard let files else { return }
    files.flush()
    for (number, reply) in files.receive() { resume(number, with: reply) }
    if files.isClosed {
      // Nobody will answer any more; a closed channel in epoll would report itself for ever.
      poller.remove(files.descriptor)
      expireHelperRequests()
      return
    }
    watchHelperRoom(files)
  }

  /// Answers 503 for what the helpers did not do in time.
  func expireHelperRequests() {
    guard let files else { return }
    for number in files.expire(now: now) { resume(number, with: nil) }
  }

  private func resume(_ number: UInt64, with reply: HelperReply?) {
    guard let token = helperWaiters.removeValue(forKey: number),
      let stream = stream(of: token), let exchange = stream.exchange
    else { return }
    exchange.helperRequest = nil
    resume(exchange, stream, reply)
  }

  /// Goes on with an exchange after a wait.
  func resume(_ exchange: Exchange, _ stream: RequestStream, _ reply: HelperReply?) {
    head = exchange.head
    let waiting = exchange.waiting
    exchange.waiting = .nothing
    let isDone: Bool
    switch (waiting, reply) {
    case (.output, _):
      continueOutput(stream)
      return
    case (.resolution, .answer(let answer)): isDone = take(answer, exchange, stream)
    case (.resolution, .outdated): isDone = askAgain(exchange, stream)
    case (.copy, .warmed):
      exchange.copy?.copy.warmed()
      isDone = copyOn(exchange, stream)
    case (.body, _): isDone = follow(exchange.currentPath, exchange, stream)
    case (.settling, _): isDone = copyOn(exchange, stream)
    default:
      // An answer has begun already: nothing may be written into it.
      if stream.output != nil { return }
      log(of: stream).write(.error, "the I/O helpers did not answer", client: stream.client)
      isDone = fail(exchange, stream, 503, .internal)
    }
    if isDone {
      finishResponse(stream)
    } else if let connection = stream as? Connection, connection.state.phase == .relaying {
      setInterest(connection, .readable)
      beginRelayInput(connection)
    } else if let connection = stream as? Connection, connection.state.phase == .body {
      beginBody(connection)
    }
  }

  /// The client went away while something was being fetched for it.
  func abandon(_ exchange: Exchange) {
    if let number = exchange.helperRequest {
      files?.cancel(number)
      helperWaiters[number] = nil
    }
    if case .fill(let fill)? = exchange.copy?.target { cache?.abandon(fill) }
    exchange.copy = nil
    if let forwarding = exchange.forwarding { leave(forwarding) }
  }

  private func watchHelperRoom(_ files: HelperClient) {
    guard !files.isClosed, files.interest != helperInterest else { return }
    helperInterest = files.interest
    do throws(SystemError) {
      try poller.modify(
        files.descriptor, token: Token.special(.fileHelper, 0), interest: helperInterest)
    } catch {
      errorLog.write(.error, "\(error)")
    }
  }

  // MARK: Small things

  func localAddress(of stream: RequestStream) -> SocketAddress {
    stream.local ?? listeners[stream.listener].address
  }

  private func notePatternLimit(_ pattern: String?, _ stream: RequestStream) {
    guard let pattern else { return }
    scoreboard.add(to: .patternLimits, slot: slot)
    errorLog.write(
      .warn, "pattern '\(pattern)' exceeded its match limit and counts as no match",
      client: stream.client)
  }
}
