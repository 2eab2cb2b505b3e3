// What most requests to applications are: a plain GET, answered in one piece that nobody keeps.

import Cache
import Configuration
import HTTP
import Platform

/// What was found out about a URL whose requests and answers are plain, when one was passed on the
/// ordinary way: all that is the same for the next one. It holds as long as routing stays the same.
final class PlainPlan {
  /// Of the URL as it is sent, as the first look into the cache computes it.
  let hash: UInt64
  let target: [UInt8]
  let authority: [UInt8]
  /// Index into `EventLoop.listeners`.
  let listener: Int
  let routedEpoch: UInt32
  /// `ClaimMemory.turn`.
  let routedTurn: UInt64

  /// Of the exchange that it was learnt from.
  let requestedHost: RequestedHost
  let path: [UInt8]
  let route: Route
  let proxyTarget: ProxyTarget
  /// nil: the URL is the configuration's.
  let owner: ClaimedOwner?
  let site: Int
  let member: Int
  let timeoutMilliseconds: Int64
  /// Connections to the application carry more than one request.
  let keepsAlive: Bool

  /// By what the cache keeps an answer, if that says so; nil: the cache has nothing to do with it.
  let orders: CachingOrders?
  let hasQuery: Bool
  /// What the fetch is called among all processes, if others might wait for it; nil: nobody does.
  let flightHash: UInt64?
  /// After so long another one fetches it (`CacheLockMaxAge`).
  let lockMilliseconds: Int

  /// The first lines of the request, up to the client's own fields.
  let requestStart: [UInt8]
  /// What this server says behind them and behind the client's address.
  let requestEnd: [UInt8]
  /// Cache-Status of the answer, as a line.
  let cacheStatus: [UInt8]

  init(
    _ forwarding: Forwarding, hash: UInt64, listener: Int, timeoutMilliseconds: Int64,
    flightHash: UInt64?, requestStart: [UInt8], requestEnd: [UInt8], cacheStatus: [UInt8]
  ) {
    let exchange = forwarding.exchange
    self.hash = hash
    target = exchange.copy(exchange.head.target)
    authority = exchange.copy(exchange.head.authority)
    self.listener = listener
    routedEpoch = exchange.routedEpoch
    routedTurn = exchange.routedTurn
    requestedHost = exchange.requestedHost
    path = exchange.path
    route = exchange.route
    proxyTarget = forwarding.target
    owner = exchange.owner
    site = exchange.site.site
    member = forwarding.member
    keepsAlive = forwarding.keepsAlive
    self.timeoutMilliseconds = timeoutMilliseconds
    orders = forwarding.caching.isNamed ? CachingOrders(forwarding.settings.value.caching) : nil
    hasQuery = exchange.head.hasQuery
    self.flightHash = flightHash
    lockMilliseconds = Int(forwarding.settings.value.caching.lockMilliseconds)
    self.requestStart = requestStart
    self.requestEnd = requestEnd
    self.cacheStatus = cacheStatus
  }
}

extension PlainPlan {
  /// Plans of a process.
  static let countMax = 2048
  /// Longer URLs are passed on the ordinary way: what is kept is bounded by this.
  static let targetBytesMax = 512

  /// Whether it is what would be learnt from an exchange.
  func isFor(_ exchange: Exchange, listener: Int, keepsAlive: Bool) -> Bool {
    self.listener == listener && self.keepsAlive == keepsAlive
      && routedEpoch == exchange.routedEpoch && routedTurn == exchange.routedTurn
      && exchange.spells(exchange.head.target, target)
      && exchange.spells(exchange.head.authority, authority)
  }
}

/// A plain request that an application works on. For HTTP/1.1 clients, where there is a cache, and
/// where the application writes head and body in one piece: others go the ordinary way.
///
/// Whatever happens but its plain answer turns it into an ordinary exchange first
/// (`EventLoop.unfold`), so all that can go wrong is dealt with in one place.
final class PlainPass {
  static let requestBytesMax = 4096
  /// Larger heads are passed on the ordinary way.
  static let headBytesMax = 2048

  var plan: PlainPlan?
  var connection: Connection?
  var upstream: UpstreamConnection?
  /// The client's head, as it came.
  let head = ByteBuffer(capacity: headBytesMax)
  /// The request as it is sent to the application.
  let request = ByteBuffer(capacity: requestBytesMax)
  var requestSent = 0
  /// Monotonic milliseconds.
  var begun: Int64 = 0
  /// As in `Exchange`.
  var asOf: UInt64 = 0
  var ticks: UInt64 = 0
  var hasAuthorization = false
  /// Others may wait for what comes of it.
  var flight: FlightToken?
  /// Of its queue.
  var credit: Int?
  fileprivate var next: PlainPass?
}

/// Those that wait for their next request, as a chain.
final class PlainPassPool {
  private static let countMax = 256
  private var first: PlainPass?
  private var count = 0

  func take() -> PlainPass {
    guard let pass = first else { return PlainPass() }
    first = pass.next
    pass.next = nil
    count -= 1
    return pass
  }

  func give(_ pass: PlainPass) {
    pass.plan = nil
    pass.connection = nil
    pass.upstream = nil
    pass.flight = nil
    pass.credit = nil
    pass.requestSent = 0
    pass.head.removeAll()
    pass.request.removeAll()
    guard count < PlainPassPool.countMax else { return }
    pass.next = first
    first = pass
    count += 1
  }
}

extension RequestHead {
  /// Whether a request says nothing that changes the way it goes, or that is looked at beside its
  /// fields being passed on.
  @inline(__always)
  var isPlain: Bool {
    method == .get && body == .none && minorVersion == 1 && !expectsContinue && !connectionUpgrade
      && !hasConditionsOrRange && !has(.cacheControl) && !has(.pragma) && !has(.via) && !has(.te)
      && hasAuthority && headByteCount <= PlainPass.headBytesMax
  }
}

extension ReceivedResponse {
  /// Whether a response needs nothing but to be given to the client as it lies there: of so many
  /// bytes, received at once, it is all. Inlined, as the others here: a call would copy the head.
  @inline(__always)
  func isPlain(
    _ byteCount: Int, keepsAlive: Bool, _ settings: Shared<Settings>.Storage
  ) -> Bool {
    guard (200..<300).contains(status), status != 206, case .length(let count) = framing,
      count == UInt64(byteCount - headByteCount), keepAlive || !keepsAlive
    else { return false }
    return !has(.ring3Fragments) && !has(.ring3Delegate) && !has(.trailer) && !has(.via)
      && !settings.value.proxy.rewrites(self)
  }
}
