// One request on its way through an application: what was sent of it, what came back of the answer.

import Cache
import Configuration
import HTTP
import Platform

/// A request that is passed on. It lives from the choice of a member to the last byte of the
/// response, and outlives its client only while it fills the cache.
final class Forwarding {
  enum Phase {
    /// `max` connections to the member are busy, or it waits in a queue.
    case queued
    case connecting
    /// The request is being sent, or an answer waited for.
    case head
    case body
    /// Bytes of any kind, both ways (101).
    case tunnel
    /// The application has the client's connection, and says by the end of its own one that it is
    /// done.
    case handedOff
    case ended
  }

  /// How the rest of the response's body is recognised.
  enum ResponseBody {
    case none
    case length(UInt64)
    case chunked(ChunkedDecoder)
    case untilClose
  }

  let exchange: Exchange
  /// Of the exchange's route, which has been found.
  let settings: Shared<Settings>.Storage
  /// Who waits for the response; nil: nobody any more, or nobody ever did.
  var stream: RequestStream?
  var target: ProxyTarget
  /// Where the request came from; known also when nobody waits any more.
  let origin: RequestOrigin
  /// Monotonic milliseconds.
  let begun: Int64
  var phase = Phase.queued
  /// Index into `Model.proxyMembers`; -1 before one was chosen.
  var member = -1
  /// This attempt is among those that its member is busy with.
  var isCounted = false
  /// It finds out whether a member that had failed works again.
  var isProbe = false
  var sentByteCount = 0
  var receivedByteCount = 0
  /// Addresses of the member that were tried.
  var addressIndex = 0
  /// Members that were tried and have failed.
  var tried: [Int] = []
  /// For the access log, if it says how requests are passed on.
  var passing: PassingRecord?
  /// Attempts on connections that turned out to be closed.
  var staleCount = 0
  var upstream: UpstreamConnection?

  /// When it came to its queue, monotonic microseconds; 0: it has not had to wait there.
  var ticket: UInt64 = 0
  /// Its queue may still refuse it, because it is full or drains.
  var isNewToQueue = true
  /// What lets it go to the application, until it is done there.
  var credit: Int?
  /// It waits in its queue.
  var isWaiting = false
  var waitingByteCount = 0
  /// Monotonic microseconds.
  var waitingSince: UInt64 = 0
  /// Since when its application's socket has been full, monotonic milliseconds; 0: it is not.
  var knockingSince: Int64 = 0
  /// Since when it has waited for one of its member's connections, monotonic milliseconds; 0: it
  /// does not.
  var roomAwaitedSince: Int64 = 0
  /// Processes of the application that have broken off.
  var attemptCount = 0
  /// How often another application was asked instead.
  var delegationCount = 0
  /// The application keeps connections for more requests.
  var keepsAlive = false

  /// Bytes of the body taken, over HTTP/2.
  var bodyByteCount: UInt64 = 0
  /// The request as the member gets it: head, then the framed body as it comes.
  var request: ByteBuffer {
    get { parts.request }
    set { parts.request = newValue }
  }
  /// How much of `request` is sent.
  var requestSent = 0
  /// Bytes of the head in `request`: the body can be sent again while they are there.
  var requestHeadByteCount = 0
  /// The beginning of the request was dropped, so it cannot be sent a second time.
  var isReplayable = true
  /// All of the request is in `request`, or was.
  var requestIsComplete = false
  /// The client wants another protocol, and the member may be asked for it.
  var asksForUpgrade = false
  /// The head says something of the connection beside that it ends.
  var hasConnectionField = false
  /// The body is sent in chunks.
  var sendsChunks = false
  /// The client of a tunnel has ended its sending: the member is told behind the last byte.
  var inputHasEnded = false
  /// Nothing more can be sent; what the member has said before is still read.
  var requestIsBroken = false

  /// The member speaks FastCGI.
  var isFastCGI = false
  var records = FastCGIReader()
  /// The beginning of a head that has not come whole, of FastCGI.
  var cgiHead: ByteBuffer?

