// URLs as operators write them, turned into the names by which entries can be invalidated.

import Cache
import Configuration
import HTTP
import Platform

/// What is wrong with a URL, and what to write instead.
package struct CacheURLError: Error, Equatable, CustomStringConvertible {
  package let description: String
}

/// An absolute URL, read by the same functions as a request for it.
package struct CacheURL: Equatable, Sendable {
  package let isSecure: Bool
  /// The port on which the server listens; the scheme's own unless the URL names one.
  package let port: UInt16
  /// As written.
  package let rawHost: [UInt8]
  /// Path and query as written; "/" when there is none.
  package let rawTarget: [UInt8]
  /// Decoded and normalised: nearly always one; one for each way in which the sites of this server
  /// read an encoded slash, when there is one.
  package let paths: [[UInt8]]
  package let query: [UInt8]?
  /// For each path and each site that may answer, what of the query names the response of an
  /// application (`CacheKeyQuery`), behind the path as keys have it.
  private let namedTargets: [[UInt8]]

  /// - Parameter text: "https://host[:port]/path?query"; without a scheme it is what the port speaks,
  ///   the path may be left out, a fragment is dropped.
  package init(_ text: String, _ model: Model?) throws(CacheURLError) {
    let refused = "'\(text)' is no URL of this server; write http[s]://HOST[:PORT]/PATH"
    var bytes = Array(text.utf8.prefix { $0 != UInt8(ascii: "#") })
    let hasScheme = text.firstRange(of: "://") != nil
    if !hasScheme { bytes = Array("http://".utf8) + bytes }
    let authority = CacheURL.authority(bytes)
    let request =
      Array("GET ".utf8) + bytes + Array(" HTTP/1.1\r\nHost: ".utf8) + authority
      + Array("\r\n\r\n".utf8)
    var head = RequestHead()
    let limits = RequestLimits(
      requestLineBytesMax: 65_535, fieldCountMax: 8, fieldBytesMax: 65_535, headerBytesMax: 131_072)
    switch RequestParser(limits: limits).parse(request.rawSpan, into: &head) {
    case .complete: break
    case .rejected(let rejection):
      throw CacheURLError(description: "\(refused) (\(rejection.message))")
    case .needMore: throw CacheURLError(description: refused)
    }
    guard head.targetForm == .absolute, head.headByteCount == request.count,
      !authority.isEmpty
    else { throw CacheURLError(description: refused) }
    let named = head.hostPort
    let isEncrypted = model.map { model in
      model.listens.contains {
        $0.address.port == named && model.isEncrypted(local: $0.address)
      }
    }
    isSecure = hasScheme ? head.targetSchemeIsSecure : isEncrypted ?? false
    port = named ?? (isSecure ? 443 : 80)
    rawHost = head.host.copy(from: request.rawSpan)
    let path = head.path.copy(from: request.rawSpan)
    query = head.query?.copy(from: request.rawSpan)
    rawTarget = (path.isEmpty ? [UInt8(ascii: "/")] : path) + (query.map { [0x3f] + $0 } ?? [])
    let readings = model.map { Set($0.sites.map { $0.allowEncodedSlashes }) } ?? []
    var paths: [[UInt8]] = []
    var refusal = ""
    for reading in readings.isEmpty ? [.off] : readings.sorted(by: { $0.rawValue < $1.rawValue }) {
      switch RequestTarget.decodePath(path.rawSpan, encodedSlashes: reading) {
      case .success(let decoded): if !paths.contains(decoded) { paths.append(decoded) }
      case .failure(let rejection): refusal = "\(rejection.message)"
      }
    }
    guard !paths.isEmpty else { throw CacheURLError(description: "\(refused) (\(refusal))") }
    self.paths = paths
    let sites = model?.sites(port: port, host: CacheURL.canonicalHost(rawHost)) ?? []
    var targets: [[UInt8]] = []
    for path in paths {
      for site in sites {
        guard let settings = model?.route(site, path: path, query: query).settings else { continue }
        let key = CacheKeys.response(
          prefix: [], host: [], path: path, query: query, settings.caching.keyQuery)
        let target = Array(key.dropFirst())
        if !targets.contains(target) { targets.append(target) }
      }
    }
    namedTargets = targets
  }

  private static func authority(_ url: [UInt8]) -> [UInt8] {
    guard let colon = url.firstIndex(of: UInt8(ascii: ":")), colon + 3 <= url.count else {
      return []
    }
    return url[(colon + 3)...].prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }.map {
      $0
    }
  }

  /// Lower case, without a dot at its end.
  package var host: [UInt8] { CacheURL.canonicalHost(rawHost) }

  /// How entries name a host.
  package static func canonicalHost(_ host: [UInt8]) -> [UInt8] {
    var host = host.map(ASCIICase.lower)
    while host.last == UInt8(ascii: ".") { host.removeLast() }
    return host
  }

  private var authority: [UInt8] {
    [
      isSecure ? CacheKeys.schemeHTTPS : CacheKeys.schemeHTTP,
      UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port),
    ]
  }

  private func canonical(_ path: [UInt8]) -> [UInt8] {
    var encoded: [UInt8] = []
    PercentEncoding.append(path: path.rawSpan, to: &encoded)
    return encoded
  }

  /// The resource, of any address class. A file answers whatever the query is: with a query, the
  /// resource without it is meant as well.
  package var resources: [CacheTarget] {
    var targets: [[UInt8]] = []
    for path in paths.map(canonical) {
      targets.append(path)
      if let query { targets.append(path + [0x3f] + query) }
    }
    for target in namedTargets where !targets.contains(target) { targets.append(target) }
    return targets.map { CacheTarget.resource(authority: authority, host: host, target: $0) }
  }

  /// The URL and all below it, on whole segments: of "/a" both "/a" and "/a/…", of "/a/" only the
  /// latter.
  package var subtrees: [CacheTarget] {
    paths.map(canonical).flatMap { path -> [CacheTarget] in
      if path.last == UInt8(ascii: "/") {
        return [.subtree(authority: authority, host: host, path: path)]
      }
      return [
        .resource(authority: authority, host: host, target: path),
        .subtree(authority: authority, host: host, path: path + [UInt8(ascii: "/")]),
      ]
    }
  }

  /// The canonical keys that this URL's responses may have.
  func keys(_ model: Model) -> [[UInt8]] {
    let start = [CacheKeys.version] + authority
    var targets = paths.map(canonical)
    for target in namedTargets where !targets.contains(target) { targets.append(target) }
    return model.addressClasses.flatMap { addressClass in
      targets.map { start + addressClass.bytes + host + [0] + $0 }
    }
  }
}
