// From a directive tree to a model: every value read, every rule between directives checked.

import HTTP
import Platform

/// Checks one configuration. Collects all diagnostics instead of stopping at the first.
struct Checker {
  let reader: ConfigurationReader
  let serverRoot: String
  var diagnostics: [Diagnostic] = []
  var server = ServerSettings()
  var listens: [(listen: Listen, directive: Directive)] = []
  let main = SiteDraft()
  var virtualHosts: [SiteDraft] = []
  var typesConfig: Word?
  /// Every address of every <VirtualHost>, for the check against Listen.
  var virtualHostWords: [(address: SiteAddress, word: Word)] = []
  var proxies = ProxyRegistry()
  /// `ProxyHCTemplate`, by name in lower case.
  var healthTemplates: [String: ProxyMemberDraft] = [:]

  init(reader: ConfigurationReader, serverRoot: String) {
    self.reader = reader
    self.serverRoot = serverRoot
    server.serverRoot = serverRoot
    server.pidFile = absolute("ring3d.pid")
    server.controlSocketPath = absolute("ring3d.sock")
    server.stateDirectory = absolute("ring3d.state")
  }

  /// Checks a tree; nil if anything is an error.
  mutating func check(_ directives: [Directive]) -> Model? {
    collectProxies(directives, main)
    for directive in directives {
      if directive.row.name == "VirtualHost" {
        checkVirtualHost(directive)
      } else if !checkServer(directive), !checkSite(directive, main) {
        _ = checkSetting(directive, main, &main.layer, .site)
      }
    }
    finishLayer(&main.layer, [], main)
    finishTLS(main)
    checkListens()
    checkReservations()
    checkApplications()
    finish(main, inheriting: [])
    for index in virtualHosts.indices {
      finish(virtualHosts[index], inheriting: main.sectionGroupNames)
    }
    let mediaTypes = readMediaTypes()
    guard !diagnostics.contains(where: { $0.severity == .error }) else { return nil }
    let firstQueue = addQueues()
    var model = ModelBuilder(
      server: server, main: main, virtualHosts: virtualHosts, proxies: proxies
    ).build(listens: listens.map(\.listen), mediaTypes: mediaTypes)
    model.firstQueueBalancer = firstQueue
    checkEncryption(model)
    checkProxyProtocol(model)
    return diagnostics.contains { $0.severity == .error } ? nil : model
  }

  mutating func error(_ message: String, _ word: Word) {
    diagnostics.append(.error(message, at: word))
  }

  mutating func warning(_ message: String, _ word: Word) {
    diagnostics.append(.warning(message, at: word))
  }

  /// A path below ServerRoot unless it is absolute.
  func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    return (serverRoot.hasSuffix("/") ? serverRoot : serverRoot + "/") + path
  }

  /// A path below ServerRoot without "//", "." and ".." and without a trailing slash. Absolute if
  /// ServerRoot is.
  func normalized(_ path: String) -> String {
    let path = absolute(path)
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
  }

  /// Compiles a pattern; reports PCRE2's message at the byte it means.
  mutating func pattern(
    _ word: Word, caseInsensitive: Bool = false, anchored: Bool = false
  ) -> Pattern? {
    do throws(PatternError) {
      return try Pattern(
        word.text, caseInsensitive: caseInsensitive, anchoredBothEnds: anchored)
    } catch {
      diagnostics.append(
        .error(
          "invalid regular expression: \(error.message) (at offset \(error.byteOffset))", at: word,
          textOffset: error.byteOffset))
      return nil
    }
  }

  /// Reads a template and notes which captured values it needs.
  mutating func template(
    _ word: Word, text: String? = nil, groups: Int? = nil, _ draft: SiteDraft,
    needsHostGroups: Bool = false
  ) -> Template? {
    do throws(Template.Failure) {
      let template = try Template(text ?? word.text, groups: groups)
      for name in template.environmentNames {
        draft.uses.append(
          SiteDraft.Use(name: name, word: word, needsHostGroups: needsHostGroups))
      }
      return template
    } catch {
      let shift = (text.map { $0.utf8.count - word.text.utf8.count }) ?? 0
      diagnostics.append(
        .error(error.message, at: word, textOffset: max(0, error.byteOffset - shift)))
      return nil
    }
  }

  /// Every captured value that is used must be captured somewhere.
  private mutating func finish(_ draft: SiteDraft, inheriting inherited: Set<String>) {
    for use in draft.uses {
      if draft.hostGroupNames.contains(use.name) { continue }
      if !use.needsHostGroups,
        draft.sectionGroupNames.contains(use.name) || inherited.contains(use.name)
      {
        continue
      }
      let known = draft.hostGroupNames.union(use.needsHostGroups ? [] : draft.sectionGroupNames)
      let hint =
        Spelling.nearest(to: use.name, among: known.sorted()).map { "; did you mean '\($0)'?" }
        ?? "; ServerNameMatch \"(?<name>…)\" would define MATCH_NAME"
      error("nothing captures '\(use.name)' here\(hint)", use.word)
    }
  }

  private mutating func readMediaTypes() -> MediaTypes {
    let path = server.typesConfig ?? absolute("conf/mime.types")
    switch reader.read(path) {
    case .success(let bytes):
      server.typesConfig = path
      var types = MediaTypes()
      for problem in types.add(mimeTypes: String(decoding: bytes, as: UTF8.self)) {
        diagnostics.append(
          Diagnostic(
            severity: .warning, place: SourcePlace(file: path, line: problem.line, column: 1),
            message: problem.message))
      }
      return types
    case .failure(let failure):
      if let word = typesConfig { error("cannot read the media types: \(failure)", word) }
      return MediaTypes.standard
    }
  }
}

