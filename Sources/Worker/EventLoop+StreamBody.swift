// Bodies of requests over HTTP/2 that somebody wants, kept by their sessions until they are taken.

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
  func bodyArrived(_ stream: MultiplexedStream, byteCount: Int) {}

  /// Nothing more of a kept body will come; some of it may still wait.
  func bodyFinished(_ stream: MultiplexedStream) {}
}
