// What applies to one path after all sections are merged: every value is there.

import HTTP
import Platform

/// `Options`.
package struct Options: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Directories without an index file are listed.
  package static let indexes = Options(rawValue: 1)
  package static let followSymLinks = Options(rawValue: 2)
  package static let symLinksIfOwnerMatch = Options(rawValue: 4)
}

/// What `FileETag` puts into an entity tag; empty: no ETag.
package struct FileETag: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let inode = FileETag(rawValue: 1)
  package static let modificationTime = FileETag(rawValue: 2)
  package static let size = FileETag(rawValue: 4)
  /// httpd's default since 2.3.14.
  package static let standard: FileETag = [.modificationTime, .size]
}

/// `ServerSignature`.
package enum ServerSignature: String, Hashable, Sendable { case off, on, email }

/// `AcceptPathInfo`: whether a path may go on behind a file.
package enum PathInfoRule: String, Hashable, Sendable {
  case on, off
  /// For scripts, and not for other files.
  case byHandler = "default"
}

/// `ErrorDocument` for one status.
package enum ErrorDocument: Hashable, Sendable {
  /// An absolute URL: the client is redirected.
  case url(Template)
  /// A path of this site, answered in place.
  case path(Template)
  /// The body itself.
  case text(Template)
  /// Our own page, whatever an outer section says.
  case standard
}

/// `ExpiresDefault` and `ExpiresByType`: how long, from when.
package struct ExpiresRule: Hashable, Sendable, CustomStringConvertible {
  package enum Base: String, Hashable, Sendable { case access, modification }
  package let base: Base
  package let seconds: Int64

  package init(base: Base, seconds: Int64) {
    self.base = base
    self.seconds = seconds
  }

  package var description: String { "\(base.rawValue) plus \(seconds) seconds" }
}

/// Inputs outside the cache key that decided something (DESIGN 3.6): each becomes a check of the
/// cached entry, or the response is not stored.
package struct Dependencies: OptionSet, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  package static let clientAddress = Dependencies(rawValue: 1)
  /// A request field (conditions of sections; none today).
  package static let field = Dependencies(rawValue: 2)
  package static let hostPort = Dependencies(rawValue: 4)
  package static let time = Dependencies(rawValue: 8)
  package static let environment = Dependencies(rawValue: 16)
  /// The query was copied into the response.
  package static let query = Dependencies(rawValue: 32)
}

/// The merged settings of one path.
package struct Settings: Sendable {
  package var options: Options = [.followSymLinks]
  package var symlinkConfine = false
  package var access = AccessRule.grantsAll
  /// Names to try in a directory, in order; may be empty.
  package var directoryIndex = ["index.html"]
  /// A URL path; nil: none.
  package var fallbackResource: String?
  package var acceptsPathInfo = PathInfoRule.byHandler
  /// By status, each once.
  package var errorDocuments: [(status: Int, document: ErrorDocument)] = []
  /// In order; for every response.
  package var headerEditsAlways: [HeaderEdit] = []
  /// In order; for responses with a 2xx status and 304.
  package var headerEditsOnSuccess: [HeaderEdit] = []
  package var expiresActive = false
  package var expiresDefault: ExpiresRule?
  /// By media type without parameters, lower case; "text/*" is possible.
  package var expiresByType: [(type: String, rule: ExpiresRule)] = []
  /// The type of every file, whatever its name.
  package var forceType: String?
  /// `AddType`, `AddCharset`, `AddEncoding`; see `Model.mediaDescription`.
  package var mediaTypes = MediaTypes()
  /// Added to text/plain and text/html that name none; nil: nothing is added.
  package var defaultCharset: String?
  package var fileETag = FileETag.standard
  /// 0: no limit.
  package var limitRequestBodyBytes: UInt64 = 1 << 30
  package var serverSignature = ServerSignature.off
  /// Addresses the server makes itself name `ServerName`, not what the client asked for.
  package var useCanonicalName = false
  /// `SSLRequireSSL`: 403 on connections that are not encrypted.
  package var requiresTLS = false
  package var proxy = ProxySettings()
  package var caching = CachingSettings()
  package var compression = CompressionSettings()
  /// `Redirect` and `RedirectMatch` in sections, the innermost first: they act after access
  /// control.
  var redirects: [PathRule] = []
  /// `SetHandler "proxy:…"`; nil: files are answered by the server itself.
  var handler: ProxyPass?
  /// Of the content of everything above.
  package var fingerprint: UInt64 = 0

  package init() {}

  /// The `ErrorDocument` of a status; nil: our own page.
  package func errorDocument(_ status: Int) -> ErrorDocument? {
    guard let found = errorDocuments.first(where: { $0.status == status }),
      found.document != .standard
    else { return nil }
    return found.document
  }

  /// The expiry rule of a media type (without parameters, lower case): its own, its family's
  /// ("text/*"), or the default. nil: none, or `ExpiresActive off`.
  package func expires(mediaType: String) -> ExpiresRule? {
    guard expiresActive else { return nil }
    if let rule = expiresByType.first(where: { $0.type == mediaType }) { return rule.rule }
    if let slash = mediaType.firstIndex(of: "/") {
      let family = mediaType[..<slash] + "/*"
      if let rule = expiresByType.first(where: { $0.type == family }) { return rule.rule }
    }
    return expiresDefault
  }

  /// What header edits read outside the cache key.
  package var headerDependencies: Dependencies {
    (headerEditsAlways + headerEditsOnSuccess).reduce([]) {
      $0.union($1.value?.dependencies ?? [])
    }
  }
}
