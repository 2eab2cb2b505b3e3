// What a session may say about the cache: calling back what was kept of its own URLs, and no more.
//
//     invalidate<TAB>URL [--hard]               one URL, in all its variants
//     invalidate<TAB>URL<TAB>--recursive        the URL and all below it, on whole segments
//     invalidate<TAB>--tag=TAG<TAB>…            what the application has given these tags
// Without --hard the application is asked before the next use whether it is good still. A host may
// be as in a prefix ("+", "*", "*.example.com"), for all the hosts that the prefix is for; then all
// queries are meant. Its own are the prefixes that the session has registered, and those that
// another session of the same user has for a queue that this one uses.

import Cache
import Configuration
import HTTP
import Namespace
import Platform
import Worker

extension Master {
  private static let sessionTagsMax = 64

  /// `invalidate`: holds for every worker when this returns.
  func invalidateOwn(
    _ request: ControlRequest, _ client: UInt64, _ peer: PeerIdentity
  ) throws(SessionRefusal) {
    let isHard = request.flags["hard"] != nil
    let isRecursive = request.flags["recursive"] != nil
    let tags = request.values(of: "tag")
    let known: Set = ["hard", "recursive", "tag"]
    guard known.isSuperset(of: request.flags.keys),
      request.flags["hard"] ?? "" == "", request.flags["recursive"] ?? "" == "",
      tags.isEmpty ? request.arguments.count == 1 : request.arguments.isEmpty && !isRecursive
    else {
      throw SessionRefusal(
        "usage: invalidate URL [--recursive] [--hard] or invalidate --tag=TAG... [--hard]", code: 2)
    }
    let own = ownersOf(client, peer)
    let targets =
      tags.isEmpty
      ? try targets(request.arguments[0], isRecursive: isRecursive, own)
      : try targets(tags: tags, own)
    for target in targets { invalidate(target, hard: isHard) }
  }

  /// Whose URLs a session may speak of.
  func ownersOf(_ client: UInt64, _ peer: PeerIdentity) -> Set<NamespaceOwner> {
    let queues = namespace.sessions[client]?.queues ?? [:]
    let own = namespace.book.registrations.values.filter {
      $0.user == peer.owner && ($0.owner == client || queues[$0.queueKey] != nil)
    }
    return Set(
      own.map { NamespaceOwner(prefix: $0.prefix, user: $0.user, queue: $0.queue) })
  }

