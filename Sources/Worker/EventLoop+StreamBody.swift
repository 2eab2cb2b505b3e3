// Bodies of requests over HTTP/2 that somebody wants, kept by their sessions until they are taken.

import Configuration
import HTTP
import HTTP2
import Platform

extension EventLoop {
  /// Has the body of a request kept. To be said in the turn of its head; the session's window makes
  /// the client wait from then on. False: the stream is over.
  func keepBody(of stream: MultiplexedStream) -> Bool {
    guard let http2 = stream.connection.http2, http2.session.keepBody(of: stream.handle) else {
      return false
    }
    stream.keepsBody = true
    return true
  }

  /// Moves the next bytes of a kept body to the end of a buffer, as many as wait, fit and are
  /// wanted, and lets the client send as many more; their number.
  func takeBody(
    of stream: MultiplexedStream, into buffer: ByteBuffer, upTo byteCountMax: Int
  ) -> Int {
    guard let http2 = stream.connection.http2 else { return 0 }
    let count = http2.session.takeBody(of: stream.handle, into: buffer, upTo: byteCountMax)
    if count > 0 {
      http2.progressAt = now
      queue(stream.connection, http2)
    }
    return count
  }

  /// The rest of a kept body is not wanted: it is let go as it comes.
  func dropBody(of stream: MultiplexedStream) {
    stream.keepsBody = false
    guard let http2 = stream.connection.http2 else { return }
    http2.session.dropBody(of: stream.handle)
    queue(stream.connection, http2)
  }

  /// More of a kept body waits; `byteCount` bytes came since this was said last.
  func bodyArrived(_ stream: MultiplexedStream, byteCount: Int) {
    guard let exchange = stream.exchange else { return }
    if case .body = exchange.waiting, let body = exchange.collected {
      _ = collect(stream, exchange, body)
    } else if let forwarding = exchange.forwarding {
      relayStreamBody(stream, forwarding)
    }
  }

  /// Nothing more of a kept body will come; some of it may still wait.
  func bodyFinished(_ stream: MultiplexedStream) {
    guard let exchange = stream.exchange else { return }
    if case .body = exchange.waiting, let body = exchange.collected {
      if collect(stream, exchange, body) { resume(exchange, stream, nil) }
    } else if let forwarding = exchange.forwarding {
      relayStreamBody(stream, forwarding)
    }
  }

  /// Gives the application what has come of a body, as far as it takes it.
  func relayStreamBody(_ stream: MultiplexedStream, _ forwarding: Forwarding) {
    guard let http2 = stream.connection.http2, !forwarding.requestIsComplete else { return }
    while forwarding.phase != .ended, stream.exchange?.forwarding === forwarding {
      let waiting = http2.session.bodyByteCount(of: stream.handle)
      let room = forwarding.requestRoom - Limits.chunkFrameBytesMax
      let count = min(waiting, room, FastCGI.contentBytesMax)
      guard count > 0 else { break }
      forwarding.bodyByteCount += UInt64(count)
      let limit = forwarding.exchange.settings.value.limitRequestBodyBytes
      guard limit == 0 || forwarding.bodyByteCount <= limit else {
        return refuseInput(stream, forwarding, 413, .entityTooLarge)
      }
      if forwarding.sendsChunks {
        forwarding.append(Array("\(String(count, radix: 16))\r\n".utf8))
      } else if forwarding.isFastCGI {
        var header: [UInt8] = []
        FastCGI.appendInputHeader(contentByteCount: count, to: &header)
        forwarding.append(header)
      }
      forwarding.reserve(count + 2)
      let taken = takeBody(of: stream, into: forwarding.request, upTo: count)
      assert(taken == count, "bytes that waited are gone")
      if forwarding.sendsChunks { forwarding.append([0x0d, 0x0a]) }
      pushRequest(forwarding)
    }
    guard forwarding.phase != .ended, stream.exchange?.forwarding === forwarding else { return }
    if !stream.state.bodyPending, http2.session.bodyByteCount(of: stream.handle) == 0 {
      stream.body = nil
      endRequest(forwarding, trailers: http2.session.takeTrailers(of: stream.handle))
      pushRequest(forwarding)
    }
  }
}
