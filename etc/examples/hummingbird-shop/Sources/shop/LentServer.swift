// Serves Hummingbird's responders from the sockets that Ring3 lends.

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Ring3App
import ServiceLifecycle

/// Hummingbird's own server binds an address; this one accepts from the listening socket of a
/// claim, and from the next one when the server was started anew.
struct LentServer<Responder: HTTPResponder>: Service
where Responder.Context == BasicRequestContext {
  let claim: Claim
  /// It is who is replaced when an operator says so; others are ended by it.
  let holdsURLs: Bool
  let responder: Responder
  let logger: Logger

  /// Serves until it is to shut down; then until all that is under way is answered.
  func run() async throws {
    let http = HTTP1Channel(responder: respond)
    await withGracefulShutdownHandler {
      await withDiscardingTaskGroup { group in
        var acceptor: Acceptor?
        var successor: Successor?
        for await event in claim.events {
          switch event {
          // Whoever serves in our place is told of the new socket, too.
          case .attached where successor != nil: break
          case .attached(let socket):
            acceptor?.stop()
            let next = Acceptor(socket)
            acceptor = next
            group.addTask { await serve(from: next, http) }
          case .lost(let error): logger.warning("no session: \(error)")
          // Who serves in our place is gone, and a request waits.
          case .demand where successor != nil, .recycle:
            guard holdsURLs, let next = await replacement() else { continue }
            // It accepts already: from the one that went before, or us, nothing more is wanted.
            successor = next
            try? await claim.perform { claim throws(ControlError) in try claim.setProcesses(0) }
            acceptor?.stop()
            acceptor = nil
          case .demand: break
          }
        }
        acceptor?.stop()
      }
    } onGracefulShutdown: {
      // New requests go elsewhere first; what is in the queue is still answered here.
      Task {
        await claim.drain(timeout: .seconds(20))
        claim.close()
      }
    }
  }

  /// Another process, as soon as it accepts; nil: none came up, and all stays as it is.
  private func replacement() async -> Successor? {
    guard let before = await processes(), let next = Successor(queue: claim.queue) else {
      return nil
    }
    for _ in 0..<200 {
      if let now = await processes(), now > before {
        logger.notice("another process serves")
        return next
      }
      try? await Task.sleep(for: .milliseconds(50))
    }
    logger.error("another process was asked for and did not come up")
    return nil
  }

  /// How many accept from the queue.
  private func processes() async -> Int? {
    try? await claim.perform { claim throws(ControlError) in try claim.statistics().processes }
  }

  /// Until `acceptor` stops, and what it has accepted is answered.
  private func serve(from acceptor: Acceptor, _ http: HTTP1Channel) async {
    await withDiscardingTaskGroup { group in
      for await connection in acceptor.connections {
        group.addTask { await answer(connection, http) }
      }
    }
  }

  private func answer(_ connection: LentSocket, _ http: HTTP1Channel) async {
    do {
      // SwiftNIO closes what it is given, so it gets a descriptor of its own.
      let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .withConnectedSocket(try connection.duplicate()) { http.setup(channel: $0, logger: logger) }
      await http.handle(value: channel, logger: logger)
    } catch {
      logger.error("a connection cannot be served: \(error)")
    }
  }

  private func respond(
    to request: Request, by writer: consuming ResponseWriter, on channel: any Channel
  ) async throws {
    let context = BasicRequestContext(source: .init(channel: channel, logger: logger))
    var response: Response
    do {
      response = try await responder.respond(to: request, context: context)
    } catch {
      response = Response(status: .internalServerError)
    }
    try await writer.write(response: response.head, body: response.body)
  }
}