  private func targets(
    tags: [String], _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> [CacheTarget] {
    guard tags.count <= Master.sessionTagsMax,
      tags.allSatisfy({ !$0.isEmpty && $0.utf8.count <= CacheTags.byteCountMax })
    else {
      throw SessionRefusal(
        "at most \(Master.sessionTagsMax) tags at a time, of 1 to \(CacheTags.byteCountMax) bytes",
        code: 2)
    }
    let applications = Dictionary(grouping: own) { $0.queue }.values.compactMap(\.first)
    guard !applications.isEmpty else {
      throw SessionRefusal("this session has registered nothing, so it has no tags", code: 77)
    }
    return applications.flatMap { owner in
      tags.map { tag in
        let name = CacheTags.tag(Array(tag.utf8))
        return .label(OwnerLabels.tag(name, user: owner.user, queue: owner.queue))
      }
    }
  }

  private func targets(
    _ text: String, isRecursive: Bool, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> [CacheTarget] {
    guard !PrefixURL.hasWildcard(text) else {
      return try targets(
        try PrefixURL(text, newestModel), text, isRecursive: isRecursive, own)
    }
    let url: CacheURL
    do throws(CacheURLError) {
      url = try CacheURL(text, newestModel)
    } catch {
      throw SessionRefusal(error.description, code: 2)
    }
    return try targets(url, text, isRecursive: isRecursive, own)
  }

  /// A URL whose host clients write: it must lead to this session's application now.
  private func targets(
    _ url: CacheURL, _ text: String, isRecursive: Bool, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> [CacheTarget] {
    guard !isRecursive || url.query == nil else {
      throw SessionRefusal("'\(text)': what is below a URL has no query; leave out '?…'", code: 2)
    }
    var fragments: [CacheTarget] = []
    for path in url.paths {
      guard let owner = owner(of: url, path), own.contains(owner) else {
        // Of what is bound to an address nothing is kept.
        if own.contains(where: { $0.isBound(to: url, path) }) { return [] }
        throw notOwn(text)
      }
      fragments.append(.label(OwnerLabels.fragment(path, of: owner)))
    }
    guard isRecursive else { return url.resources + fragments }
    // What lies below may be others' in part: only what is this application's is named.
    return own.filter { $0.prefix.isFor(isSecure: url.isSecure, host: url.host, port: url.port) }
      .flatMap { owner in
        url.paths.flatMap { OwnerLabels.subtree($0, of: owner) }.map { CacheTarget.label($0) }
      }
  }

  /// The namespace as it is; made once for all questions between two changes.
  private func askedSnapshot() -> NamespaceSnapshot {
    let revision = namespace.book.revision
    if let asked = namespace.asked, asked.revision == revision { return asked.snapshot }
    let snapshot = namespaceSnapshot()
    namespace.asked = (revision, snapshot)
    return snapshot
  }

  /// The application to which requests for a URL are led, whatever site of its port answers.
  func owner(of url: CacheURL, _ path: [UInt8]) -> NamespaceOwner? {
    guard let sites = newestModel?.sites(port: url.port, host: url.host) else { return nil }
    let snapshot = askedSnapshot()
    let owners = sites.map { site in
      snapshot.lookUp(
        isSecure: url.isSecure, local: SocketAddress(IPAddress(v4: 0), port: url.port),
        host: url.host, path: path, configured: NamespaceSnapshot.Configured(site)
      ).flatMap { snapshot.owner(of: $0) }
    }
    guard let first = owners.first, owners.allSatisfy({ $0 == first }) else { return nil }
    return first
  }

  /// A URL with the host of a prefix: it names what the session's own prefixes of that host have.
  private func targets(
    _ url: PrefixURL, _ text: String, isRecursive: Bool, _ own: Set<NamespaceOwner>
  ) throws(SessionRefusal) -> [CacheTarget] {
    let near = own.filter { $0.prefix.isBeside(url.prefix) }
    for path in url.paths where !near.contains(where: { $0.prefix.covers(path) }) {
      throw notOwn(text)
    }
    return near.flatMap { owner in
      url.paths.flatMap { path in
        isRecursive
          ? OwnerLabels.subtree(path, of: owner) : [OwnerLabels.path(path, of: owner)]
      }.map { CacheTarget.label($0) }
    }
  }

  func notOwn(_ text: String) -> SessionRefusal {
    SessionRefusal("'\(text)' does not lead to what this session has registered", code: 77)
  }
}

extension NamespaceOwner {
  /// Whether it is for a URL on one address of the server.
  fileprivate func isBound(to url: CacheURL, _ path: [UInt8]) -> Bool {
    prefix.bucket == .address && prefix.covers(path)
      && prefix.isFor(isSecure: url.isSecure, host: url.host, port: url.port)
  }
}

/// "http://+:8080/shop/item": a URL on all hosts that a prefix is for.
struct PrefixURL {
  /// "/" of its host.
  let prefix: UrlPrefix
  /// Decoded and normalised: one for each way in which the sites read an encoded slash.
  let paths: [[UInt8]]

  /// Whether its host is none that a client can write.
  static func hasWildcard(_ text: String) -> Bool {
    guard let mark = text.firstRange(of: "://") else { return false }
    return text[mark.upperBound...].first == "+" || text[mark.upperBound...].first == "*"
  }

  init(_ text: String, _ model: Model?) throws(SessionRefusal) {
    let hostStart = text.firstRange(of: "://")?.upperBound ?? text.startIndex
    let pathStart = text[hostStart...].firstIndex(of: "/") ?? text.endIndex
    do throws(UrlPrefixError) {
      prefix = try UrlPrefix(text[..<pathStart] + "/")
    } catch {
      throw SessionRefusal("'\(text)': \(error)", code: 2)
    }
    let url: CacheURL
    do throws(CacheURLError) {
      url = try CacheURL("http://x\(text[pathStart...])", model)
    } catch {
      throw SessionRefusal(error.description, code: 2)
    }
    guard url.query == nil else {
      throw SessionRefusal(
        "'\(text)': on all hosts, all queries are meant; leave out '?…'", code: 2)
    }
    paths = url.paths
  }
}
