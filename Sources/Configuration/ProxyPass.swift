// From a request's path to the path that a member is asked for.

import HTTP
import Platform

/// What `ProxyPass`, `ProxyPassMatch` or `SetHandler "proxy:…"` says.
struct ProxyPass: Sendable {
  /// Index into the balancers; nil: "!", the request is not passed on.
  var balancer: Int?
  var scheme = ProxyScheme.http
  /// What goes before the rest of the request's path; already percent-encoded.
  var path = Template(literal: "")
  /// `path` holds groups of the pattern, and so stands alone.
  var holdsGroups = false
  /// Which member is asked, and so what its path is, is chosen for each request.
  var isBalancer = false
  /// The path that the single member has in front of everything; empty for a balancer.
  var memberPath: [UInt8] = []
  /// The target's URL as configured, normalised: what <Proxy> sections look at.
  var url: [UInt8] = []
  /// `nocanon`
  var passesPathAsSent = false
  /// `noquery`
  var dropsQuery = false
  /// "file:line:column"
  var place = ""
  /// The directive in canonical form.
  var line = ""

  /// A match of a request's path.
  struct Match {
    /// Decoded, without dot segments, runs of "/" collapsed.
    var path: [UInt8]
    /// Where what the prefix left begins; 0 behind a pattern: all of it is the rest.
    var restStart = 0
    var groups: [Range<Int>?] = []
    var query: [UInt8]?
    /// `AllowEncodedSlashes NoDecode`: "%2F" in the path is what the client sent.
    var keepsEncodedSlashes = false
    /// The script, where that is known already: a file's path.
    var script: [UInt8]?
    /// So many bytes at the end of the path are for the script.
    var pathInfoByteCount = 0
  }

  /// The target of a request; nil, to be answered with 404, if what it holds would lead out of the
  /// target's own path.
  func target(_ balancer: Int, _ match: Match, _ captures: Captures) -> ProxyTarget? {
    var path: [UInt8] = []
    path.reserveCapacity(match.path.count + (match.query?.count ?? 0) + 64)
    self.path.append(url: captures, subject: match.path, match: match.groups, to: &path)
    if match.keepsEncodedSlashes, !self.path.isLiteral { path = ProxyPass.encodedOnce(path) }
    let prefix = passesPathAsSent ? rooted(path) : []
    if !holdsGroups {
      let whole = match.path.rawSpan
      let rest = whole.extracting(match.restStart..<whole.byteCount)
      if match.keepsEncodedSlashes {
        var encoded: [UInt8] = []
        PercentEncoding.append(path: rest, to: &encoded)
        path += ProxyPass.encodedOnce(encoded)
      } else {
        PercentEncoding.append(path: rest, to: &path)
      }
    }
    if memberPath.isEmpty, path.first != slash { path.insert(slash, at: 0) }
    // What was captured stands in it as it is, but for bytes that a path cannot hold.
    if !self.path.isLiteral, Template.hasDotSegment(path) { return nil }
    var script: [UInt8] = []
    if scheme.isFastCGI, !isBalancer {
      let slashes: EncodedSlashes = match.keepsEncodedSlashes ? .noDecode : .on
      guard let file = ProxyPass.decoded(memberPath + path, slashes) else { return nil }
      script = SegmentPath.withoutPathInfo(file, match.path, match.pathInfoByteCount)
    }
    if let known = match.script { script = known }
    let pathInfoByteCount = script.isEmpty ? 0 : match.pathInfoByteCount
    if !dropsQuery, let query = match.query {
      path.append(UInt8(ascii: "?"))
      path += query
    }
    guard passesPathAsSent, !holdsGroups else {
      return ProxyTarget(
        balancer: balancer, path: path, passesQuery: !dropsQuery, scriptPath: script,
        pathInfoByteCount: pathInfoByteCount)
    }
    // "/app/" in front of "/x" took the slash with it.
    let isRooted = match.restStart < match.path.count && match.path[match.restStart] == slash
    return ProxyTarget(
      balancer: balancer, path: isRooted ? self.path.url(captures) : prefix,
      rawPrefixByteCount: match.restStart, passesQuery: !dropsQuery, canonicalPath: path,
      scriptPath: script, pathInfoByteCount: pathInfoByteCount)
  }

  /// A path that nothing stands in front of begins with "/".
  private func rooted(_ path: [UInt8]) -> [UInt8] {
    memberPath.isEmpty && path.first != slash ? [slash] + path : path
  }

  /// A slash that came encoded and was kept so goes on as it came.
  private static func encodedOnce(_ path: [UInt8]) -> [UInt8] {
    let twice = Array("%252F".utf8)
    guard path.count >= twice.count else { return path }
    var result: [UInt8] = []
    result.reserveCapacity(path.count)
    var index = 0
    while index < path.count {
      let isTwice = path[index...].starts(with: twice)
      result += isTwice ? Array("%2F".utf8)[...] : path[index...index]
      index += isTwice ? twice.count : 1
    }
    return result
  }

  private static func decoded(_ path: [UInt8], _ slashes: EncodedSlashes) -> [UInt8]? {
    let path = path.first == slash ? path : [slash] + path
    guard
      case .success(let result) = RequestTarget.decodePath(
        path.rawSpan, encodedSlashes: slashes)
    else { return nil }
    return result
  }
}