/// One site while it is being read: what is nil is inherited.
final class SiteDraft {
  /// A captured value that some directive needs.
  struct Use {
    let name: String
    let word: Word
    /// In DocumentRoot and Alias, which are chosen before any section.
    let needsHostGroups: Bool
  }

  var name: (host: String, port: UInt16?, scheme: String?)?
  var names: [SiteName] = []
  var addresses: [SiteAddress] = []
  var serverAdmin: String?
  var documentRoot: Template?
  var errorLog: String?
  var logLevel: LogLevel?
  var accessLogs: [AccessLog] = []
  var keepAlive: Bool?
  var keepAliveTimeoutMilliseconds: Int64?
  var maxKeepAliveRequests: Int?
  var timeoutMilliseconds: Int64?
  var requestReadTimeout: RequestReadTimeout?
  var limitRequestLineBytes: Int?
  var limitRequestFields: Int?
  var limitRequestFieldBytes: Int?
  var traceEnable: Bool?
  var allowEncodedSlashes: EncodedSlashes?
  var tls = TLSDraft()
  var protocols: [ApplicationProtocol]?
  var protocolsHonorOrder: Bool?
  var http2 = HTTP2Draft()
  var proxy = ProxyDraft()
  var remoteIP = RemoteIPDraft()
  /// Sections of `CacheDisable PATH`; they go behind all others.
  var uncached: [Section] = []
  /// The first word of its <VirtualHost>; nil for the main server.
  var opening: Word?
  var place = ""
  var layer = SettingsLayer()
  var directories: [Section] = []
  var directoryMatches: [Section] = []
  var files: [Section] = []
  var locations: [Section] = []
  var redirects: [PathRule] = []
  var aliases: [PathRule] = []
  var uses: [Use] = []
  /// "MATCH_NAME" of ServerNameMatch.
  var hostGroupNames: Set<String> = []
  /// "MATCH_NAME" of <LocationMatch> and <DirectoryMatch>.
  var sectionGroupNames: Set<String> = []
}

extension Directive {
  /// "Name argument \"two words\"": the canonical form for dumps and fingerprints.
  var line: String {
    ([row.name] + arguments.map(\.quoted)).joined(separator: " ")
  }

  /// "<Directory \"/srv\">"
  var title: String {
    "<"
      + ([row.name] + arguments.map { $0.text == "~" ? "~" : "\"\($0.text)\"" })
      .joined(separator: " ") + ">"
  }
}

extension Word {
  fileprivate var quoted: String {
    let isPlain =
      !text.isEmpty && !text.utf8.contains { $0 <= 32 || $0 == UInt8(ascii: "\"") || $0 == 92 }
    if isPlain { return text }
    var result = "\""
    for character in text {
      if character == "\"" || character == "\\" { result.append("\\") }
      result.append(character)
    }
    return result + "\""
  }
}
