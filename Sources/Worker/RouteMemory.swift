// Routes that were found before: a URL that is asked for again need not go through all rules again.

import Configuration
import HTTP
import Platform

/// The routes of this process's last URLs. What the configuration says of one depends on nothing
/// but the site, the path, the query and what a host's pattern has captured, and stays as it is for
/// as long as the process does; requests of hosts that capture something are not remembered.
///
/// A URL is kept from its second request on.
struct RouteMemory {
  /// Longer URLs are routed each time: what is kept is bounded by this.
  static let urlBytesMax = 256

  private final class Remembered {
    let site: Int
    let path: [UInt8]
    /// nil: the URL has no "?".
    let query: [UInt8]?
    let route: Route

    init(site: Int, path: [UInt8], query: [UInt8]?, route: Route) {
      self.site = site
      self.path = path
      self.query = query
      self.route = route
    }
  }

  private var remembered = RecurringTable<Remembered>(placeCount: 256)

  /// The route of an exchange's current path, by the configuration alone.
  mutating func route(_ exchange: Exchange, in model: Model) -> Route {
    let path = exchange.currentPath
    let range = exchange.head.query
    let byteCount = path.count &+ (range.map { $0.end &- $0.start } ?? 0)
    guard byteCount <= RouteMemory.urlBytesMax, exchange.pathInfoByteCount == 0,
      exchange.site.captures.values.isEmpty
    else { return RouteMemory.find(exchange, path, in: model) }
    let site = exchange.site.site
    var mark = RouteMemory.mark(path.rawSpan, UInt64(truncatingIfNeeded: site))
    if let range {
      let bytes = exchange.bytes
      mark = RouteMemory.mark(range.span(in: bytes.rawSpan), mark | 1)
    }
    if let known = remembered[mark], known.site == site, known.path == path {
      switch (known.query, range) {
      case (nil, nil): return known.route
      case (let query?, let range?) where exchange.spells(range, query): return known.route
      default: break
      }
    }
    let route = RouteMemory.find(exchange, path, in: model)
    if remembered.recurs(mark), route.limitExceeded == nil {
      remembered.keep(
        Remembered(site: site, path: path, query: range.map(exchange.copy), route: route), mark)
    }
    return route
  }

  private static func find(_ exchange: Exchange, _ path: [UInt8], in model: Model) -> Route {
    model.sites.shared(exchange.site.site).route(
      path: path, query: exchange.head.query.map(exchange.copy),
      pathInfo: exchange.pathInfoByteCount, captures: exchange.site.captures)
  }

  /// Tells URLs apart well enough; whoever finds two of one place makes them slower, and no more.
  private static func mark(_ bytes: RawSpan, _ start: UInt64) -> UInt64 {
    let odd: UInt64 = 0x9e37_79b9_7f4a_7c15
    var mark = (start &+ UInt64(truncatingIfNeeded: bytes.byteCount) &+ 1) &* odd
    var index = 0
    while index &+ 8 <= bytes.byteCount {
      mark = (mark ^ mark >> 29 ^ Scan.word(bytes, at: index)) &* odd
      index &+= 8
    }
    while index < bytes.byteCount {
      mark = (mark ^ mark >> 29 ^ UInt64(Scan.byte(bytes, at: index))) &* odd
      index &+= 1
    }
    return mark ^ mark >> 29
  }
}
