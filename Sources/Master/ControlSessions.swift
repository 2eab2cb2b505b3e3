// Sessions of applications on the control socket: many requests on one connection, which owns what
// it has registered; when it ends, so do its registrations.
//
// A program that wants one sends the line
//     session<TAB>1<LF>
// (1: the version of what follows) and is answered, like every request,
//     o 1 register unregister attach …<LF>
//     x 0<LF>
// (the version, and what this server can do). Then each line is a request and has an answer that
// ends in "x CODE"; CODE is 0, 1 (refused), 2 (not understood) or 77 (not allowed), and lines "e …"
// say why. Requests are answered in order and may be sent ahead.
//     register<TAB>PREFIX<TAB>…<TAB>--queue=NAME    claim prefixes: all of them, or none
//     unregister<TAB>PREFIX<TAB>…                   give some back, up to the first mistake
//     unregister<TAB>--all
//     attach<TAB>NAME     with the byte "x" of the answer comes a descriptor (SCM_RIGHTS): the
//                         listening socket from which the application accepts requests
//     owner<TAB>USER      see ControlSessionOwner
//     invalidate…         see ControlSessionCache
//     put, get…           see ControlSessionEntries
// Each user has names of queues of his own; a queue is there as long as a session uses it.

import Configuration
import Namespace
import Platform
import Worker

extension ControlServer {
  /// A client's connection stays open for more requests from here on.
  func beginSession(_ serial: UInt64) { clients[serial]?.isSession = true }

  /// Reads what a session has sent; closes it when it is gone or sends a line without an end.
  func readSession(_ serial: UInt64) {
    guard let client = clients[serial] else { return }
    if client.sent < client.bytes.count { write(serial) }
    guard hasRoom(serial) else { return }
    if let directory = client.lendsFrom { return receiveLent(serial, from: directory) }
    // What comes beside the bytes is thrown away by the kernel, unseen.
    switch UnixSocket.receive(client.descriptor, byteCountMax: Limits.controlRequestBytes) {
    case .wouldBlock: break
    case .closed: close(serial)
    case .bytes(let bytes): clients[serial]?.input += bytes
    }
  }

  /// Whether answers to a session have left as far as they must.
  func hasRoom(_ serial: UInt64) -> Bool {
    backlog(serial).map { $0 < Limits.controlBacklogBytes } ?? false
  }

  /// The next whole line of a session.
  func nextRequest(_ serial: UInt64) -> ControlRequest? {
    while let client = clients[serial], client.isSession, !client.input.isEmpty {
      clients[serial]?.speaksJSON = ControlRequest.isJSON(client.input)
      switch ControlRequest.parse(client.input, groups: []) {
      case .needMore: return nil
      case .garbage(let text):
        // Where the next request would begin cannot be told.
        clients[serial]?.isSession = false
        answer(serial, .failure("bad request: \(text)\n", code: 2))
        return nil
      case .request(let request):
        let line = client.input.prefix { $0 != UInt8(ascii: "\n") }.count + 1
        clients[serial]?.input.removeFirst(line)
        clients[serial]?.lineDeadline = nil
        return request
      }
    }
    return nil
  }

  /// What the next whole line of a session asks for; nil: none has come, or one that is no request.
  func nextVerb(_ serial: UInt64) -> String? {
    guard let input = clients[serial]?.input, !input.isEmpty,
      case .request(let request) = ControlRequest.parse(input, groups: [])
    else { return nil }
    return request.verb
  }

  func dropLent(_ serial: UInt64) {
    clients[serial]?.hasSentForeign = false
    if clients[serial]?.input.isEmpty == true { clients[serial]?.lent = [] }
  }

  /// The descriptor that came with the present request or one sent ahead, if any.
  func takeLent(_ serial: UInt64) -> Descriptor? {
    guard let first = clients[serial]?.lent.first else { return nil }
    clients[serial]?.lent.removeFirst()
    return first
  }

  /// Answers with a descriptor beside the first byte. A client that has not even taken earlier
  /// answers is closed.
  func answer(_ serial: UInt64, _ answer: ControlAnswer, with descriptor: Descriptor) {
    guard let client = clients[serial] else { return }
    let isInOrder = client.sent == client.bytes.count
    let socket = MessageSocket(client.descriptor)
    let bytes = bytes(of: answer, for: client)
    guard isInOrder, (try? socket.send(bytes, descriptors: [descriptor])) == true else {
      return close(serial)
    }
    clients[serial]?.lentCount += 1
  }
}

extension Master {
  static let sessionVersion = "1"
  /// What a session can ask for.
  static let sessionVerbs = [
    "register", "unregister", "attach", "owner", "queue", "processes", "offline", "online", "watch",
    "statistics", "connect", "invalidate", "put", "get", "put-fragment", "get-fragment",
    "delete-fragment", "tell",
  ]

