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
  let requestedHost: RequestedHost
  /// Lower case, without port and without a dot at its end.
  var host: [UInt8] { requestedHost.name }
  var site: SiteMatch { @inline(__always) _read { yield requestedHost.site } }
  /// The cache's generation, and the time in ticks of `ValidatedWord`, before anything was looked
  /// at for this exchange.
  let asOf: UInt64
  let ticks: UInt64
  /// Of the key under which the first look found nothing; nil: it found something, or that was a
  /// while ago.
  var absentHash: UInt64?
  /// The same, kept for `PlainPlan`, where the first look was for what the response is called, or
  /// the cache has nothing to do with it.
  var plainHash: UInt64?
  /// Decoded and normalised; names the response.
  var path: [UInt8] = []
  /// The path that is looked for after DirectoryIndex, FallbackResource or ErrorDocument.
  var currentPath: [UInt8] = []
  var route: Route { didSet { settings = route.sharedSettings.storage } }
  /// The route's: read dozens of times a request.
  private(set) var settings: Shared<Settings>.Storage
  /// So many bytes at the end of `currentPath` are for the script before them.
  var pathInfoByteCount = 0
  /// Whether there are such bytes has been found out.
  var isSplit = false
  /// The routing epoch under which `route` was found: what is stored for this exchange is trusted
  /// as long as that holds, and no longer when somebody claims the URL meanwhile.
  var routedEpoch: UInt32 = 0
  /// `ClaimMemory.turn` at that time.
  var routedTurn: UInt64 = 0
  /// Whose URL it is, if it is claimed and served.
  var owner: ClaimedOwner?
  var waiting = Waiting.nothing
  /// The number of the helper's request.
  var helperRequest: UInt64?
  /// What was asked of the file system last.
  var file: FileRequest?
  /// DirectoryIndex or FallbackResource chose a path unseen; if that is not found, this goes on.
  var resumption: Resumption?
  var internalRedirectCount = 0
  /// How often the file was another one than what was resolved.
  var changeCount = 0
  /// Some rule on the way here, also one before an internal redirect, asked for the client's
  /// address.
  var accessDependsOnClient = false
  /// The client names a port in Host that is not the scheme's own.
  var namesPort = false
  /// The application gives the answer for requests that name the port and for those that do not.
  var isForAnyPort = false
  /// What a trusted proxy says of its URL.
  var told: ToldOrigin = []
  /// The status of an error whose document is being looked for.
  var errorStatus: UInt16?
  /// What an error says beside its page, whoever makes that: Allow, Retry-After, WWW-Authenticate.
  var errorFields = ResponseFields()
  /// Why the route refuses, if it does.
  var refusal = EndReason.completed
  /// 100 (Continue) was sent: the body will come.
  var invited = false
  /// The part of a large file that was brought into memory last.
  var warmedOffset: Int64 = -1
  var copy: CopyInProgress?
  /// What it waits for when somebody else fetches the same response.
  var flightWait: FlightWait?
  /// How often it had waited so before it was routed again.
  var flightWaitCount = 0
  var flightWaitingSince: Int64?
  /// Cache-Status of an answer of our own to what an application is asked for; empty: none.
  var cacheStatus: [UInt8] = []
  /// Shown on an error's page.
  var errorDetail: String?
  /// What a 503 tells the client; nil: nothing.
  var retryAfterSeconds: Int? = 1
  /// Where it came from, for an application.
  var origin: RequestOrigin?
  /// Its body, if that is read before it is passed on.
  var collected: CollectedBody?
  /// How it is passed on to an application.
  var forwarding: Forwarding?

  init(
    head: consuming RequestHead, bytes: consuming [UInt8], receivedMicroseconds: Int64,
    requestedHost: RequestedHost, settings: Shared<Settings>, asOf: UInt64, ticks: UInt64
  ) {
    self.head = head
    self.bytes = bytes
    self.receivedMicroseconds = receivedMicroseconds
    self.requestedHost = requestedHost
    self.asOf = asOf
    self.ticks = ticks
    route = Route(unrouted: settings)
    self.settings = settings.storage
  }

  /// The same request, for nobody who waits at this moment.
  func repeated(asOf: UInt64, ticks: UInt64) -> Exchange {
    let other = Exchange(
      head: head, bytes: bytes, receivedMicroseconds: receivedMicroseconds,
      requestedHost: requestedHost, settings: route.sharedSettings, asOf: asOf, ticks: ticks)
    other.path = path
    other.currentPath = currentPath
    other.route = route
    other.routedEpoch = routedEpoch
    other.routedTurn = routedTurn
    other.owner = owner
    other.origin = origin
    other.namesPort = namesPort
    other.told = told
    other.accessDependsOnClient = accessDependsOnClient
    return other
  }

  /// A copy of a part of the head.
  func copy(_ range: BufferRange) -> [UInt8] {
    let bytes = bytes
    return range.copy(from: bytes.rawSpan)
  }

  /// Whether a part of the head is exactly these bytes.
  func spells(_ range: BufferRange, _ wanted: [UInt8]) -> Bool {
    let bytes = bytes
    return Scan.equal(range.span(in: bytes.rawSpan), wanted.rawSpan)
  }
}

/// How an exchange goes on when a path that was chosen unseen is not found.
final class Resumption {
  let request: FileRequest
  let path: [UInt8]
  let route: Route

  init(_ request: FileRequest, path: [UInt8], route: Route) {
    self.request = request
    self.path = path
    self.route = route
  }
}

/// A host as requests spell it, and the site that answers for it. The last one is kept: most
/// requests name the same host as the one before.
final class RequestedHost {
  private let spelling: [UInt8]
  private let local: SocketAddress
  /// Lower case, without port and without a dot at its end.
  let name: [UInt8]
  let site: SiteMatch

  init(_ spelling: RawSpan, at local: SocketAddress, in model: Model) {
    self.spelling = spelling.array
    self.local = local
    var name = self.spelling
    for index in name.indices { name[index] = ASCIICase.lower(name[index]) }
    while name.last == UInt8(ascii: ".") { name.removeLast() }
    self.name = name
    site = model.site(local: local, host: name)
  }

  /// Whether another request asks for the same. A match that may have failed for want of time is
  /// tried again.
  func fits(_ spelling: RawSpan, at local: SocketAddress) -> Bool {
    let known = self.spelling
    return Scan.equal(known.rawSpan, spelling) && self.local == local && site.limitExceeded == nil
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
