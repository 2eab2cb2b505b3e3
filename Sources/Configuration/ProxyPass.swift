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
  }

  /// The target of a request; nil, to be answered with 404, if what it holds would lead out of the
  /// target's own path.
  func target(_ balancer: Int, _ match: Match, _ captures: Captures) -> ProxyTarget? {
    var path = self.path.url(captures, subject: match.path, match: match.groups)
    let prefix = rooted(path)
    if !holdsGroups {
      let rest = Array(match.path[match.restStart...])
      PercentEncoding.append(path: rest.rawSpan, to: &path)
    }
    path = rooted(path)
    // What was captured stands in it as it is, but for bytes that a path cannot hold.
    if !self.path.isLiteral, Template.hasDotSegment(path) { return nil }
    var target = ProxyTarget(balancer: balancer, path: path)
    if scheme == .fcgi, !isBalancer {
      guard let file = ProxyPass.decoded(memberPath + path) else { return nil }
      target.scriptPath = file
    }
    if !dropsQuery, let query = match.query { target.path += [UInt8(ascii: "?")] + query }
    if passesPathAsSent, !holdsGroups {
      target.canonicalPath = target.path
      // "/app/" in front of "/x" took the slash with it.
      let isRooted = match.restStart < match.path.count && match.path[match.restStart] == slash
      target.path = isRooted ? self.path.url(captures) : prefix
      target.rawPrefixByteCount = match.restStart
    }
    return target
  }

  /// A path that nothing stands in front of begins with "/".
  private func rooted(_ path: [UInt8]) -> [UInt8] {
    memberPath.isEmpty && path.first != slash ? [slash] + path : path
  }

  private static func decoded(_ path: [UInt8]) -> [UInt8]? {
    let path = path.first == slash ? path : [slash] + path
    guard
      case .success(let result) = RequestTarget.decodePath(
        path.rawSpan, encodedSlashes: .on)
    else { return nil }
    return result
  }
}
