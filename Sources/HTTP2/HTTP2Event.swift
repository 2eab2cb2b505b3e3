// What a session tells its owner, and what it asks of it.

import Platform

/// A stream of one session. A handle whose stream has ended is stale: every call with it does
/// nothing and says so.
package struct HTTP2Stream: Hashable, Sendable {
  /// As in frames: odd, 1 … 2³¹ - 1.
  package let id: Int32
  /// A small number, 0 …, that no other living stream of the session has: an index for the
  /// owner's own table. Another stream's `.request` with it comes only behind this one's `.closed`.
  package let slot: Int32
}

/// A request whose head is whole and obeys RFC 9113 §8.
package struct HTTP2Request: Sendable {
  package let stream: HTTP2Stream
  private let headStart: UInt32
  private let headByteCount: UInt32
  private let fieldLines: UInt32
  private let bodyMark: UInt32

  // Three machine words without spare bits: of anything else the compiler makes an `HTTP2Event`
  // whose parts are put together bit by bit, two thousand instructions for a request.
  init(stream: HTTP2Stream, head: Range<Int>, fieldCount: Int, bodyFollows: Bool) {
    self.stream = stream
    headStart = UInt32(head.lowerBound)
    headByteCount = UInt32(head.count)
    fieldLines = UInt32(fieldCount)
    bodyMark = bodyFollows ? 1 : 0
  }

  /// Where its head stands in `HTTP2Workspace.heads`, written as HTTP/1.1 writes it; valid until
  /// the next `receive` of any session of the workspace.
  package var head: Range<Int> { Int(headStart)..<Int(headStart) + Int(headByteCount) }
  /// Field lines in it: a parser that finds another number was deceived.
  package var fieldCount: Int { Int(fieldLines) }
  /// A body follows; `.body` and `.bodyEnded` tell of it. A Content-Length, if there is one, has
  /// been checked against this, and will be against the bytes.
  package var bodyFollows: Bool { bodyMark != 0 }
}

/// What happened, in order.
package enum HTTP2Event: Sendable {
  case request(HTTP2Request)
  /// A request whose header list is beyond the limits: to be answered 431.
  case headTooLarge(HTTP2Stream, isHead: Bool, bodyFollows: Bool)
  /// Bytes of a request's body came, and were let go, or now wait if `keepBody` was said; several
  /// arrivals may be told as one.
  case body(HTTP2Stream, byteCount: Int)
  /// The request's body is complete, and as long as its Content-Length, if it has one, said. Of a
  /// kept one bytes may still wait.
  case bodyEnded(HTTP2Stream)
  /// The stream is over: `completed` if the whole response was put into the output, else it was
  /// reset with `code` (an `HTTP2ErrorCode` or anything the peer made up), by us if `byUs`.
  case closed(HTTP2Stream, completed: Bool, code: UInt32, byUs: Bool)
}

/// What came of asking for a body's next bytes.
package enum HTTP2BodyStep: Sendable {
  /// Bytes were appended, fewer than asked or not, and more will come.
  case more
  /// What was appended, maybe nothing, was the last.
  case end
  /// Nothing now: `resume` will tell when. Nothing was appended.
  case deferred
  /// The body cannot be completed: the stream is reset. Nothing was appended.
  case failed
}

/// Where the bodies of responses come from; asked only during `produce`.
package protocol HTTP2BodySource: AnyObject {
  /// Appends at most `byteCountMax` (1 … 16,384) bytes of the stream's body to `output`. Must not
  /// touch the session, nor `output` in any other way.
  func appendBody(
    of stream: HTTP2Stream, to output: ByteBuffer, upTo byteCountMax: Int
  ) -> HTTP2BodyStep
}

/// What a session has seen and done.
package struct HTTP2Counters: Sendable, Equatable {
  package var requests = 0
  /// Requests that broke RFC 9113 §8 and were reset with PROTOCOL_ERROR.
  package var malformed = 0
  package var trailers = 0
  package var completed = 0
  package var resetsReceived = 0
  package var resetsSent = 0
  /// Bytes of request bodies.
  package var bodyBytes = 0
}
