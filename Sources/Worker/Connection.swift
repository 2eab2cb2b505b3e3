// One client's connection: its buffers and its place in the loop; decisions are ConnectionState's.

import Cache
import HTTP
import Platform

/// A connected client. Idle, it holds no buffer: input is received into the loop's one scratch
/// buffer and only an unfinished rest is kept here.
final class Connection {
  let descriptor: CInt
  /// Tells this connection from an earlier one with the same descriptor, in event tokens.
  let serial: UInt32
  let client: SocketAddress
  /// How far an unfinished head in `input` has been looked at.
  var progress = ParseProgress()
  /// Index into `EventLoop.listeners`: local address, address class, scheme.
  let listener: Int
  /// Set only where the virtual hosts tell local addresses apart.
  let local: SocketAddress?
  var state = ConnectionState()
  /// Received and not yet consumed; nil when there is nothing.
  var input: ByteBuffer?
  /// The part of a response that could not be sent at once.
  var output: PendingOutput?
  /// The request that is being answered, when that takes more than one turn.
  var exchange: Exchange?
  /// How the rest of a request body is recognised.
  var body: BodyReader?
  /// Requests answered on this connection, over all processes that held it.
  var requestCount: UInt32 = 0
  /// Out of epoll: it waits to be handed over, or is on its way.
  var isLeaving = false
  /// What epoll waits for.
  var interest: Interest = [.readable]
  /// Monotonic milliseconds when the phase's first byte arrived.
  var phaseStart: Int64 = 0
  /// When the last response ended or the connection was accepted: the oldest idle one is evicted.
  var idleSince: Int64 = 0
  /// Bytes of head or body received in the present phase, for minimum rates.
  var phaseByteCount = 0
  /// The site of the last request: its deadlines apply.
  var site = 0
  /// What of every cache key this connection decides; shared with its listener.
  let keyPrefix: [UInt8]

  init(
    descriptor: CInt, serial: UInt32, client: SocketAddress, listener: Int, local: SocketAddress?,
    keyPrefix: [UInt8]
  ) {
    self.descriptor = descriptor
    self.serial = serial
    self.client = client
    self.listener = listener
    self.local = local
    self.keyPrefix = keyPrefix
  }

  var token: UInt64 { UInt64(serial) << 32 | UInt64(UInt32(bitPattern: descriptor)) }
}

/// Reads a request body to its end without keeping it.
enum BodyReader {
  case length(UInt64)
  case chunked(ChunkedDecoder)
}
