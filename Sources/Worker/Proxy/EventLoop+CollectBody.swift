// Bodies that are collected before their request goes on, and then passed on from memory.

import Configuration
import HTTP
import HTTP2
import Platform

extension EventLoop {
  /// Whether a request for a file may become one for an application: by DirectoryIndex or
  /// FallbackResource, which are looked for first.
  func mayLeadToApplication(_ route: Route) -> Bool {
    model.namesBalancers
      && (!route.settings.directoryIndex.isEmpty || route.settings.fallbackResource != nil
        || route.settings.acceptsPathInfo != .off)
  }

  /// Has all of the body read and kept; the exchange is routed again when it is there. Always
  /// false.
  func collectBody(_ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard invite(exchange, stream) else { return false }
    if let stream = stream as? MultiplexedStream, !keepBody(of: stream) {
      return fail(exchange, stream, 503, .internal)
    }
    exchange.collected = CollectedBody(collections)
    exchange.waiting = .body
    stream.state.bodyAwaited()
    return false
  }

  /// Takes what has come of a body over HTTP/2; false: it is refused.
  func collect(_ stream: MultiplexedStream, _ exchange: Exchange, _ body: CollectedBody) -> Bool {
    guard let http2 = stream.connection.http2 else { return false }
    while http2.session.bodyByteCount(of: stream.handle) > 0 {
      do throws(CollectionRefusal) {
        try body.add { takeBody(of: stream, into: $0, upTo: $0.free) }
      } catch {
        refuseCollected(stream, exchange, error.rejection)
        return false
      }
    }
    return !isTooLarge(body.byteCount, stream)
  }

  private func refuseCollected(
    _ stream: MultiplexedStream, _ exchange: Exchange, _ rejection: RequestRejection
  ) {
    noteRefusedBody(rejection, stream)
    dropBody(of: stream)
    exchange.collected = nil
    head = exchange.head
    stream.state.closeAfterResponse()
    if fail(exchange, stream, rejection.status, rejection.reason) { finishResponse(stream) }
  }

  func noteRefusedBody(_ rejection: RequestRejection, _ stream: RequestStream) {
    log(of: stream).write(
      rejection.status >= 500 ? .warn : .info, "request body: \(rejection.message)",
      client: stream.client)
  }

  /// Gives the application what was collected, as far as it takes it.
  func passCollected(_ body: CollectedBody, _ forwarding: Forwarding) {
    while !forwarding.requestIsComplete, forwarding.phase != .ended {
      let room = forwarding.requestRoom - Limits.chunkFrameBytesMax
      guard room > 0 else { return }
      body.take(upTo: min(room, FastCGI.contentBytesMax)) { bytes in
        if forwarding.sendsChunks {
          appendChunk(bytes, forwarding)
        } else {
          appendBody(bytes, forwarding)
        }
      }
      if body.isEmpty { endRequest(forwarding) }
      pushRequest(forwarding)
    }
  }
}
