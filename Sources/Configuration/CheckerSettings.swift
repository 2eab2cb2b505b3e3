// Directives of the directory kind, read into the layer of their section.

import HTTP
import Platform

extension Checker {
  /// True if the directive is of the directory kind. Require is worked out for a whole section
  /// (`checkAccess`), so here it is only known.
  mutating func checkSetting(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope,
    _ matcher: SectionMatcher? = nil
  ) -> Bool {
    if directive.row.name.hasPrefix("Require"), directive.row.name != "RequestReadTimeout" {
      return true
    }
    if directive.row.name == "SSLOptions" {
      // Without effect: no line, so that no response's fingerprint has it.
      checkSSLOptions(directive)
      return true
    }
    if directive.row.name == "SSLRequireSSL" {
      layer.requiresTLS = true
      layer.lines.append(directive.line)
      return true
    }
    let errors = diagnostics.count
    let isKnown =
      checkFileSetting(directive, draft, &layer) || checkContent(directive, draft, &layer)
      || checkMapping(directive, draft, &layer, scope)
      || checkProxySetting(directive, draft, &layer, scope, matcher)
      || checkProxyPass(directive, draft, &layer, scope, matcher)
      || checkCaching(directive, draft, &layer, scope) || checkCompression(directive, &layer)
    // Rules of the whole site are named by their tables.
    let isSiteRule =
      scope == .site
      && (["Alias", "Redirect"].contains { directive.row.name.hasPrefix($0) }
        || ["ProxyPass", "ProxyPassMatch", "CacheDisable"].contains(directive.row.name))
    if isKnown, !isSiteRule, diagnostics.count == errors { layer.lines.append(directive.line) }
    return isKnown
  }

  /// How files are found and what may be shown.
  private mutating func checkFileSetting(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer
  ) -> Bool {
    guard let first = directive.arguments.first else { return false }
    switch directive.row.name {
    case "Options": checkOptions(directive, &layer)
    case "AllowOverride": checkAllowOverride(directive)
    case "SymlinkConfine": layer.symlinkConfine = ValueType.onOff(first.text)
    case "UseCanonicalName": layer.useCanonicalName = ValueType.onOff(first.text)
    case "ServerSignature":
      layer.serverSignature = ServerSignature(rawValue: first.text.asciiLowercased)
    case "LimitRequestBody":
      layer.limitRequestBodyBytes = ValueType.bytes(first.text).map { UInt64($0) }
    case "DirectoryIndex": checkDirectoryIndex(directive, &layer)
    case "FallbackResource":
      if first.text.asciiLowercased == "disabled" {
        layer.fallbackResource = .some(nil)
      } else if first.text.hasPrefix("/") {
        layer.fallbackResource = .some(first.text)
      } else {
        error("'disabled' or a URL path that starts with '/' is expected", first)
      }
    case "AcceptPathInfo":
      layer.acceptsPathInfo = PathInfoRule(rawValue: first.text.asciiLowercased)
    case "ErrorDocument": checkErrorDocument(directive, draft, &layer)
    case "LogLevel":
      warning("LogLevel has no effect in a section; the site's level counts", directive.name)
    default: return false
    }
    return true
  }

  private mutating func checkOptions(_ directive: Directive, _ layer: inout SettingsLayer) {
    let words = directive.arguments
    func isSigned(_ word: Word) -> Bool { word.text.hasPrefix("+") || word.text.hasPrefix("-") }
    if let odd = words.first(where: { isSigned($0) != isSigned(words[0]) }) {
      return error(
        "either all Options start with + or -, or none does: together they would not mean what"
          + " they seem to", odd)
    }
    var change = layer.options ?? OptionsChange()
    if !isSigned(words[0]) { change = OptionsChange(replaces: true) }
    for word in words {
      let isRemoved = word.text.hasPrefix("-")
      let name = isSigned(word) ? String(word.text.dropFirst()) : word.text
      guard let option = option(name, word, isRemoved: isRemoved) else { continue }
      if isRemoved {
        change.removed.formUnion(option)
        change.added.subtract(option)
      } else {
        change.added.formUnion(option)
        change.removed.subtract(option)
      }
    }
    layer.options = change
  }

  private mutating func option(_ name: String, _ word: Word, isRemoved: Bool) -> Options? {
    switch name.asciiLowercased {
    case "indexes": return .indexes
    case "followsymlinks": return .followSymLinks
    case "symlinksifownermatch": return .symLinksIfOwnerMatch
    case "none": return []
    case "all" where isRemoved: return [.indexes, .followSymLinks, .symLinksIfOwnerMatch]
    case "all":
      error(
        "Options All contains ExecCGI and Includes, which are not implemented: programs would be"
          + " shown as source; name the ones you mean (Indexes FollowSymLinks)", word)
    case "execcgi", "includes", "includesnoexec", "multiviews":
      if isRemoved { return [] }
      error(
        "Options \(name) is not implemented; what it would run or choose would be shown as it is",
        word)
    default:
      let known = ["Indexes", "FollowSymLinks", "SymLinksIfOwnerMatch", "None"]
      let hint = Spelling.nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
      error("unknown option '\(name)'\(hint)", word)
    }
    return nil
  }

  private mutating func checkAllowOverride(_ directive: Directive) {
    for word in directive.arguments where word.text.asciiLowercased != "none" {
      error(
        "AllowOverride \(word.text) is not implemented: .htaccess files are not read, and what"
          + " they protect would be open; move their directives into a <Directory> section and"
          + " write 'AllowOverride None'", word)
    }
  }

  private mutating func checkDirectoryIndex(_ directive: Directive, _ layer: inout SettingsLayer) {
    let words = directive.arguments
    if words.count == 1, words[0].text.asciiLowercased == "disabled" {
      layer.directoryIndex = []
      return
    }
    for word in words {
      if word.text.asciiLowercased == "disabled" {
        warning("'disabled' beside other names is taken for a file name", word)
      }
      layer.directoryIndex = (layer.directoryIndex ?? []) + [word.text]
    }
  }

  private mutating func checkErrorDocument(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer
  ) {
    let statusWord = directive.arguments[0]
    let word = directive.arguments[1]
    guard let status = ValueType.integer(statusWord.text), (400...599).contains(status) else {
      return error("a status from 400 to 599 is expected, not '\(statusWord.text)'", statusWord)
    }
    let document: ErrorDocument
    if word.text.asciiLowercased == "default", !word.isQuoted {
      document = .standard
    } else {
      guard let template = template(word, draft) else { return }
      if word.text.hasPrefix("/") {
        document = .path(template)
      } else if Checker.isURL(word.text) {
        if status == 401 {
          return error("a URL for 401 would keep clients from ever being asked to log in", word)
        }
        document = .url(template)
      } else {
        document = .text(template)
      }
    }
    layer.errorDocuments.removeAll { $0.status == status }
    layer.errorDocuments.append((status, document))
  }

  /// A scheme, ":" and "//" (httpd's ap_is_url).
  static func isURL(_ text: String) -> Bool {
    guard let range = text.firstRange(of: "://") else { return false }
    let scheme = text[..<range.lowerBound].utf8
    return !scheme.isEmpty
      && scheme.allSatisfy { byte in
        switch byte {
        case 48...57, 65...90, 97...122: return true
        default: return "+-.".utf8.contains(byte)
        }
      }
  }
}