  var response: ReceivedResponse {
    @inline(__always) _read { yield parts.slot.response }
    @inline(__always) _modify { yield &parts.slot.response }
  }
  var responseBody = ResponseBody.none
  /// A head other than 1xx has come from the member.
  var hasResponse = false
  /// What the response is compressed with here, for those who like it: it depends on
  /// Accept-Encoding. Empty: it does not.
  var codingsOffered: ContentCodings = []
  var codingVaries: Bool { !codingsOffered.isEmpty }
  /// The coding that its fields tell of, also where there is no body (HEAD, 304).
  var codingNamed = ContentCoding.identity
  /// How it is compressed for this client.
  var coding: ResponseCoding?
  /// `CacheIgnoreHeaders`, of a response that may be kept.
  var withheldFields: [String] = []
  /// The response's body goes to an HTTP/1.1 client in chunks.
  var relaysChunks = false
  /// The last chunk, when the response has trailers for this client.
  var lastChunk: ByteBuffer?
  /// The client is slower than the member, which is not read until that changes.
  var isPaused = false
  /// Its body is put together from fragments of the cache.
  var assembly: FragmentAssembly?
  /// The application was told that it must not use any.
  var doesWithoutFragments = false
  /// What the response is stored as while it passes.
  var storing: StoringResponse?
  /// What the cache has to do with this request.
  var caching: CachingExchange
  /// The cache's generation as of which the response is true.
  var asOf: UInt64

  /// Within the call that began it: whoever called goes on when the response has left.
  var isStarting = true
  /// The response has left whole within that call.
  var isDoneAtStart = false

  private let parts: ForwardingParts
  private let pool: ForwardingPool

  init(
    _ exchange: Exchange, _ stream: RequestStream?, _ target: ProxyTarget,
    _ caching: CachingExchange, pool: ForwardingPool, now: Int64
  ) {
    self.caching = caching
    // It may have waited in its queue already.
    ticket = caching.ticket
    isNewToQueue = ticket == 0
    waitingSince = caching.ticket
    settings = exchange.settings
    self.pool = pool
    parts = pool.take()
    begun = now
    asOf = exchange.asOf
    origin = exchange.origin ?? RequestOrigin(isEncrypted: false)
    self.exchange = exchange
    self.stream = stream
    self.target = target
  }

  deinit { pool.give(parts) }

  /// Bytes that may still be added to `request`.
  var requestRoom: Int {
    max(0, Limits.requestBufferBytesMax - (request.count - requestSent))
  }

  /// Makes room for so many bytes more.
  func reserve(_ count: Int) { if request.free < count { makeRoom(count) } }

  /// Adds bytes to the request. What was sent is dropped when it becomes too much to keep.
  func append(_ bytes: RawSpan) {
    if request.free < bytes.byteCount { makeRoom(bytes.byteCount) }
    request.append(bytes)
  }

  func append(_ bytes: [UInt8]) { append(bytes.rawSpan) }

  private func makeRoom(_ count: Int) {
    if request.count + count > Limits.requestBufferBytesMax + requestHeadByteCount
      && requestSent > 0
    {
      request.removeFirst(requestSent)
      requestSent = 0
      isReplayable = false
    }
    guard request.free < count else { return }
    let larger = ByteBuffer(capacity: max(request.capacity * 2, request.count + count))
    larger.append(request.bytes)
    request = larger
  }
}

/// What each forwarding needs and is costly to make.
final class ForwardingParts {
  var request = ByteBuffer(capacity: ForwardingPool.requestBytes)
  let slot = ReceivedResponseSlot()
  fileprivate var next: ForwardingParts?
}

/// Parts that wait for the next forwarding, as a chain; of one process.
final class ForwardingPool {
  /// Most requests fit; larger ones are not kept.
  fileprivate static let requestBytes = 2048
  private static let countMax = 64
  private var first: ForwardingParts?
  private var count = 0

  func take() -> ForwardingParts {
    guard let parts = first else { return ForwardingParts() }
    first = parts.next
    parts.next = nil
    count -= 1
    parts.request.removeAll()
    parts.slot.response.reset()
    return parts
  }

  func give(_ parts: ForwardingParts) {
    guard count < ForwardingPool.countMax,
      parts.request.capacity == ForwardingPool.requestBytes
    else { return }
    parts.next = first
    first = parts
    count += 1
  }
}

/// Where a request came from.
struct RequestOrigin {
  var client: SocketAddress?
  /// The other side of its connection; another one where a trusted proxy speaks for the client.
  var peer: SocketAddress?
  /// The address that it came to.
  var local: SocketAddress?
  /// Index into `EventLoop.listeners`.
  var listener = 0
  var isEncrypted: Bool
  /// What it says of the way before is believed: its sender is a trusted proxy.
  var isBelieved = false
}
