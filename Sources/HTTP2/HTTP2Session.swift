// The server's side of one HTTP/2 connection: bytes in, events out; orders in, bytes out.

import HTTP
import Platform

/// Whether bytes are the beginning of HTTP/2.
package enum HTTP2PrefaceMatch: Sendable {
  case yes
  case no
  /// So far they agree, but there are fewer than 24.
  case needMore
}

/// One HTTP/2 connection, without a socket and without a clock.
///
/// The owner feeds what it received (`receive`), takes what happened (`nextEvent`) until there is
/// nothing more, answers (`respond`, `reset`), and lets frames be written into its buffer
/// (`produce`, which may bring further events). It closes the connection when `isDone`, or when a
/// deadline of its own is over: see the facts. Nothing is called back, but the body source during
/// `produce`.
///
/// A stream that this side resets is over with the next `produce`, not before: so only `receive`
/// and `produce`, which belong to a turn of the connection, tell of anything.
package final class HTTP2Session {
  private let workspace: HTTP2Workspace
  private let number: Int
  private var state: SessionState

  /// A session whose first octets are the client's connection preface.
  package init(settings: HTTP2Settings, workspace: HTTP2Workspace) {
    self.workspace = workspace
    number = workspace.takeNumber()
    state = SessionState(settings, workspace, number: number)
  }

  static let preface = [UInt8]("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  /// Whether received bytes begin with the client's connection preface (RFC 9113 §3.4). No request
  /// of HTTP/1 does.
  package static func isPrefaceBeginning(_ bytes: RawSpan) -> HTTP2PrefaceMatch {
    let preface = preface
    let count = min(bytes.byteCount, preface.count)
    guard Scan.equal(bytes.extracting(0..<count), preface.rawSpan.extracting(0..<count)) else {
      return .no
    }
    return count < preface.count ? .needMore : .yes
  }

  /// Takes received bytes; returns how many. Fewer than given: take the events, then give the rest
  /// again. Events not taken before are lost, and what they spoke of is overwritten.
  package func receive(_ bytes: RawSpan) -> Int { state.receive(bytes) }

  /// The next thing that happened; nil when all have been told.
  package func nextEvent() -> HTTP2Event? { workspace.takeEvent(of: number) }

  /// Appends frames until nothing more may be sent now or the buffer is full; returns the number
  /// of bytes. Bodies are asked in turn, as flow control and priorities allow.
  @discardableResult
  package func produce(into output: ByteBuffer, bodies: any HTTP2BodySource) -> Int {
    state.produce(into: output, bodies: bodies)
  }

  // MARK: Answers

  /// Orders a response whose head stands in `workspace.responseHead`, which is then empty. A status
  /// of 100 … 199 makes an interim response, after which a final one belongs. Without
  /// `bodyFollows` the stream ends with the head. False if the stream is over, has been
  /// answered, or the head is none: in the last case the stream is reset.
  @discardableResult
  package func respond(to stream: HTTP2Stream, bodyFollows: Bool) -> Bool {
    state.respond(to: stream, bodyFollows: bodyFollows)
  }

  /// Sends fields behind the body of a response (RFC 9113 §8.1): whole lines `name: value CR LF`.
  /// To be said before the body has said that it is at its end. False if the stream is over, or
  /// they are longer than a head may be.
  @discardableResult
  package func setTrailers(_ lines: RawSpan, of stream: HTTP2Stream) -> Bool {
    state.setTrailers(lines, of: stream)
  }

  /// The stream's body has something again after `.deferred`. False if nothing was waiting.
  @discardableResult
  package func resume(_ stream: HTTP2Stream) -> Bool { state.resume(stream) }

  /// Ends one stream, which is over with the next `produce`. False if it is over already.
  @discardableResult
  package func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> Bool {
    state.reset(stream, code)
  }

  /// Sets a stream's priority (RFC 9218) in place of the client's wish, as a Priority field of the
  /// response does. `urgency`: 0 (first) … 7.
  package func prefer(_ stream: HTTP2Stream, urgency: Int, isIncremental: Bool) {
    state.prefer(stream, urgency: urgency, isIncremental: isIncremental)
  }

  // MARK: Bodies of requests

  /// Orders a request's body to be kept, instead of being let go, until it is taken. To be said
  /// when its `.request` was told, before the next `receive`. False: the stream is over, or a part
  /// of the body is lost already.
  @discardableResult
  package func keepBody(of stream: HTTP2Stream) -> Bool { state.keepBody(of: stream) }

  /// Bytes of a kept body that wait to be taken; 0 … the stream's window.
  package func bodyByteCount(of stream: HTTP2Stream) -> Int { state.bodyByteCount(of: stream) }

  /// Moves the next bytes of a kept body to the end of a buffer, as many as wait, fit and are
  /// wanted; their number. The client may send as many more, once `produce` has told it, if that
  /// is worth a frame: see `hasOutput`.
  package func takeBody(
    of stream: HTTP2Stream, into buffer: ByteBuffer, upTo byteCountMax: Int
  ) -> Int {
    state.takeBody(of: stream, into: buffer, upTo: byteCountMax)
  }

  /// The fields that stood behind a kept body, once it has ended (RFC 9113 §8.1): whole lines
  /// `name: value CR LF`. Empty if there were none, or more than a head may have.
  package func takeTrailers(of stream: HTTP2Stream) -> [UInt8] { state.takeTrailers(of: stream) }

  /// A kept body is no longer wanted: what waits is let go, and so is all that still comes.
  package func dropBody(of stream: HTTP2Stream) { state.dropBody(of: stream) }

  /// Bytes of kept bodies that wait, over all streams, and the memory that is reserved for them.
  package var keptBodyBytes: (waiting: Int, reserved: Int) { state.keptBodyBytes }

  // MARK: Facts

  /// Why this side ended the connection; nil as long as it has not.
  package var failure: HTTP2Failure? { state.failure }

  package var counters: HTTP2Counters { state.counters }

  /// The peer has acknowledged our SETTINGS (RFC 9113 §6.5.3): without, the owner's clock decides.
  package var settingsAcknowledged: Bool { state.settingsAcknowledged }

  /// The peer has said GOAWAY: it opens no further stream.
  package var peerIsLeaving: Bool { state.peerIsLeaving }

  /// Streams that the owner knows and that are not over.
  package var openStreamCount: Int { state.openStreamCount }

  /// Nothing is left to be read or written: the connection can be closed.
  package var isDone: Bool { state.isDone }

  /// `produce` has something to write, as far as is known without asking the bodies.
  package var hasOutput: Bool { state.hasOutput }

  /// There are bodies to be sent and none may go on before the peer opens a window: a peer that
  /// keeps this up holds memory for nothing.
  package var isBlockedByPeer: Bool { state.isBlockedByPeer }

  /// Bytes of memory that are held for this session, bodies that are kept not counted.
  package var memoryBytes: Int { state.memoryBytes }

  /// Lets time pay into the budgets, and ends streams that were answered some seconds ago but whose
  /// requests do not end: `hasOutput` tells. `now` in whole seconds of any clock that never goes
  /// back; to be called about once a second.
  package func tick(second now: Int64) { state.tick(second: now) }

  // MARK: The end

  /// First step of an orderly end: tells the peer to open no further stream, while those under way
  /// are still served (RFC 9113 §6.8). A round trip later `finishShutdown` belongs.
  package func beginShutdown() { state.beginShutdown() }

  /// Second step: streams opened from now on are not served; `isDone` when the rest has been.
  package func finishShutdown() { state.finishShutdown() }

  /// Ends everything at once: the next `produce` writes GOAWAY, and that is all.
  package func terminate(_ code: HTTP2ErrorCode) { state.terminate(code) }
}
