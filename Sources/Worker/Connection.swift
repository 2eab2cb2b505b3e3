// Clients: their byte transports, and the sequences of requests that come over them.

import Cache
import HTTP
import Platform

/// Where requests come from, one after the other, and their answers go: an HTTP/1.1 connection, or
/// one stream of an HTTP/2 connection. Everything between a head and its response knows no more
/// than this; the two differ in how bytes come and go.
class RequestStream {
  /// What events and helpers' answers name it by; never used again while this process lives.
  final let token: UInt64
  /// Who is told to logs, to rules and to applications; a trusted proxy may have said so.
  final var client: SocketAddress
  /// What the other side says of the way to it is believed.
  final var isBelieved = false
  /// What it says of the URL that was asked for, if it is believed.
  final var told: ToldOrigin = []
  /// Index into `EventLoop.listeners`: local address, address class, scheme.
  final let listener: Int
  /// Set only where the virtual hosts tell local addresses apart.
  final let local: SocketAddress?
  /// What of every cache key the connection decides; shared with its listener.
  final let keyPrefix: [UInt8]
  final var state = ConnectionState()
  /// The part of a response that could not be sent at once.
  final var output: PendingOutput?
  /// The request that is being answered, when that takes more than one turn.
  final var exchange: Exchange?
  /// What a log will say of how it was passed on.
  final var passing: PassingRecord?
  /// How the rest of a request body is recognised.
  final var body: BodyReader?
  /// The site of the last request: its deadlines apply.
  final var site = 0

  init(
    token: UInt64, client: SocketAddress, listener: Int, local: SocketAddress?, keyPrefix: [UInt8]
  ) {
    self.token = token
    self.client = client
    self.listener = listener
    self.local = local
    self.keyPrefix = keyPrefix
  }
}

/// What a trusted proxy says of the URL that its client has asked for, as far as it is another one
/// than this server sees: applications answer by it, so such answers are kept apart.
struct ToldOrigin: OptionSet {
  let rawValue: UInt8

  /// X-Forwarded-Proto gives the other scheme.
  static let otherScheme = ToldOrigin(rawValue: 1)
  /// Forwarded does.
  static let otherInForwarded = ToldOrigin(rawValue: 2)
  /// Another host, or something unheard of: what answers it is nobody else's.
  static let unlike = ToldOrigin(rawValue: 4)
}

/// A connected client. Idle, it holds no buffer: input is received into the loop's one scratch
/// buffer and only an unfinished rest is kept here. As long as it speaks HTTP/1.1 it is its own
/// stream of requests.
final class Connection: RequestStream {
  let descriptor: CInt
  /// The other side of the socket, or who the PROXY protocol says it is.
  var peer: SocketAddress
  /// It begins with the PROXY protocol, which has not come yet.
  var awaitsProxyHeader = false
  /// nil: in clear text.
  var security: ConnectionSecurity?
  /// nil: HTTP/1.1.
  var http2: HTTP2Connection?
  /// Its request, as long as nothing but a plain answer of an application is waited for.
  var plainPass: PlainPass?
  /// How far an unfinished head in `input` has been looked at.
  var progress = ParseProgress()
  /// Received and not yet consumed; nil when there is nothing.
  var input: ByteBuffer?
  /// Requests answered on this connection, over all processes that held it.
  var requestCount: UInt32 = 0
  /// Out of epoll: it waits to be handed over, or is on its way.
  var isLeaving = false
  /// close(2) sends a reset.
  var isReset = false
  /// What epoll waits for.
  var interest: Interest = [.readable]
  /// Monotonic milliseconds when the phase's first byte arrived.
  var phaseStart: Int64 = 0
  /// When the last response ended or the connection was accepted: the oldest idle one is evicted.
  var idleSince: Int64 = 0
  /// Bytes of head or body received in the present phase, for minimum rates.
  var phaseByteCount = 0

  init(
    descriptor: CInt, serial: UInt32, client: SocketAddress, listener: Int, local: SocketAddress?,
    keyPrefix: [UInt8]
  ) {
    self.descriptor = descriptor
    peer = client
    super.init(
      token: UInt64(serial) << 32 | UInt64(UInt32(bitPattern: descriptor)), client: client,
      listener: listener, local: local, keyPrefix: keyPrefix)
  }
}

/// Reads a request body to its end without keeping it.
enum BodyReader {
  case length(UInt64)
  case chunked(ChunkedDecoder)
  /// HTTP/2 tells where it ends; so many bytes have come.
  case framed(UInt64)
}
