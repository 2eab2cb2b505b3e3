// One request that is more than a probe and a send: what is known about it so far.

import Cache
import Configuration
import HTTP
import Platform

/// A request and its answer in the making. It lives from the head to the response's last byte at
/// most, and only when the cache could not answer at once.
final class Exchange {
  /// What the exchange waits for.
  enum Waiting {
    case nothing
    /// The client sends a body of unknown length, to be thrown away.
    case body
    /// A helper resolves and opens the file.
    case resolution
    /// A helper brings a file's bytes into memory, for the copy under way.
    case copy
    /// The file changed an instant ago; the copy goes on at this time, in monotonic milliseconds.
    case settling(until: Int64)
    /// A helper brings the next part of a large file into memory.
    case output
    /// An application answers.
    case application
    /// Somebody else fetches the same response.
    case flight
  }

  let head: RequestHead
  /// The head's bytes; all ranges of `head` are in them.
  let bytes: [UInt8]
  let receivedMicroseconds: Int64
  /// Lower case, without port and without a dot at its end.
  let host: [UInt8]
  let site: SiteMatch
  /// The cache's generation, and the time in ticks of `ValidatedWord`, before anything was looked
  /// at for this exchange.
  let asOf: UInt64
  let ticks: UInt64
  /// Decoded and normalised; names the response.
  var path: [UInt8] = []
  /// The path that is looked for after DirectoryIndex, FallbackResource or ErrorDocument.
  var currentPath: [UInt8] = []
  var route: Route
  /// The routing epoch under which `route` was found: what is stored for this exchange is trusted
  /// as long as that holds, and no longer when somebody claims the URL meanwhile.
  var routedEpoch: UInt32 = 0
  var waiting = Waiting.nothing
  /// The number of the helper's request.
  var helperRequest: UInt64?
  /// What was asked of the file system last.
  var file: FileRequest?
  /// DirectoryIndex or FallbackResource chose a path unseen; if that is not found, this goes on.
  var resumption: (request: FileRequest, path: [UInt8], route: Route)?
  var internalRedirectCount = 0
  /// How often the file was another one than what was resolved.
  var changeCount = 0
  /// Some rule on the way here, also one before an internal redirect, asked for the client's
  /// address.
  var accessDependsOnClient = false
  /// The client names a port in Host that is not the scheme's own.
  var namesPort = false
  /// The status of an error whose document is being looked for.
  var errorStatus: UInt16?
  /// Why the route refuses, if it does.
  var refusal = EndReason.completed
  /// 100 (Continue) was sent: the body will come.
  var invited = false
  /// The part of a large file that was brought into memory last.
  var warmedOffset: Int64 = -1
  var copy: CopyInProgress?
  /// What it waits for when somebody else fetches the same response.
  var flightWait: FlightWait?
  /// What a 503 tells the client; nil: nothing.
  var retryAfterSeconds: Int? = 1
  /// Where it came from, for an application.
  var origin: RequestOrigin?
  /// Its body, if that is read before it is passed on.
  var collected: CollectedBody?
  /// How it is passed on to an application.
  var forwarding: Forwarding?

  init(
    head: RequestHead, bytes: [UInt8], receivedMicroseconds: Int64, host: [UInt8], site: SiteMatch,
    settings: Shared<Settings>, asOf: UInt64, ticks: UInt64
  ) {
    self.head = head
    self.bytes = bytes
    self.receivedMicroseconds = receivedMicroseconds
    self.host = host
    self.site = site
    self.asOf = asOf
    self.ticks = ticks
    route = Route(unrouted: settings)
  }

  /// A copy of a part of the head.
  func copy(_ range: BufferRange) -> [UInt8] {
    Array(bytes[range.start..<range.end])
  }
}

/// A file on its way into memory: the segment's, or a buffer of our own.
final class CopyInProgress {
  enum Target {
    case fill(CacheFill)
    case buffer(ByteBuffer)
  }

  let file: OpenFile
  let target: Target
  var copy: FileCopy
  let entity: EntityHead
  let key: [UInt8]
  /// What the bytes go through before they are sent.
  var compression: CompressionInProgress?

  init(file: OpenFile, target: Target, entity: EntityHead, key: [UInt8]) {
    self.file = file
    self.target = target
    copy = FileCopy(facts: file.facts)
    self.entity = entity
    self.key = key
  }
}
