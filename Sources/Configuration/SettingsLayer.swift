// What one section says: optional values, laid over each other into `Settings`.

import HTTP
import Platform

/// `Options` as written in one section.
struct OptionsChange: Hashable, Sendable {
  /// Set when options without sign stand here: what was inherited is gone.
  var replaces = false
  var added: Options = []
  var removed: Options = []

  func applied(to inherited: Options) -> Options {
    (replaces ? [] : inherited).subtracting(removed).union(added)
  }
}

/// One block of directives of the directory kind. Built by the checker, then only read.
struct SettingsLayer: Sendable {
  var options: OptionsChange?
  var symlinkConfine: Bool?
  var access: AccessRule?
  var directoryIndex: [String]?
  /// .some(nil): `FallbackResource disabled`.
  var fallbackResource: String??
  var acceptsPathInfo: PathInfoRule?
  var errorDocuments: [(status: Int, document: ErrorDocument)] = []
  var headerEditsAlways: [HeaderEdit] = []
  var headerEditsOnSuccess: [HeaderEdit] = []
  var expiresActive: Bool?
  var expiresDefault: ExpiresRule?
  var expiresByType: [(type: String, rule: ExpiresRule)] = []
  /// .some(nil): `ForceType None`.
  var forceType: String??
  /// `AddType`, `AddCharset`, `AddEncoding`.
  var mediaTypes = MediaTypes()
  /// .some(nil): `AddDefaultCharset Off`.
  var defaultCharset: String??
  var fileETag: FileETag?
  /// `FileETag +INode`: relative to what is inherited.
  var fileETagAdded: FileETag = []
  var fileETagRemoved: FileETag = []
  var limitRequestBodyBytes: UInt64?
  var serverSignature: ServerSignature?
  var useCanonicalName: Bool?
  var requiresTLS = false
  /// `Redirect` with a path, in a section.
  var redirects: [PathRule] = []
  /// `Redirect [STATUS] URL` in <Location>: status and target, nil without one.
  var redirect: (status: Int, target: Template?, place: String)?
  /// `Alias PATH` in <Location>.
  var alias: (target: Template, place: String)?
  /// `ProxyPass` and `ProxyPassMatch` in <Location>.
  var proxyPass: PathRule?
  /// All else that is said about passing on, caching and compressing, in order.
  var changes: [@Sendable (inout Settings) -> Void] = []
  /// One line per directive in canonical form, in a fixed order: the dump and the fingerprint.
  var lines: [String] = []
  var fingerprint: UInt64 = 0

  /// True if nothing is said here.
  var isEmpty: Bool { lines.isEmpty }
}

extension Settings {
  /// Lays a section over these settings.
  mutating func apply(_ layer: SettingsLayer) {
    if layer.isEmpty { return }
    if let change = layer.options { options = change.applied(to: options) }
    symlinkConfine = layer.symlinkConfine ?? symlinkConfine
    access = layer.access ?? access
    directoryIndex = layer.directoryIndex ?? directoryIndex
    if let resource = layer.fallbackResource { fallbackResource = resource }
    acceptsPathInfo = layer.acceptsPathInfo ?? acceptsPathInfo
    for (status, document) in layer.errorDocuments {
      errorDocuments.removeAll { $0.status == status }
      errorDocuments.append((status, document))
    }
    headerEditsAlways += layer.headerEditsAlways
    headerEditsOnSuccess += layer.headerEditsOnSuccess
    expiresActive = layer.expiresActive ?? expiresActive
    expiresDefault = layer.expiresDefault ?? expiresDefault
    for (type, rule) in layer.expiresByType {
      expiresByType.removeAll { $0.type == type }
      expiresByType.append((type, rule))
    }
    if let type = layer.forceType { forceType = type }
    if !layer.mediaTypes.isEmpty { mediaTypes.merge(layer.mediaTypes) }
    if let charset = layer.defaultCharset { defaultCharset = charset }
    fileETag = layer.fileETag ?? fileETag
    fileETag = fileETag.subtracting(layer.fileETagRemoved).union(layer.fileETagAdded)
    limitRequestBodyBytes = layer.limitRequestBodyBytes ?? limitRequestBodyBytes
    serverSignature = layer.serverSignature ?? serverSignature
    useCanonicalName = layer.useCanonicalName ?? useCanonicalName
    requiresTLS = requiresTLS || layer.requiresTLS
    if !layer.redirects.isEmpty { redirects = layer.redirects + redirects }
    for change in layer.changes { change(&self) }
    // Order counts: the same layers in another order may mean something else.
    fingerprint = Fingerprint.scramble(fingerprint &* 0x9e37_79b9_7f4a_7c15 ^ layer.fingerprint)
  }
}
