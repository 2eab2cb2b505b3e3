// The miss: which site, which settings, which file; everything that may take more than one turn.

import Cache
import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Answers the request in `head` without the cache's quick look; true when the answer has left
  /// whole.
  func beginExchange(_ connection: Connection, _ bytes: RawSpan) -> Bool {
    connection.state.requestBegun(keepAlive: head.keepAlive, hasBody: head.body != .none)
    let exchange = makeExchange(connection, head, bytes)
    connection.site = exchange.site.site
    if !keepsAlive(connection, connection.site) { connection.state.closeAfterResponse() }
    notePatternLimit(exchange.site.limitExceeded, connection)
    connection.exchange = exchange
    switch head.body {
    case .none: connection.body = nil
    case .length(let count): connection.body = .length(count)
    case .chunked: connection.body = .chunked(ChunkedDecoder(limits: parser.limits))
    }
    return begin(exchange, connection)
  }

  /// The site of a request, and the head kept for as long as its answer takes.
  func makeExchange(
    _ connection: Connection, _ head: RequestHead, _ bytes: RawSpan
  ) -> Exchange {
    let host = normalisedHost(head, bytes)
    let site = model.site(local: localAddress(of: connection), host: host)
    return Exchange(
      head: head, bytes: bytes.extracting(0..<head.headByteCount).array,
      receivedMicroseconds: Clock.realNanoseconds() / 1000, host: host, site: site,
      settings: model.sites[site.site].settings, asOf: cache?.generation ?? 0,
      ticks: bootTicks)
  }

  private func begin(_ exchange: Exchange, _ connection: Connection) -> Bool {
    let site = model.sites[exchange.site.site]
    if head.unknownExpectation { return fail(exchange, connection, 417, .expectation) }
    switch head.method {
    case .connect, .other:
      // RFC 9110 §9.1: a method that is not recognised is 501.
      return fail(exchange, connection, 501, .notImplemented)
    case .trace where !site.traceEnable:
      return methodNotAllowed(exchange, connection)
    case .trace:
      return echo(exchange, connection)
    case .options where head.targetForm == .asterisk || head.path.isEmpty:
      return respondOptions(exchange, connection)
    default: break
    }
    if head.targetForm == .asterisk { return fail(exchange, connection, 400, .url) }
    let path = exchange.copy(head.path)
    switch RequestTarget.decodePath(path.rawSpan, encodedSlashes: site.allowEncodedSlashes) {
    case .failure(let rejection):
      return fail(exchange, connection, rejection.status, rejection.reason)
    case .success(let decoded):
      exchange.path = decoded
      return follow(decoded, exchange, connection)
    }
  }

  /// Routes a path of this exchange and does what the route says.
  func follow(_ path: [UInt8], _ exchange: Exchange, _ connection: Connection) -> Bool {
    exchange.currentPath = path
    let query = head.query.map(exchange.copy)
    exchange.route = model.route(exchange.site, path: path, query: query)
    notePatternLimit(exchange.route.limitExceeded, connection)
    let settings = exchange.route.settings
    if exchange.route.checksAccess && settings.access.dependsOnClient {
      exchange.accessDependsOnClient = true
    }
    if exchange.route.checksAccess
      && !settings.access.evaluate(
        client: connection.client.address,
        server: settings.access.dependsOnClient
          ? Stream.localAddress(connection.descriptor)?.address : nil)
    {
      return fail(exchange, connection, 403, .forbidden)
    }
    if case .length(let count) = head.body, settings.limitRequestBodyBytes > 0,
      count > settings.limitRequestBodyBytes
    {
      return fail(exchange, connection, 413, .entityTooLarge)
    }
    switch exchange.route.action {
    case .refuse(let status):
      return fail(exchange, connection, UInt16(status), .completed)
    case .redirect(let status, let location):
      return redirect(exchange, connection, status: UInt16(status), location: location)
    case .file(let path, let root):
      if exchange.errorStatus == nil {
        if head.method == .options { return respondOptions(exchange, connection) }
        guard head.method.isRetrieval else { return methodNotAllowed(exchange, connection) }
        guard invite(exchange, connection) else { return false }
        if head.body == .chunked && connection.state.bodyPending {
          // Only its end tells whether it is too large: it is read before the answer.
          exchange.waiting = .body
          connection.state.bodyAwaited()
          return false
        }
      }
      exchange.file = fileRequest(exchange, path: path, root: root)
      return resolve(exchange, connection)
    }
  }

  /// 100 (Continue) for a body that is read only to be thrown away; without it the client might
  /// wait. Refusals answer at once instead, and close (RFC 9110 §10.1.1). False: the client is
  /// gone.
  private func invite(_ exchange: Exchange, _ connection: Connection) -> Bool {
    guard head.expectsContinue, connection.state.bodyPending, !exchange.invited else { return true }
    extra.removeAll()
    extra.append(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
    gathered.removeAll()
    gathered.append(extra)
    guard case .sent(let count) = Stream.send(connection.descriptor, gathered),
      count == extra.count
    else {
      close(connection, .clientReset)
      return false
    }
    exchange.invited = true
    return true
  }

  private func fileRequest(_ exchange: Exchange, path: [UInt8], root: [UInt8]) -> FileRequest {
    let settings = exchange.route.settings
    let links: SymbolicLinkPolicy =
      settings.options.contains(.followSymLinks)
      ? .follow : settings.options.contains(.symLinksIfOwnerMatch) ? .ownerMatch : .none
    let bytes = exchange.bytes
    let accepted: [ContentCoding] =
      head.has(.acceptEncoding) ? acceptedCodings(head, bytes.rawSpan) : []
    return FileRequest(
      path: path, root: root, urlPath: exchange.currentPath, links: links,
      isConfined: settings.symlinkConfine,
      indexNames: settings.directoryIndex.map { Array($0.utf8) },
      listingAllowed: settings.options.contains(.indexes),
      fallbackResource: settings.fallbackResource.map { Array($0.utf8) },
      acceptedCodings: accepted)
  }

  /// Asks the file system; what would have to wait goes to a helper.
  func resolve(_ exchange: Exchange, _ connection: Connection) -> Bool {
    guard let request = exchange.file else { preconditionFailure("nothing to resolve") }
    if let open = fileTable.lookUp(request, now: now) {
      return serve(open, exchange, connection)
    }
    switch FileResolver.resolve(request) {
    case .done(let answer):
      return take(answer, exchange, connection)
    case .needsHelper(let question):
      exchange.waiting = .resolution
      return ask(question, exchange, connection)
    }
  }

  /// What the file system said.
  func take(_ answer: FileAnswer, _ exchange: Exchange, _ connection: Connection) -> Bool {
    exchange.waiting = .nothing
    switch answer {
    case .file(let open):
      if open.facts.size > Int64(objectBytesMax), let request = exchange.file {
        fileTable.insert(open, for: request, now: now)
      }
      return serve(open, exchange, connection)
    case .listing(let page):
      return serveListing(page, exchange, connection)
    case .directoryRedirect:
      return redirectToDirectory(exchange, connection)
    case .internalRedirect(let redirect):
      return follow(redirect, exchange, connection)
    case .notFound:
      if let resumption = exchange.resumption {
        exchange.resumption = nil
        exchange.file = resumption.request
        exchange.currentPath = resumption.path
        exchange.route = resumption.route
        return resolve(exchange, connection)
      }
      return fail(exchange, connection, 404, .completed)
    case .forbidden(let reason):
      if reason == .sandbox, let request = exchange.file {
        log(of: connection).write(.error, request.sandboxRefusal, client: connection.client)
      }
      return fail(exchange, connection, 403, .forbidden)
    case .failed(let error):
      log(of: connection).write(.error, "\(error)", client: connection.client)
      scoreboard.add(to: .errors, slot: slot)
      if error.code == SystemError.tooManyFiles && exchange.changeCount < Limits.fileChangesMax {
        exchange.changeCount += 1
        fileTable.evict(Limits.evictionBatchCount)
        if evictOldestIdle() > 0 { return resolve(exchange, connection) }
      }
      return fail(exchange, connection, 503, .internal)
    }
  }

  private func follow(
    _ redirect: InternalRedirect, _ exchange: Exchange, _ connection: Connection
  ) -> Bool {
    exchange.internalRedirectCount += 1
    guard exchange.internalRedirectCount <= Limits.internalRedirectsMax else {
      log(of: connection).write(
        .error,
        "more than \(Limits.internalRedirectsMax) internal redirects (DirectoryIndex, "
          + "FallbackResource, ErrorDocument)", client: connection.client)
      return fail(exchange, connection, 500, .internal)
    }
    if !redirect.isVerified, var request = exchange.file {
      request.indexStart = redirect.resumeAt
      request.fallbackResource = nil
      exchange.resumption = (request, exchange.currentPath, exchange.route)
    }
    let path = redirect.urlPath.prefix { $0 != UInt8(ascii: "?") }
    return follow(Array(path), exchange, connection)
  }

  // MARK: Helpers

  /// Sends a question to the I/O helpers and lets the connection wait; always false.
  func ask(_ question: HelperRequest, _ exchange: Exchange, _ connection: Connection) -> Bool {
    guard let files, let number = files.send(question, now: now) else {
      exchange.waiting = .nothing
      return fail(exchange, connection, 503, .queueFull)
    }
    scoreboard.add(to: .helperRequests, slot: slot)
    exchange.helperRequest = number
    helperWaiters[number] = connection.token
    watchHelperRoom(files)
    setInterest(connection, [])
    setDeadline(connection, .max)
    return false
  }

  /// The next helper knows better.
  private func askAgain(_ exchange: Exchange, _ connection: Connection) -> Bool {
    exchange.changeCount += 1
    guard let request = exchange.file, exchange.changeCount <= Limits.fileChangesMax else {
      return fail(exchange, connection, 503, .fileChanged)
    }
    exchange.waiting = .resolution
    return ask(.resolve(request), exchange, connection)
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
      let connection = connection(of: token), let exchange = connection.exchange
    else { return }
    exchange.helperRequest = nil
    resume(exchange, connection, reply)
  }

  /// Goes on with an exchange after a wait.
  func resume(_ exchange: Exchange, _ connection: Connection, _ reply: HelperReply?) {
    head = exchange.head
    let waiting = exchange.waiting
    exchange.waiting = .nothing
    let isDone: Bool
    switch (waiting, reply) {
    case (.output, _):
      continueOutput(connection)
      return
    case (.resolution, .answer(let answer)): isDone = take(answer, exchange, connection)
    case (.resolution, .outdated): isDone = askAgain(exchange, connection)
    case (.copy, .warmed):
      exchange.copy?.copy.warmed()
      isDone = copyOn(exchange, connection)
    case (.body, _): isDone = follow(exchange.currentPath, exchange, connection)
    case (.settling, _): isDone = copyOn(exchange, connection)
    default:
      // An answer has begun already: nothing may be written into it.
      if connection.output != nil { return }
      log(of: connection).write(.error, "the I/O helpers did not answer", client: connection.client)
      isDone = fail(exchange, connection, 503, .internal)
    }
    if isDone { finishResponse(connection) }
  }

  /// The client went away while something was being fetched for it.
  func abandon(_ exchange: Exchange) {
    if let number = exchange.helperRequest {
      files?.cancel(number)
      helperWaiters[number] = nil
    }
    if case .fill(let fill)? = exchange.copy?.target { cache?.abandon(fill) }
    exchange.copy = nil
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

  func connection(of token: UInt64) -> Connection? {
    let index = Int(truncatingIfNeeded: token & 0xffff_ffff)
    guard index < connections.count, let connection = connections[index],
      connection.token == token
    else { return nil }
    return connection
  }

  // MARK: Small things

  func localAddress(of connection: Connection) -> SocketAddress {
    connection.local ?? listeners[connection.listener].address
  }

  private func normalisedHost(_ head: borrowing RequestHead, _ bytes: RawSpan) -> [UInt8] {
    var host = head.host.copy(from: bytes).map(ASCIICase.lower)
    while host.last == UInt8(ascii: ".") { host.removeLast() }
    return host
  }

  private func notePatternLimit(_ pattern: String?, _ connection: Connection) {
    guard let pattern else { return }
    scoreboard.add(to: .patternLimits, slot: slot)
    errorLog.write(
      .warn, "pattern '\(pattern)' exceeded its match limit and counts as no match",
      client: connection.client)
  }
}
