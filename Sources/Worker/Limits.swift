// The worker's limits, units last.

enum Limits {
  /// One recv takes at most this much; a head larger than `RequestLimits` allows is refused long
  /// before.
  static let receiveBytes = 65_536
  /// A kept rest of a head or of pipelined requests; more is left in the socket.
  static let inputBytesMax = 262_144
  static let keyBytesMax = 32_768
  static let extraHeadBytesMax = 4096
  /// A rest of a cached body up to this size is copied, above it is pinned (DESIGN 4.2).
  static let copiedRestBytesMax = 65_536
  /// One sendfile at most, then the next connection's turn.
  static let fileBytesPerTurn = 262_144
  /// A rest that could not be pinned is copied up to this size; above it, or when there are too
  /// many copies, its entry is looked up again for each send.
  static let copiedObjectBytesMax = 1 << 20
  static let acceptsPerTurn = 16
  /// Accepted from each listener before it is left for good.
  static let drainAcceptsMax = 1024
  static let openFilesMax = 256
  /// Descriptors that connections leave for files, helpers and hand-over.
  static let reservedDescriptors = 48
  static let tickMilliseconds: Int64 = 125
  static let idleTickMilliseconds: Int64 = 500
  static let logFlushMilliseconds: Int64 = 1000
  static let lingerMilliseconds: Int64 = 2000
  static let lingerBytesMax = 1 << 20
  /// Pause after accept failed for want of descriptors and nobody was idle.
  static let acceptPauseMilliseconds: Int64 = 100
  /// Before the master is asked again for a snapshot of the namespace that could not be received.
  static let namespaceRetryMilliseconds: Int64 = 100
  /// What a worker without a master may still take to finish its requests.
  static let orphanMilliseconds: Int64 = 30_000
  /// Descriptors in one packet to the next generation, and packets on their way.
  static let handoverBatchCount = 32
  static let handoverPacketsMax = 4
  /// Evicted at once when descriptors run out: one scan pays for many accepts.
  static let evictionBatchCount = 16
  static let internalRedirectsMax = 10
  static let fileChangesMax = 8
  /// Without a cache, larger files go from their descriptor.
  static let uncachedObjectBytesMax = 1 << 20
  /// Copies of large rests, over all connections of this process; beyond, the slowest are ended.
  static let copiedBytesMax = 64 << 20
  /// Compressed over all requests in one turn: a few milliseconds at the usual levels.
  static let compressedBytesPerTurn = 65_536
  /// Larger files are sent as they are.
  static let compressedFileBytesMax = 4 << 20
  /// Files being compressed, before and after, over all requests; beyond, they go as they are.
  static let compressingBytesMax = 32 << 20
  /// What encoders may allocate, for files and streams together.
  static let encoderBytesMax = 64 << 20
  /// Frames of HTTP/2 that leave together.
  static let framesBytes = 65_536
  /// A cached body up to this size is put into frames at once, while it is held.
  static let heldBodyBytesMax = 16_384
  /// The head of a response over HTTP/2; HTTP/1.1 has no limit.
  static let responseHeadBytesMax = 131_072
  /// Room for what belongs to a response's frames beside head and body.
  static let frameSlackBytes = 4096
  /// How long a request may be on its way to a server that has said it is leaving.
  static let leavingMilliseconds: Int64 = 1000
  /// Of a request that is passed on: sent and not yet sent; what is less can be sent again.
  static let requestBufferBytesMax = 65_536
  /// What a chunk takes beside its content.
  static let chunkFrameBytesMax = 64
  /// Of a response that its client is too slow for; then its application has to wait.
  static let relayBytesMax = 131_072
  static let relayPiecesMax = 64
  /// Pieces of a body in one send; more are put together first.
  static let relayRangesMax = 512
  static let relayHeadBytesMax = 131_072
  /// So much of a body is copied behind its head.
  static let joinedBodyBytesMax = 4096
  /// Room for the fields that are added to most requests for applications; more is made.
  static let ownFieldsBytesMax = 256
  /// Beside the compressed bytes: what an encoder writes at a flush or the end.
  static let codingRoomBytes = 65_536
  /// Less than this at a time is a trickle: it is not kept back to be compressed better.
  static let trickleBytesMax = 16_384
  /// How often a request waits for somebody else's fetch before it fetches for itself.
  static let flightWaitsMax = 4
  /// After a response that could not be stored, requests for it do not wait for each other.
  static let parallelMilliseconds = 10_000
  /// After one that is too large, which it will not cease to be soon.
  static let parallelMillisecondsMax = 300_000
  /// Processes of one application that may break off before a request is given up.
  static let queueAttemptsMax = 2
  /// Requests of one queue that are answered by an error in one turn.
  static let queueEndsPerTurn = 256
  /// How often a request may be delegated.
  static let delegationsMax = 8
  /// Puts, and gets, of applications at a time, and of one user's; and their connections, also
  /// those that only wait for the other end's close.
  static let lentExchangesMax = 8
  static let lentExchangesPerUser = 6
  static let lentConnectionsMax = 64
  /// How long one may take, and be silent.
  static let lentMilliseconds: Int64 = 30_000
  static let lentSilenceMilliseconds: Int64 = 5_000
  /// Before a Unix socket with a full queue is tried again.
  static let knockMilliseconds: Int64 = 5
  /// A body that is collected before it is passed on; and all of them in one process.
  static let collectedBodyBytesMax = 64 << 20
  static let collectedBytesMax = 128 << 20
  /// The first piece of memory for one, and the others.
  static let collectedPartBytesMin = 16_384
  static let collectedPartBytesMax = 262_144
  /// When a client may ask again if an operator has stopped all members.
  static let stoppedRetrySeconds = 60
  /// Kept connections that were closed by the member at the moment of their use.
  static let staleConnectionsMax = 3
  /// Brought into memory ahead of a send.
  static let warmBytes = 2_097_152
}
