// What a session may put into the cache and get from it: entries and fragments of its own URLs.
//
//     put<TAB>URL --bytes=N [--policy=P] [--field=LINE]…     the answer to GET of the URL
//     get<TAB>URL [--from=N] [--length=N] [--field=LINE]…    what a client would get of the cache
//     put-fragment<TAB>URL --bytes=N --policy=P              a piece of bodies, of this name
//     get-fragment<TAB>URL [--from=N] [--length=N]
//     delete-fragment<TAB>URL
// P is "until-invalidated", "seconds:N", or "none": what the answer's own fields say. With the byte
// "x" of the answer comes a connection to a worker, over which the bytes go; the master never sees
// them.

import Cache
import Configuration
import HTTP
import Namespace
import Platform
import Worker

/// Orders for workers with their ends of connections, until those know of the namespace what the
/// master does.
struct CacheOrders {
  var waiting: [(order: CacheOrder, user: UInt32, descriptor: Descriptor, until: Int64)] = []
  /// So that workers take turns.
  var turn = 0
}

extension Master {
  /// `put`, `get`, `put-fragment`, `get-fragment`
  func exchangeEntry(
    _ kind: CacheOrder.Kind, _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    guard cache != nil else { throw SessionRefusal("this server keeps nothing: CacheSize is 0") }
    var order = try named(kind, request, ownersOf(client, peer))
    order.asOf = cache?.generation ?? 0
    try take(request, into: &order)
    guard order.bytes.count <= CacheOrder.bytesMax else {
      throw SessionRefusal("URL and fields are too long together", code: 2)
    }
    try checkLending(client)
    guard namespace.cacheOrders.waiting.count < Limits.cacheOrders else {
      throw SessionRefusal("too many puts and gets wait for workers; try again")
    }
    let ends: (ours: Descriptor, theirs: Descriptor)
    do throws(SystemError) {
      ends = try UnixSocket.pair()
    } catch {
      throw SessionRefusal("\(error)")
    }
    namespace.cacheOrders.waiting.append(
      (order, peer.owner, ends.ours, Clock.monotonicMilliseconds() + Limits.cacheOrderMilliseconds))
    control?.answer(client, .success(""), with: ends.theirs)
  }

  /// `delete-fragment`: holds for every worker when this returns.
  func deleteFragment(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    guard request.arguments.count == 1, request.flags.isEmpty else {
      throw SessionRefusal("usage: delete-fragment URL", code: 2)
    }
    let (owner, path) = try fragment(request.arguments[0], ownersOf(client, peer))
    invalidate(.label(OwnerLabels.fragment(path, of: owner)), hard: true)
  }

  /// Sends workers what waits, once they know what its user has registered. What others have they
  /// look at themselves, when they publish.
  func sendCacheOrders(_ now: Int64) {
    namespace.cacheOrders.waiting.removeAll { $0.until <= now }
    guard !namespace.cacheOrders.waiting.isEmpty else { return }
    let untold = namespace.hasChanged ? namespace.book.changes.users : []
    let youngest = supervisor.youngestInFavour(of: generations.keys)
    let ready = workers.values.filter { record in
      record.generation == youngest && !record.isInherited && record.process > 0
        && supervisor.member(record.name)?.member.accepts == true
    }.map(\.name).sorted()
    while let place = namespace.cacheOrders.waiting.firstIndex(where: { !untold.contains($0.user) })
    {
      let next = namespace.cacheOrders.waiting[place]
      namespace.cacheOrders.turn += 1
      let order = (0..<ready.count).map {
        ready[(namespace.cacheOrders.turn + $0) % ready.count]
      }
      let free = order.first { workers[$0]?.outbox.count ?? .max < Limits.cacheOrdersPerWorker }
      guard let free else { return }
      namespace.cacheOrders.waiting.remove(at: place)
      send(.cache(next.order), to: free, [next.descriptor])
    }
  }

  // MARK: Names

