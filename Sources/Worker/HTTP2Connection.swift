// HTTP/2 connections and their streams, as the rest of the worker sees them.

import Cache
import HTTP
import HTTP2
import Platform

/// One request and its response on an HTTP/2 connection.
final class MultiplexedStream: RequestStream {
  private(set) var handle: HTTP2Stream
  /// It keeps its streams, and ends them before it ends itself.
  unowned let connection: Connection
  /// A cached body that is held while its first frames are made.
  var held = RegionRange(offset: 0, count: 0)
  /// The response has left whole, and is counted.
  var isAnswered = false
  /// The session keeps the request's body until it is taken.
  var keepsBody = false

  init(_ handle: HTTP2Stream, on connection: Connection, token: UInt64) {
    self.handle = handle
    self.connection = connection
    super.init(
      token: token, client: connection.client, listener: connection.listener,
      local: connection.local, keyPrefix: connection.keyPrefix)
    site = connection.site
  }

  /// The last request was answered before anybody was told of the stream: its token may name the
  /// next one.
  func begin(_ handle: HTTP2Stream) {
    self.handle = handle
    state = ConnectionState()
    site = connection.site
    isAnswered = false
    keepsBody = false
  }
}

/// What makes a connection one of HTTP/2.
final class HTTP2Connection {
  let session: HTTP2Session
  let bodies: StreamBodies
  let workspace: HTTP2Workspace
  /// By the session's slot.
  private(set) var streams: ContiguousArray<MultiplexedStream?> = []
  /// Of the request at hand as long as nobody else need find it; then of the next one. A hit that
  /// leaves whole, and most do, makes no stream.
  var spare: MultiplexedStream?
  /// Frames that the socket did not take, from `restStart` on.
  var rest: ByteBuffer?
  var restStart = 0
  /// Its events are being taken: what is answered meanwhile is sent at their end.
  var isTakingEvents = false
  /// Sent while events are taken, so that this ends.
  var bytesOfTurn = 0
  /// Their bodies have to be looked up, and were put off because of that.
  var postponed: [MultiplexedStream] = []
  /// It waits for its turn to send.
  var isQueued = false
  /// The first step of leaving was taken, and when (monotonic milliseconds).
  var leavingSince: Int64?
  /// The second one was.
  var hasSaidLast = false
  /// When a request or a part of one came, or a part of a response went: monotonic milliseconds.
  /// What a client can send without wanting anything is no progress.
  var progressAt: Int64
  /// Parts of responses were put into frames; and into `rest`.
  var hasWork = false
  var restIsWork = false

  init(
    _ session: HTTP2Session, _ bodies: StreamBodies, _ workspace: HTTP2Workspace, now: Int64
  ) {
    progressAt = now
    self.session = session
    self.bodies = bodies
    self.workspace = workspace
  }

  /// No request is under way.
  var isIdle: Bool { session.openStreamCount == 0 && rest == nil }

  func stream(_ handle: HTTP2Stream) -> MultiplexedStream? {
    let slot = Int(handle.slot)
    guard slot < streams.count, let stream = streams[slot], stream.handle == handle else {
      return nil
    }
    return stream
  }

  /// From now on events and bodies find it.
  func enter(_ stream: MultiplexedStream) {
    guard stream === spare else { return }
    spare = nil
    let slot = Int(stream.handle.slot)
    while streams.count <= slot { streams.append(nil) }
    streams[slot] = stream
  }

  func remove(_ stream: MultiplexedStream) { streams[Int(stream.handle.slot)] = nil }
}

/// Where a session's bodies come from: the pending outputs of its streams.
final class StreamBodies: HTTP2BodySource {
  unowned let loop: EventLoop
  unowned let connection: Connection
  /// Its entry is held while frames are made: the one hazard slot of this process is taken.
  var holder: MultiplexedStream?
  /// `H2MaxDataFrameLen`
  let frameBytesMax: Int

  init(_ loop: EventLoop, _ connection: Connection, frameBytesMax: Int) {
    self.loop = loop
    self.connection = connection
    self.frameBytesMax = frameBytesMax
  }

  func appendBody(
    of handle: HTTP2Stream, to output: ByteBuffer, upTo byteCountMax: Int
  ) -> HTTP2BodyStep {
    if let holder, holder.handle == handle {
      return loop.appendHeld(of: holder, to: output, upTo: min(byteCountMax, frameBytesMax))
    }
    guard let stream = connection.http2?.stream(handle), let pending = stream.output else {
      return .failed
    }
    return loop.appendBody(of: stream, pending, to: output, upTo: min(byteCountMax, frameBytesMax))
  }
}