  /// `session VERSION`
  func sessionCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard request.arguments[0] == Master.sessionVersion else {
      return .now(
        .failure("this server speaks version \(Master.sessionVersion) of sessions\n", code: 2))
    }
    guard newestModel?.server.queueDirectory != nil else {
      return .now(
        .failure("nothing can be registered: the configuration names no QueueDirectory\n", code: 1))
    }
    guard namespace.sessions.count < Limits.controlSessions else {
      return .now(
        .failure("there are \(Limits.controlSessions) sessions already, which is the most\n"))
    }
    if let refusal = sessionRefusal(client) { return .now(refusal) }
    control?.beginSession(client)
    if let peer = control?.clients[client]?.peer,
      let directory = newestModel?.server.queueDirectory,
      namespace.book.givesAnything(to: principal(peer))
    {
      control?.allowLending(client, from: directory)
    }
    namespace.sessions[client] = NamespaceSession()
    control?.answer(
      client,
      .success("\(Master.sessionVersion) \(Master.sessionVerbs.joined(separator: " "))\n"))
    serveSession(client)
    return .later
  }

  /// Does what a session asks for, as far as it has come.
  func serveSession(_ client: UInt64) {
    // Who does not read the answers gets no more of them.
    while control?.hasRoom(client) == true, namespace.untold[client] == nil,
      let request = control?.nextRequest(client), let peer = control?.clients[client]?.peer
    {
      do throws(SessionRefusal) {
        switch request.verb {
        case "register":
          try register(request, client, peer)
          let prefixes = request.arguments.compactMap { try? UrlPrefix($0) }
          answerChange(client, .success(notes(on: prefixes)))
        case "unregister":
          try unregister(request, client)
          answerChange(client, .success(""))
        case "owner":
          try setOwner(request, client, peer)
          control?.answer(client, .success(""))
        case "invalidate":
          try invalidateOwn(request, client, peer)
          control?.answer(client, .success(""))
        case "delete-fragment":
          try deleteFragment(request, client, peer)
          control?.answer(client, .success(""))
        case "put", "get", "put-fragment", "get-fragment":
          guard let kind = CacheOrder.Kind(rawValue: request.verb) else { break }
          try exchangeEntry(kind, request, client, peer)
        default:
          try serveQueueRequest(request, client, peer)
        }
      } catch {
        let answer = ControlAnswer.failure(error.message + "\n", code: error.code)
        if Self.isChange(request.verb) {
          // Those that were sent before it may have been done.
          answerChange(client, answer)
        } else {
          control?.answer(client, answer)
        }
      }
      // Nothing is kept that nobody asked to be taken: not even one's own end of this connection.
      control?.dropLent(client)
    }
    control?.noteLine(client)
  }

  private static func isChange(_ verb: String) -> Bool {
    verb == "register" || verb == "unregister"
  }

  /// Whoever sends changes ahead of their answers waits for the last of them.
  private func answerChange(_ client: UInt64, _ answer: ControlAnswer) {
    if control?.nextVerb(client).map(Self.isChange) == true {
      control?.answer(client, answer)
    } else {
      answerWhenTold(client, answer)
    }
  }

  private func register(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    guard let name = request.flags["queue"], !request.arguments.isEmpty,
      request.flags.keys.allSatisfy({ $0 == "queue" || $0 == "handoff" })
    else { throw SessionRefusal("usage: register PREFIX... --queue=NAME [--handoff]", code: 2) }
    var prefixes: [UrlPrefix] = []
    for text in request.arguments { prefixes.append(try prefix(text)) }
    let principal = principal(peer)
    var done: [UrlPrefix] = []
    do {
      for prefix in prefixes {
        try namespace.book.register(
          prefix, by: principal, owner: client, queue: name,
          handsOff: request.flags["handoff"] != nil)
        done.append(prefix)
      }
      _ = try joinOwn(name, client, peer)
    } catch {
      for prefix in done { try? namespace.book.unregister(prefix, owner: client) }
      if let refusal = error as? NamespaceRefusal {
        throw SessionRefusal("\(refusal)", code: refusal.exitCode)
      }
      throw error as? SessionRefusal ?? SessionRefusal("\(error)")
    }
    noteChange(client)
    log.write(
      .info,
      "\(words(for: peer)) registered '\(request.arguments[0])'"
        + (request.arguments.count > 1 ? " and \(request.arguments.count - 1) more" : "")
        + " for queue '\(name)'")
  }

  private func unregister(
    _ request: ControlRequest, _ client: UInt64
  ) throws(SessionRefusal) {
    if request.flags.keys.elementsEqual(["all"]), request.arguments.isEmpty {
      unregisterAll(client)
      return
    }
    guard request.flags.isEmpty, !request.arguments.isEmpty else {
      throw SessionRefusal("usage: unregister PREFIX... or unregister --all", code: 2)
    }
    for text in request.arguments {
      let prefix = try prefix(text)
      do throws(NamespaceRefusal) {
        try namespace.book.unregister(prefix, owner: client)
        noteChange(client)
      } catch {
        throw SessionRefusal("\(error)", code: error.exitCode)
      }
    }
  }

  private func prefix(_ text: String) throws(SessionRefusal) -> UrlPrefix {
    do throws(UrlPrefixError) {
      return try UrlPrefix(text)
    } catch {
      throw SessionRefusal("'\(text)': \(error)", code: 2)
    }
  }

  private func unregisterAll(_ client: UInt64) {
    guard namespace.book.unregisterAll(owner: client) > 0 else { return }
    noteChange(client)
  }

  /// Ends what connections owned that are gone.
  func endSessions() {
    for client in namespace.sessions.keys where control?.clients[client] == nil {
      unregisterAll(client)
      for key in (namespace.sessions[client]?.queues ?? [:]).keys { leave(key, client) }
      namespace.sessions[client] = nil
    }
  }
}

/// Why a session's request was not done.
struct SessionRefusal: Error {
  let message: String
  let code: Int32

  init(_ message: String, code: Int32 = 1) {
    self.message = message
    self.code = code
  }
}