  private func named(
    _ kind: CacheOrder.Kind, _ request: ControlRequest, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> CacheOrder {
    guard request.arguments.count == 1 else { throw usage(kind) }
    let text = request.arguments[0]
    if kind.isOfFragment {
      let (owner, path) = try fragment(text, own)
      var encoded: [UInt8] = []
      PercentEncoding.append(path: path.rawSpan, to: &encoded)
      var order = CacheOrder(kind, owner: owner.text)
      order.target = String(decoding: encoded, as: UTF8.self)
      return order
    }
    let url = try entryURL(text)
    let owner = try owner(text, of: url, own)
    var order = CacheOrder(kind, owner: owner.text)
    order.isSecure = url.isSecure
    order.port = url.port
    order.host = String(decoding: url.host, as: UTF8.self)
    order.target = String(decoding: url.rawTarget, as: UTF8.self)
    return order
  }

  private func entryURL(_ text: String) throws(SessionRefusal) -> CacheURL {
    guard !PrefixURL.hasWildcard(text) else {
      throw SessionRefusal("'\(text)': an answer is for one host, and names it", code: 2)
    }
    do throws(CacheURLError) {
      return try CacheURL(text, newestModel)
    } catch {
      throw SessionRefusal(error.description, code: 2)
    }
  }

  /// The one application, of this session, that a URL leads to.
  private func owner(
    _ text: String, of url: CacheURL, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> NamespaceOwner {
    var found: NamespaceOwner?
    for path in url.paths {
      guard let owner = owner(of: url, path), own.contains(owner) else { throw notOwn(text) }
      guard found == nil || found == owner else { throw notOwn(text) }
      found = owner
    }
    guard let found, found.prefix.bucket != .address else { throw notOwn(text) }
    return found
  }

  /// A fragment's owner and path. Its host may be that of a prefix.
  private func fragment(
    _ text: String, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> (owner: NamespaceOwner, path: [UInt8]) {
    guard !text.contains("?"), !text.contains("#"), !text.lowercased().contains("%2f") else {
      throw SessionRefusal(
        "'\(text)': a fragment's name has no query, and no encoded slash", code: 2)
    }
    guard PrefixURL.hasWildcard(text) else {
      let url = try entryURL(text)
      return (try owner(text, of: url, own), url.paths[0])
    }
    let url = try PrefixURL(text, newestModel)
    let near = own.filter { $0.prefix.isBeside(url.prefix) && $0.prefix.covers(url.paths[0]) }
    // What lies in another application's prefix is that one's.
    let longest = namespace.book.registrations.keys
      .filter { $0.isBeside(url.prefix) && $0.covers(url.paths[0]) }
      .max { $0.path.count < $1.path.count }
    guard let owner = near.first(where: { $0.prefix == longest }), owner.prefix.bucket != .address
    else { throw notOwn(text) }
    return (owner, url.paths[0])
  }

  // MARK: Options

  private func usage(_ kind: CacheOrder.Kind) -> SessionRefusal {
    let options =
      switch kind {
      case .put:
        "--bytes=N [--policy=until-invalidated|seconds:N|none] [--field=\"NAME: VALUE\"...]"
      case .get: "[--from=N] [--length=N] [--field=\"NAME: VALUE\"...]"
      case .putFragment: "--bytes=N --policy=until-invalidated|seconds:N"
      case .getFragment: "[--from=N] [--length=N]"
      }
    return SessionRefusal("usage: \(kind.rawValue) URL \(options)", code: 2)
  }

  private func take(
    _ request: ControlRequest, into order: inout CacheOrder
  ) throws(SessionRefusal) {
    let kind = order.kind
    var known: Set = kind.isPut ? ["bytes", "policy"] : ["from", "length"]
    if !kind.isOfFragment { known.insert("field") }
    guard known.isSuperset(of: request.flags.keys) else { throw usage(kind) }
    if kind.isPut {
      guard let byteCount = request.flags["bytes"].flatMap({ Int($0) }),
        (0...Int(Int32.max)).contains(byteCount),
        let policy = KeepPolicy(request.flags["policy"] ?? "none"),
        policy != .own || kind == .put
      else { throw usage(kind) }
      order.byteCount = byteCount
      order.policy = policy
    } else {
      for flag in ["from", "length"] where request.flags[flag] != nil {
        guard let number = request.flags[flag].flatMap({ Int($0) }), number >= 0 else {
          throw usage(kind)
        }
        if flag == "from" { order.offset = number } else { order.length = number }
      }
    }
    for line in request.values(of: "field") {
      guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
        !Master.framingFields.contains(line[..<colon].lowercased())
      else {
        throw SessionRefusal(
          "'\(line)' is no field that a request is selected by: \"NAME: VALUE\"", code: 2)
      }
      order.fields.append(line)
    }
  }

  /// What a request is made of, and what it would not be answered whole with.
  private static let framingFields: Set = [
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "range",
    "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since",
  ]
}
